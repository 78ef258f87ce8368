//! The tree of `reduce.rs` over the rows of a matrix, for many columns side by side.
//!
//! A few columns at a time stay in registers while rows are combined: what is read is read once, and of the accumulators
//! that wait for others only those of a few columns are in memory, which the first-level cache has.

use raptors_ir::Element;

use super::reduction::Reduction;

/// Lanes that are reduced in one go, if more than one is.
pub const LANES: usize = 8;

/// Bytes of the accumulators in registers, of one lane.
const GROUP_BYTES: usize = 128;

leveled! {
    pub(super) fn columns<R: Reduction<T>, T: Element>(
        x: *const u8, stride: isize, rows: usize, lanes: usize, n: usize, out: *mut u8, continues: bool,
    ) = columns_body
}

/// # Safety
///
/// That of [`super::reduce::ReduceKernels::columns`].
#[inline(always)]
unsafe fn columns_body<R: Reduction<T>, T: Element>(
    x: *const u8,
    stride: isize,
    rows: usize,
    lanes: usize,
    n: usize,
    out: *mut u8,
    continues: bool,
) {
    // SAFETY: the contract is the caller's.
    unsafe {
        match size_of::<T>() {
            1 => groups::<R, T, GROUP_BYTES>(x, stride, rows, lanes, n, out, continues),
            2 => groups::<R, T, { GROUP_BYTES / 2 }>(x, stride, rows, lanes, n, out, continues),
            4 => groups::<R, T, { GROUP_BYTES / 4 }>(x, stride, rows, lanes, n, out, continues),
            _ => groups::<R, T, { GROUP_BYTES / 8 }>(x, stride, rows, lanes, n, out, continues),
        }
    }
}

/// `L` columns at a time. The last ones are the last `L`, some of them once more, where that gives the same.
///
/// # Safety
///
/// That of [`super::reduce::ReduceKernels::columns`].
#[inline(always)]
unsafe fn groups<R: Reduction<T>, T: Element, const L: usize>(
    x: *const u8,
    stride: isize,
    rows: usize,
    lanes: usize,
    n: usize,
    out: *mut u8,
    continues: bool,
) {
    let mut column = 0;
    while column < n {
        let left = n - column;
        let first = if left < L && n >= L && !continues { n - L } else { column };
        let rows = Rows { x: x.wrapping_add(first * size_of::<T>()), stride, rows };
        // SAFETY: there are as many columns from the first one on as are reduced.
        unsafe {
            let out = out.add(first * size_of::<T>());
            if n - first >= L {
                rows.reduce::<R, T, L>(lanes, out, continues);
                column = first + L;
            } else {
                rows.reduce::<R, T, 1>(lanes, out, continues);
                column = first + 1;
            }
        }
    }
}

/// Rows of a matrix. What is done with them is for `L` columns, which they have; lanes are rows from a first one on, `step`
/// apart.
#[derive(Clone, Copy)]
struct Rows {
    x: *const u8,
    stride: isize,
    rows: usize,
}

impl Rows {
    /// All rows, by the tree of one lane or [`LANES`].
    ///
    /// # Safety
    ///
    /// `out` has room for `L` elements, which it has if it is continued.
    #[inline(always)]
    unsafe fn reduce<R: Reduction<T>, T: Element, const L: usize>(
        self,
        lanes: usize,
        out: *mut u8,
        continues: bool,
    ) {
        let out = out.cast::<[T; L]>();
        // SAFETY: the contract is the caller's.
        unsafe {
            let all = match lanes {
                1 if continues => self.lane::<R, T, L>(0, 1, out.read_unaligned()),
                1 => self.lane::<R, T, L>(0, 1, [R::identity(); L]),
                _ => self.eight::<R, T, L>(0, 1),
            };
            out.write_unaligned(all);
        }
    }

    /// One lane.
    #[inline(always)]
    unsafe fn lane<R: Reduction<T>, T: Element, const L: usize>(
        self,
        first: usize,
        step: usize,
        mut acc: [T; L],
    ) -> [T; L] {
        let mut row = first;
        while row < self.rows {
            // SAFETY: a row of `L` elements.
            let values: [T; L] = unsafe {
                self.x.wrapping_offset(row as isize * self.stride).cast::<[T; L]>().read_unaligned()
            };
            acc = R::combine_all(acc, values);
            row += step;
        }
        acc
    }

    /// Two lanes: one of the even rows and one of the odd rows, counted in steps.
    #[inline(always)]
    unsafe fn two<R: Reduction<T>, T: Element, const L: usize>(self, first: usize, step: usize) -> [T; L] {
        // SAFETY: the contract is the caller's.
        unsafe {
            let even = self.lane::<R, T, L>(first, 2 * step, [R::identity(); L]);
            let odd = self.lane::<R, T, L>(first + step, 2 * step, [R::identity(); L]);
            R::combine_all(even, odd)
        }
    }

    /// Four lanes, likewise.
    #[inline(always)]
    unsafe fn four<R: Reduction<T>, T: Element, const L: usize>(self, first: usize, step: usize) -> [T; L] {
        // SAFETY: the contract is the caller's.
        unsafe {
            let even = self.two::<R, T, L>(first, 2 * step);
            R::combine_all(even, self.two::<R, T, L>(first + step, 2 * step))
        }
    }

    /// Eight lanes, likewise.
    #[inline(always)]
    unsafe fn eight<R: Reduction<T>, T: Element, const L: usize>(self, first: usize, step: usize) -> [T; L] {
        // SAFETY: the contract is the caller's.
        unsafe {
            let even = self.four::<R, T, L>(first, 2 * step);
            R::combine_all(even, self.four::<R, T, L>(first + step, 2 * step))
        }
    }
}
