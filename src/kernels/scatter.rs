//! Elements written to positions that are themselves elements, one place after the other.

use std::ops::Range;

use raptors_ir::{BF16, DType, Dims, Element, F16};
use smallvec::SmallVec;

use super::copy;
use super::gather::{OutOfBounds, Places};
use super::reduction::{Reduction, Sum};

/// Values in memory, for each place.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) base: *const u8,
    /// Bytes to the next value, per dimension of the places.
    pub(crate) strides: SmallVec<[isize; 6]>,
}

// SAFETY: the address is only a number here; whoever reads it argues why.
unsafe impl Sync for Values {}

/// The bytes from the first value to those of a lookup.
#[inline(always)]
fn value_offset(places: &Places, values: &Values, lookup: usize) -> isize {
    if places.lead == 1 {
        return lookup as isize * values.strides[0];
    }
    let (mut rest, mut offset) = (lookup, 0);
    for (&dim, &stride) in places.dims[..places.lead].iter().zip(&values.strides).rev() {
        offset += (rest % dim) as isize * stride;
        rest /= dim;
    }
    offset
}

/// Writes values to the places of these lookups of the array at `x`, in their order.
///
/// # Safety
///
/// The array is there wherever the places are, and nobody else's; positions and values can be read and are apart from it.
pub(crate) unsafe fn set(
    places: &Places,
    lookups: Range<usize>,
    values: &Values,
    item: usize,
    x: *mut u8,
) -> Result<(), OutOfBounds> {
    let (dims, strides) = places.whole();
    // SAFETY: as for this function.
    unsafe {
        places.each(lookups, |n, offset| {
            let from = values.base.wrapping_offset(value_offset(places, values, n));
            let to = x.wrapping_offset(offset);
            match item {
                4 if dims.is_empty() => to.cast::<u32>().write(from.cast::<u32>().read()),
                8 if dims.is_empty() => to.cast::<u64>().write(from.cast::<u64>().read()),
                // A place may be written twice where the array is repeated; the later value stays.
                _ => in_order(dims, strides, &values.strides[places.lead..], &mut |x, value| {
                    copy::copy_run(from.wrapping_offset(value), to.wrapping_offset(x), item);
                }),
            }
        })
    }
}

/// Adds values to the places of these lookups of the array at `x`, in their order. `None` for a dtype without sums.
///
/// # Safety
///
/// As for [`set`].
pub(crate) unsafe fn add(
    places: &Places,
    lookups: Range<usize>,
    values: &Values,
    dtype: DType,
    x: *mut u8,
) -> Option<Result<(), OutOfBounds>> {
    // SAFETY: as for this function.
    unsafe {
        Some(match dtype {
            DType::I8 | DType::U8 => add_typed::<u8>(places, lookups, values, x),
            DType::I16 | DType::U16 => add_typed::<u16>(places, lookups, values, x),
            DType::I32 | DType::U32 => add_typed::<u32>(places, lookups, values, x),
            DType::I64 | DType::U64 => add_typed::<u64>(places, lookups, values, x),
            DType::F16 => add_typed::<F16>(places, lookups, values, x),
            DType::BF16 => add_typed::<BF16>(places, lookups, values, x),
            DType::F32 => add_typed::<f32>(places, lookups, values, x),
            DType::F64 => add_typed::<f64>(places, lookups, values, x),
            DType::Bool | DType::C64 | DType::C128 => return None,
        })
    }
}

/// # Safety
///
/// As for [`add`].
unsafe fn add_typed<T: Element>(
    places: &Places,
    lookups: Range<usize>,
    values: &Values,
    x: *mut u8,
) -> Result<(), OutOfBounds>
where
    Sum: Reduction<T>,
{
    let (dims, strides) = places.whole();
    // SAFETY: as for this function.
    unsafe {
        places.each(lookups, |n, offset| {
            let from = values.base.wrapping_offset(value_offset(places, values, n));
            let to = x.wrapping_offset(offset);
            in_order(dims, strides, &values.strides[places.lead..], &mut |x, value| {
                let to = to.wrapping_offset(x).cast::<T>();
                to.write(Sum::combine(to.read(), from.wrapping_offset(value).cast::<T>().read()));
            });
        })
    }
}

/// Calls `f` with the offsets of each index of a box, in row-major order.
#[inline(always)]
fn in_order(dims: &[usize], x: &[isize], values: &[isize], f: &mut impl FnMut(isize, isize)) {
    let Some((&len, outer)) = dims.split_last() else { return f(0, 0) };
    if dims.contains(&0) {
        return;
    }
    let (x_step, value_step) = (x[outer.len()], values[outer.len()]);
    let mut index = Dims::from_elem(0, outer.len());
    loop {
        let at = |strides: &[isize]| -> isize {
            index.iter().zip(strides).map(|(&i, &stride)| i as isize * stride).sum()
        };
        let (x_start, value_start) = (at(x), at(values));
        for i in 0..len as isize {
            f(x_start + i * x_step, value_start + i * value_step);
        }
        let Some(next) = (0..outer.len()).rev().find(|&n| index[n] + 1 < outer[n]) else { return };
        index[next] += 1;
        index[next + 1..].fill(0);
    }
}
