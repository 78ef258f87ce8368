//! What rules are written in: the node they look at, and the expression they put in its place.

use raptors_ir::{DType, ElementwiseOp, Graph, Literal, Node, NodeId, Op, Operands};

use crate::rewrite::WORTH_A_STEP;
use crate::values::Values;

/// A node that a rule may replace. Its operands are in the graph, itself it is not yet.
pub(super) struct Candidate<'a> {
    pub(super) graph: &'a Graph,
    pub(super) values: &'a Values,
    pub(super) node: &'a Node,
    pub(super) operands: &'a Operands,
}

/// What a rule puts in a node's place; broadcast to the node's shape if it is smaller.
pub(super) enum Expr {
    /// An existing value.
    Value(NodeId),
    /// A 0-d constant.
    Constant(Literal),
    /// An op of expressions.
    Op(Op, Vec<Expr>),
}

impl From<NodeId> for Expr {
    fn from(value: NodeId) -> Expr {
        Expr::Value(value)
    }
}

impl From<Literal> for Expr {
    fn from(literal: Literal) -> Expr {
        Expr::Constant(literal)
    }
}

/// `op(x)`.
pub(super) fn unary(op: ElementwiseOp, x: impl Into<Expr>) -> Expr {
    Expr::Op(Op::Elementwise(op), vec![x.into()])
}

/// `op(x, y)`.
pub(super) fn binary(op: ElementwiseOp, x: impl Into<Expr>, y: impl Into<Expr>) -> Expr {
    Expr::Op(Op::Elementwise(op), vec![x.into(), y.into()])
}

impl Candidate<'_> {
    /// The elementwise op that the node is.
    pub(super) fn elementwise(&self) -> Option<ElementwiseOp> {
        match self.node.op {
            Op::Elementwise(op) => Some(op),
            _ => None,
        }
    }

    /// The node as an op of one operand.
    pub(super) fn unary(&self) -> Option<(ElementwiseOp, NodeId)> {
        match *self.operands.as_slice() {
            [x] => Some((self.elementwise()?, x)),
            _ => None,
        }
    }

    /// The node as an op of two operands.
    pub(super) fn binary(&self) -> Option<(ElementwiseOp, NodeId, NodeId)> {
        match *self.operands.as_slice() {
            [x, y] => Some((self.elementwise()?, x, y)),
            _ => None,
        }
    }

    /// The operand of `x`, where `x` is this op of one.
    pub(super) fn argument(&self, op: ElementwiseOp, x: NodeId) -> Option<NodeId> {
        (*self.graph.op(x) == Op::Elementwise(op)).then(|| self.graph.operands(x)[0])
    }

    /// The operands of `x`, where `x` is this op of two.
    pub(super) fn arguments(&self, op: ElementwiseOp, x: NodeId) -> Option<(NodeId, NodeId)> {
        if *self.graph.op(x) != Op::Elementwise(op) {
            return None;
        }
        match *self.graph.operands(x).as_slice() {
            [x, y] => Some((x, y)),
            _ => None,
        }
    }

    /// The dtype of a value.
    pub(super) fn dtype(&self, id: NodeId) -> DType {
        self.graph.node(id).ty.dtype
    }

    /// The dtype of the node.
    pub(super) fn result_dtype(&self) -> DType {
        self.node.ty.dtype
    }

    /// The scalar that a value repeats, through broadcasts.
    pub(super) fn literal(&self, mut id: NodeId) -> Option<Literal> {
        loop {
            match self.graph.op(id) {
                Op::Constant(literal) => return Some(*literal),
                Op::Broadcast(_) | Op::Reshape(_) => id = self.graph.operands(id)[0],
                _ => return None,
            }
        }
    }

    /// Whether two nodes compute the same, be they written once or twice.
    pub(super) fn same(&self, x: NodeId, y: NodeId) -> bool {
        let both_known = || self.literal(x).is_some_and(|literal| self.is(y, literal));
        self.values.of(x) == self.values.of(y) || both_known()
    }

    /// Whether a value is this scalar everywhere.
    pub(super) fn is(&self, id: NodeId, literal: Literal) -> bool {
        self.literal(id) == Some(literal)
    }

    /// Whether the node is of so many elements that to save an op on them is worth a step for scalars before it.
    pub(super) fn is_worth_a_step(&self) -> bool {
        self.node.ty.shape.size() >= WORTH_A_STEP
    }

    /// Whether a value is one scalar.
    pub(super) fn is_scalar(&self, id: NodeId) -> bool {
        self.graph.shape(id).is_empty()
    }
}
