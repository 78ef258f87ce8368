//! Matrix products by CBLAS.
//!
//! The names with an `int` are called, so what is passed has to fit one. A product is divided into blocks of
//! a fixed size, whether something else is fused with it or not: then its bits do not depend on that, if
//! those of a call depend on its matrices alone. Accelerate uses several threads by itself, so blocks that
//! nothing waits for are computed one after the other.

use std::ffi::c_int;

use raptors_ir::DType;

use super::calibration;
use super::cblas::{self, AS_IT_IS, Choice, Library, ROW_MAJOR, TRANSPOSED, Table};
use super::mode::{self, Mode};
use crate::kernels::matmul::{Matrix, MatrixMut};

/// What computes a matrix product.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) enum Provider {
    /// Our loops and the `gemm` crate; with the reason, where CBLAS could.
    #[default]
    Own,
    Declined(String),
    /// CBLAS, and why.
    Blas(String),
}

impl Provider {
    /// Whether CBLAS computes it.
    pub(crate) fn is_blas(&self) -> bool {
        matches!(self, Provider::Blas(_))
    }

    /// What computes a product of these dimensions, in a line.
    pub(crate) fn line(&self, dtype: DType, [m, k, n]: [usize; 3]) -> Option<String> {
        let letter = if dtype == DType::F64 { 'd' } else { 's' };
        match self {
            Provider::Own => None,
            Provider::Declined(why) => Some(format!("not cblas_{letter}gemm: {why}")),
            Provider::Blas(why) => {
                let call = Call::of([m, k, n]).name();
                let [rows, columns] = grid([m, k, n]);
                let blocks = rows * columns;
                let blocks = if blocks == 1 { String::new() } else { format!(", {blocks} blocks") };
                Some(format!("cblas_{letter}{call}{blocks}; {why}"))
            }
        }
    }
}

/// Multiplications below which a call costs more than its work.
const FEWEST: usize = 4096;

/// What computes a product of these dimensions.
pub(crate) fn provider(dtype: DType, dims: [usize; 3]) -> Provider {
    let [m, k, n] = dims;
    let (choice, mode) = (cblas::choice(), mode::current());
    let work = m.saturating_mul(k).saturating_mul(n);
    let is_wanted = match choice {
        Choice::Gemm => false,
        Choice::OpenBlas(_) => true,
        Choice::Usual => mode != Mode::Off,
    };
    if !is_wanted || !matches!(dtype, DType::F32 | DType::F64) || work == 0 {
        return Provider::Own;
    }
    // Rows are few in a block, and factors are copied where their rows are too far apart.
    if !(fits(k) && fits(n)) {
        return Provider::Declined("a dimension does not fit an int".to_owned());
    }
    let is_small = work < FEWEST;
    let too_small = || Provider::Declined(format!("it has fewer than {FEWEST} multiplications"));
    if matches!(choice, Choice::OpenBlas(_)) {
        return if is_small { too_small() } else { Provider::Blas("RAPTORS_BLAS=openblas".to_owned()) };
    }
    match mode {
        Mode::Off => Provider::Own,
        Mode::All => Provider::Blas("RAPTORS_ACCELERATE=all".to_owned()),
        Mode::Gemm | Mode::Auto if is_small => too_small(),
        Mode::Gemm => Provider::Blas("RAPTORS_ACCELERATE=gemm".to_owned()),
        Mode::Auto => {
            let name = if dtype == DType::F64 { "cblas_dgemm" } else { "cblas_sgemm" };
            match calibration::measured(name, (work as f64).cbrt() as usize) {
                None => Provider::Blas("not calibrated".to_owned()),
                Some(measured) if measured.is_faster() => Provider::Blas(measured.to_string()),
                Some(measured) => Provider::Declined(measured.to_string()),
            }
        }
    }
}

fn fits(len: usize) -> bool {
    len < c_int::MAX as usize
}

/// How many parts the rows and the columns of a product are cut into, evenly.
pub(crate) fn grid([m, k, n]: [usize; 3]) -> [usize; 2] {
    /// Rows and columns of a block, which is scratch memory of a thread where something is fused with it.
    const ROWS: usize = 256;
    const COLUMNS: usize = 256;
    /// Products of a block of a matrix and a vector.
    const CHUNK: usize = 1 << 20;
    match Call::of([m, k, n]) {
        Call::Gemm => [m.div_ceil(ROWS), n.div_ceil(COLUMNS)],
        Call::Gemv { transposed: false } => [m.div_ceil((CHUNK / k).max(ROWS)), 1],
        Call::Gemv { transposed: true } => [1, n.div_ceil((CHUNK / k).max(ROWS))],
        Call::Dot => [1, 1],
    }
}

/// The routine for a product of some dimensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Gemm,
    /// A matrix and a vector; transposed, a vector and a matrix.
    Gemv {
        transposed: bool,
    },
    Dot,
}

impl Call {
    fn of([m, _, n]: [usize; 3]) -> Call {
        match (m, n) {
            (1, 1) => Call::Dot,
            (_, 1) => Call::Gemv { transposed: false },
            (1, _) => Call::Gemv { transposed: true },
            _ => Call::Gemm,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Call::Gemm => "gemm",
            Call::Gemv { .. } => "gemv",
            Call::Dot => "dot",
        }
    }
}

/// A matrix as CBLAS has it: row-major, or the transpose of one, and elements from a row of that to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Layout {
    is_transposed: bool,
    leading: usize,
}

impl Layout {
    /// The layout of a matrix; `None` where it has none and has to be copied.
    fn of(matrix: Matrix, rows: usize, columns: usize) -> Option<Layout> {
        let row_major = |row_stride: isize, col_stride: isize, rows: usize, columns: usize| {
            let neighbours = col_stride == 1 || columns == 1;
            // What is between rows does not matter where there is one.
            let leading = if rows == 1 { columns } else { usize::try_from(row_stride).ok()? };
            (neighbours && leading >= columns && fits(leading)).then_some(leading)
        };
        let Matrix { row_stride, col_stride, .. } = matrix;
        if let Some(leading) = row_major(row_stride, col_stride, rows, columns) {
            return Some(Layout { is_transposed: false, leading });
        }
        let leading = row_major(col_stride, row_stride, columns, rows)?;
        Some(Layout { is_transposed: true, leading })
    }
}

/// Whether CBLAS reads the factor of a product as it is: a matrix of so many rows and columns.
pub(crate) fn is_readable(matrix: Matrix, rows: usize, columns: usize) -> bool {
    // A vector needs a stride, a matrix a layout; neither goes backwards or stays.
    let goes_forward = |stride: isize, len: usize| len == 1 || stride >= 1 && fits(stride.unsigned_abs());
    goes_forward(matrix.row_stride, rows)
        && goes_forward(matrix.col_stride, columns)
        && (rows == 1 || columns == 1 || Layout::of(matrix, rows, columns).is_some())
}

/// The most elements of a vector in one call.
const LONGEST: usize = 1 << 30;

/// A float that CBLAS computes with.
pub(crate) trait Routines: Copy + 'static {
    /// One.
    const ONE: Self;
    /// Zero.
    const ZERO: Self;

    /// The routines of a library.
    fn table(library: &'static Library) -> &'static Table<Self>;

    /// `x = alpha x`, by Accelerate.
    ///
    /// # Safety
    ///
    /// There are `len` elements, aligned. The build has Accelerate.
    unsafe fn scale(alpha: Self, x: *mut Self, len: usize) {
        let Some(library) = cblas::accelerate() else {
            unreachable!("without Accelerate nothing is left to it")
        };
        for start in (0..len).step_by(LONGEST) {
            let count = (len - start).min(LONGEST) as c_int;
            // SAFETY: these elements are the caller's.
            unsafe { (Self::table(library).scal)(count, alpha, x.add(start), 1) };
        }
    }

    /// `c = a b` for a block of a product whose whole has `whole` dimensions.
    ///
    /// # Safety
    ///
    /// The matrices have `dims` elements, are readable by [`is_readable`] and aligned; `c` has neighbours in
    /// a row side by side, and overlaps neither. There is a CBLAS.
    unsafe fn block(whole: [usize; 3], dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) {
        let Some(library) = cblas::of_products() else { unreachable!("without CBLAS nothing is left to it") };
        let Table { gemm, gemv, dot, .. } = *Self::table(library);
        let (one, zero) = (Self::ONE, Self::ZERO);
        let [m, k, n] = dims;
        let int = |len: usize| len as c_int;
        let trans = |layout: Layout| if layout.is_transposed { TRANSPOSED } else { AS_IT_IS };
        let step = |stride: isize, len: usize| if len == 1 { 1 } else { stride as c_int };
        let layout = |matrix: Matrix, rows: usize, columns: usize| match Layout::of(matrix, rows, columns) {
            Some(layout) => layout,
            None => unreachable!("a factor that CBLAS cannot read has been copied"),
        };
        let (x, y, z) = (a.ptr.cast::<Self>(), b.ptr.cast::<Self>(), c.ptr.cast::<Self>());
        // SAFETY: the matrices are where the caller says, which the layouts and strides describe; `beta` is 0, so `c` is
        // not read.
        unsafe {
            match Call::of(whole) {
                Call::Gemm => {
                    let (of_a, of_b) = (layout(a, m, k), layout(b, k, n));
                    let leading = if m == 1 { int(n) } else { c.row_stride as c_int };
                    gemm(
                        ROW_MAJOR,
                        trans(of_a),
                        trans(of_b),
                        int(m),
                        int(n),
                        int(k),
                        one,
                        x,
                        int(of_a.leading),
                        y,
                        int(of_b.leading),
                        zero,
                        z,
                        leading,
                    );
                }
                Call::Gemv { transposed: false } => {
                    let of_a = layout(a, m, k);
                    let [rows, columns] = if of_a.is_transposed { [k, m] } else { [m, k] };
                    let (leading, steps) =
                        (int(of_a.leading), [step(b.row_stride, k), step(c.row_stride, m)]);
                    let trans = trans(of_a);
                    gemv(
                        ROW_MAJOR,
                        trans,
                        int(rows),
                        int(columns),
                        one,
                        x,
                        leading,
                        y,
                        steps[0],
                        zero,
                        z,
                        steps[1],
                    );
                }
                Call::Gemv { transposed: true } => {
                    let of_b = layout(b, k, n);
                    let ([rows, columns], trans) = match of_b.is_transposed {
                        true => ([n, k], AS_IT_IS),
                        false => ([k, n], TRANSPOSED),
                    };
                    let (leading, steps) =
                        (int(of_b.leading), [step(a.col_stride, k), step(c.col_stride, n)]);
                    gemv(
                        ROW_MAJOR,
                        trans,
                        int(rows),
                        int(columns),
                        one,
                        y,
                        leading,
                        x,
                        steps[0],
                        zero,
                        z,
                        steps[1],
                    );
                }
                Call::Dot => *z = dot(int(k), x, step(a.col_stride, k), y, step(b.row_stride, k)),
            }
        }
    }
}

impl Routines for f32 {
    const ONE: f32 = 1.0;
    const ZERO: f32 = 0.0;

    fn table(library: &'static Library) -> &'static Table<f32> {
        &library.singles
    }
}

impl Routines for f64 {
    const ONE: f64 = 1.0;
    const ZERO: f64 = 0.0;

    fn table(library: &'static Library) -> &'static Table<f64> {
        &library.doubles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(row_stride: isize, col_stride: isize) -> Matrix {
        Matrix { ptr: std::ptr::null(), row_stride, col_stride }
    }

    #[test]
    fn layouts_are_those_of_rows_or_columns_side_by_side() {
        let layout = |row_stride, col_stride, rows, columns| {
            let found = Layout::of(matrix(row_stride, col_stride), rows, columns);
            found.map(|layout| (layout.is_transposed, layout.leading))
        };
        assert_eq!(layout(7, 1, 3, 5), Some((false, 7)));
        assert_eq!(layout(1, 7, 3, 5), Some((true, 7)));
        assert_eq!(layout(5, 2, 3, 5), None);
        assert_eq!(layout(4, 1, 3, 5), None, "rows overlap");
        assert_eq!(layout(0, 1, 3, 5), None, "one row, repeated");
        assert_eq!(layout(-5, 1, 3, 5), None);
        assert_eq!(layout(-5, 1, 1, 5), Some((false, 5)), "one row");
        assert_eq!(layout(7, 9, 3, 1), Some((false, 7)), "one column");
        assert_eq!(layout(1 << 31, 1, 3, 5), None);
    }

    #[test]
    fn what_goes_backwards_is_copied() {
        assert!(is_readable(matrix(5, 1), 3, 5));
        assert!(!is_readable(matrix(5, -1), 3, 5));
        assert!(!is_readable(matrix(0, 1), 3, 5));
        assert!(is_readable(matrix(0, 3), 1, 5), "a vector with a stride");
        assert!(!is_readable(matrix(1, 0), 1, 5));
    }
}
