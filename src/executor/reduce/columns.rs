//! Reductions of columns: each result combines elements that stand `inner` apart.

use raptors_ir::Literal;

use super::{Combiner, Kernels};
use crate::error::Error;
use crate::executor::Bound;
use crate::executor::map::FirstError;
use crate::executor::tiles::TileRunner;
use crate::kernels::copy::splat;
use crate::kernels::reduce::{ReduceKernels, block, lanes, leaf_order};
use crate::program::LoopNest;
use crate::runtime::buffer::Buffer;
use crate::runtime::{team, watch};

/// The most bytes that the lanes of all columns may take to be accumulated side by side.
const NARROW_BYTES: usize = 32 * 1024;

/// Reduces the columns of `nest`.
///
/// # Safety
///
/// As for [`crate::executor::run`].
pub(super) unsafe fn run(nest: &LoopNest, combiners: &[Combiner], bound: &Bound<'_>) -> Result<(), Error> {
    let columns = nest.inner;
    let has_arg = combiners.iter().any(|combiner| matches!(combiner.kernels, Kernels::Arg(_)));
    let lane_bytes =
        combiners.iter().map(|combiner| lanes(combiner.dtype) * combiner.item()).max().unwrap_or(1);
    let narrow = !has_arg && columns * lane_bytes <= NARROW_BYTES && columns <= nest.tile(bound.engine()).len;

    // Blocks differ by dtype; a segment is whole blocks of each. The index of an argmin needs rows in one go.
    let longest_block = combiners.iter().map(|combiner| block(combiner.dtype)).max().unwrap_or(1);
    let segment_rows = if has_arg { nest.reduced } else { longest_block };
    let segments = nest.reduced.div_ceil(segment_rows);
    let strip = if narrow { columns } else { strip_len(nest, nest.tile(bound.engine()).len, segments) };
    let strips = columns.div_ceil(strip);
    let partials = Partials::new(nest, combiners, segment_rows)?;

    let units = nest.outer * segments * strips;
    let unit_elements = segment_rows.min(nest.reduced) * strip;
    let units_per_chunk = (nest.chunk_elements() / unit_elements.max(1)).max(1);
    let error = FirstError::default();
    team::run(units.div_ceil(units_per_chunk), &|chunk| {
        // SAFETY: as for this function.
        let result = unsafe { Unit::new(nest, combiners, bound, &partials, strip) }.map(|mut unit| {
            for n in chunk * units_per_chunk..units.min((chunk + 1) * units_per_chunk) {
                let (outer, rest) = (n / (segments * strips), n % (segments * strips));
                let (segment, column) = (rest / strips, rest % strips * strip);
                let rows = segment_rows.min(nest.reduced - segment * segment_rows);
                let area = Area {
                    outer,
                    segment,
                    first_row: segment * segment_rows,
                    rows,
                    column,
                    columns: strip.min(columns - column),
                };
                // SAFETY: the areas are within the space and disjoint, and so are their results.
                unsafe { if narrow { unit.narrow(&area) } else { unit.wide(&area) } }
            }
        });
        error.keep(result);
    });
    error.into_result()?;
    for combiner in combiners {
        if let Kernels::Tree(kernels) = &combiner.kernels {
            // SAFETY: every partial has been written.
            unsafe { partials.combine(nest, combiner, kernels, bound)? };
        }
    }
    Ok(())
}

/// Columns of a strip: what fits a tile, or less when that leaves threads without work.
fn strip_len(nest: &LoopNest, tile: usize, segments: usize) -> usize {
    let units = nest.outer * segments;
    let wanted = team::threads().div_ceil(units.max(1));
    let fair = nest.inner.div_ceil(wanted).next_multiple_of(64);
    fair.min(tile).min(nest.inner)
}

/// A part of the space that one thread reduces: rows of one outer index and segment, over a strip of columns.
struct Area {
    outer: usize,
    segment: usize,
    first_row: usize,
    rows: usize,
    column: usize,
    columns: usize,
}

/// Partial results: for each tree reduction, outer index and block, one row of columns. When there is one block, they are
/// the results, and stand in the target.
struct Partials {
    pointers: Vec<*mut u8>,
    blocks: Vec<usize>,
    blocks_per_segment: Vec<usize>,
    _memory: Vec<Buffer>,
}

// SAFETY: each partial is written by the one thread that has its area, and read after all areas are done.
unsafe impl Sync for Partials {}

impl Partials {
    fn new(nest: &LoopNest, combiners: &[Combiner], segment_rows: usize) -> Result<Partials, Error> {
        let mut partials = Partials {
            pointers: Vec::new(),
            blocks: Vec::new(),
            blocks_per_segment: Vec::new(),
            _memory: Vec::new(),
        };
        for combiner in combiners {
            let block = block(combiner.dtype);
            let blocks = nest.reduced.div_ceil(block);
            let stored = matches!(combiner.kernels, Kernels::Tree(_)) && blocks > 1;
            let bytes = if stored { nest.outer * blocks * nest.inner * combiner.item() } else { 0 };
            let mut buffer = Buffer::allocate(bytes)?;
            partials.pointers.push(buffer.as_mut_ptr());
            partials.blocks.push(blocks);
            partials.blocks_per_segment.push(segment_rows.div_ceil(block));
            partials._memory.push(buffer);
        }
        Ok(partials)
    }

    /// Where the partial of the area's `n`-th block goes, at the area's first column.
    fn at(&self, nest: &LoopNest, combiner: &Combiner, target: *mut u8, area: &Area, n: usize) -> *mut u8 {
        let blocks = self.blocks[combiner.number];
        if blocks == 1 {
            return target.wrapping_add((area.outer * nest.inner + area.column) * combiner.item());
        }
        let block = area.outer * blocks + area.segment * self.blocks_per_segment[combiner.number] + n;
        self.pointers[combiner.number].wrapping_add((block * nest.inner + area.column) * combiner.item())
    }

    /// Combines the blocks of each column pairwise, into the target.
    ///
    /// # Safety
    ///
    /// Every partial is written, and nothing else touches the target.
    unsafe fn combine(
        &self,
        nest: &LoopNest,
        combiner: &Combiner,
        kernels: &ReduceKernels,
        bound: &Bound<'_>,
    ) -> Result<(), Error> {
        let blocks = self.blocks[combiner.number];
        if blocks == 1 {
            return Ok(());
        }
        let row_bytes = nest.inner * combiner.item();
        let target = bound.base(&nest.operands[nest.body.reductions[combiner.number].target.index()]);
        for outer in 0..nest.outer {
            let first = self.pointers[combiner.number].wrapping_add(outer * blocks * row_bytes);
            let row = |n: usize| first.wrapping_add(n * row_bytes);
            // A binary counter in place: (row, rank) of the partials not yet combined, earliest first.
            let mut stack: Vec<(usize, u32)> = Vec::new();
            for n in 0..blocks {
                let (mut left, mut rank) = (n, 0);
                while let Some(&(earlier, earlier_rank)) = stack.last()
                    && earlier_rank == rank
                {
                    stack.pop();
                    // SAFETY: two different rows of partials.
                    unsafe {
                        (kernels.accumulate)(
                            &[row(earlier), row(left), std::ptr::null()],
                            row(earlier),
                            nest.inner,
                        )
                    };
                    (left, rank) = (earlier, rank + 1);
                }
                stack.push((left, rank));
            }
            while let (Some(&(later, _)), true) = (stack.last(), stack.len() > 1) {
                stack.pop();
                if let Some(&(earlier, _)) = stack.last() {
                    // SAFETY: two different rows of partials.
                    unsafe {
                        (kernels.accumulate)(
                            &[row(earlier), row(later), std::ptr::null()],
                            row(earlier),
                            nest.inner,
                        )
                    };
                }
            }
            // SAFETY: the first row now holds the results of this outer index, `row_bytes` of the target.
            unsafe { std::ptr::copy_nonoverlapping(row(0), target.add(outer * row_bytes), row_bytes) };
        }
        Ok(())
    }
}

/// What one thread needs to reduce areas.
struct Unit<'a> {
    nest: &'a LoopNest,
    combiners: &'a [Combiner],
    partials: &'a Partials,
    runner: TileRunner<'a>,
    /// Per reduction: lanes side by side (narrow), a stack of rows (wide), or best values and indices (arg).
    scratch: Vec<Buffer>,
}

impl<'a> Unit<'a> {
    /// # Safety
    ///
    /// As for [`run`].
    unsafe fn new(
        nest: &'a LoopNest,
        combiners: &'a [Combiner],
        bound: &Bound<'_>,
        partials: &'a Partials,
        strip: usize,
    ) -> Result<Unit<'a>, Error> {
        let scratch = combiners
            .iter()
            .map(|combiner| {
                let rows = match combiner.kernels {
                    Kernels::Tree(_) => lanes(combiner.dtype),
                    Kernels::Arg(_) => 2,
                };
                Buffer::allocate(rows * strip * combiner.item().max(8))
            })
            .collect::<Result<Vec<Buffer>, _>>()?;
        // SAFETY: as for this function.
        let runner = unsafe { TileRunner::new(nest, bound, nest.tile(bound.engine()).len.max(strip))? };
        Ok(Unit { nest, combiners, partials, runner, scratch })
    }

    fn target(&self, combiner: &Combiner) -> *mut u8 {
        self.runner.base(self.nest.body.reductions[combiner.number].target)
    }

    /// All columns at once: lane `l` of column `c` is accumulator `l * columns + c`, and rows follow each other.
    ///
    /// # Safety
    ///
    /// The area is within the space, spans all columns, and is this thread's.
    unsafe fn narrow(&mut self, area: &Area) {
        let columns = area.columns;
        let rows_per_tile = (self.runner.tile_len() / columns).max(1);
        let start = (area.outer * self.nest.reduced + area.first_row) * columns;
        let mut row = 0;
        while row < area.rows {
            // A tile ends where any dtype's block may end.
            let count = rows_per_tile.min(area.rows - row).min(lanes_between_blocks(row));
            // SAFETY: rows of the area.
            unsafe { self.runner.compute(start + row * columns, count * columns) };
            for combiner in self.combiners {
                let Kernels::Tree(kernels) = &combiner.kernels else {
                    unreachable!("narrow columns have no arg")
                };
                let value = self.runner.value(self.nest.body.reductions[combiner.number].value);
                let target = self.target(combiner);
                let acc = self.scratch[combiner.number].as_mut_ptr();
                // SAFETY: the accumulators have room for the lanes of all columns.
                unsafe { fold_rows(kernels, combiner, acc, value, row, count, columns) };
                let (block, done) = (block(combiner.dtype), row + count);
                if done % block == 0 || done == area.rows {
                    let n = (done - 1) / block;
                    let out = self.partials.at(self.nest, combiner, target, area, n);
                    // SAFETY: as above; the partial is a row of columns.
                    unsafe { halve_rows(kernels, combiner, acc, columns, out) };
                }
            }
            // SAFETY: as for `compute`.
            unsafe { self.runner.store(start + row * columns, count * columns) };
            row += count;
        }
    }

    /// A strip of columns, lane by lane.
    ///
    /// # Safety
    ///
    /// The area is within the space and this thread's.
    unsafe fn wide(&mut self, area: &Area) {
        let has_arg = self.combiners.iter().any(|combiner| matches!(combiner.kernels, Kernels::Arg(_)));
        let same_tree = self.combiners.windows(2).all(|pair| block(pair[0].dtype) == block(pair[1].dtype));
        // SAFETY: as for this function.
        unsafe {
            if !has_arg && same_tree {
                self.lane_by_lane(area);
            } else {
                self.row_by_row(area);
            }
        }
    }

    /// Visits the rows of each block in the order of the tree's leaves, with a stack of partial rows.
    ///
    /// # Safety
    ///
    /// As for [`Unit::wide`]; all reductions are trees with one block length.
    unsafe fn lane_by_lane(&mut self, area: &Area) {
        let Some(first) = self.combiners.first() else { return };
        let (lanes, block) = (lanes(first.dtype), block(first.dtype));
        let mut first_row = 0;
        while first_row < area.rows {
            let rows = block.min(area.rows - first_row);
            // Ranks of the rows on the stack; a lane without rows takes its place as `None`.
            let mut stack: Vec<(u32, bool)> = Vec::with_capacity(8);
            for lane in leaf_order(lanes) {
                let depth = stack.iter().filter(|entry| entry.1).count();
                let mut row = lane;
                while row < rows {
                    // SAFETY: a row of the area; the stack has room for it.
                    unsafe { self.accumulate_row(area, first_row + row, depth, row == lane) };
                    row += lanes;
                }
                let mut entry = (0, lane < rows);
                while let Some(&(rank, present)) = stack.last()
                    && rank == entry.0
                {
                    stack.pop();
                    if present && entry.1 {
                        let left = stack.iter().filter(|entry| entry.1).count();
                        // SAFETY: two neighbouring rows of the stack.
                        unsafe { self.combine_stack(area, left) };
                    }
                    entry = (rank + 1, present || entry.1);
                }
                stack.push(entry);
            }
            for combiner in self.combiners {
                let target = self.target(combiner);
                let out = self.partials.at(self.nest, combiner, target, area, first_row / block);
                let row = self.scratch[combiner.number].as_ptr();
                // SAFETY: the stack is down to its first row, which is the block's partial.
                unsafe { std::ptr::copy_nonoverlapping(row, out, area.columns * combiner.item()) };
            }
            first_row += rows;
        }
    }

    /// Computes one row, and adds it to row `depth` of each stack, or starts that row with it.
    ///
    /// # Safety
    ///
    /// The row is of the area; the stacks have room.
    unsafe fn accumulate_row(&mut self, area: &Area, row: usize, depth: usize, starts: bool) {
        let start = self.element(area, row);
        // SAFETY: within the space, and this thread's.
        unsafe { self.runner.compute(start, area.columns) };
        for combiner in self.combiners {
            let Kernels::Tree(kernels) = &combiner.kernels else {
                unreachable!("wide columns have no arg here")
            };
            let value = self.runner.value(self.nest.body.reductions[combiner.number].value);
            let bytes = area.columns * combiner.item();
            let acc = self.scratch[combiner.number].as_mut_ptr().wrapping_add(depth * bytes);
            // SAFETY: the tile has `columns` values, and the stack's row room for them.
            unsafe {
                if starts {
                    let identity = kernels.identity.bits().to_le_bytes();
                    splat(identity.as_ptr(), combiner.item(), acc, area.columns);
                }
                (kernels.accumulate)(&[acc, value, std::ptr::null()], acc, area.columns);
            }
        }
        // SAFETY: as for `compute`.
        unsafe { self.runner.store(start, area.columns) };
    }

    /// Combines row `left + 1` of each stack into row `left`.
    ///
    /// # Safety
    ///
    /// Both rows are written.
    unsafe fn combine_stack(&mut self, area: &Area, left: usize) {
        for combiner in self.combiners {
            let Kernels::Tree(kernels) = &combiner.kernels else {
                unreachable!("wide columns have no arg here")
            };
            let bytes = area.columns * combiner.item();
            let acc = self.scratch[combiner.number].as_mut_ptr().wrapping_add(left * bytes);
            // SAFETY: two neighbouring rows of the stack.
            unsafe { (kernels.accumulate)(&[acc, acc.add(bytes), std::ptr::null()], acc, area.columns) };
        }
    }

    /// Visits rows in order; lanes of the strip side by side for trees, the best so far for args.
    ///
    /// # Safety
    ///
    /// As for [`Unit::wide`].
    unsafe fn row_by_row(&mut self, area: &Area) {
        let columns = area.columns;
        for combiner in self.combiners {
            if let Kernels::Arg(_) = combiner.kernels {
                let none = (-1i64).to_le_bytes();
                let indices = self.scratch[combiner.number].as_mut_ptr().wrapping_add(columns * 8);
                // SAFETY: the second half of the scratch row holds an index per column.
                unsafe { splat(none.as_ptr(), 8, indices, columns) };
            }
        }
        for row in 0..area.rows {
            watch::checkpoint(row, area.rows);
            let start = self.element(area, row);
            // SAFETY: a row of the area.
            unsafe { self.runner.compute(start, columns) };
            for combiner in self.combiners {
                let value = self.runner.value(self.nest.body.reductions[combiner.number].value);
                let target = self.target(combiner);
                let acc = self.scratch[combiner.number].as_mut_ptr();
                match &combiner.kernels {
                    // SAFETY: scratch holds a value and an index per column.
                    Kernels::Arg(kernels) => unsafe {
                        let indices = acc.add(columns * 8).cast::<i64>();
                        (kernels.update)(value, columns, (area.first_row + row) as i64, acc, indices);
                    },
                    // SAFETY: scratch holds the lanes of each column of the strip.
                    Kernels::Tree(kernels) => unsafe {
                        fold_rows(kernels, combiner, acc, value, row, 1, columns);
                        let block = block(combiner.dtype);
                        if (row + 1) % block == 0 || row + 1 == area.rows {
                            let out = self.partials.at(self.nest, combiner, target, area, row / block);
                            halve_rows(kernels, combiner, acc, columns, out);
                        }
                    },
                }
            }
            // SAFETY: as for `compute`.
            unsafe { self.runner.store(start, columns) };
        }
        for combiner in self.combiners {
            if let Kernels::Arg(_) = combiner.kernels {
                let indices = self.scratch[combiner.number].as_ptr().wrapping_add(columns * 8);
                let out =
                    self.target(combiner).wrapping_add((area.outer * self.nest.inner + area.column) * 8);
                // SAFETY: the target has an index per kept position.
                unsafe { std::ptr::copy_nonoverlapping(indices, out, columns * 8) };
            }
        }
    }

    /// The position in the space of the area's first column in a row.
    fn element(&self, area: &Area, row: usize) -> usize {
        (area.outer * self.nest.reduced + area.first_row + row) * self.nest.inner + area.column
    }
}

/// Rows from `row` to the next multiple of the fewest lanes, so that no tile crosses the end of a block.
fn lanes_between_blocks(row: usize) -> usize {
    const STEP: usize = 1024;
    STEP - row % STEP
}

/// Adds `count` rows of a tile to the lanes of each column; the first of a block starts from the identity.
///
/// # Safety
///
/// `acc` has room for `lanes * columns` elements; `values` has `count` rows; no row crosses the end of a block.
unsafe fn fold_rows(
    kernels: &ReduceKernels,
    combiner: &Combiner,
    acc: *mut u8,
    values: *const u8,
    row: usize,
    count: usize,
    columns: usize,
) {
    let (lanes, item) = (lanes(combiner.dtype), combiner.item());
    if row.is_multiple_of(block(combiner.dtype)) {
        let identity: Literal = kernels.identity;
        let bytes = identity.bits().to_le_bytes();
        // SAFETY: room for the lanes of all columns.
        unsafe { splat(bytes.as_ptr(), item, acc, lanes * columns) };
    }
    let mut done = 0;
    while done < count {
        let lane = (row + done) % lanes;
        let rows = (count - done).min(lanes - lane);
        // SAFETY: rows of the tile, and the lanes they belong to.
        unsafe {
            let to = acc.add(lane * columns * item);
            (kernels.accumulate)(
                &[to, values.add(done * columns * item), std::ptr::null()],
                to,
                rows * columns,
            );
        }
        done += rows;
    }
}

/// Combines the lanes of each column by halving, into a row of columns.
///
/// # Safety
///
/// `acc` has `lanes * columns` elements, and `out` room for `columns`.
unsafe fn halve_rows(
    kernels: &ReduceKernels,
    combiner: &Combiner,
    acc: *mut u8,
    columns: usize,
    out: *mut u8,
) {
    let mut half = lanes(combiner.dtype) / 2;
    while half > 0 {
        let count = half * columns;
        // SAFETY: the upper half of the lanes, and the lower.
        unsafe {
            (kernels.accumulate)(&[acc, acc.add(count * combiner.item()), std::ptr::null()], acc, count)
        };
        half /= 2;
    }
    // SAFETY: one row of columns is left.
    unsafe { std::ptr::copy_nonoverlapping(acc, out, columns * combiner.item()) };
}
