//! Arrays put in order, and what is combined along the order they have.
//!
//! The order is NumPy's: NaN after every number, -0.0 equal to 0.0. Sorting is stable: equal elements keep their order.

use raptors_ir::{DType, Dims, IrError, LibraryOp, Literal, Op, Order, ReduceOp, Shape, Source};

use crate::array::Array;
use crate::error::Error;
use crate::ops;

/// `x` with each row along `axis` (`None`: flattened first) in order.
///
/// # Errors
///
/// An axis out of range; a complex dtype.
pub fn sort(x: &Array, axis: Option<isize>, order: Order, source: Option<Source>) -> Result<Array, Error> {
    along("sort", x, axis, source, |axis| LibraryOp::Sort { axis, order })
}

/// The positions that put each row along `axis` (`None`: flattened first) in order, as `i64`.
///
/// # Errors
///
/// As [`sort`].
pub fn argsort(x: &Array, axis: Option<isize>, order: Order, source: Option<Source>) -> Result<Array, Error> {
    along("argsort", x, axis, source, |axis| LibraryOp::Argsort { axis, order })
}

/// `x` with each row along `axis` (`None`: flattened first) rearranged: at the positions `kth`, which count from the end
/// if negative, are the elements of the sorted row; those before are not larger, those after not smaller.
///
/// # Errors
///
/// As [`sort`]; a position out of range.
pub fn partition(
    x: &Array,
    kth: &[isize],
    axis: Option<isize>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let kth = positions("partition", x, kth, axis)?;
    along("partition", x, axis, source, |axis| LibraryOp::Partition { axis, kth })
}

/// The positions that [`partition`] each row, as `i64`.
///
/// # Errors
///
/// As [`partition`].
pub fn argpartition(
    x: &Array,
    kth: &[isize],
    axis: Option<isize>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let kth = positions("argpartition", x, kth, axis)?;
    along("argpartition", x, axis, source, |axis| LibraryOp::Argpartition { axis, kth })
}

/// What a cumulative result begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The first element.
    First,
    /// 0 for sums, 1 for products: one element more.
    Initial,
}

/// The sum of each element and those before it along `axis` (`None`: flattened first), in the dtype NumPy accumulates in,
/// or in `dtype`.
///
/// # Errors
///
/// An axis out of range; a dtype without sums.
pub fn cumulative_sum(
    x: &Array,
    axis: Option<isize>,
    dtype: Option<DType>,
    start: Start,
    source: Option<Source>,
) -> Result<Array, Error> {
    cumulative(ReduceOp::Sum, x, axis, dtype, start, source)
}

/// The product of each element and those before it along `axis`, as [`cumulative_sum`].
///
/// # Errors
///
/// As [`cumulative_sum`].
pub fn cumulative_prod(
    x: &Array,
    axis: Option<isize>,
    dtype: Option<DType>,
    start: Start,
    source: Option<Source>,
) -> Result<Array, Error> {
    cumulative(ReduceOp::Prod, x, axis, dtype, start, source)
}

fn cumulative(
    op: ReduceOp,
    x: &Array,
    axis: Option<isize>,
    dtype: Option<DType>,
    start: Start,
    source: Option<Source>,
) -> Result<Array, Error> {
    let product = op == ReduceOp::Prod;
    let name = if product { "cumulative_prod" } else { "cumulative_sum" };
    let x = ops::cast(x, dtype.unwrap_or(op.accumulator_dtype(x.dtype())), source)?;
    let combined = along(name, &x, axis, source, |axis| match product {
        true => LibraryOp::CumulativeProd { axis },
        false => LibraryOp::CumulativeSum { axis },
    })?;
    if start == Start::First {
        return Ok(combined);
    }
    let fail = |error| Array::mistaken(error, &[&x]);
    let axis = raptors_ir::normalize_axis(name, axis.unwrap_or(0), combined.ndim()).map_err(fail)?;
    let mut dims = Dims::from_slice(combined.shape());
    dims[axis] = 1;
    let value = if product { Literal::one(x.dtype()) } else { Literal::zero(x.dtype()) };
    let initial = ops::full(&Shape::from_dims(dims).map_err(fail)?, value, source)?;
    ops::concat(&[&initial, &combined], Some(axis as isize), source)
}

/// A library op along an axis; of the elements in one dimension without one.
fn along(
    name: &'static str,
    x: &Array,
    axis: Option<isize>,
    source: Option<Source>,
    op: impl FnOnce(usize) -> LibraryOp,
) -> Result<Array, Error> {
    let fail = |error| Array::mistaken(error, &[x]);
    let Some(axis) = axis else {
        let flat = flattened(x, source)?;
        return Array::apply(Op::Library(op(0)), &[&flat], source);
    };
    let axis = raptors_ir::normalize_axis(name, axis, x.ndim()).map_err(fail)?;
    Array::apply(Op::Library(op(axis)), &[x], source)
}

/// The elements in one dimension.
pub(crate) fn flattened(x: &Array, source: Option<Source>) -> Result<Array, Error> {
    if x.ndim() == 1 {
        return Ok(x.clone());
    }
    let flat = Shape::new(&[x.size()]).map_err(|error| Array::mistaken(error, &[x]))?;
    Array::apply(Op::Reshape(flat), &[x], source)
}

/// Positions in a row, ascending, each once.
fn positions(op: &'static str, x: &Array, kth: &[isize], axis: Option<isize>) -> Result<Dims, Error> {
    let fail = |error| Array::mistaken(error, &[x]);
    let len = match axis {
        None => x.size(),
        Some(axis) => x.shape()[raptors_ir::normalize_axis(op, axis, x.ndim()).map_err(fail)?],
    };
    let mut positions = Dims::new();
    for &k in kth {
        let position = if k < 0 { k.checked_add_unsigned(len) } else { Some(k) };
        match position.and_then(|position| usize::try_from(position).ok()).filter(|&position| position < len)
        {
            Some(position) => positions.push(position),
            None => {
                let problem = format!("kth {k} is out of bounds for {len} elements");
                return Err(fail(IrError::Attribute { op, problem }));
            }
        }
    }
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}
