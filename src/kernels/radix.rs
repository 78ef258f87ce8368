//! Sorting of integers: in vectors (`vector_sort.rs`) with AVX-512, and some with AVX2; else, and where keys carry positions,
//! least significant digit first, and the standard library's sort for few.
//!
//! Digits of up to 11 bits are counted in one pass over the keys, all of them; then one pass for each digit that differs
//! among the keys moves every key to its place, in the order it had. So the sort is stable in the bits that are sorted
//! by. Linear; it is faster than comparing from about a thousand keys on (measured: 2.4 ms for a million `u32`, 10 ms by
//! `sort_unstable`).

use std::ops::Range;

use super::sort_key::Word;
use crate::runtime::level::Level;
use crate::runtime::watch;

/// Keys between two places where a sort may stop.
const PIECE: usize = 1 << 20;
/// Most digits of a key.
const DIGITS: usize = 6;
/// Most bits of a digit.
const DIGIT_BITS: u32 = 11;

/// Sorts by all bits, in vectors where `level` has some. `scratch` is at least as long as `keys`.
pub(crate) fn sort<W: Word>(keys: &mut [W], scratch: &mut [W], level: Level) {
    /// Keys of 16 bits that are counted faster than sorted in vectors.
    const FAST_TO_COUNT: usize = 1 << 21;
    let scratch = &mut scratch[..keys.len()];
    if keys.len() >= FAST_TO_COUNT && sort_by_counts(keys, scratch) {
        return;
    }
    if !W::sort_in_vectors(keys, scratch, level, sort_by_digits) {
        sort_by_digits(keys, scratch);
    }
}

pub(crate) fn sort_by_digits<W: Word>(keys: &mut [W], scratch: &mut [W]) {
    if sort_by_counts(keys, scratch) {
        return;
    }
    let few = if W::BITS <= 32 { 256 } else { 1024 };
    if keys.len() <= few || W::BITS > 64 {
        return keys.sort_unstable();
    }
    sort_by_bits(keys, scratch, 0..W::BITS);
}

/// Sorts keys of few bits by how often each is there, if that pays and there is scratch memory for the counts; whether
/// it did.
fn sort_by_counts<W: Word>(keys: &mut [W], scratch: &mut [W]) -> bool {
    /// Bits of keys that are counted, beyond which counts leave the second-level cache.
    const MOST_BITS: u32 = 16;
    if W::BITS > MOST_BITS || keys.len() < 1 << W::BITS || u32::try_from(keys.len()).is_err() {
        return false;
    }
    // SAFETY: integers take any bits.
    let (_, counts, _) = unsafe { scratch.align_to_mut::<u32>() };
    let Some(counts) = counts.get_mut(..1 << W::BITS) else { return false };
    counts.fill(0);
    for piece in keys.chunks(PIECE) {
        watch::checkpoint(0, 1);
        for &key in piece {
            counts[key.digit(0, W::BITS)] += 1;
        }
    }
    let mut rest = keys;
    for (value, &count) in counts.iter().enumerate() {
        let (run, others) = rest.split_at_mut(count as usize);
        run.fill(W::narrowed(value));
        rest = others;
    }
    true
}

/// Sorts keys that all differ and ascend in the bits below `bits`, which is to sort them by these. `scratch` is at least
/// as long as `keys`.
pub(crate) fn sort_stable<W: Word>(keys: &mut [W], scratch: &mut [W], bits: Range<u32>, level: Level) {
    const FEW: usize = 512;
    let scratch = &mut scratch[..keys.len()];
    if bits.is_empty() || W::sort_in_vectors(keys, scratch, level, sort_by_digits) {
        return;
    }
    if keys.len() <= FEW {
        return keys.sort_unstable();
    }
    sort_by_bits(keys, scratch, bits);
}

fn sort_by_bits<W: Word>(keys: &mut [W], scratch: &mut [W], bits: Range<u32>) {
    if u32::try_from(keys.len()).is_err() {
        return keys.sort_unstable();
    }
    let passes = bits.len().div_ceil(DIGIT_BITS as usize);
    let width = bits.len().div_ceil(passes) as u32;
    let low = |pass: usize| bits.start + pass as u32 * width;
    let width_of = |pass: usize| width.min(bits.end - low(pass));
    let mut counts = [[0u32; 1 << DIGIT_BITS]; DIGITS];
    for piece in keys.chunks(PIECE) {
        watch::checkpoint(0, 1);
        for &key in piece {
            for (pass, counts) in counts[..passes].iter_mut().enumerate() {
                counts[key.digit(low(pass), width_of(pass))] += 1;
            }
        }
    }
    let len = keys.len();
    let (mut from, mut to) = (&mut *keys, &mut scratch[..len]);
    let mut swapped = false;
    for (pass, counts) in counts[..passes].iter_mut().enumerate() {
        let (low, width) = (low(pass), width_of(pass));
        if counts[from[0].digit(low, width)] as usize == len {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for piece in from.chunks(PIECE) {
            watch::checkpoint(pass, passes);
            for &key in piece {
                let place = &mut counts[key.digit(low, width)];
                to[*place as usize] = key;
                *place += 1;
            }
        }
        (from, to) = (to, from);
        swapped = !swapped;
    }
    if swapped {
        to.copy_from_slice(from);
    }
}

/// Writes the part `range` of the sorted sequence of two sorted ones to `out`; of equal keys those of `a` come first.
pub(crate) fn merge<W: Word>(a: &[W], b: &[W], range: Range<usize>, out: &mut [W]) {
    let (mut i, end_a) = (split(a, b, range.start), split(a, b, range.end));
    let (mut j, end_b) = (range.start - i, range.end - end_a);
    let (a, b) = (&a[..end_a], &b[..end_b]);
    let mut done = 0;
    // Both are read before either is chosen, so that nothing has to be predicted.
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        let takes_a = x <= y;
        out[done] = if takes_a { x } else { y };
        i += usize::from(takes_a);
        j += usize::from(!takes_a);
        done += 1;
    }
    let rest = if i < a.len() { &a[i..] } else { &b[j..] };
    out[done..].copy_from_slice(rest);
}

/// How many of the first `count` keys of the merged sequence are from `a`.
fn split<W: Word>(a: &[W], b: &[W], count: usize) -> usize {
    let (mut low, mut high) = (count.saturating_sub(b.len()), count.min(a.len()));
    while low < high {
        let middle = (low + high) / 2;
        if a[middle] <= b[count - middle - 1] { low = middle + 1 } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random, few different, ascending, descending, mostly largest, equal, up and down, two different, and mostly smallest
    /// keys.
    fn keys(len: usize) -> impl Iterator<Item = Vec<u64>> {
        let mut state = 88_172_645_463_325_252u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..9).map(move |kind| {
            let key = |i: usize| match kind {
                0 => random(),
                1 => random() % 7,
                2 => i as u64,
                3 => (len - i) as u64,
                4 if random() % 50 > 0 => u64::MAX,
                5 => 0x8080_8080_8080_8080,
                6 => i.min(len - i) as u64,
                7 => random() % 2 * u64::MAX,
                8 if random() % 50 > 0 => 0,
                _ => random() % 1000,
            };
            (0..len).map(key).collect()
        })
    }

    /// Lengths about those of networks, of what is partitioned in place, and of samples.
    fn lengths() -> impl Iterator<Item = usize> {
        let about = |len: usize| [len - 1, len, len + 1];
        (0..300)
            .chain([512, 1024, 2048, 4096].into_iter().flat_map(about))
            .chain([1300, 5000, 9001, 70_001, 140_001])
    }

    fn check<W: Word + std::fmt::Debug + Default>(keys: &[u64], narrow: fn(u64) -> W) {
        let keys: Vec<W> = keys.iter().map(|&key| narrow(key)).collect();
        let len = keys.len();
        let mut expected = keys.clone();
        expected.sort();
        for level in Level::available() {
            let (mut found, mut scratch) = (keys.clone(), vec![W::default(); len]);
            sort(&mut found, &mut scratch, level);
            assert_eq!(found, expected, "{level} {len}");
            for k in [0, len / 3, len.saturating_sub(1)].into_iter().filter(|&k| k < len) {
                found.copy_from_slice(&keys);
                crate::kernels::sort::select(&mut found, &[k], &mut scratch, level);
                assert_eq!(found[k], expected[k], "{level} {k} of {len}");
                assert!(found[..k].iter().all(|&key| key <= found[k]), "{level} {k} of {len}");
                assert!(found[k..].iter().all(|&key| key >= found[k]), "{level} {k} of {len}");
                found.sort();
                assert_eq!(found, expected, "{level} {k} of {len}");
                found.copy_from_slice(&keys);
                if let Some(low) = W::partition_in_vectors(&mut found, expected[k], level) {
                    assert_eq!(low, expected.partition_point(|&key| key <= expected[k]), "{level} {len}");
                    assert!(found[..low].iter().all(|&key| key <= expected[k]), "{level} {len}");
                    found.sort();
                    assert_eq!(found, expected, "{level} {len}");
                }
            }
        }
    }

    #[test]
    fn keys_are_sorted_selected_and_partitioned_at_every_level() {
        for len in lengths() {
            for keys in keys(len) {
                check::<u8>(&keys, |key| key as u8);
                check::<u16>(&keys, |key| key as u16);
                check::<u32>(&keys, |key| key as u32);
                check::<u64>(&keys, |key| key);
            }
        }
    }

    #[test]
    fn pieces_of_a_merge_are_those_of_the_whole() {
        for (len_a, len_b) in [(0, 0), (0, 5), (5, 0), (1, 9), (40, 37)] {
            let mut a: Vec<u32> = (0..len_a).map(|i| i * 7 % 11).collect();
            let mut b: Vec<u32> = (0..len_b).map(|i| i * 5 % 13).collect();
            a.sort_unstable();
            b.sort_unstable();
            let mut expected = [a.clone(), b.clone()].concat();
            expected.sort();
            for pieces in 1..5 {
                let mut found = vec![0; expected.len()];
                for piece in 0..pieces {
                    let range = piece * found.len() / pieces..(piece + 1) * found.len() / pieces;
                    merge(&a, &b, range.clone(), &mut found[range]);
                }
                assert_eq!(found, expected);
            }
        }
    }
}
