//! The class `Array`: a handle to a node of the graph.
//!
//! Methods read their arguments and make a node, or evaluate; what they share with the module functions lives in the
//! file of that topic; so do the methods of library ops.

use std::ffi::c_int;

use pyo3::PyTypeInfo;
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use raptors::ir::ElementwiseOp as Op;
use raptors::{ops, views};

use crate::buffer::Export;
use crate::dtype::{self, PyDType};
use crate::evaluations::Wanted;
use crate::index::{self, Rows};
use crate::operand::Argument;
use crate::operators::{self as op, in_place};
use crate::options::of_call;
use crate::plan::{self, Plan};
use crate::reductions::axes;
use crate::value::{self, deliver, item, lazy_or_out, to_ndarray};
use crate::views::{clipped, variadic};
use crate::{dlpack, lazy, protocols, request, source, ufunc};

/// A new array, or what a method gives in its place: `NotImplemented`, or `out`.
type Captured = PyResult<Py<PyAny>>;
type Object<'a, 'py> = &'a Bound<'py, PyAny>;
type Optional<'a, 'py> = Option<&'a Bound<'py, PyAny>>;
type Arguments<'a, 'py> = &'a Bound<'py, PyDict>;

/// A lazy n-dimensional array: an op on other arrays, or memory. Operations on it compute nothing; `eval()` does.
#[pyclass(frozen, weakref, module = "raptors")]
pub(crate) struct Array(pub(crate) raptors::Array);

/// A new Python object for an array: what `Py::new` makes, without the general way of making an object, which takes longer
/// than the object.
#[inline]
pub(crate) fn object(py: Python<'_>, array: raptors::Array) -> PyResult<Py<PyAny>> {
    let Some(&offset) = OFFSET.get(py) else { return first_object(py, array) };
    // SAFETY: the class derives from `object` alone, so that memory of its size that is zero but for the header is an object
    // of it: there is a value at the offset, and a list of weak references, which is null. No zero is a value, so it is
    // written before anybody sees the object.
    unsafe {
        let object =
            Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(Array::type_object_raw(py), 0))?;
        object.as_ptr().byte_add(offset).cast::<Array>().write(Array(array));
        Ok(object.unbind())
    }
}

/// A new array as functions return it: made into an object as [`object`] does.
pub(crate) struct New(pub(crate) raptors::Array);

impl<'py> IntoPyObject<'py> for New {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    #[inline]
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        object(py, self.0).map(|object| object.into_bound(py))
    }
}

/// Where the value is in an object, in bytes from its beginning.
static OFFSET: PyOnceLock<usize> = PyOnceLock::new();

#[cold]
fn first_object(py: Python<'_>, array: raptors::Array) -> PyResult<Py<PyAny>> {
    let object = Bound::new(py, Array(array))?;
    let offset = std::ptr::from_ref(object.get()).addr() - object.as_ptr().addr();
    let _ = OFFSET.set(py, offset);
    Ok(object.into_any().unbind())
}

#[pymethods]
impl Array {
    /// The length of each dimension.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape().iter())
    }

    /// The element type.
    #[getter]
    fn dtype(&self, py: Python<'_>) -> PyResult<Py<PyDType>> {
        dtype::object(py, self.0.dtype())
    }

    /// The number of dimensions.
    #[getter]
    fn ndim(&self) -> usize {
        self.0.ndim()
    }

    /// The number of elements.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    /// The bytes of the elements.
    #[getter]
    fn nbytes(&self) -> usize {
        self.0.nbytes()
    }

    /// Where arrays are: `'cpu'`.
    #[getter]
    fn device(&self) -> &'static str {
        "cpu"
    }

    /// The real part; a real array itself.
    #[getter]
    fn real(&self, py: Python<'_>) -> Captured {
        op::unary(py, Op::Real, self)
    }
    /// The imaginary part; zeros for a real array.
    #[getter]
    fn imag(&self, py: Python<'_>) -> Captured {
        op::unary(py, Op::Imag, self)
    }
    /// The complex conjugate; a real array itself.
    fn conj(&self, py: Python<'_>) -> Captured {
        op::unary(py, Op::Conj, self)
    }

    /// All dimensions in reverse order.
    #[getter(T)]
    fn transposed(&self, py: Python<'_>) -> Captured {
        op::wrap(py, views::transpose(&self.0, source::here(py)))
    }

    /// The last two dimensions exchanged.
    #[getter(mT)]
    fn matrix_transposed(&self, py: Python<'_>) -> Captured {
        op::wrap(py, views::matrix_transpose(&self.0, source::here(py)))
    }

    /// Compute the array into a new ndarray, or into `out`, which is returned.
    ///
    /// The result is handed over and the graph keeps nothing: a later use computes it again, fused with that use.
    /// `cache()` keeps it instead. The GIL is released for more than a few microseconds of work. `out` has the result's
    /// shape and dtype and any strides; it may be one of the inputs, but not overlap one in part. Options are those of
    /// `options`.
    #[pyo3(signature = (out=None, **options))]
    fn eval(&self, py: Python<'_>, out: Optional<'_, '_>, options: Option<Arguments<'_, '_>>) -> Captured {
        deliver(py, Wanted::Eval, &self.0, out, &of_call("eval", py, options)?)
    }

    /// `eval()` for an event loop: computes on another thread, as `eval_async` does.
    fn __await__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        request::awaited(&slf)
    }

    /// Compute the array now and keep the value for later uses; returns the array itself.
    fn cache<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        value::cache(slf.py(), &slf.get().0)?;
        Ok(slf)
    }

    /// What evaluating this array would do, under options as for `options`. Computes nothing, unless `analyze` asks for
    /// it: then the plan is run a few times, on copies of what it overwrites, and knows what that took.
    #[pyo3(signature = (*, analyze=false, **options))]
    fn plan(&self, py: Python<'_>, analyze: bool, options: Option<Arguments<'_, '_>>) -> PyResult<Plan> {
        Plan::of("plan", py, &[&self.0], analyze, options)
    }

    /// What was written, what would run in which memory, why not better, and what each pass changed, as text. Options are
    /// those of `options`.
    ///
    /// `level`: 'plan'; 'lane' for also what each kernel does to an element; 'asm' for also its machine code. `analyze`: as for `plan`; then the text
    /// also has the time of each kernel, beside what this machine does at most. Otherwise nothing is computed.
    #[pyo3(signature = (level="plan", *, analyze=false, **options))]
    fn explain(
        &self,
        py: Python<'_>,
        level: &str,
        analyze: bool,
        options: Option<Arguments<'_, '_>>,
    ) -> PyResult<String> {
        plan::level(level)?;
        Plan::of("explain", py, &[&self.0], analyze, options)?.explain(level)
    }

    /// The value of an array of one element, as a Python number.
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        item(py, Wanted::Item, &self.0)
    }

    /// The elements as nested lists of Python numbers; a number for a 0-d array.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_ndarray(py, Wanted::ToList, &self.0)?.into_bound(py).call_method0(intern!(py, "tolist"))
    }

    /// Converted to a dtype: integers wrap, floats lose their fraction.
    #[pyo3(signature = (dtype, *, copy=true))]
    fn astype(&self, dtype: Object<'_, '_>, copy: bool) -> Captured {
        let _ = copy; // Nothing is written through a lazy array, so a copy cannot be told from the array.
        let (py, target) = (dtype.py(), dtype::required("astype", dtype)?);
        op::wrap(py, ops::cast(&self.0, target, source::here(py)))
    }

    /// The same elements with other dimensions; one length may be -1, and is what remains.
    #[pyo3(signature = (*shape))]
    fn reshape(&self, shape: &Bound<'_, PyTuple>) -> Captured {
        let (py, shape) = (shape.py(), variadic("reshape", "shape", shape)?);
        op::wrap(py, views::reshape(&self.0, &shape, source::here(py)))
    }

    /// The dimensions in another order; reversed without one.
    #[pyo3(signature = (*axes))]
    fn transpose(&self, axes: &Bound<'_, PyTuple>) -> Captured {
        let py = axes.py();
        if axes.is_empty() || (axes.len() == 1 && axes.get_item(0)?.is_none()) {
            return self.transposed(py);
        }
        op::wrap(py, views::permute_dims(&self.0, &variadic("transpose", "axes", axes)?, source::here(py)))
    }

    /// Without dimensions of length 1: those named, or all.
    #[pyo3(signature = (axis=None))]
    fn squeeze(&self, py: Python<'_>, axis: Optional<'_, '_>) -> Captured {
        op::wrap(py, views::squeeze(&self.0, axes("squeeze", axis)?.as_deref(), source::here(py)))
    }

    /// The elements in one dimension.
    fn flatten(&self, py: Python<'_>) -> Captured {
        op::wrap(py, views::reshape(&self.0, &[-1], source::here(py)))
    }

    /// The elements in one dimension.
    fn ravel(&self, py: Python<'_>) -> Captured {
        op::wrap(py, views::reshape(&self.0, &[-1], source::here(py)))
    }

    /// Limited to `min..max`, either of which may be None.
    #[pyo3(signature = (min=None, max=None, out=None))]
    fn clip(
        &self,
        py: Python<'_>,
        min: Optional<'_, '_>,
        max: Optional<'_, '_>,
        out: Optional<'_, '_>,
    ) -> Captured {
        lazy_or_out(py, clipped(py, Argument::Lazy(&self.0), min, max)?, out)
    }

    /// Rounded to a number of decimals, ties to even.
    #[pyo3(signature = (decimals=0, out=None))]
    fn round(&self, py: Python<'_>, decimals: i32, out: Optional<'_, '_>) -> Captured {
        lazy_or_out(py, op::round(py, &self.0, decimals)?, out)
    }

    fn __add__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::Add, self, other)
    }
    fn __radd__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::Add, self, other)
    }
    fn __sub__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::Subtract, self, other)
    }
    fn __rsub__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::Subtract, self, other)
    }
    fn __mul__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::Multiply, self, other)
    }
    fn __rmul__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::Multiply, self, other)
    }
    fn __truediv__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::Divide, self, other)
    }
    fn __rtruediv__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::Divide, self, other)
    }
    fn __floordiv__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::FloorDivide, self, other)
    }
    fn __rfloordiv__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::FloorDivide, self, other)
    }
    fn __mod__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::Remainder, self, other)
    }
    fn __rmod__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::Remainder, self, other)
    }
    fn __and__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::BitwiseAnd, self, other)
    }
    fn __rand__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::BitwiseAnd, self, other)
    }
    fn __or__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::BitwiseOr, self, other)
    }
    fn __ror__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::BitwiseOr, self, other)
    }
    fn __xor__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::BitwiseXor, self, other)
    }
    fn __rxor__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::BitwiseXor, self, other)
    }
    fn __lshift__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::BitwiseLeftShift, self, other)
    }
    fn __rlshift__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::BitwiseLeftShift, self, other)
    }
    fn __rshift__(&self, other: Object<'_, '_>) -> Captured {
        op::binary(Op::BitwiseRightShift, self, other)
    }
    fn __rrshift__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected(Op::BitwiseRightShift, self, other)
    }
    fn __pow__(&self, exponent: Object<'_, '_>, modulo: Optional<'_, '_>) -> Captured {
        if modulo.is_some() { Ok(exponent.py().NotImplemented()) } else { op::power(self, exponent) }
    }
    fn __rpow__(&self, base: Object<'_, '_>, modulo: Optional<'_, '_>) -> Captured {
        if modulo.is_some() { Ok(base.py().NotImplemented()) } else { op::reflected(Op::Pow, self, base) }
    }
    fn __matmul__(&self, other: Object<'_, '_>) -> Captured {
        op::matmul(self, other)
    }
    fn __rmatmul__(&self, other: Object<'_, '_>) -> Captured {
        op::reflected_matmul(self, other)
    }
    fn __richcmp__(&self, other: Object<'_, '_>, comparison: CompareOp) -> Captured {
        op::compare(self, other, comparison)
    }
    fn __neg__(&self, py: Python<'_>) -> Captured {
        op::unary(py, Op::Negative, self)
    }
    fn __pos__(&self, py: Python<'_>) -> Captured {
        op::unary(py, Op::Positive, self)
    }
    fn __abs__(&self, py: Python<'_>) -> Captured {
        op::unary(py, Op::Abs, self)
    }
    fn __invert__(&self, py: Python<'_>) -> Captured {
        op::unary(py, Op::BitwiseInvert, self)
    }

    // The in-place forms return another array than `self`, which PyO3 has no slot for; `name_in_place` names them.
    fn _iadd(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::Add, self, other)
    }
    fn _isub(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::Subtract, self, other)
    }
    fn _imul(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::Multiply, self, other)
    }
    fn _itruediv(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::Divide, self, other)
    }
    fn _ifloordiv(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::FloorDivide, self, other)
    }
    fn _imod(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::Remainder, self, other)
    }
    fn _ipow(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::Pow, self, other)
    }
    fn _iand(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::BitwiseAnd, self, other)
    }
    fn _ior(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::BitwiseOr, self, other)
    }
    fn _ixor(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::BitwiseXor, self, other)
    }
    fn _ilshift(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::BitwiseLeftShift, self, other)
    }
    fn _irshift(&self, other: Object<'_, '_>) -> Captured {
        in_place(Op::BitwiseRightShift, self, other)
    }
    fn _imatmul(&self, other: Object<'_, '_>) -> Captured {
        op::in_place_matmul(self, other)
    }

    fn __getitem__(&self, key: Object<'_, '_>) -> Captured {
        index::get(self, key)
    }

    fn __len__(&self) -> PyResult<usize> {
        let none = || PyTypeError::new_err("len: a 0-d array has no length");
        self.0.shape().first().copied().ok_or_else(none)
    }

    fn __iter__(&self) -> PyResult<Rows> {
        match self.0.ndim() {
            0 => Err(PyTypeError::new_err("iter: a 0-d array has no first axis to iterate over")),
            _ => Ok(Rows::of(&self.0)),
        }
    }

    fn __contains__(&self, value: Object<'_, '_>) -> PyResult<bool> {
        protocols::contains(&self.0, value)
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        item(py, Wanted::Bool, &self.0)?.is_truthy()
    }

    fn __int__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        protocols::int(py, &self.0)
    }

    fn __float__(&self, py: Python<'_>) -> PyResult<f64> {
        item(py, Wanted::Float, &self.0)?.extract()
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        protocols::complex(py, &self.0)
    }

    fn __index__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        protocols::index(py, &self.0)
    }

    /// Never computes.
    fn __repr__(&self) -> String {
        format!("raptors.{:?}", self.0)
    }

    /// For notebooks: the graph as it would run. Never computes; an array in memory has no graph.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        plan::array_html(py, &self.0)
    }

    /// Computes: the text of the values.
    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        to_ndarray(py, Wanted::Str, &self.0)?.bind(py).str()
    }

    fn __format__<'py>(&self, py: Python<'py>, spec: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        protocols::format(py, &self.0, spec)
    }

    /// NumPy's protocol for `numpy.asarray`: memory that exists is shown read-only, unless a copy is asked for.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Optional<'_, 'py>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        protocols::array(py, &self.0, dtype, copy)
    }

    /// Above ndarray's, for code that decides by it whose operator is called.
    #[classattr]
    fn __array_priority__() -> f64 {
        1000.0
    }

    /// NumPy's protocol for its universal functions: those that are ops make a node, others get computed operands.
    #[pyo3(signature = (ufunc, method, *inputs, **arguments))]
    fn __array_ufunc__<'py>(
        &self,
        ufunc: &Bound<'py, PyAny>,
        method: &str,
        inputs: &Bound<'py, PyTuple>,
        arguments: Option<Arguments<'_, 'py>>,
    ) -> Captured {
        ufunc::call(ufunc, method, inputs, arguments)
    }

    /// A DLPack capsule of the value; read-only where the memory is shared with the graph.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Optional<'_, 'py>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        dlpack::export(py, &self.0, &dlpack::Request { stream, max_version, device: dl_device, copy })
    }

    /// The kind and number of the device: `(1, 0)`, the CPU. Computes nothing.
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::DEVICE
    }

    /// # Safety
    ///
    /// As the buffer protocol asks of its caller.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: the interpreter gives a view to fill in.
        unsafe { Export::fill_for(slf.py(), &slf.get().0, view, flags) }
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Computes: the copy has memory of its own.
    fn __deepcopy__(&self, py: Python<'_>, _memo: Object<'_, '_>) -> PyResult<Array> {
        lazy::snapshot(py, Wanted::Deepcopy, &self.0).map(Array)
    }

    /// Computes: what is pickled are the values.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Py<PyAny>,))> {
        let lazy = py.import(intern!(py, "raptors"))?.getattr(intern!(py, "lazy"))?;
        Ok((lazy, (to_ndarray(py, Wanted::Pickle, &self.0)?,)))
    }
}
