//! asin, acos, atan and atan2.
//!
//! **atan, atan2**: `t` is the smaller over the larger operand (1 for atan), and `atan t = t + t^3 P(t^2)` from 0 to 1,
//! relative errors 2^-25.6 and 2^-54.8; pi/2 or pi less that is the angle. **asin, acos**: within 1/2 the form
//! `s + s^3 P(s^2)`, 2^-27.6 and 2^-55.9; beyond, twice that of `sqrt((1 - x) / 2)`, or pi/2 or pi less it.

use crate::lanes::{Lanes, Real};
use crate::math::polynomial::even_odd;

/// What a type needs for angles.
struct Arc<T, const N: usize, const M: usize> {
    /// `(atan t - t) / t^3`, of `t^2`, to 1.
    tangent: [T; N],
    /// `(asin s - s) / s^3`, of `s^2`, to 1/2.
    sine: [T; M],
    half: T,
    half_pi: T,
    pi: T,
    /// The least number above 0.
    least: T,
}

const F32: Arc<f32, 8, 5> = Arc {
    tangent: [
        -0.333_331_53,
        0.199_937_67,
        -0.142_110_1,
        0.106_658_35,
        -0.075_518_81,
        0.043_208_27,
        -0.016_365_929,
        0.002_920_241_8,
    ],
    sine: [0.166_667_52, 0.074_953_094, 0.045_469_16, 0.024_184_613, 0.042_158_797],
    half: 0.5,
    half_pi: std::f32::consts::FRAC_PI_2,
    pi: std::f32::consts::PI,
    least: f32::from_bits(1),
};

const F64: Arc<f64, 19, 12> = Arc {
    tangent: [
        -0.3333333333333186,
        0.19999999999755266,
        -0.14285714271346667,
        0.1111111067903483,
        -0.09090901239546595,
        0.07692212970595151,
        -0.06665860635240888,
        0.058773091238450356,
        -0.05239238046891406,
        0.0467396396000242,
        -0.04092669643805411,
        0.034068342221069504,
        -0.025827488839593224,
        0.0169787236647386,
        -0.00918507099899851,
        0.003856250787154635,
        -0.0011641734574518892,
        0.0002230453261164805,
        -2.026093628607302e-05,
    ],
    sine: [
        0.16666666666665408,
        0.07500000000337144,
        0.04464285682823034,
        0.030381959140530067,
        0.022371757975710598,
        0.01735970574924572,
        0.013885226925001265,
        0.012169260977109367,
        0.006527786848338406,
        0.01952872234643153,
        -0.01622489109903674,
        0.03191266036189789,
    ],
    half: 0.5,
    half_pi: std::f64::consts::FRAC_PI_2,
    pi: std::f64::consts::PI,
    least: f64::from_bits(1),
};

macro_rules! both_types {
    ($($(#[doc = $doc:literal])* $f32:ident, $f64:ident($($x:ident),+) = $function:ident;)*) => {
        $($(#[doc = $doc])*
        #[inline(always)]
        pub(crate) fn $f32<L: Lanes<Elem = f32>>(l: L, $($x: L::Float),+) -> L::Float {
            $function(l, &F32, $($x),+)
        }
        $(#[doc = $doc])*
        #[inline(always)]
        pub(crate) fn $f64<L: Lanes<Elem = f64>>(l: L, $($x: L::Float),+) -> L::Float {
            $function(l, &F64, $($x),+)
        })*
    };
}
both_types! {
    /// The angle whose sine is `x`; NaN outside -1 to 1.
    asin_f32, asin_f64(x) = asin;
    /// The angle from 0 to pi whose cosine is `x`; NaN outside -1 to 1.
    acos_f32, acos_f64(x) = acos;
    /// The angle whose tangent is `x`.
    atan_f32, atan_f64(x) = atan;
    /// The angle of the point `(x, y)`.
    atan2_f32, atan2_f64(y, x) = atan2;
}

/// The arc sine of `size`, or where it is `far` that of `sqrt((1 - size) / 2)`.
#[inline(always)]
fn arc_sine<L: Lanes, const N: usize, const M: usize>(
    l: L,
    arc: &Arc<L::Elem, N, M>,
    far: L::Mask,
    size: L::Float,
) -> L::Float {
    let half = l.float(arc.half);
    let square = l.select(far, l.fnma(half, size, half), l.mul(size, size));
    let sine = l.select(far, l.sqrt(square), size);
    l.fma(l.mul(sine, square), even_odd(l, square, l.mul(square, square), &arc.sine), sine)
}

#[inline(always)]
fn asin<L: Lanes, const N: usize, const M: usize>(l: L, arc: &Arc<L::Elem, N, M>, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let far = l.gt(size, l.float(arc.half));
    let angle = arc_sine(l, arc, far, size);
    let two = l.float(L::Elem::number(2));
    l.copysign(l.select(far, l.fnma(two, angle, l.float(arc.half_pi)), angle), x)
}

#[inline(always)]
fn acos<L: Lanes, const N: usize, const M: usize>(l: L, arc: &Arc<L::Elem, N, M>, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let far = l.gt(size, l.float(arc.half));
    let angle = arc_sine(l, arc, far, size);
    // pi/2 - asin x; 2 asin(...), or pi less that.
    let zero = l.float(L::Elem::number(0));
    let slope = l.select(far, l.float(L::Elem::number(2)), l.float(L::Elem::number(-1)));
    let slope = l.float_of_bits(l.int_xor(l.bits(slope), l.int_and(l.bits(x), l.sign_bit())));
    let far_offset = l.select(l.lt(x, zero), l.float(arc.pi), zero);
    l.fma(slope, angle, l.select(far, far_offset, l.float(arc.half_pi)))
}

/// `atan t`, from 0 to 1.
#[inline(always)]
fn arc_tangent<L: Lanes, const N: usize, const M: usize>(
    l: L,
    arc: &Arc<L::Elem, N, M>,
    t: L::Float,
) -> L::Float {
    let square = l.mul(t, t);
    l.fma(l.mul(t, square), even_odd(l, square, l.mul(square, square), &arc.tangent), t)
}

#[inline(always)]
fn atan<L: Lanes, const N: usize, const M: usize>(l: L, arc: &Arc<L::Elem, N, M>, x: L::Float) -> L::Float {
    let one = l.float(L::Elem::number(1));
    let size = l.abs(x);
    // The second operand, so that NaN remains.
    let angle = arc_tangent(l, arc, l.div(l.min(one, size), l.max(one, size)));
    let steep = l.gt(size, one);
    l.copysign(l.select(steep, l.sub(l.float(arc.half_pi), angle), angle), x)
}

#[inline(always)]
fn atan2<L: Lanes, const N: usize, const M: usize>(
    l: L,
    arc: &Arc<L::Elem, N, M>,
    y: L::Float,
    x: L::Float,
) -> L::Float {
    let (height, width) = (l.abs(y), l.abs(x));
    let steep = l.gt(height, width);
    let above = l.select(steep, width, height);
    // No division of zero by zero; that of infinities is 1.
    let below = l.max(l.float(arc.least), l.select(steep, height, width));
    let t = l.select(l.eq(above, below), l.float(L::Elem::number(1)), l.div(above, below));
    let angle = arc_tangent(l, arc, t);
    let angle = l.select(steep, l.sub(l.float(arc.half_pi), angle), angle);
    // Left of the axis by the sign bit.
    let left = l.int_gt(l.int(L::Elem::int(0)), l.bits(x));
    l.copysign(l.select(left, l.sub(l.float(arc.pi), angle), angle), y)
}
