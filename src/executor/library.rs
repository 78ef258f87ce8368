//! Library ops: algorithms over whole rows, with rows and parts of long rows shared over the team.
//!
//! What is shared changes no bit: rows are independent, and a long row is only cut where the cuts do not matter.

mod cumulative;
pub(super) mod gather;
mod mask;
mod search;
mod sort;

use std::ops::Range;

use raptors_ir::{IrError, LibraryOp};

use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::copy;
use crate::kernels::cumulative::Cumulative;
use crate::program::{LibraryCall, Spread};
use crate::runtime::team;

/// Runs a library op.
///
/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn run(call: &LibraryCall, bound: &Bound<'_>) -> Result<(), Error> {
    if call.result.len() == 0 && !call.op.can_fail() {
        return Ok(());
    }
    // SAFETY: as for this function.
    unsafe {
        match &call.op {
            LibraryOp::CumulativeSum { axis } => cumulative::run(call, Cumulative::Sum, *axis, bound),
            LibraryOp::CumulativeProd { axis } => cumulative::run(call, Cumulative::Prod, *axis, bound),
            LibraryOp::Sort { axis, order } => sort::sort(call, *axis, *order, bound),
            LibraryOp::Argsort { axis, order } => sort::argsort(call, *axis, *order, bound),
            LibraryOp::Partition { axis, kth } => sort::partition(call, *axis, kth, bound),
            LibraryOp::Argpartition { axis, kth } => sort::argpartition(call, *axis, kth, bound),
            LibraryOp::Gather { axes } => gather::gather(call, axes, bound),
            LibraryOp::Scatter { axes, write } => gather::scatter(call, axes, *write, bound),
            LibraryOp::Compress { .. } => mask::compress(call, bound),
            LibraryOp::Positions { .. } => mask::positions(call, bound),
            LibraryOp::Searchsorted { side } => search::searchsorted(call, *side, bound),
            LibraryOp::Bincount { .. } => search::bincount(call, bound),
        }
    }
}

/// The first operand's elements in the memory of the result, which has its shape and dtype.
///
/// # Safety
///
/// As for [`super::run`].
unsafe fn copied(call: &LibraryCall, bound: &Bound<'_>) -> *mut u8 {
    let (x, result) = (&call.operands[0], &call.result);
    let target = bound.base(&result.operand);
    if !x.is_at(result) {
        let item = result.operand.dtype.size();
        // SAFETY: as for this function; the operand is either the result's memory, or apart from it.
        unsafe {
            let (from, to) = (&x.operand, &result.operand);
            copy::copy_parallel(bound.base(from), &from.strides, target, &to.strides, &x.dims, item);
        }
    }
    target
}

/// The error for values that an op does not take.
fn mistake(error: IrError) -> Error {
    Error::Op { error: Box::new(error), operands: Vec::new() }
}

/// Whether the elements lie side by side in row-major order.
fn is_row_major(spread: &Spread) -> bool {
    let mut step = spread.operand.dtype.size() as isize;
    spread.dims.iter().zip(&spread.operand.strides).rev().all(|(&dim, &stride)| {
        let fits = dim == 1 || stride == step;
        step = step.wrapping_mul(dim as isize);
        fits
    })
}

/// Calls `f` with the parts of `0..count`, on the team where that pays; one of them takes `one_ns` on one thread.
fn share(
    count: usize,
    one_ns: f64,
    f: &(dyn Fn(Range<usize>) -> Result<(), Error> + Sync),
) -> Result<(), Error> {
    /// Nanoseconds of a part, at least.
    const PART_NS: f64 = 8e3;
    let total = count as f64 * one_ns;
    if count < 2 || !team::worth_sharing(total) {
        return f(0..count);
    }
    let parts = ((total / PART_NS) as usize).clamp(1, 4 * team::threads()).min(count);
    team::try_run(parts, &|part| f(part * count / parts..(part + 1) * count / parts))
}

/// Elements that a thread goes over between two places where it may stop.
const PIECE: usize = 1 << 20;

/// An address that parts of a step share.
#[derive(Clone, Copy)]
struct Base(*mut u8);

// SAFETY: the address is only a number here; whoever dereferences it argues why.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

impl Base {
    /// The address so many bytes further on. (A closure that names the field would capture the bare pointer.)
    fn at(self, bytes: usize) -> *mut u8 {
        self.0.wrapping_add(bytes)
    }
}
