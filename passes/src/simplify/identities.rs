//! Ops whose result is an operand, or a constant, whatever the operand is.

use ElementwiseOp::{
    Abs, Add, BitwiseAnd, BitwiseInvert, BitwiseLeftShift, BitwiseOr, BitwiseRightShift, BitwiseXor, Ceil,
    Conj, Divide, Equal, Floor, FloorDivide, Greater, GreaterEqual, Imag, Isfinite, Isinf, Isnan, Less,
    LessEqual, LogicalAnd, LogicalOr, LogicalXor, Multiply, Negative, NotEqual, Positive, Pow, Real,
    Remainder, Round, Subtract, Trunc,
};
use raptors_ir::{DType, ElementwiseOp, Fact, Kind, Literal, Op};

use super::pattern::{Candidate, Expr};

/// `positive(x) = conj(x) = real(x) = x, abs(u) = u`.
pub(super) fn identity_function(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    let identity = match op {
        Positive | Conj | Real => !candidate.dtype(x).is_complex(),
        Abs => matches!(candidate.dtype(x).kind(), Kind::Bool | Kind::Unsigned),
        _ => false,
    };
    identity.then_some(x.into())
}

/// `floor(n) = ceil(n) = trunc(n) = round(n) = n`.
pub(super) fn integral_round(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    (matches!(op, Floor | Ceil | Trunc | Round) && is_integral(candidate.dtype(x))).then_some(x.into())
}

/// `isnan(n) = isinf(n) = false, isfinite(n) = true, imag(x) = 0`.
pub(super) fn constant_function(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    let dtype = candidate.dtype(x);
    match op {
        Isnan | Isinf if is_integral(dtype) => Some(Literal::zero(DType::Bool).into()),
        Isfinite if is_integral(dtype) => Some(Literal::one(DType::Bool).into()),
        Imag if !dtype.is_complex() => Some(Literal::zero(dtype).into()),
        _ => None,
    }
}

/// `x * 1 = x / 1 = x - 0 = x + -0.0 = x`.
pub(super) fn neutral_operand(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    let (zero, one) = (Literal::zero(dtype), Literal::one(dtype));
    let neutral = match op {
        Multiply | Divide => one,
        FloorDivide if dtype.is_integer() => one,
        Pow => one,
        // 0.0 + -0.0 is 0.0, so only -0.0 is neutral.
        Add if dtype.is_float() => Literal::from_f64(dtype, -0.0),
        Add | Subtract | BitwiseOr | BitwiseXor | BitwiseLeftShift | BitwiseRightShift => zero,
        BitwiseAnd => all_ones(dtype),
        LogicalAnd if dtype == DType::Bool => one,
        LogicalOr | LogicalXor if dtype == DType::Bool => zero,
        _ => return None,
    };
    if candidate.is(y, neutral) {
        return Some(x.into());
    }
    (op.has(Fact::Commutative) && candidate.is(x, neutral)).then_some(y.into())
}

/// `n * 0 = n & 0 = n % 1 = 0, n | ~0 = ~0, n ** 0 = 1, b and false = false, b or true = true`.
pub(super) fn absorbing_operand(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    let (zero, one) = (Literal::zero(dtype), Literal::one(dtype));
    let absorbing = match op {
        Multiply if !dtype.is_float() => zero,
        BitwiseAnd => zero,
        BitwiseOr => all_ones(dtype),
        LogicalAnd if dtype == DType::Bool => zero,
        Add | LogicalOr if dtype == DType::Bool => one,
        Remainder if dtype.is_integer() && candidate.is(y, one) => return Some(zero.into()),
        // Of a signaling NaN the zeroth power is NaN.
        Pow if dtype.is_integer() && candidate.is(y, zero) => return Some(one.into()),
        _ => return None,
    };
    (candidate.is(x, absorbing) || candidate.is(y, absorbing)).then_some(absorbing.into())
}

/// `f(f(x)) = f(x), min(x, x) = n & n = x`.
pub(super) fn idempotent(candidate: &Candidate<'_>) -> Option<Expr> {
    let op = candidate.elementwise()?;
    if !op.has(Fact::Idempotent) {
        return None;
    }
    match *candidate.operands.as_slice() {
        [x] => (*candidate.graph.op(x) == Op::Elementwise(op)).then_some(x.into()),
        [x, y] => (x == y).then_some(x.into()),
        _ => None,
    }
}

/// `-(-x) = ~(~n) = x`.
pub(super) fn involution(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    let inner = matches!(op, Negative | BitwiseInvert).then(|| candidate.argument(op, x))?;
    inner.map(Expr::from)
}

/// `n - n = n ^ n = 0, n == n, n < n = false` and the other comparisons.
pub(super) fn same_integers(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    if x != y || !is_integral(dtype) {
        return None;
    }
    match op {
        Subtract | BitwiseXor => Some(Literal::zero(dtype).into()),
        Equal | LessEqual | GreaterEqual => Some(Literal::one(DType::Bool).into()),
        NotEqual | Less | Greater => Some(Literal::zero(DType::Bool).into()),
        _ => None,
    }
}

pub(super) fn is_integral(dtype: DType) -> bool {
    matches!(dtype.kind(), Kind::Bool | Kind::Signed | Kind::Unsigned)
}

fn all_ones(dtype: DType) -> Literal {
    if dtype == DType::Bool { Literal::one(dtype) } else { Literal::from_bits(dtype, u128::MAX) }
}
