//! Vectors of AVX-512; of 16-bit keys with VBMI2, which compresses these.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi128_si64, _mm_loadl_epi64, _mm512_castsi512_si128, _mm512_cmpgt_epu16_mask,
    _mm512_cmpgt_epu32_mask, _mm512_cmpgt_epu64_mask, _mm512_cvtepu8_epi64, _mm512_loadu_si512,
    _mm512_mask_blend_epi16, _mm512_mask_blend_epi32, _mm512_mask_blend_epi64, _mm512_mask_loadu_epi16,
    _mm512_mask_loadu_epi32, _mm512_mask_loadu_epi64, _mm512_mask_storeu_epi16, _mm512_mask_storeu_epi32,
    _mm512_mask_storeu_epi64, _mm512_maskz_compress_epi16, _mm512_maskz_compress_epi32,
    _mm512_maskz_compress_epi64, _mm512_max_epu16, _mm512_max_epu32, _mm512_max_epu64, _mm512_min_epu16,
    _mm512_min_epu32, _mm512_min_epu64, _mm512_permutexvar_epi16, _mm512_permutexvar_epi32,
    _mm512_permutexvar_epi64, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_storeu_si512,
    _mm512_xor_si512,
};

use super::avx2::NARROW_ORDERS;
use super::{
    BATCH, Calls, Goal, Keys, entries, most_depth, partition, partition_few, partition_in_place, quickselect,
    quicksort,
};
use crate::kernels::sort_key::SortWords;

/// For each bit of a lane's number, the lanes that have it set.
const WITH_BIT: [u32; 5] = [0xaaaa_aaaa, 0xcccc_cccc, 0xf0f0_f0f0, 0xff00_ff00, 0xffff_0000];

/// Aligned as a vector.
#[repr(align(64))]
struct Aligned<T>(T);

macro_rules! keys {
    ($name:ident, $key:ident, $lanes:literal, $mask:ident, $set1:ident, $mask_load:ident,
     $mask_store:ident, $min:ident, $max:ident, $permute:ident, $blend:ident, $above:ident, $compress:ident,
     $behind:literal, $spread:ident) => {
        #[derive(Clone, Copy)]
        struct $name(__m512i);

        impl $name {
            /// The first lanes.
            #[inline(always)]
            fn first(count: usize) -> $mask {
                ((1u64 << count) - 1) as $mask
            }
        }

        impl Keys for $name {
            type Key = $key;
            const LANES: usize = $lanes;
            const MOST_VECTORS: usize = 16;
            const BEHIND: usize = $behind;
            const LARGEST: $key = $key::MAX;
            #[inline(always)]
            fn before(key: $key) -> Option<$key> {
                key.checked_sub(1)
            }
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
                // SAFETY: only lanes of the mask are read.
                $name(unsafe { $mask_load($set1(-1), Self::first(count), from.cast()) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $key) {
                // SAFETY: the caller's, for so many keys.
                unsafe { _mm512_storeu_si512(to.cast(), self.0) }
            }
            #[inline(always)]
            unsafe fn store_some(self, to: *mut $key, count: usize) {
                // SAFETY: only lanes of the mask are written.
                unsafe { $mask_store(to.cast(), Self::first(count), self.0) }
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
                static NUMBERS: Aligned<[$key; $lanes]> = Aligned({
                    let (mut numbers, mut lane) = ([0; $lanes], 0);
                    while lane < $lanes {
                        numbers[lane] = lane as $key;
                        lane += 1;
                    }
                    numbers
                });
                // SAFETY: the trait's contract. The numbers are constants where the distance is.
                $name(unsafe {
                    let numbers = _mm512_loadu_si512(NUMBERS.0.as_ptr().cast());
                    $permute(_mm512_xor_si512(numbers, $set1(distance as _)), self.0)
                })
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
                // SAFETY: the trait's contract.
                unsafe { self.$spread(above as $mask, count, front, back) }
            }
            #[inline(always)]
            unsafe fn spread_few(
                from: *const $key,
                count: usize,
                bounds: Self,
                front: *mut $key,
                back: *mut $key,
            ) -> usize {
                let (mut i, mut low) = (0, 0);
                while i < count {
                    let some = (count - i).min($lanes);
                    // SAFETY: lanes of keys are read, and as many written to where there is room for them.
                    unsafe {
                        let keys = Self::load_some(from.add(i), some);
                        let above = keys.above(bounds) as $mask & Self::first(some);
                        let count_above = above.count_ones() as usize;
                        let not_above = Self::first(some) & !above;
                        let high = i - low;
                        $name($compress(not_above, keys.0)).store_some(front.add(low), some - count_above);
                        $name($compress(above, keys.0)).store_some(back.sub(high + count_above), count_above);
                        low += some - count_above;
                    }
                    i += some;
                }
                low
            }
            #[inline(always)]
            unsafe fn lowest(self) -> $key {
                // SAFETY: the trait's contract.
                unsafe { _mm_cvtsi128_si64(_mm512_castsi512_si128(self.0)) as $key }
            }
        }
    };
}
keys!(
    Narrowest,
    u16,
    32,
    u32,
    _mm512_set1_epi16,
    _mm512_mask_loadu_epi16,
    _mm512_mask_storeu_epi16,
    _mm512_min_epu16,
    _mm512_max_epu16,
    _mm512_permutexvar_epi16,
    _mm512_mask_blend_epi16,
    _mm512_cmpgt_epu16_mask,
    _mm512_maskz_compress_epi16,
    0,
    compress
);
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
    0,
    compress
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
    8,
    permute
);

macro_rules! compressed {
    ($name:ident, $key:ident, $mask:ident, $compress:ident) => {
        impl $name {
            /// Writes lanes of each kind, compressed.
            #[inline(always)]
            unsafe fn compress(self, above: $mask, count: usize, front: *mut $key, back: *mut $key) {
                // SAFETY: there is room for a vector from `front`; what is written after it ends where the caller says.
                unsafe {
                    $name($compress(!above, self.0)).store(front);
                    $name($compress(above, self.0)).store_some(back.sub(count), count);
                }
            }
        }
    };
}
compressed!(Narrowest, u16, u32, _mm512_maskz_compress_epi16);
compressed!(Narrow, u32, u16, _mm512_maskz_compress_epi32);

impl Wide {
    /// Writes lanes in an order of a table, which is faster than to compress them twice.
    #[inline(always)]
    unsafe fn permute(self, above: u8, _count: usize, front: *mut u64, back: *mut u64) {
        // SAFETY: the mask has a bit for each lane. There is room for two vectors, so that neither overwrites what the
        // other writes for good.
        unsafe {
            let order = _mm_loadl_epi64(NARROW_ORDERS[usize::from(above)].as_ptr().cast());
            let ordered = Wide(_mm512_permutexvar_epi64(_mm512_cvtepu8_epi64(order), self.0));
            ordered.store(front);
            ordered.store(back.sub(Self::LANES));
        }
    }
}

entries!(
    Narrowest,
    u16,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,avx2,fma,popcnt",
    sort_narrowest,
    select_narrowest,
    partition_narrowest,
    NARROWEST
);
entries!(
    Narrow,
    u32,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,popcnt",
    sort_narrow,
    select_narrow,
    partition_narrow,
    NARROW
);
entries!(
    Wide,
    u64,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,popcnt",
    sort_wide,
    select_wide,
    partition_wide,
    WIDE
);
