//! Reductions of columns: each result combines elements that stand `inner` apart.
//!
//! What is in memory row by row is read there; what is computed is computed some rows at a time, those that are combined
//! next, into scratch memory.

mod unit;

use smallvec::SmallVec;

use self::unit::Unit;
use super::{Combiner, Kernels};
use crate::codegen::lane::{LaneOp, OperandId};
use crate::codegen::tile::is_row_major;
use crate::error::Error;
use crate::executor::Bound;
use crate::executor::map::FirstError;
use crate::kernels::reduce::{ArgKernels, ReduceKernels, block, lanes};
use crate::program::LoopNest;
use crate::runtime::buffer::Buffer;
use crate::runtime::team;

/// The most bytes that the lanes of all columns may take to be accumulated side by side.
const NARROW_BYTES: usize = 32 * 1024;
/// Bytes of a strip of columns in a row: memory is read in long runs, and the accumulators that wait, and rows that are computed
/// at once, stay in cache.
const STRIP_BYTES: usize = 8 * 1024;
/// Rows that are computed at once, if they can be.
const ROWS: usize = 8;
/// Bytes of a state of an argmin or argmax: a value of up to 8, and an index.
const STATE: usize = 16;

/// Reduces the columns of `nest`.
///
/// # Safety
///
/// As for [`crate::executor::run`].
pub(super) unsafe fn run(nest: &LoopNest, combiners: &[Combiner], bound: &Bound<'_>) -> Result<(), Error> {
    let columns = nest.inner;
    let is_arg = |combiner: &Combiner| matches!(combiner.kernels, Kernels::Arg(_));
    let (has_arg, only_args) = (combiners.iter().any(is_arg), combiners.iter().all(is_arg));
    let lane_bytes =
        combiners.iter().map(|combiner| lanes(combiner.dtype) * combiner.item()).max().unwrap_or(1);
    let tile = nest.tile(bound.engine());
    let narrow = !has_arg && columns * lane_bytes <= NARROW_BYTES && columns <= tile.len;
    let mut in_place = in_place(nest, combiners);
    // Lanes side by side are a row of a matrix with longer rows, if nothing is between them.
    if narrow
        && let Some(values) = &in_place
        && !values.iter().zip(combiners).all(|(value, of)| value.row == (columns * of.item()) as isize)
    {
        in_place = None;
    }
    let widest = combiners.iter().map(Combiner::item).max().unwrap_or(1);
    let fitting = match (&in_place, &tile.kernel) {
        (Some(_), _) | (None, Some(_)) => STRIP_BYTES / widest,
        (None, None) => tile.len,
    };

    // Blocks differ by dtype; a segment is whole blocks of each. An argmin beside them needs rows in one go.
    let longest_block = combiners.iter().map(|combiner| block(combiner.dtype)).max().unwrap_or(1);
    let segment_rows = match (only_args, has_arg) {
        (true, _) => arg_rows(nest, fitting),
        (false, true) => nest.reduced,
        (false, false) => longest_block,
    };
    let segments = nest.reduced.div_ceil(segment_rows);
    let strip = if narrow { columns } else { strip_len(nest, fitting, segments) };
    let strips = columns.div_ceil(strip);
    let partials = Partials::new(nest, combiners, segment_rows)?;

    let units = nest.outer * segments * strips;
    let unit_elements = segment_rows.min(nest.reduced) * strip;
    let units_per_chunk = (nest.chunk_elements() / unit_elements.max(1)).max(1);
    let error = FirstError::default();
    team::run(units.div_ceil(units_per_chunk), &|chunk| {
        // SAFETY: as for this function.
        let unit =
            unsafe { Unit::new(nest, combiners, bound, &partials, in_place.as_deref(), narrow, strip) };
        let result = unit.map(|mut unit| {
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
        // SAFETY: every partial has been written.
        unsafe {
            match &combiner.kernels {
                Kernels::Tree(kernels) => partials.combine(nest, combiner, kernels, bound)?,
                Kernels::Arg(kernels) => partials.merge(nest, combiner, kernels, bound),
            }
        }
    }
    Ok(())
}

/// Where a value that is reduced is in memory: bytes between neighbours. Columns are side by side.
#[derive(Clone, Copy)]
struct InPlace {
    operand: OperandId,
    outer: isize,
    row: isize,
}

/// Where the values are, if all are read from memory and nothing is stored but results.
fn in_place(nest: &LoopNest, combiners: &[Combiner]) -> Option<SmallVec<[InPlace; 4]>> {
    let value = |combiner: &Combiner| {
        let value = nest.body.reductions[combiner.number].value;
        let LaneOp::Load(id) = nest.body.insts[value.index()].op else { return None };
        let operand = &nest.operands[id.index()];
        let item = operand.dtype.size() as isize;
        let (reduced, inner) = (nest.reduced as isize, nest.inner as isize);
        if is_row_major(operand, &nest.dims) {
            return Some(InPlace { operand: id, outer: reduced * inner * item, row: inner * item });
        }
        let (outer, row, column) = match (nest.dims.as_slice(), operand.strides.as_slice()) {
            (&[rows, columns], &[row, column])
                if [1, rows, columns] == [nest.outer, nest.reduced, nest.inner] =>
            {
                (0, row, column)
            }
            (&[outer, rows, columns], &[over, row, column])
                if [outer, rows, columns] == [nest.outer, nest.reduced, nest.inner] =>
            {
                (over, row, column)
            }
            _ => return None,
        };
        (column == item && !operand.swapped).then_some(InPlace { operand: id, outer, row })
    };
    if !nest.body.stores.is_empty() {
        return None;
    }
    combiners.iter().map(value).collect()
}

/// Rows of a segment where only positions are wanted: all, or fewer when there would be too few segments to share.
fn arg_rows(nest: &LoopNest, strip: usize) -> usize {
    /// Rows that take long against combining their result with others.
    const LEAST: usize = 512;
    let (units, wanted) = (nest.outer * nest.inner.div_ceil(strip), 2 * team::threads());
    if units >= wanted || team::threads() == 1 {
        return nest.reduced;
    }
    nest.reduced.div_ceil(wanted.div_ceil(units.max(1))).max(LEAST).min(nest.reduced)
}

/// Columns of a strip: what is fitting, or less when that leaves threads without work.
fn strip_len(nest: &LoopNest, fitting: usize, segments: usize) -> usize {
    let units = nest.outer * segments;
    let wanted = team::threads().div_ceil(units.max(1));
    let fair = nest.inner.div_ceil(wanted).next_multiple_of(64);
    fair.min(fitting).min(nest.inner)
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

/// Partial results: for each tree, outer index and block, and for each argmin or argmax, outer index and segment, one row
/// of columns. When there is one, they are the results, and stand in the target.
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
        let segments = nest.reduced.div_ceil(segment_rows);
        let mut partials = Partials {
            pointers: Vec::new(),
            blocks: Vec::new(),
            blocks_per_segment: Vec::new(),
            _memory: Vec::new(),
        };
        for combiner in combiners {
            let (blocks, per_segment, item) = match combiner.kernels {
                Kernels::Tree(_) => {
                    let block = block(combiner.dtype);
                    (nest.reduced.div_ceil(block), segment_rows.div_ceil(block), combiner.item())
                }
                Kernels::Arg(_) => (segments, 1, STATE),
            };
            let bytes = if blocks > 1 { nest.outer * blocks * nest.inner * item } else { 0 };
            let mut buffer = Buffer::allocate(bytes)?;
            partials.pointers.push(buffer.as_mut_ptr());
            partials.blocks.push(blocks);
            partials.blocks_per_segment.push(per_segment);
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

    /// Where the area's states of an argmin or argmax go, values and indices, unless they are results.
    fn states(&self, nest: &LoopNest, combiner: &Combiner, area: &Area) -> Option<(*mut u8, *mut i64)> {
        let segments = self.blocks[combiner.number];
        (segments > 1)
            .then(|| self.states_of(nest, combiner, area.outer * segments + area.segment, area.column))
    }

    /// The values and the indices of a row of states from a column on.
    fn states_of(
        &self,
        nest: &LoopNest,
        combiner: &Combiner,
        row: usize,
        column: usize,
    ) -> (*mut u8, *mut i64) {
        let first = self.pointers[combiner.number].wrapping_add(row * nest.inner * STATE);
        let indices = first.wrapping_add((nest.inner + column) * size_of::<i64>());
        (first.wrapping_add(column * combiner.item()), indices.cast())
    }

    /// Keeps the best of all segments, in the first, and stores where it is.
    ///
    /// # Safety
    ///
    /// As for [`Partials::combine`].
    unsafe fn merge(&self, nest: &LoopNest, combiner: &Combiner, kernels: &ArgKernels, bound: &Bound<'_>) {
        let segments = self.blocks[combiner.number];
        if segments == 1 {
            return;
        }
        let bytes = nest.inner * size_of::<i64>();
        let target = bound.base(&nest.operands[nest.body.reductions[combiner.number].target.index()]);
        for outer in 0..nest.outer {
            let (best, indices) = self.states_of(nest, combiner, outer * segments, 0);
            for segment in 1..segments {
                let (later, places) = self.states_of(nest, combiner, outer * segments + segment, 0);
                // SAFETY: two different rows of states, the first of earlier elements.
                unsafe { (kernels.merge)(best, indices, later, places, nest.inner) };
            }
            // SAFETY: an index per column, for which the target has room.
            unsafe { std::ptr::copy_nonoverlapping(indices.cast(), target.add(outer * bytes), bytes) };
        }
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
