//! Small slices that joins have of what they join, as padding has: computed twice, so that nothing is stored for them.
//!
//! An array that is joined with slices of itself would be stored, and copied into the join. Where only joins use it, its
//! slices are moved as if they were its only user; then its own part is computed where the join has it. Bounded by the
//! elements that are computed again: a quarter of large arrays, four times as many of those that take less time than a
//! step. Reductions and matrix products are not repeated.

use raptors_ir::{Graph, NodeId, Op};

use super::Builder;
use crate::rewrite::WORTH_A_STEP;

/// For each node, whether all its users are joins, directly or by views, and it is no result.
pub(super) fn joined(graph: &Graph) -> Vec<bool> {
    let mut joined = vec![false; graph.len()];
    let mut is_result = vec![false; graph.len()];
    for output in graph.outputs() {
        is_result[output.node.index()] = true;
    }
    let ids: Vec<NodeId> = graph.ids().collect();
    for &id in ids.iter().rev() {
        let mut users = graph.users(id).peekable();
        joined[id.index()] = !is_result[id.index()]
            && users.peek().is_some()
            && users.all(|user| {
                let op = graph.op(user);
                matches!(op, Op::Concat(_)) || (op.is_view() && joined[user.index()])
            });
    }
    joined
}

/// What may be computed again, by node of the new graph.
#[derive(Default)]
pub(super) struct Repeats {
    /// Whether the node that is being built is for joins alone.
    pub(super) is_for_join: bool,
    /// Whether something other than a join uses it.
    elsewhere: Vec<bool>,
    /// Whether it is computed by elementwise work and views alone.
    plain: Vec<bool>,
    /// How many of its elements are computed again.
    elements: Vec<usize>,
}

impl Repeats {
    /// Makes room for the nodes that were added.
    pub(super) fn grow(&mut self, graph: &Graph) {
        for n in self.plain.len()..graph.len() {
            let id = NodeId(n as u32);
            let op = graph.op(id);
            let is_plain = match op {
                Op::Reduce(..) | Op::Matmul => false,
                _ => graph.operands(id).iter().all(|operand| self.plain[operand.index()]),
            };
            self.plain.push(is_plain);
        }
        self.elsewhere.resize(graph.len(), false);
        self.elements.resize(graph.len(), 0);
    }

    /// Notes that an old node, which is for joins alone or not, is this one.
    pub(super) fn note_user(&mut self, node: NodeId, is_for_join: bool) {
        self.elsewhere[node.index()] |= !is_for_join;
    }
}

impl Builder<'_> {
    /// Whether a slice of `x`, which has other users, is moved nevertheless; counts it then.
    pub(super) fn may_repeat(&mut self, op: &Op, x: NodeId) -> bool {
        let Op::Slice(dims) = op else { return false };
        if !self.repeats.is_for_join {
            return false;
        }
        self.repeats.grow(self.new);
        if self.repeats.elsewhere[x.index()] || !self.repeats.plain[x.index()] {
            return false;
        }
        let size = self.new.shape(x).size();
        let most = if size <= WORTH_A_STEP { 4 * size } else { size / 4 };
        let read: usize = dims.iter().map(|dim| dim.len).product();
        let elements = &mut self.repeats.elements[x.index()];
        let may = *elements + read <= most;
        *elements += if may { read } else { 0 };
        may
    }
}
