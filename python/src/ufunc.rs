//! NumPy's universal functions of lazy arrays.
//!
//! A function that is one of raptors' ops makes a node, a reduction or an accumulation by one likewise. With `out=` the node is
//! evaluated into it. Everything else is computed by NumPy, of evaluated operands.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raptors::ir::{ElementwiseOp, ReduceOp};
use raptors::sorting::Start;
use raptors::{DType, ops, views};

use crate::array::Array;
use crate::compile::scalar::Scalar;
use crate::dtype;
use crate::error::OrRaise;
use crate::evaluations::Wanted;
use crate::operand::{Argument, operand, settle};
use crate::operators::{is_same_kind, wrap};
use crate::reductions::{integer, kept, reduce};
use crate::sorting::{Accumulation, accumulate};
use crate::source;
use crate::value::{lazy_or_out, to_ndarray};

/// What one of NumPy's functions is here.
enum Function {
    Elementwise(ElementwiseOp),
    Matmul,
}

/// The op of NumPy's name. Most names are the array API's.
fn function(name: &str) -> Option<Function> {
    let name = match name {
        "absolute" => "abs",
        "arccos" => "acos",
        "arccosh" => "acosh",
        "arcsin" => "asin",
        "arcsinh" => "asinh",
        "arctan" => "atan",
        "arctan2" => "atan2",
        "arctanh" => "atanh",
        "conjugate" => "conj",
        "invert" | "bitwise_not" => "bitwise_invert",
        "left_shift" => "bitwise_left_shift",
        "right_shift" => "bitwise_right_shift",
        "mod" => "remainder",
        "power" => "pow",
        "rint" => "round",
        "true_divide" => "divide",
        "matmul" => return Some(Function::Matmul),
        name => name,
    };
    ElementwiseOp::from_name(name).map(Function::Elementwise)
}

/// The reduction that a function's `reduce` is.
fn reduction(name: &str) -> Option<ReduceOp> {
    match name {
        "add" => Some(ReduceOp::Sum),
        "multiply" => Some(ReduceOp::Prod),
        "minimum" => Some(ReduceOp::Min),
        "maximum" => Some(ReduceOp::Max),
        "logical_and" => Some(ReduceOp::All),
        "logical_or" => Some(ReduceOp::Any),
        _ => None,
    }
}

type Arguments<'a, 'py> = Option<&'a Bound<'py, PyDict>>;

/// `__array_ufunc__`.
pub(crate) fn call<'py>(
    ufunc: &Bound<'py, PyAny>,
    method: &str,
    inputs: &Bound<'py, PyTuple>,
    arguments: Arguments<'_, 'py>,
) -> PyResult<Py<PyAny>> {
    let py = ufunc.py();
    let name: String = ufunc.getattr(intern!(py, "__name__"))?.extract()?;
    let captured = match method {
        "__call__" => capture(&name, inputs, arguments)?,
        "reduce" => capture_reduction(&name, inputs, arguments)?,
        "accumulate" => capture_accumulation(&name, inputs, arguments)?,
        _ => None,
    };
    let Some(array) = captured else { return forward(ufunc, &name, method, inputs, arguments) };
    match argument(arguments, "out")? {
        Some(out) => write(py, &name, array, &out),
        None => wrap(py, Ok(array)),
    }
}

/// The node that the function makes; `None` where NumPy is to compute.
fn capture(
    name: &str,
    inputs: &Bound<'_, PyTuple>,
    arguments: Arguments<'_, '_>,
) -> PyResult<Option<raptors::Array>> {
    let (Some(function), true) = (function(name), only(arguments, &["out"])?) else { return Ok(None) };
    let py = inputs.py();
    let inputs: Vec<Bound<'_, PyAny>> = inputs.iter().collect();
    let mut operands: Vec<Argument<'_>> = Vec::with_capacity(inputs.len());
    for input in &inputs {
        match operand(input)? {
            Some(operand) => operands.push(operand),
            None => return Ok(None),
        }
    }
    let source = source::here(py);
    match function {
        Function::Elementwise(op) if operands.len() != op.arity() => Ok(None),
        Function::Elementwise(op) => {
            settle(op, py, &mut operands);
            let operands: Vec<_> = operands.iter().map(Argument::operand).collect();
            ops::elementwise(op, &operands, source).or_raise().map(Some)
        }
        Function::Matmul => {
            let arrays: PyResult<Vec<_>> =
                operands.into_iter().map(|operand| operand.into_array("matmul", py)).collect();
            match arrays?.as_slice() {
                [lhs, rhs] => ops::matmul(lhs, rhs, source).or_raise().map(Some),
                _ => Ok(None),
            }
        }
    }
}

/// The reduction that the function's `reduce` makes; `None` where NumPy is to compute.
fn capture_reduction(
    name: &str,
    inputs: &Bound<'_, PyTuple>,
    arguments: Arguments<'_, '_>,
) -> PyResult<Option<raptors::Array>> {
    let (Some(op), true) = (reduction(name), only(arguments, &["axis", "dtype", "keepdims", "out"])?) else {
        return Ok(None);
    };
    let py = inputs.py();
    let input = inputs.get_item(0)?;
    let Ok(x) = input.cast_exact::<Array>() else { return Ok(None) };
    let x = &x.get().0;
    let axis = match arguments.map(|arguments| arguments.get_item("axis")).transpose()?.flatten() {
        Some(axis) => (!axis.is_none()).then_some(axis),
        // Unlike the functions', the default of `reduce` is the first axis.
        None => (x.ndim() > 0).then(|| 0i32.into_pyobject(py)).transpose()?.map(Bound::into_any),
    };
    let dtype = argument(arguments, "dtype")?;
    if dtype.is_some() && !matches!(op, ReduceOp::Sum | ReduceOp::Prod) {
        return Ok(None);
    }
    let keepdims = argument(arguments, "keepdims")?.map_or(Ok(false), |keepdims| keepdims.is_truthy())?;
    reduce(py, op, x, axis.as_ref(), kept(keepdims), dtype.as_ref()).map(Some)
}

/// The cumulative op that the function's `accumulate` makes; `None` where NumPy is to compute.
fn capture_accumulation(
    name: &str,
    inputs: &Bound<'_, PyTuple>,
    arguments: Arguments<'_, '_>,
) -> PyResult<Option<raptors::Array>> {
    let op = match name {
        "add" => Accumulation::Sum,
        "multiply" => Accumulation::Prod,
        _ => return Ok(None),
    };
    let input = inputs.get_item(0)?;
    let Ok(x) = input.cast_exact::<Array>() else { return Ok(None) };
    if inputs.len() != 1 || x.get().0.dtype() == DType::Bool || !only(arguments, &["axis", "dtype", "out"])? {
        return Ok(None);
    }
    let axis = argument(arguments, "axis")?.map_or(Ok(0), |axis| integer("accumulate", "axis", &axis))?;
    let dtype = argument(arguments, "dtype")?;
    accumulate(inputs.py(), op, &x.get().0, Some(axis), dtype.as_ref(), Start::First).map(Some)
}

/// A keyword argument, if it is given and not `None`; of a tuple of one, as `out` is, that one.
fn argument<'py>(arguments: Arguments<'_, 'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(value) = arguments.map(|arguments| arguments.get_item(name)).transpose()?.flatten() else {
        return Ok(None);
    };
    let value = match value.cast_exact::<PyTuple>() {
        Ok(tuple) if tuple.len() == 1 => tuple.get_item(0)?,
        _ => value,
    };
    Ok((!value.is_none()).then_some(value))
}

/// Whether no other arguments are given than these.
fn only(arguments: Arguments<'_, '_>, names: &[&str]) -> PyResult<bool> {
    let Some(arguments) = arguments else { return Ok(true) };
    for name in arguments.keys() {
        if !names.contains(&name.extract::<&str>()?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Evaluates into `out` as NumPy does: converted to its dtype within the same kind, repeated to its shape.
fn write(py: Python<'_>, name: &str, array: raptors::Array, out: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if out.is_exact_instance_of::<Array>() {
        return Err(lazy_out(name));
    }
    let Some(target) =
        dtype::parse(&out.getattr(intern!(py, "dtype"))?.call_method1("newbyteorder", ("=",))?)
    else {
        return Err(PyTypeError::new_err(format!("{name}: out is of a dtype that raptors does not have")));
    };
    if !is_same_kind(array.dtype(), target) {
        let (given, needed) = (array.dtype().numpy_name(), target.numpy_name());
        let message =
            format!("{name}: the result of dtype {given} is not converted to {needed}, the dtype of out");
        return Err(PyTypeError::new_err(message));
    }
    let source = source::here(py);
    let array = ops::cast(&array, target, source).or_raise()?;
    let shape: Vec<usize> = out.getattr(intern!(py, "shape"))?.extract()?;
    let array = match array.shape()[..] == shape[..] {
        true => array,
        false => views::broadcast_to(&array, &shape, source).or_raise()?,
    };
    lazy_or_out(py, array, Some(out))
}

#[cold]
fn lazy_out(name: &str) -> PyErr {
    PyTypeError::new_err(format!("{name}: a lazy array cannot be written: give an ndarray to write to"))
}

/// The function as NumPy computes it, of evaluated operands.
fn forward(
    ufunc: &Bound<'_, PyAny>,
    name: &str,
    method: &str,
    inputs: &Bound<'_, PyTuple>,
    arguments: Arguments<'_, '_>,
) -> PyResult<Py<PyAny>> {
    let py = ufunc.py();
    let evaluated = |object: Bound<'_, PyAny>| match object.cast_exact::<Array>() {
        Ok(array) => to_ndarray(py, Wanted::Ufunc, &array.get().0),
        Err(_) => match object.cast_exact::<Scalar>() {
            Ok(scalar) => Ok(scalar.get().pinned(py).unbind()),
            Err(_) => Ok(object.unbind()),
        },
    };
    let out = arguments.map(|arguments| arguments.get_item("out")).transpose()?.flatten();
    let into_lazy = match out {
        Some(out) => out.try_iter()?.any(|out| out.is_ok_and(|out| out.is_exact_instance_of::<Array>())),
        None => method == "at" && inputs.get_item(0)?.is_exact_instance_of::<Array>(),
    };
    if into_lazy {
        return Err(lazy_out(name));
    }
    let inputs: PyResult<Vec<Py<PyAny>>> = inputs.iter().map(evaluated).collect();
    ufunc.call_method(method, PyTuple::new(py, inputs?)?, arguments).map(Bound::unbind)
}
