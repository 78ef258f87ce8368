//! Functions that rearrange: reshape, permute, broadcast, squeeze, flip, join. The methods of `Array` use the same.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use raptors::ir::Dims;
use raptors::{ops, views};
use smallvec::SmallVec;

use crate::array::{Array, New};
use crate::error::{OrRaise, wrong_type};
use crate::operand::{self, Argument};
use crate::reductions::{AxisList, axes, integer};
use crate::source;

/// A list of integers: one, or a tuple or list of them.
pub(crate) fn integers(op: &str, argument: &str, object: &Bound<'_, PyAny>) -> PyResult<AxisList> {
    if object.is_instance_of::<PyTuple>() || object.is_instance_of::<PyList>() {
        return object.try_iter()?.map(|dim| integer(op, argument, &dim?)).collect();
    }
    Ok(AxisList::from_slice(&[integer(op, argument, object)?]))
}

/// The lengths of a shape.
pub(crate) fn dims(op: &str, object: &Bound<'_, PyAny>) -> PyResult<Dims> {
    let length = |dim: isize| {
        usize::try_from(dim)
            .map_err(|_| PyValueError::new_err(format!("{op}: length {dim} of a shape is negative")))
    };
    integers(op, "shape", object)?.into_iter().map(length).collect()
}

/// The integers of a `*args` that may also be one tuple: `reshape(2, 3)` and `reshape((2, 3))`.
pub(crate) fn variadic(op: &str, argument: &str, arguments: &Bound<'_, PyTuple>) -> PyResult<AxisList> {
    match arguments.len() {
        1 => integers(op, argument, &arguments.get_item(0)?),
        _ => integers(op, argument, arguments),
    }
}

/// The same elements with other dimensions; one length may be -1, and is what remains.
#[pyfunction]
#[pyo3(signature = (x, /, shape, *, copy=None))]
pub(crate) fn reshape(x: &Bound<'_, PyAny>, shape: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<New> {
    let _ = copy; // Nothing is written through a lazy array, so a copy cannot be told from a view.
    let (array, shape) = (operand::array("reshape", x)?, integers("reshape", "shape", shape)?);
    views::reshape(&array, &shape, source::here(x.py())).or_raise().map(New)
}

/// Dimension `i` of the result is dimension `axes[i]` of the operand.
#[pyfunction]
#[pyo3(signature = (x, /, axes))]
pub(crate) fn permute_dims(x: &Bound<'_, PyAny>, axes: &Bound<'_, PyAny>) -> PyResult<New> {
    let (array, axes) = (operand::array("permute_dims", x)?, integers("permute_dims", "axes", axes)?);
    views::permute_dims(&array, &axes, source::here(x.py())).or_raise().map(New)
}

/// The last two dimensions exchanged.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn matrix_transpose(x: &Bound<'_, PyAny>) -> PyResult<New> {
    views::matrix_transpose(&operand::array("matrix_transpose", x)?, source::here(x.py())).or_raise().map(New)
}

/// The operand repeated to a shape, without a copy.
#[pyfunction]
#[pyo3(signature = (x, /, shape))]
pub(crate) fn broadcast_to(x: &Bound<'_, PyAny>, shape: &Bound<'_, PyAny>) -> PyResult<New> {
    let (array, dims) = (operand::array("broadcast_to", x)?, dims("broadcast_to", shape)?);
    views::broadcast_to(&array, &dims, source::here(x.py())).or_raise().map(New)
}

/// Without dimensions of length 1: those named, or all.
#[pyfunction]
#[pyo3(signature = (x, /, axis=None))]
pub(crate) fn squeeze(x: &Bound<'_, PyAny>, axis: Option<&Bound<'_, PyAny>>) -> PyResult<New> {
    let (array, axes) = (operand::array("squeeze", x)?, axes("squeeze", axis)?);
    views::squeeze(&array, axes.as_deref(), source::here(x.py())).or_raise().map(New)
}

/// With new dimensions of length 1, at these positions of the result.
#[pyfunction]
#[pyo3(signature = (x, /, axis=None))]
pub(crate) fn expand_dims(x: &Bound<'_, PyAny>, axis: Option<&Bound<'_, PyAny>>) -> PyResult<New> {
    let (array, axes) = (operand::array("expand_dims", x)?, axes("expand_dims", axis)?);
    let axes = axes.unwrap_or_else(|| AxisList::from_slice(&[0]));
    views::expand_dims(&array, &axes, source::here(x.py())).or_raise().map(New)
}

/// The order of elements along axes (None: all) reversed.
#[pyfunction]
#[pyo3(signature = (x, /, *, axis=None))]
pub(crate) fn flip(x: &Bound<'_, PyAny>, axis: Option<&Bound<'_, PyAny>>) -> PyResult<New> {
    let (array, axes) = (operand::array("flip", x)?, axes("flip", axis)?);
    views::flip(&array, axes.as_deref(), source::here(x.py())).or_raise().map(New)
}

/// The matrix product of the last two dimensions; leading ones broadcast.
///
/// A 1-d operand is a row on the left, a column on the right, and its dimension is dropped from the result.
#[pyfunction]
#[pyo3(signature = (x1, x2, /))]
pub(crate) fn matmul(x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> PyResult<New> {
    let (lhs, rhs) = (operand::array("matmul", x1)?, operand::array("matmul", x2)?);
    ops::matmul(&lhs, &rhs, source::here(x1.py())).or_raise().map(New)
}

/// Arrays joined along an axis (None: flattened first), promoted to one dtype.
#[pyfunction]
#[pyo3(signature = (arrays, /, *, axis=Some(0)), text_signature = "(arrays, /, *, axis=0)")]
pub(crate) fn concat(arrays: &Bound<'_, PyAny>, axis: Option<isize>) -> PyResult<New> {
    let list = array_list("concat", arrays)?;
    let references: Vec<&raptors::Array> = list.iter().collect();
    ops::concat(&references, axis, source::here(arrays.py())).or_raise().map(New)
}

/// Arrays of one shape joined along a new axis, promoted to one dtype.
#[pyfunction]
#[pyo3(signature = (arrays, /, *, axis=0))]
pub(crate) fn stack(arrays: &Bound<'_, PyAny>, axis: isize) -> PyResult<New> {
    let list = array_list("stack", arrays)?;
    let references: Vec<&raptors::Array> = list.iter().collect();
    ops::stack(&references, axis, source::here(arrays.py())).or_raise().map(New)
}

fn array_list(op: &'static str, arrays: &Bound<'_, PyAny>) -> PyResult<Vec<raptors::Array>> {
    if arrays.is_instance_of::<Array>() {
        return Err(wrong_type(op, "the first argument", arrays, "a tuple or list of arrays"));
    }
    match arrays.try_iter() {
        Ok(arrays) => arrays.map(|array| operand::array(op, &array?)).collect(),
        Err(_) => Err(wrong_type(op, "the first argument", arrays, "a tuple or list of arrays")),
    }
}

/// The operand converted to a dtype: integers wrap, floats lose their fraction.
#[pyfunction]
#[pyo3(signature = (x, dtype, /, *, copy=true))]
pub(crate) fn astype(x: &Bound<'_, PyAny>, dtype: &Bound<'_, PyAny>, copy: bool) -> PyResult<New> {
    let _ = copy; // As for `reshape`.
    let (array, dtype) = (operand::array("astype", x)?, crate::dtype::required("astype", dtype)?);
    ops::cast(&array, dtype, source::here(x.py())).or_raise().map(New)
}

/// `x` where `condition` is true, `y` elsewhere; all three broadcast, `x` and `y` promote.
#[pyfunction]
#[pyo3(signature = (condition, x, y, /), name = "where")]
pub(crate) fn where_(
    condition: &Bound<'_, PyAny>,
    x: &Bound<'_, PyAny>,
    y: &Bound<'_, PyAny>,
) -> PyResult<New> {
    let (op, source) = ("where", source::here(x.py()));
    let py = x.py();
    let condition = operand::required(op, condition)?;
    let mut arms = [operand::required(op, x)?, operand::required(op, y)?];
    operand::settle_traced(op, py, &mut arms, |_| true);
    let [x, y] = arms;
    ops::choose(condition.operand(), x.operand(), y.operand(), source).or_raise().map(New)
}

/// `x` limited to `min..max`, either of which may be None: `minimum(maximum(x, min), max)`.
#[pyfunction]
#[pyo3(signature = (x, /, min=None, max=None))]
pub(crate) fn clip(
    x: &Bound<'_, PyAny>,
    min: Option<&Bound<'_, PyAny>>,
    max: Option<&Bound<'_, PyAny>>,
) -> PyResult<New> {
    clipped(x.py(), operand::required("clip", x)?, min, max).map(New)
}

/// As [`clip`], of an operand.
pub(crate) fn clipped<'a>(
    py: Python<'_>,
    x: Argument<'a>,
    min: Option<&'a Bound<'_, PyAny>>,
    max: Option<&'a Bound<'_, PyAny>>,
) -> PyResult<raptors::Array> {
    let mut all: SmallVec<[Argument<'a>; 3]> = SmallVec::new();
    all.push(x);
    for bound in [min, max].into_iter().flatten() {
        all.push(operand::required("clip", bound)?);
    }
    operand::settle_traced("clip", py, &mut all, |_| true);
    let mut all = all.iter().map(Argument::operand);
    let Some(x) = all.next() else { unreachable!("the operand is the first") };
    let (low, high) = (min.and_then(|_| all.next()), max.and_then(|_| all.next()));
    ops::clip(x, low, high, source::here(py)).or_raise()
}

/// Adds the functions to the module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(reshape permute_dims matrix_transpose broadcast_to squeeze expand_dims flip matmul concat stack astype where_ clip);
    Ok(())
}
