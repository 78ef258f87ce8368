//! Relaxed twins: functions within 4 ULP, in fewer operations.
//!
//! What `fp="fast"` puts in the place of a function, where a form that carries no rounding errors, or that stays in `f32`
//! where the strict one goes through `f64`, takes at least 15 % less time. Special values, signs of zeros, subnormal numbers
//! and huge operands are those of the strict function. Each form is written once for both types, over a table of what differs.

pub(crate) mod exponential;
pub(crate) mod inverse_trigonometric;
pub(crate) mod logarithm;
pub(crate) mod pow;
pub(crate) mod root;
pub(crate) mod trigonometric;
