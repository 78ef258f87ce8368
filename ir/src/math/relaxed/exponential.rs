//! expm1, sinh, cosh, tanh and sigmoid.
//!
//! As their strict forms (see [`exp`](crate::math::exp) and [`hyperbolic`](crate::math::hyperbolic)) without what rounding
//! leaves: `x = n * ln 2 + r`, and what is made of powers of two and of polynomials in `r` is added up as it is.
//! `tanh(x) = E / (E + 2)` with `E = exp(2x) - 1`, and sigmoid is `1 / (1 + E)`, or `E / (1 + E)` left of 0, for
//! `E = exp(-|x|)`.

use crate::lanes::{Lanes, Real};
use crate::math::exp::{EXP_F32, EXP_F64, LN_2_F32, LN_2_HIGH, LN_2_LOW, LOG2_E};
use crate::math::hyperbolic::{COSH, EXP_TWICE, SINH, with_sign};
use crate::math::polynomial::even_odd;

/// What a type needs for exponentials.
struct Exponential<T, const N: usize, const S: usize, const C: usize> {
    log2_e: T,
    /// ln 2 in two parts; products of the first with exponents are exact.
    ln_2: [T; 2],
    half: T,
    /// `(exp(r) - 1 - r) / r^2`.
    series: [T; N],
    /// `(sinh(r) - r) / r^3` and `(cosh(r) - 1 - r^2 / 2) / r^4`, of `r^2`.
    sinh: [T; S],
    cosh: [T; C],
    /// [`Real::MAGIC`] plus the bias less 1, and less 2: added, they leave the bits of `2^(n - 1)` and `2^(n - 2)`.
    half_power: T,
    quarter_power: T,
    /// Twice the latter: less the sum with it, what leaves the bits of `2^(-n - 2)`.
    quarter_inverse: T,
    /// [`Real::MAGIC`] and 1: the least whose bits are those of a power that is a normal number.
    least_power: T,
    /// Where expm1 is -1 and infinite, sinh and cosh are infinite, and sigmoid is 0.
    expm1_limits: [T; 2],
    hyperbolic_limit: T,
    sigmoid_limit: T,
}

const F32: Exponential<f32, 5, 2, 2> = Exponential {
    log2_e: std::f32::consts::LOG2_E,
    ln_2: [LN_2_F32.0, LN_2_F32.1],
    half: 0.5,
    series: EXP_F32,
    sinh: [0.166_665_43, 0.008_366_558],
    cosh: [0.041_666_46, 0.001_393_544_3],
    half_power: f32::MAGIC + 126.0,
    quarter_power: f32::MAGIC + 125.0,
    quarter_inverse: 2.0 * (f32::MAGIC + 125.0),
    least_power: f32::MAGIC + 1.0,
    expm1_limits: [-20.0, 89.0],
    hyperbolic_limit: 89.6,
    sigmoid_limit: -104.0,
};

const F64: Exponential<f64, 10, 5, 5> = Exponential {
    log2_e: LOG2_E,
    ln_2: [LN_2_HIGH, LN_2_LOW],
    half: 0.5,
    series: EXP_F64,
    sinh: SINH,
    cosh: COSH,
    half_power: f64::MAGIC + 1022.0,
    quarter_power: f64::MAGIC + 1021.0,
    quarter_inverse: 2.0 * (f64::MAGIC + 1021.0),
    least_power: f64::MAGIC + 1.0,
    expm1_limits: [-40.0, 710.0],
    hyperbolic_limit: 710.5,
    sigmoid_limit: -746.0,
};

/// `exp(x) - 1`.
#[inline(always)]
pub(crate) fn expm1_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    expm1(l, &F32, x)
}

/// `exp(x) - 1`.
#[inline(always)]
pub(crate) fn expm1_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    expm1(l, &F64, x)
}

/// The hyperbolic sine.
#[inline(always)]
pub(crate) fn sinh_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    sinh(l, &F32, x)
}

/// The hyperbolic sine.
#[inline(always)]
pub(crate) fn sinh_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    sinh(l, &F64, x)
}

/// The hyperbolic cosine.
#[inline(always)]
pub(crate) fn cosh_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    cosh(l, &F32, x)
}

/// The hyperbolic cosine.
#[inline(always)]
pub(crate) fn cosh_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    cosh(l, &F64, x)
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let (one, two) = (l.float(1.0), l.float(2.0));
    // The second operand, so that NaN remains. From 19.1 on the result is 1.
    let a = l.min(l.float(20.0), l.abs(x));
    let magic = l.float(f64::MAGIC + f64::BIAS as f64);
    let shifted = l.fma(a, l.float(2.0 * LOG2_E), magic);
    let n = l.sub(shifted, magic);
    let h = l.fnma(n, l.float(LN_2_HIGH / 2.0), a);
    let h = l.fnma(n, l.float(LN_2_LOW / 2.0), h);
    let p = l.mul(h, l.fma(h, even_odd(l, h, l.mul(h, h), &EXP_TWICE), two));
    let power = l.float_of_bits(l.shl(l.bits(shifted), f64::FRACTION_BITS));
    let expm1 = l.fma(power, p, l.sub(power, one));
    with_sign(l, l.div(expm1, l.add(expm1, two)), x)
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    sigmoid(l, &F32, x)
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    sigmoid(l, &F64, x)
}

/// `r`, and what was added to find the exponent less it.
#[inline(always)]
fn reduce<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    table: &Exponential<L::Elem, N, S, C>,
    magic: L::Elem,
    x: L::Float,
) -> (L::Float, L::Float) {
    let magic = l.float(magic);
    let shifted = l.fma(x, l.float(table.log2_e), magic);
    let n = l.sub(shifted, magic);
    let r = l.fnma(n, l.float(table.ln_2[0]), x);
    (l.fnma(n, l.float(table.ln_2[1]), r), shifted)
}

/// The power of two that the low bits are the exponent of.
#[inline(always)]
fn power<L: Lanes>(l: L, shifted: L::Float) -> L::Float {
    l.float_of_bits(l.shl(l.bits(shifted), L::Elem::FRACTION_BITS))
}

#[inline(always)]
fn expm1<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    table: &Exponential<L::Elem, N, S, C>,
    x: L::Float,
) -> L::Float {
    let [low, high] = table.expm1_limits;
    let clamped = l.min(l.float(high), l.max(l.float(low), x));
    let (r, shifted) = reduce(l, table, table.half_power, clamped);
    let r2 = l.mul(r, r);
    let p = l.fma(r2, even_odd(l, r, r2, &table.series), r);
    // Half of the result, so that 2^n is a number.
    let power = power(l, shifted);
    let half = l.fma(power, p, l.sub(power, l.float(table.half)));
    with_sign(l, l.add(half, half), x)
}

/// `r`, `(2^n - 2^-n) / 4`, `(2^n + 2^-n) / 4`, `sinh(r) - r` and `cosh(r) - 1`, for the size of `x`.
#[inline(always)]
fn hyperbolic<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    table: &Exponential<L::Elem, N, S, C>,
    x: L::Float,
) -> [L::Float; 5] {
    let a = l.min(l.float(table.hyperbolic_limit), l.abs(x));
    let (r, shifted) = reduce(l, table, table.quarter_power, a);
    let r2 = l.mul(r, r);
    let sinh = l.mul(l.mul(r2, r), l.horner(r2, &table.sinh));
    let cosh = l.mul(r2, l.fma(r2, l.horner(r2, &table.cosh), l.float(table.half)));
    let grows = power(l, shifted);
    // Where it is less than the least number it counts for nothing.
    let inverse = l.max(l.float(table.least_power), l.sub(l.float(table.quarter_inverse), shifted));
    let falls = power(l, inverse);
    [r, l.sub(grows, falls), l.add(grows, falls), sinh, cosh]
}

#[inline(always)]
fn sinh<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    table: &Exponential<L::Elem, N, S, C>,
    x: L::Float,
) -> L::Float {
    let [r, even, odd, sinh, cosh] = hyperbolic(l, table, x);
    let half = l.add(l.fma(odd, r, even), l.fma(even, cosh, l.mul(odd, sinh)));
    with_sign(l, l.add(half, half), x)
}

#[inline(always)]
fn cosh<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    table: &Exponential<L::Elem, N, S, C>,
    x: L::Float,
) -> L::Float {
    let [r, even, odd, sinh, cosh] = hyperbolic(l, table, x);
    let half = l.add(l.fma(even, r, odd), l.fma(odd, cosh, l.mul(even, sinh)));
    l.add(half, half)
}

#[inline(always)]
fn sigmoid<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    table: &Exponential<L::Elem, N, S, C>,
    x: L::Float,
) -> L::Float {
    let one = l.float(L::Elem::number(1));
    let z = l.max(l.float(table.sigmoid_limit), l.neg(l.abs(x)));
    let (r, shifted) = reduce(l, table, L::Elem::MAGIC, z);
    let series = even_odd(l, r, l.mul(r, r), &table.series);
    let p = l.fma(r, l.fma(r, series, one), one);
    let exp = l.scale(p, l.sub(shifted, l.float(L::Elem::MAGIC)));
    let negative = l.lt(x, l.float(L::Elem::number(0)));
    l.div(l.select(negative, exp, one), l.add(one, exp))
}
