//! Views of lazy arrays: indexing, reshaping, reordering, broadcasting. None of them moves an element.

use raptors_ir::{DimSlice, Dims, IrError, Op, Shape, Source, normalize_axes, normalize_axis};

use crate::array::Array;
use crate::error::Error;

/// One entry of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Index {
    /// One element; the dimension is dropped. Negative counts from the end.
    At(isize),
    /// Python's `start:stop:step`.
    Slice {
        /// First element, or from the end the step starts at.
        start: Option<isize>,
        /// Element not reached, or to the other end.
        stop: Option<isize>,
        /// Distance between elements; not zero.
        step: Option<isize>,
    },
    /// A new dimension of length 1.
    NewAxis,
    /// As many whole dimensions as are not named.
    Ellipsis,
}

/// `x[indices]`, by NumPy's rules for integers, slices, new axes and one ellipsis.
///
/// # Errors
///
/// An integer out of range, more indices than dimensions, two ellipses, a step of 0.
pub fn index(x: &Array, indices: &[Index], source: Option<Source>) -> Result<Array, Error> {
    let fail = |error| Array::mistaken(error, &[x]);
    let op = "index";
    let named = indices.iter().filter(|index| matches!(index, Index::At(_) | Index::Slice { .. })).count();
    let ellipses = indices.iter().filter(|index| matches!(index, Index::Ellipsis)).count();
    if ellipses > 1 {
        let problem = format!("{ellipses} ellipses, at most one has a meaning");
        return Err(fail(IrError::Index { op, problem }));
    }
    if named > x.ndim() {
        return Err(fail(IrError::TooManyIndices { op, given: named, ndim: x.ndim() }));
    }
    let mut dims: Vec<DimSlice> = Vec::with_capacity(x.ndim());
    let mut result = Dims::new();
    let implied = (ellipses == 0).then_some(&Index::Ellipsis);
    for index in indices.iter().chain(implied) {
        let axis = dims.len();
        match *index {
            Index::NewAxis => result.push(1),
            Index::Ellipsis => {
                for _ in 0..x.ndim() - named {
                    let len = x.shape()[dims.len()];
                    dims.push(DimSlice { start: 0, len, step: 1 });
                    result.push(len);
                }
            }
            Index::At(index) => {
                let len = x.shape()[axis];
                let at = if index < 0 { index + len as isize } else { index };
                if at < 0 || at >= len as isize {
                    return Err(fail(IrError::IndexOutOfRange { op, index, axis, len }));
                }
                dims.push(DimSlice { start: at as usize, len: 1, step: 1 });
            }
            Index::Slice { start, stop, step } => {
                let step = step.unwrap_or(1);
                if step == 0 {
                    let problem = "slice step is 0, must be positive or negative".to_owned();
                    return Err(fail(IrError::Attribute { op, problem }));
                }
                let dim = slice_dim(x.shape()[axis], start, stop, step);
                result.push(dim.len);
                dims.push(dim);
            }
        }
    }
    let is_all = |(slice, &len): (&DimSlice, &usize)| *slice == DimSlice { start: 0, len, step: 1 };
    let sliced = match x.mistake().is_none() && dims.iter().zip(x.shape().iter()).all(is_all) {
        true => x.clone(),
        false => Array::apply(Op::Slice(dims), &[x], source)?,
    };
    let shape = Shape::from_dims(result).map_err(fail)?;
    if shape == *sliced.shape() { Ok(sliced) } else { Array::apply(Op::Reshape(shape), &[&sliced], source) }
}

/// Python's `slice.indices`.
fn slice_dim(len: usize, start: Option<isize>, stop: Option<isize>, step: isize) -> DimSlice {
    let length = len as isize;
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let resolve = |bound: Option<isize>, default: isize| match bound {
        None => default,
        Some(bound) if bound < 0 => bound.saturating_add(length).max(low),
        Some(bound) => bound.min(high),
    };
    let (start, stop) = if step > 0 {
        (resolve(start, low), resolve(stop, high))
    } else {
        (resolve(start, high), resolve(stop, low))
    };
    let distance = if step > 0 { stop - start } else { start - stop };
    if distance <= 0 {
        return DimSlice { start: 0, len: 0, step: 1 };
    }
    let count = (distance as usize - 1) / step.unsigned_abs() + 1;
    // A step that is never taken may be too large to multiply by.
    DimSlice { start: start as usize, len: count, step: if count == 1 { 1 } else { step } }
}

/// The same elements with other dimensions; one length may be -1, and is what remains.
pub fn reshape(x: &Array, dims: &[isize], source: Option<Source>) -> Result<Array, Error> {
    let op = "reshape";
    let fail = |problem: String| Array::mistaken(IrError::Attribute { op, problem }, &[x]);
    let unknown = dims.iter().filter(|&&dim| dim == -1).count();
    if unknown > 1 {
        return Err(fail(format!("{unknown} lengths are -1, only one can be computed")));
    }
    if let Some(dim) = dims.iter().find(|&&dim| dim < -1) {
        return Err(fail(format!("length {dim} is negative, only -1 has a meaning")));
    }
    let known = dims
        .iter()
        .filter(|&&dim| dim >= 0)
        .try_fold(1usize, |product, &dim| product.checked_mul(dim as usize));
    let Some(known) = known else {
        return Err(fail(format!("{dims:?} has more elements than can be addressed")));
    };
    let mut lengths = Dims::new();
    for &dim in dims {
        lengths.push(match dim {
            -1 if known == 0 || !x.size().is_multiple_of(known) => {
                return Err(fail(format!(
                    "an array of {} elements, shape {}, does not divide into {dims:?}",
                    x.size(),
                    x.shape()
                )));
            }
            -1 => x.size() / known,
            dim => dim as usize,
        });
    }
    let shape = Shape::from_dims(lengths).map_err(|error| Array::mistaken(error, &[x]))?;
    Array::apply(Op::Reshape(shape), &[x], source)
}

/// Dimension `i` of the result is dimension `axes[i]` of `x`.
pub fn permute_dims(x: &Array, axes: &[isize], source: Option<Source>) -> Result<Array, Error> {
    let op = "permute_dims";
    let resolved: Result<Dims, IrError> =
        axes.iter().map(|&axis| normalize_axis(op, axis, x.ndim())).collect();
    let resolved = resolved.map_err(|error| Array::mistaken(error, &[x]))?;
    Array::apply(Op::Permute(resolved), &[x], source)
}

/// All dimensions in reverse order.
pub fn transpose(x: &Array, source: Option<Source>) -> Result<Array, Error> {
    Array::apply(Op::Permute((0..x.ndim()).rev().collect()), &[x], source)
}

/// The last two dimensions exchanged.
pub fn matrix_transpose(x: &Array, source: Option<Source>) -> Result<Array, Error> {
    let ndim = x.ndim();
    if ndim < 2 {
        let error = IrError::TooFewDims { op: "matrix_transpose", shape: x.shape().clone(), needed: 2 };
        return Err(Array::mistaken(error, &[x]));
    }
    let mut axes: Dims = (0..ndim).collect();
    axes.swap(ndim - 1, ndim - 2);
    Array::apply(Op::Permute(axes), &[x], source)
}

/// `x` repeated to `dims`, without a copy.
pub fn broadcast_to(x: &Array, dims: &[usize], source: Option<Source>) -> Result<Array, Error> {
    let shape = Shape::new(dims).map_err(|error| Array::mistaken(error, &[x]))?;
    Array::apply(Op::Broadcast(shape), &[x], source)
}

/// `x` without dimensions of length 1: those named, or all.
pub fn squeeze(x: &Array, axes: Option<&[isize]>, source: Option<Source>) -> Result<Array, Error> {
    let op = "squeeze";
    let axes = match axes {
        Some(_) => normalize_axes(op, axes, x.ndim()).map_err(|error| Array::mistaken(error, &[x]))?,
        None => (0..x.ndim()).filter(|&axis| x.shape()[axis] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&axis| x.shape()[axis] != 1) {
        let problem = format!("axis {axis} has length {}, only length 1 can be dropped", x.shape()[axis]);
        return Err(Array::mistaken(IrError::Attribute { op, problem }, &[x]));
    }
    Array::apply(Op::Reshape(x.shape().without(&axes)), &[x], source)
}

/// `x` with new dimensions of length 1, at these positions of the result.
pub fn expand_dims(x: &Array, axes: &[isize], source: Option<Source>) -> Result<Array, Error> {
    let ndim = x.ndim() + axes.len();
    let axes =
        normalize_axes("expand_dims", Some(axes), ndim).map_err(|error| Array::mistaken(error, &[x]))?;
    let mut rest = x.shape().iter();
    let dims: Dims = (0..ndim)
        .map(|axis| if axes.contains(&axis) { 1 } else { rest.next().copied().unwrap_or(1) })
        .collect();
    let shape = Shape::from_dims(dims).map_err(|error| Array::mistaken(error, &[x]))?;
    Array::apply(Op::Reshape(shape), &[x], source)
}

/// `x` with the order of elements along `axes` (`None`: all) reversed.
pub fn flip(x: &Array, axes: Option<&[isize]>, source: Option<Source>) -> Result<Array, Error> {
    let axes = normalize_axes("flip", axes, x.ndim()).map_err(|error| Array::mistaken(error, &[x]))?;
    let dims = x.shape().iter().enumerate().map(|(axis, &len)| {
        if axes.contains(&axis) && len > 0 {
            DimSlice { start: len - 1, len, step: -1 }
        } else {
            DimSlice { start: 0, len, step: 1 }
        }
    });
    Array::apply(Op::Slice(dims.collect()), &[x], source)
}
