//! Arrays from nothing: constants, ranges, the identity. They hold no memory until they are evaluated.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raptors::creation::{self, Endpoint};
use raptors::ir::{Dims, Literal};
use raptors::ops::{self, Weak};
use raptors::{DType, views};

use crate::array::New;
use crate::error::OrRaise;
use crate::operand::{self, Argument, literal, real};
use crate::reductions::integer;
use crate::views::dims;
use crate::{dtype, source};

type Dtype<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

fn filled(py: Python<'_>, dims: &Dims, value: Literal) -> PyResult<New> {
    creation::full(dims, value, source::here(py)).or_raise().map(New)
}

/// Zeros (False for bool) of a shape; float64 without a dtype.
#[pyfunction]
#[pyo3(signature = (shape, *, dtype=None))]
pub(crate) fn zeros(shape: &Bound<'_, PyAny>, dtype: Dtype<'_, '_>) -> PyResult<New> {
    let dtype = dtype::optional("zeros", dtype)?.unwrap_or(DType::F64);
    filled(shape.py(), &dims("zeros", shape)?, Literal::zero(dtype))
}

/// As `zeros`: memory that is not written has no use in a graph.
#[pyfunction]
#[pyo3(signature = (shape, *, dtype=None))]
pub(crate) fn empty(shape: &Bound<'_, PyAny>, dtype: Dtype<'_, '_>) -> PyResult<New> {
    zeros(shape, dtype)
}

/// Ones (True for bool) of a shape; float64 without a dtype.
#[pyfunction]
#[pyo3(signature = (shape, *, dtype=None))]
pub(crate) fn ones(shape: &Bound<'_, PyAny>, dtype: Dtype<'_, '_>) -> PyResult<New> {
    let dtype = dtype::optional("ones", dtype)?.unwrap_or(DType::F64);
    filled(shape.py(), &dims("ones", shape)?, Literal::one(dtype))
}

/// An array of a shape that is one value everywhere; without a dtype, of the value's.
#[pyfunction]
#[pyo3(signature = (shape, fill_value, *, dtype=None))]
pub(crate) fn full(
    shape: &Bound<'_, PyAny>,
    fill_value: &Bound<'_, PyAny>,
    dtype: Dtype<'_, '_>,
) -> PyResult<New> {
    fill("full", shape.py(), &dims("full", shape)?, fill_value, dtype::optional("full", dtype)?)
}

fn fill(
    op: &'static str,
    py: Python<'_>,
    dims: &Dims,
    value: &Bound<'_, PyAny>,
    dtype: Option<DType>,
) -> PyResult<New> {
    match operand::required(op, value)? {
        Argument::Number(number) => {
            let dtype = dtype.unwrap_or(number.default_dtype());
            filled(py, dims, literal(op, number, dtype)?)
        }
        Argument::Traced(scalar, number) => {
            let array = scalar.in_dtype(op, py, dtype.unwrap_or(number.default_dtype()))?;
            views::broadcast_to(&array, dims, source::here(py)).or_raise().map(New)
        }
        value => {
            let source = source::here(py);
            let array = value.into_array(op, py)?;
            let array = ops::cast(&array, dtype.unwrap_or(array.dtype()), source).or_raise()?;
            views::broadcast_to(&array, dims, source).or_raise().map(New)
        }
    }
}

/// Zeros of the operand's shape and, without another, its dtype.
#[pyfunction]
#[pyo3(signature = (x, /, *, dtype=None))]
pub(crate) fn zeros_like(x: &Bound<'_, PyAny>, dtype: Dtype<'_, '_>) -> PyResult<New> {
    let array = operand::array("zeros_like", x)?;
    let dtype = dtype::optional("zeros_like", dtype)?.unwrap_or(array.dtype());
    filled(x.py(), &Dims::from_slice(array.shape()), Literal::zero(dtype))
}

/// As `zeros_like`.
#[pyfunction]
#[pyo3(signature = (x, /, *, dtype=None))]
pub(crate) fn empty_like(x: &Bound<'_, PyAny>, dtype: Dtype<'_, '_>) -> PyResult<New> {
    zeros_like(x, dtype)
}

/// Ones of the operand's shape and, without another, its dtype.
#[pyfunction]
#[pyo3(signature = (x, /, *, dtype=None))]
pub(crate) fn ones_like(x: &Bound<'_, PyAny>, dtype: Dtype<'_, '_>) -> PyResult<New> {
    let array = operand::array("ones_like", x)?;
    let dtype = dtype::optional("ones_like", dtype)?.unwrap_or(array.dtype());
    filled(x.py(), &Dims::from_slice(array.shape()), Literal::one(dtype))
}

/// An array of the operand's shape and, without another, its dtype, that is one value everywhere.
#[pyfunction]
#[pyo3(signature = (x, /, fill_value, *, dtype=None))]
pub(crate) fn full_like(
    x: &Bound<'_, PyAny>,
    fill_value: &Bound<'_, PyAny>,
    dtype: Dtype<'_, '_>,
) -> PyResult<New> {
    let array = operand::array("full_like", x)?;
    let dtype = dtype::optional("full_like", dtype)?.unwrap_or(array.dtype());
    fill("full_like", x.py(), &Dims::from_slice(array.shape()), fill_value, Some(dtype))
}

/// `start, start + step, ...` up to, and without, `stop`; with one number, from 0 up to it.
///
/// Without a dtype, int64 if all three are integers, else float64.
#[pyfunction]
#[pyo3(signature = (start, /, stop=None, step=None, *, dtype=None))]
pub(crate) fn arange(
    start: &Bound<'_, PyAny>,
    stop: Option<&Bound<'_, PyAny>>,
    step: Option<&Bound<'_, PyAny>>,
    dtype: Dtype<'_, '_>,
) -> PyResult<New> {
    let op = "arange";
    let first = real(op, "start", start)?;
    let (start_number, stop_number) = match stop {
        Some(stop) => (first, real(op, "stop", stop)?),
        None => (Weak::Int(0), first),
    };
    let step = step.map_or(Ok(Weak::Int(1)), |step| real(op, "step", step))?;
    let dtype = dtype::optional(op, dtype)?;
    creation::arange(start_number, stop_number, step, dtype, source::here(start.py())).or_raise().map(New)
}

/// `num` evenly spaced numbers from `start` to `stop`, which is the last one if `endpoint`.
#[pyfunction]
#[pyo3(signature = (start, stop, /, num=None, *, dtype=None, endpoint=true), text_signature = "(start, stop, /, num=50, *, dtype=None, endpoint=True)")]
pub(crate) fn linspace(
    py: Python<'_>,
    start: f64,
    stop: f64,
    num: Option<&Bound<'_, PyAny>>,
    dtype: Dtype<'_, '_>,
    endpoint: bool,
) -> PyResult<New> {
    let num = num.map_or(Ok(50), |num| integer("linspace", "num", num))?;
    let negative = |_| PyValueError::new_err(format!("linspace: num is {num}, must not be negative"));
    let count = usize::try_from(num).map_err(negative)?;
    let endpoint = if endpoint { Endpoint::Included } else { Endpoint::Excluded };
    let dtype = dtype::optional("linspace", dtype)?;
    creation::linspace(start, stop, count, endpoint, dtype, source::here(py)).or_raise().map(New)
}

/// Ones on the `k`-th diagonal (0 is the main one, above it positive), zeros elsewhere; float64 without a dtype.
#[pyfunction]
#[pyo3(signature = (n_rows, n_cols=None, /, *, k=0, dtype=None))]
pub(crate) fn eye(
    py: Python<'_>,
    n_rows: isize,
    n_cols: Option<isize>,
    k: i64,
    dtype: Dtype<'_, '_>,
) -> PyResult<New> {
    let length = |n: isize| {
        usize::try_from(n)
            .map_err(|_| PyValueError::new_err(format!("eye: {n} rows or columns, must not be negative")))
    };
    let (rows, columns) = (length(n_rows)?, length(n_cols.unwrap_or(n_rows))?);
    let dtype = dtype::optional("eye", dtype)?.unwrap_or(DType::F64);
    creation::eye(rows, columns, k, dtype, source::here(py)).or_raise().map(New)
}

/// Adds the functions to the module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(zeros empty ones full zeros_like empty_like ones_like full_like arange linspace eye);
    Ok(())
}
