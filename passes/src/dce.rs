//! Dead node elimination: a node that no output reaches is dropped. Parameters stay, since callers bind them by
//! position. Linear.

use raptors_ir::{Graph, NodeId, Op, Operands, Output};

use crate::{Ledger, Options};

/// Returns `graph` without the nodes that no output needs.
pub fn run(graph: &Graph, _options: &Options, _ledger: &mut Ledger) -> Graph {
    let live = live_nodes(graph);
    if live.iter().all(|&live| live) {
        return graph.clone();
    }
    let mut new = Graph::like(graph);
    let mut map: Vec<Option<NodeId>> = vec![None; graph.len()];
    for id in graph.ids() {
        let node = graph.node(id);
        map[id.index()] = match node.op {
            Op::Parameter(n) => Some(new.push_parameter(graph.parameters()[n as usize].clone(), node.source)),
            _ if !live[id.index()] => None,
            _ => {
                let operands: Operands =
                    graph.operands(id).iter().filter_map(|operand| map[operand.index()]).collect();
                Some(new.push_node(node.clone(), &operands))
            }
        };
    }
    for output in graph.outputs() {
        if let Some(node) = map[output.node.index()] {
            new.push_output(Output { node, ..*output });
        }
    }
    new
}

/// Whether each node is needed by an output; parameters always are.
fn live_nodes(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.len()];
    for output in graph.outputs() {
        live[output.node.index()] = true;
    }
    for id in graph.ids().rev() {
        if live[id.index()] {
            for operand in graph.operands(id) {
                live[operand.index()] = true;
            }
        }
        if matches!(graph.op(id), Op::Parameter(_)) {
            live[id.index()] = true;
        }
    }
    live
}
