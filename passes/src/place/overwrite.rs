//! Which values share memory: each value of a block is written over the one it is computed from.
//!
//! A value may be written over bytes of an operand when all of this holds:
//!
//! 1. the operand is a value that is no result, or a donated parameter, row-major and in native byte order;
//! 2. the kernel reads those bytes only at the element that is being written. Loops run over ranges of elements, in
//!    any order and on several threads, so nothing else is before a write; a region that waits for reductions of its
//!    own passes over a row again after each, so the write is in its last pass. Reads that strides show to stay clear
//!    of those bytes do not count. A library op that works in place reads and writes its one operand in an order of its
//!    own;
//! 3. every other kernel that reads those bytes runs before, or can be moved there ([`Order::put_before`]);
//! 4. nothing else has been written over those bytes.

use std::ops::Range;

use raptors_ir::{Destination, Encoding, Graph, Layout, NodeId, Op};
use smallvec::SmallVec;

use super::order::Order;
use super::reads::{Read, Reads};
use crate::Ledger;

/// A value that more kernels than this read later is not overwritten by an earlier one.
const MOST_LATER_READERS: usize = 8;

/// Whose memory a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Home {
    /// The plan's own.
    Plan,
    /// A parameter's, donated or where a result goes.
    Parameter(u32),
    /// The n-th result's.
    Result(u32),
}

/// Memory that values are written to, one over the other.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) home: Home,
    pub(super) bytes: usize,
    /// Bytes of an element, of all values in it.
    pub(super) item: usize,
    /// Whether a value begins inside it, and not where it begins.
    pub(super) divided: bool,
}

/// Blocks, and where in them each value is.
pub(super) struct Blocks {
    pub(super) blocks: Vec<Block>,
    /// The block of each stored node, and the byte of it where the node's value begins.
    pub(super) of_node: Vec<Option<(u32, usize)>>,
}

/// Gives every stored value a block.
pub(super) fn assign(graph: &Graph, reads: &Reads, order: &mut Order, ledger: &mut Ledger) -> Blocks {
    let mut result_of = vec![None; graph.len()];
    let mut reserved = vec![false; graph.parameters().len()];
    for (n, output) in graph.outputs().iter().enumerate() {
        result_of[output.node.index()] = Some((n as u32, output.destination));
        if let Destination::Parameter(parameter) = output.destination {
            reserved[parameter as usize] = true;
        }
    }
    let mut assigner = Assigner {
        graph,
        reads,
        order,
        ledger,
        result_of,
        reserved,
        can_fail: graph.ids().any(|id| graph.op(id).can_fail()),
        of_parameter: vec![None; graph.parameters().len()],
        overwritten: vec![SmallVec::new(); graph.len()],
        assigned: Blocks { blocks: Vec::new(), of_node: vec![None; graph.len()] },
    };
    for (region, nodes) in graph.regions().iter().enumerate() {
        for &node in nodes {
            assigner.visit(node, region as u32);
        }
    }
    assigner.assigned
}

/// Sees to it that `node`, computed by `region`, can be written over these bytes of `root`; where it cannot, says why.
pub(super) fn make_way(
    graph: &Graph,
    reads: &Reads,
    order: &mut Order,
    (root, bytes): (NodeId, &Range<usize>),
    (node, region): (NodeId, u32),
) -> Result<(), &'static str> {
    for read in reads.of_value(region, root).filter(|read| read.touches(graph, bytes)) {
        if !graph.op(node).runs_in_place() {
            return Err("the kernel does not write element by element");
        }
        if !reads.is_in_last_phase(node, region) {
            return Err("the kernel passes over those elements again");
        }
        if read.same_elements(graph, node) != Some(bytes.start) {
            return Err("the kernel also reads it at other elements than the one it writes");
        }
    }
    let readers = reads.readers(root);
    let is_later = |order: &Order, reader: u32| order.position(reader) > order.position(region);
    if readers.iter().filter(|&&reader| is_later(order, reader)).count() > MOST_LATER_READERS {
        return Err("later kernels read that memory");
    }
    for &reader in readers.iter().filter(|&&reader| reader != region) {
        let touches = || reads.of_value(reader, root).any(|read| read.touches(graph, bytes));
        if !is_later(order, reader) || touches() {
            order.put_before(reader, region)?;
        }
    }
    Ok(())
}

/// Whether a parameter's memory can hold a row-major value.
fn can_overwrite(graph: &Graph, parameter: u32, can_fail: bool) -> Result<(), &'static str> {
    let parameter = &graph.parameters()[parameter as usize];
    match parameter.layout {
        _ if !parameter.donated => Err("the input belongs to the caller: donate it to let it be overwritten"),
        _ if can_fail => Err("a position may turn out to be out of bounds, and the input is not lost then"),
        Layout::RowMajor => Ok(()),
        Layout::Scalar => Err("it is passed by value"),
        Layout::Strided { encoding: Encoding::Swapped, .. } => Err("its elements have the other byte order"),
        Layout::Strided { .. } => Err("it is not row-major, as results are"),
    }
}

struct Assigner<'a> {
    graph: &'a Graph,
    reads: &'a Reads,
    order: &'a mut Order,
    ledger: &'a mut Ledger,
    result_of: Vec<Option<(u32, Destination)>>,
    /// Parameters whose memory a result goes into.
    reserved: Vec<bool>,
    /// Whether a run may end before its results are there, through the values of its inputs.
    can_fail: bool,
    of_parameter: Vec<Option<u32>>,
    /// The bytes of each value that another value has been written over.
    overwritten: Vec<SmallVec<[Range<usize>; 1]>>,
    assigned: Blocks,
}

impl Assigner<'_> {
    fn visit(&mut self, node: NodeId, region: u32) {
        let result = self.result_of[node.index()];
        if result.is_none() && self.reads.readers(node).is_empty() {
            return;
        }
        let place = match result {
            Some((_, Destination::Parameter(parameter))) => (self.parameter_block(parameter), 0),
            Some((n, Destination::Fresh | Destination::Provided)) => {
                self.over_operand(node, region).unwrap_or_else(|| (self.block(node, Home::Result(n)), 0))
            }
            None => self.over_operand(node, region).unwrap_or_else(|| (self.block(node, Home::Plan), 0)),
        };
        self.assigned.of_node[node.index()] = Some(place);
    }

    fn block(&mut self, node: NodeId, home: Home) -> u32 {
        let (bytes, item) = (self.graph.bytes(node), self.graph.node(node).ty.dtype.size());
        self.assigned.blocks.push(Block { home, bytes, item, divided: false });
        self.assigned.blocks.len() as u32 - 1
    }

    fn parameter_block(&mut self, parameter: u32) -> u32 {
        if let Some(block) = self.of_parameter[parameter as usize] {
            return block;
        }
        let ty = &self.graph.parameters()[parameter as usize].ty;
        let (bytes, item) = (ty.shape.size() * ty.dtype.size(), ty.dtype.size());
        self.assigned.blocks.push(Block { home: Home::Parameter(parameter), bytes, item, divided: false });
        let block = self.assigned.blocks.len() as u32 - 1;
        self.of_parameter[parameter as usize] = Some(block);
        block
    }

    /// The place of an operand that `node` is to be written over.
    fn over_operand(&mut self, node: NodeId, region: u32) -> Option<(u32, usize)> {
        let bytes = self.graph.bytes(node);
        if !self.graph.op(node).runs_in_place() || bytes == 0 {
            return None;
        }
        let mut tried: SmallVec<[NodeId; 4]> = SmallVec::new();
        let reads = self.reads;
        for read in reads.of_region(region) {
            if tried.contains(&read.root) {
                continue;
            }
            let Some(start) = read.same_elements(self.graph, node) else { continue };
            tried.push(read.root);
            if let Some(place) = self.over(read, start..start + bytes, node, region) {
                return Some(place);
            }
        }
        None
    }

    /// The place of these bytes of what is read, if `node` is to be written over them.
    fn over(&mut self, read: &Read, bytes: Range<usize>, node: NodeId, region: u32) -> Option<(u32, usize)> {
        let root = read.root;
        let (block, start) = match *self.graph.op(root) {
            Op::Parameter(n) if self.reserved[n as usize] => return None,
            Op::Parameter(n) => match can_overwrite(self.graph, n, self.can_fail) {
                Ok(()) => (self.parameter_block(n), bytes.start),
                Err(reason) => {
                    let others = reads_otherwise(self.graph, self.reads, root, node, region);
                    if self.reads.readers(root).last() == Some(&region) && !others {
                        self.refused(node, reason);
                    }
                    return None;
                }
            },
            _ if self.result_of[root.index()].is_some() => return None,
            _ => {
                let (block, start) = self.assigned.of_node[root.index()]?;
                (block, start + bytes.start)
            }
        };
        let taken = self.overwritten[root.index()].iter();
        if taken.into_iter().any(|taken| taken.start < bytes.end && bytes.start < taken.end) {
            return None;
        }
        let home = self.home_with(node, block, start)?;
        if let Err(reason) = make_way(self.graph, self.reads, self.order, (root, &bytes), (node, region)) {
            self.refused(node, reason);
            return None;
        }
        self.overwritten[root.index()].push(bytes);
        let shared = &mut self.assigned.blocks[block as usize];
        shared.home = home;
        shared.divided |= start > 0;
        let detail = format!("written over its operand, {}", self.graph.op(root).name());
        self.ledger.applied("place", "in-place", self.graph, node, detail);
        Some((block, start))
    }

    /// Whose memory the block becomes when `node` is written to it; `None` where the node cannot be there.
    fn home_with(&self, node: NodeId, block: u32, start: usize) -> Option<Home> {
        let Block { home, bytes, divided, .. } = self.assigned.blocks[block as usize];
        let exact = start == 0 && bytes == self.graph.bytes(node);
        match (self.result_of[node.index()], home) {
            (None, Home::Plan) => Some(home),
            (None, Home::Parameter(_) | Home::Result(_)) => (start == 0).then_some(home),
            (Some((n, _)), Home::Plan) => (exact && !divided).then_some(Home::Result(n)),
            (Some((_, Destination::Fresh)), Home::Parameter(_)) => exact.then_some(home),
            (Some(_), Home::Parameter(_) | Home::Result(_)) => None,
        }
    }

    fn refused(&mut self, node: NodeId, reason: &'static str) {
        self.ledger.refused("place", "in-place", self.graph, node, reason);
    }
}

/// Whether the region reads the value at other elements than those of `node`.
fn reads_otherwise(graph: &Graph, reads: &Reads, root: NodeId, node: NodeId, region: u32) -> bool {
    reads.of_value(region, root).any(|read| read.same_elements(graph, node).is_none())
}
