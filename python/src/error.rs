//! From raptors' errors to Python's exceptions: the one place that decides which exception a mistake is.
//!
//! The exception is the one NumPy raises for the same mistake, the message is raptors'.

use pyo3::exceptions::{
    PyIndexError, PyMemoryError, PyOverflowError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use raptors::Error;
use raptors::ir::IrError;

/// Results of raptors, as results of a Python call.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception for the error.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    #[inline]
    fn or_raise(self) -> PyResult<T> {
        self.map_err(exception)
    }
}

impl<T> OrRaise<T> for Result<T, IrError> {
    #[inline]
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| exception(Error::Op { error: Box::new(error), operands: Vec::new() }))
    }
}

/// The exception for an error.
#[cold]
pub(crate) fn exception(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Op { error, .. } => match *error {
            IrError::DType { .. } | IrError::DTypeMismatch { .. } => PyTypeError::new_err(message),
            IrError::Index { .. } | IrError::IndexOutOfRange { .. } | IrError::TooManyIndices { .. } => {
                PyIndexError::new_err(message)
            }
            IrError::AxisOutOfRange { .. } => axis_error(message),
            _ => PyValueError::new_err(message),
        },
        Error::IntegerOutOfBounds { .. } => PyOverflowError::new_err(message),
        Error::MachineCodeDiffers(_) => PyRuntimeError::new_err(message),
        Error::OutOfMemory(_) | Error::MemoryLimit { .. } => PyMemoryError::new_err(message),
        Error::Unsupported { .. } | Error::OutMismatch { what: "dtype", .. } => PyTypeError::new_err(message),
        // As NumPy: the truth of many elements is a ValueError, their float a TypeError.
        Error::NotAScalar { op: "bool" | "item", .. } => PyValueError::new_err(message),
        Error::NoValue { .. } | Error::NotAScalar { .. } => PyTypeError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

/// `raptors.AxisError`, which is both a `ValueError` and an `IndexError`.
fn axis_error(message: String) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Python::attach(|py| match CLASS.import(py, "raptors.exceptions", "AxisError") {
        Ok(class) => PyErr::from_type(class.clone(), message),
        Err(error) => error,
    })
}

/// The exception for an argument of a type that a function does not take.
#[cold]
pub(crate) fn wrong_type(op: &str, argument: &str, given: &Bound<'_, PyAny>, needed: &str) -> PyErr {
    PyTypeError::new_err(format!("{op}: {argument} is {}, needs {needed}", type_name(given)))
}

/// The name of an object's type.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "an object".to_owned(), |name| name.to_string())
}
