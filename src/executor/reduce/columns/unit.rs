//! What one thread does for a reduction of columns.

use raptors_ir::{DType, Literal};

use super::{Area, InPlace, Partials, ROWS};
use crate::error::Error;
use crate::executor::Bound;
use crate::executor::reduce::{Combiner, Kernels};
use crate::executor::tiles::TileRunner;
use crate::kernels::copy::splat;
use crate::kernels::reduce::{ArgKernels, COLUMN_LANES, ReduceKernels, block, lanes, leaf_order};
use crate::program::LoopNest;
use crate::runtime::buffer::Buffer;
use crate::runtime::watch;

/// The most rows that are combined in one go: so many that are a power of two apart may be in the caches at once.
const ROWS_IN_TURN: usize = 8;
/// The same for several lanes, which leave no accumulators in memory between.
const STREAMS: usize = 16;
/// Rows that wait to be combined with later ones: the binary digits of the most lanes, and one more.
const STACK: usize = 8;

/// What one thread needs to reduce areas.
pub(super) struct Unit<'a> {
    nest: &'a LoopNest,
    combiners: &'a [Combiner],
    partials: &'a Partials,
    in_place: Option<&'a [InPlace]>,
    runner: TileRunner<'a>,
    /// The most rows that are there at once.
    rows_at_once: usize,
    /// Per reduction: lanes side by side (narrow), a stack of rows (wide), or best values and indices (arg).
    scratch: Vec<Buffer>,
}

impl<'a> Unit<'a> {
    /// # Safety
    ///
    /// As for [`super::run`]; values that are `in_place` are there.
    pub(super) unsafe fn new(
        nest: &'a LoopNest,
        combiners: &'a [Combiner],
        bound: &Bound<'_>,
        partials: &'a Partials,
        in_place: Option<&'a [InPlace]>,
        narrow: bool,
        strip: usize,
    ) -> Result<Unit<'a>, Error> {
        let tile = nest.tile(bound.engine());
        let longest = match (in_place, &tile.kernel) {
            (Some(_), _) => 1,
            (None, _) if narrow => tile.len,
            (None, Some(_)) => ROWS * strip,
            (None, None) => strip,
        };
        // SAFETY: as for this function.
        let runner = unsafe { TileRunner::new(nest, bound, longest)? };
        let rows_at_once = match (in_place, &tile.kernel) {
            (Some(_), _) => usize::MAX,
            (None, Some(_)) if runner.can_compute_rows(nest.inner) => ROWS,
            (None, _) => 1,
        };
        let side_by_side = narrow || in_place.is_none() && !are_alike(combiners);
        let scratch = combiners
            .iter()
            .map(|combiner| {
                let row = strip * combiner.item().max(size_of::<i64>());
                Buffer::allocate(match combiner.kernels {
                    Kernels::Tree(_) if side_by_side => lanes(combiner.dtype) * strip * combiner.item(),
                    Kernels::Tree(_) => STACK * strip * combiner.item(),
                    Kernels::Arg(_) => 2 * row,
                })
            })
            .collect::<Result<Vec<Buffer>, _>>()?;
        Ok(Unit { nest, combiners, partials, in_place, runner, rows_at_once, scratch })
    }

    fn target(&self, combiner: &Combiner) -> *mut u8 {
        self.runner.base(self.nest.body.reductions[combiner.number].target)
    }

    /// All columns at once: lane `l` of column `c` is accumulator `l * columns + c`, and rows follow each other.
    ///
    /// # Safety
    ///
    /// The area is within the space, spans all columns, and is this thread's.
    pub(super) unsafe fn narrow(&mut self, area: &Area) {
        let columns = area.columns;
        let rows_at_once = match self.in_place {
            Some(_) => usize::MAX,
            None => (self.runner.tile_len() / columns).max(1),
        };
        let start = self.element(area, 0);
        let mut row = 0;
        while row < area.rows {
            // A tile ends where any dtype's block may end.
            let count = rows_at_once.min(area.rows - row).min(rows_to_end_of_block(row));
            if self.in_place.is_none() {
                // SAFETY: rows of the area.
                unsafe { self.runner.compute(start + row * columns, count * columns) };
            }
            for combiner in self.combiners {
                let Kernels::Tree(kernels) = &combiner.kernels else {
                    unreachable!("narrow columns have no arg")
                };
                let (values, _) = self.rows_of(combiner, area, row, 1);
                let target = self.target(combiner);
                let acc = self.scratch[combiner.number].as_mut_ptr();
                // SAFETY: the accumulators have room for the lanes of all columns.
                unsafe { fold_rows(kernels, combiner, acc, values, row, count, columns) };
                let (block, done) = (block(combiner.dtype), row + count);
                if done % block == 0 || done == area.rows {
                    let n = (done - 1) / block;
                    let out = self.partials.at(self.nest, combiner, target, area, n);
                    // SAFETY: as above; the partial is a row of columns.
                    unsafe { halve_rows(kernels, combiner, acc, columns, out) };
                }
            }
            if self.in_place.is_none() {
                // SAFETY: as for `compute`.
                unsafe { self.runner.store(start + row * columns, count * columns) };
            }
            row += count;
        }
    }

    /// A strip of columns, lane by lane.
    ///
    /// # Safety
    ///
    /// The area is within the space and this thread's.
    pub(super) unsafe fn wide(&mut self, area: &Area) {
        let combiners = self.combiners;
        // SAFETY: as for this function.
        unsafe {
            if are_alike(combiners) {
                self.alike(area, combiners);
            } else if self.in_place.is_some() {
                for combiner in combiners {
                    self.alike(area, std::slice::from_ref(combiner));
                }
            } else {
                self.row_by_row(area);
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Unit::wide`]; the reductions are alike.
    unsafe fn alike(&mut self, area: &Area, combiners: &[Combiner]) {
        let Some(first) = combiners.first() else { return };
        if let Kernels::Arg(_) = first.kernels {
            // SAFETY: as for this function.
            return unsafe { self.args(area, combiners) };
        }
        let block = block(first.dtype);
        for row in (0..area.rows).step_by(block) {
            // SAFETY: as for this function.
            unsafe { self.block(area, combiners, row, block.min(area.rows - row)) };
        }
    }

    /// Reduces a block of rows. Groups of lanes are visited in the order of the tree's leaves, with a stack of partial rows.
    ///
    /// # Safety
    ///
    /// As for [`Unit::wide`]; all reductions are trees with one block length, and there are so many rows from `first_row` on.
    unsafe fn block(&mut self, area: &Area, combiners: &[Combiner], first_row: usize, rows: usize) {
        let Some(dtype) = combiners.first().map(|combiner| combiner.dtype) else { return };
        // Lanes without rows hold the identity, which changes nothing.
        let lanes = lanes(dtype).min(rows.next_power_of_two()).max(COLUMN_LANES);
        let are_together = rows.div_ceil(lanes) * COLUMN_LANES <= STREAMS.min(self.rows_at_once);
        let together = if are_together { COLUMN_LANES } else { 1 };
        let groups = lanes / together;
        for (n, first) in leaf_order(groups).enumerate() {
            watch::checkpoint(first_row * groups + n * rows, area.rows * groups);
            let count = rows.saturating_sub(first).div_ceil(groups);
            let depth = n.count_ones() as usize;
            let most = if are_together { count } else { ROWS_IN_TURN.min(self.rows_at_once) };
            let mut done = 0;
            loop {
                let now = (count - done).min(most);
                let row = first_row + first + done * groups;
                // SAFETY: rows of the area, unless there are none; the stacks have room for a row.
                unsafe {
                    self.compute(area, row, now, groups);
                    for combiner in combiners {
                        let kernels = tree(combiner);
                        let (x, stride) = self.rows_of(combiner, area, row, groups);
                        let out = self.stack(combiner, area, depth);
                        (kernels.columns)(x, stride, now, together, area.columns, out, done > 0);
                    }
                    self.store(area, row, now);
                }
                done += now;
                if done == count {
                    break;
                }
            }
            for left in (0..depth).rev().take(n.trailing_ones() as usize) {
                for combiner in combiners {
                    let rows = [left, left + 1].map(|depth| self.stack(combiner, area, depth));
                    // SAFETY: two neighbouring rows of the stack, both written.
                    unsafe {
                        (tree(combiner).accumulate)(
                            &[rows[0], rows[1], std::ptr::null()],
                            rows[0],
                            area.columns,
                        )
                    };
                }
            }
        }
        for combiner in combiners {
            let n = first_row / block(combiner.dtype);
            let out = self.partials.at(self.nest, combiner, self.target(combiner), area, n);
            // SAFETY: the stack is down to its first row, which is the block's partial.
            unsafe {
                let row = self.stack(combiner, area, 0);
                std::ptr::copy_nonoverlapping(row, out, area.columns * combiner.item());
            }
        }
    }

    /// Keeps the best of each column.
    ///
    /// # Safety
    ///
    /// As for [`Unit::wide`]; all reductions are argmin or argmax.
    unsafe fn args(&mut self, area: &Area, combiners: &[Combiner]) {
        /// Rows between which a run can stop.
        const LONGEST: usize = 256;
        for combiner in combiners {
            self.start_states(combiner, area);
        }
        let step = self.rows_at_once.min(LONGEST);
        for row in (0..area.rows).step_by(step) {
            watch::checkpoint(row, area.rows);
            let count = step.min(area.rows - row);
            // SAFETY: rows of the area; there is a state per column.
            unsafe {
                self.compute(area, row, count, 1);
                for combiner in combiners {
                    let (x, stride) = self.rows_of(combiner, area, row, 1);
                    let (best, indices) = self.states(combiner, area);
                    let first = (area.first_row + row) as i64;
                    (arg(combiner).columns)(x, stride, count, area.columns, first, best, indices);
                }
                self.store(area, row, count);
            }
        }
        for combiner in combiners {
            self.store_indices(combiner, area);
        }
    }

    /// Visits rows in order; lanes of the strip side by side for trees, the best so far for args.
    ///
    /// # Safety
    ///
    /// As for [`Unit::wide`]; values are computed.
    unsafe fn row_by_row(&mut self, area: &Area) {
        let columns = area.columns;
        for combiner in self.combiners.iter().filter(|combiner| matches!(combiner.kernels, Kernels::Arg(_))) {
            self.start_states(combiner, area);
        }
        for row in 0..area.rows {
            watch::checkpoint(row, area.rows);
            let start = self.element(area, row);
            // SAFETY: a row of the area.
            unsafe { self.runner.compute(start, columns) };
            for combiner in self.combiners {
                let value = self.runner.value(self.nest.body.reductions[combiner.number].value);
                let target = self.target(combiner);
                match &combiner.kernels {
                    // SAFETY: there is a state per column.
                    Kernels::Arg(kernels) => unsafe {
                        let (best, indices) = self.states(combiner, area);
                        let first = (area.first_row + row) as i64;
                        (kernels.columns)(value, 0, 1, columns, first, best, indices);
                    },
                    // SAFETY: scratch holds the lanes of each column of the strip.
                    Kernels::Tree(kernels) => unsafe {
                        let acc = self.scratch[combiner.number].as_mut_ptr();
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
        for combiner in self.combiners.iter().filter(|combiner| matches!(combiner.kernels, Kernels::Arg(_))) {
            self.store_indices(combiner, area);
        }
    }

    /// Computes `count` rows of the strip, `step` from one to the next, unless they are in place.
    ///
    /// # Safety
    ///
    /// They are rows of the area, no more than are there at once.
    unsafe fn compute(&mut self, area: &Area, row: usize, count: usize, step: usize) {
        if self.in_place.is_none() && count > 0 {
            let start = self.element(area, row);
            // SAFETY: as for this function; if there are several rows, they can be computed.
            unsafe { self.runner.compute_rows(start, count, step * self.nest.inner, area.columns) };
        }
    }

    /// Stores what was computed and could not be stored in place: of one row, as several are then not computed at once.
    ///
    /// # Safety
    ///
    /// As for [`Unit::compute`], which was called last.
    unsafe fn store(&mut self, area: &Area, row: usize, count: usize) {
        if self.in_place.is_none() && self.rows_at_once == 1 && count > 0 {
            // SAFETY: as for this function.
            unsafe { self.runner.store(self.element(area, row), area.columns) };
        }
    }

    /// A row of the strip, and the bytes to the one that is `step` rows further on.
    fn rows_of(&self, combiner: &Combiner, area: &Area, row: usize, step: usize) -> (*const u8, isize) {
        if let Some(in_place) = self.in_place {
            let value = in_place[combiner.number];
            let offset = area.outer as isize * value.outer + (area.first_row + row) as isize * value.row;
            let first = self.runner.base(value.operand).wrapping_offset(offset);
            return (first.wrapping_add(area.column * combiner.item()), value.row * step as isize);
        }
        let value = self.nest.body.reductions[combiner.number].value;
        let stride = self.runner.row_stride(value, step * self.nest.inner, area.columns);
        (self.runner.value(value), stride)
    }

    /// A row of a reduction's stack.
    fn stack(&mut self, combiner: &Combiner, area: &Area, depth: usize) -> *mut u8 {
        self.scratch[combiner.number].as_mut_ptr().wrapping_add(depth * area.columns * combiner.item())
    }

    /// Best values and indices of an argmin or argmax.
    fn states(&mut self, combiner: &Combiner, area: &Area) -> (*mut u8, *mut i64) {
        self.partials.states(self.nest, combiner, area).unwrap_or_else(|| {
            let best = self.scratch[combiner.number].as_mut_ptr();
            (best, best.wrapping_add(area.columns * size_of::<i64>()).cast())
        })
    }

    /// No element has been seen.
    fn start_states(&mut self, combiner: &Combiner, area: &Area) {
        let (_, indices) = self.states(combiner, area);
        // SAFETY: there is an index per column.
        unsafe { splat((-1i64).to_le_bytes().as_ptr(), size_of::<i64>(), indices.cast(), area.columns) };
    }

    /// Stores the indices of an argmin or argmax, if they are results.
    fn store_indices(&mut self, combiner: &Combiner, area: &Area) {
        if self.partials.states(self.nest, combiner, area).is_none() {
            let (_, indices) = self.states(combiner, area);
            let at = (area.outer * self.nest.inner + area.column) * size_of::<i64>();
            let out = self.target(combiner).wrapping_add(at).cast::<i64>();
            // SAFETY: the target has an index per kept position, and these columns of it are this thread's.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    indices.cast::<u8>(),
                    out.cast(),
                    area.columns * size_of::<i64>(),
                )
            };
        }
    }

    /// The position in the space of the area's first column in a row.
    fn element(&self, area: &Area, row: usize) -> usize {
        (area.outer * self.nest.reduced + area.first_row + row) * self.nest.inner + area.column
    }
}

/// Whether reductions visit rows in the same order: all by position, or all by trees with blocks of one length.
fn are_alike(combiners: &[Combiner]) -> bool {
    combiners.windows(2).all(|pair| match (&pair[0].kernels, &pair[1].kernels) {
        (Kernels::Arg(_), Kernels::Arg(_)) => true,
        (Kernels::Tree(_), Kernels::Tree(_)) => block(pair[0].dtype) == block(pair[1].dtype),
        (Kernels::Arg(_), Kernels::Tree(_)) | (Kernels::Tree(_), Kernels::Arg(_)) => false,
    })
}

fn tree(combiner: &Combiner) -> &ReduceKernels {
    match &combiner.kernels {
        Kernels::Tree(kernels) => kernels,
        Kernels::Arg(_) => unreachable!("all of them are trees"),
    }
}

fn arg(combiner: &Combiner) -> &ArgKernels {
    match &combiner.kernels {
        Kernels::Arg(kernels) => kernels,
        Kernels::Tree(_) => unreachable!("all of them are args"),
    }
}

/// Rows to the next row where the block of some dtype may end.
fn rows_to_end_of_block(row: usize) -> usize {
    const STEP: usize = block(DType::F64);
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
    let starts = row.is_multiple_of(block(combiner.dtype));
    if starts && count < lanes {
        let identity: Literal = kernels.identity;
        let bytes = identity.bits().to_le_bytes();
        // SAFETY: room for the lanes of all columns.
        unsafe { splat(bytes.as_ptr(), item, acc, lanes * columns) };
    }
    // Rows of all lanes at once, as many as there are, or rows of some.
    let mut done = 0;
    while done < count {
        let lane = (row + done) % lanes;
        let whole = if lane == 0 { (count - done) / lanes } else { 0 };
        let (times, rows) = if whole > 0 { (whole, lanes) } else { (1, (count - done).min(lanes - lane)) };
        let continues = !starts || done > 0 || whole == 0;
        // SAFETY: rows of the tile, and the lanes they belong to.
        unsafe {
            let to = acc.add(lane * columns * item);
            let from = values.add(done * columns * item);
            let stride = (lanes * columns * item) as isize;
            (kernels.columns)(from, stride, times, 1, rows * columns, to, continues);
        }
        done += times * rows;
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
