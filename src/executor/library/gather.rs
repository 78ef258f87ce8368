//! Gathers and scatters.
//!
//! The lookups of a gather are shared. Those of a scatter are done in order, by one thread, but for a first dimension
//! along which each index has a part of the array of its own.

use std::ops::Range;

use raptors_ir::{IrError, Write};
use smallvec::SmallVec;

use super::{Base, PIECE, copied, share};
use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::gather::{self as kernel, OutOfBounds, Places, Positions};
use crate::kernels::scatter::{self, Values};
use crate::program::{LibraryCall, Spread};
use crate::runtime::watch;

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn gather(call: &LibraryCall, axes: &[usize], bound: &Bound<'_>) -> Result<(), Error> {
    let x = &call.operands[0];
    let places = places_of(call, axes, |index| bound.base(&index.operand));
    let item = x.operand.dtype.size();
    let (source, target) = (Base(bound.base(&x.operand)), Base(bound.base(&call.result.operand)));
    let each = places.whole().0.iter().product::<usize>() as f64 * call.element_ns();
    share(places.lookups(), each, &|lookups| {
        // SAFETY: as for this function; lookups have places of their own in the result.
        unsafe { kernel::gather(&places, lookups, source.at(0), item, target.at(0)) }
            .map_err(|found| out_of_bounds(call.op.name(), found))
    })
}

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn scatter(
    call: &LibraryCall,
    axes: &[usize],
    write: Write,
    bound: &Bound<'_>,
) -> Result<(), Error> {
    let [x, indices @ .., values] = &call.operands[..] else {
        unreachable!("a scatter has elements and values")
    };
    let dtype = call.result.operand.dtype;
    // SAFETY: as for this function.
    let target = Base(unsafe { copied(call, bound) });
    let dims = common_dims(x, axes, indices);
    let base = |index: &Spread| bound.base(&index.operand);
    let places = places(&dims, x, &call.result.operand.strides, axes, indices, base);
    let values = Values {
        base: bound.base(&values.operand),
        strides: broadcast(&values.dims, &values.operand.strides, &dims),
    };
    let run = |lookups: Range<usize>| -> Result<(), Error> {
        // SAFETY: as for this function; parts write to parts of the array of their own.
        unsafe {
            match write {
                Write::Set => scatter::set(&places, lookups, &values, dtype.size(), target.at(0)),
                Write::Add => scatter::add(&places, lookups, &values, dtype, target.at(0))
                    .ok_or(Error::Unsupported { dtype })?,
            }
        }
        .map_err(|found| out_of_bounds(call.op.name(), found))
    };
    let lookups = places.lookups();
    let first = dims.first().copied().unwrap_or(1);
    let own_parts = axes.first().is_some_and(|&axis| axis > 0) && x.dims[0] == first && places.lead > 0;
    match own_parts && first > 1 {
        true => {
            let each = lookups / first;
            let each_ns = (dims.iter().product::<usize>() / first) as f64 * call.element_ns();
            share(first, each_ns, &|range| run(range.start * each..range.end * each))
        }
        false => (0..lookups).step_by(PIECE).try_for_each(|start| {
            watch::checkpoint(start, lookups);
            run(start..lookups.min(start + PIECE))
        }),
    }
}

/// The dimensions that the array, without the axes, and the indices broadcast to.
fn common_dims(x: &Spread, axes: &[usize], indices: &[Spread]) -> SmallVec<[usize; 6]> {
    let mut dims: SmallVec<[usize; 6]> = x.dims.iter().copied().collect();
    axes.iter().for_each(|&axis| dims[axis] = 1);
    for index in indices {
        for (dim, &other) in dims.iter_mut().zip(&index.dims) {
            if *dim == 1 {
                *dim = other;
            }
        }
    }
    dims
}

/// The places that a gather reads; `base` says where an index operand is.
pub(in crate::executor) fn places_of(
    call: &LibraryCall,
    axes: &[usize],
    base: impl Fn(&Spread) -> *mut u8,
) -> Places {
    let x = &call.operands[0];
    places(&call.result.dims, x, &x.operand.strides, axes, &call.operands[1..], base)
}

/// The places that the index operands name in an array like `x`, of these strides; `base` says where an operand is.
fn places(
    dims: &[usize],
    x: &Spread,
    strides: &[isize],
    axes: &[usize],
    indices: &[Spread],
    base: impl Fn(&Spread) -> *mut u8,
) -> Places {
    let mut own = broadcast(&x.dims, strides, dims);
    let positions = axes.iter().zip(indices).map(|(&axis, index)| {
        // Where the length is 1 too, the index says which.
        own[axis] = 0;
        Positions {
            base: base(index),
            strides: broadcast(&index.dims, &index.operand.strides, dims),
            axis,
            len: x.dims[axis],
            step: strides[axis],
        }
    });
    let positions = positions.collect();
    Places::new(dims.iter().copied().collect(), own, positions)
}

/// The strides that repeat elements along dimensions of length 1, and along leading ones that are not there.
fn broadcast(dims: &[usize], strides: &[isize], target: &[usize]) -> SmallVec<[isize; 6]> {
    let lead = target.len() - dims.len();
    let own = dims.iter().zip(strides).zip(&target[lead..]);
    let own = own.map(|((&dim, &stride), &target)| if dim == target && dim != 1 { stride } else { 0 });
    std::iter::repeat_n(0, lead).chain(own).collect()
}

/// The error of the op of this name for a position that an array does not have.
pub(in crate::executor) fn out_of_bounds(op: &'static str, found: OutOfBounds) -> Error {
    let OutOfBounds { position, axis, len } = found;
    let index = position as isize;
    super::mistake(IrError::IndexOutOfRange { op, index, axis, len })
}
