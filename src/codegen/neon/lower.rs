//! Vector programs to machine programs: each op becomes the instructions that NEON has for it.
//!
//! A vector has as many lanes as the widest type of the program fits a register, so that every value is in one register, or
//! in the low part of one. A mask is a vector of elements that are all ones or all zeros, as wide as what was compared, and
//! is widened or narrowed where it is used with another type. What there is no instruction for is built from those there
//! are: [`integers`], [`convert`], [`masks`] and [`parts`] say how.

mod convert;
mod integers;
mod masks;
mod pairs;
mod parts;
mod places;
mod reduce;

use smallvec::SmallVec;

use super::machine::{Block, Form, Inst, MachineProgram, Target, VECTOR};
use super::opcode::{self, Opcode};
use crate::codegen::machine::{Accumulator, Args, Class, Home, Info, Place, Unsupported, Value};
use crate::codegen::vector::{
    Conversion, Fma, Rounding, Shift, Step, StreamId, Type, VectorId, VectorInst, VectorOp, VectorProgram,
};

/// More values, or bytes of constants, would not have numbers of 16 bits.
const MOST_VALUES: usize = 60_000;

/// What a vector value became.
#[derive(Clone, Copy, Debug)]
struct Lowered {
    value: Value,
    /// Bytes of a mask's element.
    element: u8,
    /// Whether a mask holds where its bits are clear.
    inverted: bool,
}

struct Lowerer<'a> {
    program: &'a VectorProgram,
    lanes: usize,
    values: Vec<Info>,
    insts: Vec<Inst>,
    accumulators: Vec<Accumulator>,
    constants: Vec<u8>,
    /// Constants, by their bytes.
    known: SmallVec<[([u8; VECTOR], Value); 8]>,
    lowered: Vec<Option<Lowered>>,
    /// What was computed for an index or a float that others may need.
    parts: parts::Known,
    /// Both vectors of a stream of pairs in memory.
    halves: SmallVec<[(StreamId, [Value; 2]); 4]>,
}

/// An op of a type that it is not defined for.
pub(super) fn unsupported(op: &'static str, ty: Type) -> Unsupported {
    Unsupported { op, ty, target: "Neon" }
}

/// The machine program of a vector program. Tables come first among its constants.
pub(super) fn lower(program: &VectorProgram) -> Result<MachineProgram, Unsupported> {
    let widest = program.insts.iter().map(|inst| inst.ty.size()).max().map_or(1, |size| size.max(1));
    let mut lowerer = Lowerer {
        program,
        lanes: VECTOR / widest,
        values: Vec::with_capacity(2 * program.insts.len()),
        insts: Vec::with_capacity(2 * program.insts.len()),
        accumulators: Vec::new(),
        constants: program.tables.concat(),
        known: SmallVec::new(),
        lowered: vec![None; program.insts.len()],
        parts: parts::Known::default(),
        halves: SmallVec::new(),
    };
    let is_needed = program.needed();
    for (n, inst) in program.insts.iter().enumerate() {
        if is_needed[n] {
            lowerer.lowered[n] = Some(lowerer.inst(inst)?);
            if lowerer.values.len().max(lowerer.constants.len()) > MOST_VALUES {
                return Err(unsupported("a program so long", inst.ty));
            }
        }
    }
    lowerer.accumulate()?;
    lowerer.stores()?;
    let body = lowerer.block();
    let row_start = lowerer.row_start();
    let row_end = lowerer.row_end()?;
    Ok(MachineProgram {
        target: Target::new(!program.tables.is_empty()),
        lanes: lowerer.lanes,
        values: lowerer.values,
        accumulators: lowerer.accumulators,
        body,
        usual: None,
        row_end,
        row_start,
        constants: lowerer.constants,
    })
}

impl Lowerer<'_> {
    /// Everything that is read is read before anything is written.
    fn stores(&mut self) -> Result<(), Unsupported> {
        let program = self.program;
        let mut stored: SmallVec<[(Value, Place, Type); 4]> = SmallVec::new();
        let is_one = program.stores.len() + program.pairs.len() == 1;
        for &(value, stream) in &program.stores {
            let ty = program.ty(value);
            if ty == Type::Mask || program.streams[stream.index()].step != Step::Unit {
                return Err(unsupported("store", ty));
            }
            let value = self.value(value);
            let is_in_memory = self.values[value.index()].home.is_some() && !is_one;
            let value = if is_in_memory { self.op(Form::Copy, opcode::ORR, &[value]) } else { value };
            stored.push((value, Place::Unit(stream), ty));
        }
        for &(parts, stream) in &program.pairs {
            let ty = program.ty(parts[0]);
            let parts = parts.map(|part| self.value(part));
            for (half, value) in (0..).zip(self.paired(ty, parts)?) {
                stored.push((value, Place::Pair(stream, half), ty));
            }
        }
        for (value, place, ty) in stored {
            let form = Form::Store(place, self.bytes(ty) as u8, ty.size() as u8);
            self.push(form, opcode::ORR, None, &[value]);
        }
        Ok(())
    }

    /// Bytes of a vector of a type.
    fn bytes(&self, ty: Type) -> usize {
        self.lanes * ty.size()
    }

    /// What has been pushed, as a block.
    fn block(&mut self) -> Block {
        Block { insts: std::mem::take(&mut self.insts) }
    }

    fn new_value(&mut self, bytes: usize, home: Option<Home>, lane: usize) -> Value {
        self.values.push(Info { class: Class::Vector, bytes: bytes as u8, home, lane: lane as u8 });
        Value(self.values.len() as u16 - 1)
    }

    fn push(&mut self, form: Form, opcode: Opcode, dst: Option<Value>, args: &[Value]) {
        self.insts.push(Inst { form, opcode, args: Args::new(args), dst });
    }

    fn op(&mut self, form: Form, opcode: Opcode, args: &[Value]) -> Value {
        let dst = self.new_value(VECTOR, None, 0);
        self.push(form, opcode, Some(dst), args);
        dst
    }

    fn one(&mut self, opcode: Opcode, x: Value) -> Value {
        self.op(Form::One, opcode, &[x])
    }

    fn two(&mut self, opcode: Opcode, x: Value, y: Value) -> Value {
        self.op(Form::Two, opcode, &[x, y])
    }

    /// An instruction that adds to its first operand, or the like.
    fn tied(&mut self, opcode: Opcode, z: Value, x: Value, y: Value) -> Value {
        self.op(Form::Tied, opcode, &[z, x, y])
    }

    /// `x` where the bits of a vector are set, else `y`.
    fn choose(&mut self, mask: Value, x: Value, y: Value) -> Value {
        self.op(Form::Select, opcode::BSL, &[mask, x, y])
    }

    /// A vector of these bytes.
    fn constant(&mut self, bytes: [u8; VECTOR]) -> Value {
        if let Some(&(_, value)) = self.known.iter().find(|known| known.0 == bytes) {
            return value;
        }
        let place = Place::Constant(self.constants.len() as u16);
        self.constants.extend_from_slice(&bytes);
        let value = self.new_value(VECTOR, Some(Home { place, element: 0 }), 0);
        self.known.push((bytes, value));
        value
    }

    /// An element of so many bytes in every lane of a vector.
    fn splat(&mut self, element: usize, bits: u64) -> Value {
        let bits = bits.to_le_bytes();
        self.constant(std::array::from_fn(|n| bits[n % element]))
    }

    /// The machine value of a vector value that is no mask.
    fn value(&self, id: VectorId) -> Value {
        self.get(id).value
    }

    fn get(&self, id: VectorId) -> Lowered {
        match self.lowered[id.index()] {
            Some(lowered) => lowered,
            None => unreachable!("{id} is used before it is computed"),
        }
    }

    fn inst(&mut self, inst: &VectorInst) -> Result<Lowered, Unsupported> {
        let ty = inst.ty;
        let from = inst.args.last().map_or(ty, |&arg| self.program.ty(arg));
        if ty == Type::Mask {
            return self.mask(inst, from);
        }
        let bytes = self.bytes(ty);
        let args: SmallVec<[Value; 4]> = inst.args.iter().map(|&arg| self.value(arg)).collect();
        let value = match (inst.op, args.as_slice()) {
            (VectorOp::Load(stream), _) => {
                let (place, element) = match self.program.streams[stream.index()].step {
                    Step::Unit => (Place::Unit(stream), 0),
                    Step::Row => (Place::Row(stream), ty.size() as u8),
                    Step::Pair => return Err(unsupported("load", ty)),
                };
                self.new_value(bytes, Some(Home { place, element }), ty.size())
            }
            (VectorOp::LoadPart(stream, part), _) => self.part(stream, part, ty)?,
            (VectorOp::Splat(entry), _) => {
                let home = Home { place: Place::Pool(entry), element: ty.size() as u8 };
                self.new_value(VECTOR, Some(home), 0)
            }
            (VectorOp::Position, _) => {
                let first = self.constant(std::array::from_fn(|n| u8::from(n == 8)));
                self.op(Form::Position, opcode::ADD_D, &[first])
            }
            (VectorOp::Select, &[_, x, y]) => self.select(self.get(inst.args[0]), ty.size(), x, y),
            (VectorOp::Rare(n), &[_, value, x, y]) => {
                let mask = self.mask_of_width(self.get(inst.args[0]), ty.size());
                self.op(Form::Rare(n), opcode::ORR, &[mask, value, x, y])
            }
            (VectorOp::And, &[x, y]) => self.two(opcode::AND, x, y),
            (VectorOp::Or, &[x, y]) => self.two(opcode::ORR, x, y),
            (VectorOp::Xor, &[x, y]) => self.two(opcode::EOR, x, y),
            (VectorOp::AndNot, &[x, y]) => self.two(opcode::BIC, y, x),
            (VectorOp::Lookup(n), &[index]) => self.lookup(n, ty, index),
            (VectorOp::Convert(Conversion::MaskToInt), _) => self.mask_to_int(self.get(inst.args[0])),
            (VectorOp::Convert(conversion), &[x]) => self.convert(conversion, from, ty, x)?,
            (op, args) if ty.is_float() => self.float(op, ty, args)?,
            (VectorOp::Shift(kind, count), &[x]) => self.shift(kind, ty.size(), x, count),
            (op, &[x, y]) => self.integer(op, ty, x, y)?,
            _ => return Err(unsupported("arithmetic", ty)),
        };
        Ok(Lowered { value, element: 0, inverted: false })
    }

    fn float(&mut self, op: VectorOp, ty: Type, args: &[Value]) -> Result<Value, Unsupported> {
        let pick = |single: Opcode, double: Opcode| if ty == Type::F32 { single } else { double };
        let greater = pick(opcode::FCMGT_S, opcode::FCMGT_D);
        Ok(match (op, args) {
            (VectorOp::Add, &[x, y]) => self.two(pick(opcode::FADD_S, opcode::FADD_D), x, y),
            (VectorOp::Sub, &[x, y]) => self.two(pick(opcode::FSUB_S, opcode::FSUB_D), x, y),
            (VectorOp::Mul, &[x, y]) => self.two(pick(opcode::FMUL_S, opcode::FMUL_D), x, y),
            (VectorOp::Div, &[x, y]) => self.two(pick(opcode::FDIV_S, opcode::FDIV_D), x, y),
            // The instructions named so return NaN when either is, and order the zeros.
            (VectorOp::Min, &[x, y]) => {
                let less = self.two(greater, y, x);
                self.choose(less, x, y)
            }
            (VectorOp::Max, &[x, y]) => {
                let more = self.two(greater, x, y);
                self.choose(more, x, y)
            }
            (VectorOp::Sqrt, &[x]) => self.one(pick(opcode::FSQRT_S, opcode::FSQRT_D), x),
            (VectorOp::Round(rounding), &[x]) => {
                let opcode = match rounding {
                    Rounding::Nearest => pick(opcode::FRINTN_S, opcode::FRINTN_D),
                    Rounding::Down => pick(opcode::FRINTM_S, opcode::FRINTM_D),
                    Rounding::Up => pick(opcode::FRINTP_S, opcode::FRINTP_D),
                    Rounding::Zero => pick(opcode::FRINTZ_S, opcode::FRINTZ_D),
                };
                self.one(opcode, x)
            }
            (VectorOp::Fma(kind), &[x, y, z]) => {
                // z + x * y or z - x * y. To negate the result instead of z would negate zeros that are not to be.
                let (opcode, is_negated) = match kind {
                    Fma::MulAdd => (pick(opcode::FMLA_S, opcode::FMLA_D), false),
                    Fma::MulSub => (pick(opcode::FMLA_S, opcode::FMLA_D), true),
                    Fma::NegMulAdd => (pick(opcode::FMLS_S, opcode::FMLS_D), false),
                    Fma::NegMulSub => (pick(opcode::FMLS_S, opcode::FMLS_D), true),
                };
                let z = if is_negated { self.one(pick(opcode::FNEG_S, opcode::FNEG_D), z) } else { z };
                self.tied(opcode, z, x, y)
            }
            (VectorOp::Scale, &[x, y]) => self.scale(ty, x, y)?,
            (VectorOp::Exponent, &[x]) => self.exponent(ty, x)?,
            (VectorOp::Mantissa, &[x]) => self.mantissa(ty, x)?,
            _ => return Err(unsupported("arithmetic", ty)),
        })
    }

    /// Two products by powers of two, as [`raptors_ir::lanes::Lanes::scale`] defines it.
    fn scale(&mut self, ty: Type, x: Value, n: Value) -> Result<Value, Unsupported> {
        let layout = parts::Layout::of(ty);
        let size = ty.size();
        let magic = self.splat(size, layout.magic);
        let bias = self.splat(size, layout.bias as u64);
        let sum = self.float(VectorOp::Add, ty, &[n, magic])?;
        let n = self.integer(VectorOp::Sub, layout.int, sum, magic)?;
        let half = self.shift(Shift::RightSigned, size, n, 1);
        let rest = self.integer(VectorOp::Sub, layout.int, n, half)?;
        let mut product = x;
        for power in [half, rest] {
            let biased = self.integer(VectorOp::Add, layout.int, power, bias)?;
            let factor = self.shift(Shift::Left, size, biased, layout.fraction as u8);
            product = self.float(VectorOp::Mul, ty, &[product, factor])?;
        }
        Ok(product)
    }
}
