//! Runs a function to learn what it computes: with placeholders of its arguments, for a plan that is kept, or with lazy
//! arrays, for one evaluation.

use std::cell::Cell;
use std::sync::Arc;

use pyo3::exceptions::{PyRecursionError, PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use raptors::array::Donation;
use raptors::function::Function;
use raptors::{Array as LazyArray, Options};

use super::arguments::{Arguments, DEEPEST, Donated, Given, OP, Role, named_fields, role};
use super::kept::{Kept, Tree};
use super::scalar::{Log, Scalar, SharedLog, Slot, SlotSource, lock};
use crate::array::Array;
use crate::detached::detached;
use crate::error::type_name;
use crate::{lazy, numpy, source};

thread_local! {
    /// Functions that are being run to learn what they compute, on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Whether a function is being run to learn what it computes: those that it calls are part of it.
pub(super) fn is_active() -> bool {
    DEPTH.get() > 0
}

struct Active;

impl Active {
    fn enter() -> Active {
        DEPTH.set(DEPTH.get() + 1);
        Active
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(super) struct Call<'a, 'py> {
    pub(super) positional: &'a Bound<'py, PyTuple>,
    pub(super) named: Option<&'a Bound<'py, PyDict>>,
}

/// What a function returned: arrays, and where they are in it.
pub(super) struct Returned {
    pub(super) tree: Tree,
    pub(super) arrays: Vec<LazyArray>,
}

/// The trace of a function for arguments of this structure.
///
/// # Errors
///
/// What the function raises, and what planning reports.
pub(super) fn trace<'py>(
    function: &Bound<'py, PyAny>,
    call: Call<'_, 'py>,
    arguments: &Arguments<'py>,
    options: &Options,
) -> PyResult<Kept> {
    let py = function.py();
    let log = SharedLog::default();
    let mut leaves = placeholders(py, arguments, &log)?.into_iter();
    let replace = &mut |_: &Bound<'py, PyAny>, _: Role, _: bool| leaves.next().map(Ok).transpose();
    let (positional, named) = substitute(call, &Donated::None, replace)?;
    let object = {
        let _active = Active::enter();
        function.call(positional, named.as_ref())
    };
    let returned = object.and_then(|object| returned(&object, &log));
    let log = {
        let mut log = lock(&log);
        std::mem::replace(&mut *log, Log { is_over: true, ..Log::default() })
    };
    let Returned { tree, arrays } = returned?;
    let arrays: Vec<&LazyArray> = arrays.iter().collect();
    let function = match arrays.is_empty() {
        true => None,
        false => Some(detached(py, || Function::of_results(&arrays, options))?),
    };
    Ok(Kept::new(function, log, tree))
}

/// What stands for each leaf.
fn placeholders<'py>(
    py: Python<'py>,
    arguments: &Arguments<'py>,
    log: &SharedLog,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let source = source::here(py);
    let mut memories = 0;
    let mut objects = Vec::with_capacity(arguments.leaves.len());
    for (n, leaf) in arguments.leaves.iter().enumerate() {
        let n = n as u32;
        objects.push(match leaf {
            Given::Memory { at, .. } => {
                let (ty, layout, donated) = arguments.memory_at(*at);
                let array = LazyArray::memory_placeholder(memories, ty, layout, donated, source);
                memories += 1;
                Bound::new(py, Array(array))?.into_any()
            }
            Given::Strong(literal) => {
                let mut log = lock(log);
                let dtype = literal.dtype();
                log.slots.push(Slot { from: SlotSource::Argument(n), dtype });
                let number = log.slots.len() as u32 - 1;
                Bound::new(py, Array(LazyArray::scalar_placeholder(number, *literal, source)))?.into_any()
            }
            Given::Weak(value) => {
                Bound::new(py, Scalar::argument(log, n, value.clone().unbind()))?.into_any()
            }
        });
    }
    Ok(objects)
}

/// Runs a function with lazy arrays of its arguments.
///
/// # Errors
///
/// What the function raises.
pub(super) fn run_lazily<'py>(
    function: &Bound<'py, PyAny>,
    call: Call<'_, 'py>,
    donated: &Donated,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let replace = &mut |object: &Bound<'py, PyAny>, role, donated| match role {
        Role::Array => {
            let donation = if donated { Donation::Yes } else { Donation::No };
            let array = lazy::convert(object, donation, None)?;
            Ok(Some(Bound::new(py, Array(array))?.into_any()))
        }
        Role::Lazy | Role::Number | Role::Strong | Role::Container | Role::Static => Ok(Some(object.clone())),
    };
    let (positional, named) = substitute(call, donated, replace)?;
    let _active = Active::enter();
    function.call(positional, named.as_ref())
}

type Replace<'a, 'py> =
    &'a mut dyn FnMut(&Bound<'py, PyAny>, Role, bool) -> PyResult<Option<Bound<'py, PyAny>>>;

/// The arguments of a call, with each leaf replaced.
fn substitute<'py>(
    call: Call<'_, 'py>,
    donated: &Donated,
    replace: Replace<'_, 'py>,
) -> PyResult<(Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>)> {
    let py = call.positional.py();
    let mut positional = Vec::with_capacity(call.positional.len());
    for (position, object) in call.positional.iter().enumerate() {
        positional.push(substituted(&object, donated.position(position), replace)?);
    }
    let named = match call.named {
        None => None,
        Some(given) => {
            let named = PyDict::new(py);
            for (name, object) in given {
                named.set_item(&name, substituted(&object, donated.name(&name), replace)?)?;
            }
            Some(named)
        }
    };
    Ok((PyTuple::new(py, positional)?, named))
}

fn substituted<'py>(
    object: &Bound<'py, PyAny>,
    donated: bool,
    replace: Replace<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let mut all = |parts: Vec<Bound<'py, PyAny>>| -> PyResult<Vec<Bound<'py, PyAny>>> {
        parts.iter().map(|part| substituted(part, donated, replace)).collect()
    };
    match role(object)? {
        Role::Static => Ok(object.clone()),
        Role::Container => {
            if let Ok(list) = object.cast_exact::<PyList>() {
                Ok(PyList::new(py, all(list.iter().collect())?)?.into_any())
            } else if let Ok(dict) = object.cast_exact::<PyDict>() {
                let copy = PyDict::new(py);
                for (key, part) in dict {
                    copy.set_item(key, substituted(&part, donated, replace)?)?;
                }
                Ok(copy.into_any())
            } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
                Ok(PyTuple::new(py, all(tuple.iter().collect())?)?.into_any())
            } else {
                let Some(fields) = named_fields(object) else { unreachable!("a container is one of these") };
                let fields = PyList::new(py, all(fields.iter().collect())?)?;
                object.get_type().call_method1(intern!(py, "_make"), (fields,))
            }
        }
        role @ (Role::Array | Role::Lazy | Role::Strong | Role::Number) => {
            let changed = || PyRuntimeError::new_err(format!("{OP}: an argument changed while it was read"));
            replace(object, role, donated)?.ok_or_else(changed)
        }
    }
}

/// What a function returned, taken apart.
pub(super) fn returned(object: &Bound<'_, PyAny>, log: &SharedLog) -> PyResult<Returned> {
    let mut arrays = Vec::new();
    let tree = take_apart(object, log, &mut arrays, 0)?;
    Ok(Returned { tree, arrays })
}

/// As [`returned`], where no numbers were traced.
pub(super) fn returned_lazily(object: &Bound<'_, PyAny>) -> PyResult<Returned> {
    returned(object, &Arc::default())
}

fn take_apart(
    object: &Bound<'_, PyAny>,
    log: &SharedLog,
    arrays: &mut Vec<LazyArray>,
    depth: usize,
) -> PyResult<Tree> {
    let py = object.py();
    if depth > DEEPEST {
        let message = format!("{OP}: the result has more than {DEEPEST} containers in one another");
        return Err(PyRecursionError::new_err(message));
    }
    let mut parts = |tuple: &Bound<'_, PyTuple>| -> PyResult<Vec<Tree>> {
        tuple.iter().map(|part| take_apart(&part, log, arrays, depth + 1)).collect()
    };
    if let Ok(array) = object.cast_exact::<Array>() {
        arrays.push(array.get().0.clone());
        return Ok(Tree::Array(arrays.len() as u32 - 1));
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        return parts(tuple).map(Tree::Tuple);
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        return parts(&list.to_tuple()).map(Tree::List);
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        let part = |(key, part): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok((key.unbind(), take_apart(&part, log, arrays, depth + 1)?))
        };
        return dict.iter().map(part).collect::<PyResult<_>>().map(Tree::Dict);
    }
    if let Some(fields) = named_fields(object) {
        return Ok(Tree::Named(object.get_type().into_any().unbind(), parts(fields)?));
    }
    if let Ok(scalar) = object.cast_exact::<Scalar>() {
        let scalar = scalar.get();
        return Ok(match scalar.number_in(log) {
            Some(number) => Tree::Number(number),
            None => Tree::Object(scalar.pinned(py).unbind()),
        });
    }
    if let Some(view) = numpy::view(OP, object)? {
        arrays.push(lazy::borrow(object, &view, source::here(py))?);
        return Ok(Tree::Array(arrays.len() as u32 - 1));
    }
    if object.hasattr(intern!(py, "send"))? && object.hasattr(intern!(py, "throw"))? {
        return Err(PyTypeError::new_err(format!(
            "{OP}: the function returned a {}, which a call cannot repeat: return arrays, or tuples, lists and dicts of \
             them",
            type_name(object)
        )));
    }
    Ok(Tree::Object(object.clone().unbind()))
}

/// The error of a function for which a plan must be made, but that computed no array.
pub(super) fn planned(arrays: &[LazyArray]) -> PyResult<Vec<&LazyArray>> {
    match arrays.is_empty() {
        true => {
            Err(PyTypeError::new_err(format!("{OP}: the function returned no array, so there is no plan")))
        }
        false => Ok(arrays.iter().collect()),
    }
}
