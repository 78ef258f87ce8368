//! Apple's Accelerate: vDSP for single ops and compound forms over whole arrays, vForce for functions of
//! mathematics in tiles, CBLAS for matrix products.
//!
//! `table` lists the entries and what they compute, from which `declarations`, the slots (`entry`) and
//! the calls (`shape`) derive. `select` goes over a lowered program and replaces what an entry computes:
//! where [`mode`] and the evaluation's `fp` allow it, where `probe` has found the entry to give our bits on
//! this machine, and where [`calibration`], if there is one, has found it faster. What is replaced keeps its
//! own loop, for memory that is not aligned. [`calibrate`] measures.
//!
//! Everything here is compiled everywhere; only the functions are missing where there is no Accelerate, and
//! then nothing is selected. The shim (`tests/accelerate-shim`, feature `accelerate-shim`) has the same
//! symbols on other systems.
//!
//! Limits: contiguous `f32` and `f64`, and conversions to them. Minima, maxima, clipping, sorting and
//! rounding to integers are never called, since NaN, ties and order are not NumPy's there.

pub mod blas;
pub mod calibrate;
pub mod calibration;
mod cblas;
#[cfg(any(target_os = "macos", feature = "accelerate-shim"))]
mod declarations;
pub(crate) mod entry;
mod formula;
pub mod mode;
mod probe;
pub mod raw;
pub(crate) mod select;
mod shape;
mod table;

pub use mode::{Mode, with_mode};

/// Whether this build calls Accelerate, or what stands for it.
pub const fn is_present() -> bool {
    cfg!(any(target_os = "macos", feature = "accelerate-shim"))
}
