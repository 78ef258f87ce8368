//! How the elements of each dtype combine in a reduction, and what a reduction starts from.

use raptors_ir::{BF16, Bool, ElementwiseOp, F16};

/// One reduction of one element type.
pub(super) trait Reduction<T> {
    /// The elementwise op that combines two elements.
    const STEP: ElementwiseOp;
    /// What changes no element it is combined with.
    fn identity() -> T;
    /// The value of [`Reduction::STEP`], as [`raptors_ir::scalar`] defines it.
    fn combine(x: T, y: T) -> T;
}

/// Sum; wraps.
pub(super) struct Sum;
/// Product; wraps.
pub(super) struct Prod;
/// Smallest; NaN if any is.
pub(super) struct Min;
/// Largest; NaN if any is.
pub(super) struct Max;

macro_rules! reduction {
    ($op:ident, $t:ident, $step:ident, $identity:expr, |$x:ident, $y:ident| $combine:expr) => {
        impl Reduction<$t> for $op {
            const STEP: ElementwiseOp = ElementwiseOp::$step;
            #[inline(always)]
            fn identity() -> $t {
                $identity
            }
            #[inline(always)]
            fn combine($x: $t, $y: $t) -> $t {
                $combine
            }
        }
    };
}

macro_rules! integers {
    ($($t:ident)*) => {
        $(reduction!(Sum, $t, Add, 0, |x, y| x.wrapping_add(y));
        reduction!(Prod, $t, Multiply, 1, |x, y| x.wrapping_mul(y));
        reduction!(Min, $t, Minimum, $t::MAX, |x, y| x.min(y));
        reduction!(Max, $t, Maximum, $t::MIN, |x, y| x.max(y));)*
    };
}
integers!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! floats {
    ($($t:ident)*) => {
        $(reduction!(Sum, $t, Add, 0.0, |x, y| x + y);
        reduction!(Prod, $t, Multiply, 1.0, |x, y| x * y);
        reduction!(Min, $t, Minimum, $t::INFINITY, |x, y| if x.is_nan() | (x < y) { x } else { y });
        reduction!(Max, $t, Maximum, $t::NEG_INFINITY, |x, y| if x.is_nan() | (x > y) { x } else { y });)*
    };
}
floats!(f32 f64);

/// Each step is rounded.
macro_rules! halves {
    ($($t:ident)*) => {
        $(reduction!(Sum, $t, Add, $t::from_f32(0.0), |x, y| $t::from_f32(x.to_f32() + y.to_f32()));
        reduction!(Prod, $t, Multiply, $t::from_f32(1.0), |x, y| $t::from_f32(x.to_f32() * y.to_f32()));)*
    };
}
halves!(F16 BF16);

reduction!(Min, Bool, Minimum, Bool::from(true), |x, y| Bool::from(x.get() & y.get()));
reduction!(Max, Bool, Maximum, Bool::from(false), |x, y| Bool::from(x.get() | y.get()));
