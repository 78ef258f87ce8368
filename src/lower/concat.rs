//! Concats: a nest for each part, which computes the part where the concat has it.

use std::collections::BTreeSet;

use raptors_ir::{Dims, Graph, NodeId, Op};
use raptors_passes::access::{reshape_strides, root_of};

use super::nest::NestBuilder;
use super::stored;
use crate::error::Error;
use crate::program::{LoopNest, Operand};
use crate::runtime::level::Level;

/// The nests that write the parts of the concat `id`, the last of the `nodes` of its region.
pub(super) fn concat(
    graph: &Graph,
    id: NodeId,
    nodes: &[NodeId],
    level: Level,
) -> Result<Vec<LoopNest>, Error> {
    let mut parts = Vec::new();
    add_parts(graph, nodes, id, stored(graph, id), &mut parts);
    parts.into_iter().map(|part| part.lower(graph, level)).collect()
}

/// What one nest of a concat computes.
struct Part {
    nodes: BTreeSet<NodeId>,
    /// What of it is stored, and where.
    stores: Vec<(NodeId, Operand)>,
}

/// Adds the parts of the concat `id`, whose value is `target`.
fn add_parts(graph: &Graph, nodes: &[NodeId], id: NodeId, target: Operand, parts: &mut Vec<Part>) {
    let Op::Concat(axis) = *graph.op(id) else { unreachable!("{} is not a concat", graph.op(id).name()) };
    let mut offset = target.offset;
    for operand in graph.operands(id) {
        let slot = Operand { offset, ..target.clone() };
        offset += target.strides[axis] * graph.shape(operand)[axis] as isize;
        let root = root_of(graph, operand);
        if nodes.binary_search(&root).is_err() {
            parts.push(Part { nodes: BTreeSet::new(), stores: vec![(operand, slot)] });
            continue;
        }
        // The same but for dimensions of length 1.
        let strides = reshape_strides(graph.shape(operand), &slot.strides, graph.shape(root));
        let Some(strides) = strides else { unreachable!("{operand} is a part of {id}") };
        let slot = Operand { strides, ..slot };
        if matches!(graph.op(root), Op::Concat(_)) {
            add_parts(graph, nodes, root, slot, parts);
            continue;
        }
        let mut part = Part { nodes: BTreeSet::new(), stores: vec![(root, slot)] };
        let mut pending = vec![root];
        while let Some(node) = pending.pop() {
            if nodes.binary_search(&node).is_ok() && part.nodes.insert(node) {
                pending.extend(graph.operands(node));
            }
        }
        // Parts with common work are computed together.
        let (common, others) =
            parts.drain(..).partition(|other: &Part| !other.nodes.is_disjoint(&part.nodes));
        *parts = others;
        for other in common {
            part.nodes.extend(other.nodes);
            part.stores.extend(other.stores);
        }
        parts.push(part);
    }
}

impl Part {
    fn lower(self, graph: &Graph, level: Level) -> Result<LoopNest, Error> {
        let nodes: Vec<NodeId> = self.nodes.into_iter().collect();
        let space = graph.shape(self.stores[0].0).clone();
        let mut builder = NestBuilder::over(graph, space, Dims::new());
        for &node in &nodes {
            builder.compute(node);
        }
        for (node, slot) in self.stores {
            match nodes.is_empty() {
                true => builder.copy(node, slot),
                false => builder.store(node, slot),
            }
        }
        builder.finish(&[], level)
    }
}
