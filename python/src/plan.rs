//! The class `Plan`, and the module functions about plans.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raptors::Options;

use crate::array::Array;
use crate::error::wrong_type;
use crate::options::of_call;
use crate::value::detached;

/// What an evaluation does: kernels, buffers, and every decision with its reason.
#[pyclass(frozen, module = "raptors")]
pub(crate) struct Plan(raptors::Plan);

impl Plan {
    /// The plan of evaluating `arrays` together under options.
    pub(crate) fn of(py: Python<'_>, arrays: &[&raptors::Array], options: &Options) -> PyResult<Plan> {
        detached(py, || raptors::Plan::with_options(arrays, options)).map(Plan)
    }
}

#[pymethods]
impl Plan {
    /// Number of steps that pass over memory.
    #[getter]
    fn kernels(&self) -> usize {
        self.0.kernels()
    }

    /// Number of blocks of memory that a run allocates: one for each result that needs one, and one for all that is
    /// between.
    #[getter]
    fn buffers(&self) -> usize {
        self.0.buffers()
    }

    /// Bytes of those blocks together: the most a run holds beyond its inputs, but for scratch of the size of a cache.
    #[getter]
    fn peak_bytes(&self) -> usize {
        self.0.peak_bytes()
    }

    /// Values that are copied because they cannot be read or returned where they are, with the reason.
    #[getter]
    fn copies(&self) -> Vec<String> {
        self.0.copies()
    }

    /// Values that are written over an operand that dies.
    #[getter]
    fn reuses(&self) -> Vec<String> {
        self.0.reuses()
    }

    /// What was not done, and why.
    #[getter]
    fn refusals(&self) -> Vec<String> {
        self.0.refusals()
    }

    /// A summary, the kernels, memory, and what was refused.
    fn text(&self) -> String {
        self.0.text()
    }

    /// The program that runs: its steps with their loops, lane programs and operands.
    fn program(&self) -> String {
        self.0.program()
    }

    /// The graph as an SVG picture: boxes are ops, frames are kernels.
    fn svg(&self) -> String {
        self.0.svg()
    }

    /// The graph as a Mermaid flowchart.
    fn mermaid(&self) -> String {
        self.0.mermaid()
    }

    /// The placed graph in DOT, for Graphviz.
    fn dot(&self) -> String {
        self.0.dot()
    }

    /// Everything as one JSON object, with a version.
    fn json(&self) -> String {
        self.0.json()
    }

    /// What was written, what runs in which memory, why not better, and what each pass changed, as text.
    pub(crate) fn explain(&self) -> String {
        self.0.explain()
    }

    /// The picture and the summary, for notebooks.
    fn _repr_html_(&self) -> String {
        self.0.notebook_html()
    }

    fn __str__(&self) -> String {
        self.0.text()
    }

    fn __repr__(&self) -> String {
        let plan = &self.0;
        let (kernels, buffers, peak) = (plan.kernels(), plan.buffers(), plan.peak_bytes());
        format!("raptors.Plan(kernels={kernels}, buffers={buffers}, peak_bytes={peak})")
    }
}

/// What a notebook shows of an array: its repr, and the graph where there is one to plan.
///
/// An array that cannot be planned (its memory was given away) shows its repr alone.
pub(crate) fn array_html(py: Python<'_>, array: &raptors::Array) -> PyResult<String> {
    let repr = format!("raptors.{array:?}").replace('&', "&amp;").replace('<', "&lt;");
    if array.is_evaluated() {
        return Ok(format!("<code>{repr}</code>"));
    }
    let html = detached(py, || Ok(raptors::Plan::new(&[array]).map(|plan| plan.notebook_html())))?;
    Ok(format!("<code>{repr}</code>{}", html.unwrap_or_default()))
}

/// The plan of evaluating arrays together, under options as for `options`. Computes nothing.
#[pyfunction]
#[pyo3(signature = (*arrays, **options))]
pub(crate) fn plan(arrays: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Plan> {
    let py = arrays.py();
    let arrays: Vec<Bound<'_, Array>> = lazy_arrays("plan", arrays)?;
    let handles: Vec<&raptors::Array> = arrays.iter().map(|array| &array.get().0).collect();
    Plan::of(py, &handles, &of_call("plan", py, options)?)
}

/// The arguments, all of which must be lazy arrays.
pub(crate) fn lazy_arrays<'py>(op: &str, arrays: &Bound<'py, PyTuple>) -> PyResult<Vec<Bound<'py, Array>>> {
    let array = |object: Bound<'py, PyAny>| match object.cast_into_exact::<Array>() {
        Ok(array) => Ok(array),
        Err(error) => {
            Err(wrong_type(op, "an argument", &error.into_inner(), "lazy arrays: wrap it with lazy"))
        }
    };
    arrays.iter().map(array).collect()
}

/// Forget every compiled plan.
#[pyfunction]
pub(crate) fn clear_plan_cache() {
    raptors::clear_plan_cache();
}

/// The number of threads that evaluations may use, the calling one included.
#[pyfunction]
pub(crate) fn get_num_threads() -> usize {
    raptors::runtime::team::threads()
}

/// Set the number of threads that evaluations may use, the calling one included; 0 for the default again.
#[pyfunction]
#[pyo3(signature = (threads, /))]
pub(crate) fn set_num_threads(threads: usize) {
    raptors::runtime::team::set_threads(threads);
}
