//! Comparisons, tests of one number, and what is computed of truth values.

use raptors_ir::{DType, ElementwiseOp, Kind};

use super::builder::{Builder, Mask};
use super::{Truth, vector_type};
use crate::codegen::vector::{Predicate, Type, VectorId};

impl Builder {
    /// An op of numbers that gives a truth value.
    pub(super) fn predicate(&mut self, op: ElementwiseOp, dtype: DType, args: &[VectorId]) -> Option<Truth> {
        let ty = vector_type(dtype)?;
        let (less, less_equal) = match dtype.kind() {
            Kind::Unsigned => (Predicate::LtUnsigned, Predicate::LeUnsigned),
            Kind::Bool | Kind::Signed | Kind::Float | Kind::Complex => (Predicate::Lt, Predicate::Le),
        };
        let mask = match (op, args) {
            (ElementwiseOp::Equal, &[x, y]) => self.compare(Predicate::Eq, x, y),
            (ElementwiseOp::NotEqual, &[x, y]) => self.compare(Predicate::Ne, x, y),
            (ElementwiseOp::Less, &[x, y]) => self.compare(less, x, y),
            (ElementwiseOp::LessEqual, &[x, y]) => self.compare(less_equal, x, y),
            (ElementwiseOp::Greater, &[x, y]) => self.compare(less, y, x),
            (ElementwiseOp::GreaterEqual, &[x, y]) => self.compare(less_equal, y, x),
            (ElementwiseOp::LogicalNot, &[x]) => {
                let zero = self.zero(ty);
                self.compare(Predicate::Eq, x, zero)
            }
            (ElementwiseOp::LogicalAnd | ElementwiseOp::LogicalOr | ElementwiseOp::LogicalXor, &[x, y]) => {
                let zero = self.zero(ty);
                let (x, y) = (self.compare(Predicate::Ne, x, zero), self.compare(Predicate::Ne, y, zero));
                self.of_masks(op, x, y)?
            }
            (ElementwiseOp::Isnan | ElementwiseOp::Isinf, &[_]) if !ty.is_float() => {
                return Some(self.truth(false));
            }
            (ElementwiseOp::Isfinite, &[_]) if !ty.is_float() => return Some(self.truth(true)),
            (ElementwiseOp::Isnan, &[x]) => self.compare(Predicate::Unordered, x, x),
            (ElementwiseOp::Isinf, &[x]) => {
                let (size, infinity) = (self.float_abs(x), self.infinity(ty));
                self.compare(Predicate::Eq, size, infinity)
            }
            (ElementwiseOp::Isfinite, &[x]) => {
                let (size, infinity) = (self.float_abs(x), self.infinity(ty));
                self.compare(Predicate::Lt, size, infinity)
            }
            (ElementwiseOp::Signbit, &[x]) => self.sign_bit(x),
            (op, _) => unreachable!("{} gives no truth value", op.name()),
        };
        Some(Truth::Mask(mask))
    }

    fn infinity(&mut self, ty: Type) -> VectorId {
        if ty == Type::F32 { self.float(f32::INFINITY) } else { self.float(f64::INFINITY) }
    }

    /// An op of truth values; `None` where it has no meaning.
    pub(super) fn of_truths(&mut self, op: ElementwiseOp, args: &[Truth]) -> Option<Truth> {
        let x = self.mask(*args.first()?);
        let mask = match (op, args) {
            (
                ElementwiseOp::Abs
                | ElementwiseOp::Floor
                | ElementwiseOp::Ceil
                | ElementwiseOp::Trunc
                | ElementwiseOp::Real,
                _,
            ) => x,
            (ElementwiseOp::Imag | ElementwiseOp::Isnan | ElementwiseOp::Isinf, _) => {
                return Some(self.truth(false));
            }
            (ElementwiseOp::Isfinite, _) => return Some(self.truth(true)),
            (ElementwiseOp::BitwiseInvert | ElementwiseOp::LogicalNot, _) => self.not(x),
            (op, &[_, y]) => {
                let y = self.mask(y);
                self.of_masks(op, x, y)?
            }
            _ => return None,
        };
        Some(Truth::Mask(mask))
    }

    /// An op of two truth values.
    fn of_masks(&mut self, op: ElementwiseOp, x: Mask, y: Mask) -> Option<Mask> {
        Some(match op {
            ElementwiseOp::Multiply
            | ElementwiseOp::Minimum
            | ElementwiseOp::BitwiseAnd
            | ElementwiseOp::LogicalAnd => self.and(x, y),
            ElementwiseOp::Add
            | ElementwiseOp::Maximum
            | ElementwiseOp::BitwiseOr
            | ElementwiseOp::LogicalOr => self.or(x, y),
            ElementwiseOp::NotEqual | ElementwiseOp::BitwiseXor | ElementwiseOp::LogicalXor => self.xor(x, y),
            ElementwiseOp::Equal => {
                let differ = self.xor(x, y);
                self.not(differ)
            }
            ElementwiseOp::Less => {
                let x = self.not(x);
                self.and(x, y)
            }
            ElementwiseOp::LessEqual => {
                let x = self.not(x);
                self.or(x, y)
            }
            ElementwiseOp::Greater => return self.of_masks(ElementwiseOp::Less, y, x),
            ElementwiseOp::GreaterEqual => return self.of_masks(ElementwiseOp::LessEqual, y, x),
            _ => return None,
        })
    }
}
