//! `pad`: NumPy's arguments, which say for each side of each axis how wide and of what a border is.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};
use raptors::DType;
use raptors::ir::{Literal, normalize_axis};
use raptors::ops;
use raptors::pad::{PadMode, Reflection, Sides, Statistic};

use crate::array::{Array, New};
use crate::compile::scalar::Scalar;
use crate::error::{OrRaise, wrong_type};
use crate::operand::{self, Argument, literal};
use crate::reductions::integer;
use crate::source;

const OP: &str = "pad";

/// The modes, with the one argument that each takes.
const MODES: [(&str, Option<&str>); 9] = [
    ("constant", Some("constant_values")),
    ("edge", None),
    ("empty", None),
    ("maximum", Some("stat_length")),
    ("mean", Some("stat_length")),
    ("minimum", Some("stat_length")),
    ("reflect", Some("reflect_type")),
    ("symmetric", Some("reflect_type")),
    ("wrap", None),
];

/// An array with a border.
///
/// `pad_width`: how many elements: one number for all sides, `(before, after)` for all axes, `((before, after), ...)` for
/// each axis, or a dict from axes to numbers or pairs. `mode`: 'constant' (`constant_values=0`, in the forms of
/// `pad_width`), 'edge', 'reflect' and 'symmetric' (`reflect_type='even'` or `'odd'`), 'wrap', 'maximum', 'minimum' and
/// 'mean' (`stat_length=None`: of how many elements, all without it), or 'empty', which is zeros here.
///
/// The border is computed with what is padded, in one pass.
#[pyfunction]
#[pyo3(signature = (array, /, pad_width, mode=None, **kwargs), text_signature = "(array, /, pad_width, mode='constant', **kwargs)")]
pub(crate) fn pad(
    array: &Bound<'_, PyAny>,
    pad_width: &Bound<'_, PyAny>,
    mode: Option<&Bound<'_, PyAny>>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<New> {
    let py = array.py();
    let x = operand::array(OP, array)?;
    let widths = pad_widths(pad_width, x.ndim())?;
    let mode = mode.map_or(Ok("constant"), mode_name)?;
    let argument = mode_argument(mode, kwargs)?;
    let mode = match mode {
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        "reflect" => PadMode::Reflect(reflection(argument.as_ref())?),
        "symmetric" => PadMode::Symmetric(reflection(argument.as_ref())?),
        "maximum" => PadMode::Statistic(Statistic::Maximum, stat_lengths(argument.as_ref(), x.ndim())?),
        "minimum" => PadMode::Statistic(Statistic::Minimum, stat_lengths(argument.as_ref(), x.ndim())?),
        "mean" => PadMode::Statistic(Statistic::Mean, stat_lengths(argument.as_ref(), x.ndim())?),
        _ => PadMode::Constant(constants(py, argument.as_ref(), x.dtype(), x.ndim())?),
    };
    raptors::pad::pad(&x, &widths, &mode, source::here(py)).or_raise().map(New)
}

fn mode_name<'a>(mode: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let allowed = MODES.map(|(name, _)| format!("{name:?}")).join(", ");
    match mode.cast::<PyString>() {
        Ok(name) => match MODES.iter().find(|(mode, _)| name.to_str().is_ok_and(|name| name == *mode)) {
            Some((mode, _)) => Ok(mode),
            None => {
                let name = name.to_string_lossy();
                Err(PyValueError::new_err(format!("{OP}: mode {name:?} is not supported: {allowed} are")))
            }
        },
        Err(_) => Err(wrong_type(OP, "mode", mode, &format!("one of {allowed}"))),
    }
}

/// The argument that the mode takes, if it is given.
fn mode_argument<'py>(
    mode: &str,
    arguments: Option<&Bound<'py, PyDict>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let allowed = MODES.iter().find(|(name, _)| *name == mode).and_then(|(_, argument)| *argument);
    let mut given = None;
    for (name, value) in arguments.into_iter().flatten() {
        let name: String = name.extract()?;
        if Some(&*name) != allowed {
            let takes = allowed.map_or("none".to_owned(), |allowed| format!("{allowed:?}"));
            let message = format!("{OP}: mode {mode:?} has no argument {name:?}, it has {takes}");
            return Err(PyValueError::new_err(message));
        }
        given = Some(value);
    }
    Ok(given)
}

fn reflection(argument: Option<&Bound<'_, PyAny>>) -> PyResult<Reflection> {
    match argument.map(|argument| argument.extract::<String>()).transpose()?.as_deref() {
        None | Some("even") => Ok(Reflection::Even),
        Some("odd") => Ok(Reflection::Odd),
        Some(other) => {
            Err(PyValueError::new_err(format!("{OP}: reflect_type is {other:?}, needs \"even\" or \"odd\"")))
        }
    }
}

/// The widths of the border.
fn pad_widths(object: &Bound<'_, PyAny>, ndim: usize) -> PyResult<Vec<Sides<usize>>> {
    let width = |object: &Bound<'_, PyAny>| count("pad_width", object);
    let Ok(dict) = object.cast::<PyDict>() else {
        return match pairs("pad_width", object, ndim)? {
            Pairs::One(one) => Ok(vec![(width(&one)?, width(&one)?); ndim]),
            Pairs::Each(each) => each.iter().map(|(a, b)| Ok((width(a)?, width(b)?))).collect(),
        };
    };
    let mut widths = vec![(0, 0); ndim];
    for (axis, object) in dict {
        let axis = normalize_axis(OP, integer(OP, "an axis of pad_width", &axis)?, ndim).or_raise()?;
        widths[axis] = match object.cast::<PyTuple>() {
            Ok(sides) if sides.len() == 2 => (width(&sides.get_item(0)?)?, width(&sides.get_item(1)?)?),
            Ok(sides) => {
                let message = format!("{OP}: {} widths of axis {axis}, needs before and after", sides.len());
                return Err(PyValueError::new_err(message));
            }
            Err(_) => (width(&object)?, width(&object)?),
        };
    }
    Ok(widths)
}

fn stat_lengths(argument: Option<&Bound<'_, PyAny>>, ndim: usize) -> PyResult<Vec<Sides<Option<usize>>>> {
    let Some(argument) = argument.filter(|argument| !argument.is_none()) else {
        return Ok(vec![(None, None); ndim]);
    };
    let length = |object: &Bound<'_, PyAny>| count("stat_length", object).map(Some);
    match pairs("stat_length", argument, ndim)? {
        Pairs::One(one) => Ok(vec![(length(&one)?, length(&one)?); ndim]),
        Pairs::Each(each) => each.iter().map(|(a, b)| Ok((length(a)?, length(b)?))).collect(),
    }
}

/// A number of elements.
fn count(argument: &str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    if object.is_instance_of::<PyBool>() {
        return Err(wrong_type(OP, argument, object, "integers"));
    }
    let number = integer(OP, argument, object)?;
    let negative = |_| PyValueError::new_err(format!("{OP}: {argument} is {number}, must not be negative"));
    usize::try_from(number).map_err(negative)
}

/// The constants of the border, in the dtype of the array.
fn constants(
    py: Python<'_>,
    argument: Option<&Bound<'_, PyAny>>,
    dtype: DType,
    ndim: usize,
) -> PyResult<Vec<Sides<raptors::Array>>> {
    let source = source::here(py);
    let Some(argument) = argument else {
        let zero = raptors::Array::scalar(Literal::zero(dtype), source);
        return Ok(vec![(zero.clone(), zero); ndim]);
    };
    let value = |object: &Bound<'_, PyAny>, is_alone: bool| -> PyResult<raptors::Array> {
        let value = match operand::required(OP, object)? {
            // One number for all is an array's element to NumPy, which is converted; several are numbers, which must fit.
            Argument::Number(number) if !is_alone || dtype.is_complex() => {
                return Ok(raptors::Array::scalar(literal(OP, number, dtype)?, source));
            }
            argument => argument.into_array(OP, py)?,
        };
        if value.ndim() > 0 {
            return Err(PyValueError::new_err(format!(
                "{OP}: a constant of the border is an array of shape {}, needs a number",
                value.shape()
            )));
        }
        ops::cast(&value, dtype, source).or_raise()
    };
    match pairs("constant_values", argument, ndim)? {
        Pairs::One(one) => {
            let value = value(&one, true)?;
            Ok(vec![(value.clone(), value); ndim])
        }
        Pairs::Each(each) => each.iter().map(|(a, b)| Ok((value(a, false)?, value(b, false)?))).collect(),
    }
}

/// What is given for the sides of the axes.
enum Pairs<'py> {
    /// One thing for all.
    One(Bound<'py, PyAny>),
    Each(Vec<Sides<Bound<'py, PyAny>>>),
}

/// Reads what is broadcast to a pair for each axis: a number, two for all axes, or a row of one or two for each axis or
/// for all.
fn pairs<'py>(argument: &str, object: &Bound<'py, PyAny>, ndim: usize) -> PyResult<Pairs<'py>> {
    let Some(outer) = sequence(object)? else { return Ok(Pairs::One(object.clone())) };
    let mut rows: Vec<Option<Vec<Bound<'py, PyAny>>>> = Vec::with_capacity(outer.len());
    for row in &outer {
        rows.push(sequence(row)?);
    }
    let misfit = |given: String| {
        let needed = format!("a number, (before, after), or such a pair for each of {ndim} axes");
        PyValueError::new_err(format!("{OP}: {argument} has {given}, needs {needed}"))
    };
    if rows.iter().all(Option::is_none) {
        return match &outer[..] {
            [one] => Ok(Pairs::One(one.clone())),
            [before, after] => Ok(Pairs::Each(vec![(before.clone(), after.clone()); ndim])),
            _ => Err(misfit(format!("{} numbers", outer.len()))),
        };
    }
    let mut sides = Vec::with_capacity(rows.len());
    for row in rows {
        sides.push(match row.as_deref() {
            Some([both]) => (both.clone(), both.clone()),
            Some([before, after]) => (before.clone(), after.clone()),
            Some(row) => return Err(misfit(format!("a row of {}", row.len()))),
            None => return Err(misfit("numbers beside rows".to_owned())),
        });
    }
    match sides.len() {
        1 if outer.len() == 1 && is_single(&outer[0])? => Ok(Pairs::One(sides[0].0.clone())),
        1 => Ok(Pairs::Each(vec![sides[0].clone(); ndim])),
        rows if rows == ndim => Ok(Pairs::Each(sides)),
        rows => Err(misfit(format!("{rows} rows"))),
    }
}

fn is_single(row: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(row.len()? == 1)
}

/// The elements of a tuple, a list, or an array of NumPy's with dimensions.
fn sequence<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    if object.is_instance_of::<PyTuple>() || object.is_instance_of::<PyList>() {
        return object.try_iter()?.collect::<PyResult<_>>().map(Some);
    }
    if object.is_exact_instance_of::<Array>() || object.is_exact_instance_of::<Scalar>() {
        return Ok(None);
    }
    match object.getattr_opt(intern!(object.py(), "ndim"))? {
        Some(ndim) if ndim.extract::<usize>()? > 0 => object.try_iter()?.collect::<PyResult<_>>().map(Some),
        Some(_) | None => Ok(None),
    }
}
