//! What vector programs reduce, and how.

use super::{Predicate, StreamId, Type, VectorId, VectorOp};

/// How a reduction combines an accumulator, on the left, with an element.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Combine {
    /// Sum; floats begin with 0.0.
    Add,
    /// Product.
    Mul,
    /// NumPy's minimum: NaN if either is NaN.
    Min,
    /// NumPy's maximum, likewise.
    Max,
    /// The smaller of signed integers.
    MinSigned,
    /// The larger of signed integers.
    MaxSigned,
    /// The smaller of unsigned integers.
    MinUnsigned,
    /// The larger of unsigned integers.
    MaxUnsigned,
}

impl Combine {
    /// The bits that an accumulation begins with.
    pub(crate) fn identity(self, ty: Type) -> u64 {
        let bits = 8 * ty.size() as u32;
        let all = u64::MAX >> (64 - bits);
        match (self, ty) {
            (Combine::Add | Combine::MaxUnsigned, _) => 0,
            (Combine::Mul, Type::F32) => u64::from(1f32.to_bits()),
            (Combine::Mul, Type::F64) => 1f64.to_bits(),
            (Combine::Mul, _) => 1,
            (Combine::Min, Type::F32) => u64::from(f32::INFINITY.to_bits()),
            (Combine::Min, _) => f64::INFINITY.to_bits(),
            (Combine::Max, Type::F32) => u64::from(f32::NEG_INFINITY.to_bits()),
            (Combine::Max, _) => f64::NEG_INFINITY.to_bits(),
            (Combine::MinSigned, _) => all >> 1,
            (Combine::MaxSigned, _) => 1 << (bits - 1),
            (Combine::MinUnsigned, _) => all,
        }
    }

    /// The comparison that says of an element and the best so far whether the element is better, or of floats that it is not;
    /// none for sums and products.
    pub(crate) fn comparison<T>(self, element: T, best: T) -> Option<(Predicate, T, T)> {
        match self {
            Combine::Min => Some((Predicate::Le, best, element)),
            Combine::Max => Some((Predicate::Le, element, best)),
            Combine::MinSigned => Some((Predicate::Lt, element, best)),
            Combine::MaxSigned => Some((Predicate::Lt, best, element)),
            Combine::MinUnsigned => Some((Predicate::LtUnsigned, element, best)),
            Combine::MaxUnsigned => Some((Predicate::LtUnsigned, best, element)),
            Combine::Add | Combine::Mul => None,
        }
    }

    /// The op that combines; of floats' minima and maxima, the accumulator stays where it is NaN.
    pub(crate) fn op(self) -> VectorOp {
        match self {
            Combine::Add => VectorOp::Add,
            Combine::Mul => VectorOp::Mul,
            Combine::Min => VectorOp::Min,
            Combine::Max => VectorOp::Max,
            Combine::MinSigned => VectorOp::MinSigned,
            Combine::MaxSigned => VectorOp::MaxSigned,
            Combine::MinUnsigned => VectorOp::MinUnsigned,
            Combine::MaxUnsigned => VectorOp::MaxUnsigned,
        }
    }
}

/// What of an accumulation goes to the row's element of its target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Outcome {
    /// What the elements combine to.
    Value,
    /// Where in the row the first element is that is their minimum or maximum, or the first NaN: an `i64`. Elements have two
    /// bytes or more. The minimum or maximum itself goes to the stream, if there is one; of zeros either.
    Place(Option<StreamId>),
}

/// A value combined over each row of at most one block; values by the tree of
/// [`kernels::reduce`](crate::kernels::reduce), places in any order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Accumulation {
    pub(crate) combine: Combine,
    pub(crate) value: VectorId,
    pub(crate) target: StreamId,
    pub(crate) outcome: Outcome,
}
