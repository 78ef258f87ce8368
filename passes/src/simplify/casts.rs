//! Conversions: left out where nothing is lost, joined, and moved before what they make cheaper.

use ElementwiseOp::{
    Abs, Add, BitwiseAnd, BitwiseInvert, BitwiseOr, BitwiseXor, Ceil, Divide, Floor, Maximum, Minimum,
    Multiply, Negative, Round, Sqrt, Square, Subtract, Trunc,
};
use raptors_ir::{DType, ElementwiseOp, Kind, NodeId, Op, scalar};

use super::pattern::{Candidate, Expr};

/// `cast(x: t, t) = x`.
pub(super) fn cast_same(candidate: &Candidate<'_>) -> Option<Expr> {
    let Op::Cast(to) = candidate.node.op else { return None };
    let x = candidate.operands[0];
    (candidate.dtype(x) == to).then_some(x.into())
}

/// `cast(cast(x, u), t) = cast(x, t)`, when `u` holds every `x`, or keeps the bits that `t` has, and there is such a cast.
pub(super) fn cast_chain(candidate: &Candidate<'_>) -> Option<Expr> {
    let Op::Cast(to) = candidate.node.op else { return None };
    let inner = candidate.operands[0];
    let Op::Cast(through) = *candidate.graph.op(inner) else { return None };
    let x = candidate.graph.operands(inner)[0];
    let from = candidate.dtype(x);
    // A float that does not fit an integer is not the integer's low bits.
    let same_rule = !(through.is_float() && to.is_integer()) || from.is_float() || holds(to, from);
    let exact = (holds(through, from) && same_rule) || truncates(from, through, to);
    let joined = exact && scalar::is_direct_cast(from, to);
    joined.then(|| Expr::Op(Op::Cast(to), vec![x.into()]))
}

/// Whether both casts keep low bits of an integer.
fn truncates(from: DType, through: DType, to: DType) -> bool {
    from.is_integer() && through.is_integer() && to.is_integer() && through.size() >= to.size()
}

/// Whether every value of `from` is a value of `to`, so that going through `to` loses nothing.
fn holds(to: DType, from: DType) -> bool {
    let integer_bits = |dtype: DType| 8 * dtype.size();
    match (from.kind(), to.kind()) {
        (Kind::Bool, _) => !to.is_complex(),
        (Kind::Signed, Kind::Signed) | (Kind::Unsigned, Kind::Unsigned) => to.size() >= from.size(),
        (Kind::Unsigned, Kind::Signed) => to.size() > from.size(),
        (Kind::Signed | Kind::Unsigned, Kind::Float) => integer_bits(from) <= significant_bits(to),
        (Kind::Float, Kind::Float) => to == from || to.size() > from.size(),
        _ => false,
    }
}

/// Digits of a float.
fn significant_bits(dtype: DType) -> usize {
    match dtype {
        DType::BF16 => 8,
        DType::F16 => 11,
        DType::F32 => 24,
        _ => 53,
    }
}

/// `cast(f(cast(x, u), cast(y, u)), t) = f(x, y)` for `x`, `y` of `t`: integers wrap alike, and a `f64` has more than
/// twice the digits of a `f32`, so that rounding twice is rounding once (Figueroa 1995).
pub(super) fn cast_narrow(candidate: &Candidate<'_>) -> Option<Expr> {
    let Op::Cast(to) = candidate.node.op else { return None };
    let wide = candidate.operands[0];
    let &Op::Elementwise(op) = candidate.graph.op(wide) else { return None };
    let through = candidate.dtype(wide);
    let exact = match (through.kind(), to.kind()) {
        (Kind::Signed | Kind::Unsigned, Kind::Signed | Kind::Unsigned) => {
            through.size() > to.size() && wraps(op)
        }
        // In halves nothing is computed.
        (Kind::Float, Kind::Float) => through.size() > to.size() && !to.is_half() && rounds_alike(op),
        _ => false,
    };
    if !exact {
        return None;
    }
    let operands = candidate.graph.operands(wide);
    let mut any_cast = false;
    let mut narrow = |&operand: &NodeId| {
        if let Op::Cast(_) = candidate.graph.op(operand) {
            let x = candidate.graph.operands(operand)[0];
            any_cast = true;
            return (candidate.dtype(x) == to).then_some(Expr::Value(x));
        }
        let literal = candidate.literal(operand)?;
        let narrowed = scalar::cast(literal, to)?;
        (candidate.is_scalar(operand) && scalar::cast(narrowed, through) == Some(literal))
            .then_some(Expr::Constant(narrowed))
    };
    let narrowed: Option<Vec<Expr>> = operands.iter().map(&mut narrow).collect();
    let narrowed = narrowed?;
    any_cast.then_some(Expr::Op(Op::Elementwise(op), narrowed))
}

/// Whether the low bits of the integer result depend on the low bits of the operands alone.
fn wraps(op: ElementwiseOp) -> bool {
    matches!(
        op,
        Add | Subtract | Multiply | Negative | Square | BitwiseAnd | BitwiseOr | BitwiseXor | BitwiseInvert
    )
}

/// Whether the op on `f32` values gives in `f64`, rounded to `f32`, what it gives in `f32`.
fn rounds_alike(op: ElementwiseOp) -> bool {
    matches!(
        op,
        Add | Subtract
            | Multiply
            | Divide
            | Sqrt
            | Square
            | Negative
            | Abs
            | Minimum
            | Maximum
            | Floor
            | Ceil
            | Trunc
            | Round
    )
}
