//! The entries by name, for what measures and examines them: a call does what the system's function does, and
//! nothing else.

use raptors_ir::DType;

use super::blas::Routines;
use super::entry::{CONVERSIONS, ENTRIES, Entry, Float, Rank};
use super::probe::{self, Tricky};
use super::shape::{Arguments, MOST_SCALARS, MOST_SOURCES};

pub use super::shape::Shape;
use crate::kernels::matmul::{Matrix, MatrixMut};

/// What the table says of an entry.
#[derive(Clone, PartialEq, Debug)]
pub struct Description {
    /// The names in C, for `f32` and `f64`.
    pub names: [&'static str; 2],
    /// What it is passed.
    pub shape: Shape,
    /// Whether it is ever called.
    pub is_used: bool,
    /// What it computes, and under which contract.
    pub formulas: Vec<(&'static str, &'static str)>,
}

/// Every entry but conversions.
pub fn entries() -> impl Iterator<Item = Description> {
    ENTRIES.iter().map(|entry| Description {
        names: entry.names,
        shape: entry.shape,
        is_used: entry.rank != Rank::Never,
        formulas: entry.forms.iter().map(|form| (form.formula, form.contract.name())).collect(),
    })
}

/// Every conversion: its name, and the dtypes from and to which.
pub fn conversions() -> impl Iterator<Item = (&'static str, DType, DType)> {
    CONVERSIONS.iter().map(|conversion| (conversion.name, conversion.from, conversion.to))
}

fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.names.contains(&name))
}

/// Calls the `f32` entry of this name; `None` if there is none.
///
/// # Safety
///
/// The sources of the shape have `len` elements each, and the target room for them, or for one if the entry
/// reduces. The target is a source or overlaps none. The build has Accelerate.
pub unsafe fn call_f32(
    name: &str,
    target: *mut f32,
    sources: &[*const f32],
    scalars: [f32; 2],
    len: usize,
) -> Option<()> {
    // SAFETY: the contract is the caller's.
    unsafe { call(name, target, sources, scalars, len) }
}

/// As [`call_f32`], for `f64`.
///
/// # Safety
///
/// As for [`call_f32`].
pub unsafe fn call_f64(
    name: &str,
    target: *mut f64,
    sources: &[*const f64],
    scalars: [f64; 2],
    len: usize,
) -> Option<()> {
    // SAFETY: the contract is the caller's.
    unsafe { call(name, target, sources, scalars, len) }
}

/// # Safety
///
/// As for [`call_f32`].
unsafe fn call<T: Float>(
    name: &str,
    target: *mut T,
    given: &[*const T],
    scalars: [T; MOST_SCALARS],
    len: usize,
) -> Option<()> {
    let entry = entry(name)?;
    assert!(given.len() >= entry.shape.sources(), "{name} reads {} vectors", entry.shape.sources());
    let mut sources = [std::ptr::null(); MOST_SOURCES];
    sources[..given.len().min(MOST_SOURCES)].copy_from_slice(&given[..given.len().min(MOST_SOURCES)]);
    // SAFETY: the contract is the caller's.
    unsafe { entry.call(&Arguments { target, sources, scalars, len }) };
    Some(())
}

/// Calls the conversion of this name; `None` if there is none.
///
/// # Safety
///
/// There are `len` elements at `from` and room for them at `to`, aligned and apart. The build has Accelerate.
pub unsafe fn convert(name: &str, from: *const u8, to: *mut u8, len: usize) -> Option<()> {
    let conversion = CONVERSIONS.iter().find(|conversion| conversion.name == name)?;
    // SAFETY: the contract is the caller's.
    unsafe { conversion.call(from, to, len) };
    Some(())
}

/// Compares an entry with our definition of one of its formulas now; `None` if there is no such entry or
/// formula.
pub fn probe(name: &str, formula: &str) -> Option<Result<(), String>> {
    let entry = entry(name)?;
    let form = entry.forms.iter().find(|form| form.formula == formula)?;
    Some(match name == entry.names[0] {
        true => run::<f32>(entry, form),
        false => run::<f64>(entry, form),
    })
}

/// `x = alpha x` by `cblas_sscal`.
///
/// # Safety
///
/// There are `len` elements, aligned. The build has Accelerate.
pub unsafe fn scale_f32(alpha: f32, x: *mut f32, len: usize) {
    // SAFETY: the contract is the caller's.
    unsafe { f32::scale(alpha, x, len) }
}

/// As [`scale_f32`], for `f64`.
///
/// # Safety
///
/// As for [`scale_f32`].
pub unsafe fn scale_f64(alpha: f64, x: *mut f64, len: usize) {
    // SAFETY: the contract is the caller's.
    unsafe { f64::scale(alpha, x, len) }
}

/// `c = a b` for row-major matrices of `dims`, rows, inner length and columns, by `cblas_sgemm`, in one call.
///
/// # Safety
///
/// The matrices have so many elements, aligned, and `c` is apart. The build has Accelerate.
pub unsafe fn multiply_f32(dims: [usize; 3], a: *const f32, b: *const f32, c: *mut f32) {
    let [_, k, n] = dims;
    let matrix = |ptr: *const f32, columns: usize| Matrix {
        ptr: ptr.cast(),
        row_stride: columns as isize,
        col_stride: 1,
    };
    let c = MatrixMut { ptr: c.cast(), row_stride: n as isize, col_stride: 1 };
    // SAFETY: the contract is the caller's.
    unsafe { f32::block(dims, dims, matrix(a, k), matrix(b, n), c) }
}

fn run<T: Float + Tricky>(entry: &Entry, form: &super::entry::Form) -> Result<(), String> {
    probe::probe::<T>(entry, form)
}
