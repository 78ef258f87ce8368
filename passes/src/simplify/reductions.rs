//! Reductions of nothing, of repeated elements, and of reductions.

use ElementwiseOp::{Add, Multiply};
use raptors_ir::{DType, Dims, ElementwiseOp, Literal, NodeId, Op, ReduceOp, Shape};

use crate::access::{access, reshape_strides};

use super::pattern::{Candidate, Expr, binary};

/// `prod(x) = max(x) = x, sum(x) = x + 0, argmax(x) = 0`, over axes of length 1.
pub(super) fn reduce_nothing(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, axes, x) = reduction(candidate)?;
    if axes.iter().any(|&axis| candidate.graph.shape(x)[axis] != 1) {
        return None;
    }
    let dtype = candidate.dtype(x);
    Some(match op {
        ReduceOp::Argmin | ReduceOp::Argmax => Literal::new(0i64).into(),
        // A sum begins with 0.0: that of -0.0 alone is 0.0.
        ReduceOp::Sum if dtype.is_float() => binary(Add, x, Literal::zero(dtype)),
        ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Min | ReduceOp::Max | ReduceOp::Any | ReduceOp::All => {
            x.into()
        }
    })
}

/// `max(broadcast(x)) = max(x)`, and min, any, all; `sum(broadcast(n)) = sum(n) * length`, for integers.
pub(super) fn reduce_broadcast(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, _, x) = reduction(candidate)?;
    let integer = candidate.dtype(x).is_integer();
    match op {
        ReduceOp::Min | ReduceOp::Max | ReduceOp::Any | ReduceOp::All => without_repeats(candidate),
        ReduceOp::Sum if integer => without_repeats(candidate),
        ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Argmin | ReduceOp::Argmax => None,
    }
}

/// `sum(broadcast(x)) = sum(x) * length`.
pub(super) fn sum_broadcast(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, _, x) = reduction(candidate)?;
    (op == ReduceOp::Sum && candidate.dtype(x).is_float()).then(|| without_repeats(candidate))?
}

/// The reduction of a broadcast operand without the axes that repeat elements.
fn without_repeats(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, axes, x) = reduction(candidate)?;
    let Op::Broadcast(full) = candidate.graph.op(x) else { return None };
    let inner = candidate.graph.operands(x)[0];
    let lead = full.len() - candidate.graph.shape(inner).len();
    let repeats =
        |&axis: &usize| full[axis] > 1 && (axis < lead || candidate.graph.shape(inner)[axis - lead] == 1);
    let (dropped, kept): (Dims, Dims) = axes.iter().copied().partition(repeats);
    if dropped.is_empty() {
        return None;
    }
    let once = full.with_reduced(&dropped);
    let value = match once == *candidate.graph.shape(inner) {
        true => Expr::Value(inner),
        false => Expr::Op(Op::Broadcast(once), vec![inner.into()]),
    };
    let reduced = match kept.is_empty() {
        true => value,
        false => Expr::Op(Op::Reduce(op, kept), vec![value]),
    };
    if op != ReduceOp::Sum {
        return Some(reduced);
    }
    let times: usize = dropped.iter().map(|&axis| full[axis]).product();
    Some(binary(Multiply, reduced, wrapped(candidate.dtype(x), times)))
}

/// A count as an element: integers wrap, as a sum of as many elements does.
fn wrapped(dtype: DType, count: usize) -> Literal {
    match dtype.is_integer() {
        true => Literal::from_bits(dtype, count as u128),
        false => Literal::from_f64(dtype, count as f64),
    }
}

/// `sum(reshape(x)) = reshape(sum(x))`, and prod, min, max, any, all, where the reshape would be a copy: the elements
/// meet in the same order.
pub(super) fn reduce_reshape(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, axes, x) = reduction(candidate)?;
    let (Op::Reshape(target), false) =
        (candidate.graph.op(x), matches!(op, ReduceOp::Argmin | ReduceOp::Argmax))
    else {
        return None;
    };
    let inner = candidate.graph.operands(x)[0];
    let is_free = access(candidate.graph, inner).is_some_and(|access| {
        reshape_strides(candidate.graph.shape(inner), &access.strides, target).is_some()
    });
    if is_free {
        // Other work over the new shape reads the operand beside the reduction.
        return None;
    }
    let reduced = axes_before_reshape(candidate.graph.shape(inner), target, axes)?;
    let reduced = Expr::Op(Op::Reduce(op, reduced), vec![inner.into()]);
    Some(Expr::Op(Op::Reshape(candidate.node.ty.shape.clone()), vec![reduced]))
}

/// The axes of `shape` that hold the elements of `axes` of `target`, where all of these and no others are in them.
fn axes_before_reshape(shape: &Shape, target: &Shape, axes: &[usize]) -> Option<Dims> {
    if shape.size() == 0 {
        return None;
    }
    let mut reduced = Dims::new();
    let (mut from, mut to) = (0, 0);
    while from < shape.len() || to < target.len() {
        // A group of axes on either side with as many elements.
        let (first_from, first_to) = (from, to);
        let (mut size, mut target_size) = (1, 1);
        loop {
            if size <= target_size && from < shape.len() {
                size *= shape[from];
                from += 1;
            } else {
                target_size *= target.get(to)?;
                to += 1;
            }
            if size == target_size {
                break;
            }
        }
        let is_reduced = |&axis: &usize| axes.contains(&axis);
        let longer = || (first_to..to).filter(|&axis| target[axis] != 1);
        match (longer().all(|axis| is_reduced(&axis)), longer().any(|axis| is_reduced(&axis))) {
            (true, true) => reduced.extend(first_from..from),
            (true, false) | (false, false) => {}
            (false, true) => return None,
        }
    }
    Some(reduced)
}

/// `any(any(x)) = any(x)`, and all; sum, prod, min and max of integers.
pub(super) fn reduce_reduce(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, _, x) = reduction(candidate)?;
    let exact = match op {
        ReduceOp::Any | ReduceOp::All => true,
        ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Min | ReduceOp::Max => !candidate.dtype(x).is_float(),
        ReduceOp::Argmin | ReduceOp::Argmax => false,
    };
    exact.then(|| joined(candidate))?
}

/// `sum(sum(x)) = sum(x)`, and prod, min and max, of floats: elements meet in another order.
pub(super) fn float_reduce_reduce(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, _, x) = reduction(candidate)?;
    let regrouped = match op {
        ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Min | ReduceOp::Max => candidate.dtype(x).is_float(),
        ReduceOp::Any | ReduceOp::All | ReduceOp::Argmin | ReduceOp::Argmax => false,
    };
    regrouped.then(|| joined(candidate))?
}

/// A reduction of the same reduction, over the axes of both. Between them a reshape may drop axes of length 1.
fn joined(candidate: &Candidate<'_>) -> Option<Expr> {
    let (op, axes, x) = reduction(candidate)?;
    let inner = match candidate.graph.op(x) {
        Op::Reshape(_) => candidate.graph.operands(x)[0],
        _ => x,
    };
    let Op::Reduce(inner_op, inner_axes) = candidate.graph.op(inner) else { return None };
    if *inner_op != op {
        return None;
    }
    let places = candidate.graph.shape(x).longer_axes_in(candidate.graph.shape(inner))?;
    let mut all = inner_axes.clone();
    all.extend(axes.iter().filter_map(|&axis| places[axis]));
    all.sort_unstable();
    all.dedup();
    let operand = candidate.graph.operands(inner)[0];
    let mut dims = candidate.graph.shape(operand).to_vec();
    all.iter().for_each(|&axis| dims[axis] = 1);
    let reduced = Expr::Op(Op::Reduce(op, all), vec![operand.into()]);
    Some(match dims == candidate.node.ty.shape[..] {
        true => reduced,
        false => Expr::Op(Op::Reshape(candidate.node.ty.shape.clone()), vec![reduced]),
    })
}

fn reduction<'a>(candidate: &Candidate<'a>) -> Option<(ReduceOp, &'a Dims, NodeId)> {
    match &candidate.node.op {
        Op::Reduce(op, axes) => Some((*op, axes, candidate.operands[0])),
        _ => None,
    }
}
