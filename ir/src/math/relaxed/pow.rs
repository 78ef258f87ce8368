//! pow.
//!
//! `exp(y * log |x|)` and C99's special cases. The logarithm is a sum of two numbers: that of the exponent and of a table
//! (see [`log`](crate::math::log)), and `f - f^2 / 2`, of which both parts are kept, as they are of `f^3 / 3` for `f64`; a
//! polynomial follows, with relative errors of the whole of 2^-32.9 and 2^-64.6.

use crate::lanes::{Lanes, Real};
use crate::math::exp::{EXP_F32, EXP_F64, LN_2_F32, LN_2_HIGH, LN_2_LOW, LOG2_E};
use crate::math::log::{INVERSES, INVERSES_F32, LOGS, LOGS_F32, LOGS_LOW, LOGS_LOW_F32};
use crate::math::polynomial::even_odd;

/// What a type needs for powers.
struct Power<T: Real, const N: usize, const M: usize> {
    /// The bits of a position in the tables.
    position_bits: u32,
    inverses: &'static T::Table,
    logs: &'static T::Table,
    logs_low: &'static T::Table,
    /// `(log(1 + f) - f + f^2 / 2) / f^3`; where 1/3 is given, what is left of it, over `f`.
    log: [T; N],
    /// 1/3, where rounding the third term would be felt.
    third: Option<T>,
    log2_e: T,
    ln_2: [T; 2],
    half: T,
    /// `(exp(r) - 1 - r) / r^2`.
    exp: [T; M],
    /// An exponent this large makes anything but 1 zero or infinite, and leaves 1.
    largest: T,
    /// Where the exponential is 0 or infinite.
    limit: T,
    /// More than the low part of what is within the limit.
    low_limit: T,
}

static F32: Power<f32, 4, 5> = Power {
    position_bits: 4,
    inverses: &INVERSES_F32,
    logs: &LOGS_F32,
    logs_low: &LOGS_LOW_F32,
    log: [0.333_333_25, -0.250_012_28, 0.200_218_48, -0.158_358_53],
    third: None,
    log2_e: std::f32::consts::LOG2_E,
    ln_2: [LN_2_F32.0, LN_2_F32.1],
    half: 0.5,
    exp: EXP_F32,
    largest: 1e30,
    limit: 105.0,
    low_limit: 0.01,
};

static F64: Power<f64, 11, 10> = Power {
    position_bits: 3,
    inverses: &INVERSES,
    logs: &LOGS,
    logs_low: &LOGS_LOW,
    third: Some(0.3333333333333333),
    log: [
        -0.2499999999999917,
        0.19999999999999832,
        -0.16666666668072375,
        0.14285714295961,
        -0.12499999227835028,
        0.11111101357407374,
        -0.10000146419046374,
        0.09093940775974235,
        -0.08335438050059436,
        0.07411952019183868,
        -0.04853412687991353,
    ],
    log2_e: LOG2_E,
    ln_2: [LN_2_HIGH, LN_2_LOW],
    half: 0.5,
    exp: EXP_F64,
    largest: 1e20,
    limit: 750.0,
    low_limit: 1e-6,
};

/// `x^y`.
#[inline(always)]
pub(crate) fn pow_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    pow(l, &F32, x, y)
}

/// `x^y`.
#[inline(always)]
pub(crate) fn pow_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    pow(l, &F64, x, y)
}

/// `x` within `limit`; the limit's negative where it is NaN.
#[inline(always)]
fn within<L: Lanes>(l: L, x: L::Float, limit: L::Float) -> L::Float {
    l.min(l.max(x, l.neg(limit)), limit)
}

#[inline(always)]
fn pow<L: Lanes, const N: usize, const M: usize>(
    l: L,
    table: &'static Power<L::Elem, N, M>,
    x: L::Float,
    y: L::Float,
) -> L::Float {
    let one = l.float(L::Elem::number(1));
    let half = l.float(table.half);
    let [ln_2, ln_2_low] = table.ln_2.map(|part| l.float(part));
    let size = l.abs(x);
    let (e, m) = (l.exponent(size), l.mantissa(size));
    let position = l.shr(l.bits(m), L::Elem::FRACTION_BITS - table.position_bits);
    let f = l.fms(m, l.lookup(table.inverses, position), one);
    let high = l.fma(e, ln_2, l.lookup(table.logs, position));
    let low = l.fma(e, ln_2_low, l.lookup(table.logs_low, position));

    // f - f^2 / 2 in two parts, and what follows.
    let half_f = l.mul(f, half);
    let square = l.mul(f, f);
    let main = l.fnma(half_f, f, f);
    let main_low = l.fnma(half_f, f, l.sub(f, main));
    let log = l.add(high, main);
    let log_low = l.add(l.sub(main, l.sub(log, high)), low);
    let rest = even_odd(l, f, square, &table.log);
    let [follows, follows_low] = match table.third {
        None => [l.fma(l.mul(square, f), rest, main_low), log_low],
        Some(third) => {
            let third = l.float(third);
            let weight = l.mul(f, third);
            let cube = l.mul(square, weight);
            let cube_low = l.fma(square, l.fms(f, third, weight), l.fms(square, weight, cube));
            let cube_low = l.fma(l.fms(f, f, square), weight, cube_low);
            let rest = l.fma(l.mul(square, square), rest, l.add(cube_low, main_low));
            [cube, l.add(rest, log_low)]
        }
    };
    // No number where the logarithm is infinite.
    let tail = l.max(l.add(follows, follows_low), l.neg(one));
    let sum = l.add(log, tail);
    let sum_low = l.sub(tail, l.sub(sum, log));
    let sum_low = match table.third {
        None => sum_low,
        Some(_) => l.add(sum_low, l.add(l.sub(follows, tail), follows_low)),
    };

    // In each the second operand is NaN where the result is.
    let largest = l.float(table.largest);
    let exponent = l.min(largest, l.max(l.neg(largest), y));
    let product = l.mul(exponent, sum);
    let product_low = l.fma(exponent, sum_low, l.fms(exponent, sum, product));
    let limit = l.float(table.limit);
    let product = l.min(limit, l.max(l.neg(limit), product));
    let product_low = within(l, product_low, l.float(table.low_limit));
    let magic = l.float(L::Elem::MAGIC);
    let n = l.sub(l.fma(product, l.float(table.log2_e), magic), magic);
    let r = l.fnma(n, ln_2_low, l.fnma(n, ln_2, product));
    let r = l.add(r, product_low);
    let series = even_odd(l, r, l.mul(r, r), &table.exp);
    let power = l.scale(l.fma(r, l.fma(r, series, one), one), n);

    // The sign of x for an odd exponent; no number for one that is no integer.
    let (zero, infinity) = (l.float(L::Elem::number(0)), l.float(L::Elem::INFINITY));
    let integer = l.eq(l.floor(y), y);
    let half_y = l.mul(y, half);
    let odd = l.and(integer, l.not(l.eq(l.floor(half_y), half_y)));
    let signed = l.float_of_bits(l.int_or(l.bits(power), l.int_and(l.bits(x), l.sign_bit())));
    let result = l.select(odd, signed, power);
    let root_of_negative = l.and(l.and(l.lt(x, zero), l.lt(size, infinity)), l.not(integer));
    let result = l.select(root_of_negative, l.float(L::Elem::NAN), result);
    l.select(l.or(l.eq(x, one), l.eq(y, zero)), one, result)
}
