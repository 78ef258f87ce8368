//! Copies past the caches: whole lines are stored without being read, and drive nothing out.
//!
//! The stores are those of x86-64's baseline, of 16 bytes: the CPU puts them together to lines. Other architectures copy as
//! usual.

/// Bytes of a line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Copies `bytes` bytes; the lines that all belong to `dst`, past the caches. Other threads may see them after [`fence`].
///
/// # Safety
///
/// `src` can be read and `dst` written for so many bytes, without overlap.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn copy_run(src: *const u8, dst: *mut u8, bytes: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    let head = dst.align_offset(LINE).min(bytes);
    let lines = (bytes - head) / LINE;
    let tail = head + lines * LINE;
    // SAFETY: head, lines and tail are the bytes; each line is four vectors, which its alignment allows to be stored past the
    // caches. SSE2 is part of x86-64.
    unsafe {
        dst.copy_from_nonoverlapping(src, head);
        for line in 0..lines {
            let at = head + line * LINE;
            let (from, to) = (src.add(at).cast::<__m128i>(), dst.add(at).cast::<__m128i>());
            let vectors: [__m128i; 4] = std::array::from_fn(|n| _mm_loadu_si128(from.add(n)));
            for (n, vector) in vectors.into_iter().enumerate() {
                _mm_stream_si128(to.add(n), vector);
            }
        }
        dst.add(tail).copy_from_nonoverlapping(src.add(tail), bytes - tail);
    }
}

/// Copies `bytes` bytes.
///
/// # Safety
///
/// `src` can be read and `dst` written for so many bytes, without overlap.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn copy_run(src: *const u8, dst: *mut u8, bytes: usize) {
    // SAFETY: the contract is the caller's.
    unsafe { dst.copy_from_nonoverlapping(src, bytes) }
}

/// Lets what this thread tells others be seen after what it has stored past the caches.
pub fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}
