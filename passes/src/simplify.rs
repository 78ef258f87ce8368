//! Algebraic simplification and constant folding: one named rule each, in the table [`RULES`].
//!
//! A rule says which properties of float arithmetic it gives up ([`Effect`]). An exact rule gives up none: the
//! rewritten graph gives the same bits for all inputs, -0.0, infinities and subnormals included, NaN payloads aside.
//! `x * 1` is `x`; `x + 0` is not (it turns -0.0 into 0.0), nor are `x * 0`, `x - x` and reassociation. The strict mode
//! runs exact rules only, the others widen by effect. Folding calls the definitions that the kernels run
//! (`raptors_ir::scalar`).
//!
//! Rules see a node with its operands already simplified, and are tried in order until none applies. Linear.

mod arithmetic;
mod bounds;
mod casts;
mod constants;
mod identities;
mod pattern;
mod reductions;
mod relaxed;
mod rules;
mod selection;

use std::borrow::Cow;
use std::sync::LazyLock;

use raptors_ir::{Graph, Node, NodeId, Op, Operands, Type, infer};
use smallvec::SmallVec;

use crate::rewrite::rewrite;
use crate::{FpMode, Ledger, Options};
use pattern::{Candidate, Expr};

pub use rules::RULES;

/// A rewriting rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The name, in the ledger and in tests.
    pub name: &'static str,
    /// What it does, as algebra: `x` and `y` are any values, `n` integers, `b` `bool`, `s` and `t` scalars.
    pub algebra: &'static str,
    /// What it gives up; nothing, if it is exact.
    pub effects: &'static [Effect],
    on: On,
    apply: fn(&Candidate<'_>) -> Option<Expr>,
}

/// The nodes that a rule may apply to: others are not shown to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum On {
    Any,
    /// Elementwise, of one operand.
    Unary,
    /// Elementwise, of two.
    Binary,
    /// Elementwise, of two of which one is a known scalar.
    Literal,
    Where,
    Cast,
    Reduce,
}

impl On {
    const ALL: [On; 7] = [On::Any, On::Unary, On::Binary, On::Literal, On::Where, On::Cast, On::Reduce];

    /// The narrowest kind that a node is of.
    fn of(candidate: &Candidate<'_>) -> On {
        match (&candidate.node.op, candidate.operands.as_slice()) {
            (Op::Elementwise(_), [_]) => On::Unary,
            (Op::Elementwise(_), [x, y]) => {
                let is_known = [x, y].into_iter().any(|&operand| candidate.literal(operand).is_some());
                if is_known { On::Literal } else { On::Binary }
            }
            (Op::Where, _) => On::Where,
            (Op::Cast(_), _) => On::Cast,
            (Op::Reduce(..), _) => On::Reduce,
            _ => On::Any,
        }
    }

    /// Whether a rule on these nodes is shown nodes of the narrowest kind `node`.
    fn includes(self, node: On) -> bool {
        self == node || self == On::Any || (self == On::Binary && node == On::Literal)
    }
}

/// A property of float arithmetic that a rule gives up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Two roundings become one.
    Contracts,
    /// Operations are done in another order or by others, which round elsewhere.
    Reassociates,
    /// The result is that of finite inputs.
    IgnoresNan,
    /// A zero may have the other sign.
    IgnoresSignedZero,
}

impl Effect {
    /// The name, as documents use it.
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Contracts => "contracts",
            Effect::Reassociates => "reassociates",
            Effect::IgnoresNan => "ignores-nan",
            Effect::IgnoresSignedZero => "ignores-signed-zero",
        }
    }

    /// The narrowest mode that allows it.
    const fn mode(self) -> FpMode {
        match self {
            Effect::Contracts => FpMode::Contract,
            Effect::Reassociates | Effect::IgnoresNan | Effect::IgnoresSignedZero => FpMode::Fast,
        }
    }
}

impl Rule {
    /// `exact`, or the names of its effects.
    pub fn effects(&self) -> String {
        let names: Vec<&str> = self.effects.iter().map(|effect| effect.name()).collect();
        if names.is_empty() { "exact".to_owned() } else { names.join(", ") }
    }

    /// Whether the rule runs in a mode.
    pub fn allowed(&self, mode: FpMode) -> bool {
        self.effects.iter().all(|effect| effect.mode() <= mode)
    }
}

/// How often a node is rewritten. A rule leaves a node that is simpler by some measure; this guards against one that
/// does not.
const MAX_REWRITES: usize = 16;

/// The rules that nodes of each kind are shown to, by mode.
static SHOWN: LazyLock<[[Vec<&Rule>; On::ALL.len()]; FpMode::ALL.len()]> = LazyLock::new(|| {
    FpMode::ALL.map(|mode| {
        On::ALL.map(|node| RULES.iter().filter(|rule| rule.on.includes(node) && rule.allowed(mode)).collect())
    })
});

/// Returns `graph` simplified.
pub fn run(graph: &Graph, options: &Options, ledger: &mut Ledger) -> Graph {
    let rules = &SHOWN[options.fp as usize];
    rewrite(graph, |new, id, node, operands| {
        let mut node = node.clone();
        let mut operands = operands.clone();
        for _ in 0..MAX_REWRITES {
            let candidate = Candidate { graph: new, node: &node, operands: &operands };
            let mut shown = rules[On::of(&candidate) as usize].iter();
            let applied = shown.find_map(|rule| Some((rule, (rule.apply)(&candidate)?)));
            let Some((rule, expr)) = applied else { break };
            let detail = match rule.effects {
                [] => Cow::Borrowed(rule.algebra),
                _ => Cow::Owned(format!("{} ({})", rule.algebra, rule.effects())),
            };
            ledger.applied("simplify", rule.name, graph, id, detail);
            let (op, arguments) = match expr {
                Expr::Value(value) => return with_shape(new, value, &node),
                Expr::Constant(literal) => {
                    let value = push(new, Op::Constant(literal), &[], &node);
                    return with_shape(new, value, &node);
                }
                Expr::Op(op, arguments) => (op, arguments),
            };
            operands = arguments.into_iter().map(|argument| build(new, argument, &node)).collect();
            if inferred(new, &op, &operands).shape != node.ty.shape {
                let value = push(new, op, &operands, &node);
                return with_shape(new, value, &node);
            }
            node.op = op;
        }
        new.push_node(node, &operands)
    })
}

/// The node of an expression that stands for a part of `node`.
fn build(graph: &mut Graph, expr: Expr, node: &Node) -> NodeId {
    match expr {
        Expr::Value(value) => value,
        Expr::Constant(literal) => push(graph, Op::Constant(literal), &[], node),
        Expr::Op(op, arguments) => {
            let operands: Operands =
                arguments.into_iter().map(|argument| build(graph, argument, node)).collect();
            push(graph, op, &operands, node)
        }
    }
}

fn with_shape(graph: &mut Graph, value: NodeId, node: &Node) -> NodeId {
    if *graph.shape(value) == node.ty.shape {
        return value;
    }
    push(graph, Op::Broadcast(node.ty.shape.clone()), &[value], node)
}

fn push(graph: &mut Graph, op: Op, operands: &[NodeId], node: &Node) -> NodeId {
    let ty = inferred(graph, &op, operands);
    graph.push_node(Node { op, ty, source: node.source }, operands)
}

fn inferred(graph: &Graph, op: &Op, operands: &[NodeId]) -> Type {
    let types: SmallVec<[&Type; 4]> = operands.iter().map(|&id| &graph.node(id).ty).collect();
    match infer(op, &types) {
        Ok(ty) => ty,
        Err(error) => unreachable!("a rule keeps types right: {error}"),
    }
}
