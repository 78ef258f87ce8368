//! cbrt and hypot.
//!
//! **cbrt**: with the exponent a multiple of 3 taken off, `m` is from 1 to 8; a polynomial gives `1 / cbrt m` to
//! 2^-7.1, one step of Householder's method of order 5 to 2^-30.8, and `m` times its square is the root for `f32`,
//! which goes through `f64`. `f64` takes Newton's step from there, with the cube's residue to twice the precision.
//!
//! **hypot**: `sqrt(x^2 + y^2)`, in `f64` with both operands scaled by a power of two and the root corrected by the
//! residue of the squares (Borges, "An improved algorithm for hypot(a, b)", 2019). `f32` squares exactly in `f64`.
//!
//! Largest errors measured, in ULP: cbrt 0.52 and 0.52, hypot 0.51 and 0.74, for `f32` and `f64`.

use crate::lanes::{Lanes, Real};

/// `1 / cbrt m`, from 1 to 8.
pub(super) const RECIPROCAL_ROOT: [f64; 5] = [
    1.3377232663529557,
    -0.4408587025677078,
    0.10851463914033473,
    -0.012988248839665078,
    0.0005853771214629184,
];

/// The series of `(1 - h)^(-1/3)` after 1.
const RESIDUE: [f64; 4] = [0.3333333333333333, 0.2222222222222222, 0.1728395061728395, 0.1440329218106996];

/// The cube root.
#[inline(always)]
pub(crate) fn cbrt_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    // 2^24 brings subnormal numbers to normal ones, and the root back by 2^-8.
    let size = l.abs(x);
    let subnormal = l.lt(size, l.float(f32::MIN_POSITIVE));
    let normal = l.select(subnormal, l.mul(size, l.float(16_777_216.0)), size);
    let factor = l.select(subnormal, l.float(0.00390625), l.float(1.0));
    let reduced = reduce(l, normal, THIRDS_F32);
    let w = l.wide();
    let m = l.widen(reduced.m);
    let reciprocal = reciprocal_root(w, m);
    let root = l.narrow(w.mul(m, w.mul(reciprocal, reciprocal)));
    let root = l.mul(l.mul(root, l.power_of_two(reduced.third)), factor);
    finish(l, x, root, l.float(0.0), l.float(f32::INFINITY))
}

/// The cube root.
#[inline(always)]
pub(crate) fn cbrt_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    // 2^54 brings subnormal numbers to normal ones, and the root back by 2^-18.
    let size = l.abs(x);
    let subnormal = l.lt(size, l.float(f64::MIN_POSITIVE));
    let normal = l.select(subnormal, l.mul(size, l.float(18_014_398_509_481_984.0)), size);
    let factor = l.select(subnormal, l.float(3.814697265625e-06), l.float(1.0));
    let reduced = reduce(l, normal, Thirds { third: 0.3333333333333333, bias: -1024 });
    let m = reduced.m;
    let reciprocal = reciprocal_root(l, m);
    let square = l.mul(reciprocal, reciprocal);
    let root = l.mul(m, square);
    let root_square = l.mul(root, root);
    let root_square_low = l.fms(root, root, root_square);
    let residue = l.fnma(root_square_low, root, l.fnma(root_square, root, m));
    let root = l.fma(residue, l.mul(square, l.float(RESIDUE[0])), root);
    let root = l.mul(root, l.mul(l.power_of_two(reduced.third), factor));
    finish(l, x, root, l.float(0.0), l.float(f64::INFINITY))
}

/// `sqrt(x^2 + y^2)`; infinite when one operand is, even if the other is NaN.
#[inline(always)]
pub(crate) fn hypot_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    let w = l.wide();
    let (wide_x, wide_y) = (l.widen(x), l.widen(y));
    let root = l.narrow(w.sqrt(w.fma(wide_x, wide_x, w.mul(wide_y, wide_y))));
    let infinity = l.float(f32::INFINITY);
    let infinite = l.or(l.eq(l.abs(x), infinity), l.eq(l.abs(y), infinity));
    l.select(infinite, infinity, root)
}

/// `sqrt(x^2 + y^2)`; infinite when one operand is, even if the other is NaN.
#[inline(always)]
pub(crate) fn hypot_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    let (x, y) = (l.abs(x), l.abs(y));
    let swap = l.lt(x, y);
    let larger = l.select(swap, y, x);
    let smaller = l.select(swap, x, y);

    let one = l.float(1.0);
    let up = l.float(f64::from_bits((1023 + 600) << 52));
    let down = l.float(f64::from_bits((1023 - 600) << 52));
    let big = l.gt(larger, l.float(f64::from_bits((1023 + 500) << 52)));
    let small = l.lt(larger, l.float(f64::from_bits((1023 - 400) << 52)));
    let scale = l.select(big, down, l.select(small, up, one));
    let back = l.select(big, up, l.select(small, down, one));
    let a = l.mul(larger, scale);
    let b = l.mul(smaller, scale);

    let b_square = l.mul(b, b);
    let root = l.sqrt(l.fma(a, a, b_square));
    let a_square = l.mul(a, a);
    let root_square = l.mul(root, root);
    let residue = l.fnma(b, b, l.sub(root_square, a_square));
    let low = l.sub(l.fms(root, root, root_square), l.fms(a, a, a_square));
    let residue = l.add(residue, low);
    // Never a division by zero.
    let twice = l.max(l.add(root, root), l.float(f64::MIN_POSITIVE));
    let root = l.mul(l.sub(root, l.div(residue, twice)), back);
    let infinity = l.float(f64::INFINITY);
    let infinite = l.or(l.eq(x, infinity), l.eq(y, infinity));
    l.select(infinite, infinity, root)
}

/// A positive number is `m * 8^third` with `m` from 1 to 8.
pub(super) struct Root<L: Lanes> {
    pub(super) m: L::Float,
    pub(super) third: L::Int,
}

/// What the reduction needs of a type: 1/3, and what makes a biased exponent one less than the exponent.
pub(super) struct Thirds<T> {
    third: T,
    bias: i64,
}

pub(super) const THIRDS_F32: Thirds<f32> = Thirds { third: 0.33333334, bias: -128 };

#[inline(always)]
pub(super) fn reduce<L: Lanes>(l: L, x: L::Float, thirds: Thirds<L::Elem>) -> Root<L> {
    let bits = l.bits(x);
    let exponent = l.shr(bits, L::Elem::FRACTION_BITS);
    // One less, so that the nearest third is the third rounded down.
    let exponent = l.float_of_int(l.int_add(exponent, l.int(L::Elem::int(thirds.bias))));
    let third = l.nearest_int(l.mul(exponent, l.float(thirds.third)));
    let multiple = l.int_add(l.int_add(third, third), third);
    let m = l.float_of_bits(l.int_sub(bits, l.shl(multiple, L::Elem::FRACTION_BITS)));
    Root { m, third }
}

/// `1 / cbrt m`, to 2^-30.8.
#[inline(always)]
fn reciprocal_root<W: Lanes<Elem = f64>>(w: W, m: W::Float) -> W::Float {
    let estimate = w.horner(m, &RECIPROCAL_ROOT);
    let cube = w.mul(w.mul(estimate, estimate), estimate);
    let residue = w.fnma(m, cube, w.float(1.0));
    let step = w.mul(residue, w.horner(residue, &RESIDUE));
    w.fma(estimate, step, estimate)
}

/// The root with the sign of `x`; `x` itself for zero, infinities and NaN.
#[inline(always)]
pub(super) fn finish<L: Lanes>(
    l: L,
    x: L::Float,
    root: L::Float,
    zero: L::Float,
    infinity: L::Float,
) -> L::Float {
    let size = l.abs(x);
    let proper = l.and(l.lt(zero, size), l.lt(size, infinity));
    l.select(proper, l.copysign(root, x), x)
}
