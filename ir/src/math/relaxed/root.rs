//! hypot, and cbrt of `f32`.
//!
//! **hypot**: `sqrt(x^2 + y^2)` with both operands scaled by a power of two. **cbrt** of `f32` as the strict one (see
//! [`root`](crate::math::root)), but in `f32`: with `e` near `1 / cbrt m` and `q = m e^2`, the root is
//! `q (1 - h)^(-2/3)` for `h = 1 - q e`, so that a third of what rounds `q` remains.

use crate::lanes::{Lanes, Real};
use crate::math::root::{RECIPROCAL_ROOT, THIRDS_F32, finish, reduce};

/// Larger operands outside the limits are scaled up and down.
struct Scaling<T> {
    limits: [T; 2],
    scales: [T; 2],
}

const F32: Scaling<f32> = Scaling {
    limits: [f32::from_bits((127 - 50) << 23), f32::from_bits((127 + 60) << 23)],
    scales: [f32::from_bits((127 + 90) << 23), f32::from_bits((127 - 90) << 23)],
};

const F64: Scaling<f64> = Scaling {
    limits: [f64::from_bits((1023 - 400) << 52), f64::from_bits((1023 + 500) << 52)],
    scales: [f64::from_bits((1023 + 600) << 52), f64::from_bits((1023 - 600) << 52)],
};

/// `sqrt(x^2 + y^2)`; infinite when one operand is, even if the other is NaN.
#[inline(always)]
pub(crate) fn hypot_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    hypot(l, &F32, x, y)
}

/// `sqrt(x^2 + y^2)`; infinite when one operand is, even if the other is NaN.
#[inline(always)]
pub(crate) fn hypot_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    hypot(l, &F64, x, y)
}

#[inline(always)]
fn hypot<L: Lanes>(l: L, scaling: &Scaling<L::Elem>, x: L::Float, y: L::Float) -> L::Float {
    let (x, y) = (l.abs(x), l.abs(y));
    let swap = l.lt(x, y);
    let larger = l.select(swap, y, x);
    let smaller = l.select(swap, x, y);
    let one = l.float(L::Elem::number(1));
    let [up, down] = scaling.scales.map(|scale| l.float(scale));
    let small = l.lt(larger, l.float(scaling.limits[0]));
    let big = l.gt(larger, l.float(scaling.limits[1]));
    let scale = l.select(big, down, l.select(small, up, one));
    let back = l.select(big, up, l.select(small, down, one));
    let (a, b) = (l.mul(larger, scale), l.mul(smaller, scale));
    let root = l.mul(l.sqrt(l.fma(a, a, l.mul(b, b))), back);
    let infinity = l.float(L::Elem::INFINITY);
    let infinite = l.or(l.eq(x, infinity), l.eq(y, infinity));
    l.select(infinite, infinity, root)
}

/// `((1 - h)^(-2/3) - 1) / h`, within 0.0222.
const SERIES: [f32; 3] = [0.666_666_6, 0.555_740_8, 0.494_106_26];

/// The cube root.
#[inline(always)]
pub(crate) fn cbrt_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    // 2^24 brings subnormal numbers to normal ones, and the root back by 2^-8.
    let size = l.abs(x);
    let subnormal = l.lt(size, l.float(f32::MIN_POSITIVE));
    let normal = l.select(subnormal, l.mul(size, l.float(16_777_216.0)), size);
    let factor = l.select(subnormal, l.float(0.00390625), l.float(1.0));
    let reduced = reduce(l, normal, THIRDS_F32);
    let m = reduced.m;
    let estimate = l.horner(m, &RECIPROCAL_ROOT.map(|c| c as f32));
    let root = l.mul(m, l.mul(estimate, estimate));
    let h = l.fnma(root, estimate, l.float(1.0));
    let root = l.fma(l.mul(root, h), l.horner(h, &SERIES), root);
    let root = l.mul(root, l.mul(l.power_of_two(reduced.third), factor));
    finish(l, x, root, l.float(0.0), l.float(f32::INFINITY))
}
