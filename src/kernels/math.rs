//! A function of mathematics over contiguous elements, in whole vectors.
//!
//! The function is generic over the lane algebra. Here it meets the vectors of a level, inside a function that is
//! compiled with the level's instructions. What whole vectors leave over is computed as one more of them
//! ([`overlap`]).

use raptors_ir::math::Function;

use super::elementwise::{Kernel, Sizes, overlap};
use super::lanes::{Vector, Vectors};
use super::level::{AtLevel, Avx2, Avx512, Baseline};
use crate::runtime::level::Level;

/// The kernel of `F`.
pub(super) fn kernel<F: Function<T, N>, T: Vectors, const N: usize>(level: Level) -> Kernel {
    match level {
        Level::Baseline => elements::<F, T, Baseline, N>,
        Level::Avx2 => elements::<F, T, Avx2, N>,
        Level::Avx512 => elements::<F, T, Avx512, N>,
    }
}

/// # Safety
///
/// That of [`Kernel`].
unsafe fn elements<F: Function<T, N>, T: Vectors, L: AtLevel, const N: usize>(
    args: &[*const u8; 3],
    out: *mut u8,
    n: usize,
) {
    let item = size_of::<T>();
    let sizes = Sizes {
        args: std::array::from_fn(|i| if i < N { item } else { 0 }),
        out: item,
        width: match L::LEVEL {
            Level::Baseline => T::Baseline::WIDTH,
            Level::Avx2 => T::Avx2::WIDTH,
            Level::Avx512 => T::Avx512::WIDTH,
        },
        few: 0,
    };
    // SAFETY: the contract is the caller's; the vectors of the level have `width` elements.
    unsafe { overlap(vectors::<F, T, N>(L::LEVEL), &sizes, args, out, n) }
}

/// The kernel for multiples of the width of the level's vectors.
fn vectors<F: Function<T, N>, T: Vectors, const N: usize>(level: Level) -> Kernel {
    unsafe fn baseline<F: Function<T, N>, T: Vectors, const N: usize>(
        args: &[*const u8; 3],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: the contract is the caller's.
        unsafe { vectors_body::<F, T::Baseline, N>(args, out, n) }
    }
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
    unsafe fn avx2<F: Function<T, N>, T: Vectors, const N: usize>(
        args: &[*const u8; 3],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: the contract is the caller's.
        unsafe { vectors_body::<F, T::Avx2, N>(args, out, n) }
    }
    #[cfg_attr(
        target_arch = "x86_64",
        target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma")
    )]
    unsafe fn avx512<F: Function<T, N>, T: Vectors, const N: usize>(
        args: &[*const u8; 3],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: the contract is the caller's.
        unsafe { vectors_body::<F, T::Avx512, N>(args, out, n) }
    }
    match level {
        Level::Baseline => baseline::<F, T, N>,
        Level::Avx2 => avx2::<F, T, N>,
        Level::Avx512 => avx512::<F, T, N>,
    }
}

/// # Safety
///
/// That of [`Kernel`], for the level of the vectors and a multiple of their width.
#[inline(always)]
unsafe fn vectors_body<F: Function<V::Elem, N>, V: Vector, const N: usize>(
    args: &[*const u8; 3],
    out: *mut u8,
    n: usize,
) {
    // SAFETY: the CPU has the features of the level. Each vector ends at the last element at the latest, and its
    // elements are read before they are written, so that an operand may be overwritten.
    unsafe {
        let lanes = V::assume();
        let args: [*const V::Elem; N] = std::array::from_fn(|i| args[i].cast());
        let out: *mut V::Elem = out.cast();
        let mut done = 0;
        while done < n {
            let x = args.map(|arg| lanes.load(arg.add(done)));
            lanes.store(F::apply(lanes, x), out.add(done));
            done += V::WIDTH;
        }
    }
}
