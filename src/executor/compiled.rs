//! Runs kernels over rows of a nest.
//!
//! A kernel call goes over rows that are evenly apart; an odometer goes over the dimensions outside. Where a
//! nest is cut, in rows or within one, changes no result.

use std::ops::Range;

use smallvec::SmallVec;

use crate::codegen::compiled::Rows;
use crate::codegen::kernel::{KernelArgs, StreamArgs};
use crate::codegen::lane::OperandId;
use crate::codegen::select::{PoolEntry, StreamUse};
use crate::executor::Bound;
use crate::executor::reduce::{ARG_PARTIAL, ARG_PLACE};
use crate::program::{LoopNest, Memory};

/// The scalars of a kernel.
pub(super) type Pool = SmallVec<[u64; 8]>;

/// What a kernel finds in its pool.
///
/// # Safety
///
/// As for [`super::run`]; `bases` has the address of each operand's first element.
pub(super) unsafe fn pool(
    entries: &[PoolEntry],
    nest: &LoopNest,
    bases: &[*mut u8],
    bound: &Bound<'_>,
) -> Pool {
    let entry = |entry: &PoolEntry| match *entry {
        PoolEntry::Constant(bits) => bits,
        PoolEntry::Parameter(n) => bound.scalar(n).bits() as u64,
        PoolEntry::Part(n, part) => bound.scalar(n).part(part).bits() as u64,
        PoolEntry::Element(id) => {
            let operand = &nest.operands[id.index()];
            if operand.memory.is_of_step() && bases[id.index()] == bound.base(operand) {
                // There is no block of it yet.
                return 0;
            }
            let mut word = [0; 8];
            let bytes = operand.dtype.size();
            // SAFETY: an operand that is the same everywhere has one element, of no more than 8 bytes.
            unsafe { bases[id.index()].copy_to_nonoverlapping(word.as_mut_ptr(), bytes) };
            u64::from_le_bytes(word)
        }
    };
    entries.iter().map(entry).collect()
}

/// Runs the kernel of one nest on one thread.
pub(super) struct RowRunner<'a> {
    nest: &'a LoopNest,
    rows: &'a Rows,
    /// Address of each operand's first element.
    bases: SmallVec<[*mut u8; 8]>,
    pool: Pool,
}

/// Lanes of consecutive rows.
struct Part {
    row: usize,
    rows: usize,
    lane: usize,
    lanes: usize,
}

/// Blocks of one row, in place of rows.
#[derive(Clone, Copy)]
struct Blocks<'a> {
    /// Lanes of a block.
    block: usize,
    /// The number of the first one.
    first: usize,
    /// Where the result of block 0 would be, by reduction.
    partials: &'a dyn Fn(usize) -> *mut u8,
}

impl<'a> RowRunner<'a> {
    /// A runner of `rows`, the kernel of `nest`.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], until the runner is dropped.
    pub(super) unsafe fn new(nest: &'a LoopNest, rows: &'a Rows, bound: &Bound<'_>) -> RowRunner<'a> {
        let bases = nest.operands.iter().map(|operand| bound.base(operand)).collect();
        let mut runner = RowRunner { nest, rows, bases, pool: Pool::new() };
        // SAFETY: as for this function.
        unsafe { runner.refill(bound) };
        runner
    }

    /// Finds a value that is there a block at a time at `origin`, where its first element would be if all of
    /// it were there.
    pub(super) fn rebase(&mut self, memory: Memory, origin: *mut u8) {
        for (base, operand) in self.bases.iter_mut().zip(&self.nest.operands) {
            if operand.memory == memory {
                *base = origin;
            }
        }
    }

    /// Reads again what is the same everywhere.
    ///
    /// # Safety
    ///
    /// As for [`RowRunner::new`].
    pub(super) unsafe fn refill(&mut self, bound: &Bound<'_>) {
        // SAFETY: as for this function.
        self.pool = unsafe { pool(&self.rows.compiled.selected.pool, self.nest, &self.bases, bound) };
    }

    /// The address of an operand's first element.
    pub(super) fn base(&self, operand: OperandId) -> *mut u8 {
        self.bases[operand.index()]
    }

    /// Computes and stores the elements `start..start + len` of the iteration space.
    ///
    /// # Safety
    ///
    /// The range is within the space, and no other thread computes any of it. The nest has no reductions.
    pub(super) unsafe fn map(&mut self, start: usize, len: usize) {
        let lanes = self.rows.lanes;
        let (mut row, mut lane, mut left) = (start / lanes, start % lanes, len);
        while left > 0 {
            let part = if lane > 0 || left < lanes {
                Part { row, rows: 1, lane, lanes: left.min(lanes - lane) }
            } else {
                Part { row, rows: self.evenly_apart(row).min(left / lanes), lane: 0, lanes }
            };
            left -= part.rows * part.lanes;
            row += part.rows;
            lane = 0;
            // SAFETY: as for this function.
            unsafe { self.call(&part, None) };
        }
    }

    /// Reduces and stores rows that are no longer than a block.
    ///
    /// # Safety
    ///
    /// They are rows of the space, and no other thread computes any of them.
    pub(super) unsafe fn reduce(&mut self, rows: Range<usize>) {
        let mut row = rows.start;
        while row < rows.end {
            let count = self.evenly_apart(row).min(rows.end - row);
            // SAFETY: as for this function.
            unsafe { self.call(&Part { row, rows: count, lane: 0, lanes: self.rows.lanes }, None) };
            row += count;
        }
    }

    /// Reduces blocks of one row, of `block` elements but for the last of the row, and stores the rest;
    /// results of block 0 would go to `partials`, by reduction, others behind.
    ///
    /// # Safety
    ///
    /// They are blocks of the row, and no other thread computes any of them or writes their results.
    pub(super) unsafe fn reduce_blocks(
        &mut self,
        row: usize,
        blocks: Range<usize>,
        block: usize,
        partials: &dyn Fn(usize) -> *mut u8,
    ) {
        let whole = self.rows.lanes / block;
        let mut next = blocks.start;
        while next < blocks.end {
            let count = match next {
                next if next >= whole || self.rows.sees_position => 1,
                next => blocks.end.min(whole) - next,
            };
            let lane = next * block;
            let lanes = block.min(self.rows.lanes - lane);
            let part = Part { row, rows: count, lane, lanes };
            // SAFETY: as for this function.
            unsafe {
                self.call(&part, Some(Blocks { block, first: next, partials }));
                self.place_blocks(next..next + count, block, partials);
            }
            next += count;
        }
    }

    /// Places in blocks become places in the row.
    ///
    /// # Safety
    ///
    /// Their results have just been written.
    unsafe fn place_blocks(&self, blocks: Range<usize>, block: usize, partials: &dyn Fn(usize) -> *mut u8) {
        let reductions = self.nest.body.reductions.iter().enumerate();
        for (n, _) in reductions.filter(|(_, reduction)| reduction.op.finds_place()) {
            for number in blocks.clone() {
                // SAFETY: there is a partial result for each block, in which the place follows the element.
                unsafe {
                    let place = partials(n).add(number * ARG_PARTIAL + ARG_PLACE).cast::<i64>();
                    place.write_unaligned(place.read_unaligned() + (number * block) as i64);
                }
            }
        }
    }

    /// Rows from `row` on that one call can go over.
    fn evenly_apart(&self, row: usize) -> usize {
        match self.rows.outer.last() {
            Some(&len) => len - row % len,
            None => 1,
        }
    }

    /// Calls the kernel. With blocks, its rows are blocks of the one row, the first of them the given one.
    ///
    /// # Safety
    ///
    /// The part is within the space and evenly apart, and no other thread computes any of it.
    unsafe fn call(&mut self, part: &Part, blocks: Option<Blocks<'_>>) {
        let Rows { compiled, outer, strides, .. } = self.rows;
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, outer.len());
        let mut rest = part.row;
        for (index, &len) in index.iter_mut().zip(outer).rev() {
            *index = rest % len;
            rest /= len;
        }
        let stream =
            |(used, (over, along)): (&StreamUse, &(raptors_ir::Strides, isize))| match (*used, blocks) {
                (StreamUse::Operand(id) | StreamUse::Pair(id, _), _) => {
                    let offset: isize = index.iter().zip(over).map(|(&i, &stride)| i as isize * stride).sum();
                    let start = match used {
                        StreamUse::Pair(..) => -self.nest.operands[id.index()].part_offset(),
                        _ => 0,
                    };
                    let base =
                        self.bases[id.index()].wrapping_offset(start + offset + part.lane as isize * along);
                    let row_stride = match blocks {
                        Some(Blocks { block, .. }) => block as isize * along,
                        None => over.last().copied().unwrap_or(0),
                    };
                    StreamArgs { base, row_stride }
                }
                (StreamUse::Result(n), None) => {
                    let target = self.nest.body.reductions[usize::from(n)].target;
                    let item = self.nest.operands[target.index()].dtype.size();
                    let base = self.bases[target.index()].wrapping_add(part.row * item);
                    StreamArgs { base, row_stride: item as isize }
                }
                (StreamUse::Result(n) | StreamUse::Best(n), Some(Blocks { first, partials, .. })) => {
                    let reduction = &self.nest.body.reductions[usize::from(n)];
                    let (item, offset) = match (used, reduction.op.finds_place()) {
                        (StreamUse::Best(_), _) => (ARG_PARTIAL, 0),
                        (_, true) => (ARG_PARTIAL, ARG_PLACE),
                        (_, false) => (self.nest.operands[reduction.target.index()].dtype.size(), 0),
                    };
                    let base = partials(usize::from(n)).wrapping_add(first * item + offset);
                    StreamArgs { base, row_stride: item as isize }
                }
                (StreamUse::Best(_), None) => unreachable!("of whole rows only places are wanted"),
                (StreamUse::Value(_), _) => unreachable!("rows have no scratch memory"),
            };
        let streams: SmallVec<[StreamArgs; 8]> =
            compiled.selected.streams.iter().zip(strides).map(stream).collect();
        let args = KernelArgs {
            rows: part.rows,
            lanes: part.lanes,
            position: part.lane as i64,
            pool: self.pool.as_ptr(),
            streams: streams.as_ptr(),
        };
        // SAFETY: the elements of the part are within each operand, as the caller promises. What is written
        // is at the elements that are read, or elsewhere; the pool has what the program was selected with.
        unsafe { compiled.kernel.call(&args) };
    }
}
