//! Fusion: work over one iteration space becomes one region.
//!
//! A region is one step: a loop nest over an iteration space, or several that run in turn on each block of its rows, a
//! matrix product with an epilogue, or a concat. The space of an elementwise node is its shape; that of a reduction is
//! its operand's shape. Walking operands first, a node joins the region of an operand that has its space, and joins two
//! such regions into one; then regions over one space that read a common value become one, with several outputs; and
//! at last what uses a reduction joins the region of that, as a later phase ([`consumers`]).
//!
//! A join is refused when it would make a region need itself through another one, when it would mix reductions over
//! different axes, and when it would need two matrix products, or a reduction of one. Elementwise work that uses a
//! matrix product is its epilogue; a reshape in between, as that of a product of vectors, does not matter. Elementwise
//! work and concats that only a concat uses are parts of it, computed where it has them.
//!
//! What this gives: any tree of elementwise work over broadcast and strided operands is one region, and the reductions
//! it feeds are in it, and what uses those row by row. What it leaves out: consumers of reductions over other axes than
//! the last ones are regions of their own.
//!
//! O(n log n) in nodes and operands, but for [`Dependence`]'s searches.

mod consumers;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use raptors_ir::{Dims, Graph, NodeId, Op, Shape};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::access::root_of;
use crate::dependence::Dependence;
use crate::phases::{Bounds, Level};
use crate::{Ledger, Options};

/// The most nodes of a region: a longer lane program has more live values than the first-level cache has tiles.
const MAX_NODES: usize = 192;

/// Returns `graph` with its regions.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    let mut fuser = Fuser {
        graph,
        ledger,
        groups: Vec::with_capacity(graph.len()),
        dependence: Dependence::with_capacity(graph.len()),
        group_of: vec![None; graph.len()],
        is_output: vec![false; graph.len()],
        levels: vec![0; graph.len()],
        refusals: Vec::new(),
    };
    for output in graph.outputs() {
        fuser.is_output[output.node.index()] = true;
    }
    for id in graph.ids() {
        if needs_region(graph.op(id)) {
            fuser.visit(id);
        }
    }
    fuser.merge_siblings();
    fuser.merge_consumers();
    fuser.note_refusals();
    let regions = fuser.order();
    let mut new = graph.clone();
    new.set_regions(regions);
    new
}

/// Whether a node is work, and not a name for memory or an index.
pub fn needs_region(op: &Op) -> bool {
    !(op.is_view() || matches!(op, Op::Parameter(_) | Op::Constant(_) | Op::Iota(_)))
}

struct Group {
    nodes: Vec<NodeId>,
    /// The iteration space; `None` for a concat and its parts, and for a matrix product alone.
    space: Option<Shape>,
    /// The reduced axes, once there is a reduction.
    axes: Option<Dims>,
    /// The matrix product, of which the rest is the epilogue, or the concat, of which it is parts.
    core: Option<NodeId>,
    /// What its phases take at most, once that has been asked for; then the levels of its nodes are known.
    bounds: Option<Bounds>,
}

impl Group {
    fn is_product(&self, graph: &Graph) -> bool {
        self.core.is_some_and(|core| *graph.op(core) == Op::Matmul)
    }
}

/// Two groups that were not joined at a node, and why; they may be joined later by other nodes.
struct Refusal {
    rule: &'static str,
    node: NodeId,
    groups: (usize, usize),
    reason: Cow<'static, str>,
}

struct Fuser<'a> {
    graph: &'a Graph,
    ledger: &'a mut Ledger,
    groups: Vec<Group>,
    dependence: Dependence,
    group_of: Vec<Option<usize>>,
    is_output: Vec<bool>,
    /// The level of each node of the groups that have bounds.
    levels: Vec<Level>,
    refusals: Vec<Refusal>,
}

impl Fuser<'_> {
    fn group(&self, id: NodeId) -> Option<usize> {
        self.group_of[id.index()].map(|group| self.dependence.find(group))
    }

    fn visit(&mut self, id: NodeId) {
        let graph = self.graph;
        let operands = graph.operands(id);
        let (space, axes) = match graph.op(id) {
            Op::Reduce(_, axes) => (Some(graph.shape(operands[0]).clone()), Some(axes.clone())),
            op if op.is_elementwise() => (Some(graph.shape(id).clone()), None),
            _ => (None, None),
        };
        let own = self.dependence.add();
        let core = matches!(graph.op(id), Op::Matmul | Op::Concat(_)).then_some(id);
        self.groups.push(Group { nodes: vec![id], space, axes, core, bounds: None });
        self.group_of[id.index()] = Some(own);

        // A direct operand may be fused with; a value behind a view, or of another space, must be stored first.
        let mut candidates: SmallVec<[usize; 4]> = SmallVec::new();
        for &operand in &operands {
            let root = root_of(graph, operand);
            if let Some(group) = self.group(root) {
                let in_order = match graph.op(root) {
                    Op::Matmul => graph.is_reshape_of(operand, root),
                    _ => graph.op(operand).is_elementwise(),
                };
                let direct = in_order && self.is_space(own, graph.shape(operand));
                let joins = match graph.op(id) {
                    Op::Concat(_) => self.is_part(group, operand, id),
                    _ => direct && self.groups[own].space.is_some(),
                };
                if joins {
                    candidates.push(group);
                } else {
                    self.dependence.require(own, group);
                }
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        // An operand that another operand is computed from must be finished first. Noted before any join, so that what
        // is joined afterwards neither needs nor is needed by another candidate.
        let mut joinable = candidates;
        if joinable.len() > 1 {
            let (needed, rest) = self.dependence.needed_by_others(&joinable);
            for candidate in needed {
                self.dependence.require(own, candidate);
            }
            joinable = rest.into();
        }
        let mut current = own;
        for candidate in joinable {
            match self.refusal(current, candidate) {
                None => current = self.merge(candidate, current),
                Some(reason) => {
                    let groups = (candidate, current);
                    self.refusals.push(Refusal { rule: "producer", node: id, groups, reason: reason.into() });
                    self.dependence.require(current, candidate);
                }
            }
        }
    }

    /// Whether a shape is a group's space, or that of a scalar where it has none.
    fn is_space(&self, group: usize, shape: &Shape) -> bool {
        self.groups[group].space.as_ref().map_or(shape.is_empty(), |space| space == shape)
    }

    /// Whether the nodes of `group` are elementwise or concats, and only there for `operand` of `concat`, which is one of
    /// them but for dimensions of length 1: then they can be computed where the concat has them.
    fn is_part(&self, group: usize, operand: NodeId, concat: NodeId) -> bool {
        let graph = self.graph;
        let root = root_of(graph, operand);
        let is_part_of_it = |user: NodeId| {
            user == concat
                || self.group(user) == Some(group)
                || matches!(graph.op(user), Op::Reshape(_)) && graph.users(user).all(|user| user == concat)
        };
        let is_unused_elsewhere =
            |node: NodeId| !self.is_output[node.index()] && graph.users(node).all(is_part_of_it);
        let group = &self.groups[group];
        graph.is_reshape_of(operand, root)
            && graph.shape(operand).is_alike(graph.shape(root))
            && group.nodes.iter().all(|&node| {
                let op = graph.op(node);
                (op.is_elementwise() || matches!(op, Op::Concat(_))) && is_unused_elsewhere(node)
            })
    }

    /// Why two groups of one space cannot be one region.
    fn refusal(&self, a: usize, b: usize) -> Option<&'static str> {
        let (first, second) = (&self.groups[a], &self.groups[b]);
        if self.dependence.needs(a, b) || self.dependence.needs(b, a) {
            return Some("one needs the whole result of the other first");
        }
        if let (Some(x), Some(y)) = (&first.axes, &second.axes)
            && x != y
        {
            return Some("reductions over different axes");
        }
        if first.is_product(self.graph) && second.is_product(self.graph) {
            return Some("each is of a matrix product of its own");
        }
        if (first.is_product(self.graph) || second.is_product(self.graph))
            && (first.axes.is_some() || second.axes.is_some())
        {
            return Some("a reduction needs more than a block of a matrix product");
        }
        if let (Some(x), Some(y)) = (&first.space, &second.space)
            && x != y
        {
            return Some("the matrix product is used in another shape");
        }
        (first.nodes.len() + second.nodes.len() > MAX_NODES).then_some("the region would be too long")
    }

    /// Merges two groups and returns the one that is left.
    fn merge(&mut self, a: usize, b: usize) -> usize {
        self.dependence.merge(a, b);
        let empty = Group { nodes: Vec::new(), space: None, axes: None, core: None, bounds: None };
        let group = std::mem::replace(&mut self.groups[b], empty);
        let target = &mut self.groups[a];
        target.nodes.extend(group.nodes);
        target.space = target.space.take().or(group.space);
        target.axes = target.axes.take().or(group.axes);
        // A concat may have others as parts; the last one is the region's.
        target.core = target.core.max(group.core);
        if target.core.is_some_and(|core| matches!(self.graph.op(core), Op::Concat(_))) {
            target.space = None;
        }
        a
    }

    /// Joins regions over one space that read a common value, so that it is read once.
    fn merge_siblings(&mut self) {
        let mut by_operand: FxHashMap<(NodeId, Shape), usize> = FxHashMap::default();
        for id in self.graph.ids().filter(|&id| *self.graph.op(id) != Op::Matmul) {
            let Some(group) = self.group(id) else { continue };
            let mut current = group;
            // The space before anything is joined, once it is asked for.
            let mut space = None;
            for operand in self.graph.operands(id) {
                let root = root_of(self.graph, operand);
                let scalar = self.graph.shape(root).is_empty();
                if scalar || self.group(root) == Some(current) {
                    continue;
                }
                let Some(space) = space.get_or_insert_with(|| self.groups[group].space.clone()) else {
                    break;
                };
                let sibling = *by_operand.entry((root, space.clone())).or_insert(current);
                let sibling = self.dependence.find(sibling);
                if sibling == current {
                    continue;
                }
                let both = self.groups[sibling].nodes.len() + self.groups[current].nodes.len();
                if both > MAX_NODES || self.dependence.needs(current, sibling) {
                    // Those that follow have more room, and less between, with this one.
                    by_operand.insert((root, space.clone()), current);
                } else if self.refusal(sibling, current).is_none() {
                    let detail = "regions that read one value became one, with several outputs";
                    self.ledger.applied("fuse", "siblings", self.graph, id, detail);
                    current = self.merge(sibling.min(current), sibling.max(current));
                }
            }
        }
    }

    /// Puts the refusals that came true into the ledger, each once for two groups.
    fn note_refusals(&mut self) {
        let mut noted = FxHashSet::default();
        for Refusal { rule, node, groups: (a, b), reason } in std::mem::take(&mut self.refusals) {
            let (a, b) = (self.dependence.find(a), self.dependence.find(b));
            if a != b && noted.insert((rule, a, b)) {
                self.ledger.refused("fuse", rule, self.graph, node, reason);
            }
        }
    }

    /// The groups in an order in which each follows what it needs, earliest nodes first.
    fn order(self) -> Vec<Vec<NodeId>> {
        let mut regions: Vec<(usize, Vec<NodeId>)> = self
            .groups
            .into_iter()
            .enumerate()
            .filter(|(_, group)| !group.nodes.is_empty())
            .map(|(number, mut group)| {
                group.nodes.sort_unstable();
                (number, group.nodes)
            })
            .collect();
        regions.sort_by_key(|(_, nodes)| nodes[0]);
        let count = regions.len();
        let mut rank = vec![0; self.group_of.len()];
        for (i, &(group, _)) in regions.iter().enumerate() {
            rank[group] = i;
        }
        let mut missing: Vec<usize> =
            regions.iter().map(|&(group, _)| self.dependence.needs_of(group).count()).collect();
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..count).filter(|&i| missing[i] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(Reverse(next)) = ready.pop() {
            order.push(next);
            for fed in self.dependence.feeds_of(regions[next].0) {
                let i = rank[fed];
                missing[i] -= 1;
                if missing[i] == 0 {
                    ready.push(Reverse(i));
                }
            }
        }
        assert_eq!(order.len(), count, "merging keeps the groups acyclic");
        order.into_iter().map(|i| std::mem::take(&mut regions[i].1)).collect()
    }
}
