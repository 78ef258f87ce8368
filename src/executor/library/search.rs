//! Searches in sorted elements, and counts of small numbers.

use raptors_ir::{IrError, Side, dispatch_dtype};

use super::{Base, PIECE, mistake, share};
use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::search;
use crate::program::LibraryCall;
use crate::runtime::buffer::Buffer;
use crate::runtime::{team, watch};

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn searchsorted(call: &LibraryCall, side: Side, bound: &Bound<'_>) -> Result<(), Error> {
    let (sorted, x) = (&call.operands[0], &call.operands[1]);
    let dtype = x.operand.dtype;
    let (sorted_at, x_at) = (Base(bound.base(&sorted.operand)), Base(bound.base(&x.operand)));
    let target = Base(bound.base(&call.result.operand));
    dispatch_dtype!(dtype, T => share(x.len(), call.element_ns(), &|range| {
        let at = |base: Base, size: usize| base.at(range.start * size);
        // SAFETY: both lie side by side and aligned, as the copies pass sees to; parts of the result are disjoint.
        unsafe {
            let sorted = std::slice::from_raw_parts(sorted_at.at(0).cast_const().cast::<T>(), sorted.len());
            let values = at(x_at, size_of::<T>()).cast_const().cast::<T>();
            let values = std::slice::from_raw_parts(values, range.len());
            let out = std::slice::from_raw_parts_mut(at(target, size_of::<i64>()).cast(), range.len());
            search::searchsorted::<T>(sorted, values, side, out);
        }
        Ok(())
    }), complex => Err(Error::Unsupported { dtype }))
}

/// Threads count parts in tables of their own, where that pays, and the tables are added.
///
/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn bincount(call: &LibraryCall, bound: &Bound<'_>) -> Result<(), Error> {
    let x = &call.operands[0];
    let length = call.result.len();
    let (source, target) = (Base(bound.base(&x.operand)), Base(bound.base(&call.result.operand)));
    // SAFETY: the elements lie side by side and aligned, as the copies pass sees to.
    let numbers = unsafe { std::slice::from_raw_parts(source.at(0).cast_const().cast::<i64>(), x.len()) };
    // SAFETY: the result has so many counts, which are this step's own.
    let counts = unsafe { std::slice::from_raw_parts_mut(target.at(0).cast::<i64>(), length) };
    counts.fill(0);
    let failed = |number: i64| {
        let index = number as isize;
        mistake(IrError::IndexOutOfRange { op: call.op.name(), index, axis: 0, len: length })
    };
    let count = |numbers: &[i64], counts: &mut [i64]| {
        let total = numbers.len();
        numbers.chunks(PIECE).enumerate().try_for_each(|(piece, numbers)| {
            watch::checkpoint(piece * PIECE, total);
            search::count(numbers, counts)
        })
    };
    let parts = team::threads().min(numbers.len() / length.max(1 << 14));
    if parts < 2 || !team::worth_sharing(call.one_thread_ns()) {
        return count(numbers, counts).map_err(failed);
    }
    let mut memory = Buffer::allocate(parts * length * size_of::<i64>())?;
    let tables = Base(memory.as_mut_ptr());
    // SAFETY: the memory has room for a table for each part.
    let table = |part: usize| unsafe {
        let start = tables.at(part * length * size_of::<i64>()).cast::<i64>();
        start.write_bytes(0, length);
        std::slice::from_raw_parts_mut(start, length)
    };
    team::try_run(parts, &|part| {
        let range = part * numbers.len() / parts..(part + 1) * numbers.len() / parts;
        count(&numbers[range], table(part)).map_err(failed)
    })?;
    for part in 0..parts {
        // SAFETY: the table of the part, filled above.
        let table = unsafe {
            std::slice::from_raw_parts(tables.at(part * length * size_of::<i64>()).cast::<i64>(), length)
        };
        counts.iter_mut().zip(table).for_each(|(count, &more)| *count += more);
    }
    Ok(())
}
