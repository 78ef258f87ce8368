//! `compile`: functions that are traced once for each structure of their arguments, and whose plans are kept.
//!
//! A call reads its arguments (`arguments`), finds the trace of their structure (`cache`), or makes one by running the
//! Python function with placeholders (`trace`), and binds the arrays to its plan (`kept`). Python numbers are not part of
//! a structure; `scalar` writes down what the function does with them.

mod arguments;
mod cache;
mod kept;
pub(crate) mod scalar;
mod trace;

use std::sync::Arc;

use pyo3::PyTraverseError;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use raptors::Options;

use arguments::{Arguments, Donated, OP};
use cache::{Cache, Trace};
use trace::{Call, Returned};

use crate::error::wrong_type;
use crate::options::{self, Requested};
use crate::plan::{self, Plan};
use crate::value;

/// A function that is traced once for each structure of its arguments; later calls of the structure run its plan.
#[pyclass(frozen, dict, weakref, module = "raptors")]
pub(crate) struct CompiledFunction {
    function: Py<PyAny>,
    requested: Requested,
    donated: Donated,
    cache: Cache,
    signature: PyOnceLock<Signature>,
}

/// What is known of a function's parameters.
struct Signature {
    /// Those that can be given by position; `None` where Python does not know.
    positional: Option<Vec<String>>,
    /// Whether `out` is an argument of the function itself.
    takes_out: bool,
}

/// Compile a function of arrays: it is traced once for each structure of its arguments, and later calls bind their arrays
/// to the plan that was made, without running the function. Also a decorator, with or without arguments.
///
/// A call gives what the function returns, with ndarrays for its arrays. The structure of arguments is the dtype, shape and
/// layout of arrays, the types of Python numbers, and any other object itself, which must be hashable; tuples, lists and
/// dicts are looked into. Numbers adapt to arrays as elsewhere, and another value needs no other plan, unless the
/// function looks at it (`if n > 3`, `range(n)`, `x[n]`) or it is one that rewriting looks for: 0, 1, -1, 2, 0.5, and
/// powers of two to divide by.
///
/// While it is traced, a function sees lazy arrays without values: `if x[0] > 0` raises, `where` chooses elements. What it
/// does beside computing arrays, it does then and not again: it prints once, draws random numbers once, reads the clock
/// once. Arrays that it uses beside its arguments are kept, and read at each call; a variable that is bound to another array
/// later is not looked at again.
///
/// donate: arguments that may be overwritten: True for all, or positions and names. fp, max_memory, threads: as for
/// `options`. maxsize: the most structures that are kept; None for no limit. `out=` at a call is memory for the results, as
/// for `eval`.
#[pyfunction]
#[pyo3(signature = (function=None, /, *, donate=None, maxsize=Some(256), **options), text_signature = "(function=None, /, *, donate=None, maxsize=256, **options)")]
pub(crate) fn compile<'py>(
    py: Python<'py>,
    function: Option<&Bound<'py, PyAny>>,
    donate: Option<&Bound<'py, PyAny>>,
    maxsize: Option<usize>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let requested = Requested::read(OP, options)?;
    let Some(function) = function else {
        let arguments = options.map_or_else(|| Ok(PyDict::new(py)), |options| options.copy())?;
        arguments.set_item("donate", donate)?;
        arguments.set_item("maxsize", maxsize)?;
        let compile = py.import(intern!(py, "raptors"))?.getattr(intern!(py, "compile"))?;
        return py.import(intern!(py, "functools"))?.call_method("partial", (compile,), Some(&arguments));
    };
    if !function.is_callable() {
        return Err(wrong_type(OP, "the first argument", function, "a function"));
    }
    refuse_coroutines(function)?;
    let compiled = CompiledFunction {
        function: function.clone().unbind(),
        requested,
        donated: Donated::None,
        cache: Cache::new(maxsize.unwrap_or(usize::MAX)),
        signature: PyOnceLock::new(),
    };
    let donated = donate.map_or_else(|| Ok(Donated::None), |donate| compiled.donated_arguments(donate))?;
    let compiled = Bound::new(py, CompiledFunction { donated, ..compiled })?;
    py.import(intern!(py, "functools"))?.call_method1("update_wrapper", (&compiled, function))?;
    Ok(compiled.into_any())
}

/// Generators and coroutines do nothing when they are called.
fn refuse_coroutines(function: &Bound<'_, PyAny>) -> PyResult<()> {
    /// `CO_GENERATOR`, `CO_COROUTINE`, `CO_ASYNC_GENERATOR`.
    const SUSPENDS: u32 = 0x20 | 0x80 | 0x200;
    let py = function.py();
    let Ok(code) = function.getattr(intern!(py, "__code__")) else { return Ok(()) };
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    if flags & SUSPENDS == 0 {
        return Ok(());
    }
    let name: String = code.getattr(intern!(py, "co_name"))?.extract()?;
    Err(PyTypeError::new_err(format!(
        "{OP}: {name} is a generator or a coroutine: compile the function that computes, and await or iterate outside"
    )))
}

impl CompiledFunction {
    fn signature(&self, py: Python<'_>) -> PyResult<&Signature> {
        self.signature.get_or_try_init(py, || {
            let inspect = py.import(intern!(py, "inspect"))?;
            let Ok(signature) = inspect.call_method1("signature", (&self.function,)) else {
                return Ok(Signature { positional: None, takes_out: false });
            };
            let mut positional = Vec::new();
            let mut takes_out = false;
            for parameter in signature.getattr("parameters")?.call_method0("values")?.try_iter()? {
                let parameter = parameter?;
                let name: String = parameter.getattr("name")?.extract()?;
                let kind: String = parameter.getattr("kind")?.getattr("name")?.extract()?;
                takes_out |= name == "out" || kind == "VAR_KEYWORD";
                if matches!(&*kind, "POSITIONAL_ONLY" | "POSITIONAL_OR_KEYWORD") {
                    positional.push(name);
                }
            }
            Ok(Signature { positional: Some(positional), takes_out })
        })
    }

    /// The arguments that `donate` means.
    fn donated_arguments(&self, donate: &Bound<'_, PyAny>) -> PyResult<Donated> {
        if let Ok(all) = donate.cast::<pyo3::types::PyBool>() {
            return Ok(if all.is_true() { Donated::All } else { Donated::None });
        }
        if donate.is_none() {
            return Ok(Donated::None);
        }
        let is_list = donate.is_instance_of::<PyTuple>() || donate.is_instance_of::<PyList>();
        let entries: Vec<Bound<'_, PyAny>> = match is_list {
            true => donate.try_iter()?.collect::<PyResult<_>>()?,
            false => vec![donate.clone()],
        };
        let parameters = self.signature(donate.py())?.positional.as_deref();
        let (mut positions, mut names) = (Vec::new(), Vec::new());
        for entry in entries {
            if let Ok(name) = entry.cast::<PyString>() {
                let name: String = name.extract()?;
                positions.extend(parameters.and_then(|all| all.iter().position(|other| *other == name)));
                names.push(name);
            } else if let Ok(position) = entry.extract::<usize>() {
                names.extend(parameters.and_then(|all| all.get(position)).cloned());
                positions.push(position);
            } else {
                let needed = "True, or positions and names of arguments";
                return Err(wrong_type(OP, "donate", &entry, needed));
            }
        }
        Ok(Donated::Some(positions, names))
    }

    fn options(&self, py: Python<'_>) -> PyResult<Options> {
        Ok(self.requested.within(options::current(py)?))
    }

    /// Runs the function for this call and evaluates what it returned.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        call: Call<'_, 'py>,
        out: Option<&Bound<'py, PyAny>>,
        options: &Options,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Returned { tree, arrays } = self.run_lazily(py, call)?;
        let handles: Vec<&raptors::Array> = arrays.iter().collect();
        let results = value::deliver_all(py, OP, &handles, out, options)?;
        tree.build(py, &mut |n| results.get(n as usize).map(|result| result.bind(py).clone()), &[])
    }

    fn run_lazily(&self, py: Python<'_>, call: Call<'_, '_>) -> PyResult<Returned> {
        trace::returned_lazily(&trace::run_lazily(self.function.bind(py), call, &self.donated)?)
    }

    /// The memory for results that a call was given, and its other arguments.
    #[cold]
    fn take_out<'py>(
        &self,
        named: &Bound<'py, PyDict>,
    ) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyDict>)>> {
        let py = named.py();
        let Some(out) = named.get_item(intern!(py, "out"))? else { return Ok(None) };
        if self.signature(py)?.takes_out {
            return Ok(None);
        }
        let others = named.copy()?;
        others.del_item(intern!(py, "out"))?;
        Ok(Some((out, others)))
    }

    fn plan_of(&self, py: Python<'_>, call: Call<'_, '_>, analyze: bool) -> PyResult<Plan> {
        let Returned { arrays, .. } = self.run_lazily(py, call)?;
        Plan::with_options(py, &trace::planned(&arrays)?, analyze, &self.options(py)?)
    }
}

#[pymethods]
impl CompiledFunction {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut call = Call { positional: args, named: kwargs };
        if trace::is_active() {
            return trace::run_lazily(self.function.bind(py), call, &Donated::None);
        }
        let options = self.options(py)?;
        let taken = kwargs.map_or(Ok(None), |named| self.take_out(named))?;
        if let Some((out, others)) = &taken {
            call.named = Some(others);
            if !out.is_none() {
                return self.evaluate(py, call, Some(out), &options);
            }
        }
        let mut arguments = Arguments::new();
        arguments.read(call.positional, call.named, &self.donated, &options)?;
        if arguments.is_lazy {
            return self.evaluate(py, call, None, &options);
        }
        loop {
            let (trace, scalars) = match self.cache.find(py, &arguments)? {
                Some(found) => found,
                None => {
                    let kept = trace::trace(self.function.bind(py), call, &arguments, &options)?;
                    let trace = Arc::new(Trace::new(&arguments, kept));
                    self.cache.insert(trace.clone());
                    match trace.kept.serves(py, &arguments)? {
                        Some(scalars) => (trace, scalars),
                        // Its numbers are computed otherwise each time: no plan can be kept for them.
                        None => return self.evaluate(py, call, None, &options),
                    }
                }
            };
            if arguments.has_donated()
                && let Some(function) = &trace.kept.function
                && arguments.keep_read(|memory| function.holds(memory))
            {
                continue;
            }
            return trace.kept.run(py, &arguments, &scalars);
        }
    }

    fn __get__<'py>(
        slf: Bound<'py, Self>,
        instance: Option<&Bound<'py, PyAny>>,
        owner: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, _) = (slf.py(), owner);
        match instance {
            None => Ok(slf.into_any()),
            Some(instance) => {
                py.import(intern!(py, "types"))?.call_method1(intern!(py, "MethodType"), (slf, instance))
            }
        }
    }

    /// The plan of a call with these arguments, which is not run unless `analyze` asks for it.
    #[pyo3(signature = (*args, analyze=false, **kwargs))]
    fn plan<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        analyze: bool,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Plan> {
        self.plan_of(py, Call { positional: args, named: kwargs }, analyze)
    }

    /// What a call with these arguments would do, as text; `level` and `analyze` as for `Array.explain`.
    #[pyo3(signature = (*args, level="plan", analyze=false, **kwargs))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        level: &str,
        analyze: bool,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<String> {
        plan::level(level)?;
        self.plan_of(py, Call { positional: args, named: kwargs }, analyze)?.explain(level)
    }

    /// How many calls found a trace (hits) and made one (misses), the most that are kept, and how many are.
    fn cache_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CLASS.get_or_try_init(py, || -> PyResult<_> {
            let fields = ("CacheInfo", ["hits", "misses", "maxsize", "currsize"]);
            Ok(py.import("collections")?.call_method1("namedtuple", fields)?.unbind())
        })?;
        let counts = self.cache.counts();
        let max = (self.cache.max != usize::MAX).then_some(self.cache.max);
        class.bind(py).call1((counts.hits, counts.misses, max, counts.count))
    }

    /// Forget every trace, and the counts.
    fn cache_clear(&self) {
        self.cache.clear();
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<raptors.CompiledFunction of {}>", self.function.bind(py).repr()?))
    }

    /// By name, as a function: what was traced stays behind.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).getattr(intern!(py, "__qualname__"))
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        self.cache.try_each(|trace| trace.visit(&mut |object| visit.call(object)))
    }

    fn __clear__(&self) {
        self.cache.clear();
    }
}
