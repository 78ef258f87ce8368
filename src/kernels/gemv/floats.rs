//! Sums of products of floats in the vectors of a level. Products are rounded before they are added.
//!
//! The compiler keeps the sums of plain loops in memory, or in one lane, from one release and level to the next; so
//! these are written in vectors.

#![allow(
    clippy::needless_range_loop,
    reason = "an index is that of several arrays, and iterators are not always inlined"
)]

use super::{Axpy, Dots};
use crate::kernels::lanes::{Vector, Vectors};
use crate::kernels::ring::Ring;
use crate::runtime::level::Level;

/// Bytes of the lanes of a dot product.
const LANE_BYTES: usize = 128;
/// The most lanes: of `f32`.
const LANES: usize = LANE_BYTES / size_of::<f32>();
/// Columns that are added to a vector of sums before it is stored.
const COLUMNS: usize = 8;
/// Bytes of a row from which four are read side by side by registers for two.
const LONG_ROW: usize = 4 << 10;
/// Bytes at the end of a row beside which the begin of the next ones is asked for: the CPU foresees but what follows in a row.
const AHEAD: usize = 2 << 10;

/// Declares functions of a level that call a generic body with the level's vectors.
macro_rules! leveled_vectors {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*): $result:ident = $body:ident) => {
        $(#[$doc])*
        pub(in crate::kernels) fn $name<T: Ring + Vectors>(level: Level) -> $result {
            unsafe fn baseline<T: Ring + Vectors>($($arg: $type),*) {
                // SAFETY: the contract is the caller's.
                unsafe { $body::<T, T::Baseline>($($arg),*) }
            }
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
            unsafe fn avx2<T: Ring + Vectors>($($arg: $type),*) {
                // SAFETY: the contract is the caller's.
                unsafe { $body::<T, T::Avx2>($($arg),*) }
            }
            #[cfg_attr(
                target_arch = "x86_64",
                target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma")
            )]
            unsafe fn avx512<T: Ring + Vectors>($($arg: $type),*) {
                // SAFETY: the contract is the caller's.
                unsafe { $body::<T, T::Avx512>($($arg),*) }
            }
            match level {
                Level::Baseline => baseline::<T>,
                Level::Avx2 => avx2::<T>,
                Level::Avx512 => avx512::<T>,
            }
        }
    };
}

pub(in crate::kernels) use leveled_vectors;

leveled_vectors! {
    /// The dot products of `count` rows with a vector.
    dots(rows: *const u8, stride: isize, count: usize, y: *const u8, n: usize, out: *mut u8): Dots = dots_body
}

/// # Safety
///
/// That of [`Dots`].
#[inline(always)]
unsafe fn dots_body<T: Ring + Vectors, V: Vector<Elem = T>>(
    rows: *const u8,
    stride: isize,
    count: usize,
    y: *const u8,
    n: usize,
    out: *mut u8,
) {
    let matrix = (rows.cast::<T>(), stride);
    let (y, out) = (y.cast::<T>(), out.cast::<T>());
    // SAFETY: the contract is the caller's. As many vectors have the lanes, and rows as fit in registers, or where rows are
    // long, so that memory is what takes time, as it serves well side by side.
    unsafe {
        match LANE_BYTES / (V::WIDTH * size_of::<T>()) {
            1 => by_rows::<T, V, 4, 1>(matrix, count, y, n, out),
            2 if n * size_of::<T>() >= LONG_ROW => by_rows::<T, V, 4, 2>(matrix, count, y, n, out),
            2 => by_rows::<T, V, 2, 2>(matrix, count, y, n, out),
            4 => by_rows::<T, V, 2, 4>(matrix, count, y, n, out),
            16 => by_rows::<T, V, 1, 16>(matrix, count, y, n, out),
            _ => by_rows::<T, V, 1, 32>(matrix, count, y, n, out),
        }
    }
}

/// # Safety
///
/// That of [`Dots`].
#[inline(always)]
unsafe fn by_rows<T: Ring + Vectors, V: Vector<Elem = T>, const ROWS: usize, const N: usize>(
    (rows, stride): (*const T, isize),
    count: usize,
    y: *const T,
    n: usize,
    out: *mut T,
) {
    let from = |row: usize| (rows.wrapping_offset(row as isize * stride), stride);
    let whole = count - count % ROWS;
    // SAFETY: the contract is the caller's, for some of the rows.
    unsafe {
        for row in (0..whole).step_by(ROWS) {
            some_dots::<T, V, ROWS, N>(from(row), y, n, out.add(row));
        }
        for row in whole..count {
            some_dots::<T, V, 1, N>(from(row), y, n, out.add(row));
        }
    }
}

/// # Safety
///
/// That of [`Dots`], for `ROWS` rows.
#[inline(always)]
unsafe fn some_dots<T: Ring + Vectors, V: Vector<Elem = T>, const ROWS: usize, const N: usize>(
    (rows, stride): (*const T, isize),
    y: *const T,
    n: usize,
    out: *mut T,
) {
    const {
        assert!(
            LONG_ROW >= AHEAD && AHEAD.is_multiple_of(LANE_BYTES),
            "there is a whole number of groups before"
        )
    }
    assert!(N * V::WIDTH <= LANES, "the arrays have room for the lanes");
    let group = N * V::WIDTH;
    let whole = n - n % group;
    // SAFETY: whoever calls this has the instructions. Vectors end before `whole`, and what is left is in arrays of a group.
    unsafe {
        let lanes = V::assume();
        let mut sums = [[lanes.float(T::default()); N]; ROWS];
        let mut row = [rows; ROWS];
        for r in 0..ROWS {
            row[r] = rows.wrapping_offset(r as isize * stride);
        }
        let is_long = whole * size_of::<T>() >= LONG_ROW;
        let near_end = if is_long { whole - AHEAD / size_of::<T>() } else { whole };
        let mut at = 0;
        while at < near_end {
            add_products(lanes, &mut sums, &row, y, at);
            at += group;
        }
        while at < whole {
            for r in 0..ROWS {
                let next = row[r].wrapping_offset(ROWS as isize * stride).wrapping_add(at - near_end);
                prefetch(next.cast());
                prefetch(next.cast::<u8>().wrapping_add(LANE_BYTES / 2));
            }
            add_products(lanes, &mut sums, &row, y, at);
            at += group;
        }
        for v in 0..N {
            let at = whole + v * V::WIDTH;
            let count = n.saturating_sub(at).min(V::WIDTH);
            if count == V::WIDTH {
                add_product(lanes, &mut sums, v, |r| row[r].wrapping_add(at), y.add(at));
            } else if count > 0 {
                // Zeros add nothing to sums that began as zero.
                let mut rest = [[T::default(); LANES]; ROWS];
                let mut rest_of_y = [T::default(); LANES];
                rest_of_y.as_mut_ptr().copy_from_nonoverlapping(y.add(at), count);
                for r in 0..ROWS {
                    rest[r].as_mut_ptr().copy_from_nonoverlapping(row[r].add(at), count);
                }
                add_product(lanes, &mut sums, v, |r| rest[r].as_ptr(), rest_of_y.as_ptr());
            }
        }
        for r in 0..ROWS {
            let mut lane = [T::default(); LANES];
            for v in 0..N {
                lanes.store(sums[r][v], lane.as_mut_ptr().add(v * V::WIDTH));
            }
            let mut half = group / 2;
            while half > 0 {
                for l in 0..half {
                    lane[l] = lane[l].add(lane[l + half]);
                }
                half /= 2;
            }
            out.add(r).write_unaligned(lane[0]);
        }
    }
}

/// Adds the products of a group of elements from `at` on to the lanes of each row.
///
/// # Safety
///
/// The CPU has the instructions of the vectors; rows and `y` have the elements.
#[inline(always)]
unsafe fn add_products<V: Vector, const ROWS: usize, const N: usize>(
    lanes: V,
    sums: &mut [[V::Float; N]; ROWS],
    rows: &[*const V::Elem; ROWS],
    y: *const V::Elem,
    at: usize,
) {
    for v in 0..N {
        let at = at + v * V::WIDTH;
        // SAFETY: the contract is the caller's.
        unsafe { add_product(lanes, sums, v, |r| rows[r].wrapping_add(at), y.add(at)) };
    }
}

/// Adds the products of a vector of elements of each row to vector `v` of its lanes.
///
/// # Safety
///
/// As for [`add_products`]; `x` says where those of a row are.
#[inline(always)]
unsafe fn add_product<V: Vector, const ROWS: usize, const N: usize>(
    lanes: V,
    sums: &mut [[V::Float; N]; ROWS],
    v: usize,
    x: impl Fn(usize) -> *const V::Elem,
    y: *const V::Elem,
) {
    // SAFETY: the contract is the caller's.
    let y = unsafe { lanes.load(y) };
    for r in 0..ROWS {
        // SAFETY: as above.
        let x = unsafe { lanes.load(x(r)) };
        sums[r][v] = lanes.add(sums[r][v], lanes.mul(x, y));
    }
}

/// Asks for a line of memory, which may be anywhere.
#[inline(always)]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch touches nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

leveled_vectors! {
    /// Columns times elements of a vector, added to sums.
    axpy(columns: *const u8, stride: isize, x: *const u8, k: usize, sums: *mut u8, n: usize): Axpy = axpy_body
}

/// # Safety
///
/// That of [`Axpy`].
#[inline(always)]
unsafe fn axpy_body<T: Ring + Vectors, V: Vector<Elem = T>>(
    columns: *const u8,
    stride: isize,
    x: *const u8,
    k: usize,
    sums: *mut u8,
    n: usize,
) {
    let column = |p: usize| columns.cast::<T>().wrapping_offset(p as isize * stride);
    let (x, sums) = (x.cast::<T>(), sums.cast::<T>());
    let whole = k - k % COLUMNS;
    // SAFETY: the contract is the caller's, for some of the columns.
    unsafe {
        for p in (0..whole).step_by(COLUMNS) {
            some_columns::<T, V, COLUMNS>((column(p), stride), x.add(p), sums, n);
        }
        for p in whole..k {
            some_columns::<T, V, 1>((column(p), stride), x.add(p), sums, n);
        }
    }
}

/// # Safety
///
/// That of [`Axpy`], for `K` columns.
#[inline(always)]
unsafe fn some_columns<T: Ring + Vectors, V: Vector<Elem = T>, const K: usize>(
    (columns, stride): (*const T, isize),
    x: *const T,
    sums: *mut T,
    n: usize,
) {
    let whole = n - n % V::WIDTH;
    // SAFETY: whoever calls this has the instructions. Vectors end before `whole`, and elements before `n`.
    unsafe {
        let lanes = V::assume();
        let mut factors = [T::default(); K];
        let (mut splat, mut column) = ([lanes.float(T::default()); K], [columns; K]);
        for p in 0..K {
            factors[p] = x.add(p).read_unaligned();
            splat[p] = lanes.float(factors[p]);
            column[p] = columns.wrapping_offset(p as isize * stride);
        }
        let mut at = 0;
        while at < whole {
            let mut sum = lanes.load(sums.add(at));
            for p in 0..K {
                sum = lanes.add(sum, lanes.mul(lanes.load(column[p].add(at)), splat[p]));
            }
            lanes.store(sum, sums.add(at));
            at += V::WIDTH;
        }
        for at in whole..n {
            let mut sum = sums.add(at).read_unaligned();
            for p in 0..K {
                sum = sum.add_product(column[p].add(at).read_unaligned(), factors[p]);
            }
            sums.add(at).write_unaligned(sum);
        }
    }
}
