//! Common subexpression elimination.
//!
//! Two nodes with the same op, attributes and operands compute the same value; the later is replaced by the earlier.
//! Operands are visited first, so a chain of duplicates collapses in one run. The operands of a commutative op are
//! keyed sorted: `a + b` meets `b + a`. Constants are keyed by dtype and bits, so 0.0 and -0.0 stay apart. Linear.

use raptors_ir::{Fact, Graph, NodeId, Op, Operands};
use rustc_hash::FxHashMap;

use crate::rewrite::rewrite;
use crate::{Ledger, Options};

/// Returns `graph` with equal nodes merged.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    let mut first: FxHashMap<(Op, Operands), NodeId> = FxHashMap::default();
    rewrite(graph, |new, id, node, operands| {
        let mut key = operands.clone();
        if let Op::Elementwise(op) = node.op
            && op.has(Fact::Commutative)
        {
            key.sort_unstable();
        }
        match first.entry((node.op.clone(), key)) {
            std::collections::hash_map::Entry::Occupied(entry) => {
                ledger.applied("cse", "merge-equal", graph, id, "computed once");
                *entry.get()
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                *entry.insert(new.push_node(node.clone(), operands))
            }
        }
    })
}
