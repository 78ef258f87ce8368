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
                let mut operands = graph.operands(id);
                operands.iter_mut().for_each(|operand| *operand = map[operand.index()]);
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

#[cfg(test)]
mod tests {
    use raptors_ir::{parse, verify};

    use crate::{Ledger, Options, PASSES, check_place};

    /// A pass that changes nothing leaves out what an earlier run of the pipeline has placed.
    #[test]
    fn a_graph_with_regions_and_places_is_planned_anew() {
        let text = "graph @placed(%0: f32[8, 4] donated, %1: f32[8, 1], %2: f32[8, 4]) {\n  \
                    %3 = sum %0 axes [1] in r0\n  \
                    %4 = add %0, %3 in r0 -> p0\n  \
                    %5 = exp %1 in r0\n  \
                    %6 = multiply %2, %5 in r0\n  \
                    %7 = sum %6 axes [1] in r0\n  \
                    %8 = subtract %0, %7 in r0 -> b0\n  \
                    buffers [128]\n  \
                    return %0, %8\n}\n";
        let Ok(mut graph) = parse(text) else { panic!("the text is a graph") };
        for pass in PASSES {
            graph = (pass.run)(&graph, &Options::default(), &mut Ledger::default());
            let checked = verify(&graph).and_then(|()| check_place::check(&graph));
            assert!(checked.is_ok(), "{}: {checked:?}\n{graph}", pass.name);
        }
    }
}
