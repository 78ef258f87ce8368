//! The class `Graph`: a graph read from its text form, applied to arrays.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raptors::source;

use crate::array::Array;
use crate::detached::detached;
use crate::dtype::{self, PyDType};
use crate::error::OrRaise;
use crate::plan::lazy_arrays;

/// A graph in raptors' text form, as `RAPTORS_DUMP` prints it.
///
/// Calling it with one lazy array for each parameter gives a list of its results, as lazy arrays. Layouts, donations
/// and memory that the text states are planned anew for those arrays.
///
/// text: one graph.
/// file: the text's name, in the errors' `file:line:column` and in the source lines of plans.
///
/// Raises ValueError for a text that is no graph, or a graph that does not verify; calling it raises ValueError for
/// arrays that are not as many as the parameters, or differ from them in dtype or shape.
#[pyclass(frozen, module = "raptors")]
pub(crate) struct Graph(raptors::ir::Graph);

#[pymethods]
impl Graph {
    #[new]
    #[pyo3(signature = (text, /, file="<text>"))]
    fn new(text: &str, file: &str) -> PyResult<Graph> {
        match raptors::ir::load(text, source::of_text(file)) {
            Ok(graph) => Ok(Graph(graph)),
            Err(error) => Err(PyValueError::new_err(format!("{file}:{error}"))),
        }
    }

    /// The dtype and the shape of each parameter.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Vec<(Py<PyDType>, Bound<'py, PyTuple>)>> {
        let parameters = self.0.parameters().iter().map(|parameter| &parameter.ty);
        parameters.map(|ty| Ok((dtype::object(py, ty.dtype)?, PyTuple::new(py, ty.shape.iter())?))).collect()
    }

    /// A lazy array for each parameter, in the layout the text states, with values drawn from `seed`.
    #[pyo3(signature = (seed, /))]
    fn random_inputs(&self, py: Python<'_>, seed: u64) -> PyResult<Vec<Array>> {
        let inputs = detached(py, || raptors::random_inputs(&self.0, seed))?;
        Ok(inputs.into_iter().map(Array).collect())
    }

    #[pyo3(signature = (*inputs))]
    fn __call__(&self, inputs: &Bound<'_, PyTuple>) -> PyResult<Vec<Array>> {
        let inputs: Vec<raptors::Array> =
            lazy_arrays("run", inputs)?.iter().map(|array| array.get().0.clone()).collect();
        Ok(raptors::apply_graph(&self.0, &inputs).or_raise()?.into_iter().map(Array).collect())
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        let graph = &self.0;
        let (parameters, results) = (graph.parameters().len(), graph.outputs().len());
        format!("raptors.Graph({} nodes, {parameters} parameters, {results} results)", graph.len())
    }
}
