//! The exponent and the mantissa of floats, and tables of floats.
//!
//! AVX-512 has an instruction for each of them. AVX2 takes floats apart as integers: those that are positive and normal, once
//! a guard has found no others; in the body for any lanes, subnormal numbers are made normal first. It looks up each half of
//! a table, of which one is enough if both are the same: it permutes elements of four bytes alone, by eight numbers.

use raptors_ir::lanes::Real;
use smallvec::SmallVec;

use super::{Kind, Lowered, Lowerer};
use crate::codegen::machine::Unsupported;
use crate::codegen::machine::Value;
use crate::codegen::vector::{Predicate, Shift, Type, VectorOp};
use crate::codegen::x86::machine::Form;
use crate::codegen::x86::opcode;

/// Values that several ops need: few are alive at a time, so the last ones are kept.
#[derive(Default)]
pub(super) struct Known {
    /// Parts of tables, by the table and the part.
    tables: SmallVec<[(u16, usize, Value); 8]>,
    /// A float, whether its size is below all normal numbers, and its size as a normal number.
    normal: Option<(Value, Value, Lowered, Value)>,
    /// An index, and the numbers of its four-byte elements.
    numbers: Option<(Value, Value)>,
    /// An index, and whether it is in the second half of a table.
    is_high: Option<(Value, Lowered)>,
    /// A float that is positive and normal where a guard lets it pass.
    guarded: Option<Value>,
}

impl Known {
    /// Of what there is, leaves what memory has.
    pub(super) fn forget_computed(&mut self) {
        *self = Known { tables: std::mem::take(&mut self.tables), ..Known::default() };
    }
}

/// What the layout of a float type says.
struct Layout {
    int: Type,
    fraction: u32,
    bias: i32,
    magic: u64,
    smallest_normal: u64,
    infinity: u64,
}

impl Layout {
    fn of(ty: Type) -> Layout {
        match ty {
            Type::F32 => Layout {
                int: Type::I32,
                fraction: f32::FRACTION_BITS,
                bias: f32::BIAS,
                magic: u64::from(f32::MAGIC.to_bits()),
                smallest_normal: u64::from(f32::MIN_POSITIVE.to_bits()),
                infinity: u64::from(f32::INFINITY.to_bits()),
            },
            _ => Layout {
                int: Type::I64,
                fraction: f64::FRACTION_BITS,
                bias: f64::BIAS,
                magic: f64::MAGIC.to_bits(),
                smallest_normal: f64::MIN_POSITIVE.to_bits(),
                infinity: f64::INFINITY.to_bits(),
            },
        }
    }

    /// A power of two.
    fn power(&self, exponent: i32) -> u64 {
        u64::from((self.bias + exponent).cast_unsigned()) << self.fraction
    }

    /// The bits of a small number.
    fn number(ty: Type, x: i32) -> u64 {
        if ty == Type::F32 { u64::from((x as f32).to_bits()) } else { f64::from(x).to_bits() }
    }
}

impl Lowerer<'_> {
    fn all_lanes(&mut self, ty: Type, bits: u64) -> Value {
        self.splat(ty.size(), bits, self.bytes(ty))
    }

    /// The size of `x`, whether it is below all normal numbers, and the size times 2^FRACTION_BITS if it is.
    fn normal(&mut self, ty: Type, x: Value) -> Result<(Value, Lowered, Value), Unsupported> {
        if let Some((known, positive, tiny, normal)) = self.parts.normal
            && known == x
        {
            return Ok((positive, tiny, normal));
        }
        let layout = Layout::of(ty);
        let (size, bytes) = (ty.size(), self.bytes(ty));
        let sign = self.all_lanes(ty, 1 << (8 * size - 1));
        let positive = self.two(self.bitwise(VectorOp::AndNot, size), bytes, sign, x);
        let smallest = self.all_lanes(ty, layout.smallest_normal);
        let tiny = self.compare(Predicate::Lt, ty, positive, smallest)?;
        let units = self.all_lanes(ty, layout.power(layout.fraction.cast_signed()));
        let lifted = self.float(VectorOp::Mul, ty, bytes, &[positive, units])?;
        let normal = self.select(tiny, size, bytes, lifted, positive);
        self.parts.normal = Some((x, positive, tiny, normal));
        Ok((positive, tiny, normal))
    }

    /// Lets lanes pass that are positive and normal.
    fn guard(&mut self, ty: Type, x: Value) {
        if self.parts.guarded == Some(x) {
            return;
        }
        self.parts.guarded = Some(x);
        let Layout { smallest_normal, infinity, .. } = Layout::of(ty);
        // Counted from the smallest one on, their bits are below all others, without a sign; with the first bit changed, as
        // signed integers.
        let first_bit = 1 << (8 * ty.size() - 1);
        let shift = self.all_lanes(ty, first_bit - smallest_normal);
        let last = self.all_lanes(ty, first_bit + (infinity - smallest_normal - 1));
        let opcode = if ty == Type::F32 { opcode::VPADDD } else { opcode::VPADDQ };
        self.op(Form::Guard, opcode, self.bytes(ty), &[x, shift, last]);
    }

    /// As [`raptors_ir::lanes::Lanes::exponent`] defines it.
    pub(super) fn exponent(&mut self, ty: Type, x: Value) -> Result<Value, Unsupported> {
        let bytes = self.bytes(ty);
        if self.is_evex() {
            let opcode = if ty == Type::F32 { opcode::VGETEXPPS } else { opcode::VGETEXPPD };
            return Ok(self.one(opcode, bytes, x));
        }
        let layout = Layout::of(ty);
        let (size, fraction) = (ty.size(), layout.fraction.cast_signed());
        let right = VectorOp::Shift(Shift::Right, layout.fraction as u8);
        if self.kind == Kind::Usual {
            self.guard(ty, x);
            let biased = self.shift_constant(right, layout.int, x)?;
            let magic = self.all_lanes(ty, layout.magic);
            let shifted = self.or(bytes, biased, magic);
            let zero = self.all_lanes(ty, layout.magic + u64::from(layout.bias.cast_unsigned()));
            return self.float(VectorOp::Sub, ty, bytes, &[shifted, zero]);
        }
        self.kind = Kind::AnyOfTwo;
        let (positive, tiny, normal) = self.normal(ty, x)?;
        let biased = self.shift_constant(right, layout.int, normal)?;
        let magic = self.all_lanes(ty, layout.magic);
        let shifted = self.or(bytes, biased, magic);
        let biased = self.float(VectorOp::Sub, ty, bytes, &[shifted, magic])?;
        let lifted = self.all_lanes(ty, Layout::number(ty, layout.bias + fraction));
        let bias = self.all_lanes(ty, Layout::number(ty, layout.bias));
        let bias = self.select(tiny, size, bytes, lifted, bias);
        let exponent = self.float(VectorOp::Sub, ty, bytes, &[biased, bias])?;
        let infinity = self.all_lanes(ty, layout.infinity);
        let finite = self.compare(Predicate::Lt, ty, positive, infinity)?;
        let exponent = self.select(finite, size, bytes, exponent, positive);
        let zero = self.all_lanes(ty, 0);
        let is_zero = self.compare(Predicate::Eq, ty, x, zero)?;
        let below = self.all_lanes(ty, 1 << (8 * size - 1) | layout.infinity);
        Ok(self.select(is_zero, size, bytes, below, exponent))
    }

    /// As [`raptors_ir::lanes::Lanes::mantissa`] defines it.
    pub(super) fn mantissa(&mut self, ty: Type, x: Value) -> Result<Value, Unsupported> {
        let bytes = self.bytes(ty);
        if self.is_evex() {
            let opcode = if ty == Type::F32 { opcode::VGETMANTPS } else { opcode::VGETMANTPD };
            let value = self.one(opcode, bytes, x);
            // From 3/4 to 3/2; zeros without sign, and NaN for negative numbers.
            self.set_immediate(0b11_11);
            return Ok(value);
        }
        let layout = Layout::of(ty);
        let normal = if self.kind == Kind::Usual {
            self.guard(ty, x);
            x
        } else {
            self.kind = Kind::AnyOfTwo;
            self.normal(ty, x)?.2
        };
        let begin = self.all_lanes(ty, layout.power(-1) | 1 << (layout.fraction - 1));
        let fraction = self.all_lanes(ty, (1 << layout.fraction) - 1);
        let offset = self.integer(VectorOp::Sub, layout.int, normal, begin)?;
        let offset = self.and(bytes, offset, fraction);
        let mantissa = self.integer(VectorOp::Add, layout.int, offset, begin)?;
        if self.kind == Kind::Usual {
            return Ok(mantissa);
        }
        let zero = self.all_lanes(ty, 0);
        let is_size = self.compare(Predicate::Le, ty, zero, x)?;
        let nan = self.all_lanes(ty, layout.infinity | 1 << (layout.fraction - 1));
        Ok(self.select(is_size, ty.size(), bytes, mantissa, nan))
    }

    /// Bytes of a table, from a multiple of their number on.
    fn table_part(&mut self, n: u16, part: usize, bytes: usize) -> Value {
        let known = self.parts.tables.iter().find(|known| (known.0, known.1) == (n, part));
        if let Some(&(.., value)) = known {
            return value;
        }
        let table = &self.program.tables[usize::from(n)][part * bytes..(part + 1) * bytes];
        let value = self.table(table);
        self.parts.tables.push((n, part, value));
        value
    }

    /// The entries of a table that the low bits of an index name. Lanes beyond the last hold anything.
    pub(super) fn lookup(&mut self, n: u16, ty: Type, index: Value) -> Result<Value, Unsupported> {
        if self.target.vector_bytes() == 64 {
            let opcode = if ty == Type::F32 { opcode::VPERMPS } else { opcode::VPERMPD };
            let table = self.table_part(n, 0, 64);
            return Ok(self.two(opcode, 64, index, table));
        }
        let numbers = self.numbers(ty, index);
        let (first, second) = self.program.tables[usize::from(n)].split_at(32);
        if first == second {
            let table = self.table_part(n, 0, 32);
            return Ok(self.two(opcode::VPERMPS, 32, numbers, table));
        }
        let is_high = self.is_high(ty, index)?;
        let (low, high) = (self.table_part(n, 0, 32), self.table_part(n, 1, 32));
        let low = self.two(opcode::VPERMPS, 32, numbers, low);
        let high = self.two(opcode::VPERMPS, 32, numbers, high);
        Ok(self.select(is_high, ty.size(), self.bytes(ty), high, low))
    }

    /// Numbers from 0 to 7 of four-byte elements in half a table.
    fn numbers(&mut self, ty: Type, index: Value) -> Value {
        if ty == Type::F32 {
            return index;
        }
        if let Some((known, numbers)) = self.parts.numbers
            && known == index
        {
            return numbers;
        }
        let twice = self.one(opcode::VPSHUFD, 32, index);
        self.set_immediate(0b10_10_00_00);
        let twice = self.shift_imm(Shift::Left, 4, 32, twice, 1);
        let second = self.splat(8, 1 << 32, 32);
        let numbers = self.or(32, twice, second);
        self.parts.numbers = Some((index, numbers));
        numbers
    }

    /// Whether the second half of a table is meant: by the sign of the index when the bit above its numbers is the first.
    fn is_high(&mut self, ty: Type, index: Value) -> Result<Lowered, Unsupported> {
        if let Some((known, is_high)) = self.parts.is_high
            && known == index
        {
            return Ok(is_high);
        }
        let (int, above) = if ty == Type::F32 { (Type::I32, 28) } else { (Type::I64, 61) };
        let sign = self.shift_constant(VectorOp::Shift(Shift::Left, above), int, index)?;
        let is_high = if self.is_evex() {
            let zero = self.zeros(self.bytes(int));
            self.compare(Predicate::Lt, int, sign, zero)?
        } else {
            Lowered { value: sign, element: ty.size() as u8, inverted: false }
        };
        self.parts.is_high = Some((index, is_high));
        Ok(is_high)
    }
}
