//! The table of relaxed twins: ops that compute a function of mathematics in fewer operations, within 4 ULP.
//!
//! A twin is one row here and one line of `scalar.rs`. Arity, domain and facts are those of the strict op; it takes floats
//! alone. Users do not name it but in the text of a graph: there is no method and no Python function, and `simplify` puts it in
//! place of the strict op under `fp="fast"`. Row syntax:
//!
//! ```text
//! name = Variant, in [dtypes], ulp n;
//! ```
//!
//! *Variant* is that of the strict op, *dtypes* are those for which it takes less time, *ulp* is the promised distance to
//! the exact result.

use crate::{DType, ElementwiseOp};

macro_rules! relaxed_ops {
    ($($name:ident = $variant:ident, in [$($dtype:ident),+], ulp $ulp:literal;)*) => {
        /// Another form of a function of mathematics.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Relaxed {
            $(#[doc = concat!("That of `", stringify!($variant), "`.")] $variant,)*
        }

        impl Relaxed {
            /// Every twin, in table order.
            pub const ALL: &'static [Relaxed] = &[$(Relaxed::$variant),*];

            /// The name in the text form.
            pub const fn name(self) -> &'static str {
                match self { $(Relaxed::$variant => stringify!($name),)* }
            }

            /// The op that it is another form of.
            pub const fn strict(self) -> ElementwiseOp {
                match self { $(Relaxed::$variant => ElementwiseOp::$variant,)* }
            }

            /// The dtypes for which it takes less time than that op.
            pub const fn dtypes(self) -> &'static [DType] {
                match self { $(Relaxed::$variant => &[$(DType::$dtype),+],)* }
            }

            /// The promised distance to the exact result, in units in the last place.
            pub const fn ulp(self) -> u32 {
                match self { $(Relaxed::$variant => $ulp,)* }
            }
        }
    };
}

relaxed_ops! {
    relaxed_pow = Pow, in [F32, F64], ulp 4;
    relaxed_hypot = Hypot, in [F32, F64], ulp 4;
    relaxed_expm1 = Expm1, in [F32, F64], ulp 4;
    relaxed_log1p = Log1p, in [F32, F64], ulp 4;
    relaxed_sin = Sin, in [F32, F64], ulp 4;
    relaxed_cos = Cos, in [F32, F64], ulp 4;
    relaxed_tan = Tan, in [F32, F64], ulp 4;
    relaxed_asin = Asin, in [F32, F64], ulp 4;
    relaxed_acos = Acos, in [F32, F64], ulp 4;
    relaxed_atan = Atan, in [F32, F64], ulp 4;
    relaxed_atan2 = Atan2, in [F32, F64], ulp 4;
    relaxed_sinh = Sinh, in [F32, F64], ulp 4;
    relaxed_cosh = Cosh, in [F32, F64], ulp 4;
    relaxed_tanh = Tanh, in [F64], ulp 4;
    relaxed_asinh = Asinh, in [F32, F64], ulp 4;
    relaxed_acosh = Acosh, in [F32, F64], ulp 4;
    relaxed_atanh = Atanh, in [F32, F64], ulp 4;
    relaxed_sigmoid = Sigmoid, in [F32, F64], ulp 4;
    relaxed_cbrt = Cbrt, in [F32], ulp 4;
}

impl ElementwiseOp {
    /// The op that this is a twin of, or itself.
    pub const fn strict(self) -> ElementwiseOp {
        match self {
            ElementwiseOp::Relaxed(twin) => twin.strict(),
            op => op,
        }
    }

    /// The twin that takes less time for operands of `dtype`.
    pub fn relaxed(self, dtype: DType) -> Option<ElementwiseOp> {
        let twin = Relaxed::ALL.iter().find(|twin| twin.strict() == self)?;
        twin.dtypes().contains(&dtype).then_some(ElementwiseOp::Relaxed(*twin))
    }
}
