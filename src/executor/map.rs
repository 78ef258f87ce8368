//! Loop nests without reductions: over ranges of their elements, or over boxes where an operand runs along another dimension
//! than the last; and copies of such operands.

use std::sync::Mutex;

use crate::codegen::lane::LaneOp;
use crate::error::Error;
use crate::executor::Bound;
use crate::executor::range::{RangeRunner, tile_len};
use crate::executor::tiles::TileRunner;
use crate::kernels::copy;
use crate::program::{LoopNest, Operand};
use crate::runtime::{team, watch};

/// Runs every element of `nest`.
///
/// # Safety
///
/// As for [`super::run`].
pub(crate) unsafe fn run(nest: &LoopNest, bound: &Bound<'_>) -> Result<(), Error> {
    let boxed = nest.rows(bound.engine()).is_none();
    // SAFETY: as for this function.
    unsafe {
        match (nest.tile(bound.engine()).box_dims.filter(|_| boxed), moved(nest)) {
            (Some(_), Some([from, to])) => {
                transpose(nest, from, to, bound);
                Ok(())
            }
            (Some(dims), None) => boxes(nest, dims, bound),
            (None, _) => ranges(nest, bound),
        }
    }
}

/// The operands that a nest moves elements from and to, through the caches, if it does nothing else.
fn moved(nest: &LoopNest) -> Option<[&Operand; 2]> {
    let &[(mut value, to)] = nest.body.stores.as_slice() else { return None };
    while nest.body.insts[value.index()].op == LaneOp::Copy {
        value = nest.body.insts[value.index()].args[0];
    }
    let LaneOp::Load(from) = nest.body.insts[value.index()].op else { return None };
    let operands = [from, to].map(|id| &nest.operands[id.index()]);
    let is_plain = operands.iter().all(|operand| !operand.swapped) && nest.non_temporal.is_empty();
    is_plain.then_some(operands)
}

/// Moves the elements from one operand, which runs along another dimension than the last, to the other.
///
/// # Safety
///
/// As for [`run`].
unsafe fn transpose(nest: &LoopNest, from: &Operand, to: &Operand, bound: &Bound<'_>) {
    let is_shared = nest.chunk_elements() < nest.size();
    let copy = if is_shared { copy::copy_parallel } else { copy::copy };
    // SAFETY: the nest's operands have an element for each index, and a result overlaps nothing that is read elsewhere.
    unsafe {
        copy(bound.base(from), &from.strides, bound.base(to), &to.strides, &nest.dims, to.dtype.size());
    }
}

/// Collects the first error of a set of chunks, which cannot return one.
#[derive(Default)]
pub(super) struct FirstError(Mutex<Option<Error>>);

impl FirstError {
    pub(super) fn keep(&self, result: Result<(), Error>) {
        if let Err(error) = result {
            let mut first = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            first.get_or_insert(error);
        }
    }

    pub(super) fn into_result(self) -> Result<(), Error> {
        match self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

/// # Safety
///
/// As for [`run`].
unsafe fn ranges(nest: &LoopNest, bound: &Bound<'_>) -> Result<(), Error> {
    let size = nest.size();
    if size == 0 {
        return Ok(());
    }
    // Whole rows, so that a strided operand is packed in few pieces; whole tiles otherwise.
    let row = match nest.dims.split_first() {
        Some((_, rest)) => rest.iter().product::<usize>(),
        None => 1,
    };
    let innermost = nest.dims.last().copied().unwrap_or(1);
    let longest = nest.tile(bound.engine()).len;
    let unit = [row, innermost].into_iter().find(|&unit| unit > 1 && unit <= longest).unwrap_or(1);
    let chunk = nest.chunk_elements().next_multiple_of(tile_len(longest, unit));
    if chunk >= size {
        // SAFETY: as for this function.
        unsafe { RangeRunner::new(nest, bound, unit, size)?.run(0, size) };
        return Ok(());
    }
    team::try_run(size.div_ceil(chunk), &|n| {
        let (start, end) = (n * chunk, size.min((n + 1) * chunk));
        // SAFETY: as for this function; chunks are disjoint ranges of the space.
        unsafe { RangeRunner::new(nest, bound, unit, end - start)?.run(start, end - start) };
        Ok(())
    })
}

/// # Safety
///
/// As for [`run`].
unsafe fn boxes(nest: &LoopNest, (along, last): (usize, usize), bound: &Bound<'_>) -> Result<(), Error> {
    let size = nest.size();
    if size == 0 {
        return Ok(());
    }
    let edge = nest.tile(bound.engine()).len.isqrt();
    // A chunk is a band: `edge` steps of the one dimension, all of the last, at one index of the others.
    let mut grid = nest.dims.clone();
    grid[along] = nest.dims[along].div_ceil(edge);
    grid[last] = 1;
    let error = FirstError::default();
    let bands: usize = grid.iter().product();
    let bands_per_chunk = nest.chunk_elements().div_ceil(edge * nest.dims[last]).max(1);
    team::run(bands.div_ceil(bands_per_chunk), &|chunk| {
        // SAFETY: as for this function.
        let result = unsafe { TileRunner::new(nest, bound, edge * edge) }.map(|mut runner| {
            for band in chunk * bands_per_chunk..bands.min((chunk + 1) * bands_per_chunk) {
                let mut index = grid.clone();
                let mut rest = band;
                for (i, &len) in index.iter_mut().zip(&grid).rev() {
                    *i = rest % len;
                    rest /= len;
                }
                index[along] *= edge;
                let mut extent: raptors_ir::Dims = index.iter().map(|_| 1).collect();
                extent[along] = edge.min(nest.dims[along] - index[along]);
                while index[last] < nest.dims[last] {
                    watch::checkpoint(band - chunk * bands_per_chunk, bands_per_chunk);
                    extent[last] = edge.min(nest.dims[last] - index[last]);
                    // SAFETY: the box is within the space, and bands are disjoint.
                    unsafe { runner.run_box(&index, &extent) };
                    index[last] += edge;
                }
            }
        });
        error.keep(result);
    });
    error.into_result()
}
