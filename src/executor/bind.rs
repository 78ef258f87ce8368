//! Binding: which memory a program's names stand for in one run.

use raptors_ir::{BufferId, Literal, Slot};
use smallvec::SmallVec;

use crate::error::Error;
use crate::jit::{self, Jit};
use crate::program::{Memory, Operand, Program};
use crate::runtime::buffer::Buffer;

/// What a parameter stands for in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    /// Memory, at the parameter's first element.
    Memory(*mut u8),
    /// A value.
    Scalar(Literal),
}

/// Memory for the buffer of a result, given its number and the bytes of the buffer; `None` to have it from the pool.
///
/// It is aligned to the elements and writable, and nothing else uses it during the run.
pub(crate) type Room<'a> = &'a mut dyn FnMut(usize, usize) -> Option<*mut u8>;

/// What runs the loop nests of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    /// The tile interpreter.
    Interpreter,
    /// Accelerate where it was selected, or else the tile interpreter.
    Accelerated,
    /// Accelerate where it was selected, machine code where there is some, or else the tile interpreter.
    Machine,
}

/// A program's memory in one run.
#[derive(Debug)]
pub(crate) struct Bound<'a> {
    arguments: &'a [Argument],
    outputs: &'a [Option<*mut u8>],
    /// Owned for its drop.
    _arena: Option<Buffer>,
    arena: *mut u8,
    buffers: SmallVec<[Option<Buffer>; 2]>,
    pointers: SmallVec<[*mut u8; 2]>,
    /// What runs the steps. The same for all parts of a step.
    engine: Engine,
}

impl<'a> Bound<'a> {
    /// Allocates the program's arena and buffers, but for those of results that `room` has memory for.
    pub(crate) fn new(
        program: &Program,
        arguments: &'a [Argument],
        outputs: &'a [Option<*mut u8>],
        room: Room<'_>,
    ) -> Result<Bound<'a>, Error> {
        let mut arena_buffer = Buffer::allocate(program.arena)?;
        let arena = arena_buffer.as_mut_ptr();
        let mut buffers = SmallVec::with_capacity(program.buffers.len());
        let mut pointers = SmallVec::with_capacity(program.buffers.len());
        for id in 0..program.buffers.len() {
            let (pointer, buffer) = allocated(program, id, room)?;
            pointers.push(pointer);
            buffers.push(buffer);
        }
        let engine = if jit::mode() == Jit::Off { Engine::Accelerated } else { Engine::Machine };
        let _arena = Some(arena_buffer);
        Ok(Bound { arguments, outputs, _arena, arena, buffers, pointers, engine })
    }

    /// What names stand for where all memory is there, and machine code is wanted.
    pub(crate) fn over(
        arguments: &'a [Argument],
        outputs: &'a [Option<*mut u8>],
        arena: *mut u8,
        pointers: &[*mut u8],
    ) -> Bound<'a> {
        Bound {
            arguments,
            outputs,
            _arena: None,
            arena,
            buffers: SmallVec::new(),
            pointers: SmallVec::from_slice(pointers),
            engine: Engine::Machine,
        }
    }

    /// What runs the steps.
    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Has the next steps run by `engine`.
    pub(super) fn set_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    /// The address of an operand's first element.
    pub(crate) fn base(&self, operand: &Operand) -> *mut u8 {
        self.address(operand.memory).wrapping_offset(operand.offset)
    }

    /// The value of a parameter that is passed by value.
    pub(crate) fn scalar(&self, parameter: u32) -> Literal {
        scalar(self.arguments, parameter)
    }

    /// Gives up a buffer that holds a result; `None` where the result is in memory that there was room in.
    pub(crate) fn take_buffer(&mut self, id: BufferId) -> Option<Buffer> {
        self.buffers[id.0 as usize].take()
    }

    fn address(&self, memory: Memory) -> *mut u8 {
        match memory {
            Memory::Arena => self.arena,
            Memory::Buffer(id) => self.pointers[id.0 as usize],
            Memory::Parameter(_) | Memory::Output(_) => given(memory, self.arguments, self.outputs),
            // Not before there is a block of it: `TileRunner::rebase`.
            Memory::Product | Memory::Scratch(_) => std::ptr::null_mut(),
        }
    }
}

/// The memory of a buffer that a run allocates, unless there is room for the result that is in it.
pub(super) fn allocated(
    program: &Program,
    id: usize,
    room: Room<'_>,
) -> Result<(*mut u8, Option<Buffer>), Error> {
    let (slot, bytes) = (Slot::Buffer(BufferId(id as u32)), program.buffers[id]);
    let result = program.results.iter().position(|result| result.slot == slot);
    if let Some(pointer) = result.and_then(|result| room(result, bytes)) {
        return Ok((pointer, None));
    }
    let mut buffer = Buffer::allocate(bytes)?;
    Ok((buffer.as_mut_ptr(), Some(buffer)))
}

/// The value of a parameter that is passed by value.
#[inline]
pub(super) fn scalar(arguments: &[Argument], parameter: u32) -> Literal {
    match arguments[parameter as usize] {
        Argument::Scalar(literal) => literal,
        Argument::Memory(_) => unreachable!("p{parameter} is a scalar of the program"),
    }
}

/// The address of memory that the caller gives.
#[inline]
pub(super) fn given(memory: Memory, arguments: &[Argument], outputs: &[Option<*mut u8>]) -> *mut u8 {
    match memory {
        Memory::Parameter(n) => match arguments[n as usize] {
            Argument::Memory(pointer) => pointer,
            Argument::Scalar(_) => unreachable!("p{n} is memory of the program"),
        },
        Memory::Output(n) => match outputs[n as usize] {
            Some(pointer) => pointer,
            None => unreachable!("memory was given for result {n}"),
        },
        Memory::Arena | Memory::Buffer(_) | Memory::Product | Memory::Scratch(_) => {
            unreachable!("the run has memory of its own for {memory}")
        }
    }
}

// SAFETY: the pointers are only dereferenced by the steps of `run`, which write disjoint parts from each thread; its
// caller promises that nothing else touches the memory meanwhile. Buffers and literals are Sync themselves.
unsafe impl Sync for Bound<'_> {}
