//! Dtype objects, and everything that is accepted in their place.
//!
//! `raptors.float32` equals `numpy.dtype("float32")`, `numpy.float32` and `"float32"`; `float`, `int`, `bool` and
//! `complex` stand for the 64-bit (128-bit) dtypes, as in NumPy. A comparison with anything else is false and never
//! raises: other libraries compare dtypes with `None`, and with dtypes that raptors does not have.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::PyTypeInfo;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyString, PyType};
use raptors::DType;
use raptors::ir::Kind;

use crate::error::type_name;
use crate::numpy;

/// The type of one array element: `raptors.float32` and its like.
#[pyclass(frozen, name = "DType", module = "raptors")]
pub(crate) struct PyDType(pub(crate) DType);

#[pymethods]
impl PyDType {
    /// NumPy's name: `'float32'`.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.numpy_name()
    }

    /// NumPy's letter for the family: `'b'` bool, `'i'` signed, `'u'` unsigned, `'f'` float, `'c'` complex.
    #[getter]
    fn kind(&self) -> char {
        match self.0.kind() {
            Kind::Bool => 'b',
            Kind::Signed => 'i',
            Kind::Unsigned => 'u',
            Kind::Float => 'f',
            Kind::Complex => 'c',
        }
    }

    /// Bytes of one element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }

    /// NumPy's letter for the dtype: `'f'` for `float32`. That of `bfloat16` is `ml_dtypes`'.
    #[getter]
    fn char(&self) -> char {
        match self.0 {
            DType::Bool => '?',
            DType::I8 => 'b',
            DType::I16 => 'h',
            DType::I32 => 'i',
            DType::I64 => 'l',
            DType::U8 => 'B',
            DType::U16 => 'H',
            DType::U32 => 'I',
            DType::U64 => 'L',
            DType::F16 => 'e',
            DType::BF16 => 'E',
            DType::F32 => 'f',
            DType::F64 => 'd',
            DType::C64 => 'F',
            DType::C128 => 'D',
        }
    }

    /// The NumPy dtype; imports NumPy.
    #[getter]
    fn __numpy_dtype__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        numpy::dtype_object(py, self.0)
    }

    /// The NumPy dtype, where NumPy before 2.4 looks for it; imports NumPy.
    #[getter]
    fn dtype(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        numpy::dtype_object(py, self.0)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        parse(other) == Some(self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("raptors.{}", self.0.numpy_name())
    }

    fn __str__(&self) -> &'static str {
        self.0.numpy_name()
    }

    /// Pickled as the name of a module attribute.
    fn __reduce__(&self) -> &'static str {
        self.0.numpy_name()
    }
}

/// The dtype objects, in the order of [`DType::ALL`]: one for each dtype, so that `is` works too.
fn objects(py: Python<'_>) -> PyResult<&[Py<PyDType>]> {
    static OBJECTS: PyOnceLock<Vec<Py<PyDType>>> = PyOnceLock::new();
    let all = || DType::ALL.into_iter().map(|dtype| Py::new(py, PyDType(dtype))).collect();
    Ok(OBJECTS.get_or_try_init(py, all)?)
}

/// The object for a dtype.
pub(crate) fn object(py: Python<'_>, dtype: DType) -> PyResult<Py<PyDType>> {
    let found = objects(py)?.iter().find(|object| object.get().0 == dtype);
    found
        .map(|object| object.clone_ref(py))
        .ok_or_else(|| PyTypeError::new_err("dtype: not a dtype of raptors"))
}

/// Adds the dtype objects to the module, by name.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for object in objects(module.py())? {
        module.add(object.get().0.numpy_name(), object)?;
    }
    Ok(())
}

/// The dtype that an object stands for, if it does.
pub(crate) fn parse(object: &Bound<'_, PyAny>) -> Option<DType> {
    if let Ok(dtype) = object.cast_exact::<PyDType>() {
        return Some(dtype.get().0);
    }
    if let Ok(name) = object.cast::<PyString>() {
        return named(name.to_str().ok()?);
    }
    if let Ok(class) = object.cast::<PyType>() {
        let py = object.py();
        let builtins = [
            (PyFloat::type_object_raw(py), DType::F64),
            (PyInt::type_object_raw(py), DType::I64),
            (PyBool::type_object_raw(py), DType::Bool),
            (PyComplex::type_object_raw(py), DType::C128),
        ];
        let builtin = builtins.into_iter().find(|&(builtin, _)| class.as_type_ptr() == builtin);
        return builtin.map(|(_, dtype)| dtype).or_else(|| numpy::dtype_of_class(class));
    }
    numpy::dtype_of_descriptor(object)
}

/// The dtype of NumPy's name or code: `float32`, `f4`, `<f4`, `float`.
fn named(name: &str) -> Option<DType> {
    if let Some(dtype) = DType::ALL.into_iter().find(|dtype| dtype.numpy_name() == name) {
        return Some(dtype);
    }
    let native = if cfg!(target_endian = "little") { '<' } else { '>' };
    match name.trim_start_matches([native, '=', '|']) {
        "?" | "b1" => Some(DType::Bool),
        "i1" => Some(DType::I8),
        "i2" => Some(DType::I16),
        "i4" => Some(DType::I32),
        "i8" | "int" => Some(DType::I64),
        "u1" => Some(DType::U8),
        "u2" => Some(DType::U16),
        "u4" => Some(DType::U32),
        "u8" | "uint" => Some(DType::U64),
        "f2" => Some(DType::F16),
        "f4" => Some(DType::F32),
        "f8" | "float" => Some(DType::F64),
        "c8" => Some(DType::C64),
        "c16" | "complex" => Some(DType::C128),
        _ => None,
    }
}

/// The dtype given for a `dtype` argument.
pub(crate) fn required(op: &str, object: &Bound<'_, PyAny>) -> PyResult<DType> {
    parse(object).ok_or_else(|| {
        let given = match object.cast::<PyType>() {
            Ok(class) => class.name().map_or_else(|_| "a type".to_owned(), |name| name.to_string()),
            Err(_) => object.repr().map_or_else(|_| type_name(object), |text| text.to_string()),
        };
        PyTypeError::new_err(format!(
            "{op}: {given} is no dtype of raptors: use bool, int8 to int64, uint8 to uint64, float16, bfloat16, \
             float32, float64, complex64 or complex128"
        ))
    })
}

/// The dtype given for a `dtype` argument that may be `None`.
pub(crate) fn optional(op: &str, object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<DType>> {
    object.map(|object| required(op, object)).transpose()
}
