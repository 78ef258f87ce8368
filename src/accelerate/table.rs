//! The entries of vDSP and vForce, one a row.
//!
//! ```text
//! /// A trap, where there is one.
//! f32 entry, f64 entry: Shape, Rank, [Contract "formula" => "scalars", ...];
//! ```
//!
//! *Shape* ([`Shape`](super::shape::Shape)) is the C signature with the order of its operands; *Rank* says
//! whether the entry or a loop of ours is taken where both could be; a *formula* is what it computes, of
//! vectors `a` to `d` and scalars `s` and `t`, in the names of our ops; where the scalars that are passed are
//! not `s` and `t` they are named. From a row derive the declaration, the call, the pattern that lowering
//! looks for, what [`probe`](super::probe) compares with, and the check against
//! `tests/accelerate/signatures.tsv`.

/// Hands every row to the macro `$mac`.
macro_rules! for_each_entry {
    ($mac:ident) => {
        $mac! {
            vDSP_vadd, vDSP_vaddD: VectorVector, Preferred, [Exact "a + b"];
            /// The subtrahend comes first.
            vDSP_vsub, vDSP_vsubD: VectorVectorSwapped, Preferred, [Exact "a - b"];
            vDSP_vmul, vDSP_vmulD: VectorVector, Preferred, [Exact "a * b"];
            /// The divisor comes first.
            vDSP_vdiv, vDSP_vdivD: VectorVectorSwapped, Available, [Exact "a / b"];
            vDSP_vsadd, vDSP_vsaddD: VectorScalar, Preferred, [Exact "a + s", Exact "a - s" => "-s"];
            vDSP_vsmul, vDSP_vsmulD: VectorScalar, Preferred, [Exact "a * s"];
            vDSP_vsdiv, vDSP_vsdivD: VectorScalar, Available, [Exact "a / s"];
            vDSP_svdiv, vDSP_svdivD: ScalarVector, Available, [Exact "s / a"];
            /// One or two roundings: only a product with -1, which is exact, has the same bits either way.
            vDSP_vsmsa, vDSP_vsmsaD: VectorScalarScalar, Preferred, [Exact "s - a" => "-1 s", Fused "fma(a, s, t)"];
            vDSP_vneg, vDSP_vnegD: Vector, Preferred, [Exact "negative(a)"];
            vDSP_vabs, vDSP_vabsD: Vector, Preferred, [Exact "abs(a)"];
            vDSP_vnabs, vDSP_vnabsD: Vector, Preferred, [Exact "negative(abs(a))"];
            vDSP_vsq, vDSP_vsqD: Vector, Preferred, [Exact "square(a)", Exact "a * a"];
            vDSP_vssq, vDSP_vssqD: Vector, Preferred, [Exact "a * abs(a)"];

            vDSP_vam, vDSP_vamD: ThreeVectors, Preferred, [Exact "(a + b) * c"];
            /// Here the minuend comes first.
            vDSP_vsbm, vDSP_vsbmD: ThreeVectors, Preferred, [Exact "(a - b) * c"];
            vDSP_vasm, vDSP_vasmD: VectorVectorScalar, Preferred, [Exact "(a + b) * s"];
            vDSP_vsbsm, vDSP_vsbsmD: VectorVectorScalar, Preferred, [Exact "(a - b) * s"];
            vDSP_vaam, vDSP_vaamD: FourVectors, Preferred, [Exact "(a + b) * (c + d)"];
            vDSP_vsbsbm, vDSP_vsbsbmD: FourVectors, Preferred, [Exact "(a - b) * (c - d)"];
            vDSP_vasbm, vDSP_vasbmD: FourVectors, Preferred, [Exact "(a + b) * (c - d)"];
            vDSP_vma, vDSP_vmaD: ThreeVectors, Preferred, [Fused "fma(a, b, c)"];
            vDSP_vmsb, vDSP_vmsbD: ThreeVectors, Preferred, [Fused "fma(a, b, negative(c))"];
            vDSP_vmsa, vDSP_vmsaD: VectorVectorScalar, Preferred, [Fused "fma(a, b, s)"];
            vDSP_vsma, vDSP_vsmaD: VectorScalarVector, Preferred, [Fused "fma(a, s, b)"];
            vDSP_vsmsb, vDSP_vsmsbD: VectorScalarVector, Preferred, [Fused "fma(a, s, negative(b))"];
            vDSP_vsmsma, vDSP_vsmsmaD: VectorScalarVectorScalar, Preferred, [Fused "fma(a, s, b * t)"];
            vDSP_vmma, vDSP_vmmaD: FourVectors, Preferred, [Fused "fma(a, b, c * d)"];
            vDSP_vmmsb, vDSP_vmmsbD: FourVectors, Preferred, [Fused "fma(a, b, negative(c * d))"];

            vDSP_sve, vDSP_sveD: Reduce, Preferred, [Unordered "sum(a)"];
            vDSP_svemg, vDSP_svemgD: Reduce, Preferred, [Unordered "sum(abs(a))"];
            vDSP_svesq, vDSP_svesqD: Reduce, Preferred, [Unordered "sum(square(a))", Unordered "sum(a * a)"];
            vDSP_dotpr, vDSP_dotprD: ReduceTwo, Preferred, [Unordered "sum(a * b)"];
            vDSP_distancesq, vDSP_distancesqD: ReduceTwo, Preferred, [Unordered "sum(square(a - b))"];

            vvexpf, vvexp: Force, Preferred, [WithinUlp "exp(a)"];
            vvexp2f, vvexp2: Force, Preferred, [WithinUlp "exp2(a)"];
            vvexpm1f, vvexpm1: Force, Preferred, [WithinUlp "expm1(a)"];
            vvlogf, vvlog: Force, Preferred, [WithinUlp "log(a)"];
            vvlog2f, vvlog2: Force, Preferred, [WithinUlp "log2(a)"];
            vvlog10f, vvlog10: Force, Preferred, [WithinUlp "log10(a)"];
            vvlog1pf, vvlog1p: Force, Preferred, [WithinUlp "log1p(a)"];
            vvcbrtf, vvcbrt: Force, Preferred, [WithinUlp "cbrt(a)"];
            vvsinf, vvsin: Force, Preferred, [WithinUlp "sin(a)"];
            vvcosf, vvcos: Force, Preferred, [WithinUlp "cos(a)"];
            vvtanf, vvtan: Force, Preferred, [WithinUlp "tan(a)"];
            vvsinhf, vvsinh: Force, Preferred, [WithinUlp "sinh(a)"];
            vvcoshf, vvcosh: Force, Preferred, [WithinUlp "cosh(a)"];
            vvtanhf, vvtanh: Force, Preferred, [WithinUlp "tanh(a)"];
            vvasinf, vvasin: Force, Preferred, [WithinUlp "asin(a)"];
            vvacosf, vvacos: Force, Preferred, [WithinUlp "acos(a)"];
            vvatanf, vvatan: Force, Preferred, [WithinUlp "atan(a)"];
            vvasinhf, vvasinh: Force, Preferred, [WithinUlp "asinh(a)"];
            vvacoshf, vvacosh: Force, Preferred, [WithinUlp "acosh(a)"];
            vvatanhf, vvatanh: Force, Preferred, [WithinUlp "atanh(a)"];
            vvatan2f, vvatan2: ForceTwo, Preferred, [WithinUlp "atan2(a, b)"];
            /// The exponent comes before the base.
            vvpowf, vvpow: ForceTwoSwapped, Preferred, [WithinUlp "pow(a, b)"];
            vvnextafterf, vvnextafter: ForceTwo, Preferred, [Exact "nextafter(a, b)"];
            vvcopysignf, vvcopysign: ForceTwo, Available, [Exact "copysign(a, b)"];
            vvdivf, vvdiv: ForceTwo, Available, [Exact "a / b"];
            vvsqrtf, vvsqrt: Force, Available, [Exact "sqrt(a)"];
            vvrecf, vvrec: Force, Available, [Exact "reciprocal(a)"];
            vvfabsf, vvfabs: Force, Available, [Exact "abs(a)"];
            vvfloorf, vvfloor: Force, Available, [Exact "floor(a)"];
            vvceilf, vvceil: Force, Available, [Exact "ceil(a)"];
            vvintf, vvint: Force, Available, [Exact "trunc(a)"];
            vvnintf, vvnint: Force, Available, [Exact "round(a)"];

            // Never called but by the characterisation: what they do with NaN, ties or order is not NumPy's.
            vDSP_vmax, vDSP_vmaxD: VectorVector, Never, [];
            vDSP_vmin, vDSP_vminD: VectorVector, Never, [];
            vDSP_vdist, vDSP_vdistD: VectorVector, Never, [];
            vDSP_vclip, vDSP_vclipD: VectorScalarScalar, Never, [];
            vDSP_vthr, vDSP_vthrD: VectorScalar, Never, [];
            vDSP_vthres, vDSP_vthresD: VectorScalar, Never, [];
            vDSP_maxv, vDSP_maxvD: Reduce, Never, [];
            vDSP_minv, vDSP_minvD: Reduce, Never, [];
        }
    };
}
pub(super) use for_each_entry;

/// Hands every conversion to the macro `$mac`: `entry: from -> to, Rank;`.
macro_rules! for_each_conversion {
    ($mac:ident) => {
        $mac! {
            vDSP_vdpsp: f64 -> f32, Preferred;
            vDSP_vspdp: f32 -> f64, Preferred;
            vDSP_vflt32: i32 -> f32, Preferred;
            vDSP_vflt32D: i32 -> f64, Preferred;
            vDSP_vfltu32: u32 -> f32, Preferred;
            vDSP_vfltu32D: u32 -> f64, Preferred;
            vDSP_vflt16: i16 -> f32, Available;
            vDSP_vflt16D: i16 -> f64, Available;
            vDSP_vfltu16: u16 -> f32, Available;
            vDSP_vfltu16D: u16 -> f64, Available;
            vDSP_vfltu8: u8 -> f32, Available;
            vDSP_vfltu8D: u8 -> f64, Available;
            // Never called but by the characterisation: ties and what does not fit are unspecified.
            vDSP_vfix32: f32 -> i32, Never;
            vDSP_vfixr32: f32 -> i32, Never;
        }
    };
}
pub(super) use for_each_conversion;
