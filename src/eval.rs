//! Evaluation: bind what was captured to memory, run its program, hand over the results.

use std::ops::Range;
use std::sync::Arc;

use raptors_ir::{DType, Destination, Layout, Shape, Strides, Type};
use raptors_passes::Options;
use smallvec::SmallVec;

use crate::array::{Array, Leaf};
use crate::capture::{Captured, Input};
use crate::compile::{CacheState, Compiled, compile};
use crate::error::Error;
use crate::executor::{self, Outcome};
use crate::kernels::copy;
use crate::tensor::Tensor;

/// Memory that a caller gives for a result.
#[derive(Clone, Debug)]
pub struct OutMemory {
    /// Address of the element at index zero.
    pub pointer: *mut u8,
    /// The element type.
    pub dtype: DType,
    /// The length of each dimension.
    pub shape: Shape,
    /// Bytes between neighbours, per dimension.
    pub strides: Strides,
    /// Whether elements have the other byte order.
    pub swapped: bool,
    /// Whether it may be written.
    pub writable: bool,
}

/// Where a result is.
#[derive(Debug)]
pub enum Evaluated {
    /// In memory of its own.
    Tensor(Tensor),
    /// In the memory of this donated leaf, which is no longer an input.
    Donated(Arc<Leaf>, Type),
    /// In the memory the caller gave.
    Out,
}

/// Evaluates arrays together: what they share is computed once.
///
/// # Errors
///
/// As [`Array::eval`].
pub fn eval(arrays: &[&Array]) -> Result<Vec<Tensor>, Error> {
    eval_with(arrays, &Options::default())
}

/// Evaluates arrays together, under options.
///
/// # Errors
///
/// As [`eval`].
pub fn eval_with(arrays: &[&Array], options: &Options) -> Result<Vec<Tensor>, Error> {
    let mut captured = Captured::new(arrays)?;
    for parameter in 0..captured.parameters().len() {
        // A donated leaf's memory is not the pool's, so it cannot become a tensor's.
        captured.keep(parameter);
    }
    let no_outs: SmallVec<[Option<OutMemory>; 2]> = arrays.iter().map(|_| None).collect();
    // SAFETY: no memory is given.
    let evaluated = unsafe { run(captured, &no_outs, options)? };
    let tensors = evaluated.into_iter().map(|evaluated| match evaluated {
        Evaluated::Tensor(tensor) => tensor,
        Evaluated::Donated(..) | Evaluated::Out => unreachable!("nothing was donated or given"),
    });
    Ok(tensors.collect())
}

/// Evaluates arrays together under options, into the memory given for some of them.
///
/// # Errors
///
/// As [`eval`]; memory of another shape or dtype, read-only memory, and memory that shares some elements with an input
/// or another result.
///
/// # Safety
///
/// Each `OutMemory` that says so is writable wherever its shape and strides reach, and nothing else uses it during the
/// call.
pub unsafe fn eval_into(
    arrays: &[&Array],
    outs: &[Option<OutMemory>],
    options: &Options,
) -> Result<Vec<Evaluated>, Error> {
    if outs.len() != arrays.len() {
        return Err(Error::OutCount { given: outs.len(), needed: arrays.len() });
    }
    let captured = Captured::new(arrays)?;
    // SAFETY: as for this function.
    unsafe { run(captured, outs, options) }
}

/// What an evaluation of `arrays` would do.
pub(crate) fn plan(arrays: &[&Array], options: &Options) -> Result<(Arc<Compiled>, CacheState), Error> {
    let mut captured = Captured::new(arrays)?;
    keep_shared_donations(&mut captured);
    compile(&captured, options)
}

/// # Safety
///
/// As for [`eval_into`].
unsafe fn run(
    mut captured: Captured<'_>,
    outs: &[Option<OutMemory>],
    options: &Options,
) -> Result<Vec<Evaluated>, Error> {
    keep_shared_donations(&mut captured);
    let mut pointers: SmallVec<[Option<*mut u8>; 2]> = SmallVec::from_elem(None, outs.len());
    for (n, out) in outs.iter().enumerate() {
        let Some(out) = out else { continue };
        check_out(out, captured.result_type(n))?;
        if outs[..n].iter().flatten().any(|other| overlaps(&extent_of(other), &extent_of(out))) {
            return Err(Error::OutOverlap { with: "another out" });
        }
        let destination = destination(&captured, out)?;
        captured.set_destination(n, destination);
        pointers[n] = (destination != Destination::Fresh).then_some(out.pointer);
    }
    let (compiled, _) = compile(&captured, options)?;
    let program = &compiled.program;
    // Claimed before the run: a failed or panicking run may have overwritten part of it.
    for &parameter in &program.overwritten {
        if let Input::Leaf(leaf) = &captured.inputs[parameter as usize]
            && leaf.donated
        {
            leaf.consume();
        }
    }
    let arguments = captured.arguments();
    // SAFETY: leaves promise readable memory, and writable if donated; outs are checked above, and writable by this
    // function's contract.
    let outcomes = unsafe { executor::run(program, &arguments, &pointers)? };
    let mut evaluated = Vec::with_capacity(outs.len());
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let ty = captured.result_type(n).clone();
        let out = outs[n].as_ref();
        evaluated.push(match (outcome, out) {
            (Outcome::Buffer(buffer), None) => Evaluated::Tensor(Tensor::new(buffer, ty)),
            (Outcome::Buffer(buffer), Some(out)) => {
                // SAFETY: `out` has the result's shape and dtype, and is writable; the buffer holds the result.
                unsafe { copy_out(buffer.as_ptr(), out) };
                Evaluated::Out
            }
            (Outcome::Parameter(_), Some(_)) | (Outcome::Provided, _) => Evaluated::Out,
            (Outcome::Parameter(parameter), None) => match &captured.inputs[parameter as usize] {
                Input::Leaf(leaf) => Evaluated::Donated(leaf.clone(), ty),
                Input::Scalar(_) => unreachable!("a scalar has no memory"),
            },
        });
    }
    Ok(evaluated)
}

/// Takes the permission to overwrite from donated inputs whose memory another input reads too.
fn keep_shared_donations(captured: &mut Captured<'_>) {
    for donated in 0..captured.parameters().len() {
        if !captured.parameters()[donated].donated {
            continue;
        }
        let Some(memory) = input_extent(captured, donated) else { continue };
        let shared = (0..captured.inputs.len())
            .filter(|&other| other != donated)
            .filter_map(|other| input_extent(captured, other))
            .any(|other| overlaps(&memory, &other));
        if shared {
            captured.keep(donated);
        }
    }
}

fn check_out(out: &OutMemory, ty: &Type) -> Result<(), Error> {
    if out.shape != ty.shape {
        let (given, needed) = (out.shape.to_string(), ty.shape.to_string());
        return Err(Error::OutMismatch { what: "shape", given, needed });
    }
    if out.dtype != ty.dtype {
        let (given, needed) = (out.dtype.numpy_name().to_owned(), ty.dtype.numpy_name().to_owned());
        return Err(Error::OutMismatch { what: "dtype", given, needed });
    }
    if !out.writable {
        return Err(Error::OutReadOnly);
    }
    if overlaps_itself(out) {
        return Err(Error::OutOverlap { with: "itself" });
    }
    Ok(())
}

/// Whether two elements of `out` may share memory: a dimension steps by less than all that is inside it.
fn overlaps_itself(out: &OutMemory) -> bool {
    let mut steps: SmallVec<[(usize, usize); 4]> = out
        .shape
        .iter()
        .zip(&out.strides)
        .filter(|&(&dim, _)| dim > 1)
        .map(|(&dim, &stride)| (stride.unsigned_abs(), dim))
        .collect();
    steps.sort_unstable();
    let mut inside = out.dtype.size();
    out.shape.size() > 0
        && steps.iter().any(|&(step, dim)| {
            let overlap = step < inside;
            inside += step * (dim - 1);
            overlap
        })
}

/// Where a result for this memory is computed.
///
/// Memory that is not row-major, or that several inputs read, gets a copy of a result computed elsewhere.
fn destination(captured: &Captured<'_>, out: &OutMemory) -> Result<Destination, Error> {
    let memory = extent_of(out);
    let mut exact = None;
    let mut sharing = 0;
    for (n, input) in captured.inputs.iter().enumerate() {
        let Input::Leaf(leaf) = input else { continue };
        if !input_extent(captured, n).is_some_and(|extent| overlaps(&memory, &extent)) {
            continue;
        }
        let ty = &captured.parameters()[n].ty;
        let same = leaf.memory.pointer() == out.pointer
            && ty.dtype == out.dtype
            && ty.shape == out.shape
            && leaf.swapped == out.swapped
            && same_strides(&out.shape, &leaf.strides, &out.strides);
        if !same {
            return Err(Error::OutOverlap { with: "an input" });
        }
        sharing += 1;
        exact = Some(n);
    }
    let row_major = !out.swapped
        && (out.pointer as usize).is_multiple_of(out.dtype.size())
        && same_strides(&out.shape, &out.strides, &out.shape.row_major_strides(out.dtype.size()));
    Ok(match (exact, sharing) {
        _ if !row_major => Destination::Fresh,
        (None, _) => Destination::Provided,
        (Some(n), 1) if captured.parameters()[n].layout == Layout::RowMajor => {
            Destination::Parameter(n as u32)
        }
        (Some(_), _) => Destination::Fresh,
    })
}

fn same_strides(shape: &Shape, a: &[isize], b: &[isize]) -> bool {
    shape.size() == 0 || shape.iter().zip(a).zip(b).all(|((&dim, a), b)| dim == 1 || a == b)
}

/// # Safety
///
/// `source` holds the row-major elements of `out`'s shape; `out` is writable.
unsafe fn copy_out(source: *const u8, out: &OutMemory) {
    let item = out.dtype.size();
    let strides = out.shape.row_major_strides(item);
    if !out.swapped {
        // SAFETY: as for this function.
        unsafe { copy::copy_parallel(source, &strides, out.pointer, &out.strides, &out.shape, item) };
        return;
    }
    let parts = if out.dtype.is_complex() { 2 } else { 1 };
    let size = out.shape.size();
    // SAFETY: the source is a buffer of this evaluation, which nothing reads afterwards.
    unsafe {
        copy::swap_bytes(source.cast_mut(), item / parts, size * parts);
        copy::copy_parallel(source, &strides, out.pointer, &out.strides, &out.shape, item);
    }
}

/// The addresses that an array reaches: from the lowest byte to past the highest, elements a multiple of `step` apart.
struct Extent {
    bytes: Range<usize>,
    step: usize,
    item: usize,
}

fn extent(pointer: *mut u8, shape: &Shape, strides: &[isize], item: usize) -> Extent {
    let address = pointer as usize;
    if shape.size() == 0 {
        return Extent { bytes: address..address, step: 0, item };
    }
    let (mut low, mut high, mut step) = (0isize, 0isize, 0);
    for (&dim, &stride) in shape.iter().zip(strides) {
        let reach = stride * (dim as isize - 1);
        low += reach.min(0);
        high += reach.max(0);
        if dim > 1 {
            step = gcd(step, stride.unsigned_abs());
        }
    }
    let bytes = address.wrapping_add_signed(low)..address.wrapping_add_signed(high) + item;
    Extent { bytes, step, item }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn extent_of(out: &OutMemory) -> Extent {
    extent(out.pointer, &out.shape, &out.strides, out.dtype.size())
}

fn input_extent(captured: &Captured<'_>, n: usize) -> Option<Extent> {
    let ty = &captured.parameters()[n].ty;
    match &captured.inputs[n] {
        Input::Leaf(leaf) => Some(extent(leaf.memory.pointer(), &ty.shape, &leaf.strides, ty.dtype.size())),
        Input::Scalar(_) => None,
    }
}

/// Whether two arrays may share a byte. Arrays that interleave, such as two channels of one image, do not.
fn overlaps(a: &Extent, b: &Extent) -> bool {
    if a.bytes.start >= b.bytes.end || b.bytes.start >= a.bytes.end {
        return false;
    }
    let step = gcd(a.step, b.step);
    if step == 0 {
        return true;
    }
    let phase = (b.bytes.start as isize - a.bytes.start as isize).rem_euclid(step as isize) as usize;
    phase < a.item || phase + b.item > step
}

impl Array {
    /// Computes the array.
    ///
    /// The result is handed over, and the node keeps nothing: a later use computes it again, fused with that use.
    /// [`Array::cache`] keeps it instead.
    ///
    /// # Errors
    ///
    /// A mistake made by an operator on the way here; no memory; a dtype without kernels.
    pub fn eval(&self) -> Result<Tensor, Error> {
        self.eval_with(&Options::default())
    }

    /// Computes the array, under options.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`].
    pub fn eval_with(&self, options: &Options) -> Result<Tensor, Error> {
        let mut tensors = eval_with(&[self], options)?;
        match tensors.pop() {
            Some(tensor) => Ok(tensor),
            None => unreachable!("one array has one result"),
        }
    }

    /// Computes the array now and keeps the value: later uses read it.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`].
    pub fn cache(&self) -> Result<(), Error> {
        self.cached_leaf(&Options::default()).map(|_| ())
    }

    /// The array's value in memory, computed now, under options, if it was not before.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`].
    pub fn cached_leaf(&self, options: &Options) -> Result<Arc<Leaf>, Error> {
        if let Some(leaf) = self.node.leaf() {
            if leaf.is_consumed() {
                return Err(Error::Consumed { shape: self.shape().clone() });
            }
            return Ok(leaf.clone());
        }
        let leaf = Arc::new(self.eval_with(options)?.into_leaf());
        Ok(self.node.value.get_or_init(|| leaf).clone())
    }

    /// The value of an array of one element, computed under options if it was not before, and kept in the node.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`], and when there is not exactly one element; `op` names the conversion in the message.
    pub fn item(&self, op: &'static str, options: &Options) -> Result<raptors_ir::Literal, Error> {
        if self.size() != 1 {
            return Err(Error::NotAScalar { op, shape: self.shape().clone() });
        }
        let leaf = self.cached_leaf(options)?;
        let size = self.dtype().size();
        let mut bytes = [0u8; 16];
        // SAFETY: the leaf has one element of this size, at its first address.
        unsafe { std::ptr::copy_nonoverlapping(leaf.memory.pointer(), bytes.as_mut_ptr(), size) };
        if leaf.swapped {
            let part = size / if self.dtype().is_complex() { 2 } else { 1 };
            bytes[..size].chunks_mut(part).for_each(<[u8]>::reverse);
        }
        Ok(raptors_ir::Literal::from_bits(self.dtype(), u128::from_le_bytes(bytes)))
    }
}
