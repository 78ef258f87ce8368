//! Conversion of one element, in a form that compiles to vector conversions.
//!
//! The values are those of [`raptors_ir::scalar::CastTo`]. Rust's own float to integer `as` saturates, which costs
//! a chain of comparisons per element; here what does not fit is replaced by the smallest integer *before* an
//! unchecked conversion, which is one comparison, one blend and one convert instruction.

use raptors_ir::scalar::CastTo;
use raptors_ir::{BF16, Bool, Element, F16};

/// Conversion to `U`, with the value `CastTo` gives.
pub(super) trait Convert<U: Element>: Element {
    /// The converted element.
    fn convert(self) -> U;
}

macro_rules! by_definition {
    ($($from:ty)* => $to:tt) => { $(by_definition!(@one $from, $to);)* };
    (@one $from:ty, ($($to:ty)*)) => {
        $(impl Convert<$to> for $from {
            #[inline(always)]
            fn convert(self) -> $to { self.cast_to() }
        })*
    };
}
by_definition!(Bool i8 i16 i32 i64 u8 u16 u32 u64 => (Bool i8 i16 i32 i64 u8 u16 u32 u64));
by_definition!(Bool i8 i16 i32 u8 u16 => (f32 f64));
by_definition!(f32 f64 => (Bool f32 f64));
by_definition!(F16 BF16 => (f32));
by_definition!(f32 => (F16 BF16));
by_definition!(f64 => (F16));

/// Float to signed integer; NaN and what does not fit become the smallest integer, as x86-64's instructions do.
trait Truncate<I> {
    fn truncate(self) -> I;
}

macro_rules! truncate {
    ($($float:ident => $int:ident;)*) => {
        $(impl Truncate<$int> for $float {
            #[inline(always)]
            fn truncate(self) -> $int {
                const LIMIT: $float = -($int::MIN as $float);
                let fits = if self.abs() < LIMIT { self } else { -LIMIT };
                // SAFETY: |fits| < 2^(bits - 1) or fits = -2^(bits - 1), so its integer part is in range; it is not NaN,
                // which compares false above.
                unsafe { fits.to_int_unchecked() }
            }
        })*
    };
}
truncate! { f32 => i32; f64 => i32; }
#[cfg(not(target_arch = "x86_64"))]
truncate! { f32 => i64; f64 => i64; }

// Below AVX-512 there is no vector form; one scalar instruction is the definition itself.
#[cfg(target_arch = "x86_64")]
impl Truncate<i64> for f32 {
    #[inline(always)]
    fn truncate(self) -> i64 {
        use std::arch::x86_64::{_mm_cvttss_si64, _mm_set_ss};
        // SAFETY: SSE is part of x86-64.
        unsafe { _mm_cvttss_si64(_mm_set_ss(self)) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Truncate<i64> for f64 {
    #[inline(always)]
    fn truncate(self) -> i64 {
        use std::arch::x86_64::{_mm_cvttsd_si64, _mm_set_sd};
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_cvttsd_si64(_mm_set_sd(self)) }
    }
}

macro_rules! float_to_integer {
    ($($float:ident: $($to:ident via $via:ident),*;)*) => {
        $($(impl Convert<$to> for $float {
            #[inline(always)]
            fn convert(self) -> $to { Truncate::<$via>::truncate(self) as $to }
        })*
        impl Convert<u64> for $float {
            #[inline(always)]
            fn convert(self) -> u64 {
                const HALF: $float = -(i64::MIN as $float);
                let high = self >= HALF;
                let signed: i64 = (if high { self - HALF } else { self }).truncate();
                signed as u64 ^ (u64::from(high) << 63)
            }
        })*
    };
}
float_to_integer! {
    f32: i8 via i32, i16 via i32, i32 via i32, i64 via i64, u8 via i32, u16 via i32, u32 via i64;
    f64: i8 via i32, i16 via i32, i32 via i32, i64 via i64, u8 via i32, u16 via i32, u32 via i64;
}

/// Below AVX-512 no vector instruction converts these. Both halves of an integer become floats by setting exponent bits:
/// `2^52 + low` and `2^84 + 2^32 high` are exact, and the sum of what remains of them is rounded once.
mod halves {
    const LOW: u64 = 0x4330 << 48;
    const HIGH: u64 = 0x4530 << 48;
    /// 2^52, the other half's exponent, in units of the high half.
    const BOTH: u64 = 1 << 20;

    #[inline(always)]
    pub(super) fn from_u32(x: u32) -> f64 {
        f64::from_bits(LOW | u64::from(x)) - f64::from_bits(LOW)
    }

    #[inline(always)]
    pub(super) fn from_u64(x: u64) -> f64 {
        let high = f64::from_bits(HIGH | x >> 32) - f64::from_bits(HIGH | BOTH);
        high + f64::from_bits(LOW | x & 0xffff_ffff)
    }

    #[inline(always)]
    pub(super) fn from_i64(x: i64) -> f64 {
        // The sign bit is inverted, which adds 2^63.
        let biased = x as u64 ^ 1 << 63;
        let high = f64::from_bits(HIGH | biased >> 32) - f64::from_bits(HIGH | 1 << 31 | BOTH);
        high + f64::from_bits(LOW | biased & 0xffff_ffff)
    }

    /// What rounds to the same `f32` and is an exact `f64`: from 2^53 on, 11 low bits are replaced by one that says
    /// whether any was set.
    #[inline(always)]
    pub(super) fn sticky(x: u64, magnitude: u64) -> u64 {
        let rounded = (x | ((x & 0x7ff) + 0x7ff)) & !0x7ff;
        if magnitude >> 53 == 0 { x } else { rounded }
    }
}

impl Convert<f64> for u32 {
    #[inline(always)]
    fn convert(self) -> f64 {
        halves::from_u32(self)
    }
}

impl Convert<f32> for u32 {
    #[inline(always)]
    fn convert(self) -> f32 {
        halves::from_u32(self) as f32
    }
}

impl Convert<f64> for u64 {
    #[inline(always)]
    fn convert(self) -> f64 {
        halves::from_u64(self)
    }
}

impl Convert<f32> for u64 {
    #[inline(always)]
    fn convert(self) -> f32 {
        halves::from_u64(halves::sticky(self, self)) as f32
    }
}

impl Convert<f64> for i64 {
    #[inline(always)]
    fn convert(self) -> f64 {
        halves::from_i64(self)
    }
}

impl Convert<f32> for i64 {
    #[inline(always)]
    fn convert(self) -> f32 {
        halves::from_i64(halves::sticky(self as u64, self.unsigned_abs()) as i64) as f32
    }
}
