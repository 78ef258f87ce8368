//! sinh, cosh and tanh.
//!
//! **tanh**: for `f32`, polynomials of degree 6 around a point in each of 13 intervals, with a relative error of 2^-26 at
//! most, and tables of their coefficients; for `f64`, `x - x * x^2 / Q(x^2)` below 0.975 with a minimax `Q` of degree 8
//! and a relative error of 2^-60, beyond it `1 - 2 / (exp(2x) + 1)`, where errors of the exponential count little.
//!
//! **sinh, cosh**: with `x = n * ln 2 + r`, the sums of `sinh(n * ln 2)` and `cosh(n * ln 2)`, which are halves of sums of
//! powers of two, times `cosh(r)` and `sinh(r)`; so nothing is divided, and sinh of a small argument is the polynomial.
//! Relative errors: 2^-37.5 and 2^-34.3 for what is rounded to `f32`, 2^-61.7 and 2^-64.8 for `f64`.
//!
//! Largest errors, in ULP, over one `f32` in 101 (sinh and cosh: in 61), and 150,000 `f64` each, against MPFR:
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | tanh | 0.77 | 0.63 |
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
    // From 9 on the result is 1. What is added makes four intervals each of [0, 1], [1, 3], [3, 7] and beyond.
    let a = l.min(l.float(9.0), l.abs(x));
    let interval = l.shr(l.bits(l.add(a, l.float(1.0))), f32::FRACTION_BITS - 2);
    let t = l.sub(a, l.lookup(&TANH_POINTS, interval));
    let [first, rest @ ..] = &TANH_POLYNOMIALS;
    let coefficients = rest.iter().rev();
    let slope = coefficients.fold(None, |sum: Option<L::Float>, table| {
        let coefficient = l.lookup(table, interval);
        Some(sum.map_or(coefficient, |sum| l.fma(sum, t, coefficient)))
    });
    // In the first interval, around 0, the polynomial lacks its linear term, which is the argument.
    let first = l.max(l.lookup(first, interval), l.min(l.float(0.25), a));
    let size = slope.map_or(first, |slope| l.fma(t, slope, first));
    with_sign(l, size, x)
}

/// A number in each of 16 intervals at which tanh is very nearly an `f32`, by the low bits of their exponents and two more of
/// the argument plus 1. The last intervals are not reached.
const TANH_POINTS: [f32; 16] = [
    1.250_003_2,
    1.749_993_3,
    2.249_943_3,
    2.750_066_8,
    3.499_980_4,
    4.500_052_5,
    5.500_362_4,
    6.498_978,
    7.998_093,
    9.0,
    9.0,
    9.0,
    0.0,
    0.375_000_7,
    0.624_986_1,
    0.875_001_85,
];

/// Coefficients around these points, from the constant one, which is tanh of the point.
const TANH_POLYNOMIALS: [[f32; 16]; 7] = [
    [
        0.848_284_54,
        0.941_374_8,
        0.978_023_65,
        0.991_860_8,
        0.998_177_8,
        0.999_753_24,
        0.999_966_6,
        0.999_995_47,
        0.999_999_76,
        1.0,
        1.0,
        1.0,
        0.0,
        0.358_358,
        0.554_590_1,
        0.703_906_54,
    ],
    [
        0.280_413_2,
        0.113_813_475,
        0.043_469_742,
        0.016_212_143,
        0.003_641_094_8,
        0.000_493_476_2,
        6.675_747e-5,
        9.059_770_5e-6,
        4.515_457_3e-7,
        0.0,
        0.0,
        0.0,
        0.0,
        0.871_579_5,
        0.692_429_84,
        0.504_515_6,
    ],
    [
        -0.237_870_35,
        -0.107_141_13,
        -0.042_514_43,
        -0.016_080_195,
        -0.003_634_434_4,
        -0.000_493_351_54,
        -6.675_581e-5,
        -9.056_979e-6,
        -2.309_956_4e-7,
        0.0,
        0.0,
        0.0,
        -1.097_237_7e-6,
        -0.312_337_52,
        -0.384_014_67,
        -0.355_131_8,
    ],
    [
        0.108_326_25,
        0.062_928_8,
        0.027_090_505,
        0.010_544_863,
        0.002_411_861,
        0.000_328_391_4,
        4.445_462e-5,
        6.037_34e-6,
        3.008_602_2e-7,
        0.0,
        0.0,
        0.0,
        -0.333_270_2,
        -0.178_594_74,
        -0.017_849_617,
        0.081_806_436,
    ],
    [
        -0.012_583_839,
        -0.023_524_234,
        -0.012_324_208,
        -0.005_098_908_7,
        -0.001_197_400_7,
        -0.000_164_061_8,
        -2.222_156_4e-5,
        -3.041_866e-6,
        -7.355_826e-7,
        0.0,
        0.0,
        0.0,
        -0.001_183_745_1,
        0.168_119_67,
        0.137_886_3,
        0.060_793_31,
    ],
    [
        -0.019_694_014,
        0.003_482_854_7,
        0.003_977_874,
        0.001_915_110_7,
        0.000_490_275_1,
        6.828_894_4e-5,
        9.266_473e-6,
        1.245_206_7e-6,
        6.604_311e-8,
        0.0,
        0.0,
        0.0,
        0.143_084_36,
        0.018_713_88,
        -0.054_102_59,
        -0.058_597_915,
    ],
    [
        0.015_080_232,
        0.002_094_036_4,
        -0.000_716_982_8,
        -0.000_550_680_4,
        -0.000_157_637_27,
        -2.259_732_9e-5,
        -3.091_395_7e-6,
        -3.617_915_6e-7,
        3.671_084_4e-7,
        0.0,
        0.0,
        0.0,
        -0.036_977_164,
        -0.069_602_87,
        -0.023_424_877,
        0.012_992_01,
    ],
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
    // Both cases are size - size * dividend / divisor, so that there is one division.
    let is_small = l.lt(a, l.float(0.975));
    let divisor = l.select(is_small, even_odd(l, a2, l.mul(a2, a2), &TANH), large);
    let dividend = l.select(is_small, a2, two);
    let size = l.select(is_small, a, one);
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
const EXP_TWICE: [f64; 10] = {
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
