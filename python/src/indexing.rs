//! Selection by positions and conditions, searches, counts and sets: the module functions, and the methods of `Array`.
//!
//! What has a shape that depends on values evaluates what it must for that, without the GIL, and counts as an evaluation
//! of its line.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};
use raptors::indexing::{self, Bounds};
use raptors::ir::Source;
use raptors::ops::Operand;
use raptors::searching::{self, Bins};
use raptors::{Options, Side, Write};

use crate::array::{Array, New};
use crate::detached::{detached, guarded};
use crate::error::{OrRaise, wrong_type};
use crate::evaluations::{self, Wanted};
use crate::index;
use crate::operand::{self, Argument};
use crate::operators::wrap;
use crate::options;
use crate::sorting::axis;
use crate::source;
use crate::value::lazy_or_out;

type Object<'a, 'py> = &'a Bound<'py, PyAny>;
type Optional<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// What evaluates a part of its operands at once, under the options of the enclosing blocks.
pub(crate) fn at_once<T: Send>(
    py: Python<'_>,
    run: impl FnOnce(&Options, Option<Source>) -> Result<T, raptors::Error> + Send,
) -> PyResult<T> {
    evaluations::note(py, Wanted::Shape);
    let (options, source) = (options::current(py)?, source::here(py));
    detached(py, || run(&options, source))
}

/// [`at_once`] for what takes less time than to let the GIL go.
pub(crate) fn briefly<T>(
    py: Python<'_>,
    run: impl FnOnce(&Options, Option<Source>) -> Result<T, raptors::Error>,
) -> PyResult<T> {
    evaluations::note(py, Wanted::Shape);
    let (options, source) = (options::current(py)?, source::here(py));
    guarded(|| run(&options, source))
}

/// An array, or a nested list of numbers.
fn array_or_list(op: &'static str, object: Object<'_, '_>) -> PyResult<raptors::Array> {
    match index::listed(op, object)? {
        Some(array) => Ok(array),
        None => operand::array(op, object),
    }
}

fn bounds(op: &str, mode: &str) -> PyResult<Bounds> {
    match mode {
        "raise" => Ok(Bounds::Checked),
        "wrap" => Ok(Bounds::Wrapped),
        "clip" => Ok(Bounds::Clipped),
        _ => Err(PyValueError::new_err(format!("{op}: mode is {mode:?}, needs 'raise', 'wrap' or 'clip'"))),
    }
}

fn side(op: &str, side: &str) -> PyResult<Side> {
    match side {
        "left" => Ok(Side::Left),
        "right" => Ok(Side::Right),
        _ => Err(PyValueError::new_err(format!("{op}: side is {side:?}, needs 'left' or 'right'"))),
    }
}

fn taken(
    x: &raptors::Array,
    indices: Object<'_, '_>,
    given: Optional<'_, '_>,
    mode: &str,
) -> PyResult<raptors::Array> {
    let positions = array_or_list("take", indices)?;
    let axis = axis("take", given)?;
    indexing::take(x, &positions, axis, bounds("take", mode)?, source::here(indices.py())).or_raise()
}

/// The elements at `indices` along an axis (None: of the elements in one dimension).
///
/// Negative indices count from the end. Indices out of bounds raise an `IndexError` when the result is evaluated; under
/// `mode` 'wrap' they start again from the other end, under 'clip' they are the nearest in bounds.
#[pyfunction]
#[pyo3(signature = (x, indices, /, axis=None, *, mode="raise"))]
pub(crate) fn take(
    x: Object<'_, '_>,
    indices: Object<'_, '_>,
    axis: Optional<'_, '_>,
    mode: &str,
) -> PyResult<New> {
    taken(&operand::array("take", x)?, indices, axis, mode).map(New)
}

/// For each of `indices`, the element there along an axis (None: of the elements in one dimension), at the same index
/// otherwise. Indices out of bounds raise an `IndexError` when the result is evaluated.
#[pyfunction]
#[pyo3(signature = (x, indices, /, axis=Some(-1)), text_signature = "(x, indices, /, axis=-1)")]
pub(crate) fn take_along_axis(
    x: Object<'_, '_>,
    indices: Object<'_, '_>,
    axis: Option<isize>,
) -> PyResult<New> {
    let (array, positions) =
        (operand::array("take_along_axis", x)?, array_or_list("take_along_axis", indices)?);
    indexing::take_along_axis(&array, &positions, axis, source::here(x.py())).or_raise().map(New)
}

/// The array with `values` at `indices` along an axis (None: of the elements in one dimension), as a new array. Of several
/// values for one element, the last one stays. Indices out of bounds raise an `IndexError` when the result is evaluated.
#[pyfunction]
#[pyo3(signature = (x, indices, values, /, axis=Some(-1)), text_signature = "(x, indices, values, /, axis=-1)")]
pub(crate) fn put_along_axis(
    x: Object<'_, '_>,
    indices: Object<'_, '_>,
    values: Object<'_, '_>,
    axis: Option<isize>,
) -> PyResult<New> {
    let op = "put_along_axis";
    let (array, positions) = (operand::array(op, x)?, array_or_list(op, indices)?);
    let values = written(op, values)?;
    indexing::put_along_axis(&array, &positions, values.operand(), axis, Write::Set, source::here(x.py()))
        .or_raise()
        .map(New)
}

/// Values that are written: an array, a number or a list.
fn written<'a>(op: &'static str, values: &'a Bound<'_, PyAny>) -> PyResult<Argument<'a>> {
    match index::listed(op, values)? {
        Some(array) => Ok(Argument::Made(array)),
        None => operand::required(op, values),
    }
}

/// Where the array is not zero: a tuple of int64 arrays, one for each dimension. Evaluates the array at once, as the number
/// of positions is part of their shape.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn nonzero<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    positions(x.py(), &operand::array("nonzero", x)?)
}

fn positions<'py>(py: Python<'py>, x: &raptors::Array) -> PyResult<Bound<'py, PyTuple>> {
    let found = at_once(py, |options, source| indexing::nonzero(x, options, source))?;
    PyTuple::new(py, found.into_iter().map(New))
}

/// The parts along an axis (None: of the elements in one dimension) where the condition is true; it may be shorter than the
/// axis. Evaluates the condition at once, as the number of parts is part of the shape.
#[pyfunction]
#[pyo3(signature = (condition, x, /, axis=None))]
pub(crate) fn compress(
    condition: Object<'_, '_>,
    x: Object<'_, '_>,
    axis: Optional<'_, '_>,
) -> PyResult<New> {
    selected(condition, &operand::array("compress", x)?, axis).map(New)
}

fn selected(
    condition: Object<'_, '_>,
    x: &raptors::Array,
    given: Optional<'_, '_>,
) -> PyResult<raptors::Array> {
    let (condition_array, axis) = (array_or_list("compress", condition)?, axis("compress", given)?);
    at_once(condition.py(), |options, source| indexing::compress(&condition_array, x, axis, options, source))
}

/// Where each of the values `x2` would be inserted in `x1`, which ascends: before ('left') or after ('right') equal
/// elements; as int64. `sorter`: the positions of `x1` at which it ascends.
#[pyfunction]
#[pyo3(signature = (x1, x2, /, *, side="left", sorter=None))]
pub(crate) fn searchsorted(
    x1: Object<'_, '_>,
    x2: Object<'_, '_>,
    side: &str,
    sorter: Optional<'_, '_>,
) -> PyResult<New> {
    searched(&operand::array("searchsorted", x1)?, x2, side, sorter).map(New)
}

fn searched(
    sorted: &raptors::Array,
    values: Object<'_, '_>,
    side: &str,
    sorter: Optional<'_, '_>,
) -> PyResult<raptors::Array> {
    let op = "searchsorted";
    let sorter = sorter.map(|sorter| array_or_list(op, sorter)).transpose()?;
    let (values, side, source) = (written(op, values)?, self::side(op, side)?, source::here(values.py()));
    searching::searchsorted(sorted, values.operand(), side, sorter.as_ref(), source).or_raise()
}

/// How often each number is among the integers of `x`, or the sum of the weights of each: counts for 0 up to the largest
/// number, and at least `minlength`. Evaluates the largest number at once.
#[pyfunction]
#[pyo3(signature = (x, /, weights=None, minlength=0))]
pub(crate) fn bincount(x: Object<'_, '_>, weights: Optional<'_, '_>, minlength: usize) -> PyResult<New> {
    let array = array_or_list("bincount", x)?;
    let weights = weights.map(|weights| array_or_list("bincount", weights)).transpose()?;
    at_once(x.py(), |options, source| {
        searching::bincount(&array, weights.as_ref(), minlength, options, source)
    })
    .map(New)
}

/// How many elements, or the sum of their weights, are in each bin, and the edges of the bins: a tuple of two arrays.
///
/// `bins`: how many of one width, within `range` or from the smallest element to the largest; or the edges, which ascend.
/// A bin has its lower edge; the last one has both. `density`: as a density, whose integral is 1. The range of the elements
/// is evaluated at once.
#[pyfunction]
#[pyo3(signature = (x, /, bins=None, range=None, density=None, weights=None), text_signature = "(x, /, bins=10, range=None, density=None, weights=None)")]
pub(crate) fn histogram<'py>(
    x: &Bound<'py, PyAny>,
    bins: Option<&Bound<'py, PyAny>>,
    range: Option<(f64, f64)>,
    density: Option<bool>,
    weights: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let (op, py) = ("histogram", x.py());
    let array = array_or_list(op, x)?;
    let weights = weights.map(|weights| array_or_list(op, weights)).transpose()?;
    let edges;
    let bins = match bins {
        None => Bins::Count(10, range),
        Some(count) if count.is_exact_instance_of::<PyInt>() => {
            let negative = |_| PyValueError::new_err(format!("{op}: bins is {count}, needs at least one"));
            Bins::Count(count.extract().map_err(negative)?, range)
        }
        Some(text) if text.is_instance_of::<pyo3::types::PyString>() => {
            return Err(wrong_type(op, "bins", text, "a number of bins or their edges"));
        }
        Some(given) => {
            edges = array_or_list(op, given)?;
            Bins::Edges(&edges)
        }
    };
    let (counts, edges) = at_once(py, |options, source| {
        let (counts, edges) = searching::histogram(&array, bins, weights.as_ref(), options, source)?;
        match density {
            Some(true) => Ok((searching::density(&counts, &edges, source)?, edges)),
            Some(false) | None => Ok((counts, edges)),
        }
    })?;
    PyTuple::new(py, [Array(counts), Array(edges)])
}

/// The distinct elements, in order; NaNs are distinct. Evaluates the sorted elements at once.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn unique_values(x: Object<'_, '_>) -> PyResult<New> {
    let array = operand::array("unique_values", x)?;
    at_once(x.py(), |options, source| searching::unique_values(&array, options, source)).map(New)
}

/// A named tuple of `raptors.results`.
fn named<'py>(py: Python<'py>, name: &str, arrays: Vec<raptors::Array>) -> PyResult<Bound<'py, PyAny>> {
    let class = py.import("raptors.results")?.getattr(name)?;
    class.call1(PyTuple::new(py, arrays.into_iter().map(New))?)
}

fn unique(op: &'static str, x: Object<'_, '_>) -> PyResult<searching::Unique> {
    let array = operand::array(op, x)?;
    at_once(x.py(), |options, source| searching::unique(&array, options, source))
}

/// The distinct elements, in order, and for each where it is first, how often it is there, and for each element of the array
/// the position of its value: a named tuple of `values`, `indices`, `inverse_indices` and `counts`. NaNs are distinct.
/// Evaluates the order of the elements at once.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn unique_all<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let found = unique("unique_all", x)?;
    named(x.py(), "UniqueAll", vec![found.values, found.indices, found.inverse, found.counts])
}

/// The distinct elements, in order, and how often each is there: a named tuple of `values` and `counts`. NaNs are distinct.
/// Evaluates the order of the elements at once.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn unique_counts<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let found = unique("unique_counts", x)?;
    named(x.py(), "UniqueCounts", vec![found.values, found.counts])
}

/// The distinct elements, in order, and for each element of the array the position of its value: a named tuple of `values`
/// and `inverse_indices`. NaNs are distinct. Evaluates the order of the elements at once.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn unique_inverse<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let found = unique("unique_inverse", x)?;
    named(x.py(), "UniqueInverse", vec![found.values, found.inverse])
}

/// `x.at`: what is made of an array by writing to a part of it, as a new array.
#[pyclass(frozen, module = "raptors._core")]
pub(crate) struct At(raptors::Array);

#[pymethods]
impl At {
    /// The part to write to, by any index that `x[...]` takes.
    fn __getitem__(&self, key: Object<'_, '_>) -> PyResult<AtIndex> {
        Ok(AtIndex { array: self.0.clone(), keys: index::keys(key)? })
    }
}

/// `x.at[key]`: a part of an array, to be written to.
#[pyclass(frozen, module = "raptors._core")]
pub(crate) struct AtIndex {
    array: raptors::Array,
    keys: Vec<indexing::Key>,
}

#[pymethods]
impl AtIndex {
    /// The array with `values`, which broadcast, in the part. Of several for one element, the last one stays.
    fn set(&self, values: Object<'_, '_>) -> PyResult<New> {
        self.write(values, Write::Set)
    }

    /// The array with `values`, which broadcast, added to the part: all of them, in order, where an element is in it several
    /// times.
    fn add(&self, values: Object<'_, '_>) -> PyResult<New> {
        self.write(values, Write::Add)
    }
}

impl AtIndex {
    fn write(&self, values: Object<'_, '_>, write: Write) -> PyResult<New> {
        let py = values.py();
        let written = written("at", values)?;
        let (options, source) = (options::current(py)?, source::here(py));
        if index::has_mask(&self.keys) {
            evaluations::note(py, Wanted::Shape);
        }
        let operand: Operand<'_> = written.operand();
        detached(py, || indexing::put(&self.array, &self.keys, operand, write, &options, source)).map(New)
    }
}

#[pymethods]
impl Array {
    /// What is made of the array by writing to a part of it: `x.at[key].set(values)` and `x.at[key].add(values)` are new
    /// arrays, with values that replace what is there or are added to it. `key` is any index.
    #[getter]
    fn at(&self) -> At {
        At(self.0.clone())
    }

    /// The elements at `indices` along an axis (None: of the elements in one dimension); `mode` as for `raptors.take`.
    #[pyo3(signature = (indices, axis=None, out=None, mode="raise"))]
    fn take(
        &self,
        indices: Object<'_, '_>,
        axis: Optional<'_, '_>,
        out: Optional<'_, '_>,
        mode: &str,
    ) -> PyResult<Py<PyAny>> {
        lazy_or_out(indices.py(), taken(&self.0, indices, axis, mode)?, out)
    }

    /// Where the array is not zero: a tuple of int64 arrays, one for each dimension. Evaluates the array at once.
    fn nonzero<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        positions(py, &self.0)
    }

    /// The parts along an axis (None: of the elements in one dimension) where the condition is true. Evaluates the condition
    /// at once.
    #[pyo3(signature = (condition, axis=None, out=None))]
    fn compress(
        &self,
        condition: Object<'_, '_>,
        axis: Optional<'_, '_>,
        out: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        lazy_or_out(condition.py(), selected(condition, &self.0, axis)?, out)
    }

    /// Where each of the values would be inserted in the array, which ascends, or does at the positions `sorter`; as int64.
    #[pyo3(signature = (v, side="left", sorter=None))]
    fn searchsorted(&self, v: Object<'_, '_>, side: &str, sorter: Optional<'_, '_>) -> PyResult<Py<PyAny>> {
        wrap(v.py(), Ok(searched(&self.0, v, side, sorter)?))
    }

    /// Nothing is written through a lazy array.
    fn __setitem__(&self, _key: Object<'_, '_>, _value: Object<'_, '_>) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "index: nothing is written through a lazy array: x = x.at[key].set(value) is one with another value there",
        ))
    }
}

/// Adds the functions to the module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add! {
        take take_along_axis put_along_axis nonzero compress searchsorted bincount histogram
        unique_values unique_all unique_counts unique_inverse
    }
    Ok(())
}
