//! Rows put in order, and partly in order.
//!
//! A row becomes integers in place, is sorted as these, and becomes elements again. NaNs are set apart, in the order they
//! have. A float's key tells -0.0 from 0.0, which are equal: where there are both, they are put back in the
//! order they had, so that sorting is stable to the last bit. Positions are sorted in one word with the rank of the
//! element there, which is the same for equal elements.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use raptors_ir::Order;

use super::radix;
use super::sort_key::{Sortable, Word};
use crate::runtime::buffer::{Buffer, OutOfMemory};
use crate::runtime::level::Level;

/// Does some work for each range of `0..len`, perhaps on many threads.
pub(crate) type Share<'a> = &'a dyn Fn(usize, &(dyn Fn(Range<usize>) + Sync));

/// Puts a row in order by `sort_words`, which gets the integers and as many for scratch; `share` cuts what goes over all
/// elements.
///
/// # Errors
///
/// Where there are zeros of both signs, and no memory to note them in.
pub(crate) fn sort<T: Sortable>(
    row: &mut [T],
    order: Order,
    scratch: &mut [T::Key],
    level: Level,
    share: Share<'_>,
    sort_words: impl FnOnce(&mut [T::Key], &mut [T::Key]),
) -> Result<(), OutOfMemory> {
    let mut keys = Keys::of(row, order, level, share);
    let numbers = keys.set_nans_apart(scratch);
    let zeros = keys.signs_of_zeros(numbers.clone())?;
    sort_words(&mut keys.row[numbers.clone()], scratch);
    if let Some(mut signs) = zeros {
        let (zero, negative) = keys.zeros();
        let first = numbers.start + keys.row[numbers].partition_point(|&key| key < zero.min(negative));
        for (key, sign) in keys.row[first..].iter_mut().zip(signs.iter()) {
            *key = if sign { negative } else { zero };
        }
    }
    keys.into_elements(level, share);
    Ok(())
}

/// Rearranges a row by `select`, which gets its numbers as integers, and scratch memory for as many.
pub(crate) fn partition<T: Sortable>(
    row: &mut [T],
    scratch: &mut [T::Key],
    level: Level,
    share: Share<'_>,
    select: impl FnOnce(&mut [T::Key], &mut [T::Key]),
) {
    let mut keys = Keys::of(row, Order::Ascending, level, share);
    let numbers = keys.set_nans_apart(scratch);
    select(&mut keys.row[numbers], scratch);
    keys.into_elements(level, share);
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
        if !W::select_in_vectors(rest, scratch, at, level, radix::sort_by_digits) {
            rest.select_nth_unstable(at);
        }
        rest = &mut rest[at + 1..];
        start = k + 1;
    }
}

/// A row as keys, which are the elements again in the end.
struct Keys<'a, T: Sortable> {
    row: &'a mut [T::Key],
    order: Order,
    has_nans: bool,
    has_negative_zeros: bool,
}

/// The address of keys that threads share.
struct Base<K>(*mut K);

// SAFETY: the address is only a number here; whoever dereferences it argues why.
unsafe impl<K> Sync for Base<K> {}

impl<K> Base<K> {
    fn at(&self, i: usize) -> *mut K {
        self.0.wrapping_add(i)
    }
}

impl<'a, T: Sortable> Keys<'a, T> {
    fn of(row: &'a mut [T], order: Order, level: Level, share: Share<'_>) -> Keys<'a, T> {
        // SAFETY: keys have the size and alignment of their elements, and both take any bits.
        let row = unsafe { &mut *(std::ptr::from_mut(row) as *mut [T::Key]) };
        let mut keys = Keys { row, order, has_nans: false, has_negative_zeros: false };
        if keys.are_elements() {
            return keys;
        }
        let (has_nans, has_negative_zeros) = (AtomicBool::new(false), AtomicBool::new(false));
        let (len, base, mask) = (keys.row.len(), Base(keys.row.as_mut_ptr()), keys.mask());
        share(len, &|range| {
            let mut special = [T::Key::mask(false); 2];
            // SAFETY: the range is within the row, and nobody else's.
            unsafe { to_keys::<T>(level)(base.at(range.start), range.len(), mask, &mut special) };
            let found = special.map(|bits| bits != T::Key::mask(false));
            has_nans.fetch_or(found[0], Relaxed);
            has_negative_zeros.fetch_or(found[1], Relaxed);
        });
        keys.has_nans = has_nans.into_inner();
        keys.has_negative_zeros = has_negative_zeros.into_inner();
        keys
    }

    fn into_elements(self, level: Level, share: Share<'_>) {
        if self.are_elements() {
            return;
        }
        let (len, base, mask) = (self.row.len(), Base(self.row.as_mut_ptr()), self.mask());
        // SAFETY: the range is within the row, and nobody else's.
        share(len, &|range| unsafe { of_keys::<T>(level)(base.at(range.start), range.len(), mask) });
    }

    fn are_elements(&self) -> bool {
        T::IS_KEY && self.order == Order::Ascending
    }

    /// What makes keys of an order of those of the ascending one.
    fn mask(&self) -> T::Key {
        T::Key::mask(self.order == Order::Descending)
    }

    /// The keys of 0.0 and -0.0.
    fn zeros(&self) -> (T::Key, T::Key) {
        let zero = T::default().key();
        // Those of both signs are each other's complement.
        (zero.xor(self.mask()), zero.xor(T::Key::mask(true)).xor(self.mask()))
    }

    /// Moves NaNs to the end, or for a descending order to the start, in the order they have; where the numbers are then.
    /// `scratch` is as long as the row.
    fn set_nans_apart(&mut self, scratch: &mut [T::Key]) -> Range<usize> {
        let len = self.row.len();
        if !self.has_nans {
            return 0..len;
        }
        let (mut numbers, mut found) = (0, 0);
        for i in 0..len {
            let key = self.row[i];
            if T::of_key(key.xor(self.mask())).is_nan() {
                scratch[found] = key;
                found += 1;
            } else {
                self.row[numbers] = key;
                numbers += 1;
            }
        }
        let nans = &scratch[..found];
        match self.order {
            Order::Ascending => {
                self.row[numbers..].copy_from_slice(nans);
                0..numbers
            }
            Order::Descending => {
                self.row.copy_within(..numbers, found);
                self.row[..found].copy_from_slice(nans);
                found..len
            }
        }
    }

    /// The signs of the zeros among these keys, if there are zeros of both.
    fn signs_of_zeros(&self, numbers: Range<usize>) -> Result<Option<Signs>, OutOfMemory> {
        if !self.has_negative_zeros {
            return Ok(None);
        }
        let (zero, negative) = self.zeros();
        let row = &self.row[numbers];
        let count = |wanted: T::Key| row.iter().map(|&key| usize::from(key == wanted)).sum::<usize>();
        let (zeros, negatives) = (count(zero), count(negative));
        if zeros == 0 {
            return Ok(None);
        }
        let len = zeros + negatives;
        let mut bytes = Buffer::allocate(len)?;
        for (i, &key) in row.iter().filter(|&&key| key == zero || key == negative).enumerate() {
            // SAFETY: there are `len` zeros, and as many bytes.
            unsafe { *bytes.as_mut_ptr().add(i) = u8::from(key == negative) };
        }
        Ok(Some(Signs { bytes, len }))
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

/// Bits of which some are set if there was a NaN, and if there was a negative zero.
type Special<K> = [K; 2];

leveled! {
    fn to_keys<T: Sortable>(
        row: *mut T::Key, len: usize, mask: T::Key, special: &mut Special<T::Key>,
    ) = to_keys_body
}

/// Makes keys of elements.
///
/// # Safety
///
/// There are `len` elements in the row, in place of keys.
#[inline(always)]
unsafe fn to_keys_body<T: Sortable>(
    row: *mut T::Key,
    len: usize,
    mask: T::Key,
    special: &mut Special<T::Key>,
) {
    let negative_zero = T::default().key().xor(T::Key::mask(true));
    let [mut nans, mut negative_zeros] = *special;
    for i in 0..len {
        // SAFETY: the index is within the row; keys have the size of their elements, and both take any bits.
        unsafe {
            let x = row.add(i).cast::<T>().read();
            let key = x.key();
            if T::IS_FLOAT {
                nans = nans.or(T::Key::mask(x.is_nan()));
                negative_zeros = negative_zeros.or(T::Key::mask(key == negative_zero));
            }
            row.add(i).write(key.xor(mask));
        }
    }
    *special = [nans, negative_zeros];
}

leveled! {
    fn of_keys<T: Sortable>(row: *mut T::Key, len: usize, mask: T::Key) = of_keys_body
}

/// Makes elements of keys.
///
/// # Safety
///
/// There are `len` keys in the row.
#[inline(always)]
unsafe fn of_keys_body<T: Sortable>(row: *mut T::Key, len: usize, mask: T::Key) {
    for i in 0..len {
        // SAFETY: the index is within the row; keys have the size of their elements, and both take any bits.
        unsafe {
            let key = row.add(i);
            let x = T::of_key(key.read().xor(mask));
            key.cast::<T>().write(x);
        }
    }
}
