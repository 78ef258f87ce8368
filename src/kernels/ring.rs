//! What matrix elements are multiplied and added as.

use super::gemv::{Axpy, Dots, floats, integers};
use crate::runtime::level::Level;

/// An element that is multiplied and added.
pub(super) trait Ring: Copy + Default + Send + Sync + 'static {
    /// The element as the arithmetic wants it.
    fn normal(self) -> Self;
    /// `self + y`.
    fn add(self, y: Self) -> Self;
    /// `self + x * y`, the product rounded first.
    fn add_product(self, x: Self, y: Self) -> Self;
    /// The kernel of dot products.
    fn dots(level: Level) -> Dots {
        integers::dots::<Self>(level)
    }
    /// The kernel that adds multiples of columns.
    fn axpy(level: Level) -> Axpy {
        integers::axpy::<Self>(level)
    }
}

macro_rules! ring {
    ($($t:ty: |$a:ident, $b:ident| $add:expr, $multiply:expr $(, $kernels:ident)?;)*) => {
        $(impl Ring for $t {
            #[inline(always)]
            fn normal(self) -> $t { self }
            #[inline(always)]
            fn add(self, $b: $t) -> $t { let $a = self; $add }
            #[inline(always)]
            fn add_product(self, $a: $t, $b: $t) -> $t { self.add($multiply) }
            $(fn dots(level: Level) -> Dots { $kernels::dots::<$t>(level) }
            fn axpy(level: Level) -> Axpy { $kernels::axpy::<$t>(level) })?
        })*
    };
    ($($integer:ty)*) => { $(ring! { $integer: |a, b| a.wrapping_add(b), a.wrapping_mul(b); })* };
}
ring!(u8 u16 u32 u64);
ring! {
    f32: |a, b| a + b, a * b, floats;
    f64: |a, b| a + b, a * b, floats;
}

/// A `bool` element, or 64 of them as bits: "or" of "and".
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub(super) struct Truth<T>(pub(super) T);

impl Ring for Truth<u8> {
    #[inline(always)]
    fn normal(self) -> Self {
        Truth(u8::from(self.0 != 0))
    }
    #[inline(always)]
    fn add(self, y: Self) -> Self {
        Truth(self.0 | y.0)
    }
    #[inline(always)]
    fn add_product(self, x: Self, y: Self) -> Self {
        Truth(self.0 | (x.0 & y.0))
    }
}

impl Ring for Truth<u64> {
    #[inline(always)]
    fn normal(self) -> Self {
        self
    }
    #[inline(always)]
    fn add(self, y: Self) -> Self {
        Truth(self.0 | y.0)
    }
    #[inline(always)]
    fn add_product(self, x: Self, y: Self) -> Self {
        Truth(self.0 | (x.0 & y.0))
    }
}
