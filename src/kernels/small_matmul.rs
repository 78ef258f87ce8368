//! Products of small matrices of floats, of which there are often many.
//!
//! A few columns of the right one are packed side by side, so that they stay in L1; the left one is read where it is. A sum is
//! taken over `k` in order, by fused multiplications and additions, as in the `gemm` crate, whose preparations take longer
//! than a product of 16 x 16 x 16 (1.6 times as fast as by `gemm`; 64 x 64 x 64: 1.05; 128 x 128 x 128: 1.1; Zen 3).
//!
//! Limits: AVX2 and AVX-512, whose fused instructions these are; rows of the result are contiguous.

#![allow(
    clippy::needless_range_loop,
    reason = "an index is that of several arrays, and iterators are not always inlined"
)]

use std::mem::MaybeUninit;

use super::copy::copy;
use super::gemv::floats::leveled_vectors;
use super::lanes::{Vector, Vectors};
use super::matmul::{Matrix, MatrixMut};
use super::ring::Ring;
use crate::runtime::level::Level;

/// The most rows, columns and products of a sum.
const MOST: usize = 128;
/// Bytes of a row of the packed columns: two vectors of AVX-512.
const MOST_BYTES: usize = 128;

/// `product(dims, a, b, c)`: `c = a b`.
///
/// Safety: that of [`super::matmul::matmul`] for dimensions that are [small](is_small); the columns of `c` are contiguous.
type SmallProduct = unsafe fn([usize; 3], Matrix, Matrix, MatrixMut);

/// Whether a product of these dimensions is computed here.
pub(super) fn is_small(dims: [usize; 3]) -> bool {
    cfg!(target_arch = "x86_64") && Level::current() != Level::Baseline && dims.iter().all(|&dim| dim <= MOST)
}

leveled_vectors! {
    /// A small product.
    product(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut): SmallProduct = product_body
}

/// # Safety
///
/// That of [`SmallProduct`].
#[inline(always)]
unsafe fn product_body<T: Ring + Vectors, V: Vector<Elem = T>>(
    dims: [usize; 3],
    a: Matrix,
    b: Matrix,
    c: MatrixMut,
) {
    // SAFETY: the contract is the caller's. The sums, a row of the packed columns and a factor fit in the registers.
    unsafe {
        match V::WIDTH * size_of::<T>() {
            MOST_BYTES => by_columns::<T, V, 12>(dims, a, b, c),
            _ => by_columns::<T, V, 6>(dims, a, b, c),
        }
    }
}

/// # Safety
///
/// That of [`SmallProduct`].
#[inline(always)]
unsafe fn by_columns<T: Ring + Vectors, V: Vector<Elem = T>, const ROWS: usize>(
    [m, k, n]: [usize; 3],
    a: Matrix,
    b: Matrix,
    c: MatrixMut,
) {
    assert!(k <= MOST && V::WIDTH * size_of::<T>() <= MOST_BYTES, "the packed columns have room");
    let item = size_of::<T>();
    let mut packed = [[MaybeUninit::<u8>::uninit(); MOST_BYTES]; MOST];
    let packed = packed.as_mut_ptr().cast::<T>();
    for column in (0..n).step_by(V::WIDTH) {
        let columns = V::WIDTH.min(n - column);
        let tile = Tile { k, a: a.ptr.cast::<T>(), strides: [a.row_stride, a.col_stride], packed };
        // SAFETY: these columns of `b` have k elements, for which there is room; the rows are those of `a` and `c`.
        unsafe {
            pack::<T, V>(b.from(0, column, item), k, columns, packed);
            let mut row = 0;
            while row < m {
                let left = m - row;
                let out = (c.at(row, column, item).cast::<T>(), c.row_stride);
                let tile = Tile { a: a.at(row, 0, item).cast(), ..tile };
                row += match left {
                    left if left >= ROWS => tile.run::<V, ROWS>(out, columns),
                    4.. => tile.run::<V, 4>(out, columns),
                    2.. => tile.run::<V, 2>(out, columns),
                    _ => tile.run::<V, 1>(out, columns),
                };
            }
        }
    }
}

/// Copies columns, a vector of them in a row, with zeros where there are fewer.
///
/// # Safety
///
/// `b` has `columns` columns, at most a vector, of `k` elements; `packed` has room for `k` vectors.
#[inline(always)]
unsafe fn pack<T: Ring + Vectors, V: Vector<Elem = T>>(b: Matrix, k: usize, columns: usize, packed: *mut T) {
    // SAFETY: the contract is the caller's; whoever calls this has the instructions.
    unsafe {
        let lanes = V::assume();
        if columns < V::WIDTH {
            let zeros = lanes.float(T::default());
            (0..k).for_each(|p| lanes.store(zeros, packed.add(p * V::WIDTH)));
        }
        if columns == V::WIDTH && b.col_stride == 1 {
            for p in 0..k {
                lanes.store(lanes.load(b.at(p, 0, size_of::<T>()).cast()), packed.add(p * V::WIDTH));
            }
            return;
        }
        let item = size_of::<T>() as isize;
        let from = [b.row_stride * item, b.col_stride * item];
        let to = [V::WIDTH as isize * item, item];
        copy(b.ptr, &from, packed.cast(), &to, &[k, columns], size_of::<T>());
    }
}

/// Rows of the left matrix, and the packed columns that they are multiplied with.
#[derive(Clone, Copy)]
struct Tile<T> {
    k: usize,
    a: *const T,
    /// Elements from a row of `a` to the next, and from a column to the next.
    strides: [isize; 2],
    packed: *const T,
}

impl<T: Ring + Vectors> Tile<T> {
    /// Computes `ROWS` rows, and stores the first `columns` of them; how many rows.
    ///
    /// # Safety
    ///
    /// The rows, the packed columns and the result are there.
    #[inline(always)]
    unsafe fn run<V: Vector<Elem = T>, const ROWS: usize>(
        self,
        (out, out_stride): (*mut T, isize),
        columns: usize,
    ) -> usize {
        let [row_stride, column_stride] = self.strides;
        // SAFETY: the contract is the caller's; whoever calls this has the instructions.
        unsafe {
            let lanes = V::assume();
            let mut sums = [lanes.float(T::default()); ROWS];
            let (mut a, mut packed) = (self.a, self.packed);
            for _ in 0..self.k {
                let y = lanes.load(packed);
                for r in 0..ROWS {
                    let x = lanes.float(*a.wrapping_offset(r as isize * row_stride));
                    sums[r] = lanes.fma(x, y, sums[r]);
                }
                a = a.wrapping_offset(column_stride);
                packed = packed.add(V::WIDTH);
            }
            for r in 0..ROWS {
                let out = out.wrapping_offset(r as isize * out_stride);
                if columns == V::WIDTH {
                    lanes.store(sums[r], out);
                } else {
                    let mut row = [T::default(); MOST_BYTES / 4];
                    lanes.store(sums[r], row.as_mut_ptr());
                    out.copy_from_nonoverlapping(row.as_ptr(), columns);
                }
            }
        }
        ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of a matrix of which no two products are alike.
    fn elements<T>(count: usize, of: impl Fn(f64) -> T) -> Vec<T> {
        (0..count).map(|i| of(((i * 7919 + 13) % 1009) as f64 / 512.0 - 1.0)).collect()
    }

    macro_rules! sums_are_fused_in_order {
        ($($name:ident: $t:ty;)*) => {
            $(#[test]
            fn $name() {
                let level = Level::current();
                for dims in [[5, 3, 5], [6, 16, 8], [13, 40, 19], [31, 128, 33], [64, 1, 70]] {
                    if !is_small(dims) {
                        return;
                    }
                    let [m, k, n] = dims;
                    let (x, y) = (elements(m * k, |x| x as $t), elements(k * n, |x| x as $t));
                    for [a_strides, b_strides] in [[[k, 1], [n, 1]], [[1, m], [1, k]]] {
                        let matrix = |of: &[$t], strides: [usize; 2]| Matrix {
                            ptr: of.as_ptr().cast(),
                            row_stride: strides[0] as isize,
                            col_stride: strides[1] as isize,
                        };
                        let (a, b) = (matrix(&x, a_strides), matrix(&y, b_strides));
                        let mut out = vec![<$t>::NAN; m * (n + 1)];
                        let ptr = out.as_mut_ptr().cast();
                        let c = MatrixMut { ptr, row_stride: n as isize + 1, col_stride: 1 };
                        // SAFETY: the lists have the elements; the CPU has the features of its own level.
                        unsafe { product::<$t>(level)(dims, a, b, c) };
                        let at = |of: &[$t], [row, column]: [usize; 2], i, j| of[i * row + j * column];
                        for (i, row) in out.chunks(n + 1).enumerate() {
                            for (j, found) in row[..n].iter().enumerate() {
                                let sum = (0..k).fold(0.0, |sum: $t, p| {
                                    at(&x, a_strides, i, p).mul_add(at(&y, b_strides, p, j), sum)
                                });
                                assert_eq!(found.to_bits(), sum.to_bits(), "{dims:?} at {i}, {j}");
                            }
                            assert!(row[n].is_nan(), "{dims:?}: nothing is written behind row {i}");
                        }
                    }
                }
            }
            )*
        };
    }
    sums_are_fused_in_order! {
        sums_of_f32_are_fused_in_order: f32;
        sums_of_f64_are_fused_in_order: f64;
    }
}
