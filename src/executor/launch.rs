//! Programs that are one kernel call: all of it but addresses and scalars is made ready when the program is.
//!
//! Of short arrays, binding and cutting a nest take longer than its elements.
//!
//! Limits: one loop nest, compiled over rows that are evenly apart, in brief programs: those are not shared out. What it
//! reduces are rows of one block. A run that is watched or verified takes the way of every other program.

use std::ptr;
use std::sync::Arc;

use raptors_ir::{BufferId, Part, Slot};
use smallvec::SmallVec;

use crate::codegen::kernel::{Kernel, KernelArgs, StreamArgs};
use crate::codegen::select::{PoolEntry, StreamUse};
use crate::error::Error;
use crate::executor::bind::{allocated, given, scalar};
use crate::executor::{Argument, Engine, Outcomes, Room, outcomes};
use crate::kernels::reduce::block;
use crate::program::{LoopNest, Memory, Operand, Program, Step};
use crate::runtime::buffer::Buffer;
use crate::runtime::float_control::StandardFloats;

/// One kernel call.
#[derive(Debug)]
pub(crate) struct Launch {
    /// `None` where the nest has no elements.
    kernel: Option<Arc<Kernel>>,
    rows: usize,
    lanes: usize,
    streams: Vec<Stream>,
    pool: Vec<Scalar>,
    /// The buffer of each result, and its bytes, if there is one for each, and no other.
    results: Option<SmallVec<[(u32, usize); 2]>>,
}

/// The first element of an operand.
#[derive(Clone, Copy, Debug)]
struct Place {
    memory: Memory,
    /// Bytes from the memory's first element.
    offset: isize,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    at: Place,
    row_stride: isize,
}

/// An entry of the pool.
#[derive(Clone, Copy, Debug)]
enum Scalar {
    Constant(u64),
    Parameter(u32),
    Part(u32, Part),
    /// The one element, of so many bytes, that is there.
    Element(Place, usize),
}

/// Whether a nest reduces nothing, or whole rows, of which none leaves partial results.
fn is_whole(nest: &LoopNest) -> bool {
    let mut dtypes = nest.body.reductions.iter().map(|one| nest.body.insts[one.value.index()].dtype);
    nest.body.reductions.is_empty()
        || nest.inner == 1 && nest.reduced > 0 && dtypes.all(|dtype| nest.reduced <= block(dtype))
}

/// The buffer of each result, and its bytes, if there is one for each, and no other.
fn buffers_of_results(program: &Program) -> Option<SmallVec<[(u32, usize); 2]>> {
    let mut buffers = SmallVec::new();
    for result in &program.results {
        let Slot::Buffer(BufferId(id)) = result.slot else { return None };
        let is_taken = buffers.iter().any(|&(other, _)| other == id);
        if is_taken {
            return None;
        }
        buffers.push((id, program.buffers[id as usize]));
    }
    (buffers.len() == program.buffers.len()).then_some(buffers)
}

impl Launch {
    /// What a program comes down to, if it is one kernel call.
    pub(crate) fn of(program: &Program) -> Option<Launch> {
        let [Step::Loop(nest)] = &program.steps[..] else { return None };
        if !program.is_brief() || program.arena > 0 || !is_whole(nest) {
            return None;
        }
        if nest.call(Engine::Machine).is_some() {
            return None;
        }
        let rows = nest.rows(Engine::Machine)?;
        let count = match rows.outer[..] {
            [] => 1,
            [count] => count,
            _ => return None,
        };
        let place = |operand: &Operand| match operand.memory {
            Memory::Parameter(_) | Memory::Buffer(_) | Memory::Output(_) => {
                Some(Place { memory: operand.memory, offset: operand.offset })
            }
            Memory::Arena | Memory::Product | Memory::Scratch(_) => None,
        };
        let selected = &rows.compiled.selected;
        let streams = selected.streams.iter().zip(&rows.strides).map(|(used, (over, _))| match used {
            StreamUse::Operand(id) => {
                let at = place(&nest.operands[id.index()])?;
                Some(Stream { at, row_stride: over.last().copied().unwrap_or(0) })
            }
            StreamUse::Result(n) => {
                let target = &nest.operands[nest.body.reductions[usize::from(*n)].target.index()];
                Some(Stream { at: place(target)?, row_stride: target.dtype.size() as isize })
            }
            StreamUse::Pair(id, _) => {
                let operand = &nest.operands[id.index()];
                let at = place(operand)?;
                let at = Place { offset: at.offset - operand.part_offset(), ..at };
                Some(Stream { at, row_stride: over.last().copied().unwrap_or(0) })
            }
            StreamUse::Value(_) | StreamUse::Best(_) => None,
        });
        let pool = selected.pool.iter().map(|&entry| match entry {
            PoolEntry::Constant(bits) => Some(Scalar::Constant(bits)),
            PoolEntry::Parameter(n) => Some(Scalar::Parameter(n)),
            PoolEntry::Part(n, part) => Some(Scalar::Part(n, part)),
            PoolEntry::Element(id) => {
                let operand = &nest.operands[id.index()];
                Some(Scalar::Element(place(operand)?, operand.dtype.size()))
            }
        });
        Some(Launch {
            kernel: (nest.size() > 0).then(|| rows.compiled.kernel.clone()),
            rows: count,
            lanes: rows.lanes,
            streams: streams.collect::<Option<_>>()?,
            pool: pool.collect::<Option<_>>()?,
            results: buffers_of_results(program),
        })
    }

    /// Runs it.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], of the program that it was made of.
    pub(super) unsafe fn run(
        &self,
        program: &Program,
        arguments: &[Argument],
        outputs: &[Option<*mut u8>],
        room: Room<'_>,
    ) -> Result<Outcomes, Error> {
        let _floats = StandardFloats::enter();
        let mut buffers: SmallVec<[(*mut u8, Option<Buffer>); 2]> = SmallVec::new();
        for id in 0..program.buffers.len() {
            buffers.push(allocated(program, id, room)?);
        }
        // SAFETY: as for this function.
        unsafe { self.call(arguments, outputs, |id| buffers[id.0 as usize].0) };
        Ok(outcomes(program, |id| buffers[id.0 as usize].1.take()))
    }

    /// Runs it where `room` has memory for all results, in memory of their own; else says false.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], of the program that it was made of.
    #[inline]
    pub(crate) unsafe fn run_into(&self, arguments: &[Argument], room: Room<'_>) -> bool {
        let Some(results) = &self.results else { return false };
        let mut buffers: SmallVec<[*mut u8; 2]> = SmallVec::from_elem(ptr::null_mut(), results.len());
        for (n, &(id, bytes)) in results.iter().enumerate() {
            let Some(pointer) = room(n, bytes) else { return false };
            buffers[id as usize] = pointer;
        }
        let _floats = StandardFloats::enter();
        // SAFETY: as for this function. The buffers are those of the results.
        unsafe { self.call(arguments, &[], |id| buffers[id.0 as usize]) };
        true
    }

    /// Calls the kernel.
    ///
    /// # Safety
    ///
    /// As for [`super::run`]; `buffer` gives the memory of the program's buffers.
    #[inline]
    unsafe fn call(
        &self,
        arguments: &[Argument],
        outputs: &[Option<*mut u8>],
        buffer: impl Fn(BufferId) -> *mut u8,
    ) {
        let Some(kernel) = &self.kernel else { return };
        let address = |place: &Place| {
            let base = match place.memory {
                Memory::Buffer(id) => buffer(id),
                memory => given(memory, arguments, outputs),
            };
            base.wrapping_offset(place.offset)
        };
        let value = |entry: &Scalar| match entry {
            Scalar::Constant(bits) => *bits,
            Scalar::Parameter(n) => scalar(arguments, *n).bits() as u64,
            Scalar::Part(n, part) => scalar(arguments, *n).part(*part).bits() as u64,
            Scalar::Element(place, bytes) => {
                let mut word = [0; 8];
                // SAFETY: an operand that is the same everywhere has one element, of no more than 8 bytes.
                unsafe { address(place).copy_to_nonoverlapping(word.as_mut_ptr(), *bytes) };
                u64::from_le_bytes(word)
            }
        };
        let stream =
            |stream: &Stream| StreamArgs { base: address(&stream.at), row_stride: stream.row_stride };
        // Pushed, since a collected list is moved to where it is.
        let mut pool: SmallVec<[u64; 8]> = SmallVec::new();
        self.pool.iter().for_each(|entry| pool.push(value(entry)));
        let mut streams: SmallVec<[StreamArgs; 8]> = SmallVec::new();
        self.streams.iter().for_each(|one| streams.push(stream(one)));
        let (rows, lanes) = (self.rows, self.lanes);
        let args = KernelArgs { rows, lanes, position: 0, pool: pool.as_ptr(), streams: streams.as_ptr() };
        // SAFETY: all elements of the nest are within each operand, as the caller promises. What is written is at the
        // elements that are read, or elsewhere; the pool has what the program was selected with.
        unsafe { kernel.call(&args) };
    }
}
