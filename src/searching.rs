//! Searches, counts, histograms and sets.
//!
//! What has a length that depends on values evaluates what it must for that, at once: the counts of [`bincount`] its largest
//! number, the bins of [`histogram`] the range of the elements, sets the sorted elements. The rest stays lazy.

use raptors_ir::{
    DType, Dims, ElementwiseOp, IrError, LibraryOp, Literal, Op, Order, ReduceOp, Shape, Side, Source, Write,
    scalar,
};
use raptors_passes::Options;

use crate::array::Array;
use crate::creation::{self, Endpoint};
use crate::error::Error;
use crate::eval;
use crate::indexing::{self, Bounds};
use crate::ops::{self, Axes, Operand, Weak};
use crate::sorting::{self, Start, flattened};
use crate::views;

/// Where each of `values` would be inserted in `sorted`, which ascends, or does at the positions `sorter`.
///
/// # Errors
///
/// A `sorted` that has not one dimension; complex numbers.
pub fn searchsorted(
    sorted: &Array,
    values: Operand<'_>,
    side: Side,
    sorter: Option<&Array>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let op = "searchsorted";
    let sorted = match sorter {
        Some(sorter) => indexing::take(sorted, sorter, Some(0), Bounds::Checked, source)?,
        None => sorted.clone(),
    };
    let dtype = ops::result_dtype(&[Operand::Array(&sorted), values]).unwrap_or(sorted.dtype());
    let (sorted, values) = (ops::cast(&sorted, dtype, source)?, ops::converted(op, values, dtype, source)?);
    Array::apply(Op::Library(LibraryOp::Searchsorted { side }), &[&sorted, &values], source)
}

/// How often each number is among `x`, or what the weights of each add up to in the order of `x`: at least `minimum`
/// counts, and as many as the largest number needs. Evaluates the smallest and the largest.
///
/// # Errors
///
/// Negative numbers, or elements that are no integers; weights of another shape; what evaluating can meet.
pub fn bincount(
    x: &Array,
    weights: Option<&Array>,
    minimum: usize,
    options: &Options,
    source: Option<Source>,
) -> Result<Array, Error> {
    let op = "bincount";
    let fail = |problem: String| Array::mistaken(IrError::Attribute { op, problem }, &[x]);
    if x.ndim() != 1 {
        return Err(fail(format!("takes one dimension, not shape {}", x.shape())));
    }
    if !x.dtype().is_integer() && x.dtype() != DType::Bool && x.size() > 0 {
        let error = IrError::DType { op, dtype: x.dtype(), needed: "bool or an integer dtype" };
        return Err(Array::mistaken(error, &[x]));
    }
    let numbers = ops::cast(x, DType::I64, source)?;
    let mut length = minimum;
    if numbers.size() > 0 {
        let extreme = |op| ops::reduce(op, &numbers, None, Axes::Drop, None, source);
        let (low, high) = (extreme(ReduceOp::Min)?, extreme(ReduceOp::Max)?);
        let tensors = eval::eval_with(&[&low, &high], options)?;
        let number = |n: usize| tensors[n].as_slice::<i64>().map_or(0, |value| value[0]);
        if number(0) < 0 {
            return Err(fail(format!("{} is negative, only numbers from 0 are counted", number(0))));
        }
        length = length.max(number(1) as usize + 1);
    }
    // Of no numbers NumPy counts without their weights.
    count(&numbers, weights.filter(|_| numbers.size() > 0), length, source)
}

/// How often each number below `length` is among `numbers`, or what their weights add up to.
fn count(
    numbers: &Array,
    weights: Option<&Array>,
    length: usize,
    source: Option<Source>,
) -> Result<Array, Error> {
    let Some(weights) = weights else {
        return Array::apply(Op::Library(LibraryOp::Bincount { length }), &[numbers], source);
    };
    if weights.shape() != numbers.shape() {
        let problem = format!("weights of shape {} for shape {}", weights.shape(), numbers.shape());
        return Err(Array::mistaken(IrError::Attribute { op: "bincount", problem }, &[numbers, weights]));
    }
    let weights = ops::cast(weights, DType::F64, source)?;
    let zeros = creation::zeros(&[length], DType::F64, source)?;
    let op = LibraryOp::Scatter { axes: [0].into_iter().collect(), write: Write::Add };
    Array::apply(Op::Library(op), &[&zeros, numbers, &weights], source)
}

/// The bins of a histogram.
#[derive(Clone, Copy, Debug)]
pub enum Bins<'a> {
    /// So many of one width, from the first number to the second; or from the smallest element to the largest.
    Count(usize, Option<(f64, f64)>),
    /// Between these edges, which ascend.
    Edges(&'a Array),
}

/// How many elements, or what weight of them, is in each bin, and the edges of the bins. A bin has its lower edge; the last
/// one has both. Evaluates the range of the elements, where it is not given.
///
/// # Errors
///
/// No bins, or a range that is none; weights of another shape; what evaluating can meet.
pub fn histogram(
    x: &Array,
    bins: Bins<'_>,
    weights: Option<&Array>,
    options: &Options,
    source: Option<Source>,
) -> Result<(Array, Array), Error> {
    let x = &match x.dtype() {
        DType::Bool => ops::cast(x, DType::U8, source)?,
        _ => x.clone(),
    };
    let flat = flattened(x, source)?;
    let edges = match bins {
        Bins::Count(count, range) => even_edges(&flat, count, range, options, source)?,
        Bins::Edges(edges) if edges.ndim() == 1 => edges.clone(),
        Bins::Edges(edges) => {
            let problem = format!("edges have shape {}, need one dimension", edges.shape());
            return Err(Array::mistaken(IrError::Attribute { op: "histogram", problem }, &[x, edges]));
        }
    };
    let count = edges.size().saturating_sub(1);
    if count == 0 {
        return Ok((creation::zeros(&[0], DType::I64, source)?, edges));
    }
    let last = views::index(&edges, &[views::Index::At(-1)], source)?;
    let after = searchsorted(&edges, Operand::Array(&flat), Side::Right, None, source)?;
    let is_last =
        ops::elementwise(ElementwiseOp::Equal, &[Operand::Array(&flat), Operand::Array(&last)], source)?;
    let bin = ops::choose(
        Operand::Array(&is_last),
        Operand::Scalar(Weak::Int(count as i128)),
        Operand::Array(&after),
        source,
    )?;
    let weights = weights.map(|weights| flattened(weights, source)).transpose()?;
    // Before the first edge and after the last one are bins too.
    let all = self::count(&bin, weights.as_ref(), count + 2, source)?;
    let inside = views::Index::Slice { start: Some(1), stop: Some(count as isize + 1), step: None };
    Ok((views::index(&all, &[inside], source)?, edges))
}

fn even_edges(
    x: &Array,
    count: usize,
    range: Option<(f64, f64)>,
    options: &Options,
    source: Option<Source>,
) -> Result<Array, Error> {
    let fail = |problem: String| Array::mistaken(IrError::Attribute { op: "histogram", problem }, &[x]);
    if count == 0 {
        return Err(fail("0 bins, needs at least one".to_owned()));
    }
    let (mut low, mut high) = match range {
        Some(range) => range,
        None if x.size() == 0 => (0.0, 1.0),
        None => {
            let extreme = |op| ops::reduce(op, x, None, Axes::Drop, None, source);
            let (low, high) = (extreme(ReduceOp::Min)?, extreme(ReduceOp::Max)?);
            let tensors = eval::eval_with(&[&low, &high], options)?;
            let mut numbers = tensors.into_iter().map(|tensor| {
                tensor.into_lazy().item("float", options).map(|number| number.to_f64().unwrap_or(f64::NAN))
            });
            match (numbers.next(), numbers.next()) {
                (Some(low), Some(high)) => (low?, high?),
                _ => unreachable!("two arrays have two results"),
            }
        }
    };
    if !(low.is_finite() && high.is_finite()) {
        return Err(fail(format!("the range from {low} to {high} is not finite")));
    }
    if low > high {
        return Err(fail(format!("the range from {low} to {high} does not ascend")));
    }
    if low == high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let dtype = if x.dtype().is_float() { x.dtype() } else { DType::F64 };
    if range.is_none() && dtype.size() < DType::F64.size() {
        return narrow_edges(dtype, low, high, count, source);
    }
    creation::linspace(low, high, count + 1, Endpoint::Included, Some(dtype), source)
}

/// `linspace` computed in a dtype narrower than `f64`, as NumPy does between two numbers of it.
fn narrow_edges(
    dtype: DType,
    low: f64,
    high: f64,
    count: usize,
    source: Option<Source>,
) -> Result<Array, Error> {
    let literal = |value: f64| Literal::from_f64(dtype, value);
    let computed =
        |op, x: Literal, y: Literal| scalar::evaluate(op, &[x, y]).ok_or(Error::Unsupported { dtype });
    let op = |op, x: &Array, y: Literal| {
        let y = Array::scalar(y, source);
        ops::elementwise(op, &[Operand::Array(x), Operand::Array(&y)], source)
    };
    let index = ops::cast(&Array::apply(Op::Iota(count + 1), &[], source)?, dtype, source)?;
    let bins = literal(count as f64);
    let delta = computed(ElementwiseOp::Subtract, literal(high), literal(low))?;
    let step = computed(ElementwiseOp::Divide, delta, bins)?;
    let scaled = if step.to_f64() == Some(0.0) {
        op(ElementwiseOp::Multiply, &op(ElementwiseOp::Divide, &index, bins)?, delta)?
    } else {
        op(ElementwiseOp::Multiply, &index, step)?
    };
    let moved = op(ElementwiseOp::Add, &scaled, literal(low))?;
    let at_end = op(ElementwiseOp::Equal, &index, bins)?;
    Array::apply(Op::Where, &[&at_end, &Array::scalar(literal(high), source), &moved], source)
}

/// The counts of a histogram as a density: divided by the widths of their bins and by their sum.
///
/// # Errors
///
/// Counts and edges of different histograms.
pub fn density(counts: &Array, edges: &Array, source: Option<Source>) -> Result<Array, Error> {
    let bound = |start, stop| views::index(edges, &[views::Index::Slice { start, stop, step: None }], source);
    let op = |op, x: &Array, y: &Array| ops::elementwise(op, &[Operand::Array(x), Operand::Array(y)], source);
    let widths = op(ElementwiseOp::Subtract, &bound(Some(1), None)?, &bound(None, Some(-1))?)?;
    let widths = ops::cast(&widths, DType::F64, source)?;
    let sum = ops::reduce(ReduceOp::Sum, counts, None, Axes::Drop, None, source)?;
    op(ElementwiseOp::Divide, &op(ElementwiseOp::Divide, counts, &widths)?, &sum)
}

/// The distinct elements of an array, in order, and what belongs to each. NaNs are distinct.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The elements.
    pub values: Array,
    /// Where each is first, in the flattened array.
    pub indices: Array,
    /// For each element of the array, the position of its value; in the shape of the array.
    pub inverse: Array,
    /// How often each is there.
    pub counts: Array,
}

/// The distinct elements of `x`, in order. Evaluates the sorted elements.
///
/// # Errors
///
/// Complex numbers; what evaluating can meet.
pub fn unique_values(x: &Array, options: &Options, source: Option<Source>) -> Result<Array, Error> {
    let sorted = sorting::sort(&flattened(x, source)?, Some(0), Order::Ascending, source)?;
    sorted.cached_leaf(options)?;
    let mask = indexing::evaluated_mask(&is_first(&sorted, source)?, options)?;
    let length = indexing::count(&mask)?;
    Array::apply(Op::Library(LibraryOp::Compress { length }), &[&sorted, &mask], source)
}

/// The distinct elements of `x`, in order, and what belongs to each. Evaluates the order of the elements.
///
/// # Errors
///
/// As [`unique_values`].
pub fn unique(x: &Array, options: &Options, source: Option<Source>) -> Result<Unique, Error> {
    let flat = flattened(x, source)?;
    let order = sorting::argsort(&flat, Some(0), Order::Ascending, source)?;
    order.cached_leaf(options)?;
    let sorted = indexing::take(&flat, &order, Some(0), Bounds::Checked, source)?;
    let mask = indexing::evaluated_mask(&is_first(&sorted, source)?, options)?;
    let length = indexing::count(&mask)?;
    let places = Array::apply(Op::Library(LibraryOp::Positions { length }), &[&mask], source)?;
    places.cached_leaf(options)?;
    let indices = indexing::take(&order, &places, Some(0), Bounds::Checked, source)?;
    let values = indexing::take(&sorted, &places, Some(0), Bounds::Checked, source)?;
    let end = ops::full(&vector(1)?, Literal::new(flat.size() as i64), source)?;
    let ends = ops::concat(&[&places, &end], Some(0), source)?;
    let ends =
        views::index(&ends, &[views::Index::Slice { start: Some(1), stop: None, step: None }], source)?;
    let counts =
        ops::elementwise(ElementwiseOp::Subtract, &[Operand::Array(&ends), Operand::Array(&places)], source)?;
    let number = sorting::cumulative_sum(&mask, Some(0), None, Start::First, source)?;
    let number = ops::elementwise(
        ElementwiseOp::Subtract,
        &[Operand::Array(&number), Operand::Scalar(Weak::Int(1))],
        source,
    )?;
    let zeros = ops::full(flat.shape(), Literal::new(0i64), source)?;
    let scatter = LibraryOp::Scatter { axes: [0].into_iter().collect(), write: Write::Set };
    let inverse = Array::apply(Op::Library(scatter), &[&zeros, &order, &number], source)?;
    let shape =
        Shape::from_dims(Dims::from_slice(x.shape())).map_err(|error| Array::mistaken(error, &[x]))?;
    let inverse = Array::apply(Op::Reshape(shape), &[&inverse], source)?;
    Ok(Unique { values, indices, inverse, counts })
}

fn vector(len: usize) -> Result<Shape, Error> {
    Shape::new(&[len]).map_err(|error| Array::mistaken(error, &[]))
}

/// Whether each element of a sorted array differs from the one before it.
fn is_first(sorted: &Array, source: Option<Source>) -> Result<Array, Error> {
    let len = sorted.size();
    let first = ops::full(&vector(len.min(1))?, Literal::new(raptors_ir::Bool::from(true)), source)?;
    if len < 2 {
        return Ok(first);
    }
    let part = |start: usize, stop: usize| {
        let (start, stop) = (Some(start as isize), Some(stop as isize));
        views::index(sorted, &[views::Index::Slice { start, stop, step: None }], source)
    };
    let (before, after) = (part(0, len - 1)?, part(1, len)?);
    let differs = ops::elementwise(
        ElementwiseOp::NotEqual,
        &[Operand::Array(&before), Operand::Array(&after)],
        source,
    )?;
    ops::concat(&[&first, &differs], Some(0), source)
}
