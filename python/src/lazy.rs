//! `lazy`: anything that holds numbers, as a lazy array.
//!
//! Memory of other libraries is borrowed: the leaf keeps the object alive and reads its memory when it is evaluated.
//! Numbers and nested lists are read at once, without NumPy. What is none of these goes through `numpy.asarray`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple};
use raptors::array::{Donation, Leaf, Memory};
use raptors::ir::{Source, short_list};
use raptors::ops::{self, Weak};
use raptors::{DType, Shape};

use crate::array::{self, Array};
use crate::compile::scalar::Scalar;
use crate::detached::detached;
use crate::error::{OrRaise, type_name};
use crate::evaluations::{self, Wanted};
use crate::numpy::{self, View};
use crate::operand::{self, array_like, python_number};
use crate::{dtype, list, options, source};

const OP: &str = "lazy";

/// A lazy array of `obj`: an ndarray, anything with the buffer protocol or `__dlpack__`, a NumPy or Python number,
/// nested lists of numbers; a lazy array is itself.
///
/// An array's memory is borrowed, not copied, whatever its strides, alignment and byte order, and it is read when a
/// result is evaluated: what you write into it before that is what is computed with. Lists are read at once.
///
/// copy: take a snapshot of the values now.
/// donate: the memory may be overwritten by the evaluation, whose result then is in that memory. An array can be used
/// once after that. Memory is not overwritten where it is read-only, where
/// another input of the evaluation shares it, or where an ndarray made of the lazy array still looks at it; the plan
/// says so. That nothing else needs the memory is for you to know.
/// dtype: convert to this dtype.
#[pyfunction]
#[pyo3(signature = (obj, /, *, copy=false, donate=false, dtype=None))]
pub(crate) fn lazy(
    obj: &Bound<'_, PyAny>,
    copy: bool,
    donate: bool,
    dtype: Option<&Bound<'_, PyAny>>,
) -> PyResult<Py<PyAny>> {
    let py = obj.py();
    let dtype = dtype::optional(OP, dtype)?;
    let array = match obj.cast_exact::<Array>() {
        Ok(_) if donate => {
            let message = "lazy: a lazy array cannot be donated, only the memory that one is made of";
            return Err(PyValueError::new_err(message));
        }
        Ok(array) => array.get().0.clone(),
        Err(_) => convert(obj, if donate { Donation::Yes } else { Donation::No }, dtype)?,
    };
    let array = if copy { snapshot(py, Wanted::Copy, &array)? } else { array };
    match dtype {
        Some(dtype) => array::object(py, ops::cast(&array, dtype, source::here(py)).or_raise()?),
        None => array::object(py, array),
    }
}

/// The array that `lazy` makes of an object; the dtype is that of a number.
pub(crate) fn convert(
    object: &Bound<'_, PyAny>,
    donate: Donation,
    dtype: Option<DType>,
) -> PyResult<raptors::Array> {
    let py = object.py();
    if let Some(view) = numpy::view(OP, object)? {
        return leaf(object, &view, donate, source::here(py));
    }
    if let Some(number) = python_number(object)? {
        return scalar(OP, py, number, dtype);
    }
    if let Ok(scalar) = object.cast_exact::<Scalar>() {
        let scalar = scalar.get();
        let dtype = dtype.map_or_else(|| Ok(scalar.number(py)?.default_dtype()), Ok::<_, PyErr>)?;
        return scalar.in_dtype(OP, py, dtype);
    }
    if object.is_exact_instance_of::<PyList>() || object.is_exact_instance_of::<PyTuple>() {
        if let Some(array) = list::read(OP, object, dtype)? {
            return Ok(array);
        }
        return through_numpy(object);
    }
    if object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyDict>()
        || object.is_instance_of::<PySet>()
    {
        return Err(no_array(object));
    }
    match array_like(OP, object)? {
        Some(array) => Ok(array),
        None => through_numpy(object),
    }
}

/// The array that `lazy` makes of an ndarray; `None` for any other object.
#[inline]
pub(crate) fn of_ndarray(object: &Bound<'_, PyAny>) -> PyResult<Option<raptors::Array>> {
    match numpy::view(OP, object)? {
        Some(view) => leaf(object, &view, Donation::No, source::here(object.py())).map(Some),
        None => Ok(None),
    }
}

/// What NumPy makes of an object, borrowed.
pub(crate) fn through_numpy(object: &Bound<'_, PyAny>) -> PyResult<raptors::Array> {
    let py = object.py();
    let array = numpy::asarray(object).map_err(|error| match error.is_instance_of::<PyValueError>(py) {
        true => PyValueError::new_err(format!("{OP}: {}", error.value(py))),
        false => error,
    })?;
    // An object that NumPy does not understand becomes a 0-d array of dtype object.
    if array.getattr("ndim")?.extract::<usize>()? == 0
        && array.getattr("dtype")?.getattr("hasobject")?.is_truthy()?
    {
        return Err(no_array(object));
    }
    match numpy::view(OP, &array)? {
        Some(view) => borrow(&array, &view, source::here(py)),
        None => Err(no_array(object)),
    }
}

#[cold]
fn no_array(object: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "{OP}: {} cannot be an array: give an ndarray, a buffer, an object with __dlpack__, numbers or nested lists \
         of numbers",
        type_name(object)
    ))
}

/// An array over an ndarray's memory.
pub(crate) fn borrow(
    object: &Bound<'_, PyAny>,
    view: &View<'_>,
    source: Option<Source>,
) -> PyResult<raptors::Array> {
    leaf(object, view, Donation::No, source)
}

#[inline]
fn leaf(
    object: &Bound<'_, PyAny>,
    view: &View<'_>,
    donate: Donation,
    source: Option<Source>,
) -> PyResult<raptors::Array> {
    let shape = Shape::new(view.dims).or_raise()?;
    // SAFETY: the ndarray owns or keeps alive the memory that its header describes, which is writable where it says
    // so, and only that is donated. Python code that writes it during an evaluation does so against `lazy`'s terms.
    let memory = unsafe { Memory::new(view.pointer, object.clone().unbind()) };
    let donation = match donate {
        Donation::Yes if !view.writable => Donation::ReadOnly,
        donate => donate,
    };
    let leaf = Leaf::new(memory, short_list(view.strides), view.swapped, donation);
    Ok(raptors::Array::from_leaf(leaf, view.dtype, shape, source))
}

/// A 0-d array of a number; without a dtype, of NumPy's default one.
pub(crate) fn scalar(
    op: &'static str,
    py: Python<'_>,
    number: Weak,
    dtype: Option<DType>,
) -> PyResult<raptors::Array> {
    let dtype = dtype.unwrap_or(match number {
        Weak::Int(value) if value > i64::MAX.into() && value <= u64::MAX.into() => DType::U64,
        number => number.default_dtype(),
    });
    Ok(raptors::Array::scalar(operand::literal(op, number, dtype)?, source::here(py)))
}

/// An array of the values that an array has now.
pub(crate) fn snapshot(py: Python<'_>, wanted: Wanted, array: &raptors::Array) -> PyResult<raptors::Array> {
    if !array.is_evaluated() {
        evaluations::note(py, wanted);
    }
    let options = options::current(py)?;
    Ok(detached(py, || array.eval_with(&options))?.into_lazy())
}

/// As [`lazy`], without donation: the name of the array API.
#[pyfunction]
#[pyo3(signature = (obj, /, *, dtype=None, copy=None))]
pub(crate) fn asarray(
    obj: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Py<PyAny>> {
    lazy(obj, copy == Some(true), false, dtype)
}
