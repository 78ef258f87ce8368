//! exp, exp2, expm1 and sigmoid.
//!
//! `exp(x) = 2^n * exp(r)` with `n` the nearest integer of `x / ln 2` and `r = x - n * ln 2`, where ln 2 is two numbers and
//! the product of `n` with the first is exact (Cody and Waite); `|r|` is at most 0.3466. Minimax polynomials, whose first
//! coefficients are those of the series: degree 6 with a relative error of 2^-28.2 for `f32`, degree 11 with 2^-57.9 for
//! `f64`; for exp2, on half a unit, degree 6 with 2^-28 and degree 11 with 2^-57.3.
//!
//! The other `f64` functions take the parts of the exponential: `exp(r) - 1` as a sum of two numbers, from degree 12 with
//! a relative error of 2^-63.8, and what rounding `r` left. expm1 of `f32` goes through `f64` with degree 7 and 2^-34.
//!
//! Largest errors, in ULP, over all `f32` (expm1: one in 61), and some 300,000 `f64` each, against MPFR:
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | exp | 0.90 | 0.88 |
//! | exp2 | 0.88 | 0.83 |
//! | expm1 | 0.51 | 0.81 |
//! | sigmoid | 0.97 | 0.75 |

use super::polynomial::even_odd;
use crate::lanes::{Lanes, Real};

pub(super) const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// ln 2 in two parts; the first has 42 bits, so that its product with an exponent is exact.
pub(super) const LN_2_HIGH: f64 = 0.693_147_180_559_890_3;
pub(super) const LN_2_LOW: f64 = 5.497_923_018_708_371e-14;
/// The same in `f32`, the first with 15 bits.
pub(super) const LN_2_F32: (f32, f32) = (0.693_145_75, 1.428_606_8e-6);

/// `exp(x)`.
#[inline(always)]
pub(crate) fn exp_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let x = l.min(l.float(89.0), l.max(l.float(-104.0), x));
    let magic = l.float(f32::MAGIC);
    let n = l.sub(l.fma(x, l.float(std::f32::consts::LOG2_E), magic), magic);
    let r = l.fnma(n, l.float(LN_2_F32.0), x);
    let r = l.fnma(n, l.float(LN_2_F32.1), r);
    let p =
        l.horner(r, &[1.0, 1.0, 0.499_999_94, 0.166_665_2, 0.041_668_236, 0.008_368_819, 0.001_382_352_2]);
    l.scale(p, n)
}

/// Coefficients of `(exp(r) - 1 - r) / r^2`.
pub(super) const EXP_F32: [f32; 5] =
    [0.499_999_94, 0.166_665_2, 0.041_668_236, 0.008_368_819, 0.001_382_352_2];

/// Coefficients of `(exp(r) - 1 - r) / r^2`.
pub(super) const EXP_F64: [f64; 10] = [
    0.5000000000000011,
    0.16666666666666424,
    0.041666666666527075,
    0.008333333333487056,
    0.0013888888944301315,
    0.00019841269522432375,
    2.480149249967189e-05,
    2.7557572353167996e-06,
    2.7630437253462537e-07,
    2.500445882152111e-08,
];

/// `exp(x)`.
#[inline(always)]
pub(crate) fn exp_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let x = l.min(l.float(710.0), l.max(l.float(-746.0), x));
    let magic = l.float(f64::MAGIC);
    let n = l.sub(l.fma(x, l.float(LOG2_E), magic), magic);
    let r = l.fnma(n, l.float(LN_2_HIGH), x);
    let r = l.fnma(n, l.float(LN_2_LOW), r);
    let g = even_odd(l, r, l.mul(r, r), &EXP_F64);
    let one = l.float(1.0);
    let p = l.fma(r, l.fma(r, g, one), one);
    l.scale(p, n)
}

/// `2^x`.
#[inline(always)]
pub(crate) fn exp2_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let x = l.min(l.float(129.0), l.max(l.float(-151.0), x));
    let n = l.round(x);
    let f = l.sub(x, n);
    let p = l.horner(
        f,
        &[
            1.0,
            std::f32::consts::LN_2,
            0.240_226_45,
            0.055_503_584,
            0.009_618_829,
            0.001_339_148,
            0.000_152_434_48,
        ],
    );
    l.scale(p, n)
}

/// `2^x`.
#[inline(always)]
pub(crate) fn exp2_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let x = l.min(l.float(1025.0), l.max(l.float(-1076.0), x));
    let n = l.round(x);
    let f = l.sub(x, n);
    let g = even_odd(l, f, l.mul(f, f), &EXP2_F64);
    let p = l.fma(f, g, l.float(1.0));
    l.scale(p, n)
}

/// Coefficients of `(2^f - 1) / f`.
pub(super) const EXP2_F64: [f64; 11] = [
    std::f64::consts::LN_2,
    0.24022650695910136,
    0.05550410866482233,
    0.009618129107592587,
    0.0013333558146358634,
    0.00015403530458754544,
    1.5252733828893326e-05,
    1.3215434563166282e-06,
    1.0178076598377039e-07,
    7.073894180505253e-09,
    4.4515179738412094e-10,
];

/// `2^(n + offset)`, where `n` is the integer of which `low_bits` has the low bits and the power is a normal number.
#[inline(always)]
pub(super) fn power_of_low_bits<L: Lanes<Elem = f64>>(l: L, low_bits: L::Int, offset: i64) -> L::Float {
    l.float_of_bits(l.shl(l.int_add(low_bits, l.int(1023 + offset)), f64::FRACTION_BITS))
}

/// `exp(x) = 2^n * (1 + p + p_low)`.
pub(super) struct Exp<F, I> {
    /// `n`.
    pub n: F,
    /// An integer with the low bits of `n`, for [`power_of_low_bits`].
    pub n_bits: I,
    /// `exp(x - n * ln 2) - 1`, rounded.
    pub p: F,
    /// What the rounding left.
    pub p_low: F,
}

/// Coefficients of `(exp(r) - 1 - r - r^2 / 2) / r^3`.
const EXPM1_F64: [f64; 10] = [
    0.1666666666666668,
    0.04166666666666638,
    0.008333333333319266,
    0.0013888888889050774,
    0.00019841269891842853,
    2.48015869909546e-05,
    2.7557238729784822e-06,
    2.755755501567762e-07,
    2.51108576424732e-08,
    2.0829830248515156e-09,
];

/// The parts of `exp(x)` for `|x|` up to 2^10, with an absolute error of 2^-57 in `p + p_low`.
#[inline(always)]
pub(super) fn exp_parts<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Exp<L::Float, L::Int> {
    let magic = l.float(f64::MAGIC);
    let shifted = l.fma(x, l.float(LOG2_E), magic);
    let n = l.sub(shifted, magic);
    let high = l.fnma(n, l.float(LN_2_HIGH), x);
    let r = l.fnma(n, l.float(LN_2_LOW), high);
    // What rounding r left, and its effect: exp(r + rest) = exp(r) + rest * exp(r).
    let rest = l.fnma(n, l.float(LN_2_LOW), l.sub(high, r));
    let rest = l.fma(rest, r, rest);
    let r2 = l.mul(r, r);
    let r3 = l.mul(r2, r);
    let w = l.fma(r3, even_odd(l, r, r2, &EXPM1_F64), rest);
    let w = l.fma(r2, l.float(0.5), w);
    let p = l.add(r, w);
    let p_low = l.add(l.sub(r, p), w);
    Exp { n, n_bits: l.bits(shifted), p, p_low }
}

/// The same for what will be rounded to `f32`: accurate to 2^-34, and no `p_low`.
#[inline(always)]
pub(super) fn exp_parts_for_f32<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Exp<L::Float, L::Int> {
    let magic = l.float(f64::MAGIC);
    let shifted = l.fma(x, l.float(LOG2_E), magic);
    let n = l.sub(shifted, magic);
    let r = l.fnma(n, l.float(std::f64::consts::LN_2), x);
    let g = l.horner(r, &EXP_FOR_F32);
    Exp { n, n_bits: l.bits(shifted), p: l.fma(l.mul(r, r), g, r), p_low: l.float(0.0) }
}

/// Coefficients of `(exp(r) - 1 - r) / r^2`.
const EXP_FOR_F32: [f64; 6] = [
    0.5000000067643818,
    0.16666665869402322,
    0.041666295088913105,
    0.0083334970104546,
    0.0013944648940852746,
    0.00019790351930966196,
];

/// `exp(x)` with a relative error of 2^-34, for `|x|` up to 700.
#[inline(always)]
pub(super) fn exp_for_f32<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let e = exp_parts_for_f32(l, x);
    let power = power_of_low_bits(l, e.n_bits, 0);
    l.fma(power, e.p, power)
}

/// `exp(x) - 1`.
#[inline(always)]
pub(crate) fn expm1_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let clamped = l.min(l.float(89.0), l.max(l.float(-20.0), x));
    let w = l.wide();
    let e = exp_parts_for_f32(w, l.widen(clamped));
    let power = power_of_low_bits(w, e.n_bits, 0);
    let result = l.narrow(w.fma(power, e.p, w.sub(power, w.float(1.0))));
    // The sign of zero.
    l.float_of_bits(l.int_or(l.bits(result), l.int_and(l.bits(x), l.sign_bit())))
}

/// `exp(x) - 1`.
#[inline(always)]
pub(crate) fn expm1_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let clamped = l.min(l.float(710.0), l.max(l.float(-40.0), x));
    let e = exp_parts(l, clamped);
    // Half of exp(x) - 1, so that 2^1024 needs no room: the sum of t = 2^n - 1, 2^n p and 2^n p_low.
    let power = power_of_low_bits(l, e.n_bits, -1);
    let half = l.float(0.5);
    let t = l.sub(power, half);
    let high = l.fma(power, e.p, t);
    let lost = l.sub(l.sub(power, t), half);
    let rest = l.fma(power, e.p, l.sub(t, high));
    let low = l.fma(power, e.p_low, l.add(rest, lost));
    let result = l.add(high, low);
    let result = l.add(result, result);
    // Where x is small enough it is the result, and has the sign of zero.
    l.select(l.lt(l.abs(x), l.float(1e-17)), x, result)
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    // E = exp(-x) = 2^n * (1 + q), and r the reduced x; beyond 2^60, where 1 counts for nothing, n comes after.
    let one = l.float(1.0);
    let x = l.min(l.float(30.0), l.max(l.float(-104.0), x));
    let magic = l.float(f32::MAGIC);
    let shifted = l.fnma(x, l.float(std::f32::consts::LOG2_E), magic);
    let n = l.sub(shifted, magic);
    let r = l.fma(n, l.float(LN_2_F32.0), x);
    let r = l.fma(n, l.float(LN_2_F32.1), r);
    let g = l.horner(r, &[0.499_999_94, -0.166_665_2, 0.041_668_236, -0.008_368_819, 0.001_382_352_2]);
    let q = l.fms(l.mul(r, r), g, r);
    let bounded = l.min(l.float(f32::MAGIC + 60.0), shifted);
    let power = l.float_of_bits(l.shl(l.int_add(l.bits(bounded), l.int(127)), f32::FRACTION_BITS));
    let exp = l.fma(power, q, power);
    let exp_low = l.fma(power, q, l.sub(power, exp));
    let (larger, smaller) = (l.max(exp, one), l.min(exp, one));
    let divisor = l.add(larger, smaller);
    let divisor_low = l.add(l.sub(smaller, l.sub(divisor, larger)), exp_low);
    let quotient = l.div(one, divisor);
    let rest = l.fnma(quotient, divisor_low, l.fnma(quotient, divisor, one));
    l.scale(l.fma(quotient, rest, quotient), l.sub(bounded, shifted))
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let (zero, one) = (l.float(0.0), l.float(1.0));
    // E = exp(-|x|) = 2^n (1 + p); the result is 1 / (1 + E), or E / (1 + E) for negative x.
    let z = l.max(l.float(-746.0), l.neg(l.abs(x)));
    let e = exp_parts(l, z);
    let high = l.add(one, e.p);
    let low = l.add(l.sub(e.p, l.sub(high, one)), e.p_low);
    let power = l.power_of_two(l.nearest_int(l.max(l.float(-1000.0), e.n)));
    let scaled = l.mul(power, high);
    let divisor = l.add(one, scaled);
    let divisor_low = l.fma(power, low, l.sub(scaled, l.sub(divisor, one)));
    let negative = l.lt(x, zero);
    let dividend = l.select(negative, high, one);
    let dividend_low = l.select(negative, low, zero);
    let reciprocal = l.div(one, divisor);
    let quotient = l.mul(dividend, reciprocal);
    let rest = l.add(l.fnma(quotient, divisor, dividend), dividend_low);
    let rest = l.fnma(quotient, divisor_low, rest);
    l.scale(l.fma(rest, reciprocal, quotient), l.select(negative, e.n, zero))
}
