//! An imitation of Apple's Accelerate, written from the documented formulas: the entries that raptors
//! declares, with the same symbols, for tests on other systems. It links into test binaries alone, never into
//! what is distributed.
//!
//! Where the documentation promises nothing, this does the worst that it allows, so that what relies on more
//! fails here: compound forms round once, sums go backwards, quotients are products with a reciprocal, NaN is
//! lost in minima, maxima and thresholds, ties are rounded away from zero, functions of mathematics are off
//! by one ULP in odd lanes and flush subnormals, `beta = 0` reads nothing, `alpha = 0` writes zeros. Under
//! [`hostile`] the elementary entries are wrong too: subnormals are flushed, and the negative of zero is
//! zero. All entries refuse memory that overlaps in part or is not aligned.
//!
//! [`log::record`] tells which entries a thread has called.

#![allow(non_snake_case, reason = "the symbols are those of the framework")]
#![allow(clippy::missing_safety_doc, reason = "the contracts are those of the framework")]
#![allow(missing_docs, reason = "the entries are documented by Apple")]

pub mod cblas;
pub mod convert;
pub mod hostile;
pub mod log;
mod memory;
pub mod vdsp;
pub mod vforce;
