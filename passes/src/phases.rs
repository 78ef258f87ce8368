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

mod bounds;

use std::ops::Range;

use raptors_ir::{Graph, NodeId, Op, Rows};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::access::{access, broadcast_strides, root_of};
use crate::cost;

use bounds::level_after;
pub(crate) use bounds::{Bounds, level};

/// Bytes that a block of rows may touch: about half of a second-level cache.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// The nests of a region, in the order they run, and what they keep for each other.
#[derive(Debug)]
pub struct Phases {
    /// The rows that blocks are made of.
    pub rows: Rows,
    /// The nests.
    pub nests: Vec<Nest>,
    /// What a later nest than the one that computes it reads, and the position of the last that does.
    pub kept: FxHashMap<NodeId, usize>,
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
pub(crate) type Level = u32;

impl Phases {
    /// The phases of the region of these nodes, ascending, of which those that `is_stored` accepts have memory to go to.
    /// `None` where no node uses a reduction of its own region.
    pub fn of(graph: &Graph, nodes: &[NodeId], is_stored: impl Fn(NodeId) -> bool) -> Option<Phases> {
        let mut region = Region::of(graph, Rows::of(graph, nodes)?, nodes);
        if region.members.iter().all(|member| member.level == 1) {
            return None;
        }
        for member in &mut region.members {
            member.is_stored = is_stored(member.id);
        }
        region.find_dear();
        Some(region.phases())
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

/// A node of the region.
struct Member {
    id: NodeId,
    level: Level,
    is_reduction: bool,
    /// Whether the value has one element per row.
    is_per_row: bool,
    is_stored: bool,
    /// Whether it is a value of whole rows that is not computed again.
    is_dear: bool,
    /// Whether a later nest reads it.
    is_kept: bool,
    /// Its operands.
    uses: Range<usize>,
}

/// An operand of a node.
struct Use {
    operand: NodeId,
    /// The value under its views.
    root: NodeId,
    /// The member that this is.
    member: Option<usize>,
}

/// A nest, as numbers of members, which descend.
#[derive(Default)]
struct Draft {
    members: Vec<usize>,
    results: Vec<usize>,
}

struct Region<'a> {
    graph: &'a Graph,
    rows: Rows,
    /// The nodes, ascending.
    members: Vec<Member>,
    /// The operands of one member after the other.
    uses: Vec<Use>,
}

impl<'a> Region<'a> {
    fn of(graph: &'a Graph, rows: Rows, nodes: &[NodeId]) -> Region<'a> {
        let mut members: Vec<Member> = Vec::with_capacity(nodes.len());
        let mut uses: Vec<Use> = Vec::with_capacity(2 * nodes.len());
        for &id in nodes {
            let first_use = uses.len();
            for operand in graph.operands(id) {
                let root = root_of(graph, operand);
                let member = members.binary_search_by_key(&root, |member| member.id).ok();
                uses.push(Use { operand, root, member });
            }
            let is_reduction = is_reduction(graph, id);
            let is_per_row = is_per_row(graph, &rows, id);
            let operands = uses[first_use..].iter().filter_map(|used| Some(&members[used.member?]));
            let roots = operands.map(|root| (root.level, root.is_reduction));
            let level = level_after(is_reduction || !is_per_row, roots);
            let uses = first_use..uses.len();
            let (is_stored, is_dear, is_kept) = (false, false, false);
            members.push(Member { id, level, is_reduction, is_per_row, is_stored, is_dear, is_kept, uses });
        }
        Region { graph, rows, members, uses }
    }

    fn uses_of(&self, member: usize) -> &[Use] {
        &self.uses[self.members[member].uses.clone()]
    }

    /// Finds the values of whole rows for which computing takes as much as writing and reading.
    fn find_dear(&mut self) {
        for n in 0..self.members.len() {
            let Member { id, is_per_row, is_stored, .. } = self.members[n];
            let item = self.graph.node(id).ty.dtype.size();
            let keeping = cost::BYTE_NS * (2 * item) as f64;
            self.members[n].is_dear = !is_per_row && (is_stored || self.again_ns(n) >= keeping);
        }
    }

    /// Nanoseconds an element takes to be computed again, from operands that are loaded; the first of these is free.
    fn again_ns(&self, member: usize) -> f64 {
        let graph = self.graph;
        let (mut ns, mut loads, mut repeats) = (0.0, Ids::new(), Ids::new());
        let mut found: SmallVec<[usize; 8]> = SmallVec::from_slice(&[member]);
        let mut next = 0;
        while let Some(&member) = found.get(next) {
            next += 1;
            ns += op_ns(graph, self.members[member].id);
            for used in self.uses_of(member) {
                let computed = used.member.filter(|&root| !self.members[root].is_per_row);
                let list = match computed {
                    Some(root) if !self.members[root].is_dear => {
                        if !found.contains(&root) {
                            found.push(root);
                        }
                        continue;
                    }
                    Some(_) => &mut loads,
                    None if graph.shape(used.operand) == self.rows.space() => &mut loads,
                    None if is_per_row(graph, &self.rows, used.root) => &mut repeats,
                    None => continue,
                };
                if !list.contains(&used.operand) {
                    list.push(used.operand);
                }
            }
        }
        let item = |id: &NodeId| graph.node(*id).ty.dtype.size();
        let first = loads.iter().map(item).max().unwrap_or(0);
        let bytes = loads.iter().chain(&repeats).map(item).sum::<usize>() - first;
        ns + cost::BYTE_NS * bytes as f64
    }

    /// Gives each node the levels at which it is computed, users first.
    fn phases(mut self) -> Phases {
        type Levels = SmallVec<[Level; 4]>;
        let mut demands: Vec<Levels> = vec![Levels::new(); self.members.len()];
        // By level.
        let mut drafts: Vec<Draft> = Vec::new();
        for (n, member) in self.members.iter_mut().enumerate().rev() {
            let mut demanded = std::mem::take(&mut demands[n]);
            if member.is_stored {
                demanded.push(member.level);
            } else if demanded.is_empty() {
                continue;
            }
            demanded.sort_unstable();
            demanded.dedup();
            // Waits for what it needs alone, unless it is stored, or feeds a reduction that others wait for.
            let first = if member.is_per_row { member.level } else { demanded[0] };
            let again = !member.is_per_row && !member.is_dear;
            member.is_kept = !again && demanded.iter().any(|&level| level != first);
            let levels = if again { demanded } else { Levels::from_elem(first, 1) };
            for (nth, &level) in levels.iter().enumerate() {
                if drafts.len() <= level as usize {
                    drafts.resize_with(level as usize + 1, Draft::default);
                }
                let draft = &mut drafts[level as usize];
                draft.members.push(n);
                if nth == 0 && (member.is_kept || member.is_stored || member.is_reduction) {
                    draft.results.push(n);
                }
            }
            for root in self.uses[member.uses.clone()].iter().filter_map(|used| used.member) {
                demands[root].extend_from_slice(&levels);
            }
        }
        self.measured(drafts)
    }

    /// Counts what the nests touch.
    fn measured(self, drafts: Vec<Draft>) -> Phases {
        let graph = self.graph;
        let (mut row_bytes, mut fixed_bytes, mut row_ns) = (0usize, 0usize, 0.0);
        let (mut kept, mut last_reads) = (FxHashMap::default(), FxHashMap::default());
        let mut nests: Vec<Nest> = Vec::new();
        for (level, draft) in drafts.iter().enumerate().filter(|(_, draft)| !draft.members.is_empty()) {
            let position = nests.len();
            let (over, elements) = match level % 2 {
                0 => (Over::Rows, 1),
                _ => (Over::Elements, self.rows.len()),
            };
            for &n in draft.members.iter().rev() {
                row_ns += op_ns(graph, self.members[n].id) * elements as f64;
                for used in self.uses_of(n) {
                    if let Some(root) = used.member.map(|root| &self.members[root]) {
                        if root.is_kept {
                            kept.insert(root.id, position);
                        }
                    } else if last_reads.insert(used.operand, position).is_none() {
                        let (row, fixed) = self.operand_bytes(used.operand, over);
                        row_bytes = row_bytes.saturating_add(row);
                        fixed_bytes = fixed_bytes.saturating_add(fixed);
                    }
                }
            }
            let results = draft.results.iter().rev().map(|&n| &self.members[n]);
            for member in results.clone().filter(|member| member.is_kept || member.is_stored) {
                let elements = if member.is_per_row { 1 } else { self.rows.len() };
                let bytes = elements.saturating_mul(graph.node(member.id).ty.dtype.size());
                row_bytes = row_bytes.saturating_add(bytes);
            }
            let nodes = draft.members.iter().rev().map(|&n| self.members[n].id).collect();
            nests.push(Nest { over, nodes, results: results.map(|member| member.id).collect() });
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

/// Whether the value has one element per row.
fn is_per_row(graph: &Graph, rows: &Rows, id: NodeId) -> bool {
    is_reduction(graph, id) || rows.is_per_row(graph.shape(id))
}

fn is_reduction(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::Reduce(..))
}

fn op_ns(graph: &Graph, id: NodeId) -> f64 {
    let own = graph.node(id).ty.dtype;
    let dtype = graph.operands(id).first().map_or(own, |&operand| graph.node(operand).ty.dtype);
    cost::op_ns(graph.op(id), dtype, own.size())
}
