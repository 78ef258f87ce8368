//! log, log2, log10 and log1p.
//!
//! `log(x) = e * ln 2 + log(m)` for a mantissa `m` from 3/4 to 3/2. The first bits of `m` choose a short number `c` near
//! `1 / m` from a table, so that `f = c * m - 1` is exact, and `log(m) = log(1 + f) - log(c)`; around 1, `c` is 1 and the
//! logarithm is the polynomial. `log(1 + f) = f + f^2 P(f)` with a minimax `P`: of degree 3 with a relative error of 2^-28
//! for `f32`, `f` from -0.038 to 0.0625; of degree 10 with 2^-56 for `f64`, `f` from -0.0625 to 0.125. Zeros, infinity and
//! what has no logarithm come out of the exponent and the mantissa.
//!
//! For other bases of `f32`, `P` has degree 8, and `f` is from `sqrt(1/2) - 1` to `sqrt(2) - 1`, so that a sum does not
//! cancel. For those of `f64`, `s = f / (2 + f)` and `log(1 + f) = 2 atanh(s) = f - h + s (h + R(s^2))` with `h = f^2 / 2`,
//! as in FreeBSD's msun, a relative error of 2^-57.5; what adding the exponent's part to `f` rounds is carried, and the
//! product with the logarithm of e. log1p adds `low / high` for the part that `1 + x` rounds. log1p of `f32` goes through
//! `f64`.
//!
//! Largest errors, in ULP, over all `f32` (log10: from 1/4 to 4; log1p: one in 61), and 60,000 `f64` each, against MPFR:
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | log | 0.78 | 0.80 |
//! | log2 | 1.00 | 0.78 |
//! | log10 | 0.95 | 0.70 |
//! | log1p | 0.51 | 0.84 |

use super::exp::{LN_2_F32, LN_2_HIGH, LN_2_LOW};
use super::polynomial::even_odd;
use crate::lanes::{Lanes, Real};

/// A float as `2^e * (1 + f)`.
pub(super) struct Split<F> {
    pub e: F,
    pub f: F,
}

/// Where the interval of `1 + f` begins: the square root of 1/2, so that the logarithm of `1 + f` is at most half of log(2).
const SQRT_HALF: i32 = 0x3f35_04f3;
const SQRT_HALF_F64: i64 = 0x3fe6_a09e_667f_3bcd;

/// The parts of `x`, with `1 + f` in an octave that begins with the float of bits `begin`.
///
/// Where `x` is not a positive number, `e` is the logarithm: NaN or infinite.
#[inline(always)]
fn split_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float, begin: i32) -> Split<L::Float> {
    let subnormal = l.lt(x, l.float(f32::MIN_POSITIVE));
    let positive = l.lt(l.float(0.0), x);
    let zero = l.eq(x, l.float(0.0));
    let finite = l.lt(x, l.float(f32::INFINITY));
    let scaled = l.select(subnormal, l.mul(x, l.float(8_388_608.0)), x);
    let offset = l.int_sub(l.bits(scaled), l.int(begin));
    // The biased exponent in the low bits of MAGIC; then MAGIC and the bias are subtracted.
    let biased = l.shr(l.int_add(offset, l.int(127 << 23)), 23);
    let exponent = l.float_of_bits(l.int_or(biased, l.int(f32::MAGIC.bits())));
    let bias = f32::MAGIC + 127.0;
    let below = l.select(zero, l.float(f32::NEG_INFINITY), l.float(f32::NAN));
    let below = l.select(positive, l.float(-(bias + 23.0)), below);
    let bias = l.select(finite, l.select(subnormal, below, l.float(-bias)), x);
    let m = l.float_of_bits(l.int_add(l.int_and(offset, l.int(0x007f_ffff)), l.int(begin)));
    Split { e: l.add(exponent, bias), f: l.sub(m, l.float(1.0)) }
}

/// The parts of a positive number, with `1 + f` from the square root of 1/2 to that of 2.
#[inline(always)]
pub(super) fn split_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Split<L::Float> {
    let subnormal = l.lt(x, l.float(f64::MIN_POSITIVE));
    let scaled = l.select(subnormal, l.mul(x, l.float(4_503_599_627_370_496.0)), x);
    let bias = f64::MAGIC + 1023.0;
    split_normal(l, scaled, l.select(subnormal, l.float(-(bias + 52.0)), l.float(-bias)))
}

#[inline(always)]
fn split_normal<L: Lanes<Elem = f64>>(l: L, x: L::Float, bias: L::Float) -> Split<L::Float> {
    let offset = l.int_sub(l.bits(x), l.int(SQRT_HALF_F64));
    let biased = l.shr(l.int_add(offset, l.int(1023 << 52)), 52);
    let exponent = l.float_of_bits(l.int_or(biased, l.int(f64::MAGIC.bits())));
    let m = l.float_of_bits(l.int_add(l.int_and(offset, l.int(0x000f_ffff_ffff_ffff)), l.int(SQRT_HALF_F64)));
    Split { e: l.add(exponent, bias), f: l.sub(m, l.float(1.0)) }
}

/// `log` where `x` is a positive number, else what the logarithm of `x` is.
#[inline(always)]
fn or_special<L: Lanes<Elem = f64>>(l: L, x: L::Float, log: L::Float) -> L::Float {
    let zero = l.float(0.0);
    let below = l.select(l.eq(x, zero), l.float(f64::NEG_INFINITY), l.float(f64::NAN));
    let log = l.select(l.lt(zero, x), log, below);
    l.select(l.lt(x, l.float(f64::INFINITY)), log, x)
}

/// Coefficients of `2 (atanh(s) / s - 1) / s^2` in `s^2`.
const ATANH: [f64; 7] = [
    0.666666666666667,
    0.3999999999989756,
    0.28571428627167506,
    0.22222210920001928,
    0.1818290552481544,
    0.15331162127085443,
    0.14623474454070767,
];

/// `log(1 + f) - f`.
#[inline(always)]
fn log1p_rest<L: Lanes<Elem = f64>>(l: L, f: L::Float) -> L::Float {
    // s = f / (2 + f), h = f^2 / 2: log(1 + f) = 2 atanh(s) = f - h + s (h + R(s^2)).
    let s = l.div(f, l.add(l.float(2.0), f));
    let z = l.mul(s, s);
    let h = l.mul(l.mul(f, l.float(0.5)), f);
    l.fms(s, l.fma(z, even_odd(l, z, l.mul(z, z), &ATANH), h), h)
}

/// The natural logarithm.
#[inline(always)]
pub(crate) fn log_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let (e, m) = (l.exponent(x), l.mantissa(x));
    let octave_part = l.shr(l.bits(m), f32::FRACTION_BITS - 4);
    let f = l.fms(m, l.lookup(&INVERSES_F32, octave_part), l.float(1.0));
    let high = l.fma(e, l.float(LN_2_F32.0), l.lookup(&LOGS_F32, octave_part));
    let low = l.fma(e, l.float(LN_2_F32.1), l.lookup(&LOGS_LOW_F32, octave_part));
    l.add(high, l.add(f, l.fma(l.mul(f, f), l.horner(f, &LOG_F32), low)))
}

/// Numbers near `1 / m` for a mantissa `m` whose fraction begins with the four bits of the position, so short that their
/// product with a mantissa less 1 is exact.
const INVERSES_F32: [f32; 16] = [
    1.0, 0.90625, 0.875, 0.8125, 0.78125, 0.75, 0.71875, 0.6875, 1.3125, 1.25, 1.21875, 1.15625, 1.125,
    1.09375, 1.0625, 1.0,
];

/// Minus their logarithms to 2^-15, and log(2) more where the mantissa is below 1.
const LOGS_F32: [f32; 16] = [
    0.0,
    0.098_449_71,
    0.133_544_92,
    0.207_641_6,
    0.246_856_69,
    0.287_689_2,
    0.330_230_7,
    0.374_694_82,
    0.421_203_6,
    0.470_001_22,
    0.495_330_8,
    0.547_973_63,
    0.575_378_4,
    0.603_546_14,
    0.632_507_3,
    0.693_145_75,
];

/// What rounding these left.
const LOGS_LOW_F32: [f32; 16] = [
    0.0,
    -9.634_218e-6,
    -1.352_925e-5,
    -2.236_784_2e-6,
    3.388_478_5e-6,
    -7.136_532_5e-6,
    1.097_398e-5,
    -1.374_777_3e-6,
    9.851_795e-6,
    2.408_542_5e-6,
    -9.373_317e-6,
    -8.462_097e-6,
    -1.427_306_5e-5,
    -1.112_070_8e-5,
    1.523_452_5e-5,
    1.428_606_8e-6,
];

/// Coefficients of `(log(1 + f) - f) / f^2`.
const LOG_F32: [f32; 4] = [-0.499_999_9, 0.333_345_14, -0.250_246_32, 0.190_912_49];

/// The natural logarithm.
#[inline(always)]
pub(crate) fn log_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let (e, m) = (l.exponent(x), l.mantissa(x));
    let octave_part = l.shr(l.bits(m), f64::FRACTION_BITS - 3);
    let f = l.fms(m, l.lookup(&INVERSES, octave_part), l.float(1.0));
    let high = l.fma(e, l.float(LN_2_HIGH), l.lookup(&LOGS, octave_part));
    let low = l.fma(e, l.float(LN_2_LOW), l.lookup(&LOGS_LOW, octave_part));
    let f2 = l.mul(f, f);
    l.add(high, l.add(f, l.fma(f2, even_odd(l, f, f2, &LOG), low)))
}

/// Numbers near `1 / m` for a mantissa `m` whose fraction begins with the three bits of the position, so short that their
/// product with a mantissa less 1 is exact.
const INVERSES: [f64; 8] = [1.0, 0.84375, 0.75, 0.6875, 1.25, 1.1875, 1.125, 1.0];

/// Minus their logarithms to 2^-42, and log(2) more where the mantissa is below 1.
const LOGS: [f64; 8] = [
    0.0,
    0.16989903679541385,
    0.28768207245184385,
    0.3746934494413381,
    0.4700036292456389,
    0.521296923633372,
    0.5753641449034603,
    LN_2_HIGH,
];

/// What rounding these left.
const LOGS_LOW: [f64; 8] = [
    0.0,
    -1.6376276414097503e-14,
    -6.292357389008195e-14,
    7.260466149925637e-14,
    9.667719603235566e-14,
    -8.590204918402764e-14,
    1.0152652766306816e-13,
    LN_2_LOW,
];

/// Coefficients of `(log(1 + f) - f) / f^2`.
const LOG: [f64; 11] = [
    -0.49999999999999906,
    0.3333333333332774,
    -0.25000000000317457,
    0.200000000116844,
    -0.16666666445201522,
    0.14285706068593138,
    -0.12500029058156606,
    0.11113417788389816,
    -0.10010999247906192,
    0.08896614336228514,
    -0.06082772810706478,
];

/// `e * ln 2 + high + low`.
#[inline(always)]
fn add_exponent<L: Lanes<Elem = f64>>(l: L, e: L::Float, high: L::Float, low: L::Float) -> L::Float {
    let sum = l.fma(e, l.float(LN_2_HIGH), high);
    let lost = l.sub(high, l.fnma(e, l.float(LN_2_HIGH), sum));
    l.add(sum, l.fma(e, l.float(LN_2_LOW), l.add(low, lost)))
}

/// The logarithm to base 2.
#[inline(always)]
pub(crate) fn log2_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let Split { e, f } = split_f32(l, x, SQRT_HALF);
    let f2 = l.mul(f, f);
    let low = l.fma(f2, even_odd(l, f, f2, &LOG2_F32), l.mul(f, l.float(1.925_963e-8)));
    l.add(e, l.fma(f, l.float(std::f32::consts::LOG2_E), low))
}

/// Coefficients of `(log2(1 + f) - f / ln 2) / f^2`.
const LOG2_F32: [f32; 9] = [
    -0.721_347_33,
    0.480_898_2,
    -0.360_697_87,
    0.288_570_23,
    -0.239_596_38,
    0.204_541_24,
    -0.191_152_36,
    0.186_550_41,
    -0.110_205_83,
];

/// The logarithm to base 10.
#[inline(always)]
pub(crate) fn log10_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let Split { e, f } = split_f32(l, x, SQRT_HALF);
    let f2 = l.mul(f, f);
    let low = l.fma(f, l.float(-1.010_305e-8), l.mul(e, l.float(1.548_133_4e-8)));
    let low = l.fma(f2, even_odd(l, f, f2, &LOG10_F32), low);
    let log = l.fma(f, l.float(std::f32::consts::LOG10_E), low);
    l.fma(e, l.float(0.301_029_98), log)
}

/// Coefficients of `(log10(1 + f) - f / ln 10) / f^2`.
const LOG10_F32: [f32; 9] = [
    -0.217_147_19,
    0.144_764_8,
    -0.108_580_746,
    0.086_867_54,
    -0.072_127_596,
    0.061_586_928,
    -0.057_543_024,
    0.056_077_42,
    -0.033_078_484,
];

/// `1 / ln 2` and what rounding it left.
const LOG2_E: (f64, f64) = (std::f64::consts::LOG2_E, 2.0355273740931033e-17);
/// `1 / ln 10` and what rounding it left.
const LOG10_E: (f64, f64) = (std::f64::consts::LOG10_E, 1.098319650216765e-17);
/// `log10 2`: 42 bits, and the rest.
const LOG10_2: (f64, f64) = (0.30102999566395283, 2.8363394551044964e-14);

/// `(high + low) * factor`, as a sum.
#[inline(always)]
fn times<L: Lanes<Elem = f64>>(
    l: L,
    (high, low): (L::Float, L::Float),
    factor: (f64, f64),
) -> (L::Float, L::Float) {
    let sum = l.add(high, low);
    let low = l.add(l.sub(high, sum), low);
    let product = l.mul(sum, l.float(factor.0));
    let rest = l.fma(sum, l.float(factor.1), l.fms(sum, l.float(factor.0), product));
    (product, l.fma(low, l.float(factor.0), rest))
}

/// The logarithm to base 2.
#[inline(always)]
pub(crate) fn log2_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let Split { e, f } = split_f64(l, x);
    let (high, low) = times(l, (f, log1p_rest(l, f)), LOG2_E);
    let sum = l.add(e, high);
    let lost = l.sub(high, l.sub(sum, e));
    or_special(l, x, l.add(sum, l.add(lost, low)))
}

/// The logarithm to base 10.
#[inline(always)]
pub(crate) fn log10_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let Split { e, f } = split_f64(l, x);
    let (high, low) = times(l, (f, log1p_rest(l, f)), LOG10_E);
    let sum = l.fma(e, l.float(LOG10_2.0), high);
    let lost = l.sub(high, l.fnma(e, l.float(LOG10_2.0), sum));
    or_special(l, x, l.add(sum, l.fma(e, l.float(LOG10_2.1), l.add(lost, low))))
}

/// Coefficients of `2 (atanh(s) / s - 1) / s^2` in `s^2`, for what will be rounded to `f32`.
const ATANH_FOR_F32: [f64; 4] =
    [0.6666666655153558, 0.4000012416762104, 0.2855056342516163, 0.23337343559654586];

/// `log(x)` of a positive normal number with a relative error of 2^-35; some number for others.
#[inline(always)]
pub(super) fn log_for_f32<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let Split { e, f } = split_normal(l, x, l.float(-(f64::MAGIC + 1023.0)));
    let s = l.div(f, l.add(l.float(2.0), f));
    let z = l.mul(s, s);
    let g = l.fma(z, l.horner(z, &ATANH_FOR_F32), l.float(2.0));
    l.fma(e, l.float(std::f64::consts::LN_2), l.mul(s, g))
}

/// `log(1 + x)`.
#[inline(always)]
pub(crate) fn log1p_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let w = l.wide();
    let log = l.narrow(log_for_f32(w, w.add(w.float(1.0), l.widen(x))));
    // Where 1 + x has lost too much of x, two terms of the series; at zero, its sign.
    let series = l.fnma(l.mul(x, l.float(0.5)), x, x);
    let log = l.select(l.lt(l.abs(x), l.float(1e-6)), series, log);
    let minus_one = l.float(-1.0);
    let below = l.select(l.eq(x, minus_one), l.float(f32::NEG_INFINITY), l.float(f32::NAN));
    let log = l.select(l.lt(minus_one, x), log, below);
    l.select(l.lt(x, l.float(f32::INFINITY)), log, x)
}

/// `log((high + low) * 2^exponent)` for a positive normal `high` and a `low` of some units in its last place.
#[inline(always)]
pub(super) fn log_of_sum<L: Lanes<Elem = f64>>(
    l: L,
    high: L::Float,
    low: L::Float,
    exponent: L::Float,
) -> L::Float {
    let Split { e, f } = split_normal(l, high, l.float(-(f64::MAGIC + 1023.0)));
    add_exponent(l, l.add(e, exponent), f, l.add(log1p_rest(l, f), l.div(low, high)))
}

/// `log(1 + x)`.
#[inline(always)]
pub(crate) fn log1p_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let one = l.float(1.0);
    let sum = l.add(one, x);
    let virtual_x = l.sub(sum, one);
    let lost = l.add(l.sub(one, l.sub(sum, virtual_x)), l.sub(x, virtual_x));
    let log = log_of_sum(l, sum, lost, l.float(0.0));
    let log = l.select(l.lt(l.abs(x), l.float(1e-17)), x, log);
    let minus_one = l.float(-1.0);
    let below = l.select(l.eq(x, minus_one), l.float(f64::NEG_INFINITY), l.float(f64::NAN));
    let log = l.select(l.lt(minus_one, x), log, below);
    l.select(l.lt(x, l.float(f64::INFINITY)), log, x)
}
