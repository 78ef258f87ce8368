//! Machine programs: a vector program in the instructions of a target, with values instead of registers.
//!
//! A code generator has instructions of its own; what schedules them and gives their values registers is for all, and knows of
//! them what [`Instruction`] says. A value that is in memory, in a stream or among the constants, has no instruction: it has
//! a [`Home`], from which it is loaded where it is used, or used directly.

use super::vector::{StreamId, Type};

/// What a code generator cannot do; the program is then interpreted.
///
/// Every op of [`evaluate`](super::vector::evaluate) has code for every target, for the types it is defined
/// for. Refused are masks in memory or as scalars, ops of types that have no definition, and programs of
/// thousands of ops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{op} of {} has no code for {target}", .ty.name())]
pub(crate) struct Unsupported {
    pub(crate) op: &'static str,
    pub(crate) ty: Type,
    pub(crate) target: &'static str,
}

/// A kernel's code, which runs at any address that is a multiple of 64.
#[derive(Debug)]
pub(crate) struct MachineCode {
    /// Instructions, and behind them the constants.
    pub(crate) bytes: Vec<u8>,
    /// Bytes of the instructions.
    pub(crate) instructions: usize,
}

/// An instruction of a target.
pub(super) trait Instruction {
    /// The value that it makes.
    fn dst(&self) -> Option<Value>;

    /// The values that it uses.
    fn args(&self) -> &[Value];

    /// Half cycles that the unit which divides is busy with it, if it is for that unit.
    fn dividing(&self) -> Option<u32>;

    /// Whether it is better followed at once by what uses its value than by the same for the next copy.
    fn is_taken_at_once(&self) -> bool;

    /// Whether the block is left there for lanes that are not usual, and gone through anew: nothing may be stored before.
    fn is_guard(&self) -> bool;
}

/// A value of a machine program, by position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Value(pub(super) u16);

impl Value {
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Which registers hold a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Vector,
    Mask,
}

/// A place in memory, apart from the copy of the body it is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Place {
    /// The lanes of a stream.
    Unit(StreamId),
    /// The lower or the upper half of the elements of a stream of pairs.
    Pair(StreamId, u8),
    /// The row's element of a stream.
    Row(StreamId),
    /// An entry of the pool.
    Pool(u16),
    /// Bytes of the constants behind the code.
    Constant(u16),
    /// The lanes of an accumulator that the current elements belong to.
    Accumulator(u16),
    /// So many bytes into the lanes of an accumulator.
    AccumulatorAt(u16, u16),
    /// The number of lanes of a row.
    Lanes,
}

/// Memory that holds a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Home {
    pub(super) place: Place,
    /// Bytes of the one element that fills all lanes; 0 if memory has the lanes.
    pub(super) element: u8,
}

impl Home {
    /// Whether it is the same for all vectors of a row.
    pub(super) fn is_shared(self) -> bool {
        match self.place {
            Place::Row(_) | Place::Pool(_) | Place::Constant(_) | Place::Lanes => true,
            Place::Unit(_) | Place::Pair(..) | Place::Accumulator(_) | Place::AccumulatorAt(..) => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Info {
    pub(super) class: Class,
    /// Bytes that the lanes take in a vector register.
    pub(super) bytes: u8,
    pub(super) home: Option<Home>,
    /// Bytes of an element in its stream, where a masked load needs to know.
    pub(super) lane: u8,
}

/// The operands of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Args {
    values: [Value; 4],
    count: u8,
}

impl Args {
    pub(super) fn new(args: &[Value]) -> Args {
        let mut values = [Value(0); 4];
        values[..args.len()].copy_from_slice(args);
        Args { values, count: args.len() as u8 }
    }
}

impl std::ops::Deref for Args {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values[..usize::from(self.count & 7).min(4)]
    }
}

impl<'a> IntoIterator for &'a Args {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What is kept of the elements of a row while it is gone through, lane by lane: element `n` belongs to lane `n % count`, a
/// power of two. An accumulation of values has one, by the tree of [`kernels::reduce`](crate::kernels::reduce); one of places
/// has two, for the best value of each lane and how often the lane has had others since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Accumulator {
    /// Bytes of a lane.
    pub(super) size: usize,
    pub(super) count: usize,
}

impl Accumulator {
    /// Bytes of all lanes.
    pub(super) fn bytes(self) -> usize {
        self.size * self.count
    }
}

/// Straight-line code.
#[derive(Debug)]
pub(super) struct Block<I> {
    pub(super) insts: Vec<I>,
}

/// A vector program, lowered.
pub(super) struct MachineProgram<I, T> {
    pub(super) target: T,
    /// Lanes of a vector.
    pub(super) lanes: usize,
    pub(super) values: Vec<Info>,
    pub(super) accumulators: Vec<Accumulator>,
    /// For a whole vector of lanes.
    pub(super) body: Block<I>,
    /// The same in fewer instructions for the lanes that its guards let pass.
    pub(super) usual: Option<Block<I>>,
    /// For the lanes of accumulators, once they are complete: down to one, and its store. Empty without.
    pub(super) row_end: Block<I>,
    /// Before each row: what accumulators begin with.
    pub(super) row_start: Block<I>,
    /// Constants behind the code.
    pub(super) constants: Vec<u8>,
}

impl<I, T> MachineProgram<I, T> {
    /// The body that is repeated over most of a row.
    pub(super) fn repeated(&self) -> &Block<I> {
        self.usual.as_ref().unwrap_or(&self.body)
    }
}
