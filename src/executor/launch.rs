//! Brief programs, of which all but addresses and scalars is made ready when the program is.
//!
//! Of short arrays, binding and cutting a step take longer than its elements. Such a program is not shared out.
//!
//! Limits: made ready are kernels over rows that are evenly apart, or over one tile, reductions of rows of one block, positions
//! in rows that are in memory, moves and gathers; other steps are bound as in any program. A run that is watched or verified
//! takes the way of every other program.

mod gather;
mod kernel;
mod moves;

use std::ptr;

use raptors_ir::{BufferId, Slot};
use smallvec::SmallVec;

use self::gather::GatherCall;
use self::kernel::{RowsCall, TileCall};
use self::moves::{Move, PositionsCall};
use crate::error::Error;
use crate::executor::bind::{allocated, given, scalar};
use crate::executor::{Argument, Bound, Engine, Outcomes, Room, outcomes, step};
use crate::program::{LoopNest, Memory, Operand, Program, Step};
use crate::runtime::buffer::Buffer;
use crate::runtime::float_control::StandardFloats;

/// A program as calls.
#[derive(Debug)]
pub(crate) struct Launch {
    calls: Vec<Call>,
    /// The buffer of each result, and its bytes, if there is one for each, and no other.
    results: Option<SmallVec<[(u32, usize); 2]>>,
}

/// What a nest, or a part of it, comes down to.
#[derive(Debug)]
enum Call {
    Rows(RowsCall),
    Tile(TileCall),
    Move(Move),
    Positions(PositionsCall),
    Gather(Box<GatherCall>),
    /// The step of this number, which is bound.
    Step(usize),
}

/// The first element of an operand.
#[derive(Clone, Copy, Debug)]
struct Place {
    memory: Memory,
    /// Bytes from the memory's first element.
    offset: isize,
}

impl Place {
    /// That of an operand; `None` where it is there a block at a time.
    fn of(operand: &Operand) -> Option<Place> {
        let (memory, offset) = (operand.memory, operand.offset);
        (!memory.is_of_step()).then_some(Place { memory, offset })
    }
}

/// What the names of memory stand for in one run.
struct Addresses<'a> {
    arguments: &'a [Argument],
    outputs: &'a [Option<*mut u8>],
    arena: *mut u8,
    buffers: &'a [*mut u8],
}

impl Addresses<'_> {
    #[inline]
    fn of(&self, place: &Place) -> *mut u8 {
        let base = match place.memory {
            Memory::Buffer(BufferId(id)) => self.buffers[id as usize],
            Memory::Arena => self.arena,
            memory => given(memory, self.arguments, self.outputs),
        };
        base.wrapping_offset(place.offset)
    }

    /// For a step that binds its operands itself.
    #[cold]
    fn bound(&self) -> Bound<'_> {
        Bound::over(self.arguments, self.outputs, self.arena, self.buffers)
    }

    #[inline]
    fn scalar(&self, parameter: u32) -> raptors_ir::Literal {
        scalar(self.arguments, parameter)
    }
}

/// The buffer of each result, and its bytes, if there is one for each, of its size, and no other.
fn buffers_of_results(program: &Program) -> Option<SmallVec<[(u32, usize); 2]>> {
    let mut buffers = SmallVec::new();
    for result in &program.results {
        let Slot::Buffer(BufferId(id)) = result.slot else { return None };
        let (is_taken, bytes) = (buffers.iter().any(|&(other, _)| other == id), program.buffers[id as usize]);
        if is_taken || bytes != result.ty.shape.size() * result.ty.dtype.size() {
            return None;
        }
        buffers.push((id, bytes));
    }
    (buffers.len() == program.buffers.len()).then_some(buffers)
}

impl Call {
    /// Adds what a nest comes down to; `None` where that is no such calls.
    fn add_of(nest: &LoopNest, calls: &mut Vec<Call>) -> Option<()> {
        if nest.call(Engine::Machine).is_some() {
            return None;
        }
        if let Some(rows) = nest.rows(Engine::Machine) {
            calls.extend(RowsCall::of(nest, rows)?.map(Call::Rows));
        } else if let Some(moves) = Move::all_of(nest) {
            calls.extend(moves.into_iter().map(Call::Move));
        } else if let Some(positions) = PositionsCall::all_of(nest) {
            calls.extend(positions.into_iter().map(Call::Positions));
        } else {
            calls.extend(TileCall::of(nest)?.map(Call::Tile));
        }
        Some(())
    }

    /// Adds what the step of this number comes down to.
    fn add(number: usize, step: &Step, calls: &mut Vec<Call>) {
        let added = match step {
            Step::Loop(nest) => Call::add_of(nest, calls),
            Step::Library(call) => {
                GatherCall::of(call).map(|gather| calls.push(Call::Gather(Box::new(gather))))
            }
            Step::Blocks(_) | Step::Matmul(_) => None,
        };
        if added.is_none() {
            calls.push(Call::Step(number));
        }
    }
}

impl Launch {
    /// What a program comes down to, if it is brief.
    pub(crate) fn of(program: &Program) -> Option<Launch> {
        if !program.is_brief() {
            return None;
        }
        let mut calls = Vec::new();
        for (number, step) in program.steps.iter().enumerate() {
            Call::add(number, step, &mut calls);
        }
        Some(Launch { calls, results: buffers_of_results(program) })
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
        let mut pointers: SmallVec<[*mut u8; 2]> = SmallVec::new();
        let mut buffers: SmallVec<[Option<Buffer>; 2]> = SmallVec::new();
        for id in 0..program.buffers.len() {
            let (pointer, buffer) = allocated(program, id, room)?;
            pointers.push(pointer);
            buffers.push(buffer);
        }
        // SAFETY: as for this function.
        unsafe { self.call(program, arguments, outputs, &pointers)? };
        Ok(outcomes(program, |id| buffers[id.0 as usize].take()))
    }

    /// Runs it where `room` has memory for all results, in memory of their own; else says false.
    ///
    /// # Errors
    ///
    /// As [`super::run`].
    ///
    /// # Safety
    ///
    /// As for [`super::run`], of the program that it was made of.
    #[inline]
    pub(crate) unsafe fn run_into(
        &self,
        program: &Program,
        arguments: &[Argument],
        room: Room<'_>,
    ) -> Result<bool, Error> {
        let Some(results) = &self.results else { return Ok(false) };
        let mut buffers: SmallVec<[*mut u8; 2]> = SmallVec::from_elem(ptr::null_mut(), results.len());
        for (n, &(id, bytes)) in results.iter().enumerate() {
            let Some(pointer) = room(n, bytes) else { return Ok(false) };
            buffers[id as usize] = pointer;
        }
        // SAFETY: as for this function. The buffers are those of the results.
        unsafe { self.call(program, arguments, &[], &buffers)? };
        Ok(true)
    }

    /// Makes the calls.
    ///
    /// # Safety
    ///
    /// As for [`super::run`]; `buffers` are the program's.
    #[inline]
    unsafe fn call(
        &self,
        program: &Program,
        arguments: &[Argument],
        outputs: &[Option<*mut u8>],
        buffers: &[*mut u8],
    ) -> Result<(), Error> {
        let _floats = StandardFloats::enter();
        let mut arena = Buffer::allocate(program.arena)?;
        let addresses = Addresses { arguments, outputs, arena: arena.as_mut_ptr(), buffers };
        for call in &self.calls {
            // SAFETY: all elements of the nest are within each operand, as the caller promises. What is written is at the
            // elements that are read, or elsewhere.
            unsafe {
                match call {
                    Call::Rows(rows) => rows.run(&addresses),
                    Call::Tile(tile) => tile.run(&addresses)?,
                    Call::Move(one) => one.run(&addresses),
                    Call::Positions(positions) => positions.run(&addresses),
                    Call::Gather(gather) => gather.run(&addresses)?,
                    Call::Step(number) => step(&program.steps[*number], &addresses.bound())?,
                }
            }
        }
        Ok(())
    }
}
