//! Evaluations that are asked for as such: `eval`, and those that an event loop awaits.
//!
//! A [`Request`] is read on the thread and in the context that asks, where its mistakes are raised and its line is noted,
//! and may be run on another thread.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use raptors::eval::{OutMemory, Results};
use raptors::{CancelToken, Options};
use smallvec::SmallVec;

use crate::array::Array;
use crate::detached::detached_under;
use crate::evaluations::Wanted;
use crate::plan::lazy_arrays;
use crate::value::{Rooms, deliver_all, evaluate_if_brief, note, out_memory};
use crate::{numpy, options};

/// An evaluation, and what stops it.
#[pyclass(frozen, module = "raptors._core")]
pub(crate) struct Request {
    arrays: SmallVec<[Py<Array>; 4]>,
    outs: SmallVec<[Option<Py<PyAny>>; 4]>,
    options: Options,
    token: CancelToken,
    /// Whether the result is an ndarray, not a tuple of them.
    is_one: bool,
}

#[pymethods]
impl Request {
    /// Has `run` stop on whatever thread it runs, or not begin.
    fn cancel(&self) {
        self.token.cancel();
    }

    /// Evaluate, without the GIL.
    fn run<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut rooms = Rooms::new(py);
        let results = self.with(py, |arrays, outs| {
            match evaluate_if_brief(arrays, outs, &self.options, &mut |n, ty| rooms.make(n, ty))? {
                Ok(results) => Ok(results),
                // SAFETY: memories come from headers of ndarrays that the request holds, and that say whether they are
                // writable. As with any `out` of NumPy's, a Python thread that uses one at the same time gets what it
                // asked for.
                Err(released) => detached_under(py, &self.token, move || unsafe { released.run() }),
            }
        })?;
        self.deliver(py, results, rooms)
    }

    /// Evaluate, if that is known to take a few microseconds; else None.
    fn run_if_brief<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut rooms = Rooms::new(py);
        let results = self.with(py, |arrays, outs| {
            Ok(evaluate_if_brief(arrays, outs, &self.options, &mut |n, ty| rooms.make(n, ty))?.ok())
        })?;
        results.map(|results| self.deliver(py, results, rooms)).transpose()
    }
}

impl Request {
    fn read(
        op: &str,
        wanted: Wanted,
        arrays: &Bound<'_, PyTuple>,
        out: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Request> {
        let py = arrays.py();
        let options = options::of_call(op, py, options)?;
        let arrays: Vec<Bound<'_, Array>> = lazy_arrays(op, arrays)?;
        let outs: SmallVec<[Option<Py<PyAny>>; 4]> = match out {
            None => arrays.iter().map(|_| None).collect(),
            Some(out) if out.is_instance_of::<PyTuple>() || out.is_instance_of::<PyList>() => {
                let given = out.try_iter()?.map(|out| out.map(|out| (!out.is_none()).then(|| out.unbind())));
                given.collect::<PyResult<_>>()?
            }
            Some(out) => SmallVec::from_iter([Some(out.clone().unbind())]),
        };
        if outs.len() != arrays.len() {
            let (given, needed) = (outs.len(), arrays.len());
            return Err(PyValueError::new_err(format!("{op}: {given} out arrays for {needed} results")));
        }
        // Before the evaluation: without NumPy, donated memory must not be overwritten in vain.
        for (array, _) in arrays.iter().zip(&outs).filter(|(_, out)| out.is_none()) {
            numpy::load_for(py, array.get().0.dtype())?;
        }
        let handles: SmallVec<[&raptors::Array; 4]> = arrays.iter().map(|array| &array.get().0).collect();
        note(py, wanted, &handles);
        let arrays = arrays.iter().map(|array| array.clone().unbind()).collect();
        Ok(Request { arrays, outs, options, token: CancelToken::new(), is_one: false })
    }

    /// Calls `f` with the arrays, and the memory given for them.
    fn with<T>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&[&raptors::Array], &[Option<OutMemory>]) -> PyResult<T>,
    ) -> PyResult<T> {
        let arrays: SmallVec<[&raptors::Array; 4]> = self.arrays.iter().map(|array| &array.get().0).collect();
        let outs = self.outs.iter().map(|out| out.as_ref().map(|out| out_memory(out.bind(py))).transpose());
        let outs: SmallVec<[Option<OutMemory>; 2]> = outs.collect::<PyResult<_>>()?;
        f(&arrays, &outs)
    }

    fn deliver<'py>(
        &self,
        py: Python<'py>,
        results: Results,
        mut rooms: Rooms<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let result = |(n, (evaluated, out)): (usize, (_, &Option<Py<PyAny>>))| match out {
            Some(out) => Ok(out.clone_ref(py)),
            None => rooms.result(n, evaluated),
        };
        let mut results = results.into_iter().zip(&self.outs).enumerate().map(result);
        match self.is_one {
            true => results.next().unwrap_or_else(|| Ok(py.None()))?.into_bound_py_any(py),
            false => PyTuple::new(py, results.collect::<PyResult<Vec<_>>>()?).map(Bound::into_any),
        }
    }
}

/// Evaluate arrays together, and return a tuple of ndarrays, one for each: what they share is computed once.
///
/// `out`: an ndarray or None for each array, in a tuple or list; for one array, the ndarray itself. What is given is
/// written and returned. Options are those of `options`.
#[pyfunction]
#[pyo3(signature = (*arrays, out=None, **options))]
pub(crate) fn eval<'py>(
    arrays: &Bound<'py, PyTuple>,
    out: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    if out.is_none() && options.is_none() {
        let (py, arrays) = (arrays.py(), lazy_arrays("eval", arrays)?);
        let handles: SmallVec<[&raptors::Array; 4]> = arrays.iter().map(|array| &array.get().0).collect();
        let results = deliver_all(py, "eval", &handles, None, &options::current(py)?)?;
        return PyTuple::new(py, results).map(Bound::into_any);
    }
    Request::read("eval", Wanted::Eval, arrays, out, options)?.run(arrays.py())
}

/// `eval` for an event loop: `y, z = await r.eval_async(y, z)` computes on another thread, and the loop goes on meanwhile.
///
/// What is known to take a few microseconds is computed at once. At most as many evaluations run beside each other as there
/// are threads; others wait for their turn. Options are those of the caller. Cancelling the task that awaits stops the
/// evaluation, and waits until it has stopped: inputs that it would have overwritten are lost, all else can be used.
#[pyfunction]
#[pyo3(signature = (*arrays, out=None, **options))]
pub(crate) fn eval_async<'py>(
    arrays: &Bound<'py, PyTuple>,
    out: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let request = Request::read("eval_async", Wanted::Await, arrays, out, options)?;
    coroutine(arrays.py(), request)
}

/// `await array`: the array as an ndarray.
pub(crate) fn awaited<'py>(array: &Bound<'py, Array>) -> PyResult<Bound<'py, PyAny>> {
    let py = array.py();
    let request = Request::read("await", Wanted::Await, &PyTuple::new(py, [array])?, None, None)?;
    coroutine(py, Request { is_one: true, ..request })?.call_method0(intern!(py, "__await__"))
}

fn coroutine(py: Python<'_>, request: Request) -> PyResult<Bound<'_, PyAny>> {
    py.import(intern!(py, "raptors.event_loop"))?.call_method1(intern!(py, "evaluated"), (request,))
}
