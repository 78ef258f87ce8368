//! Legalization: ops on element types that no kernel computes with, as ops on types they do.
//!
//! It runs first and is required: the passes after it, lowering and kernels meet such types only where elements are
//! moved (views, `where`, copies, concat) or converted in one step. There is a file per family of types. What an op
//! becomes has the bits that [`scalar`](raptors_ir::scalar) defines for it, payloads of NaN aside; reductions and
//! matrix products have no such definition, and mean what is written here.
//!
//! The graph grows by a few nodes per op; equal conversions are merged by `cse`.

mod half;

use raptors_ir::{ElementwiseOp, Graph, Literal, NodeId, Op, Source};

use crate::rewrite::rewrite;
use crate::{Ledger, Options};

/// Returns `graph` with ops on legal types alone.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    if graph.ids().all(|id| half::is_legal(graph, id)) {
        return graph.clone();
    }
    rewrite(graph, |new, id, node, operands| {
        if half::is_legal(graph, id) {
            return new.push_node(node.clone(), operands);
        }
        ledger.applied("legalize", "half", graph, id, half::REASON);
        half::legalized(&mut Legal { graph: new, source: node.source }, node, operands)
    })
}

/// Adds nodes that stand for one node, and are written where it was.
struct Legal<'a> {
    graph: &'a mut Graph,
    source: Option<Source>,
}

impl Legal<'_> {
    fn push(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        match self.graph.push(op, operands, self.source) {
            Ok(node) => node,
            Err(error) => unreachable!("an op on legal types takes what the op it stands for took: {error}"),
        }
    }

    fn elementwise(&mut self, op: ElementwiseOp, operands: &[NodeId]) -> NodeId {
        self.push(Op::Elementwise(op), operands)
    }

    fn constant(&mut self, literal: Literal) -> NodeId {
        self.push(Op::Constant(literal), &[])
    }
}
