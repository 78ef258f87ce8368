//! log, log2, log10 and log1p.
//!
//! `log(x) = e * ln 2 + log(m)` for a mantissa `m` from 3/4 to 3/2. The first bits of `m` choose a short number `c` near
//! `1 / m` from a table, so that `f = c * m - 1` is exact, and `log(m) = log(1 + f) - log(c)`; around 1, `c` is 1 and the
//! logarithm is the polynomial. `log(1 + f) = f + f^2 P(f)` with a minimax `P`: of degree 3 with a relative error of 2^-28
//! for `f32`, `f` from -0.038 to 0.0625; of degree 10 with 2^-56 for `f64`, `f` from -0.0625 to 0.125. Zeros, infinity and
//! what has no logarithm come out of the exponent and the mantissa.
//!
//! Other bases have tables of their own; the product with the logarithm of e is the last sum but one.
//!
//! log1p of `f64`: with `s = f / (2 + f)`, `log(1 + f) = 2 atanh(s) = f - h + s (h + R(s^2))` with `h = f^2 / 2`, as in
//! FreeBSD's msun, a relative error of 2^-57.5; what adding the exponent's part to `f` rounds is carried, and `low / high`
//! added for the part that `1 + x` rounds. log1p of `f32` goes through `f64`.
//!
//! Largest errors, in ULP, over one `f32` in 101 (log1p: in 61), and 60,000 `f64` each, against MPFR:
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | log | 0.78 | 0.80 |
//! | log2 | 0.78 | 0.78 |
//! | log10 | 0.78 | 0.76 |
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
pub(super) const SQRT_HALF: i64 = 0x3fe6_a09e_667f_3bcd;

/// The parts of a positive number, with `1 + f` from the square root of 1/2 to that of 2.
#[inline(always)]
pub(super) fn split_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Split<L::Float> {
    let subnormal = l.lt(x, l.float(f64::MIN_POSITIVE));
    let scaled = l.select(subnormal, l.mul(x, l.float(4_503_599_627_370_496.0)), x);
    let bias = f64::MAGIC + 1023.0;
    split_normal(l, scaled, l.select(subnormal, l.float(-(bias + 52.0)), l.float(-bias)))
}

/// The parts of a positive normal number; some numbers for others. `bias` is MAGIC and the bias, negative.
#[inline(always)]
fn split_normal<L: Lanes<Elem = f64>>(l: L, x: L::Float, bias: L::Float) -> Split<L::Float> {
    let offset = l.int_sub(l.bits(x), l.int(SQRT_HALF));
    let biased = l.shr(l.int_add(offset, l.int(1023 << 52)), 52);
    let exponent = l.float_of_bits(l.int_or(biased, l.int(f64::MAGIC.bits())));
    let m = l.float_of_bits(l.int_add(l.int_and(offset, l.int(0x000f_ffff_ffff_ffff)), l.int(SQRT_HALF)));
    Split { e: l.add(exponent, bias), f: l.sub(m, l.float(1.0)) }
}

/// Coefficients of `2 (atanh(s) / s - 1) / s^2` in `s^2`.
pub(super) const ATANH: [f64; 7] = [
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

/// `x` as `2^e (1 + f) / c`, and the position of `c` in its table.
struct Reduced<F, I> {
    e: F,
    f: F,
    position: I,
}

/// The parts of `x` by a table of [`INVERSES`], whose position has so many bits.
#[inline(always)]
fn reduce<L: Lanes>(
    l: L,
    x: L::Float,
    inverses: &'static <L::Elem as Real>::Table,
    bits: u32,
) -> Reduced<L::Float, L::Int> {
    let (e, m) = (l.exponent(x), l.mantissa(x));
    let position = l.shr(l.bits(m), L::Elem::FRACTION_BITS - bits);
    Reduced { e, f: l.fms(m, l.lookup(inverses, position), l.float(L::Elem::number(1))), position }
}

/// The natural logarithm.
#[inline(always)]
pub(crate) fn log_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let Reduced { e, f, position } = reduce(l, x, &INVERSES_F32, 4);
    let high = l.fma(e, l.float(LN_2_F32.0), l.lookup(&LOGS_F32, position));
    let low = l.fma(e, l.float(LN_2_F32.1), l.lookup(&LOGS_LOW_F32, position));
    l.add(high, l.add(f, l.fma(l.mul(f, f), l.horner(f, &LOG_F32), low)))
}

/// Numbers near `1 / m` for a mantissa `m` whose fraction begins with the four bits of the position, so short that their
/// product with a mantissa less 1 is exact.
pub(super) const INVERSES_F32: [f32; 16] = [
    1.0, 0.90625, 0.875, 0.8125, 0.78125, 0.75, 0.71875, 0.6875, 1.3125, 1.25, 1.21875, 1.15625, 1.125,
    1.09375, 1.0625, 1.0,
];

/// Minus their logarithms to 2^-15, and log(2) more where the mantissa is below 1.
pub(super) const LOGS_F32: [f32; 16] = [
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
pub(super) const LOGS_LOW_F32: [f32; 16] = [
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
    let Reduced { e, f, position } = reduce(l, x, &INVERSES, 3);
    let high = l.fma(e, l.float(LN_2_HIGH), l.lookup(&LOGS, position));
    let low = l.fma(e, l.float(LN_2_LOW), l.lookup(&LOGS_LOW, position));
    let f2 = l.mul(f, f);
    l.add(high, l.add(f, l.fma(f2, even_odd(l, f, f2, &LOG), low)))
}

/// Numbers near `1 / m` for a mantissa `m` whose fraction begins with the three bits of the position, so short that their
/// product with a mantissa less 1 is exact.
pub(super) const INVERSES: [f64; 8] = [1.0, 0.84375, 0.75, 0.6875, 1.25, 1.1875, 1.125, 1.0];

/// Minus their logarithms to 2^-42, and log(2) more where the mantissa is below 1.
pub(super) const LOGS: [f64; 8] = [
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
pub(super) const LOGS_LOW: [f64; 8] = [
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

/// A base other than e, and the logarithms to it.
struct Base<T: Real> {
    /// Of 2, in two parts, if it is not 1.
    octave: Option<(T, T)>,
    /// As [`LOGS`] and [`LOGS_LOW`].
    logs: T::Table,
    logs_low: T::Table,
    /// Of e, in two parts.
    e: (T, T),
    /// Of `(log(1 + f) - f) / f^2`, times the logarithm of e.
    coefficients: &'static [T],
}

/// The logarithm to another base: 0, or the exponent's part and a table's, and that of `1 + f`.
#[inline(always)]
fn log_to<L: Lanes>(
    l: L,
    base: &'static Base<L::Elem>,
    Reduced { e, f, position }: Reduced<L::Float, L::Int>,
) -> L::Float {
    let (high, low) = (l.lookup(&base.logs, position), l.lookup(&base.logs_low, position));
    let (high, low) = match base.octave {
        None => (l.add(e, high), low),
        Some(octave) => (l.fma(e, l.float(octave.0), high), l.fma(e, l.float(octave.1), low)),
    };
    let f2 = l.mul(f, f);
    let low = l.fma(f2, even_odd(l, f, f2, base.coefficients), l.fma(f, l.float(base.e.1), low));
    l.add(high, l.fma(f, l.float(base.e.0), low))
}

/// The logarithm to base 2.
#[inline(always)]
pub(crate) fn log2_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    log_to(l, LOG2_F32, reduce(l, x, &INVERSES_F32, 4))
}

/// The logarithm to base 10.
#[inline(always)]
pub(crate) fn log10_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    log_to(l, LOG10_F32, reduce(l, x, &INVERSES_F32, 4))
}

/// The logarithm to base 2.
#[inline(always)]
pub(crate) fn log2_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    log_to(l, LOG2, reduce(l, x, &INVERSES, 3))
}

/// The logarithm to base 10.
#[inline(always)]
pub(crate) fn log10_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    log_to(l, LOG10, reduce(l, x, &INVERSES, 3))
}

/// Base 2.
const LOG2_F32: &Base<f32> = &Base {
    octave: None,
    logs: [
        0.0,
        0.142_028_81,
        0.192_657_47,
        0.299_560_55,
        0.356_140_14,
        0.415_039_06,
        0.476_440_43,
        0.540_557_86,
        0.607_696_53,
        0.678_070_07,
        0.714_599_6,
        0.790_557_86,
        0.830_078_1,
        0.870_727_54,
        0.912_536_6,
        1.0,
    ],
    logs_low: [
        0.0,
        -9.803_722e-6,
        -1.239_276_1e-5,
        -2.650_161e-7,
        3.673_506_6e-6,
        -1.563_221_2e-6,
        -2.385_744_4e-6,
        1.052_003_4e-5,
        -1.395_598_2e-5,
        1.836_753_3e-6,
        -1.828_237_3e-6,
        -1.122_695_7e-5,
        -3.126_442_4e-6,
        -1.055_600_75e-5,
        5.376_559e-7,
        0.0,
    ],
    e: (std::f32::consts::LOG2_E, 1.925_963e-8),
    coefficients: &[-0.721_347_4, 0.480_915_4, -0.361_028_43, 0.275_423_1],
};

/// Base 10.
const LOG10_F32: &Base<f32> = &Base {
    octave: Some((0.301_025_4, 4.605_039e-6)),
    logs: [
        0.0,
        0.042_755_127,
        0.057_983_4,
        0.090_179_44,
        0.107_208_25,
        0.124_938_965,
        0.143_432_62,
        0.162_719_73,
        0.182_922_36,
        0.204_132_08,
        0.215_118_41,
        0.237_976_07,
        0.249_877_93,
        0.262_115_48,
        0.274_688_72,
        0.301_025_4,
    ],
    logs_low: [
        0.0,
        -3.146_532_2e-6,
        8.548_54e-6,
        -2.813_010_3e-6,
        1.717_694_8e-6,
        -2.282_354_5e-7,
        -1.047_488_5e-5,
        7.570_935_4e-6,
        8.320_305e-6,
        -1.209_742_2e-5,
        -3.041_245_7e-6,
        2.175_698_2e-6,
        -4.564_709e-7,
        -3.548_882e-6,
        1.233_623_9e-5,
        4.605_039e-6,
    ],
    e: (std::f32::consts::LOG10_E, -1.010_305e-8),
    coefficients: &[-0.217_147_2, 0.144_769_95, -0.108_680_38, 0.082_910_62],
};

/// Base 2.
const LOG2: &Base<f64> = &Base {
    octave: None,
    logs: [
        0.0,
        0.2451124978365442,
        0.41503749927892386,
        0.5405683813626183,
        0.6780719051125743,
        0.7520724865564716,
        0.8300749985576203,
        1.0,
    ],
    logs_low: [
        0.0,
        -1.275189131300513e-14,
        -8.00418555854124e-14,
        8.443284155858175e-14,
        6.33385952568616e-14,
        -5.712484083531846e-14,
        6.728996427240727e-14,
        0.0,
    ],
    e: (std::f64::consts::LOG2_E, 2.0355273740931033e-17),
    coefficients: &[
        -0.7213475204444804,
        0.4808983469629071,
        -0.3606737602268208,
        0.2885390083463629,
        -0.24044917028642723,
        0.2060991730075669,
        -0.18033729933170475,
        0.1603327273063718,
        -0.14442818969297405,
        0.12835101383578534,
        -0.08775586168860457,
    ],
};

/// Base 10.
const LOG10: &Base<f64> = &Base {
    octave: Some((0.30102999566383914, 1.42050232272661e-13)),
    logs: [
        0.0,
        0.07378621416091846,
        0.12493873660832833,
        0.16272729749766768,
        0.20411998265581133,
        0.22639637736710938,
        0.24987747321665665,
        0.30102999566383914,
    ],
    logs_low: [
        0.0,
        2.023262471821997e-16,
        -2.8373705641129622e-14,
        3.206228782072406e-14,
        1.1345357820417986e-13,
        -3.236589724961214e-14,
        -5.6747411282259244e-14,
        1.42050232272661e-13,
    ],
    e: (std::f64::consts::LOG10_E, 1.098319650216765e-17),
    coefficients: &[
        -0.2171472409516255,
        0.14476482730105966,
        -0.10857362047719166,
        0.08685889643139506,
        -0.07238241268873107,
        0.06204203315681797,
        -0.05428693643587716,
        0.04826496020583138,
        -0.043477217317032635,
        0.038637505138454056,
        -0.026417146663609566,
    ],
};

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
