//! What a region takes at most, summed from each of its nodes alone, and how often it passes over its rows.
//!
//! A region that grows is looked at through these sums, which take the nodes that join it; the nests are laid out only
//! where the sums do not decide.

use raptors_ir::{Graph, NodeId, Rows};

use super::{BLOCK_BYTES, Level, is_reduction, op_ns};
use crate::access::root_of;

/// Bounds of what [`Phases`](super::Phases) of a region would be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    last_level: Level,
    /// Bytes that a row touches, if each value is kept and each operand is read once more for each use.
    bytes: usize,
    /// Nanoseconds that a row takes, if nothing is computed again.
    ns: f64,
}

impl Bounds {
    /// Adds a node of this level.
    pub(crate) fn add(&mut self, graph: &Graph, rows: &Rows, id: NodeId, level: Level) {
        let elements = |per_row: bool| if per_row { 1 } else { rows.len() };
        let bytes = |id: NodeId, elements: usize| graph.node(id).ty.dtype.size().saturating_mul(elements);
        let over_rows = level.is_multiple_of(2);
        self.last_level = self.last_level.max(level);
        self.bytes = self.bytes.saturating_add(bytes(id, elements(over_rows || is_reduction(graph, id))));
        for operand in graph.operands(id) {
            let single = over_rows || graph.shape(operand).is_empty();
            self.bytes = self.bytes.saturating_add(bytes(operand, elements(single)));
        }
        self.ns += op_ns(graph, id) * elements(over_rows) as f64;
    }

    /// Those of two regions together.
    pub(crate) fn and(self, other: Bounds) -> Bounds {
        Bounds {
            last_level: self.last_level.max(other.last_level),
            bytes: self.bytes.saturating_add(other.bytes),
            ns: self.ns + other.ns,
        }
    }

    /// Nests over the elements of the rows: one for each reduction that the last one waits for, and its own.
    pub(crate) fn passes(&self) -> usize {
        self.last_level.div_ceil(2) as usize
    }

    /// Whether it is certain that a row and what is computed from it stay in cache, or are passed over once.
    pub(crate) fn surely_fit(&self) -> bool {
        self.passes() <= 1 || self.bytes <= BLOCK_BYTES
    }

    /// The most nanoseconds that a row takes, with each value computed in each nest.
    pub(crate) fn row_ns(&self) -> f64 {
        self.ns * self.passes().max(1) as f64
    }
}

/// The first level at which a node can be computed: `level_of` knows those of the values that the region computes.
pub(crate) fn level(
    graph: &Graph,
    rows: &Rows,
    id: NodeId,
    level_of: impl Fn(NodeId) -> Option<Level>,
) -> Level {
    let roots = graph.operands(id).into_iter().filter_map(|operand| {
        let root = root_of(graph, operand);
        Some((level_of(root)?, is_reduction(graph, root)))
    });
    level_after(is_reduction(graph, id) || !rows.is_per_row(graph.shape(id)), roots)
}

/// The level of a node over elements or rows after the levels of its operands, each with whether it is a reduction.
pub(super) fn level_after(over_elements: bool, roots: impl Iterator<Item = (Level, bool)>) -> Level {
    let waits = roots.map(|(level, is_reduction)| level / 2 + Level::from(is_reduction));
    2 * waits.max().unwrap_or(0) + Level::from(over_elements)
}
