//! Cumulative sums and products.
//!
//! Rows are shared, or blocks of columns. One long row of integers is shared in two passes: the totals of its parts, then
//! the parts, each after the total of what precedes it. A long row of floats is computed by one thread, in NumPy's order.

use super::{Base, PIECE, copied, is_row_major, share};
use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::cumulative::{Cumulative, CumulativeKernels, cumulative};
use crate::program::{Around, LibraryCall};
use crate::runtime::buffer::Buffer;
use crate::runtime::level::Level;
use crate::runtime::{team, watch};

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn run(
    call: &LibraryCall,
    op: Cumulative,
    axis: usize,
    bound: &Bound<'_>,
) -> Result<(), Error> {
    /// Bytes of the columns that are done together: what is written in one row is read in the next.
    const BLOCK_BYTES: usize = 4 << 10;
    let dtype = call.result.operand.dtype;
    let Some(kernels) = cumulative(op, dtype, Level::current()) else {
        return Err(Error::Unsupported { dtype });
    };
    let item = dtype.size();
    let target = Base(bound.base(&call.result.operand));
    let source = match is_row_major(&call.operands[0]) {
        true => Base(bound.base(&call.operands[0].operand)),
        // SAFETY: as for this function.
        false => Base(unsafe { copied(call, bound) }),
    };
    let Around { outer, len, inner } = Around::axis(&call.result.dims, axis);
    let element_ns = call.element_ns();
    if inner > 1 {
        let block = (BLOCK_BYTES / item).min(inner);
        let blocks = inner.div_ceil(block);
        return share(outer * blocks, (block * len) as f64 * element_ns / 4.0, &|parts| {
            for part in parts {
                let (row, column) = (part / blocks, part % blocks * block);
                let first = (row * len * inner + column) * item;
                let columns = block.min(inner - column);
                // SAFETY: the block is within the elements, and no other part is given it.
                unsafe { (kernels.columns)(source.at(first), len, columns, inner, target.at(first)) };
            }
            Ok(())
        });
    }
    if outer == 1 && dtype.is_integer() && team::worth_sharing(len as f64 * element_ns) {
        // SAFETY: as for this function.
        return unsafe { in_two_passes(&kernels, source, len, item, target) };
    }
    share(outer, len as f64 * element_ns, &|rows| {
        for row in rows {
            for start in (0..len).step_by(PIECE) {
                watch::checkpoint(start, len);
                let first = (row * len + start) * item;
                // What precedes a piece is the last that was written.
                let before = if start == 0 { std::ptr::null() } else { target.at(first - item).cast_const() };
                // SAFETY: the row is within the elements, and no other part is given it.
                unsafe { (kernels.row)(source.at(first), PIECE.min(len - start), before, target.at(first)) };
            }
        }
        Ok(())
    })
}

/// # Safety
///
/// The kernels' contract for a row of `len` integers.
unsafe fn in_two_passes(
    kernels: &CumulativeKernels,
    source: Base,
    len: usize,
    item: usize,
    target: Base,
) -> Result<(), Error> {
    let parts = (4 * team::threads()).min(len);
    let start = |part: usize| part * len / parts;
    let mut totals_memory = Buffer::allocate(parts * item)?;
    let totals = Base(totals_memory.as_mut_ptr());
    // The last total is of no use.
    team::run(parts - 1, &|part| {
        let (from, to) = (start(part), start(part + 1));
        // SAFETY: the part is within the row, and not empty; each has a total of its own.
        unsafe { (kernels.total)(source.at(from * item), to - from, totals.at(part * item)) };
    });
    // SAFETY: there are so many totals; then each is that of all parts up to it.
    unsafe { (kernels.row)(totals.at(0), parts - 1, std::ptr::null(), totals.at(0)) };
    team::run(parts, &|part| {
        let (from, to) = (start(part), start(part + 1));
        let before = if part == 0 { std::ptr::null() } else { totals.at((part - 1) * item).cast_const() };
        // SAFETY: the part is within the row, and no other is given it; in place, no pass reads what this one writes.
        unsafe { (kernels.row)(source.at(from * item), to - from, before, target.at(from * item)) };
    });
    Ok(())
}
