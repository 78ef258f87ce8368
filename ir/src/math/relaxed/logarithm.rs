//! log1p, asinh, acosh and atanh.
//!
//! `log(1 + x)` as in [`log`](crate::math::log): `1 + x = 2^e (1 + f)`, with what rounding `1 + x` left added to `f`, and
//! `log(1 + f) = f - h + s (h + R(s^2))` with `s = f / (2 + f)` and `h = f^2 / 2`. The others are logarithms of 1 and
//! something that is accurate near zero: `acosh x` of `t + sqrt(t (x + 1))` with `t = x - 1`, `atanh x` half that of
//! `2x / (1 - x)`. `asinh x` is `log(x + sqrt(1 + x^2))`, and within 1/2 `x + x^3 P(x^2)`, relative errors 2^-29.6 and
//! 2^-60.4.

use crate::lanes::{Lanes, Real};
use crate::math::exp::{LN_2_F32, LN_2_HIGH, LN_2_LOW};
use crate::math::hyperbolic::with_sign;
use crate::math::log::{ATANH, SQRT_HALF};
use crate::math::polynomial::even_odd;

/// What a type needs for logarithms.
struct Logarithm<T, const N: usize, const S: usize> {
    /// The bits of the square root of 1/2, and those of the fraction.
    sqrt_half: i64,
    fraction: i64,
    /// [`Real::MAGIC`] and the bias.
    biased_magic: T,
    ln_2: [T; 2],
    half: T,
    /// `2 (atanh(s) / s - 1) / s^2`, of `s^2`.
    atanh: [T; N],
    /// Where asinh and acosh are `log(2x)`.
    large: T,
    /// `(asinh(s) - s) / s^3`, of `s^2`, to 1/2.
    asinh: [T; S],
}

const F32: Logarithm<f32, 3, 5> = Logarithm {
    sqrt_half: 0x3f35_04f3,
    fraction: 0x007f_ffff,
    biased_magic: f32::MAGIC + 127.0,
    ln_2: [LN_2_F32.0, LN_2_F32.1],
    half: 0.5,
    atanh: [0.666_667_76, 0.399_775_65, 0.298_716_22],
    large: 1e9,
    asinh: [-0.166_666_43, 0.074_986_406, -0.044_382_915, 0.028_160_514, -0.013_221_784_5],
};

const F64: Logarithm<f64, 7, 12> = Logarithm {
    sqrt_half: SQRT_HALF,
    fraction: 0x000f_ffff_ffff_ffff,
    biased_magic: f64::MAGIC + 1023.0,
    ln_2: [LN_2_HIGH, LN_2_LOW],
    half: 0.5,
    atanh: ATANH,
    large: 1e18,
    asinh: [
        -0.1666666666666661,
        0.07499999999984416,
        -0.04464285712783051,
        0.030381943716337605,
        -0.0223721383566849,
        0.017352386929528025,
        -0.013960231989846106,
        0.01151298221442884,
        -0.009534133723198751,
        0.007465572826818856,
        -0.004747464866566652,
        0.0017180474516470187,
    ],
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
    /// `log(1 + x)`.
    log1p_f32, log1p_f64(x) = log1p;
    /// The inverse hyperbolic sine.
    asinh_f32, asinh_f64(x) = asinh;
    /// The inverse hyperbolic cosine.
    acosh_f32, acosh_f64(x) = acosh;
    /// The inverse hyperbolic tangent.
    atanh_f32, atanh_f64(x) = atanh;
}

/// `1 + x`, and what rounding it left.
#[inline(always)]
fn one_more<L: Lanes>(l: L, x: L::Float) -> [L::Float; 2] {
    let one = l.float(L::Elem::number(1));
    // The second operand, so that NaN remains.
    let sum = l.add(one, x);
    [sum, l.sub(l.min(one, x), l.sub(sum, l.max(one, x)))]
}

/// `log((sum + lost) * 2^octaves)` for a positive normal number; NaN or infinite where it is.
#[inline(always)]
fn log<L: Lanes, const N: usize, const S: usize>(
    l: L,
    table: &Logarithm<L::Elem, N, S>,
    [sum, lost]: [L::Float; 2],
    octaves: Option<L::Float>,
) -> L::Float {
    let (zero, one, two) =
        (l.float(L::Elem::number(0)), l.float(L::Elem::number(1)), l.float(L::Elem::number(2)));
    let int = |n: i64| l.int(L::Elem::int(n));
    let bits = l.bits(sum);
    let offset = l.int_sub(bits, int(table.sqrt_half));
    let bias = l.bits(one);
    let biased = l.shr(l.int_add(offset, bias), L::Elem::FRACTION_BITS);
    let e = l.float_of_bits(l.int_or(biased, l.int(L::Elem::MAGIC.bits())));
    let e = l.sub(e, l.float(table.biased_magic));
    let m = l.int_add(l.int_and(offset, int(table.fraction)), int(table.sqrt_half));
    // 2^-e; not that of the largest numbers, of which nothing is lost.
    let inverse = l.max(l.float_of_bits(l.int_sub(l.int_add(m, bias), bits)), zero);
    let f = l.fma(lost, inverse, l.sub(l.float_of_bits(m), one));

    let s = l.div(f, l.add(two, f));
    let z = l.mul(s, s);
    let h = l.mul(l.mul(f, l.float(table.half)), f);
    let rest = l.fms(s, l.fma(z, even_odd(l, z, l.mul(z, z), &table.atanh), h), h);
    let e = octaves.map_or(e, |octaves| l.add(e, octaves));
    let log = l.add(f, l.fma(e, l.float(table.ln_2[1]), rest));
    let log = l.fma(e, l.float(table.ln_2[0]), log);
    l.select(l.lt(sum, l.float(L::Elem::INFINITY)), log, sum)
}

#[inline(always)]
fn log1p<L: Lanes, const N: usize, const S: usize>(
    l: L,
    table: &Logarithm<L::Elem, N, S>,
    x: L::Float,
) -> L::Float {
    let log = with_sign(l, log(l, table, one_more(l, x), None), x);
    let minus_one = l.float(L::Elem::number(-1));
    let pole = l.neg(l.float(L::Elem::INFINITY));
    let below = l.select(l.eq(x, minus_one), pole, l.float(L::Elem::NAN));
    // Where x is NaN, so is the logarithm.
    l.select(l.le(x, minus_one), below, log)
}

#[inline(always)]
fn asinh<L: Lanes, const N: usize, const S: usize>(
    l: L,
    table: &Logarithm<L::Elem, N, S>,
    x: L::Float,
) -> L::Float {
    let (zero, one) = (l.float(L::Elem::number(0)), l.float(L::Elem::number(1)));
    let a = l.abs(x);
    let limit = l.float(table.large);
    let bounded = l.min(limit, a);
    let square = l.mul(bounded, bounded);
    let near = l.fma(l.mul(a, square), even_odd(l, square, l.mul(square, square), &table.asinh), a);
    let root = l.sqrt(l.fma(bounded, bounded, one));
    let sum = l.add(root, bounded);
    let lost = l.sub(bounded, l.sub(sum, root));
    let large = l.lt(limit, a);
    let sum = l.select(large, a, sum);
    let far = log(l, table, [sum, lost], Some(l.select(large, one, zero)));
    with_sign(l, l.select(l.lt(a, l.float(table.half)), near, far), x)
}

#[inline(always)]
fn acosh<L: Lanes, const N: usize, const S: usize>(
    l: L,
    table: &Logarithm<L::Elem, N, S>,
    x: L::Float,
) -> L::Float {
    let (zero, one) = (l.float(L::Elem::number(0)), l.float(L::Elem::number(1)));
    let t = l.sub(x, one);
    let beyond = l.add(t, l.sqrt(l.fma(t, x, t)));
    let large = l.lt(l.float(table.large), x);
    let beyond = l.select(large, x, beyond);
    let log = log(l, table, one_more(l, beyond), Some(l.select(large, one, zero)));
    l.select(l.le(one, x), log, l.float(L::Elem::NAN))
}

#[inline(always)]
fn atanh<L: Lanes, const N: usize, const S: usize>(
    l: L,
    table: &Logarithm<L::Elem, N, S>,
    x: L::Float,
) -> L::Float {
    let one = l.float(L::Elem::number(1));
    let a = l.abs(x);
    let log = log(l, table, one_more(l, l.div(l.add(a, a), l.sub(one, a))), None);
    let result = with_sign(l, l.mul(log, l.float(table.half)), x);
    l.select(l.le(a, one), result, l.float(L::Elem::NAN))
}
