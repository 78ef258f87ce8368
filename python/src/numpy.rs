//! NumPy's C API: headers of ndarrays read, ndarrays over raptors' memory made.
//!
//! NumPy is imported the first time a result needs it, never to look at an operand: where `numpy` has not been
//! imported, no object is an ndarray. The API's struct fields are read directly; they are part of NumPy's ABI.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use numpy::npyffi::{
    self, NPY_ARRAY_ALIGNED, NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_CARRAY, NPY_ARRAY_WRITEABLE, NPY_TYPES,
    NpyTypes, PY_ARRAY_API, PyArray_Descr, PyArrayObject, get_type_object,
};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use raptors::ir::{Literal, Strides};
use raptors::{DType, Shape, Type};

use crate::error::OrRaise;
use crate::value::Value;

/// Whether the C API is there to be called: it must be, once NumPy has been imported without an error.
static LOADED: AtomicBool = AtomicBool::new(false);

/// Makes sure that NumPy is imported.
///
/// # Errors
///
/// `ImportError` where there is no NumPy.
#[inline]
pub(crate) fn load(py: Python<'_>) -> PyResult<()> {
    if LOADED.load(Ordering::Relaxed) { Ok(()) } else { import(py) }
}

/// Makes sure that there can be ndarrays of a dtype.
///
/// # Errors
///
/// `ImportError` where there is no NumPy, or, for `bfloat16`, no `ml_dtypes`.
#[inline]
pub(crate) fn load_for(py: Python<'_>, dtype: DType) -> PyResult<()> {
    load(py)?;
    if dtype == DType::BF16 { bfloat16_object(py).map(drop) } else { Ok(()) }
}

#[cold]
fn import(py: Python<'_>) -> PyResult<()> {
    match py.import("numpy") {
        Ok(_) => {
            LOADED.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => {
            let message = "eval: results are NumPy arrays, and NumPy cannot be imported: pip install numpy";
            let raised = PyImportError::new_err(message);
            raised.set_cause(py, Some(error));
            Err(raised)
        }
    }
}

/// Whether the process has imported NumPy, so that there may be ndarrays.
#[inline]
fn is_loaded(py: Python<'_>) -> bool {
    LOADED.load(Ordering::Relaxed) || was_imported(py)
}

#[cold]
fn was_imported(py: Python<'_>) -> bool {
    static MODULES: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    let modules = MODULES.get_or_init(py, || Some(py.import("sys").ok()?.getattr("modules").ok()?.unbind()));
    // The last module of NumPy's own import: before it is there, an object may exist, but not yet with a user.
    let present = modules
        .as_ref()
        .and_then(|modules| modules.bind(py).contains(intern!(py, "numpy._core.multiarray")).ok())
        .unwrap_or(false);
    present && load(py).is_ok()
}

/// NumPy's array type, once NumPy is known to be loaded.
static ARRAY_TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// NumPy's array type; NumPy is loaded.
#[inline]
fn array_type(py: Python<'_>) -> *mut ffi::PyTypeObject {
    let class = ARRAY_TYPE.load(Ordering::Relaxed);
    if !class.is_null() {
        return class;
    }
    // SAFETY: NumPy is loaded.
    let class = unsafe { get_type_object(py, NpyTypes::PyArray_Type) };
    ARRAY_TYPE.store(class, Ordering::Relaxed);
    class
}

/// The ndarray that an object is, if it is one.
#[inline]
fn ndarray<'a>(object: &'a Bound<'_, PyAny>) -> Option<&'a PyArrayObject> {
    let py = object.py();
    if object.get_type_ptr() == ARRAY_TYPE.load(Ordering::Relaxed) {
        // SAFETY: an ndarray begins with a `PyArrayObject`, and lives as long as the reference to it.
        return Some(unsafe { &*object.as_ptr().cast::<PyArrayObject>() });
    }
    if !is_loaded(py) {
        return None;
    }
    // SAFETY: NumPy is loaded; an instance of its array type begins with a `PyArrayObject`, and lives as long as
    // the reference to it.
    unsafe {
        (npyffi::PyArray_Check(py, object.as_ptr()) != 0).then(|| &*object.as_ptr().cast::<PyArrayObject>())
    }
}

/// The number of dimensions of an ndarray; `None` for any other object.
#[inline]
pub(crate) fn ndim(object: &Bound<'_, PyAny>) -> Option<usize> {
    ndarray(object).map(|array| array.fields.nd as usize)
}

/// Whether an ndarray is of a subclass with a mask, which its memory does not show.
#[inline]
fn is_masked(object: &Bound<'_, PyAny>) -> bool {
    object.get_type_ptr() != array_type(object.py())
        && object.hasattr(intern!(object.py(), "mask")).unwrap_or(false)
}

/// What an ndarray's header says.
pub(crate) struct Header {
    pub(crate) pointer: *mut u8,
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    pub(crate) strides: Strides,
    pub(crate) swapped: bool,
    pub(crate) writable: bool,
}

/// A look at an ndarray's header.
pub(crate) struct View<'a> {
    pub(crate) pointer: *mut u8,
    pub(crate) dtype: DType,
    pub(crate) dims: &'a [usize],
    /// Bytes between neighbours, per dimension.
    pub(crate) strides: &'a [isize],
    pub(crate) swapped: bool,
    pub(crate) writable: bool,
    /// Whether NumPy has it as row-major and aligned.
    pub(crate) is_plain: bool,
}

/// The header of an ndarray; `None` for any other object.
///
/// # Errors
///
/// `TypeError` for a dtype that raptors does not have; `op` begins the message.
pub(crate) fn header(op: &str, object: &Bound<'_, PyAny>) -> PyResult<Option<Header>> {
    let Some(view) = view(op, object)? else { return Ok(None) };
    let View { pointer, dtype, dims, strides, swapped, writable, is_plain: _ } = view;
    let (shape, strides) = (Shape::new(dims).or_raise()?, Strides::from_slice(strides));
    Ok(Some(Header { pointer, dtype, shape, strides, swapped, writable }))
}

/// As [`header`], without copies of its lists.
///
/// # Errors
///
/// As [`header`].
pub(crate) fn view<'a>(op: &str, object: &'a Bound<'_, PyAny>) -> PyResult<Option<View<'a>>> {
    let Some(array) = ndarray(object) else { return Ok(None) };
    if is_masked(object) {
        return Err(PyTypeError::new_err(format!(
            "{op}: a masked array has no values where it is masked: use filled()"
        )));
    }
    let fields = &array.fields;
    // SAFETY: an ndarray has a descriptor, which lives as long as the array.
    let descriptor = unsafe { &(*fields.descr).fields };
    let Some(dtype) = dtype_of_number(object.py(), descriptor.type_num) else {
        return Err(unsupported(op, object));
    };
    let ndim = fields.nd as usize;
    let (dims, strides) = match ndim {
        0 => (&[][..], &[][..]),
        // SAFETY: an ndarray of `nd` > 0 dimensions has `nd` lengths, none negative, and `nd` strides.
        _ => unsafe {
            let dims = std::slice::from_raw_parts(fields.dimensions.cast::<usize>(), ndim);
            (dims, std::slice::from_raw_parts(fields.strides, ndim))
        },
    };
    let plain = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
    Ok(Some(View {
        pointer: fields.data.cast(),
        dtype,
        dims,
        strides,
        swapped: is_swapped(descriptor.byteorder as u8),
        writable: fields.flags & NPY_ARRAY_WRITEABLE != 0,
        is_plain: fields.flags & plain == plain,
    }))
}

#[cold]
fn unsupported(op: &str, object: &Bound<'_, PyAny>) -> PyErr {
    let name = object.getattr("dtype").and_then(|dtype| dtype.getattr("name")?.extract::<String>());
    let name = name.unwrap_or_else(|_| "another dtype".to_owned());
    PyTypeError::new_err(format!(
        "{op}: arrays of {name} are not supported: convert with astype to bool, an integer dtype, float16, float32, \
         float64, complex64 or complex128"
    ))
}

fn is_swapped(byteorder: u8) -> bool {
    byteorder == if cfg!(target_endian = "little") { b'>' } else { b'<' }
}

/// The dtype of a NumPy type number. C's integer types are known by their sizes.
fn dtype_of_number(py: Python<'_>, number: c_int) -> Option<DType> {
    const fn signed(size: usize) -> DType {
        if size == 8 { DType::I64 } else { DType::I32 }
    }
    const fn unsigned(size: usize) -> DType {
        if size == 8 { DType::U64 } else { DType::U32 }
    }
    const BY_NUMBER: [Option<DType>; 16] = [
        Some(DType::Bool),
        Some(DType::I8),
        Some(DType::U8),
        Some(DType::I16),
        Some(DType::U16),
        Some(DType::I32),
        Some(DType::U32),
        Some(signed(size_of::<c_long>())),
        Some(unsigned(size_of::<c_long>())),
        Some(DType::I64),
        Some(DType::U64),
        Some(DType::F32),
        Some(DType::F64),
        None,
        Some(DType::C64),
        Some(DType::C128),
    ];
    if number == NPY_TYPES::NPY_HALF as c_int {
        return Some(DType::F16);
    }
    if number >= NPY_TYPES::NPY_USERDEF as c_int {
        return (bfloat16_number(py) == Some(number)).then_some(DType::BF16);
    }
    BY_NUMBER.get(usize::try_from(number).ok()?).copied().flatten()
}

/// The number that NumPy gave the type `bfloat16` of `ml_dtypes`; `None` while nobody has imported that.
fn bfloat16_number(py: Python<'_>) -> Option<c_int> {
    /// Zero is `bool`'s number.
    static NUMBER: AtomicI32 = AtomicI32::new(0);
    let known = NUMBER.load(Ordering::Relaxed);
    if known != 0 {
        return Some(known);
    }
    let modules = py.import(intern!(py, "sys")).ok()?.getattr(intern!(py, "modules")).ok()?;
    if !modules.contains(intern!(py, "ml_dtypes")).ok()? {
        return None;
    }
    let number = bfloat16_object(py).ok()?.getattr(intern!(py, "num")).ok()?.extract().ok()?;
    NUMBER.store(number, Ordering::Relaxed);
    Some(number)
}

/// NumPy's dtype object for `bfloat16`; imports `ml_dtypes`.
fn bfloat16_object(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static OBJECT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let object = OBJECT.get_or_try_init(py, || {
        let module = py.import("ml_dtypes").map_err(|error| {
            let message = "NumPy has no bfloat16 of its own, and ml_dtypes cannot be imported: pip install \
                           ml_dtypes, take the result with DLPack, or convert with astype to float32";
            let raised = PyImportError::new_err(message);
            raised.set_cause(py, Some(error));
            raised
        })?;
        let numpy = py.import(intern!(py, "numpy"))?;
        let dtype = numpy.call_method1(intern!(py, "dtype"), (module.getattr("bfloat16")?,))?;
        Ok::<_, PyErr>(dtype.unbind())
    })?;
    Ok(object.bind(py).clone())
}

/// The type number of NumPy's own type for a dtype; `None` where it has none.
fn number_of(dtype: DType) -> Option<NPY_TYPES> {
    let long = size_of::<c_long>() == 8;
    Some(match dtype {
        DType::BF16 => return None,
        DType::Bool => NPY_TYPES::NPY_BOOL,
        DType::I8 => NPY_TYPES::NPY_BYTE,
        DType::I16 => NPY_TYPES::NPY_SHORT,
        DType::I32 => NPY_TYPES::NPY_INT,
        DType::I64 if long => NPY_TYPES::NPY_LONG,
        DType::I64 => NPY_TYPES::NPY_LONGLONG,
        DType::U8 => NPY_TYPES::NPY_UBYTE,
        DType::U16 => NPY_TYPES::NPY_USHORT,
        DType::U32 => NPY_TYPES::NPY_UINT,
        DType::U64 if long => NPY_TYPES::NPY_ULONG,
        DType::U64 => NPY_TYPES::NPY_ULONGLONG,
        DType::F16 => NPY_TYPES::NPY_HALF,
        DType::F32 => NPY_TYPES::NPY_FLOAT,
        DType::F64 => NPY_TYPES::NPY_DOUBLE,
        DType::C64 => NPY_TYPES::NPY_CFLOAT,
        DType::C128 => NPY_TYPES::NPY_CDOUBLE,
    })
}

/// The NumPy dtype object for a dtype, which is kept alive.
#[inline]
fn kept_descriptor(py: Python<'_>, dtype: DType) -> PyResult<*mut PyArray_Descr> {
    static KEPT: [AtomicPtr<ffi::PyObject>; DType::ALL.len()] =
        [const { AtomicPtr::new(ptr::null_mut()) }; DType::ALL.len()];
    let kept = &KEPT[dtype as usize];
    let mut object = kept.load(Ordering::Relaxed);
    if object.is_null() {
        object = dtype_object(py, dtype)?.into_ptr();
        kept.store(object, Ordering::Relaxed);
    }
    Ok(object.cast())
}

/// A new reference to the NumPy dtype object for a dtype.
#[inline]
fn descriptor(py: Python<'_>, dtype: DType) -> PyResult<*mut PyArray_Descr> {
    let object = kept_descriptor(py, dtype)?;
    // SAFETY: the object is alive: the first reference to it is never given up.
    unsafe { ffi::Py_INCREF(object.cast()) };
    Ok(object)
}

/// The NumPy dtype object for a dtype.
pub(crate) fn dtype_object(py: Python<'_>, dtype: DType) -> PyResult<Py<PyAny>> {
    load(py)?;
    let Some(number) = number_of(dtype) else { return bfloat16_object(py).map(Bound::unbind) };
    // SAFETY: NumPy is loaded, and the number is of a built-in type; the result is a new reference.
    unsafe {
        let descriptor = PY_ARRAY_API.PyArray_DescrFromType(py, number as c_int);
        Bound::from_owned_ptr_or_err(py, descriptor.cast()).map(Bound::unbind)
    }
}

/// The dtype of a native `numpy.dtype` object.
pub(crate) fn dtype_of_descriptor(object: &Bound<'_, PyAny>) -> Option<DType> {
    let py = object.py();
    if !is_loaded(py) {
        return None;
    }
    // SAFETY: NumPy is loaded; an instance of its dtype class begins with a `PyArray_Descr`.
    let descriptor = unsafe {
        let class = get_type_object(py, NpyTypes::PyArrayDescr_Type);
        if ffi::PyObject_TypeCheck(object.as_ptr(), class) == 0 {
            return None;
        }
        &(*object.as_ptr().cast::<PyArray_Descr>()).fields
    };
    if is_swapped(descriptor.byteorder as u8) { None } else { dtype_of_number(py, descriptor.type_num) }
}

/// The dtype of a NumPy scalar class, such as `numpy.float32`.
pub(crate) fn dtype_of_class(class: &Bound<'_, PyType>) -> Option<DType> {
    let py = class.py();
    if !is_loaded(py) {
        return None;
    }
    let is_of = |dtype: &DType| {
        // SAFETY: a dtype object of NumPy begins with a `PyArray_Descr`, and is kept.
        kept_descriptor(py, *dtype).is_ok_and(|of| unsafe { (*of).fields.typeobj } == class.as_type_ptr())
    };
    if let Some(dtype) = DType::ALL.into_iter().filter(|dtype| number_of(*dtype).is_some()).find(is_of) {
        return Some(dtype);
    }
    // SAFETY: NumPy is loaded; the type of a subclass of `numpy.generic` has a descriptor, a new reference.
    let descriptor = unsafe {
        let generic = get_type_object(py, NpyTypes::PyGenericArrType_Type);
        if ffi::PyType_IsSubtype(class.as_type_ptr(), generic) == 0 {
            return None;
        }
        let descriptor = PY_ARRAY_API.PyArray_DescrFromTypeObject(py, class.as_ptr());
        Bound::from_owned_ptr_or_opt(py, descriptor.cast())?
    };
    dtype_of_descriptor(&descriptor)
}

/// The value of a NumPy scalar; `None` for any other object.
///
/// # Errors
///
/// `TypeError` for a dtype that raptors does not have.
pub(crate) fn scalar(op: &str, object: &Bound<'_, PyAny>) -> PyResult<Option<Literal>> {
    let py = object.py();
    if !is_loaded(py) {
        return Ok(None);
    }
    // SAFETY: NumPy is loaded.
    let generic = unsafe { get_type_object(py, NpyTypes::PyGenericArrType_Type) };
    // SAFETY: both are live objects, the second a type.
    if unsafe { ffi::PyObject_TypeCheck(object.as_ptr(), generic) } == 0 {
        return Ok(None);
    }
    let Some(dtype) = dtype_of_class(&object.get_type()) else { return Err(unsupported(op, object)) };
    if dtype == DType::BF16 {
        return Ok(Some(Literal::from_f64(dtype, object.extract()?)));
    }
    let mut bytes = [0u8; 16];
    // SAFETY: the scalar is of a built-in numeric type of at most 16 bytes, which are copied in native order.
    unsafe { PY_ARRAY_API.PyArray_ScalarAsCtype(py, object.as_ptr(), bytes.as_mut_ptr().cast()) };
    Ok(Some(Literal::from_bits(dtype, u128::from_ne_bytes(bytes))))
}

/// An ndarray in memory of NumPy's own, which has not been written.
pub(crate) fn uninitialized<'py>(py: Python<'py>, ty: &Type) -> PyResult<(Bound<'py, PyAny>, *mut u8)> {
    load(py)?;
    let (ndim, dims) = (ty.shape.len() as c_int, ty.shape.as_ptr().cast_mut().cast());
    let no_object = std::ptr::null_mut();
    let descriptor = descriptor(py, ty.dtype)?;
    // SAFETY: NumPy is loaded. There are as many lengths as dimensions, which are copied. The reference to the descriptor is
    // handed over; the result is a new reference, or null with an exception.
    unsafe {
        let class = array_type(py);
        let (strides, data) = (std::ptr::null_mut(), std::ptr::null_mut());
        let array =
            PY_ARRAY_API.PyArray_NewFromDescr(py, class, descriptor, ndim, dims, strides, data, 0, no_object);
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        let pointer = (*array.as_ptr().cast::<PyArrayObject>()).fields.data.cast();
        Ok((array, pointer))
    }
}

/// An ndarray over a value's memory, which it keeps alive.
pub(crate) fn new_ndarray(py: Python<'_>, value: Value) -> PyResult<Py<PyAny>> {
    let Value { pointer, dtype, shape, strides, swapped, writable, keep } = value;
    let mut descriptor = dtype_object(py, dtype)?.into_ptr().cast::<PyArray_Descr>();
    if swapped {
        let native = descriptor;
        // SAFETY: the descriptor is live; the result is a new reference or null, and the first is given back.
        unsafe {
            descriptor = PY_ARRAY_API.PyArray_DescrNewByteorder(py, native, b's' as _);
            ffi::Py_DECREF(native.cast());
        }
    }
    if descriptor.is_null() {
        return Err(PyErr::fetch(py));
    }
    let flags = if writable { NPY_ARRAY_CARRAY } else { NPY_ARRAY_ALIGNED };
    let dims = shape.as_ptr().cast_mut().cast();
    let strides = strides.as_ref().map_or(std::ptr::null_mut(), |strides| strides.as_ptr().cast_mut());
    // SAFETY: there are as many lengths, and strides or none, as dimensions; lengths fit an `isize`. They are copied,
    // not written. The memory is readable, and writable if the flags say so, wherever they reach, as long as `keep`
    // lives, which the new array keeps alive below. The reference to the descriptor is handed over.
    let array = unsafe {
        let class = array_type(py);
        let (ndim, data) = (shape.len() as c_int, pointer.cast::<c_void>());
        let null = std::ptr::null_mut();
        let array =
            PY_ARRAY_API.PyArray_NewFromDescr(py, class, descriptor, ndim, dims, strides, data, flags, null);
        Bound::from_owned_ptr_or_err(py, array)?
    };
    let base = Py::new(py, keep)?;
    // SAFETY: the array is one, without a base; the reference to the base is handed over, also in failure.
    if unsafe { PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), base.into_ptr()) } < 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(array.unbind())
}

/// `numpy.asarray(object)`.
pub(crate) fn asarray<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    load(py)?;
    py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "asarray"), (object,))
}
