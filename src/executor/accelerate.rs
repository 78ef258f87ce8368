//! Loop nests that are one call of Accelerate: over ranges of their elements, or as sums.
//!
//! Calls run on the thread that makes them. Ranges are shared out as those of any nest. A sum follows the
//! fixed tree from its blocks on: a call sums one block, and blocks are combined pairwise, so that only the
//! order within a block is not ours.

use raptors_ir::{DType, ReduceOp};

use crate::accelerate::blas::Routines;
use crate::accelerate::entry::{Entry, Float, arguments};
use crate::accelerate::select::{Call, Callee, ScalarSource};
use crate::codegen::lane::{OperandId, Scalar};
use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::reduce::{block, reduce};
use crate::program::LoopNest;
use crate::runtime::buffer::Buffer;
use crate::runtime::level::Level;
use crate::runtime::team;

/// A call with its memory in one run.
pub(super) struct CallRunner<'a> {
    nest: &'a LoopNest,
    call: &'a Call,
    target: *mut u8,
    sources: [*const u8; 4],
    /// Bits of the scalars that are passed.
    scalars: [u64; 2],
}

// SAFETY: the addresses are only used by `range` and `sum`, whose callers have parts of the memory of their
// own.
unsafe impl Sync for CallRunner<'_> {}

impl<'a> CallRunner<'a> {
    /// The call that is made of `nest`, if one is and its memory is aligned.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], until this is dropped.
    pub(super) unsafe fn new(nest: &'a LoopNest, bound: &Bound<'_>) -> Option<CallRunner<'a>> {
        let call = nest.call(bound.engine())?;
        let operand = |id: OperandId| &nest.operands[id.index()];
        let mut sources = [std::ptr::null(); 4];
        for (source, &id) in sources.iter_mut().zip(&call.sources) {
            *source = bound.base(operand(id)).cast_const();
        }
        let target = bound.base(operand(call.target));
        let of_source = call.sources.first().map_or(DType::U8, |&id| operand(id).dtype);
        let of_target = operand(call.target).dtype;
        let aligned = sources.iter().all(|source| source.addr().is_multiple_of(of_source.size()))
            && target.addr().is_multiple_of(of_target.size());
        if !aligned {
            return None;
        }
        let mut found = [0; 2];
        for (found, source) in found.iter_mut().zip(&call.scalars) {
            *found = match *source {
                ScalarSource::Splat(Scalar::Constant(literal)) => literal.bits() as u64,
                ScalarSource::Splat(Scalar::Parameter(n)) => bound.scalar(n).bits() as u64,
                ScalarSource::Splat(Scalar::Part(n, part)) => bound.scalar(n).part(part).bits() as u64,
                ScalarSource::Element(id) => {
                    let mut word = [0; 8];
                    let bytes = operand(id).dtype.size();
                    // SAFETY: an operand that is the same everywhere has one element, of no more than 8
                    // bytes.
                    unsafe { bound.base(operand(id)).copy_to_nonoverlapping(word.as_mut_ptr(), bytes) };
                    u64::from_le_bytes(word)
                }
            };
        }
        Some(CallRunner { nest, call, target, sources, scalars: found })
    }

    /// Computes the elements `start..start + len` of a nest without reductions.
    ///
    /// # Safety
    ///
    /// They are within the space, and no other thread computes any of them.
    pub(super) unsafe fn range(&self, start: usize, len: usize) {
        match self.call.callee {
            // SAFETY: the operands are contiguous over the space, so the range is one of theirs; targets are
            // sources or apart.
            Callee::Entry(..) => unsafe {
                self.entry(start, len, self.target.wrapping_add(self.bytes(start)))
            },
            Callee::Conversion(conversion) => {
                let from = self.sources[0].wrapping_add(start * conversion.from.size());
                let to = self.target.wrapping_add(start * conversion.to.size());
                // SAFETY: as above; a conversion is only selected where its operands do not overlap.
                unsafe { conversion.call(from, to, len) };
            }
        }
    }

    /// Calls the entry on the sources' elements `start..start + len`.
    ///
    /// # Safety
    ///
    /// The target has room for what the entry writes, and is this thread's to write.
    unsafe fn entry(&self, start: usize, len: usize, target: *mut u8) {
        let Callee::Entry(entry, form, dtype) = self.call.callee else {
            unreachable!("a conversion is no entry")
        };
        let sources = self.sources.map(|source| source.wrapping_add(self.bytes(start)));
        let passed = match dtype {
            DType::F32 => {
                let passed = form.passed(self.scalars.map(f32::from_bits64));
                passed.map(|scalar| u64::from(scalar.to_bits()))
            }
            _ => form.passed(self.scalars.map(f64::from_bits64)).map(f64::to_bits),
        };
        // SAFETY: as for this function and `CallRunner::new`, which looked at the alignment; what BLAS scales
        // is its source.
        unsafe {
            if self.call.by_blas && !is_zero(dtype, self.scalars[0]) {
                return match dtype {
                    DType::F32 => f32::scale(f32::from_bits64(self.scalars[0]), target.cast(), len),
                    _ => f64::scale(f64::from_bits64(self.scalars[0]), target.cast(), len),
                };
            }
            call_entry(entry, dtype, target, &sources, passed, len);
        }
    }

    /// Bytes of so many elements of the entry.
    fn bytes(&self, elements: usize) -> usize {
        let item = match self.call.callee {
            Callee::Entry(_, _, dtype) => dtype.size(),
            Callee::Conversion(conversion) => conversion.from.size(),
        };
        elements * item
    }

    /// Stores the sum of each row.
    ///
    /// # Safety
    ///
    /// As for [`super::run`]; the nest has one sum, of rows.
    pub(super) unsafe fn sums(&self) -> Result<(), Error> {
        let (nest, rows, len) = (self.nest, self.nest.outer, self.nest.reduced);
        let Callee::Entry(_, _, dtype) = self.call.callee else { unreachable!("a conversion is no sum") };
        let Some(kernels) = reduce(ReduceOp::Sum, dtype, Level::current()) else {
            return Err(Error::Unsupported { dtype });
        };
        let (item, block) = (dtype.size(), block(dtype));
        let blocks = len.div_ceil(block);
        let mut memory = Buffer::allocate(rows * blocks * item)?;
        let partials = Partials(memory.as_mut_ptr());
        let total = rows * blocks;
        let per_chunk = (nest.chunk_elements() / block.min(len)).max(1);
        team::run(total.div_ceil(per_chunk), &|chunk| {
            for n in chunk * per_chunk..total.min((chunk + 1) * per_chunk) {
                let (row, first) = (n / blocks, n % blocks * block);
                // SAFETY: a block of its row, and a partial of its own.
                unsafe { self.entry(row * len + first, block.min(len - first), partials.at(n * item)) };
            }
        });
        for row in 0..rows {
            // SAFETY: every partial of the row has been written, and the target has an element for each row.
            unsafe {
                (kernels.combine)(
                    partials.at(row * blocks * item),
                    blocks,
                    self.target.wrapping_add(row * item),
                );
            }
        }
        Ok(())
    }
}

/// Where partial sums are.
struct Partials(*mut u8);

// SAFETY: each partial is written by the one chunk that has its block.
unsafe impl Sync for Partials {}

impl Partials {
    fn at(&self, offset: usize) -> *mut u8 {
        self.0.wrapping_add(offset)
    }
}

/// Whether these are the bits of a zero.
fn is_zero(dtype: DType, bits: u64) -> bool {
    match dtype {
        DType::F32 => f32::from_bits64(bits) == 0.0,
        _ => f64::from_bits64(bits) == 0.0,
    }
}

/// Whether elements of `dtype` at these addresses are aligned.
pub(super) fn is_aligned(dtype: DType, sources: &[*const u8], target: *mut u8) -> bool {
    let aligned = |address: usize| address.is_multiple_of(dtype.size());
    aligned(target.addr()) && sources.iter().all(|source| aligned(source.addr()))
}

/// Calls an entry for elements of `dtype`; sources beyond those of its shape are not used.
///
/// # Safety
///
/// As for [`Entry::call`].
pub(super) unsafe fn call_entry(
    entry: &Entry,
    dtype: DType,
    target: *mut u8,
    sources: &[*const u8],
    scalars: [u64; 2],
    len: usize,
) {
    // SAFETY: the contract is the caller's.
    unsafe {
        match dtype {
            DType::F32 => entry.call(&arguments::<f32>(target, sources, scalars, len)),
            DType::F64 => entry.call(&arguments::<f64>(target, sources, scalars, len)),
            dtype => unreachable!("entries are of floats, not of {dtype}"),
        }
    }
}
