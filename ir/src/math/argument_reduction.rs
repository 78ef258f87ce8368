//! Angles less their multiple of pi/2.
//!
//! **In lanes**: Cody and Waite's method with fused operations. pi/2 is a sum of three numbers; the first product is
//! subtracted exactly, the second is short, so that what it cancels is exact too, and the third gives the low part.
//! It holds below [`F64_LIMIT`]; there the multiple is below 2^22 and the sum of the parts is within 2^-55 of the
//! angle, relatively, for every `f64`.
//!
//! **For huge angles**: Payne and Hanek's method, "Radian reduction for trigonometric functions" (1983), in integers:
//! the 192 bits of 2/pi that matter times the angle's significand leave 137 bits of the fraction or more, and no
//! `f64` is nearer than 2^-62 to a multiple of pi/2.

use crate::lanes::Lanes;

/// pi/2: 53 bits, the next 30, and the next 53.
const PI_2: [f64; 3] = [std::f64::consts::FRAC_PI_2, 6.12323399409214e-17, 1.6446256936324258e-26];

/// pi/2 less its first 53 bits.
const PI_2_LOW: f64 = 6.123233995736766e-17;

/// Angles from here on are huge.
pub(super) const F64_LIMIT: f64 = 6_500_000.0;

/// An angle is `high + low` plus `quadrant` times pi/2; the low two bits of `quadrant` count.
pub(super) struct Reduced<L: Lanes> {
    pub(super) quadrant: L::Int,
    pub(super) high: L::Float,
    pub(super) low: L::Float,
}

/// The reduced form of an angle that is not negative and below [`F64_LIMIT`].
#[inline(always)]
pub(super) fn reduce_f64<L: Lanes<Elem = f64>>(l: L, x: L::Float) -> Reduced<L> {
    let magic = l.float(6_755_399_441_055_744.0);
    let shifted = l.fma(x, l.float(std::f64::consts::FRAC_2_PI), magic);
    let multiple = l.sub(shifted, magic);
    let first = l.fnma(multiple, l.float(PI_2[0]), x);
    let high = l.fnma(multiple, l.float(PI_2[1]), first);
    let low = l.fnma(multiple, l.float(PI_2[1]), l.sub(first, high));
    let low = l.fnma(multiple, l.float(PI_2[2]), low);
    Reduced { quadrant: l.bits(shifted), high, low }
}

/// 64 zeros and 1280 bits of 2/pi after the point.
const TWO_OVER_PI: [u64; 21] = [
    0x0000000000000000,
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
];

/// The quadrant (0 to 3) and the two parts of what is left of a finite angle of at least 2^17 and no sign.
pub(super) fn reduce_huge(x: f64) -> (i64, f64, f64) {
    let bits = x.to_bits();
    let significand = bits & ((1 << 52) - 1) | 1 << 52;
    let exponent = (bits >> 52) as i32 - 1075; // x is significand * 2^exponent, and exponent is at least -35.

    // The bits of 2/pi before the one of weight 2^(1 - exponent) give multiples of 4 quadrants.
    let start = (exponent - 2 + 64) as usize;
    let (word, shift) = (start / 64, start % 64);
    let mut window = [0u64; 3];
    for (i, bits) in window.iter_mut().enumerate() {
        let pair = u128::from(TWO_OVER_PI[word + i]) << 64 | u128::from(TWO_OVER_PI[word + i + 1]);
        *bits = (pair >> (64 - shift)) as u64;
    }
    // The product modulo 2^192: two bits of quadrant, 190 of fraction.
    let mut product = [0u64; 3];
    let mut carry = 0u64;
    for i in (0..3).rev() {
        let partial = u128::from(window[i]) * u128::from(significand) + u128::from(carry);
        product[i] = partial as u64;
        carry = (partial >> 64) as u64;
    }
    let mut quadrant = (product[0] >> 62) as i64;
    let mut fraction = u128::from(product[0]) << 64 | u128::from(product[1]);
    let mut rest = product[2];
    fraction = fraction << 2 | u128::from(rest >> 62);
    rest <<= 2;
    // To the nearest quadrant: a fraction from one half on counts down from the next.
    let negative = fraction >> 127 == 1;
    if negative {
        quadrant = (quadrant + 1) & 3;
        rest = rest.wrapping_neg();
        fraction = (!fraction).wrapping_add(u128::from(rest == 0));
    }
    // `fraction` has at most 62 leading zeros, so that many bits of `rest` complete it.
    let zeros = fraction.leading_zeros();
    let filled = fraction << zeros | u128::from(rest) << zeros >> 64;
    let (top, bottom) = ((filled >> 75) as f64, (filled >> 22 & ((1 << 53) - 1)) as f64);
    let unit = f64::from_bits(u64::from(1023 - 53 - zeros) << 52);
    let (top, bottom) = (top * unit, bottom * unit * (1.0 / (1u64 << 53) as f64));

    let high = top * PI_2[0];
    let low = top.mul_add(PI_2[0], -high) + top.mul_add(PI_2_LOW, bottom * PI_2[0]);
    let sum = high + low;
    let rest = low - (sum - high);
    if negative { (quadrant, -sum, -rest) } else { (quadrant, sum, rest) }
}
