//! `x[key]`: Python's keys as indices.

use std::ffi::c_int;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PySlice, PyTuple};
use raptors::Index;
use raptors::views;
use smallvec::SmallVec;

use crate::array::Array;
use crate::error::type_name;
use crate::operators::wrap;
use crate::source;

/// `x[key]`.
pub(crate) fn get(x: &Array, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let mut indices: SmallVec<[Index; 4]> = SmallVec::new();
    match key.cast_exact::<PyTuple>() {
        Ok(keys) => {
            for key in keys.iter_borrowed() {
                indices.push(index(&key)?);
            }
            if indices.iter().filter(|&&index| index == Index::Ellipsis).count() > 1 {
                let message = "index: more than one ellipsis (...), at most one has a meaning";
                return Err(PyIndexError::new_err(message));
            }
        }
        Err(_) => indices.push(index(key)?),
    }
    let py = key.py();
    wrap(py, views::index(&x.0, &indices, source::here(py)))
}

fn index(key: &Bound<'_, PyAny>) -> PyResult<Index> {
    if let Ok(slice) = key.cast_exact::<PySlice>() {
        return slice_index(slice);
    }
    if key.is_none() {
        return Ok(Index::NewAxis);
    }
    if key.is_instance_of::<PyEllipsis>() {
        return Ok(Index::Ellipsis);
    }
    if key.is_exact_instance_of::<PyInt>() {
        return position(key);
    }
    // SAFETY: the object is alive.
    let is_integer = unsafe { ffi::PyIndex_Check(key.as_ptr()) != 0 };
    if is_integer && !key.is_instance_of::<PyBool>() && position_dims(key)? == 0 {
        return position(key);
    }
    Err(unsupported(key))
}

/// The `ndim` of an array, 0 of a number: an array of one element is an index of another kind.
fn position_dims(key: &Bound<'_, PyAny>) -> PyResult<usize> {
    match key.getattr_opt(pyo3::intern!(key.py(), "ndim"))? {
        Some(ndim) => ndim.extract(),
        None => Ok(0),
    }
}

fn position(key: &Bound<'_, PyAny>) -> PyResult<Index> {
    // SAFETY: the object is alive, and the exception is a class of the interpreter's.
    let value = unsafe { ffi::PyNumber_AsSsize_t(key.as_ptr(), ffi::PyExc_IndexError) };
    if value == -1
        && let Some(error) = PyErr::take(key.py())
    {
        // An array of numbers that are no integers has an `__index__` that refuses.
        return Err(if error.is_instance_of::<PyIndexError>(key.py()) { error } else { unsupported(key) });
    }
    Ok(Index::At(value))
}

/// Bounds that are left out become the largest ones, which mean the same.
fn slice_index(slice: &Bound<'_, PySlice>) -> PyResult<Index> {
    let (mut start, mut stop, mut step) = (0, 0, 0);
    // SAFETY: the object is a slice, and the addresses are of variables.
    let failed: c_int = unsafe { ffi::PySlice_Unpack(slice.as_ptr(), &mut start, &mut stop, &mut step) };
    if failed < 0 {
        let error = PyErr::fetch(slice.py());
        return match error.is_instance_of::<PyValueError>(slice.py()) {
            // Step 0 is reported with the array's shape.
            true => Ok(Index::Slice { start: None, stop: None, step: Some(0) }),
            false => Err(error),
        };
    }
    Ok(Index::Slice { start: Some(start), stop: Some(stop), step: Some(step) })
}

#[cold]
fn unsupported(key: &Bound<'_, PyAny>) -> PyErr {
    let name = type_name(key);
    PyIndexError::new_err(format!(
        "index: a key of type {name} is not supported: integers, slices, ... and None are; select elements by a \
         condition with where"
    ))
}

/// Iterates over the first axis.
#[pyclass(frozen, module = "raptors._core")]
pub(crate) struct Rows {
    array: raptors::Array,
    next: std::sync::atomic::AtomicUsize,
}

impl Rows {
    pub(crate) fn of(array: &raptors::Array) -> Rows {
        Rows { array: array.clone(), next: std::sync::atomic::AtomicUsize::new(0) }
    }
}

#[pymethods]
impl Rows {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let row = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.array.shape().first().is_none_or(|&len| row >= len) {
            return Ok(None);
        }
        wrap(py, views::index(&self.array, &[Index::At(row as isize)], source::here(py))).map(Some)
    }
}
