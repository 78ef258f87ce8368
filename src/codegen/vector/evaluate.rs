//! The meaning of vector ops, one lane at a time: the oracle of the code generator.
//!
//! A lane's value is its bits in the low part of a word; a mask is 0 or 1.

use raptors_ir::F16;
use raptors_ir::lanes::{Lanes, Scalar};

use super::{Conversion, Fma, Predicate, RareFunction, Rounding, Shift, Type, VectorOp, VectorProgram};

/// A float type as [`float_op`] computes in it.
trait Float: Copy + PartialOrd {
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
}

impl Float for f32 {
    fn of(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Float for f64 {
    fn of(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// The bits that a type has.
fn masked(ty: Type, bits: u64) -> u64 {
    match ty {
        Type::I8 => bits & 0xff,
        Type::I16 => bits & 0xffff,
        Type::I32 | Type::F32 => bits & 0xffff_ffff,
        Type::I64 | Type::F64 => bits,
        Type::Mask => bits & 1,
    }
}

fn signed(ty: Type, bits: u64) -> i64 {
    let unused = 64 - 8 * ty.size() as u32;
    (bits << unused).cast_signed() >> unused
}

/// The value of an op of a program other than `Load`, `LoadPart`, `Splat` and `Position`, for operands of type `from`,
/// that of the last of them.
///
/// # Panics
///
/// If the op is not defined for these types.
pub(crate) fn evaluate(op: VectorOp, from: Type, to: Type, args: &[u64], program: &VectorProgram) -> u64 {
    let bits = match (op, args) {
        (VectorOp::Select, &[mask, x, y]) => {
            if mask == 0 {
                y
            } else {
                x
            }
        }
        (VectorOp::And, &[x, y]) => x & y,
        (VectorOp::Or, &[x, y]) => x | y,
        (VectorOp::Xor, &[x, y]) => x ^ y,
        (VectorOp::AndNot, &[x, y]) => !x & y,
        (VectorOp::Rare(n), &[mask, value, x, y]) => match program.rares[usize::from(n)] {
            _ if mask == 0 => value,
            RareFunction::F32(rare) => (rare.function)(f32::of(x), f32::of(y)).bits(),
            RareFunction::F64(rare) => (rare.function)(f64::of(x), f64::of(y)).bits(),
        },
        (VectorOp::Lookup(n), &[index]) => {
            let entries = program.tables[usize::from(n)].chunks_exact(to.size());
            let number = index as usize % entries.len();
            let entry = entries.into_iter().nth(number).into_iter().flatten().rev();
            entry.fold(0, |bits, &byte| bits << 8 | u64::from(byte))
        }
        (VectorOp::Convert(conversion), &[x]) => convert(conversion, from, to, x),
        (VectorOp::Compare(predicate), &[x, y]) => u64::from(compare(predicate, from, x, y)),
        (_, args) => match from {
            Type::F32 => float_op(Scalar::<f32>::new(), op, args),
            Type::F64 => float_op(Scalar::<f64>::new(), op, args),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => integer_op(op, from, args),
            Type::Mask => unreachable!("{op:?} of masks"),
        },
    };
    masked(to, bits)
}

fn float_op<T: Float, L: Lanes<Elem = T, Float = T, Mask = bool>>(l: L, op: VectorOp, args: &[u64]) -> u64 {
    let x = args.first().map_or(0, |&bits| bits);
    let y = args.get(1).map_or(0, |&bits| bits);
    let z = args.get(2).map_or(0, |&bits| bits);
    let (x, y, z) = (T::of(x), T::of(y), T::of(z));
    let value = match op {
        VectorOp::Add => l.add(x, y),
        VectorOp::Sub => l.sub(x, y),
        VectorOp::Mul => l.mul(x, y),
        VectorOp::Div => l.div(x, y),
        VectorOp::Sqrt => l.sqrt(x),
        VectorOp::Fma(Fma::MulAdd) => l.fma(x, y, z),
        VectorOp::Fma(Fma::MulSub) => l.fms(x, y, z),
        VectorOp::Fma(Fma::NegMulAdd) => l.fnma(x, y, z),
        VectorOp::Fma(Fma::NegMulSub) => l.fnma(x, y, l.neg(z)),
        VectorOp::Min => l.min(x, y),
        VectorOp::Max => l.max(x, y),
        VectorOp::Round(Rounding::Nearest) => l.round(x),
        VectorOp::Round(Rounding::Down) => l.floor(x),
        VectorOp::Round(Rounding::Up) => l.neg(l.floor(l.neg(x))),
        VectorOp::Round(Rounding::Zero) => l.copysign(l.floor(l.abs(x)), x),
        VectorOp::Scale => l.scale(x, y),
        VectorOp::Exponent => l.exponent(x),
        VectorOp::Mantissa => l.mantissa(x),
        op => unreachable!("{op:?} of floats"),
    };
    value.bits()
}

fn integer_op(op: VectorOp, ty: Type, args: &[u64]) -> u64 {
    let (x, y) = (args[0], args.get(1).map_or(0, |&bits| bits));
    let width = 8 * ty.size() as u64;
    let (sx, sy) = (signed(ty, x), signed(ty, y));
    let shifted = |kind: Shift, count: u64| match kind {
        Shift::Left => {
            if count < width {
                x << count
            } else {
                0
            }
        }
        Shift::Right => {
            if count < width {
                x >> count
            } else {
                0
            }
        }
        Shift::RightSigned => (sx >> count.min(width - 1)).cast_unsigned(),
    };
    match op {
        VectorOp::Add => x.wrapping_add(y),
        VectorOp::Sub => x.wrapping_sub(y),
        VectorOp::Mul => x.wrapping_mul(y),
        VectorOp::MinSigned => sx.min(sy).cast_unsigned(),
        VectorOp::MaxSigned => sx.max(sy).cast_unsigned(),
        VectorOp::MinUnsigned => x.min(y),
        VectorOp::MaxUnsigned => x.max(y),
        VectorOp::Shift(kind, count) => shifted(kind, u64::from(count)),
        VectorOp::ShiftBy(kind) => shifted(kind, y),
        op => unreachable!("{op:?} of integers"),
    }
}

fn compare(predicate: Predicate, ty: Type, x: u64, y: u64) -> bool {
    fn floats<T: PartialOrd>(predicate: Predicate, x: T, y: T) -> bool {
        match predicate {
            Predicate::Eq => x == y,
            Predicate::Ne => x != y,
            Predicate::Lt => x < y,
            Predicate::Le => x <= y,
            Predicate::Unordered => x.partial_cmp(&y).is_none(),
            Predicate::LtUnsigned | Predicate::LeUnsigned => unreachable!("{predicate:?} of floats"),
        }
    }
    match (ty, predicate) {
        (Type::F32, _) => floats(predicate, f32::of(x), f32::of(y)),
        (Type::F64, _) => floats(predicate, f64::of(x), f64::of(y)),
        (_, Predicate::Eq) => x == y,
        (_, Predicate::Ne) => x != y,
        (_, Predicate::Lt) => signed(ty, x) < signed(ty, y),
        (_, Predicate::Le) => signed(ty, x) <= signed(ty, y),
        (_, Predicate::LtUnsigned) => x < y,
        (_, Predicate::LeUnsigned) => x <= y,
        (_, Predicate::Unordered) => unreachable!("integers are ordered"),
    }
}

fn convert(conversion: Conversion, from: Type, to: Type, x: u64) -> u64 {
    let truncated = |value: f64| {
        // cvttps2dq and its kin: the smallest integer where the value has none.
        let limit = if to == Type::I32 { 2f64.powi(31) } else { 2f64.powi(63) };
        let smallest = if to == Type::I32 { i64::from(i32::MIN) } else { i64::MIN };
        if value > -limit - 1.0 && value < limit || value == -limit { value as i64 } else { smallest }
    };
    match (conversion, from, to) {
        (Conversion::SignExtend, _, _) => signed(from, x).cast_unsigned(),
        (
            Conversion::ZeroExtend | Conversion::Truncate | Conversion::Bitcast | Conversion::MaskToInt,
            _,
            _,
        ) => x,
        (Conversion::SignedToFloat, _, Type::F32) => (signed(from, x) as f32).bits(),
        (Conversion::SignedToFloat, _, _) => (signed(from, x) as f64).bits(),
        (Conversion::FloatToSigned, Type::F32, _) => truncated(f64::from(f32::of(x))).cast_unsigned(),
        (Conversion::FloatToSigned, _, _) => truncated(f64::of(x)).cast_unsigned(),
        (Conversion::HalfToFloat, _, _) => F16::from_bits(x as u16).to_f32().bits(),
        (Conversion::FloatToHalf, _, _) => F16::from_f32(f32::of(x)).to_bits().into(),
        (Conversion::FloatToFloat, Type::F32, Type::F64) => f64::from(f32::of(x)).bits(),
        (Conversion::FloatToFloat, Type::F64, Type::F32) => (f64::of(x) as f32).bits(),
        (Conversion::FloatToFloat, _, _) => x,
    }
}
