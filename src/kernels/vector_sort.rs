//! Sorting of integers in AVX-512 vectors: quicksort, down to what fits sixteen registers.
//!
//! A partition reads a vector at a time and writes what is not above the pivot to the front of the other buffer, the rest
//! to its end, so that each level of the recursion moves every key once. Few keys are sorted by a bitonic network: lanes of
//! each vector first, then vectors merged two, four, eight, sixteen at a time (Batcher 1968). After Bramas, "A novel hybrid
//! quicksort algorithm vectorized using AVX-512" (2017).
//!
//! Keys that are equal are the same, so nothing can be told of their order. A recursion that goes too deep is left to
//! the caller's other sort.

use std::arch::x86_64::{
    __m512i, _mm512_cmpgt_epu32_mask, _mm512_cmpgt_epu64_mask, _mm512_loadu_si512, _mm512_mask_blend_epi32,
    _mm512_mask_blend_epi64, _mm512_mask_loadu_epi32, _mm512_mask_loadu_epi64, _mm512_mask_storeu_epi32,
    _mm512_mask_storeu_epi64, _mm512_maskz_compress_epi32, _mm512_maskz_compress_epi64, _mm512_max_epu32,
    _mm512_max_epu64, _mm512_min_epu32, _mm512_min_epu64, _mm512_permutexvar_epi32, _mm512_permutexvar_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setr_epi32, _mm512_setr_epi64, _mm512_storeu_si512,
    _mm512_xor_si512,
};

use super::sort_key::SortWords;

/// Vectors of a leaf.
const MOST_VECTORS: usize = 16;

/// A vector of unsigned integers.
///
/// Every function needs a CPU with AVX-512 F.
trait Keys: Copy {
    type Key: Copy + Ord;
    const LANES: usize;
    const LARGEST: Self::Key;
    unsafe fn splat(key: Self::Key) -> Self;
    unsafe fn load(from: *const Self::Key) -> Self;
    /// `count` keys, and the largest in other lanes.
    unsafe fn load_some(from: *const Self::Key, count: usize) -> Self;
    unsafe fn store(self, to: *mut Self::Key);
    unsafe fn store_some(self, to: *mut Self::Key, count: usize);
    unsafe fn min(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    /// Lane `i` is lane `i ^ distance`.
    unsafe fn exchanged(self, distance: usize) -> Self;
    /// Lanes of `other` where the bit of the lane's number is set.
    unsafe fn mixed(self, other: Self, bit: usize) -> Self;
    /// The lanes that are above those of `other`, and the number of lanes.
    unsafe fn above(self, other: Self) -> u32;
    /// The lanes of the mask, side by side.
    unsafe fn packed(self, mask: u32) -> Self;
}

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
            unsafe fn packed(self, mask: u32) -> Self {
                // SAFETY: the trait's contract.
                $name(unsafe { $compress(mask as $mask, self.0) })
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

/// Lanes compared with those whose number differs in these bits; the larger goes to where the highest of them is set.
#[inline(always)]
unsafe fn compared<V: Keys>(x: V, distance: usize) -> V {
    // SAFETY: the caller's contract.
    unsafe {
        let other = x.exchanged(distance);
        x.min(other).mixed(x.max(other), distance.ilog2() as usize)
    }
}

/// Sorts the lanes of a bitonic vector.
#[inline(always)]
unsafe fn merged<V: Keys>(mut x: V) -> V {
    let mut distance = V::LANES / 2;
    while distance > 0 {
        // SAFETY: the caller's contract.
        x = unsafe { compared(x, distance) };
        distance /= 2;
    }
    x
}

/// Sorts the lanes of a vector.
#[inline(always)]
unsafe fn sorted<V: Keys>(mut x: V) -> V {
    let mut size = 2;
    while size <= V::LANES {
        // SAFETY: the caller's contract.
        unsafe {
            x = compared(x, size - 1);
            let mut distance = size / 4;
            while distance > 0 {
                x = compared(x, distance);
                distance /= 2;
            }
        }
        size *= 2;
    }
    x
}

/// Sorts `count` keys at `from` into `to`, which may be the same; there are at most `N` vectors of them.
#[inline(always)]
unsafe fn leaf<V: Keys, const N: usize>(from: *const V::Key, to: *mut V::Key, count: usize) {
    // SAFETY: the caller's contract; keys beyond `count` are neither read nor written.
    unsafe {
        let in_vector = |n: usize| count.saturating_sub(n * V::LANES).min(V::LANES);
        let mut vectors = [V::splat(V::LARGEST); N];
        for (n, vector) in vectors.iter_mut().enumerate() {
            if in_vector(n) > 0 {
                *vector = sorted(V::load_some(from.add(n * V::LANES), in_vector(n)));
            }
        }
        let mut half = 1;
        while half < N {
            let mut start = 0;
            while start < N {
                let mut i = 0;
                while i < half {
                    let (low, high) = (start + i, start + 2 * half - 1 - i);
                    let other = vectors[high].exchanged(V::LANES - 1);
                    let (smaller, larger) = (vectors[low].min(other), vectors[low].max(other));
                    vectors[low] = smaller;
                    vectors[high] = larger.exchanged(V::LANES - 1);
                    i += 1;
                }
                start += 2 * half;
            }
            let mut distance = half / 2;
            while distance > 0 {
                let mut i = 0;
                while i < N {
                    if i & distance == 0 {
                        let (low, high) = (vectors[i], vectors[i + distance]);
                        vectors[i] = low.min(high);
                        vectors[i + distance] = low.max(high);
                    }
                    i += 1;
                }
                distance /= 2;
            }
            for vector in &mut vectors {
                *vector = merged(*vector);
            }
            half *= 2;
        }
        for (n, vector) in vectors.into_iter().enumerate() {
            if in_vector(n) > 0 {
                vector.store_some(to.add(n * V::LANES), in_vector(n));
            }
        }
    }
}

/// A key about the middle of `count` keys, at least as many as lanes.
#[inline(always)]
unsafe fn pivot<V: Keys>(keys: *const V::Key, count: usize) -> V::Key {
    let mut sample = [V::LARGEST; 16];
    for (n, key) in sample[..V::LANES].iter_mut().enumerate() {
        // SAFETY: the index is below `count`.
        *key = unsafe { *keys.add((2 * n + 1) * (count / (2 * V::LANES))) };
    }
    // SAFETY: there are so many keys.
    unsafe { sorted(V::load(sample.as_ptr())).store(sample.as_mut_ptr()) };
    sample[V::LANES / 2]
}

/// Writes the keys that are not above the pivot to the front of `to`, the others to its end; how many are not.
#[inline(always)]
unsafe fn partition<V: Keys>(from: *const V::Key, to: *mut V::Key, count: usize, pivot: V::Key) -> usize {
    // SAFETY: what is not written yet has room for as many keys as are not read yet, a whole vector among them.
    unsafe {
        let pivots = V::splat(pivot);
        let (mut front, mut back) = (to, to.add(count));
        let whole = count - count % V::LANES;
        let all = ((1u64 << V::LANES) - 1) as u32;
        let mut i = 0;
        while i < whole {
            let keys = V::load(from.add(i));
            let above = keys.above(pivots);
            let count_above = above.count_ones() as usize;
            keys.packed(!above & all).store(front);
            front = front.add(V::LANES - count_above);
            back = back.sub(count_above);
            keys.packed(above).store_some(back, count_above);
            i += V::LANES;
        }
        while i < count {
            let key = *from.add(i);
            if key > pivot {
                back = back.sub(1);
                *back = key;
            } else {
                *front = key;
                front = front.add(1);
            }
            i += 1;
        }
        front.offset_from(to) as usize
    }
}

/// Where the keys are, and where they are to be in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Here,
    Other,
}

/// A quicksort of some part: where its keys are, the other buffer, how many, where they go, how deep it may go, and what
/// sorts what is deeper.
type Recurse<K> = unsafe fn(*mut K, *mut K, usize, Goal, u32, SortWords<K>);

/// Sorts the keys that are `here`, into it or into `other`.
#[inline(always)]
unsafe fn quicksort<V: Keys>(
    mut here: *mut V::Key,
    mut other: *mut V::Key,
    mut count: usize,
    mut goal: Goal,
    mut depth: u32,
    recurse: Recurse<V::Key>,
    deep: SortWords<V::Key>,
) {
    // SAFETY: both have room for `count` keys, and do not overlap.
    unsafe {
        loop {
            let target = if goal == Goal::Here { here } else { other };
            let vectors = count.div_ceil(V::LANES);
            match vectors {
                0 => return,
                1 => return leaf::<V, 1>(here, target, count),
                2 => return leaf::<V, 2>(here, target, count),
                3..=4 => return leaf::<V, 4>(here, target, count),
                5..=8 => return leaf::<V, 8>(here, target, count),
                9..=MOST_VECTORS => return leaf::<V, MOST_VECTORS>(here, target, count),
                _ => {}
            }
            if depth == 0 {
                let keys = std::slice::from_raw_parts_mut(here, count);
                deep(keys, std::slice::from_raw_parts_mut(other, count));
                if goal == Goal::Other {
                    other.copy_from_nonoverlapping(here, count);
                }
                return;
            }
            depth -= 1;
            let pivot = pivot::<V>(here, count);
            let low = partition::<V>(here, other, count, pivot);
            goal = if goal == Goal::Here { Goal::Other } else { Goal::Here };
            (here, other) = (other, here);
            if low < count {
                recurse(here.add(low), other.add(low), count - low, goal, depth, deep);
                count = low;
                continue;
            }
            // The pivot is the largest: what is below it is left to sort.
            let (mut below, mut i) = (0, 0);
            while i < count {
                let key = *here.add(i);
                if key < pivot {
                    *here.add(below) = key;
                    below += 1;
                }
                i += 1;
            }
            let target = if goal == Goal::Here { here } else { other };
            while i > below {
                i -= 1;
                *target.add(i) = pivot;
            }
            count = below;
        }
    }
}

/// Rearranges keys so that the one at `k` is that of the sorted keys.
#[inline(always)]
unsafe fn quickselect<V: Keys>(keys: *mut V::Key, scratch: *mut V::Key, count: usize, k: usize) {
    // SAFETY: both have room for `count` keys, and do not overlap; every part is within them.
    unsafe {
        let (mut start, mut end) = (0, count);
        let (mut here, mut other) = (keys, scratch);
        let mut depth = 2 * (count.max(2).ilog2() + 1);
        while end - start > MOST_VECTORS * V::LANES {
            if depth == 0 {
                break;
            }
            depth -= 1;
            let pivot = pivot::<V>(here.add(start), end - start);
            let low = start + partition::<V>(here.add(start), other.add(start), end - start, pivot);
            (here, other) = (other, here);
            let mut below = low;
            if low == end {
                // The pivot is the largest: all that are equal to it come last.
                below = start;
                let mut i = start;
                while i < end {
                    let key = *here.add(i);
                    if key < pivot {
                        *here.add(below) = key;
                        below += 1;
                    }
                    i += 1;
                }
                let mut i = below;
                while i < end {
                    *here.add(i) = pivot;
                    i += 1;
                }
            }
            // What `k` is not in stays where it is, in the keys.
            let (done_start, done_end) = if k < below { (below, end) } else { (start, below) };
            if here != keys {
                let done = done_end - done_start;
                keys.add(done_start).copy_from_nonoverlapping(here.add(done_start), done);
            }
            if k < below {
                end = below;
            } else if low == end {
                // The rest is the pivot, everywhere.
                if here != keys {
                    keys.add(below).copy_from_nonoverlapping(here.add(below), end - below);
                }
                return;
            } else {
                start = below;
            }
        }
        let (count, k) = (end - start, k - start);
        if here != keys {
            keys.add(start).copy_from_nonoverlapping(here.add(start), count);
        }
        std::slice::from_raw_parts_mut(keys.add(start), count).select_nth_unstable(k);
    }
}

macro_rules! entry {
    ($(#[$doc:meta])* $name:ident, $level:ident, $select:ident, $vector:ident, $key:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,popcnt")]
        unsafe fn $level(
            here: *mut $key,
            other: *mut $key,
            count: usize,
            goal: Goal,
            depth: u32,
            deep: SortWords<$key>,
        ) {
            // SAFETY: the CPU has the instructions, as all with AVX-512 have `popcnt`; the caller's contract.
            unsafe { quicksort::<$vector>(here, other, count, goal, depth, $level, deep) }
        }

        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The CPU has the features of the AVX-512 level.
        pub(crate) unsafe fn $name(keys: &mut [$key], scratch: &mut [$key], deep: SortWords<$key>) {
            let count = keys.len();
            let scratch = &mut scratch[..count];
            let depth = 2 * (count.max(2).ilog2() + 1);
            // SAFETY: both slices have `count` keys.
            unsafe { $level(keys.as_mut_ptr(), scratch.as_mut_ptr(), count, Goal::Here, depth, deep) }
        }

        /// Rearranges keys so that the one at `k`, which there is, is that of the sorted keys; `scratch` is as long.
        ///
        /// # Safety
        ///
        /// The CPU has the features of the AVX-512 level.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,popcnt")]
        pub(crate) unsafe fn $select(keys: &mut [$key], scratch: &mut [$key], k: usize) {
            let count = keys.len();
            let scratch = &mut scratch[..count];
            // SAFETY: both slices have `count` keys.
            unsafe { quickselect::<$vector>(keys.as_mut_ptr(), scratch.as_mut_ptr(), count, k) }
        }
    };
}
entry! {
    /// Sorts 32-bit keys; `scratch` is as long as these, and `deep` sorts what is not divided well.
    sort_narrow, narrow, select_narrow, Narrow, u32
}
entry! {
    /// Sorts 64-bit keys; as [`sort_narrow`].
    sort_wide, wide, select_wide, Wide, u64
}
