//! Lanes that record: a function of mathematics becomes instructions of a vector program.

use std::cell::RefCell;
use std::marker::PhantomData;

use raptors_ir::lanes::{Lanes, Rare, Real};

use super::builder::{Builder, Mask};
use crate::codegen::vector::{Conversion, Fma, Predicate, Rounding, Shift, Table, Type, VectorId, VectorOp};

/// The context of lanes of `T` in a program under construction.
pub(super) struct Recorder<'a, T> {
    builder: &'a RefCell<Builder>,
    element: PhantomData<T>,
}

impl<T> Clone for Recorder<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Recorder<'_, T> {}

impl<'a, T> Recorder<'a, T> {
    /// Lanes that are added to the builder's program.
    pub(super) fn new(builder: &'a RefCell<Builder>) -> Recorder<'a, T> {
        Recorder { builder, element: PhantomData }
    }

    /// The value of an instruction of one type.
    fn same(self, op: VectorOp, args: &[VectorId]) -> VectorId {
        self.builder.borrow_mut().same(op, args)
    }

    fn compare(self, predicate: Predicate, x: VectorId, y: VectorId) -> Mask {
        self.builder.borrow_mut().compare(predicate, x, y)
    }
}

/// A table of the bytes of its entries, of which there are 64.
fn in_memory(entries: &[u8]) -> Table {
    let mut table = [0; 64];
    table.copy_from_slice(entries);
    table
}

macro_rules! recorder {
    ($($t:ident, $int:ident, $float_type:expr, $int_type:expr, |$recorder:ident, $x:ident| $widen:expr, $narrow:expr;)*) => {
        $(impl<'a> Lanes for Recorder<'a, $t> {
            type Elem = $t;
            type Float = VectorId;
            type Int = VectorId;
            type Mask = Mask;
            type Wide = Recorder<'a, f64>;

            fn float(self, x: $t) -> VectorId { self.builder.borrow_mut().float(x) }
            fn int(self, x: $int) -> VectorId {
                self.builder.borrow_mut().constant($int_type, i64::from(x).cast_unsigned())
            }
            fn add(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Add, &[x, y]) }
            fn sub(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Sub, &[x, y]) }
            fn mul(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Mul, &[x, y]) }
            fn div(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Div, &[x, y]) }
            fn sqrt(self, x: VectorId) -> VectorId { self.same(VectorOp::Sqrt, &[x]) }
            fn fma(self, x: VectorId, y: VectorId, z: VectorId) -> VectorId {
                self.same(VectorOp::Fma(Fma::MulAdd), &[x, y, z])
            }
            fn fnma(self, x: VectorId, y: VectorId, z: VectorId) -> VectorId {
                self.same(VectorOp::Fma(Fma::NegMulAdd), &[x, y, z])
            }
            fn fms(self, x: VectorId, y: VectorId, z: VectorId) -> VectorId {
                self.same(VectorOp::Fma(Fma::MulSub), &[x, y, z])
            }
            fn min(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Min, &[x, y]) }
            fn max(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Max, &[x, y]) }
            fn round(self, x: VectorId) -> VectorId { self.same(VectorOp::Round(Rounding::Nearest), &[x]) }
            fn floor(self, x: VectorId) -> VectorId { self.same(VectorOp::Round(Rounding::Down), &[x]) }

            fn lt(self, x: VectorId, y: VectorId) -> Mask { self.compare(Predicate::Lt, x, y) }
            fn le(self, x: VectorId, y: VectorId) -> Mask { self.compare(Predicate::Le, x, y) }
            fn eq(self, x: VectorId, y: VectorId) -> Mask { self.compare(Predicate::Eq, x, y) }
            fn and(self, a: Mask, b: Mask) -> Mask { self.builder.borrow_mut().and(a, b) }
            fn or(self, a: Mask, b: Mask) -> Mask { self.builder.borrow_mut().or(a, b) }
            fn not(self, a: Mask) -> Mask { self.builder.borrow_mut().not(a) }
            fn select(self, mask: Mask, x: VectorId, y: VectorId) -> VectorId {
                self.builder.borrow_mut().select(mask, x, y)
            }

            fn bits(self, x: VectorId) -> VectorId { self.builder.borrow_mut().bitcast(x, $int_type) }
            fn float_of_bits(self, x: VectorId) -> VectorId { self.builder.borrow_mut().bitcast(x, $float_type) }
            fn int_add(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Add, &[x, y]) }
            fn int_sub(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Sub, &[x, y]) }
            fn int_and(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::And, &[x, y]) }
            fn int_or(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Or, &[x, y]) }
            fn int_xor(self, x: VectorId, y: VectorId) -> VectorId { self.same(VectorOp::Xor, &[x, y]) }
            fn shl(self, x: VectorId, count: u32) -> VectorId {
                self.same(VectorOp::Shift(Shift::Left, count as u8), &[x])
            }
            fn shr(self, x: VectorId, count: u32) -> VectorId {
                self.same(VectorOp::Shift(Shift::Right, count as u8), &[x])
            }
            fn int_eq(self, x: VectorId, y: VectorId) -> Mask { self.compare(Predicate::Eq, x, y) }
            fn int_gt(self, x: VectorId, y: VectorId) -> Mask { self.compare(Predicate::Lt, y, x) }
            fn int_select(self, mask: Mask, x: VectorId, y: VectorId) -> VectorId {
                self.builder.borrow_mut().select(mask, x, y)
            }
            fn lookup(self, table: &'static <$t as Real>::Table, index: VectorId) -> VectorId {
                self.builder.borrow_mut().lookup(in_memory(table.map($t::to_le_bytes).as_flattened()), index, $float_type)
            }
            fn rare(self, rare: &'static Rare<$t>, mask: Mask, value: VectorId, x: VectorId, y: VectorId) -> VectorId {
                self.builder.borrow_mut().rare(rare, mask, value, x, y)
            }

            fn wide(self) -> Recorder<'a, f64> { Recorder::new(self.builder) }
            fn widen(self, $x: VectorId) -> VectorId { let $recorder = self; $widen }
            fn narrow(self, $x: VectorId) -> VectorId { let $recorder = self; $narrow }
            fn narrow_mask(self, x: Mask) -> Mask { x }
            fn widen_mask(self, x: Mask) -> Mask { x }

            fn scale(self, x: VectorId, n: VectorId) -> VectorId { self.same(VectorOp::Scale, &[x, n]) }
            fn exponent(self, x: VectorId) -> VectorId { self.same(VectorOp::Exponent, &[x]) }
            fn mantissa(self, x: VectorId) -> VectorId { self.same(VectorOp::Mantissa, &[x]) }
            fn int_shift_right_arithmetic(self, x: VectorId, count: u32) -> VectorId {
                self.same(VectorOp::Shift(Shift::RightSigned, count as u8), &[x])
            }
            fn neg(self, x: VectorId) -> VectorId { self.builder.borrow_mut().negated(x) }
            fn abs(self, x: VectorId) -> VectorId { self.builder.borrow_mut().float_abs(x) }
            fn copysign(self, x: VectorId, y: VectorId) -> VectorId {
                self.builder.borrow_mut().float_copysign(x, y)
            }
            fn is_nan(self, x: VectorId) -> Mask { self.compare(Predicate::Unordered, x, x) }
        })*
    };
}

recorder! {
    f32, i32, Type::F32, Type::I32,
        |recorder, x| recorder.builder.borrow_mut().convert(Conversion::FloatToFloat, x, Type::F64),
        recorder.builder.borrow_mut().convert(Conversion::FloatToFloat, x, Type::F32);
    f64, i64, Type::F64, Type::I64, |recorder, x| { let _ = recorder; x }, { let _ = recorder; x };
}
