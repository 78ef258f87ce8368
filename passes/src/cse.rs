//! Common subexpression elimination.
//!
//! Two nodes with the same op, attributes and operands compute the same value; the later is replaced by the earlier.
//! Operands are visited first, so a chain of duplicates collapses in one run. The operands of a commutative op are
//! keyed sorted: `a + b` meets `b + a`. Where both operands are NaN, the two differ in the NaN's payload, which
//! nothing here promises to keep. Constants are keyed by dtype and bits, so 0.0 and -0.0 stay apart. Linear.

use std::hash::BuildHasher;

use raptors_ir::{Graph, NodeId};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::rewrite::rewrite;
use crate::values::{Values, ordered};
use crate::{Ledger, Options};

/// Returns `graph` with equal nodes merged.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    let mut values = Values::with_capacity(graph.len());
    values.update(graph);
    if graph.ids().all(|id| values.of(id) == id) {
        return graph.unplaced();
    }
    // By hash, so that no op is copied to be a key: of two nodes whose hashes are equal by chance, only the first is
    // found, and the other stays.
    let mut first: FxHashMap<u64, NodeId> = FxHashMap::default();
    first.reserve(graph.len());
    rewrite(graph, |new, id, node, operands| {
        let key = ordered(&node.op, operands.clone());
        let hash = FxBuildHasher.hash_one((&node.op, &key));
        match first.get(&hash).copied() {
            Some(known) if *new.op(known) == node.op && ordered(&node.op, new.operands(known)) == key => {
                ledger.applied("cse", "merge-equal", graph, id, "computed once");
                known
            }
            Some(_) => new.push_node(node.clone(), operands),
            None => {
                let added = new.push_node(node.clone(), operands);
                first.insert(hash, added);
                added
            }
        }
    })
}
