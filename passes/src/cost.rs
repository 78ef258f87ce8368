//! What work costs on one thread: a coarse count of lane ops and bytes, in nanoseconds an element.
//!
//! It decides what is computed again rather than kept, and what is worth sharing out to threads. No bit of a result
//! depends on it.

use raptors_ir::{DType, ElementwiseOp, Op};

/// A byte moved to or from a cache; an op's nanoseconds per byte of its result.
pub const BYTE_NS: f64 = 0.012;

/// A division of integers, or another op that runs one element at a time.
const SCALAR_NS: f64 = 6.0;

/// A byte of a function of mathematics, which runs in vectors.
const FUNCTION_BYTE_NS: f64 = 0.25;

/// An elementwise op on arguments of `dtype`, whose result takes `item` bytes.
pub fn elementwise_ns(op: ElementwiseOp, dtype: DType, item: usize) -> f64 {
    match op {
        ElementwiseOp::Gamma | ElementwiseOp::Lgamma => 4.0 * FUNCTION_BYTE_NS * item as f64,
        _ if op.ulp() > 0 && dtype.is_float() => FUNCTION_BYTE_NS * item as f64,
        _ if is_scalar(op, dtype) => SCALAR_NS,
        _ => BYTE_NS * item as f64,
    }
}

/// A node's op on arguments of `dtype`, whose result takes `item` bytes; for a reduction, its combining step.
pub fn op_ns(op: &Op, dtype: DType, item: usize) -> f64 {
    match op {
        Op::Elementwise(op) => elementwise_ns(*op, dtype, item),
        _ => BYTE_NS * item as f64,
    }
}

/// Whether an op may have no vector form.
fn is_scalar(op: ElementwiseOp, dtype: DType) -> bool {
    let divides =
        matches!(op, ElementwiseOp::FloorDivide | ElementwiseOp::Remainder | ElementwiseOp::Nextafter);
    op.ulp() > 0 || divides && !matches!(dtype, DType::Bool)
}
