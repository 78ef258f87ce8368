//! The functions of mathematics, written once over the lane algebra ([`Lanes`](crate::lanes::Lanes)).
//!
//! [`f32_function`] and [`f64_function`] give the function of an op for any implementation of the lanes; a family of
//! functions is a file. Every function is within 1 ULP of the exact result for all inputs ([`relaxed`] twins within 4), has C99's
//! special values, and the same bits wherever it runs.

mod argument_reduction;
pub(crate) mod error_function;
pub(crate) mod exp;
pub(crate) mod gamma;
pub(crate) mod gamma_f64;
pub(crate) mod hyperbolic;
pub(crate) mod inverse_hyperbolic;
pub(crate) mod inverse_trigonometric;
pub(crate) mod log;
pub(crate) mod logaddexp;
mod polynomial;
pub(crate) mod pow;
mod reciprocal_gamma;
pub(crate) mod relaxed;
pub(crate) mod root;
pub(crate) mod trigonometric;
#[cfg(test)]
mod circular_and_special_tests;
#[cfg(test)]
mod exp_log_hard_cases;
#[cfg(test)]
mod exp_log_tests;
#[cfg(test)]
mod relaxed_tests;

use crate::lanes::{Lanes, Real};
use crate::scalar::{self, Binary, Ternary, Unary, Visitor};
use crate::{DType, Element, ElementwiseOp};

/// A function of `N` operands, for lanes of `T`.
pub trait Function<T: Real, const N: usize> {
    /// The function's value in each lane.
    fn apply<L: Lanes<Elem = T>>(lanes: L, args: [L::Float; N]) -> L::Float;
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($t:ident, $other:ident: $u:ident) = $dtype:ident;)*) => {
        $($(#[$doc])*
        pub fn $name<L: Lanes<Elem = $t>>(op: ElementwiseOp, lanes: L, args: &[L::Float]) -> Option<L::Float> {
            struct Apply<'a, L: Lanes>(L, &'a [L::Float]);
            impl<L: Lanes<Elem = $t>> Visitor for Apply<'_, L> {
                type Output = Option<L::Float>;
                fn unary<K: Unary<T>, T: Element>(self) -> Self::Output {
                    None
                }
                fn binary<K: Binary<T>, T: Element>(self) -> Self::Output {
                    None
                }
                fn ternary<K: Ternary<T>, T: Element>(self) -> Self::Output {
                    None
                }
                fn $name<F: Function<$t, N>, const N: usize>(self) -> Self::Output {
                    Some(F::apply(self.0, self.1.try_into().ok()?))
                }
                fn $other<F: Function<$u, N>, const N: usize>(self) -> Self::Output {
                    None
                }
            }
            scalar::visit(op, DType::$dtype, Apply(lanes, args)).flatten()
        })*
    };
}

functions! {
    /// The function of `op` for lanes of `f32`; `None` for an op that is none of these functions.
    ///
    /// `args` has as many operands as the op.
    f32_function(f32, f64_function: f64) = F32;
    /// The function of `op` for lanes of `f64`; `None` for an op that is none of these functions.
    ///
    /// `args` has as many operands as the op.
    f64_function(f64, f32_function: f32) = F64;
}
