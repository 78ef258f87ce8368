//! Elements as unsigned integers of their order.
//!
//! NumPy's order: NaN after every number, -0.0 equal to 0.0. [`Sortable::rank`] is that order; equal elements have one
//! rank. [`Sortable::key`] tells zeros apart, so that a number can be made of it again ([`Sortable::of_key`]); it is no
//! key of NaN.

use raptors_ir::{BF16, Bool, Element, F16};

#[cfg(target_arch = "x86_64")]
use super::vector_sort::{avx2, avx512};
use crate::runtime::level::Level;

/// Sorts words, with as many for scratch.
pub(crate) type SortWords<W> = fn(&mut [W], &mut [W]);

/// An unsigned integer that sorts as something does.
pub(crate) trait Word: Copy + Ord + Send + Sync + Sized + 'static {
    /// Its bits.
    const BITS: u32;
    /// All bits set, if `set`.
    fn mask(set: bool) -> Self;
    /// The bits in one of which the two differ.
    fn xor(self, other: Self) -> Self;
    /// `bits` bits from `low` up.
    fn digit(self, low: u32, bits: u32) -> usize;
    /// Zero-extended.
    fn widen(self) -> u64;
    /// The low bits of a number.
    fn narrowed(number: usize) -> Self;
    /// The bits that are set in either.
    fn or(self, other: Self) -> Self;
    /// Sorts keys in vectors, where `level` has some for them; whether it has. `scratch` is as long as the keys, and `deep`
    /// sorts what vectors do not divide well.
    fn sort_in_vectors(keys: &mut [Self], scratch: &mut [Self], level: Level, deep: SortWords<Self>) -> bool {
        let _ = (keys, scratch, level, deep);
        false
    }
    /// Puts the keys that are not above a bound first, in vectors; how many they are, if `level` has some for them.
    fn partition_in_vectors(keys: &mut [Self], bound: Self, level: Level) -> Option<usize> {
        let _ = (keys, bound, level);
        None
    }
    /// Rearranges keys in vectors so that the one at `k` is that of the sorted keys; whether `level` has some for them.
    fn select_in_vectors(
        keys: &mut [Self],
        scratch: &mut [Self],
        k: usize,
        level: Level,
        deep: SortWords<Self>,
    ) -> bool {
        let _ = (keys, scratch, k, level, deep);
        false
    }
}

/// Keys up to which quicksort in vectors of AVX2 is faster than what else there is, of up to 32 bits and of 64, where minima
/// and maxima are two instructions more and fewer keys are compared one by one. 1,000 of `float64` take NumPy 6.2 us, vectors
/// 8.4, comparisons 9.3; their positions NumPy 16.8, vectors 11.5, digits 18.1 (Zen 3, from Python).
#[cfg(target_arch = "x86_64")]
const MOST_IN_AVX2: [usize; 2] = [2048, 1024];

macro_rules! words {
    ($($t:ident $($sort:ident $select:ident $partition:ident $kind:ident)?;)*) => {
        $(impl Word for $t {
            const BITS: u32 = $t::BITS;
            #[inline(always)]
            fn mask(set: bool) -> $t { if set { $t::MAX } else { 0 } }
            #[inline(always)]
            fn xor(self, other: $t) -> $t { self ^ other }
            #[inline(always)]
            fn digit(self, low: u32, bits: u32) -> usize { (self >> low) as usize & ((1 << bits) - 1) }
            #[inline(always)]
            fn widen(self) -> u64 { self as u64 }
            #[inline(always)]
            fn narrowed(number: usize) -> $t { number as $t }
            #[inline(always)]
            fn or(self, other: $t) -> $t { self | other }
            $(
                #[cfg(target_arch = "x86_64")]
                fn sort_in_vectors(
                    keys: &mut [$t], scratch: &mut [$t], level: Level, deep: SortWords<$t>,
                ) -> bool {
                    let pays_in_avx2 = keys.len() <= MOST_IN_AVX2[usize::from($t::BITS == 64)];
                    words!(@$kind level, pays_in_avx2, $sort(keys, scratch, deep)).is_some()
                }
                #[cfg(target_arch = "x86_64")]
                fn select_in_vectors(
                    keys: &mut [$t], scratch: &mut [$t], k: usize, level: Level, deep: SortWords<$t>,
                ) -> bool {
                    words!(@$kind level, true, $select(keys, scratch, k, deep)).is_some()
                }
                #[cfg(target_arch = "x86_64")]
                fn partition_in_vectors(keys: &mut [$t], bound: $t, level: Level) -> Option<usize> {
                    words!(@$kind level, true, $partition(keys, bound))
                }
            )?
        })*
    };
    (@both $level:ident, $pays_in_avx2:expr, $f:ident($($argument:ident),*)) => {
        match $level {
            // SAFETY: the level says that the CPU has the features.
            Level::Avx512 => Some(unsafe { avx512::$f($($argument),*) }),
            // SAFETY: as above; every CPU with AVX2 has `popcnt`.
            Level::Avx2 if $pays_in_avx2 => Some(unsafe { avx2::$f($($argument),*) }),
            Level::Avx2 | Level::Baseline => None,
        }
    };
    (@avx512 $level:ident, $pays_in_avx2:expr, $f:ident($($argument:ident),*)) => {{
        let _ = $pays_in_avx2;
        let is_there = $level == Level::Avx512
            && std::arch::is_x86_feature_detected!("avx512vbmi")
            && std::arch::is_x86_feature_detected!("avx512vbmi2");
        // SAFETY: the CPU has the features.
        is_there.then(|| unsafe { avx512::$f($($argument),*) })
    }};
}
words! {
    u8;
    u16 sort_narrowest select_narrowest partition_narrowest avx512;
    u32 sort_narrow select_narrow partition_narrow both;
    u64 sort_wide select_wide partition_wide both;
}

/// An element that can be put in order.
pub(crate) trait Sortable: Element {
    /// The integer of its size.
    type Key: Word;
    /// Whether there are elements that are equal and not the same, and NaN.
    const IS_FLOAT: bool;
    /// Whether keys have the bits of their elements.
    const IS_KEY: bool;
    /// Whether it is not a number.
    fn is_nan(self) -> bool;
    /// The order of numbers, -0.0 just before 0.0.
    fn key(self) -> Self::Key;
    /// The number that has this key.
    fn of_key(key: Self::Key) -> Self;
    /// The order of all elements: the largest for NaN, that of 0.0 for -0.0.
    fn rank(self) -> Self::Key;
    /// Whether the rank is less than that of a number.
    fn is_less(self, number: Self) -> bool;
    /// Whether the rank is that of a number or less.
    fn is_at_most(self, number: Self) -> bool;
}

macro_rules! integers {
    ($($t:ident: $key:ident, $flip:expr;)*) => {
        $(impl Sortable for $t {
            type Key = $key;
            const IS_FLOAT: bool = false;
            const IS_KEY: bool = { let flip: $key = $flip; flip == 0 };
            #[inline(always)]
            fn is_nan(self) -> bool { false }
            #[inline(always)]
            fn key(self) -> $key { self as $key ^ $flip }
            #[inline(always)]
            fn of_key(key: $key) -> $t { (key ^ $flip) as $t }
            #[inline(always)]
            fn rank(self) -> $key { self.key() }
            #[inline(always)]
            fn is_less(self, number: $t) -> bool { self < number }
            #[inline(always)]
            fn is_at_most(self, number: $t) -> bool { self <= number }
        })*
    };
}
integers! {
    u8: u8, 0; u16: u16, 0; u32: u32, 0; u64: u64, 0;
    i8: u8, 1 << 7; i16: u16, 1 << 15; i32: u32, 1 << 31; i64: u64, 1 << 63;
}

impl Sortable for Bool {
    type Key = u8;
    const IS_FLOAT: bool = false;
    const IS_KEY: bool = false;
    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }
    #[inline(always)]
    fn key(self) -> u8 {
        u8::from(self.get())
    }
    #[inline(always)]
    fn of_key(key: u8) -> Bool {
        Bool::from(key != 0)
    }
    #[inline(always)]
    fn rank(self) -> u8 {
        self.key()
    }
    #[inline(always)]
    fn is_less(self, number: Bool) -> bool {
        self.key() < number.key()
    }
    #[inline(always)]
    fn is_at_most(self, number: Bool) -> bool {
        self.key() <= number.key()
    }
}

macro_rules! floats {
    ($($t:ident: $key:ident, $signed:ident, $infinity:expr $(, $ordered:ident)?;)*) => {
        $(impl Sortable for $t {
            type Key = $key;
            const IS_FLOAT: bool = true;
            const IS_KEY: bool = false;
            #[inline(always)]
            fn is_nan(self) -> bool { self.to_bits() & ($key::MAX >> 1) > $infinity }
            #[inline(always)]
            fn key(self) -> $key {
                let bits = self.to_bits();
                bits ^ ((bits as $signed >> ($key::BITS - 1)) as $key | 1 << ($key::BITS - 1))
            }
            #[inline(always)]
            fn of_key(key: $key) -> $t {
                let sign = 1 << ($key::BITS - 1);
                $t::from_bits(key ^ (!((key as $signed >> ($key::BITS - 1)) as $key) | sign))
            }
            #[inline(always)]
            fn rank(self) -> $key {
                let zero = 1 << ($key::BITS - 1);
                let key = if self.to_bits() == zero { zero } else { self.key() };
                if Sortable::is_nan(self) { $key::MAX } else { key }
            }
            // The CPU's comparisons are false for NaN, as those of its rank with that of a number.
            #[inline(always)]
            fn is_less(self, number: $t) -> bool { self$(.$ordered())? < number$(.$ordered())? }
            #[inline(always)]
            fn is_at_most(self, number: $t) -> bool { self$(.$ordered())? <= number$(.$ordered())? }
        })*
    };
}
floats! {
    f32: u32, i32, f32::INFINITY.to_bits();
    f64: u64, i64, f64::INFINITY.to_bits();
    F16: u16, i16, 0x7c00, rank;
    BF16: u16, i16, 0x7f80, rank;
}
