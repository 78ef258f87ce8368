//! Half-precision floats: `f16`, IEEE 754 binary16, and `bf16`, the upper half of an `f32`.
//!
//! They are types of memory. Nothing computes in them: an op on halves is the op on `f32`, rounded to nearest, ties
//! to even ([`scalar`](crate::scalar) lists what is defined otherwise). Here are the conversions, which have no
//! branches, so that loops over them can be compiled to vector code. They give the bits of x86-64's `vcvtph2ps` and
//! `vcvtps2ph`: a NaN keeps the upper bits of its payload and becomes a quiet one.
//!
//! A number of another type goes through `f32`, as in NumPy and `ml_dtypes`; `f64` to `f16` alone is rounded once, as
//! in NumPy.

use std::cmp::Ordering;
use std::fmt;

/// An IEEE 754 binary16: 11 significant bits, up to 65504.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct F16(u16);

/// A bfloat16: 8 significant bits, the range of `f32`.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct BF16(u16);

/// The bits of an `f32` of 2^-14, the smallest normal `f16`.
const SMALLEST_NORMAL: u32 = 113 << 23;
/// The bits of an `f32` of 65536, beyond any `f16`.
const BEYOND: u32 = 143 << 23;

impl F16 {
    /// The nearest number, ties to even; infinite from 65520 on.
    #[inline(always)]
    pub const fn from_f32(value: f32) -> F16 {
        /// The last bit of an `f32` about it is worth the smallest subnormal `f16`.
        const HALF: f32 = 0.5;
        let bits = value.to_bits();
        let size = bits & 0x7fff_ffff;
        let tie = (size >> 13) & 1;
        let normal = size.wrapping_sub(112 << 23).wrapping_add(0xfff + tie) >> 13;
        let subnormal = (f32::from_bits(size) + HALF).to_bits().wrapping_sub(HALF.to_bits());
        let nan = 0x7e00 | ((size >> 13) & 0x3ff);
        let number = if size < SMALLEST_NORMAL { subnormal } else { normal };
        let limited = if size >= BEYOND { 0x7c00 } else { number };
        let magnitude = if size > f32::INFINITY.to_bits() { nan } else { limited };
        F16((magnitude | ((bits >> 16) & 0x8000)) as u16)
    }

    /// The nearest number, ties to even, rounded once.
    #[inline(always)]
    pub const fn from_f64(value: f64) -> F16 {
        // An `f32` whose last bit says whether anything was cut off, which is far below what is kept.
        const CUT: u64 = (1 << 29) - 1;
        let bits = value.to_bits();
        let sticky = ((bits & CUT) + CUT) & (CUT + 1);
        F16::from_f32(f64::from_bits((bits & !CUT) | sticky) as f32)
    }

    /// The number, exactly.
    #[inline(always)]
    pub const fn to_f32(self) -> f32 {
        let magnitude = (self.0 as u32 & 0x7fff) << 13;
        let normal = magnitude + (112 << 23);
        let subnormal = f32::from_bits(magnitude + SMALLEST_NORMAL) - f32::from_bits(SMALLEST_NORMAL);
        let quiet = if magnitude > 0x0f80_0000 { 0x0040_0000 } else { 0 };
        let special = (magnitude + (224 << 23)) | quiet;
        let number = if magnitude < 0x0080_0000 { subnormal.to_bits() } else { normal };
        let bits = if magnitude >= 0x0f80_0000 { special } else { number };
        f32::from_bits(bits | ((self.0 as u32 & 0x8000) << 16))
    }
}

impl BF16 {
    /// The nearest number, ties to even.
    #[inline(always)]
    pub const fn from_f32(value: f32) -> BF16 {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
        let kept = if value.is_nan() { bits | 0x0040_0000 } else { rounded };
        BF16((kept >> 16) as u16)
    }

    /// The nearest number of the nearest `f32`, as in `ml_dtypes`.
    #[inline(always)]
    pub const fn from_f64(value: f64) -> BF16 {
        BF16::from_f32(value as f32)
    }

    /// The number, exactly.
    #[inline(always)]
    pub const fn to_f32(self) -> f32 {
        f32::from_bits((self.0 as u32) << 16)
    }
}

/// What both types have.
macro_rules! half {
    ($($t:ident)*) => {
        $(impl $t {
            /// The number with these bits.
            pub const fn from_bits(bits: u16) -> $t {
                $t(bits)
            }

            /// The bits.
            pub const fn to_bits(self) -> u16 {
                self.0
            }

            /// Whether this is not a number.
            pub const fn is_nan(self) -> bool {
                self.to_f32().is_nan()
            }
        }

        impl PartialEq for $t {
            #[inline(always)]
            fn eq(&self, other: &$t) -> bool {
                self.to_f32() == other.to_f32()
            }
        }

        impl PartialOrd for $t {
            #[inline(always)]
            fn partial_cmp(&self, other: &$t) -> Option<Ordering> {
                self.to_f32().partial_cmp(&other.to_f32())
            }
        }

        impl From<$t> for f32 {
            fn from(value: $t) -> f32 {
                value.to_f32()
            }
        }

        impl From<$t> for f64 {
            fn from(value: $t) -> f64 {
                value.to_f32().into()
            }
        }

        /// The shortest digits that give the number again.
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let exact = self.to_f32();
                let mut short = (0..5).map(|digits| format!("{exact:.digits$e}").parse().unwrap_or(exact));
                let same = |short: &f32| $t::from_f32(*short).0 == self.0;
                write!(f, "{:?}", short.find(same).unwrap_or(exact))
            }
        }

        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        })*
    };
}
half!(F16 BF16);

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a half by its fields, of which the fraction has so many bits.
    fn by_fields(bits: u16, fraction_bits: i32, bias: i32) -> f64 {
        let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
        let exponent = i32::from(bits & 0x7fff) >> fraction_bits;
        let fraction = f64::from(i32::from(bits) & ((1 << fraction_bits) - 1));
        let unit = 2f64.powi(-fraction_bits);
        sign * match exponent {
            0 => fraction * unit * 2f64.powi(1 - bias),
            e if e == 2 * bias + 1 && fraction == 0.0 => f64::INFINITY,
            e if e == 2 * bias + 1 => f64::NAN,
            e => (1.0 + fraction * unit) * 2f64.powi(e - bias),
        }
    }

    #[test]
    fn every_half_is_the_number_of_its_fields_and_comes_back() {
        for bits in 0..=u16::MAX {
            let (f16, bf16) = (F16::from_bits(bits), BF16::from_bits(bits));
            let (f16_fields, bf16_fields) = (by_fields(bits, 10, 15), by_fields(bits, 7, 127));
            if f16_fields.is_nan() {
                assert!(f16.is_nan() && F16::from_f32(f16.to_f32()).is_nan(), "{bits:#x}");
            } else {
                assert_eq!(f64::from(f16).to_bits(), f16_fields.to_bits(), "{bits:#x}");
                assert_eq!(F16::from_f32(f16.to_f32()).to_bits(), bits);
                assert_eq!(F16::from_f64(f16.into()).to_bits(), bits);
            }
            if bf16_fields.is_nan() {
                assert!(bf16.is_nan() && BF16::from_f32(bf16.to_f32()).is_nan(), "{bits:#x}");
            } else {
                assert_eq!(f64::from(bf16).to_bits(), bf16_fields.to_bits(), "{bits:#x}");
                assert_eq!(BF16::from_f32(bf16.to_f32()).to_bits(), bits);
            }
        }
    }

    /// Between two neighbours everything goes to the nearer, and the middle to the even one.
    #[test]
    fn rounding_goes_to_the_nearer_neighbour_and_to_even() {
        for bits in 0..0x7c00u16 {
            let low = f64::from(F16::from_bits(bits));
            let high = if bits == 0x7bff { 65536.0 } else { f64::from(F16::from_bits(bits + 1)) };
            let middle = (low + high) / 2.0;
            let even = bits + (bits & 1);
            for (value, expected) in
                [(middle, even), (middle.next_down(), bits), (middle.next_up(), bits + 1), (low, bits)]
            {
                assert_eq!(F16::from_f64(value).to_bits(), expected, "{value}");
                assert_eq!(F16::from_f64(-value).to_bits(), expected | 0x8000, "{value}");
            }
            let middle = middle as f32;
            for (value, expected) in
                [(middle, even), (middle.next_down(), bits), (middle.next_up(), bits + 1)]
            {
                assert_eq!(F16::from_f32(value).to_bits(), expected, "{value}");
            }
        }
        for bits in 0..0x7f80u16 {
            let low = f32::from_bits(u32::from(bits) << 16);
            let middle = f32::from_bits(low.to_bits() | 0x8000);
            let even = bits + (bits & 1);
            for (value, expected) in
                [(middle, even), (middle.next_down(), bits), (middle.next_up(), bits + 1), (low, bits)]
            {
                assert_eq!(BF16::from_f32(value).to_bits(), expected, "{value}");
                assert_eq!(BF16::from_f32(-value).to_bits(), expected | 0x8000, "{value}");
            }
        }
    }

    #[test]
    fn numbers_print_with_the_digits_they_need() {
        let text = |value: f32| F16::from_f32(value).to_string();
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(-0.0), "-0.0");
        assert_eq!(text(65504.0), "65500.0");
        assert_eq!(text(6e-8), "6e-8");
        assert_eq!(BF16::from_f32(3.0e38).to_string(), "3e38");
    }
}
