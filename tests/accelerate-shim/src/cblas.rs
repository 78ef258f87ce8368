//! CBLAS: products of row-major matrices and of vectors.
//!
//! Sums go backwards. With `beta = 0` the result is not read; with `alpha = 0` a vector is zeroed, NaN or
//! not.

use std::ffi::c_int;

use crate::log::{self, Call};

const ROW_MAJOR: c_int = 101;
const AS_IT_IS: c_int = 111;
const TRANSPOSED: c_int = 112;

/// Elements from a row and from a column to the next, of a matrix of `rows` x `columns` as it is used.
fn steps(trans: c_int, leading: c_int, [rows, columns]: [c_int; 2]) -> [isize; 2] {
    let leading_of = |width: c_int| {
        assert!(leading >= width.max(1), "a leading dimension of {leading} for {width} elements");
        leading as isize
    };
    match trans {
        AS_IT_IS => [leading_of(columns), 1],
        TRANSPOSED => [1, leading_of(rows)],
        other => panic!("{other} is neither CblasNoTrans nor CblasTrans"),
    }
}

fn note(name: &'static str, target: usize, sources: Vec<usize>, len: usize) {
    log::add(|| Call { name, target, sources, scalars: Vec::new(), len });
}

macro_rules! routines {
    ($($t:ident: $gemm:ident $gemv:ident $dot:ident $scal:ident;)*) => { $(
        #[unsafe(no_mangle)]
        #[allow(clippy::too_many_arguments, reason = "the signature is BLAS's")]
        pub unsafe extern "C" fn $gemm(
            order: c_int,
            trans_a: c_int,
            trans_b: c_int,
            m: c_int,
            n: c_int,
            k: c_int,
            alpha: $t,
            a: *const $t,
            lda: c_int,
            b: *const $t,
            ldb: c_int,
            beta: $t,
            c: *mut $t,
            ldc: c_int,
        ) {
            note(stringify!($gemm), c.addr(), vec![a.addr(), b.addr()], (m * n) as usize);
            assert_eq!(order, ROW_MAJOR);
            let [a_row, a_column] = steps(trans_a, lda, [m, k]);
            let [b_row, b_column] = steps(trans_b, ldb, [k, n]);
            assert!(ldc >= n.max(1), "a leading dimension of {ldc} for {n} elements");
            let mut sums = vec![0.0; n as usize];
            for i in 0..m as isize {
                sums.fill(0.0);
                for p in (0..k as isize).rev() {
                    // SAFETY: the caller's matrices have these elements.
                    unsafe {
                        let factor = a.offset(i * a_row + p * a_column).read();
                        for (j, sum) in sums.iter_mut().enumerate() {
                            let other = b.offset(p * b_row + j as isize * b_column).read();
                            *sum = factor.mul_add(other, *sum);
                        }
                    }
                }
                for (j, sum) in sums.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe {
                        let to = c.offset(i * ldc as isize + j as isize);
                        to.write(if beta == 0.0 { alpha * sum } else { alpha * sum + beta * to.read() });
                    }
                }
            }
        }

        #[unsafe(no_mangle)]
        #[allow(clippy::too_many_arguments, reason = "the signature is BLAS's")]
        pub unsafe extern "C" fn $gemv(
            order: c_int,
            trans_a: c_int,
            m: c_int,
            n: c_int,
            alpha: $t,
            a: *const $t,
            lda: c_int,
            x: *const $t,
            inc_x: c_int,
            beta: $t,
            y: *mut $t,
            inc_y: c_int,
        ) {
            assert_eq!(order, ROW_MAJOR);
            assert!(inc_x > 0 && inc_y > 0, "this goes forward alone");
            assert!(lda >= n.max(1), "a leading dimension of {lda} for {n} elements");
            let (rows, inner, [row, column]) = match trans_a {
                AS_IT_IS => (m, n, [lda as isize, 1]),
                TRANSPOSED => (n, m, [1, lda as isize]),
                other => panic!("{other} is neither CblasNoTrans nor CblasTrans"),
            };
            note(stringify!($gemv), y.addr(), vec![a.addr(), x.addr()], rows as usize);
            for i in 0..rows as isize {
                let mut sum = 0.0;
                for p in (0..inner as isize).rev() {
                    // SAFETY: the caller's matrix and vector have these elements.
                    sum = unsafe {
                        let factor = a.offset(i * row + p * column).read();
                        factor.mul_add(x.offset(p * inc_x as isize).read(), sum)
                    };
                }
                // SAFETY: as above.
                unsafe {
                    let to = y.offset(i * inc_y as isize);
                    to.write(if beta == 0.0 { alpha * sum } else { alpha * sum + beta * to.read() });
                }
            }
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $dot(
            n: c_int,
            x: *const $t,
            inc_x: c_int,
            y: *const $t,
            inc_y: c_int,
        ) -> $t {
            note(stringify!($dot), 0, vec![x.addr(), y.addr()], n as usize);
            assert!(inc_x > 0 && inc_y > 0, "this goes forward alone");
            (0..n as isize).rev().fold(0.0, |sum, p| {
                // SAFETY: the caller's vectors have `n` elements.
                unsafe {
                    x.offset(p * inc_x as isize).read().mul_add(y.offset(p * inc_y as isize).read(), sum)
                }
            })
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $scal(n: c_int, alpha: $t, x: *mut $t, inc_x: c_int) {
            note(stringify!($scal), x.addr(), vec![x.addr()], n as usize);
            for i in 0..n as isize {
                // SAFETY: the caller's vector has `n` elements.
                unsafe {
                    let to = x.offset(i * inc_x as isize);
                    to.write(if alpha == 0.0 { 0.0 } else { alpha * to.read() });
                }
            }
        }
    )* };
}

routines! {
    f32: cblas_sgemm cblas_sgemv cblas_sdot cblas_sscal;
    f64: cblas_dgemm cblas_dgemv cblas_ddot cblas_dscal;
}
