//! sinh, cosh and tanh.
//!
//! **tanh**: for `f32`, below 0.98 an odd minimax polynomial of degree 15 with a relative error of 2^-28, beyond it
//! `1 - 2 / (exp(2x) + 1)`, where errors of the exponential count little; for `f64`, `(1 - E) / (1 + E)` with
//! `E = exp(-2 |x|)`, and dividend and divisor as sums of two numbers.
//!
//! **sinh, cosh**: with `x = n * ln 2 + r`, the sums of `sinh(n * ln 2)` and `cosh(n * ln 2)`, which are halves of sums of
//! powers of two, times `cosh(r)` and `sinh(r)`; so nothing is divided, and sinh of a small argument is the polynomial.
//! Relative errors: 2^-37.5 and 2^-34.3 for what is rounded to `f32`, 2^-61.7 and 2^-64.8 for `f64`.
//!
//! Largest errors, in ULP, over all `f32` (sinh and cosh: one in 61), and 150,000 `f64` each, against MPFR:
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | tanh | 0.93 | 0.63 |
//! | sinh | 0.51 | 0.75 |
//! | cosh | 0.51 | 0.72 |

use super::exp::{LN_2_F32, LN_2_HIGH, LN_2_LOW, LOG2_E, exp_parts, power_of_low_bits};
use crate::lanes::{Lanes, Real};

/// `size`, not negative, with the sign of `x`.
#[inline(always)]
pub(super) fn with_sign<L: Lanes>(l: L, size: L::Float, x: L::Float) -> L::Float {
    l.float_of_bits(l.int_or(l.bits(size), l.int_and(l.bits(x), l.sign_bit())))
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let one = l.float(1.0);
    let a = l.abs(x);
    let x2 = l.mul(a, a);
    let small = l.fma(l.mul(a, x2), l.horner(x2, &TANH_F32), a);
    // 1 - 2 / (exp(2a) + 1), with exp(2a) = 2^n (1 + p), and h half of the reduced argument.
    let a = l.min(l.float(9.5), a);
    let magic = l.float(f32::MAGIC);
    let shifted = l.fma(a, l.float(2.0 * std::f32::consts::LOG2_E), magic);
    let n = l.sub(shifted, magic);
    let h = l.fnma(n, l.float(LN_2_F32.0 / 2.0), a);
    let h = l.fnma(n, l.float(LN_2_F32.1 / 2.0), h);
    let p = l.mul(h, l.fma(h, l.horner(h, &EXP_TWICE_F32), l.float(2.0)));
    let power = l.shl(l.int_add(l.bits(shifted), l.int(127)), f32::FRACTION_BITS);
    let power = l.float_of_bits(power);
    let divisor = l.fma(power, p, l.add(power, one));
    let large = l.sub(one, l.div(l.float(2.0), divisor));
    with_sign(l, l.select(l.lt(a, l.float(0.98)), small, large), x)
}

/// Coefficients of `(tanh(x) - x) / x^3` in `x^2`.
const TANH_F32: [f32; 7] = [
    -0.333_333_02,
    0.133_324_79,
    -0.053_889_506,
    0.021_518_663,
    -0.007_999_11,
    0.002_344_289_8,
    -0.000_371_975_3,
];

/// Coefficients of `(exp(2h) - 1 - 2h) / h^2`.
const EXP_TWICE_F32: [f32; 5] = [
    4.0 * 0.499_999_94,
    8.0 * 0.166_665_2,
    16.0 * 0.041_668_236,
    32.0 * 0.008_368_819,
    64.0 * 0.001_382_352_2,
];

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    // (1 - E) / (1 + E), where E = exp(-2 |x|) = power * (1 + p).
    let one = l.float(1.0);
    let a = l.min(l.float(20.0), l.abs(x));
    let e = exp_parts(l, l.mul(a, l.float(-2.0)));
    let power = power_of_low_bits(l, e.n_bits, 0);
    // 1 - power and 1 + power are exact; where they would not be, the power joins the smaller part.
    let base = l.select(l.lt(e.n, l.float(-30.0)), l.float(0.0), power);
    let scaled = l.fma(power, e.p, l.sub(power, base));
    let (less, more) = (l.sub(one, base), l.add(one, base));
    let dividend = l.sub(less, scaled);
    let dividend_low = l.fnma(power, e.p_low, l.sub(l.sub(less, dividend), scaled));
    let divisor = l.add(more, scaled);
    let divisor_low = l.fma(power, e.p_low, l.add(l.sub(more, divisor), scaled));
    let reciprocal = l.div(one, divisor);
    let quotient = l.mul(dividend, reciprocal);
    let rest = l.add(l.fnma(quotient, divisor, dividend), dividend_low);
    let rest = l.fnma(quotient, divisor_low, rest);
    with_sign(l, l.fma(rest, reciprocal, quotient), x)
}

/// `sinh(x) = even * (1 + c) + odd * (r + s)` and `cosh(x) = odd * (1 + c) + even * (r + s)`, where
/// `x = n * ln 2 + r`, `even = (2^n - 2^-n) / 2` and `odd = (2^n + 2^-n) / 2`. Half of `even` and `odd` is what is here.
struct Parts<F> {
    even: F,
    odd: F,
    /// What rounding `even` and `odd` left.
    even_low: F,
    odd_low: F,
    r: F,
    /// `cosh(r) - 1`.
    c: F,
    /// `sinh(r) - r`.
    s: F,
    /// What rounding `r` left.
    rest: F,
}

/// The parts for `x` from 0 to 710.5.
#[inline(always)]
fn parts<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Parts<L::Float> {
    let magic = l.float(f64::MAGIC);
    let shifted = l.fma(x, l.float(LOG2_E), magic);
    let n = l.sub(shifted, magic);
    let high = l.fnma(n, l.float(LN_2_HIGH), x);
    let r = l.fnma(n, l.float(LN_2_LOW), high);
    let rest = l.fnma(n, l.float(LN_2_LOW), l.sub(high, r));
    let r2 = l.mul(r, r);
    let r4 = l.mul(r2, r2);
    let c = l.fma(r4, l.horner(r2, &COSH), l.mul(r2, l.float(0.5)));
    let s = l.mul(l.mul(r2, r), l.horner(r2, &SINH));
    let power = power_of_low_bits(l, l.bits(shifted), -2);
    // Beyond 2^-1000 the inverse counts for nothing.
    let exponent = l.nearest_int(l.min(n, l.float(1000.0)));
    let inverse = l.power_of_two(l.int_sub(l.int(-2), exponent));
    let (even, odd) = (l.sub(power, inverse), l.add(power, inverse));
    let even_low = l.sub(l.sub(power, even), inverse);
    let odd_low = l.add(l.sub(power, odd), inverse);
    Parts { even, odd, even_low, odd_low, r, c, s, rest }
}

/// Coefficients of `(sinh(r) - r) / r^3` in `r^2`.
const SINH: [f64; 5] = [
    0.16666666666666677,
    0.008333333333321466,
    0.00019841269886468305,
    2.7557243917830466e-06,
    2.510912471155777e-08,
];

/// Coefficients of `(cosh(r) - 1 - r^2 / 2) / r^4` in `r^2`.
const COSH: [f64; 5] = [
    0.041666666666666685,
    0.0013888888888873338,
    2.480158734900107e-05,
    2.7557252057978697e-07,
    2.0921678899298875e-09,
];

/// The hyperbolic sine.
#[inline(always)]
pub(crate) fn sinh_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let a = l.abs(x);
    let p = parts(l, l.min(l.float(710.5), a));
    let high = l.fma(p.odd, p.r, p.even);
    let low = l.fma(p.odd, p.r, l.sub(p.even, high));
    let low = l.fma(p.rest, l.fma(p.even, p.r, p.odd), l.add(low, p.even_low));
    let low = l.fma(p.even, p.c, l.fma(p.odd, p.s, low));
    let half = l.add(high, low);
    with_sign(l, l.select(l.lt(a, l.float(4e-9)), a, l.add(half, half)), x)
}

/// The hyperbolic cosine.
#[inline(always)]
pub(crate) fn cosh_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let p = parts(l, l.min(l.float(710.5), l.abs(x)));
    let high = l.fma(p.even, p.r, p.odd);
    let low = l.fma(p.even, p.r, l.sub(p.odd, high));
    let low = l.fma(p.rest, l.fma(p.odd, p.r, p.even), l.add(low, p.odd_low));
    let low = l.fma(p.odd, p.c, l.fma(p.even, p.s, low));
    let half = l.add(high, low);
    l.add(half, half)
}

/// `(2^n - 2^-n) / 2`, `(2^n + 2^-n) / 2`, `cosh(r)` and `sinh(r)`, for `|x|` up to 90; the hyperbolic functions of `r`
/// are accurate to 2^-34.
#[inline(always)]
fn parts_for_f32<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> [L::Float; 4] {
    let magic = l.float(f64::MAGIC);
    let shifted = l.fma(x, l.float(LOG2_E), magic);
    let r = l.fnma(l.sub(shifted, magic), l.float(std::f64::consts::LN_2), x);
    let r2 = l.mul(r, r);
    let cosh = l.horner(r2, &[1.0, 0.5000000077838879, 0.04166627059960126, 0.0013946017418408115]);
    let sinh = l.horner(r2, &[1.0, 0.16666666754026696, 0.008333289098780443, 0.00019904872457421956]);
    let power = power_of_low_bits(l, l.bits(shifted), -1);
    let inverse = l.shl(l.int_sub(l.int(1023 - 1), l.bits(shifted)), f64::FRACTION_BITS);
    let inverse = l.float_of_bits(inverse);
    [l.sub(power, inverse), l.add(power, inverse), cosh, l.mul(r, sinh)]
}

/// The hyperbolic sine.
#[inline(always)]
pub(crate) fn sinh_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let clamped = l.min(l.float(90.0), l.max(l.float(-90.0), x));
    let w = l.wide();
    let [even, odd, cosh, sinh] = parts_for_f32(w, l.widen(clamped));
    with_sign(l, l.narrow(w.fma(even, cosh, w.mul(odd, sinh))), x)
}

/// The hyperbolic cosine.
#[inline(always)]
pub(crate) fn cosh_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let clamped = l.min(l.float(90.0), l.max(l.float(-90.0), x));
    let w = l.wide();
    let [even, odd, cosh, sinh] = parts_for_f32(w, l.widen(clamped));
    l.narrow(w.fma(odd, cosh, w.mul(even, sinh)))
}
