//! Placement: every stored value gets memory, and memory that dies is used again.
//!
//! Regions run in their order, so a value dies after the last region that reads it. A value may be written over an
//! operand of its region when all of this holds:
//!
//! 1. the region is the last to read that memory, and the memory is not a result;
//! 2. the memory is a buffer of the plan, or a donated parameter, row-major and in native byte order;
//! 3. both have as many bytes an element, and as many elements;
//! 4. the region reads it only at the element that is being written: directly, at the region's full space.
//!
//! Otherwise it takes the smallest dead buffer that fits without wasting more than half, or a new one. Results are
//! new memory, memory they die into, or what the caller gave. A result for memory that something else still reads is
//! computed in a buffer, and copied by a last region.
//!
//! Refusals of donated parameters and of `into` memory are in the ledger. `check_place` proves the outcome again.

use raptors_ir::{BufferId, Destination, Encoding, Graph, Layout, Node, NodeId, Op, Output, Slot};

use crate::access::root_of;
use crate::{Ledger, Options};

/// Returns `graph` with a slot for each stored value.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    let mut new = graph.clone();
    let reads = last_reads(graph);
    let late = copy_late_results(&mut new, graph, &reads, ledger);
    let reads = if late { last_reads(&new) } else { reads };
    let placer = Placer {
        graph: &new,
        reads,
        slots: vec![None; new.len()],
        buffers: Vec::new(),
        free: Vec::new(),
        ledger,
        taken_parameters: (0..new.parameters().len() as u32)
            .map(|n| new.outputs().iter().any(|output| output.destination == Destination::Parameter(n)))
            .collect(),
    };
    let (slots, buffers) = placer.place();
    new.set_placement(slots, buffers);
    new
}

/// The last region that reads each node's memory: `Some(usize::MAX)` for results.
fn last_reads(graph: &Graph) -> Vec<Option<usize>> {
    let mut last: Vec<Option<usize>> = vec![None; graph.len()];
    for (region, nodes) in graph.regions().iter().enumerate() {
        for &node in nodes {
            for operand in graph.operands(node) {
                last[root_of(graph, operand).index()] = Some(region);
            }
        }
    }
    for output in graph.outputs() {
        last[output.node.index()] = Some(usize::MAX);
    }
    last
}

/// Appends a copying region for each result that must go to a parameter's memory before all of it has been read.
fn copy_late_results(new: &mut Graph, graph: &Graph, reads: &[Option<usize>], ledger: &mut Ledger) -> bool {
    let region_of = graph.region_of();
    let mut outputs = graph.outputs().to_vec();
    let mut regions = graph.regions().to_vec();
    for output in &mut outputs {
        let Destination::Parameter(parameter) = output.destination else { continue };
        let Some(region) = region_of[output.node.index()] else { continue };
        let Some(problem) = parameter_hazard(graph, reads, parameter, output.node, region.0 as usize) else {
            continue;
        };
        ledger.refused("place", "into-input", graph, output.node, problem);
        ledger.applied(
            "copies",
            "output",
            graph,
            output.node,
            "the memory given is still read when it is computed",
        );
        let Node { ty, source, .. } = graph.node(output.node).clone();
        let copy = new.push_node(Node { op: Op::Copy, ty, source }, &[output.node]);
        regions.push(vec![copy]);
        *output = Output { node: copy, ..*output };
    }
    let added = regions.len() > graph.regions().len();
    new.set_outputs(outputs);
    new.set_regions(regions);
    added
}

/// Why `node`, computed in `region`, cannot be written straight into the memory of `parameter`.
fn parameter_hazard(
    graph: &Graph,
    reads: &[Option<usize>],
    parameter: u32,
    node: NodeId,
    region: usize,
) -> Option<&'static str> {
    let id = graph.ids().find(|&id| *graph.op(id) == Op::Parameter(parameter))?;
    match reads[id.index()] {
        None => None,
        Some(last) if last < region => None,
        Some(last) if last > region => Some("a later kernel reads that memory"),
        Some(_) => in_place_hazard(graph, node, id, region),
    }
}

/// Why `node` cannot be written over `operand`, which its region is the last to read.
pub(crate) fn in_place_hazard(
    graph: &Graph,
    node: NodeId,
    operand: NodeId,
    region: usize,
) -> Option<&'static str> {
    let (result, memory) = (&graph.node(node).ty, &graph.node(operand).ty);
    if !graph.op(node).is_elementwise() {
        return Some("the kernel does not write element by element");
    }
    if result.dtype.size() != memory.dtype.size() || result.shape != memory.shape {
        return Some("the result has another size");
    }
    for &user in &graph.regions()[region] {
        let elementwise_space = match graph.op(user) {
            Op::Reduce(..) => graph.shape(graph.operands(user)[0]),
            _ => graph.shape(user),
        };
        for read in graph.operands(user) {
            if root_of(graph, read) == operand && (read != operand || *elementwise_space != memory.shape) {
                return Some("the kernel also reads it at other elements than the one it writes");
            }
        }
    }
    None
}

/// Whether a donated parameter's memory can hold a row-major result.
pub(crate) fn can_overwrite(graph: &Graph, parameter: u32) -> Result<(), &'static str> {
    let parameter = &graph.parameters()[parameter as usize];
    match parameter.layout {
        _ if !parameter.donated => Err("the input belongs to the caller: donate it to let it be overwritten"),
        Layout::RowMajor => Ok(()),
        Layout::Scalar => Err("it is passed by value"),
        Layout::Strided { encoding: Encoding::Swapped, .. } => Err("its elements have the other byte order"),
        Layout::Strided { .. } => Err("it is not row-major, as results are"),
    }
}

struct Placer<'a> {
    graph: &'a Graph,
    reads: Vec<Option<usize>>,
    slots: Vec<Option<Slot>>,
    buffers: Vec<usize>,
    /// Buffers that hold nothing needed.
    free: Vec<BufferId>,
    ledger: &'a mut Ledger,
    taken_parameters: Vec<bool>,
}

impl Placer<'_> {
    fn place(mut self) -> (Vec<Option<Slot>>, Vec<usize>) {
        let graph = self.graph;
        let region_of = graph.region_of();
        let mut destination: Vec<Option<(u32, Destination)>> = vec![None; graph.len()];
        for (n, output) in graph.outputs().iter().enumerate() {
            destination[output.node.index()] = Some((n as u32, output.destination));
        }
        for (region, nodes) in graph.regions().iter().enumerate() {
            let mut operands = self.dying_operands(region);
            let mut written = Vec::new();
            for &node in nodes {
                let output = destination[node.index()];
                let used_elsewhere = graph.users(node).any(|user| match region_of[user.index()] {
                    Some(user_region) => user_region.0 as usize != region,
                    None => true,
                });
                if output.is_none() && !used_elsewhere {
                    continue;
                }
                let slot = match output {
                    Some((n, Destination::Provided)) => Slot::Output(n),
                    Some((_, Destination::Parameter(parameter))) => Slot::Parameter(parameter),
                    Some((_, Destination::Fresh)) | None => {
                        self.choose(node, region, &mut operands, output.is_some())
                    }
                };
                self.slots[node.index()] = Some(slot);
                written.push(node);
            }
            self.release(region, &operands, &written);
        }
        (self.slots, self.buffers)
    }

    /// The roots that `region` is the last to read.
    fn dying_operands(&self, region: usize) -> Vec<NodeId> {
        let mut dying: Vec<NodeId> = Vec::new();
        for &node in &self.graph.regions()[region] {
            for operand in self.graph.operands(node) {
                let root = root_of(self.graph, operand);
                if self.reads[root.index()] == Some(region) && !dying.contains(&root) {
                    dying.push(root);
                }
            }
        }
        dying
    }

    /// Memory for `node`: a dying operand's, a dead buffer's, or new. A chosen operand leaves `operands`.
    fn choose(&mut self, node: NodeId, region: usize, operands: &mut Vec<NodeId>, is_result: bool) -> Slot {
        for position in 0..operands.len() {
            let operand = operands[position];
            if let Some(slot) = self.in_place(node, region, operand) {
                operands.remove(position);
                return slot;
            }
        }
        let bytes = self.graph.bytes(node);
        // A result keeps its buffer, so it takes none that is larger than it needs.
        let most = if is_result { bytes } else { bytes.saturating_mul(2) };
        let fitting = (0..self.free.len())
            .filter(|&i| (bytes..=most).contains(&self.buffers[self.free[i].0 as usize]))
            .min_by_key(|&i| self.buffers[self.free[i].0 as usize]);
        if let Some(i) = fitting {
            return Slot::Buffer(self.free.swap_remove(i));
        }
        self.buffers.push(bytes);
        Slot::Buffer(BufferId(self.buffers.len() as u32 - 1))
    }

    /// The slot of `operand`, where `node` can be written over it.
    fn in_place(&mut self, node: NodeId, region: usize, operand: NodeId) -> Option<Slot> {
        let (result, memory) = (&self.graph.node(node).ty, &self.graph.node(operand).ty);
        if !self.graph.op(node).is_elementwise() || result.shape != memory.shape {
            return None;
        }
        let slot = match *self.graph.op(operand) {
            Op::Parameter(n) => {
                if self.taken_parameters[n as usize] {
                    return None;
                }
                if let Err(reason) = can_overwrite(self.graph, n) {
                    if in_place_hazard(self.graph, node, operand, region).is_none() {
                        self.ledger.refused("place", "in-place", self.graph, node, reason);
                    }
                    return None;
                }
                Slot::Parameter(n)
            }
            _ => self.slots[operand.index()]
                .filter(|slot| matches!(slot, Slot::Buffer(_) | Slot::Parameter(_)))?,
        };
        if let Some(reason) = in_place_hazard(self.graph, node, operand, region) {
            self.ledger.refused("place", "in-place", self.graph, node, reason);
            return None;
        }
        if let Slot::Parameter(n) = slot {
            self.taken_parameters[n as usize] = true;
        }
        self.ledger.applied(
            "place",
            "in-place",
            self.graph,
            node,
            format!("written over its operand, {}, in {slot}", self.graph.op(operand).name()),
        );
        Some(slot)
    }

    /// Frees the buffers of values that nothing reads after `region`.
    fn release(&mut self, region: usize, operands: &[NodeId], written: &[NodeId]) {
        for &node in operands.iter().chain(written) {
            let dead = self.reads[node.index()].is_none_or(|last| last <= region);
            if dead && let Some(Slot::Buffer(buffer)) = self.slots[node.index()] {
                self.free.push(buffer);
            }
        }
    }
}
