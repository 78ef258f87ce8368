//! What regions read: which values, through which views, and at which bytes.

use std::ops::Range;

use raptors_ir::{Graph, NodeId, Op};
use smallvec::SmallVec;

use crate::access::{access, part_of};

/// One operand of a region's node, whose memory is not the region's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// The value under the views of the operand.
    pub(super) root: NodeId,
    pub(super) operand: NodeId,
    /// The node whose shape is the space that is iterated over; `None` where elements are read in another order.
    space: Option<NodeId>,
}

/// Every read of every region.
pub(super) struct Reads {
    /// The region that computes each node.
    pub(super) region_of: Vec<Option<u32>>,
    /// The reads of each region.
    of_region: Vec<Vec<Read>>,
    /// The regions that read each value, ascending.
    readers: Vec<SmallVec<[u32; 2]>>,
    /// How many reductions of its own region each node waits for, one after the other.
    phases: Vec<u32>,
    /// The most of these in each region.
    last_phases: Vec<u32>,
}

impl Reads {
    pub(super) fn new(graph: &Graph) -> Reads {
        let mut roots: Vec<NodeId> = graph.ids().collect();
        for id in graph.ids().filter(|&id| graph.op(id).is_view()) {
            roots[id.index()] = roots[graph.operands(id)[0].index()];
        }
        let mut region_of = vec![None; graph.len()];
        for (region, nodes) in graph.regions().iter().enumerate() {
            for node in nodes {
                region_of[node.index()] = Some(region as u32);
            }
        }
        let mut readers: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); graph.len()];
        // The last read of each operand; one that is the same says nothing new.
        let mut last: Vec<Option<(u32, Option<NodeId>)>> = vec![None; graph.len()];
        let shape = |space: Option<NodeId>| space.map(|space| graph.shape(space));
        let mut of_region = Vec::with_capacity(graph.regions().len());
        let mut phases = vec![0; graph.len()];
        let mut last_phases = Vec::with_capacity(graph.regions().len());
        for (region, nodes) in graph.regions().iter().enumerate() {
            let mut reads = Vec::new();
            let mut last_phase = 0;
            for &node in nodes {
                for (n, operand) in graph.operands(node).into_iter().enumerate() {
                    let root = roots[operand.index()];
                    if region_of[root.index()] == Some(region as u32) {
                        let completed = u32::from(matches!(graph.op(root), Op::Reduce(..)));
                        let phase = phases[root.index()] + completed;
                        phases[node.index()] = phase.max(phases[node.index()]);
                        last_phase = phase.max(last_phase);
                        continue;
                    }
                    let space = match graph.op(node) {
                        Op::Reduce(..) => Some(operand),
                        // What else a library op reads, it reads in an order of its own.
                        Op::Library(op) => (n == 0 && op.runs_in_place()).then_some(node),
                        op => op.is_elementwise().then_some(node),
                    };
                    let known = last[operand.index()].replace((region as u32, space));
                    if known.is_some_and(|known| known.0 == region as u32 && shape(known.1) == shape(space)) {
                        continue;
                    }
                    reads.push(Read { root, operand, space });
                    let readers = &mut readers[root.index()];
                    if readers.last() != Some(&(region as u32)) {
                        readers.push(region as u32);
                    }
                }
            }
            of_region.push(reads);
            last_phases.push(last_phase);
        }
        Reads { region_of, of_region, readers, phases, last_phases }
    }

    /// Whether no part of its region waits for more reductions than `node` does: what is read again, is read before.
    pub(super) fn is_in_last_phase(&self, node: NodeId, region: u32) -> bool {
        self.phases[node.index()] == self.last_phases[region as usize]
    }

    /// The number of regions.
    pub(super) fn regions(&self) -> usize {
        self.of_region.len()
    }

    /// The reads of a region.
    pub(super) fn of_region(&self, region: u32) -> &[Read] {
        &self.of_region[region as usize]
    }

    /// The reads of `root` in `region`.
    pub(super) fn of_value(&self, region: u32, root: NodeId) -> impl Iterator<Item = &Read> {
        self.of_region(region).iter().filter(move |read| read.root == root)
    }

    /// The regions that read `root`, other than the one that computes it.
    pub(super) fn readers(&self, root: NodeId) -> &[u32] {
        &self.readers[root.index()]
    }
}

impl Read {
    /// The byte of the root where the elements begin, if this reads element `i` of them, or a part of it, just where
    /// row-major `node`, computed over the same space, is written at element `i`.
    pub(super) fn same_elements(&self, graph: &Graph, node: NodeId) -> Option<usize> {
        let (read, written) = (&graph.node(self.operand).ty, &graph.node(node).ty);
        let is_whole = written.dtype.is_complex() && read.dtype == written.dtype.part();
        let part = part_of(graph, self.operand).filter(|_| is_whole);
        let whole = if part.is_some() { written.dtype.size() } else { read.dtype.size() };
        let alike = read.shape == written.shape && whole == written.dtype.size();
        if !alike || graph.shape(self.space?) != &written.shape {
            return None;
        }
        if self.operand == self.root && !matches!(graph.op(self.root), Op::Parameter(_)) {
            return Some(0);
        }
        let access = access(graph, self.operand)?;
        let expected = written.shape.row_major_strides(written.dtype.size());
        let mut dims = written.shape.iter().zip(&access.strides).zip(&expected);
        let same = dims.all(|((&dim, stride), expected)| dim == 1 || stride == expected);
        let before = part.map_or(0, |part| part.offset(written.dtype)) as isize;
        if same { usize::try_from(access.offset - before).ok() } else { None }
    }

    /// Whether this may read one of these bytes of the root; a read of no elements counts as one of all.
    pub(super) fn touches(&self, graph: &Graph, bytes: &Range<usize>) -> bool {
        let ty = &graph.node(self.operand).ty;
        if bytes.is_empty() {
            return false;
        }
        let access = access(graph, self.operand).filter(|_| ty.shape.size() > 0);
        let Some(access) = access else { return true };
        let (mut low, mut high) = (access.offset, access.offset + ty.dtype.size() as isize);
        for (&dim, &stride) in ty.shape.iter().zip(&access.strides) {
            let reach = stride * (dim as isize - 1);
            low += reach.min(0);
            high += reach.max(0);
        }
        low < bytes.end as isize && (bytes.start as isize) < high
    }
}
