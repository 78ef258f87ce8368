//! The buffer protocol (PEP 3118), both ways.
//!
//! In: memoryview, `array.array`, bytes, ctypes arrays and whatever else exports numbers, without NumPy. Out: the
//! value of a lazy array, computed for the view that asks; a leaf or cached array shows its memory, read-only.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_long};
use std::time::{Duration, Instant};

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use raptors::array::{Donation, Leaf, Memory};
use raptors::ir::Strides;
use raptors::{DType, Shape};

use crate::error::{OrRaise, type_name};
use crate::evaluations::Wanted;
use crate::value::{Keep, Value, fresh, in_memory};
use crate::{lazy, source};

/// Whether an object exports a buffer.
pub(crate) fn is_exported(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive.
    unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) != 0 }
}

/// A lazy array over the memory that an object exports, which stays exported while the array lives.
///
/// # Errors
///
/// `TypeError` for elements that are no numbers, or of a kind that raptors does not have.
pub(crate) fn import(op: &'static str, object: &Bound<'_, PyAny>) -> PyResult<raptors::Array> {
    // A memoryview has the shape and strides that some exporters leave out, unless there are no dimensions.
    let view = PyMemoryView::from(object)?.into_any();
    let Ok(buffer) = PyUntypedBuffer::get(&view) else { return lazy::through_numpy(&view) };
    let dtype = dtype_of_format(buffer.format(), buffer.item_size());
    let (Some((dtype, swapped)), None) = (dtype, buffer.suboffsets()) else {
        let (name, format) = (type_name(object), buffer.format().to_string_lossy());
        return Err(PyTypeError::new_err(format!(
            "{op}: a buffer ({name}) with elements of format {format:?} is not supported: bool, integers, floats \
             of 16 to 64 bits and complex numbers are"
        )));
    };
    let shape = Shape::new(buffer.shape()).or_raise()?;
    let strides = Strides::from_slice(buffer.strides());
    // SAFETY: the exporter keeps the memory that shape and strides reach in place until the buffer is released, which
    // its drop does; the memory is not donated. Writing it during an evaluation is against `lazy`'s terms.
    let memory = unsafe { Memory::new(buffer.buf_ptr().cast(), Box::new(buffer)) };
    let leaf = Leaf::new(memory, strides, swapped, Donation::No);
    Ok(raptors::Array::from_leaf(leaf, dtype, shape, source::here(object.py())))
}

/// The dtype of a `struct` format of one element, and whether its byte order is the other one.
///
/// Sizes are the exporter's, not the format's: ctypes writes `<l` for a `long` of 8 bytes.
fn dtype_of_format(format: &CStr, size: usize) -> Option<(DType, bool)> {
    let format = format.to_bytes();
    let (order, code) = match format.split_first()? {
        (order @ (b'@' | b'=' | b'<' | b'>' | b'!'), code) => (*order, code),
        _ => (b'@', format),
    };
    let big = matches!(order, b'>' | b'!');
    let little = order == b'<';
    let other = if cfg!(target_endian = "little") { big } else { little };
    let dtype = match (code, size) {
        (b"?", 1) => DType::Bool,
        (b"b", 1) => DType::I8,
        (b"B", 1) => DType::U8,
        (b"h" | b"i" | b"l" | b"q" | b"n", 2) => DType::I16,
        (b"h" | b"i" | b"l" | b"q" | b"n", 4) => DType::I32,
        (b"h" | b"i" | b"l" | b"q" | b"n", 8) => DType::I64,
        (b"H" | b"I" | b"L" | b"Q" | b"N", 2) => DType::U16,
        (b"H" | b"I" | b"L" | b"Q" | b"N", 4) => DType::U32,
        (b"H" | b"I" | b"L" | b"Q" | b"N", 8) => DType::U64,
        (b"e", 2) => DType::F16,
        (b"f", 4) => DType::F32,
        (b"d", 8) => DType::F64,
        (b"Zf", 8) => DType::C64,
        (b"Zd", 16) => DType::C128,
        _ => return None,
    };
    Some((dtype, other && size > 1))
}

/// The `struct` format of one element, native or in the other byte order; `None` where there is none.
fn format_of(dtype: DType, swapped: bool) -> Option<&'static CStr> {
    // NumPy calls its own 64-bit integers `long` where that has 64 bits.
    let long = size_of::<c_long>() == 8;
    Some(match (dtype, swapped) {
        (DType::BF16, _) => return None,
        (DType::Bool, _) => c"?",
        (DType::I8, _) => c"b",
        (DType::U8, _) => c"B",
        (DType::I16, false) => c"h",
        (DType::I32, false) => c"i",
        (DType::I64, false) if long => c"l",
        (DType::I64, false) => c"q",
        (DType::U16, false) => c"H",
        (DType::U32, false) => c"I",
        (DType::U64, false) if long => c"L",
        (DType::U64, false) => c"Q",
        (DType::F16, false) => c"e",
        (DType::F32, false) => c"f",
        (DType::F64, false) => c"d",
        (DType::C64, false) => c"Zf",
        (DType::C128, false) => c"Zd",
        (DType::I16, true) => other_order(c">h", c"<h"),
        (DType::I32, true) => other_order(c">i", c"<i"),
        (DType::I64, true) => other_order(c">q", c"<q"),
        (DType::U16, true) => other_order(c">H", c"<H"),
        (DType::U32, true) => other_order(c">I", c"<I"),
        (DType::U64, true) => other_order(c">Q", c"<Q"),
        (DType::F16, true) => other_order(c">e", c"<e"),
        (DType::F32, true) => other_order(c">f", c"<f"),
        (DType::F64, true) => other_order(c">d", c"<d"),
        (DType::C64, true) => other_order(c">Zf", c"<Zf"),
        (DType::C128, true) => other_order(c">Zd", c"<Zd"),
    })
}

#[cold]
fn no_format() -> PyErr {
    PyBufferError::new_err("buffer: bfloat16 has no format: use DLPack, or convert with astype")
}

fn other_order(big: &'static CStr, little: &'static CStr) -> &'static CStr {
    if cfg!(target_endian = "little") { big } else { little }
}

/// A value that views are made of; it outlives them.
#[pyclass(frozen, name = "Buffer", module = "raptors._core")]
pub(crate) struct Export {
    pointer: *mut u8,
    dtype: DType,
    shape: Box<[isize]>,
    strides: Box<[isize]>,
    format: &'static CStr,
    writable: bool,
    is_row_major: bool,
    _keep: Keep,
}

// SAFETY: the address is only handed out, to views that promise what the buffer protocol asks of them.
unsafe impl Send for Export {}
// SAFETY: as above.
unsafe impl Sync for Export {}

impl Export {
    fn new(value: Value) -> PyResult<Export> {
        let format = format_of(value.dtype, value.swapped).ok_or_else(no_format)?;
        let strides = value.byte_strides();
        let row_major = value.shape.row_major_strides(value.dtype.size());
        let mut dims = value.shape.iter().zip(&strides).zip(&row_major);
        let is_row_major = value.shape.size() == 0 || dims.all(|((&dim, a), b)| dim == 1 || a == b);
        Ok(Export {
            pointer: value.pointer,
            dtype: value.dtype,
            shape: value.shape.iter().map(|&dim| dim as isize).collect(),
            strides: strides.iter().copied().collect(),
            format,
            writable: value.writable,
            is_row_major,
            _keep: value.keep,
        })
    }

    /// Whether a view asked for with these flags can be made of this memory.
    fn suits(&self, flags: c_int) -> bool {
        let has = |flag: c_int| flags & flag == flag;
        let any_layout = has(ffi::PyBUF_STRIDES)
            && !has(ffi::PyBUF_C_CONTIGUOUS)
            && !has(ffi::PyBUF_F_CONTIGUOUS)
            && !has(ffi::PyBUF_ANY_CONTIGUOUS);
        any_layout || (self.is_row_major && (self.shape.len() < 2 || !has(ffi::PyBUF_F_CONTIGUOUS)))
    }

    /// Fills in a view of the array's value: its memory if it is in memory in a layout that suits, else one that is
    /// computed for the view.
    ///
    /// # Safety
    ///
    /// As for [`Export::fill`].
    pub(crate) unsafe fn fill_for(
        py: Python<'_>,
        array: &raptors::Array,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if format_of(array.dtype(), false).is_none() {
            return Err(no_format());
        }
        let value = in_memory(py, Wanted::AsArray, array).and_then(Export::new);
        let value = match value {
            Ok(export) if !export.suits(flags) => fresh(py, Wanted::AsArray, array).and_then(Export::new),
            value => value,
        };
        let export = value.inspect_err(|error| {
            let failed =
                Failed { array: std::ptr::from_ref(array), at: Instant::now(), error: error.clone_ref(py) };
            FAILED.set(Some(failed));
        })?;
        // SAFETY: as for this function.
        unsafe { Export::fill(Bound::new(py, export)?, view, flags) }
    }

    /// Fills in a view of `export`.
    ///
    /// # Safety
    ///
    /// `view` is null, or points to a `Py_buffer` that may be written.
    unsafe fn fill(export: Bound<'_, Export>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("buffer: no view is given"));
        }
        // SAFETY: not null, and writable by this function's contract. A view without object is none.
        unsafe { (*view).obj = std::ptr::null_mut() };
        let this = export.get();
        let has = |flag: c_int| flags & flag == flag;
        if has(ffi::PyBUF_WRITABLE) && !this.writable {
            return Err(PyBufferError::new_err(
                "buffer: the value of this array is shared with its graph: read-only",
            ));
        }
        if !this.suits(flags) {
            return Err(PyBufferError::new_err(
                "buffer: the elements are not contiguous in the order asked for",
            ));
        }
        let (item, size) = (this.dtype.size(), this.shape.iter().product::<isize>());
        let if_has = |flag: c_int, list: &[isize]| match has(flag) {
            true => list.as_ptr().cast_mut(),
            false => std::ptr::null_mut(),
        };
        // SAFETY: as above. What the fields point to lives as long as `export`, to which the view holds a reference.
        unsafe {
            (*view).buf = this.pointer.cast();
            (*view).len = size * item as isize;
            (*view).itemsize = item as isize;
            (*view).readonly = c_int::from(!this.writable);
            (*view).ndim = this.shape.len() as c_int;
            (*view).format = match has(ffi::PyBUF_FORMAT) {
                true => this.format.as_ptr().cast_mut(),
                false => std::ptr::null_mut(),
            };
            (*view).shape = if_has(ffi::PyBUF_ND, &this.shape);
            (*view).strides = if_has(ffi::PyBUF_STRIDES, &this.strides);
            (*view).suboffsets = std::ptr::null_mut();
            (*view).internal = std::ptr::null_mut();
            (*view).obj = export.into_ptr();
        }
        Ok(())
    }
}

/// An evaluation for a buffer that failed.
struct Failed {
    array: *const raptors::Array,
    at: Instant,
    error: PyErr,
}

thread_local! {
    /// The last one of this thread.
    static FAILED: Cell<Option<Failed>> = const { Cell::new(None) };
}

/// The error for which this thread got no buffer of the array a moment ago.
///
/// NumPy asks for a buffer, ignores every error, also that of a Ctrl-C, and goes on to ask for `__array__`.
///
/// # Errors
///
/// That one.
pub(crate) fn raise_ignored(array: &raptors::Array) -> PyResult<()> {
    const A_MOMENT: Duration = Duration::from_millis(50);
    match FAILED.take() {
        Some(Failed { array: failed, at, error })
            if std::ptr::eq(failed, array) && at.elapsed() < A_MOMENT =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[pymethods]
impl Export {
    /// # Safety
    ///
    /// As the buffer protocol asks of its caller.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: the interpreter gives a view to fill in.
        unsafe { Export::fill(slf, view, flags) }
    }
}
