//! Vector programs under construction: value numbering, constants, masks, and what nobody needs.
//!
//! Equal instructions are one. Instructions of constants alone are computed at once. A mask is kept with a
//! sign, so that "not" costs nothing where what follows can be turned round: a select's arms, an "and" of one
//! inverted operand.

use raptors_ir::Part;
use raptors_ir::lanes::Rare;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{PoolEntry, Selected, StreamUse};
use crate::codegen::vector::evaluate::evaluate;
use crate::codegen::vector::{
    Accumulation, Combine, Conversion, Fma, Outcome, Predicate, RareFunction, Step, Stream, StreamId, Table,
    Type, VectorArgs, VectorId, VectorInst, VectorOp, VectorProgram,
};

/// A mask, or the opposite of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mask {
    value: VectorId,
    inverted: bool,
}

/// A float type as a constant of a program.
pub(crate) trait Constant: Copy {
    /// The type of lanes that hold it.
    const TYPE: Type;
    /// The function as one of either type.
    fn rare(rare: &'static Rare<Self>) -> RareFunction;
    /// The bits, zero-extended.
    fn to_word(self) -> u64;
}

impl Constant for f32 {
    const TYPE: Type = Type::F32;
    fn rare(rare: &'static Rare<f32>) -> RareFunction {
        RareFunction::F32(rare)
    }
    fn to_word(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Constant for f64 {
    const TYPE: Type = Type::F64;
    fn rare(rare: &'static Rare<f64>) -> RareFunction {
        RareFunction::F64(rare)
    }
    fn to_word(self) -> u64 {
        self.to_bits()
    }
}

/// The integer as wide as a type.
pub(super) const fn integer_of(ty: Type) -> Type {
    match ty {
        Type::I8 | Type::Mask => Type::I8,
        Type::I16 => Type::I16,
        Type::I32 | Type::F32 => Type::I32,
        Type::I64 | Type::F64 => Type::I64,
    }
}

/// Adds instructions to a vector program.
#[derive(Default)]
pub(crate) struct Builder {
    program: VectorProgram,
    numbers: FxHashMap<VectorInst, VectorId>,
    pool: Vec<PoolEntry>,
    entries: FxHashMap<PoolEntry, u16>,
    streams: Vec<StreamUse>,
}

impl Builder {
    /// With room for so many instructions.
    pub(super) fn with_capacity(insts: usize) -> Builder {
        let mut builder = Builder::default();
        builder.program.insts.reserve(insts);
        builder.numbers.reserve(insts);
        builder
    }

    /// The instructions so far.
    pub(super) fn len(&self) -> usize {
        self.program.insts.len()
    }

    /// The value of an instruction: known, a constant, or new.
    pub(crate) fn push(&mut self, op: VectorOp, args: &[VectorId], ty: Type) -> VectorId {
        let mut args = VectorArgs::new(args);
        let op = self.without_negation(op, &mut args);
        if is_commutative(op) {
            args.sort_unstable();
        }
        if let Some(value) = self.folded(op, &args, ty) {
            return value;
        }
        let Builder { program, numbers, .. } = self;
        *numbers.entry(VectorInst { op, args, ty }).or_insert_with(|| program.push(op, &args, ty))
    }

    /// The op that takes its last argument as it was before its sign was changed.
    fn without_negation(&self, op: VectorOp, args: &mut [VectorId]) -> VectorOp {
        let opposite = match op {
            VectorOp::Add => VectorOp::Sub,
            VectorOp::Sub => VectorOp::Add,
            VectorOp::Fma(Fma::MulAdd) => VectorOp::Fma(Fma::MulSub),
            VectorOp::Fma(Fma::MulSub) => VectorOp::Fma(Fma::MulAdd),
            VectorOp::Fma(Fma::NegMulAdd) => VectorOp::Fma(Fma::NegMulSub),
            VectorOp::Fma(Fma::NegMulSub) => VectorOp::Fma(Fma::NegMulAdd),
            op => return op,
        };
        let Some(last) = args.last_mut() else { return op };
        let inst = &self.program.insts[last.index()];
        let sign = match inst.ty {
            Type::F32 => 1 << 31,
            Type::F64 => 1 << 63,
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Mask => return op,
        };
        match (inst.op, &inst.args[..]) {
            (VectorOp::Xor, &[x, y]) if self.constant_bits(x) == Some(sign) => *last = y,
            (VectorOp::Xor, &[x, y]) if self.constant_bits(y) == Some(sign) => *last = x,
            _ => return op,
        }
        opposite
    }

    /// What the instruction is without computing anything.
    fn folded(&mut self, op: VectorOp, args: &[VectorId], ty: Type) -> Option<VectorId> {
        match (op, args) {
            (VectorOp::Convert(Conversion::Bitcast), &[x]) if self.program.ty(x) == ty => return Some(x),
            (VectorOp::Convert(Conversion::Bitcast), &[x]) => {
                let inner = &self.program.insts[x.index()];
                if let (VectorOp::Convert(Conversion::Bitcast), &[y]) = (inner.op, &inner.args[..]) {
                    return Some(self.bitcast(y, ty));
                }
            }
            (VectorOp::Select, &[_, x, y]) if x == y => return Some(x),
            (VectorOp::Rare(_), _) => return None,
            _ => {}
        }
        if args.is_empty() || ty == Type::Mask {
            return None;
        }
        // Few are constants: the last one is looked at first.
        let last = self.constant_bits(args[args.len() - 1]);
        last?;
        let constants: SmallVec<[u64; 4]> = args.iter().map_while(|&arg| self.constant_bits(arg)).collect();
        if constants.len() < args.len() {
            return None;
        }
        let from = self.program.ty(args[args.len() - 1]);
        let bits = evaluate(op, from, ty, &constants, &self.program);
        Some(self.constant(ty, bits))
    }

    fn constant_bits(&self, value: VectorId) -> Option<u64> {
        let inst = &self.program.insts[value.index()];
        match (inst.op, inst.ty) {
            (VectorOp::Splat(entry), ty) => match self.pool[usize::from(entry)] {
                PoolEntry::Constant(bits) => Some(bits & low_bits(ty)),
                PoolEntry::Parameter(_) | PoolEntry::Part(..) | PoolEntry::Element(_) => None,
            },
            _ => None,
        }
    }

    /// A number in every lane, as the bits of a type.
    pub(crate) fn constant(&mut self, ty: Type, bits: u64) -> VectorId {
        self.splat(PoolEntry::Constant(bits & low_bits(ty)), ty)
    }

    /// Zero in every lane.
    pub(super) fn zero(&mut self, ty: Type) -> VectorId {
        self.constant(ty, 0)
    }

    /// A float in every lane.
    pub(crate) fn float<T: Constant>(&mut self, x: T) -> VectorId {
        self.constant(T::TYPE, x.to_word())
    }

    /// The low bytes of an entry of the pool, in every lane.
    pub(super) fn splat(&mut self, entry: PoolEntry, ty: Type) -> VectorId {
        let number = *self.entries.entry(entry).or_insert_with(|| {
            self.pool.push(entry);
            self.pool.len() as u16 - 1
        });
        self.push(VectorOp::Splat(number), &[], ty)
    }

    /// Reads a stream.
    pub(super) fn load(&mut self, used: StreamUse, ty: Type, step: Step) -> VectorId {
        let stream = self.stream(used, ty, step);
        self.push(VectorOp::Load(stream), &[], ty)
    }

    /// Reads one element of each pair of a stream.
    pub(super) fn load_part(&mut self, used: StreamUse, part: Part, ty: Type) -> VectorId {
        let stream = self.stream(used, ty, Step::Pair);
        self.push(VectorOp::LoadPart(stream, part), &[], ty)
    }

    fn stream(&mut self, used: StreamUse, ty: Type, step: Step) -> StreamId {
        let known = self.streams.iter().position(|&other| other == used);
        let number = known.unwrap_or_else(|| {
            self.streams.push(used);
            self.program.streams.push(Stream { ty, step });
            self.streams.len() - 1
        });
        StreamId(number as u16)
    }

    /// Writes a value to a stream.
    pub(super) fn store(&mut self, value: VectorId, used: StreamUse) {
        let stream = self.stream(used, self.program.ty(value), Step::Unit);
        self.program.stores.push((value, stream));
    }

    /// Writes both elements of each pair of a stream.
    pub(super) fn store_pair(&mut self, parts: [VectorId; 2], used: StreamUse) {
        let stream = self.stream(used, self.program.ty(parts[0]), Step::Pair);
        self.program.pairs.push((parts, stream));
    }

    /// Combines a value over each row.
    pub(super) fn accumulate(&mut self, combine: Combine, value: VectorId, used: StreamUse) {
        let target = self.stream(used, self.program.ty(value), Step::Row);
        let outcome = Outcome::Value;
        self.program.accumulations.push(Accumulation { combine, value, target, outcome });
    }

    /// Finds the first minimum or maximum of each row, which is stored too where it has a stream.
    pub(super) fn seek(
        &mut self,
        combine: Combine,
        value: VectorId,
        used: StreamUse,
        best: Option<StreamUse>,
    ) {
        let target = self.stream(used, Type::I64, Step::Row);
        let best = best.map(|used| self.stream(used, self.program.ty(value), Step::Row));
        let outcome = Outcome::Place(best);
        self.program.accumulations.push(Accumulation { combine, value, target, outcome });
    }

    /// An instruction of one or more operands of the type it gives.
    pub(super) fn same(&mut self, op: VectorOp, args: &[VectorId]) -> VectorId {
        self.push(op, args, self.program.ty(args[0]))
    }

    /// Another type.
    pub(super) fn convert(&mut self, conversion: Conversion, x: VectorId, ty: Type) -> VectorId {
        self.push(VectorOp::Convert(conversion), &[x], ty)
    }

    /// The same bits as another type.
    pub(crate) fn bitcast(&mut self, x: VectorId, ty: Type) -> VectorId {
        self.convert(Conversion::Bitcast, x, ty)
    }

    /// The type of a value.
    pub(crate) fn ty(&self, value: VectorId) -> Type {
        self.program.ty(value)
    }

    /// A comparison.
    pub(crate) fn compare(&mut self, predicate: Predicate, x: VectorId, y: VectorId) -> Mask {
        Mask { value: self.push(VectorOp::Compare(predicate), &[x, y], Type::Mask), inverted: false }
    }

    /// `x` where the mask holds, else `y`.
    pub(crate) fn select(&mut self, mask: Mask, x: VectorId, y: VectorId) -> VectorId {
        let (x, y) = if mask.inverted { (y, x) } else { (x, y) };
        self.push(VectorOp::Select, &[mask.value, x, y], self.program.ty(x))
    }

    /// The opposite.
    pub(crate) fn not(&mut self, mask: Mask) -> Mask {
        // Equality has an opposite of its own, for NaN too.
        let inst = &self.program.insts[mask.value.index()];
        let opposite = match inst.op {
            VectorOp::Compare(Predicate::Eq) => Some(Predicate::Ne),
            VectorOp::Compare(Predicate::Ne) => Some(Predicate::Eq),
            _ => None,
        };
        match (opposite, &inst.args[..]) {
            (Some(predicate), &[x, y]) if !mask.inverted => self.compare(predicate, x, y),
            _ => Mask { inverted: !mask.inverted, ..mask },
        }
    }

    /// Both.
    pub(crate) fn and(&mut self, a: Mask, b: Mask) -> Mask {
        let (value, inverted) = match (a.inverted, b.inverted) {
            (false, false) => (self.push(VectorOp::And, &[a.value, b.value], Type::Mask), false),
            (true, false) => (self.push(VectorOp::AndNot, &[a.value, b.value], Type::Mask), false),
            (false, true) => (self.push(VectorOp::AndNot, &[b.value, a.value], Type::Mask), false),
            (true, true) => (self.push(VectorOp::Or, &[a.value, b.value], Type::Mask), true),
        };
        Mask { value, inverted }
    }

    /// Either.
    pub(crate) fn or(&mut self, a: Mask, b: Mask) -> Mask {
        let opposite = |mask: Mask| Mask { inverted: !mask.inverted, ..mask };
        opposite(self.and(opposite(a), opposite(b)))
    }

    /// One, not both.
    pub(super) fn xor(&mut self, a: Mask, b: Mask) -> Mask {
        let value = self.push(VectorOp::Xor, &[a.value, b.value], Type::Mask);
        Mask { value, inverted: a.inverted != b.inverted }
    }

    /// A mask as 0 and 1, of type `i8`.
    pub(super) fn mask_to_int(&mut self, mask: Mask) -> VectorId {
        let byte = self.convert(Conversion::MaskToInt, mask.value, Type::I8);
        if mask.inverted {
            let one = self.constant(Type::I8, 1);
            return self.push(VectorOp::Xor, &[byte, one], Type::I8);
        }
        byte
    }

    /// A scalar function where the mask holds, else `value`.
    pub(crate) fn rare<T: Constant>(
        &mut self,
        rare: &'static Rare<T>,
        mask: Mask,
        value: VectorId,
        x: VectorId,
        y: VectorId,
    ) -> VectorId {
        let function = T::rare(rare);
        let known = self.program.rares.iter().position(|&other| other == function);
        let number = known.unwrap_or_else(|| {
            self.program.rares.push(function);
            self.program.rares.len() - 1
        });
        let mask = if mask.inverted {
            // A comparison of equal numbers holds in all lanes.
            let zero = self.zero(integer_of(T::TYPE));
            let all = self.compare(Predicate::Eq, zero, zero);
            self.xor(Mask { inverted: false, ..mask }, all).value
        } else {
            mask.value
        };
        self.push(VectorOp::Rare(number as u16), &[mask, value, x, y], T::TYPE)
    }

    /// The entry of a table that the low bits of an index name.
    pub(crate) fn lookup(&mut self, table: Table, index: VectorId, ty: Type) -> VectorId {
        let known = self.program.tables.iter().position(|other| *other == table);
        let number = known.unwrap_or_else(|| {
            self.program.tables.push(table);
            self.program.tables.len() - 1
        });
        self.push(VectorOp::Lookup(number as u16), &[index], ty)
    }

    /// The program without what nothing needs.
    pub(super) fn finish(self) -> Selected {
        let Builder { program, pool, streams, .. } = self;
        let needed = program.needed();
        let mut new = Selected::default();
        new.program.insts.reserve_exact(needed.iter().filter(|&&needed| needed).count());
        let mut values = vec![VectorId(0); program.insts.len()];
        let mut entries = Renumbering::new(pool.len());
        let mut used_streams = Renumbering::new(streams.len());
        let mut rares = Renumbering::new(program.rares.len());
        let mut tables = Renumbering::new(program.tables.len());
        for (position, inst) in program.insts.iter().enumerate().filter(|&(position, _)| needed[position]) {
            let op = match inst.op {
                VectorOp::Load(stream) => VectorOp::Load(StreamId(used_streams.number(stream.0))),
                VectorOp::LoadPart(stream, part) => {
                    VectorOp::LoadPart(StreamId(used_streams.number(stream.0)), part)
                }
                VectorOp::Splat(entry) => VectorOp::Splat(entries.number(entry)),
                VectorOp::Rare(number) => VectorOp::Rare(rares.number(number)),
                VectorOp::Lookup(number) => VectorOp::Lookup(tables.number(number)),
                op => op,
            };
            let mut args = inst.args;
            args.iter_mut().for_each(|arg| *arg = values[arg.index()]);
            values[position] = new.program.push(op, &args, inst.ty);
        }
        for &(value, stream) in &program.stores {
            let stream = StreamId(used_streams.number(stream.0));
            new.program.stores.push((values[value.index()], stream));
        }
        for &(parts, stream) in &program.pairs {
            let stream = StreamId(used_streams.number(stream.0));
            new.program.pairs.push((parts.map(|part| values[part.index()]), stream));
        }
        for &Accumulation { combine, value, target, outcome } in &program.accumulations {
            let mut stream = |stream: StreamId| StreamId(used_streams.number(stream.0));
            let (value, target) = (values[value.index()], stream(target));
            let outcome = match outcome {
                Outcome::Value => Outcome::Value,
                Outcome::Place(best) => Outcome::Place(best.map(stream)),
            };
            new.program.accumulations.push(Accumulation { combine, value, target, outcome });
        }
        new.pool = entries.kept(&pool);
        new.streams = used_streams.kept(&streams);
        new.program.streams = used_streams.kept(&program.streams);
        new.program.rares = rares.kept(&program.rares);
        new.program.tables = tables.kept(&program.tables);
        new.program.pool = new.pool.len() as u16;
        new
    }
}

/// New numbers for the items of a list that are met, in the order they are.
struct Renumbering {
    new: Vec<Option<u16>>,
    met: Vec<u16>,
}

impl Renumbering {
    fn new(len: usize) -> Renumbering {
        Renumbering { new: vec![None; len], met: Vec::new() }
    }

    fn number(&mut self, old: u16) -> u16 {
        *self.new[usize::from(old)].get_or_insert_with(|| {
            self.met.push(old);
            self.met.len() as u16 - 1
        })
    }

    fn kept<T: Copy>(&self, list: &[T]) -> Vec<T> {
        self.met.iter().map(|&old| list[usize::from(old)]).collect()
    }
}

/// The bits that lanes of a type have.
const fn low_bits(ty: Type) -> u64 {
    match ty {
        Type::I8 | Type::Mask => 0xff,
        Type::I16 => 0xffff,
        Type::I32 | Type::F32 => 0xffff_ffff,
        Type::I64 | Type::F64 => u64::MAX,
    }
}

/// Whether operands may be exchanged; payloads of NaN aside.
fn is_commutative(op: VectorOp) -> bool {
    match op {
        VectorOp::Add
        | VectorOp::Mul
        | VectorOp::And
        | VectorOp::Or
        | VectorOp::Xor
        | VectorOp::MinSigned
        | VectorOp::MaxSigned
        | VectorOp::MinUnsigned
        | VectorOp::MaxUnsigned
        | VectorOp::Compare(Predicate::Eq | Predicate::Ne | Predicate::Unordered) => true,
        VectorOp::Load(_)
        | VectorOp::LoadPart(..)
        | VectorOp::Splat(_)
        | VectorOp::Position
        | VectorOp::Sub
        | VectorOp::Div
        | VectorOp::Sqrt
        | VectorOp::Fma(_)
        | VectorOp::Min
        | VectorOp::Max
        | VectorOp::Round(_)
        | VectorOp::Scale
        | VectorOp::Exponent
        | VectorOp::Mantissa
        | VectorOp::Lookup(_)
        | VectorOp::AndNot
        | VectorOp::Shift(..)
        | VectorOp::ShiftBy(_)
        | VectorOp::Compare(Predicate::Lt | Predicate::Le | Predicate::LtUnsigned | Predicate::LeUnsigned)
        | VectorOp::Select
        | VectorOp::Convert(_)
        | VectorOp::Rare(_) => false,
    }
}
