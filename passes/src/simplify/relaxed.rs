//! Float arithmetic as that of real numbers: what only the wider modes allow.

use ElementwiseOp::{
    Add, Divide, Equal, Fma, GreaterEqual, LessEqual, Multiply, Negative, Pow, Reciprocal, Sqrt, Square,
    Subtract,
};
use raptors_ir::{DType, ElementwiseOp, Literal, NodeId, Op};

use super::arithmetic::gather_scalars;
use super::pattern::{Candidate, Expr, binary, unary};

/// `x * y + z = fma(x, y, z)`, and `x * y - z`, `z - x * y` with a negated operand.
pub(super) fn fused_multiply_add(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = float_binary(candidate)?;
    let fma = |a: Expr, b: NodeId, c: Expr| Expr::Op(Op::Elementwise(Fma), vec![a, b.into(), c]);
    let pays = |x| !candidate.is_scalar(x) || candidate.literal(x).is_some() || candidate.is_worth_a_step();
    match (op, candidate.arguments(Multiply, x), candidate.arguments(Multiply, y)) {
        (Add, Some((a, b)), _) => Some(fma(a.into(), b, y.into())),
        (Add, None, Some((a, b))) => Some(fma(a.into(), b, x.into())),
        (Subtract, Some((a, b)), _) if pays(y) => Some(fma(a.into(), b, unary(Negative, y))),
        (Subtract, None, Some((a, b))) if pays(a) => Some(fma(unary(Negative, a), b, x.into())),
        (Subtract, None, Some((a, b))) if pays(b) => Some(fma(unary(Negative, b), a, x.into())),
        _ => None,
    }
}

/// `(x + s) + t = x + (s + t), (x * s) * t = x * (s * t)`.
pub(super) fn float_associative_scalars(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, _, _) = float_binary(candidate)?;
    matches!(op, Add | Multiply).then(|| gather_scalars(candidate, op))?
}

/// `x / s = x * (1 / s)`.
pub(super) fn divide_by_scalar(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Divide, x, s) = float_binary(candidate)? else { return None };
    let pays = candidate.literal(s).is_some() || candidate.is_worth_a_step();
    (candidate.is_scalar(s) && !candidate.is_scalar(x) && pays)
        .then(|| binary(Multiply, x, unary(Reciprocal, s)))
}

/// `(x / y) / z = x / (y * z)`.
pub(super) fn divide_twice(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Divide, x, z) = float_binary(candidate)? else { return None };
    let (x, y) = candidate.arguments(Divide, x)?;
    Some(binary(Divide, x, binary(Multiply, y, z)))
}

/// `x * z + y * z = (x + y) * z`, and the difference.
pub(super) fn common_factor(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = float_binary(candidate)?;
    if !matches!(op, Add | Subtract) {
        return None;
    }
    let ((a, b), (c, d)) = (candidate.arguments(Multiply, x)?, candidate.arguments(Multiply, y)?);
    let pairings = [(b, d, a, c), (b, c, a, d), (a, c, b, d), (a, d, b, c)];
    let (factor, _, first, second) =
        pairings.into_iter().find(|(factor, other, ..)| candidate.same(*factor, *other))?;
    Some(binary(Multiply, binary(op, first, second), factor))
}

/// `x ** 2 = square(x), x ** -1 = 1 / x`.
pub(super) fn power_by_products(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Pow, x, y) = float_binary(candidate)? else { return None };
    let exponent = candidate.literal(y)?.to_f64()?;
    match exponent {
        2.0 => Some(unary(Square, x)),
        -1.0 => Some(unary(Reciprocal, x)),
        _ => None,
    }
}

/// `x ** 0.5 = sqrt(x)`.
pub(super) fn power_by_root(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Pow, x, y) = float_binary(candidate)? else { return None };
    candidate.is(y, Literal::from_f64(candidate.dtype(x), 0.5)).then(|| unary(Sqrt, x))
}

/// `x + 0 = 0 + x = x - -0.0 = x, 0 - x = -x`.
pub(super) fn signless_zero(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = float_binary(candidate)?;
    let is_zero = |x| candidate.literal(x).and_then(Literal::to_f64) == Some(0.0);
    match op {
        Add | Subtract if is_zero(y) => Some(x.into()),
        Add if is_zero(x) => Some(y.into()),
        Subtract if is_zero(x) => Some(unary(Negative, y)),
        _ => None,
    }
}

/// `x * 0 = 0`.
pub(super) fn multiply_by_zero(candidate: &Candidate<'_>) -> Option<Expr> {
    let (Multiply, x, y) = float_binary(candidate)? else { return None };
    let is_zero = |x| candidate.literal(x).and_then(Literal::to_f64) == Some(0.0);
    (is_zero(x) || is_zero(y)).then(|| Literal::zero(candidate.result_dtype()).into())
}

/// `x - x = 0, x / x = 1`.
pub(super) fn same_floats(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = float_binary(candidate)?;
    let dtype = candidate.dtype(x);
    match op {
        _ if !candidate.same(x, y) => None,
        Subtract => Some(Literal::zero(dtype).into()),
        Divide => Some(Literal::one(dtype).into()),
        Equal | LessEqual | GreaterEqual => Some(Literal::one(DType::Bool).into()),
        _ => None,
    }
}

/// `sin(x) = relaxed_sin(x)`, and other functions of which there is a twin for the dtype.
pub(super) fn relaxed_function(candidate: &Candidate<'_>) -> Option<Expr> {
    let twin = candidate.elementwise()?.relaxed(candidate.result_dtype())?;
    let operands = candidate.operands.iter().map(|&operand| operand.into()).collect();
    Some(Expr::Op(Op::Elementwise(twin), operands))
}

/// The node as an op of two floats.
fn float_binary(candidate: &Candidate<'_>) -> Option<(ElementwiseOp, NodeId, NodeId)> {
    let (op, x, y) = candidate.binary()?;
    candidate.dtype(x).is_float().then_some((op, x, y))
}
