//! `raptors.memory`: the pool's figures and its limit, as plain functions.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use raptors::runtime::memory;

/// The pool's figures as a dict of integers.
///
/// `in_use_bytes`: buffers that exist; `idle_bytes`: kept for buffers to come; `peak_bytes`: the most that has been in
/// use; `allocations`: buffers asked for; `reuses`: how many of those found an idle block; `limit_bytes`: the bound on
/// `idle_bytes`.
#[pyfunction]
pub(crate) fn memory_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let stats = memory::stats();
    let result = PyDict::new(py);
    result.set_item("in_use_bytes", stats.in_use_bytes)?;
    result.set_item("idle_bytes", stats.idle_bytes)?;
    result.set_item("peak_bytes", stats.peak_bytes)?;
    result.set_item("allocations", stats.allocations)?;
    result.set_item("reuses", stats.reuses)?;
    result.set_item("limit_bytes", memory::limit())?;
    Ok(result)
}

/// Give all idle bytes back to the system, and return how many they were.
#[pyfunction]
pub(crate) fn memory_trim(py: Python<'_>) -> usize {
    py.detach(memory::trim)
}

/// Bound the bytes that may lie idle; those above the bound go back to the system at once.
#[pyfunction]
#[pyo3(signature = (bytes, /))]
pub(crate) fn memory_set_limit(py: Python<'_>, bytes: usize) {
    py.detach(|| memory::set_limit(bytes));
}

/// Start `peak_bytes` again, from what is in use now.
#[pyfunction]
pub(crate) fn memory_reset_peak() {
    memory::reset_peak();
}
