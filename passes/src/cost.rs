//! What work costs on one thread: a coarse count of lane ops and bytes, in nanoseconds an element.
//!
//! It decides what is computed again rather than kept, and what is worth sharing out to threads. No bit of a result
//! depends on it.

use raptors_ir::{DType, ElementwiseOp, Op};

/// A byte moved to or from a cache; an op's nanoseconds per byte of its result.
pub const BYTE_NS: f64 = 0.012;

/// A function, or a division of integers.
const SLOW_NS: f64 = 6.0;

/// An elementwise op on arguments of `dtype`, whose result takes `item` bytes.
pub fn elementwise_ns(op: ElementwiseOp, dtype: DType, item: usize) -> f64 {
    if is_slow(op, dtype) { SLOW_NS } else { BYTE_NS * item as f64 }
}

/// A node's op on arguments of `dtype`, whose result takes `item` bytes; for a reduction, its combining step.
pub fn op_ns(op: &Op, dtype: DType, item: usize) -> f64 {
    match op {
        Op::Elementwise(op) => elementwise_ns(*op, dtype, item),
        _ => BYTE_NS * item as f64,
    }
}

/// Whether an op takes nanoseconds an element: a function, or a division of integers.
fn is_slow(op: ElementwiseOp, dtype: DType) -> bool {
    let divides =
        matches!(op, ElementwiseOp::FloorDivide | ElementwiseOp::Remainder | ElementwiseOp::Nextafter);
    op.ulp() > 0 || divides && !matches!(dtype, DType::Bool)
}
