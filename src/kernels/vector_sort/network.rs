//! Sorting networks: rows of keys in vectors, sorted without a branch.
//!
//! Columns are sorted first, by a network of few comparators (Green 1969 for sixteen). Then columns are merged, two, four,
//! eight at a time, until a row is as wide as a vector: each pair of rows that mirror each other within halves, quarters
//! and so on, one row with its lanes reversed, and in the end the lanes of each row. That is the balanced merging block of
//! Dowd, Perl, Rudolph and Saks (1989) on rows of two interleaved sequences, as in Blacher, Giesen, Sanders and
//! Wassenberg, "Vectorized and performance-portable quicksort" (2022).

use super::Keys;

/// Lanes compared with those whose number differs in these bits; the larger goes to where the highest of them is set.
#[inline(always)]
unsafe fn compared<V: Keys>(x: V, distance: usize) -> V {
    // SAFETY: the caller's contract.
    unsafe {
        let other = x.exchanged(distance);
        x.min(other).mixed(x.max(other), distance.ilog2() as usize)
    }
}

/// The smaller of each two lanes to `low`, the larger to `high`.
#[inline(always)]
unsafe fn compare<V: Keys>(v: &mut [V], low: usize, high: usize) {
    let (x, y) = (v[low], v[high]);
    // SAFETY: the caller's contract.
    unsafe {
        v[low] = x.min(y);
        v[high] = x.max(y);
    }
}

macro_rules! compare {
    ($v:ident, $($low:literal $high:literal),*) => {{ $(compare($v, $low, $high);)* }};
}

/// Sorts each column of at most sixteen rows; of two to eight, their number is a power of two.
#[inline(always)]
unsafe fn sort_columns<V: Keys>(v: &mut [V]) {
    // SAFETY: the caller's contract.
    unsafe {
        match v.len() {
            2 => compare!(v, 0 1),
            4 => compare!(v, 0 1, 2 3, 0 2, 1 3, 1 2),
            8 => compare!(v,
                0 1, 2 3, 4 5, 6 7, 0 2, 1 3, 4 6, 5 7, 1 2, 5 6, 0 4, 1 5, 2 6, 3 7, 2 4, 3 5, 1 2, 3 4, 5 6),
            16 => compare!(v,
                0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 0 2, 1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15,
                0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15, 0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15,
                5 10, 6 9, 3 12, 13 14, 4 8, 7 11, 1 2, 1 4, 7 13, 2 8, 11 14, 2 4, 5 6, 9 10, 11 13, 3 8, 7 12,
                6 8, 10 12, 3 5, 7 9, 3 4, 5 6, 7 8, 9 10, 11 12, 6 7, 8 9),
            _ => {}
        }
    }
}

/// Compares rows from `first` on that mirror each other, lanes of groups of `W` too, within all of `rows`, then halves of
/// them, and so on. The lanes of a row stay reversed; what follows compares them with their mirror images.
#[inline(always)]
unsafe fn compare_mirrored<V: Keys, const W: usize>(v: &mut [V], first: usize, rows: usize) {
    macro_rules! halve {
        ($($row:literal)*) => {
            // SAFETY: the caller's contract.
            unsafe {
                $(let high = first + rows - 1 - $row;
                v[high] = v[high].exchanged(W - 1);
                compare(v, first + $row, high);)*
            }
        };
    }
    match rows {
        2 => halve!(0),
        4 => halve!(0 1),
        8 => halve!(0 1 2 3),
        16 => halve!(0 1 2 3 4 5 6 7),
        _ => {}
    }
}

/// Merges columns of groups of `W / 2`, each sorted row by row, two by two.
#[inline(always)]
unsafe fn merge_columns<V: Keys, const N: usize, const W: usize>(v: &mut [V; N]) {
    if W > V::LANES {
        return;
    }
    // SAFETY: the caller's contract.
    unsafe {
        if N == 16 {
            compare_mirrored::<V, W>(v, 0, 16);
        }
        if N >= 8 {
            compare_mirrored::<V, W>(v, 0, 8);
        }
        if N == 16 {
            compare_mirrored::<V, W>(v, 8, 8);
        }
        macro_rules! quarters {
            ($rows:literal: $($first:literal)*) => {
                $(if $first + $rows <= N {
                    compare_mirrored::<V, W>(v, $first, $rows);
                })*
            };
        }
        quarters!(4: 0 4 8 12);
        quarters!(2: 0 2 4 6 8 10 12 14);
        macro_rules! rows {
            ($($row:literal)*) => {
                $(if $row < N {
                    let mut x = compared(v[$row], W - 1);
                    if W >= 32 {
                        x = compared(x, W / 4);
                        x = compared(x, W / 8);
                        x = compared(x, W / 16);
                        x = compared(x, W / 32);
                    } else if W >= 16 {
                        x = compared(x, W / 4);
                        x = compared(x, W / 8);
                        x = compared(x, W / 16);
                    } else if W >= 8 {
                        x = compared(x, W / 4);
                        x = compared(x, W / 8);
                    } else if W >= 4 {
                        x = compared(x, W / 4);
                    }
                    v[$row] = x;
                })*
            };
        }
        rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
}

/// Sorts the keys of `N` vectors, a power of two up to sixteen.
#[inline(always)]
pub(super) unsafe fn sort<V: Keys, const N: usize>(v: &mut [V; N]) {
    // SAFETY: the caller's contract.
    unsafe {
        sort_columns(v);
        merge_columns::<V, N, 2>(v);
        merge_columns::<V, N, 4>(v);
        merge_columns::<V, N, 8>(v);
        merge_columns::<V, N, 16>(v);
        merge_columns::<V, N, 32>(v);
    }
}

/// Sorts `count` keys at `from` into `to`, which may be the same; there are at most `N` vectors of them.
#[inline(always)]
pub(super) unsafe fn leaf<V: Keys, const N: usize>(from: *const V::Key, to: *mut V::Key, count: usize) {
    // SAFETY: the caller's contract; keys beyond `count` are neither read nor written.
    unsafe {
        let in_vector = |n: usize| count.saturating_sub(n * V::LANES).min(V::LANES);
        let mut vectors = [V::splat(V::LARGEST); N];
        macro_rules! rows {
            (|$n:ident| $work:expr; $($row:literal)*) => {
                $(if $row < N {
                    let $n = $row;
                    $work;
                })*
            };
        }
        // More than half of the vectors are full.
        rows!(|n| vectors[n] = match n < N / 2 {
            true => V::load(from.add(n * V::LANES)),
            false => V::load_some(from.wrapping_add(n * V::LANES), in_vector(n)),
        }; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        sort(&mut vectors);
        rows!(|n| match n < N / 2 {
            true => vectors[n].store(to.add(n * V::LANES)),
            false => vectors[n].store_some(to.wrapping_add(n * V::LANES), in_vector(n)),
        }; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
}
