//! Boxes of elements between memory of any strides.
//!
//! Every copy is a nest of loops over two byte strides each, put in the order of the destination and collapsed.
//! What the innermost one or two loops look like picks the code: runs of contiguous elements, one element repeated,
//! a transpose (`transpose.rs`), or single elements.
//!
//! Strides are bytes of either sign, and zero on the source side. Elements are moved as bits, of any size; 1, 2, 4, 8 and 16
//! bytes are fast.

use smallvec::SmallVec;

use super::non_temporal;
use super::transpose::{Unpack, transpose};
use crate::runtime::team;

pub use super::fill::{iota, splat, swap_bytes};
pub use super::non_temporal::fence;

/// Gathers a box into contiguous row-major memory.
///
/// # Safety
///
/// For every index below `dims`, the `item` bytes at `src` plus the index times `strides` can be read, and `dst` has room for
/// all of them; the two do not overlap. `strides` has the length of `dims`.
pub unsafe fn pack(src: *const u8, strides: &[isize], dims: &[usize], item: usize, dst: *mut u8) {
    let contiguous = row_major(dims, item);
    // SAFETY: the contract is the caller's.
    unsafe { copy(src, strides, dst, &contiguous, dims, item) }
}

/// Scatters contiguous row-major memory into a box.
///
/// # Safety
///
/// For every index below `dims`, the `item` bytes at `dst` plus the index times `strides` can be written and belong to
/// no other index; `src` holds as many elements; the two do not overlap. `strides` has the length of `dims`.
pub unsafe fn unpack(src: *const u8, dst: *mut u8, strides: &[isize], dims: &[usize], item: usize) {
    let contiguous = row_major(dims, item);
    // SAFETY: the contract is the caller's.
    unsafe { copy(src, &contiguous, dst, strides, dims, item) }
}

/// As [`unpack`], past the caches where the box has runs of whole lines. Other threads may see it after [`fence`].
///
/// # Safety
///
/// That of [`unpack`].
pub unsafe fn unpack_non_temporal(
    src: *const u8,
    dst: *mut u8,
    strides: &[isize],
    dims: &[usize],
    item: usize,
) {
    let Some(nest) = nest(&row_major(dims, item), strides, dims, item) else { return };
    let step = item as isize;
    // SAFETY: the nest visits every index of the box once; its last loop is a run.
    unsafe {
        match nest[..] {
            [ref outer @ .., Loop { len, src_stride, dst_stride }]
                if src_stride == step && dst_stride == step =>
            {
                walk(outer, src, dst, &|src, dst| non_temporal::copy_run(src, dst, len * item));
            }
            _ => run(&nest, src, dst, item),
        }
    }
}

/// Copies a box between memory of any strides.
///
/// # Safety
///
/// The source contract of [`pack`] and the destination contract of [`unpack`].
pub unsafe fn copy(
    src: *const u8,
    src_strides: &[isize],
    dst: *mut u8,
    dst_strides: &[isize],
    dims: &[usize],
    item: usize,
) {
    if let Some(nest) = nest(src_strides, dst_strides, dims, item) {
        // SAFETY: the nest visits every index of the box once.
        unsafe { run(&nest, src, dst, item) }
    }
}

/// Copies of boxes of the same lengths and strides, whose loops are put in order once.
#[derive(Clone, Debug)]
pub(crate) struct Moves {
    /// `None` for an empty box.
    nest: Option<Nest>,
    item: usize,
}

impl Moves {
    /// Those between memory of these strides.
    pub(crate) fn new(src_strides: &[isize], dst_strides: &[isize], dims: &[usize], item: usize) -> Moves {
        Moves { nest: nest(src_strides, dst_strides, dims, item), item }
    }

    /// Copies a box.
    ///
    /// # Safety
    ///
    /// That of [`copy`].
    #[inline]
    pub(crate) unsafe fn run(&self, src: *const u8, dst: *mut u8) {
        if let Some(nest) = &self.nest {
            // SAFETY: the nest visits every index of the box once.
            unsafe { run(nest, src, dst, self.item) }
        }
    }
}

/// As [`copy`], with the box divided over the thread team where it is large.
///
/// # Safety
///
/// That of [`copy`].
pub unsafe fn copy_parallel(
    src: *const u8,
    src_strides: &[isize],
    dst: *mut u8,
    dst_strides: &[isize],
    dims: &[usize],
    item: usize,
) {
    /// Bytes of a chunk, at least: some ten microseconds of copying.
    const CHUNK: usize = 64 << 10;
    /// Bytes of a chunk, at most: some milliseconds, after which a run can stop.
    const MOST: usize = 16 << 20;
    let Some(nest) = nest(src_strides, dst_strides, dims, item) else { return };
    let bytes = nest.iter().map(|one| one.len).product::<usize>() * item;
    let threads = team::threads();
    let wanted = (bytes / CHUNK).min(if threads > 1 { 4 * threads } else { 1 }).max(bytes / MOST);
    // The outermost loop that can be divided so often, else the longest.
    let axis = (0..nest.len()).find(|&i| nest[i].len >= wanted);
    let axis = axis.or_else(|| (0..nest.len()).max_by_key(|&i| nest[i].len));
    let (Some(axis), true) = (axis, wanted > 1) else {
        // SAFETY: the nest visits every index of the box once.
        return unsafe { run(&nest, src, dst, item) };
    };
    let Loop { len, src_stride, dst_stride } = nest[axis];
    let chunks = wanted.min(len);
    let (src, dst) = (Shared(src.cast_mut()), Shared(dst));
    team::run(chunks, &|chunk| {
        let (start, end) = (chunk * len / chunks, (chunk + 1) * len / chunks);
        let mut part = nest.clone();
        part[axis].len = end - start;
        let src = src.get().wrapping_offset(start as isize * src_stride);
        let dst = dst.get().wrapping_offset(start as isize * dst_stride);
        // SAFETY: the parts divide the box's indices, so none writes what another reads or writes.
        unsafe { run(&part, src, dst, item) }
    });
}

/// A pointer the team's chunks share; each uses its own part of the memory.
#[derive(Clone, Copy)]
pub(super) struct Shared(pub(super) *mut u8);

// SAFETY: the pointer is only a number here; whoever dereferences it argues why.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The pointer. (A closure that names the field would capture the bare pointer.)
    pub(super) fn get(self) -> *mut u8 {
        self.0
    }
}

/// One loop: its length, and what a step adds to each pointer.
#[derive(Clone, Copy, Debug)]
struct Loop {
    len: usize,
    src_stride: isize,
    dst_stride: isize,
}

type Nest = SmallVec<[Loop; 6]>;

fn row_major(dims: &[usize], item: usize) -> SmallVec<[isize; 6]> {
    let mut strides = SmallVec::from_elem(0, dims.len());
    let mut step = item as isize;
    for (stride, &dim) in strides.iter_mut().zip(dims).rev() {
        *stride = step;
        step = step.wrapping_mul(dim as isize);
    }
    strides
}

/// The loops of a box, by falling distance in the destination, as few as can be; `None` for an empty box.
fn nest(src_strides: &[isize], dst_strides: &[isize], dims: &[usize], item: usize) -> Option<Nest> {
    let mut loops = Nest::new();
    for ((&len, &src_stride), &dst_stride) in dims.iter().zip(src_strides).zip(dst_strides) {
        match len {
            0 => return None,
            1 => {}
            _ => loops.push(Loop { len, src_stride, dst_stride }),
        }
    }
    let distance = |one: &Loop| std::cmp::Reverse(one.dst_stride.unsigned_abs());
    if !loops.is_sorted_by_key(distance) {
        loops.sort_by_key(distance);
    }
    let mut collapsed = Nest::new();
    for inner in loops {
        match collapsed.last_mut() {
            Some(outer)
                if outer.src_stride == inner.src_stride.wrapping_mul(inner.len as isize)
                    && outer.dst_stride == inner.dst_stride.wrapping_mul(inner.len as isize) =>
            {
                *outer = Loop { len: outer.len * inner.len, ..inner };
            }
            _ => collapsed.push(inner),
        }
    }
    let last = collapsed.len().wrapping_sub(1);
    let step = item as isize;
    // The loop that is contiguous in the source goes next to the one that is contiguous in the destination.
    if let Some(inner) = collapsed.last()
        && inner.dst_stride == step
        && inner.src_stride != step
        && let Some(position) = collapsed.iter().position(|one| one.src_stride == step)
    {
        collapsed[position..last].rotate_left(1);
    }
    Some(collapsed)
}

/// Copies every element the nest visits.
///
/// # Safety
///
/// Source elements can be read and destination elements written at every offset of the nest, without overlap.
unsafe fn run(nest: &[Loop], src: *const u8, dst: *mut u8, item: usize) {
    // SAFETY: the contract is the caller's, in units of `item` bytes.
    unsafe {
        match item {
            1 => run_typed::<u8>(nest, src, dst),
            2 => run_typed::<u16>(nest, src, dst),
            4 => run_typed::<u32>(nest, src, dst),
            8 => run_typed::<u64>(nest, src, dst),
            16 => run_typed::<u128>(nest, src, dst),
            _ => walk(nest, src, dst, &|src, dst| copy_run(src, dst, item)),
        }
    }
}

/// # Safety
///
/// That of [`run`], for elements of the size of `T`.
unsafe fn run_typed<T: Unpack>(nest: &[Loop], src: *const u8, dst: *mut u8) {
    let item = size_of::<T>();
    let step = item as isize;
    // SAFETY: each leaf copies what the loops it took off the nest visit.
    unsafe {
        match *nest {
            [ref outer @ .., Loop { len, src_stride, dst_stride }]
                if src_stride == step && dst_stride == step =>
            {
                walk(outer, src, dst, &|src, dst| copy_run(src, dst, len * item));
            }
            [ref outer @ .., Loop { len, src_stride: 0, dst_stride }] if dst_stride == step => {
                walk(outer, src, dst, &|src, dst| splat(src, item, dst, len));
            }
            [ref outer @ .., rows, columns] if columns.dst_stride == step && rows.src_stride == step => {
                let dims = [rows.len, columns.len];
                walk(outer, src, dst, &|src, dst| {
                    transpose::<T>(src, columns.src_stride, dst, rows.dst_stride, dims);
                });
            }
            [ref outer @ .., Loop { len, src_stride, dst_stride }]
                if src_stride == 2 * step && dst_stride == step =>
            {
                walk(outer, src, dst, &|src, dst| every_other::<T>(src, dst, len));
            }
            [ref outer @ .., inner] => walk(outer, src, dst, &|src, dst| strided::<T>(inner, src, dst)),
            [] => copy_run(src, dst, item),
        }
    }
}

/// Copies the elements of one loop.
///
/// # Safety
///
/// That of [`run`], for elements of the size of `T`.
#[inline(always)]
unsafe fn strided<T: Copy>(one: Loop, src: *const u8, dst: *mut u8) {
    /// Elements read before any is written, which the compiler could not do on its own.
    const AHEAD: usize = 8;
    let Loop { len, src_stride, dst_stride } = one;
    let from = |i: usize| src.wrapping_offset(i as isize * src_stride).cast::<T>();
    let to = |i: usize| dst.wrapping_offset(i as isize * dst_stride).cast::<T>();
    let whole = len - len % AHEAD;
    for start in (0..whole).step_by(AHEAD) {
        // SAFETY: all indices are below `len`.
        let elements: [T; AHEAD] = std::array::from_fn(|i| unsafe { from(start + i).read_unaligned() });
        for (i, element) in elements.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { to(start + i).write_unaligned(element) };
        }
    }
    for i in whole..len {
        // SAFETY: as above.
        unsafe { to(i).write_unaligned(from(i).read_unaligned()) };
    }
}

/// Copies every other element: one part of complex numbers. A step that is known has vector code.
///
/// # Safety
///
/// `src` can be read at every other element, `dst` written, for `len` elements of the size of `T`, without overlap.
unsafe fn every_other<T: Copy>(src: *const u8, dst: *mut u8, len: usize) {
    let (src, dst) = (src.cast::<T>(), dst.cast::<T>());
    for i in 0..len {
        // SAFETY: `i` is below `len`.
        unsafe { dst.add(i).write_unaligned(src.add(2 * i).read_unaligned()) };
    }
}

/// Interleaves two lists of `len` elements of `item` bytes: complex numbers of their parts.
///
/// # Safety
///
/// `parts` can be read for `len` elements, `dst` written for twice as many, without overlap.
pub unsafe fn interleave(parts: [*const u8; 2], dst: *mut u8, item: usize, len: usize) {
    /// # Safety
    ///
    /// That of [`interleave`], for elements of the size of `T`.
    unsafe fn typed<T: Copy>(parts: [*const u8; 2], dst: *mut u8, len: usize) {
        let ([real, imag], dst) = (parts.map(<*const u8>::cast::<T>), dst.cast::<T>());
        for i in 0..len {
            // SAFETY: `i` is below `len`.
            unsafe {
                dst.add(2 * i).write_unaligned(real.add(i).read_unaligned());
                dst.add(2 * i + 1).write_unaligned(imag.add(i).read_unaligned());
            }
        }
    }
    // SAFETY: the contract is the caller's.
    unsafe {
        match item {
            4 => typed::<u32>(parts, dst, len),
            8 => typed::<u64>(parts, dst, len),
            _ => unreachable!("parts are floats of 4 or 8 bytes, not {item}"),
        }
    }
}

/// Calls `leaf` with the pointers of every index of the nest.
///
/// # Safety
///
/// `leaf` may be called with them.
unsafe fn walk(nest: &[Loop], mut src: *const u8, mut dst: *mut u8, leaf: &impl Fn(*const u8, *mut u8)) {
    match *nest {
        [] => leaf(src, dst),
        [Loop { len, src_stride, dst_stride }] => {
            for _ in 0..len {
                leaf(src, dst);
                src = src.wrapping_offset(src_stride);
                dst = dst.wrapping_offset(dst_stride);
            }
        }
        [Loop { len, src_stride, dst_stride }, ref inner @ ..] => {
            for _ in 0..len {
                // SAFETY: the contract is the caller's.
                unsafe { walk(inner, src, dst, leaf) };
                src = src.wrapping_offset(src_stride);
                dst = dst.wrapping_offset(dst_stride);
            }
        }
    }
}

/// Copies `bytes` bytes; short runs without a call.
///
/// # Safety
///
/// `src` can be read and `dst` written for so many bytes, without overlap.
#[inline(always)]
pub(super) unsafe fn copy_run(src: *const u8, dst: *mut u8, bytes: usize) {
    /// Copies `size_of::<T>()` to `2 * size_of::<T>()` bytes as two halves that may overlap.
    ///
    /// # Safety
    ///
    /// That of [`copy_run`].
    #[inline(always)]
    unsafe fn ends<T>(src: *const u8, dst: *mut u8, bytes: usize) {
        let end = bytes - size_of::<T>();
        // SAFETY: both halves lie within the bytes, of which there are at least `size_of::<T>()`.
        unsafe {
            let (head, tail) = (src.cast::<T>().read_unaligned(), src.add(end).cast::<T>().read_unaligned());
            dst.cast::<T>().write_unaligned(head);
            dst.add(end).cast::<T>().write_unaligned(tail);
        }
    }
    // SAFETY: each arm copies exactly `bytes` bytes.
    unsafe {
        match bytes {
            0 => {}
            1 => *dst = *src,
            2..4 => ends::<u16>(src, dst, bytes),
            4..8 => ends::<u32>(src, dst, bytes),
            8..16 => ends::<u64>(src, dst, bytes),
            16..=32 => ends::<u128>(src, dst, bytes),
            _ => dst.copy_from_nonoverlapping(src, bytes),
        }
    }
}
