//! A graph as Graphviz text: `dot -Tsvg`.
//!
//! A box is a node with its op, its type, and the memory it is written to; parameters are ellipses, results have a
//! double border. A region is a frame. An edge says which operand it is where exchanging two would matter.

use std::fmt::{self, Write};

use crate::{Fact, Graph, NodeId, Op};

/// Returns the graph in Graphviz' language.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_graph(&mut text, graph);
    text
}

fn write_graph(text: &mut String, graph: &Graph) -> fmt::Result {
    writeln!(text, "digraph \"{}\" {{", escape(graph.name()))?;
    writeln!(text, "  node [shape=box, fontname=\"monospace\"];")?;
    let region_of = graph.region_of();
    for id in graph.ids().filter(|id| region_of[id.index()].is_none()) {
        write_node(text, graph, id, "  ")?;
    }
    for (region, nodes) in graph.regions().iter().enumerate() {
        writeln!(text, "  subgraph cluster_{region} {{")?;
        writeln!(text, "    label=\"r{region}\";")?;
        for &id in nodes {
            write_node(text, graph, id, "    ")?;
        }
        writeln!(text, "  }}")?;
    }
    for id in graph.ids() {
        let operands = graph.operands(id);
        let ordered = operands.len() > 1 && !commutes(graph.op(id));
        for (position, operand) in operands.iter().enumerate() {
            write!(text, "  n{} -> n{}", operand.0, id.0)?;
            if ordered {
                write!(text, " [label=\"{position}\"]")?;
            }
            writeln!(text, ";")?;
        }
    }
    writeln!(text, "}}")
}

fn write_node(text: &mut String, graph: &Graph, id: NodeId, indent: &str) -> fmt::Result {
    let node = graph.node(id);
    let mut label = match &node.op {
        Op::Constant(literal) => format!("{id} constant {literal}\n{}", node.ty),
        Op::Parameter(n) => format!("{id} parameter {n}\n{}", graph.parameters()[*n as usize]),
        Op::Reduce(op, axes) => format!("{id} {} axes {axes:?}\n{}", op.name(), node.ty),
        op => format!("{id} {}\n{}", op.name(), node.ty),
    };
    if let Some(slot) = graph.slot(id) {
        write!(label, "\n-> {slot}")?;
    }
    for (n, _) in graph.outputs().iter().enumerate().filter(|(_, output)| output.node == id) {
        write!(label, "\nresult {n}")?;
    }
    write!(text, "{indent}n{} [label=\"{}\"", id.0, escape(&label))?;
    if matches!(node.op, Op::Parameter(_)) {
        write!(text, ", shape=ellipse")?;
    }
    if graph.outputs().iter().any(|output| output.node == id) {
        write!(text, ", peripheries=2")?;
    }
    writeln!(text, "];")
}

fn commutes(op: &Op) -> bool {
    matches!(op, Op::Elementwise(op) if op.has(Fact::Commutative))
}

/// As inside double quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_drawing_shows_regions_slots_results_and_operand_order() {
        let graph = crate::parse(
            "graph @\"a \\\"b\\\"\"(%x: f32[4]) {
               %s = add %x, %x in r0 -> b0
               %d = subtract %s, %x in r0 -> out0
               buffers [16]
               return %d
             }",
        )
        .unwrap();
        assert_eq!(
            super::dot(&graph),
            r#"digraph "a \"b\"" {
  node [shape=box, fontname="monospace"];
  n0 [label="%0 parameter 0\nf32[4]", shape=ellipse];
  subgraph cluster_0 {
    label="r0";
    n1 [label="%1 add\nf32[4]\n-> b0"];
    n2 [label="%2 subtract\nf32[4]\n-> out0\nresult 0", peripheries=2];
  }
  n0 -> n1;
  n0 -> n1;
  n1 -> n2 [label="0"];
  n0 -> n2 [label="1"];
}
"#
        );
    }
}
