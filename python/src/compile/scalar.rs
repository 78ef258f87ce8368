//! Numbers while a function is traced: each knows its value in the traced call, and how a later call computes it.
//!
//! Arithmetic on such numbers is Python's own; it is written down, and done again at each call. As the operand of an
//! array a number becomes a scalar of the plan, whose value a call gives. Where the value itself is needed (`if n > 3`,
//! `range(n)`, `x[n]`, `math.sqrt(n)`), it is pinned: the plan serves the calls for which it is the same.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyDict, PyFloat, PyInt, PyString, PyTuple, PyType};
use raptors::DType;
use raptors::ops::Weak;

use crate::array::Array;
use crate::operand::{self, literal, python_number};
use crate::{source, ufunc};

/// What was done with the numbers of a call that is traced.
#[derive(Default)]
pub(super) struct Log {
    /// How each number is computed, operands first.
    pub(super) numbers: Vec<Number>,
    /// Numbers whose value the plan depends on, with that value.
    pub(super) pinned: Vec<(u32, Py<PyAny>)>,
    /// The scalars of the plan.
    pub(super) slots: Vec<Slot>,
    /// Whether the trace has ended: what is still used then is a value.
    pub(super) is_over: bool,
}

/// How a number is computed.
pub(super) enum Number {
    /// It is the argument of this number.
    Argument(u32),
    /// By a function of Python's, of others.
    Computed { function: Py<PyAny>, operands: Vec<Term> },
}

/// An operand of a computed number.
pub(super) enum Term {
    Number(u32),
    Constant(Py<PyAny>),
}

/// A scalar of the plan: a number in a dtype.
pub(super) struct Slot {
    pub(super) from: SlotSource,
    pub(super) dtype: DType,
}

/// What a slot is made of.
#[derive(Clone, Copy)]
pub(super) enum SlotSource {
    /// A number of the log.
    Number(u32),
    /// An argument with a dtype.
    Argument(u32),
}

pub(super) type SharedLog = Arc<Mutex<Log>>;

/// A number in a function that is being traced.
#[pyclass(frozen, name = "Scalar", module = "raptors._core")]
pub(crate) struct Scalar {
    log: SharedLog,
    number: u32,
    value: Py<PyAny>,
}

impl Scalar {
    /// The number that is the argument of this number.
    pub(super) fn argument(log: &SharedLog, argument: u32, value: Py<PyAny>) -> Scalar {
        Scalar::noted(log, Number::Argument(argument), value)
    }

    fn noted(log: &SharedLog, number: Number, value: Py<PyAny>) -> Scalar {
        let mut notes = lock(log);
        notes.numbers.push(number);
        let number = notes.numbers.len() as u32 - 1;
        Scalar { log: log.clone(), number, value }
    }

    /// Its value, on which the plan depends from now on.
    pub(crate) fn pinned<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.pin(py);
        self.value.bind(py).clone()
    }

    /// Makes the plan depend on its value.
    pub(crate) fn pin(&self, py: Python<'_>) {
        let mut log = lock(&self.log);
        if !log.is_over && !log.pinned.iter().any(|(number, _)| *number == self.number) {
            log.pinned.push((self.number, self.value.clone_ref(py)));
        }
    }

    /// Whether it is an exponent for which `**` computes another op than a power. The plan depends on the answer.
    pub(crate) fn is_shortcut_power(&self, py: Python<'_>) -> PyResult<bool> {
        let shortcuts = PyTuple::new(py, [2.0, 1.0, 0.5, -1.0])?;
        let is_one = shortcuts.contains(&self.value)?;
        let function = py.import(intern!(py, "operator"))?.getattr(intern!(py, "contains"))?.unbind();
        let operands = vec![Term::Constant(shortcuts.into_any().unbind()), Term::Number(self.number)];
        self.pin_computed(py, function, operands, is_one);
        Ok(is_one)
    }

    /// Makes the plan depend on a truth that is computed of numbers.
    fn pin_computed(&self, py: Python<'_>, function: Py<PyAny>, operands: Vec<Term>, truth: bool) {
        let truth = PyBool::new(py, truth).to_owned().into_any().unbind();
        let mut log = lock(&self.log);
        if !log.is_over {
            log.numbers.push(Number::Computed { function, operands });
            let number = log.numbers.len() as u32 - 1;
            log.pinned.push((number, truth));
        }
    }

    /// Its value as a number, for rules that look at types alone.
    pub(crate) fn number(&self, py: Python<'_>) -> PyResult<Weak> {
        match python_number(self.value.bind(py))? {
            Some(number) => Ok(number),
            None => unreachable!("a scalar has a number's value"),
        }
    }

    /// The scalar of the plan that it is in a dtype.
    ///
    /// # Errors
    ///
    /// `OverflowError` for an integer that the dtype does not hold.
    pub(crate) fn in_dtype(
        &self,
        op: &'static str,
        py: Python<'_>,
        dtype: DType,
    ) -> PyResult<raptors::Array> {
        let (number, source) = (self.number(py)?, source::here(py));
        let value = literal(op, number, dtype)?;
        let is_symbol = matches!(number, Weak::Int(_) | Weak::Float(_)) && !dtype.is_complex();
        if !is_symbol {
            self.pin(py);
            return Ok(raptors::Array::scalar(value, source));
        }
        let mut log = lock(&self.log);
        if log.is_over {
            return Ok(raptors::Array::scalar(value, source));
        }
        log.slots.push(Slot { from: SlotSource::Number(self.number), dtype });
        Ok(raptors::Array::scalar_placeholder(log.slots.len() as u32 - 1, value, source))
    }

    /// The number in the log it is of, if that is this one.
    pub(super) fn number_in(&self, log: &SharedLog) -> Option<u32> {
        Arc::ptr_eq(&self.log, log).then_some(self.number)
    }

    /// What a function of Python's `operator` makes of operands, one of which is this number.
    fn compute<'py>(
        &self,
        py: Python<'py>,
        function: &str,
        operands: &[&Bound<'py, PyAny>],
    ) -> PyResult<Py<PyAny>> {
        let function = match function {
            "round" => py.import(intern!(py, "builtins"))?.getattr(function)?,
            "trunc" | "floor" | "ceil" => py.import(intern!(py, "math"))?.getattr(function)?,
            _ => py.import(intern!(py, "operator"))?.getattr(function)?,
        };
        let mut values: Vec<Bound<'py, PyAny>> = Vec::with_capacity(operands.len());
        let mut terms: Vec<Term> = Vec::with_capacity(operands.len());
        for &operand in operands {
            match operand.cast_exact::<Scalar>() {
                Ok(scalar) => {
                    let scalar = scalar.get();
                    values.push(scalar.value.bind(py).clone());
                    terms.push(match scalar.number_in(&self.log) {
                        Some(number) => Term::Number(number),
                        None => Term::Constant(scalar.pinned(py).unbind()),
                    });
                }
                Err(_) if is_number(operand) => {
                    values.push(operand.clone());
                    terms.push(Term::Constant(operand.clone().unbind()));
                }
                Err(_) => return Ok(py.NotImplemented()),
            }
        }
        let value = function.call1(PyTuple::new(py, values)?)?;
        if lock(&self.log).is_over || !is_number(&value) {
            return Ok(value.unbind());
        }
        let number = Number::Computed { function: function.unbind(), operands: terms };
        Ok(Py::new(py, Scalar::noted(&self.log, number, value.unbind()))?.into_any())
    }

    /// `function(self, other)`; with an array of another library, as a lazy one.
    fn left<'py>(slf: &Bound<'py, Self>, function: &str, other: &Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        Scalar::binary(slf, function, other, |array| (slf.as_any().clone(), array))
    }

    /// `function(other, self)`, likewise.
    fn right<'py>(slf: &Bound<'py, Self>, function: &str, other: &Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        Scalar::binary(slf, function, other, |array| (array, slf.as_any().clone()))
    }

    fn binary<'py>(
        slf: &Bound<'py, Self>,
        function: &str,
        other: &Bound<'py, PyAny>,
        ordered: impl FnOnce(Bound<'py, PyAny>) -> (Bound<'py, PyAny>, Bound<'py, PyAny>),
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if other.is_exact_instance_of::<Array>() {
            return Ok(py.NotImplemented());
        }
        if !is_number(other) && !other.is_exact_instance_of::<Scalar>() {
            let Some(array) = operand::array_like("operand", other)? else { return Ok(py.NotImplemented()) };
            let array = Py::new(py, Array(array))?.into_bound(py).into_any();
            let (lhs, rhs) = ordered(array);
            let operator = py.import(intern!(py, "operator"))?;
            return operator.call_method1(function, (lhs, rhs)).map(Bound::unbind);
        }
        let (lhs, rhs) = ordered(other.clone());
        slf.get().compute(py, function, &[&lhs, &rhs])
    }
}

fn is_number(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyComplex>()
}

/// What the lock guards is whole between any two statements. No Python code runs under it.
pub(super) fn lock(log: &SharedLog) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

#[pymethods]
impl Scalar {
    fn __add__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "add", other)
    }
    fn __radd__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "add", other)
    }
    fn __sub__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "sub", other)
    }
    fn __rsub__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "sub", other)
    }
    fn __mul__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "mul", other)
    }
    fn __rmul__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "mul", other)
    }
    fn __truediv__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "truediv", other)
    }
    fn __rtruediv__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "truediv", other)
    }
    fn __floordiv__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "floordiv", other)
    }
    fn __rfloordiv__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "floordiv", other)
    }
    fn __mod__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "mod", other)
    }
    fn __rmod__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "mod", other)
    }
    fn __pow__<'py>(
        slf: &Bound<'py, Self>,
        other: Object<'_, 'py>,
        modulus: Option<Object<'_, 'py>>,
    ) -> PyResult<Py<PyAny>> {
        match modulus {
            None => Scalar::left(slf, "pow", other),
            Some(_) => Ok(slf.py().NotImplemented()),
        }
    }
    fn __rpow__<'py>(
        slf: &Bound<'py, Self>,
        other: Object<'_, 'py>,
        modulus: Option<Object<'_, 'py>>,
    ) -> PyResult<Py<PyAny>> {
        match modulus {
            None => Scalar::right(slf, "pow", other),
            Some(_) => Ok(slf.py().NotImplemented()),
        }
    }
    fn __and__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "and_", other)
    }
    fn __rand__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "and_", other)
    }
    fn __or__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "or_", other)
    }
    fn __ror__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "or_", other)
    }
    fn __xor__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "xor", other)
    }
    fn __rxor__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "xor", other)
    }
    fn __lshift__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "lshift", other)
    }
    fn __rlshift__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "lshift", other)
    }
    fn __rshift__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::left(slf, "rshift", other)
    }
    fn __rrshift__<'py>(slf: &Bound<'py, Self>, other: Object<'_, 'py>) -> PyResult<Py<PyAny>> {
        Scalar::right(slf, "rshift", other)
    }
    fn __neg__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        slf.get().compute(slf.py(), "neg", &[slf.as_any()])
    }
    fn __pos__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        slf.get().compute(slf.py(), "pos", &[slf.as_any()])
    }
    fn __abs__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        slf.get().compute(slf.py(), "abs", &[slf.as_any()])
    }
    fn __invert__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        slf.get().compute(slf.py(), "invert", &[slf.as_any()])
    }
    #[pyo3(signature = (ndigits=None))]
    fn __round__<'py>(slf: &Bound<'py, Self>, ndigits: Option<Object<'_, 'py>>) -> PyResult<Py<PyAny>> {
        match ndigits {
            None => slf.get().compute(slf.py(), "round", &[slf.as_any()]),
            Some(ndigits) => slf.get().compute(slf.py(), "round", &[slf.as_any(), ndigits]),
        }
    }
    fn __trunc__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        slf.get().compute(slf.py(), "trunc", &[slf.as_any()])
    }
    fn __floor__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        slf.get().compute(slf.py(), "floor", &[slf.as_any()])
    }
    fn __ceil__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        slf.get().compute(slf.py(), "ceil", &[slf.as_any()])
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: Object<'_, 'py>,
        comparison: CompareOp,
    ) -> PyResult<Py<PyAny>> {
        let function = match comparison {
            CompareOp::Eq => "eq",
            CompareOp::Ne => "ne",
            CompareOp::Lt => "lt",
            CompareOp::Le => "le",
            CompareOp::Gt => "gt",
            CompareOp::Ge => "ge",
        };
        Scalar::left(slf, function, other)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.pinned(py).hash()
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        let value = self.value.bind(py);
        // The truth of a number is pinned, not the number: `if n:` is for any number but 0.
        if value.is_exact_instance_of::<PyBool>() {
            return self.pinned(py).is_truthy();
        }
        let truth = value.is_truthy()?;
        let function = py.import(intern!(py, "operator"))?.getattr(intern!(py, "truth"))?.unbind();
        self.pin_computed(py, function, vec![Term::Number(self.number)], truth);
        Ok(truth)
    }

    fn __int__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.get_type::<PyInt>().call1((self.pinned(py),))
    }

    fn __float__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.get_type::<PyFloat>().call1((self.pinned(py),))
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.get_type::<PyComplex>().call1((self.pinned(py),))
    }

    fn __index__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value = self.pinned(py);
        if value.is_instance_of::<PyInt>() {
            return Ok(value);
        }
        let name = crate::error::type_name(&value);
        Err(PyTypeError::new_err(format!("'{name}' object cannot be interpreted as an integer")))
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.pinned(py).repr()
    }

    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.pinned(py).str()
    }

    fn __format__<'py>(&self, py: Python<'py>, spec: Object<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        self.pinned(py).call_method1(intern!(py, "__format__"), (spec,))
    }

    /// So that `isinstance(n, float)` is what it is without tracing.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> Bound<'py, PyType> {
        self.value.bind(py).get_type()
    }

    /// What else numbers have: `n.real`, `n.bit_length()`.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.pinned(py).getattr(name)
    }

    #[pyo3(signature = (ufunc, method, *inputs, **arguments))]
    fn __array_ufunc__<'py>(
        &self,
        ufunc: &Bound<'py, PyAny>,
        method: &str,
        inputs: &Bound<'py, PyTuple>,
        arguments: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        ufunc::call(ufunc, method, inputs, arguments)
    }
}
