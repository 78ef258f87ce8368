//! Arithmetic by cheaper ops.

use ElementwiseOp::{
    Abs, Add, BitwiseAnd, BitwiseLeftShift, BitwiseRightShift, BitwiseXor, Copysign, Divide, FloorDivide,
    Fma, Multiply, Negative, Pow, Remainder, Square, Subtract,
};
use raptors_ir::{DType, ElementwiseOp, Fact, Kind, Literal, NodeId, Op};

use super::pattern::{Candidate, Expr, binary, unary};

/// `x + (-y) = x - y, x - (-y) = x + y, (-x) * (-y) = x * y, (-x) / (-y) = x / y`.
pub(super) fn negated_operand(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let negated = |x| candidate.argument(Negative, x);
    match op {
        Add => match (negated(x), negated(y)) {
            (_, Some(y)) => Some(binary(Subtract, x, y)),
            (Some(x), None) => Some(binary(Subtract, y, x)),
            (None, None) => None,
        },
        Subtract => Some(binary(Add, x, negated(y)?)),
        Multiply | Divide => Some(binary(op, negated(x)?, negated(y)?)),
        _ => None,
    }
}

/// `x * -1 = x / -1 = n // -1 = -0.0 - x = -x, 0 - n = -n`.
pub(super) fn negation(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    if dtype == DType::Bool || dtype.is_complex() {
        return None;
    }
    let minus_one = match dtype.is_float() {
        true => Literal::from_f64(dtype, -1.0),
        false => Literal::from_bits(dtype, u128::MAX),
    };
    let zero = if dtype.is_float() { Literal::from_f64(dtype, -0.0) } else { Literal::zero(dtype) };
    match op {
        FloorDivide if dtype.kind() == Kind::Signed && candidate.is(y, minus_one) => Some(unary(Negative, x)),
        Multiply | Divide if candidate.is(y, minus_one) => Some(unary(Negative, x)),
        Multiply if candidate.is(x, minus_one) => Some(unary(Negative, y)),
        Subtract if candidate.is(x, zero) => Some(unary(Negative, y)),
        _ => None,
    }
}

/// `abs(-x) = abs(x), square(-x) = square(abs(x)) = square(x)`.
pub(super) fn even_function(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    let without_sign = candidate.argument(Negative, x);
    match op {
        Abs => Some(unary(Abs, without_sign?)),
        Square => Some(unary(Square, without_sign.or_else(|| candidate.argument(Abs, x))?)),
        _ => None,
    }
}

/// `copysign(-x, y) = copysign(abs(x), y) = copysign(x, y), copysign(x, x) = x`.
pub(super) fn copied_sign(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Copysign, x, y) = candidate.binary()? else { return None };
    if candidate.same(x, y) {
        return Some(x.into());
    }
    let size = candidate.argument(Negative, x).or_else(|| candidate.argument(Abs, x))?;
    Some(binary(Copysign, size, y))
}

/// `fma(x, 1, z) = x + z, fma(x, -1, z) = z - x, fma(x, y, -0.0) = x * y, fma(-x, -y, z) = fma(x, y, z)`.
pub(super) fn fma_of_one(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Fma, &[x, y, z]) = (candidate.elementwise()?, candidate.operands.as_slice()) else { return None };
    let of = |value| Literal::from_f64(candidate.dtype(x), value);
    for (x, y) in [(x, y), (y, x)] {
        if candidate.is(y, of(1.0)) {
            return Some(binary(Add, x, z));
        }
        if candidate.is(y, of(-1.0)) {
            return Some(binary(Subtract, z, x));
        }
    }
    if candidate.is(z, of(-0.0)) {
        return Some(binary(Multiply, x, y));
    }
    let (x, y) = (candidate.argument(Negative, x)?, candidate.argument(Negative, y)?);
    Some(Expr::Op(Op::Elementwise(Fma), vec![x.into(), y.into(), z.into()]))
}

/// `(n + m) - m = (n - m) + m = n ^ m ^ m = n, n - (n - m) = m`: integers wrap back.
pub(super) fn cancelled_integers(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    let without = |inner, sum: NodeId, m: NodeId| {
        let (a, b) = candidate.arguments(inner, sum)?;
        match (candidate.same(a, m), candidate.same(b, m)) {
            (_, true) => Some(a),
            (true, false) if inner.has(Fact::Commutative) => Some(b),
            (true | false, false) => None,
        }
    };
    let left = match op {
        BitwiseXor => without(op, x, y).or_else(|| without(op, y, x)),
        Subtract if dtype.is_integer() => without(Add, x, y).or_else(|| {
            let (n, m) = candidate.arguments(Subtract, y)?;
            candidate.same(n, x).then_some(m)
        }),
        Add if dtype.is_integer() => without(Subtract, x, y).or_else(|| without(Subtract, y, x)),
        _ => None,
    };
    left.map(Expr::from)
}

/// `(n << s) << t = n << (s + t), (n >> s) >> t = n >> (s + t)`, for counts that are no less than 0.
pub(super) fn shifts(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, t) = candidate.binary()?;
    if !matches!(op, BitwiseLeftShift | BitwiseRightShift) {
        return None;
    }
    let (x, s) = candidate.arguments(op, x)?;
    let dtype = candidate.dtype(x);
    let width = 8 * dtype.size() as u128;
    let count = |literal: Literal| Some(literal.bits()).filter(|bits| bits >> (width - 1) == 0);
    let (s, t) = (count(candidate.literal(s)?)?, count(candidate.literal(t)?)?);
    // A count of the width shifts all bits out, as every larger one does.
    Some(binary(op, x, Literal::from_bits(dtype, (s + t).min(width))))
}

/// `x / 2^k = x * 2^-k`.
pub(super) fn divide_by_power_of_two(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Divide, x, y) = candidate.binary()? else { return None };
    let divisor = candidate.literal(y)?;
    let reciprocal = Literal::from_f64(divisor.dtype(), 1.0 / divisor.to_f64()?);
    // Both are then powers of two, so that quotient and product are the same real number, rounded once.
    (is_normal_power_of_two(divisor) && is_normal_power_of_two(reciprocal))
        .then(|| binary(Multiply, x, reciprocal))
}

/// Whether the literal is a float `2^k` or `-2^k`, and no subnormal.
fn is_normal_power_of_two(literal: Literal) -> bool {
    let (fraction, exponent) = match literal.dtype() {
        DType::F32 => (23, 0xff),
        DType::F64 => (52, 0x7ff),
        _ => return false,
    };
    let bits = literal.bits() as u64;
    let exponent_bits = (bits >> fraction) & exponent;
    bits & ((1 << fraction) - 1) == 0 && exponent_bits != 0 && exponent_bits != exponent
}

/// `n * 2 = n + n, n * 2^k = n << k, n // 2^k = n >> k, n % 2^k = n & (2^k - 1)`.
pub(super) fn integer_power_of_two(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    let (x, literal) = match (candidate.literal(x), candidate.literal(y)) {
        (_, Some(literal)) => (x, literal),
        (Some(literal), None) if op == Multiply => (y, literal),
        (Some(_) | None, None) => return None,
    };
    let (value, exponent) = positive_power_of_two(literal)?;
    let of_dtype = |value: u32| Literal::from_bits(literal.dtype(), value.into());
    match op {
        Multiply if exponent == 1 => Some(binary(Add, x, x)),
        // Narrower integers have a vector product everywhere, and no vector shift everywhere.
        Multiply if literal.dtype().size() == 8 => Some(binary(BitwiseLeftShift, x, of_dtype(exponent))),
        FloorDivide => Some(binary(BitwiseRightShift, x, of_dtype(exponent))),
        Remainder => Some(binary(BitwiseAnd, x, Literal::from_bits(literal.dtype(), u128::from(value - 1)))),
        _ => None,
    }
}

/// The integer `2^k`, positive as its dtype reads it, and `k`; not for 1.
fn positive_power_of_two(literal: Literal) -> Option<(u64, u32)> {
    let dtype = literal.dtype();
    let value = literal.bits() as u64;
    let sign_bit = 8 * dtype.size() as u32 - 1;
    let exponent = value.trailing_zeros();
    let positive = dtype.kind() == Kind::Unsigned || exponent < sign_bit;
    (dtype.is_integer() && value.is_power_of_two() && exponent > 0 && positive).then_some((value, exponent))
}

/// `n ** 2 = square(n)`.
pub(super) fn integer_square(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Pow, x, y) = candidate.binary()? else { return None };
    let dtype = candidate.dtype(x);
    (dtype.is_integer() && candidate.is(y, Literal::from_f64(dtype, 2.0))).then(|| unary(Square, x))
}

/// `(x ∘ s) ∘ t = x ∘ (s ∘ t)`, for min, max, bitwise ops, and sums and products of integers.
pub(super) fn associative_scalars(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, _, _) = candidate.binary()?;
    let wraps = matches!(op, Add | Multiply) && !candidate.result_dtype().is_float();
    (wraps || op.has(Fact::Associative)).then(|| gather_scalars(candidate, op))?
}

/// The scalars of `(x ∘ s) ∘ t` by themselves; operands change sides only where the op commutes. Scalars that are known
/// at run time alone are a step before that of the array.
pub(super) fn gather_scalars(candidate: &Candidate<'_>, op: ElementwiseOp) -> Option<Expr> {
    let (_, x, t) = candidate.binary()?;
    let (x, t) = match (candidate.is_scalar(x), candidate.is_scalar(t)) {
        (false, true) => (x, t),
        (true, false) if op.has(Fact::Commutative) => (t, x),
        (true | false, true | false) => return None,
    };
    let (x, s) = candidate.arguments(op, x)?;
    let (x, s) = match (candidate.is_scalar(x), candidate.is_scalar(s)) {
        (false, true) => (x, s),
        (true, false) if op.has(Fact::Commutative) => (s, x),
        (true | false, true | false) => return None,
    };
    let known = candidate.literal(s).is_some() && candidate.literal(t).is_some();
    (known || candidate.is_worth_a_step()).then(|| binary(op, x, binary(op, s, t)))
}
