//! `x[key]`: Python's keys as indices.

use std::ffi::c_int;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};
use raptors::indexing::{self, Key};
use raptors::ir::Source;
use raptors::{DType, Index, Options, ops, views};
use smallvec::SmallVec;

use crate::array::Array;
use crate::error::{OrRaise, type_name};
use crate::indexing::{at_once, briefly};
use crate::operand::{self, Argument};
use crate::operators::wrap;
use crate::{list, numpy, options, source};

/// `x[key]`. Masks are evaluated at once.
pub(crate) fn get(x: &Array, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = key.py();
    let mut indices: SmallVec<[Index; 4]> = SmallVec::new();
    match key.cast_exact::<PyTuple>() {
        Ok(keys) => {
            for key in keys.iter_borrowed() {
                match index(&key)? {
                    Some(index) => indices.push(index),
                    None => return select(x, &self::keys(keys)?, py),
                }
            }
            one_ellipsis(indices.iter())?;
        }
        Err(_) => match index(key)? {
            Some(index) => indices.push(index),
            None => return select(x, &keys(key)?, py),
        },
    }
    wrap(py, views::index(&x.0, &indices, source::here(py)))
}

fn one_ellipsis<'a>(indices: impl Iterator<Item = &'a Index>) -> PyResult<()> {
    if indices.filter(|&&index| index == Index::Ellipsis).count() > 1 {
        let message = "index: more than one ellipsis (...), at most one has a meaning";
        return Err(PyIndexError::new_err(message));
    }
    Ok(())
}

/// `x[keys]`, some of which are arrays.
fn select(x: &Array, keys: &[Key], py: Python<'_>) -> PyResult<Py<PyAny>> {
    if has_mask(keys) {
        let run = |options: &Options, source: Option<Source>| indexing::select(&x.0, keys, options, source);
        let selected = if are_short(keys) { briefly(py, run)? } else { at_once(py, run)? };
        return wrap(py, Ok(selected));
    }
    wrap(py, indexing::select(&x.0, keys, &options::current(py)?, source::here(py)))
}

/// Whether what is evaluated of the keys takes less time than to let the GIL go: masks in memory, of a few elements.
fn are_short(keys: &[Key]) -> bool {
    const FEW: usize = 4096;
    keys.iter().all(|key| match key {
        Key::Array(array) if array.dtype() == DType::Bool => array.is_evaluated() && array.size() <= FEW,
        Key::Array(_) | Key::Basic(_) => true,
    })
}

/// Whether a key selects by a condition.
pub(crate) fn has_mask(keys: &[Key]) -> bool {
    keys.iter().any(|key| matches!(key, Key::Array(array) if array.dtype() == DType::Bool))
}

/// The keys of `x[key]`.
pub(crate) fn keys(key: &Bound<'_, PyAny>) -> PyResult<Vec<Key>> {
    let keys: Vec<Key> = match key.cast_exact::<PyTuple>() {
        Ok(keys) => keys.iter_borrowed().map(|key| self::key(&key)).collect::<PyResult<_>>()?,
        Err(_) => vec![self::key(key)?],
    };
    one_ellipsis(keys.iter().filter_map(|key| match key {
        Key::Basic(index) => Some(index),
        Key::Array(_) => None,
    }))?;
    Ok(keys)
}

fn key(key: &Bound<'_, PyAny>) -> PyResult<Key> {
    if let Some(index) = index(key)? {
        return Ok(Key::Basic(index));
    }
    let array = match listed("index", key)? {
        // A list of nothing selects nothing.
        Some(array) if array.size() == 0 => Some(ops::cast(&array, DType::I64, None).or_raise()?),
        Some(array) => Some(array),
        None => match operand::operand(key)? {
            Some(Argument::Lazy(array)) => Some(array.clone()),
            Some(Argument::Made(array)) => Some(array),
            Some(Argument::Number(_) | Argument::Traced(..)) | None => None,
        },
    };
    match array {
        Some(array) if array.dtype().is_integer() || array.dtype() == DType::Bool => Ok(Key::Array(array)),
        _ => Err(unsupported(key)),
    }
}

/// The array of a list of numbers; `None` for any other object.
pub(crate) fn listed(op: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Option<raptors::Array>> {
    match object.is_exact_instance_of::<PyList>() {
        true => list::read(op, object, None),
        false => Ok(None),
    }
}

/// The basic index that a key is; `None` for an array, or what is no key.
fn index(key: &Bound<'_, PyAny>) -> PyResult<Option<Index>> {
    if let Ok(slice) = key.cast_exact::<PySlice>() {
        return slice_index(slice).map(Some);
    }
    if key.is_none() {
        return Ok(Some(Index::NewAxis));
    }
    if key.is_instance_of::<PyEllipsis>() {
        return Ok(Some(Index::Ellipsis));
    }
    if key.is_exact_instance_of::<PyInt>() {
        return position(key).map(Some);
    }
    if numpy::ndim(key).is_some_and(|ndim| ndim > 0) {
        return Ok(None);
    }
    // SAFETY: the object is alive.
    let is_integer = unsafe { ffi::PyIndex_Check(key.as_ptr()) != 0 };
    if is_integer && !key.is_instance_of::<PyBool>() && position_dims(key)? == 0 && !is_truth(key) {
        return position(key).map(Some);
    }
    Ok(None)
}

/// Whether a lazy array is of `bool`: a mask, and no position.
fn is_truth(key: &Bound<'_, PyAny>) -> bool {
    key.cast_exact::<Array>().is_ok_and(|array| array.get().0.dtype() == DType::Bool)
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
        "index: a key of type {name} is not supported: integers, slices, ..., None, and arrays or lists of integers or \
         bool are"
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
