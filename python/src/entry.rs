//! `Array.eval`, `lazy` and `eval` as the interpreter calls them: every expression does, and arguments are mostly not given.
//!
//! In that case nothing is read that was not given, and what need not be asked for is not looked up. A call in any other form
//! goes to the method or function that PyO3 makes, which reads all arguments and has the messages for mistakes in them.

use std::ffi::CString;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use smallvec::SmallVec;

use crate::array::{self, Array};
use crate::detached::shielded;
use crate::evaluations::Wanted;
use crate::{lazy, options, value};

/// What PyO3 made.
static EVAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static LAZY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static EVAL_TOGETHER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Puts the functions of this file in front of what PyO3 made.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let class = py.get_type::<Array>();
    let general = EVAL.get_or_try_init(py, || class.getattr("eval").map(Bound::unbind))?.bind(py);
    let method = definition(general, eval)?;
    // SAFETY: the definition is never freed, and is one of a method of the class.
    let method =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), method))? };
    class.setattr("eval", method)?;
    put_before(module, "lazy", &LAZY, lazy)?;
    put_before(module, "eval", &EVAL_TOGETHER, eval_together)
}

/// Puts a function in the place of the module's of this name, which is kept.
fn put_before(
    module: &Bound<'_, PyModule>,
    name: &str,
    general: &PyOnceLock<Py<PyAny>>,
    function: ffi::PyCFunctionFastWithKeywords,
) -> PyResult<()> {
    let py = module.py();
    let general = general.get_or_try_init(py, || module.getattr(name).map(Bound::unbind))?.bind(py);
    let (function, module_name) = (definition(general, function)?, module.name()?);
    // SAFETY: the definition is never freed; the others are live objects.
    let function = unsafe {
        let function = ffi::PyCFunction_NewEx(function, module.as_ptr(), module_name.as_ptr());
        Bound::from_owned_ptr_or_err(py, function)?
    };
    module.setattr(name, function)
}

/// The definition of a function with the name and the documentation of `general`.
fn definition(
    general: &Bound<'_, PyAny>,
    function: ffi::PyCFunctionFastWithKeywords,
) -> PyResult<*mut ffi::PyMethodDef> {
    let text = |name| general.getattr(name)?.extract::<String>();
    let name = text("__name__")?;
    let doc = CString::new(format!("{name}{}\n--\n\n{}", text("__text_signature__")?, text("__doc__")?))?;
    Ok(Box::into_raw(Box::new(ffi::PyMethodDef {
        ml_name: CString::new(name)?.into_raw(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.into_raw(),
    })))
}

/// `Array.eval`.
///
/// # Safety
///
/// As the interpreter calls a method of `Array`: attached, with so many arguments, and those behind them that `names` names.
unsafe extern "C" fn eval(
    slf: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as for this function.
    let (py, slf) = unsafe {
        let py = Python::assume_attached();
        (py, Borrowed::from_ptr(py, slf))
    };
    answer(py, || {
        if count == 0
            && names.is_null()
            && options::are_usual()
            && let Ok(array) = slf.cast_exact::<Array>()
            && let Some(mut values) = value::deliver_at_hand(py, Wanted::Eval, &[&array.get().0])?
            && let Some(Some(value)) = values.pop()
        {
            return Ok(value);
        }
        // SAFETY: as for this function.
        unsafe { call(py, &EVAL, Some(&slf), arguments, count, names) }
    })
}

/// `lazy`.
///
/// # Safety
///
/// As the interpreter calls a function: attached, with so many arguments, and those behind them that `names` names.
unsafe extern "C" fn lazy(
    _module: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as for this function.
    let py = unsafe { Python::assume_attached() };
    answer(py, || {
        if count == 1 && names.is_null() {
            // SAFETY: there is an argument.
            let object = unsafe { Borrowed::from_ptr(py, *arguments) };
            if let Some(array) = lazy::of_ndarray(&object)? {
                return Ok(array::object(py, array)?.into_bound(py));
            }
        }
        // SAFETY: as for this function.
        unsafe { call(py, &LAZY, None, arguments, count, names) }
    })
}

/// `eval`.
///
/// # Safety
///
/// As for [`lazy`].
unsafe extern "C" fn eval_together(
    _module: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as for this function.
    let py = unsafe { Python::assume_attached() };
    answer(py, || {
        if names.is_null() && options::are_usual() {
            // SAFETY: there are so many arguments.
            let arguments = (0..count as usize).map(|n| unsafe { Borrowed::from_ptr(py, *arguments.add(n)) });
            let arguments: SmallVec<[Borrowed<'_, '_, PyAny>; 4]> = arguments.collect();
            let arrays = arguments.iter().map(|object| Some(&object.cast_exact::<Array>().ok()?.get().0));
            if let Some(arrays) = arrays.collect::<Option<SmallVec<[&raptors::Array; 4]>>>()
                && let Some(values) = value::deliver_at_hand(py, Wanted::Eval, &arrays)?
            {
                return PyTuple::new(py, values).map(Bound::into_any);
            }
        }
        // SAFETY: as for this function.
        unsafe { call(py, &EVAL_TOGETHER, None, arguments, count, names) }
    })
}

/// What a function returns to the interpreter.
#[inline]
fn answer<'py>(py: Python<'py>, run: impl FnOnce() -> PyResult<Bound<'py, PyAny>>) -> *mut ffi::PyObject {
    match shielded(run) {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Calls what PyO3 made.
///
/// # Safety
///
/// There are so many arguments, and those behind them that `names` names.
#[cold]
unsafe fn call<'py>(
    py: Python<'py>,
    general: &PyOnceLock<Py<PyAny>>,
    slf: Option<&Bound<'py, PyAny>>,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: as for this function.
    let (names, argument) = unsafe {
        let names =
            Bound::from_borrowed_ptr_or_opt(py, names).map(|names| names.cast_into_unchecked::<PyTuple>());
        (names, |n: usize| Borrowed::from_ptr(py, *arguments.add(n)))
    };
    let count = count as usize;
    let positional = PyTuple::new(
        py,
        slf.cloned().into_iter().chain((0..count).map(|n| argument(n).to_owned())).collect::<Vec<_>>(),
    )?;
    let named = names.map(|names| {
        let named = PyDict::new(py);
        for (n, name) in names.iter().enumerate() {
            named.set_item(name, argument(count + n))?;
        }
        Ok::<_, PyErr>(named)
    });
    let Some(general) = general.get(py) else {
        unreachable!("it is there before the functions of this file")
    };
    general.bind(py).call(positional, named.transpose()?.as_ref())
}
