//! Gathers, of which all but addresses is known.

use raptors_ir::LibraryOp;
use smallvec::SmallVec;

use super::{Addresses, Place};
use crate::error::Error;
use crate::executor::library::gather::{out_of_bounds, places_of};
use crate::kernels::gather::{self, Places};
use crate::program::LibraryCall;

/// Elements at positions.
#[derive(Debug)]
pub(super) struct GatherCall {
    op: &'static str,
    /// Without the addresses of the positions.
    places: Places,
    positions: SmallVec<[Place; 2]>,
    from: Place,
    /// Bytes of an element.
    item: usize,
    to: Place,
}

impl GatherCall {
    /// That of a step, if it gathers.
    pub(super) fn of(call: &LibraryCall) -> Option<GatherCall> {
        let LibraryOp::Gather { axes } = &call.op else { return None };
        let places = places_of(call, axes, |_| std::ptr::null_mut());
        let [x, indices @ ..] = &call.operands[..] else { return None };
        let positions = indices.iter().map(|index| Place::of(&index.operand)).collect::<Option<_>>()?;
        let (from, to) = (Place::of(&x.operand)?, Place::of(&call.result.operand)?);
        Some(GatherCall { op: call.op.name(), places, positions, from, item: x.operand.dtype.size(), to })
    }

    /// # Errors
    ///
    /// A position that the array does not have.
    ///
    /// # Safety
    ///
    /// All elements of the step are within each operand.
    pub(super) unsafe fn run(&self, addresses: &Addresses<'_>) -> Result<(), Error> {
        let mut places = self.places.clone();
        for (positions, place) in places.positions.iter_mut().zip(&self.positions) {
            positions.base = addresses.of(place);
        }
        let (from, to) = (addresses.of(&self.from), addresses.of(&self.to));
        // SAFETY: as for this function; a gather's result is apart from what it reads.
        unsafe { gather::gather(&places, 0..places.lookups(), from, self.item, to) }
            .map_err(|found| out_of_bounds(self.op, found))
    }
}
