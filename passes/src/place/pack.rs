//! Packing: blocks with lifetimes into one arena, so that blocks alive together do not overlap.
//!
//! Blocks are placed as an allocator would that runs with the program: each into the smallest gap that holds it. The
//! most bytes alive at once bound any packing from below. Where that bound is missed and blocks are few, they are also
//! placed largest first, each into the smallest gap between those alive with it, and the smaller arena is taken.
//!
//! O(n log n), plus the square of [`FEW`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Bytes that every block is aligned to.
pub(super) const ALIGNMENT: usize = 64;

/// Up to this many blocks are packed in both ways.
const FEW: usize = 128;

/// Memory that is needed from one position of the order to another, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) bytes: usize,
}

/// Where blocks lie, and the bytes they take together.
#[derive(Debug)]
pub(super) struct Packing {
    pub(super) offsets: Vec<usize>,
    pub(super) bytes: usize,
}

/// Places every block.
pub(super) fn pack(blocks: &[Block]) -> Packing {
    let blocks: Vec<Block> = blocks
        .iter()
        .map(|block| Block { bytes: block.bytes.saturating_add(ALIGNMENT - 1) & !(ALIGNMENT - 1), ..*block })
        .collect();
    let mut by_start: Vec<usize> = (0..blocks.len()).collect();
    by_start.sort_by_key(|&i| (blocks[i].first, Reverse(blocks[i].bytes)));
    let (packing, most_alive) = in_order(&blocks, &by_start);
    if packing.bytes == most_alive || blocks.len() > FEW {
        return packing;
    }
    let other = largest_first(&blocks);
    if other.bytes < packing.bytes { other } else { packing }
}

/// Gaps of the arena, by offset and by size.
#[derive(Default)]
struct Gaps {
    by_offset: BTreeMap<usize, usize>,
    by_size: BTreeSet<(usize, usize)>,
}

impl Gaps {
    fn insert(&mut self, mut offset: usize, mut bytes: usize) {
        if let Some(next) = self.by_offset.get(&(offset + bytes)).copied() {
            self.remove(offset + bytes, next);
            bytes += next;
        }
        if let Some((&before, &length)) = self.by_offset.range(..offset).next_back()
            && before + length == offset
        {
            self.remove(before, length);
            offset = before;
            bytes += length;
        }
        self.by_offset.insert(offset, bytes);
        self.by_size.insert((bytes, offset));
    }

    fn remove(&mut self, offset: usize, bytes: usize) {
        self.by_offset.remove(&offset);
        self.by_size.remove(&(bytes, offset));
    }

    /// Takes `bytes` from the smallest gap that has them.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let &(length, offset) = self.by_size.range((bytes, 0)..).next()?;
        self.remove(offset, length);
        if length > bytes {
            self.insert(offset + bytes, length - bytes);
        }
        Some(offset)
    }

    /// Takes the gap that ends at `end`, whatever its size.
    fn take_last(&mut self, end: usize) -> Option<usize> {
        let (&offset, &length) = self.by_offset.last_key_value()?;
        if offset + length != end {
            return None;
        }
        self.remove(offset, length);
        Some(offset)
    }
}

/// The packing of an allocator that meets the blocks in this order, and the most bytes alive at once.
fn in_order(blocks: &[Block], by_start: &[usize]) -> (Packing, usize) {
    let mut packing = Packing { offsets: vec![0; blocks.len()], bytes: 0 };
    let mut gaps = Gaps::default();
    let mut ends: BinaryHeap<Reverse<(u32, usize)>> = BinaryHeap::new();
    let (mut alive, mut most_alive) = (0, 0);
    for &i in by_start {
        let Block { first, last, bytes } = blocks[i];
        if bytes == 0 {
            continue;
        }
        while let Some(&Reverse((end, dead))) = ends.peek()
            && end < first
        {
            ends.pop();
            gaps.insert(packing.offsets[dead], blocks[dead].bytes);
            alive -= blocks[dead].bytes;
        }
        let offset = gaps.take(bytes).unwrap_or_else(|| {
            let offset = gaps.take_last(packing.bytes).unwrap_or(packing.bytes);
            packing.bytes = offset.saturating_add(bytes);
            offset
        });
        packing.offsets[i] = offset;
        ends.push(Reverse((last, i)));
        alive = bytes.saturating_add(alive);
        most_alive = most_alive.max(alive);
    }
    (packing, most_alive)
}

/// The packing of blocks in order of size, each in the smallest gap between those that are alive with it.
fn largest_first(blocks: &[Block]) -> Packing {
    let mut packing = Packing { offsets: vec![0; blocks.len()], bytes: 0 };
    let mut by_size: Vec<usize> = (0..blocks.len()).filter(|&i| blocks[i].bytes > 0).collect();
    by_size.sort_by_key(|&i| (Reverse(blocks[i].bytes), Reverse(blocks[i].last - blocks[i].first)));
    // Placed blocks, by offset.
    let mut placed: Vec<usize> = Vec::new();
    for i in by_size {
        let block = blocks[i];
        let (mut end, mut best) = (0, None);
        for &other in &placed {
            let Block { first, last, bytes } = blocks[other];
            if first > block.last || last < block.first {
                continue;
            }
            let offset = packing.offsets[other];
            let gap = offset.saturating_sub(end);
            if gap >= block.bytes && best.is_none_or(|(smallest, _)| gap < smallest) {
                best = Some((gap, end));
            }
            end = end.max(offset.saturating_add(bytes));
        }
        let offset = best.map_or(end, |(_, offset)| offset);
        packing.offsets[i] = offset;
        packing.bytes = packing.bytes.max(offset.saturating_add(block.bytes));
        let rank = placed.partition_point(|&other| packing.offsets[other] < offset);
        placed.insert(rank, i);
    }
    packing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &[Block]) -> usize {
        for packing in [pack(blocks), largest_first(blocks)] {
            for (i, a) in blocks.iter().enumerate() {
                assert!(packing.offsets[i] + a.bytes <= packing.bytes, "{blocks:?} {packing:?}");
                for (j, b) in blocks.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let (x, y) = (packing.offsets[i], packing.offsets[j]);
                    let apart = x + a.bytes <= y || y + b.bytes <= x || a.bytes == 0 || b.bytes == 0;
                    assert!(apart || !together, "{i} and {j} of {blocks:?} in {packing:?}");
                }
            }
        }
        pack(blocks).bytes
    }

    fn block((first, last, bytes): (u32, u32, usize)) -> Block {
        Block { first, last, bytes }
    }

    #[test]
    fn a_chain_alternates_between_two_places() {
        let blocks: Vec<Block> = (0..100).map(|n| block((n, n + 1, 640))).collect();
        assert_eq!(check(&blocks), 2 * 640);
    }

    #[test]
    fn sizes_are_rounded_up_to_the_alignment() {
        assert_eq!(check(&[block((0, 1, 1)), block((1, 2, 65)), block((2, 3, 0))]), 64 + 128);
        assert_eq!(check(&[]), 0);
    }

    /// An allocator that runs with the program leaves a gap of 64 under a block that lives long.
    #[test]
    fn few_blocks_are_packed_as_tightly_as_the_most_alive() {
        let blocks = [(0, 1, 64), (1, 9, 64), (2, 3, 128), (3, 4, 128)].map(block);
        let by_start: Vec<usize> = (0..4).collect();
        let (packing, most_alive) = in_order(&blocks, &by_start);
        assert!(packing.bytes > most_alive, "{packing:?}");
        assert_eq!(check(&blocks), most_alive);
    }

    #[test]
    fn random_blocks_never_overlap() {
        let mut state = 1u64;
        let mut random = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for _ in 0..300 {
            let blocks: Vec<Block> = (0..random(60))
                .map(|_| {
                    let first = random(30) as u32;
                    block((first, first + random(8) as u32, random(500) as usize))
                })
                .collect();
            check(&blocks);
        }
    }
}
