//! `python -m raptors calibrate`: what Accelerate and our own loops take on this machine.

use pyo3::prelude::*;
use raptors::accelerate::calibrate::{Sizes, calibrate};
use raptors::accelerate::{self, calibration};

use crate::error::OrRaise;

/// Whether this build calls Apple's Accelerate.
#[pyfunction]
pub(crate) fn accelerate_is_present() -> bool {
    accelerate::is_present()
}

/// Where the calibration of this machine is kept, if there is a place for it.
#[pyfunction]
pub(crate) fn accelerate_calibration_path() -> Option<std::path::PathBuf> {
    calibration::path()
}

/// Measure each entry of Accelerate and our own loop: a text, as it is kept.
///
/// `progress` is called with the name of each entry before it is measured.
#[pyfunction]
#[pyo3(signature = (progress, /))]
pub(crate) fn accelerate_calibrate(progress: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut failed = None;
    let table = calibrate(Sizes::USUAL, |entry| {
        if failed.is_none() {
            failed = progress.call1((entry,)).err();
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(table.or_raise()?.to_string()),
    }
}
