//! Algebraic simplification and constant folding: one named rule each.
//!
//! Every rule here is exact: the rewritten graph gives the same bits for all inputs, -0.0, infinities and subnormals
//! included, NaN payloads aside. `x * 1` is `x`; `x + 0` is not (it turns -0.0 into 0.0), nor are `x * 0`, `x - x` and
//! reassociation. Folding calls the definitions that the kernels run (`raptors_ir::scalar`).
//!
//! Rules see a node with its operands already simplified, and are tried in order until none applies.

use raptors_ir::{
    DType, ElementwiseOp, Fact, Graph, Kind, Literal, Node, NodeId, Op, Operands, ReduceOp, scalar,
};

use crate::rewrite::rewrite;
use crate::{Ledger, Options};

/// A rewriting rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The name, in the ledger and in tests.
    pub name: &'static str,
    /// What it does, as algebra.
    pub algebra: &'static str,
    apply: fn(&Graph, &Candidate<'_>) -> Option<Rewrite>,
}

/// A node that a rule may replace.
struct Candidate<'a> {
    node: &'a Node,
    operands: &'a Operands,
}

/// What a rule puts in a node's place.
enum Rewrite {
    /// An existing value, broadcast to the node's shape if it is smaller.
    Value(NodeId),
    /// A 0-d constant, likewise.
    Constant(Literal),
    /// Another op on existing values.
    Op(Op, Operands),
    /// An op on an existing value and a constant.
    WithConstant(Op, NodeId, Literal),
}

/// The rules, in the order they are tried.
pub const RULES: &[Rule] = &[
    Rule { name: "fold", algebra: "f(constants) = constant", apply: fold },
    Rule {
        name: "identity-function",
        algebra: "positive(x) = conj(x) = real(x) = x, for real x",
        apply: identity_function,
    },
    Rule {
        name: "integral-round",
        algebra: "floor(n) = ceil(n) = trunc(n) = round(n) = n, for integers",
        apply: integral_round,
    },
    Rule { name: "neutral-operand", algebra: "x * 1 = x / 1 = x - 0 = x + -0.0 = x", apply: neutral_operand },
    Rule { name: "integer-zero", algebra: "n * 0 = n & 0 = 0, for integers", apply: integer_zero },
    Rule { name: "idempotent", algebra: "f(f(x)) = f(x); min(x, x) = x", apply: idempotent },
    Rule { name: "involution", algebra: "-(-x) = ~(~n) = x", apply: involution },
    Rule {
        name: "divide-by-power-of-two",
        algebra: "x / 2 = x * 0.5; x / 0.5 = x * 2",
        apply: divide_by_power_of_two,
    },
    Rule {
        name: "where-constant",
        algebra: "where(true, x, y) = x; where(c, x, x) = x",
        apply: where_constant,
    },
    Rule { name: "cast-same", algebra: "cast(x: t, t) = x", apply: cast_same },
    Rule {
        name: "cast-chain",
        algebra: "cast(cast(x, u), t) = cast(x, t), when u holds every x",
        apply: cast_chain,
    },
    Rule {
        name: "reduce-nothing",
        algebra: "prod(x) = max(x) = x, sum(x) = x + 0, over axes of length 1",
        apply: reduce_nothing,
    },
];

/// Returns `graph` simplified.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    rewrite(graph, |new, id, node, operands| {
        let mut node = node.clone();
        let mut operands = operands.clone();
        // A rule leaves a node that is simpler by some measure, so this ends; the bound guards against a rule that
        // does not.
        for _ in 0..16 {
            let candidate = Candidate { node: &node, operands: &operands };
            let applied =
                RULES.iter().find_map(|rule| (rule.apply)(new, &candidate).map(|rewrite| (rule, rewrite)));
            let Some((rule, rewrite)) = applied else { break };
            ledger.applied("simplify", rule.name, graph, id, rule.algebra);
            match rewrite {
                Rewrite::Value(value) => return with_shape(new, value, &node),
                Rewrite::Constant(literal) => {
                    let value = constant(new, literal, &node);
                    return with_shape(new, value, &node);
                }
                Rewrite::Op(op, rewritten) => {
                    node.op = op;
                    operands = rewritten;
                }
                Rewrite::WithConstant(op, x, literal) => {
                    let literal = constant(new, literal, &node);
                    node.op = op;
                    operands = Operands::from_slice(&[x, literal]);
                }
            }
        }
        new.push_node(node, &operands)
    })
}

fn constant(graph: &mut Graph, literal: Literal, node: &Node) -> NodeId {
    push(graph, Op::Constant(literal), &[], node)
}

fn with_shape(graph: &mut Graph, value: NodeId, node: &Node) -> NodeId {
    if *graph.shape(value) == node.ty.shape {
        return value;
    }
    push(graph, Op::Broadcast(node.ty.shape.clone()), &[value], node)
}

fn push(graph: &mut Graph, op: Op, operands: &[NodeId], node: &Node) -> NodeId {
    match graph.push(op, operands, node.source) {
        Ok(id) => id,
        Err(error) => unreachable!("a rule keeps types right: {error}"),
    }
}

impl Candidate<'_> {
    fn elementwise(&self) -> Option<ElementwiseOp> {
        match self.node.op {
            Op::Elementwise(op) => Some(op),
            _ => None,
        }
    }
}

/// The scalar a node is, through broadcasts.
fn literal(graph: &Graph, mut id: NodeId) -> Option<Literal> {
    loop {
        match graph.op(id) {
            Op::Constant(literal) => return Some(*literal),
            Op::Broadcast(_) | Op::Reshape(_) => id = graph.operands(id)[0],
            _ => return None,
        }
    }
}

fn dtype(graph: &Graph, id: NodeId) -> DType {
    graph.node(id).ty.dtype
}

fn fold(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let literals: Option<Vec<Literal>> =
        candidate.operands.iter().map(|&operand| literal(graph, operand)).collect();
    let literals = literals?;
    let folded = match (&candidate.node.op, literals.as_slice()) {
        (Op::Elementwise(op), literals) => scalar::evaluate(*op, literals)?,
        (Op::Cast(to), [x]) => scalar::cast(*x, *to)?,
        (Op::Where, [condition, x, y]) => {
            if condition.bits() != 0 {
                *x
            } else {
                *y
            }
        }
        _ => return None,
    };
    Some(Rewrite::Constant(folded))
}

fn identity_function(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let identity = matches!(
        candidate.elementwise()?,
        ElementwiseOp::Positive | ElementwiseOp::Conj | ElementwiseOp::Real
    );
    (identity && !dtype(graph, candidate.operands[0]).is_complex())
        .then(|| Rewrite::Value(candidate.operands[0]))
}

fn integral_round(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let rounds = matches!(
        candidate.elementwise()?,
        ElementwiseOp::Floor | ElementwiseOp::Ceil | ElementwiseOp::Trunc | ElementwiseOp::Round
    );
    let integral =
        matches!(dtype(graph, candidate.operands[0]).kind(), Kind::Bool | Kind::Signed | Kind::Unsigned);
    (rounds && integral).then(|| Rewrite::Value(candidate.operands[0]))
}

fn neutral_operand(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let op = candidate.elementwise()?;
    let &[x, y] = candidate.operands.as_slice() else { return None };
    let dtype = dtype(graph, x);
    let neutral = match op {
        ElementwiseOp::Multiply | ElementwiseOp::Divide => Literal::one(dtype),
        ElementwiseOp::FloorDivide if dtype.is_integer() => Literal::one(dtype),
        ElementwiseOp::Subtract => Literal::zero(dtype),
        // 0.0 + -0.0 is 0.0, so only -0.0 is neutral.
        ElementwiseOp::Add if dtype.is_float() => Literal::from_f64(dtype, -0.0),
        ElementwiseOp::Add | ElementwiseOp::BitwiseOr | ElementwiseOp::BitwiseXor => Literal::zero(dtype),
        ElementwiseOp::BitwiseLeftShift | ElementwiseOp::BitwiseRightShift => Literal::zero(dtype),
        _ => return None,
    };
    if literal(graph, y) == Some(neutral) {
        return Some(Rewrite::Value(x));
    }
    (op.has(Fact::Commutative) && literal(graph, x) == Some(neutral)).then_some(Rewrite::Value(y))
}

fn integer_zero(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let op = candidate.elementwise()?;
    let absorbing = matches!(op, ElementwiseOp::Multiply | ElementwiseOp::BitwiseAnd);
    let dtype = candidate.node.ty.dtype;
    if !absorbing || dtype.is_float() {
        return None;
    }
    let zero = Literal::zero(dtype);
    candidate
        .operands
        .iter()
        .any(|&operand| literal(graph, operand) == Some(zero))
        .then_some(Rewrite::Constant(zero))
}

fn idempotent(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let op = candidate.elementwise()?;
    if !op.has(Fact::Idempotent) {
        return None;
    }
    match *candidate.operands.as_slice() {
        [x] => (*graph.op(x) == Op::Elementwise(op)).then_some(Rewrite::Value(x)),
        [x, y] => (x == y).then_some(Rewrite::Value(x)),
        _ => None,
    }
}

fn involution(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let op = candidate.elementwise()?;
    let inverts = matches!(op, ElementwiseOp::Negative | ElementwiseOp::BitwiseInvert);
    let x = candidate.operands[0];
    (inverts && *graph.op(x) == Op::Elementwise(op)).then(|| Rewrite::Value(graph.operands(x)[0]))
}

fn divide_by_power_of_two(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    if candidate.elementwise()? != ElementwiseOp::Divide {
        return None;
    }
    let (x, y) = (candidate.operands[0], candidate.operands[1]);
    let divisor = literal(graph, y)?;
    let value = divisor.to_f64()?;
    // The reciprocal is exact, and so is the product wherever the quotient is; both round once.
    let exact = value == 2.0 || value == 0.5;
    exact.then(|| {
        let reciprocal = Literal::from_f64(divisor.dtype(), 1.0 / value);
        Rewrite::WithConstant(Op::Elementwise(ElementwiseOp::Multiply), x, reciprocal)
    })
}

fn where_constant(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let (Op::Where, &[condition, x, y]) = (&candidate.node.op, candidate.operands.as_slice()) else {
        return None;
    };
    if x == y {
        return Some(Rewrite::Value(x));
    }
    let chosen = if literal(graph, condition)?.bits() != 0 { x } else { y };
    Some(Rewrite::Value(chosen))
}

fn cast_same(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let Op::Cast(to) = candidate.node.op else { return None };
    let x = candidate.operands[0];
    (dtype(graph, x) == to).then_some(Rewrite::Value(x))
}

fn cast_chain(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let Op::Cast(to) = candidate.node.op else { return None };
    let inner = candidate.operands[0];
    let Op::Cast(through) = *graph.op(inner) else { return None };
    let x = graph.operands(inner)[0];
    let from = dtype(graph, x);
    // A float that does not fit an integer is not the integer's low bits.
    let same_rule = !(through.is_float() && to.is_integer()) || from.is_float() || holds(to, from);
    (holds(through, from) && same_rule).then(|| Rewrite::Op(Op::Cast(to), Operands::from_slice(&[x])))
}

/// Whether every value of `from` is a value of `to`, so that going through `to` loses nothing.
fn holds(to: DType, from: DType) -> bool {
    let integer_bits = |dtype: DType| 8 * dtype.size();
    match (from.kind(), to.kind()) {
        (Kind::Bool, _) => !to.is_complex(),
        (Kind::Signed, Kind::Signed) | (Kind::Unsigned, Kind::Unsigned) => to.size() >= from.size(),
        (Kind::Unsigned, Kind::Signed) => to.size() > from.size(),
        (Kind::Signed | Kind::Unsigned, Kind::Float) => {
            integer_bits(from) <= if to == DType::F32 { 24 } else { 53 }
        }
        (Kind::Float, Kind::Float) => to.size() >= from.size(),
        _ => false,
    }
}

fn reduce_nothing(graph: &Graph, candidate: &Candidate<'_>) -> Option<Rewrite> {
    let Op::Reduce(op, axes) = &candidate.node.op else { return None };
    let x = candidate.operands[0];
    let single = axes.iter().all(|&axis| graph.shape(x)[axis] == 1);
    match op {
        _ if !single => None,
        ReduceOp::Argmin | ReduceOp::Argmax => Some(Rewrite::Constant(Literal::new(0i64))),
        // A sum begins with 0.0: that of -0.0 alone is 0.0.
        ReduceOp::Sum if candidate.node.ty.dtype.is_float() => {
            let zero = Literal::zero(candidate.node.ty.dtype);
            Some(Rewrite::WithConstant(Op::Elementwise(ElementwiseOp::Add), x, zero))
        }
        ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Min | ReduceOp::Max | ReduceOp::Any | ReduceOp::All => {
            Some(Rewrite::Value(x))
        }
    }
}
