//! `where`, and the logic of conditions.

use ElementwiseOp::{BitwiseInvert, Equal, Greater, GreaterEqual, Less, LessEqual, LogicalNot, NotEqual};
use raptors_ir::{DType, ElementwiseOp, Literal, NodeId, Op, scalar};

use super::identities::is_integral;
use super::pattern::{Candidate, Expr, binary, unary};

/// `where(true, x, y) = x, where(b, x, x) = x`.
pub(super) fn where_constant(candidate: &Candidate<'_>) -> Option<Expr> {
    let (condition, x, y) = choice(candidate)?;
    if candidate.same(x, y) {
        return Some(x.into());
    }
    let chosen = if candidate.literal(condition)?.bits() != 0 { x } else { y };
    Some(chosen.into())
}

/// `where(not b, x, y) = where(b, y, x)`.
pub(super) fn where_not(candidate: &Candidate<'_>) -> Option<Expr> {
    let (condition, x, y) = choice(candidate)?;
    let condition = negated(candidate, condition)?;
    Some(Expr::Op(Op::Where, vec![condition.into(), y.into(), x.into()]))
}

/// `where(b, where(b, x, y), z) = where(b, x, z), where(b, x, where(b, y, z)) = where(b, x, z)`.
pub(super) fn where_nested(candidate: &Candidate<'_>) -> Option<Expr> {
    let (condition, x, y) = choice(candidate)?;
    let same = |inner: NodeId, arm: usize| {
        let operands = candidate.graph.operands(inner);
        (*candidate.graph.op(inner) == Op::Where && candidate.same(operands[0], condition))
            .then(|| operands[arm])
    };
    let (taken, other) = match (same(x, 1), same(y, 2)) {
        (None, None) => return None,
        (taken, other) => (taken.unwrap_or(x), other.unwrap_or(y)),
    };
    Some(Expr::Op(Op::Where, vec![condition.into(), taken.into(), other.into()]))
}

/// `where(b, true, false) = b, where(b, false, true) = not b`.
pub(super) fn where_bool(candidate: &Candidate<'_>) -> Option<Expr> {
    let (condition, x, y) = choice(candidate)?;
    if candidate.result_dtype() != DType::Bool {
        return None;
    }
    match (candidate.literal(x)?.bits() != 0, candidate.literal(y)?.bits() != 0) {
        (true, false) => Some(condition.into()),
        (false, true) => Some(unary(LogicalNot, condition)),
        (true, true) | (false, false) => None,
    }
}

/// `where(b, 1, 0) = cast(b), where(b, 0, 1) = cast(not b)`, where there is such a cast.
pub(super) fn where_number(candidate: &Candidate<'_>) -> Option<Expr> {
    let (condition, x, y) = choice(candidate)?;
    let dtype = candidate.result_dtype();
    if dtype.is_complex() || !scalar::is_direct_cast(DType::Bool, dtype) {
        return None;
    }
    let (zero, one) = (Literal::zero(dtype), Literal::one(dtype));
    let condition = match (candidate.literal(x)?, candidate.literal(y)?) {
        (x, y) if (x, y) == (one, zero) => condition.into(),
        (x, y) if (x, y) == (zero, one) => unary(LogicalNot, condition),
        _ => return None,
    };
    Some(Expr::Op(Op::Cast(dtype), vec![condition]))
}

/// `not (not b) = b`.
pub(super) fn double_not(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x) = candidate.unary()?;
    if !matches!(op, LogicalNot | BitwiseInvert) || candidate.dtype(x) != DType::Bool {
        return None;
    }
    negated(candidate, x).map(Expr::from)
}

/// `not (x == y) = x != y`, and back; `not (n < m) = n >= m` and the like, but not of floats: NaN is unordered.
pub(super) fn not_comparison(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, comparison) = candidate.unary()?;
    if !matches!(op, LogicalNot | BitwiseInvert) || candidate.dtype(comparison) != DType::Bool {
        return None;
    }
    let &Op::Elementwise(compared) = candidate.graph.op(comparison) else { return None };
    let operands = candidate.graph.operands(comparison);
    let ordered = is_integral(candidate.dtype(operands[0]));
    let opposite = match compared {
        Equal => NotEqual,
        NotEqual => Equal,
        Less if ordered => GreaterEqual,
        GreaterEqual if ordered => Less,
        Greater if ordered => LessEqual,
        LessEqual if ordered => Greater,
        _ => return None,
    };
    Some(binary(opposite, operands[0], operands[1]))
}

/// `(b == true) = (b != false) = b, (b == false) = (b != true) = not b`.
pub(super) fn compare_with_bool(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    if candidate.dtype(x) != DType::Bool || !matches!(op, Equal | NotEqual) {
        return None;
    }
    let (value, literal) = match (candidate.literal(x), candidate.literal(y)) {
        (_, Some(literal)) => (x, literal),
        (Some(literal), None) => (y, literal),
        (None, None) => return None,
    };
    let kept = (literal == Literal::one(DType::Bool)) == (op == Equal);
    Some(if kept { value.into() } else { unary(LogicalNot, value) })
}

/// Condition and arms of a `where`.
fn choice(candidate: &Candidate<'_>) -> Option<(NodeId, NodeId, NodeId)> {
    match (&candidate.node.op, candidate.operands.as_slice()) {
        (Op::Where, &[condition, x, y]) => Some((condition, x, y)),
        _ => None,
    }
}

/// The `bool` that `x` is the negation of.
fn negated(candidate: &Candidate<'_>, x: NodeId) -> Option<NodeId> {
    let inner = candidate.argument(LogicalNot, x).or_else(|| candidate.argument(BitwiseInvert, x))?;
    (candidate.dtype(inner) == DType::Bool).then_some(inner)
}
