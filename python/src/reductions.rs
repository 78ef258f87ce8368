//! Reductions: arguments read, the module functions, and the methods of `Array`.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use raptors::ir::ReduceOp;
use raptors::ops::{self, Axes};
use smallvec::SmallVec;

use crate::array::{Array, New};
use crate::error::{OrRaise, wrong_type};
use crate::value::lazy_or_out;
use crate::{dtype, operand, source};

/// A few axes, as given: negative ones count from the end.
pub(crate) type AxisList = SmallVec<[isize; 4]>;

/// One integer argument.
pub(crate) fn integer(op: &str, argument: &str, object: &Bound<'_, PyAny>) -> PyResult<isize> {
    // SAFETY: the object is alive. Without `__index__`, as for a float, the call would fail with a message that does
    // not name the argument.
    let is_integer = unsafe { ffi::PyIndex_Check(object.as_ptr()) != 0 };
    if is_integer { object.extract() } else { Err(wrong_type(op, argument, object, "an integer")) }
}

/// An `axis` argument: `None`, an integer, or several.
pub(crate) fn axes(op: &str, axis: Option<&Bound<'_, PyAny>>) -> PyResult<Option<AxisList>> {
    let Some(axis) = axis else { return Ok(None) };
    if axis.is_instance_of::<PyTuple>() || axis.is_instance_of::<PyList>() {
        let list: PyResult<AxisList> = axis.try_iter()?.map(|axis| integer(op, "axis", &axis?)).collect();
        return list.map(Some);
    }
    Ok(Some(AxisList::from_slice(&[integer(op, "axis", axis)?])))
}

/// The `axis` argument of `argmin` and `argmax`: one or none.
fn one_axis(op: &str, axis: Option<&Bound<'_, PyAny>>) -> PyResult<Option<isize>> {
    match axis {
        Some(axis) if axis.is_instance_of::<PyTuple>() || axis.is_instance_of::<PyList>() => {
            Err(PyTypeError::new_err(format!("{op}: axis is several, needs one integer or None")))
        }
        Some(axis) => integer(op, "axis", axis).map(Some),
        None => Ok(None),
    }
}

pub(crate) fn kept(keepdims: bool) -> Axes {
    if keepdims { Axes::Keep } else { Axes::Drop }
}

/// A reduction over axes.
pub(crate) fn reduce(
    py: Python<'_>,
    op: ReduceOp,
    x: &raptors::Array,
    axis: Option<&Bound<'_, PyAny>>,
    kept: Axes,
    dtype: Option<&Bound<'_, PyAny>>,
) -> PyResult<raptors::Array> {
    let (name, source) = (op.name(), source::here(py));
    let dtype = dtype::optional(name, dtype)?;
    match op {
        ReduceOp::Argmin | ReduceOp::Argmax => ops::arg_reduce(op, x, one_axis(name, axis)?, kept, source),
        _ => ops::reduce(op, x, axes(name, axis)?.as_deref(), kept, dtype, source),
    }
    .or_raise()
}

/// The operand of `op`, converted where a dtype to compute in is given.
pub(crate) fn converted(
    op: &str,
    py: Python<'_>,
    x: &raptors::Array,
    dtype: Option<&Bound<'_, PyAny>>,
) -> PyResult<raptors::Array> {
    match dtype::optional(op, dtype)? {
        Some(dtype) => ops::cast(x, dtype, source::here(py)).or_raise(),
        None => Ok(x.clone()),
    }
}

/// The arithmetic mean.
pub(crate) fn mean_of(
    py: Python<'_>,
    x: &raptors::Array,
    axis: Option<&Bound<'_, PyAny>>,
    kept: Axes,
    dtype: Option<&Bound<'_, PyAny>>,
) -> PyResult<raptors::Array> {
    let (axes, dtype) = (axes("mean", axis)?, dtype::optional("mean", dtype)?);
    ops::mean(x, axes.as_deref(), kept, dtype, source::here(py)).or_raise()
}

/// Variance or standard deviation.
#[derive(Clone, Copy)]
pub(crate) enum Spread {
    /// The mean of squared distances.
    Var,
    /// Its square root.
    Std,
}

/// The variance or standard deviation; `correction` and `ddof` are two names of one number.
pub(crate) fn spread(
    py: Python<'_>,
    which: Spread,
    x: &raptors::Array,
    axis: Option<&Bound<'_, PyAny>>,
    kept: Axes,
    (correction, ddof): (Option<f64>, Option<f64>),
) -> PyResult<raptors::Array> {
    let op = match which {
        Spread::Var => "var",
        Spread::Std => "std",
    };
    let correction = match (correction, ddof) {
        (Some(_), Some(ddof)) if ddof != 0.0 => {
            return Err(PyTypeError::new_err(format!(
                "{op}: ddof and correction are two names of one argument"
            )));
        }
        (Some(correction), _) => correction,
        (None, ddof) => ddof.unwrap_or(0.0),
    };
    let (axes, source) = (axes(op, axis)?, source::here(py));
    match which {
        Spread::Var => ops::var(x, axes.as_deref(), kept, correction, source),
        Spread::Std => ops::std(x, axes.as_deref(), kept, correction, source),
    }
    .or_raise()
}

/// Module functions whose arguments are `axis` and `keepdims`.
macro_rules! reductions {
    ($($(#[doc = $doc:literal])* $name:ident = $op:ident;)*) => {
        $(
            $(#[doc = $doc])*
            #[pyfunction]
            #[pyo3(signature = (x, /, *, axis=None, keepdims=false))]
            pub(crate) fn $name(
                x: &Bound<'_, PyAny>,
                axis: Option<&Bound<'_, PyAny>>,
                keepdims: bool,
            ) -> PyResult<New> {
                let array = operand::array(stringify!($name), x)?;
                reduce(x.py(), ReduceOp::$op, &array, axis, kept(keepdims), None).map(New)
            }
        )*
    };
}

/// Module functions that also take the dtype to compute in.
macro_rules! accumulations {
    ($($(#[doc = $doc:literal])* $name:ident = $op:ident;)*) => {
        $(
            $(#[doc = $doc])*
            #[pyfunction]
            #[pyo3(signature = (x, /, *, axis=None, dtype=None, keepdims=false))]
            pub(crate) fn $name(
                x: &Bound<'_, PyAny>,
                axis: Option<&Bound<'_, PyAny>>,
                dtype: Option<&Bound<'_, PyAny>>,
                keepdims: bool,
            ) -> PyResult<New> {
                let array = operand::array(stringify!($name), x)?;
                reduce(x.py(), ReduceOp::$op, &array, axis, kept(keepdims), dtype).map(New)
            }
        )*
    };
}

reductions! {
    /// Smallest element over axes (None: all); NaN if any is NaN.
    min = Min;
    /// Largest element over axes (None: all); NaN if any is NaN.
    max = Max;
    /// Whether any element over axes (None: all) is true; False for no elements.
    any = Any;
    /// Whether all elements over axes (None: all) are true; True for no elements.
    all = All;
    /// Position of the first smallest element along an axis, or in the flattened array, as int64.
    argmin = Argmin;
    /// Position of the first largest element along an axis, or in the flattened array, as int64.
    argmax = Argmax;
}

accumulations! {
    /// Sum over axes (None: all); bool and integers are summed in 64 bits.
    sum = Sum;
    /// Product over axes (None: all); bool and integers are multiplied in 64 bits.
    prod = Prod;
}

/// Arithmetic mean over axes (None: all); bool and integers are computed as float64.
#[pyfunction]
#[pyo3(signature = (x, /, *, axis=None, dtype=None, keepdims=false))]
pub(crate) fn mean(
    x: &Bound<'_, PyAny>,
    axis: Option<&Bound<'_, PyAny>>,
    dtype: Option<&Bound<'_, PyAny>>,
    keepdims: bool,
) -> PyResult<New> {
    mean_of(x.py(), &operand::array("mean", x)?, axis, kept(keepdims), dtype).map(New)
}

/// Variance over axes (None: all): squared distances from the mean, summed and divided by the count less `correction`.
///
/// `ddof` is NumPy's other name of `correction`.
#[pyfunction]
#[pyo3(signature = (x, /, *, axis=None, correction=None, keepdims=false, ddof=None))]
pub(crate) fn var(
    x: &Bound<'_, PyAny>,
    axis: Option<&Bound<'_, PyAny>>,
    correction: Option<f64>,
    keepdims: bool,
    ddof: Option<f64>,
) -> PyResult<New> {
    let array = operand::array("var", x)?;
    spread(x.py(), Spread::Var, &array, axis, kept(keepdims), (correction, ddof)).map(New)
}

/// Standard deviation over axes (None: all): the square root of the variance.
///
/// `ddof` is NumPy's other name of `correction`.
#[pyfunction]
#[pyo3(signature = (x, /, *, axis=None, correction=None, keepdims=false, ddof=None))]
pub(crate) fn std(
    x: &Bound<'_, PyAny>,
    axis: Option<&Bound<'_, PyAny>>,
    correction: Option<f64>,
    keepdims: bool,
    ddof: Option<f64>,
) -> PyResult<New> {
    let array = operand::array("std", x)?;
    spread(x.py(), Spread::Std, &array, axis, kept(keepdims), (correction, ddof)).map(New)
}

/// Adds the functions to the module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:path)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(sum prod min max any all argmin argmax mean var self::std);
    Ok(())
}

type Optional<'a, 'py> = Option<&'a Bound<'py, PyAny>>;
/// A lazy array, or `out`.
type Captured = PyResult<Py<PyAny>>;

#[pymethods]
impl Array {
    /// Sum over axes (None: all); bool and integers are summed in 64 bits.
    #[pyo3(signature = (axis=None, dtype=None, out=None, keepdims=false))]
    fn sum(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        dtype: Optional<'_, '_>,
        out: Optional<'_, '_>,
        keepdims: bool,
    ) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::Sum, &self.0, axis, kept(keepdims), dtype)?, out)
    }

    /// Product over axes (None: all); bool and integers are multiplied in 64 bits.
    #[pyo3(signature = (axis=None, dtype=None, out=None, keepdims=false))]
    fn prod(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        dtype: Optional<'_, '_>,
        out: Optional<'_, '_>,
        keepdims: bool,
    ) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::Prod, &self.0, axis, kept(keepdims), dtype)?, out)
    }

    /// Arithmetic mean over axes (None: all); bool and integers are computed as float64.
    #[pyo3(signature = (axis=None, dtype=None, out=None, keepdims=false))]
    fn mean(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        dtype: Optional<'_, '_>,
        out: Optional<'_, '_>,
        keepdims: bool,
    ) -> Captured {
        lazy_or_out(py, mean_of(py, &self.0, axis, kept(keepdims), dtype)?, out)
    }

    /// Smallest element over axes (None: all); NaN if any is NaN.
    #[pyo3(signature = (axis=None, out=None, keepdims=false))]
    fn min(&self, py: Python<'_>, axis: Optional<'_, '_>, out: Optional<'_, '_>, keepdims: bool) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::Min, &self.0, axis, kept(keepdims), None)?, out)
    }

    /// Largest element over axes (None: all); NaN if any is NaN.
    #[pyo3(signature = (axis=None, out=None, keepdims=false))]
    fn max(&self, py: Python<'_>, axis: Optional<'_, '_>, out: Optional<'_, '_>, keepdims: bool) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::Max, &self.0, axis, kept(keepdims), None)?, out)
    }

    /// Whether any element over axes (None: all) is true.
    #[pyo3(signature = (axis=None, out=None, keepdims=false))]
    fn any(&self, py: Python<'_>, axis: Optional<'_, '_>, out: Optional<'_, '_>, keepdims: bool) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::Any, &self.0, axis, kept(keepdims), None)?, out)
    }

    /// Whether all elements over axes (None: all) are true.
    #[pyo3(signature = (axis=None, out=None, keepdims=false))]
    fn all(&self, py: Python<'_>, axis: Optional<'_, '_>, out: Optional<'_, '_>, keepdims: bool) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::All, &self.0, axis, kept(keepdims), None)?, out)
    }

    /// Position of the first smallest element along an axis, or in the flattened array.
    #[pyo3(signature = (axis=None, out=None, *, keepdims=false))]
    fn argmin(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        out: Optional<'_, '_>,
        keepdims: bool,
    ) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::Argmin, &self.0, axis, kept(keepdims), None)?, out)
    }

    /// Position of the first largest element along an axis, or in the flattened array.
    #[pyo3(signature = (axis=None, out=None, *, keepdims=false))]
    fn argmax(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        out: Optional<'_, '_>,
        keepdims: bool,
    ) -> Captured {
        lazy_or_out(py, reduce(py, ReduceOp::Argmax, &self.0, axis, kept(keepdims), None)?, out)
    }

    /// Variance over axes (None: all); `ddof` is NumPy's name of `correction`.
    #[pyo3(signature = (axis=None, dtype=None, out=None, ddof=None, keepdims=false, *, correction=None))]
    #[expect(clippy::too_many_arguments, reason = "NumPy's arguments")]
    fn var(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        dtype: Optional<'_, '_>,
        out: Optional<'_, '_>,
        ddof: Option<f64>,
        keepdims: bool,
        correction: Option<f64>,
    ) -> Captured {
        let x = converted("var", py, &self.0, dtype)?;
        lazy_or_out(py, spread(py, Spread::Var, &x, axis, kept(keepdims), (correction, ddof))?, out)
    }

    /// Standard deviation over axes (None: all); `ddof` is NumPy's name of `correction`.
    #[pyo3(signature = (axis=None, dtype=None, out=None, ddof=None, keepdims=false, *, correction=None))]
    #[expect(clippy::too_many_arguments, reason = "NumPy's arguments")]
    fn std(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        dtype: Optional<'_, '_>,
        out: Optional<'_, '_>,
        ddof: Option<f64>,
        keepdims: bool,
        correction: Option<f64>,
    ) -> Captured {
        let x = converted("std", py, &self.0, dtype)?;
        lazy_or_out(py, spread(py, Spread::Std, &x, axis, kept(keepdims), (correction, ddof))?, out)
    }
}
