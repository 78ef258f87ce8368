//! The text form of a graph, written.
//!
//! ```text
//! graph @mean(%0: f32[8, 4], %1: f32[4] strides [-4], %2: f32[] scalar, %3: f32[1, 4] donated) {
//!   %4 = constant 0.125: f32
//!   %5 = sum %0 axes [0]
//!   %6 = multiply %5, %4
//!   return %6 into %3
//! }
//! ```
//!
//! A line is a value, its op, the operands, then the op's attributes. Parameters carry their type and how they lie in
//! memory (row-major: nothing); the types of other values follow from their operands and are left out, except under
//! `{:#}`. `in r0` names a node's region, `-> b1` the memory its value is written to, `buffers` and `arena` the
//! bytes a run allocates. [`parse`](crate::parse) reads all of it back, and printing what it read gives the same text.
//!
//! Left out: source locations. Parameters stand in the header wherever they were pushed; pushed first, as they
//! usually are, they read back with the same ids.

use std::fmt;

use crate::{Destination, Encoding, Graph, Layout, Literal, NodeId, Op, Parameter, Type};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "graph @{}(", Name(self.name()))?;
        let parameters = self.ids().filter(|&id| matches!(self.op(id), Op::Parameter(_)));
        for ((i, id), parameter) in parameters.enumerate().zip(self.parameters()) {
            write!(f, "{}{id}: {parameter}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(") {\n")?;
        let region_of = self.region_of();
        for id in self.ids().filter(|&id| !matches!(self.op(id), Op::Parameter(_))) {
            write!(f, "  {id} = ")?;
            write_node(f, self, id, &|operand| operand)?;
            if let Some(region) = region_of[id.index()] {
                write!(f, " in {region}")?;
            }
            if let Some(slot) = self.slot(id) {
                write!(f, " -> {slot}")?;
            }
            f.write_str("\n")?;
        }
        if !self.buffers().is_empty() {
            writeln!(f, "  buffers {}", List(self.buffers()))?;
        }
        if self.arena() > 0 {
            writeln!(f, "  arena {}", self.arena())?;
        }
        write_outputs(f, self)?;
        f.write_str("}\n")
    }
}

/// A node's line of the text form, with nodes under other names; without region and slot.
#[derive(Clone, Copy, Debug)]
pub struct NodeLine<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The node.
    pub id: NodeId,
    /// The name of each node of the graph.
    pub names: &'a [NodeId],
}

impl fmt::Display for NodeLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeLine { graph, id, names } = *self;
        let name = names[id.index()];
        match graph.op(id) {
            Op::Parameter(n) => write!(f, "{name}: {}", graph.parameters()[*n as usize]),
            _ => {
                write!(f, "{name} = ")?;
                write_node(f, graph, id, &|operand| names[operand.index()])
            }
        }
    }
}

fn write_node(
    f: &mut fmt::Formatter<'_>,
    graph: &Graph,
    id: NodeId,
    name: &dyn Fn(NodeId) -> NodeId,
) -> fmt::Result {
    let node = graph.node(id);
    f.write_str(node.op.name())?;
    for (i, &operand) in graph.operands(id).iter().enumerate() {
        write!(f, "{}{}", if i > 0 { ", " } else { " " }, name(operand))?;
    }
    match &node.op {
        // The type of a constant begins with the dtype that is printed anyway.
        Op::Constant(literal) if f.alternate() => return write!(f, " {literal}: {}", node.ty),
        Op::Constant(literal) => write!(f, " {literal}: {}", Literal::dtype(*literal))?,
        Op::Iota(len) => write!(f, " {len}")?,
        Op::Cast(dtype) => write!(f, " {dtype}")?,
        Op::Part(part) => write!(f, " {}", part.name())?,
        Op::Reduce(_, axes) => write!(f, " axes {}", List(axes))?,
        Op::Slice(dims) => {
            let dims: Vec<String> =
                dims.iter().map(|dim| format!("{}:{}:{}", dim.start, dim.len, dim.step)).collect();
            write!(f, " {}", List(&dims))?;
        }
        Op::Reshape(shape) | Op::Broadcast(shape) => write!(f, " {}", List(shape))?,
        Op::Permute(axes) => write!(f, " {}", List(axes))?,
        Op::Concat(axis) => write!(f, " axis {axis}")?,
        Op::Library(op) => write!(f, "{op}")?,
        Op::Parameter(_) | Op::Elementwise(_) | Op::Where | Op::Complex | Op::Matmul | Op::Copy => {}
    }
    if f.alternate() {
        write!(f, ": {}", node.ty)?;
    }
    Ok(())
}

fn write_outputs(f: &mut fmt::Formatter<'_>, graph: &Graph) -> fmt::Result {
    f.write_str("  return")?;
    for (i, output) in graph.outputs().iter().enumerate() {
        write!(f, "{}{}", if i > 0 { ", " } else { " " }, output.node)?;
        match output.destination {
            Destination::Fresh => {}
            Destination::Provided => f.write_str(" into out")?,
            Destination::Parameter(n) => {
                match graph.ids().find(|&id| matches!(graph.op(id), Op::Parameter(m) if *m == n)) {
                    Some(id) => write!(f, " into {id}")?,
                    // Only in a graph that does not verify.
                    None => write!(f, " into p{n}")?,
                }
            }
        }
    }
    f.write_str("\n")
}

/// `f32[8, 4]`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, List(&self.shape))
    }
}

/// `f32[8, 4] strides [4, 32] swapped donated`.
impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ty)?;
        match &self.layout {
            Layout::RowMajor => {}
            Layout::Scalar => f.write_str(" scalar")?,
            Layout::Strided { strides, encoding } => {
                let encoding = match encoding {
                    Encoding::Native => "",
                    Encoding::Unaligned => " unaligned",
                    Encoding::Swapped => " swapped",
                };
                write!(f, " strides {}{encoding}", List(strides))?;
            }
        }
        if self.donated { f.write_str(" donated") } else { Ok(()) }
    }
}

/// `[1, 2]`.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("]")
    }
}

/// A graph's name: as it is where it is a word, otherwise quoted (Python's `<lambda>`).
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(crate::parse::is_word_char) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                _ => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}
