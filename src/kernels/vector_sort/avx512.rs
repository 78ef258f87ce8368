//! Vectors of AVX-512.

use std::arch::x86_64::{
    __m512i, _mm512_cmpgt_epu32_mask, _mm512_cmpgt_epu64_mask, _mm512_loadu_si512, _mm512_mask_blend_epi32,
    _mm512_mask_blend_epi64, _mm512_mask_loadu_epi32, _mm512_mask_loadu_epi64, _mm512_mask_storeu_epi32,
    _mm512_mask_storeu_epi64, _mm512_maskz_compress_epi32, _mm512_maskz_compress_epi64, _mm512_max_epu32,
    _mm512_max_epu64, _mm512_min_epu32, _mm512_min_epu64, _mm512_permutexvar_epi32, _mm512_permutexvar_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setr_epi32, _mm512_setr_epi64, _mm512_storeu_si512,
    _mm512_xor_si512,
};

use super::{Goal, Keys, entries, quickselect, quicksort};
use crate::kernels::sort_key::SortWords;

/// For each bit of a lane's number, the lanes that have it set.
const WITH_BIT: [u16; 4] = [0xaaaa, 0xcccc, 0xf0f0, 0xff00];

macro_rules! keys {
    ($name:ident, $key:ident, $lanes:literal, $mask:ident, $set1:ident, $mask_load:ident,
     $mask_store:ident, $min:ident, $max:ident, $permute:ident, $blend:ident, $above:ident, $compress:ident, $numbers:expr) => {
        #[derive(Clone, Copy)]
        struct $name(__m512i);

        impl Keys for $name {
            type Key = $key;
            const LANES: usize = $lanes;
            const MOST_VECTORS: usize = 16;
            const BEHIND: usize = 0;
            const LARGEST: $key = $key::MAX;
            #[inline(always)]
            unsafe fn splat(key: $key) -> Self {
                // SAFETY: the trait's contract.
                $name(unsafe { $set1(key as _) })
            }
            #[inline(always)]
            unsafe fn load(from: *const $key) -> Self {
                // SAFETY: the caller's, for so many keys.
                $name(unsafe { _mm512_loadu_si512(from.cast()) })
            }
            #[inline(always)]
            unsafe fn load_some(from: *const $key, count: usize) -> Self {
                let mask = ((1u32 << count) - 1) as $mask;
                // SAFETY: only lanes of the mask are read.
                $name(unsafe { $mask_load($set1(-1), mask, from.cast()) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $key) {
                // SAFETY: the caller's, for so many keys.
                unsafe { _mm512_storeu_si512(to.cast(), self.0) }
            }
            #[inline(always)]
            unsafe fn store_some(self, to: *mut $key, count: usize) {
                let mask = ((1u32 << count) - 1) as $mask;
                // SAFETY: only lanes of the mask are written.
                unsafe { $mask_store(to.cast(), mask, self.0) }
            }
            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                // SAFETY: the trait's contract.
                $name(unsafe { $min(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: the trait's contract.
                $name(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn exchanged(self, distance: usize) -> Self {
                // SAFETY: the trait's contract.
                $name(unsafe { $permute(_mm512_xor_si512($numbers, $set1(distance as _)), self.0) })
            }
            #[inline(always)]
            unsafe fn mixed(self, other: Self, bit: usize) -> Self {
                // SAFETY: the trait's contract.
                $name(unsafe { $blend(WITH_BIT[bit] as $mask, self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn above(self, other: Self) -> u32 {
                // SAFETY: the trait's contract.
                u32::from(unsafe { $above(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn spread(self, above: u32, count: usize, front: *mut $key, back: *mut $key) {
                // SAFETY: there is room for a vector from `front`; what is written after it ends where the caller says.
                unsafe {
                    $name($compress(!above as $mask, self.0)).store(front);
                    $name($compress(above as $mask, self.0)).store_some(back.sub(count), count);
                }
            }
        }
    };
}
keys!(
    Narrow,
    u32,
    16,
    u16,
    _mm512_set1_epi32,
    _mm512_mask_loadu_epi32,
    _mm512_mask_storeu_epi32,
    _mm512_min_epu32,
    _mm512_max_epu32,
    _mm512_permutexvar_epi32,
    _mm512_mask_blend_epi32,
    _mm512_cmpgt_epu32_mask,
    _mm512_maskz_compress_epi32,
    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
);
keys!(
    Wide,
    u64,
    8,
    u8,
    _mm512_set1_epi64,
    _mm512_mask_loadu_epi64,
    _mm512_mask_storeu_epi64,
    _mm512_min_epu64,
    _mm512_max_epu64,
    _mm512_permutexvar_epi64,
    _mm512_mask_blend_epi64,
    _mm512_cmpgt_epu64_mask,
    _mm512_maskz_compress_epi64,
    _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)
);

entries!(Narrow, Wide, "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,popcnt");
