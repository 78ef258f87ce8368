//! Vectors of AVX2, which has neither masks nor compression: lanes are brought in order by a permutation from a table.

use std::arch::x86_64::{
    __m256i, _mm_loadl_epi64, _mm256_blendv_epi8, _mm256_castsi256_pd, _mm256_castsi256_ps,
    _mm256_cmpgt_epi32, _mm256_cmpgt_epi64, _mm256_cvtepu8_epi32, _mm256_extract_epi32, _mm256_extract_epi64,
    _mm256_load_si256, _mm256_loadu_si256, _mm256_maskload_epi32, _mm256_maskload_epi64,
    _mm256_maskstore_epi32, _mm256_maskstore_epi64, _mm256_max_epu32, _mm256_min_epu32, _mm256_movemask_pd,
    _mm256_movemask_ps, _mm256_or_si256, _mm256_permutevar8x32_epi32, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_setr_epi32, _mm256_storeu_si256, _mm256_xor_si256,
};

use super::{
    BATCH, Calls, Goal, Keys, entries, most_depth, partition, partition_few, partition_in_place, quickselect,
    quicksort,
};
use crate::kernels::sort_key::SortWords;

/// For each mask, the lanes that are not in it, and after them those that are.
const fn orders<const MASKS: usize>(lanes: usize) -> [[u8; 8]; MASKS] {
    let mut orders = [[0; 8]; MASKS];
    let mut mask = 0;
    while mask < MASKS {
        // A wide lane is two narrow ones.
        let parts = 8 / lanes;
        let (mut place, mut wanted) = (0, 0);
        while wanted < 2 {
            let mut lane = 0;
            while lane < lanes {
                if mask >> lane & 1 == wanted {
                    let mut part = 0;
                    while part < parts {
                        orders[mask][place] = (lane * parts + part) as u8;
                        place += 1;
                        part += 1;
                    }
                }
                lane += 1;
            }
            wanted += 1;
        }
        mask += 1;
    }
    orders
}

pub(super) static NARROW_ORDERS: [[u8; 8]; 256] = orders(8);
static WIDE_ORDERS: [[u8; 8]; 16] = orders(4);

/// Aligned as a vector.
#[repr(align(32))]
struct Aligned<T>(T);

/// All bits of the first lanes, and of no others, when it is read so many lanes before its middle.
static FIRST_NARROW: Aligned<[u32; 16]> = Aligned([!0, !0, !0, !0, !0, !0, !0, !0, 0, 0, 0, 0, 0, 0, 0, 0]);
static FIRST_WIDE: Aligned<[u64; 8]> = Aligned([!0, !0, !0, !0, 0, 0, 0, 0]);

/// For each bit of a lane's number, all bits of the lanes that have it set.
static NARROW_WITH_BIT: Aligned<[[u32; 8]; 3]> =
    Aligned([[0, !0, 0, !0, 0, !0, 0, !0], [0, 0, !0, !0, 0, 0, !0, !0], [0, 0, 0, 0, !0, !0, !0, !0]]);
static WIDE_WITH_BIT: Aligned<[[u64; 4]; 2]> = Aligned([[0, !0, 0, !0], [0, 0, !0, !0]]);

/// The lanes in an order of the tables.
///
/// # Safety
///
/// The CPU has AVX2.
#[inline(always)]
unsafe fn ordered(x: __m256i, order: &[u8; 8]) -> __m256i {
    // SAFETY: as for this function; eight bytes are read.
    unsafe { _mm256_permutevar8x32_epi32(x, _mm256_cvtepu8_epi32(_mm_loadl_epi64(order.as_ptr().cast()))) }
}

macro_rules! keys {
    ($name:ident, $key:ident, $lanes:literal, $set1:ident, $mask_load:ident, $mask_store:ident, $first:ident, $with_bit:ident,
     $orders:ident, $numbers:ident, $min:ident, $max:ident, $above:ident, $lowest:expr) => {
        #[derive(Clone, Copy)]
        struct $name(__m256i);

        impl $name {
            /// All bits of the first lanes.
            #[inline(always)]
            unsafe fn first(count: usize) -> __m256i {
                // SAFETY: a vector is within the table from any of its first lanes on.
                unsafe { _mm256_loadu_si256($first.0.as_ptr().add($lanes - count).cast()) }
            }
        }

        impl Keys for $name {
            type Key = $key;
            const LANES: usize = $lanes;
            const MOST_VECTORS: usize = 8;
            const BEHIND: usize = $lanes;
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
                $name(unsafe { _mm256_loadu_si256(from.cast()) })
            }
            #[inline(always)]
            unsafe fn load_some(from: *const $key, count: usize) -> Self {
                if count == $lanes {
                    // SAFETY: the caller's, for so many keys.
                    return unsafe { Self::load(from) };
                }
                // SAFETY: only the first lanes are read.
                unsafe {
                    let first = Self::first(count);
                    let others = _mm256_xor_si256(first, _mm256_set1_epi32(-1));
                    $name(_mm256_or_si256($mask_load(from.cast(), first), others))
                }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $key) {
                // SAFETY: the caller's, for so many keys.
                unsafe { _mm256_storeu_si256(to.cast(), self.0) }
            }
            #[inline(always)]
            unsafe fn store_some(self, to: *mut $key, count: usize) {
                if count == $lanes {
                    // SAFETY: the caller's, for so many keys.
                    return unsafe { self.store(to) };
                }
                // SAFETY: only the first lanes are written.
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
                // SAFETY: the trait's contract. The numbers are constants where the distance is.
                $name(unsafe { _mm256_permutevar8x32_epi32(self.0, $numbers(distance)) })
            }
            #[inline(always)]
            unsafe fn mixed(self, other: Self, bit: usize) -> Self {
                // SAFETY: the trait's contract; the table is aligned.
                $name(unsafe {
                    let with_bit = _mm256_load_si256($with_bit.0[bit].as_ptr().cast());
                    _mm256_blendv_epi8(self.0, other.0, with_bit)
                })
            }
            #[inline(always)]
            unsafe fn above(self, other: Self) -> u32 {
                // SAFETY: the trait's contract.
                unsafe { $above(self.0, other.0) }
            }
            #[inline(always)]
            unsafe fn spread(self, above: u32, _count: usize, front: *mut $key, back: *mut $key) {
                // SAFETY: the mask has a bit for each lane. There is room for two vectors, so that neither overwrites what the
                // other writes for good.
                unsafe {
                    let ordered = ordered(self.0, $orders.get_unchecked(above as usize));
                    _mm256_storeu_si256(front.cast(), ordered);
                    _mm256_storeu_si256(back.sub($lanes).cast(), ordered);
                }
            }
            #[inline(always)]
            unsafe fn lowest(self) -> $key {
                // SAFETY: the trait's contract.
                unsafe { $lowest(self.0) as $key }
            }
        }
    };
}
keys!(
    Narrow,
    u32,
    8,
    _mm256_set1_epi32,
    _mm256_maskload_epi32,
    _mm256_maskstore_epi32,
    FIRST_NARROW,
    NARROW_WITH_BIT,
    NARROW_ORDERS,
    narrow_numbers,
    _mm256_min_epu32,
    _mm256_max_epu32,
    narrow_above,
    _mm256_extract_epi32::<0>
);
keys!(
    Wide,
    u64,
    4,
    _mm256_set1_epi64x,
    _mm256_maskload_epi64,
    _mm256_maskstore_epi64,
    FIRST_WIDE,
    WIDE_WITH_BIT,
    WIDE_ORDERS,
    wide_numbers,
    wide_min,
    wide_max,
    wide_above,
    _mm256_extract_epi64::<0>
);

/// The numbers of lanes, their bits of `distance` flipped.
#[inline(always)]
unsafe fn narrow_numbers(distance: usize) -> __m256i {
    // SAFETY: the CPU has AVX2.
    unsafe { _mm256_xor_si256(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(distance as i32)) }
}

/// As [`narrow_numbers`], of the halves of wide lanes.
#[inline(always)]
unsafe fn wide_numbers(distance: usize) -> __m256i {
    // SAFETY: the CPU has AVX2.
    unsafe { narrow_numbers(2 * distance) }
}

#[inline(always)]
unsafe fn narrow_above(x: __m256i, y: __m256i) -> u32 {
    // SAFETY: the CPU has AVX2.
    unsafe {
        let sign = _mm256_set1_epi32(i32::MIN);
        let above = _mm256_cmpgt_epi32(_mm256_xor_si256(x, sign), _mm256_xor_si256(y, sign));
        _mm256_movemask_ps(_mm256_castsi256_ps(above)) as u32
    }
}

/// All bits of the lanes of `x` that are above those of `y`.
#[inline(always)]
unsafe fn wide_is_above(x: __m256i, y: __m256i) -> __m256i {
    // SAFETY: the CPU has AVX2.
    unsafe {
        let sign = _mm256_set1_epi64x(i64::MIN);
        _mm256_cmpgt_epi64(_mm256_xor_si256(x, sign), _mm256_xor_si256(y, sign))
    }
}

#[inline(always)]
unsafe fn wide_above(x: __m256i, y: __m256i) -> u32 {
    // SAFETY: the CPU has AVX2.
    unsafe { _mm256_movemask_pd(_mm256_castsi256_pd(wide_is_above(x, y))) as u32 }
}

#[inline(always)]
unsafe fn wide_min(x: __m256i, y: __m256i) -> __m256i {
    // SAFETY: the CPU has AVX2.
    unsafe { _mm256_blendv_epi8(x, y, wide_is_above(x, y)) }
}

#[inline(always)]
unsafe fn wide_max(x: __m256i, y: __m256i) -> __m256i {
    // SAFETY: the CPU has AVX2.
    unsafe { _mm256_blendv_epi8(y, x, wide_is_above(x, y)) }
}

entries!(Narrow, u32, "avx2,fma,popcnt", sort_narrow, select_narrow, partition_narrow, NARROW);
entries!(Wide, u64, "avx2,fma,popcnt", sort_wide, select_wide, partition_wide, WIDE);
