//! Phases: a region that uses its own reductions, as loop nests that run one after the other on a block of rows.
//!
//! A nest is over the elements of the rows, and may reduce them, or over the rows, one element each. It comes after the
//! nests whose reductions it waits for. What a later nest needs of an earlier one is *kept*: in the memory where it is
//! stored anyway, or in scratch memory of the block. Values of whole rows are computed again instead, from what is
//! loaded or kept, while that takes fewer lane ops than keeping takes bytes ([`cost`]); repeating a value of a row along
//! it counts as one op.
//!
//! The rows of a block are as many as leave all that it touches in the cache of a core ([`BLOCK_BYTES`]); a row
//! must fit. Linear in nodes, but for the ancestors that are counted when a value is looked at for computing it again.

use std::collections::BTreeMap;

use raptors_ir::{Graph, NodeId, Op, Rows};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::access::{access, broadcast_strides, root_of};
use crate::cost;

/// Bytes that a block of rows may touch: about half of a second-level cache.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// The nests of a region, in the order they run, and what they keep for each other.
#[derive(Debug)]
pub struct Phases {
    /// The rows that blocks are made of.
    pub rows: Rows,
    /// The nests.
    pub nests: Vec<Nest>,
    /// What a later nest than the one that computes it reads.
    pub kept: FxHashSet<NodeId>,
    /// The position of the last nest that reads each operand which the region does not compute.
    pub last_reads: FxHashMap<NodeId, usize>,
    /// Bytes that a block touches for each row.
    pub row_bytes: usize,
    /// Bytes that it touches beside that, however many rows it has.
    pub fixed_bytes: usize,
    /// Nanoseconds that a row takes, roughly.
    pub row_ns: f64,
}

/// A loop nest. Its nodes ascend; reductions are among them only over elements.
#[derive(Debug)]
pub struct Nest {
    /// Its iteration space.
    pub over: Over,
    /// What is computed in it.
    pub nodes: Vec<NodeId>,
    /// Those that are stored, kept, or reduced, and were not in an earlier nest.
    pub results: Vec<NodeId>,
}

/// What the iteration space of a nest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// All elements of the rows.
    Elements,
    /// One element for each row.
    Rows,
}

/// The number of a nest before those without work are left out. What waits for `n` reductions, one after the other, is
/// computed over rows at level `2 n`, over elements at `2 n + 1`.
type Level = u32;

impl Phases {
    /// The phases of the region of these nodes, ascending, of which those that `is_stored` accepts have memory to go to.
    /// `None` where no node uses a reduction of its own region.
    pub fn of(graph: &Graph, nodes: &[NodeId], is_stored: impl Fn(NodeId) -> bool) -> Option<Phases> {
        let rows = Rows::of(graph, nodes)?;
        let mut region =
            Region { graph, nodes, rows, levels: FxHashMap::default(), dear: FxHashSet::default() };
        region.set_levels();
        if region.levels.values().all(|&level| level == 1) {
            return None;
        }
        region.find_dear(&is_stored);
        Some(region.phases(&is_stored))
    }

    /// Nests over the elements of the rows.
    pub fn passes(&self) -> usize {
        self.nests.iter().filter(|nest| nest.over == Over::Elements).count()
    }

    /// Whether a row and what is computed from it stay in cache, or are passed over once.
    pub fn fits(&self) -> bool {
        self.passes() <= 1 || self.fixed_bytes.saturating_add(self.row_bytes) <= BLOCK_BYTES
    }
}

/// A few nodes, each once.
type Ids = SmallVec<[NodeId; 8]>;

struct Region<'a> {
    graph: &'a Graph,
    nodes: &'a [NodeId],
    rows: Rows,
    levels: FxHashMap<NodeId, Level>,
    /// Values of whole rows that are not computed again.
    dear: FxHashSet<NodeId>,
}

impl Region<'_> {
    /// The operands of a node, each with the value under its views.
    fn operands(&self, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> {
        let graph = self.graph;
        graph.operands(id).into_iter().map(move |operand| (operand, root_of(graph, operand)))
    }

    fn is_reduction(&self, id: NodeId) -> bool {
        matches!(self.graph.op(id), Op::Reduce(..))
    }

    /// Whether the value has one element per row.
    fn is_per_row(&self, id: NodeId) -> bool {
        self.is_reduction(id) || self.rows.is_per_row(self.graph.shape(id))
    }

    /// The first level at which each node can be computed.
    fn set_levels(&mut self) {
        for &id in self.nodes {
            let over_rows = !self.is_reduction(id) && self.is_per_row(id);
            let waits = self.operands(id).filter_map(|(_, root)| {
                let level = *self.levels.get(&root)?;
                Some(level / 2 + Level::from(self.is_reduction(root)))
            });
            let level = 2 * waits.max().unwrap_or(0) + Level::from(!over_rows);
            self.levels.insert(id, level);
        }
    }

    /// Finds the values of whole rows for which computing takes as much as writing and reading.
    fn find_dear(&mut self, is_stored: &impl Fn(NodeId) -> bool) {
        for &id in self.nodes {
            if self.is_per_row(id) {
                continue;
            }
            let item = self.graph.node(id).ty.dtype.size();
            let keeping = cost::BYTE_NS * (2 * item) as f64;
            if is_stored(id) || self.again_ns(id) >= keeping {
                self.dear.insert(id);
            }
        }
    }

    /// Nanoseconds an element takes to be computed again, from operands that are loaded; the first of these is free.
    fn again_ns(&self, id: NodeId) -> f64 {
        let graph = self.graph;
        let (mut ns, mut loads, mut repeats) = (0.0, Ids::new(), Ids::new());
        let mut found = Ids::from_slice(&[id]);
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            next += 1;
            ns += self.op_ns(id);
            for (operand, root) in self.operands(id) {
                let computed = self.levels.contains_key(&root) && !self.is_per_row(root);
                let (list, id) = if computed && !self.dear.contains(&root) {
                    (&mut found, root)
                } else if computed || graph.shape(operand) == self.rows.space() {
                    (&mut loads, operand)
                } else if self.is_per_row(root) {
                    (&mut repeats, operand)
                } else {
                    continue;
                };
                if !list.contains(&id) {
                    list.push(id);
                }
            }
        }
        let item = |id: &NodeId| graph.node(*id).ty.dtype.size();
        let first = loads.iter().map(item).max().unwrap_or(0);
        let bytes = loads.iter().chain(&repeats).map(item).sum::<usize>() - first;
        ns + cost::BYTE_NS * bytes as f64
    }

    fn op_ns(&self, id: NodeId) -> f64 {
        let graph = self.graph;
        let dtype = graph
            .operands(id)
            .first()
            .map_or(graph.node(id).ty.dtype, |&operand| graph.node(operand).ty.dtype);
        cost::op_ns(graph.op(id), dtype, graph.node(id).ty.dtype.size())
    }

    /// Gives each node the levels at which it is computed, users first.
    fn phases(self, is_stored: &impl Fn(NodeId) -> bool) -> Phases {
        let mut demands: FxHashMap<NodeId, SmallVec<[Level; 4]>> = FxHashMap::default();
        let mut nests: BTreeMap<Level, Nest> = BTreeMap::new();
        let mut kept = FxHashSet::default();
        for &id in self.nodes.iter().rev() {
            let mut demanded = demands.remove(&id).unwrap_or_default();
            let own = self.levels[&id];
            if is_stored(id) {
                demanded.push(own);
            } else if demanded.is_empty() {
                continue;
            }
            demanded.sort_unstable();
            demanded.dedup();
            // Waits for what it needs alone, unless it is stored, or feeds a reduction that others wait for.
            let first = if self.is_per_row(id) { own } else { demanded[0] };
            let again = !self.is_per_row(id) && !self.dear.contains(&id);
            let levels: SmallVec<[Level; 4]> =
                if again { demanded.clone() } else { SmallVec::from_elem(first, 1) };
            let keeps = !again && demanded.iter().any(|&level| level != first);
            if keeps {
                kept.insert(id);
            }
            for (n, &level) in levels.iter().enumerate() {
                let over = if level % 2 == 0 { Over::Rows } else { Over::Elements };
                let empty = || Nest { over, nodes: Vec::new(), results: Vec::new() };
                let nest = nests.entry(level).or_insert_with(empty);
                nest.nodes.push(id);
                if n == 0 && (keeps || is_stored(id) || self.is_reduction(id)) {
                    nest.results.push(id);
                }
            }
            for (_, root) in self.operands(id) {
                if self.levels.contains_key(&root) {
                    demands.entry(root).or_default().extend_from_slice(&levels);
                }
            }
        }
        let mut nests: Vec<Nest> = nests.into_values().collect();
        for nest in &mut nests {
            nest.nodes.reverse();
            nest.results.reverse();
        }
        self.measured(nests, kept, is_stored)
    }

    /// Counts what the nests touch.
    fn measured(
        self,
        nests: Vec<Nest>,
        kept: FxHashSet<NodeId>,
        is_stored: &impl Fn(NodeId) -> bool,
    ) -> Phases {
        let graph = self.graph;
        let (mut row_bytes, mut fixed_bytes, mut row_ns) = (0usize, 0usize, 0.0);
        let mut last_reads = FxHashMap::default();
        for (position, nest) in nests.iter().enumerate() {
            let elements = match nest.over {
                Over::Elements => self.rows.len(),
                Over::Rows => 1,
            };
            for &id in &nest.nodes {
                row_ns += self.op_ns(id) * elements as f64;
                for (operand, root) in self.operands(id) {
                    let known = self.levels.contains_key(&root);
                    if !known && last_reads.insert(operand, position).is_none() {
                        let (row, fixed) = self.operand_bytes(operand, nest.over);
                        row_bytes = row_bytes.saturating_add(row);
                        fixed_bytes = fixed_bytes.saturating_add(fixed);
                    }
                }
            }
            for &id in nest.results.iter().filter(|&&id| kept.contains(&id) || is_stored(id)) {
                let elements = if self.is_per_row(id) { 1 } else { self.rows.len() };
                row_bytes = row_bytes.saturating_add(elements.saturating_mul(graph.node(id).ty.dtype.size()));
            }
        }
        Phases { rows: self.rows, nests, kept, last_reads, row_bytes: row_bytes.max(1), fixed_bytes, row_ns }
    }

    /// Bytes of an operand that belong to a row, and those that belong to all of them.
    fn operand_bytes(&self, operand: NodeId, over: Over) -> (usize, usize) {
        let graph = self.graph;
        let item = graph.node(operand).ty.dtype.size();
        let space = match over {
            Over::Elements => self.rows.space(),
            Over::Rows => return (item, 0),
        };
        // A reshape that needs a copy has one.
        let Some(access) = access(graph, operand) else { return (item * self.rows.len(), 0) };
        let strides = broadcast_strides(graph.shape(operand), &access.strides, space);
        let moves = |&dim: &usize| strides[dim] != 0 && space[dim] != 1;
        let along = self.rows.axes().iter().filter(|axis| moves(axis)).map(|&axis| space[axis]);
        let bytes = item.saturating_mul(along.product());
        let kept = (0..space.len()).filter(|dim| !self.rows.axes().contains(dim));
        if kept.into_iter().any(|dim| moves(&dim)) { (bytes, 0) } else { (0, bytes) }
    }
}
