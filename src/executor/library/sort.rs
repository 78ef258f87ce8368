//! Sorting, along any axis.
//!
//! The operand is copied to the result, unless it is there already, and rows are sorted in place. Where a row does not
//! lie side by side, rows are gathered into scratch memory, a few columns at a time, and scattered back. Rows are shared
//! over the team; of few long rows, each is sorted by the whole team (`sort/shared.rs`).

use std::ops::Range;

use raptors_ir::{Order, dispatch_dtype};

mod shared;

use super::{Base, copied, share};
use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::sort_key::Sortable;
use crate::kernels::{copy, radix, sort as kernel};
use crate::program::{Around, LibraryCall};
use crate::runtime::buffer::Buffer;
use crate::runtime::level::Level;

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn sort(
    call: &LibraryCall,
    axis: usize,
    order: Order,
    bound: &Bound<'_>,
) -> Result<(), Error> {
    let dtype = call.result.operand.dtype;
    // SAFETY: as for this function.
    let base = Base(unsafe { copied(call, bound) });
    let level = Level::current();
    dispatch_dtype!(dtype, T => {
        let rows = Rows::of::<T>(call, axis);
        // SAFETY: the result holds these elements, which are nobody else's during the step.
        unsafe {
            rows.each_in_place::<T>(base, &|row, scratch, helpers| {
                let sort_words = |words: &mut [_], scratch: &mut [_]| match helpers {
                    Helpers::Idle => shared::sort(words, scratch, level),
                    Helpers::Busy => radix::sort(words, scratch, level),
                };
                Ok(kernel::sort::<T>(row, order, slice(scratch, row.len()), level, helpers.share(), sort_words)?)
            })
        }
    }, complex => Err(Error::Unsupported { dtype }))
}

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn partition(
    call: &LibraryCall,
    axis: usize,
    kth: &[usize],
    bound: &Bound<'_>,
) -> Result<(), Error> {
    let dtype = call.result.operand.dtype;
    // SAFETY: as for this function.
    let base = Base(unsafe { copied(call, bound) });
    let level = Level::current();
    dispatch_dtype!(dtype, T => {
        let rows = Rows::of::<T>(call, axis);
        // SAFETY: the result holds these elements, which are nobody else's during the step.
        unsafe {
            rows.each_in_place::<T>(base, &|row, scratch, helpers| {
                let select = |words: &mut [_], scratch: &mut [_]| match helpers {
                    Helpers::Idle => shared::select(words, kth, scratch, level),
                    Helpers::Busy => kernel::select(words, kth, scratch, level),
                };
                kernel::partition::<T>(row, slice(scratch, row.len()), level, helpers.share(), select);
                Ok(())
            })
        }
    }, complex => Err(Error::Unsupported { dtype }))
}

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn argsort(
    call: &LibraryCall,
    axis: usize,
    order: Order,
    bound: &Bound<'_>,
) -> Result<(), Error> {
    // SAFETY: as for this function.
    unsafe { positions(call, axis, bound, &Positions::Sorted(order)) }
}

/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn argpartition(
    call: &LibraryCall,
    axis: usize,
    kth: &[usize],
    bound: &Bound<'_>,
) -> Result<(), Error> {
    // SAFETY: as for this function.
    unsafe { positions(call, axis, bound, &Positions::Partitioned(kth)) }
}

/// Which positions are asked for.
enum Positions<'a> {
    Sorted(Order),
    Partitioned(&'a [usize]),
}

/// # Safety
///
/// As for [`super::run`].
unsafe fn positions(
    call: &LibraryCall,
    axis: usize,
    bound: &Bound<'_>,
    wanted: &Positions<'_>,
) -> Result<(), Error> {
    let x = &call.operands[0];
    let dtype = x.operand.dtype;
    let (source, target) = (Base(bound.base(&x.operand)), Base(bound.base(&call.result.operand)));
    dispatch_dtype!(dtype, T => {
        let rows = Rows::of::<T>(call, axis);
        let strides = &x.operand.strides;
        let scratch = 2 * rows.around.len * size_of::<u64>();
        // SAFETY: the operand and the result have these elements; the result's are nobody else's during the step. There is
        // scratch for the words of a row, twice.
        unsafe {
            let strided = (&x.dims[..], &strides[..]);
            rows.each_apart::<T>(source, strided, axis, target, scratch, &|row, out, scratch, helpers| {
                row_positions(row, out, scratch, helpers, wanted);
                Ok(())
            })
        }
    }, complex => Err(Error::Unsupported { dtype }))
}

/// # Safety
///
/// `scratch` has room for a word for each element of the row, twice.
unsafe fn row_positions<T: Sortable>(
    row: &[T],
    out: &mut [i64],
    scratch: &mut Buffer,
    helpers: Helpers,
    wanted: &Positions<'_>,
) {
    let level = Level::current();
    // SAFETY: there is room for so many words, which take any bits.
    let (words, scratch): (&mut [u64], &mut [u64]) =
        unsafe { slice(scratch, 2 * row.len()) }.split_at_mut(row.len());
    let packed = match *wanted {
        Positions::Sorted(order) => {
            let packed = kernel::Packed::new(row, order, words);
            match helpers {
                Helpers::Idle => shared::sort_stable(words, scratch, packed.bits(), level),
                Helpers::Busy => radix::sort_stable(words, scratch, packed.bits(), level),
            }
            packed.mend(row, order, words);
            packed
        }
        Positions::Partitioned(kth) => {
            let packed = kernel::Packed::new(row, Order::Ascending, words);
            if packed.is_exact() {
                match helpers {
                    Helpers::Idle => shared::select(words, kth, scratch, level),
                    Helpers::Busy => kernel::select(words, kth, scratch, level),
                }
            } else {
                words.iter_mut().for_each(|word| *word = packed.position(*word) as u64);
                kernel::select_positions(row, words, kth);
            }
            packed
        }
    };
    for (out, &word) in out.iter_mut().zip(&*words) {
        *out = packed.position(word) as i64;
    }
}

/// The memory of a buffer as `len` elements.
///
/// # Safety
///
/// The buffer has room for them, and they take any bits.
unsafe fn slice<T>(buffer: &mut Buffer, len: usize) -> &mut [T] {
    // SAFETY: as for this function; a buffer is aligned to any element, and borrowed as long as the slice.
    unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), len) }
}

/// Whether the other threads of the team have rows of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Helpers {
    /// A row is shared by all of them.
    Idle,
    /// They have.
    Busy,
}

impl Helpers {
    /// How work on a row is cut.
    fn share(self) -> kernel::Share<'static> {
        match self {
            Helpers::Idle => &shared::over_team,
            Helpers::Busy => &|len, f| f(0..len),
        }
    }
}

/// What is done to a row in place, with scratch memory.
type OnRow<'a, T> = dyn Fn(&mut [T], &mut Buffer, Helpers) -> Result<(), Error> + Sync + 'a;

/// What is done to a row and the positions that belong to it, with scratch memory.
type OnRowApart<'a, T> = dyn Fn(&[T], &mut [i64], &mut Buffer, Helpers) -> Result<(), Error> + Sync + 'a;

/// The rows along an axis.
struct Rows {
    around: Around,
    /// Nanoseconds of a row.
    row_ns: f64,
    /// Columns that are gathered together.
    columns: usize,
    /// Whether threads share a row rather than the rows.
    shares_rows: bool,
}

impl Rows {
    fn of<T>(call: &LibraryCall, axis: usize) -> Rows {
        let around = Around::axis(&call.result.dims, axis);
        let (row_ns, columns) = (around.len as f64 * call.element_ns(), around.columns(size_of::<T>()));
        Rows { around, row_ns, columns, shares_rows: call.shares_rows(axis) }
    }

    /// Calls `f` with each part of `0..count`, or, where threads share each row, with all of it.
    fn share(
        &self,
        count: usize,
        f: &(dyn Fn(Range<usize>, Helpers) -> Result<(), Error> + Sync),
    ) -> Result<(), Error> {
        if self.shares_rows {
            return f(0..count, Helpers::Idle);
        }
        let rows_each = self.around.outer * self.around.inner / count.max(1);
        share(count, self.row_ns * rows_each.max(1) as f64, &|range| f(range, Helpers::Busy))
    }

    /// Calls `f` with each row of the elements at `base`, scratch memory for as many elements, and whether the team has
    /// rows of its own.
    ///
    /// # Safety
    ///
    /// The row-major elements at `base` can be read and written, and are nobody else's meanwhile.
    unsafe fn each_in_place<T: Sortable>(&self, base: Base, f: &OnRow<'_, T>) -> Result<(), Error> {
        let Around { outer, len, inner } = self.around;
        if inner == 1 {
            return self.share(outer, &|rows, helpers| {
                let mut scratch = Buffer::allocate(len * size_of::<T>())?;
                for row in rows {
                    let first = base.at(row * len * size_of::<T>()).cast::<T>();
                    // SAFETY: the row is within the elements, aligned as they are, and no other part is given it.
                    f(unsafe { std::slice::from_raw_parts_mut(first, len) }, &mut scratch, helpers)?;
                }
                Ok(())
            });
        }
        let blocks = inner.div_ceil(self.columns);
        self.share(outer * blocks, &|parts, helpers| {
            let item = size_of::<T>();
            let mut gathered = Buffer::allocate(self.columns * len * item)?;
            let mut scratch = Buffer::allocate(len * item)?;
            for part in parts {
                let column = part % blocks * self.columns;
                let columns = self.columns.min(inner - column);
                let first = base.at((part / blocks * len * inner + column) * item);
                let (strides, dims) = ([item as isize, (inner * item) as isize], [columns, len]);
                // SAFETY: the columns are within the elements, and no other part is given them; the buffer has room.
                let rows: &mut [T] = unsafe {
                    copy::pack(first, &strides, &dims, item, gathered.as_mut_ptr());
                    slice(&mut gathered, columns * len)
                };
                rows.chunks_mut(len).try_for_each(|row| f(row, &mut scratch, helpers))?;
                // SAFETY: as above.
                unsafe { copy::unpack(gathered.as_ptr(), first, &strides, &dims, item) };
            }
            Ok(())
        })
    }

    /// Calls `f` with each row of the elements at `source`, which may have any strides, the row of positions at `target`,
    /// which are row-major, so many bytes of scratch memory, and whether the team has rows of its own.
    ///
    /// # Safety
    ///
    /// The elements can be read, the positions written, and these are nobody else's meanwhile.
    unsafe fn each_apart<T: Sortable>(
        &self,
        source: Base,
        (dims, strides): (&[usize], &[isize]),
        axis: usize,
        target: Base,
        scratch_bytes: usize,
        f: &OnRowApart<'_, T>,
    ) -> Result<(), Error> {
        let Around { outer, len, inner } = self.around;
        let item = size_of::<T>();
        let others: Vec<(usize, isize)> = dims.iter().copied().zip(strides.iter().copied()).collect();
        let stride = strides[axis];
        // The byte where the row begins that has this number among all rows.
        let row_start = |row: usize| {
            let (mut rest, mut offset) = (row, 0);
            for (_, &(dim, stride)) in others.iter().enumerate().rev().filter(|(n, _)| *n != axis) {
                offset += (rest % dim) as isize * stride;
                rest /= dim;
            }
            source.at(0).wrapping_offset(offset)
        };
        self.share(outer * inner, &|rows, helpers| {
            let lies_side_by_side = stride == item as isize || len == 1;
            let mut gathered = Buffer::allocate(if lies_side_by_side { 0 } else { len * item })?;
            let mut found = Buffer::allocate(if inner == 1 { 0 } else { len * size_of::<i64>() })?;
            let mut scratch = Buffer::allocate(scratch_bytes)?;
            for row in rows {
                let first = row_start(row);
                let elements: &[T] = match lies_side_by_side {
                    // SAFETY: the row is within the elements, which are aligned: the copies pass sees to it.
                    true => unsafe { std::slice::from_raw_parts(first.cast_const().cast(), len) },
                    // SAFETY: likewise, and the buffer has room.
                    false => unsafe {
                        copy::pack(first, &[stride], &[len], item, gathered.as_mut_ptr());
                        slice(&mut gathered, len)
                    },
                };
                let place = (row / inner * len * inner + row % inner) * size_of::<i64>();
                if inner == 1 {
                    // SAFETY: the row is within the positions, and no other part is given it.
                    let out = unsafe { std::slice::from_raw_parts_mut(target.at(place).cast(), len) };
                    f(elements, out, &mut scratch, helpers)?;
                    continue;
                }
                // SAFETY: the buffer has room for a row of positions; the row is within them, and this part's own.
                unsafe {
                    f(elements, slice(&mut found, len), &mut scratch, helpers)?;
                    let step = (inner * size_of::<i64>()) as isize;
                    copy::unpack(found.as_ptr(), target.at(place), &[step], &[len], size_of::<i64>());
                }
            }
            Ok(())
        })
    }
}
