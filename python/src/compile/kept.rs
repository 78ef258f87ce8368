//! A kept trace: its plan, what it needs numbers to be, and how a call's results are put together.

use pyo3::PyTraverseError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyTuple};
use raptors::function::{Function, Output, Outputs};
use raptors::ir::Literal;
use smallvec::SmallVec;

use super::arguments::{Arguments, Given, MemoryOwner, OP};
use super::scalar::{Log, Number, Slot, SlotSource, Term};
use crate::detached::{detached, guarded};
use crate::numpy;
use crate::operand::{literal, python_number};
use crate::value::{self, Made, Rooms};

/// The scalars of a plan at one call.
pub(super) type Scalars = SmallVec<[Literal; 2]>;

/// What a traced function returned.
pub(super) enum Tree {
    /// The array of this number.
    Array(u32),
    /// The number of the log of this number.
    Number(u32),
    /// Any other object, which each call returns.
    Object(Py<PyAny>),
    Tuple(Vec<Tree>),
    List(Vec<Tree>),
    Dict(Vec<(Py<PyAny>, Tree)>),
    /// A named tuple of this class.
    Named(Py<PyAny>, Vec<Tree>),
}

/// A trace that is kept.
pub(super) struct Kept {
    /// `None` where no array is computed.
    pub(super) function: Option<Function>,
    numbers: Vec<Number>,
    pinned: Vec<(u32, Py<PyAny>)>,
    slots: Vec<Slot>,
    tree: Tree,
    /// Whether numbers are computed of others at each call.
    computes: bool,
}

type Numbers<'py> = SmallVec<[Bound<'py, PyAny>; 4]>;

impl Kept {
    pub(super) fn new(function: Option<Function>, log: Log, tree: Tree) -> Kept {
        let Log { numbers, pinned, slots, is_over: _ } = log;
        let computes = numbers.iter().any(|number| matches!(number, Number::Computed { .. }));
        Kept { function, numbers, pinned, slots, tree, computes }
    }

    /// The scalars of the plan for these arguments; `None` where it is the plan for other numbers.
    pub(super) fn serves<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
    ) -> PyResult<Option<Scalars>> {
        let mut scalars = Scalars::new();
        if self.slots.is_empty() && self.pinned.is_empty() {
            return Ok(Some(scalars));
        }
        let mut computed = Numbers::new();
        if self.computes {
            // What cannot be computed is left to the function itself, which raises on the line of the mistake.
            let Ok(numbers) = self.numbers(py, arguments) else { return Ok(None) };
            computed = numbers;
        }
        let number = |n: u32| match computed.get(n as usize) {
            Some(number) => number,
            None => self.argument(arguments, n),
        };
        for (n, value) in &self.pinned {
            if !is_same(number(*n), value.bind(py))? {
                return Ok(None);
            }
        }
        for Slot { from, dtype } in &self.slots {
            scalars.push(match from {
                SlotSource::Argument(n) => match &arguments.leaves[*n as usize] {
                    Given::Strong(literal) => *literal,
                    Given::Memory { .. } | Given::Weak(_) => unreachable!("the structure says so"),
                },
                SlotSource::Number(n) => {
                    let Some(number) = python_number(number(*n))? else { return Ok(None) };
                    let Ok(literal) = literal(OP, number, *dtype) else { return Ok(None) };
                    literal
                }
            });
        }
        let serves = self.function.as_ref().is_none_or(|function| function.serves(&scalars));
        Ok(serves.then_some(scalars))
    }

    /// The number of a log without computed ones.
    fn argument<'a, 'py>(&self, arguments: &'a Arguments<'py>, number: u32) -> &'a Bound<'py, PyAny> {
        match (&self.numbers[number as usize], &arguments.leaves[..]) {
            (Number::Argument(leaf), leaves) => match &leaves[*leaf as usize] {
                Given::Weak(number) => number,
                Given::Memory { .. } | Given::Strong(_) => unreachable!("the structure says so"),
            },
            (Number::Computed { .. }, _) => unreachable!("all are computed where one is"),
        }
    }

    /// Every number of the log.
    fn numbers<'py>(&self, py: Python<'py>, arguments: &Arguments<'py>) -> PyResult<Numbers<'py>> {
        let mut numbers = Numbers::new();
        for (n, number) in self.numbers.iter().enumerate() {
            let value = match number {
                Number::Argument(_) => self.argument(arguments, n as u32).clone(),
                Number::Computed { function, operands } => {
                    let operands: Vec<Bound<'_, PyAny>> = operands
                        .iter()
                        .map(|operand| match operand {
                            Term::Number(n) => numbers[*n as usize].clone(),
                            Term::Constant(value) => value.bind(py).clone(),
                        })
                        .collect();
                    function.bind(py).call1(PyTuple::new(py, operands)?)?
                }
            };
            numbers.push(value);
        }
        Ok(numbers)
    }

    /// Computes the results.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub(super) fn run<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
        scalars: &Scalars,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut memory: SmallVec<[*mut u8; 4]> = SmallVec::new();
        for leaf in &arguments.leaves {
            if let Given::Memory { pointer, .. } = leaf {
                memory.push(*pointer);
            }
        }
        let mut results = Made::new();
        if let Some(function) = &self.function
            && let Some(made) = compute_at_once(py, function, &memory, scalars)?
        {
            results = made;
        } else if let Some(function) = &self.function {
            // Before the run: without NumPy, donated memory must not be overwritten in vain.
            numpy::load(py)?;
            let mut rooms = Rooms::new(py);
            let outputs = compute(py, function, &memory, scalars, &mut rooms)?;
            for (n, output) in outputs.into_iter().enumerate() {
                results.push(Some(self.result(py, arguments, n, output, &mut rooms)?));
            }
        }
        if let Tree::Array(0) = &self.tree
            && let Some(Some(result)) = results.pop()
        {
            return Ok(result);
        }
        let numbers = match self.tree.has_numbers() {
            true => self.numbers(py, arguments)?,
            false => Numbers::new(),
        };
        self.tree.build(py, &mut |n| results[n as usize].clone(), &numbers)
    }

    fn result<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
        number: usize,
        output: Output,
        rooms: &mut Rooms<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match output {
            Output::Room => rooms.made(number),
            Output::Tensor(tensor) => value::new_result(py, tensor),
            Output::Argument(number, ty) => {
                let mut memories = arguments.leaves.iter().filter_map(|leaf| match leaf {
                    Given::Memory { pointer, owner: MemoryOwner::Object(object), .. } => {
                        Some(Some((*pointer, object)))
                    }
                    Given::Memory { .. } => Some(None),
                    Given::Strong(_) | Given::Weak(_) => None,
                });
                match memories.nth(number as usize).flatten() {
                    Some((pointer, object)) => value::new_over(py, pointer, ty, object),
                    None => unreachable!("only the memory of an ndarray is donated here"),
                }
            }
        }
    }

    /// The objects that it keeps alive.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Py<PyAny>> {
        let computed = self.numbers.iter().flat_map(|number| match number {
            Number::Argument(_) => &[][..],
            Number::Computed { operands, .. } => operands,
        });
        let constants = computed.filter_map(|operand| match operand {
            Term::Number(_) => None,
            Term::Constant(value) => Some(value),
        });
        constants.chain(self.pinned.iter().map(|(_, value)| value))
    }

    /// Visits the objects in what the function returned.
    pub(super) fn visit_tree(
        &self,
        visit: &mut impl FnMut(&Py<PyAny>) -> Result<(), PyTraverseError>,
    ) -> Result<(), PyTraverseError> {
        self.tree.visit(visit)
    }
}

/// Runs a plan that takes a few microseconds and gives little, into ndarrays; `None` for any other, and nothing has been
/// computed.
#[inline]
fn compute_at_once<'py>(
    py: Python<'py>,
    function: &Function,
    memory: &[*mut u8],
    scalars: &[Literal],
) -> PyResult<Option<Made<'py>>> {
    let mut made = Made::new();
    let room = &mut |n: usize, bytes| {
        let (array, pointer) = value::small_ndarray(py, function.result_type(n), bytes)?;
        made.resize(made.len().max(n + 1), None);
        made[n] = Some(array);
        Some(pointer)
    };
    // SAFETY: as for the runs of `compute`; room is in ndarrays that only this function has.
    let ran = guarded(|| unsafe { function.run_into(memory, scalars, room) })?;
    Ok(ran.then_some(made))
}

/// Runs a plan, without the GIL unless that takes less time than to let it go.
fn compute(
    py: Python<'_>,
    function: &Function,
    memory: &[*mut u8],
    scalars: &[Literal],
    rooms: &mut Rooms<'_>,
) -> PyResult<Outputs> {
    /// Addresses that cross to a run without the GIL.
    struct Released<'a>(&'a [*mut u8]);
    // SAFETY: the addresses are used by one run, during which the caller waits and keeps their owners alive.
    unsafe impl Send for Released<'_> {}
    impl Released<'_> {
        /// # Safety
        ///
        /// As for [`Function::run`].
        unsafe fn run(self, function: &Function, scalars: &[Literal]) -> Result<Outputs, raptors::Error> {
            // SAFETY: as for this function.
            unsafe { function.run(self.0, scalars) }
        }
    }
    // SAFETY of both runs: each address is that of an argument whose header had the type and layout of its placeholder, or the
    // structure would be another one; `arguments` keeps it alive. Donated memory is writable, and shares no byte with
    // other arguments nor with what the function holds: `Arguments` and `call` took such donations back. Python code
    // that writes memory during a call does so against the terms of `compile`.
    if function.is_brief() {
        // SAFETY: as above; room is in ndarrays that only `rooms` holds.
        return guarded(|| unsafe { function.run_in(memory, scalars, &mut |n, ty| rooms.make(n, ty)) });
    }
    let memory = Released(memory);
    // SAFETY: as above.
    detached(py, || unsafe { memory.run(function, scalars) })
}

/// Whether a number is the one that a plan was made for: of the same type, with the same bits.
fn is_same(number: &Bound<'_, PyAny>, pinned: &Bound<'_, PyAny>) -> PyResult<bool> {
    if number.is(pinned) {
        return Ok(true);
    }
    if number.get_type_ptr() != pinned.get_type_ptr() {
        return Ok(false);
    }
    match (number.cast_exact::<PyFloat>(), pinned.cast_exact::<PyFloat>()) {
        (Ok(number), Ok(pinned)) => Ok(number.value().to_bits() == pinned.value().to_bits()),
        _ if number.is_exact_instance_of::<PyBool>() => Ok(false),
        _ => number.eq(pinned),
    }
}

impl Tree {
    fn has_numbers(&self) -> bool {
        match self {
            Tree::Number(_) => true,
            Tree::Array(_) | Tree::Object(_) => false,
            Tree::Tuple(parts) | Tree::List(parts) | Tree::Named(_, parts) => {
                parts.iter().any(Tree::has_numbers)
            }
            Tree::Dict(parts) => parts.iter().any(|(_, part)| part.has_numbers()),
        }
    }

    /// The object, with these arrays and numbers in it.
    pub(super) fn build<'py>(
        &self,
        py: Python<'py>,
        array: &mut impl FnMut(u32) -> Option<Bound<'py, PyAny>>,
        numbers: &[Bound<'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut all = |parts: &[Tree]| -> PyResult<Vec<Bound<'py, PyAny>>> {
            parts.iter().map(|part| part.build(py, array, numbers)).collect()
        };
        match self {
            Tree::Array(n) => match array(*n) {
                Some(result) => Ok(result),
                None => unreachable!("each array has a result"),
            },
            Tree::Number(n) => Ok(numbers[*n as usize].clone()),
            Tree::Object(object) => Ok(object.bind(py).clone()),
            Tree::Tuple(parts) => Ok(PyTuple::new(py, all(parts)?)?.into_any()),
            Tree::List(parts) => Ok(PyList::new(py, all(parts)?)?.into_any()),
            Tree::Named(class, parts) => {
                class.bind(py).call_method1("_make", (PyList::new(py, all(parts)?)?,))
            }
            Tree::Dict(parts) => {
                let dict = PyDict::new(py);
                for (key, part) in parts {
                    dict.set_item(key, part.build(py, array, numbers)?)?;
                }
                Ok(dict.into_any())
            }
        }
    }

    fn visit(
        &self,
        visit: &mut impl FnMut(&Py<PyAny>) -> Result<(), PyTraverseError>,
    ) -> Result<(), PyTraverseError> {
        match self {
            Tree::Array(_) | Tree::Number(_) => Ok(()),
            Tree::Object(object) => visit(object),
            Tree::Tuple(parts) | Tree::List(parts) => parts.iter().try_for_each(|part| part.visit(visit)),
            Tree::Named(class, parts) => {
                visit(class)?;
                parts.iter().try_for_each(|part| part.visit(visit))
            }
            Tree::Dict(parts) => parts.iter().try_for_each(|(key, part)| {
                visit(key)?;
                part.visit(visit)
            }),
        }
    }
}
