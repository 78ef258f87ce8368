//! Which nodes compute the same value: those with the same op, attributes and operands of the same values.

use std::hash::BuildHasher;

use raptors_ir::{Fact, Graph, NodeId, Op, Operands};
use rustc_hash::{FxBuildHasher, FxHashMap};

/// The values of the nodes of a graph that grows. By hash, so that no op is copied to be a key: of two nodes whose
/// hashes are equal by chance, the later is taken for a value of its own.
#[derive(Default)]
pub(crate) struct Values {
    first: FxHashMap<u64, NodeId>,
    /// The first node of the same value, for each node.
    of_node: Vec<NodeId>,
}

impl Values {
    /// With room for so many nodes.
    pub(crate) fn with_capacity(nodes: usize) -> Values {
        let mut values = Values { first: FxHashMap::default(), of_node: Vec::with_capacity(nodes) };
        values.first.reserve(nodes);
        values
    }

    /// Takes in the nodes that `graph` has got.
    pub(crate) fn update(&mut self, graph: &Graph) {
        for id in graph.ids().skip(self.of_node.len()) {
            let op = graph.op(id);
            let key = self.key(op, graph.operands(id));
            let first = *self.first.entry(FxBuildHasher.hash_one((op, &key))).or_insert(id);
            let is_same =
                first == id || (graph.op(first) == op && self.key(op, graph.operands(first)) == key);
            self.of_node.push(if is_same { first } else { id });
        }
    }

    /// The first node of the same value as `id`.
    pub(crate) fn of(&self, id: NodeId) -> NodeId {
        self.of_node[id.index()]
    }

    fn key(&self, op: &Op, mut operands: Operands) -> Operands {
        operands.iter_mut().for_each(|operand| *operand = self.of(*operand));
        ordered(op, operands)
    }
}

/// The operands, in an order that says nothing where the op does not look at it.
pub(crate) fn ordered(op: &Op, mut operands: Operands) -> Operands {
    if let Op::Elementwise(op) = op
        && op.has(Fact::Commutative)
    {
        operands.sort_unstable();
    }
    operands
}
