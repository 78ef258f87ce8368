//! Values in memory: what evaluations give, and what ndarrays, buffers and DLPack capsules are made of.
//!
//! A fresh value is in memory of its own (or in memory that was donated), and whoever gets it may write it. The value
//! of a leaf or a cached array is shared with the graph, and is handed out read-only.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyList, PyTuple};
use raptors::array::Leaf;
use raptors::eval::{AtHand, Evaluated, OutMemory, Prepared, Results, run_at_hand};
use raptors::ir::{Kind, Literal, Strides, scalar};
use raptors::runtime::buffer::Buffer;
use raptors::shared::Shared;
use raptors::{DType, Options, Shape, Tensor, Type};
use smallvec::SmallVec;

use crate::detached::{detached, guarded};
use crate::error::{OrRaise, wrong_type};
use crate::evaluations::{self, Wanted};
use crate::numpy::{self, Header};
use crate::operators::wrap;
use crate::options;

/// What keeps memory alive: the `base` of an ndarray. Memory of the pool returns to it when this is collected.
#[pyclass(frozen, name = "Memory", module = "raptors._core")]
pub(crate) struct Keep(#[expect(dead_code, reason = "owned for its drop")] Owner);

enum Owner {
    Buffer(#[expect(dead_code, reason = "owned for its drop")] Buffer),
    Leaf(#[expect(dead_code, reason = "owned for its drop")] Shared<Leaf>),
    Object(#[expect(dead_code, reason = "owned for its drop")] Py<PyAny>),
}

/// Elements in memory.
pub(crate) struct Value {
    /// The address of the element at index zero.
    pub(crate) pointer: *mut u8,
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    /// Bytes between neighbours, per dimension; `None` for row-major.
    pub(crate) strides: Option<Strides>,
    /// Whether elements have the other byte order.
    pub(crate) swapped: bool,
    /// Whether whoever gets the value may write it.
    pub(crate) writable: bool,
    /// What keeps the memory alive.
    pub(crate) keep: Keep,
}

impl Value {
    /// Bytes between neighbours, per dimension.
    pub(crate) fn byte_strides(&self) -> Strides {
        self.strides.clone().unwrap_or_else(|| self.shape.row_major_strides(self.dtype.size()))
    }
}

/// An evaluation that runs while other Python threads do.
pub(crate) struct Released<'a>(Prepared<'a>);

// SAFETY: the addresses are used by one evaluation, during which the caller waits and keeps their owners alive.
unsafe impl Send for Released<'_> {}

impl Released<'_> {
    /// # Safety
    ///
    /// As for [`Prepared::run`].
    pub(crate) unsafe fn run(self) -> Result<Results, raptors::Error> {
        // SAFETY: as for this function.
        unsafe { self.0.run() }
    }
}

/// Evaluates without the GIL, unless that takes less time than to let it go.
fn evaluate(
    py: Python<'_>,
    wanted: Wanted,
    arrays: &[&raptors::Array],
    outs: &[Option<OutMemory>],
    options: &Options,
    room: &mut dyn FnMut(usize, &Type) -> Option<*mut u8>,
) -> PyResult<Results> {
    note(py, wanted, arrays);
    match evaluate_if_brief(arrays, outs, options, room)? {
        Ok(results) => Ok(results),
        // SAFETY: memories come from headers of ndarrays that the callers hold, and that say whether they are writable.
        // As with any `out` of NumPy's, a Python thread that uses one at the same time gets what it asked for.
        Err(released) => detached(py, move || unsafe { released.run() }),
    }
}

/// Counts an evaluation, if these arrays take one.
pub(crate) fn note(py: Python<'_>, wanted: Wanted, arrays: &[&raptors::Array]) {
    if arrays.iter().any(|array| !array.is_evaluated()) {
        evaluations::note(py, wanted);
    }
}

/// Evaluates what takes less time than to let the GIL go; else gives back what is to be run without it.
pub(crate) fn evaluate_if_brief<'a>(
    arrays: &'a [&'a raptors::Array],
    outs: &'a [Option<OutMemory>],
    options: &'a Options,
    room: &mut dyn FnMut(usize, &Type) -> Option<*mut u8>,
) -> PyResult<Result<Results, Released<'a>>> {
    // Nothing that is waited for here, a lock or a worker, waits for the GIL.
    guarded(|| {
        // SAFETY: memories come from headers of ndarrays that the callers hold, and that say whether they are writable;
        // room is in ndarrays that only they hold.
        let run = unsafe { Prepared::run_if_brief(arrays, outs, options, room)? };
        Ok(run.map_err(Released))
    })
}

/// The array's value in memory of its own, computed under the options of the enclosing blocks.
pub(crate) fn fresh(py: Python<'_>, wanted: Wanted, array: &raptors::Array) -> PyResult<Value> {
    fresh_with(py, wanted, array, &options::current(py)?)
}

fn fresh_with(py: Python<'_>, wanted: Wanted, array: &raptors::Array, options: &Options) -> PyResult<Value> {
    match evaluate(py, wanted, &[array], &[None], options, &mut |_, _| None)?.pop() {
        Some(evaluated) => fresh_value(evaluated),
        None => Err(no_result()),
    }
}

pub(crate) fn fresh_value(evaluated: Evaluated) -> PyResult<Value> {
    match evaluated {
        Evaluated::Tensor(tensor) => {
            let (mut buffer, dtype, shape) = tensor.into_parts();
            let (pointer, keep) = (buffer.as_mut_ptr(), Keep(Owner::Buffer(buffer)));
            Ok(Value { pointer, dtype, shape, strides: None, swapped: false, writable: true, keep })
        }
        Evaluated::Donated(leaf, ty) => {
            let (pointer, keep) = (leaf.memory.pointer(), Keep(Owner::Leaf(leaf)));
            let (dtype, shape) = (ty.dtype, ty.shape);
            Ok(Value { pointer, dtype, shape, strides: None, swapped: false, writable: true, keep })
        }
        Evaluated::Out => Err(no_result()),
    }
}

/// Only a broken promise of `eval_into` leads here.
#[cold]
fn no_result() -> PyErr {
    PyRuntimeError::new_err("eval: an evaluation gave no result: this is a mistake in raptors")
}

/// The array's value where it is, if it is in memory already, else computed into memory of its own.
pub(crate) fn in_memory(py: Python<'_>, wanted: Wanted, array: &raptors::Array) -> PyResult<Value> {
    if !array.is_evaluated() {
        return fresh(py, wanted, array);
    }
    let leaf = array.cached_leaf(&options::current(py)?).or_raise()?;
    Ok(Value {
        pointer: leaf.memory.pointer(),
        dtype: array.dtype(),
        shape: array.shape().clone(),
        strides: Some(leaf.strides.clone()),
        swapped: leaf.swapped,
        writable: false,
        keep: Keep(Owner::Leaf(leaf)),
    })
}

/// Computes the array now and keeps the value in its node, unless it is in memory already.
pub(crate) fn cache(py: Python<'_>, array: &raptors::Array) -> PyResult<()> {
    let options = options::current(py)?;
    if !array.is_evaluated() {
        evaluations::note(py, Wanted::Cache);
    }
    detached(py, || array.cached_leaf(&options)).map(|_| ())
}

/// The array's value as an ndarray of its own, computed under the options of the enclosing blocks.
pub(crate) fn to_ndarray(py: Python<'_>, wanted: Wanted, array: &raptors::Array) -> PyResult<Py<PyAny>> {
    deliver(py, wanted, array, None, &options::current(py)?)
}

/// The array's value as an ndarray of its own, or written into `out`, an ndarray, which is returned.
pub(crate) fn deliver(
    py: Python<'_>,
    wanted: Wanted,
    array: &raptors::Array,
    out: Option<&Bound<'_, PyAny>>,
    options: &Options,
) -> PyResult<Py<PyAny>> {
    let Some(out) = out else {
        // Before the evaluation: without NumPy, donated memory must not be overwritten in vain.
        numpy::load_for(py, array.dtype())?;
        let mut rooms = Rooms::new(py);
        let room = &mut |n: usize, ty: &Type| rooms.make(n, ty);
        let evaluated = evaluate(py, wanted, &[array], &[None], options, room)?;
        return match evaluated.into_iter().next() {
            Some(evaluated) => rooms.result(0, evaluated),
            None => Err(no_result()),
        };
    };
    evaluate(py, wanted, &[array], &[Some(out_memory(out)?)], options, &mut |_, _| None)?;
    Ok(out.clone().unbind())
}

/// The array, or, given `out`, its value written into that ndarray, which is returned.
pub(crate) fn lazy_or_out(
    py: Python<'_>,
    array: raptors::Array,
    out: Option<&Bound<'_, PyAny>>,
) -> PyResult<Py<PyAny>> {
    match out {
        None => wrap(py, Ok(array)),
        Some(_) => deliver(py, Wanted::Out, &array, out, &options::current(py)?),
    }
}

/// The memory of an ndarray given as `out`.
pub(crate) fn out_memory(out: &Bound<'_, PyAny>) -> PyResult<OutMemory> {
    let Some(header) = numpy::header("eval: out", out)? else {
        return Err(wrong_type("eval", "out", out, "an ndarray"));
    };
    let Header { pointer, dtype, shape, strides, swapped, writable } = header;
    Ok(OutMemory { pointer, dtype, shape, strides, swapped, writable })
}

/// The values of arrays as ndarrays, evaluated together; `out` is as for `eval`.
pub(crate) fn deliver_all(
    py: Python<'_>,
    op: &str,
    arrays: &[&raptors::Array],
    out: Option<&Bound<'_, PyAny>>,
    options: &Options,
) -> PyResult<Vec<Py<PyAny>>> {
    let outs: Vec<Option<Bound<'_, PyAny>>> = match out {
        None => vec![None; arrays.len()],
        Some(out) if out.is_instance_of::<PyTuple>() || out.is_instance_of::<PyList>() => {
            let given: PyResult<Vec<Bound<'_, PyAny>>> = out.try_iter()?.collect();
            given?.into_iter().map(|out| (!out.is_none()).then_some(out)).collect()
        }
        Some(out) => vec![Some(out.clone())],
    };
    if outs.len() != arrays.len() {
        let (given, needed) = (outs.len(), arrays.len());
        return Err(PyValueError::new_err(format!("{op}: {given} out arrays for {needed} results")));
    }
    let memories: PyResult<Vec<Option<OutMemory>>> =
        outs.iter().map(|out| out.as_ref().map(out_memory).transpose()).collect();
    for (array, _) in arrays.iter().zip(&outs).filter(|(_, out)| out.is_none()) {
        numpy::load_for(py, array.dtype())?;
    }
    let mut rooms = Rooms::new(py);
    let room = &mut |n: usize, ty: &Type| rooms.make(n, ty);
    let evaluated = evaluate(py, Wanted::Eval, arrays, &memories?, options, room)?;
    evaluated
        .into_iter()
        .zip(outs)
        .enumerate()
        .map(|(n, (evaluated, out))| match out {
            Some(out) => Ok(out.unbind()),
            None => rooms.result(n, evaluated),
        })
        .collect()
}

/// ndarrays that were made before a run, for small results to be computed in: NumPy's own memory is cheaper than an object
/// that returns memory of the pool.
pub(crate) struct Rooms<'py> {
    py: Python<'py>,
    made: SmallVec<[(usize, Bound<'py, PyAny>); 1]>,
}

impl<'py> Rooms<'py> {
    pub(crate) fn new(py: Python<'py>) -> Rooms<'py> {
        Rooms { py, made: SmallVec::new() }
    }

    /// Memory for a result, if it is small.
    #[inline]
    pub(crate) fn make(&mut self, result: usize, ty: &Type) -> Option<*mut u8> {
        let (array, pointer) = small_ndarray(self.py, ty, ty.shape.size() * ty.dtype.size())?;
        self.made.push((result, array));
        Some(pointer)
    }

    /// The ndarray of a result.
    pub(crate) fn result(&mut self, result: usize, evaluated: Evaluated) -> PyResult<Py<PyAny>> {
        match evaluated {
            Evaluated::Out => self.made(result).map(Bound::unbind),
            evaluated => numpy::new_ndarray(self.py, fresh_value(evaluated)?),
        }
    }

    /// The ndarray that was made for a result.
    pub(crate) fn made(&mut self, result: usize) -> PyResult<Bound<'py, PyAny>> {
        let position = self.made.iter().position(|(number, _)| *number == result).ok_or_else(no_result)?;
        Ok(self.made.swap_remove(position).1)
    }
}

/// An ndarray for a result of so many bytes, and its memory, if that is little.
#[inline]
pub(crate) fn small_ndarray<'py>(
    py: Python<'py>,
    ty: &Type,
    bytes: usize,
) -> Option<(Bound<'py, PyAny>, *mut u8)> {
    /// Above it the pool's warm and aligned pages are worth more.
    const MOST_BYTES: usize = 16 << 10;
    // Where NumPy has no memory, the pool may have some.
    if bytes <= MOST_BYTES { numpy::uninitialized(py, ty).ok() } else { None }
}

/// ndarrays, in the order of their results.
pub(crate) type Made<'py> = SmallVec<[Option<Bound<'py, PyAny>>; 2]>;

/// The values of arrays as ndarrays, evaluated together under the usual options, if their plan is at hand and brief; else
/// `None`, and nothing has been computed.
///
/// # Errors
///
/// As evaluating them.
#[inline]
pub(crate) fn deliver_at_hand<'py>(
    py: Python<'py>,
    wanted: Wanted,
    arrays: &[&raptors::Array],
) -> PyResult<Option<Made<'py>>> {
    let mut made: Made<'py> = SmallVec::new();
    arrays.iter().for_each(|_| made.push(None));
    let room = &mut |n: usize, bytes| {
        let (array, pointer) = small_ndarray(py, arrays[n].ty(), bytes)?;
        made[n] = Some(array);
        Some(pointer)
    };
    // Nothing that is waited for in there, a lock or a worker, waits for the GIL.
    // SAFETY: memories are those of ndarrays of the arrays' dtypes and shapes, which only this function has.
    let ran = unsafe { run_at_hand(arrays, room) };
    if let Ok(AtHand::Missing) = ran {
        return Ok(None);
    }
    note(py, wanted, arrays);
    if let AtHand::Results(results) = ran.or_raise()? {
        for (made, evaluated) in made.iter_mut().zip(*results) {
            match evaluated {
                Evaluated::Out => {}
                evaluated => *made = Some(numpy::new_ndarray(py, fresh_value(evaluated)?)?.into_bound(py)),
            }
        }
    }
    Ok(Some(made))
}

/// A result as an ndarray of its own.
pub(crate) fn new_result(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyAny>> {
    Ok(numpy::new_ndarray(py, fresh_value(Evaluated::Tensor(tensor))?)?.into_bound(py))
}

/// An ndarray of its own over an object's memory, which holds a row-major result.
pub(crate) fn new_over<'py>(
    py: Python<'py>,
    pointer: *mut u8,
    ty: Type,
    object: &Bound<'_, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (Type { dtype, shape }, keep) = (ty, Keep(Owner::Object(object.clone().unbind())));
    let value = Value { pointer, dtype, shape, strides: None, swapped: false, writable: true, keep };
    Ok(numpy::new_ndarray(py, value)?.into_bound(py))
}

/// The value of an array of one element as a Python number, computed at most once.
pub(crate) fn item<'py>(
    py: Python<'py>,
    wanted: Wanted,
    array: &raptors::Array,
) -> PyResult<Bound<'py, PyAny>> {
    let options = options::current(py)?;
    let literal = match array.is_evaluated() {
        true => array.item(wanted.name(), &options).or_raise()?,
        false => {
            evaluations::note(py, wanted);
            detached(py, || array.item(wanted.name(), &options))?
        }
    };
    number(py, literal)
}

/// A literal as a Python number.
fn number(py: Python<'_>, literal: Literal) -> PyResult<Bound<'_, PyAny>> {
    let dtype = literal.dtype();
    let part = |bits: u128| match dtype {
        DType::C64 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits as u64),
    };
    match dtype.kind() {
        Kind::Bool => (literal.bits() != 0).into_bound_py_any(py),
        Kind::Signed => scalar::cast(literal, DType::I64).and_then(|x| x.get::<i64>()).into_bound_py_any(py),
        Kind::Unsigned => {
            scalar::cast(literal, DType::U64).and_then(|x| x.get::<u64>()).into_bound_py_any(py)
        }
        Kind::Float => literal.to_f64().into_bound_py_any(py),
        Kind::Complex => {
            let bits = literal.bits();
            let imag = part(bits >> (4 * dtype.size()));
            Ok(PyComplex::from_doubles(py, part(bits), imag).into_any())
        }
    }
}
