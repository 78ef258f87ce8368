//! Python's and NumPy's conversions of an array: they compute, and a number is computed at most once.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyDict, PyString};
use raptors::ir::{ElementwiseOp, ReduceOp};
use raptors::ops::{self, Axes, Operand};

use crate::buffer::raise_ignored;
use crate::error::OrRaise;
use crate::evaluations::Wanted;
use crate::value::{fresh, in_memory, item, to_ndarray};
use crate::{dtype, numpy, operand, source};

/// `value in array`.
pub(crate) fn contains(array: &raptors::Array, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = value.py();
    let Some(operand) = operand::operand(value)? else { return Ok(false) };
    let source = source::here(py);
    let pair = [Operand::Array(array), operand.operand()];
    let equal = ops::elementwise(ElementwiseOp::Equal, &pair, source).or_raise()?;
    let any = ops::reduce(ReduceOp::Any, &equal, None, Axes::Drop, None, source).or_raise()?;
    item(py, Wanted::In, &any)?.is_truthy()
}

/// `int(array)`: floats lose their fraction; NaN and infinities have no integer.
pub(crate) fn int<'py>(py: Python<'py>, array: &raptors::Array) -> PyResult<Bound<'py, PyAny>> {
    let number = item(py, Wanted::Int, array)?;
    match number.is_instance_of::<PyComplex>() {
        true => Err(PyTypeError::new_err("int: a complex number is no integer: take its real part")),
        false => number.call_method0(intern!(py, "__int__")),
    }
}

/// `complex(array)`.
pub(crate) fn complex<'py>(py: Python<'py>, array: &raptors::Array) -> PyResult<Bound<'py, PyAny>> {
    let item = item(py, Wanted::Complex, array)?;
    match item.is_instance_of::<PyComplex>() {
        true => Ok(item),
        false => Ok(PyComplex::from_doubles(py, item.extract()?, 0.0).into_any()),
    }
}

/// The array as an index of a sequence: a 0-d array of integers is one.
pub(crate) fn index<'py>(py: Python<'py>, array: &raptors::Array) -> PyResult<Bound<'py, PyAny>> {
    if !array.dtype().is_integer() || array.ndim() != 0 {
        let (name, shape) = (array.dtype().numpy_name(), array.shape());
        let message =
            format!("index: an array of shape {shape} and {name} is no index, only 0-d integers are");
        return Err(PyTypeError::new_err(message));
    }
    item(py, Wanted::Index, array)
}

/// `format(array, spec)`: a 0-d array as its number.
pub(crate) fn format<'py>(
    py: Python<'py>,
    array: &raptors::Array,
    spec: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    if array.ndim() == 0 {
        return item(py, Wanted::Format, array)?.call_method1(intern!(py, "__format__"), (spec,));
    }
    if spec.is_empty()? {
        return to_ndarray(py, Wanted::Format, array)?.bind(py).str().map(Bound::into_any);
    }
    let shape = array.shape();
    Err(PyTypeError::new_err(format!(
        "format: an array of shape {shape} takes no format, only 0-d arrays do"
    )))
}

/// `numpy.asarray(array, dtype, copy=copy)`.
pub(crate) fn array<'py>(
    py: Python<'py>,
    array: &raptors::Array,
    dtype: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    raise_ignored(array)?;
    let target = dtype.map_or(Some(array.dtype()), dtype::parse);
    if target == Some(array.dtype()) {
        let wanted = Wanted::AsArray;
        let value =
            if copy == Some(true) { fresh(py, wanted, array)? } else { in_memory(py, wanted, array)? };
        return numpy::new_ndarray(py, value).map(|array| array.into_bound(py));
    }
    if copy == Some(false) {
        let name = array.dtype().numpy_name();
        let message = format!("asarray: copy=False, but converting {name} to another dtype takes a copy");
        return Err(PyValueError::new_err(message));
    }
    match (target, dtype) {
        // NumPy warns where the imaginary part is lost.
        (Some(target), _) if target.is_complex() || !array.dtype().is_complex() => {
            let converted = ops::cast(array, target, source::here(py)).or_raise()?;
            to_ndarray(py, Wanted::AsArray, &converted).map(|array| array.into_bound(py))
        }
        (_, dtype) => {
            let arguments = PyDict::new(py);
            arguments.set_item("copy", false)?;
            let values = to_ndarray(py, Wanted::AsArray, array)?.into_bound(py);
            values.call_method(intern!(py, "astype"), (dtype,), Some(&arguments))
        }
    }
}
