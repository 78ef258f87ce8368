//! What is where a mask is true: each part of the mask is counted, and then written after those before it.

use raptors_ir::IrError;

use super::{Base, mistake};
use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::mask;
use crate::program::{LibraryCall, Spread};
use crate::runtime::level::Level;
use crate::runtime::team;

/// Elements of a part.
const PART: usize = 1 << 15;

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn compress(call: &LibraryCall, bound: &Bound<'_>) -> Result<(), Error> {
    let (x, selected) = (&call.operands[0], &call.operands[1]);
    let item = x.operand.dtype.size();
    let (source, target) = (Base(bound.base(&x.operand)), Base(bound.base(&call.result.operand)));
    let level = Level::current();
    // SAFETY: as for this function; each part has room for its own true elements.
    unsafe {
        in_parts(call, selected, bound, &|mask, start, len, before| {
            let (from, to) = (source.at(start * item), target.at(before * item));
            mask::compress(from, mask, len, item, to, level);
        })
    }
}

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn positions(call: &LibraryCall, bound: &Bound<'_>) -> Result<(), Error> {
    let target = Base(bound.base(&call.result.operand));
    // SAFETY: as for this function; each part has room for its own true elements.
    unsafe {
        in_parts(call, &call.operands[0], bound, &|mask, start, len, before| {
            mask::positions(mask, len, start as i64, target.at(before * size_of::<i64>()).cast());
        })
    }
}

/// Calls `f` with each part of the mask: its address, start and length, and how many elements before it are true.
///
/// # Safety
///
/// As for [`super::run`].
unsafe fn in_parts(
    call: &LibraryCall,
    selected: &Spread,
    bound: &Bound<'_>,
    f: &(dyn Fn(*const u8, usize, usize, usize) + Sync),
) -> Result<(), Error> {
    let base = Base(bound.base(&selected.operand));
    let len = selected.len();
    let parts = len.div_ceil(PART);
    let part_len = |part: usize| PART.min(len - part * PART);
    let shared = team::worth_sharing(call.one_thread_ns());
    let each = |f: &(dyn Fn(usize) + Sync)| if shared { team::run(parts, f) } else { (0..parts).for_each(f) };
    let counts: Vec<std::sync::atomic::AtomicUsize> =
        std::iter::repeat_with(Default::default).take(parts).collect();
    each(&|part| {
        // SAFETY: the part is within the mask.
        let count = unsafe { mask::count(base.at(part * PART), part_len(part)) };
        counts[part].store(count, std::sync::atomic::Ordering::Relaxed);
    });
    let mut before = Vec::with_capacity(parts);
    let mut total = 0;
    for count in counts {
        before.push(total);
        total += count.into_inner();
    }
    let length = call.result.len();
    if total != length {
        let problem = format!("{total} elements of the mask are true, not {length}: it has changed");
        return Err(mistake(IrError::Attribute { op: call.op.name(), problem }));
    }
    each(&|part| f(base.at(part * PART), part * PART, part_len(part), before[part]));
    Ok(())
}
