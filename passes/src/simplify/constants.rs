//! Folding: an op of constants is the constant that its definition gives.

use raptors_ir::{Literal, Op, scalar};

use super::pattern::{Candidate, Expr};

/// `f(constants) = constant`.
pub(super) fn fold(candidate: &Candidate<'_>) -> Option<Expr> {
    let literals: Option<Vec<Literal>> =
        candidate.operands.iter().map(|&operand| candidate.literal(operand)).collect();
    let literals = literals?;
    let folded = match (&candidate.node.op, literals.as_slice()) {
        (Op::Elementwise(op), literals) => scalar::evaluate(*op, literals)?,
        (Op::Cast(to), [x]) => scalar::cast(*x, *to)?,
        (Op::Where, [condition, x, y]) => {
            if condition.bits() != 0 {
                *x
            } else {
                *y
            }
        }
        _ => return None,
    };
    Some(folded.into())
}
