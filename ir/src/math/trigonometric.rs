//! sin, cos and tan.
//!
//! `f32` goes through `f64`, where a short polynomial is enough for results that are nearly always correctly rounded.
//! An odd polynomial covers half a period of the sine, from -pi/2 to pi/2 (and 2^-8 more, since the multiple is found
//! in `f32`), with a relative error of 2^-27.4; a quarter is enough for the tangent, a quotient (2^-28.1 and 2^-34).
//!
//! `f64` reduces the angle to two parts within pi/4 (see [`argument_reduction`](super::argument_reduction)). The sine
//! is `r + r^3 S(r^2)`, the cosine `1 - r^2/2 + r^4 C(r^2)` as in FreeBSD's msun, with the rounding error of `1 -
//! r^2/2` carried; minimax polynomials, with relative errors of 2^-57.3 and 2^-62.9. A lane selects its coefficients
//! by quadrant.
//!
//! Huge angles take the scalar path: the multiple of pi/2 exactly by integers, then the same polynomials.
//!
//! Largest errors measured, in ULP: sin 0.60 and 0.78, cos 0.64 and 0.78, tan 0.56 and 0.90, for `f32` and `f64`.

use super::argument_reduction::{F64_LIMIT, Reduced, reduce_f64, reduce_huge};
use crate::lanes::{Lanes, Rare, Real, Scalar};

/// `f32` angles from here on are huge.
pub(super) const F32_LIMIT: f32 = 131_072.0;

/// pi rounded down to `f32`.
pub(super) const PI_HIGH: f32 = 3.1415925;

/// What is left of pi; positive, so that the zero it is subtracted from keeps its sign.
const PI_LOW: f64 = 1.5099579909783765e-07;

/// The sine over its angle, of the angle's square, to 1.575.
const SINE_F32: [f64; 5] = [
    0.9999999945481286,
    -0.16666656479425174,
    0.008333020451547811,
    -0.00019807079105595973,
    2.6011421651606994e-06,
];

/// The sine over its angle, of the angle's square, to 0.79.
const QUARTER_SINE_F32: [f64; 4] =
    [0.9999999966301284, -0.16666649723308577, 0.008331989925531384, -0.00019498434508757902];

/// The cosine, of the angle's square, to 0.79.
const QUARTER_COSINE_F32: [f64; 5] = [
    0.9999999999410019,
    -0.49999999553754676,
    0.04166661158289664,
    -0.0013886480994409387,
    2.4368346745586357e-05,
];

/// `(sin r - r) / r^3`, of `r^2`, to pi/4.
const SINE_F64: [f64; 6] = [
    -0.16666666666666666,
    0.008333333333328734,
    -0.00019841269833926472,
    2.7557314908452866e-06,
    -2.5050925115913388e-08,
    1.5905459727346309e-10,
];

/// `(cos r - 1 + r^2/2) / r^4`, of `r^2`, to pi/4.
const COSINE_F64: [f64; 6] = [
    0.041666666666666664,
    -0.0013888888888883583,
    2.4801587294616258e-05,
    -2.755731567017908e-07,
    2.0875885072717768e-09,
    -1.1367310641218315e-11,
];

pub(super) static HUGE_SIN_F32: Rare<f32> = Rare { name: "sin of a huge angle", function: huge_sin_f32 };
pub(super) static HUGE_COS_F32: Rare<f32> = Rare { name: "cos of a huge angle", function: huge_cos_f32 };
pub(super) static HUGE_TAN_F32: Rare<f32> = Rare { name: "tan of a huge angle", function: huge_tan_f32 };
pub(super) static HUGE_SIN_F64: Rare<f64> = Rare { name: "sin of a huge angle", function: huge_sin_f64 };
pub(super) static HUGE_COS_F64: Rare<f64> = Rare { name: "cos of a huge angle", function: huge_cos_f64 };
pub(super) static HUGE_TAN_F64: Rare<f64> = Rare { name: "tan of a huge angle", function: huge_tan_f64 };

/// The sine of an angle in radians.
#[inline(always)]
pub(crate) fn sin_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let magic = l.float(f32::MAGIC);
    let shifted = l.fma(x, l.float(std::f32::consts::FRAC_1_PI), magic);
    let multiple = l.sub(shifted, magic);
    // Exact: a multiple of 2^-22 below 2.
    let first = l.fnma(multiple, l.float(PI_HIGH), x);
    let w = l.wide();
    let low = w.float(PI_LOW);
    let angle = w.fnma(l.widen(multiple), low, l.widen(first));
    let sine = l.narrow(half_period_sine(w, angle));
    let sign = l.shl(l.bits(shifted), 31);
    let sine = l.float_of_bits(l.int_xor(l.bits(sine), sign));
    let huge = l.ge(l.abs(x), l.float(F32_LIMIT));
    l.rare(&HUGE_SIN_F32, huge, sine, x, x)
}

/// The cosine of an angle in radians.
#[inline(always)]
pub(crate) fn cos_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    // The cosine is the sine about the nearest odd multiple of pi/2.
    let magic = l.float(f32::MAGIC);
    let shifted = l.add(l.fma(x, l.float(std::f32::consts::FRAC_1_PI), l.float(-0.5)), magic);
    let multiple = l.add(l.sub(shifted, magic), l.float(0.5));
    let w = l.wide();
    let wide_multiple = l.widen(multiple);
    let angle = w.fnma(wide_multiple, w.float(f64::from(PI_HIGH)), l.widen(x));
    let low = w.float(PI_LOW);
    let cosine = l.narrow(half_period_sine(w, w.fnma(wide_multiple, low, angle)));
    let sign = l.int_xor(l.shl(l.bits(shifted), 31), l.sign_bit());
    let cosine = l.float_of_bits(l.int_xor(l.bits(cosine), sign));
    let huge = l.ge(l.abs(x), l.float(F32_LIMIT));
    l.rare(&HUGE_COS_F32, huge, cosine, x, x)
}

/// The tangent of an angle in radians.
#[inline(always)]
pub(crate) fn tan_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let magic = l.float(f32::MAGIC);
    let shifted = l.fma(x, l.float(std::f32::consts::FRAC_2_PI), magic);
    let multiple = l.sub(shifted, magic);
    // Exact: a multiple of 2^-23 below 1, or of 2^-24.
    let first = l.fnma(multiple, l.float(0.5 * PI_HIGH), x);
    let w = l.wide();
    let low = w.float(0.5 * PI_LOW);
    let angle = w.fnma(l.widen(multiple), low, l.widen(first));
    let odd = l.int_eq(l.int_and(l.bits(shifted), l.int(1)), l.int(1));
    let tangent = l.narrow(quarter_period_tangent(w, l.widen_mask(odd), angle));
    // An odd multiple of pi/2 makes it the negative of the reciprocal.
    let sign = l.shl(l.bits(shifted), 31);
    let tangent = l.float_of_bits(l.int_xor(l.bits(tangent), sign));
    let huge = l.ge(l.abs(x), l.float(F32_LIMIT));
    l.rare(&HUGE_TAN_F32, huge, tangent, x, x)
}

/// The sine of an angle in radians.
#[inline(always)]
pub(crate) fn sin_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let reduced = reduce_f64(l, size);
    let sign = l.int_xor(l.shl(reduced.quadrant, 62), l.bits(x));
    let sine = apply_sign(l, quadrant_sine(l, &reduced), sign);
    let huge = l.ge(size, l.float(F64_LIMIT));
    l.rare(&HUGE_SIN_F64, huge, sine, x, x)
}

/// The cosine of an angle in radians.
#[inline(always)]
pub(crate) fn cos_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let mut reduced = reduce_f64(l, size);
    reduced.quadrant = l.int_add(reduced.quadrant, l.int(1));
    let sign = l.shl(reduced.quadrant, 62);
    let cosine = apply_sign(l, quadrant_sine(l, &reduced), sign);
    let huge = l.ge(size, l.float(F64_LIMIT));
    l.rare(&HUGE_COS_F64, huge, cosine, x, x)
}

/// The tangent of an angle in radians.
#[inline(always)]
pub(crate) fn tan_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let reduced = reduce_f64(l, size);
    let sign = l.int_xor(l.shl(reduced.quadrant, 63), l.bits(x));
    let tangent = apply_sign(l, quadrant_tangent(l, &reduced), sign);
    let huge = l.ge(size, l.float(F64_LIMIT));
    l.rare(&HUGE_TAN_F64, huge, tangent, x, x)
}

/// The sine of an angle within 1.575, to the precision of `f32`.
#[inline(always)]
fn half_period_sine<W: Lanes<Elem = f64>>(w: W, angle: W::Float) -> W::Float {
    w.mul(angle, w.horner(w.mul(angle, angle), &SINE_F32))
}

/// The tangent of an angle within 0.79, to the precision of `f32`; its reciprocal in odd quadrants.
#[inline(always)]
fn quarter_period_tangent<W: Lanes<Elem = f64>>(w: W, odd: W::Mask, angle: W::Float) -> W::Float {
    let square = w.mul(angle, angle);
    let sine = w.mul(angle, w.horner(square, &QUARTER_SINE_F32));
    let cosine = w.horner(square, &QUARTER_COSINE_F32);
    w.div(w.select(odd, cosine, sine), w.select(odd, sine, cosine))
}

/// The sign bit of `sign`, exclusively or-ed with that of `x`.
#[inline(always)]
fn apply_sign<L: Lanes<Elem = f64>>(l: L, x: L::Float, sign: L::Int) -> L::Float {
    l.float_of_bits(l.int_xor(l.bits(x), l.int_and(sign, l.sign_bit())))
}

/// Whether a quadrant is odd.
#[inline(always)]
fn is_odd<L: Lanes<Elem = f64>>(l: L, quadrant: L::Int) -> L::Mask {
    l.int_eq(l.int_and(quadrant, l.int(1)), l.int(1))
}

/// The size and the sign within the quadrant's half turn: the sine of `high + low` in even quadrants, the cosine in odd.
#[inline(always)]
fn quadrant_sine<L: Lanes<Elem = f64>>(l: L, reduced: &Reduced<L>) -> L::Float {
    let Reduced { quadrant, high, low } = *reduced;
    let odd = is_odd(l, quadrant);
    let square = l.mul(high, high);
    let one = l.float(1.0);
    let half = l.float(0.5);
    let head = l.fnma(half, square, one);
    let tail = l.fnma(high, low, l.fnma(half, square, l.sub(one, head)));
    let head = l.select(odd, head, high);
    let tail = l.select(odd, tail, low);
    let factor = l.mul(l.select(odd, square, high), square);
    let mut sum = l.select(odd, l.float(COSINE_F64[5]), l.float(SINE_F64[5]));
    for i in (0..5).rev() {
        sum = l.fma(sum, square, l.select(odd, l.float(COSINE_F64[i]), l.float(SINE_F64[i])));
    }
    l.add(head, l.fma(factor, sum, tail))
}

/// The sine and the cosine of `high + low`, within pi/4, each in two parts.
#[inline(always)]
pub(super) fn sine_and_cosine<L: Lanes<Elem = f64>>(
    l: L,
    high: L::Float,
    low: L::Float,
) -> ([L::Float; 2], [L::Float; 2]) {
    let square = l.mul(high, high);
    let square_low = l.fms(high, high, square);
    let one = l.float(1.0);
    let half = l.float(0.5);

    let cube = l.mul(high, square);
    let cube_low = l.fma(high, square_low, l.fms(high, square, cube));
    let tail = l.fma(cube_low, l.float(SINE_F64[0]), low);
    let tail = l.fma(cube, l.horner(square, &SINE_F64), tail);
    let sine = l.add(high, tail);
    let sine_low = l.sub(tail, l.sub(sine, high));

    let head = l.fnma(half, square, one);
    let tail = l.fnma(half, square, l.sub(one, head));
    let tail = l.fnma(high, low, l.fnma(half, square_low, tail));
    let tail = l.fma(l.mul(square, square), l.horner(square, &COSINE_F64), tail);
    let cosine = l.add(head, tail);
    let cosine_low = l.sub(tail, l.sub(cosine, head));
    ([sine, sine_low], [cosine, cosine_low])
}

/// The tangent of `high + low` in even quadrants, its reciprocal in odd.
#[inline(always)]
fn quadrant_tangent<L: Lanes<Elem = f64>>(l: L, reduced: &Reduced<L>) -> L::Float {
    let Reduced { quadrant, high, low } = *reduced;
    let odd = is_odd(l, quadrant);
    let (sine, cosine) = sine_and_cosine(l, high, low);
    let above = l.select(odd, cosine[0], sine[0]);
    let above_low = l.select(odd, cosine[1], sine[1]);
    let below = l.select(odd, sine[0], cosine[0]);
    let below_low = l.select(odd, sine[1], cosine[1]);
    let reciprocal = l.div(l.float(1.0), below);
    let quotient = l.mul(above, reciprocal);
    let rest = l.add(l.fnma(quotient, below, above), above_low);
    let rest = l.fnma(quotient, below_low, rest);
    l.fma(rest, reciprocal, quotient)
}

const LANE: Scalar<f64> = Scalar::new();

/// The reduced form of a huge angle's size.
fn huge(x: f64) -> Reduced<Scalar<f64>> {
    if x.is_finite() {
        let (quadrant, high, low) = reduce_huge(x.abs());
        Reduced { quadrant, high, low }
    } else {
        Reduced { quadrant: 0, high: f64::NAN, low: f64::NAN }
    }
}

fn huge_sin_f64(x: f64, _: f64) -> f64 {
    let reduced = huge(x);
    let sign = reduced.quadrant << 62 ^ x.to_bits().cast_signed();
    apply_sign(LANE, quadrant_sine(LANE, &reduced), sign)
}

fn huge_cos_f64(x: f64, _: f64) -> f64 {
    let mut reduced = huge(x);
    reduced.quadrant += 1;
    apply_sign(LANE, quadrant_sine(LANE, &reduced), reduced.quadrant << 62)
}

fn huge_tan_f64(x: f64, _: f64) -> f64 {
    let reduced = huge(x);
    let sign = reduced.quadrant << 63 ^ x.to_bits().cast_signed();
    apply_sign(LANE, quadrant_tangent(LANE, &reduced), sign)
}

fn huge_sin_f32(x: f32, _: f32) -> f32 {
    huge_sin_f64(f64::from(x), 0.0) as f32
}

fn huge_cos_f32(x: f32, _: f32) -> f32 {
    huge_cos_f64(f64::from(x), 0.0) as f32
}

fn huge_tan_f32(x: f32, _: f32) -> f32 {
    huge_tan_f64(f64::from(x), 0.0) as f32
}
