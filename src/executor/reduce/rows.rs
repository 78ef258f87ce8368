//! Reductions of rows: each result combines consecutive elements of the space.
//!
//! Rows are shared out to threads, and where they are few and long, parts of them. [`RowReducer`] is for one thread.

use std::ops::Range;

use smallvec::SmallVec;

use super::{ARG_PARTIAL, ARG_PLACE, Combiner, Kernels};
use crate::codegen::compiled::Rows;
use crate::error::Error;
use crate::executor::Bound;
use crate::executor::compiled::RowRunner;
use crate::executor::map::FirstError;
use crate::executor::tiles::TileRunner;
use crate::kernels::reduce::{block, lanes};
use crate::program::{LoopNest, Memory};
use crate::runtime::buffer::Buffer;
use crate::runtime::team;

/// Nanoseconds of a row that is reduced in one piece, between which a run can stop.
const LONGEST_ROW_NS: f64 = 5e6;

/// Reduces the rows of `nest`.
///
/// # Safety
///
/// As for [`crate::executor::run`].
pub(super) unsafe fn run(nest: &LoopNest, combiners: &[Combiner], bound: &Bound<'_>) -> Result<(), Error> {
    if let Some(rows) = nest.rows(bound.engine()) {
        let blocks = nest.reduced.div_ceil(shortest_block(combiners));
        // Rows in one piece, unless there are too few of them to share, or one takes long.
        let is_long = nest.reduced as f64 * nest.element_ns > LONGEST_ROW_NS;
        let whole = blocks == 1 || nest.outer >= 4 * team::threads() && !is_long;
        // SAFETY: as for this function.
        return unsafe {
            if whole {
                short(nest, combiners, bound, 1)
            } else {
                kernel_of_blocks(nest, rows, combiners, bound)
            }
        };
    }
    let tile = tile_len(nest, bound);
    // SAFETY: as for this function.
    unsafe {
        if nest.reduced <= tile {
            short(nest, combiners, bound, (tile / nest.reduced).min(nest.outer))
        } else {
            long(nest, combiners, bound)
        }
    }
}

/// Whole rows, a multiple of `unit` for each thread at a time.
///
/// # Safety
///
/// As for [`run`].
unsafe fn short(
    nest: &LoopNest,
    combiners: &[Combiner],
    bound: &Bound<'_>,
    unit: usize,
) -> Result<(), Error> {
    let (rows, len) = (nest.outer, nest.reduced);
    let rows_per_chunk = nest.chunk_elements().div_ceil(len).next_multiple_of(unit);
    team::try_run(rows.div_ceil(rows_per_chunk), &|chunk| {
        let chunk = chunk * rows_per_chunk..rows.min((chunk + 1) * rows_per_chunk);
        // SAFETY: as for this function; chunks are disjoint rows.
        unsafe { RowReducer::new(nest, combiners, bound, chunk.len())?.run(chunk) };
        Ok(())
    })
}

/// Blocks of rows, shared out; each leaves a partial result, which are combined at the end.
///
/// # Safety
///
/// As for [`run`].
unsafe fn kernel_of_blocks(
    nest: &LoopNest,
    kernel: &Rows,
    combiners: &[Combiner],
    bound: &Bound<'_>,
) -> Result<(), Error> {
    let (rows, len, block) = (nest.outer, nest.reduced, shortest_block(combiners));
    let blocks = len.div_ceil(block);
    let mut partials = Partials::new(combiners, rows * blocks, block)?;
    let shared = &partials;
    let per_chunk = nest.chunk_elements().div_ceil(block).max(1);
    let total = rows * blocks;
    team::run(total.div_ceil(per_chunk), &|chunk| {
        let chunk = chunk * per_chunk..total.min((chunk + 1) * per_chunk);
        // SAFETY: as for this function.
        let mut runner = unsafe { RowRunner::new(nest, kernel, bound) };
        let mut next = chunk.start;
        while next < chunk.end {
            let (row, first) = (next / blocks, next % blocks);
            let count = (blocks - first).min(chunk.end - next);
            let origin = |n: usize| {
                let combiner = &combiners[n];
                shared.at(combiner, row * blocks)
            };
            // SAFETY: the blocks are within their row, and no other chunk has them or their partials.
            unsafe { runner.reduce_blocks(row, first..first + count, block, &origin) };
            next += count;
        }
    });
    for row in 0..rows {
        for combiner in combiners {
            let operand = &nest.operands[nest.body.reductions[combiner.number].target.index()];
            let out = bound.base(operand).wrapping_add(row * operand.dtype.size());
            // SAFETY: every partial of the row has been written, and its result is one element of the target.
            unsafe { partials.combine(combiner, row * blocks..(row + 1) * blocks, len, out) };
        }
    }
    Ok(())
}

/// Reduces rows on one thread.
pub(in crate::executor) struct RowReducer<'a> {
    nest: &'a LoopNest,
    combiners: &'a [Combiner],
    form: Form<'a>,
}

/// How rows are cut, and what computes them.
enum Form<'a> {
    /// Several rows a tile.
    Short { runner: Box<TileRunner<'a>>, rows_per_tile: usize },
    /// Several tiles a row; a part of it at a time leaves partial results.
    Long { runner: Box<TileRunner<'a>>, longest_block: usize, scratch: Accumulators, partials: Partials },
    /// A kernel that reduces rows.
    Kernel(RowRunner<'a>),
    /// A kernel that reduces blocks of rows.
    KernelOfBlocks { runner: RowRunner<'a>, block: usize, partials: Partials },
}

impl<'a> RowReducer<'a> {
    /// For at most `most_rows` at a time; the nest has elements.
    ///
    /// # Safety
    ///
    /// As for [`crate::executor::run`], until this is dropped.
    pub(in crate::executor) unsafe fn new(
        nest: &'a LoopNest,
        combiners: &'a [Combiner],
        bound: &Bound<'_>,
        most_rows: usize,
    ) -> Result<RowReducer<'a>, Error> {
        let len = nest.reduced;
        if let Some(rows) = nest.rows(bound.engine()) {
            // SAFETY: as for this function.
            let runner = unsafe { RowRunner::new(nest, rows, bound) };
            let block = shortest_block(combiners);
            let form = if len <= block {
                Form::Kernel(runner)
            } else {
                let partials = Partials::new(combiners, len.div_ceil(block), block)?;
                Form::KernelOfBlocks { runner, block, partials }
            };
            return Ok(RowReducer { nest, combiners, form });
        }
        let tile = tile_len(nest, bound);
        let form = if len <= tile {
            let rows_per_tile = (tile / len).min(most_rows);
            // SAFETY: as for this function.
            let runner = unsafe { TileRunner::new(nest, bound, rows_per_tile * len)? };
            Form::Short { runner: Box::new(runner), rows_per_tile }
        } else {
            let longest_block = longest_block(tile, combiners);
            let partials = Partials::new(combiners, len.div_ceil(longest_block), longest_block)?;
            // SAFETY: as for this function.
            let runner = unsafe { TileRunner::new(nest, bound, tile)? };
            Form::Long {
                runner: Box::new(runner),
                longest_block,
                scratch: Accumulators::new(combiners),
                partials,
            }
        };
        Ok(RowReducer { nest, combiners, form })
    }

    /// As [`TileRunner::rebase`].
    pub(in crate::executor) fn rebase(&mut self, memory: Memory, origin: *mut u8) {
        match &mut self.form {
            Form::Short { runner, .. } | Form::Long { runner, .. } => runner.rebase(memory, origin),
            Form::Kernel(runner) | Form::KernelOfBlocks { runner, .. } => runner.rebase(memory, origin),
        }
    }

    /// As [`TileRunner::refill`].
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::refill`].
    pub(in crate::executor) unsafe fn refill(
        &mut self,
        bound: &Bound<'_>,
        has_changed: impl Fn(Memory) -> bool,
    ) {
        // SAFETY: as for this function.
        unsafe {
            match &mut self.form {
                Form::Short { runner, .. } | Form::Long { runner, .. } => runner.refill(bound, has_changed),
                Form::Kernel(runner) | Form::KernelOfBlocks { runner, .. } => runner.refill(bound),
            }
        }
    }

    /// Reduces these rows.
    ///
    /// # Safety
    ///
    /// They are rows of the nest, and this thread's own.
    pub(in crate::executor) unsafe fn run(&mut self, rows: Range<usize>) {
        let (nest, len) = (self.nest, self.nest.reduced);
        match &mut self.form {
            // SAFETY: as for this function.
            Form::Kernel(runner) => unsafe { runner.reduce(rows) },
            Form::KernelOfBlocks { runner, block, partials } => {
                for row in rows {
                    let blocks = 0..len.div_ceil(*block);
                    // SAFETY: the blocks are those of this row, and the partials of this row alone.
                    unsafe {
                        runner.reduce_blocks(row, blocks.clone(), *block, &|n| partials.pointers[n]);
                    }
                    for combiner in self.combiners {
                        let target = nest.body.reductions[combiner.number].target;
                        let item = nest.operands[target.index()].dtype.size();
                        let out = runner.base(target).wrapping_add(row * item);
                        // SAFETY: every partial has been written, and the result is one element of the target.
                        unsafe { partials.combine(combiner, blocks.clone(), len, out) };
                    }
                }
            }
            Form::Short { runner, rows_per_tile } => {
                for row in rows.clone().step_by(*rows_per_tile) {
                    let count = (*rows_per_tile).min(rows.end - row);
                    // SAFETY: these rows are within the space, and this thread's own.
                    unsafe {
                        runner.compute(row * len, count * len);
                        for combiner in self.combiners {
                            reduce_rows(nest, combiner, runner, row, count);
                        }
                        runner.store(row * len, count * len);
                    }
                }
            }
            Form::Long { runner, longest_block, scratch, partials } => {
                let segments = len.div_ceil(*longest_block);
                for row in rows {
                    for segment in 0..segments {
                        let first = segment * *longest_block;
                        let count = (*longest_block).min(len - first);
                        // SAFETY: the segment is within its row, and the partials are of this row alone.
                        unsafe {
                            reduce_segment(
                                nest,
                                self.combiners,
                                runner,
                                scratch,
                                partials,
                                segment,
                                row * len,
                                first,
                                count,
                            )
                        };
                    }
                    for combiner in self.combiners {
                        let target = nest.body.reductions[combiner.number].target;
                        let item = nest.operands[target.index()].dtype.size();
                        let out = runner.base(target).wrapping_add(row * item);
                        // SAFETY: every partial has been written, and the result is one element of the target.
                        unsafe { partials.combine(combiner, 0..segments, len, out) };
                    }
                }
            }
        }
    }
}

/// Elements of a tile: as many as fit the first-level cache with what is computed of them, or more where nothing is, and so
/// nothing is written that has to stay there.
fn tile_len(nest: &LoopNest, bound: &Bound<'_>) -> usize {
    /// A power of two that is many blocks.
    const LONG: usize = 1 << 16;
    let tile = nest.tile(bound.engine());
    let is_read_in_place = tile.ops.is_empty() && tile.registers == 0 && tile.fills.is_empty();
    if is_read_in_place && tile.kernel.is_none() && tile.late_stores.is_empty() { LONG } else { tile.len }
}

/// Elements of a block of the reduction that has the fewest.
fn shortest_block(combiners: &[Combiner]) -> usize {
    combiners.iter().map(|combiner| block(combiner.dtype)).min().unwrap_or(1)
}

/// Elements of a part of a row that leaves partial results. Regions mix dtypes, and so block lengths; each block of the
/// longest is whole blocks of the others.
fn longest_block(tile: usize, combiners: &[Combiner]) -> usize {
    combiners.iter().map(|combiner| block(combiner.dtype)).max().unwrap_or(1).max(tile)
}

/// Reduces each of `count` rows of the tile just computed, which starts at row `first`.
///
/// # Safety
///
/// The tile holds those rows, and their results are this thread's to write.
unsafe fn reduce_rows(
    nest: &LoopNest,
    combiner: &Combiner,
    runner: &TileRunner<'_>,
    first: usize,
    count: usize,
) {
    let reduction = &nest.body.reductions[combiner.number];
    let values = runner.value(reduction.value);
    let target = runner.base(reduction.target);
    let item = nest.operands[reduction.target.index()].dtype.size();
    for n in 0..count {
        // SAFETY: row n of the tile, and the element of its result.
        unsafe {
            let row = values.add(n * nest.reduced * combiner.item());
            let out = target.add((first + n) * item);
            match &combiner.kernels {
                Kernels::Tree(kernels) => (kernels.row)(row, nest.reduced, out),
                Kernels::Arg(kernels) => {
                    let (mut best, mut index) = (0u128, -1i64);
                    (kernels.row)(row, nest.reduced, 0, (&raw mut best).cast(), &raw mut index);
                    out.cast::<i64>().write_unaligned(index);
                }
            }
        }
    }
}

/// Blocks of rows; each leaves a partial result, which are combined at the end.
///
/// # Safety
///
/// As for [`run`].
unsafe fn long(nest: &LoopNest, combiners: &[Combiner], bound: &Bound<'_>) -> Result<(), Error> {
    let (rows, len) = (nest.outer, nest.reduced);
    let tile = tile_len(nest, bound);
    let longest_block = longest_block(tile, combiners);
    let segments = len.div_ceil(longest_block);
    let mut partials = Partials::new(combiners, rows * segments, longest_block)?;
    let segments_per_chunk = nest.chunk_elements().div_ceil(longest_block).max(1);
    let total = rows * segments;
    let error = FirstError::default();
    let shared = &partials;
    team::run(total.div_ceil(segments_per_chunk), &|chunk| {
        // SAFETY: as for this function.
        let result = unsafe { TileRunner::new(nest, bound, tile) }.map(|mut runner| {
            let mut scratch = Accumulators::new(combiners);
            for segment in chunk * segments_per_chunk..total.min((chunk + 1) * segments_per_chunk) {
                let (row, part) = (segment / segments, segment % segments);
                let first = part * longest_block;
                let count = longest_block.min(len - first);
                // SAFETY: the segment is within its row, and no other chunk has it or its partials.
                unsafe {
                    reduce_segment(
                        nest,
                        combiners,
                        &mut runner,
                        &mut scratch,
                        shared,
                        segment,
                        row * len,
                        first,
                        count,
                    )
                };
            }
        });
        error.keep(result);
    });
    error.into_result()?;
    for row in 0..rows {
        for combiner in combiners {
            let operand = &nest.operands[nest.body.reductions[combiner.number].target.index()];
            let out = bound.base(operand).wrapping_add(row * operand.dtype.size());
            // SAFETY: every partial of the row has been written, and its result is one element of the target.
            unsafe { partials.combine(combiner, row * segments..(row + 1) * segments, len, out) };
        }
    }
    Ok(())
}

/// Partial results: for each reduction, for each segment, one per block in it.
struct Partials {
    memory: Vec<Buffer>,
    /// Bytes of one segment's partials, per reduction.
    segment_bytes: Vec<usize>,
    pointers: Vec<*mut u8>,
}

// SAFETY: each segment's partials are written by the one chunk that has the segment, and read after all chunks.
unsafe impl Sync for Partials {}

impl Partials {
    fn new(combiners: &[Combiner], segments: usize, longest_block: usize) -> Result<Partials, Error> {
        let mut partials = Partials { memory: Vec::new(), segment_bytes: Vec::new(), pointers: Vec::new() };
        for combiner in combiners {
            let bytes = match combiner.kernels {
                Kernels::Tree(_) => longest_block.div_ceil(block(combiner.dtype)) * combiner.item(),
                Kernels::Arg(_) => ARG_PARTIAL,
            };
            let mut buffer = Buffer::allocate(bytes * segments)?;
            partials.pointers.push(buffer.as_mut_ptr());
            partials.memory.push(buffer);
            partials.segment_bytes.push(bytes);
        }
        Ok(partials)
    }

    fn at(&self, combiner: &Combiner, segment: usize) -> *mut u8 {
        self.pointers[combiner.number].wrapping_add(segment * self.segment_bytes[combiner.number])
    }

    /// Combines the partials of these segments, those of a row of `len` elements.
    ///
    /// # Safety
    ///
    /// All of them are written; `out` has room for the result, and is this thread's to write.
    unsafe fn combine(&mut self, combiner: &Combiner, segments: Range<usize>, len: usize, out: *mut u8) {
        let first = self.at(combiner, segments.start);
        match &combiner.kernels {
            // Whole segments leave no gap between the partials of one and the next.
            // SAFETY: a row's partials are consecutive, one per block.
            Kernels::Tree(kernels) => unsafe {
                (kernels.combine)(first, len.div_ceil(block(combiner.dtype)), out)
            },
            Kernels::Arg(kernels) => {
                for segment in segments.skip(1) {
                    let other = self.at(combiner, segment);
                    // SAFETY: both partials are a value and an index, and the first one is earlier.
                    unsafe {
                        let places = [first, other].map(|partial| partial.add(ARG_PLACE).cast());
                        (kernels.merge)(first, places[0], other, places[1], 1);
                    }
                }
                // SAFETY: the index follows the value; the target's element has room for it.
                unsafe {
                    let place = first.add(ARG_PLACE).cast::<i64>().read_unaligned();
                    out.cast::<i64>().write_unaligned(place);
                }
            }
        }
    }
}

/// The lanes of each reduction, while a block is folded.
struct Accumulators(Vec<[u64; 64]>);

impl Accumulators {
    fn new(combiners: &[Combiner]) -> Accumulators {
        Accumulators(vec![[0; 64]; combiners.len()])
    }

    /// The lanes of a reduction, each the identity.
    fn reset(&mut self, combiner: &Combiner, identity: raptors_ir::Literal) -> *mut u8 {
        let lanes_at = self.0[combiner.number].as_mut_ptr().cast::<u8>();
        let bytes = identity.bits().to_le_bytes();
        // SAFETY: 64 words hold 128 lanes of 4 bytes or 64 of 8.
        unsafe {
            crate::kernels::copy::splat(bytes.as_ptr(), combiner.item(), lanes_at, lanes(combiner.dtype))
        };
        lanes_at
    }
}

/// Reduces `count` elements from element `first` of the row at `row_start`, into the partials of `segment`.
///
/// # Safety
///
/// The elements are within the space; no other thread has them or the partials.
#[allow(
    clippy::too_many_arguments,
    reason = "one segment is described by where it is, what reduces it, and where to"
)]
unsafe fn reduce_segment(
    nest: &LoopNest,
    combiners: &[Combiner],
    runner: &mut TileRunner<'_>,
    scratch: &mut Accumulators,
    partials: &Partials,
    segment: usize,
    row_start: usize,
    first: usize,
    count: usize,
) {
    let tile = runner.longest();
    let mut lanes_at: SmallVec<[*mut u8; 4]> = SmallVec::from_elem(std::ptr::null_mut(), combiners.len());
    let mut position = 0;
    while position < count {
        let len = tile.min(count - position);
        // SAFETY: part of the segment.
        unsafe { runner.compute(row_start + first + position, len) };
        for combiner in combiners {
            let value = runner.value(nest.body.reductions[combiner.number].value);
            match &combiner.kernels {
                Kernels::Tree(kernels) => {
                    let block = block(combiner.dtype);
                    let mut done = 0;
                    // A tile may span several blocks of a wide dtype, or be a part of one.
                    while done < len {
                        if (position + done) % block == 0 {
                            lanes_at[combiner.number] = scratch.reset(combiner, kernels.identity);
                        }
                        let part = (len - done).min(block - (position + done) % block);
                        let acc = lanes_at[combiner.number];
                        // SAFETY: `part` elements of the tile, from a multiple of the lanes; then one partial.
                        unsafe {
                            (kernels.fold)(acc, value.add(done * combiner.item()), part);
                            done += part;
                            if (position + done) % block == 0 || position + done == count {
                                (kernels.halve)(acc);
                                let out = partials.at(combiner, segment);
                                let number = (position + done - 1) / block;
                                std::ptr::copy_nonoverlapping(
                                    acc,
                                    out.add(number * combiner.item()),
                                    combiner.item(),
                                );
                            }
                        }
                    }
                }
                Kernels::Arg(kernels) => {
                    let partial = partials.at(combiner, segment);
                    // SAFETY: the partial is a value and an index, written by this thread alone.
                    unsafe {
                        let index = partial.add(ARG_PLACE).cast::<i64>();
                        if position == 0 {
                            index.write_unaligned(-1);
                        }
                        (kernels.row)(value, len, (first + position) as i64, partial, index);
                    }
                }
            }
        }
        // SAFETY: as for `compute`.
        unsafe { runner.store(row_start + first + position, len) };
        position += len;
    }
}
