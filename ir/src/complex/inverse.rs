//! Inverse circular and hyperbolic functions of complex numbers, in `f64`.
//!
//! `asinh` and `acos` follow Hull, Fairgrieve and Tang ("Implementing the complex arcsine and arccosine functions
//! using exception handling", 1997): with the distances `r` and `s` of the point from the two branch points, and `a`
//! half of their sum, one part is the inverse hyperbolic cosine of `a`, the other an inverse sine of `b = y / a`, each
//! computed in the way that does not cancel there. `atanh` follows Kahan (1987). The others are these turned round:
//! `asin z = -i asinh(i z)`. Special values follow C99, Annex G.

use std::f64::consts::{FRAC_PI_2, LN_2};

use super::{Algebra, Complex, Number, exponential};

const EPSILON: f64 = f64::EPSILON;
/// Larger numbers are to a sum of squares what one is not.
const LARGE: f64 = 1.0 / EPSILON;
/// Below this a number is its own inverse function.
const SMALL: f64 = 9e-9;
/// Above this, `a` is not near one.
const FAR: f64 = 10.0;
/// Above this, an inverse sine loses digits.
const STEEP: f64 = 0.6417;

/// What `asinh` and `acos` are made of, for a point of the first quadrant.
struct Ellipse<'a, A: Algebra> {
    /// `acosh a`.
    distance: Number<'a, A>,
    /// `y / a`.
    sine: Number<'a, A>,
    /// The tangent of the same angle, as `y` and what it is divided by.
    opposite: Number<'a, A>,
    adjacent: Number<'a, A>,
}

/// `hypot(a, b) - b`, halved, without cancellation; `size` is `hypot(a, b)`.
fn half_difference<'a, A: Algebra>(a: Number<'a, A>, b: Number<'a, A>, size: Number<'a, A>) -> Number<'a, A> {
    let by_sum = a * a / (size + b) * 0.5;
    b.is_below(0.0).choose((size - b) * 0.5, b.is(0.0).choose(a * 0.5, by_sum))
}

/// The ellipse through `x + i y`, both positive, with foci at `i` and `-i`.
fn ellipse<'a, A: Algebra>(x: Number<'a, A>, y: Number<'a, A>) -> Ellipse<'a, A> {
    /// `y` for which `y / a` would be subnormal.
    const TINY: f64 = 5.966672584960166e-154;
    let one = x.constant(1.0);
    let (above, below) = (y + 1.0, y - 1.0);
    let (r, s) = (x.hypot(above), x.hypot(below));
    let a = ((r + s) * 0.5).max(one);
    let gap = below.abs();
    let (is_at_one, is_clear) = (y.is(1.0), (gap * EPSILON).le(x));
    let excess = half_difference(x, above, r) + half_difference(x, -below, s);
    let clear = (excess + (excess * (a + 1.0)).sqrt()).log1p();
    let inside = x / ((1.0 - y) * above).sqrt();
    let outside = (below + (below * above).sqrt()).log1p();
    let near = is_clear.choose(clear, y.is_below(1.0).choose(inside, outside));
    let near = (is_at_one & x.is_below(EPSILON * EPSILON / 128.0)).choose(x.sqrt(), near);
    let far = (a + (a * a - 1.0).sqrt()).log();
    let distance = a.is_below(FAR).choose(near, far);

    let sine = y / a;
    let remainder = half_difference(x, above, r) + half_difference(x, below, s);
    let clear = (remainder * (a + y)).sqrt();
    let inside = ((1.0 - y) * above).sqrt();
    let raise = 4.0 / EPSILON / EPSILON;
    let outside = x * raise * y / (above * below).sqrt();
    let is_outside = !is_clear & y.is_above(1.0);
    let adjacent = is_clear.choose(clear, is_outside.choose(outside, inside));
    let at_one = x.sqrt() * ((a + y) * 0.5).sqrt();
    let adjacent = (is_at_one & x.is_below(EPSILON / 128.0)).choose(at_one, adjacent);
    let is_tiny = y.is_below(TINY);
    let adjacent = is_tiny.choose(a * (2.0 / EPSILON), adjacent);
    let opposite = is_tiny.choose(y * (2.0 / EPSILON), is_outside.choose(y * raise, y));
    Ellipse { distance, sine, opposite, adjacent }
}

pub(super) fn asinh<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let (x, y) = (z.re, z.im);
    let (ax, ay) = (x.abs(), y.abs());
    let ellipse = ellipse(ax, ay);
    let angle =
        ellipse.sine.is_above(STEEP).choose(ellipse.opposite.atan2(ellipse.adjacent), ellipse.sine.asin());
    let usual = Complex { re: ellipse.distance, im: angle };
    let log = exponential::log(Complex { re: ax, im: ay });
    let large = Complex { re: log.re + LN_2, im: log.im };
    let larger = ax.max(ay);
    let result = (larger.is_above(LARGE) | ax.is_inf() | ay.is_inf()).choose_complex(large, usual);
    let result = larger.is_below(SMALL).choose_complex(Complex { re: ax, im: ay }, result);
    Complex { re: result.re.copysign(x), im: y.is(0.0).choose(y, result.im.copysign(y)) }
}

pub(super) fn asin<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    asinh(z.swapped()).swapped()
}

pub(super) fn acos<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let (x, y) = (z.re, z.im);
    let (ax, ay) = (x.abs(), y.abs());
    let ellipse = ellipse(ay, ax);
    let is_left = x.is_negative();
    let opposite = is_left.choose(-ellipse.opposite, ellipse.opposite);
    let sine = is_left.choose(-ellipse.sine, ellipse.sine);
    let angle = ellipse.sine.is_above(STEEP).choose(ellipse.adjacent.atan2(opposite), sine.acos());
    let usual = Complex { re: angle, im: ellipse.distance };
    let log = exponential::log(z);
    let large = Complex { re: log.im.abs(), im: log.re + LN_2 };
    let larger = ax.max(ay);
    let result = (larger.is_above(LARGE) | ax.is_inf() | ay.is_inf()).choose_complex(large, usual);
    let small = Complex { re: FRAC_PI_2 - x, im: ay };
    let result = larger.is_below(SMALL).choose_complex(small, result);
    // On the imaginary axis the real part does not depend on the other.
    let re = x.is(0.0).choose_constant(FRAC_PI_2, result.re);
    Complex { re, im: result.im.copysign(-y) }
}

pub(super) fn acosh<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let turned = acos(z);
    let re = turned.im.abs();
    Complex { re, im: turned.re.copysign(z.im) }
}

pub(super) fn atanh<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    /// Numbers below this have a square that is nothing to one.
    const FLAT: f64 = 1.2e-8;
    let (x, y) = (z.re, z.im);
    let (ax, ay) = (x.abs(), y.abs());
    let (gap, sum) = (ax - 1.0, ax + 1.0);
    let squares = gap * gap + ay * ay;
    let usual_re = (ax * 4.0 / squares).log1p() * 0.25;
    let near_one = (LN_2 - ay.log()) * 0.5;
    let re = (ax.is(1.0) & ay.is_below(EPSILON)).choose(near_one, usual_re);
    let product = -gap * sum;
    let adjacent = ay.is_below(EPSILON).choose(product, product - ay * ay);
    let usual_im = (ay * 2.0).atan2(adjacent) * 0.5;
    let at_one = ay.constant(2.0).atan2(-ay) * 0.5;
    let im = ax.is(1.0).choose(at_one, usual_im);
    let larger = ax.max(ay);
    let is_large = larger.is_above(LARGE) | ax.is_inf() | ay.is_inf();
    let quarter_turn = y.constant(FRAC_PI_2);
    // Far out the real part is that of the reciprocal.
    let re = is_large.choose(reciprocal_real(ax, ay), re);
    let im = (is_large & !y.is_nan()).choose(quarter_turn, im);
    let on_axis = y.is(0.0) & ax.le(ax.constant(1.0));
    let result = on_axis.choose_complex(Complex { re: ax.atanh(), im: ay }, Complex { re, im });
    let result = larger.is_below(FLAT).choose_complex(Complex { re: ax, im: ay }, result);
    let re = x.is(0.0).choose(ax, result.re);
    let im = (x.is(0.0) & y.is_finite()).choose(ay.atan(), result.im);
    Complex { re: re.copysign(x), im: im.copysign(y) }
}

/// The real part of the reciprocal of a large number.
fn reciprocal_real<'a, A: Algebra>(x: Number<'a, A>, y: Number<'a, A>) -> Number<'a, A> {
    // The largest numbers have a sum that is none.
    const QUARTER: f64 = 0.25;
    let (ratio, inverse) = (y / x, x / y);
    let by_real = QUARTER / (x * QUARTER + ratio * (y * QUARTER));
    let by_imag = inverse * QUARTER / (y * QUARTER + inverse * (x * QUARTER));
    let result = y.le(x).choose(by_real, by_imag);
    (x.is_inf() | y.is_inf()).choose_constant(0.0, result)
}

pub(super) fn atan<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    atanh(z.swapped()).swapped()
}
