//! Machine programs: a vector program in the instructions of one level, with values instead of registers.
//!
//! [`lower`](super::lower) makes them, [`emit`](super::emit) gives values registers and writes the code. An
//! instruction is one of the CPU's; what it needs beside its opcode is in its [`Form`]. A value that is in
//! memory, in a stream or among the constants, has no instruction: it has a [`Home`], from which it is loaded
//! where it is used, or used directly.

use super::opcode::Opcode;
use crate::codegen::vector::StreamId;

/// What the code is for: which registers and encoding there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Target {
    /// AVX2 and FMA: 16 registers of 32 bytes, masks are vectors.
    Avx2,
    /// AVX-512 with vectors of 32 bytes, for CPUs that clock lower with wider ones.
    Avx512At256,
    /// AVX-512: 32 registers of 64 bytes, 7 mask registers.
    Avx512,
}

impl Target {
    pub(super) fn vector_bytes(self) -> usize {
        match self {
            Target::Avx2 | Target::Avx512At256 => 32,
            Target::Avx512 => 64,
        }
    }

    /// Whether instructions are encoded in EVEX, with masks in registers of their own.
    pub(super) fn is_evex(self) -> bool {
        match self {
            Target::Avx2 => false,
            Target::Avx512At256 | Target::Avx512 => true,
        }
    }

    pub(super) fn registers(self) -> usize {
        if self.is_evex() { 32 } else { 16 }
    }
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
    /// The row's element of a stream.
    Row(StreamId),
    /// An entry of the pool.
    Pool(u16),
    /// Bytes of the constants behind the code.
    Constant(u16),
    /// The lanes of an accumulation that the current elements belong to.
    Accumulator(u16),
    /// So many bytes into the lanes of an accumulation.
    AccumulatorAt(u16, u16),
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
            Place::Row(_) | Place::Pool(_) | Place::Constant(_) => true,
            Place::Unit(_) | Place::Accumulator(_) | Place::AccumulatorAt(..) => false,
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

/// How an instruction takes its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `dst = op(x, y)`; `y` may be in memory.
    Two,
    /// The same, and the operands may change places.
    TwoCommuting,
    /// `dst = op(x)`; `x` may be in memory.
    One,
    /// `dst = op(x)`, with `x` in ModRM.reg and `dst` in ModRM.rm, both registers.
    Narrow,
    /// `dst = op(x)` by the number of an instruction in its group, with the count as immediate.
    Shift(u8),
    /// `x * y + z` and its kin; the opcode is that of the 132 form.
    Fma,
    /// `dst = x where mask else y`: operands mask, x, y.
    Blend,
    /// `dst = x where mask else 0`: operands mask, x. EVEX.
    ZeroBlend,
    /// All bits set.
    Ones,
    /// All bits clear.
    Zeros,
    /// The positions of the lanes: the operand is the first ones.
    Position,
    /// The operands mask, value, x, y of a rare function, by position.
    Rare(u16),
    /// Writes to memory lanes whose elements have so many bytes; in a tail, only those there are.
    Store(Place, u8),
    /// Writes the first element, of so many bytes, to memory.
    StoreElement(Place, u8),
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

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Inst {
    pub(super) form: Form,
    pub(super) opcode: Opcode,
    /// Bytes of the vectors it works on: 16, 32 or 64.
    pub(super) bytes: u8,
    pub(super) imm: Option<u8>,
    pub(super) args: Args,
    pub(super) dst: Option<Value>,
}

/// Straight-line code.
#[derive(Default, Debug)]
pub(super) struct Block {
    pub(super) insts: Vec<Inst>,
}

/// A vector program, lowered.
pub(super) struct MachineProgram {
    pub(super) target: Target,
    /// Lanes of a vector.
    pub(super) lanes: usize,
    pub(super) values: Vec<Info>,
    /// For a whole vector of lanes.
    pub(super) body: Block,
    /// For the lanes of an accumulation, once they are complete: down to one, and its store. Empty without.
    pub(super) row_end: Block,
    /// Before each row: what accumulations begin with.
    pub(super) row_start: Block,
    /// Constants behind the code.
    pub(super) constants: Vec<u8>,
}
