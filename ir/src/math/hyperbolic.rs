//! sinh, cosh and tanh.
//!
//! **tanh**: for `f32`, polynomials of degree 7 around a point in each of 8 intervals, with an error of 0.26 ULP at most, and
//! tables of their coefficients; for `f64`, `x - x * x^2 / Q(x^2)` below 0.9 with a minimax `Q` of degree 8
//! and a relative error of 2^-60, beyond it `1 - 2 / (exp(2x) + 1)`, where errors of the exponential count little. Of that 1,
//! 13/16 are added at last, so that what is divided by `exp(2x) + 1` is small where the sum is.
//!
//! **sinh, cosh**: with `x = n * ln 2 + r`, the sums of `sinh(n * ln 2)` and `cosh(n * ln 2)`, which are halves of sums of
//! powers of two, times `cosh(r)` and `sinh(r)`; so nothing is divided, and sinh of a small argument is the polynomial.
//! Relative errors: 2^-37.5 and 2^-34.3 for what is rounded to `f32`, 2^-61.7 and 2^-64.8 for `f64`.
//!
//! Largest errors, in ULP, over one `f32` in 61 and 150,000 `f64` each, against MPFR; of tanh over all `f32`, against pxfm:
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | tanh | 0.80 | 0.91 |
//! | sinh | 0.51 | 0.75 |
//! | cosh | 0.51 | 0.72 |

use super::exp::{EXP_F64, LN_2_HIGH, LN_2_LOW, LOG2_E, power_of_low_bits};
use super::polynomial::even_odd;
use crate::lanes::{Lanes, Real};

/// `size`, not negative, with the sign of `x`.
#[inline(always)]
pub(super) fn with_sign<L: Lanes>(l: L, size: L::Float, x: L::Float) -> L::Float {
    l.float_of_bits(l.int_or(l.bits(size), l.int_and(l.bits(x), l.sign_bit())))
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    // From 9.02 on the result is 1. What is looked at makes two intervals of each octave from 1 to 16.
    let a = l.min(l.float(9.03125), l.abs(x));
    let interval = l.shr(l.bits(l.fma(a, l.float(1.66), l.float(1.0))), f32::FRACTION_BITS - 1);
    let point = l.lookup_half(&TANH_POINTS, interval);
    let t = l.sub(a, point);
    // In the first interval, around 0, the polynomial lacks its linear term, which is the argument.
    let first = l.max(l.lookup_half(&TANH_OF_POINTS, interval), l.min(l.float(0.3125), a));
    // The two highest coefficients need few bits: they are in the lower halves of other entries.
    let lower_half = |x| l.float_of_bits(l.shl(l.bits(x), 16));
    let [fifth, rest @ ..] = &TANH_SLOPES;
    let fifth = l.lookup_half(fifth, interval);
    let slope = l.fma(l.fma(lower_half(point), t, lower_half(fifth)), t, fifth);
    let slope = rest.iter().fold(slope, |sum, table| l.fma(sum, t, l.lookup_half(table, interval)));
    with_sign(l, l.fma(t, slope, first), x)
}

/// A table of eight entries, twice: three bits name an entry.
const fn twice(entries: [f32; 8]) -> [f32; 16] {
    let mut table = [0.0; 16];
    let mut i = 0;
    while i < table.len() {
        table[i] = entries[i % entries.len()];
        i += 1;
    }
    table
}

/// A number in each of eight intervals at which tanh is very nearly an `f32`, by the low bits of the exponent and one more of
/// 1 plus 1.66 times the argument: the intervals begin at 0.60, 1.20, 1.81, 3.01, 4.22, 6.63, 0 and 0.30. Their lower 16 bits
/// are the upper ones of the seventh coefficients.
const TANH_POINTS: [f32; 16] =
    twice([0.762_635_7, 1.458_846_8, 2.495_394_2, 3.581_546_3, 5.162_796, 7.381_126_4, 0.0, 0.461_401_02]);

/// tanh of these points.
const TANH_OF_POINTS: [f32; 16] =
    twice([0.642_626_8, 0.897_428_4, 0.986_491_26, 0.998_451_9, 0.999_934_43, 0.999_999_2, 0.0, 0.431_225_4]);

/// Coefficients around these points, from the fifth to the linear one. The lower 16 bits of the fifth are the upper ones of
/// the sixth.
const TANH_SLOPES: [[f32; 16]; 5] = [
    twice([
        -0.064_078_465,
        -0.004_615_311_5,
        0.002_910_269_4,
        0.000_403_829_33,
        1.844_337_2e-5,
        2.046_127_6e-7,
        0.146_229_46,
        -0.014_632_562,
    ]),
    twice([
        0.095_562_24,
        -0.024_233_932,
        -0.008_116_894,
        -0.001_019_487_3,
        -4.347_654e-5,
        -5.128_723_6e-7,
        -0.001_833_783,
        0.168_738_77,
    ]),
    twice([
        0.046_760_544,
        0.091_872_92,
        0.017_165_428,
        0.002_052_914_4,
        8.688_986_4e-5,
        1.037_005_4e-6,
        -0.333_216_85,
        -0.119_972_75,
    ]),
    twice([
        -0.377_240_36,
        -0.174_659_46,
        -0.026_472_317,
        -0.003_089_039_8,
        -0.000_131_129_88,
        -1.559_472e-6,
        -2.451_875_2e-6,
        -0.351_036_67,
    ]),
    twice([
        0.587_030_65,
        0.194_622_25,
        0.026_835_142,
        0.003_093_822_4,
        0.000_131_187_84,
        1.552_151_8e-6,
        0.0,
        0.814_044_65,
    ]),
];

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let (one, two) = (l.float(1.0), l.float(2.0));
    let a = l.min(l.float(20.0), l.abs(x));
    let a2 = l.mul(a, a);
    // exp(2a) = 2^n exp(2h). What is added to find n leaves n and the bias in the low bits.
    let magic = l.float(f64::MAGIC + f64::BIAS as f64);
    let shifted = l.fma(a, l.float(2.0 * LOG2_E), magic);
    let n = l.sub(shifted, magic);
    let h = l.fnma(n, l.float(LN_2_HIGH / 2.0), a);
    let h = l.fnma(n, l.float(LN_2_LOW / 2.0), h);
    let p = l.mul(h, l.fma(h, even_odd(l, h, l.mul(h, h), &EXP_TWICE), two));
    let power = l.float_of_bits(l.shl(l.bits(shifted), f64::FRACTION_BITS));
    let large = l.fma(power, p, l.add(power, one));
    // Both cases are size - size * dividend / divisor, so that there is one division; 1 is 13/16 and 3/16.
    let is_small = l.lt(a, l.float(0.9));
    let divisor = l.select(is_small, even_odd(l, a2, l.mul(a2, a2), &TANH), large);
    let rest = l.fnma(l.float(3.0 / 13.0), large, l.float(32.0 / 13.0));
    let dividend = l.select(is_small, a2, rest);
    let size = l.select(is_small, a, l.float(13.0 / 16.0));
    with_sign(l, l.fnma(size, l.div(dividend, divisor), size), x)
}

/// Coefficients of `x^2 / (1 - tanh(x) / x)` in `x^2`.
const TANH: [f64; 9] = [
    3.0000000000000004,
    1.1999999999999749,
    -0.005714285713927543,
    0.0002539682514705949,
    -1.2203659512799971e-05,
    5.987429353021824e-07,
    -2.953081060355036e-08,
    1.4322314569051823e-09,
    -5.7036806154805716e-11,
];

/// Coefficients of `(exp(2h) - 1 - 2h) / h^2`.
pub(super) const EXP_TWICE: [f64; 10] = {
    let mut coefficients = EXP_F64;
    let (mut i, mut factor) = (0, 4.0);
    while i < coefficients.len() {
        coefficients[i] *= factor;
        factor *= 2.0;
        i += 1;
    }
    coefficients
};

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
pub(super) const SINH: [f64; 5] = [
    0.16666666666666677,
    0.008333333333321466,
    0.00019841269886468305,
    2.7557243917830466e-06,
    2.510912471155777e-08,
];

/// Coefficients of `(cosh(r) - 1 - r^2 / 2) / r^4` in `r^2`.
pub(super) const COSH: [f64; 5] = [
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
