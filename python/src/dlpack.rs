//! DLPack, both ways: arrays of other libraries borrowed, values of lazy arrays handed out, without a copy.
//!
//! Capsules are versioned (DLPack 1.x) where the other side understands that, so that they can say "read-only";
//! without it, what must not be written is copied. Only memory of the CPU is understood.
//!
//! The structs are DLPack's ABI, <https://dmlc.github.io/dlpack/latest/c_api.html>.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use raptors::array::{Donation, Leaf, Memory};
use raptors::ir::{Kind, Strides};
use raptors::{DType, Shape};

use crate::error::{OrRaise, type_name};
use crate::evaluations::Wanted;
use crate::source;
use crate::value::{Keep, Value, fresh, in_memory};

/// The device of all raptors arrays: kind (CPU) and number.
pub(crate) const DEVICE: (i32, i32) = (1, 0);
/// The newest version understood, which is the one produced.
const VERSION: Version = Version { major: 1, minor: 0 };
const READ_ONLY: u64 = 1 << 0;
const IS_COPIED: u64 = 1 << 1;

#[repr(C)]
struct Device {
    kind: i32,
    id: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device: Device,
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Version {
    major: u32,
    minor: u32,
}

/// `DLManagedTensor`: before version 1.0.
#[repr(C)]
struct Legacy {
    tensor: Tensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Legacy)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
struct Versioned {
    version: Version,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    tensor: Tensor,
}

/// The two kinds of capsule.
trait Managed: Sized + 'static {
    /// The capsule's name while nobody has taken the tensor, and afterwards.
    const NAME: &'static CStr;
    const USED: &'static CStr;
    fn new(tensor: Tensor, flags: u64, context: *mut c_void) -> Self;
    fn tensor(&self) -> &Tensor;
    fn context(&self) -> *mut c_void;
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)>;
}

impl Managed for Legacy {
    const NAME: &'static CStr = c"dltensor";
    const USED: &'static CStr = c"used_dltensor";
    fn new(tensor: Tensor, _flags: u64, context: *mut c_void) -> Legacy {
        Legacy { tensor, context, deleter: Some(delete::<Legacy>) }
    }
    fn tensor(&self) -> &Tensor {
        &self.tensor
    }
    fn context(&self) -> *mut c_void {
        self.context
    }
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Legacy)> {
        self.deleter
    }
}

impl Managed for Versioned {
    const NAME: &'static CStr = c"dltensor_versioned";
    const USED: &'static CStr = c"used_dltensor_versioned";
    fn new(tensor: Tensor, flags: u64, context: *mut c_void) -> Versioned {
        Versioned { version: VERSION, context, deleter: Some(delete::<Versioned>), flags, tensor }
    }
    fn tensor(&self) -> &Tensor {
        &self.tensor
    }
    fn context(&self) -> *mut c_void {
        self.context
    }
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Versioned)> {
        self.deleter
    }
}

/// What is asked of an exported capsule.
pub(crate) struct Request<'a, 'py> {
    pub(crate) stream: Option<&'a Bound<'py, PyAny>>,
    pub(crate) max_version: Option<(u32, u32)>,
    pub(crate) device: Option<(i32, i32)>,
    pub(crate) copy: Option<bool>,
}

/// A capsule of the array's value.
pub(crate) fn export<'py>(
    py: Python<'py>,
    array: &raptors::Array,
    request: &Request<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    if request.stream.is_some() {
        return Err(PyValueError::new_err(
            "__dlpack__: stream must be None: memory of the CPU has no streams",
        ));
    }
    if request.device.is_some_and(|device| device != DEVICE) {
        return Err(PyBufferError::new_err(format!("__dlpack__: the only device is {DEVICE:?}, the CPU")));
    }
    let versioned = request.max_version.is_some_and(|(major, _)| major >= 1);
    let exists = array.is_evaluated();
    let mut value = if request.copy == Some(true) {
        fresh(py, Wanted::DLPack, array)?
    } else {
        in_memory(py, Wanted::DLPack, array)?
    };
    let mut flags = if request.copy == Some(true) { IS_COPIED } else { 0 };
    if exists && request.copy != Some(true) && (!versioned || !is_expressible(&value)) {
        if request.copy == Some(false) {
            let message = "__dlpack__: copy=False, but this memory is read-only, byte-swapped or misaligned, which \
                           DLPack cannot say";
            return Err(PyBufferError::new_err(message));
        }
        (value, flags) = (fresh(py, Wanted::DLPack, array)?, IS_COPIED);
    }
    if !value.writable {
        flags |= READ_ONLY;
    }
    if versioned { capsule::<Versioned>(py, value, flags) } else { capsule::<Legacy>(py, value, flags) }
}

/// Whether strides are whole elements, and elements aligned and in this machine's byte order.
fn is_expressible(value: &Value) -> bool {
    let size = value.dtype.size();
    let strides = value.byte_strides();
    !value.swapped
        && (value.pointer as usize).is_multiple_of(size)
        && strides.iter().all(|stride| stride % size as isize == 0)
}

/// A managed tensor with what it points to; the context of the tensor is the address of this.
struct Exported<M> {
    managed: M,
    _shape: Box<[i64]>,
    _strides: Box<[i64]>,
    _keep: Keep,
}

fn capsule<M: Managed>(py: Python<'_>, value: Value, flags: u64) -> PyResult<Bound<'_, PyAny>> {
    let size = value.dtype.size() as isize;
    let mut shape: Box<[i64]> = value.shape.iter().map(|&dim| dim as i64).collect();
    let mut strides: Box<[i64]> = value.byte_strides().iter().map(|stride| (stride / size) as i64).collect();
    let tensor = Tensor {
        data: value.pointer.cast(),
        device: Device { kind: DEVICE.0, id: DEVICE.1 },
        ndim: shape.len() as i32,
        dtype: data_type(value.dtype),
        shape: shape.as_mut_ptr(),
        strides: strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let mut exported = Box::<Exported<M>>::new_uninit();
    let managed = M::new(tensor, flags, exported.as_mut_ptr().cast());
    let exported = Box::into_raw(Box::write(
        exported,
        Exported { managed, _shape: shape, _strides: strides, _keep: value.keep },
    ));
    // SAFETY: the box was just given up, and is not null.
    let pointer = unsafe { NonNull::from(&mut (*exported).managed) };
    // SAFETY: the pointer is to a live tensor, which the destructor deletes unless a consumer has taken it.
    let capsule = unsafe {
        PyCapsule::new_with_pointer_and_destructor(py, pointer.cast(), M::NAME, Some(destroy_capsule::<M>))
    };
    match capsule {
        Ok(capsule) => Ok(capsule.into_any()),
        Err(error) => {
            // SAFETY: nobody else knows the box.
            drop(unsafe { Box::from_raw(exported) });
            Err(error)
        }
    }
}

/// The deleter of exported tensors. May be called on any thread, attached to Python or not: memory of the pool goes
/// back to it, and a reference to a Python object is dropped when somebody is attached.
unsafe extern "C" fn delete<M: Managed>(managed: *mut M) {
    // SAFETY: the consumer calls this once, with the tensor it was given; its context is the box around it.
    drop(unsafe { Box::from_raw((*managed).context().cast::<Exported<M>>()) });
}

/// Deletes the tensor of a capsule that nobody has taken: one that was is renamed.
unsafe extern "C" fn destroy_capsule<M: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this attached, with a live capsule; one of this name holds a live tensor.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) != 0 {
            delete(ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()).cast::<M>());
        }
    }
}

/// A tensor of another library, which is deleted with this.
struct Imported<M: Managed>(NonNull<M>);

// SAFETY: the tensor is read by evaluations only, and deleted attached to Python, which is what deleters expect.
unsafe impl<M: Managed> Send for Imported<M> {}
// SAFETY: as above.
unsafe impl<M: Managed> Sync for Imported<M> {}

impl<M: Managed> Drop for Imported<M> {
    fn drop(&mut self) {
        // When the interpreter is gone, so are the objects a deleter would touch: the tensor is left alone.
        Python::try_attach(|_| {
            // SAFETY: the tensor was taken from its capsule, so that its deletion is up to this, once.
            unsafe {
                if let Some(deleter) = self.0.as_ref().deleter() {
                    deleter(self.0.as_ptr());
                }
            }
        });
    }
}

/// A lazy array over the memory of an object with `__dlpack__`.
///
/// # Errors
///
/// `BufferError` for memory of another device, `TypeError` for elements that raptors does not have.
pub(crate) fn import(op: &str, object: &Bound<'_, PyAny>) -> PyResult<raptors::Array> {
    let py = object.py();
    let device: (i32, i32) = object.call_method0(intern!(py, "__dlpack_device__"))?.extract()?;
    if device.0 != DEVICE.0 {
        let name = type_name(object);
        let message =
            format!("{op}: {name} is on device {device:?}, only the CPU, device {DEVICE:?}, is supported");
        return Err(PyBufferError::new_err(message));
    }
    let arguments = PyDict::new(py);
    arguments.set_item("max_version", (VERSION.major, VERSION.minor))?;
    let method = object.getattr(intern!(py, "__dlpack__"))?;
    let capsule = match method.call((), Some(&arguments)) {
        // Producers of before version 1.0 do not know the argument.
        Err(error) if error.is_instance_of::<PyTypeError>(py) => method.call0()?,
        capsule => capsule?,
    };
    let capsule = capsule.cast_into::<PyCapsule>()?;
    if capsule.is_valid_checked(Some(Versioned::NAME)) {
        let tensor = take::<Versioned>(&capsule)?;
        // SAFETY: the tensor is live until the owner is dropped. Only the version is read of one that is too new.
        let major = unsafe { (*tensor.0.as_ptr()).version.major };
        if major > VERSION.major {
            return Err(PyBufferError::new_err(format!(
                "{op}: DLPack version {major}, at most 1 is understood"
            )));
        }
        leaf(op, object, tensor)
    } else {
        leaf(op, object, take::<Legacy>(&capsule)?)
    }
}

/// Takes the tensor out of a capsule.
fn take<M: Managed>(capsule: &Bound<'_, PyCapsule>) -> PyResult<Imported<M>> {
    let pointer = capsule.pointer_checked(Some(M::NAME))?;
    // SAFETY: the capsule is live, and the new name a constant; renaming says that the tensor has been taken.
    if unsafe { ffi::PyCapsule_SetName(capsule.as_ptr(), M::USED.as_ptr()) } != 0 {
        return Err(PyErr::fetch(capsule.py()));
    }
    Ok(Imported(pointer.cast()))
}

fn leaf<M: Managed>(op: &str, object: &Bound<'_, PyAny>, owner: Imported<M>) -> PyResult<raptors::Array> {
    // SAFETY: the tensor is live as long as its owner, which this function has.
    let tensor = unsafe { (*owner.0.as_ptr()).tensor() };
    let DataType { code, bits, lanes } = tensor.dtype;
    let Some(dtype) = dtype_of(tensor.dtype) else {
        return Err(PyTypeError::new_err(format!(
            "{op}: DLPack elements of type code {code} with {bits} bits and {lanes} lanes are not supported: bool, \
             integers, floats of 16 to 64 bits and complex numbers are"
        )));
    };
    let ndim = usize::try_from(tensor.ndim).unwrap_or(0);
    let list = |pointer: *mut i64| match ndim {
        0 => &[][..],
        // SAFETY: a tensor of `ndim` > 0 dimensions has that many lengths and, where there are any, strides.
        _ => unsafe { std::slice::from_raw_parts(pointer, ndim) },
    };
    let dims: Vec<usize> = list(tensor.shape).iter().map(|&dim| dim as usize).collect();
    let shape = Shape::new(&dims).or_raise()?;
    let strides: Strides = match tensor.strides.is_null() {
        true => shape.row_major_strides(dtype.size()),
        false => list(tensor.strides).iter().map(|&stride| stride as isize * dtype.size() as isize).collect(),
    };
    let pointer = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize);
    // SAFETY: the producer keeps the memory until its deleter is called, which the owner's drop does; it is not
    // donated. Writing it during an evaluation is against `lazy`'s terms.
    let memory = unsafe { Memory::new(pointer, Box::new(owner)) };
    let leaf = Leaf::new(memory, strides, false, Donation::No);
    Ok(raptors::Array::from_leaf(leaf, dtype, shape, source::here(object.py())))
}

fn data_type(dtype: DType) -> DataType {
    let code = match dtype.kind() {
        _ if dtype == DType::BF16 => 4,
        Kind::Signed => 0,
        Kind::Unsigned => 1,
        Kind::Float => 2,
        Kind::Complex => 5,
        Kind::Bool => 6,
    };
    DataType { code, bits: 8 * dtype.size() as u8, lanes: 1 }
}

fn dtype_of(given: DataType) -> Option<DType> {
    DType::ALL.into_iter().find(|&dtype| {
        let own = data_type(dtype);
        (own.code, own.bits, own.lanes) == (given.code, given.bits, given.lanes)
    })
}
