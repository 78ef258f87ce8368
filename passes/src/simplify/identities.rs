//! Ops whose result is an operand, or a constant, whatever the operand is.

use ElementwiseOp::{
    Abs, Add, BitwiseAnd, BitwiseInvert, BitwiseLeftShift, BitwiseOr, BitwiseRightShift, BitwiseXor, Ceil,
    Conj, Cosh, Divide, Equal, Exp, Floor, FloorDivide, Greater, GreaterEqual, Hypot, Imag, Isfinite, Isinf,
    Isnan, Less, LessEqual, LogicalAnd, LogicalNot, LogicalOr, LogicalXor, Multiply, Negative, NotEqual,
    Positive, Pow, Real, Remainder, Round, Sign, Square, Subtract, Trunc,
};
use raptors_ir::{DType, ElementwiseOp, Fact, Kind, Literal, NodeId, Op, Operands};

use super::pattern::{Candidate, Expr, unary};

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

/// `isnan(n) = isinf(n) = false, isfinite(n) = true`, also of a float that is a cast `n`; `imag(x) = 0`.
pub(super) fn constant_function(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    let dtype = candidate.dtype(x);
    // An integer is a finite number in every float dtype that has room for it.
    let source = match candidate.graph.op(x) {
        Op::Cast(DType::F32 | DType::F64) => candidate.dtype(candidate.graph.operands(x)[0]),
        _ => dtype,
    };
    match op {
        Isnan | Isinf if is_integral(source) => Some(Literal::zero(DType::Bool).into()),
        Isfinite if is_integral(source) => Some(Literal::one(DType::Bool).into()),
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

/// `n * 0 = n & 0 = n % 1 = n % -1 = 0, n | ~0 = ~0, n ** 0 = 1, b and false = false, b or true = true`.
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
        Remainder if dtype.kind() == Kind::Signed && candidate.is(y, all_ones(dtype)) => {
            return Some(zero.into());
        }
        // Of a signaling NaN the zeroth power is NaN.
        Pow if dtype.is_integer() && candidate.is(y, zero) => return Some(one.into()),
        _ => return None,
    };
    (candidate.is(x, absorbing) || candidate.is(y, absorbing)).then_some(absorbing.into())
}

/// `f(f(x)) = f(x), min(x, x) = n & n = x, b and b = b`.
pub(super) fn idempotent(candidate: &Candidate<'_>) -> Option<Expr> {
    let op = candidate.elementwise()?;
    let of_bool =
        matches!(op, LogicalAnd | LogicalOr) && candidate.dtype(candidate.operands[0]) == DType::Bool;
    if !op.has(Fact::Idempotent) && !of_bool {
        return None;
    }
    match *candidate.operands.as_slice() {
        [x] => (*candidate.graph.op(x) == Op::Elementwise(op)).then_some(x.into()),
        [x, y] => candidate.same(x, y).then_some(x.into()),
        _ => None,
    }
}

/// `-(-x) = ~(~n) = x`.
pub(super) fn involution(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    let inner = matches!(op, Negative | BitwiseInvert).then(|| candidate.argument(op, x))?;
    inner.map(Expr::from)
}

/// `n - n = n ^ n = 0, n xor n = false, n == n, n < n = false` and the other comparisons.
pub(super) fn same_integers(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    if !candidate.same(x, y) || !is_integral(dtype) {
        return None;
    }
    match op {
        Subtract | BitwiseXor => Some(Literal::zero(dtype).into()),
        LogicalXor => Some(Literal::zero(DType::Bool).into()),
        Equal | LessEqual | GreaterEqual => Some(Literal::one(DType::Bool).into()),
        NotEqual | Less | Greater => Some(Literal::zero(DType::Bool).into()),
        _ => None,
    }
}

/// `x != x is isnan(x), x < x is false`.
pub(super) fn same_floats_compared(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    if !candidate.same(x, y) || !candidate.dtype(x).is_float() {
        return None;
    }
    match op {
        NotEqual => Some(unary(Isnan, x)),
        Less | Greater => Some(Literal::zero(DType::Bool).into()),
        _ => None,
    }
}

/// `n & ~n = 0, n | ~n = n ^ ~n = ~0, b and not b = false, b or not b = true`.
pub(super) fn complement(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    let is_bool = dtype == DType::Bool;
    let inverted = |x| {
        let not = if is_bool { candidate.argument(LogicalNot, x) } else { None };
        not.or_else(|| candidate.argument(BitwiseInvert, x))
    };
    let is_inverse = |x, y| inverted(x).is_some_and(|x| candidate.same(x, y));
    if !is_inverse(x, y) && !is_inverse(y, x) {
        return None;
    }
    match op {
        BitwiseAnd => Some(Literal::zero(dtype).into()),
        BitwiseOr | BitwiseXor => Some(all_ones(dtype).into()),
        LogicalAnd if is_bool => Some(Literal::zero(dtype).into()),
        LogicalOr | LogicalXor if is_bool => Some(Literal::one(dtype).into()),
        _ => None,
    }
}

/// `floor(ceil(x)) = ceil(x)`, and any of floor, ceil, trunc and round of another, of a sign, and of a cast integer.
pub(super) fn rounded_twice(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Floor | Ceil | Trunc | Round, x) = candidate.unary()? else { return None };
    let is_whole = match candidate.graph.op(x) {
        Op::Elementwise(Floor | Ceil | Trunc | Round | Sign) => true,
        Op::Cast(_) => is_integral(candidate.dtype(candidate.graph.operands(x)[0])),
        _ => false,
    };
    is_whole.then_some(x.into())
}

/// `abs(square(x)) = square(x)`, and abs of exp, cosh and hypot, of floats.
pub(super) fn abs_of_nonnegative(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Abs, x) = candidate.unary()? else { return None };
    let Op::Elementwise(op) = candidate.graph.op(x) else { return None };
    let is_nonnegative = matches!(op.strict(), Square | Exp | Cosh | Hypot);
    (is_nonnegative && candidate.dtype(x).is_float()).then_some(x.into())
}

/// `concat(x) = x`; operands without elements are left out.
pub(super) fn concat_one(candidate: &Candidate<'_>) -> Option<Expr> {
    let Op::Concat(axis) = candidate.node.op else { return None };
    let is_empty = |operand: &NodeId| candidate.graph.shape(*operand)[axis] == 0;
    let (empty, full): (Operands, Operands) = candidate.operands.iter().copied().partition(is_empty);
    match (full.as_slice(), empty.first()) {
        (&[x], _) => Some(x.into()),
        ([], Some(&first)) => Some(first.into()),
        (_, None) => None,
        (full, Some(_)) => Some(Expr::Op(Op::Concat(axis), full.iter().map(|&x| x.into()).collect())),
    }
}

pub(super) fn is_integral(dtype: DType) -> bool {
    matches!(dtype.kind(), Kind::Bool | Kind::Signed | Kind::Unsigned)
}

fn all_ones(dtype: DType) -> Literal {
    if dtype == DType::Bool { Literal::one(dtype) } else { Literal::from_bits(dtype, u128::MAX) }
}
