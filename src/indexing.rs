//! Elements at positions that are themselves elements, and where a condition is true.
//!
//! Positions are values: whether they are in bounds is known when the result is evaluated, which then fails with the
//! position, the axis and its length. How many elements a condition selects is part of a shape: [`nonzero`], [`select`]
//! with a mask and [`compress`] evaluate the condition at once, and keep its value. What is selected from stays lazy.
//!
//! Nothing is written through an array: [`put`] and [`put_along_axis`] give a new one.

use raptors_ir::{Bool, DType, Dims, IrError, LibraryOp, Op, Shape, Source, Write, short_list};
use raptors_passes::Options;
use smallvec::SmallVec;

use crate::array::{Array, Donation};
use crate::capture::is_row_major;
use crate::error::Error;
use crate::ops;
use crate::runtime::buffer::Buffer;
use crate::sorting::flattened;
use crate::tensor::Tensor;
use crate::views::{self, Index};

/// One entry of an index.
#[derive(Clone, Debug)]
pub enum Key {
    /// A position, a slice, a new axis or an ellipsis.
    Basic(Index),
    /// Positions along one axis, or a mask over as many axes as it has dimensions.
    Array(Array),
}

/// `x[keys]`, by NumPy's rules.
///
/// # Errors
///
/// As [`views::index`]; an array that is neither integer nor `bool`, a mask of another shape than what it selects from,
/// positions whose shapes do not broadcast; what evaluating a mask can meet. Positions out of bounds are an error of the
/// evaluation.
pub fn select(x: &Array, keys: &[Key], options: &Options, source: Option<Source>) -> Result<Array, Error> {
    if let [Key::Array(mask)] = keys
        && mask.dtype() == DType::Bool
        && mask.shape() == x.shape()
    {
        let mask = evaluated_mask(mask, options)?;
        let length = count(&mask)?;
        let (x, mask) = (flattened(x, source)?, flattened(&mask, source)?);
        return Array::apply(Op::Library(LibraryOp::Compress { length }), &[&x, &mask], source);
    }
    let fail = |error| Array::mistaken(error, &[x]);
    let (keys, axes_named) = without_masks(x, keys, options, source)?;
    if axes_named > x.ndim() {
        return Err(fail(IrError::TooManyIndices { op: "index", given: axes_named, ndim: x.ndim() }));
    }
    let any_array = keys.iter().any(|key| matches!(key, Key::Array(_)));
    let mut basic: SmallVec<[Index; 4]> = SmallVec::new();
    let mut positions: Vec<Array> = Vec::new();
    // The dimensions of the view that positions are for, and whether those are next to each other.
    let (mut axes, mut dim, mut together) = (Dims::new(), 0, true);
    let mut last_array = None;
    let ellipsis_dims = x.ndim() - axes_named;
    let implied = [Key::Basic(Index::Ellipsis)];
    let has_ellipsis = keys.iter().any(|key| matches!(key, Key::Basic(Index::Ellipsis)));
    let all = keys.iter().chain(implied.iter().filter(|_| !has_ellipsis));
    for (n, key) in all.enumerate() {
        let position = match key {
            Key::Basic(Index::At(at)) if any_array => {
                let len = x.shape()[axis_of(&basic, ellipsis_dims)];
                in_bounds(*at, axis_of(&basic, ellipsis_dims), len).map_err(fail)?;
                Some(Array::from_value(*at as i64))
            }
            Key::Basic(_) => None,
            Key::Array(positions) => Some(positions.clone()),
        };
        match (position, key) {
            (Some(position), _) => {
                together &= last_array.is_none_or(|last| last + 1 == n);
                last_array = Some(n);
                positions.push(position);
                axes.push(dim);
                basic.push(Index::Slice { start: None, stop: None, step: None });
                dim += 1;
            }
            (None, Key::Basic(index)) => {
                basic.push(*index);
                dim += match index {
                    Index::At(_) => 0,
                    Index::Slice { .. } | Index::NewAxis => 1,
                    Index::Ellipsis => ellipsis_dims,
                };
            }
            (None, Key::Array(_)) => unreachable!("an array is positions"),
        }
    }
    let view = views::index(x, &basic, source)?;
    if positions.is_empty() {
        return Ok(view);
    }
    let (view, axes) = match together {
        true => (view, axes),
        // Positions that are apart come first in the result.
        false => {
            let others = (0..view.ndim()).filter(|dim| !axes.contains(dim));
            let order: Dims = axes.iter().copied().chain(others).collect();
            let moved = Array::apply(Op::Permute(order), &[&view], source)?;
            (moved, (0..axes.len()).collect())
        }
    };
    gather_at(&view, axes[0], &positions, source)
}

/// The axis of the array that the next index is for.
fn axis_of(basic: &[Index], ellipsis_dims: usize) -> usize {
    let dims = basic.iter().map(|index| match index {
        Index::At(_) | Index::Slice { .. } => 1,
        Index::NewAxis => 0,
        Index::Ellipsis => ellipsis_dims,
    });
    dims.sum()
}

fn in_bounds(index: isize, axis: usize, len: usize) -> Result<(), IrError> {
    let from_start = if index < 0 { index.checked_add_unsigned(len) } else { Some(index) };
    match from_start.and_then(|index| usize::try_from(index).ok()) {
        Some(position) if position < len => Ok(()),
        _ => Err(IrError::IndexOutOfRange { op: "index", index, axis, len }),
    }
}

/// The keys with positions instead of masks, and how many axes they name.
fn without_masks(
    x: &Array,
    keys: &[Key],
    options: &Options,
    source: Option<Source>,
) -> Result<(Vec<Key>, usize), Error> {
    let dims = |key: &Key| match key {
        Key::Basic(Index::At(_) | Index::Slice { .. }) => 1,
        Key::Basic(Index::NewAxis | Index::Ellipsis) => 0,
        Key::Array(array) if array.dtype() == DType::Bool => array.ndim(),
        Key::Array(_) => 1,
    };
    let named: usize = keys.iter().map(dims).sum();
    let mut result = Vec::with_capacity(keys.len());
    let mut axis = 0;
    for key in keys {
        match key {
            Key::Array(mask) if mask.dtype() == DType::Bool => {
                let needed = x.shape().get(axis..axis + mask.ndim()).unwrap_or_default();
                if mask.ndim() == 0 || **mask.shape() != *needed {
                    let problem = format!(
                        "a mask of shape {} does not fit axis {axis} and following of shape {}",
                        mask.shape(),
                        x.shape()
                    );
                    return Err(Array::mistaken(IrError::Index { op: "index", problem }, &[x, mask]));
                }
                result.extend(nonzero(mask, options, source)?.into_iter().map(Key::Array));
            }
            Key::Array(positions) => result.push(Key::Array(as_positions("index", positions, source)?)),
            Key::Basic(_) => result.push(key.clone()),
        }
        axis += match key {
            Key::Basic(Index::Ellipsis) => x.ndim().saturating_sub(named),
            key => dims(key),
        };
    }
    Ok((result, named))
}

/// Integers as `i64`.
fn as_positions(op: &'static str, array: &Array, source: Option<Source>) -> Result<Array, Error> {
    if !array.dtype().is_integer() {
        let problem = format!(
            "positions of {} are not integers: use an integer or bool array",
            array.dtype().numpy_name()
        );
        return Err(Array::mistaken(IrError::Index { op, problem }, &[array]));
    }
    ops::cast(array, DType::I64, source)
}

/// The elements of `x` at `positions`, one array for each axis from `first` on, which broadcast; the result has their shape in
/// place of these axes.
fn gather_at(x: &Array, first: usize, positions: &[Array], source: Option<Source>) -> Result<Array, Error> {
    let gather = |axes| Op::Library(LibraryOp::Gather { axes });
    if let [position] = positions
        && [x.ndim(), position.ndim()] == [1, 1]
    {
        return Array::apply(gather(short_list(&[0])), &[x, position], source);
    }
    let mut shape = Shape::scalar();
    for position in positions {
        shape = shape.broadcast(position.shape()).ok_or_else(|| {
            let problem = format!("positions of shapes {shape} and {} do not broadcast", position.shape());
            Array::mistaken(IrError::Index { op: "index", problem }, &[x, position])
        })?;
    }
    let count = positions.len();
    // Both get as many dimensions in between: the array more of length 1, or the positions.
    let between = count.max(shape.len());
    let (before, after) = (&x.shape()[..first], &x.shape()[first + count..]);
    let ones = |count: usize| std::iter::repeat_n(1, count);
    let of_array = before.iter().copied().chain(x.shape()[first..first + count].iter().copied());
    let of_array: Dims = of_array.chain(ones(between - count)).chain(after.iter().copied()).collect();
    let array = reshaped(x, of_array, source)?;
    let mut operands = vec![array];
    for position in positions {
        let lead = before.len() + between - position.ndim();
        let dims = ones(lead).chain(position.shape().iter().copied()).chain(ones(after.len()));
        operands.push(reshaped(position, dims.collect(), source)?);
    }
    let references: Vec<&Array> = operands.iter().collect();
    let gathered = Array::apply(gather((first..first + count).collect()), &references, source)?;
    let dims = before.iter().chain(shape.iter()).chain(after);
    reshaped(&gathered, dims.copied().collect(), source)
}

/// `x` with other dimensions; `x` itself where it has them.
fn reshaped(x: &Array, dims: Dims, source: Option<Source>) -> Result<Array, Error> {
    let shape = Shape::from_dims(dims).map_err(|error| Array::mistaken(error, &[x]))?;
    if shape == *x.shape() { Ok(x.clone()) } else { Array::apply(Op::Reshape(shape), &[x], source) }
}

/// What becomes of positions out of bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bounds {
    /// An error of the evaluation; negative ones count from the end.
    Checked,
    /// They start again from the other end.
    Wrapped,
    /// The first or the last position; negative ones are the first.
    Clipped,
}

/// The elements of `x` at `positions` along `axis` (`None`: of the flattened array); the shape of the positions takes the
/// place of the axis.
///
/// # Errors
///
/// An axis out of range, positions that are no integers; positions out of bounds are an error of the evaluation.
pub fn take(
    x: &Array,
    positions: &Array,
    axis: Option<isize>,
    bounds: Bounds,
    source: Option<Source>,
) -> Result<Array, Error> {
    let op = "take";
    let positions = as_positions(op, positions, source)?;
    let (x, axis) = match axis {
        None => (flattened(x, source)?, 0),
        Some(axis) => {
            let axis = raptors_ir::normalize_axis(op, axis, x.ndim());
            (x.clone(), axis.map_err(|error| Array::mistaken(error, &[x]))?)
        }
    };
    let len = ops::Weak::Int(x.shape()[axis] as i128);
    let last = ops::Weak::Int(x.shape()[axis] as i128 - 1);
    let (number, scalar) = (ops::Operand::Array(&positions), ops::Operand::Scalar);
    let positions = match bounds {
        Bounds::Checked => positions.clone(),
        Bounds::Wrapped => {
            ops::elementwise(raptors_ir::ElementwiseOp::Remainder, &[number, scalar(len)], source)?
        }
        Bounds::Clipped => ops::clip(number, Some(scalar(ops::Weak::Int(0))), Some(scalar(last)), source)?,
    };
    gather_at(&x, axis, &[positions], source)
}

/// For each of `positions`, the element of `x` there along `axis` (`None`: of the flattened array), at the same index
/// otherwise. Both have as many dimensions, and broadcast but for the axis.
///
/// # Errors
///
/// As [`take`]; another number of dimensions.
pub fn take_along_axis(
    x: &Array,
    positions: &Array,
    axis: Option<isize>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let (x, positions, axis) = along("take_along_axis", x, positions, axis, source)?;
    let op = LibraryOp::Gather { axes: [axis].into_iter().collect() };
    Array::apply(Op::Library(op), &[&x, &positions], source)
}

/// `x` with `values` at `positions` along `axis` (`None`: of the flattened array, which is then given its shape back). Of
/// several values for one element, the last one stays, or all are added.
///
/// # Errors
///
/// As [`take_along_axis`]; values that do not broadcast to the positions.
pub fn put_along_axis(
    x: &Array,
    positions: &Array,
    values: ops::Operand<'_>,
    axis: Option<isize>,
    write: Write,
    source: Option<Source>,
) -> Result<Array, Error> {
    let (flat, positions, at) = along("put_along_axis", x, positions, axis, source)?;
    let values = ops::converted("put_along_axis", values, x.dtype(), source)?;
    let op = LibraryOp::Scatter { axes: [at].into_iter().collect(), write };
    let put = Array::apply(Op::Library(op), &[&flat, &positions, &values], source)?;
    reshaped(&put, Dims::from_slice(x.shape()), source)
}

/// Array, `i64` positions and axis of an op along one.
fn along(
    op: &'static str,
    x: &Array,
    positions: &Array,
    axis: Option<isize>,
    source: Option<Source>,
) -> Result<(Array, Array, usize), Error> {
    let positions = as_positions(op, positions, source)?;
    let x = if axis.is_none() { flattened(x, source)? } else { x.clone() };
    let fail = |error| Array::mistaken(error, &[&x, &positions]);
    let axis = raptors_ir::normalize_axis(op, axis.unwrap_or(0), x.ndim()).map_err(fail)?;
    if positions.ndim() != x.ndim() {
        let problem = format!(
            "positions of shape {} and an array of shape {} need as many dimensions",
            positions.shape(),
            x.shape()
        );
        return Err(fail(IrError::Attribute { op, problem }));
    }
    Ok((x, positions, axis))
}

/// `x` with `values`, which broadcast, at what `keys` select: they replace what is there, or are added to it, all of them
/// where an element is selected several times.
///
/// # Errors
///
/// As [`select`]; values that do not broadcast to the selection.
pub fn put(
    x: &Array,
    keys: &[Key],
    values: ops::Operand<'_>,
    write: Write,
    options: &Options,
    source: Option<Source>,
) -> Result<Array, Error> {
    // What is selected from the numbers of all elements are the numbers of the elements that are selected.
    let numbers = Array::apply(Op::Iota(x.size()), &[], source)?;
    let numbers = reshaped(&numbers, Dims::from_slice(x.shape()), source)?;
    let selected = select(&numbers, keys, options, source)?;
    let values = ops::converted("put", values, x.dtype(), source)?;
    let values = views::broadcast_to(&values, selected.shape(), source)?;
    let (flat, at) = (flattened(x, source)?, flattened(&selected, source)?);
    let op = LibraryOp::Scatter { axes: [0].into_iter().collect(), write };
    let put = Array::apply(Op::Library(op), &[&flat, &at, &flattened(&values, source)?], source)?;
    reshaped(&put, Dims::from_slice(x.shape()), source)
}

/// Where `x` is not zero: an `i64` array for each dimension, in row-major order. Evaluates `x != 0`.
///
/// # Errors
///
/// An array without dimensions; what evaluating the condition can meet.
pub fn nonzero(x: &Array, options: &Options, source: Option<Source>) -> Result<Vec<Array>, Error> {
    if x.ndim() == 0 {
        let error = IrError::TooFewDims { op: "nonzero", shape: x.shape().clone(), needed: 1 };
        return Err(Array::mistaken(error, &[x]));
    }
    let mask = evaluated_mask(&ops::cast(x, DType::Bool, source)?, options)?;
    let length = count(&mask)?;
    let op = LibraryOp::Positions { length };
    let flat = Array::apply(Op::Library(op), &[&flattened(&mask, source)?], source)?;
    let dims = x.shape();
    let integer = |op, x: &Array, value: usize| {
        ops::elementwise(
            op,
            &[ops::Operand::Array(x), ops::Operand::Scalar(ops::Weak::Int(value as i128))],
            source,
        )
    };
    (0..dims.len())
        .map(|axis| {
            let inner: usize = dims[axis + 1..].iter().product();
            let outer = match inner {
                0 | 1 => flat.clone(),
                _ => integer(raptors_ir::ElementwiseOp::FloorDivide, &flat, inner)?,
            };
            match axis {
                0 => Ok(outer),
                _ => integer(raptors_ir::ElementwiseOp::Remainder, &outer, dims[axis].max(1)),
            }
        })
        .collect()
}

/// The parts of `x` along `axis` (`None`: elements of the flattened array) where `condition`, which may be shorter, is true.
/// Evaluates the condition.
///
/// # Errors
///
/// A condition that has not one dimension or is longer than the axis; what evaluating it can meet.
pub fn compress(
    condition: &Array,
    x: &Array,
    axis: Option<isize>,
    options: &Options,
    source: Option<Source>,
) -> Result<Array, Error> {
    if condition.ndim() != 1 {
        let problem = format!("the condition has shape {}, needs one dimension", condition.shape());
        return Err(Array::mistaken(IrError::Attribute { op: "compress", problem }, &[condition]));
    }
    let [positions] = &nonzero(condition, options, source)?[..] else {
        unreachable!("one dimension has one array of positions")
    };
    take(x, positions, axis, Bounds::Checked, source)
}

/// The mask in memory of its own, which nobody writes: what was counted stays true.
pub(crate) fn evaluated_mask(mask: &Array, options: &Options) -> Result<Array, Error> {
    if !mask.is_evaluated() {
        mask.cached_leaf(options)?;
        return Ok(mask.clone());
    }
    match copied(mask, options)? {
        Some(copy) => Ok(copy),
        None => Ok(mask.eval_with(options)?.into_lazy()),
    }
}

/// A short mask that is in memory, side by side, in memory of its own: a plan takes longer than its elements.
fn copied(mask: &Array, options: &Options) -> Result<Option<Array>, Error> {
    /// Elements whose copy takes less than a microsecond.
    const SHORT: usize = 1 << 14;
    let Some(leaf) = mask.node.leaf() else { return Ok(None) };
    let size = mask.size();
    let is_plain = leaf.donation == Donation::No && is_row_major(leaf, mask.ty());
    if !is_plain || mask.dtype() != DType::Bool || size > SHORT || options.max_memory.is_some() {
        return Ok(None);
    }
    let mut buffer = Buffer::allocate(size)?;
    // SAFETY: the leaf promises readable memory, here of a byte for each element, side by side; the buffer has as many.
    unsafe { std::ptr::copy_nonoverlapping(leaf.memory.pointer(), buffer.as_mut_ptr(), size) };
    Ok(Some(Tensor::new(buffer, mask.ty().clone()).into_lazy()))
}

/// How many elements of an evaluated mask are true.
pub(crate) fn count(mask: &Array) -> Result<usize, Error> {
    let leaf = mask.cached_leaf(&Options::default())?;
    debug_assert_eq!(mask.dtype(), DType::Bool, "a mask is bool");
    debug_assert_eq!(size_of::<Bool>(), 1, "and a byte an element");
    // SAFETY: the mask was evaluated: the leaf has its elements side by side, a byte each.
    Ok(unsafe { crate::kernels::mask::count(leaf.memory.pointer(), mask.size()) })
}
