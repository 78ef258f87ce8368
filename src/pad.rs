//! `pad`: arrays with a border of constants, of edges, or of themselves.
//!
//! A padded axis is a concat of slices, constants and broadcasts, so it runs as one: what is padded is computed where the
//! result has it. Axes are padded in order, and a later one sees the border of those before, as in NumPy. A pattern that
//! repeats often is repeated by a broadcast, which takes a copy.

use raptors_ir::{DimSlice, Dims, ElementwiseOp, IrError, Literal, Op, ReduceOp, Shape, Source};

use crate::array::Array;
use crate::error::Error;
use crate::ops::{self, Axes, Operand, Weak};

const OP: &str = "pad";

/// The border's elements on the two sides of an axis.
pub type Sides<T> = (T, T);

/// What a border is made of.
#[derive(Clone, Debug)]
pub enum PadMode {
    /// A value for each side of each axis: 0-d arrays, of the dtype of what is padded.
    Constant(Vec<Sides<Array>>),
    /// The outermost element.
    Edge,
    /// The array, mirrored at its outermost elements.
    Reflect(Reflection),
    /// The array, mirrored beyond its outermost elements.
    Symmetric(Reflection),
    /// The array again.
    Wrap,
    /// The largest, smallest or mean of the elements next to the border: of how many for each side of each axis, `None`
    /// for all.
    Statistic(Statistic, Vec<Sides<Option<usize>>>),
}

/// How a mirrored element is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reflection {
    /// It is the element.
    Even,
    /// It is as far from the mirror's element as that one, in the other direction.
    Odd,
}

/// What is computed of the elements next to a border.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Statistic {
    /// The largest.
    Maximum,
    /// The smallest.
    Minimum,
    /// The arithmetic mean, rounded to even for integers.
    Mean,
}

/// `x` with a border; `widths` has the number of elements on each side of each axis.
///
/// # Errors
///
/// Another number of widths than of axes; an empty axis where the mode needs elements; more elements than can be
/// addressed.
pub fn pad(
    x: &Array,
    widths: &[Sides<usize>],
    mode: &PadMode,
    source: Option<Source>,
) -> Result<Array, Error> {
    let fail = |problem: String| Array::mistaken(IrError::Attribute { op: OP, problem }, &[x]);
    let entries = match mode {
        PadMode::Constant(values) => values.len(),
        PadMode::Statistic(_, lengths) => lengths.len(),
        PadMode::Edge | PadMode::Reflect(_) | PadMode::Symmetric(_) | PadMode::Wrap => x.ndim(),
    };
    for (entries, what) in [(widths.len(), "widths"), (entries, "values")] {
        if entries != x.ndim() {
            return Err(fail(format!("{entries} pairs of {what} for {} dimensions", x.ndim())));
        }
    }
    let needs_elements = !matches!(mode, PadMode::Constant(_));
    let mut padded = x.clone();
    for (axis, &width) in widths.iter().enumerate() {
        if width == (0, 0) {
            continue;
        }
        if needs_elements && x.shape()[axis] == 0 {
            return Err(fail(format!(
                "axis {axis} is empty, only the modes 'constant' and 'empty' can extend it"
            )));
        }
        if needs_elements && x.size() == 0 {
            // The border is empty too, whatever it is made of.
            let (shape, zero) = (bordered(&padded, axis, width)?, Literal::zero(x.dtype()));
            padded = ops::full(&shape, zero, source)?;
            continue;
        }
        let pad = Axis { x: &padded, axis, source };
        padded = match mode {
            PadMode::Constant(values) => {
                let (before, after) = &values[axis];
                pad.between(before, after, width)?
            }
            PadMode::Edge => pad.edge(width)?,
            PadMode::Reflect(_) | PadMode::Symmetric(_) if x.shape()[axis] == 1 => pad.edge(width)?,
            PadMode::Reflect(Reflection::Even) => pad.periodic(Pattern::Reflect, width)?,
            PadMode::Symmetric(Reflection::Even) => pad.periodic(Pattern::Symmetric, width)?,
            PadMode::Wrap => pad.periodic(Pattern::Wrap, width)?,
            PadMode::Reflect(Reflection::Odd) => odd(&padded, axis, Pattern::Reflect, width, source)?,
            PadMode::Symmetric(Reflection::Odd) => odd(&padded, axis, Pattern::Symmetric, width, source)?,
            PadMode::Statistic(statistic, lengths) => pad.statistic(*statistic, lengths[axis], width)?,
        };
    }
    Ok(padded)
}

/// The shape of `x` with a border along an axis.
fn bordered(x: &Array, axis: usize, (before, after): Sides<usize>) -> Result<Shape, Error> {
    let mut dims = Dims::from_slice(x.shape());
    let len = dims[axis].checked_add(before).and_then(|len| len.checked_add(after));
    // No array has that many elements, which the shape reports.
    dims[axis] = len.unwrap_or(usize::MAX);
    Shape::from_dims(dims).map_err(|error| Array::mistaken(error, &[x]))
}

/// How an axis goes on beyond its ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Wrap,
    Symmetric,
    Reflect,
}

impl Pattern {
    /// What is repeated, for an axis of this length, more than 1 for a reflection: elements forwards from 0, and backwards
    /// from there.
    fn runs(self, len: usize) -> (usize, Option<DimSlice>) {
        let backwards = |start: usize, len| DimSlice { start, len, step: if len > 1 { -1 } else { 1 } };
        match self {
            Pattern::Wrap => (len, None),
            Pattern::Symmetric => (len, Some(backwards(len - 1, len))),
            Pattern::Reflect if len == 2 => (len, None),
            Pattern::Reflect => (len, Some(backwards(len - 2, len - 2))),
        }
    }
}

/// An axis that is padded.
#[derive(Clone, Copy)]
struct Axis<'a> {
    x: &'a Array,
    axis: usize,
    source: Option<Source>,
}

impl Axis<'_> {
    fn len(&self) -> usize {
        self.x.shape()[self.axis]
    }

    /// A slice along the axis.
    fn slice(&self, slice: DimSlice) -> Result<Array, Error> {
        let whole = |&len: &usize| DimSlice { start: 0, len, step: 1 };
        let mut slices: Vec<DimSlice> = self.x.shape().iter().map(whole).collect();
        slices[self.axis] = slice;
        Array::apply(Op::Slice(slices), &[self.x], self.source)
    }

    fn element(&self, at: usize) -> Result<Array, Error> {
        self.slice(DimSlice { start: at, len: 1, step: 1 })
    }

    /// The parts that have elements, joined.
    fn join(&self, parts: &[Array]) -> Result<Array, Error> {
        let parts: Vec<&Array> = parts.iter().filter(|part| part.shape()[self.axis] > 0).collect();
        match parts[..] {
            [] => Ok(self.x.clone()),
            [only] => Ok(only.clone()),
            _ => Array::apply(Op::Concat(self.axis), &parts, self.source),
        }
    }

    /// The array between two others, repeated to the widths.
    fn between(&self, before: &Array, after: &Array, widths: Sides<usize>) -> Result<Array, Error> {
        bordered(self.x, self.axis, widths)?;
        let side = |value: &Array, width| {
            let mut dims = Dims::from_slice(self.x.shape());
            dims[self.axis] = width;
            let shape = Shape::from_dims(dims).map_err(|error| Array::mistaken(error, &[self.x]))?;
            Array::apply(Op::Broadcast(shape), &[value], self.source)
        };
        self.join(&[side(before, widths.0)?, self.x.clone(), side(after, widths.1)?])
    }

    fn edge(&self, widths: Sides<usize>) -> Result<Array, Error> {
        /// Elements up to which each is a part of its own, computed where it is; more are one that is stored and repeated.
        const MOST_PARTS: usize = 8;
        let (first, last) = (self.element(0)?, self.element(self.len() - 1)?);
        if widths.0 > MOST_PARTS || widths.1 > MOST_PARTS {
            return self.between(&first, &last, widths);
        }
        let mut parts = vec![first; widths.0];
        parts.push(self.x.clone());
        parts.resize(parts.len() + widths.1, last);
        self.join(&parts)
    }

    /// The axis, going on as its pattern says.
    fn periodic(&self, pattern: Pattern, (before, after): Sides<usize>) -> Result<Array, Error> {
        /// Parts up to which each is joined to the next; more repeat one.
        const MOST_PARTS: usize = 16;
        let total = bordered(self.x, self.axis, (before, after))?[self.axis];
        let (forwards, backwards) = pattern.runs(self.len());
        let whole = DimSlice { start: 0, len: forwards, step: 1 };
        let runs: Vec<DimSlice> = [Some(whole), backwards].into_iter().flatten().collect();
        let period: usize = runs.iter().map(|run| run.len).sum();
        // Where the border begins in the pattern.
        let first = (period - before % period) % period;
        if total / period * runs.len() > MOST_PARTS {
            let unit: Result<Vec<Array>, Error> = runs.iter().map(|&run| self.slice(run)).collect();
            return Axis { x: &self.join(&unit?)?, ..*self }.repeated(first, total);
        }
        let mut parts: Vec<Array> = Vec::new();
        let (mut left, mut skip) = (total, first);
        for run in runs.iter().cycle() {
            if left == 0 {
                break;
            }
            let skipped = skip.min(run.len);
            skip -= skipped;
            let len = left.min(run.len - skipped);
            if len > 0 {
                let start = run.start.wrapping_add_signed(skipped as isize * run.step);
                parts.push(self.slice(DimSlice { start, len, step: if len > 1 { run.step } else { 1 } })?);
                left -= len;
            }
        }
        self.join(&parts)
    }

    /// `len` elements from `first` of the axis repeated without end.
    fn repeated(&self, first: usize, len: usize) -> Result<Array, Error> {
        let fail = |error| Array::mistaken(error, &[self.x]);
        let period = self.len();
        let times = (first + len).div_ceil(period);
        let mut dims = Dims::from_slice(self.x.shape());
        dims.insert(self.axis, 1);
        let one = Array::apply(Op::Reshape(Shape::new(&dims).map_err(fail)?), &[self.x], self.source)?;
        dims[self.axis] = times;
        let many = Array::apply(Op::Broadcast(Shape::new(&dims).map_err(fail)?), &[&one], self.source)?;
        dims.remove(self.axis);
        dims[self.axis] = times * period;
        let joined = Array::apply(Op::Reshape(Shape::new(&dims).map_err(fail)?), &[&many], self.source)?;
        Axis { x: &joined, ..*self }.slice(DimSlice { start: first, len, step: 1 })
    }

    fn statistic(
        &self,
        statistic: Statistic,
        lengths: Sides<Option<usize>>,
        widths: Sides<usize>,
    ) -> Result<Array, Error> {
        let all = self.len();
        let [left, right] = [lengths.0, lengths.1].map(|length| length.map_or(all, |length| length.min(all)));
        if (left == 0 || right == 0) && statistic != Statistic::Mean {
            let problem = "a stat_length of 0 has no largest or smallest element".to_owned();
            return Err(Array::mistaken(IrError::Attribute { op: OP, problem }, &[self.x]));
        }
        let before = self.value(statistic, DimSlice { start: 0, len: left, step: 1 })?;
        let after = match (left, right) {
            (left, right) if left == all && right == all => before.clone(),
            _ => self.value(statistic, DimSlice { start: all - right, len: right, step: 1 })?,
        };
        self.between(&before, &after, widths)
    }

    fn value(&self, statistic: Statistic, of: DimSlice) -> Result<Array, Error> {
        let x = self.slice(of)?;
        let axes = [self.axis as isize];
        let source = self.source;
        let mean = match statistic {
            Statistic::Maximum => {
                return ops::reduce(ReduceOp::Max, &x, Some(&axes), Axes::Keep, None, source);
            }
            Statistic::Minimum => {
                return ops::reduce(ReduceOp::Min, &x, Some(&axes), Axes::Keep, None, source);
            }
            Statistic::Mean => ops::mean(&x, Some(&axes), Axes::Keep, None, source)?,
        };
        let rounded = match self.x.dtype().is_integer() {
            true => ops::elementwise(ElementwiseOp::Round, &[Operand::Array(&mean)], source)?,
            false => mean,
        };
        ops::cast(&rounded, self.x.dtype(), source)
    }
}

/// The axis, reflected at points: each pass reflects all there is, as far as whole periods go, at both ends.
fn odd(
    x: &Array,
    axis: usize,
    pattern: Pattern,
    (mut before, mut after): Sides<usize>,
    source: Option<Source>,
) -> Result<Array, Error> {
    bordered(x, axis, (before, after))?;
    let period = x.shape()[axis];
    // The mirror's own element is part of the reflection or not.
    let (offset, whole) = match pattern {
        Pattern::Symmetric | Pattern::Wrap => (0, period),
        Pattern::Reflect => (1, period - 1),
    };
    let mut padded = x.clone();
    while before > 0 || after > 0 {
        let all = Axis { x: &padded, axis, source };
        let len = all.len();
        let chunk = (len - offset) / whole * whole;
        let reflected = |start: usize, len: usize, edge: usize| -> Result<Array, Error> {
            let part = all.slice(DimSlice { start, len, step: if len > 1 { -1 } else { 1 } })?;
            let edge = all.element(edge)?;
            let two = Operand::Scalar(Weak::Int(2));
            let twice = ops::elementwise(ElementwiseOp::Multiply, &[two, Operand::Array(&edge)], source)?;
            let operands = [Operand::Array(&twice), Operand::Array(&part)];
            ops::cast(&ops::elementwise(ElementwiseOp::Subtract, &operands, source)?, x.dtype(), source)
        };
        let (left, right) = (chunk.min(before), chunk.min(after));
        let mut parts = Vec::with_capacity(3);
        if left > 0 {
            parts.push(reflected(left - 1 + offset, left, 0)?);
        }
        parts.push(padded.clone());
        if right > 0 {
            parts.push(reflected(len - 1 - offset, right, len - 1)?);
        }
        padded = all.join(&parts)?;
        (before, after) = (before - left, after - right);
    }
    Ok(padded)
}
