//! Arithmetic of complex numbers, with NumPy's bits.
//!
//! Products are `(ac - bd, ad + bc)` with the second product of each rounded, and the first and the sum rounded together:
//! that is what NumPy's vector loops do on CPUs that multiply and add in one instruction, and here it is done on all.
//! Quotients follow Smith ("Algorithm 116: Complex division", 1962) in NumPy's form, which multiplies by a reciprocal.
//! Powers by whole numbers below 100 are products, without the common rounding, as NumPy's are; others are
//! `exp(y log(x))`, whose error grows with `|y log(x)|`.
//!
//! The absolute value is `hypot`, within 1 ULP; NumPy's vector loops are within 2.

use super::{Algebra, Complex, Number, exponential};

pub(super) fn multiply<'a, A: Algebra>(x: Complex<'a, A>, y: Complex<'a, A>) -> Complex<'a, A> {
    Complex { re: x.re.fma(y.re, -(x.im * y.im)), im: x.re.fma(y.im, x.im * y.re) }
}

pub(super) fn square<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let half = z.re * z.im;
    Complex { re: z.re.fma(z.re, -(z.im * z.im)), im: half + half }
}

/// The product with every operation rounded.
fn plain_product<'a, A: Algebra>(x: Complex<'a, A>, y: Complex<'a, A>) -> Complex<'a, A> {
    Complex { re: x.re * y.re - x.im * y.im, im: x.re * y.im + x.im * y.re }
}

pub(super) fn divide<'a, A: Algebra>(x: Complex<'a, A>, y: Complex<'a, A>) -> Complex<'a, A> {
    let (real, imag) = (y.re.abs(), y.im.abs());
    let real_is_larger = imag.le(real);
    let (larger, smaller) = (real_is_larger.choose(y.re, y.im), real_is_larger.choose(y.im, y.re));
    let ratio = smaller / larger;
    let scale = 1.0 / (larger + smaller * ratio);
    let re = real_is_larger.choose(x.re + x.im * ratio, x.re * ratio + x.im) * scale;
    let im = real_is_larger.choose(x.im - x.re * ratio, x.im * ratio - x.re) * scale;
    let by_zero = real.is(0.0) & imag.is(0.0);
    Complex { re: by_zero.choose(x.re / real, re), im: by_zero.choose(x.im / real, im) }
}

pub(super) fn reciprocal<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let real_is_larger = z.im.abs().le(z.re.abs());
    let (larger, smaller) = (real_is_larger.choose(z.re, z.im), real_is_larger.choose(z.im, z.re));
    let ratio = smaller / larger;
    let scale = larger + smaller * ratio;
    let one = z.re.constant(1.0);
    Complex {
        re: real_is_larger.choose(one, ratio) / scale,
        im: real_is_larger.choose(-ratio, z.re.constant(-1.0)) / scale,
    }
}

/// The number divided by its absolute value; of an infinite one, the direction of the part that is infinite alone.
pub(super) fn sign<A: Algebra>(z: Complex<'_, A>) -> Complex<'_, A> {
    let size = z.abs();
    let (real_is_inf, imag_is_inf) = (z.re.is_inf(), z.im.is_inf());
    let one = size.constant(1.0);
    let along_real = imag_is_inf.choose_constant(f64::NAN, one.copysign(z.re));
    let along_imag = one.copysign(z.im);
    let infinite = Complex {
        re: real_is_inf.choose(along_real, size.constant(0.0)),
        im: real_is_inf.choose(imag_is_inf.choose_constant(f64::NAN, size.constant(0.0)), along_imag),
    };
    let is_zero = size.is(0.0);
    let finite = Complex {
        re: is_zero.choose_constant(0.0, z.re / size),
        im: is_zero.choose_constant(0.0, z.im / size),
    };
    size.is_inf().choose_complex(infinite, finite)
}

/// Whole exponents below this are a number of products.
const MOST_PRODUCTS: f64 = 100.0;
/// Their binary digits.
const EXPONENT_BITS: i32 = 7;

pub(super) fn pow<'a, A: Algebra>(x: Complex<'a, A>, y: Complex<'a, A>) -> Complex<'a, A> {
    let exponent = y.re;
    let size = exponent.abs();
    let is_whole = y.im.is(0.0) & size.is_below(MOST_PRODUCTS) & exponent.round().eq(exponent);
    let by_products = is_whole.choose_complex(products(x, exponent), by_logarithm(x, y));
    let constant = |re: f64, im: f64| Complex { re: exponent.constant(re), im: exponent.constant(im) };
    let of_zero = exponent.is_above(0.0).choose_complex(constant(0.0, 0.0), constant(f64::NAN, f64::NAN));
    let is_zero = |z: Complex<'a, A>| z.re.is(0.0) & z.im.is(0.0);
    let of_any = is_zero(x).choose_complex(of_zero, by_products);
    is_zero(y).choose_complex(constant(1.0, 0.0), of_any)
}

fn by_logarithm<'a, A: Algebra>(x: Complex<'a, A>, y: Complex<'a, A>) -> Complex<'a, A> {
    let y = y.wide();
    x.in_f64(|x| exponential::exp(plain_product(y, exponential::log(x))))
}

/// Products by the binary digits of a whole exponent; the first few as they are written out, which keeps infinities.
fn products<'a, A: Algebra>(x: Complex<'a, A>, exponent: Number<'a, A>) -> Complex<'a, A> {
    let size = exponent.abs();
    let square = plain_product(x, x);
    let one = Complex { re: size.constant(1.0), im: size.constant(0.0) };
    let (mut power, mut result) = (x, one);
    for bit in 0..EXPONENT_BITS {
        if bit > 0 {
            power = if bit == 1 { square } else { plain_product(power, power) };
        }
        let digits = |bit: i32| (size * 0.5f64.powi(bit)).floor();
        let is_set = (digits(bit) - digits(bit + 1) * 2.0).is(1.0);
        result = is_set.choose_complex(plain_product(result, power), result);
    }
    let result = exponent.is_below(0.0).choose_complex(divide(one, result), result);
    let cube = plain_product(x, square);
    let small = [(3.0, cube), (2.0, square), (1.0, x)];
    small.into_iter().fold(result, |result, (n, power)| exponent.is(n).choose_complex(power, result))
}
