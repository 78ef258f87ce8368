//! What uses a reduction joins its region, as a later phase on the same block of rows.
//!
//! Nodes are visited operands first. Where one uses a region with reductions, the region of the node joins that one if
//! it is over the same elements, or has one element for each of its rows, and
//!
//! - each of its uses is at the row that is computed;
//! - rows are consecutive elements, one fits the cache with all that is computed from it, and is not passed over too
//!   often;
//! - there are rows enough to share out, or a row is little work;
//! - nothing else lies between the two.

use raptors_ir::{NodeId, Op, Rows};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::{Fuser, MAX_NODES, Refusal};
use crate::access::root_of;
use crate::phases::{BLOCK_BYTES, Phases};

/// The most passes over a block of rows: two normalizations, one after the other. What more of them would keep for each
/// other leaves room for few rows, and each region that grows is looked at as a whole.
const MAX_PASSES: usize = 6;

/// With fewer rows than this, threads would find no work.
const FEW_ROWS: usize = 8;

/// Nanoseconds of a row up to which it is nothing to share out.
const ONE_THREAD_NS: f64 = 20e3;

impl Fuser<'_> {
    /// Joins the consumers of reductions with them.
    pub(super) fn merge_consumers(&mut self) {
        // What was looked at in vain is looked at again when one of the two has grown.
        let mut tried = FxHashSet::default();
        for id in self.graph.ids() {
            for operand in self.graph.operands(id) {
                let root = root_of(self.graph, operand);
                let (Some(producer), Some(consumer)) = (self.group(root), self.group(id)) else { continue };
                if producer == consumer {
                    continue;
                }
                let size = self.groups[producer].nodes.len() + self.groups[consumer].nodes.len();
                if !tried.insert((producer, consumer, size)) {
                    continue;
                }
                let Some(rows) = self.common_rows(producer, consumer) else { continue };
                match self.phase_refusal(&rows, producer, consumer) {
                    None => {
                        let detail = "runs on each block of rows after the reduction that it uses";
                        self.ledger.applied("fuse", "phase", self.graph, id, detail);
                        let (first, second) = (producer.min(consumer), producer.max(consumer));
                        let merged = self.merge(first, second);
                        self.groups[merged].space = Some(rows.space().clone());
                        self.groups[merged].axes = Some(rows.axes().clone());
                    }
                    Some(reason) => {
                        let rule = "phase";
                        self.refusals.push(Refusal {
                            rule,
                            node: id,
                            groups: (producer, consumer),
                            reason: reason.into(),
                        });
                    }
                }
            }
        }
    }

    /// The rows that both groups would be phases over; `None` where they have no rows in common.
    fn common_rows(&self, producer: usize, consumer: usize) -> Option<Rows> {
        let (first, second) = (&self.groups[producer], &self.groups[consumer]);
        if first.core.or(second.core).is_some() {
            return None;
        }
        let rows = Rows::new(first.space.clone()?, first.axes.clone()?);
        let space = second.space.as_ref()?;
        let over_rows = second.axes.is_none() && rows.is_per_row(space);
        (rows.are_distinct() && (space == rows.space() || over_rows)).then_some(rows)
    }

    /// Why `consumer` cannot be a phase of `producer`'s region.
    fn phase_refusal(&self, rows: &Rows, producer: usize, consumer: usize) -> Option<String> {
        let (first, second) = (&self.groups[producer], &self.groups[consumer]);
        if second.axes.as_ref().is_some_and(|axes| axes != rows.axes()) {
            return Some("reductions over different axes".to_owned());
        }
        if !rows.are_consecutive() {
            return Some("what is reduced does not lie side by side: only rows stay in cache".to_owned());
        }
        if !second.nodes.iter().all(|&node| self.stays_in_row(rows, producer, node)) {
            return Some("it uses other rows than its own".to_owned());
        }
        if self.dependence.needs_through_others(consumer, producer) {
            return Some("something between needs the whole reduction first".to_owned());
        }
        if first.nodes.len() + second.nodes.len() > MAX_NODES {
            return Some("the region would be too long".to_owned());
        }
        let mut nodes = [&first.nodes[..], &second.nodes].concat();
        nodes.sort_unstable();
        let phases = Phases::of(self.graph, &nodes, |node| {
            self.is_output[node.index()] || self.is_used_outside(node, &nodes)
        })?;
        if phases.passes() > MAX_PASSES {
            return Some(format!("a block of rows would be passed over more than {MAX_PASSES} times"));
        }
        if !phases.fits() {
            let bytes = phases.row_bytes.saturating_add(phases.fixed_bytes);
            return Some(format!(
                "a row with what is computed from it takes {bytes} bytes, and {BLOCK_BYTES} stay in cache"
            ));
        }
        let count = rows.kept().size();
        let few = count < FEW_ROWS && phases.row_ns > ONE_THREAD_NS;
        few.then(|| match count {
            1 => "all is one row, which threads share only between kernels".to_owned(),
            _ => format!("there are only {count} rows, which is too few to share out"),
        })
    }

    /// Whether all that `node` uses of `producer` is of the element or the row that it computes.
    fn stays_in_row(&self, rows: &Rows, producer: usize, node: NodeId) -> bool {
        let graph = self.graph;
        let operands = graph.operands(node);
        let over = match graph.op(node) {
            Op::Reduce(..) => graph.shape(operands[0]),
            _ => graph.shape(node),
        };
        operands.iter().all(|&operand| {
            let root = root_of(graph, operand);
            if self.group(root) != Some(producer) {
                return true;
            }
            let per_row = matches!(graph.op(root), Op::Reduce(..)) || rows.is_per_row(graph.shape(root));
            match per_row {
                true => rows.reads_own_row(graph, operand, root, over),
                false => operand == root && over == rows.space(),
            }
        })
    }

    /// Whether a node that is not one of `own`, which ascend, uses the value, directly or through views.
    fn is_used_outside(&self, value: NodeId, own: &[NodeId]) -> bool {
        let mut pending: SmallVec<[NodeId; 8]> = SmallVec::from_slice(&[value]);
        while let Some(value) = pending.pop() {
            for user in self.graph.users(value) {
                if self.graph.op(user).is_view() {
                    pending.push(user);
                } else if own.binary_search(&user).is_err() {
                    return true;
                }
            }
        }
        false
    }
}
