//! Stores of tiles past the caches.

use super::TileRunner;
use crate::codegen::lane::OperandId;
use crate::kernels::copy;
use crate::runtime::buffer::ALIGNMENT;

/// [`copy::unpack`], or another one with its contract.
pub(super) type Unpack = unsafe fn(*const u8, *mut u8, &[isize], &[usize], usize);

impl TileRunner<'_> {
    /// How an operand is stored from scratch memory. A box has a few lines of each row, all its own if the first row begins
    /// with a line.
    pub(super) fn unpack(&self, id: OperandId) -> Unpack {
        let has_lines =
            || self.tile.box_dims.is_none() || self.bases[id.index()].addr().is_multiple_of(ALIGNMENT);
        match self.nest.non_temporal.contains(&id) && has_lines() {
            true => copy::unpack_non_temporal,
            false => copy::unpack,
        }
    }
}

/// What was stored past the caches is seen by whoever is told that the thread is done.
impl Drop for TileRunner<'_> {
    fn drop(&mut self) {
        if !self.nest.non_temporal.is_empty() {
            copy::fence();
        }
    }
}
