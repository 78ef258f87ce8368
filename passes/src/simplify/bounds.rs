//! Minimum and maximum, which keep the second of two equal operands, and NaN.

use ElementwiseOp::{BitwiseAnd, BitwiseOr, LogicalAnd, LogicalOr, Maximum, Minimum};
use raptors_ir::{DType, ElementwiseOp, Literal, NodeId};

use super::identities::is_integral;
use super::pattern::{Candidate, Expr};

/// `min(x, min(x, y)) = min(y, min(x, y)) = min(min(x, y), y) = min(x, y)`, and max likewise.
pub(super) fn repeated_bound(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    if !matches!(op, Minimum | Maximum) {
        return None;
    }
    if let Some((a, b)) = candidate.arguments(op, y)
        && (candidate.same(x, a) || candidate.same(x, b))
    {
        return Some(y.into());
    }
    // Of min(min(x, y), x) the result is x where both are zeros, that of min(x, y) is y.
    let (a, b) = candidate.arguments(op, x)?;
    let is_same = candidate.same(y, b) || (candidate.same(y, a) && !candidate.result_dtype().is_float());
    is_same.then_some(x.into())
}

/// `clip(clip(x, s, t), s, t) = clip(x, s, t)`, whichever bound is applied last.
pub(super) fn repeated_clip(candidate: &Candidate<'_>) -> Option<Expr> {
    let (outer, x, last) = candidate.binary()?;
    let inner = match outer {
        Minimum => Maximum,
        Maximum => Minimum,
        _ => return None,
    };
    let (clipped, first) = candidate.arguments(inner, x)?;
    let (x, other_last) = candidate.arguments(outer, clipped)?;
    let (_, other_first) = candidate.arguments(inner, x)?;
    (candidate.same(last, other_last) && candidate.same(first, other_first)).then_some(clipped.into())
}

/// `min(n, max(n, m)) = n, n & (n | m) = n`, and with the two ops exchanged.
pub(super) fn absorbed_bound(candidate: &Candidate<'_>) -> Option<Expr> {
    let (outer, x, y) = candidate.binary()?;
    let dtype = candidate.dtype(x);
    let inner = match outer {
        // Of two zeros the second is kept, and NaN in m is kept.
        Minimum if is_integral(dtype) => Maximum,
        Maximum if is_integral(dtype) => Minimum,
        BitwiseAnd => BitwiseOr,
        BitwiseOr => BitwiseAnd,
        LogicalAnd if dtype == DType::Bool => LogicalOr,
        LogicalOr if dtype == DType::Bool => LogicalAnd,
        _ => return None,
    };
    let absorbs = |n: NodeId, other: NodeId| {
        let (a, b) = candidate.arguments(inner, other)?;
        (candidate.same(n, a) || candidate.same(n, b)).then_some(n.into())
    };
    absorbs(x, y).or_else(|| absorbs(y, x))
}

/// `max(v, s) = v`, where `v` has been bounded from below by no less than `s`; min likewise.
pub(super) fn implied_bound(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    if !matches!(op, Minimum | Maximum) || candidate.dtype(x).is_complex() {
        return None;
    }
    let (value, s) = match (candidate.literal(x), candidate.literal(y)) {
        (None, Some(literal)) => (x, literal),
        (Some(literal), None) => (y, literal),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let bound = bound(candidate, op, value, MAX_BOUNDS)?;
    let beyond = |a, b| if op == Maximum { exceeds(a, b) } else { exceeds(b, a) };
    let is_float_zero = s.dtype().is_float() && s.to_f64() == Some(0.0);
    let holds =
        beyond(bound, s) || if is_float_zero { keeps_zero(candidate, op, value, s) } else { bound == s };
    holds.then_some(value.into())
}

/// Whether `value` is `min(max(x, zero), t)` for `t > zero`, or that with the two exchanged: of two zeros the second is
/// kept, so that a zero has this sign.
fn keeps_zero(candidate: &Candidate<'_>, op: ElementwiseOp, value: NodeId, zero: Literal) -> bool {
    let other = if op == Maximum { Minimum } else { Maximum };
    let keeps = |(bounded, t)| {
        let (_, bound) = candidate.arguments(op, bounded)?;
        let t = candidate.literal(t)?;
        let beyond = if op == Maximum { exceeds(t, zero) } else { exceeds(zero, t) };
        (beyond && candidate.is(bound, zero)).then_some(())
    };
    candidate.arguments(other, value).and_then(keeps).is_some()
}

/// How many bounds, one of the other, are looked through.
const MAX_BOUNDS: usize = 4;

/// What `x`, unless it is NaN, is never less than (max) or greater than (min).
fn bound(candidate: &Candidate<'_>, op: ElementwiseOp, x: NodeId, depth: usize) -> Option<Literal> {
    if let Some(literal) = candidate.literal(x) {
        return Some(literal);
    }
    let depth = depth.checked_sub(1)?;
    let both = |(x, y)| (bound(candidate, op, x, depth), bound(candidate, op, y, depth));
    let is_tighter = |a, b| if op == Maximum { exceeds(a, b) } else { exceeds(b, a) };
    let other = if op == Maximum { Minimum } else { Maximum };
    if let Some(operands) = candidate.arguments(op, x) {
        // One bound holds where the other is not known.
        return match both(operands) {
            (Some(a), Some(b)) => Some(if is_tighter(a, b) { a } else { b }),
            (known, None) | (None, known) => known,
        };
    }
    match both(candidate.arguments(other, x)?) {
        (Some(a), Some(b)) => Some(if is_tighter(a, b) { b } else { a }),
        (Some(_) | None, Some(_) | None) => None,
    }
}

/// Whether `a` is greater than `b`; not for NaN.
fn exceeds(a: Literal, b: Literal) -> bool {
    let greater = raptors_ir::scalar::evaluate(ElementwiseOp::Greater, &[a, b]);
    greater == Some(Literal::one(DType::Bool))
}
