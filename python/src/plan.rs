//! The class `Plan`, and the module functions about plans.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raptors::Options;
use raptors::plan::{KernelTime, Level, Measured, Roof};

use crate::array::Array;
use crate::detached::detached;
use crate::error::wrong_type;
use crate::options::of_call;

/// What an evaluation does: kernels, buffers, and every decision with its reason.
#[pyclass(frozen, module = "raptors")]
pub(crate) struct Plan(raptors::Plan);

impl Plan {
    /// The plan of evaluating `arrays` together, under the options of a call of `op`; `analyze` runs it.
    pub(crate) fn of(
        op: &str,
        py: Python<'_>,
        arrays: &[&raptors::Array],
        analyze: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Plan> {
        Plan::with_options(py, arrays, analyze, &of_call(op, py, options)?)
    }

    /// The plan of evaluating `arrays` together; `analyze` runs it.
    pub(crate) fn with_options(
        py: Python<'_>,
        arrays: &[&raptors::Array],
        analyze: bool,
        options: &Options,
    ) -> PyResult<Plan> {
        let of = if analyze { raptors::Plan::analyze } else { raptors::Plan::with_options };
        detached(py, || of(arrays, options)).map(Plan)
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

    /// One HTML file for a browser, which needs nothing else: the graph after each pass, memory over time, and the
    /// details of each node and kernel.
    fn html(&self) -> String {
        self.0.html()
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
    ///
    /// `level`: 'plan'; 'lane' for also what each kernel does to an element; 'asm' for also its machine code.
    #[pyo3(signature = (level="plan"))]
    pub(crate) fn explain(&self, level: &str) -> PyResult<String> {
        Ok(self.0.explain_at(self::level(level)?))
    }

    /// Whether the plan was known when it was asked for.
    #[getter]
    fn is_known(&self) -> bool {
        self.0.is_known()
    }

    /// Of a plan that was not known, what the nearest known one had otherwise.
    #[getter]
    fn nearest_known(&self) -> Option<&str> {
        self.0.nearest_known()
    }

    /// What runs took, if the plan was made with `analyze=True`: a dict with the number of `runs`, nanoseconds of the
    /// `first` and the `fastest`, `page_faults` in the first and the last run, nanoseconds and threads of each of the
    /// `kernels`, and the `roof`: what this machine does a second at most.
    #[getter]
    fn measured<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.0.measured().map(|measured| measured_dict(py, measured)).transpose()
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

/// The level of this name.
pub(crate) fn level(name: &str) -> PyResult<Level> {
    let allowed = Level::ALL.map(|level| format!("{:?}", level.name())).join(", ");
    let unknown = || PyValueError::new_err(format!("explain: level is {name:?}, needs one of {allowed}"));
    Level::from_name(name).ok_or_else(unknown)
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

fn measured_dict<'py>(py: Python<'py>, measured: &Measured) -> PyResult<Bound<'py, PyDict>> {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let Measured { runs, first, fastest, page_faults, kernels, roof } = measured;
    let kernel = |kernel: &KernelTime| {
        let dict = PyDict::new(py);
        dict.set_item("nanoseconds", nanoseconds(kernel.time))?;
        dict.set_item("threads", kernel.threads)?;
        Ok(dict)
    };
    let kernels: PyResult<Vec<_>> = kernels.iter().map(kernel).collect();
    let Roof { bytes_per_second, f32_ops_per_second, f64_ops_per_second, threads } = *roof;
    let limits = PyDict::new(py);
    limits.set_item("bytes", bytes_per_second)?;
    limits.set_item("float32_ops", f32_ops_per_second)?;
    limits.set_item("float64_ops", f64_ops_per_second)?;
    limits.set_item("threads", threads)?;
    let dict = PyDict::new(py);
    dict.set_item("runs", runs)?;
    dict.set_item("first", nanoseconds(*first))?;
    dict.set_item("fastest", nanoseconds(*fastest))?;
    dict.set_item("page_faults", *page_faults)?;
    dict.set_item("kernels", kernels?)?;
    dict.set_item("roof", limits)?;
    Ok(dict)
}

/// What differs from the first plan in the second, as text: figures, ops, rules and refusals. Empty when nothing does.
#[pyfunction]
#[pyo3(signature = (first, second, /))]
pub(crate) fn diff(first: &Plan, second: &Plan) -> String {
    first.0.diff(&second.0)
}

/// The plan of evaluating arrays together, under options as for `options`. Computes nothing, unless `analyze` asks for it:
/// then the plan is run a few times, on copies of what it overwrites, and knows what that took.
#[pyfunction]
#[pyo3(signature = (*arrays, analyze=false, **options))]
pub(crate) fn plan(
    arrays: &Bound<'_, PyTuple>,
    analyze: bool,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Plan> {
    let py = arrays.py();
    let arrays: Vec<Bound<'_, Array>> = lazy_arrays("plan", arrays)?;
    let handles: Vec<&raptors::Array> = arrays.iter().map(|array| &array.get().0).collect();
    Plan::of("plan", py, &handles, analyze, options)
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

/// The plan cache's figures as a dict of integers, since the start or since it was cleared.
///
/// `hits`: evaluations and plans whose structure was known; `misses`: those that were compiled; `entries`: plans kept;
/// `bytes`: what they take, roughly; `limit` and `limit_bytes`: the most plans and bytes, beyond which the plan that was used
/// longest ago is dropped.
#[pyfunction]
pub(crate) fn cache_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = raptors::cache_info();
    let result = PyDict::new(py);
    result.set_item("hits", info.hits)?;
    result.set_item("misses", info.misses)?;
    result.set_item("entries", info.entries)?;
    result.set_item("bytes", info.bytes)?;
    result.set_item("limit", info.limit)?;
    result.set_item("limit_bytes", info.limit_bytes)?;
    Ok(result)
}

/// Forget every compiled plan, and start the figures of `cache_info()` again.
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
