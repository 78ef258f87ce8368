//! Loop nests that run in turn on a block of rows at a time.
//!
//! A chunk of work is some blocks; all nests of a block run on the thread that has the chunk, so what one leaves in
//! memory the next finds in that core's cache. A reduction follows its tree within each row, so blocks change no bit.

use std::ops::Range;

use smallvec::SmallVec;

use crate::error::Error;
use crate::executor::Bound;
use crate::executor::range::RangeRunner;
use crate::executor::reduce::{self, Combiner, RowReducer};
use crate::program::{Blocks, LoopNest, Memory, Operand};
use crate::runtime::buffer::Buffer;
use crate::runtime::team;

/// Bytes between values in scratch memory beyond their elements, so that equal offsets do not share a cache set.
const GAP: usize = 128;

/// Runs every nest on every row.
///
/// # Safety
///
/// As for [`super::run`].
pub(crate) unsafe fn run(blocks: &Blocks, bound: &Bound<'_>) -> Result<(), Error> {
    let rows = blocks.rows;
    if rows == 0 {
        return Ok(());
    }
    let combiners = blocks.nests.iter().map(reduce::combiners).collect::<Result<Vec<_>, _>>()?;
    let chunk = blocks.chunk_rows();
    let block = blocks.rows_per_block.min(chunk);
    let chunk = chunk.next_multiple_of(block);
    team::try_run(rows.div_ceil(chunk), &|n| {
        let chunk = n * chunk..rows.min((n + 1) * chunk);
        // SAFETY: as for this function.
        let mut worker = unsafe { Worker::new(blocks, &combiners, bound, block.min(chunk.len()))? };
        for first in chunk.clone().step_by(block) {
            // SAFETY: these rows are this chunk's own.
            unsafe { worker.run(first..chunk.end.min(first + block), bound) };
        }
        Ok(())
    })
}

/// What a thread needs to run blocks.
struct Worker<'a> {
    blocks: &'a Blocks,
    nests: Vec<Nest<'a>>,
    /// Owned for its drop.
    _scratch: Buffer,
    /// Where each value between the nests is, for the rows of a block.
    scratch: SmallVec<[*mut u8; 8]>,
}

/// A nest, and what runs it on a range of rows.
enum Nest<'a> {
    /// Without elements.
    Empty(&'a LoopNest),
    Map {
        nest: &'a LoopNest,
        runner: RangeRunner<'a>,
    },
    Reduce(RowReducer<'a>),
}

impl<'a> Worker<'a> {
    /// For blocks of at most `most_rows`.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], until this is dropped.
    unsafe fn new(
        blocks: &'a Blocks,
        combiners: &'a [Vec<Combiner>],
        bound: &Bound<'_>,
        most_rows: usize,
    ) -> Result<Worker<'a>, Error> {
        let sizes = blocks.scratch.iter().map(|row_bytes| (row_bytes * most_rows).next_multiple_of(64) + GAP);
        let mut memory = Buffer::allocate(sizes.clone().sum())?;
        let mut next = memory.as_mut_ptr();
        let mut scratch = SmallVec::new();
        for size in sizes {
            scratch.push(next);
            next = next.wrapping_add(size);
        }
        let nests = blocks.nests.iter().zip(combiners);
        // SAFETY: as for this function.
        let nests = nests.map(|(nest, combiners)| unsafe { Nest::new(nest, combiners, bound, most_rows) });
        let nests = nests.collect::<Result<Vec<Nest<'a>>, Error>>()?;
        Ok(Worker { blocks, nests, _scratch: memory, scratch })
    }

    /// Runs every nest on these rows.
    ///
    /// # Safety
    ///
    /// They are rows of the step, no more than this was made for, and no other thread has any of them.
    unsafe fn run(&mut self, rows: Range<usize>, bound: &Bound<'_>) {
        let is_written = |memory| {
            self.blocks.nests.iter().flat_map(LoopNest::targets).any(|target| target.memory == memory)
        };
        for nest in &mut self.nests {
            for (n, (&memory, row_bytes)) in self.scratch.iter().zip(&self.blocks.scratch).enumerate() {
                nest.rebase(Memory::Scratch(n as u32), memory.wrapping_sub(rows.start * row_bytes));
            }
            // SAFETY: as for this function; earlier nests have written what this one reads of the block.
            unsafe { nest.refill(bound, is_written) };
            let target = |operand: &Operand| match operand.memory {
                Memory::Scratch(n) => self.scratch[n as usize],
                _ => bound.base(operand).wrapping_add(rows.start * operand.dtype.size()),
            };
            // SAFETY: as for this function; scratch memory has room for the rows.
            unsafe { nest.run(rows.clone(), target) };
        }
    }
}

impl<'a> Nest<'a> {
    /// # Safety
    ///
    /// As for [`Worker::new`].
    unsafe fn new(
        nest: &'a LoopNest,
        combiners: &'a [Combiner],
        bound: &Bound<'_>,
        most_rows: usize,
    ) -> Result<Nest<'a>, Error> {
        if nest.size() == 0 {
            return Ok(Nest::Empty(nest));
        }
        if !combiners.is_empty() {
            // SAFETY: as for this function.
            return Ok(Nest::Reduce(unsafe { RowReducer::new(nest, combiners, bound, most_rows)? }));
        }
        // SAFETY: as for this function.
        let runner = unsafe { RangeRunner::new(nest, bound, nest.reduced, most_rows * nest.reduced)? };
        Ok(Nest::Map { nest, runner })
    }

    /// As [`RangeRunner::rebase`].
    fn rebase(&mut self, memory: Memory, origin: *mut u8) {
        match self {
            Nest::Empty(_) => {}
            Nest::Map { runner, .. } => runner.rebase(memory, origin),
            Nest::Reduce(reducer) => reducer.rebase(memory, origin),
        }
    }

    /// As [`RangeRunner::refill`].
    ///
    /// # Safety
    ///
    /// As for [`RangeRunner::refill`].
    unsafe fn refill(&mut self, bound: &Bound<'_>, has_changed: impl Fn(Memory) -> bool) {
        // SAFETY: as for this function.
        unsafe {
            match self {
                Nest::Empty(_) => {}
                Nest::Map { runner, .. } => runner.refill(bound, has_changed),
                Nest::Reduce(reducer) => reducer.refill(bound, has_changed),
            }
        }
    }

    /// Runs these rows; `target` says where the first of them is in what the nest writes.
    ///
    /// # Safety
    ///
    /// As for [`Worker::run`].
    unsafe fn run(&mut self, rows: Range<usize>, target: impl Fn(&Operand) -> *mut u8) {
        // SAFETY: as for this function.
        unsafe {
            match self {
                Nest::Empty(nest) => reduce::store_identities(nest, rows.len(), target),
                Nest::Reduce(reducer) => reducer.run(rows),
                Nest::Map { nest, runner } => {
                    runner.run(rows.start * nest.reduced, rows.len() * nest.reduced);
                }
            }
        }
    }
}
