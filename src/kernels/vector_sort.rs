//! Sorting of integers in vectors: quicksort, down to what fits the registers.
//!
//! A partition reads a vector at a time and writes what is not above the pivot to the front of the other buffer, the rest
//! to its end, so that each level of the recursion moves every key once. Few keys are sorted by a bitonic network: lanes of
//! each vector first, then vectors merged two, four, eight, sixteen at a time (Batcher 1968). After Bramas, "A novel hybrid
//! quicksort algorithm vectorized using AVX-512" (2017).
//!
//! Keys that are equal are the same, so nothing can be told of their order. A recursion that goes too deep is left to
//! the caller's other sort.

pub(crate) mod avx2;
pub(crate) mod avx512;

use super::sort_key::SortWords;
use crate::runtime::watch;

/// A vector of unsigned integers.
///
/// Every function needs a CPU with the features of the level.
trait Keys: Copy {
    type Key: Copy + Ord;
    const LANES: usize;
    /// Vectors of a leaf, at most 16.
    const MOST_VECTORS: usize;
    /// Keys that have to follow a vector which is [`spread`](Keys::spread).
    const BEHIND: usize;
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
    /// The lanes that are above those of `other`.
    unsafe fn above(self, other: Self) -> u32;
    /// Writes the lanes that are not `above` from `front` up, and the others, of which there are `count`, up to `back`.
    ///
    /// There is room for the lanes and for [`BEHIND`](Keys::BEHIND) more keys between `front` and `back`, which may be
    /// overwritten.
    unsafe fn spread(self, above: u32, count: usize, front: *mut Self::Key, back: *mut Self::Key);
}

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
        let mut i = 0;
        while i + V::LANES + V::BEHIND <= count {
            let keys = V::load(from.add(i));
            let above = keys.above(pivots);
            let count_above = above.count_ones() as usize;
            keys.spread(above, count_above, front, back);
            front = front.add(V::LANES - count_above);
            back = back.sub(count_above);
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

/// A place where a sort may stop, before a partition of `count` keys.
#[inline(always)]
fn may_stop(count: usize) {
    /// Keys that are partitioned in some tens of microseconds.
    const MANY: usize = 1 << 16;
    if count > MANY {
        watch::checkpoint(0, 1);
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
                9..=16 if V::MOST_VECTORS == 16 => return leaf::<V, 16>(here, target, count),
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
            may_stop(count);
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
        while end - start > V::MOST_VECTORS * V::LANES {
            if depth == 0 {
                break;
            }
            depth -= 1;
            may_stop(end - start);
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

/// The functions for vectors of 32-bit and of 64-bit keys, on CPUs with these features.
macro_rules! entries {
    ($narrow:ty, $wide:ty, $features:literal) => {
        entries! { $narrow, u32, $features, sort_narrow, quicksort_narrow, select_narrow }
        entries! { $wide, u64, $features, sort_wide, quicksort_wide, select_wide }
    };
    ($vector:ty, $key:ty, $features:literal, $sort:ident, $recurse:ident, $select:ident) => {
        #[target_feature(enable = $features)]
        unsafe fn $recurse(
            here: *mut $key,
            other: *mut $key,
            count: usize,
            goal: Goal,
            depth: u32,
            deep: SortWords<$key>,
        ) {
            // SAFETY: the CPU has the instructions; the rest is the caller's.
            unsafe { quicksort::<$vector>(here, other, count, goal, depth, $recurse, deep) }
        }

        /// Sorts keys; `scratch` is as long as these, and `deep` sorts what is not divided well.
        ///
        /// # Safety
        ///
        /// The CPU has the features of the level.
        pub(crate) unsafe fn $sort(keys: &mut [$key], scratch: &mut [$key], deep: SortWords<$key>) {
            let count = keys.len();
            let scratch = &mut scratch[..count];
            let depth = 2 * (count.max(2).ilog2() + 1);
            // SAFETY: both slices have `count` keys.
            unsafe { $recurse(keys.as_mut_ptr(), scratch.as_mut_ptr(), count, Goal::Here, depth, deep) }
        }

        /// Rearranges keys so that the one at `k`, which there is, is that of the sorted keys; `scratch` is as long.
        ///
        /// # Safety
        ///
        /// The CPU has the features of the level.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn $select(keys: &mut [$key], scratch: &mut [$key], k: usize) {
            let count = keys.len();
            let scratch = &mut scratch[..count];
            // SAFETY: both slices have `count` keys.
            unsafe { quickselect::<$vector>(keys.as_mut_ptr(), scratch.as_mut_ptr(), count, k) }
        }
    };
}
use entries;
