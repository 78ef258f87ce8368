//! What a Python object is as an operand of an op.
//!
//! Types are tested exactly, commonest first. `numpy.float64` is a subclass of `float`, but a strong scalar where a
//! `float` is a weak one (NEP 50): only an object whose type is `float` itself adapts to the arrays' dtype.

use std::ffi::c_int;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyComplex, PyFloat, PyInt};
use raptors::DType;
use raptors::Error;
use raptors::ir::{ElementwiseOp, Kind, Literal, Source};
use raptors::ops::{Operand, Weak, result_dtype};
use smallvec::SmallVec;

use crate::array::Array;
use crate::compile::scalar::Scalar;
use crate::error::{exception, wrong_type};
use crate::{buffer, dlpack, lazy, numpy, source};

/// An operand and, where it had to be made, the array it is.
pub(crate) enum Argument<'a> {
    /// A lazy array.
    Lazy(&'a raptors::Array),
    /// An array made of the object.
    Made(raptors::Array),
    /// A Python number.
    Number(Weak),
    /// A Python number of a function that is being traced.
    Traced(&'a Scalar, Weak),
}

impl Argument<'_> {
    /// As ops take it.
    #[inline]
    pub(crate) fn operand(&self) -> Operand<'_> {
        match self {
            Argument::Lazy(array) => Operand::Array(array),
            Argument::Made(array) => Operand::Array(array),
            Argument::Number(number) => Operand::Scalar(*number),
            Argument::Traced(scalar, number) => {
                // Who did not `settle` it may look at its value.
                Python::attach(|py| scalar.pin(py));
                Operand::Scalar(*number)
            }
        }
    }

    /// As [`operand`](Argument::operand), for rules that look at the types of numbers alone.
    fn typed(&self) -> Operand<'_> {
        match self {
            Argument::Lazy(array) => Operand::Array(array),
            Argument::Made(array) => Operand::Array(array),
            Argument::Number(number) | Argument::Traced(_, number) => Operand::Scalar(*number),
        }
    }

    /// As an array; a number has NumPy's default dtype.
    pub(crate) fn into_array(self, op: &'static str, py: Python<'_>) -> PyResult<raptors::Array> {
        match self {
            Argument::Lazy(array) => Ok(array.clone()),
            Argument::Made(array) => Ok(array),
            Argument::Number(number) => lazy::scalar(op, py, number, None),
            Argument::Traced(scalar, number) => match scalar.in_dtype(op, py, number.default_dtype()) {
                Ok(array) => Ok(array),
                Err(_) => {
                    scalar.pin(py);
                    lazy::scalar(op, py, number, None)
                }
            },
        }
    }
}

/// Makes the numbers of a traced function among the operands of `op` scalars of its plan, in the dtype that the operands
/// promote to. A number that this dtype does not hold is left to the op, which looks at its value.
pub(crate) fn settle(op: ElementwiseOp, py: Python<'_>, operands: &mut [Argument<'_>]) {
    if operands.iter().any(|operand| matches!(operand, Argument::Traced(..))) {
        settle_traced(op.name(), py, operands, |dtype| op != ElementwiseOp::Pow || dtype.is_float());
    }
}

/// As [`settle`], for an op of this name that is defined for every dtype.
#[cold]
pub(crate) fn settle_traced(
    op: &'static str,
    py: Python<'_>,
    operands: &mut [Argument<'_>],
    is_wanted: impl FnOnce(DType) -> bool,
) {
    let typed: SmallVec<[Operand<'_>; 3]> = operands.iter().map(|operand| operand.typed()).collect();
    let Some(dtype) = result_dtype(&typed).filter(|&dtype| is_wanted(dtype)) else { return };
    drop(typed);
    for operand in operands {
        if let Argument::Traced(scalar, _) = operand
            && let Ok(array) = scalar.in_dtype(op, py, dtype)
        {
            *operand = Argument::Made(array);
        }
    }
}

/// The operand that an object is; `None` for an object that is none.
///
/// # Errors
///
/// `OverflowError` for an `int` beyond 128 bits, `TypeError` for an array of a dtype that raptors does not have.
#[inline]
pub(crate) fn operand<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<Option<Argument<'a>>> {
    operand_on(object, || source::here(object.py()))
}

/// [`operand`], where the running line is known or can be asked for.
///
/// # Errors
///
/// As [`operand`].
#[inline]
pub(crate) fn operand_on<'a>(
    object: &'a Bound<'_, PyAny>,
    line: impl FnOnce() -> Option<Source>,
) -> PyResult<Option<Argument<'a>>> {
    if let Ok(array) = object.cast_exact::<Array>() {
        return Ok(Some(Argument::Lazy(&array.get().0)));
    }
    if let Ok(number) = object.cast_exact::<PyFloat>() {
        return Ok(Some(Argument::Number(Weak::Float(number.value()))));
    }
    if let Ok(number) = object.cast_exact::<PyInt>() {
        return integer(number).map(|number| Some(Argument::Number(number)));
    }
    if let Some(view) = numpy::view(OP, object)? {
        return lazy::borrow(object, &view, line()).map(|array| Some(Argument::Made(array)));
    }
    other_operand(object)
}

/// What messages call an operand.
const OP: &str = "operand";

#[cold]
fn other_operand<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<Option<Argument<'a>>> {
    if let Some(number) = python_number(object)? {
        return Ok(Some(Argument::Number(number)));
    }
    if let Ok(scalar) = object.cast_exact::<Scalar>() {
        let scalar = scalar.get();
        return Ok(Some(Argument::Traced(scalar, scalar.number(object.py())?)));
    }
    // Text is no operand, though its bytes are a buffer.
    if object.is_instance_of::<PyBytes>() || object.is_instance_of::<PyByteArray>() {
        return Ok(None);
    }
    array_like(OP, object).map(|array| array.map(Argument::Made))
}

/// The value of an exact Python number.
pub(crate) fn python_number(object: &Bound<'_, PyAny>) -> PyResult<Option<Weak>> {
    if let Ok(number) = object.cast_exact::<PyFloat>() {
        Ok(Some(Weak::Float(number.value())))
    } else if let Ok(number) = object.cast_exact::<PyInt>() {
        integer(number).map(Some)
    } else if let Ok(truth) = object.cast_exact::<PyBool>() {
        Ok(Some(Weak::Bool(truth.is_true())))
    } else if let Ok(number) = object.cast_exact::<PyComplex>() {
        Ok(Some(Weak::Complex(number.real(), number.imag())))
    } else {
        Ok(None)
    }
}

#[inline]
fn integer(number: &Bound<'_, PyInt>) -> PyResult<Weak> {
    let mut overflow: c_int = 0;
    // SAFETY: the thread is attached, and the object is an `int`, for which the call cannot fail.
    let value = unsafe { ffi::PyLong_AsLongLongAndOverflow(number.as_ptr(), &mut overflow) };
    if overflow == 0 { Ok(Weak::Int(value.into())) } else { large_integer(number) }
}

#[cold]
fn large_integer(number: &Bound<'_, PyInt>) -> PyResult<Weak> {
    let value = number.extract::<i128>();
    value
        .map(Weak::Int)
        .map_err(|_| PyOverflowError::new_err("an int of more than 128 bits cannot be an operand"))
}

/// The array that an object of another library is; `None` for any other object.
///
/// ndarrays, NumPy scalars, buffers and DLPack tensors are arrays; nested lists and text are not.
pub(crate) fn array_like(op: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Option<raptors::Array>> {
    let py = object.py();
    let source = source::here(py);
    if let Some(view) = numpy::view(op, object)? {
        return lazy::borrow(object, &view, source).map(Some);
    }
    if let Some(literal) = numpy::scalar(op, object)? {
        return Ok(Some(raptors::Array::scalar(literal, source)));
    }
    if buffer::is_exported(object) {
        return buffer::import(op, object).map(Some);
    }
    if object.hasattr(intern!(py, "__dlpack__"))? && object.hasattr(intern!(py, "__dlpack_device__"))? {
        return dlpack::import(op, object).map(Some);
    }
    Ok(None)
}

/// The operand given to a function.
///
/// # Errors
///
/// `TypeError` for an object that is none.
#[inline]
pub(crate) fn required<'a>(op: &str, object: &'a Bound<'_, PyAny>) -> PyResult<Argument<'a>> {
    match operand(object)? {
        Some(argument) => Ok(argument),
        None => Err(wrong_type(op, "an operand", object, "an array or a number: wrap it with lazy")),
    }
}

/// The array given to a function.
pub(crate) fn array(op: &'static str, object: &Bound<'_, PyAny>) -> PyResult<raptors::Array> {
    required(op, object)?.into_array(op, object.py())
}

/// A number as a literal of a dtype, by NumPy's rules for filling an array.
///
/// # Errors
///
/// `OverflowError` for an integer that the dtype does not hold, `TypeError` for a complex number in a real dtype.
pub(crate) fn literal(op: &'static str, number: Weak, dtype: DType) -> PyResult<Literal> {
    match number {
        Weak::Bool(value) => Ok(Literal::from_f64(dtype, f64::from(u8::from(value)))),
        Weak::Int(value) if dtype.is_integer() => {
            let bits = 8 * dtype.size() as u32;
            let (min, max) = match dtype.kind() {
                Kind::Signed => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
                _ => (0, (1 << bits) - 1),
            };
            if value < min || value > max {
                return Err(exception(Error::IntegerOutOfBounds { op, value, dtype, min, max }));
            }
            Ok(Literal::from_bits(dtype, value as u128))
        }
        Weak::Int(value) if dtype == DType::F32 => Ok(Literal::new(value as f32)),
        Weak::Int(value) => Ok(Literal::from_f64(dtype, value as f64)),
        Weak::Float(value) => Ok(Literal::from_f64(dtype, value)),
        Weak::Complex(real, imag) if dtype.is_complex() => Ok(Literal::complex(dtype, real, imag)),
        Weak::Complex(..) => {
            let name = dtype.numpy_name();
            Err(PyTypeError::new_err(format!(
                "{op}: a complex number does not fit {name}: take its real part"
            )))
        }
    }
}

/// A real number given to a function, Python's or NumPy's, as a weak one.
pub(crate) fn real(op: &str, argument: &str, object: &Bound<'_, PyAny>) -> PyResult<Weak> {
    let py = object.py();
    if let Ok(scalar) = object.cast_exact::<Scalar>() {
        return real(op, argument, &scalar.get().pinned(py));
    }
    match python_number(object)? {
        Some(Weak::Complex(..)) | None => {}
        Some(number) => return Ok(number),
    }
    if let Ok(integer) = object.call_method0(intern!(py, "__index__")) {
        return Ok(Weak::Int(integer.extract()?));
    }
    match object.call_method0(intern!(py, "__float__")) {
        Ok(float) => Ok(Weak::Float(float.extract()?)),
        Err(_) => Err(wrong_type(op, argument, object, "a real number")),
    }
}
