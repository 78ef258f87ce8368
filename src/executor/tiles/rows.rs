//! Tiles of several rows of the space, one below the other: a reduction of columns combines rows that are far apart.

use super::TileRunner;
use crate::codegen::lane::{LaneOp, ValueId};
use crate::codegen::tile::Place;

impl TileRunner<'_> {
    /// Whether tiles that are `step` elements apart can be computed together: what they store is stored in place, and a
    /// value is evenly apart from one to the next.
    pub(in crate::executor) fn can_compute_rows(&self, step: usize) -> bool {
        let is_position = |op: &LaneOp| matches!(op, LaneOp::Index { .. });
        // A kernel knows the position in one row.
        let sees_position = self.tile.kernel.is_some()
            && self.nest.dims.len() == 1
            && self.nest.body.insts.iter().any(|inst| is_position(&inst.op));
        let is_even = |place: &Place| match *place {
            Place::Periodic(_, period) => step.is_multiple_of(period),
            Place::Direct(_) | Place::Register(_) | Place::Fixed(_) | Place::Inside => true,
        };
        self.tile.late_stores.is_empty() && !sees_position && self.tile.places.iter().all(is_even)
    }

    /// Bytes from a value to that of the next tile, `step` elements further on.
    pub(in crate::executor) fn row_stride(&self, value: ValueId, step: usize, len: usize) -> isize {
        match self.tile.places[value.index()] {
            Place::Direct(id) => (step * self.nest.operands[id.index()].dtype.size()) as isize,
            Place::Register(_) => (len * self.tile.item) as isize,
            Place::Fixed(_) | Place::Periodic(..) | Place::Inside => 0,
        }
    }

    /// Computes `rows` tiles of `len` elements, the first at `start`, `step` elements from one to the next. Values are then
    /// those of the first tile, and [`TileRunner::row_stride`] bytes further on those of the next.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::compute`], for each of the tiles, which together have at most `longest` elements. With more than
    /// one, [`TileRunner::can_compute_rows`].
    pub(in crate::executor) unsafe fn compute_rows(
        &mut self,
        start: usize,
        rows: usize,
        step: usize,
        len: usize,
    ) {
        if !self.tile.ops.is_empty() {
            for row in 0..rows {
                self.locate(start + row * step, row * len * self.tile.item);
                // SAFETY: as for this function; the registers have room for the rows, one beside the other.
                unsafe { self.run_ops(start + row * step, len) };
            }
        }
        self.locate(start, 0);
        // SAFETY: as for this function.
        unsafe { self.call_kernel_for_rows(start, rows, step, len) };
    }
}
