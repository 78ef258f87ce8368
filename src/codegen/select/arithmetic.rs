//! Arithmetic of integers and floats; every other op of a float is a function.

use raptors_ir::{DType, ElementwiseOp, Kind};

use super::builder::Builder;
use super::vector_type;
use crate::codegen::vector::{Fma, Predicate, Rounding, Shift, Type, VectorId, VectorOp};

impl Builder {
    /// An op of integers that gives an integer; `None` where it has no vector form.
    pub(super) fn integer_op(
        &mut self,
        op: ElementwiseOp,
        dtype: DType,
        args: &[VectorId],
    ) -> Option<VectorId> {
        let ty = vector_type(dtype)?;
        let signed = dtype.kind() == Kind::Signed;
        let of_sign = |if_signed, if_unsigned| if signed { if_signed } else { if_unsigned };
        let x = args[0];
        Some(match (op, args) {
            (ElementwiseOp::Abs, _) if signed => {
                let negative = self.negated(x);
                self.same(VectorOp::MaxSigned, &[x, negative])
            }
            (
                ElementwiseOp::Abs
                | ElementwiseOp::Positive
                | ElementwiseOp::Floor
                | ElementwiseOp::Ceil
                | ElementwiseOp::Trunc
                | ElementwiseOp::Round
                | ElementwiseOp::Conj
                | ElementwiseOp::Real,
                _,
            ) => x,
            (ElementwiseOp::Imag, _) => self.zero(ty),
            (ElementwiseOp::Negative, _) => self.negated(x),
            (ElementwiseOp::Sign, _) => {
                let one = self.number(ty, 1);
                if !signed {
                    return Some(self.same(VectorOp::MinUnsigned, &[x, one]));
                }
                let minus_one = self.number(ty, -1);
                let above = self.same(VectorOp::MaxSigned, &[x, minus_one]);
                self.same(VectorOp::MinSigned, &[above, one])
            }
            (ElementwiseOp::Square, _) => self.same(VectorOp::Mul, &[x, x]),
            (ElementwiseOp::Reciprocal, _) => {
                // 1 and -1 are their own, all others have none but zero.
                let (one, zero) = (self.number(ty, 1), self.zero(ty));
                let size = if signed { self.integer_op(ElementwiseOp::Abs, dtype, args)? } else { x };
                let unit = self.compare(Predicate::Eq, size, one);
                self.select(unit, x, zero)
            }
            (ElementwiseOp::BitwiseInvert, _) => {
                let ones = self.number(ty, -1);
                self.same(VectorOp::Xor, &[x, ones])
            }
            (ElementwiseOp::Add, _) => self.same(VectorOp::Add, args),
            (ElementwiseOp::Subtract, _) => self.same(VectorOp::Sub, args),
            (ElementwiseOp::Multiply, _) => self.same(VectorOp::Mul, args),
            (ElementwiseOp::Minimum, _) => {
                self.same(of_sign(VectorOp::MinSigned, VectorOp::MinUnsigned), args)
            }
            (ElementwiseOp::Maximum, _) => {
                self.same(of_sign(VectorOp::MaxSigned, VectorOp::MaxUnsigned), args)
            }
            (ElementwiseOp::BitwiseAnd, _) => self.same(VectorOp::And, args),
            (ElementwiseOp::BitwiseOr, _) => self.same(VectorOp::Or, args),
            (ElementwiseOp::BitwiseXor, _) => self.same(VectorOp::Xor, args),
            // Counts are unsigned to a vector unit, so a negative one is beyond every width, as it is to NumPy.
            (ElementwiseOp::BitwiseLeftShift, _) => self.same(VectorOp::ShiftBy(Shift::Left), args),
            (ElementwiseOp::BitwiseRightShift, _) => self
                .same(of_sign(VectorOp::ShiftBy(Shift::RightSigned), VectorOp::ShiftBy(Shift::Right)), args),
            (ElementwiseOp::FloorDivide | ElementwiseOp::Remainder, &[x, y]) => {
                return self.integer_division(op, dtype, x, y);
            }
            (ElementwiseOp::Pow, &[x, y]) => return self.integer_power(dtype, x, y),
            // Floats alone have the rest.
            _ => return None,
        })
    }

    /// An op of floats that gives a float; `None` where it has no vector form.
    pub(super) fn float_op(&mut self, op: ElementwiseOp, ty: Type, args: &[VectorId]) -> Option<VectorId> {
        let x = args[0];
        Some(match (op, args) {
            (ElementwiseOp::Abs, _) => self.float_abs(x),
            (ElementwiseOp::Negative, _) => self.negated(x),
            (ElementwiseOp::Positive | ElementwiseOp::Conj | ElementwiseOp::Real, _) => x,
            (ElementwiseOp::Imag, _) => self.zero(ty),
            (ElementwiseOp::Sign, _) => {
                let (zero, one, minus_one) = (self.zero(ty), self.number(ty, 1), self.number(ty, -1));
                let is_zero = self.compare(Predicate::Eq, x, zero);
                let value = self.select(is_zero, zero, x);
                let below = self.compare(Predicate::Lt, x, zero);
                let value = self.select(below, minus_one, value);
                let above = self.compare(Predicate::Lt, zero, x);
                self.select(above, one, value)
            }
            (ElementwiseOp::Square, _) => self.same(VectorOp::Mul, &[x, x]),
            (ElementwiseOp::Reciprocal, _) => {
                let one = self.number(ty, 1);
                self.same(VectorOp::Div, &[one, x])
            }
            (ElementwiseOp::Sqrt, _) => self.same(VectorOp::Sqrt, &[x]),
            (ElementwiseOp::Floor, _) => self.same(VectorOp::Round(Rounding::Down), &[x]),
            (ElementwiseOp::Ceil, _) => self.same(VectorOp::Round(Rounding::Up), &[x]),
            (ElementwiseOp::Trunc, _) => self.same(VectorOp::Round(Rounding::Zero), &[x]),
            (ElementwiseOp::Round, _) => self.same(VectorOp::Round(Rounding::Nearest), &[x]),
            (ElementwiseOp::Add, _) => self.same(VectorOp::Add, args),
            (ElementwiseOp::Subtract, _) => self.same(VectorOp::Sub, args),
            (ElementwiseOp::Multiply, _) => self.same(VectorOp::Mul, args),
            (ElementwiseOp::Divide, _) => self.same(VectorOp::Div, args),
            (ElementwiseOp::Fma, _) => self.same(VectorOp::Fma(Fma::MulAdd), args),
            (ElementwiseOp::Minimum, &[x, y]) => self.float_extreme(VectorOp::Min, x, y),
            (ElementwiseOp::Maximum, &[x, y]) => self.float_extreme(VectorOp::Max, x, y),
            (ElementwiseOp::Copysign, &[x, y]) => self.float_copysign(x, y),
            (ElementwiseOp::FloorDivide, &[x, y]) => self.float_floor_divide(x, y),
            (ElementwiseOp::Remainder, &[x, y]) => self.float_remainder(x, y),
            (ElementwiseOp::Nextafter, &[x, y]) => self.next_after(x, y),
            (function, args) => return self.function(function, ty, args),
        })
    }

    /// NumPy's minimum or maximum: the unit's gives the second operand when one is NaN.
    fn float_extreme(&mut self, op: VectorOp, x: VectorId, y: VectorId) -> VectorId {
        let extreme = self.same(op, &[x, y]);
        let is_nan = self.compare(Predicate::Unordered, x, x);
        self.select(is_nan, x, extreme)
    }

    /// `-x`: integers wrap, the sign bit of a float is changed.
    pub(crate) fn negated(&mut self, x: VectorId) -> VectorId {
        let ty = self.ty(x);
        if ty.is_float() {
            let sign = self.sign_mask(ty);
            return self.same(VectorOp::Xor, &[x, sign]);
        }
        let zero = self.zero(ty);
        self.same(VectorOp::Sub, &[zero, x])
    }

    /// -0.0 of a float type, of which only the sign bit is set.
    pub(crate) fn sign_mask(&mut self, ty: Type) -> VectorId {
        match ty {
            Type::F64 => self.float(-0.0f64),
            Type::F32 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Mask => self.float(-0.0f32),
        }
    }

    /// The sign bit of a float cleared.
    pub(crate) fn float_abs(&mut self, x: VectorId) -> VectorId {
        let sign = self.sign_mask(self.ty(x));
        self.same(VectorOp::AndNot, &[sign, x])
    }

    /// The size of `x` with the sign of `y`.
    pub(crate) fn float_copysign(&mut self, x: VectorId, y: VectorId) -> VectorId {
        let sign = self.sign_mask(self.ty(x));
        let (size, sign) = (self.float_abs(x), self.same(VectorOp::And, &[y, sign]));
        self.same(VectorOp::Or, &[size, sign])
    }
}
