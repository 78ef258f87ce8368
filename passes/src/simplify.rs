//! Algebraic simplification and constant folding: one named rule each, in the table [`RULES`].
//!
//! A rule says which properties of float arithmetic it gives up ([`Effect`]). An exact rule gives up none: the
//! rewritten graph gives the same bits for all inputs, -0.0, infinities and subnormals included, NaN payloads aside.
//! `x * 1` is `x`; `x + 0` is not (it turns -0.0 into 0.0), nor are `x * 0`, `x - x` and reassociation. The strict mode
//! runs exact rules only, the others widen by effect. Folding calls the definitions that the kernels run
//! (`raptors_ir::scalar`).
//!
//! Rules see a node with its operands already simplified, and are tried in order until none applies; what a rule makes is
//! simplified in turn. Operands are compared by value, since equal nodes are merged later. Linear.

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
use crate::values::Values;
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
    /// A function of mathematics is within 4 units in the last place of the exact result, not 1.
    Relaxes,
}

impl Effect {
    /// The name, as documents use it.
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Contracts => "contracts",
            Effect::Reassociates => "reassociates",
            Effect::IgnoresNan => "ignores-nan",
            Effect::IgnoresSignedZero => "ignores-signed-zero",
            Effect::Relaxes => "relaxes",
        }
    }

    /// The narrowest mode that allows it.
    const fn mode(self) -> FpMode {
        match self {
            Effect::Contracts => FpMode::Contract,
            Effect::Reassociates | Effect::IgnoresNan | Effect::IgnoresSignedZero | Effect::Relaxes => {
                FpMode::Fast
            }
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

/// How deep in the expression that a rule makes its parts are simplified too.
const MAX_DEPTH: usize = 4;

/// Returns `graph` simplified.
pub fn run(graph: &Graph, options: &Options, ledger: &mut Ledger) -> Graph {
    let rules = &SHOWN[options.fp as usize];
    let mut values = Values::with_capacity(graph.len());
    rewrite(graph, |new, id, node, operands| {
        let applied = |rule: &Rule| {
            let detail = match rule.effects {
                [] => Cow::Borrowed(rule.algebra),
                _ => Cow::Owned(format!("{} ({})", rule.algebra, rule.effects())),
            };
            ledger.applied("simplify", rule.name, graph, id, detail);
        };
        Simplifier { new, rules, values: &mut values, applied }.node(node.clone(), operands.clone(), 0)
    })
}

struct Simplifier<'a, F> {
    new: &'a mut Graph,
    rules: &'static [Vec<&'static Rule>],
    values: &'a mut Values,
    /// Notes that a rule was applied.
    applied: F,
}

impl<F: FnMut(&Rule)> Simplifier<'_, F> {
    /// The node that stands for `node` of these operands.
    fn node(&mut self, mut node: Node, mut operands: Operands, depth: usize) -> NodeId {
        for _ in 0..MAX_REWRITES {
            self.values.update(self.new);
            let candidate =
                Candidate { graph: self.new, values: self.values, node: &node, operands: &operands };
            let mut shown = self.rules[On::of(&candidate) as usize].iter();
            let found = shown.find_map(|rule| Some((rule, (rule.apply)(&candidate)?)));
            let Some((rule, expr)) = found else { break };
            (self.applied)(rule);
            let (op, arguments) = match expr {
                Expr::Op(op, arguments) => (op, arguments),
                expr @ (Expr::Value(_) | Expr::Constant(_)) => {
                    let value = self.build(expr, &node, depth);
                    return self.with_shape(value, &node);
                }
            };
            operands = arguments.into_iter().map(|argument| self.build(argument, &node, depth)).collect();
            let ty = self.inferred(&op, &operands);
            if ty.shape != node.ty.shape {
                let value = self.part(Node { op, ty, source: node.source }, operands, depth);
                return self.with_shape(value, &node);
            }
            node.op = op;
        }
        self.new.push_node(node, &operands)
    }

    /// The node of an expression that stands for `node` or a part of it.
    fn build(&mut self, expr: Expr, node: &Node, depth: usize) -> NodeId {
        let (op, operands) = match expr {
            Expr::Value(value) => return value,
            Expr::Constant(literal) => (Op::Constant(literal), Operands::new()),
            Expr::Op(op, arguments) => {
                (op, arguments.into_iter().map(|argument| self.build(argument, node, depth)).collect())
            }
        };
        let ty = self.inferred(&op, &operands);
        self.part(Node { op, ty, source: node.source }, operands, depth)
    }

    fn part(&mut self, node: Node, operands: Operands, depth: usize) -> NodeId {
        match depth {
            MAX_DEPTH => self.new.push_node(node, &operands),
            _ => self.node(node, operands, depth + 1),
        }
    }

    fn with_shape(&mut self, value: NodeId, node: &Node) -> NodeId {
        if *self.new.shape(value) == node.ty.shape {
            return value;
        }
        let (op, ty) = (Op::Broadcast(node.ty.shape.clone()), node.ty.clone());
        self.new.push_node(Node { op, ty, source: node.source }, &[value])
    }

    fn inferred(&self, op: &Op, operands: &[NodeId]) -> Type {
        let types: SmallVec<[&Type; 4]> = operands.iter().map(|&id| &self.new.node(id).ty).collect();
        match infer(op, &types) {
            Ok(ty) => ty,
            Err(error) => unreachable!("a rule keeps types right: {error}"),
        }
    }
}
