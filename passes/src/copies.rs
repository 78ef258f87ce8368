//! Copy insertion: the copies without which a graph cannot be run.
//!
//! - An output is memory of its own. One that is a parameter, a constant, a view, or already another output is copied. A
//!   computed value that is only reshaped is returned as it is: its elements are those of the output, in order.
//! - A reshape that strides cannot express reads a row-major copy.
//! - A matrix product or a library op reads memory in native byte order; an operand that is a scalar, computed on the
//!   fly (iota), unaligned, or stored with the other byte order is copied.
//!
//! Each copy is in the ledger: `plan.copies` counts them.

use raptors_ir::{Destination, Encoding, Graph, Layout, Node, NodeId, Op, Operands, Output};
use rustc_hash::FxHashSet;

use crate::access::{Root, access, reshape_strides};
use crate::fuse::needs_region;
use crate::rewrite::rewrite;
use crate::{Ledger, Options};

/// Returns `graph` with the copies it needs.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    let mut new = with_operands(graph, ledger);
    let outputs = new.outputs().to_vec();
    let mut returned: FxHashSet<NodeId> = FxHashSet::default();
    let mut result = None;
    for (n, output) in outputs.iter().enumerate() {
        let output = &Output { node: under_reshapes(&new, output), ..*output };
        if output.node != outputs[n].node {
            result.get_or_insert_with(|| outputs.clone())[n] = *output;
        }
        let problem = output_problem(&new, output.node, &returned);
        if let Some(problem) = problem {
            let into = result.get_or_insert_with(|| outputs.clone());
            ledger.applied("copies", "output", &new, output.node, problem);
            into[n] = Output { node: copy(&mut new, output.node), ..*output };
        }
        returned.insert(output.node);
    }
    if let Some(outputs) = result {
        new.set_outputs(outputs);
    }
    new
}

/// The graph with copies of operands that are not read as they are.
fn with_operands(graph: &Graph, ledger: &mut Ledger) -> Graph {
    let may_need = |op: &Op| matches!(op, Op::Reshape(_) | Op::Matmul | Op::Library(_));
    if !graph.ids().any(|id| may_need(graph.op(id))) {
        return graph.unplaced();
    }
    rewrite(graph, |new, id, node, operands| match &node.op {
        Op::Reshape(target) => {
            let free = access(new, operands[0]).is_some_and(|access| {
                reshape_strides(new.shape(operands[0]), &access.strides, target).is_some()
            });
            let operand = if free {
                operands[0]
            } else {
                ledger.applied(
                    "copies",
                    "reshape",
                    graph,
                    id,
                    "its operand's strides do not express the new shape",
                );
                copy(new, operands[0])
            };
            new.push_node(node.clone(), &[operand])
        }
        Op::Matmul | Op::Library(_) => {
            let operands: Operands = operands
                .iter()
                .map(|&operand| match memory_problem(new, operand).or_else(|| gaps(new, &node.op, operand)) {
                    None => operand,
                    Some(problem) => {
                        ledger.applied("copies", "operand", graph, id, problem);
                        copy(new, operand)
                    }
                })
                .collect();
            new.push_node(node.clone(), &operands)
        }
        _ => new.push_node(node.clone(), operands),
    })
}

/// The value whose memory is the output's under another shape, or the output itself: what a result is reshaped to is only
/// known to who receives it. Memory that was given keeps its shape.
fn under_reshapes(graph: &Graph, output: &Output) -> NodeId {
    let mut node = output.node;
    if matches!(output.destination, Destination::Parameter(_)) {
        return node;
    }
    while matches!(graph.op(node), Op::Reshape(_)) {
        node = graph.operands(node)[0];
    }
    if needs_region(graph.op(node)) { node } else { output.node }
}

fn copy(graph: &mut Graph, x: NodeId) -> NodeId {
    let Node { ty, source, .. } = graph.node(x).clone();
    graph.push_node(Node { op: Op::Copy, ty, source }, &[x])
}

/// Why a matrix product or a library op cannot read this operand as it is.
fn memory_problem(graph: &Graph, operand: NodeId) -> Option<&'static str> {
    match access(graph, operand)?.root {
        Root::Iota(_) => Some("an iota has no memory to read"),
        Root::Scalar(_) | Root::Constant(_) => Some("a scalar has no memory to read"),
        Root::Parameter(n) => match graph.parameters()[n as usize].layout {
            Layout::Strided { encoding: Encoding::Swapped, .. } => {
                Some("its elements have the other byte order")
            }
            Layout::Strided { encoding: Encoding::Unaligned, .. } => Some("its elements are not aligned"),
            _ => None,
        },
        Root::Value(_) => None,
    }
}

/// Why an op that reads elements side by side cannot read this operand as it is.
fn gaps(graph: &Graph, op: &Op, operand: NodeId) -> Option<&'static str> {
    if !matches!(op, Op::Library(op) if op.reads_row_major()) {
        return None;
    }
    let ty = &graph.node(operand).ty;
    let expected = ty.shape.row_major_strides(ty.dtype.size());
    let access = access(graph, operand)?;
    let mut dims = ty.shape.iter().zip(&access.strides).zip(&expected);
    let side_by_side =
        ty.shape.size() == 0 || dims.all(|((&dim, stride), expected)| dim == 1 || stride == expected);
    (!side_by_side).then_some("its elements do not lie side by side")
}

/// Why this node's value cannot itself be an output.
fn output_problem(graph: &Graph, node: NodeId, returned: &FxHashSet<NodeId>) -> Option<&'static str> {
    match graph.op(node) {
        Op::Parameter(_) => Some("an input is returned"),
        Op::Constant(_) | Op::Iota(_) => Some("a constant is returned"),
        op if op.is_view() => Some("a view is returned"),
        _ if returned.contains(&node) => Some("one value is returned twice"),
        _ => None,
    }
}
