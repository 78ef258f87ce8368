//! Instruction selection: from a lane program to a vector program.
//!
//! What NumPy means is spelled out in what vector units do: a minimum that keeps NaN is a minimum and a
//! select, the division of 32-bit integers one of `f64`. Functions of mathematics are recorded
//! ([`recorder`]), and so become part of the program. `bool` is a byte in memory and a mask inside; a byte
//! that is only moved stays what it is.
//!
//! A file has a concept: [`arithmetic`], integer and float [`division`], integer [`power`]s, [`comparison`]s
//! with what is computed of truth values, [`casts`], [`functions`].
//!
//! Limits: no division of 64-bit integers. What has no vector form is refused with a reason, and interpreted.

mod arithmetic;
mod builder;
mod casts;
mod comparison;
mod division;
mod functions;
mod power;
mod recorder;
#[cfg(test)]
mod tests;

use std::fmt;

use raptors_ir::{DType, ElementwiseOp, Kind, Part, ReduceOp, ResultRule};

use crate::codegen::lane::{Inst, LaneOp, LaneProgram, OperandId, Reduction, Scalar, ValueId};
use crate::codegen::vector::{Combine, Conversion, Predicate, Step, Type, VectorId, VectorOp, VectorProgram};
use builder::{Builder, Mask};

/// Instructions of the longest vector program: beyond, compiling takes longer than it can save.
const MOST_INSTRUCTIONS: usize = 8192;

/// Memory that a stream of a vector program stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamUse {
    /// An operand's elements.
    Operand(OperandId),
    /// The complex numbers of which an operand is this part.
    Pair(OperandId, Part),
    /// A value's elements in scratch memory.
    Value(ValueId),
    /// The results of a reduction, by its position.
    Result(u16),
    /// The elements that an argmin or argmax found the places of, by its position.
    Best(u16),
}

/// What an entry of the pool holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PoolEntry {
    /// These bits.
    Constant(u64),
    /// A parameter passed by value.
    Parameter(u32),
    /// A part of a complex one.
    Part(u32, Part),
    /// The one element of an operand that is the same everywhere.
    Element(OperandId),
}

/// Where the value of a `Load` or an `Index` comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// An element a lane.
    Lanes(StreamUse),
    /// A part of the complex number that a lane has.
    Part(StreamUse, Part),
    /// An element a row.
    Rows(StreamUse),
    /// The pool, at a run's beginning.
    Pool(OperandId),
    /// `offset + step * position`.
    Position { offset: i64, step: i64 },
}

/// Which reductions a vector program does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Reduced {
    /// None: they are left to others.
    #[default]
    Nothing,
    /// Those of rows, whole.
    Rows,
    /// Those of blocks of rows, whose results others combine.
    Blocks,
}

/// What a vector program writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) stores: Vec<(ValueId, StreamUse)>,
    /// The parts of complex numbers.
    pub(crate) pairs: Vec<([ValueId; 2], StreamUse)>,
    pub(crate) reduced: Reduced,
}

/// A vector program, and what its streams and its pool stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selected {
    pub(crate) program: VectorProgram,
    pub(crate) streams: Vec<StreamUse>,
    pub(crate) pool: Vec<PoolEntry>,
}

/// Why a lane program has no vector form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoVectorForm {
    /// An op of a dtype.
    Op(&'static str, DType),
    /// A reduction that is not accumulated in registers.
    Reduction(ReduceOp),
    /// Too many instructions.
    Length,
}

impl fmt::Display for NoVectorForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoVectorForm::Op(op, dtype) => write!(f, "{op} of {dtype} has no vector form"),
            NoVectorForm::Reduction(op) => write!(f, "{} has no vector form", op.name()),
            NoVectorForm::Length => write!(f, "more than {MOST_INSTRUCTIONS} instructions"),
        }
    }
}

/// The vector program of `body`.
pub(crate) fn select(
    body: &LaneProgram,
    source: impl Fn(ValueId) -> Source,
    outputs: &Outputs,
) -> Result<Selected, NoVectorForm> {
    let builder = Builder::with_capacity(2 * body.insts.len());
    let mut selector = Selector { builder, lanes: Vec::with_capacity(body.insts.len()) };
    for (position, inst) in body.insts.iter().enumerate() {
        let value = ValueId(position as u16);
        let lane = selector.inst(value, inst, body, &source);
        let Some(lane) = lane else {
            return Err(NoVectorForm::Op(inst.op.name(), argument_dtype(inst, body)));
        };
        selector.lanes.push(lane);
        if selector.builder.len() > MOST_INSTRUCTIONS {
            return Err(NoVectorForm::Length);
        }
    }
    for &(value, used) in &outputs.stores {
        let vector = selector.in_memory(value);
        selector.builder.store(vector, used);
    }
    for &(parts, used) in &outputs.pairs {
        let parts = parts.map(|part| selector.in_memory(part));
        selector.builder.store_pair(parts, used);
    }
    if outputs.reduced != Reduced::Nothing {
        for (number, reduction) in (0..).zip(&body.reductions) {
            let dtype = body.insts[reduction.value.index()].dtype;
            selector.reduce(number, reduction, dtype, outputs.reduced)?;
        }
    }
    Ok(selector.builder.finish())
}

/// What an instruction is of, for messages.
fn argument_dtype(inst: &Inst, body: &LaneProgram) -> DType {
    inst.args.last().map_or(inst.dtype, |arg| body.insts[arg.index()].dtype)
}

/// How a reduction combines elements in registers.
fn combine(op: ReduceOp, dtype: DType) -> Option<Combine> {
    match (op, dtype.kind()) {
        _ if dtype.is_half() => None,
        (_, Kind::Complex) | (ReduceOp::Sum | ReduceOp::Prod, Kind::Bool) => None,
        (ReduceOp::Sum, Kind::Signed | Kind::Unsigned | Kind::Float) => Some(Combine::Add),
        (ReduceOp::Prod, Kind::Signed | Kind::Unsigned | Kind::Float) => Some(Combine::Mul),
        (ReduceOp::Min | ReduceOp::Argmin, Kind::Float) => Some(Combine::Min),
        (ReduceOp::Max | ReduceOp::Argmax, Kind::Float) => Some(Combine::Max),
        (ReduceOp::Min | ReduceOp::Argmin, Kind::Signed) => Some(Combine::MinSigned),
        (ReduceOp::Max | ReduceOp::Argmax, Kind::Signed) => Some(Combine::MaxSigned),
        (ReduceOp::Min | ReduceOp::Argmin | ReduceOp::All, Kind::Bool | Kind::Unsigned) => {
            Some(Combine::MinUnsigned)
        }
        (ReduceOp::Max | ReduceOp::Argmax | ReduceOp::Any, Kind::Bool | Kind::Unsigned) => {
            Some(Combine::MaxUnsigned)
        }
        (ReduceOp::Any | ReduceOp::All, Kind::Signed | Kind::Float) => None,
    }
}

/// The lanes that hold elements of a dtype; `None` for elements wider than a lane. A half-precision float is only
/// moved and converted, a small complex number only moved.
pub(crate) const fn vector_type(dtype: DType) -> Option<Type> {
    match dtype {
        DType::Bool | DType::I8 | DType::U8 => Some(Type::I8),
        DType::I16 | DType::U16 | DType::F16 | DType::BF16 => Some(Type::I16),
        DType::I32 | DType::U32 => Some(Type::I32),
        DType::I64 | DType::U64 | DType::C64 => Some(Type::I64),
        DType::F32 => Some(Type::F32),
        DType::F64 => Some(Type::F64),
        DType::C128 => None,
    }
}

/// A truth value: its byte in memory, which is true if it is not zero, or a mask.
#[derive(Clone, Copy, Debug)]
enum Truth {
    Byte(VectorId),
    Mask(Mask),
}

/// The value of an instruction.
#[derive(Clone, Copy, Debug)]
enum Lane {
    Vector(VectorId),
    Truth(Truth),
}

impl Builder {
    /// A truth value as a mask.
    fn mask(&mut self, truth: Truth) -> Mask {
        match truth {
            Truth::Mask(mask) => mask,
            Truth::Byte(byte) => {
                let zero = self.zero(Type::I8);
                self.compare(Predicate::Ne, byte, zero)
            }
        }
    }

    /// A truth value as a byte.
    fn byte(&mut self, truth: Truth) -> VectorId {
        match truth {
            Truth::Byte(byte) => byte,
            Truth::Mask(mask) => self.mask_to_int(mask),
        }
    }

    /// The same truth in every lane.
    fn truth(&mut self, value: bool) -> Truth {
        Truth::Byte(self.constant(Type::I8, u64::from(value)))
    }

    /// A small number in every lane.
    fn number(&mut self, ty: Type, x: i32) -> VectorId {
        match ty {
            Type::F32 => self.float(x as f32),
            Type::F64 => self.float(f64::from(x)),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Mask => {
                self.constant(ty, i64::from(x).cast_unsigned())
            }
        }
    }
}

struct Selector {
    builder: Builder,
    lanes: Vec<Lane>,
}

impl Selector {
    fn inst(
        &mut self,
        value: ValueId,
        inst: &Inst,
        body: &LaneProgram,
        source: &impl Fn(ValueId) -> Source,
    ) -> Option<Lane> {
        let args: smallvec::SmallVec<[Lane; 3]> =
            inst.args.iter().map(|arg| self.lanes[arg.index()]).collect();
        let builder = &mut self.builder;
        let vector = match (&inst.op, &args[..]) {
            (LaneOp::Load(_), _) => {
                let ty = vector_type(inst.dtype)?;
                match source(value) {
                    Source::Lanes(used) => builder.load(used, ty, Step::Unit),
                    Source::Part(used, part) => builder.load_part(used, part, ty),
                    Source::Rows(used) => builder.load(used, ty, Step::Row),
                    Source::Pool(operand) => builder.splat(PoolEntry::Element(operand), ty),
                    Source::Position { .. } => unreachable!("{value} is loaded"),
                }
            }
            (LaneOp::Splat(scalar), _) => {
                let ty = vector_type(inst.dtype)?;
                match scalar {
                    Scalar::Constant(literal) => builder.constant(ty, literal.bits() as u64),
                    Scalar::Parameter(n) => builder.splat(PoolEntry::Parameter(*n), ty),
                    Scalar::Part(n, part) => builder.splat(PoolEntry::Part(*n, *part), ty),
                }
            }
            (LaneOp::Index { .. }, _) => match source(value) {
                Source::Lanes(used) => builder.load(used, Type::I64, Step::Unit),
                Source::Rows(used) => builder.load(used, Type::I64, Step::Row),
                Source::Position { offset, step } => builder.index(offset, step),
                Source::Pool(_) | Source::Part(..) => unreachable!("{value} is computed"),
            },
            (LaneOp::Copy, &[x]) => return Some(x),
            (LaneOp::Where, &[Lane::Truth(condition), x, y]) => return Some(self.choose(condition, x, y)),
            (LaneOp::Cast(from), &[x]) => return builder.cast(*from, inst.dtype, x),
            (LaneOp::Elementwise(op, dtype), args) => return builder.elementwise(*op, *dtype, args),
            (op @ (LaneOp::Copy | LaneOp::Where | LaneOp::Cast(_)), args) => {
                unreachable!("{op:?} of {} operands in {body}", args.len())
            }
        };
        let truth = inst.dtype == DType::Bool;
        Some(if truth { Lane::Truth(Truth::Byte(vector)) } else { Lane::Vector(vector) })
    }

    /// Adds a reduction.
    fn reduce(
        &mut self,
        number: u16,
        reduction: &Reduction,
        dtype: DType,
        reduced: Reduced,
    ) -> Result<(), NoVectorForm> {
        let combine = combine(reduction.op, dtype).ok_or(NoVectorForm::Reduction(reduction.op))?;
        let builder = &mut self.builder;
        let value = match self.lanes[reduction.value.index()] {
            Lane::Vector(value) => value,
            Lane::Truth(truth) => {
                let mask = builder.mask(truth);
                builder.mask_to_int(mask)
            }
        };
        let target = StreamUse::Result(number);
        if !reduction.op.finds_place() {
            builder.accumulate(combine, value, target);
            return Ok(());
        }
        let best = (reduced == Reduced::Blocks).then_some(StreamUse::Best(number));
        if builder.ty(value) != Type::I8 {
            builder.seek(combine, value, target, best);
            return Ok(());
        }
        // A byte is too short for ages: signed numbers of 16 bits hold all that 8 bits do.
        let (extension, combine) = match combine {
            Combine::MinUnsigned => (Conversion::ZeroExtend, Combine::MinSigned),
            Combine::MaxUnsigned => (Conversion::ZeroExtend, Combine::MaxSigned),
            combine => (Conversion::SignExtend, combine),
        };
        let value = builder.convert(extension, value, Type::I16);
        builder.seek(combine, value, target, best);
        Ok(())
    }

    /// The value as it is in memory.
    fn in_memory(&mut self, value: ValueId) -> VectorId {
        match self.lanes[value.index()] {
            Lane::Vector(vector) => vector,
            Lane::Truth(truth) => self.builder.byte(truth),
        }
    }

    /// `where`.
    fn choose(&mut self, condition: Truth, x: Lane, y: Lane) -> Lane {
        let builder = &mut self.builder;
        let mask = builder.mask(condition);
        match (x, y) {
            (Lane::Vector(x), Lane::Vector(y)) => Lane::Vector(builder.select(mask, x, y)),
            (Lane::Truth(Truth::Mask(x)), Lane::Truth(Truth::Mask(y))) => {
                let kept = builder.and(mask, x);
                let opposite = builder.not(mask);
                let other = builder.and(opposite, y);
                Lane::Truth(Truth::Mask(builder.or(kept, other)))
            }
            // A byte from memory is moved as it is.
            (Lane::Truth(x), Lane::Truth(y)) => {
                let (x, y) = (builder.byte(x), builder.byte(y));
                Lane::Truth(Truth::Byte(builder.select(mask, x, y)))
            }
            (Lane::Vector(_), Lane::Truth(_)) | (Lane::Truth(_), Lane::Vector(_)) => {
                unreachable!("both choices have one dtype")
            }
        }
    }
}

impl Builder {
    /// `offset + step * position`.
    fn index(&mut self, offset: i64, step: i64) -> VectorId {
        let offset = self.constant(Type::I64, offset.cast_unsigned());
        if step == 0 {
            return offset;
        }
        let mut position = self.push(VectorOp::Position, &[], Type::I64);
        if step != 1 {
            let step = self.constant(Type::I64, step.cast_unsigned());
            position = self.push(VectorOp::Mul, &[position, step], Type::I64);
        }
        self.push(VectorOp::Add, &[position, offset], Type::I64)
    }

    /// An elementwise op of operands of `dtype`.
    fn elementwise(&mut self, op: ElementwiseOp, dtype: DType, args: &[Lane]) -> Option<Lane> {
        let mut vectors = smallvec::SmallVec::<[VectorId; 3]>::new();
        let mut truths = smallvec::SmallVec::<[Truth; 2]>::new();
        for &arg in args {
            match arg {
                Lane::Vector(vector) => vectors.push(vector),
                Lane::Truth(truth) => truths.push(truth),
            }
        }
        match (dtype.kind(), op.result_rule()) {
            _ if dtype.is_half() => None,
            (Kind::Bool, _) => self.of_truths(op, &truths).map(Lane::Truth),
            (Kind::Complex, _) => None,
            (_, ResultRule::Bool) => self.predicate(op, dtype, &vectors).map(Lane::Truth),
            (Kind::Float, ResultRule::Same) => {
                self.float_op(op, vector_type(dtype)?, &vectors).map(Lane::Vector)
            }
            (Kind::Signed | Kind::Unsigned, ResultRule::Same) => {
                self.integer_op(op, dtype, &vectors).map(Lane::Vector)
            }
        }
    }

    /// A negative number, or any other of the same size, as a mask: its sign bit.
    fn sign_bit(&mut self, x: VectorId) -> Mask {
        let ty = builder::integer_of(self.ty(x));
        let bits = self.convert(Conversion::Bitcast, x, ty);
        let zero = self.zero(ty);
        self.compare(Predicate::Lt, bits, zero)
    }
}
