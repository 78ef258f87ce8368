//! asin, acos, atan and atan2.
//!
//! **atan, atan2**: the smaller over the larger operand (1 for atan), or the quotient of their difference and sum
//! where that is smaller, is `t` within tan(pi/8), whose rounding errors are carried; `atan t = t + t^3 P(t^2)` with
//! a minimax `P`, relative errors 2^-30.4 and 2^-59; then a multiple of pi/4, in two parts, moves the angle to its
//! place. The polynomial and the limits of scaling are all that differs between the types.
//!
//! **asin, acos**: within 1/2 the same form `s + s^3 P(s^2)`; beyond, `asin x = pi/2 - 2 asin sqrt((1 - x) / 2)`,
//! where `f64` carries the rounding error of the root (FreeBSD's msun). Relative errors of the polynomials: 2^-27.7
//! for `f32`, which goes through `f64`, and 2^-59.5.
//!
//! Largest errors measured, in ULP: asin 0.58 and 0.59, acos 0.58 and 0.58, atan 0.91 and 0.66, atan2 0.95 and 0.69,
//! for `f32` and `f64`.

use crate::lanes::{Lanes, Real};

/// What a type needs for the arc tangent.
struct Arc<T, const N: usize> {
    /// `(atan t - t) / t^3`, of `t^2`, to tan(pi/8).
    polynomial: [T; N],
    /// tan(pi/8).
    rotated: T,
    /// pi/4 in two parts.
    quarter_pi: [T; 2],
    /// 0, 1, 2, 3, 4.
    numbers: [T; 5],
    infinity: T,
    /// atan is pi/2 beyond.
    large: T,
    /// Larger operands below and above are scaled up and down, so that reciprocals and rounding errors are normal numbers.
    limits: [T; 2],
    scales: [T; 2],
}

const ARC_F32: Arc<f32, 5> = Arc {
    polynomial: [-0.33333316, 0.19998528, -0.14244388, 0.10599124, -0.06089891],
    rotated: 0.41421357,
    quarter_pi: [std::f32::consts::FRAC_PI_4, -2.1855695e-8],
    numbers: [0.0, 1.0, 2.0, 3.0, 4.0],
    infinity: f32::INFINITY,
    large: 1e20,
    limits: [f32::from_bits((127 + 30) << 23), f32::from_bits((127 + 100) << 23)],
    scales: [f32::from_bits((127 + 60) << 23), f32::from_bits((127 - 60) << 23)],
};

const ARC_F64: Arc<f64, 11> = Arc {
    polynomial: [
        -0.3333333333333333,
        0.1999999999998355,
        -0.14285714282692527,
        0.11111110890818056,
        -0.09090900483227406,
        0.07692103806761696,
        -0.0666355569840573,
        0.058509164839547004,
        -0.05051975428591992,
        0.038365677553846185,
        -0.01821742667315697,
    ],
    rotated: 0.41421356237309503,
    quarter_pi: [std::f64::consts::FRAC_PI_4, 3.061616997868383e-17],
    numbers: [0.0, 1.0, 2.0, 3.0, 4.0],
    infinity: f64::INFINITY,
    large: 1e40,
    limits: [f64::from_bits((1023 + 60) << 52), f64::from_bits((1023 + 900) << 52)],
    scales: [f64::from_bits((1023 + 200) << 52), f64::from_bits((1023 - 200) << 52)],
};

/// pi/2 in two parts, and pi.
const HALF_PI: [f64; 2] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17];
const PI: [f64; 2] = [std::f64::consts::PI, 1.2246467991473532e-16];

/// `asin s / s`, of `s^2`, to 1/2.
const ARC_SINE_F32: [f64; 6] = [
    0.9999999955857504,
    0.16666790080014954,
    0.0749443582903713,
    0.04555005372895244,
    0.023858816030144225,
    0.04263455276826164,
];

/// `(asin s - s) / s^3`, of `s^2`, to 1/2.
const ARC_SINE_F64: [f64; 13] = [
    0.16666666666666666,
    0.074999999999909,
    0.04464285715859913,
    0.03038194337544289,
    0.02237219821590769,
    0.017351885450487475,
    0.013977806028407922,
    0.011421827084634807,
    0.010659953985366502,
    0.004134866631639258,
    0.020718987249501324,
    -0.01966645481201367,
    0.031831496199536395,
];

/// The angle whose tangent is `x`.
#[inline(always)]
pub(crate) fn atan_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    arc_tangent(l, &ARC_F32, x)
}

/// The angle whose tangent is `x`.
#[inline(always)]
pub(crate) fn atan_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    arc_tangent(l, &ARC_F64, x)
}

/// The angle of the point `(x, y)`.
#[inline(always)]
pub(crate) fn atan2_f32<L: Lanes<Elem = f32>>(l: L, y: L::Float, x: L::Float) -> L::Float {
    angle_of_point(l, &ARC_F32, y, x)
}

/// The angle of the point `(x, y)`.
#[inline(always)]
pub(crate) fn atan2_f64<L: Lanes<Elem = f64>>(l: L, y: L::Float, x: L::Float) -> L::Float {
    angle_of_point(l, &ARC_F64, y, x)
}

/// The angle whose sine is `x`; NaN outside -1 to 1.
#[inline(always)]
pub(crate) fn asin_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let w = l.wide();
    let size = w.abs(l.widen(x));
    let far = w.gt(size, w.float(0.5));
    let angle = arc_sine_of_root(w, far, size);
    let slope = w.select(far, w.float(-2.0), w.float(1.0));
    let offset = w.select(far, w.float(std::f64::consts::FRAC_PI_2), w.float(0.0));
    l.copysign(l.narrow(w.fma(slope, angle, offset)), x)
}

/// The angle from 0 to pi whose cosine is `x`; NaN outside -1 to 1.
#[inline(always)]
pub(crate) fn acos_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float) -> L::Float {
    let w = l.wide();
    let x = l.widen(x);
    let size = w.abs(x);
    let far = w.gt(size, w.float(0.5));
    let angle = arc_sine_of_root(w, far, size);
    let slope = w.select(far, w.copysign(w.float(2.0), x), w.neg(w.copysign(w.float(1.0), x)));
    let near_offset = w.float(std::f64::consts::FRAC_PI_2);
    let far_offset = w.select(w.lt(x, w.float(0.0)), w.float(std::f64::consts::PI), w.float(0.0));
    l.narrow(w.fma(slope, angle, w.select(far, far_offset, near_offset)))
}

/// The angle whose sine is `x`; NaN outside -1 to 1.
#[inline(always)]
pub(crate) fn asin_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let far = l.gt(size, l.float(0.5));
    let slope = l.select(far, l.float(-2.0), l.float(1.0));
    let zero = l.float(0.0);
    let offset = l.select(far, l.float(HALF_PI[0]), zero);
    let offset_low = l.select(far, l.float(HALF_PI[1]), zero);
    l.copysign(line_of_arc_sine(l, far, size, slope, offset, offset_low), x)
}

/// The angle from 0 to pi whose cosine is `x`; NaN outside -1 to 1.
#[inline(always)]
pub(crate) fn acos_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> L::Float {
    let size = l.abs(x);
    let far = l.gt(size, l.float(0.5));
    // pi/2 - x; 2 asin(...), or pi less that.
    let far_slope = l.copysign(l.float(2.0), x);
    let slope = l.select(far, far_slope, l.copysign(l.float(1.0), l.neg(x)));
    let zero = l.float(0.0);
    let negative = l.lt(x, zero);
    let far_offset = l.select(negative, l.float(PI[0]), zero);
    let far_offset_low = l.select(negative, l.float(PI[1]), zero);
    let offset = l.select(far, far_offset, l.float(HALF_PI[0]));
    let offset_low = l.select(far, far_offset_low, l.float(HALF_PI[1]));
    line_of_arc_sine(l, far, size, slope, offset, offset_low)
}

/// The arc sine of `size`, or where it is `far` that of `sqrt((1 - size) / 2)`, to the precision of `f32`.
#[inline(always)]
fn arc_sine_of_root<W: Lanes<Elem = f64>>(w: W, far: W::Mask, size: W::Float) -> W::Float {
    let half = w.float(0.5);
    let square = w.select(far, w.fnma(half, size, half), w.mul(size, size));
    let sine = w.select(far, w.sqrt(square), size);
    w.mul(sine, w.horner(square, &ARC_SINE_F32))
}

/// `offset + slope * asin(s)` where `s` is `size`, or where that is `far` `sqrt((1 - size) / 2)`.
///
/// The slope is a power of two, the offset 0 or larger than the rest.
#[inline(always)]
fn line_of_arc_sine<L: Lanes<Elem = f64>>(
    l: L,
    far: L::Mask,
    size: L::Float,
    slope: L::Float,
    offset: L::Float,
    offset_low: L::Float,
) -> L::Float {
    let half = l.float(0.5);
    let square = l.select(far, l.fnma(half, size, half), l.mul(size, size));
    let root = l.sqrt(square);
    // Never a division by zero.
    let twice = l.max(l.add(root, root), l.float(1e-100));
    let root_low = l.div(l.fnma(root, root, square), twice);
    let sine = l.select(far, root, size);
    let sine_low = l.select(far, root_low, l.float(0.0));
    let tail = l.fma(l.mul(sine, square), l.horner(square, &ARC_SINE_F64), sine_low);
    let head = l.fma(slope, sine, offset);
    let head_low = l.fma(slope, sine, l.sub(offset, head));
    l.add(head, l.fma(slope, tail, l.add(head_low, offset_low)))
}

#[inline(always)]
fn arc_tangent<L: Lanes, const N: usize>(l: L, arc: &Arc<L::Elem, N>, x: L::Float) -> L::Float {
    let (zero, one, two) = (l.float(arc.numbers[0]), l.float(arc.numbers[1]), l.float(arc.numbers[2]));
    // The second operand, so that NaN remains.
    let size = l.min(l.float(arc.large), l.abs(x));
    let steep = l.gt(size, one);
    let above = l.select(steep, one, size);
    let below = l.select(steep, size, one);
    let octant = octant(l, arc, above, below);
    let multiple = l.select(octant.rotated, one, l.select(steep, two, zero));
    // The steep angle is pi/2 less the flat one, of which a rotated one is pi/4 less this.
    l.copysign(turned(l, arc, &octant, steep, multiple), x)
}

#[inline(always)]
fn angle_of_point<L: Lanes, const N: usize>(
    l: L,
    arc: &Arc<L::Elem, N>,
    y: L::Float,
    x: L::Float,
) -> L::Float {
    let (zero, one, two) = (l.float(arc.numbers[0]), l.float(arc.numbers[1]), l.float(arc.numbers[2]));
    let (three, four) = (l.float(arc.numbers[3]), l.float(arc.numbers[4]));
    let (height, width) = (l.abs(y), l.abs(x));
    let steep = l.gt(height, width);
    let above = l.select(steep, width, height);
    let below = l.select(steep, height, width);
    // Both zero or the larger infinite: the quotient of equals is 1 for infinities, else 0; NaN remains.
    let infinity = l.float(arc.infinity);
    let limit = l.or(l.eq(below, infinity), l.eq(below, zero));
    let above_limit = l.select(l.eq(above, infinity), one, l.mul(above, zero));
    let above = l.select(limit, above_limit, above);
    let below = l.select(limit, one, below);
    let scale = l.select(l.lt(below, l.float(arc.limits[0])), l.float(arc.scales[0]), one);
    let scale = l.select(l.gt(below, l.float(arc.limits[1])), l.float(arc.scales[1]), scale);
    let octant = octant(l, arc, l.mul(above, scale), l.mul(below, scale));
    // Left of the axis by the sign bit: the angle is pi less what it is right of it.
    let left = l.int_gt(l.int(L::Elem::int(0)), l.bits(x));
    let rotated_multiple = l.select(left, three, one);
    let flat_multiple = l.select(left, four, zero);
    let multiple = l.select(octant.rotated, rotated_multiple, l.select(steep, two, flat_multiple));
    let negative = l.or(l.and(steep, l.not(left)), l.and(left, l.not(steep)));
    l.copysign(turned(l, arc, &octant, negative, multiple), y)
}

/// The angle `t + tail`, which is pi/4 short where it is rotated.
struct Octant<L: Lanes> {
    t: L::Float,
    tail: L::Float,
    rotated: L::Mask,
}

/// The angle of which the tangent is `above / below`, where `above` is not the larger.
#[inline(always)]
fn octant<L: Lanes, const N: usize>(
    l: L,
    arc: &Arc<L::Elem, N>,
    above: L::Float,
    below: L::Float,
) -> Octant<L> {
    let zero = l.float(arc.numbers[0]);
    let rotated = l.lt(l.mul(below, l.float(arc.rotated)), above);
    let difference = l.sub(above, below);
    let difference_low = l.sub(above, l.add(difference, below));
    let sum = l.add(below, above);
    let sum_low = l.sub(above, l.sub(sum, below));
    let above = l.select(rotated, difference, above);
    let above_low = l.select(rotated, difference_low, zero);
    let below = l.select(rotated, sum, below);
    let below_low = l.select(rotated, sum_low, zero);

    let reciprocal = l.div(l.float(arc.numbers[1]), below);
    let t = l.mul(above, reciprocal);
    let rest = l.add(l.fnma(t, below, above), above_low);
    let t_low = l.mul(l.fnma(t, below_low, rest), reciprocal);
    let square = l.mul(t, t);
    let tail = l.fma(l.mul(t, square), l.horner(square, &arc.polynomial), t_low);
    Octant { t, tail, rotated }
}

/// `multiple * pi/4` plus the angle, or less it where the mask holds.
#[inline(always)]
fn turned<L: Lanes, const N: usize>(
    l: L,
    arc: &Arc<L::Elem, N>,
    octant: &Octant<L>,
    negative: L::Mask,
    multiple: L::Float,
) -> L::Float {
    let t = l.select(negative, l.neg(octant.t), octant.t);
    let tail = l.select(negative, l.neg(octant.tail), octant.tail);
    let (quarter_pi, quarter_pi_low) = (l.float(arc.quarter_pi[0]), l.float(arc.quarter_pi[1]));
    let head = l.fma(multiple, quarter_pi, t);
    let head_low = l.add(l.fms(multiple, quarter_pi, head), t);
    l.add(head, l.add(tail, l.fma(multiple, quarter_pi_low, head_low)))
}
