//! gamma and the logarithm of its size, for `f32`, through `f64`.
//!
//! From 3 on Stirling's formula, `log gamma(y) = (y - 1/2) log y - y + log(2 pi) / 2 + S(1/y)`, with a minimax `S`
//! (relative error 2^-37.7) instead of the divergent series.
//!
//! **tgamma** below 3 takes `gamma(y + 3)` over the product of what is between. **lgamma** from 1 to 3 is `(y - 1) (y
//! - 2) P(y - 2)`, 2^-37.3, so that it is accurate about its zeros, and below 1 that of `y + 1` less `log y`.
//!
//! Negative numbers: `gamma(-a) = -pi / (a sin(pi a) gamma(a))`.
//!
//! Largest errors measured, in ULP: tgamma 0.54, lgamma 0.52.

use super::reciprocal_gamma::lgamma_about_root;
use crate::lanes::{Lanes, Rare, Real};

/// `S(w) / w`, of `w^2`, to 1/3.
const STIRLING_F32: [f64; 5] = [
    0.08333333318825037,
    -0.0027777503539794433,
    0.0007921820811872617,
    -0.0005620785244593748,
    0.00048426040515410723,
];

/// `log gamma(y) / ((y - 1) (y - 2))`, of `y - 2`, from 1 to 3.
const NEAR_ROOTS_F32: [f64; 18] = [
    0.42278433510079355,
    -0.1003173016857515,
    0.03296500025011835,
    -0.012384191521983445,
    0.00499865087664737,
    -0.002108142397229907,
    0.00091527950441819,
    -0.0004056172908760862,
    0.00018303872715827463,
    -8.347277915100769e-05,
    3.682147102976988e-05,
    -1.6742440950315527e-05,
    1.0374381449376901e-05,
    -5.172999513620569e-06,
    -1.1994888139504693e-07,
    2.387574054502367e-07,
    1.2472253944550914e-06,
    -6.34952074338198e-07,
];

/// `log((1 + s) / (1 - s)) / s`, of `s^2`, for logarithms within half of ln 2.
const LOG_F32: [f64; 6] = [
    1.999999999999946,
    0.6666666667978048,
    0.3999999483130218,
    0.2857217245789469,
    0.22173983365277006,
    0.1961200888308379,
];

/// `sin(pi r) / r`, of `r^2`, to 1/2.
const SINE_F32: [f64; 7] = [
    3.1415926535895973,
    -5.167712779977382,
    2.5501640354224273,
    -0.5992644257843985,
    0.08214473244508574,
    -0.007363786029094353,
    0.00044720141371419614,
];

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

/// Half of log(2 pi).
const HALF_LOG_2_PI: f64 = 0.9189385332046728;

/// gamma; NaN at negative integers.
#[inline(always)]
pub(crate) fn tgamma_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let w = l.wide();
    let x = l.widen(x);
    let size = w.abs(x);
    let (zero, one) = (w.float(0.0), w.float(1.0));
    // The second operand, so that NaN remains. gamma(150) is infinite for f32.
    let bounded = w.min(w.float(150.0), size);
    let small = w.lt(bounded, w.float(3.0));
    let y = w.select(small, w.add(bounded, w.float(3.0)), bounded);
    let between = w.mul(w.add(bounded, one), w.add(bounded, w.float(2.0)));
    let product = w.select(small, w.mul(bounded, between), one);
    let logarithm = stirling(w, y, log(w, y));
    let above = exp(w, logarithm);

    let sine = sine_of_turn(w, size);
    let negative = w.int_gt(w.int(0), w.bits(x));
    // The first factor of the product is also one of the reflection; without it 0 is no special case.
    let reflected = w.mul(w.select(small, between, one), w.float(-std::f64::consts::PI));
    let reflecting = w.mul(w.mul(w.select(small, one, bounded), sine), above);
    let numerator = w.select(negative, reflected, above);
    let denominator = w.select(negative, reflecting, product);
    let gamma = w.div(numerator, denominator);
    // A sine of 0 is that of an integer.
    let pole = w.and(w.and(negative, w.eq(sine, zero)), w.ge(size, one));
    l.narrow(w.select(pole, w.float(f64::NAN), gamma))
}

/// The logarithm of the size of gamma; infinite at its poles.
#[inline(always)]
pub(crate) fn lgamma_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let w = l.wide();
    let x32 = x;
    let x = l.widen(x);
    let size = w.abs(x);
    let (zero, one, two) = (w.float(0.0), w.float(1.0), w.float(2.0));
    let logarithm = log(w, size);
    let far = stirling(w, size, logarithm);
    let below_one = w.lt(size, one);
    let y = w.select(below_one, w.add(size, one), size);
    let from_two = w.sub(y, two);
    let roots = w.mul(w.sub(y, one), from_two);
    let shift = w.select(below_one, w.neg(logarithm), zero);
    let near = w.fma(roots, w.horner(from_two, &NEAR_ROOTS_F32), shift);
    let right = w.select(w.lt(size, w.float(3.0)), near, far);

    let sine = sine_of_turn(w, size);
    let negative = w.lt(x, zero);
    let reflection = log(w, w.mul(size, w.abs(sine)));
    let left = w.sub(w.sub(w.float(LOG_PI), reflection), right);
    let value = w.select(negative, left, right);
    let integer = w.and(w.le(x, zero), w.eq(sine, zero));
    let pole = w.or(integer, w.eq(size, w.float(f64::INFINITY)));
    let value = l.narrow(w.select(pole, w.float(f64::INFINITY), value));
    // About its zeros left of 0 the logarithm cancels.
    let root = l.and(l.lt(x32, l.float(-2.0)), l.lt(l.abs(value), l.float(2e-3)));
    l.rare(&LGAMMA_ROOT_F32, root, value, x32, x32)
}

/// log pi.
const LOG_PI: f64 = 1.1447298858494002;

/// The sine of `x` half turns.
#[inline(always)]
fn sine_of_turn<W: Lanes<Elem = f64>>(w: W, x: W::Float) -> W::Float {
    let nearest = w.round(x);
    let rest = w.sub(x, nearest);
    let sine = w.mul(rest, w.horner(w.mul(rest, rest), &SINE_F32));
    // The low bit of the integer, where there is one; beyond, the sine is 0.
    let parity = w.shl(w.bits(w.add(nearest, w.float(f64::MAGIC))), 63);
    w.float_of_bits(w.int_xor(w.bits(sine), parity))
}

/// `(y - 1/2) log y - y + log(2 pi) / 2 + S(1/y)`.
#[inline(always)]
fn stirling<W: Lanes<Elem = f64>>(w: W, y: W::Float, log: W::Float) -> W::Float {
    let inverse = w.div(w.float(1.0), y);
    let series = w.horner(w.mul(inverse, inverse), &STIRLING_F32);
    let rest = w.sub(w.fma(inverse, series, w.float(HALF_LOG_2_PI)), y);
    w.fma(w.sub(y, w.float(0.5)), log, rest)
}

/// The logarithm of a positive normal number, to 2^-45.
#[inline(always)]
fn log<W: Lanes<Elem = f64>>(w: W, x: W::Float) -> W::Float {
    let bits = w.bits(x);
    // The exponent of what is left within sqrt(1/2) and sqrt(2).
    let low = std::f64::consts::FRAC_1_SQRT_2.bits() - (1023 << 52);
    let exponent = w.int_sub(w.shr(w.int_sub(bits, w.int(low)), 52), w.int(1023));
    let m = w.float_of_bits(w.int_sub(bits, w.shl(exponent, 52)));
    let one = w.float(1.0);
    let s = w.div(w.sub(m, one), w.add(m, one));
    let fraction = w.mul(s, w.horner(w.mul(s, s), &LOG_F32));
    w.fma(w.float_of_int(exponent), w.float(std::f64::consts::LN_2), fraction)
}

/// `e^x`, to 2^-29, for exponents of normal numbers.
#[inline(always)]
fn exp<W: Lanes<Elem = f64>>(w: W, x: W::Float) -> W::Float {
    let magic = w.float(f64::MAGIC);
    let shifted = w.fma(x, w.float(std::f64::consts::LOG2_E), magic);
    let rest = w.fnma(w.sub(shifted, magic), w.float(std::f64::consts::LN_2), x);
    w.mul(w.horner(rest, &EXP_F32), w.power_of_two(w.bits(shifted)))
}

static LGAMMA_ROOT_F32: Rare<f32> = Rare { name: "lgamma about a zero", function: lgamma_root_f32 };

fn lgamma_root_f32(x: f32, _: f32) -> f32 {
    lgamma_about_root(f64::from(x)) as f32
}
