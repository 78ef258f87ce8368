//! Size classes: the capacities the pool rounds to, `2^k` and `1.5 * 2^k` bytes.
//!
//! Two classes an octave waste at most a third of a block, and let a request meet the block of an earlier request
//! of nearly its size. The smallest class is two cache lines, so that no two buffers share a pair of prefetched
//! lines; the largest is 2^47 bytes, more than any machine this runs on can map.

/// A capacity of the pool, as its rank among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SizeClass(u8);

const SMALLEST_LOG2: u32 = 7;
const LARGEST_LOG2: u32 = 47;

impl SizeClass {
    /// How many classes there are.
    pub(super) const COUNT: usize = 1 + 2 * (LARGEST_LOG2 - SMALLEST_LOG2) as usize;

    /// The smallest class that holds `bytes`; `None` beyond the largest.
    pub(super) const fn holding(bytes: usize) -> Option<SizeClass> {
        if bytes <= 1 << SMALLEST_LOG2 {
            return Some(SizeClass(0));
        }
        // `2^k < bytes <= 2^(k+1)`, and `upper` is whether it needs the upper half of that octave.
        let k = (bytes - 1).ilog2();
        let upper = ((bytes - 1) >> (k - 1)) & 1;
        if k < LARGEST_LOG2 {
            Some(SizeClass((1 + 2 * (k - SMALLEST_LOG2)) as u8 + upper as u8))
        } else {
            None
        }
    }

    /// The class whose blocks have exactly `capacity` bytes, if one does.
    pub(super) const fn of_capacity(capacity: usize) -> Option<SizeClass> {
        match SizeClass::holding(capacity) {
            Some(class) if class.capacity() == capacity => Some(class),
            _ => None,
        }
    }

    /// Bytes of every block in this class.
    pub(super) const fn capacity(self) -> usize {
        let rank = self.0 as u32;
        match rank % 2 {
            0 => 1 << (SMALLEST_LOG2 + rank / 2),
            _ => 3 << (SMALLEST_LOG2 + rank / 2 - 1),
        }
    }

    /// Rank among all classes, smallest capacity first; below [`SizeClass::COUNT`].
    pub(super) const fn rank(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_powers_of_two_and_the_halves_between() {
        let first: Vec<usize> = (0..7).map(|rank| SizeClass(rank).capacity()).collect();
        assert_eq!(first, [128, 192, 256, 384, 512, 768, 1024]);
        assert_eq!(SizeClass(SizeClass::COUNT as u8 - 1).capacity(), 1 << 47);
    }

    #[test]
    fn a_request_gets_the_smallest_class_that_holds_it() {
        for rank in 1..SizeClass::COUNT as u8 {
            let (below, class) = (SizeClass(rank - 1), SizeClass(rank));
            assert_eq!(SizeClass::holding(below.capacity() + 1), Some(class));
            assert_eq!(SizeClass::holding(class.capacity()), Some(class));
            assert_eq!(SizeClass::of_capacity(class.capacity()), Some(class));
            assert_eq!(SizeClass::of_capacity(class.capacity() - 1), None);
        }
        for bytes in [0, 1, 128] {
            assert_eq!(SizeClass::holding(bytes), Some(SizeClass(0)));
        }
        for bytes in [(1 << 47) + 1, 1 << 60, usize::MAX] {
            assert_eq!(SizeClass::holding(bytes), None);
        }
    }
}
