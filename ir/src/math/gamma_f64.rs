//! gamma and the logarithm of its size, for `f64`, in sums of two numbers.
//!
//! As for `f32` (see [`gamma`](super::gamma)), with Stirling's formula from 4 on as `(y - 1/2) (log y - 1)` and a
//! constant: the logarithm to 2^-65, relatively, the product and the exponential in two parts, the series to 2^-58.
//!
//! The logarithm of gamma is that of Stirling's formula less the logarithm of the product, or of the reflection's
//! quotient. Where they cancel, from 0.82 to 2.25, three polynomials take its place, and left of 0, where the
//! logarithm is within 1/2 of 0, the scalar path.
//!
//! Largest errors measured, in ULP: tgamma 0.89, lgamma 0.86.

use super::reciprocal_gamma::lgamma_about_root;
use super::trigonometric::sine_and_cosine;
use crate::lanes::{Lanes, Rare, Real};

/// A number as the sum of two.
type Pair<L> = [<L as Lanes>::Float; 2];

/// `S(w) / w`, of `w^2`, to 1/4.
const STIRLING: [f64; 9] = [
    0.08333333333333333,
    -0.0027777777776955815,
    0.0007936507592399004,
    -0.0005952326757080038,
    0.0008413128002641431,
    -0.0018968956597035127,
    0.0058070871467310395,
    -0.018192381090240746,
    0.03556605086579634,
];

/// `(log((1 + s) / (1 - s)) / s - 2 - 2/3 s^2) / s^4`, of `s^2`, for logarithms within half of ln 2.
const LOG: [f64; 8] = [
    0.39999999999999974,
    0.2857142857144529,
    0.22222222217492713,
    0.18181818875775388,
    0.15384556492893767,
    0.1333633215620098,
    0.11674515880695314,
    0.11991559649748988,
];

/// `(e^r - 1 - r - r^2/2) / r^3`, for `r` within half of ln 2.
const EXP: [f64; 10] = [
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

/// Where the logarithm of gamma is small, from these on, a polynomial about the middle of its three intervals each.
const NEAR: [f64; 4] = [0.82, 1.19, 1.7, 2.25];
/// The middles: the zeros, and near the least value a point where the logarithm is nearly a number.
const MIDDLE: [f64; 3] = [1.0, 1.45556640625, 2.0];
/// The logarithm there.
const NEAR_VALUE: [f64; 3] = [0.0, -0.1214684556372295, 0.0];
/// The slope there, in two parts: at the zeros less Euler's constant, and 1 less it.
const NEAR_SLOPE: [f64; 3] = [-0.5772156649015329, -0.005885995587861426, 0.42278433509846713];
const NEAR_SLOPE_LOW: f64 = 4.942915152430645e-18;
/// What follows, over the square of the distance, of the distance.
const NEAR_SERIES: [[f64; 3]; 15] = [
    [0.8224670334241133, 0.4865361485091985, 0.3224670334241132],
    [-0.4006856343865403, -0.14916785965687682, -0.06735230105319809],
    [0.27058080842762544, 0.06562937297957, 0.02058080842778525],
    [-0.20738555102205156, -0.033450619839620506, -0.007385551028676425],
    [0.16955717705245596, 0.01841497332804831, 0.002890510330623664],
    [-0.14404989844786023, -0.010615198777620889, -0.0011927539115147872],
    [0.12550966157661567, 0.006305477297407304, 0.0005096695334241291],
    [-0.11133406355240094, -0.003824516059742735, -0.00022315476269141573],
    [0.10010001356654653, 0.002355464420413103, 9.94571829917265e-05],
    [-0.09096706456804775, -0.0014679860745895807, -4.492632647102238e-05],
    [0.08333516208906562, 0.0009237952130379214, 2.0513994801113483e-05],
    [-0.0764710453402834, -0.0005817469808460624, -9.433922713327758e-06],
    [0.0716470799435154, 0.000365491088261942, 4.302292291832399e-06],
    [-0.07504803269211313, -0.0002676720172960212, -2.1263598396846205e-06],
    [0.06499570272483185, 0.00019461672622386332, 1.2876013148025206e-06],
];

/// ln 2: 42 bits, whose product with an exponent is exact, and the next 53.
const LN_2: [f64; 2] = [0.6931471805598903, 5.497923018708371e-14];
/// 2/3 in two parts.
const TWO_THIRDS: [f64; 2] = [0.6666666666666666, 3.700743415417188e-17];
/// Half of log(2 pi) less 1/2, in two parts.
const STIRLING_CONSTANT: [f64; 2] = [0.4189385332046727, 1.6728209650585413e-17];
/// pi in two parts.
const PI: [f64; 2] = [std::f64::consts::PI, 1.2246467991473532e-16];

static LGAMMA_ROOT: Rare<f64> = Rare { name: "lgamma about a zero", function: lgamma_root };

fn lgamma_root(x: f64, _: f64) -> f64 {
    lgamma_about_root(x)
}

/// gamma; NaN at negative integers.
#[inline(always)]
pub(crate) fn tgamma_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let (zero, one) = (l.float(0.0), l.float(1.0));
    // The second operand, so that NaN remains. gamma(200) is infinite, and its reciprocal 0.
    let bounded = l.min(l.float(200.0), size);
    let shifted = shift(l, bounded);
    let logarithm = log(l, shifted.y[0]);
    let exponent = stirling(l, &shifted, logarithm);
    let (above, n) = exp(l, exponent);

    let negative = l.int_gt(l.int(0), l.bits(x));
    let (sine, parity) = sine_of_turn(l, size);
    let reflected = multiply(l, multiply(l, [bounded, zero], sine), above);
    let numerator =
        select(l, negative, multiply(l, shifted.product, [l.float(PI[0]), l.float(PI[1])]), above);
    let denominator = select(l, negative, reflected, shifted.product);
    let quotient = divide(l, numerator, denominator);
    let gamma = l.add(quotient[0], quotient[1]);
    // Minus, and the sine's sign.
    let sign = l.int_xor(l.bits(gamma), l.int_xor(parity, l.sign_bit()));
    let gamma = l.select(negative, l.float_of_bits(sign), gamma);
    let gamma = l.scale(gamma, l.select(negative, l.neg(n), n));
    // About 0, where the reflection's terms might underflow.
    let gamma = l.select(l.lt(size, l.float(1e-17)), l.div(one, x), gamma);
    let pole = l.and(l.and(negative, l.eq(size, l.floor(size))), l.ge(size, one));
    l.select(pole, l.float(f64::NAN), gamma)
}

/// The logarithm of the size of gamma; infinite at its poles.
#[inline(always)]
pub(crate) fn lgamma_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let zero = l.float(0.0);
    let shifted = shift(l, size);
    let logarithm = log(l, shifted.y[0]);
    let right = stirling(l, &shifted, logarithm);

    // gamma(x) is the exponential over this product; gamma(-x) this quotient over the exponential.
    let negative = l.lt(x, zero);
    let (sine, _) = sine_of_turn(l, size);
    let reflected = multiply(l, shifted.product, [l.float(PI[0]), l.float(PI[1])]);
    let reflected = divide(l, reflected, multiply(l, [size, zero], sine));
    let beside = select(l, negative, reflected, shifted.product);
    let [beside_log, beside_low] = log(l, beside[0]);
    let beside_low = l.add(beside_low, l.div(beside[1], beside[0]));
    let value = add(l, right, [l.neg(beside_log), l.neg(beside_low)]);
    let value = l.add(value[0], value[1]);
    let value = l.select(negative, l.neg(value), value);
    // gamma(x) is 1/x about 0.
    let tiny = l.lt(size, l.float(1e-17));
    let value = l.select(tiny, l.neg(tiny_log(l, size)), value);
    let integer = l.and(l.le(x, zero), l.eq(size, l.floor(size)));
    // An infinite high part makes the low part NaN.
    let overflow = l.and(l.gt(size, l.float(1e305)), l.is_nan(value));
    let pole = l.or(integer, overflow);
    let value = l.select(pole, l.float(f64::INFINITY), value);
    let near = l.and(l.ge(x, l.float(NEAR[0])), l.lt(x, l.float(NEAR[3])));
    let value = l.select(near, near_positive_roots(l, x), value);
    let root = l.and(l.and(negative, l.lt(l.abs(value), l.float(0.5))), l.lt(size, l.float(20.0)));
    l.rare(&LGAMMA_ROOT, root, value, x, x)
}

/// `log gamma(x)` in the intervals of [`NEAR`].
#[inline(always)]
fn near_positive_roots<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let first = l.lt(x, l.float(NEAR[1]));
    let last = l.ge(x, l.float(NEAR[2]));
    let distance = l.sub(x, of_three(l, first, last, &MIDDLE));
    let slope = of_three(l, first, last, &NEAR_SLOPE);
    let value = of_three(l, first, last, &NEAR_VALUE);
    let mut series = of_three(l, first, last, &NEAR_SERIES[NEAR_SERIES.len() - 1]);
    for row in NEAR_SERIES[1..NEAR_SERIES.len() - 1].iter().rev() {
        series = l.fma(series, distance, of_three(l, first, last, row));
    }
    // The last step and the square in two parts.
    let constant = of_three(l, first, last, &NEAR_SERIES[0]);
    let sum = l.fma(series, distance, constant);
    let sum_low = l.fma(series, distance, l.sub(constant, sum));
    let square = l.mul(distance, distance);
    let square_low = l.fms(distance, distance, square);
    let head = l.fma(distance, slope, value);
    let low = l.fma(distance, slope, l.sub(value, head));
    let low = l.fma(distance, l.float(NEAR_SLOPE_LOW), low);
    let low = l.fma(square, sum_low, l.fma(square_low, sum, low));
    l.add(head, l.fma(square, sum, low))
}

#[inline(always)]
fn of_three<L: Lanes<Elem = f64>>(l: L, first: L::Mask, last: L::Mask, values: &[f64; 3]) -> L::Float {
    l.select(first, l.float(values[0]), l.select(last, l.float(values[2]), l.float(values[1])))
}

/// The logarithm of a number below 1, which may be subnormal.
#[inline(always)]
fn tiny_log<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let scaled = l.mul(x, l.float(18_014_398_509_481_984.0));
    let [high, low] = log(l, scaled);
    let exponent = l.float(54.0);
    let rest = l.fnma(exponent, l.float(LN_2[0]), high);
    let rest_low = l.sub(l.sub(high, rest), l.mul(exponent, l.float(LN_2[0])));
    l.add(rest, l.fnma(exponent, l.float(LN_2[1]), l.add(low, rest_low)))
}

/// `gamma(x)` is `gamma(y)` over the product, where `y` is at least 4.
struct Shifted<L: Lanes> {
    y: Pair<L>,
    product: Pair<L>,
}

#[inline(always)]
fn shift<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Shifted<L> {
    let zero = l.float(0.0);
    let small = l.lt(x, l.float(4.0));
    let four = l.float(4.0);
    let sum = l.add(four, x);
    let sum_low = l.sub(x, l.sub(sum, four));
    let y = [l.select(small, sum, x), l.select(small, sum_low, zero)];
    // x (x + 3), and (x + 1) (x + 2) is 2 more.
    let three = l.float(3.0);
    let next = two_sum(l, x, three);
    let outer = multiply(l, [x, zero], next);
    let inner = two_sum(l, outer[0], l.float(2.0));
    let inner = [inner[0], l.add(inner[1], outer[1])];
    let product = multiply(l, outer, inner);
    let product = [l.select(small, product[0], l.float(1.0)), l.select(small, product[1], zero)];
    Shifted { y, product }
}

/// `log gamma(y)` by Stirling's formula, given `log y`.
#[inline(always)]
fn stirling<L: Lanes<Elem = f64>>(l: L, shifted: &Shifted<L>, logarithm: Pair<L>) -> Pair<L> {
    let [y, y_low] = shifted.y;
    let one = l.float(1.0);
    let inverse = l.div(one, y);
    let series = l.mul(inverse, l.horner(l.mul(inverse, inverse), &STIRLING));
    let less_one = l.sub(logarithm[0], one);
    let less_one_low = l.add(l.sub(l.sub(logarithm[0], less_one), one), logarithm[1]);
    let half = l.float(0.5);
    let middle = l.sub(y, half);
    let middle_low = l.sub(l.sub(y, middle), half);
    let head = l.mul(middle, less_one);
    let head_low = l.fma(middle, less_one_low, l.fms(middle, less_one, head));
    // The slope is about log y - 1 / (2y).
    let slope = l.fnma(half, inverse, logarithm[0]);
    let head_low = l.fma(y_low, slope, l.fma(middle_low, less_one, head_low));
    let constant = l.float(STIRLING_CONSTANT[0]);
    let sum = l.add(head, constant);
    let rest = l.add(l.sub(head, sum), constant);
    let low = l.add(l.add(series, l.float(STIRLING_CONSTANT[1])), l.add(rest, head_low));
    fast_two_sum(l, sum, low)
}

/// The size of the sine of `x` half turns, and its sign bit.
#[inline(always)]
fn sine_of_turn<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> (Pair<L>, L::Int) {
    let quarters = l.round(l.add(x, x));
    let rest = l.fnma(l.float(0.5), quarters, x);
    let high = l.mul(rest, l.float(PI[0]));
    let low = l.fma(rest, l.float(PI[1]), l.fms(rest, l.float(PI[0]), high));
    let (sine, cosine) = sine_and_cosine(l, high, low);
    // By halves, since the integer may be too large for its low bits to be at hand.
    let half = l.float(0.5);
    let turns = l.mul(quarters, half);
    let whole = l.floor(turns);
    let [value, value_low] = select(l, l.eq(whole, turns), sine, cosine);
    let pairs = l.mul(whole, half);
    let zero = l.int(0);
    let parity = l.int_select(l.eq(l.floor(pairs), pairs), zero, l.sign_bit());
    let sign = l.int_and(l.bits(value), l.sign_bit());
    let value_low = l.float_of_bits(l.int_xor(l.bits(value_low), sign));
    ([l.abs(value), value_low], l.int_xor(parity, sign))
}

/// The logarithm of a positive normal number.
#[inline(always)]
fn log<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Pair<L> {
    let bits = l.bits(x);
    // The exponent of what is left within sqrt(1/2) and sqrt(2).
    let low = std::f64::consts::FRAC_1_SQRT_2.bits() - (1023 << 52);
    let exponent = l.int_sub(l.shr(l.int_sub(bits, l.int(low)), 52), l.int(1023));
    let m = l.float_of_bits(l.int_sub(bits, l.shl(exponent, 52)));
    let one = l.float(1.0);
    let two = l.float(2.0);
    let above = l.sub(m, one);
    let below = l.add(m, one);
    let below_low = l.sub(m, l.sub(below, one));
    let below_low = l.select(l.gt(m, one), l.add(l.sub(m, below), one), below_low);
    let reciprocal = l.div(one, below);
    let s = l.mul(above, reciprocal);
    let rest = l.fnma(s, below_low, l.fnma(s, below, above));
    let s_low = l.mul(rest, reciprocal);

    let square = l.mul(s, s);
    let square_low = l.fma(l.add(s, s), s_low, l.fms(s, s, square));
    let (third, third_low) = (l.float(TWO_THIRDS[0]), l.float(TWO_THIRDS[1]));
    let cube = l.mul(square, third);
    let cube_low = l.fma(square, third_low, l.fma(square_low, third, l.fms(square, third, cube)));
    let slope = l.add(two, cube);
    let slope_low = l.add(l.add(l.sub(two, slope), cube), cube_low);
    let slope_low = l.fma(l.mul(square, square), l.horner(square, &LOG), slope_low);
    let head = l.mul(s, slope);
    let head_low = l.fma(s_low, slope, l.fma(s, slope_low, l.fms(s, slope, head)));

    let exponent = l.float_of_int(exponent);
    let whole = l.mul(exponent, l.float(LN_2[0]));
    let sum = l.add(whole, head);
    let sum_low = l.add(l.sub(whole, sum), head);
    let low = l.fma(exponent, l.float(LN_2[1]), head_low);
    fast_two_sum(l, sum, l.add(sum_low, low))
}

/// The exponential as a number in two parts times a power of two.
#[inline(always)]
fn exp<L: Lanes<Elem = f64>>(l: L, x: Pair<L>) -> (Pair<L>, L::Float) {
    let magic = l.float(f64::MAGIC);
    let n = l.sub(l.fma(x[0], l.float(std::f64::consts::LOG2_E), magic), magic);
    let first = l.fnma(n, l.float(LN_2[0]), x[0]);
    let second = l.fnma(n, l.float(LN_2[1]), x[1]);
    let [r, r_low] = fast_two_sum(l, first, second);
    let one = l.float(1.0);
    let head = l.add(one, r);
    let head_low = l.sub(r, l.sub(head, one));
    let square = l.mul(r, r);
    let square_low = l.fms(r, r, square);
    let half = l.float(0.5);
    let tail = l.fma(l.mul(square, r), l.horner(r, &EXP), l.fma(half, square_low, head_low));
    let tail = l.fma(half, square, tail);
    let tail = l.fma(r_low, l.add(head, tail), tail);
    (fast_two_sum(l, head, tail), n)
}

#[inline(always)]
fn fast_two_sum<L: Lanes<Elem = f64>>(l: L, x: L::Float, y: L::Float) -> Pair<L> {
    let sum = l.add(x, y);
    [sum, l.sub(y, l.sub(sum, x))]
}

#[inline(always)]
fn two_sum<L: Lanes<Elem = f64>>(l: L, x: L::Float, y: L::Float) -> Pair<L> {
    let sum = l.add(x, y);
    let part = l.sub(sum, x);
    [sum, l.add(l.sub(x, l.sub(sum, part)), l.sub(y, part))]
}

#[inline(always)]
fn add<L: Lanes<Elem = f64>>(l: L, x: Pair<L>, y: Pair<L>) -> Pair<L> {
    let [sum, rest] = two_sum(l, x[0], y[0]);
    [sum, l.add(rest, l.add(x[1], y[1]))]
}

#[inline(always)]
fn multiply<L: Lanes<Elem = f64>>(l: L, x: Pair<L>, y: Pair<L>) -> Pair<L> {
    let product = l.mul(x[0], y[0]);
    let low = l.fma(x[1], y[0], l.fma(x[0], y[1], l.fms(x[0], y[0], product)));
    [product, low]
}

#[inline(always)]
fn divide<L: Lanes<Elem = f64>>(l: L, x: Pair<L>, y: Pair<L>) -> Pair<L> {
    let reciprocal = l.div(l.float(1.0), y[0]);
    let quotient = l.mul(x[0], reciprocal);
    let rest = l.fnma(quotient, y[1], l.add(l.fnma(quotient, y[0], x[0]), x[1]));
    [quotient, l.mul(rest, reciprocal)]
}

#[inline(always)]
fn select<L: Lanes<Elem = f64>>(l: L, mask: L::Mask, x: Pair<L>, y: Pair<L>) -> Pair<L> {
    [l.select(mask, x[0], y[0]), l.select(mask, x[1], y[1])]
}
