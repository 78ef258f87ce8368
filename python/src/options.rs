//! Options of an evaluation: arguments of one call, or of a `with` block around several.
//!
//! A block's options are kept in a context variable, so threads and asyncio tasks have their own. Until the first block
//! is entered, nothing is looked up. An option is an arm of `Requested::set`, whatever takes options takes it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use raptors::{FpMode, Options};

use crate::error::wrong_type;

/// The names of the options, for error messages.
const NAMES: &str = "fp, max_memory, threads";

/// What a call or a block asks for; what it leaves out stays as it is outside.
#[derive(Clone, Copy, Default)]
pub(crate) struct Requested {
    fp: Option<FpMode>,
    /// `Some(None)`: no limit, whatever there is outside.
    max_memory: Option<Option<usize>>,
    /// `Some(None)`: as many as the process may use.
    threads: Option<Option<NonZeroUsize>>,
}

impl Requested {
    pub(crate) fn read(op: &str, arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Requested> {
        let mut requested = Requested::default();
        for (name, value) in arguments.into_iter().flatten() {
            requested.set(op, name.extract()?, &value)?;
        }
        Ok(requested)
    }

    /// Takes an option by its name.
    pub(crate) fn set(&mut self, op: &str, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match name {
            "fp" => self.fp = Some(fp_mode(op, value)?),
            "max_memory" => self.max_memory = Some(bytes(op, value)?),
            "threads" => self.threads = Some(thread_count(op, value)?),
            _ => {
                let message = format!("{op}: there is no option {name:?}, the options are: {NAMES}");
                return Err(PyTypeError::new_err(message));
            }
        }
        Ok(())
    }

    pub(crate) fn within(self, outer: Options) -> Options {
        Options {
            fp: self.fp.unwrap_or(outer.fp),
            max_memory: self.max_memory.unwrap_or(outer.max_memory),
            threads: self.threads.unwrap_or(outer.threads),
        }
    }
}

fn fp_mode(op: &str, value: &Bound<'_, PyAny>) -> PyResult<FpMode> {
    let allowed = FpMode::ALL.map(|mode| format!("{:?}", mode.name())).join(", ");
    let Ok(name) = value.extract::<&str>() else {
        return Err(wrong_type(op, "fp", value, &format!("one of {allowed}")));
    };
    let unknown = || PyValueError::new_err(format!("{op}: fp is {name:?}, needs one of {allowed}"));
    FpMode::from_name(name).ok_or_else(unknown)
}

/// A number of threads.
fn thread_count(op: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<NonZeroUsize>> {
    if value.is_none() {
        return Ok(None);
    }
    let needed = "a number of threads from 1 on, or None";
    let Ok(count) = value.extract::<i128>() else {
        return Err(wrong_type(op, "threads", value, needed));
    };
    match usize::try_from(count.min(usize::MAX as i128)).ok().and_then(NonZeroUsize::new) {
        Some(count) => Ok(Some(count)),
        None => Err(PyValueError::new_err(format!("{op}: threads is {count}, needs {needed}"))),
    }
}

/// A number of bytes, or text with a unit: `'512MB'`.
fn bytes(op: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    if value.is_none() {
        return Ok(None);
    }
    let needed = "a number of bytes that is not negative, or text such as '512MB' or '1.5GiB'";
    if let Ok(text) = value.extract::<&str>() {
        let unit = UNITS.iter().find_map(|&(unit, factor)| Some((text.trim().strip_suffix(unit)?, factor)));
        let count = unit.and_then(|(count, factor)| Some(count.trim().parse::<f64>().ok()? * factor as f64));
        return match count {
            Some(count) if count >= 0.0 => Ok(Some(count as usize)),
            _ => Err(PyValueError::new_err(format!("{op}: max_memory is {text:?}, needs {needed}"))),
        };
    }
    match value.extract::<i128>() {
        Ok(count) if count >= 0 => Ok(Some(usize::try_from(count).unwrap_or(usize::MAX))),
        Ok(count) => Err(PyValueError::new_err(format!("{op}: max_memory is {count}, needs {needed}"))),
        Err(_) => Err(wrong_type(op, "max_memory", value, needed)),
    }
}

/// The options of a call: its own arguments, and the enclosing blocks' for the rest.
///
/// # Errors
///
/// `TypeError` for a name that is no option, `ValueError` for a value that the option does not have.
pub(crate) fn of_call(op: &str, py: Python<'_>, arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    let outer = current(py)?;
    match arguments {
        None => Ok(outer),
        Some(_) => Ok(Requested::read(op, arguments)?.within(outer)),
    }
}

/// The options of the enclosing blocks.
pub(crate) fn current(py: Python<'_>) -> PyResult<Options> {
    if !ENTERED.load(Ordering::Relaxed) {
        return Ok(Options::default());
    }
    Ok(innermost(py)?.map_or_else(Options::default, |block| block.get().options))
}

/// Whether there is no enclosing block, so that the options are the usual ones.
#[inline]
pub(crate) fn are_usual() -> bool {
    !ENTERED.load(Ordering::Relaxed)
}

/// Set once any block is entered.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// A block that is being run.
#[pyclass(frozen, module = "raptors._core")]
struct Block {
    options: Options,
    outer: Option<Py<Block>>,
}

/// The innermost block of the running context.
fn innermost(py: Python<'_>) -> PyResult<Option<Bound<'_, Block>>> {
    variable(py)?.call_method1(intern!(py, "get"), (py.None(),))?.extract().map_err(PyErr::from)
}

fn set_innermost(py: Python<'_>, block: Option<Py<Block>>) -> PyResult<()> {
    variable(py)?.call_method1(intern!(py, "set"), (block,)).map(|_| ())
}

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = || Ok(py.import("contextvars")?.call_method1("ContextVar", ("raptors.options",))?.unbind());
    VARIABLE.get_or_try_init(py, make).map(|variable| variable.bind(py))
}

/// Options for what is evaluated in a `with` block.
///
/// `fp`: which rewrites of float arithmetic are allowed: 'strict' (the default: none that changes a bit), 'contract'
/// (also a product and a sum rounded once) or 'fast' (also those that hold for real numbers; functions of mathematics are
/// within 4 units in the last place, not 1, where that takes less time).
///
/// `max_memory`: the most memory that an evaluation may allocate for its results and for values between, in bytes or as
/// text ('512MB', '1.5GiB'); None for no limit. Kernels run in another order where the limit asks for it. What needs
/// more raises `MemoryError` before anything is computed, with a table of what would be in memory. Inputs do not count,
/// nor scratch memory of the size of a cache, nor what the pool rounds a block up by.
///
/// `threads`: the most threads that an evaluation may use, the calling one included, of those that the process may; None
/// for no limit. It changes no result.
///
/// Options that are not
/// named stay as they are outside. A block holds for the thread or asyncio task that entered it.
#[pyclass(frozen, name = "options", module = "raptors")]
pub(crate) struct ScopedOptions(Requested);

#[pymethods]
impl ScopedOptions {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(options: Option<&Bound<'_, PyDict>>) -> PyResult<ScopedOptions> {
        Requested::read("options", options).map(ScopedOptions)
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        ENTERED.store(true, Ordering::Relaxed);
        let outer = innermost(py)?;
        let options =
            self.0.within(outer.as_ref().map_or_else(Options::default, |block| block.get().options));
        let block = Py::new(py, Block { options, outer: outer.map(Bound::unbind) })?;
        set_innermost(py, Some(block))
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, _raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        let py = _raised.py();
        let outer =
            innermost(py)?.and_then(|block| block.get().outer.as_ref().map(|outer| outer.clone_ref(py)));
        set_innermost(py, outer)
    }
}
