//! Sorting of integers in vectors: quicksort, down to what fits the registers.
//!
//! Many keys are partitioned where they are: batches of vectors are read at the end that has less room, and each vector
//! is written to both. Fewer are partitioned to the other buffer, and back. Few are sorted by a network (`network.rs`).
//! After Bramas, "A novel hybrid quicksort algorithm vectorized using AVX-512" (2017), and Blacher, Giesen, Sanders and
//! Wassenberg, "Vectorized and performance-portable quicksort" (2022).
//!
//! Keys that are equal are the same, so nothing can be told of their order. A recursion that goes too deep is left to
//! the caller's other sort.

pub(crate) mod avx2;
pub(crate) mod avx512;
mod network;

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
    /// The key before this one, if it is not the first.
    fn before(key: Self::Key) -> Option<Self::Key>;
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
    /// Writes the last keys, fewer than a vector and those that follow one, as [`spread`](Keys::spread) does; how many are
    /// not above the lanes of `bounds`, which are the same. There is room for these keys and no more.
    #[inline(always)]
    unsafe fn spread_few(
        from: *const Self::Key,
        count: usize,
        bounds: Self,
        front: *mut Self::Key,
        back: *mut Self::Key,
    ) -> usize {
        // SAFETY: one of the two places is overwritten by another key, or is where this one belongs.
        unsafe {
            let bound = bounds.lowest();
            let (mut low, mut high) = (0, 0);
            for i in 0..count {
                let key = *from.add(i);
                let above = usize::from(key > bound);
                *front.add(low) = key;
                *back.sub(high + 1) = key;
                low += 1 - above;
                high += above;
            }
            low
        }
    }
    /// The key in the first lane.
    unsafe fn lowest(self) -> Self::Key;
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

/// The pivot of keys, and what a few of them say about the others.
struct Pivot<K> {
    key: K,
    is_largest: bool,
    is_only: bool,
}

/// The vector of this number, of so many that are spread over `count` keys.
#[inline(always)]
unsafe fn sampled_vector<V: Keys>(keys: *const V::Key, count: usize, n: usize, of: usize) -> V {
    // SAFETY: the vector is within the keys.
    unsafe { V::load(keys.add((2 * n + 1) * (count - V::LANES) / (2 * of))) }
}

/// A key about the middle of `count` keys, which are more than a leaf.
#[inline(always)]
unsafe fn pivot<V: Keys>(keys: *const V::Key, count: usize) -> Pivot<V::Key> {
    /// Vectors of keys from which on four of them are sorted for a pivot.
    const MANY: usize = 128;
    // SAFETY: each vector is within the keys, and the sample has room for four.
    unsafe {
        let mut sample = [V::splat(V::LARGEST); 4];
        let used = if count >= MANY * V::LANES {
            for (n, sampled) in sample.iter_mut().enumerate() {
                *sampled = sampled_vector(keys, count, n, 4);
            }
            network::sort::<V, 4>(&mut sample);
            4 * V::LANES
        } else {
            let x = sampled_vector::<V>(keys, count, 0, 3);
            let y = sampled_vector::<V>(keys, count, 1, 3);
            let z = sampled_vector::<V>(keys, count, 2, 3);
            let middle = x.min(y).max(x.max(y).min(z));
            let mut row = [middle];
            network::sort::<V, 1>(&mut row);
            sample[0] = row[0];
            V::LANES
        };
        let at = |i: usize| *sample.as_ptr().cast::<V::Key>().add(i);
        let key = at(used / 2);
        Pivot { key, is_largest: key == at(used - 1), is_only: key == at(used - 1) && key == at(0) }
    }
}

/// Whether all of `count` keys, at least a vector, are `key`.
#[inline(always)]
unsafe fn all_are<V: Keys>(keys: *const V::Key, count: usize, key: V::Key) -> bool {
    // SAFETY: every vector is within the keys.
    unsafe {
        let wanted = V::splat(key);
        let mut i = 0;
        loop {
            let keys = V::load(keys.add(i.min(count - V::LANES)));
            if keys.above(wanted) | wanted.above(keys) != 0 {
                return false;
            }
            i += V::LANES;
            if i >= count {
                return true;
            }
        }
    }
}

/// Writes the key to `count` places.
#[inline(always)]
unsafe fn fill<V: Keys>(to: *mut V::Key, count: usize, key: V::Key) {
    // SAFETY: every vector is within the places.
    unsafe {
        let keys = V::splat(key);
        let mut i = 0;
        while i + V::LANES <= count {
            keys.store(to.add(i));
            i += V::LANES;
        }
        if i < count {
            keys.store_some(to.add(i), count - i);
        }
    }
}

/// Writes the keys that are not above the bound to the front of `to`, the others to its end; how many are not.
#[inline(always)]
unsafe fn partition<V: Keys>(from: *const V::Key, to: *mut V::Key, count: usize, bound: V::Key) -> usize {
    // SAFETY: what is not written yet has room for as many keys as are not read yet, a whole vector among them.
    unsafe {
        let bounds = V::splat(bound);
        let (mut front, mut back) = (to, to.add(count));
        let mut i = 0;
        while i + V::LANES + V::BEHIND <= count {
            let keys = V::load(from.add(i));
            let above = keys.above(bounds);
            let count_above = above.count_ones() as usize;
            keys.spread(above, count_above, front, back);
            front = front.add(V::LANES - count_above);
            back = back.sub(count_above);
            i += V::LANES;
        }
        let rest = V::spread_few(from.add(i), count - i, bounds, front, back);
        front.add(rest).offset_from(to) as usize
    }
}

/// As [`partition`], of keys where they are, at least four batches of vectors.
///
/// Batches are read at the end that has less room for what is written. That is known before the batch that precedes is
/// written, so that nothing waits for it; what was set aside of both ends is room for that.
#[inline(always)]
unsafe fn partition_in_place<V: Keys>(keys: *mut V::Key, count: usize, bound: V::Key) -> usize {
    // SAFETY: there is room for four batches, that of the one that is written included, and for one at each end: one end is
    // given what was read there, and the other, which had more, had room for two. A vector is written whole, where there is
    // room for as many as are left of the batch.
    unsafe {
        let batch = BATCH * V::LANES;
        let mut aside = [V::splat(V::LARGEST); 4 * BATCH];
        let (mut unread, mut end) = (keys.add(2 * batch), keys.add(count - batch));
        for n in 0..BATCH {
            aside[n] = V::load(keys.add(n * V::LANES));
            aside[BATCH + n] = V::load(keys.add(batch + n * V::LANES));
            aside[2 * BATCH + n] = V::load(end.add(n * V::LANES));
        }
        let bounds = V::splat(bound);
        let (mut front, mut back) = (keys, keys.add(count));
        let mut from_front = false;
        while end.offset_from(unread) as usize >= batch {
            let (next_unread, next_end) = (unread.add(batch), end.sub(batch));
            let from = if from_front { unread } else { next_end };
            unread = if from_front { next_unread } else { unread };
            end = if from_front { end } else { next_end };
            from_front = unread.offset_from(front) <= back.offset_from(end);
            let mut vectors = [V::splat(bound); BATCH];
            for (n, keys) in vectors.iter_mut().enumerate() {
                *keys = V::load(from.add(n * V::LANES));
            }
            for keys in vectors {
                let above = keys.above(bounds);
                let count_above = above.count_ones() as usize;
                keys.spread(above, count_above, front, back);
                front = front.add(V::LANES - count_above);
                back = back.sub(count_above);
            }
        }
        let rest = end.offset_from(unread) as usize;
        let aside = aside.as_mut_ptr().cast::<V::Key>();
        aside.add(3 * batch).copy_from_nonoverlapping(unread, rest);
        let low = partition::<V>(aside, front, 3 * batch + rest, bound);
        front.add(low).offset_from(keys) as usize
    }
}

/// As [`partition_in_place`], one key after the other.
fn partition_few<K: Copy + Ord>(keys: &mut [K], bound: K) -> usize {
    let mut low = 0;
    for i in 0..keys.len() {
        if keys[i] <= bound {
            keys.swap(low, i);
            low += 1;
        }
    }
    low
}

/// Vectors that are read together, where keys are partitioned where they are.
const BATCH: usize = 8;
/// Vectors from which on keys are partitioned where they are.
const IN_PLACE: usize = 1 << 7;

/// Divides keys into lower and higher ones: some of each, unless all are equal. What was written where.
enum Division<K> {
    /// So many lower ones, and the others.
    Parts(usize),
    /// So many lower ones, and the others are this key.
    Above(usize, K),
    /// So many of this key, and others, which are higher.
    Below(usize, K),
}

/// Divides keys, more than a leaf, by `partition`, which puts those that are not above its argument first and says how many
/// they are.
#[inline(always)]
unsafe fn divide<V: Keys>(
    keys: *const V::Key,
    count: usize,
    partition: impl Fn(V::Key) -> usize,
) -> Division<V::Key> {
    // SAFETY: the caller's contract.
    let Pivot { key, is_largest, is_only } = unsafe { pivot::<V>(keys, count) };
    // SAFETY: as above.
    if is_only && unsafe { all_are::<V>(keys, count, key) } {
        return Division::Above(0, key);
    }
    let before = V::before(key);
    // Of keys with a large share of the largest one, these go to the higher ones.
    let mut bound = before.filter(|_| is_largest).unwrap_or(key);
    let mut is_extreme = false;
    loop {
        let low = partition(bound);
        match (bound == key, before) {
            (true, _) if is_extreme => return Division::Below(low, key),
            (false, _) if is_extreme => return Division::Above(low, key),
            _ if low > 0 && low < count => return Division::Parts(low),
            (true, None) => return Division::Above(0, key),
            (true, Some(before)) => bound = before,
            (false, _) => bound = key,
        }
        is_extreme = true;
    }
}

/// Partitions after which so many keys are not divided well.
fn most_depth(count: usize) -> u32 {
    2 * (count.max(2).ilog2() + 1)
}

/// Where the keys are, and where they are to be in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Here,
    Other,
}

/// The functions of a kind of vectors, each compiled for CPUs that have it.
struct Calls<K: 'static> {
    /// [`quicksort`]
    quicksort: unsafe fn(*mut K, *mut K, usize, Goal, u32, SortWords<K>),
    /// [`partition`]
    partition: unsafe fn(*const K, *mut K, usize, K) -> usize,
    /// [`partition_in_place`]
    partition_in_place: unsafe fn(*mut K, usize, K) -> usize,
}

/// Sorts the keys that are `here`, into it or into `other`; what is deeper than `depth` partitions, `deep` does.
#[inline(always)]
unsafe fn quicksort<V: Keys>(
    mut here: *mut V::Key,
    mut other: *mut V::Key,
    mut count: usize,
    mut goal: Goal,
    mut depth: u32,
    deep: SortWords<V::Key>,
    calls: &Calls<V::Key>,
) {
    // SAFETY: both have room for `count` keys, and do not overlap.
    unsafe {
        loop {
            let target = if goal == Goal::Here { here } else { other };
            match count.div_ceil(V::LANES) {
                0 => return,
                1 => return network::leaf::<V, 1>(here, target, count),
                2 => return network::leaf::<V, 2>(here, target, count),
                3..=4 => return network::leaf::<V, 4>(here, target, count),
                5..=8 => return network::leaf::<V, 8>(here, target, count),
                9..=16 if V::MOST_VECTORS == 16 => return network::leaf::<V, 16>(here, target, count),
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
            if goal == Goal::Here && count >= IN_PLACE * V::LANES {
                // All parts use the same of the other buffer, which is in the cache then.
                match divide::<V>(here, count, |bound| (calls.partition_in_place)(here, count, bound)) {
                    Division::Parts(low) => {
                        (calls.quicksort)(here.add(low), other, count - low, goal, depth, deep);
                        count = low;
                    }
                    Division::Above(low, _) => count = low,
                    Division::Below(low, _) => {
                        here = here.add(low);
                        count -= low;
                    }
                }
                continue;
            }
            let division = divide::<V>(here, count, |bound| (calls.partition)(here, other, count, bound));
            goal = if goal == Goal::Here { Goal::Other } else { Goal::Here };
            (here, other) = (other, here);
            match division {
                Division::Parts(low) => {
                    (calls.quicksort)(here.add(low), other.add(low), count - low, goal, depth, deep);
                    count = low;
                }
                Division::Above(low, key) => {
                    fill::<V>(target.add(low), count - low, key);
                    count = low;
                }
                Division::Below(low, key) => {
                    fill::<V>(target, low, key);
                    (here, other) = (here.add(low), other.add(low));
                    count -= low;
                }
            }
        }
    }
}

/// Rearranges keys so that the one at `k` is that of the sorted keys.
#[inline(always)]
unsafe fn quickselect<V: Keys>(
    keys: *mut V::Key,
    scratch: *mut V::Key,
    count: usize,
    k: usize,
    deep: SortWords<V::Key>,
    calls: &Calls<V::Key>,
) {
    // SAFETY: both have room for `count` keys, and do not overlap; every part is within them.
    unsafe {
        let (mut start, mut end) = (0, count);
        let mut depth = most_depth(count);
        while end - start > 4 * BATCH * V::LANES && depth > 0 {
            depth -= 1;
            may_stop(end - start);
            let (part, len) = (keys.add(start), end - start);
            let division = divide::<V>(part, len, |bound| (calls.partition_in_place)(part, len, bound));
            let (low, is_settled) = match division {
                Division::Parts(low) => (start + low, false),
                Division::Above(low, _) => (start + low, k >= start + low),
                Division::Below(low, _) => (start + low, k < start + low),
            };
            if is_settled {
                return;
            }
            (start, end) = if k < low { (start, low) } else { (low, end) };
        }
        (calls.quicksort)(keys.add(start), scratch, end - start, Goal::Here, depth, deep);
    }
}

/// The functions for vectors of keys, on CPUs with these features.
macro_rules! entries {
    ($vector:ty, $key:ty, $features:literal, $sort:ident, $select:ident, $partition:ident, $calls:ident) => {
        static $calls: Calls<$key> = {
            #[target_feature(enable = $features)]
            unsafe fn sort(
                here: *mut $key,
                other: *mut $key,
                count: usize,
                goal: Goal,
                depth: u32,
                deep: SortWords<$key>,
            ) {
                // SAFETY: the CPU has the instructions; the rest is the caller's.
                unsafe { quicksort::<$vector>(here, other, count, goal, depth, deep, &$calls) }
            }
            #[target_feature(enable = $features)]
            unsafe fn apart(from: *const $key, to: *mut $key, count: usize, bound: $key) -> usize {
                // SAFETY: as above.
                unsafe { partition::<$vector>(from, to, count, bound) }
            }
            #[target_feature(enable = $features)]
            unsafe fn in_place(keys: *mut $key, count: usize, bound: $key) -> usize {
                // SAFETY: as above.
                unsafe { partition_in_place::<$vector>(keys, count, bound) }
            }
            Calls { quicksort: sort, partition: apart, partition_in_place: in_place }
        };

        /// Sorts keys; `scratch` is as long as these, and `deep` sorts what is not divided well.
        ///
        /// # Safety
        ///
        /// The CPU has the features of the vectors.
        pub(crate) unsafe fn $sort(keys: &mut [$key], scratch: &mut [$key], deep: SortWords<$key>) {
            let count = keys.len();
            let (depth, scratch) = (most_depth(count), &mut scratch[..count]);
            // SAFETY: both slices have `count` keys.
            unsafe {
                ($calls.quicksort)(keys.as_mut_ptr(), scratch.as_mut_ptr(), count, Goal::Here, depth, deep);
            }
        }

        /// Puts the keys that are not above a bound first; how many they are.
        ///
        /// # Safety
        ///
        /// The CPU has the features of the vectors.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn $partition(keys: &mut [$key], bound: $key) -> usize {
            let count = keys.len();
            if count < 4 * BATCH * <$vector as Keys>::LANES {
                return partition_few(keys, bound);
            }
            // SAFETY: the slice has `count` keys.
            unsafe { partition_in_place::<$vector>(keys.as_mut_ptr(), count, bound) }
        }

        /// Rearranges keys so that the one at `k`, which there is, is that of the sorted keys; `scratch` is as long, and
        /// `deep` sorts what is not divided well.
        ///
        /// # Safety
        ///
        /// The CPU has the features of the vectors.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn $select(
            keys: &mut [$key],
            scratch: &mut [$key],
            k: usize,
            deep: SortWords<$key>,
        ) {
            let count = keys.len();
            let scratch = &mut scratch[..count];
            // SAFETY: both slices have `count` keys.
            unsafe {
                quickselect::<$vector>(keys.as_mut_ptr(), scratch.as_mut_ptr(), count, k, deep, &$calls)
            }
        }
    };
}
use entries;
