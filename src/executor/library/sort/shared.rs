//! A long row sorted by the whole team.
//!
//! Where keys are sorted in vectors, the team partitions the row, each thread a piece, then exchanges what is on the wrong
//! side of all of them, and sorts the parts. Elsewhere parts are sorted first, then merged, two at a time.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::super::{Base, PIECE};
use crate::kernels::sort_key::Word;
use crate::kernels::{radix, sort as kernel};
use crate::runtime::level::Level;
use crate::runtime::team;

/// Words that are worth a part.
const PART: usize = 1 << 15;

/// Does work for each of some ranges of `0..len`, on all threads.
pub(super) fn over_team(len: usize, f: &(dyn Fn(Range<usize>) + Sync)) {
    /// Elements whose place in memory is worth a range.
    const RANGE: usize = 1 << 14;
    let parts = (len / RANGE).clamp(1, (4 * team::threads()).max(len.div_ceil(PIECE)));
    team::run(parts, &|part| f(part * len / parts..(part + 1) * len / parts));
}

/// Sorts words by all bits.
pub(super) fn sort<W: Word>(words: &mut [W], scratch: &mut [W], level: Level) {
    let sort = |words: &mut [W], scratch: &mut [W]| radix::sort(words, scratch, level);
    let (len, parts) = (words.len(), parts(words.len()));
    if parts < 2 {
        return sort(words, scratch);
    }
    if W::partition_in_vectors(&mut [], W::mask(false), level).is_none() {
        // Short keys are counted faster than parts of them are merged.
        return match W::BITS <= 16 {
            true => sort(words, scratch),
            false => sort_and_merge(words, scratch, parts, &sort),
        };
    }
    let mut starts = vec![0, len];
    while starts.len() <= parts {
        let divided = starts
            .windows(2)
            .flat_map(|part| [part[0], part[0] + partition(&mut words[part[0]..part[1]], level)]);
        starts = divided.chain([len]).collect();
    }
    let (words_at, scratch_at) = (address(words), address(scratch));
    team::run(starts.len() - 1, &|part| {
        let range = starts[part]..starts[part + 1];
        // SAFETY: the range is within the words and the scratch memory, and each part has its own.
        unsafe { sort(part_of(words_at, range.clone()), part_of(scratch_at, range)) }
    });
}

/// As [`radix::sort_stable`].
pub(super) fn sort_stable<W: Word>(words: &mut [W], scratch: &mut [W], bits: Range<u32>, level: Level) {
    if bits.is_empty() {
        return;
    }
    // What is partitioned is not in the order of the bits below any more, and has to be sorted by these too.
    if level == Level::Avx512 {
        return sort(words, scratch, level);
    }
    let sort = |words: &mut [W], scratch: &mut [W]| radix::sort_stable(words, scratch, bits.clone(), level);
    match parts(words.len()) {
        0 | 1 => sort(words, scratch),
        parts => sort_and_merge(words, scratch, parts, &sort),
    }
}

/// Parts that so many words are cut to, a power of two.
fn parts(len: usize) -> usize {
    team::threads().next_power_of_two().min((len / PART).max(1).next_power_of_two())
}

/// As [`kernel::select`].
pub(super) fn select<W: Word>(words: &mut [W], kth: &[usize], scratch: &mut [W], level: Level) {
    let (mut start, mut end) = (0, words.len());
    let &[k] = kth else { return kernel::select(words, kth, scratch, level) };
    while team::threads() > 1
        && end - start >= 2 * PART
        && W::partition_in_vectors(&mut [], W::mask(false), level).is_some()
    {
        let middle = start + partition(&mut words[start..end], level);
        if middle == start || middle == end {
            break;
        }
        (start, end) = if k < middle { (start, middle) } else { (middle, end) };
    }
    if (start..end).contains(&k) {
        kernel::select(&mut words[start..end], &[k - start], scratch, level);
    }
}

/// Puts about the lower half of the words, of which there are some, first; how many these are.
fn partition<W: Word>(words: &mut [W], level: Level) -> usize {
    /// Words of which the middle one is taken, so that parts differ by a few hundredths.
    const SAMPLE: usize = 255;
    let len = words.len();
    if len == 0 {
        return 0;
    }
    let mut sample = [words[0]; SAMPLE];
    for (n, word) in sample.iter_mut().enumerate() {
        *word = words[((2 * n + 1) as u128 * len as u128 / (2 * SAMPLE) as u128) as usize];
    }
    sample.sort_unstable();
    let bound = sample[SAMPLE / 2];
    let pieces = team::threads().min((len / (PART / 2)).max(1));
    let start = |piece: usize| piece * len / pieces;
    let lows: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
    let words_at = address(words);
    team::run(pieces, &|piece| {
        // SAFETY: the piece is within the words, and each has its own.
        let keys = unsafe { part_of(words_at, start(piece)..start(piece + 1)) };
        lows[piece].store(W::partition_in_vectors(keys, bound, level).unwrap_or(0), Relaxed);
    });
    let lows: Vec<usize> = lows.into_iter().map(AtomicUsize::into_inner).collect();
    let low: usize = lows.iter().sum();
    // High words before the boundary, low ones after it: as many.
    let high_before = lows.iter().enumerate().map(|(n, &count)| start(n) + count..start(n + 1).min(low));
    let low_after = lows.iter().enumerate().map(|(n, &count)| start(n).max(low)..start(n) + count);
    let exchanges = exchanges(high_before, low_after);
    team::run(exchanges.len(), &|n| {
        let (a, b) = exchanges[n].clone();
        // SAFETY: the ranges are within the words, and no other exchange has any of them.
        unsafe { part_of::<W>(words_at, a).swap_with_slice(part_of(words_at, b)) }
    });
    low
}

/// Pairs of ranges as long as each other, of two lists of ranges that have as many words, and may be empty or less.
fn exchanges(
    a: impl Iterator<Item = Range<usize>>,
    b: impl Iterator<Item = Range<usize>>,
) -> Vec<(Range<usize>, Range<usize>)> {
    /// Words of a pair at most.
    const MOST: usize = 1 << 15;
    let mut pairs = Vec::new();
    let mut others = b.filter(|range| range.start < range.end);
    let mut other = others.next().unwrap_or(0..0);
    for mut range in a.filter(|range| range.start < range.end) {
        while !range.is_empty() {
            if other.is_empty() {
                let Some(next) = others.next() else { return pairs };
                other = next;
            }
            let count = range.len().min(other.len()).min(MOST);
            pairs.push((range.start..range.start + count, other.start..other.start + count));
            (range.start, other.start) = (range.start + count, other.start + count);
        }
    }
    pairs
}

fn address<W>(words: &mut [W]) -> Base {
    Base(words.as_mut_ptr().cast())
}

/// The words of a range.
///
/// # Safety
///
/// The address is that of words that have the range, which nobody else uses meanwhile.
unsafe fn part_of<'a, W: Word>(base: Base, range: Range<usize>) -> &'a mut [W] {
    // SAFETY: as for this function.
    unsafe { std::slice::from_raw_parts_mut(base.at(range.start * size_of::<W>()).cast::<W>(), range.len()) }
}

/// Sorts parts, and merges them. Equal words keep their order if `sort` keeps it.
fn sort_and_merge<W: Word>(
    words: &mut [W],
    scratch: &mut [W],
    parts: usize,
    sort: &(dyn Fn(&mut [W], &mut [W]) + Sync),
) {
    let len = words.len();
    let start = |part: usize, parts: usize| part * len / parts;
    let (words_at, scratch_at) = (address(words), address(scratch));
    team::run(parts, &|part| {
        let range = start(part, parts)..start(part + 1, parts);
        // SAFETY: the range is within the words and the scratch memory, and each part has its own.
        unsafe { sort(part_of(words_at, range.clone()), part_of(scratch_at, range)) }
    });
    let (mut from, mut to) = (words_at, scratch_at);
    let mut runs = parts;
    while runs > 1 {
        // Each pair of runs is merged in as many pieces as there are runs to a pair, so that all threads find work.
        let pieces = 2 * parts / runs;
        team::run(runs / 2 * pieces, &|task| {
            let (pair, piece) = (task / pieces, task % pieces);
            let (low, middle, high) =
                (start(2 * pair, runs), start(2 * pair + 1, runs), start(2 * pair + 2, runs));
            let total = high - low;
            let range = piece * total / pieces..(piece + 1) * total / pieces;
            // SAFETY: runs are read, and each piece of what they become is written by one.
            unsafe {
                let from = std::slice::from_raw_parts(from.at(0).cast::<W>(), len);
                let out = part_of(to, low + range.start..low + range.end);
                radix::merge(&from[low..middle], &from[middle..high], range, out);
            }
        });
        (from, to) = (to, from);
        runs /= 2;
    }
    if from.at(0) != words_at.at(0) {
        words.copy_from_slice(&scratch[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_pair_words_of_both_lists() {
        for (a, b) in
            [(vec![], vec![]), (vec![0..3, 5..5, 9..100_000], vec![200_000..200_001, 300_000..399_993])]
        {
            let pairs = exchanges(a.clone().into_iter(), b.clone().into_iter());
            let words = |ranges: Vec<Range<usize>>| ranges.into_iter().flatten().collect::<Vec<_>>();
            assert_eq!(words(pairs.iter().map(|pair| pair.0.clone()).collect()), words(a));
            assert_eq!(words(pairs.iter().map(|pair| pair.1.clone()).collect()), words(b));
            assert!(pairs.iter().all(|(a, b)| a.len() == b.len()));
        }
    }
}
