//! Vector programs: lane programs in the operations that vector instruction sets have.
//!
//! A vector program is straight-line code in SSA form over vectors of one number of lanes: an instruction's value is its
//! position. It is what instruction selection makes of a [lane program](super::lane), and what the code generator
//! compiles to a [kernel](super::kernel). Ops mean what x86-64's instructions do where those differ from NumPy: it is
//! selection that spells out NumPy's minimum or integer division. [`evaluate`] is the definition, one lane at a time.
//!
//! A kernel runs the program over `rows` rows of `n` lanes. Its operands are *streams*: elements in memory that follow
//! each other along a row, one a lane or two, or one element a row. Scalars come from a *pool* of 8-byte entries, so that programs that
//! differ in constants share code.

mod accumulation;
pub(crate) mod evaluate;

use std::fmt;

use raptors_ir::Part;
use raptors_ir::lanes::Rare;

use crate::kernels::reduce::lanes_of_size;

pub(crate) use accumulation::{Accumulation, Combine, Outcome};

/// What a lane of a value holds. Integers have no sign; ops do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Type {
    /// 8 bits, also a `bool` in memory: 0 or 1.
    I8,
    /// 16 bits.
    I16,
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// A truth value, which is not in memory.
    Mask,
}

impl Type {
    /// Bytes of a lane in memory; 0 for a mask.
    pub(crate) const fn size(self) -> usize {
        match self {
            Type::I8 => 1,
            Type::I16 => 2,
            Type::I32 | Type::F32 => 4,
            Type::I64 | Type::F64 => 8,
            Type::Mask => 0,
        }
    }

    /// Whether lanes are floats.
    pub(crate) const fn is_float(self) -> bool {
        match self {
            Type::F32 | Type::F64 => true,
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Mask => false,
        }
    }

    /// The name in texts.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Type::I8 => "i8",
            Type::I16 => "i16",
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Mask => "mask",
        }
    }
}

/// A value: the position of its instruction. Prints as `x3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct VectorId(pub(crate) u16);

impl VectorId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for VectorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.0)
    }
}

/// A stream, by position. Prints as `s1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct StreamId(pub(crate) u16);

impl StreamId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// How the elements of a stream follow the lanes of a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    /// An element a lane, one after the other in memory.
    Unit,
    /// Two elements a lane, the parts of a complex number, one after the other in memory.
    Pair,
    /// One element for all lanes of the row. Only loaded, or the target of a reduction.
    Row,
}

/// Elements in memory. Addresses and the distance between rows are arguments of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stream {
    pub(crate) ty: Type,
    pub(crate) step: Step,
}

impl Stream {
    /// Bytes of a lane, or of a row's one element.
    pub(crate) const fn lane_bytes(self) -> usize {
        match self.step {
            Step::Unit | Step::Row => self.ty.size(),
            Step::Pair => 2 * self.ty.size(),
        }
    }
}

/// Which product and sum an [`VectorOp::Fma`] rounds once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fma {
    /// `x * y + z`.
    MulAdd,
    /// `x * y - z`.
    MulSub,
    /// `-(x * y) + z`.
    NegMulAdd,
    /// `-(x * y) - z`.
    NegMulSub,
}

/// Which integer [`VectorOp::Round`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Rounding {
    /// The nearest, ties to even.
    Nearest,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// Towards zero.
    Zero,
}

/// How bits are moved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Shift {
    /// To the left, zeros moved in.
    Left,
    /// To the right, zeros moved in.
    Right,
    /// To the right, copies of the sign moved in.
    RightSigned,
}

/// A comparison. `Lt` and `Le` of integers are signed; of floats, all but `Ne` and `Unordered` are false for NaN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Predicate {
    /// `x == y`.
    Eq,
    /// `x != y`; true for NaN.
    Ne,
    /// `x < y`.
    Lt,
    /// `x <= y`.
    Le,
    /// `x < y`, unsigned integers.
    LtUnsigned,
    /// `x <= y`, unsigned integers.
    LeUnsigned,
    /// Whether one is NaN; floats.
    Unordered,
}

/// A conversion; the argument's type says from what, the value's type to what.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Conversion {
    /// Integer to a wider one, with copies of the sign.
    SignExtend,
    /// Integer to a wider one, with zeros.
    ZeroExtend,
    /// Integer to a narrower one: the low bits.
    Truncate,
    /// Signed `i32` or `i64` to a float, rounded to nearest.
    SignedToFloat,
    /// Float to a signed `i32` or `i64`, towards zero; the smallest integer for NaN and what does not fit.
    FloatToSigned,
    /// Between `f32` and `f64`.
    FloatToFloat,
    /// The bits of an `f16`, an `i16`, to the `f32` of the same value.
    HalfToFloat,
    /// `f32` to the bits of the nearest `f16`, an `i16`; ties to even.
    FloatToHalf,
    /// The same bits as another type of the same size.
    Bitcast,
    /// A mask to 0 or 1 as `i8`.
    MaskToInt,
}

/// What an instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum VectorOp {
    /// Reads a stream.
    Load(StreamId),
    /// Reads one element of each pair of a stream.
    LoadPart(StreamId, Part),
    /// The low bytes of an entry of the pool, in every lane.
    Splat(u16),
    /// The lane's position in its row, an `i64`: counted from the position that is an argument of the call.
    Position,
    /// Sum of floats or integers.
    Add,
    /// Difference of floats or integers.
    Sub,
    /// Product of floats, or the low half of one of integers.
    Mul,
    /// Quotient of floats.
    Div,
    /// Square root of floats.
    Sqrt,
    /// A product and a sum of floats, rounded once.
    Fma(Fma),
    /// `if x < y { x } else { y }` of floats: the second operand when one is NaN or both are zero.
    Min,
    /// `if x > y { x } else { y }` of floats, likewise.
    Max,
    /// The smaller of signed integers.
    MinSigned,
    /// The larger of signed integers.
    MaxSigned,
    /// The smaller of unsigned integers.
    MinUnsigned,
    /// The larger of unsigned integers.
    MaxUnsigned,
    /// A float's integer.
    Round(Rounding),
    /// `x * 2^y` of floats, `y` an integer, as [`Lanes::scale`](raptors_ir::lanes::Lanes::scale) limits it.
    Scale,
    /// The exponent of a float, as [`Lanes::exponent`](raptors_ir::lanes::Lanes::exponent) defines it.
    Exponent,
    /// A float over a power of two, as [`Lanes::mantissa`](raptors_ir::lanes::Lanes::mantissa) defines it.
    Mantissa,
    /// The entry of a table of floats that the low bits of an integer as wide name.
    Lookup(u16),
    /// Bitwise and, of values of one type, masks too.
    And,
    /// Bitwise or, likewise.
    Or,
    /// Bitwise exclusive or, likewise.
    Xor,
    /// `!x & y`, bitwise, likewise.
    AndNot,
    /// Bits of integers moved by a constant below the width.
    Shift(Shift, u8),
    /// Bits of the first operand moved by the second, unsigned; by the width or more, what is moved in fills all.
    ShiftBy(Shift),
    /// A mask of a comparison.
    Compare(Predicate),
    /// `x` where the mask, the first operand, holds, else `y`.
    Select,
    /// Another type.
    Convert(Conversion),
    /// `rare.function(x, y)` where the mask holds, else the value: operands are mask, value, x, y.
    Rare(u16),
}

/// The arguments of an instruction, at most four.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VectorArgs {
    /// Zeros beyond the last.
    values: [VectorId; 4],
    count: u8,
}

impl VectorArgs {
    pub(crate) fn new(args: &[VectorId]) -> VectorArgs {
        let mut values = [VectorId(0); 4];
        values[..args.len()].copy_from_slice(args);
        VectorArgs { values, count: args.len() as u8 }
    }
}

impl std::ops::Deref for VectorArgs {
    type Target = [VectorId];

    fn deref(&self) -> &[VectorId] {
        &self.values[..usize::from(self.count).min(4)]
    }
}

impl std::ops::DerefMut for VectorArgs {
    fn deref_mut(&mut self) -> &mut [VectorId] {
        &mut self.values[..usize::from(self.count).min(4)]
    }
}

impl<'a> IntoIterator for &'a VectorArgs {
    type Item = &'a VectorId;
    type IntoIter = std::slice::Iter<'a, VectorId>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// In one word.
impl std::hash::Hash for VectorArgs {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let word = self.values.iter().rev().fold(0, |word, value| word << 16 | u64::from(value.0));
        state.write_u64(word);
    }
}

/// An instruction: an op, its arguments, and its value's type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct VectorInst {
    pub(crate) op: VectorOp,
    pub(crate) args: VectorArgs,
    pub(crate) ty: Type,
}

/// A scalar function by identity: two are equal if they are the same function under the same name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RareFunction {
    /// Of `f32`.
    F32(&'static Rare<f32>),
    /// Of `f64`.
    F64(&'static Rare<f64>),
}

impl RareFunction {
    /// The address of the function's row: what tells it from another.
    fn address(self) -> usize {
        match self {
            RareFunction::F32(rare) => std::ptr::from_ref(rare).addr(),
            RareFunction::F64(rare) => std::ptr::from_ref(rare).addr(),
        }
    }

    /// The name, in texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RareFunction::F32(rare) => rare.name,
            RareFunction::F64(rare) => rare.name,
        }
    }
}

impl PartialEq for RareFunction {
    fn eq(&self, other: &RareFunction) -> bool {
        self.address() == other.address()
    }
}

impl Eq for RareFunction {}

impl std::hash::Hash for RareFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

/// The entries of a table, as in memory: 16 of four bytes or 8 of eight.
pub(crate) type Table = [u8; 64];

/// Straight-line code over vectors. Its value as a key is its structure: neither scalars nor addresses are in it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct VectorProgram {
    pub(crate) insts: Vec<VectorInst>,
    pub(crate) streams: Vec<Stream>,
    /// Values written to streams of unit step.
    pub(crate) stores: Vec<(VectorId, StreamId)>,
    /// Values written to streams of pairs, both elements of each.
    pub(crate) pairs: Vec<([VectorId; 2], StreamId)>,
    pub(crate) accumulations: Vec<Accumulation>,
    /// Streams, of unit step or of pairs, whose whole vectors are stored past the caches. A hint: where the code generator has
    /// no such stores, or a row does not allow them, they are stored as others are.
    pub(crate) non_temporal: Vec<StreamId>,
    pub(crate) rares: Vec<RareFunction>,
    pub(crate) tables: Vec<Table>,
    /// Entries of the pool that are used.
    pub(crate) pool: u16,
}

impl VectorProgram {
    pub(crate) fn push(&mut self, op: VectorOp, args: &[VectorId], ty: Type) -> VectorId {
        self.insts.push(VectorInst { op, args: VectorArgs::new(args), ty });
        VectorId(self.insts.len() as u16 - 1)
    }

    /// The type of a value.
    pub(crate) fn ty(&self, value: VectorId) -> Type {
        self.insts[value.index()].ty
    }

    /// Which values a store or a reduction needs.
    pub(crate) fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.insts.len()];
        let stored = self.stores.iter().map(|(value, _)| value);
        for value in stored.chain(self.pairs.iter().flat_map(|(values, _)| values)) {
            needed[value.index()] = true;
        }
        for accumulation in &self.accumulations {
            needed[accumulation.value.index()] = true;
        }
        for (n, inst) in self.insts.iter().enumerate().rev() {
            if needed[n] {
                for arg in &inst.args {
                    needed[arg.index()] = true;
                }
            }
        }
        needed
    }

    /// The lanes of the trees that values are combined by, the fewest of any.
    pub(crate) fn fewest_tree_lanes(&self) -> Option<usize> {
        let trees = self.accumulations.iter().filter(|one| one.outcome == Outcome::Value);
        trees.map(|one| lanes_of_size(self.ty(one.value).size())).min()
    }

    /// For each stream, whether it is read by lane, and whether it is written by lane.
    pub(crate) fn directions(&self) -> Vec<(bool, bool)> {
        let mut directions = vec![(false, false); self.streams.len()];
        for inst in &self.insts {
            if let VectorOp::Load(stream) | VectorOp::LoadPart(stream, _) = inst.op
                && self.streams[stream.index()].step != Step::Row
            {
                directions[stream.index()].0 = true;
            }
        }
        let stored = self.stores.iter().map(|(_, stream)| stream);
        for stream in stored.chain(self.pairs.iter().map(|(_, stream)| stream)) {
            directions[stream.index()].1 = true;
        }
        directions
    }
}

impl fmt::Display for VectorProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, stream) in self.streams.iter().enumerate() {
            let step = match stream.step {
                Step::Unit => "each lane",
                Step::Pair => "twice each lane",
                Step::Row => "each row",
            };
            writeln!(f, "    s{n}: {} {step}", stream.ty.name())?;
        }
        for (n, inst) in self.insts.iter().enumerate() {
            write!(f, "    x{n} = ")?;
            match inst.op {
                VectorOp::Load(stream) => write!(f, "load {stream}")?,
                VectorOp::LoadPart(stream, part) => write!(f, "load.{} {stream}", part.name())?,
                VectorOp::Splat(entry) => write!(f, "splat c{entry}")?,
                VectorOp::Rare(n) => write!(f, "rare {}", self.rares[usize::from(n)].name())?,
                VectorOp::Lookup(n) => write!(f, "lookup t{n}")?,
                VectorOp::Fma(kind) => write!(f, "fma.{kind:?}")?,
                VectorOp::Round(kind) => write!(f, "round.{kind:?}")?,
                VectorOp::Shift(kind, count) => write!(f, "shift.{kind:?} {count}")?,
                VectorOp::ShiftBy(kind) => write!(f, "shift.{kind:?}")?,
                VectorOp::Compare(predicate) => write!(f, "compare.{predicate:?}")?,
                VectorOp::Convert(conversion) => write!(f, "convert.{conversion:?}")?,
                op @ (VectorOp::Position
                | VectorOp::Add
                | VectorOp::Sub
                | VectorOp::Mul
                | VectorOp::Div
                | VectorOp::Sqrt
                | VectorOp::Min
                | VectorOp::Max
                | VectorOp::MinSigned
                | VectorOp::MaxSigned
                | VectorOp::MinUnsigned
                | VectorOp::MaxUnsigned
                | VectorOp::Scale
                | VectorOp::Exponent
                | VectorOp::Mantissa
                | VectorOp::And
                | VectorOp::Or
                | VectorOp::Xor
                | VectorOp::AndNot
                | VectorOp::Select) => write!(f, "{op:?}")?,
            }
            for (i, arg) in inst.args.iter().enumerate() {
                write!(f, "{} {arg}", if i == 0 { "" } else { "," })?;
            }
            writeln!(f, ": {}", inst.ty.name())?;
        }
        let store = |stream| if self.non_temporal.contains(stream) { "store.non_temporal" } else { "store" };
        for (value, stream) in &self.stores {
            writeln!(f, "    {} {value}, {stream}", store(stream))?;
        }
        for ([x, y], stream) in &self.pairs {
            writeln!(f, "    {} {x}, {y}, {stream}", store(stream))?;
        }
        for Accumulation { combine, value, target, outcome } in &self.accumulations {
            match outcome {
                Outcome::Value => writeln!(f, "    reduce.{combine:?} {value}, {target}")?,
                Outcome::Place(None) => writeln!(f, "    place.{combine:?} {value}, {target}")?,
                Outcome::Place(Some(best)) => {
                    writeln!(f, "    place.{combine:?} {value}, {target}, {best}")?;
                }
            }
        }
        Ok(())
    }
}
