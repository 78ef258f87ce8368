//! Elements where a mask is true.
//!
//! 64 bytes of a mask become the bits of a word; what is all true or all false is moved or left out at once, and else the
//! elements of a vector are compressed (AVX-512), or taken bit by bit.

use crate::runtime::level::Level;

/// Elements that one word of bits is for.
const WORD: usize = 64;

/// How many of `n` elements of a mask are true.
///
/// # Safety
///
/// So many bytes can be read at `mask`.
pub(crate) unsafe fn count(mask: *const u8, n: usize) -> usize {
    // SAFETY: as for this function.
    let mask = unsafe { std::slice::from_raw_parts(mask, n) };
    mask.chunks(1 << 7)
        .map(|bytes| usize::from(bytes.iter().map(|&byte| u8::from(byte != 0)).sum::<u8>()))
        .sum()
}

/// Whether each of `n` elements, at most [`WORD`], is true, the first in the lowest bit.
///
/// # Safety
///
/// As for [`count`].
#[inline(always)]
unsafe fn bits(mask: *const u8, n: usize) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if n == WORD {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_setzero_si128};
        let mut bits = 0;
        for part in 0..4 {
            // SAFETY: SSE2 is part of x86-64, and 64 bytes can be read.
            let zeros = unsafe {
                let bytes = _mm_loadu_si128(mask.add(16 * part).cast());
                _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()))
            };
            bits |= u64::from(!zeros as u16) << (16 * part);
        }
        return bits;
    }
    // SAFETY: as for this function.
    (0..n).fold(0, |bits, i| bits | u64::from(unsafe { *mask.add(i) } != 0) << i)
}

/// Writes the positions of true elements, the first of which is `first`.
///
/// # Safety
///
/// As for [`count`]; `out` has room for as many positions as are true.
pub(crate) unsafe fn positions(mask: *const u8, n: usize, first: i64, mut out: *mut i64) {
    for start in (0..n).step_by(WORD) {
        // SAFETY: the word is within the mask, and there is room for each position.
        unsafe {
            let mut bits = bits(mask.add(start), WORD.min(n - start));
            while bits != 0 {
                out.write(first + (start + bits.trailing_zeros() as usize) as i64);
                out = out.add(1);
                bits &= bits - 1;
            }
        }
    }
}

/// Writes the elements of `item` bytes where the mask is true.
///
/// # Safety
///
/// As for [`count`]; `x` has `n` elements, and `out` has room for as many as are true, elsewhere. The CPU has the features
/// of `level`.
pub(crate) unsafe fn compress(
    x: *const u8,
    mask: *const u8,
    n: usize,
    item: usize,
    out: *mut u8,
    level: Level,
) {
    // SAFETY: as for this function.
    unsafe {
        match item {
            1 => typed(x.cast::<u8>(), mask, n, out.cast(), one_by_one::<u8>),
            2 => typed(x.cast::<u16>(), mask, n, out.cast(), one_by_one::<u16>),
            #[cfg(target_arch = "x86_64")]
            4 if level == Level::Avx512 => typed(x.cast::<u32>(), mask, n, out.cast(), avx512::compress_u32),
            #[cfg(target_arch = "x86_64")]
            8 if level == Level::Avx512 => typed(x.cast::<u64>(), mask, n, out.cast(), avx512::compress_u64),
            4 => typed(x.cast::<u32>(), mask, n, out.cast(), one_by_one::<u32>),
            8 => typed(x.cast::<u64>(), mask, n, out.cast(), one_by_one::<u64>),
            _ => typed(x.cast::<u128>(), mask, n, out.cast(), one_by_one::<u128>),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = level;
}

/// # Safety
///
/// As for [`compress`]; `some` writes the elements of the bits that are set, all of which `x` has.
#[inline(always)]
unsafe fn typed<T: Copy>(
    x: *const T,
    mask: *const u8,
    n: usize,
    mut out: *mut T,
    some: unsafe fn(*const T, u64, *mut T),
) {
    for start in (0..n).step_by(WORD) {
        let len = WORD.min(n - start);
        // SAFETY: the word is within mask and elements, and there is room for each element.
        unsafe {
            let bits = bits(mask.add(start), len);
            match bits {
                0 => {}
                u64::MAX => out.copy_from_nonoverlapping(x.add(start), WORD),
                // A vector reads all 64 elements.
                _ if len < WORD => one_by_one(x.add(start), bits, out),
                _ => some(x.add(start), bits, out),
            }
            out = out.add(bits.count_ones() as usize);
        }
    }
}

/// # Safety
///
/// `x` has the elements of the bits, and `out` has room for them.
unsafe fn one_by_one<T: Copy>(x: *const T, mut bits: u64, mut out: *mut T) {
    while bits != 0 {
        // SAFETY: as for this function.
        unsafe {
            out.write(x.add(bits.trailing_zeros() as usize).read());
            out = out.add(1);
        }
        bits &= bits - 1;
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_epi64, _mm512_maskz_compress_epi32,
        _mm512_maskz_compress_epi64,
    };

    /// # Safety
    ///
    /// The CPU has AVX-512 F; `x` has 64 elements, and `out` has room for those of the bits.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn compress_u32(x: *const u32, bits: u64, mut out: *mut u32) {
        for part in 0..4 {
            let mask = (bits >> (16 * part)) as u16;
            let count = mask.count_ones();
            // SAFETY: as for this function; no more than `count` elements are written.
            unsafe {
                let packed = _mm512_maskz_compress_epi32(mask, _mm512_loadu_si512(x.add(16 * part).cast()));
                _mm512_mask_storeu_epi32(out.cast(), ((1u32 << count) - 1) as u16, packed);
                out = out.add(count as usize);
            }
        }
    }

    /// # Safety
    ///
    /// As for [`compress_u32`].
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn compress_u64(x: *const u64, bits: u64, mut out: *mut u64) {
        for part in 0..8 {
            let mask = (bits >> (8 * part)) as u8;
            let count = mask.count_ones();
            // SAFETY: as for this function; no more than `count` elements are written.
            unsafe {
                let packed = _mm512_maskz_compress_epi64(mask, _mm512_loadu_si512(x.add(8 * part).cast()));
                _mm512_mask_storeu_epi64(out.cast(), ((1u32 << count) - 1) as u8, packed);
                out = out.add(count as usize);
            }
        }
    }
}
