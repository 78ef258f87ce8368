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

use std::borrow::Cow;

use raptors_ir::{NodeId, Op, Rows};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::{Fuser, MAX_NODES, Refusal};
use crate::access::root_of;
use crate::phases::{BLOCK_BYTES, Bounds, Phases, level};

/// The most passes over a block of rows: two normalizations, one after the other. What more of them would keep for each
/// other leaves room for few rows.
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
                match self.phase_bounds(&rows, producer, consumer) {
                    Ok(bounds) => {
                        let detail = "runs on each block of rows after the reduction that it uses";
                        self.ledger.applied("fuse", "phase", self.graph, id, detail);
                        let (first, second) = (producer.min(consumer), producer.max(consumer));
                        let merged = self.merge(first, second);
                        self.groups[merged].space = Some(rows.space().clone());
                        self.groups[merged].axes = Some(rows.axes().clone());
                        self.groups[merged].bounds = Some(bounds);
                    }
                    Err(reason) => {
                        let rule = "phase";
                        self.refusals.push(Refusal { rule, node: id, groups: (producer, consumer), reason });
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

    /// The bounds of both groups as one region; the reason where `consumer` cannot be a phase of `producer`'s.
    fn phase_bounds(
        &mut self,
        rows: &Rows,
        producer: usize,
        consumer: usize,
    ) -> Result<Bounds, Cow<'static, str>> {
        let (first, second) = (&self.groups[producer], &self.groups[consumer]);
        if second.axes.as_ref().is_some_and(|axes| axes != rows.axes()) {
            return Err("reductions over different axes".into());
        }
        if !rows.are_consecutive() {
            return Err("what is reduced does not lie side by side: only rows stay in cache".into());
        }
        if !second.nodes.iter().all(|&node| self.stays_in_row(rows, producer, node)) {
            return Err("it uses other rows than its own".into());
        }
        if self.dependence.needs_through_others(consumer, producer) {
            return Err("something between needs the whole reduction first".into());
        }
        if first.nodes.len() + second.nodes.len() > MAX_NODES {
            return Err("the region would be too long".into());
        }
        let first = match first.bounds {
            Some(bounds) => bounds,
            None => self.bound(rows, producer, producer),
        };
        self.groups[producer].bounds = Some(first);
        let bounds = first.and(self.bound(rows, consumer, producer));
        // The levels are for both.
        self.groups[consumer].bounds = None;
        if bounds.passes() > MAX_PASSES {
            return Err(format!("a block of rows would be passed over more than {MAX_PASSES} times").into());
        }
        let count = rows.kept().size();
        if bounds.surely_fit() && (count >= FEW_ROWS || bounds.row_ns() <= ONE_THREAD_NS) {
            return Ok(bounds);
        }
        let mut nodes = [&self.groups[producer].nodes[..], &self.groups[consumer].nodes].concat();
        nodes.sort_unstable();
        let is_stored =
            |node: NodeId| self.is_output[node.index()] || self.is_used_outside(node, [producer, consumer]);
        let Some(phases) = Phases::of(self.graph, &nodes, is_stored) else { return Ok(bounds) };
        if !phases.fits() {
            let bytes = phases.row_bytes.saturating_add(phases.fixed_bytes);
            let takes = format!("a row with what is computed from it takes {bytes} bytes");
            return Err(format!("{takes}, and {BLOCK_BYTES} stay in cache").into());
        }
        match count {
            FEW_ROWS.. => Ok(bounds),
            _ if phases.row_ns <= ONE_THREAD_NS => Ok(bounds),
            1 => Err("all is one row, which threads share only between kernels".into()),
            _ => Err(format!("there are only {count} rows, which is too few to share out").into()),
        }
    }

    /// Finds the levels of a group's nodes, and its bounds, in one region with `producer`, whose levels are known.
    fn bound(&mut self, rows: &Rows, group: usize, producer: usize) -> Bounds {
        let mut nodes = std::mem::take(&mut self.groups[group].nodes);
        nodes.sort_unstable();
        let mut bounds = Bounds::default();
        for &id in &nodes {
            let is_known =
                |&root: &NodeId| self.group(root).is_some_and(|own| own == group || own == producer);
            let level_of = |root: NodeId| Some(root).filter(is_known).map(|root| self.levels[root.index()]);
            let level = level(self.graph, rows, id, level_of);
            self.levels[id.index()] = level;
            bounds.add(self.graph, rows, id, level);
        }
        self.groups[group].nodes = nodes;
        bounds
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

    /// Whether a node of another group than `own` uses the value, directly or through views.
    fn is_used_outside(&self, value: NodeId, own: [usize; 2]) -> bool {
        let mut pending: SmallVec<[NodeId; 8]> = SmallVec::from_slice(&[value]);
        while let Some(value) = pending.pop() {
            for user in self.graph.users(value) {
                if self.graph.op(user).is_view() {
                    pending.push(user);
                } else if self.group(user).is_none_or(|group| !own.contains(&group)) {
                    return true;
                }
            }
        }
        false
    }
}
