//! The exponent and the mantissa of floats, and tables of floats.
//!
//! Floats are taken apart as integers, subnormal numbers made normal first. A table is in four registers, and looked up by
//! the numbers of its bytes.

use raptors_ir::lanes::Real;

use super::{Lowered, Lowerer};
use crate::codegen::machine::{Unsupported, Value};
use crate::codegen::neon::machine::Form;
use crate::codegen::neon::opcode;
use crate::codegen::vector::{Predicate, Shift, Type, VectorOp};

/// Values that several ops need: few are alive at a time, so the last ones are kept.
#[derive(Default)]
pub(super) struct Known {
    /// A float, its size, whether that is below all normal numbers, and its size as a normal number.
    normal: Option<(Value, Value, Lowered, Value)>,
    /// An index of a type, and the numbers of the bytes of its entry.
    index: Option<(Value, Type, Value)>,
}

/// What the layout of a float type says.
pub(super) struct Layout {
    pub(super) int: Type,
    pub(super) fraction: u32,
    pub(super) bias: i32,
    pub(super) magic: u64,
    smallest_normal: u64,
    infinity: u64,
}

impl Layout {
    pub(super) fn of(ty: Type) -> Layout {
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
    /// The size of `x`, whether it is below all normal numbers, and the size times 2^FRACTION_BITS if it is.
    fn normal(&mut self, ty: Type, x: Value) -> Result<(Value, Lowered, Value), Unsupported> {
        if let Some((known, positive, tiny, normal)) = self.parts.normal
            && known == x
        {
            return Ok((positive, tiny, normal));
        }
        let layout = Layout::of(ty);
        let size = ty.size();
        let sign = self.splat(size, 1 << (8 * size - 1));
        let positive = self.two(opcode::BIC, x, sign);
        let smallest = self.splat(size, layout.smallest_normal);
        let tiny = self.compare(Predicate::Lt, ty, positive, smallest)?;
        let units = self.splat(size, layout.power(layout.fraction.cast_signed()));
        let lifted = self.float(VectorOp::Mul, ty, &[positive, units])?;
        let normal = self.select(tiny, size, lifted, positive);
        self.parts.normal = Some((x, positive, tiny, normal));
        Ok((positive, tiny, normal))
    }

    /// As [`raptors_ir::lanes::Lanes::exponent`] defines it.
    pub(super) fn exponent(&mut self, ty: Type, x: Value) -> Result<Value, Unsupported> {
        let layout = Layout::of(ty);
        let (size, fraction) = (ty.size(), layout.fraction.cast_signed());
        let (positive, tiny, normal) = self.normal(ty, x)?;
        let biased = self.shift(Shift::Right, size, normal, layout.fraction as u8);
        let convert = if ty == Type::F32 { opcode::SCVTF_S } else { opcode::SCVTF_D };
        let biased = self.one(convert, biased);
        let lifted = self.splat(size, Layout::number(ty, layout.bias + fraction));
        let bias = self.splat(size, Layout::number(ty, layout.bias));
        let bias = self.select(tiny, size, lifted, bias);
        let exponent = self.float(VectorOp::Sub, ty, &[biased, bias])?;
        let infinity = self.splat(size, layout.infinity);
        let finite = self.compare(Predicate::Lt, ty, positive, infinity)?;
        let exponent = self.select(finite, size, exponent, positive);
        let zero = self.splat(size, 0);
        let is_zero = self.compare(Predicate::Eq, ty, x, zero)?;
        let below = self.splat(size, 1 << (8 * size - 1) | layout.infinity);
        Ok(self.select(is_zero, size, below, exponent))
    }

    /// As [`raptors_ir::lanes::Lanes::mantissa`] defines it.
    pub(super) fn mantissa(&mut self, ty: Type, x: Value) -> Result<Value, Unsupported> {
        let layout = Layout::of(ty);
        let size = ty.size();
        let (_, _, normal) = self.normal(ty, x)?;
        let begin = self.splat(size, layout.power(-1) | 1 << (layout.fraction - 1));
        let fraction = self.splat(size, (1 << layout.fraction) - 1);
        let offset = self.integer(VectorOp::Sub, layout.int, normal, begin)?;
        let offset = self.two(opcode::AND, offset, fraction);
        let mantissa = self.integer(VectorOp::Add, layout.int, offset, begin)?;
        let zero = self.splat(size, 0);
        let is_size = self.compare(Predicate::Le, ty, zero, x)?;
        let nan = self.splat(size, layout.infinity | 1 << (layout.fraction - 1));
        Ok(self.select(is_size, size, mantissa, nan))
    }

    /// The entries of a table that the low bits of an index name.
    pub(super) fn lookup(&mut self, n: u16, ty: Type, index: Value) -> Value {
        let numbers = self.byte_numbers(ty, index);
        self.op(Form::Lookup(n), opcode::TBL4, &[numbers])
    }

    /// The numbers of the bytes of entries, from first to last.
    fn byte_numbers(&mut self, ty: Type, index: Value) -> Value {
        if let Some((known, of, numbers)) = self.parts.index
            && (known, of) == (index, ty)
        {
            return numbers;
        }
        let size = ty.size() as u64;
        // The lowest byte of the index in each byte, times the bytes of an entry, and each byte's own number.
        let lowest = self.moved(index, |n| (n / ty.size() * ty.size()) as u8);
        let entries = self.splat(1, 64 / size - 1);
        let entry = self.two(opcode::AND, lowest, entries);
        let first = self.shift(Shift::Left, 1, entry, size.trailing_zeros() as u8);
        let own = self.splat(ty.size(), 0x0706_0504_0302_0100);
        let numbers = self.two(opcode::ORR, first, own);
        self.parts.index = Some((index, ty, numbers));
        numbers
    }
}
