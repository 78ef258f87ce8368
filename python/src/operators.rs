//! Python's operators: an operand that raptors does not know gets its own chance.

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use raptors::DType;
use raptors::ir::{ElementwiseOp, Kind, Op};
use raptors::ops::{self, Operand, Weak};

use crate::array::{self, Array};
use crate::error::OrRaise;
use crate::operand::{Argument, operand, operand_on, settle};
use crate::source;

/// A new Python object for an array.
#[inline]
pub(crate) fn wrap(py: Python<'_>, array: Result<raptors::Array, raptors::Error>) -> PyResult<Py<PyAny>> {
    array::object(py, array.or_raise()?)
}

/// `op(x)`.
#[inline]
pub(crate) fn unary(py: Python<'_>, op: ElementwiseOp, x: &Array) -> PyResult<Py<PyAny>> {
    wrap(py, ops::elementwise(op, &[Operand::Array(&x.0)], source::here(py)))
}

/// `op(x, other)`.
#[inline]
pub(crate) fn binary(op: ElementwiseOp, x: &Array, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = other.py();
    let line = source::here(py);
    match operand_on(other, || line)? {
        Some(Argument::Made(y)) => wrap(py, ops::binary(op, x.0.clone(), y, line)),
        Some(y) => {
            let y = settled(op, py, x, y);
            wrap(py, ops::elementwise(op, &[Operand::Array(&x.0), y.operand()], line))
        }
        None => Ok(py.NotImplemented()),
    }
}

/// `y` beside `x`, with [`settle`].
#[inline]
fn settled<'a>(op: ElementwiseOp, py: Python<'_>, x: &'a Array, y: Argument<'a>) -> Argument<'a> {
    if !matches!(y, Argument::Traced(..)) {
        return y;
    }
    let mut operands = [y, Argument::Lazy(&x.0)];
    settle(op, py, &mut operands);
    let [y, _] = operands;
    y
}

/// `op(other, x)`.
#[inline]
pub(crate) fn reflected(op: ElementwiseOp, x: &Array, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = other.py();
    let line = source::here(py);
    match operand_on(other, || line)? {
        Some(Argument::Made(y)) => wrap(py, ops::binary(op, y, x.0.clone(), line)),
        Some(y) => {
            let y = settled(op, py, x, y);
            wrap(py, ops::elementwise(op, &[y.operand(), Operand::Array(&x.0)], line))
        }
        None => Ok(py.NotImplemented()),
    }
}

/// The comparison of `x` with `other`.
#[inline]
pub(crate) fn compare(x: &Array, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
    let op = match op {
        CompareOp::Eq => ElementwiseOp::Equal,
        CompareOp::Ne => ElementwiseOp::NotEqual,
        CompareOp::Lt => ElementwiseOp::Less,
        CompareOp::Le => ElementwiseOp::LessEqual,
        CompareOp::Gt => ElementwiseOp::Greater,
        CompareOp::Ge => ElementwiseOp::GreaterEqual,
    };
    binary(op, x, other)
}

/// `x ** exponent`.
pub(crate) fn power(x: &Array, exponent: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = exponent.py();
    match operand(exponent)? {
        Some(Argument::Traced(exponent, _))
            if x.0.dtype().is_float() && !exponent.is_shortcut_power(py)? =>
        {
            let exponent = exponent.in_dtype("pow", py, x.0.dtype())?;
            let operands = [Operand::Array(&x.0), Operand::Array(&exponent)];
            wrap(py, ops::elementwise(ElementwiseOp::Pow, &operands, source::here(py)))
        }
        Some(exponent) => wrap(py, ops::power(&x.0, exponent.operand(), source::here(py))),
        None => Ok(py.NotImplemented()),
    }
}

/// `x @ other`.
pub(crate) fn matmul(x: &Array, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    product(other, |y| (x.0.clone(), y))
}

/// `other @ x`.
pub(crate) fn reflected_matmul(x: &Array, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    product(other, |y| (y, x.0.clone()))
}

fn product(
    other: &Bound<'_, PyAny>,
    ordered: impl FnOnce(raptors::Array) -> (raptors::Array, raptors::Array),
) -> PyResult<Py<PyAny>> {
    let py = other.py();
    let line = source::here(py);
    match operand_on(other, || line)? {
        Some(y) => {
            let (lhs, rhs) = ordered(y.into_array("matmul", py)?);
            wrap(py, ops::matmul(&lhs, &rhs, line))
        }
        None => Ok(py.NotImplemented()),
    }
}

/// The in-place forms: an array with the new value, of the dtype and shape of the old, that the name is bound to.
/// Other names of the old array keep its value.
pub(crate) fn in_place(op: ElementwiseOp, x: &Array, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = other.py();
    let Some(y) = operand(other)? else { return Ok(py.NotImplemented()) };
    let y = if op == ElementwiseOp::Pow { y } else { settled(op, py, x, y) };
    let source = source::here(py);
    let result = match (op, &y) {
        (ElementwiseOp::Pow, y) => ops::power(&x.0, y.operand(), source),
        (op, y) => ops::elementwise(op, &[Operand::Array(&x.0), y.operand()], source),
    };
    keep_type(py, op.name(), &x.0, result.or_raise()?)
}

/// `x @= other`.
pub(crate) fn in_place_matmul(x: &Array, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = other.py();
    let Some(y) = operand(other)? else { return Ok(py.NotImplemented()) };
    let product = ops::matmul(&x.0, &y.into_array("matmul", py)?, source::here(py)).or_raise()?;
    keep_type(py, "matmul", &x.0, product)
}

/// `result` with the dtype of `x`, where NumPy would convert it and where it has the shape of `x`.
fn keep_type(py: Python<'_>, op: &str, x: &raptors::Array, result: raptors::Array) -> PyResult<Py<PyAny>> {
    if result.shape() != x.shape() {
        let (given, needed) = (result.shape(), x.shape());
        let message =
            format!("{op}: the result of shape {given} does not fit the array of shape {needed} in place");
        return Err(PyValueError::new_err(message));
    }
    if !is_same_kind(result.dtype(), x.dtype()) {
        let (given, needed) = (result.dtype().numpy_name(), x.dtype().numpy_name());
        let message =
            format!("{op}: the result of dtype {given} is not converted to {needed} in place: use astype");
        return Err(PyTypeError::new_err(message));
    }
    wrap(py, ops::cast(&result, x.dtype(), source::here(py)))
}

/// NumPy's rule for results that are written into an array: `numpy.can_cast(from, to, "same_kind")`.
pub(crate) fn is_same_kind(from: DType, to: DType) -> bool {
    let rank = |dtype: DType| match dtype.kind() {
        Kind::Bool => 0,
        Kind::Unsigned => 1,
        Kind::Signed => 2,
        Kind::Float => 3,
        Kind::Complex => 4,
    };
    rank(from) <= rank(to)
}

/// `x` rounded to decimals, as NumPy computes it: scaled, rounded, and scaled back.
pub(crate) fn round(py: Python<'_>, x: &raptors::Array, decimals: i32) -> PyResult<raptors::Array> {
    let source = source::here(py);
    let apply = |op, operands: &[Operand<'_>]| ops::elementwise(op, operands, source).or_raise();
    if decimals == 0 {
        return apply(ElementwiseOp::Round, &[Operand::Array(x)]);
    }
    if x.dtype().is_complex() {
        let part = |op| round(py, &apply(op, &[Operand::Array(x)])?, decimals);
        let (re, im) = (part(ElementwiseOp::Real)?, part(ElementwiseOp::Imag)?);
        return raptors::Array::apply(Op::Complex, &[&re, &im], source).or_raise();
    }
    if !x.dtype().is_float() {
        let name = x.dtype().numpy_name();
        let message =
            format!("round: {name} is rounded to decimals=0 only, not {decimals}: use astype first");
        return if decimals > 0 && x.dtype().is_integer() {
            Ok(x.clone())
        } else {
            Err(PyTypeError::new_err(message))
        };
    }
    let scale = Operand::Scalar(Weak::Float(10f64.powi(decimals.abs())));
    let (up, down) = match decimals > 0 {
        true => (ElementwiseOp::Multiply, ElementwiseOp::Divide),
        false => (ElementwiseOp::Divide, ElementwiseOp::Multiply),
    };
    let scaled = apply(up, &[Operand::Array(x), scale])?;
    let rounded = apply(ElementwiseOp::Round, &[Operand::Array(&scaled)])?;
    apply(down, &[Operand::Array(&rounded), scale])
}

/// Gives the in-place operators their names. Once the class exists, an attribute of such a name fills its slot.
pub(crate) fn name_in_place(class: &Bound<'_, PyType>) -> PyResult<()> {
    for name in IN_PLACE {
        let method = class.getattr(format!("_{name}"))?;
        class.setattr(format!("__{name}__"), method)?;
        class.delattr(format!("_{name}"))?;
    }
    Ok(())
}

const IN_PLACE: [&str; 13] = [
    "iadd",
    "isub",
    "imul",
    "itruediv",
    "ifloordiv",
    "imod",
    "ipow",
    "iand",
    "ior",
    "ixor",
    "ilshift",
    "irshift",
    "imatmul",
];
