//! Programs that are one kernel call: all of it but addresses and scalars is made ready when the program is.
//!
//! Of short arrays, binding and cutting a nest take longer than its elements.
//!
//! Limits: one loop nest without reductions, compiled over rows that are evenly apart, in brief programs: those are not
//! shared out. A run that is watched or verified takes the way of every other program.

use std::sync::Arc;

use raptors_ir::Part;
use smallvec::SmallVec;

use crate::codegen::kernel::{Kernel, KernelArgs, StreamArgs};
use crate::codegen::select::{PoolEntry, StreamUse};
use crate::error::Error;
use crate::executor::bind::{allocated, given, scalar};
use crate::executor::{Argument, Engine, Outcomes, Room, outcomes};
use crate::program::{Memory, Operand, Program, Step};
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

impl Launch {
    /// What a program comes down to, if it is one kernel call.
    pub(crate) fn of(program: &Program) -> Option<Launch> {
        let [Step::Loop(nest)] = &program.steps[..] else { return None };
        if !program.is_brief() || program.arena > 0 || !nest.body.reductions.is_empty() {
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
            StreamUse::Pair(id, _) => {
                let operand = &nest.operands[id.index()];
                let at = place(operand)?;
                let at = Place { offset: at.offset - operand.part_offset(), ..at };
                Some(Stream { at, row_stride: over.last().copied().unwrap_or(0) })
            }
            StreamUse::Value(_) | StreamUse::Result(_) => None,
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
        if let Some(kernel) = &self.kernel {
            let address = |place: &Place| {
                let base = match place.memory {
                    Memory::Buffer(id) => buffers[id.0 as usize].0,
                    memory => given(memory, arguments, outputs),
                };
                base.wrapping_offset(place.offset)
            };
            let mut pool: SmallVec<[u64; 8]> = SmallVec::new();
            for entry in &self.pool {
                pool.push(match entry {
                    Scalar::Constant(bits) => *bits,
                    Scalar::Parameter(n) => scalar(arguments, *n).bits() as u64,
                    Scalar::Part(n, part) => scalar(arguments, *n).part(*part).bits() as u64,
                    Scalar::Element(place, bytes) => {
                        let mut word = [0; 8];
                        // SAFETY: an operand that is the same everywhere has one element, of no more than 8 bytes.
                        unsafe { address(place).copy_to_nonoverlapping(word.as_mut_ptr(), *bytes) };
                        u64::from_le_bytes(word)
                    }
                });
            }
            let mut streams: SmallVec<[StreamArgs; 8]> = SmallVec::new();
            for stream in &self.streams {
                streams.push(StreamArgs { base: address(&stream.at), row_stride: stream.row_stride });
            }
            let (rows, lanes) = (self.rows, self.lanes);
            let args =
                KernelArgs { rows, lanes, position: 0, pool: pool.as_ptr(), streams: streams.as_ptr() };
            // SAFETY: all elements of the nest are within each operand, as the caller promises. What is written is at the
            // elements that are read, or elsewhere; the pool has what the program was selected with.
            unsafe { kernel.call(&args) };
        }
        Ok(outcomes(program, |id| buffers[id.0 as usize].1.take()))
    }
}
