//! Vector programs to machine programs: each op becomes the instructions that a level has for it.
//!
//! A vector has as many lanes as the widest type of the program fits a register of the level, so that every
//! value is in one register, or in the low part of one. AVX-512 has masks of a bit a lane; with AVX2 a mask
//! is a vector, whose elements are as wide as what was compared, and is widened or narrowed where it is used
//! with another type. What an instruction set lacks is built from what it has: [`integers`], [`convert`],
//! [`masks`] and [`parts`] say how.

mod convert;
mod integers;
mod masks;
mod pairs;
mod parts;
mod places;
mod reduce;

use smallvec::SmallVec;

use super::machine::{Block, Form, Inst, MachineProgram, Target};
use super::opcode::{self, Opcode};
use crate::codegen::machine::{Accumulator, Args, Class, Home, Info, Place, Unsupported, Value};
use crate::codegen::vector::{
    Conversion, Fma, Rounding, Step, Type, VectorId, VectorInst, VectorOp, VectorProgram,
};

/// More values, or bytes of constants, would not have numbers of 16 bits.
const MOST_VALUES: usize = 60_000;

/// What a vector value became.
#[derive(Clone, Copy, Debug)]
struct Lowered {
    value: Value,
    /// Bytes of a mask's element where masks are vectors.
    element: u8,
    /// Whether a mask holds where its bits are clear.
    inverted: bool,
}

struct Lowerer<'a> {
    program: &'a VectorProgram,
    target: Target,
    lanes: usize,
    values: Vec<Info>,
    insts: Vec<Inst>,
    accumulators: Vec<Accumulator>,
    constants: Vec<u8>,
    /// Elements that fill a vector, by bytes, bits, and bytes of the vector.
    splats: SmallVec<[(usize, u64, usize, Value); 8]>,
    lowered: Vec<Option<Lowered>>,
    /// What was computed for a table, an index or a float that others may need.
    parts: parts::Known,
    pairs: pairs::Known,
    kind: Kind,
}

/// Which lanes a body is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Any, and there are no others worth a body of their own.
    Any,
    /// Any; others would have a shorter body.
    AnyOfTwo,
    /// Those that its guards let pass.
    Usual,
}

/// The machine program of a vector program.
pub(super) fn lower(program: &VectorProgram, target: Target) -> Result<MachineProgram, Unsupported> {
    let widest = program.insts.iter().map(|inst| inst.ty.size()).max().map_or(1, |size| size.max(1));
    let mut lowerer = Lowerer {
        program,
        target,
        lanes: target.vector_bytes() / widest,
        values: Vec::with_capacity(2 * program.insts.len()),
        insts: Vec::with_capacity(2 * program.insts.len()),
        accumulators: Vec::new(),
        constants: Vec::new(),
        splats: SmallVec::new(),
        lowered: vec![None; program.insts.len()],
        parts: parts::Known::default(),
        pairs: pairs::Known::new(program),
        kind: Kind::Any,
    };
    let body = lowerer.body()?;
    let usual = match lowerer.kind {
        Kind::AnyOfTwo if lowerer.values.len() <= MOST_VALUES / 2 => Some(lowerer.usual_body()?),
        Kind::Any | Kind::AnyOfTwo | Kind::Usual => None,
    };
    let row_start = lowerer.row_start();
    let row_end = lowerer.row_end()?;
    Ok(MachineProgram {
        target,
        lanes: lowerer.lanes,
        values: lowerer.values,
        accumulators: lowerer.accumulators,
        body,
        usual,
        row_end,
        row_start,
        constants: lowerer.constants,
    })
}

impl Lowerer<'_> {
    fn body(&mut self) -> Result<Block, Unsupported> {
        let program = self.program;
        let is_needed = program.needed();
        for (n, inst) in program.insts.iter().enumerate() {
            if is_needed[n] && self.lowered[n].is_none() {
                self.lowered[n] = Some(self.inst(inst)?);
                if self.values.len().max(self.constants.len()) > MOST_VALUES {
                    let target = self.target.name();
                    return Err(Unsupported { op: "a program so long", ty: inst.ty, target });
                }
            }
        }
        self.accumulate()?;
        self.stores()?;
        Ok(self.block())
    }

    /// The body once more, for usual lanes. What is in memory has its values already.
    fn usual_body(&mut self) -> Result<Block, Unsupported> {
        self.kind = Kind::Usual;
        let values = &self.values;
        let is_in_memory = |lowered: &Lowered| values[lowered.value.index()].home.is_some();
        self.lowered.iter_mut().for_each(|lowered| *lowered = lowered.filter(is_in_memory));
        self.parts.forget_computed();
        self.pairs = pairs::Known::new(self.program);
        self.accumulators.clear();
        self.body()
    }

    /// Everything that is read is read before anything is written.
    fn stores(&mut self) -> Result<(), Unsupported> {
        let program = self.program;
        let mut stored: SmallVec<[(Value, Place, Type); 4]> = SmallVec::new();
        let is_one = program.stores.len() + program.pairs.len() == 1;
        for &(value, stream) in &program.stores {
            let ty = program.ty(value);
            if ty == Type::Mask || program.streams[stream.index()].step != Step::Unit {
                return Err(Unsupported { op: "store", ty, target: self.target.name() });
            }
            let value = self.value(value);
            let is_in_memory = self.values[value.index()].home.is_some() && !is_one;
            let bytes = self.bytes(ty);
            let value = if is_in_memory { self.one(opcode::VMOVUPS_LOAD, bytes, value) } else { value };
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
            let form = Form::Store(place, ty.size() as u8);
            self.push(form, opcode::VMOVUPS_STORE, self.bytes(ty), None, &[value]);
        }
        Ok(())
    }

    /// Bytes of a vector of a type.
    fn bytes(&self, ty: Type) -> usize {
        self.lanes * ty.size()
    }

    fn is_evex(&self) -> bool {
        self.target.is_evex()
    }

    /// What has been pushed, as a block.
    fn block(&mut self) -> Block {
        Block { insts: std::mem::take(&mut self.insts) }
    }

    fn new_value(&mut self, class: Class, bytes: usize, home: Option<Home>, lane: usize) -> Value {
        self.values.push(Info { class, bytes: bytes as u8, home, lane: lane as u8 });
        Value(self.values.len() as u16 - 1)
    }

    /// An instruction that works on `bytes`; if they are fewer than 16, a store alone takes note.
    fn push(&mut self, form: Form, opcode: Opcode, bytes: usize, dst: Option<Value>, args: &[Value]) {
        let bytes = if matches!(form, Form::Store(..)) { bytes as u8 } else { bytes.max(16) as u8 };
        self.insts.push(Inst { form, opcode, bytes, imm: None, args: Args::new(args), dst });
    }

    /// An instruction with a vector as result, of as many bytes as it works on.
    fn op(&mut self, form: Form, opcode: Opcode, bytes: usize, args: &[Value]) -> Value {
        let dst = self.new_value(Class::Vector, bytes, None, 0);
        self.push(form, opcode, bytes, Some(dst), args);
        dst
    }

    fn one(&mut self, opcode: Opcode, bytes: usize, x: Value) -> Value {
        self.op(Form::One, opcode, bytes, &[x])
    }

    fn two(&mut self, opcode: Opcode, bytes: usize, x: Value, y: Value) -> Value {
        self.op(Form::Two, opcode, bytes, &[x, y])
    }

    /// A two-operand instruction whose operands may change places.
    fn commuting(&mut self, opcode: Opcode, bytes: usize, x: Value, y: Value) -> Value {
        self.op(Form::TwoCommuting, opcode, bytes, &[x, y])
    }

    /// The immediate of the last instruction.
    fn set_immediate(&mut self, imm: u8) {
        if let Some(inst) = self.insts.last_mut() {
            inst.imm = Some(imm);
        }
    }

    /// An element of so many bytes in every lane of a vector.
    fn splat(&mut self, element: usize, bits: u64, bytes: usize) -> Value {
        let known = self.splats.iter().find(|known| (known.0, known.1, known.2) == (element, bits, bytes));
        if let Some(&(.., value)) = known {
            return value;
        }
        let place = Place::Constant(self.constants.len() as u16);
        self.constants.extend_from_slice(&bits.to_le_bytes());
        let home = Home { place, element: element as u8 };
        let value = self.new_value(Class::Vector, bytes, Some(home), 0);
        self.splats.push((element, bits, bytes, value));
        value
    }

    /// A vector of these bytes.
    fn table(&mut self, table: &[u8]) -> Value {
        let offset = self.constants.len().next_multiple_of(table.len());
        self.constants.resize(offset, 0);
        self.constants.extend_from_slice(table);
        let home = Home { place: Place::Constant(offset as u16), element: 0 };
        self.new_value(Class::Vector, table.len(), Some(home), 0)
    }

    fn zeros(&mut self, bytes: usize) -> Value {
        let op = self.bitwise(VectorOp::Xor, 4);
        self.op(Form::Zeros, op, bytes, &[])
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
        let mut args = [Value(0); 4];
        args.iter_mut().zip(&inst.args).for_each(|(to, &arg)| *to = self.value(arg));
        let value = match (inst.op, &args[..inst.args.len()]) {
            (VectorOp::Load(stream), _) => {
                let (place, element) = match self.program.streams[stream.index()].step {
                    Step::Unit => (Place::Unit(stream), 0),
                    Step::Row => (Place::Row(stream), ty.size() as u8),
                    Step::Pair => return Err(self.unsupported(inst.op, ty)),
                };
                self.new_value(Class::Vector, bytes, Some(Home { place, element }), ty.size())
            }
            (VectorOp::LoadPart(stream, part), _) => self.part(stream, part, ty)?,
            (VectorOp::Splat(entry), _) => {
                let home = Home { place: Place::Pool(entry), element: ty.size() as u8 };
                self.new_value(Class::Vector, bytes, Some(home), 0)
            }
            (VectorOp::Position, _) => self.position(),
            (VectorOp::Select, &[_, x, y]) => self.select(self.get(inst.args[0]), ty.size(), bytes, x, y),
            (VectorOp::Rare(n), &[_, value, x, y]) => {
                let mask = self.mask_of_width(self.get(inst.args[0]), ty.size());
                self.op(Form::Rare(n), opcode::VMOVAPS, bytes, &[mask, value, x, y])
            }
            (VectorOp::And | VectorOp::Or | VectorOp::Xor, &[x, y]) => {
                self.commuting(self.bitwise(inst.op, ty.size()), bytes, x, y)
            }
            (VectorOp::AndNot, &[x, y]) => self.two(self.bitwise(inst.op, ty.size()), bytes, x, y),
            (VectorOp::Lookup(n), &[index]) => self.lookup(n, ty, index)?,
            (VectorOp::Convert(Conversion::MaskToInt), _) => self.mask_to_int(self.get(inst.args[0])),
            (VectorOp::Convert(conversion), &[x]) => self.convert(conversion, from, ty, x)?,
            (op, args) if ty.is_float() => self.float(op, ty, bytes, args)?,
            (op, &[x]) => self.shift_constant(op, ty, x)?,
            (op, &[x, y]) => self.integer(op, ty, x, y)?,
            (op, _) => return Err(self.unsupported(op, ty)),
        };
        Ok(Lowered { value, element: 0, inverted: false })
    }

    fn unsupported(&self, op: VectorOp, ty: Type) -> Unsupported {
        let op = match op {
            VectorOp::Load(_) | VectorOp::LoadPart(..) => "load",
            VectorOp::Splat(_) => "splat",
            VectorOp::Convert(_) => "convert",
            VectorOp::Compare(_) => "compare",
            VectorOp::Shift(..) | VectorOp::ShiftBy(_) => "shift",
            VectorOp::Rare(_) => "rare",
            _ => "arithmetic",
        };
        Unsupported { op, ty, target: self.target.name() }
    }

    fn float(&mut self, op: VectorOp, ty: Type, bytes: usize, args: &[Value]) -> Result<Value, Unsupported> {
        let pick = |single: Opcode, double: Opcode| if ty == Type::F32 { single } else { double };
        Ok(match (op, args) {
            (VectorOp::Add, &[x, y]) => self.commuting(pick(opcode::VADDPS, opcode::VADDPD), bytes, x, y),
            (VectorOp::Sub, &[x, y]) => self.two(pick(opcode::VSUBPS, opcode::VSUBPD), bytes, x, y),
            (VectorOp::Mul, &[x, y]) => self.commuting(pick(opcode::VMULPS, opcode::VMULPD), bytes, x, y),
            (VectorOp::Div, &[x, y]) => self.two(pick(opcode::VDIVPS, opcode::VDIVPD), bytes, x, y),
            (VectorOp::Min, &[x, y]) => self.two(pick(opcode::VMINPS, opcode::VMINPD), bytes, x, y),
            (VectorOp::Max, &[x, y]) => self.two(pick(opcode::VMAXPS, opcode::VMAXPD), bytes, x, y),
            (VectorOp::Sqrt, &[x]) => self.one(pick(opcode::VSQRTPS, opcode::VSQRTPD), bytes, x),
            (VectorOp::Round(rounding), &[x]) => {
                let value = self.one(pick(opcode::VROUNDPS, opcode::VROUNDPD), bytes, x);
                // Bit 3 keeps the inexact flag from being raised.
                let mode = match rounding {
                    Rounding::Nearest => 0,
                    Rounding::Down => 1,
                    Rounding::Up => 2,
                    Rounding::Zero => 3,
                };
                self.set_immediate(8 | mode);
                value
            }
            (VectorOp::Fma(kind), &[x, y, z]) => {
                let opcode = match kind {
                    Fma::MulAdd => pick(opcode::VFMADDPS, opcode::VFMADDPD),
                    Fma::MulSub => pick(opcode::VFMSUBPS, opcode::VFMSUBPD),
                    Fma::NegMulAdd => pick(opcode::VFNMADDPS, opcode::VFNMADDPD),
                    Fma::NegMulSub => pick(opcode::VFNMSUBPS, opcode::VFNMSUBPD),
                };
                self.op(Form::Fma, opcode, bytes, &[x, y, z])
            }
            (VectorOp::Scale, &[x, y]) if self.is_evex() => {
                self.two(pick(opcode::VSCALEFPS, opcode::VSCALEFPD), bytes, x, y)
            }
            (VectorOp::Scale, &[x, y]) => self.scale(ty, x, y)?,
            (VectorOp::Exponent, &[x]) => self.exponent(ty, x)?,
            (VectorOp::Mantissa, &[x]) => self.mantissa(ty, x)?,
            (op, _) => return Err(self.unsupported(op, ty)),
        })
    }

    /// Two products by powers of two, as [`raptors_ir::lanes::Lanes::scale`] defines it.
    fn scale(&mut self, ty: Type, x: Value, n: Value) -> Result<Value, Unsupported> {
        use raptors_ir::lanes::Real;
        let (int, fraction, bias, magic) = match ty {
            Type::F32 => (Type::I32, f32::FRACTION_BITS, f32::BIAS, u64::from(f32::MAGIC.to_bits())),
            _ => (Type::I64, f64::FRACTION_BITS, f64::BIAS, f64::MAGIC.to_bits()),
        };
        let bytes = self.bytes(ty);
        let magic = self.splat(ty.size(), magic, bytes);
        let bias = self.splat(ty.size(), bias as u64, bytes);
        let sum = self.float(VectorOp::Add, ty, bytes, &[n, magic])?;
        let n = self.integer(VectorOp::Sub, int, sum, magic)?;
        let right = VectorOp::Shift(crate::codegen::vector::Shift::RightSigned, 1);
        let half = self.shift_constant(right, int, n)?;
        let rest = self.integer(VectorOp::Sub, int, n, half)?;
        let mut product = x;
        for power in [half, rest] {
            let biased = self.integer(VectorOp::Add, int, power, bias)?;
            let left = VectorOp::Shift(crate::codegen::vector::Shift::Left, fraction as u8);
            let factor = self.shift_constant(left, int, biased)?;
            product = self.float(VectorOp::Mul, ty, bytes, &[product, factor])?;
        }
        Ok(product)
    }

    fn position(&mut self) -> Value {
        let first: Vec<u8> = (0..self.lanes as u64).flat_map(u64::to_le_bytes).collect();
        let first = self.table(&first);
        self.op(Form::Position, opcode::VPADDQ, self.bytes(Type::I64), &[first])
    }
}
