//! Rebuilds a graph bottom-up through a function.

use raptors_ir::{Graph, Node, NodeId, Op, Operands, Output};

/// How many elements an op must be saved on to be worth a step of its own: a step takes as long as an op on some thousand
/// elements.
pub(crate) const WORTH_A_STEP: usize = 1 << 14;

/// Builds a graph by asking `f` for the new node that stands for each old one.
///
/// Nodes are visited operands first; `f` gets the graph so far, the old id and node, and the operands' new ids.
/// Parameters and outputs carry over.
pub(crate) fn rewrite(
    graph: &Graph,
    mut f: impl FnMut(&mut Graph, NodeId, &Node, &Operands) -> NodeId,
) -> Graph {
    let mut new = Graph::like(graph);
    let mut map: Vec<NodeId> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let mapped = match node.op {
            Op::Parameter(n) => new.push_parameter(graph.parameters()[n as usize].clone(), node.source),
            _ => {
                let operands: Operands =
                    graph.operands(id).iter().map(|operand| map[operand.index()]).collect();
                f(&mut new, id, node, &operands)
            }
        };
        map.push(mapped);
    }
    for output in graph.outputs() {
        new.push_output(Output { node: map[output.node.index()], ..*output });
    }
    new
}
