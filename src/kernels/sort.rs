//! Rows put in order, and partly in order.
//!
//! A row becomes integers in place, is sorted as these, and becomes elements again. NaNs are set apart first, in the
//! order they have. A float's key tells -0.0 from 0.0, which are equal: where there are both, they are put back in the
//! order they had, so that sorting is stable to the last bit. Positions are sorted in one word with the rank of the
//! element there, which is the same for equal elements.

use std::ops::Range;

use raptors_ir::Order;

use super::sort_key::{Sortable, Word};
use crate::runtime::buffer::{Buffer, OutOfMemory};
use crate::runtime::level::Level;

/// Puts a row in order by `sort_words`, which gets the integers and as many for scratch.
///
/// # Errors
///
/// Where there are zeros of both signs, and no memory to note them in.
pub(crate) fn sort<T: Sortable>(
    row: &mut [T],
    order: Order,
    scratch: &mut [T::Key],
    sort_words: impl FnOnce(&mut [T::Key], &mut [T::Key]),
) -> Result<(), OutOfMemory> {
    let special = Special::of(row);
    let numbers = set_nans_apart(row, special.nans, order, scratch);
    let row = &mut row[numbers];
    let mut zeros = signs_of_zeros(row, special.negative_zeros)?;
    let keys = to_keys(row, order);
    sort_words(keys, scratch);
    of_keys(row, order);
    if let Some(signs) = &mut zeros {
        let first = row.partition_point(|&x| match order {
            Order::Ascending => x.rank() < T::default().rank(),
            Order::Descending => x.rank() > T::default().rank(),
        });
        let zero = T::default();
        let negative = T::of_key(before(zero));
        for (x, sign) in row[first..].iter_mut().zip(signs.iter()) {
            *x = if sign { negative } else { zero };
        }
    }
    Ok(())
}

/// Rearranges a row so that its elements at the positions `kth`, which ascend, are those of the sorted row.
pub(crate) fn partition<T: Sortable>(row: &mut [T], kth: &[usize], scratch: &mut [T::Key], level: Level) {
    let nans = Special::of(row).nans;
    let numbers = set_nans_apart(row, nans, Order::Ascending, scratch);
    let row = &mut row[numbers];
    select(to_keys(row, Order::Ascending), kth, scratch, level);
    of_keys(row, Order::Ascending);
}

/// Positions packed with the ranks of their elements, as words that sort as the elements do.
///
/// A word has as much of the rank, less the smallest one, as the position leaves room for. Where that is not all of it, as for
/// floats of 64 bits, elements with one word but for the position are put in order afterwards, by [`Packed::mend`].
pub(crate) struct Packed {
    position_bits: u32,
    rank_bits: u32,
    /// Bits of the ranks that the words leave out.
    dropped_bits: u32,
}

/// The order of an element, in the low bits.
fn rank<T: Sortable>(x: T, order: Order) -> u64 {
    x.rank().xor(T::Key::mask(order == Order::Descending)).widen()
}

impl Packed {
    /// Fills `words` for the elements of a row, which is not empty.
    pub(crate) fn new<T: Sortable>(row: &[T], order: Order, words: &mut [u64]) -> Packed {
        let (mut smallest, mut largest) = (u64::MAX, 0);
        for (word, &x) in words.iter_mut().zip(row) {
            *word = rank(x, order);
            (smallest, largest) = (smallest.min(*word), largest.max(*word));
        }
        let bits = |number: u64| u64::BITS - number.leading_zeros();
        let (position_bits, all_bits) = (bits(row.len() as u64 - 1), bits(largest - smallest));
        let dropped_bits = (all_bits + position_bits).saturating_sub(u64::BITS);
        for (position, word) in words.iter_mut().enumerate() {
            *word = (*word - smallest) >> dropped_bits << position_bits | position as u64;
        }
        Packed { position_bits, rank_bits: all_bits - dropped_bits, dropped_bits }
    }

    /// The bits of the words that they are to be sorted by; the position is below.
    pub(crate) fn bits(&self) -> Range<u32> {
        self.position_bits..self.position_bits + self.rank_bits
    }

    /// Whether the words are in the order of the elements.
    pub(crate) fn is_exact(&self) -> bool {
        self.dropped_bits == 0
    }

    /// The position of a word.
    pub(crate) fn position(&self, word: u64) -> usize {
        (word & ((1u64 << self.position_bits) - 1)) as usize
    }

    /// Puts sorted words in order by what was left out of them.
    pub(crate) fn mend<T: Sortable>(&self, row: &[T], order: Order, words: &mut [u64]) {
        if self.is_exact() {
            return;
        }
        let is_alike = |a: &u64, b: &u64| a >> self.position_bits == b >> self.position_bits;
        for alike in words.chunk_by_mut(is_alike).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by_key(|&word| {
                let position = self.position(word);
                (rank(row[position], order), position)
            });
        }
    }
}

/// Rearranges positions so that those at `kth`, which ascend, are those of the sorted row.
pub(crate) fn select_positions<T: Sortable>(row: &[T], positions: &mut [u64], kth: &[usize]) {
    let (mut rest, mut start) = (positions, 0);
    for &k in kth {
        let by = |&position: &u64| row[position as usize].rank();
        (_, _, rest) = rest.select_nth_unstable_by_key(k - start, by);
        start = k + 1;
    }
}

/// Rearranges words so that those at the positions `kth`, which ascend, are those of the sorted words. `scratch` is at
/// least as long.
pub(crate) fn select<W: Word>(words: &mut [W], kth: &[usize], scratch: &mut [W], level: Level) {
    let (mut rest, mut start) = (words, 0);
    for &k in kth {
        let at = k - start;
        if at >= rest.len() {
            return;
        }
        if !W::select_in_vectors(rest, scratch, at, level) {
            rest.select_nth_unstable(at);
        }
        rest = &mut rest[at + 1..];
        start = k + 1;
    }
}

/// How many elements of a row need more than their key.
struct Special {
    nans: usize,
    negative_zeros: usize,
}

impl Special {
    fn of<T: Sortable>(row: &[T]) -> Special {
        /// Elements that are counted in few bits, so that a vector holds many counts.
        const CHUNK: usize = 1 << 15;
        let mut special = Special { nans: 0, negative_zeros: 0 };
        if !T::IS_FLOAT {
            return special;
        }
        let negative_zero = before(T::default());
        for chunk in row.chunks(CHUNK) {
            let (mut nans, mut negative_zeros) = (0u32, 0u32);
            for &x in chunk {
                nans += u32::from(is_nan(x));
                negative_zeros += u32::from(x.key() == negative_zero);
            }
            special.nans += nans as usize;
            special.negative_zeros += negative_zeros as usize;
        }
        special
    }
}

#[inline(always)]
#[expect(clippy::eq_op, reason = "the comparison is the test for NaN of a generic element")]
fn is_nan<T: Sortable>(x: T) -> bool {
    x != x
}

/// Moves NaNs, of which there are `count`, to the end, or for a descending order to the start; where the numbers are
/// then. `scratch` is as long as the row.
fn set_nans_apart<T: Sortable>(
    row: &mut [T],
    count: usize,
    order: Order,
    scratch: &mut [T::Key],
) -> Range<usize> {
    let len = row.len();
    if count == 0 {
        return 0..len;
    }
    // SAFETY: keys have the size and alignment of their elements, and both take any bits.
    let nans = unsafe { &mut *(std::ptr::from_mut(&mut scratch[..count]) as *mut [T]) };
    let (mut numbers, mut found) = (0, 0);
    for i in 0..len {
        let x = row[i];
        if is_nan(x) {
            nans[found] = x;
            found += 1;
        } else {
            row[numbers] = x;
            numbers += 1;
        }
    }
    match order {
        Order::Ascending => {
            row[numbers..].copy_from_slice(nans);
            0..numbers
        }
        Order::Descending => {
            row.copy_within(..numbers, count);
            row[..count].copy_from_slice(nans);
            count..len
        }
    }
}

/// The signs of zeros, in the order they have.
struct Signs {
    bytes: Buffer,
    len: usize,
}

impl Signs {
    fn iter(&mut self) -> impl Iterator<Item = bool> {
        let bytes = self.bytes.as_mut_ptr();
        // SAFETY: `len` bytes have been written.
        (0..self.len).map(move |i| unsafe { *bytes.add(i) != 0 })
    }
}

/// The signs of the zeros of a row, so many of them negative, if it has zeros of both.
fn signs_of_zeros<T: Sortable>(row: &[T], negatives: usize) -> Result<Option<Signs>, OutOfMemory> {
    if negatives == 0 {
        return Ok(None);
    }
    let (zero, negative) = (T::default().key(), before(T::default()));
    let zeros = row.iter().map(|&x| usize::from(x.key() == zero)).sum::<usize>();
    if zeros == 0 {
        return Ok(None);
    }
    let len = zeros + negatives;
    let mut bytes = Buffer::allocate(len)?;
    let is_zero = |x: &&T| x.key() == zero || x.key() == negative;
    for (i, x) in row.iter().filter(is_zero).enumerate() {
        // SAFETY: there are `len` zeros, and as many bytes.
        unsafe { *bytes.as_mut_ptr().add(i) = u8::from(x.key() == negative) };
    }
    Ok(Some(Signs { bytes, len }))
}

/// The key of -0.0, given 0.0.
fn before<T: Sortable>(zero: T) -> T::Key {
    // The keys of both signs are each other's complement.
    zero.key().xor(T::Key::mask(true))
}

fn to_keys<T: Sortable>(row: &mut [T], order: Order) -> &mut [T::Key] {
    let mask = T::Key::mask(order == Order::Descending);
    // SAFETY: keys have the size and alignment of their elements, and both take any bits.
    let keys = unsafe { &mut *(std::ptr::from_mut(row) as *mut [T::Key]) };
    let start = keys.as_mut_ptr();
    for i in 0..keys.len() {
        // SAFETY: the index is within the row.
        unsafe { *start.add(i) = start.cast::<T>().add(i).read().key().xor(mask) };
    }
    keys
}

fn of_keys<T: Sortable>(row: &mut [T], order: Order) {
    let mask = T::Key::mask(order == Order::Descending);
    for x in row {
        // SAFETY: a key has the size of its element, and takes any bits.
        let key = unsafe { std::mem::transmute_copy::<T, T::Key>(x) };
        *x = T::of_key(key.xor(mask));
    }
}
