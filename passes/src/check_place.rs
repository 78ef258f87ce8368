//! An independent proof of a placement: no region reads memory that has been overwritten.
//!
//! The regions are run symbolically. Every slot remembers the node whose value it holds; a read of another node's value
//! is an error, as are a store over memory that the same region reads at other elements, two stores of one region in
//! one slot, a store into a parameter that was neither donated nor given for a result, and a result that does not
//! stand in its slot at the end.

use std::collections::BTreeMap;

use raptors_ir::{Destination, Graph, NodeId, Op, Slot, VerifyError};

use crate::access::root_of;

/// Checks the slots of `graph`; a graph that has not been placed is fine.
pub fn check(graph: &Graph) -> Result<(), VerifyError> {
    if graph.ids().all(|id| graph.slot(id).is_none()) {
        return Ok(());
    }
    let mut holds: BTreeMap<(u8, u32), NodeId> = BTreeMap::new();
    for id in graph.ids() {
        if let Op::Parameter(n) = *graph.op(id) {
            holds.insert(key(Slot::Parameter(n)), id);
        }
    }
    for nodes in graph.regions() {
        let mut read: Vec<(Slot, NodeId)> = Vec::new();
        for &node in nodes {
            for operand in graph.operands(node) {
                let root = root_of(graph, operand);
                if nodes.contains(&root) && graph.slot(root).is_none() {
                    continue;
                }
                let slot = match *graph.op(root) {
                    Op::Parameter(n) => Slot::Parameter(n),
                    Op::Constant(_) | Op::Iota(_) => continue,
                    _ if nodes.contains(&root) => continue,
                    _ => graph
                        .slot(root)
                        .ok_or_else(|| error(root, "is read by another region but never stored"))?,
                };
                if holds.get(&key(slot)) != Some(&root) {
                    return Err(error(node, &format!("reads {root} from {slot}, which no longer holds it")));
                }
                read.push((slot, root));
            }
        }
        let mut written: Vec<Slot> = Vec::new();
        for &node in nodes {
            let Some(slot) = graph.slot(node) else { continue };
            if written.contains(&slot) {
                return Err(error(node, &format!("is the second value its region stores in {slot}")));
            }
            written.push(slot);
            check_capacity(graph, node, slot)?;
            for &(_, root) in read.iter().filter(|(read_slot, _)| *read_slot == slot) {
                if !is_stored_after_its_reads(graph, nodes, node, root) {
                    return Err(error(
                        node,
                        &format!("is stored over {root}, which is read at other elements"),
                    ));
                }
            }
            holds.insert(key(slot), node);
        }
    }
    for output in graph.outputs() {
        let slot =
            graph.slot(output.node).ok_or_else(|| error(output.node, "is a result but never stored"))?;
        if holds.get(&key(slot)) != Some(&output.node) {
            return Err(error(output.node, &format!("is a result, but {slot} no longer holds it")));
        }
    }
    Ok(())
}

/// Whether each element of `root` is only read by the element of `node` that is stored over it: `node` is elementwise, its
/// elements lie where those of `root` do, and nothing in the region sees `root` through a view or a broadcast.
fn is_stored_after_its_reads(graph: &Graph, nodes: &[NodeId], node: NodeId, root: NodeId) -> bool {
    let (stored, read) = (&graph.node(node).ty, &graph.node(root).ty);
    let same_elements = stored.shape == read.shape && stored.dtype.size() == read.dtype.size();
    let spaces = nodes.iter().flat_map(|&user| {
        graph.operands(user).into_iter().map(move |operand| {
            let space = if matches!(graph.op(user), Op::Reduce(..)) { operand } else { user };
            (operand, space)
        })
    });
    let mut reads = spaces.filter(|&(operand, _)| root_of(graph, operand) == root);
    graph.op(node).is_elementwise()
        && same_elements
        && reads.all(|(operand, space)| operand == root && graph.shape(space) == graph.shape(root))
}

fn check_capacity(graph: &Graph, node: NodeId, slot: Slot) -> Result<(), VerifyError> {
    let bytes = graph.bytes(node);
    let capacity = match slot {
        Slot::Buffer(buffer) => graph.buffers().get(buffer.0 as usize).copied().unwrap_or(0),
        Slot::Parameter(n) => {
            let parameter = &graph.parameters()[n as usize];
            let given = graph
                .outputs()
                .iter()
                .any(|output| output.node == node && output.destination == Destination::Parameter(n));
            if !parameter.donated && !given {
                return Err(error(node, &format!("overwrites p{n}, which was not donated")));
            }
            parameter.ty.shape.size() * parameter.ty.dtype.size()
        }
        Slot::Output(_) => bytes,
    };
    if bytes > capacity {
        return Err(error(node, &format!("needs {bytes} bytes, but {slot} has {capacity}")));
    }
    Ok(())
}

fn key(slot: Slot) -> (u8, u32) {
    match slot {
        Slot::Buffer(buffer) => (0, buffer.0),
        Slot::Parameter(n) => (1, n),
        Slot::Output(n) => (2, n),
    }
}

fn error(node: NodeId, problem: &str) -> VerifyError {
    VerifyError { node, problem: problem.to_owned() }
}
