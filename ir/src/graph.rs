//! The graph: nodes, operands in order, parameters, outputs. The only file that names petgraph.
//!
//! A node is pushed after its operands, so ids ascend in topological order and a cycle cannot be built. A graph is
//! never edited: a pass reads one and pushes another. petgraph lists a node's neighbours in reverse order of insertion,
//! from all over memory; but a node's edges are added with it, so they are neighbours in petgraph's list of edges.
//! [`Graph::operands`] reads them there, and is the only way operands are read.
//!
//! `fuse` adds regions, in execution order, and `place` adds slots; before them a graph has neither.

use std::fmt;
use std::sync::Arc;

use petgraph::Direction;
use petgraph::graph::{DiGraph, Edge, NodeIndex};
use smallvec::SmallVec;

use crate::{IrError, Op, Shape, Strides, Type, infer};

/// A node of a [`Graph`]; prints as in the text form, `%3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position in [`Graph::ids`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where in the user's program an op was applied. What the numbers mean is known to the front end that made them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source {
    /// The front end's number of a file, function or code object.
    pub file: u32,
    /// A position in it.
    pub position: u32,
}

/// An op, its result's type, and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// The result's dtype and shape.
    pub ty: Type,
    /// Where the user wrote it, when known.
    pub source: Option<Source>,
}

/// How a parameter's elements lie in memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Layout {
    /// Row-major without gaps, in native byte order.
    RowMajor,
    /// One run-time value, passed by value; 0-d.
    Scalar,
    /// Any bytes between neighbours, negative and zero included.
    Strided {
        /// Bytes between neighbours, per dimension.
        strides: Strides,
        /// How the bytes of an element are read.
        encoding: Encoding,
    },
}

/// How the bytes of an element in memory are read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Encoding {
    /// In native byte order, aligned to the element.
    Native,
    /// In native byte order, at any address.
    Unaligned,
    /// In the other byte order, at any address.
    Swapped,
}

/// An input of the graph.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Parameter {
    /// dtype and shape.
    pub ty: Type,
    /// Where its elements lie.
    pub layout: Layout,
    /// Whether its memory may be overwritten.
    pub donated: bool,
}

/// Where a result goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Destination {
    /// Memory of its own.
    Fresh,
    /// Row-major memory that the caller gives, which no parameter shares.
    Provided,
    /// Row-major memory that the caller gives, which is exactly this parameter's.
    Parameter(u32),
}

/// A result of the graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Output {
    /// The node whose value it is.
    pub node: NodeId,
    /// Where it goes.
    pub destination: Destination,
}

/// A region: nodes that run as one step. Prints as `r2`; ascending in execution order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RegionId(pub u32);

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// A buffer that a run allocates for a result. Prints as `b1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BufferId(pub u32);

impl fmt::Display for BufferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// The memory a value is written to. It is row-major from the start of the slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Slot {
    /// The arena of the run, from this byte on. Prints as `a64`.
    Arena(usize),
    /// A buffer of the plan.
    Buffer(BufferId),
    /// A donated parameter's memory.
    Parameter(u32),
    /// The memory the caller gave for the n-th output.
    Output(u32),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Arena(offset) => write!(f, "a{offset}"),
            Slot::Buffer(id) => write!(f, "{id}"),
            Slot::Parameter(n) => write!(f, "p{n}"),
            Slot::Output(n) => write!(f, "out{n}"),
        }
    }
}

/// Where stored values lie, and the memory that a run allocates for them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Placement {
    /// The memory each node's value is written to.
    pub slots: Vec<Option<Slot>>,
    /// Bytes of each buffer.
    pub buffers: Vec<usize>,
    /// Bytes of the arena, one block that all values which are no results share.
    pub arena: usize,
}

/// Operand ids of a node, in order.
pub type Operands = SmallVec<[NodeId; 4]>;

/// The nodes of a graph.
#[derive(Clone, Debug, Default)]
struct Nodes {
    dag: DiGraph<Node, ()>,
    /// Past the last operand's edge, per node; the first is where the node before ends.
    edge_ends: Vec<u32>,
    parameters: Vec<Parameter>,
}

/// A directed acyclic graph of array operations. A copy shares the nodes until one of the two gets more.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    name: String,
    nodes: Arc<Nodes>,
    outputs: Vec<Output>,
    regions: Vec<Vec<NodeId>>,
    placement: Placement,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Graph {
        Graph { name: name.to_owned(), ..Graph::default() }
    }

    /// An empty graph with room for so many nodes and operands.
    pub fn with_capacity(name: &str, nodes: usize, operands: usize) -> Graph {
        let nodes = Nodes {
            dag: DiGraph::with_capacity(nodes, operands),
            edge_ends: Vec::with_capacity(nodes),
            parameters: Vec::new(),
        };
        Graph { name: name.to_owned(), nodes: Arc::new(nodes), ..Graph::default() }
    }

    /// An empty graph with room for as many nodes as `graph` has, and its name.
    pub fn like(graph: &Graph) -> Graph {
        let Nodes { dag, parameters, .. } = &*graph.nodes;
        let nodes = Nodes {
            dag: DiGraph::with_capacity(dag.node_count(), dag.edge_count()),
            edge_ends: Vec::with_capacity(dag.node_count()),
            parameters: Vec::with_capacity(parameters.len()),
        };
        Graph { name: graph.name.clone(), nodes: Arc::new(nodes), ..Graph::default() }
    }

    /// The nodes and results, which are shared, without regions and places.
    pub fn unplaced(&self) -> Graph {
        let (name, nodes, outputs) = (self.name.clone(), self.nodes.clone(), self.outputs.clone());
        Graph { name, nodes, outputs, ..Graph::default() }
    }

    /// The name in the text form.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Declares the next parameter, and returns its node.
    pub fn push_parameter(&mut self, parameter: Parameter, source: Option<Source>) -> NodeId {
        let parameters = &mut Arc::make_mut(&mut self.nodes).parameters;
        let index = parameters.len() as u32;
        let node = Node { op: Op::Parameter(index), ty: parameter.ty.clone(), source };
        parameters.push(parameter);
        self.add(node, &[])
    }

    /// Appends an op; its type is inferred, and what is wrong with the operands is reported.
    pub fn push(&mut self, op: Op, operands: &[NodeId], source: Option<Source>) -> Result<NodeId, IrError> {
        let types: SmallVec<[&Type; 4]> = operands.iter().map(|&id| &self.node(id).ty).collect();
        let ty = infer(&op, &types)?;
        drop(types);
        Ok(self.add(Node { op, ty, source }, operands))
    }

    /// Appends a node whose type is known to be right, as when a pass copies it.
    pub fn push_node(&mut self, node: Node, operands: &[NodeId]) -> NodeId {
        self.add(node, operands)
    }

    fn add(&mut self, node: Node, operands: &[NodeId]) -> NodeId {
        let Nodes { dag, edge_ends, .. } = Arc::make_mut(&mut self.nodes);
        let id = dag.add_node(node);
        for operand in operands {
            dag.add_edge(NodeIndex::new(operand.index()), id, ());
        }
        edge_ends.push(dag.edge_count() as u32);
        NodeId(id.index() as u32)
    }

    /// Declares a result.
    pub fn push_output(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Replaces the results.
    pub fn set_outputs(&mut self, outputs: Vec<Output>) {
        self.outputs = outputs;
    }

    /// Every node id, operands before users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.len() as u32).map(NodeId)
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.dag.node_count()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes.dag[NodeIndex::new(id.index())]
    }

    /// The node's op.
    pub fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    /// The shape of the node's value.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.node(id).ty.shape
    }

    /// The bytes of the node's value, row-major.
    pub fn bytes(&self, id: NodeId) -> usize {
        let ty = &self.node(id).ty;
        ty.shape.size() * ty.dtype.size()
    }

    /// The operands, in order.
    pub fn operands(&self, id: NodeId) -> Operands {
        let Nodes { dag, edge_ends, .. } = &*self.nodes;
        let start = match id.index() {
            0 => 0,
            index => edge_ends[index - 1] as usize,
        };
        let edges = &dag.raw_edges()[start..edge_ends[id.index()] as usize];
        let source = |edge: &Edge<()>| NodeId(edge.source().index() as u32);
        // Few ops have more than two operands; to collect an iterator takes longer than to look at them.
        match edges {
            [] => Operands::new(),
            [x] => Operands::from_slice(&[source(x)]),
            [x, y] => Operands::from_slice(&[source(x), source(y)]),
            edges => edges.iter().map(source).collect(),
        }
    }

    /// Whether `id` is `root`, or has its elements in the same row-major order under other shapes.
    pub fn is_reshape_of(&self, mut id: NodeId, root: NodeId) -> bool {
        while id != root && matches!(self.op(id), Op::Reshape(_)) {
            id = self.operands(id)[0];
        }
        id == root
    }

    /// The nodes that have this one as an operand; one entry for each operand position.
    pub fn users(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes
            .dag
            .neighbors_directed(NodeIndex::new(id.index()), Direction::Outgoing)
            .map(|index| NodeId(index.index() as u32))
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.nodes.parameters
    }

    /// The results, in order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The nodes of each region, operands first; regions in execution order. Empty before `fuse`.
    pub fn regions(&self) -> &[Vec<NodeId>] {
        &self.regions
    }

    /// Sets the regions.
    pub fn set_regions(&mut self, regions: Vec<Vec<NodeId>>) {
        self.regions = regions;
    }

    /// The region of each node; `None` for parameters, constants and views.
    pub fn region_of(&self) -> Vec<Option<RegionId>> {
        let mut region_of = vec![None; self.len()];
        for (region, nodes) in self.regions.iter().enumerate() {
            for node in nodes {
                region_of[node.index()] = Some(RegionId(region as u32));
            }
        }
        region_of
    }

    /// The memory the node's value is written to; `None` before `place`, and for values that are never stored.
    pub fn slot(&self, id: NodeId) -> Option<Slot> {
        self.placement.slots.get(id.index()).copied().flatten()
    }

    /// The bytes of each buffer that a run allocates. Empty before `place`.
    pub fn buffers(&self) -> &[usize] {
        &self.placement.buffers
    }

    /// The bytes of the arena that a run allocates. 0 before `place`.
    pub fn arena(&self) -> usize {
        self.placement.arena
    }

    /// Says where stored values lie.
    pub fn set_placement(&mut self, placement: Placement) {
        self.placement = placement;
    }
}
