//! Sorting and cumulative functions: arguments read, the module functions, and the methods of `Array`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raptors::Order;
use raptors::sorting::{self, Start};

use crate::array::{Array, New};
use crate::error::OrRaise;
use crate::operators::wrap;
use crate::reductions::{AxisList, integer};
use crate::value::lazy_or_out;
use crate::views::integers;
use crate::{dtype, operand, source};

type Object<'a, 'py> = &'a Bound<'py, PyAny>;
type Optional<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

fn order(descending: bool) -> Order {
    if descending { Order::Descending } else { Order::Ascending }
}

/// An `axis` argument that is one axis, or `None` for the elements in one dimension.
pub(crate) fn axis(op: &str, axis: Optional<'_, '_>) -> PyResult<Option<isize>> {
    axis.map(|axis| integer(op, "axis", axis)).transpose()
}

/// Which way elements are accumulated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accumulation {
    Sum,
    Prod,
}

/// The cumulative sum or product.
pub(crate) fn accumulate(
    py: Python<'_>,
    op: Accumulation,
    x: &raptors::Array,
    axis: Option<isize>,
    dtype: Optional<'_, '_>,
    start: Start,
) -> PyResult<raptors::Array> {
    let source = source::here(py);
    match op {
        Accumulation::Sum => {
            let dtype = dtype::optional("cumulative_sum", dtype)?;
            sorting::cumulative_sum(x, axis, dtype, start, source)
        }
        Accumulation::Prod => {
            let dtype = dtype::optional("cumulative_prod", dtype)?;
            sorting::cumulative_prod(x, axis, dtype, start, source)
        }
    }
    .or_raise()
}

/// The functions of the array API, in which an array of several dimensions needs an axis.
fn cumulative(
    name: &'static str,
    op: Accumulation,
    x: Object<'_, '_>,
    given: Optional<'_, '_>,
    dtype: Optional<'_, '_>,
    include_initial: bool,
) -> PyResult<New> {
    let array = operand::array(name, x)?;
    let axis = axis(name, given)?;
    if axis.is_none() && array.ndim() != 1 {
        let message = format!(
            "{name}: an array of shape {} needs an axis, only one of one dimension has a single one",
            array.shape()
        );
        return Err(PyValueError::new_err(message));
    }
    let start = if include_initial { Start::Initial } else { Start::First };
    accumulate(x.py(), op, &array, axis, dtype, start).map(New)
}

/// The sum of each element and those before it along an axis; bool and integers are summed in 64 bits.
///
/// `include_initial`: begin with 0, one element more. Floats are added in order, as NumPy does.
#[pyfunction]
#[pyo3(signature = (x, /, *, axis=None, dtype=None, include_initial=false))]
pub(crate) fn cumulative_sum(
    x: Object<'_, '_>,
    axis: Optional<'_, '_>,
    dtype: Optional<'_, '_>,
    include_initial: bool,
) -> PyResult<New> {
    cumulative("cumulative_sum", Accumulation::Sum, x, axis, dtype, include_initial)
}

/// The product of each element and those before it along an axis; bool and integers are multiplied in 64 bits.
///
/// `include_initial`: begin with 1, one element more. Floats are multiplied in order, as NumPy does.
#[pyfunction]
#[pyo3(signature = (x, /, *, axis=None, dtype=None, include_initial=false))]
pub(crate) fn cumulative_prod(
    x: Object<'_, '_>,
    axis: Optional<'_, '_>,
    dtype: Optional<'_, '_>,
    include_initial: bool,
) -> PyResult<New> {
    cumulative("cumulative_prod", Accumulation::Prod, x, axis, dtype, include_initial)
}

/// NumPy's `cumulative_sum`: without an axis, of the elements in one dimension.
#[pyfunction]
#[pyo3(signature = (x, /, axis=None, dtype=None))]
pub(crate) fn cumsum(x: Object<'_, '_>, axis: Optional<'_, '_>, dtype: Optional<'_, '_>) -> PyResult<New> {
    let (array, axis) = (operand::array("cumsum", x)?, self::axis("cumsum", axis)?);
    accumulate(x.py(), Accumulation::Sum, &array, axis, dtype, Start::First).map(New)
}

/// NumPy's `cumulative_prod`: without an axis, of the elements in one dimension.
#[pyfunction]
#[pyo3(signature = (x, /, axis=None, dtype=None))]
pub(crate) fn cumprod(x: Object<'_, '_>, axis: Optional<'_, '_>, dtype: Optional<'_, '_>) -> PyResult<New> {
    let (array, axis) = (operand::array("cumprod", x)?, self::axis("cumprod", axis)?);
    accumulate(x.py(), Accumulation::Prod, &array, axis, dtype, Start::First).map(New)
}

/// The elements along an axis (None: all, in one dimension) in order: NaN last, -0.0 equal to 0.0.
///
/// Equal elements keep their order, whatever `stable` says. `descending`: the largest first, NaN before.
#[pyfunction]
#[pyo3(signature = (x, /, axis=Some(-1), *, descending=false, stable=true), text_signature = "(x, /, axis=-1, *, descending=False, stable=True)")]
pub(crate) fn sort(
    x: Object<'_, '_>,
    axis: Option<isize>,
    descending: bool,
    stable: Option<bool>,
) -> PyResult<New> {
    let _ = stable;
    let array = operand::array("sort", x)?;
    sorting::sort(&array, axis, order(descending), source::here(x.py())).or_raise().map(New)
}

/// The positions, as int64, that put the elements along an axis (None: all, in one dimension) in order.
///
/// Equal elements keep their order, whatever `stable` says. `descending`: the largest first, NaN before.
#[pyfunction]
#[pyo3(signature = (x, /, axis=Some(-1), *, descending=false, stable=true), text_signature = "(x, /, axis=-1, *, descending=False, stable=True)")]
pub(crate) fn argsort(
    x: Object<'_, '_>,
    axis: Option<isize>,
    descending: bool,
    stable: Option<bool>,
) -> PyResult<New> {
    let _ = stable;
    let array = operand::array("argsort", x)?;
    sorting::argsort(&array, axis, order(descending), source::here(x.py())).or_raise().map(New)
}

fn positions(op: &str, kth: Object<'_, '_>) -> PyResult<AxisList> {
    match kth.cast_exact::<Array>() {
        Ok(_) => Err(crate::error::wrong_type(op, "kth", kth, "an integer, or a tuple or list of them")),
        Err(_) => integers(op, "kth", kth),
    }
}

/// The elements along an axis (None: all, in one dimension) rearranged: at the position `kth`, or each of several, is the
/// element of the sorted row; none before is larger, none after smaller.
#[pyfunction]
#[pyo3(signature = (x, kth, /, axis=Some(-1)), text_signature = "(x, kth, /, axis=-1)")]
pub(crate) fn partition(x: Object<'_, '_>, kth: Object<'_, '_>, axis: Option<isize>) -> PyResult<New> {
    let (array, kth) = (operand::array("partition", x)?, positions("partition", kth)?);
    sorting::partition(&array, &kth, axis, source::here(x.py())).or_raise().map(New)
}

/// The positions, as int64, that partition the elements along an axis (None: all, in one dimension).
#[pyfunction]
#[pyo3(signature = (x, kth, /, axis=Some(-1)), text_signature = "(x, kth, /, axis=-1)")]
pub(crate) fn argpartition(x: Object<'_, '_>, kth: Object<'_, '_>, axis: Option<isize>) -> PyResult<New> {
    let (array, kth) = (operand::array("argpartition", x)?, positions("argpartition", kth)?);
    sorting::argpartition(&array, &kth, axis, source::here(x.py())).or_raise().map(New)
}

#[pymethods]
impl Array {
    /// The sum of each element and those before it along an axis (None: all, in one dimension); bool and integers are
    /// summed in 64 bits.
    #[pyo3(signature = (axis=None, dtype=None, out=None))]
    fn cumsum(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        dtype: Optional<'_, '_>,
        out: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let axis = self::axis("cumsum", axis)?;
        lazy_or_out(py, accumulate(py, Accumulation::Sum, &self.0, axis, dtype, Start::First)?, out)
    }

    /// The product of each element and those before it along an axis (None: all, in one dimension); bool and integers are
    /// multiplied in 64 bits.
    #[pyo3(signature = (axis=None, dtype=None, out=None))]
    fn cumprod(
        &self,
        py: Python<'_>,
        axis: Optional<'_, '_>,
        dtype: Optional<'_, '_>,
        out: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let axis = self::axis("cumprod", axis)?;
        lazy_or_out(py, accumulate(py, Accumulation::Prod, &self.0, axis, dtype, Start::First)?, out)
    }

    /// The positions, as int64, that put the elements along an axis (None: all, in one dimension) in order. Equal elements
    /// keep theirs, whatever `kind` and `stable` say.
    #[pyo3(signature = (axis=Some(-1), kind=None, order=None, *, stable=None, descending=false), text_signature = "(self, axis=-1, kind=None, order=None, *, stable=None, descending=False)")]
    fn argsort(
        &self,
        py: Python<'_>,
        axis: Option<isize>,
        kind: Optional<'_, '_>,
        order: Optional<'_, '_>,
        stable: Optional<'_, '_>,
        descending: bool,
    ) -> PyResult<Py<PyAny>> {
        let _ = (kind, stable);
        without_fields("argsort", order)?;
        wrap(py, sorting::argsort(&self.0, axis, self::order(descending), source::here(py)))
    }

    /// The positions, as int64, that partition the elements along an axis (None: all, in one dimension).
    #[pyo3(signature = (kth, axis=Some(-1), kind="introselect", order=None), text_signature = "(self, kth, axis=-1, kind='introselect', order=None)")]
    fn argpartition(
        &self,
        kth: Object<'_, '_>,
        axis: Option<isize>,
        kind: &str,
        order: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let (py, _) = (kth.py(), kind);
        without_fields("argpartition", order)?;
        let kth = positions("argpartition", kth)?;
        wrap(py, sorting::argpartition(&self.0, &kth, axis, source::here(py)))
    }
}

/// NumPy's `order`, the fields to compare.
fn without_fields(op: &str, order: Optional<'_, '_>) -> PyResult<()> {
    match order {
        Some(_) => Err(PyValueError::new_err(format!("{op}: order names fields, and elements have none"))),
        None => Ok(()),
    }
}

/// Adds the functions to the module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(cumulative_sum cumulative_prod cumsum cumprod sort argsort partition argpartition);
    Ok(())
}
