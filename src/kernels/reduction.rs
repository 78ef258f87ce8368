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
    /// [`Reduction::combine`] of each two elements. (Of `std::array::from_fn` the compiler may make a call, to a function
    /// without the level's instructions.)
    #[inline(always)]
    fn combine_all<const L: usize>(mut x: [T; L], y: [T; L]) -> [T; L]
    where
        T: Copy,
    {
        for (x, y) in x.iter_mut().zip(y) {
            *x = Self::combine(*x, y);
        }
        x
    }
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
    ($op:ident, $t:ident, $step:ident, $identity:expr, |$x:ident, $y:ident| $combine:expr $(, $all:item)?) => {
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
            $($all)?
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

/// Minima and maxima of arrays in three loops, and NaN chosen bit by bit: each of them is an instruction of vectors, where
/// of a loop over all of it the compiler at times makes code for one element after the other.
macro_rules! floats {
    ($($t:ident $bits:ident)*) => {
        $(reduction!(Sum, $t, Add, 0.0, |x, y| x + y);
        reduction!(Prod, $t, Multiply, 1.0, |x, y| x * y);
        floats!(Min, $t, $bits, Minimum, $t::INFINITY, <);
        floats!(Max, $t, $bits, Maximum, $t::NEG_INFINITY, >);)*
    };
    ($op:ident, $t:ident, $bits:ident, $step:ident, $identity:expr, $beats:tt) => {
        reduction!(
            $op, $t, $step, $identity,
            |x, y| if x.is_nan() | (x $beats y) { x } else { y },
            #[inline(always)]
            #[allow(clippy::needless_range_loop, reason = "three arrays side by side")]
            fn combine_all<const L: usize>(x: [$t; L], y: [$t; L]) -> [$t; L] {
                let (mut best, mut nan, mut all) = ([0; L], [0; L], x);
                for l in 0..L {
                    best[l] = (if x[l] $beats y[l] { x[l] } else { y[l] }).to_bits();
                }
                for l in 0..L {
                    nan[l] = $bits::from(x[l].is_nan()).wrapping_neg();
                }
                for l in 0..L {
                    all[l] = $t::from_bits((x[l].to_bits() & nan[l]) | (best[l] & !nan[l]));
                }
                all
            }
        );
    };
}
floats!(f32 u32 f64 u64);

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
