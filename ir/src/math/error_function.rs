//! erf and erfc.
//!
//! **erf**: within 0.953 `x + x P(x^2)`, relative errors 2^-29.4 and 2^-56. Beyond, `1 - 2^Q(x - s)` where `2^Q` is
//! the complement, with absolute errors of 2^-27.9 and 2^-57: `s` is a point where the logarithm is nearly a float,
//! so that `Q` begins exactly; less the nearest integer it goes into a polynomial for `2^f`, errors 2^-25.9 and
//! 2^-54.8.
//!
//! **erfc**: `e^(-x^2) R(q) / (1 + 2 |x|)` with `q = (|x| - k) / (|x| + k)`, `k` 3 or 4 (Shepherd and Laframboise,
//! "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x", 1981), or 2 less that for a negative `x`. One division
//! gives both quotients. `f64` carries the rounding errors of the square, the exponential, the quotients and the
//! product, and within 3/4 takes `1 - (x + x P(x^2))` instead. Relative errors 2^-29 and 2^-58.
//!
//! Largest errors measured, in ULP: erf 0.97 and 0.87, erfc 0.56 and 0.85, for `f32` and `f64`.

use crate::lanes::{Lanes, Real};

/// What a type needs for the error function.
struct Erf<T, const N: usize, const M: usize, const K: usize> {
    /// `erf x / x - 1`, of `x^2`, to 1.
    near: [T; N],
    /// `s`.
    point: T,
    /// The binary logarithm of the complement at `s`.
    logarithm: T,
    /// Its slope from there, of `x - s`.
    slope: [T; M],
    /// `(2^f - 1) / f`, for `f` within 1/2.
    power: [T; K],
    one: T,
    /// Where the logarithm takes over.
    far: T,
    /// erf is 1 from here on.
    limit: T,
}

const ERF_F32: Erf<f32, 7, 6, 6> = Erf {
    near: [0.12837917, -0.37612626, 0.11283579, -0.026853347, 0.005187162, -0.00079978525, 7.8068995e-05],
    point: 1.0234375,
    logarithm: -2.7583175,
    slope: [-3.86434, -1.2205175, -0.058575086, 0.013995294, -0.0026140364, 0.0002708023],
    power: [std::f32::consts::LN_2, 0.24022648, 0.05550332, 0.00961844, 0.0013399132, 0.00015353164],
    one: 1.0,
    far: 0.953,
    limit: 3.95,
};

const ERF_F64: Erf<f64, 12, 19, 11> = Erf {
    near: [
        0.1283791670955126,
        -0.37612638903183865,
        0.11283791670955326,
        -0.02686617064460372,
        0.00522397761674334,
        -0.0008548326381108119,
        0.00012055305752687363,
        -1.4924925612396354e-05,
        1.6449554596922318e-06,
        -1.6223529335350796e-07,
        1.3780508880258838e-08,
        -7.901308434531105e-10,
    ],
    point: 0.9696044921875,
    logarithm: -2.5538162195473446,
    slope: [
        -3.7334502241920435,
        -1.2107980652273762,
        -0.06174653547939377,
        0.014914125016547772,
        -0.002915154554779816,
        0.0003332764575419283,
        4.789380688432099e-05,
        -4.306538567009342e-05,
        1.47227389346849e-05,
        -2.9686810675307425e-06,
        9.242797058108599e-08,
        2.1150084667791285e-07,
        -1.0529694435054974e-07,
        3.164679028014187e-08,
        -6.794267587205769e-09,
        1.054954745803655e-09,
        -1.1325066247798326e-10,
        7.532092006227195e-12,
        -2.336335985082114e-13,
    ],
    power: [
        std::f64::consts::LN_2,
        0.24022650695910133,
        0.05550410866482006,
        0.00961812910759357,
        0.0013333558146780093,
        0.00015403530457874936,
        1.5252733489455159e-05,
        1.3215434871557391e-06,
        1.0178200458827213e-07,
        7.073858438901658e-09,
        4.434730853962454e-10,
    ],
    one: 1.0,
    far: 0.953,
    limit: 6.0,
};

/// `(1 + 2x) e^(x^2) erfc x`, of `(x - 3) / (x + 3)`, to 10.1.
const SCALED_F32: [f64; 11] = [
    1.2530080591211705,
    -0.13562113930418615,
    -0.04756239955567997,
    0.12964641454554848,
    -0.11927097345846624,
    0.06829576846590425,
    -0.023797538403827166,
    0.0025673685931301964,
    0.002001821488279193,
    -0.0007775660002175629,
    -0.0002681210456490379,
];

/// `erf x / x - 1`, of `x^2`, to 3/4; relative to erfc, unlike [`Erf::near`].
const NEAR_COMPLEMENT_F64: [f64; 11] = [
    0.12837916709551256,
    -0.3761263890318352,
    0.11283791670945341,
    -0.026866170643184202,
    0.005223977603617085,
    -0.0008548325512921326,
    0.00012055265242334859,
    -1.4923642280543574e-05,
    1.6422935067697106e-06,
    -1.5879327897869465e-07,
    1.126825332547423e-08,
];

/// `(1 + 2x) e^(x^2) erfc x`, of `(x - 4) / (x + 4)`, to 28.
const SCALED_F64: [f64; 24] = [
    1.2329951186255526,
    -0.13962111684056253,
    0.015379652102619644,
    0.06809705425469294,
    -0.10103906603629799,
    0.09373283499833536,
    -0.06633036581236157,
    0.037167515537786064,
    -0.016197734056271406,
    0.0050319699747753245,
    -0.000757773297280266,
    -0.00019925667517995424,
    0.0001506217050208288,
    -2.4399285533450814e-05,
    -1.122209572726696e-05,
    5.709886945919765e-06,
    2.939271583420353e-07,
    -8.256043132975938e-07,
    7.446999642521499e-08,
    1.1012755453998847e-07,
    -1.7775686231557413e-08,
    -1.4064289328339271e-08,
    1.7848474552439846e-09,
    1.2313588706891565e-09,
];

/// What rounding the first coefficient left.
const SCALED_LOW_F64: f64 = -4.52979878866724e-17;

/// ln 2 less its first 53 bits.
const LN_2_LOW: f64 = 2.3190468138462996e-17;

/// `e^r`, for `r` within half of ln 2.
const EXP_F32: [f64; 7] = [
    1.0000000005594016,
    1.0000000365329327,
    0.4999999202539828,
    0.1666641922539341,
    0.04166823351766886,
    0.008374895604958271,
    0.001383664095496459,
];

/// `(e^r - 1 - r - r^2/2) / r^3`, for `r` within half of ln 2.
const EXP_F64: [f64; 10] = [
    0.1666666666666668,
    0.04166666666666641,
    0.008333333333318428,
    0.0013888888889034212,
    0.00019841269893608213,
    2.480158702427157e-05,
    2.7557237172840187e-06,
    2.7557526733389067e-07,
    2.5111348865083677e-08,
    2.083846730685056e-09,
];

/// The error function.
#[inline(always)]
pub(crate) fn erf_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    erf(l, &ERF_F32, x)
}

/// The error function.
#[inline(always)]
pub(crate) fn erf_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    erf(l, &ERF_F64, x)
}

/// 1 less the error function.
#[inline(always)]
pub(crate) fn erfc_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let w = l.wide();
    let x = l.widen(x);
    // The second operand, so that NaN remains. The complement of 11 is 0.
    let size = w.min(w.float(11.0), w.abs(x));
    let square = w.mul(size, size);
    let magic = w.float(f64::MAGIC);
    let shifted = w.fma(square, w.float(-std::f64::consts::LOG2_E), magic);
    let n = w.sub(shifted, magic);
    let rest = w.neg(w.fma(n, w.float(std::f64::consts::LN_2), square));
    let exponential = w.mul(w.horner(rest, &EXP_F32), w.power_of_two(w.bits(shifted)));

    let one = w.float(1.0);
    let double = w.fma(w.float(2.0), size, one);
    let shifted = w.add(size, w.float(3.0));
    let reciprocal = w.div(one, w.mul(double, shifted));
    let quotient = w.mul(w.mul(w.sub(size, w.float(3.0)), double), reciprocal);
    let scaled = w.mul(w.horner(quotient, &SCALED_F32), w.mul(shifted, reciprocal));
    let complement = w.mul(exponential, scaled);
    let negative = w.lt(x, w.float(0.0));
    l.narrow(w.select(negative, w.sub(w.float(2.0), complement), complement))
}

/// 1 less the error function.
#[inline(always)]
pub(crate) fn erfc_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let one = l.float(1.0);
    let two = l.float(2.0);
    // The second operand, so that NaN remains. The complement of 28 is 0.
    let size = l.min(l.float(28.0), l.abs(x));

    // e^(-x^2) as 2^n (head + tail).
    let square = l.mul(size, size);
    let square_low = l.fms(size, size, square);
    let magic = l.float(f64::MAGIC);
    let shifted = l.fma(square, l.float(-std::f64::consts::LOG2_E), magic);
    let n = l.sub(shifted, magic);
    // Exact: both terms are multiples of 2^-54 unless n is 0.
    let rest = l.neg(l.fma(n, l.float(std::f64::consts::LN_2), square));
    let rest_low = l.neg(l.fma(n, l.float(LN_2_LOW), square_low));
    let head = l.add(one, rest);
    let head_low = l.sub(rest, l.sub(head, one));
    let series = l.fma(rest, l.horner(rest, &EXP_F64), l.float(0.5));
    let tail = l.fma(l.mul(rest, rest), series, head_low);
    let tail = l.fma(rest_low, l.add(head, tail), tail);

    // 1 / (1 + 2x) and q, each in two parts.
    let double = l.fma(two, size, one);
    let double_low = l.fma(two, size, l.sub(one, double));
    let sum = l.add(size, l.float(4.0));
    let difference = l.sub(size, l.float(4.0));
    let reciprocal = l.div(one, l.mul(double, sum));
    let weight = l.mul(sum, reciprocal);
    let weight_rest = l.fnma(weight, double_low, l.fnma(weight, double, one));
    let weight_low = l.mul(weight_rest, weight);
    let inverse_sum = l.mul(double, reciprocal);
    let quotient = l.mul(difference, inverse_sum);
    let quotient_low = l.mul(l.fnma(quotient, sum, difference), inverse_sum);

    // R in two parts.
    let slope = l.horner(quotient, &SCALED_F64[1..]);
    let product = l.mul(quotient, slope);
    let product_low = l.fms(quotient, slope, product);
    let first = l.float(SCALED_F64[0]);
    let scaled = l.add(first, product);
    let scaled_low = l.add(l.sub(product, l.sub(scaled, first)), l.add(product_low, l.float(SCALED_LOW_F64)));
    let scaled_low = l.fma(quotient_low, slope, scaled_low);

    let weighted = l.mul(scaled, weight);
    let weighted_low = l.fms(scaled, weight, weighted);
    let weighted_low = l.fma(scaled, weight_low, l.fma(scaled_low, weight, weighted_low));
    let low = l.fma(head, weighted_low, l.mul(tail, weighted));
    let complement = l.scale(l.fma(head, weighted, low), n);
    let negative = l.lt(x, l.float(0.0));
    let far = l.select(negative, l.sub(two, complement), complement);

    // 1 - (x + x P).
    let near = l.sub(one, x);
    let near_low = l.sub(l.sub(one, near), x);
    let near = l.add(near, l.fnma(x, l.horner(square, &NEAR_COMPLEMENT_F64), near_low));
    l.select(l.lt(size, l.float(0.75)), near, far)
}

#[inline(always)]
fn erf<L: Lanes, const N: usize, const M: usize, const K: usize>(
    l: L,
    table: &Erf<L::Elem, N, M, K>,
    x: L::Float,
) -> L::Float {
    // The second operand, so that NaN remains.
    let size = l.min(l.float(table.limit), l.abs(x));
    let one = l.float(table.one);
    let near = l.fma(size, l.horner(l.mul(size, size), &table.near), size);

    let from_point = l.sub(size, l.float(table.point));
    let slope = l.horner(from_point, &table.slope);
    let logarithm = l.float(table.logarithm);
    let magic = l.float(L::Elem::MAGIC);
    let shifted = l.add(l.fma(from_point, slope, logarithm), magic);
    let n = l.sub(shifted, magic);
    let fraction = l.fma(from_point, slope, l.sub(logarithm, n));
    let power = l.fma(fraction, l.horner(fraction, &table.power), one);
    // The magic number's low bits are zeros, so these are the integer's.
    let far = l.fnma(power, l.power_of_two(l.bits(shifted)), one);
    l.copysign(l.select(l.gt(size, l.float(table.far)), far, near), x)
}
