//! Runs a nest without reductions over linear ranges of its elements: by Accelerate, by a kernel over rows, or tile by tile.

use crate::error::Error;
use crate::executor::Bound;
use crate::executor::accelerate::CallRunner;
use crate::executor::compiled::RowRunner;
use crate::executor::tiles::TileRunner;
use crate::program::{LoopNest, Memory};

/// Runs ranges on one thread.
pub(super) enum RangeRunner<'a> {
    /// By Accelerate. Such a nest is a step of its own, which has no memory of blocks.
    Call(CallRunner<'a>),
    /// By a kernel over rows.
    Rows(RowRunner<'a>),
    /// In tiles of so many elements.
    Tiles(Box<TileRunner<'a>>, usize),
}

impl<'a> RangeRunner<'a> {
    /// For ranges of at most `longest` elements. Tiles are whole multiples of `unit` where one fits a tile,
    /// so that what is strided, or repeated, is packed in few pieces.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], until the runner is dropped.
    pub(super) unsafe fn new(
        nest: &'a LoopNest,
        bound: &Bound<'_>,
        unit: usize,
        longest: usize,
    ) -> Result<RangeRunner<'a>, Error> {
        // SAFETY: as for this function.
        if let Some(call) = unsafe { CallRunner::new(nest, bound) } {
            return Ok(RangeRunner::Call(call));
        }
        if let Some(rows) = nest.rows(bound.engine()) {
            // SAFETY: as for this function.
            return Ok(RangeRunner::Rows(unsafe { RowRunner::new(nest, rows, bound) }));
        }
        let tile = tile_len(nest.tile(bound.engine()).len, unit).min(longest);
        // SAFETY: as for this function.
        let runner = unsafe { TileRunner::new(nest, bound, tile)? };
        Ok(RangeRunner::Tiles(Box::new(runner), tile))
    }

    /// Finds a value that is there a block at a time at `origin`, where its first element would be if all of
    /// it were there.
    pub(super) fn rebase(&mut self, memory: Memory, origin: *mut u8) {
        match self {
            RangeRunner::Call(_) => {}
            RangeRunner::Rows(runner) => runner.rebase(memory, origin),
            RangeRunner::Tiles(runner, _) => runner.rebase(memory, origin),
        }
    }

    /// Reads again what is the same everywhere, or repeated, in memory that `has_changed`.
    ///
    /// # Safety
    ///
    /// As for [`RangeRunner::new`]; values that are there a block at a time have been found.
    pub(super) unsafe fn refill(&mut self, bound: &Bound<'_>, has_changed: impl Fn(Memory) -> bool) {
        // SAFETY: as for this function.
        unsafe {
            match self {
                RangeRunner::Call(_) => {}
                RangeRunner::Rows(runner) => runner.refill(bound),
                RangeRunner::Tiles(runner, _) => runner.refill(bound, has_changed),
            }
        }
    }

    /// Computes and stores the elements `start..start + len`.
    ///
    /// # Safety
    ///
    /// They are within the space, and no other thread computes any of them.
    pub(super) unsafe fn run(&mut self, start: usize, len: usize) {
        match self {
            // SAFETY: as for this function.
            RangeRunner::Call(call) => unsafe { call.range(start, len) },
            // SAFETY: as for this function.
            RangeRunner::Rows(runner) => unsafe { runner.map(start, len) },
            RangeRunner::Tiles(runner, tile) => {
                for offset in (0..len).step_by(*tile) {
                    let count = (*tile).min(len - offset);
                    // SAFETY: as for this function.
                    unsafe {
                        runner.compute(start + offset, count);
                        runner.store(start + offset, count);
                    }
                }
            }
        }
    }
}

/// Elements of a tile: as many whole units as fit `longest`, or that many elements.
pub(super) fn tile_len(longest: usize, unit: usize) -> usize {
    if (1..=longest).contains(&unit) { longest / unit * unit } else { longest }
}
