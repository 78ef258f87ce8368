//! Cumulative sums and products: each element combined with those before it, one after the other.
//!
//! The order is NumPy's, so float results have its bits: `out[i] = out[i - 1] op x[i]`, and the first element as it is.
//! A row is therefore sequential; rows are independent, and columns that lie side by side are vectors. For integers, which
//! may be combined in any order, a row can be taken up where the [`total`](CumulativeKernels::total) of what is before
//! it is known.

use raptors_ir::{BF16, DType, Element, F16};

use super::elementwise::load;
use super::reduction::{Prod, Reduction, Sum};
use crate::runtime::level::Level;

/// How elements are combined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cumulative {
    /// By addition.
    Sum,
    /// By multiplication.
    Prod,
}

/// The loops of one op and dtype. Pointers may have any alignment; `out` may be `x`.
#[derive(Clone, Copy)]
pub(crate) struct CumulativeKernels {
    /// `row(x, n, before, out)`: a row of `n` elements, after `before`, which is null or the total of what precedes it.
    ///
    /// Safety: `x` and `out` have `n` elements and are the same or do not overlap; `before` is null or one element.
    pub(crate) row: unsafe fn(x: *const u8, n: usize, before: *const u8, out: *mut u8),
    /// `columns(x, rows, columns, stride, out)`: for each column, a row of length `rows` whose elements are `stride`
    /// elements apart.
    ///
    /// Safety: `x` and `out` have these elements, and are the same or do not overlap.
    pub(crate) columns: unsafe fn(x: *const u8, rows: usize, columns: usize, stride: usize, out: *mut u8),
    /// `total(x, n, out)`: `n` elements combined, at least one.
    ///
    /// Safety: `x` has `n` elements, `out` room for one.
    pub(crate) total: unsafe fn(x: *const u8, n: usize, out: *mut u8),
}

/// The kernels for integers and floats; `None` for other dtypes. The CPU must have the features of `level`.
pub(crate) fn cumulative(op: Cumulative, dtype: DType, level: Level) -> Option<CumulativeKernels> {
    match op {
        Cumulative::Sum => of_dtype::<Sum>(dtype, level),
        Cumulative::Prod => of_dtype::<Prod>(dtype, level),
    }
}

/// Both signs of an integer have the same bits.
fn of_dtype<R>(dtype: DType, level: Level) -> Option<CumulativeKernels>
where
    R: Reduction<u8> + Reduction<u16> + Reduction<u32> + Reduction<u64>,
    R: Reduction<F16> + Reduction<BF16> + Reduction<f32> + Reduction<f64>,
{
    match dtype {
        DType::I8 | DType::U8 => Some(kernels::<R, u8>(level)),
        DType::I16 | DType::U16 => Some(kernels::<R, u16>(level)),
        DType::I32 | DType::U32 => Some(kernels::<R, u32>(level)),
        DType::I64 | DType::U64 => Some(kernels::<R, u64>(level)),
        DType::F16 => Some(kernels::<R, F16>(level)),
        DType::BF16 => Some(kernels::<R, BF16>(level)),
        DType::F32 => Some(kernels::<R, f32>(level)),
        DType::F64 => Some(kernels::<R, f64>(level)),
        DType::Bool | DType::C64 | DType::C128 => None,
    }
}

fn kernels<R: Reduction<T>, T: Element>(level: Level) -> CumulativeKernels {
    CumulativeKernels { row: row::<R, T>, columns: columns::<R, T>(level), total: total::<R, T> }
}

/// # Safety
///
/// That of [`CumulativeKernels::row`].
unsafe fn row<R: Reduction<T>, T: Element>(x: *const u8, n: usize, before: *const u8, out: *mut u8) {
    if n == 0 {
        return;
    }
    // SAFETY: `before` is an element where it is not null, and every index is below `n`.
    unsafe {
        let first = load::<T>(x, 0);
        let mut sum = if before.is_null() { first } else { R::combine(load::<T>(before, 0), first) };
        out.cast::<T>().write_unaligned(sum);
        for i in 1..n {
            sum = R::combine(sum, load::<T>(x, i));
            out.cast::<T>().add(i).write_unaligned(sum);
        }
    }
}

/// # Safety
///
/// That of [`CumulativeKernels::total`].
unsafe fn total<R: Reduction<T>, T: Element>(x: *const u8, n: usize, out: *mut u8) {
    // SAFETY: every index is below `n`.
    unsafe {
        let sum = (1..n).fold(load::<T>(x, 0), |sum, i| R::combine(sum, load::<T>(x, i)));
        out.cast::<T>().write_unaligned(sum);
    }
}

leveled! {
    fn columns<R: Reduction<T>, T: Element>(x: *const u8, rows: usize, columns: usize, stride: usize, out: *mut u8) = columns_body
}

/// # Safety
///
/// That of [`CumulativeKernels::columns`].
#[inline(always)]
unsafe fn columns_body<R: Reduction<T>, T: Element>(
    x: *const u8,
    rows: usize,
    columns: usize,
    stride: usize,
    out: *mut u8,
) {
    if rows == 0 {
        return;
    }
    // SAFETY: every index is that of an element of one of the rows.
    unsafe {
        if x != out.cast_const() {
            out.copy_from_nonoverlapping(x, columns * size_of::<T>());
        }
        for row in 1..rows {
            let (before, after) =
                (out.cast::<T>().add((row - 1) * stride), out.cast::<T>().add(row * stride));
            let x = x.cast::<T>().add(row * stride);
            for i in 0..columns {
                let sum = R::combine(before.add(i).read_unaligned(), x.add(i).read_unaligned());
                after.add(i).write_unaligned(sum);
            }
        }
    }
}
