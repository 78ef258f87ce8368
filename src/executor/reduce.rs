//! Loop nests with reductions.
//!
//! The space is `outer x reduced x inner`. Bits must depend on the reduced length alone, so all forms here follow the
//! tree of [`kernels::reduce`](crate::kernels::reduce):
//!
//! - *rows* (`inner` is 1): each row is a run of consecutive elements. Short rows share a tile; long ones are folded
//!   block by block, and the blocks of few rows are shared out to threads.
//! - *narrow columns*: the lanes of all columns are accumulated side by side, which is one run over memory.
//! - *wide columns*: rows are visited lane by lane, or a few lanes at once, in the order in which a stack of partial sums
//!   reproduces the tree; a strip of columns at a time.
//!
//! Argmin and argmax keep the first best element seen, which any order that goes forward gives, and of parts of what is
//! reduced the best, the earlier first.

mod columns;
mod rows;

use raptors_ir::{DType, Literal, ReduceOp};

use crate::error::Error;
use crate::executor::Bound;
use crate::executor::accelerate::CallRunner;
use crate::kernels::reduce::{self, ArgKernels, ReduceKernels};
use crate::program::{LoopNest, Operand};
use crate::runtime::level::Level;

pub(super) use rows::RowReducer;

/// Runs every element of `nest` and stores its reductions.
///
/// # Safety
///
/// As for [`super::run`].
pub(crate) unsafe fn run(nest: &LoopNest, bound: &Bound<'_>) -> Result<(), Error> {
    if nest.outer * nest.inner == 0 {
        return Ok(());
    }
    if nest.reduced == 0 {
        // SAFETY: the targets hold one element for each kept position.
        unsafe { store_identities(nest, nest.outer * nest.inner, |target| bound.base(target)) };
        return Ok(());
    }
    // SAFETY: as for this function; of reductions only sums of rows are left to Accelerate.
    if let Some(call) = unsafe { CallRunner::new(nest, bound) } {
        // SAFETY: as above.
        return unsafe { call.sums() };
    }
    let combiners = combiners(nest)?;
    // SAFETY: as for this function.
    unsafe {
        match nest.inner {
            1 => rows::run(nest, &combiners, bound),
            _ => columns::run(nest, &combiners, bound),
        }
    }
}

/// Bytes of a partial result of an argmin or argmax: an element of up to 8 bytes, and its index.
pub(super) const ARG_PARTIAL: usize = 16;
/// Where the index is in it.
pub(super) const ARG_PLACE: usize = 8;

/// The kernels of one reduction.
enum Kernels {
    Tree(ReduceKernels),
    Arg(ArgKernels),
}

/// One reduction of a nest, with its kernels.
pub(super) struct Combiner {
    kernels: Kernels,
    /// The dtype of what is reduced.
    dtype: DType,
    /// The position in the nest's list of reductions.
    number: usize,
}

impl Combiner {
    /// Bytes of an element.
    fn item(&self) -> usize {
        self.dtype.size()
    }
}

pub(super) fn combiners(nest: &LoopNest) -> Result<Vec<Combiner>, Error> {
    let level = Level::current();
    nest.body
        .reductions
        .iter()
        .enumerate()
        .map(|(number, reduction)| {
            let dtype = nest.body.insts[reduction.value.index()].dtype;
            let kernels = match reduction.op {
                ReduceOp::Argmin | ReduceOp::Argmax => {
                    reduce::arg(reduction.op, dtype, level).map(Kernels::Arg)
                }
                ReduceOp::Sum
                | ReduceOp::Prod
                | ReduceOp::Min
                | ReduceOp::Max
                | ReduceOp::Any
                | ReduceOp::All => reduce::reduce(reduction.op, dtype, level).map(Kernels::Tree),
            };
            kernels.map(|kernels| Combiner { kernels, dtype, number }).ok_or(Error::Unsupported { dtype })
        })
        .collect()
}

/// Stores the value of each reduction of no elements, `count` times from where `first` says.
///
/// # Safety
///
/// There, each target has room for as many elements, which are this thread's to write.
pub(super) unsafe fn store_identities(nest: &LoopNest, count: usize, first: impl Fn(&Operand) -> *mut u8) {
    for reduction in &nest.body.reductions {
        let operand: &Operand = &nest.operands[reduction.target.index()];
        let identity = match reduction.op {
            ReduceOp::Prod | ReduceOp::All => Literal::one(operand.dtype),
            ReduceOp::Sum | ReduceOp::Any => Literal::zero(operand.dtype),
            ReduceOp::Min | ReduceOp::Max | ReduceOp::Argmin | ReduceOp::Argmax => {
                unreachable!("typing refuses {} of no elements", reduction.op.name())
            }
        };
        let bytes = identity.bits().to_le_bytes();
        // SAFETY: as for this function.
        unsafe { crate::kernels::copy::splat(bytes.as_ptr(), operand.dtype.size(), first(operand), count) };
    }
}
