//! The table of reductions: how elements are combined, and in which dtype.

use crate::{DType, Kind};

macro_rules! reduce_op {
    ($($(#[doc = $doc:literal])* $name:ident = $variant:ident;)*) => {
        /// How a reduction combines elements.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum ReduceOp {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ReduceOp {
            /// Every reduction, in table order.
            pub const ALL: &'static [ReduceOp] = &[$(ReduceOp::$variant),*];

            /// The name, in the text form and in Python.
            pub const fn name(self) -> &'static str {
                match self { $(ReduceOp::$variant => stringify!($name),)* }
            }
        }
    };
}

reduce_op! {
    /// Sum, in the operand's dtype; 0 for no elements.
    sum = Sum;
    /// Product, in the operand's dtype; 1 for no elements.
    prod = Prod;
    /// Smallest element; NaN if any is NaN.
    min = Min;
    /// Largest element; NaN if any is NaN.
    max = Max;
    /// Whether any element is true; false for no elements.
    any = Any;
    /// Whether all elements are true; true for no elements.
    all = All;
    /// Position of the first smallest element, or of the first NaN.
    argmin = Argmin;
    /// Position of the first largest element, or of the first NaN.
    argmax = Argmax;
}

impl ReduceOp {
    /// The reduction of this name.
    pub fn from_name(name: &str) -> Option<ReduceOp> {
        ReduceOp::ALL.iter().copied().find(|op| op.name() == name)
    }

    /// Whether the result is the position of an element, rather than what elements combine to.
    pub const fn finds_place(self) -> bool {
        match self {
            ReduceOp::Argmin | ReduceOp::Argmax => true,
            ReduceOp::Sum
            | ReduceOp::Prod
            | ReduceOp::Min
            | ReduceOp::Max
            | ReduceOp::Any
            | ReduceOp::All => false,
        }
    }

    /// Whether reducing no elements has a value.
    pub const fn has_identity(self) -> bool {
        match self {
            ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Any | ReduceOp::All => true,
            ReduceOp::Min | ReduceOp::Max | ReduceOp::Argmin | ReduceOp::Argmax => false,
        }
    }

    /// The result's dtype for operands of `dtype`.
    pub const fn result_dtype(self, dtype: DType) -> DType {
        match self {
            ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Min | ReduceOp::Max => dtype,
            ReduceOp::Any | ReduceOp::All => DType::Bool,
            ReduceOp::Argmin | ReduceOp::Argmax => DType::I64,
        }
    }

    /// The dtype NumPy accumulates in: `sum` and `prod` widen `bool` and narrow integers to 64 bits.
    pub const fn accumulator_dtype(self, dtype: DType) -> DType {
        match self {
            ReduceOp::Sum | ReduceOp::Prod => match dtype.kind() {
                Kind::Bool | Kind::Signed => DType::I64,
                Kind::Unsigned => DType::U64,
                Kind::Float | Kind::Complex => dtype,
            },
            ReduceOp::Min
            | ReduceOp::Max
            | ReduceOp::Any
            | ReduceOp::All
            | ReduceOp::Argmin
            | ReduceOp::Argmax => dtype,
        }
    }
}
