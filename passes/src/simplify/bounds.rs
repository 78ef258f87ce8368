//! Minimum and maximum, which keep the second of two equal operands, and NaN.

use ElementwiseOp::{Maximum, Minimum};
use raptors_ir::{ElementwiseOp, NodeId};

use super::pattern::{Candidate, Expr};

/// `min(x, min(x, y)) = min(y, min(x, y)) = min(min(x, y), y) = min(x, y)`, and max likewise.
pub(super) fn repeated_bound(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, x, y) = candidate.binary()?;
    if !matches!(op, Minimum | Maximum) {
        return None;
    }
    if let Some((a, b)) = candidate.arguments(op, y)
        && (x == a || x == b)
    {
        return Some(y.into());
    }
    // Of min(min(x, y), x) the result is x where both are zeros, that of min(x, y) is y.
    let (a, b) = candidate.arguments(op, x)?;
    (y == b || (y == a && !candidate.result_dtype().is_float())).then_some(x.into())
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
    (same_value(candidate, last, other_last) && same_value(candidate, first, other_first))
        .then_some(clipped.into())
}

/// Whether two nodes are one value: a scalar is another node at each use.
fn same_value(candidate: &Candidate<'_>, x: NodeId, y: NodeId) -> bool {
    x == y || candidate.literal(x).is_some_and(|literal| candidate.is(y, literal))
}
