//! sin, cos and tan.
//!
//! The angle less the nearest multiple of pi (of pi/2 for tan), which is taken off in three parts: the first exactly, the
//! others rounded, relatively to what is left. An odd polynomial covers half a period of the sine, relative errors 2^-27.2
//! and 2^-61.4; the tangent is a quotient of two, 2^-27.8 and 2^-53.1. Huge angles take the scalar path of the strict functions.

use crate::lanes::{Lanes, Rare, Real};
use crate::math::argument_reduction::F64_LIMIT;
use crate::math::trigonometric::{
    F32_LIMIT, HUGE_COS_F32, HUGE_COS_F64, HUGE_SIN_F32, HUGE_SIN_F64, HUGE_TAN_F32, HUGE_TAN_F64, PI_HIGH,
};

/// What a type needs for circular functions.
struct Circle<T: Real, const N: usize, const S: usize, const C: usize> {
    inverse_pi: T,
    half: T,
    /// pi in three parts; positive, so that the zero they are subtracted from keeps its sign.
    pi: [T; 3],
    half_pi: [T; 3],
    /// The sine over its angle, of the angle's square, to 1.575.
    sine: [T; N],
    /// The sine over its angle, and the cosine, to 0.79.
    quarter_sine: [T; S],
    quarter_cosine: [T; C],
    /// Angles from here on are huge.
    limit: T,
    /// One less than the number of bits.
    sign_shift: u32,
    huge_sin: &'static Rare<T>,
    huge_cos: &'static Rare<T>,
    huge_tan: &'static Rare<T>,
}

const PI_F32: [f32; 3] = [PI_HIGH, 1.509_957_9e-7, 1.078_060_5e-14];
const PI_F64: [f64; 3] = [std::f64::consts::PI, 1.224646799147353e-16, 2.1657133478438278e-32];

static F32: Circle<f32, 5, 4, 5> = Circle {
    inverse_pi: std::f32::consts::FRAC_1_PI,
    half: 0.5,
    pi: PI_F32,
    half_pi: [0.5 * PI_F32[0], 0.5 * PI_F32[1], 0.5 * PI_F32[2]],
    sine: [1.0, -0.166_666_6, 0.008_333_068, -0.000_198_096_59, 2.605_748_3e-6],
    quarter_sine: [1.0, -0.166_666_54, 0.008_332_106, -0.000_195_078_19],
    quarter_cosine: [1.0, -0.5, 0.041_666_646, -0.001_388_730_4, 2.443_12e-5],
    limit: F32_LIMIT,
    sign_shift: 31,
    huge_sin: &HUGE_SIN_F32,
    huge_cos: &HUGE_COS_F32,
    huge_tan: &HUGE_TAN_F32,
};

static F64: Circle<f64, 9, 7, 8> = Circle {
    inverse_pi: std::f64::consts::FRAC_1_PI,
    half: 0.5,
    pi: PI_F64,
    half_pi: [0.5 * PI_F64[0], 0.5 * PI_F64[1], 0.5 * PI_F64[2]],
    sine: [
        1.0,
        -0.16666666666666666,
        0.008333333333333205,
        -0.00019841269841211492,
        2.7557319211359054e-06,
        -2.5052106882351613e-08,
        1.6058939781573183e-10,
        -7.642985213154439e-13,
        2.7210384302703983e-15,
    ],
    quarter_sine: [
        1.0,
        -0.16666666666666627,
        0.008333333333321128,
        -0.00019841269828771755,
        2.75573133299711e-06,
        -2.5050701036208046e-08,
        1.5893463378396861e-10,
    ],
    quarter_cosine: [
        1.0,
        -0.5,
        0.04166666666666659,
        -0.0013888888888872167,
        2.4801587288274725e-05,
        -2.755731400733014e-07,
        2.0875676832273354e-09,
        -1.1357263787495752e-11,
    ],
    limit: F64_LIMIT,
    sign_shift: 63,
    huge_sin: &HUGE_SIN_F64,
    huge_cos: &HUGE_COS_F64,
    huge_tan: &HUGE_TAN_F64,
};

macro_rules! both_types {
    ($($(#[doc = $doc:literal])* $f32:ident, $f64:ident = $function:ident;)*) => {
        $($(#[doc = $doc])*
        #[inline(always)]
        pub(crate) fn $f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
            $function(l, &F32, x)
        }
        $(#[doc = $doc])*
        #[inline(always)]
        pub(crate) fn $f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
            $function(l, &F64, x)
        })*
    };
}
both_types! {
    /// The sine of an angle in radians.
    sin_f32, sin_f64 = sin;
    /// The cosine of an angle in radians.
    cos_f32, cos_f64 = cos;
    /// The tangent of an angle in radians.
    tan_f32, tan_f64 = tan;
}

/// `x` less a multiple of what the parts add up to.
#[inline(always)]
fn less<L: Lanes>(l: L, x: L::Float, multiple: L::Float, parts: &[L::Elem; 3]) -> L::Float {
    parts.iter().fold(x, |angle, &part| l.fnma(multiple, l.float(part), angle))
}

/// `x` with its sign changed where the integer that ends in these bits is odd.
#[inline(always)]
fn turned<L: Lanes>(l: L, x: L::Float, sign: L::Int) -> L::Float {
    l.float_of_bits(l.int_xor(l.bits(x), sign))
}

#[inline(always)]
fn sin<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    circle: &'static Circle<L::Elem, N, S, C>,
    x: L::Float,
) -> L::Float {
    let magic = l.float(L::Elem::MAGIC);
    let shifted = l.fma(x, l.float(circle.inverse_pi), magic);
    let angle = less(l, x, l.sub(shifted, magic), &circle.pi);
    let sine = l.mul(angle, l.horner(l.mul(angle, angle), &circle.sine));
    let sine = turned(l, sine, l.shl(l.bits(shifted), circle.sign_shift));
    let huge = l.ge(l.abs(x), l.float(circle.limit));
    l.rare(circle.huge_sin, huge, sine, x, x)
}

#[inline(always)]
fn cos<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    circle: &'static Circle<L::Elem, N, S, C>,
    x: L::Float,
) -> L::Float {
    // The sine about the nearest odd multiple of pi/2.
    let (magic, half) = (l.float(L::Elem::MAGIC), l.float(circle.half));
    let shifted = l.add(l.fms(x, l.float(circle.inverse_pi), half), magic);
    let angle = less(l, x, l.add(l.sub(shifted, magic), half), &circle.pi);
    let sine = l.mul(angle, l.horner(l.mul(angle, angle), &circle.sine));
    let sign = l.int_xor(l.shl(l.bits(shifted), circle.sign_shift), l.sign_bit());
    let cosine = turned(l, sine, sign);
    let huge = l.ge(l.abs(x), l.float(circle.limit));
    l.rare(circle.huge_cos, huge, cosine, x, x)
}

#[inline(always)]
fn tan<L: Lanes, const N: usize, const S: usize, const C: usize>(
    l: L,
    circle: &'static Circle<L::Elem, N, S, C>,
    x: L::Float,
) -> L::Float {
    let magic = l.float(L::Elem::MAGIC);
    let double = l.float(circle.inverse_pi);
    let shifted = l.fma(l.add(x, x), double, magic);
    let angle = less(l, x, l.sub(shifted, magic), &circle.half_pi);
    let square = l.mul(angle, angle);
    let sine = l.mul(angle, l.horner(square, &circle.quarter_sine));
    let cosine = l.horner(square, &circle.quarter_cosine);
    // An odd multiple of pi/2 makes it the negative of the reciprocal.
    let one = l.int(L::Elem::int(1));
    let odd = l.int_eq(l.int_and(l.bits(shifted), one), one);
    let tangent = l.div(l.select(odd, cosine, sine), l.select(odd, sine, cosine));
    let tangent = turned(l, tangent, l.shl(l.bits(shifted), circle.sign_shift));
    let huge = l.ge(l.abs(x), l.float(circle.limit));
    l.rare(circle.huge_tan, huge, tangent, x, x)
}
