//! Polynomials in two independent chains.

use crate::lanes::Lanes;

/// `c[0] + x * c[1] + x^2 * c[2] + ...`, the even and the odd terms in a chain each; `x2` is `x * x`.
///
/// One operation more than Horner's rule, at half the latency.
#[inline(always)]
pub(crate) fn even_odd<L: Lanes>(l: L, x: L::Float, x2: L::Float, coefficients: &[L::Elem]) -> L::Float {
    let count = coefficients.len();
    if count < 4 {
        return l.horner(x, coefficients);
    }
    let (mut high, mut low) = (count - 1, count - 2);
    let (mut a, mut b) = (l.float(coefficients[high]), l.float(coefficients[low]));
    while low >= 2 {
        high -= 2;
        low -= 2;
        a = l.fma(a, x2, l.float(coefficients[high]));
        b = l.fma(b, x2, l.float(coefficients[low]));
    }
    let sum = l.fma(a, x, b);
    if low == 1 { l.fma(sum, x, l.float(coefficients[0])) } else { sum }
}
