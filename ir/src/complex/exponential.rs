//! Exponentials, logarithms and the square root of complex numbers, in `f64`.
//!
//! - **exp**: `e^x (cos y + i sin y)`, the exponential in two factors where it alone would overflow.
//! - **expm1**: `expm1(x) cos(y) - 2 sin^2(y / 2)`, which does not cancel near zero but along a curve through it.
//! - **log**: near the unit circle, where `log |z|` cancels, `log1p` of `x^2 + y^2 - 1` with the squares to twice the
//!   precision; elsewhere the logarithm of `hypot`, with operands scaled where it would overflow or be subnormal.
//! - **sqrt**: Friedland ("Algorithm 312: Absolute value and square root of a complex number", 1967), scaled likewise.
//!
//! Special values follow C99, Annex G.

use super::{Algebra, Complex, Number};

/// Beyond this, exponentials are computed in factors.
const LARGE: f64 = 700.0;

/// `e^x` as three factors, of which the last two are equal. The first is finite up to `x = 1454`, beyond which no sine or
/// cosine is small enough to make the product finite.
pub(super) fn exp_in_factors<A: Algebra>(x: Number<'_, A>) -> [Number<'_, A>; 2] {
    /// Half of what is taken off the exponent, and its exponential.
    const HALF: f64 = 372.5;
    const EXP_HALF: f64 = 5.952432907249162e161;
    let is_large = x.is_above(LARGE);
    let first = is_large.choose(x - 2.0 * HALF, x).exp();
    [first, is_large.choose_constant(EXP_HALF, x.constant(1.0))]
}

/// An exponential of `z` whose size is given by factors, and its angle.
fn polar<'a, A: Algebra>(
    [first, half]: [Number<'a, A>; 2],
    z: Complex<'a, A>,
    angle: Number<'a, A>,
) -> Complex<'a, A> {
    let Complex { re: x, im: y } = z;
    let unbounded = !y.is_finite();
    let re = first * angle.cos() * half * half;
    let im = first * angle.sin() * half * half;
    // Directions that are not known: of zero any, of infinity the real axis.
    let to_zero = unbounded & x.is(f64::NEG_INFINITY);
    let to_infinity = unbounded & x.is(f64::INFINITY);
    let re = to_infinity.choose(x, to_zero.choose_constant(0.0, re));
    let im = to_zero.choose(x.constant(0.0).copysign(y), im);
    Complex { re, im: y.is(0.0).choose(y, im) }
}

pub(super) fn exp<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    polar(exp_in_factors(z.re), z, z.im)
}

pub(super) fn exp2<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let is_large = z.re.is_above(1000.0);
    let first = is_large.choose(z.re - 1000.0, z.re).exp2();
    let half = is_large.choose_constant(500.0f64.exp2(), z.re.constant(1.0));
    polar([first, half], z, z.im * std::f64::consts::LN_2)
}

pub(super) fn expm1<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let exp = exp(z);
    let half_sin = (z.im * 0.5).sin();
    let near = z.re.expm1() * z.im.cos() - 2.0 * half_sin * half_sin;
    // Where e^x is large, one less is no cancellation, and where it is zero or infinite there is nothing to add to.
    let is_far = z.re.is_above(36.0) | !z.is_finite();
    let re = is_far.choose(exp.re - 1.0, near);
    Complex { re, im: exp.im }
}

/// The sum of two numbers, and what it lacks (Knuth).
fn two_sum<'a, A: Algebra>(x: Number<'a, A>, y: Number<'a, A>) -> (Number<'a, A>, Number<'a, A>) {
    let sum = x + y;
    let second = sum - x;
    let lack = (x - (sum - second)) + (y - second);
    (sum, lack)
}

/// `first + x^2 + y^2`, rounded about once.
fn plus_squares<'a, A: Algebra>(first: Number<'a, A>, x: Number<'a, A>, y: Number<'a, A>) -> Number<'a, A> {
    // As squares, which no mode contracts with the sum: it would take from it what is lacking here.
    let (x_square, y_square) = (x.square(), y.square());
    let (x_lack, y_lack) = (x.fma(x, -x_square), y.fma(y, -y_square));
    let (sum, sum_lack) = two_sum(first, x_square);
    let (total, total_lack) = two_sum(sum, y_square);
    total + (total_lack + sum_lack + x_lack + y_lack)
}

/// `log(hypot(x, y))`.
fn log_of_size<'a, A: Algebra>(x: Number<'a, A>, y: Number<'a, A>) -> Number<'a, A> {
    /// What brings the largest numbers and the smallest within range.
    const SCALE: f64 = 1000.0;
    let larger = x.abs().max(y.abs());
    let (is_huge, is_tiny) = (larger.is_above(1000.0f64.exp2()), larger.is_below((-900.0f64).exp2()));
    let one = x.constant(1.0);
    let factor = is_huge.choose_constant((-SCALE).exp2(), is_tiny.choose_constant(SCALE.exp2(), one));
    let log_factor = SCALE * std::f64::consts::LN_2;
    let log = (x * factor).hypot(y * factor).log();
    is_huge.choose(log + log_factor, is_tiny.choose(log - log_factor, log))
}

/// Whether a square is near enough to one for `log1p` to be the better logarithm.
fn is_near_one<A: Algebra>(excess: Number<'_, A>) -> super::Truth<'_, A> {
    excess.is_above(-0.75) & excess.is_below(3.0)
}

pub(super) fn log<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let (x, y) = (z.re, z.im);
    let excess = plus_squares(x.constant(-1.0), x, y);
    let re = is_near_one(excess).choose(excess.log1p() * 0.5, log_of_size(x, y));
    Complex { re, im: y.atan2(x) }
}

pub(super) fn log2<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    log(z).scaled(std::f64::consts::LOG2_E)
}

pub(super) fn log10<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    log(z).scaled(std::f64::consts::LOG10_E)
}

pub(super) fn log1p<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let (x, y) = (z.re, z.im);
    let excess = plus_squares(x * 2.0, x, y);
    let moved = x + 1.0;
    let re = is_near_one(excess).choose(excess.log1p() * 0.5, log_of_size(moved, y));
    Complex { re, im: y.atan2(moved) }
}

pub(super) fn sqrt<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let (x, y) = (z.re, z.im);
    let larger = x.abs().max(y.abs());
    let (is_huge, is_tiny) = (larger.is_above(1000.0f64.exp2()), larger.is_below((-900.0f64).exp2()));
    let one = x.constant(1.0);
    // Powers of four, and of the root of their inverse.
    let factor = is_huge.choose_constant((-4.0f64).exp2(), is_tiny.choose_constant(120.0f64.exp2(), one));
    let back = is_huge.choose_constant(2.0f64.exp2(), is_tiny.choose_constant((-60.0f64).exp2(), one));
    let (size, side) = (x.abs() * factor, y.abs() * factor);
    let root = ((size + size.hypot(side)) * 0.5).sqrt();
    let (long, short) = (root * back, side / (root + root) * back);
    let is_left = x.is_below(0.0);
    let re = is_left.choose(short, long);
    let im = is_left.choose(long, short).copysign(y);
    let is_zero = larger.is(0.0);
    let re = is_zero.choose_constant(0.0, re);
    let im = is_zero.choose(y, im);
    of_infinite_root(z, Complex { re, im })
}

/// The square root, which is `finite` unless a part is infinite.
fn of_infinite_root<'a, A: Algebra>(z: Complex<'a, A>, finite: Complex<'a, A>) -> Complex<'a, A> {
    let (x, y) = (z.re, z.im);
    let infinity = x.constant(f64::INFINITY);
    let is_left = x.is_below(0.0);
    // The other part along the real axis: zero, or NaN where y is.
    let nothing = y.is_nan().choose(y, x.constant(0.0));
    let along =
        Complex { re: is_left.choose(nothing, infinity), im: is_left.choose(infinity, nothing).copysign(y) };
    let result = x.is_inf().choose_complex(along, finite);
    y.is_inf().choose_complex(Complex { re: infinity, im: y }, result)
}
