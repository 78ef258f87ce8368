//! An independent proof of a placement: no region reads bytes that have been overwritten.
//!
//! The regions are replayed in order over a model of memory that knows, for every byte of the arena, of each buffer, of
//! each parameter and of each result's memory, whose value it holds. Objections:
//!
//! - a read of bytes that hold another value, or that nothing has written;
//! - a store over bytes that its region reads, unless every such read is elementwise, or of a library op that works in
//!   place, and finds each element where the element computed from it goes, and nothing in the region still waits for a reduction that the store does not;
//! - two stores of one region that overlap;
//! - a store past the end of its memory, or not aligned to its elements;
//! - a store into a parameter that was neither donated nor given for this result;
//! - a result that is not whole in its slot at the end.
//!
//! O(n log n) in nodes and operands.

use std::collections::BTreeMap;
use std::ops::Range;

use raptors_ir::{Destination, Graph, NodeId, Op, Slot, VerifyError};

use crate::access::{access, root_of};

/// Checks the slots of `graph`; a graph that has not been placed is fine.
pub fn check(graph: &Graph) -> Result<(), VerifyError> {
    if graph.ids().all(|id| graph.slot(id).is_none()) {
        return Ok(());
    }
    let mut memory = Memory::default();
    for id in graph.ids() {
        if let Op::Parameter(n) = *graph.op(id) {
            memory.store(Space::Parameter(n), 0..graph.bytes(id), id);
        }
    }
    for nodes in graph.regions() {
        let mut region = Region { graph, nodes, reads: Vec::new(), stores: Vec::new() };
        region.replay_reads(&memory)?;
        region.replay_stores(&mut memory)?;
    }
    for output in graph.outputs() {
        let slot =
            graph.slot(output.node).ok_or_else(|| error(output.node, "is a result but never stored"))?;
        let (space, start) = locate(slot);
        if !memory.holds(space, start..start + graph.bytes(output.node), output.node) {
            return Err(error(output.node, &format!("is a result, but {slot} no longer holds it")));
        }
    }
    Ok(())
}

/// Memory that is allocated as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Space {
    Arena,
    Buffer(u32),
    Parameter(u32),
    Output(u32),
}

fn locate(slot: Slot) -> (Space, usize) {
    match slot {
        Slot::Arena(offset) => (Space::Arena, offset),
        Slot::Buffer(buffer) => (Space::Buffer(buffer.0), 0),
        Slot::Parameter(n) => (Space::Parameter(n), 0),
        Slot::Output(n) => (Space::Output(n), 0),
    }
}

/// Whose value each byte holds: by space and first byte, the end and the value.
#[derive(Default)]
struct Memory(BTreeMap<(Space, usize), (usize, NodeId)>);

impl Memory {
    fn store(&mut self, space: Space, bytes: Range<usize>, node: NodeId) {
        if bytes.is_empty() {
            return;
        }
        let before = self.0.range((space, 0)..(space, bytes.start)).next_back();
        if let Some((&(_, start), &(end, holder))) = before
            && end > bytes.start
        {
            self.0.insert((space, start), (bytes.start, holder));
            self.0.insert((space, bytes.start), (end, holder));
        }
        while let Some((&key, &(end, holder))) = self.0.range((space, bytes.start)..(space, bytes.end)).next()
        {
            self.0.remove(&key);
            if end > bytes.end {
                self.0.insert((space, bytes.end), (end, holder));
            }
        }
        self.0.insert((space, bytes.start), (bytes.end, node));
    }

    /// Whether all of these bytes hold the value of `node`.
    fn holds(&self, space: Space, bytes: Range<usize>, node: NodeId) -> bool {
        let mut at = bytes.start;
        let first = self.0.range((space, 0)..=(space, bytes.start)).next_back();
        let first = first.map_or(bytes.start, |(&(_, start), _)| start);
        for (&(_, start), &(end, holder)) in self.0.range((space, first)..(space, bytes.end)) {
            if start > at || holder != node {
                break;
            }
            at = at.max(end);
        }
        at >= bytes.end
    }
}

/// An operand of a region's node that is in memory.
struct Read {
    space: Space,
    bytes: Range<usize>,
    /// Where the operand's value begins, and the nodes that read and give the shape read over.
    base: usize,
    operand: NodeId,
    over: Option<NodeId>,
    root: NodeId,
}

struct Region<'a> {
    graph: &'a Graph,
    nodes: &'a [NodeId],
    reads: Vec<Read>,
    stores: Vec<(Space, Range<usize>)>,
}

impl Region<'_> {
    fn replay_reads(&mut self, memory: &Memory) -> Result<(), VerifyError> {
        let graph = self.graph;
        for &node in self.nodes {
            for (n, operand) in graph.operands(node).into_iter().enumerate() {
                let root = root_of(graph, operand);
                let slot = match *graph.op(root) {
                    Op::Constant(_) | Op::Iota(_) => continue,
                    _ if self.nodes.binary_search(&root).is_ok() => continue,
                    Op::Parameter(n) => Slot::Parameter(n),
                    _ => graph
                        .slot(root)
                        .ok_or_else(|| error(root, "is read by another region but never stored"))?,
                };
                let (space, base) = locate(slot);
                // A strided parameter's bytes are the caller's, and never written.
                let Some(bytes) = touched(graph, operand, base) else { continue };
                if !bytes.is_empty() && !memory.holds(space, bytes.clone(), root) {
                    return Err(error(node, &format!("reads {root} from {slot}, which no longer holds it")));
                }
                let over = match graph.op(node) {
                    Op::Reduce(..) => Some(operand),
                    Op::Library(op) => (n == 0 && op.runs_in_place()).then_some(node),
                    op if op.is_elementwise() => Some(node),
                    _ => None,
                };
                self.reads.push(Read { space, bytes, base, operand, over, root });
            }
        }
        Ok(())
    }

    fn replay_stores(&mut self, memory: &mut Memory) -> Result<(), VerifyError> {
        let graph = self.graph;
        for &node in self.nodes {
            let Some(slot) = graph.slot(node) else { continue };
            let (space, start) = locate(slot);
            let bytes = start..start + graph.bytes(node);
            check_room(graph, node, slot, bytes.end)?;
            let overlaps = |other: &Range<usize>| other.start < bytes.end && bytes.start < other.end;
            if self.stores.iter().any(|(other, range)| *other == space && overlaps(range)) {
                return Err(error(node, &format!("is stored over another value of its region, in {slot}")));
            }
            for read in self.reads.iter().filter(|read| read.space == space && overlaps(&read.bytes)) {
                if !self.is_read_where_stored(read, node, start) {
                    let problem = format!("is stored over {}, which is read at other elements", read.root);
                    return Err(error(node, &problem));
                }
            }
            self.stores.push((space, bytes.clone()));
            memory.store(space, bytes, node);
        }
        Ok(())
    }

    /// Whether `node`, stored from byte `start` on, may be in place, and its element `i` lies where the read finds its own.
    fn is_read_where_stored(&self, read: &Read, node: NodeId, start: usize) -> bool {
        let graph = self.graph;
        let (stored, loaded) = (&graph.node(node).ty, &graph.node(read.operand).ty);
        let Some(access) = access(graph, read.operand) else { return false };
        let mut step = stored.dtype.size() as isize;
        let first = read.base as isize + access.offset - start as isize;
        let mut aligned = access.strides.len() == stored.shape.len()
            && first >= 0
            && first + loaded.dtype.size() as isize <= step;
        for (&dim, &stride) in stored.shape.iter().zip(&access.strides).rev() {
            aligned &= dim == 1 || stride == step;
            step *= dim as isize;
        }
        aligned
            && graph.op(node).runs_in_place()
            && loaded.shape == stored.shape
            && read.over.is_some_and(|over| graph.shape(over) == &stored.shape)
            && self.is_in_last_pass(node)
    }

    /// Whether no node of the region waits for more of its reductions, one after the other, than `node` does.
    fn is_in_last_pass(&self, node: NodeId) -> bool {
        let graph = self.graph;
        let mut passes: BTreeMap<NodeId, usize> = BTreeMap::new();
        for &inner in self.nodes {
            let operands = graph.operands(inner);
            let before = operands.iter().filter_map(|&operand| {
                let root = root_of(graph, operand);
                Some(passes.get(&root)? + usize::from(matches!(graph.op(root), Op::Reduce(..))))
            });
            let before = before.max().unwrap_or(0);
            passes.insert(inner, before);
        }
        passes.values().max() == passes.get(&node)
    }
}

/// The bytes between the first and the last that an operand reads, its root beginning at `base`; `None` outside of it.
fn touched(graph: &Graph, operand: NodeId, base: usize) -> Option<Range<usize>> {
    let ty = &graph.node(operand).ty;
    if ty.shape.size() == 0 {
        return Some(base..base);
    }
    let access = access(graph, operand)?;
    let (mut first, mut last) = (access.offset, access.offset);
    for (&dim, &stride) in ty.shape.iter().zip(&access.strides) {
        match (dim as isize - 1) * stride {
            span @ ..0 => first += span,
            span => last += span,
        }
    }
    let root = graph.bytes(root_of(graph, operand)) as isize;
    let end = last + ty.dtype.size() as isize;
    (first >= 0 && end <= root).then(|| base + first as usize..base + end as usize)
}

fn check_room(graph: &Graph, node: NodeId, slot: Slot, end: usize) -> Result<(), VerifyError> {
    let room = match slot {
        Slot::Arena(offset) => {
            if !offset.is_multiple_of(graph.node(node).ty.dtype.size()) {
                return Err(error(node, &format!("begins at {slot}, between two of its elements")));
            }
            graph.arena()
        }
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
        Slot::Output(n) => graph.outputs().get(n as usize).map_or(0, |output| graph.bytes(output.node)),
    };
    if end > room {
        return Err(error(node, &format!("needs {end} bytes of the memory of {slot}, which has {room}")));
    }
    Ok(())
}

fn error(node: NodeId, problem: &str) -> VerifyError {
    VerifyError { node, problem: problem.to_owned() }
}
