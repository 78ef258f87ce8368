//! Hyperbolic and circular functions of complex numbers, in `f64`.
//!
//! `sinh z = sinh x cos y + i cosh x sin y` and `cosh z = cosh x cos y + i sinh x sin y`, with the exponential in factors
//! where it alone would overflow. `tanh` follows Kahan ("Branch cuts for complex elementary functions", 1987). The
//! circular functions are the hyperbolic ones turned round: `sin z = -i sinh(i z)`. Special values follow C99, Annex G.

use super::exponential::exp_in_factors;
use super::{Algebra, Complex, Number};

/// `|x|` beyond which `sinh` and `cosh` are half an exponential.
const LARGE: f64 = 700.0;

/// `i z`.
fn turned<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    Complex { re: -z.im, im: z.re }
}

/// `-i z`.
fn turned_back<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    Complex { re: z.im, im: -z.re }
}

/// `value` times a sine or cosine; where `x` is large, half an exponential of its size.
fn times<'a, A: Algebra>(value: Number<'a, A>, x: Number<'a, A>, wave: Number<'a, A>) -> Number<'a, A> {
    let size = x.abs();
    let [first, half] = exp_in_factors(size);
    let large = (first * 0.5).copysign(value) * wave * half * half;
    size.is_above(LARGE).choose(large, value * wave)
}

pub(super) fn sinh<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let (x, y) = (z.re, z.im);
    let unbounded = !y.is_finite();
    let re = times(x.sinh(), x, y.cos());
    let im = times(x.cosh(), x, y.sin());
    // Of zero and of infinity the size is known, if not the direction.
    let re = (unbounded & (x.is(0.0) | x.is_inf())).choose(x, re);
    Complex { re, im: y.is(0.0).choose(y, im) }
}

pub(super) fn cosh<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let (x, y) = (z.re, z.im);
    let unbounded = !y.is_finite();
    let re = times(x.cosh(), x, y.cos());
    let im = times(x.sinh(), x, y.sin());
    let zero = x.constant(0.0);
    let signed_zero = zero.copysign(x) * zero.copysign(y);
    let on_axis = y.is(0.0) | (unbounded & x.is(0.0));
    // On an axis, one factor is zero and the other one's sign is all that counts.
    let one = x.constant(1.0);
    let sign = one.copysign(x) * one.copysign(y);
    let re = (unbounded & x.is_inf()).choose(x.abs(), re);
    Complex { re, im: on_axis.choose(signed_zero.copysign(sign), im) }
}

pub(super) fn tanh<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    /// `|x|` beyond which `tanh x` is one.
    const SATURATED: f64 = 22.0;
    let (x, y) = (z.re, z.im);
    let unbounded = !y.is_finite();
    let one = x.constant(1.0);
    let (tan, sinh) = (y.tan(), x.sinh());
    let (secant_square, sinh_square) = (tan.fma(tan, one), sinh * sinh);
    let root = (sinh_square + 1.0).sqrt();
    let below = secant_square.fma(sinh_square, one);
    let near = Complex { re: secant_square * root * sinh / below, im: tan / below };
    let decay = (x.abs() * -2.0).exp();
    let wave = y.sin() * y.cos() * 4.0;
    // At infinity the limit is known whatever the direction, before it is not.
    let limit = x.is_inf();
    let known = unbounded & limit;
    let re = (unbounded & !limit).choose_constant(f64::NAN, one.copysign(x));
    let far = Complex { re, im: known.choose_constant(0.0, wave) * decay };
    let result = x.abs().is_above(SATURATED).choose_complex(far, near);
    Complex { re: (unbounded & x.is(0.0)).choose(x, result.re), im: y.is(0.0).choose(y, result.im) }
}

pub(super) fn sin<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    turned_back(sinh(turned(z)))
}

pub(super) fn cos<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    cosh(turned(z))
}

pub(super) fn tan<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    turned_back(tanh(turned(z)))
}
