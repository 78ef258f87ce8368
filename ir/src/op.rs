//! The operation tables.
//!
//! An elementwise op is one row of [`for_each_elementwise_op!`] and one line of `scalar.rs`. From the row derive the
//! enum, the text name, the builder and `Array` methods, the Python function and its docstring, and the tests. Row syntax:
//!
//! ```text
//! /// Doc line, which becomes the docstring.
//! name = Variant(operands): Class -> Result, domain (low, high), ulp n, [facts];
//! ```
//!
//! *Class* says which dtypes the op computes in ([`Class`]), *Result* how its dtype follows ([`ResultRule`]).
//! *domain* is where tests draw ordinary inputs from. *ulp* is the promised distance to the exact result: 0 means
//! NumPy's bits. *facts* ([`Fact`]) are what `simplify` and `cse` may rely on; tests check each of them.
//!
//! Twins of functions of mathematics ([`Relaxed`]) have rows of their own.

mod reduce;
mod relaxed;

pub use reduce::ReduceOp;
pub use relaxed::Relaxed;

use crate::{DType, Dims, LibraryOp, Literal, Shape};

/// Hands every row of the elementwise table to the macro `$mac`.
#[macro_export]
macro_rules! for_each_elementwise_op {
    ($mac:ident) => {
        $mac! {
            /// Absolute value; that of a complex number is real.
            abs = Abs(x): Numeric -> Same, domain (-100.0, 100.0), ulp 0, [Idempotent];
            /// The operand, negated; integers wrap.
            negative = Negative(x): Signed -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// The operand itself.
            positive = Positive(x): Numeric -> Same, domain (-100.0, 100.0), ulp 0, [Idempotent];
            /// -1, 0 or 1 by the operand's sign; NaN stays NaN. A complex number divided by its absolute value.
            sign = Sign(x): Numeric -> Same, domain (-2.0, 2.0), ulp 0, [Idempotent];
            /// The operand times itself; integers wrap.
            square = Square(x): Numeric -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// One divided by the operand; integers truncate, and 1/0 is 0.
            reciprocal = Reciprocal(x): Numeric -> Same, domain (0.1, 100.0), ulp 0, [];
            /// Square root, correctly rounded for real numbers.
            sqrt = Sqrt(x): Float -> Same, domain (0.0, 100.0), ulp 0, [];
            /// The largest integer not above the operand.
            floor = Floor(x): Any -> Same, domain (-100.0, 100.0), ulp 0, [Idempotent];
            /// The smallest integer not below the operand.
            ceil = Ceil(x): Any -> Same, domain (-100.0, 100.0), ulp 0, [Idempotent];
            /// The operand without its fraction.
            trunc = Trunc(x): Any -> Same, domain (-100.0, 100.0), ulp 0, [Idempotent];
            /// The nearest integer, ties to even.
            round = Round(x): Numeric -> Same, domain (-100.0, 100.0), ulp 0, [Idempotent];
            /// The complex conjugate; a real operand itself.
            conj = Conj(x): Numeric -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// The real part; a real operand itself.
            real = Real(x): Any -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// The imaginary part; zero for a real operand.
            imag = Imag(x): Any -> Same, domain (-100.0, 100.0), ulp 0, [];

            /// Sum; integers wrap, `bool` is "or".
            add = Add(x, y): Any -> Same, domain (-100.0, 100.0), ulp 0, [Commutative];
            /// Difference; integers wrap.
            subtract = Subtract(x, y): Numeric -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// Product; integers wrap, `bool` is "and".
            multiply = Multiply(x, y): Any -> Same, domain (-100.0, 100.0), ulp 0, [Commutative];
            /// Quotient, correctly rounded for real numbers; integers are divided as `f64`.
            divide = Divide(x, y): Quotient -> Same, domain (0.1, 100.0), ulp 0, [];
            /// Quotient rounded towards minus infinity; integer division by zero is 0.
            floor_divide = FloorDivide(x, y): Numeric -> Same, domain (0.1, 100.0), ulp 0, [];
            /// Remainder with the divisor's sign; integer remainder by zero is 0.
            remainder = Remainder(x, y): Numeric -> Same, domain (0.1, 100.0), ulp 0, [];
            /// The first operand to the power of the second; a negative integer power truncates towards zero.
            pow = Pow(x, y): Numeric -> Same, domain (0.1, 10.0), ulp 1, [];
            /// The smaller operand; NaN if either is NaN.
            minimum = Minimum(x, y): Any -> Same, domain (-100.0, 100.0), ulp 0, [Associative, Idempotent];
            /// The larger operand; NaN if either is NaN.
            maximum = Maximum(x, y): Any -> Same, domain (-100.0, 100.0), ulp 0, [Associative, Idempotent];
            /// The first operand with the sign of the second.
            copysign = Copysign(x, y): Float -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// The next representable value after the first operand towards the second.
            nextafter = Nextafter(x, y): Float -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// Length of the hypotenuse, without undue overflow.
            hypot = Hypot(x, y): Float -> Same, domain (-100.0, 100.0), ulp 1, [Commutative];
            /// Logarithm of the sum of exponentials, `log(exp(x) + exp(y))`; near zero its error is that of the larger operand.
            logaddexp = Logaddexp(x, y): Float -> Same, domain (0.0, 100.0), ulp 2, [Commutative];

            /// Product of the first two operands plus the third, rounded once.
            fma = Fma(x, y, z): Float -> Same, domain (-100.0, 100.0), ulp 0, [];

            /// Exponential.
            exp = Exp(x): Float -> Same, domain (-80.0, 80.0), ulp 1, [];
            /// Two to the power of the operand.
            exp2 = Exp2(x): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// `exp(x) - 1`, accurate near zero.
            expm1 = Expm1(x): Float -> Same, domain (-10.0, 80.0), ulp 1, [];
            /// Natural logarithm.
            log = Log(x): Float -> Same, domain (0.0, 1000.0), ulp 1, [];
            /// `log(1 + x)`, accurate near zero.
            log1p = Log1p(x): Float -> Same, domain (-1.0, 1000.0), ulp 1, [];
            /// Logarithm to base 2.
            log2 = Log2(x): Float -> Same, domain (0.0, 1000.0), ulp 1, [];
            /// Logarithm to base 10.
            log10 = Log10(x): Float -> Same, domain (0.0, 1000.0), ulp 1, [];
            /// Sine of an angle in radians.
            sin = Sin(x): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// Cosine of an angle in radians.
            cos = Cos(x): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// Tangent of an angle in radians.
            tan = Tan(x): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// Inverse sine, in radians.
            asin = Asin(x): Float -> Same, domain (-1.0, 1.0), ulp 1, [];
            /// Inverse cosine, in radians.
            acos = Acos(x): Float -> Same, domain (-1.0, 1.0), ulp 1, [];
            /// Inverse tangent, in radians.
            atan = Atan(x): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// Angle of the point (y, x), first operand y, in radians in [-pi, pi].
            atan2 = Atan2(x, y): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// Hyperbolic sine.
            sinh = Sinh(x): Float -> Same, domain (-80.0, 80.0), ulp 1, [];
            /// Hyperbolic cosine.
            cosh = Cosh(x): Float -> Same, domain (-80.0, 80.0), ulp 1, [];
            /// Hyperbolic tangent.
            tanh = Tanh(x): Float -> Same, domain (-10.0, 10.0), ulp 1, [];
            /// Inverse hyperbolic sine.
            asinh = Asinh(x): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// Inverse hyperbolic cosine.
            acosh = Acosh(x): Float -> Same, domain (1.0, 100.0), ulp 1, [];
            /// Inverse hyperbolic tangent.
            atanh = Atanh(x): Float -> Same, domain (-1.0, 1.0), ulp 1, [];
            /// The logistic function, `1 / (1 + exp(-x))`.
            sigmoid = Sigmoid(x): Float -> Same, domain (-50.0, 50.0), ulp 1, [];
            /// Cube root, of negative numbers too.
            cbrt = Cbrt(x): Float -> Same, domain (-100.0, 100.0), ulp 1, [];
            /// The error function, twice the integral of the normal distribution of variance 1/2 from 0 to x.
            erf = Erf(x): Float -> Same, domain (-6.0, 6.0), ulp 1, [];
            /// `1 - erf(x)`, accurate where that is small.
            erfc = Erfc(x): Float -> Same, domain (-6.0, 26.0), ulp 1, [];
            /// The gamma function, `(x - 1)!` for positive integers; NaN for negative ones.
            gamma = Gamma(x): Float -> Same, domain (-8.0, 30.0), ulp 1, [];
            /// Logarithm of the absolute value of the gamma function.
            lgamma = Lgamma(x): Float -> Same, domain (-8.0, 100.0), ulp 1, [];

            /// Whether the operands are equal; NaN equals nothing.
            equal = Equal(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [Commutative];
            /// Whether the operands differ; NaN differs from everything.
            not_equal = NotEqual(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [Commutative];
            /// Whether the first operand is smaller.
            less = Less(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];
            /// Whether the first operand is smaller or equal.
            less_equal = LessEqual(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];
            /// Whether the first operand is larger.
            greater = Greater(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];
            /// Whether the first operand is larger or equal.
            greater_equal = GreaterEqual(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];

            /// Whether the operand is NaN.
            isnan = Isnan(x): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];
            /// Whether the operand is plus or minus infinity.
            isinf = Isinf(x): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];
            /// Whether the operand is neither infinite nor NaN.
            isfinite = Isfinite(x): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];
            /// Whether the operand's sign bit is set, as it is for -0.0.
            signbit = Signbit(x): Float -> Bool, domain (-2.0, 2.0), ulp 0, [];

            /// Whether both operands are true (non-zero).
            logical_and = LogicalAnd(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [Commutative];
            /// Whether at least one operand is true (non-zero).
            logical_or = LogicalOr(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [Commutative];
            /// Whether exactly one operand is true (non-zero).
            logical_xor = LogicalXor(x, y): Any -> Bool, domain (-2.0, 2.0), ulp 0, [Commutative];
            /// Whether the operand is false (zero).
            logical_not = LogicalNot(x): Any -> Bool, domain (-2.0, 2.0), ulp 0, [];

            /// Bitwise and.
            bitwise_and = BitwiseAnd(x, y): Integral -> Same, domain (-100.0, 100.0), ulp 0, [Commutative, Associative, Idempotent];
            /// Bitwise or.
            bitwise_or = BitwiseOr(x, y): Integral -> Same, domain (-100.0, 100.0), ulp 0, [Commutative, Associative, Idempotent];
            /// Bitwise exclusive or.
            bitwise_xor = BitwiseXor(x, y): Integral -> Same, domain (-100.0, 100.0), ulp 0, [Commutative, Associative];
            /// All bits inverted; "not" for `bool`.
            bitwise_invert = BitwiseInvert(x): Integral -> Same, domain (-100.0, 100.0), ulp 0, [];
            /// Bits shifted left; 0 when the count is negative or not less than the width.
            bitwise_left_shift = BitwiseLeftShift(x, y): Integer -> Same, domain (0.0, 7.0), ulp 0, [];
            /// Bits shifted right, keeping the sign; all sign bits when the count is negative or not less than the width.
            bitwise_right_shift = BitwiseRightShift(x, y): Integer -> Same, domain (0.0, 7.0), ulp 0, [];
        }
    };
}

/// The dtypes an elementwise op computes in, and what happens to operands of another dtype.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Every dtype.
    Any,
    /// Integers and floats; `bool` is computed as `i8`, except where NumPy refuses it.
    Numeric,
    /// Integers and floats; `bool` is refused, as NumPy does.
    Signed,
    /// Floats; `bool` and integers are converted ([`DType::to_float`]).
    Float,
    /// Floats; `bool` and integers are converted to `f64`.
    Quotient,
    /// `bool` and integers.
    Integral,
    /// Integers; `bool` is computed as `i8`.
    Integer,
}

/// What an op makes of complex operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnComplex {
    /// A number of the operands' dtype.
    Complex,
    /// A real number, of the dtype of their parts.
    Real,
    /// A truth value.
    Bool,
    /// Nothing: it has no meaning, or only for numbers with an order.
    Refused,
}

/// How the dtype of an elementwise op's result follows from that of its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultRule {
    /// The operands' dtype.
    Same,
    /// `bool`.
    Bool,
}

/// An algebraic fact that holds bit for bit for all inputs (NaN payloads aside).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// `f(x, y) = f(y, x)`.
    Commutative,
    /// `f(f(x, y), z) = f(x, f(y, z))`.
    Associative,
    /// `f(x, x) = x`, or `f(f(x)) = f(x)` for a unary op.
    Idempotent,
}

macro_rules! elementwise_op {
    ($($(#[doc = $doc:literal])* $name:ident = $variant:ident($($operand:ident),+): $class:ident -> $result:ident,
        domain ($low:literal, $high:literal), ulp $ulp:literal, [$($fact:ident),*];)*) => {
        /// An op applied to each element alone. The rows are in [`for_each_elementwise_op!`](crate::for_each_elementwise_op).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum ElementwiseOp {
            $($(#[doc = $doc])* $variant,)*
            /// Another form of an op, further from the exact result.
            Relaxed(Relaxed),
        }

        impl ElementwiseOp {
            /// Every op, in table order, and then every twin.
            pub const ALL: &'static [ElementwiseOp] = &{
                const OWN: &[ElementwiseOp] = &[$(ElementwiseOp::$variant),*];
                let mut all = [OWN[0]; OWN.len() + Relaxed::ALL.len()];
                let mut n = 0;
                while n < all.len() {
                    all[n] = if n < OWN.len() { OWN[n] } else { ElementwiseOp::Relaxed(Relaxed::ALL[n - OWN.len()]) };
                    n += 1;
                }
                all
            };

            /// The place in [`ALL`](ElementwiseOp::ALL).
            pub const fn position(self) -> usize {
                enum Position { $($variant,)* Twins }
                match self {
                    $(ElementwiseOp::$variant => Position::$variant as usize,)*
                    ElementwiseOp::Relaxed(twin) => Position::Twins as usize + twin as usize,
                }
            }

            /// The name, in the text form and in Python.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ElementwiseOp::$variant => stringify!($name),)*
                    ElementwiseOp::Relaxed(twin) => twin.name(),
                }
            }

            /// The number of operands.
            pub const fn arity(self) -> usize {
                match self {
                    $(ElementwiseOp::$variant => [$(stringify!($operand)),+].len(),)*
                    ElementwiseOp::Relaxed(twin) => twin.strict().arity(),
                }
            }

            /// What the op does, one sentence.
            pub const fn doc(self) -> &'static str {
                match self {
                    $(ElementwiseOp::$variant => concat!($($doc),*).trim_ascii(),)*
                    ElementwiseOp::Relaxed(twin) => twin.strict().doc(),
                }
            }

            /// Which dtypes the op computes in.
            pub const fn class(self) -> Class {
                match self {
                    $(ElementwiseOp::$variant => Class::$class,)*
                    ElementwiseOp::Relaxed(_) => Class::Float,
                }
            }

            /// How the result's dtype follows.
            pub const fn result_rule(self) -> ResultRule {
                match self {
                    $(ElementwiseOp::$variant => ResultRule::$result,)*
                    ElementwiseOp::Relaxed(twin) => twin.strict().result_rule(),
                }
            }

            /// Where ordinary test inputs are drawn from.
            pub const fn domain(self) -> (f64, f64) {
                match self {
                    $(ElementwiseOp::$variant => ($low, $high),)*
                    ElementwiseOp::Relaxed(twin) => twin.strict().domain(),
                }
            }

            /// The promised distance to the exact result, in units in the last place.
            pub const fn ulp(self) -> u32 {
                match self {
                    $(ElementwiseOp::$variant => $ulp,)*
                    ElementwiseOp::Relaxed(twin) => twin.ulp(),
                }
            }

            /// The facts declared for the op.
            pub const fn facts(self) -> &'static [Fact] {
                match self {
                    $(ElementwiseOp::$variant => &[$(Fact::$fact),*],)*
                    ElementwiseOp::Relaxed(twin) => twin.strict().facts(),
                }
            }
        }
    };
}
for_each_elementwise_op!(elementwise_op);

impl ElementwiseOp {
    /// The op of this name.
    pub fn from_name(name: &str) -> Option<ElementwiseOp> {
        ElementwiseOp::ALL.iter().copied().find(|op| op.name() == name)
    }

    /// Whether `fact` is declared.
    pub fn has(self, fact: Fact) -> bool {
        self.facts().contains(&fact)
    }

    /// The dtype the op computes in when its operands promote to `dtype`; `None` where it is refused.
    pub fn compute_dtype(self, dtype: DType) -> Option<DType> {
        if dtype.is_complex() {
            return (self.on_complex() != OnComplex::Refused).then_some(dtype);
        }
        let boolean = dtype == DType::Bool;
        match self.class() {
            Class::Any => Some(dtype),
            // NumPy refuses these on bool outright rather than computing them in int8.
            Class::Numeric if boolean => match self {
                ElementwiseOp::Subtract | ElementwiseOp::Positive | ElementwiseOp::Sign => None,
                ElementwiseOp::Abs => Some(DType::Bool),
                ElementwiseOp::Round => Some(DType::F16),
                _ => Some(DType::I8),
            },
            Class::Numeric => Some(dtype),
            Class::Signed => (!boolean).then_some(dtype),
            Class::Float => Some(dtype.to_float()),
            Class::Quotient if dtype.is_float() => Some(dtype),
            Class::Quotient => Some(DType::F64),
            Class::Integral => (boolean || dtype.is_integer()).then_some(dtype),
            Class::Integer if boolean => Some(DType::I8),
            Class::Integer => dtype.is_integer().then_some(dtype),
        }
    }

    /// Whether the op has a kernel for operands of `dtype`.
    pub fn accepts(self, dtype: DType) -> bool {
        self.compute_dtype(dtype) == Some(dtype)
    }

    /// What the op makes of complex operands.
    pub const fn on_complex(self) -> OnComplex {
        use ElementwiseOp::*;
        match self {
            Negative | Positive | Sign | Square | Reciprocal | Sqrt | Round | Conj | Add | Subtract
            | Multiply | Divide | Pow | Exp | Exp2 | Expm1 | Log | Log1p | Log2 | Log10 | Sin | Cos | Tan
            | Asin | Acos | Atan | Sinh | Cosh | Tanh | Asinh | Acosh | Atanh => OnComplex::Complex,
            Abs | Real | Imag => OnComplex::Real,
            Equal | NotEqual | Isnan | Isinf | Isfinite | LogicalAnd | LogicalOr | LogicalXor
            | LogicalNot => OnComplex::Bool,
            Floor | Ceil | Trunc | FloorDivide | Remainder | Minimum | Maximum | Copysign | Nextafter
            | Hypot | Logaddexp | Fma | Atan2 | Sigmoid | Cbrt | Erf | Erfc | Gamma | Lgamma | Less
            | LessEqual | Greater | GreaterEqual | Signbit | BitwiseAnd | BitwiseOr | BitwiseXor
            | BitwiseInvert | BitwiseLeftShift | BitwiseRightShift | Relaxed(_) => OnComplex::Refused,
        }
    }

    /// The result's dtype when the op is computed in `dtype`.
    pub fn result_dtype(self, dtype: DType) -> DType {
        match self.result_rule() {
            ResultRule::Same if self.on_complex() == OnComplex::Real => dtype.part(),
            ResultRule::Same => dtype,
            ResultRule::Bool => DType::Bool,
        }
    }

    /// What the op takes, for error messages: "integer or bool".
    pub fn accepted(self) -> &'static str {
        match self.class() {
            Class::Any => "any real dtype",
            Class::Numeric | Class::Signed => "an integer or float dtype",
            Class::Float | Class::Quotient => "any real dtype, computed as float",
            Class::Integral => "bool or an integer dtype",
            Class::Integer => "an integer dtype",
        }
    }
}

/// A part of a complex number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Part {
    /// The real part, which comes first in memory.
    Real,
    /// The imaginary part.
    Imag,
}

impl Part {
    /// Both, in memory order.
    pub const ALL: [Part; 2] = [Part::Real, Part::Imag];

    /// The name in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Real => "real",
            Part::Imag => "imag",
        }
    }

    /// The bytes before it in an element of `dtype`, which is complex.
    pub const fn offset(self, dtype: DType) -> usize {
        match self {
            Part::Real => 0,
            Part::Imag => dtype.size() / 2,
        }
    }
}

/// What a slice keeps of one dimension: `len` elements from `start`, `step` apart. A step may be negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DimSlice {
    /// Index of the first element kept.
    pub start: usize,
    /// Number of elements kept.
    pub len: usize,
    /// Distance between neighbours; not zero.
    pub step: isize,
}

/// What a node computes. Operands are edges of the graph, attributes are here.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// The graph's `n`-th parameter.
    Parameter(u32),
    /// A 0-d constant.
    Constant(Literal),
    /// `[0, 1, … n-1]` as `i64`.
    Iota(usize),
    /// Elementwise; operands have one dtype and broadcast against each other.
    Elementwise(ElementwiseOp),
    /// `where(condition, x, y)`: elementwise choice; `x` and `y` have one dtype, the condition is `bool`.
    Where,
    /// Conversion to a dtype, with NumPy's wrap and truncation rules. A complex number becomes no real one.
    Cast(DType),
    /// Elementwise: complex numbers from their real and imaginary parts, which have one float dtype and broadcast.
    Complex,
    /// One part of complex numbers. A view: every other number in memory.
    Part(Part),
    /// Reduction over axes, ascending; a reduced axis stays with length 1.
    Reduce(ReduceOp, Dims),
    /// A strided part of each dimension. A view.
    Slice(Vec<DimSlice>),
    /// Other dimensions over the same elements in row-major order. A view where strides allow.
    Reshape(Shape),
    /// Dimension `i` of the result is dimension `axes[i]` of the operand. A view.
    Permute(Dims),
    /// Repeats dimensions of length 1, and adds leading ones. A view.
    Broadcast(Shape),
    /// Matrix product over the last two dimensions; leading ones broadcast. Both operands are at least 2-d.
    Matmul,
    /// Operands joined along an axis; one dtype.
    Concat(usize),
    /// An algorithm over whole rows.
    Library(LibraryOp),
    /// The operand's elements in memory of their own, row-major.
    Copy,
}

impl Op {
    /// The name in the text form.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Parameter(_) => "parameter",
            Op::Constant(_) => "constant",
            Op::Iota(_) => "iota",
            Op::Elementwise(op) => op.name(),
            Op::Where => "where",
            Op::Cast(_) => "cast",
            Op::Complex => "complex",
            Op::Part(_) => "part",
            Op::Reduce(op, _) => op.name(),
            Op::Slice(_) => "slice",
            Op::Reshape(_) => "reshape",
            Op::Permute(_) => "permute",
            Op::Broadcast(_) => "broadcast",
            Op::Matmul => "matmul",
            Op::Concat(_) => "concat",
            Op::Library(op) => op.name(),
            Op::Copy => "copy",
        }
    }

    /// Whether the result can be a differently strided look at the operand's memory.
    pub fn is_view(&self) -> bool {
        matches!(self, Op::Part(_) | Op::Slice(_) | Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_))
    }

    /// Whether each result element depends on the operands' elements at the same (broadcast) position alone.
    pub fn is_elementwise(&self) -> bool {
        matches!(self, Op::Elementwise(_) | Op::Where | Op::Cast(_) | Op::Complex | Op::Copy)
    }

    /// Whether the result may be written over its (first, for a library op) operand of its shape, whose element `i` lies where element `i` of the
    /// result goes: elementwise ops, and algorithms that rearrange or rewrite their operand.
    pub fn runs_in_place(&self) -> bool {
        self.is_elementwise() || matches!(self, Op::Library(op) if op.runs_in_place())
    }

    /// Whether values of the operands may turn out not to be what the op takes.
    pub fn can_fail(&self) -> bool {
        matches!(self, Op::Library(op) if op.can_fail())
    }
}
