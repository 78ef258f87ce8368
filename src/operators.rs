//! Rust's operators and methods on lazy arrays.
//!
//! They return an array whatever they are given, so that expressions chain. A mistake is kept in the array, with the
//! call's place, and returned by `eval`; the functions of [`ops`] and [`views`] return it at once.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Shl, Shr, Sub};
use std::panic::Location;

use raptors_ir::{
    DType, Element, ElementwiseOp, Literal, Order, ReduceOp, Side, Source, for_each_elementwise_op,
};

use crate::array::Array;
use crate::error::Error;
use crate::indexing::{self, Bounds};
use crate::into_array::IntoArray;
use crate::ops::{self, Axes, Operand, Weak};
use crate::searching;
use crate::sorting::{self, Start};
use crate::source;
use crate::views::{self, Index};

/// Something that can stand in an expression beside an array.
#[derive(Clone, Debug)]
pub enum Term {
    /// An array.
    Array(Array),
    /// A number, which takes the array's dtype.
    Scalar(Weak),
}

impl Term {
    fn operand(&self) -> Operand<'_> {
        match self {
            Term::Array(array) => Operand::Array(array),
            Term::Scalar(weak) => Operand::Scalar(*weak),
        }
    }
}

impl From<Array> for Term {
    fn from(array: Array) -> Term {
        Term::Array(array)
    }
}

impl From<&Array> for Term {
    fn from(array: &Array) -> Term {
        Term::Array(array.clone())
    }
}

impl<T: Element> From<&Vec<T>> for Term {
    fn from(values: &Vec<T>) -> Term {
        Term::Array(values.into_array())
    }
}

impl<T: Element, const N: usize> From<&[T; N]> for Term {
    fn from(values: &[T; N]) -> Term {
        Term::Array(values.into_array())
    }
}

macro_rules! scalar_terms {
    ($($type:ty => $variant:ident as $as:ty),*) => {
        $(impl From<$type> for Term {
            fn from(value: $type) -> Term {
                Term::Scalar(Weak::$variant(value as $as))
            }
        })*
    };
}
scalar_terms!(bool => Bool as bool, i32 => Int as i128, i64 => Int as i128, usize => Int as i128, f32 => Float as f64, f64 => Float as f64);

#[track_caller]
fn here() -> Option<Source> {
    source::of_location(Location::caller())
}

fn or_invalid(result: Result<Array, Error>) -> Array {
    result.unwrap_or_else(Array::invalid)
}

macro_rules! elementwise_method {
    ($(#[doc = $doc:literal])* $name:ident $variant:ident($x:ident $(, $y:ident)*)) => {
        $(#[doc = $doc])*
        #[must_use]
        #[track_caller]
        pub fn $name(&self $(, $y: impl Into<Term>)*) -> Array {
            $(let $y = $y.into();)*
            let operands = [Operand::Array(self) $(, $y.operand())*];
            or_invalid(ops::elementwise(ElementwiseOp::$variant, &operands, here()))
        }
    };
}

macro_rules! elementwise_methods {
    ($($(#[doc = $doc:literal])* $name:ident = $variant:ident $operands:tt: $class:ident -> $result:ident,
        domain $domain:tt, ulp $ulp:literal, $facts:tt;)*) => {
        /// One method for each elementwise op; operands are promoted and broadcast as in NumPy.
        impl Array {
            $(elementwise_method! { $(#[doc = $doc])* $name $variant $operands })*
        }
    };
}
for_each_elementwise_op!(elementwise_methods);

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident),*) => {
        $(
            impl<T: Into<Term>> $trait<T> for Array {
                type Output = Array;
                #[track_caller]
                fn $method(self, other: T) -> Array {
                    (&self).$method(other)
                }
            }
            impl<T: Into<Term>> $trait<T> for &Array {
                type Output = Array;
                #[track_caller]
                fn $method(self, other: T) -> Array {
                    let other = other.into();
                    or_invalid(ops::elementwise(ElementwiseOp::$op, &[Operand::Array(self), other.operand()], here()))
                }
            }
            operators!(@scalar $trait $method $op, f32 f64 i32 i64);
        )*
    };
    (@scalar $trait:ident $method:ident $op:ident, $($type:ty)*) => {
        $(
            impl $trait<Array> for $type {
                type Output = Array;
                #[track_caller]
                fn $method(self, other: Array) -> Array {
                    self.$method(&other)
                }
            }
            impl $trait<&Array> for $type {
                type Output = Array;
                #[track_caller]
                fn $method(self, other: &Array) -> Array {
                    let number = Term::from(self);
                    or_invalid(ops::elementwise(ElementwiseOp::$op, &[number.operand(), Operand::Array(other)], here()))
                }
            }
        )*
    };
}
operators!(
    Add add Add, Sub sub Subtract, Mul mul Multiply, Div div Divide, Rem rem Remainder, BitAnd bitand BitwiseAnd,
    BitOr bitor BitwiseOr, BitXor bitxor BitwiseXor, Shl shl BitwiseLeftShift, Shr shr BitwiseRightShift
);

impl Neg for &Array {
    type Output = Array;
    #[track_caller]
    fn neg(self) -> Array {
        self.negative()
    }
}

impl Neg for Array {
    type Output = Array;
    #[track_caller]
    fn neg(self) -> Array {
        self.negative()
    }
}

impl Not for &Array {
    type Output = Array;
    #[track_caller]
    fn not(self) -> Array {
        self.bitwise_invert()
    }
}

impl Not for Array {
    type Output = Array;
    #[track_caller]
    fn not(self) -> Array {
        self.bitwise_invert()
    }
}

macro_rules! reductions {
    ($($(#[doc = $doc:literal])* $name:ident = $op:ident;)*) => {
        $($(#[doc = $doc])*
        ///
        /// Over `axes`, or all of them for an empty list; reduced axes are dropped.
        #[must_use]
        #[track_caller]
        pub fn $name(&self, axes: &[isize]) -> Array {
            or_invalid(ops::reduce(ReduceOp::$op, self, chosen(axes), Axes::Drop, None, here()))
        })*
    };
}

fn chosen(axes: &[isize]) -> Option<&[isize]> {
    (!axes.is_empty()).then_some(axes)
}

impl Array {
    reductions! {
        /// Sum; integers are added as 64-bit.
        sum = Sum;
        /// Product; integers are multiplied as 64-bit.
        prod = Prod;
        /// Smallest element.
        min = Min;
        /// Largest element.
        max = Max;
        /// Whether any element is true.
        any = Any;
        /// Whether all elements are true.
        all = All;
    }

    /// Arithmetic mean over `axes`, or all for an empty list.
    #[must_use]
    #[track_caller]
    pub fn mean(&self, axes: &[isize]) -> Array {
        or_invalid(ops::mean(self, chosen(axes), Axes::Drop, None, here()))
    }

    /// Variance over `axes`, or all for an empty list; the divisor is the count less `correction`.
    #[must_use]
    #[track_caller]
    pub fn var(&self, axes: &[isize], correction: f64) -> Array {
        or_invalid(ops::var(self, chosen(axes), Axes::Drop, correction, here()))
    }

    /// Square root of the variance.
    #[must_use]
    #[track_caller]
    pub fn std(&self, axes: &[isize], correction: f64) -> Array {
        or_invalid(ops::std(self, chosen(axes), Axes::Drop, correction, here()))
    }

    /// Position of the first smallest element along `axis`, or in the flattened array.
    #[must_use]
    #[track_caller]
    pub fn argmin(&self, axis: Option<isize>) -> Array {
        or_invalid(ops::arg_reduce(ReduceOp::Argmin, self, axis, Axes::Drop, here()))
    }

    /// Position of the first largest element along `axis`, or in the flattened array.
    #[must_use]
    #[track_caller]
    pub fn argmax(&self, axis: Option<isize>) -> Array {
        or_invalid(ops::arg_reduce(ReduceOp::Argmax, self, axis, Axes::Drop, here()))
    }

    /// The elements converted to `dtype`.
    #[must_use]
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Array {
        or_invalid(ops::cast(self, dtype, here()))
    }

    /// `self` where `condition` is true, `other` elsewhere.
    #[must_use]
    #[track_caller]
    pub fn choose(&self, condition: &Array, other: impl Into<Term>) -> Array {
        let other = other.into();
        or_invalid(ops::choose(Operand::Array(condition), Operand::Array(self), other.operand(), here()))
    }

    /// The elements limited to `low..=high`.
    #[must_use]
    #[track_caller]
    pub fn clip(&self, low: impl Into<Term>, high: impl Into<Term>) -> Array {
        let (low, high) = (low.into(), high.into());
        or_invalid(ops::clip(Operand::Array(self), Some(low.operand()), Some(high.operand()), here()))
    }

    /// The sum of each element and those before it along `axis`; flattened first without one. Integers and `bool` are summed
    /// in 64 bits.
    #[must_use]
    #[track_caller]
    pub fn cumulative_sum(&self, axis: impl Into<Option<isize>>) -> Array {
        or_invalid(sorting::cumulative_sum(self, axis.into(), None, Start::First, here()))
    }

    /// The product of each element and those before it along `axis`, as [`Array::cumulative_sum`].
    #[must_use]
    #[track_caller]
    pub fn cumulative_prod(&self, axis: impl Into<Option<isize>>) -> Array {
        or_invalid(sorting::cumulative_prod(self, axis.into(), None, Start::First, here()))
    }

    /// Each row along `axis` in order; flattened first without one. NaN is last, equal elements keep their order.
    #[must_use]
    #[track_caller]
    pub fn sort(&self, axis: impl Into<Option<isize>>, order: Order) -> Array {
        or_invalid(sorting::sort(self, axis.into(), order, here()))
    }

    /// The positions that put each row along `axis` in order, as [`Array::sort`].
    #[must_use]
    #[track_caller]
    pub fn argsort(&self, axis: impl Into<Option<isize>>, order: Order) -> Array {
        or_invalid(sorting::argsort(self, axis.into(), order, here()))
    }

    /// Each row along `axis` rearranged so that the elements at the positions `kth` are those of the sorted row.
    #[must_use]
    #[track_caller]
    pub fn partition(&self, kth: &[isize], axis: impl Into<Option<isize>>) -> Array {
        or_invalid(sorting::partition(self, kth, axis.into(), here()))
    }

    /// The positions that partition each row along `axis`, as [`Array::partition`].
    #[must_use]
    #[track_caller]
    pub fn argpartition(&self, kth: &[isize], axis: impl Into<Option<isize>>) -> Array {
        or_invalid(sorting::argpartition(self, kth, axis.into(), here()))
    }

    /// The elements at `positions` along `axis`; of the flattened array without one. Negative positions count from the end;
    /// those out of bounds are an error of the evaluation.
    #[must_use]
    #[track_caller]
    pub fn take(&self, positions: &Array, axis: impl Into<Option<isize>>) -> Array {
        or_invalid(indexing::take(self, positions, axis.into(), Bounds::Checked, here()))
    }

    /// For each of `positions`, the element there along `axis`, at the same index otherwise.
    #[must_use]
    #[track_caller]
    pub fn take_along_axis(&self, positions: &Array, axis: isize) -> Array {
        or_invalid(indexing::take_along_axis(self, positions, Some(axis), here()))
    }

    /// Where each of the values would be inserted in this array, which ascends.
    #[must_use]
    #[track_caller]
    pub fn searchsorted(&self, values: impl Into<Term>, side: Side) -> Array {
        let values = values.into();
        or_invalid(searching::searchsorted(self, values.operand(), side, None, here()))
    }

    /// The matrix product.
    #[must_use]
    #[track_caller]
    pub fn matmul(&self, other: &Array) -> Array {
        or_invalid(ops::matmul(self, other, here()))
    }

    /// The part that an index names.
    #[must_use]
    #[track_caller]
    pub fn index(&self, indices: &[Index]) -> Array {
        or_invalid(views::index(self, indices, here()))
    }

    /// The same elements with other dimensions; one may be -1.
    #[must_use]
    #[track_caller]
    pub fn reshape(&self, dims: &[isize]) -> Array {
        or_invalid(views::reshape(self, dims, here()))
    }

    /// All dimensions in reverse order.
    #[must_use]
    #[track_caller]
    pub fn transpose(&self) -> Array {
        or_invalid(views::transpose(self, here()))
    }

    /// The array repeated to `dims`.
    #[must_use]
    #[track_caller]
    pub fn broadcast_to(&self, dims: &[usize]) -> Array {
        or_invalid(views::broadcast_to(self, dims, here()))
    }

    /// The 0-d array of one value, with the value's own dtype.
    #[must_use]
    pub fn from_value<T: Element>(value: T) -> Array {
        Array::scalar(Literal::new(value), None)
    }
}
