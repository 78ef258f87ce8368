//! logaddexp.
//!
//! The larger operand and `log(1 + E)`, where `E = exp(smaller - larger)` and `log(1 + E) = 2 atanh(E / (2 + E))` by a
//! minimax polynomial with a relative error of 2^-61.8. `f64` carries what the leading steps round; `f32` goes through `f64`.
//!
//! Largest errors measured with MPFR, in ULP: `f32` 0.51 and `f64` 0.9. Where the larger operand is negative and the terms
//! cancel, an error of 2^-55 (2^-52 for `f32`) remains: up to 2 ULP of results from 1/16 to 1/8, more below (2^-28).

use super::exp::{Exp, exp_parts, power_of_low_bits};
use super::polynomial::even_odd;
use crate::lanes::Lanes;

/// Coefficients of `2 (atanh(s) / s - 1) / s^2` in `s^2`, for `s` up to 1/3.
const ATANH: [f64; 11] = [
    0.6666666666666666,
    0.40000000000002117,
    0.2857142857109485,
    0.22222222243321704,
    0.18181817687588295,
    0.15384609083703515,
    0.1333397651879495,
    0.11748288235253299,
    0.10745100888067413,
    0.0789220572385751,
    0.1494527044186603,
];

/// `2 atanh(s) - 2 s`.
#[inline(always)]
fn atanh_rest<L: Lanes<Elem = f64>>(l: L, s: L::Float) -> L::Float {
    let z = l.mul(s, s);
    l.mul(l.mul(s, z), even_odd(l, z, l.mul(z, z), &ATANH))
}

/// The result where it is not `sum`: an infinite `larger` operand, or one that is NaN.
#[inline(always)]
fn or_special<L: Lanes>(
    l: L,
    infinity: L::Elem,
    (x, y): (L::Float, L::Float),
    larger: L::Float,
    sum: L::Float,
) -> L::Float {
    let sum = l.select(l.eq(l.abs(larger), l.float(infinity)), larger, sum);
    l.select(l.and(l.eq(x, x), l.eq(y, y)), sum, l.add(x, y))
}

/// `log(exp(x) + exp(y))`.
#[inline(always)]
pub(crate) fn logaddexp_f32<L: Lanes<Elem = f32>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    let (larger, smaller) = (l.max(x, y), l.min(x, y));
    let w = l.wide();
    let wide = l.widen(larger);
    let difference = w.max(w.float(-150.0), w.sub(l.widen(smaller), wide));
    let e = exp_parts(w, difference);
    let power = power_of_low_bits(w, e.n_bits, 0);
    let exp = w.fma(power, e.p, power);
    let s = w.div(exp, w.add(w.float(2.0), exp));
    let log = w.add(w.add(s, s), atanh_rest(w, s));
    or_special(l, f32::INFINITY, (x, y), larger, l.narrow(w.add(wide, log)))
}

/// `log(exp(x) + exp(y))`.
#[inline(always)]
pub(crate) fn logaddexp_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float, y: L::Float) -> L::Float {
    let (larger, smaller) = (l.max(x, y), l.min(x, y));
    // The difference and what rounding it left: NaN where infinite, and then multiplied by zero.
    let difference = l.sub(smaller, larger);
    let virtual_larger = l.sub(difference, smaller);
    let lost = l.sub(l.sub(smaller, l.sub(difference, virtual_larger)), l.add(larger, virtual_larger));
    let lost = l.min(lost, l.float(1.0));
    // E = exp(difference) as a sum. Below 2^-900 its low part counts for nothing.
    let Exp { n, p, p_low, .. } = exp_parts(l, l.max(l.float(-746.0), difference));
    let one = l.float(1.0);
    let high = l.add(one, p);
    let low = l.fma(lost, high, l.add(l.sub(p, l.sub(high, one)), p_low));
    let sum = l.add(high, low);
    let exp = l.scale(sum, n);
    let limit = l.float(-900.0);
    let power = l.power_of_two(l.nearest_int(l.max(limit, n)));
    let exp_low = l.mul(power, l.sub(low, l.sub(sum, high)));
    let exp_low = l.select(l.lt(limit, n), exp_low, l.float(0.0));
    // s = E / (2 + E), log(1 + E) = 2 atanh(s).
    let two = l.float(2.0);
    let divisor = l.add(two, exp);
    let divisor_low = l.add(l.sub(exp, l.sub(divisor, two)), exp_low);
    let reciprocal = l.div(one, divisor);
    let s = l.mul(exp, reciprocal);
    let s_rest = l.add(l.fnma(s, divisor, exp), exp_low);
    let s_low = l.mul(l.fnma(s, divisor_low, s_rest), reciprocal);
    let log = l.add(s, s);
    let log_low = l.fma(s_low, two, atanh_rest(l, s));
    // Where E is small it is the logarithm, and half of it may not be a number.
    let small = l.lt(n, l.float(-60.0));
    let log = l.select(small, exp, log);
    let log_low = l.select(small, exp_low, log_low);
    // The sum of the larger operand and the logarithm, either of which may be larger.
    let sum = l.add(larger, log);
    let virtual_log = l.sub(sum, larger);
    let sum_low = l.add(l.sub(larger, l.sub(sum, virtual_log)), l.sub(log, virtual_log));
    or_special(l, f64::INFINITY, (x, y), larger, l.add(sum, l.add(sum_low, log_low)))
}
