//! Regions with phases: loop nests that run in turn on each block of rows.
//!
//! What one nest keeps for a later one is read back from where it is stored anyway. What is stored nowhere goes to the
//! rows of a result that a later nest writes, if nothing else needs that memory until then, and otherwise to scratch
//! memory of the block, whose parts are used again when what they hold has been read for the last time.

use raptors_ir::{Graph, NodeId, Op, Slot};
use raptors_passes::access::{Root, access};
use raptors_passes::phases::{BLOCK_BYTES, Nest, Over, Phases};
use rustc_hash::FxHashMap;

use super::nest::NestBuilder;
use super::{memory_in, slot_of};
use crate::error::Error;
use crate::program::{Blocks, LoopNest, Memory};
use crate::runtime::level::Level;

/// Bytes of a block, if its rows are shorter: about what the first-level cache keeps, and work enough to hide the calls
/// of kernels.
const NEAR_BYTES: usize = 64 << 10;

/// The nests of a region with phases.
pub(super) fn blocks(graph: &Graph, phases: &Phases, level: Level) -> Result<Blocks, Error> {
    let mut keeping = Keeping {
        graph,
        phases,
        places: FxHashMap::default(),
        scratch: Vec::new(),
        busy_until: Vec::new(),
        saved: 0,
    };
    for (position, nest) in phases.nests.iter().enumerate() {
        for &id in &nest.results {
            if phases.kept.contains_key(&id) && graph.slot(id).is_none() {
                keeping.keep(id, position);
            }
        }
    }
    let mut nests = Vec::with_capacity(phases.nests.len());
    for nest in &phases.nests {
        let nest = keeping.lower(nest, &nests, level)?;
        nests.push(nest);
    }
    let rows = phases.rows.kept().size();
    let row_bytes = (phases.row_bytes - keeping.saved).max(1);
    let most = BLOCK_BYTES.saturating_sub(phases.fixed_bytes).min(NEAR_BYTES);
    let rows_per_block = (most / row_bytes).clamp(1, rows.max(1));
    Ok(Blocks { rows, rows_per_block, nests, scratch: keeping.scratch })
}

/// Where values are between the nests.
struct Keeping<'a> {
    graph: &'a Graph,
    phases: &'a Phases,
    /// Memory of what has no slot, and where it begins in it.
    places: FxHashMap<NodeId, (Memory, isize)>,
    /// Bytes of a row of each part of scratch memory.
    scratch: Vec<usize>,
    /// The last nest that reads what is in each part.
    busy_until: Vec<usize>,
    /// Bytes of a row that are kept in memory of results, or of values that are not read any more.
    saved: usize,
}

impl Keeping<'_> {
    /// Finds memory for the value of `id`, which the nest at `position` computes.
    fn keep(&mut self, id: NodeId, position: usize) {
        let ty = &self.graph.node(id).ty;
        let per_row = matches!(self.graph.op(id), Op::Reduce(..)) || ty.shape != *self.phases.rows.space();
        let row_bytes = if per_row { 1 } else { self.phases.rows.len() } * ty.dtype.size();
        let result = if per_row { None } else { self.vacant_result(id, position) };
        let place = match result {
            Some(result) => {
                self.saved += row_bytes;
                memory_in(slot_of(self.graph, result))
            }
            None => {
                let mut parts = self.scratch.iter().zip(&self.busy_until);
                let free = parts.position(|(&bytes, &until)| bytes == row_bytes && until < position);
                let part = match free {
                    Some(part) => {
                        self.saved += row_bytes;
                        part
                    }
                    None => {
                        self.scratch.push(row_bytes);
                        self.busy_until.push(0);
                        self.scratch.len() - 1
                    }
                };
                self.busy_until[part] = self.phases.kept[&id];
                (Memory::Scratch(part as u32), 0)
            }
        };
        self.places.insert(id, place);
    }

    /// A result over all elements, not written before the last nest that reads `id`, whose memory is free from the nest at
    /// `position` on.
    fn vacant_result(&self, id: NodeId, position: usize) -> Option<NodeId> {
        let (graph, phases) = (self.graph, self.phases);
        let size = |id: NodeId| graph.node(id).ty.dtype.size();
        let last = phases.kept[&id];
        let results = phases.nests[last..].iter().flat_map(|nest| &nest.results).copied();
        results.into_iter().find(|&result| {
            let Some(slot) = graph.slot(result) else { return false };
            graph.op(result).is_elementwise()
                && graph.shape(result) == phases.rows.space()
                && size(result) == size(id)
                && !self.places.values().any(|&place| place == memory_in(slot))
                && phases.last_reads.iter().all(|(&operand, &last)| {
                    // In the nest at `position` each element is read before it is written.
                    last <= position || !self.shares_memory(operand, slot)
                })
        })
    }

    /// Whether an operand that the region does not compute is in the memory of `slot`.
    fn shares_memory(&self, operand: NodeId, slot: Slot) -> bool {
        let memory = match access(self.graph, operand).map(|access| access.root) {
            Some(Root::Parameter(n)) => Some(Memory::Parameter(n)),
            Some(Root::Value(id)) => Some(memory_in(slot_of(self.graph, id)).0),
            Some(Root::Scalar(_) | Root::Constant(_) | Root::Iota(_)) | None => None,
        };
        memory == Some(memory_in(slot).0)
    }

    fn lower(&self, nest: &Nest, earlier: &[LoopNest], level: Level) -> Result<LoopNest, Error> {
        let rows = &self.phases.rows;
        let space = match nest.over {
            Over::Elements => rows.space(),
            Over::Rows => rows.kept(),
        };
        let mut builder = NestBuilder::over(self.graph, space.clone(), rows.axes().clone());
        for (&id, &place) in &self.places {
            builder.place(id, place);
        }
        for &id in &nest.nodes {
            let is_result = nest.results.contains(&id);
            if matches!(self.graph.op(id), Op::Reduce(..)) {
                builder.reduce(id);
                continue;
            }
            builder.compute(id);
            if is_result {
                builder.keep(id);
            }
        }
        builder.finish(earlier, level)
    }
}
