//! Which results a program stores past the caches.
//!
//! Results that together are larger than the last-level cache are not in it when somebody reads them: to store them through
//! the caches only costs reading what is overwritten, a third of what `a * 2.0` moves. So they are stored by non-temporal
//! stores, unless
//!
//! - a later step reads them: it begins while their end is still in the cache;
//! - the step reads their memory, or another of its nests writes it: those lines are in the cache;
//! - they are not in runs of some lines: the first and the last line of each are stored as usual.
//!
//! Limits: x86-64 alone. Other CPUs see that whole lines are written, and have no store that promises more. What Accelerate,
//! a matrix product or a library op stores is not looked at, and of what is interpreted, what is only moved.

use rustc_hash::FxHashMap;

use crate::accelerate::select::Accelerated;
use crate::codegen::compiled::{Compiled, Machine};
use crate::codegen::lane::{LaneOp, OperandId, ValueId};
use crate::codegen::select::StreamUse;
use crate::codegen::tile::TileProgram;
use crate::codegen::vector::StreamId;
use crate::program::{LoopNest, Memory, Operand, Program, Step};

/// Bytes of the shortest run: a line at each end of it is stored as usual.
const SHORTEST_RUN: usize = 2 << 10;

/// Bytes of a line.
const LINE: isize = 64;

/// Has the steps store results past a last-level cache of so many bytes, if they are larger.
pub(crate) fn choose(program: &mut Program, cache_bytes: usize) {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let limit = cache_bytes.saturating_add(cache_bytes / 2);
    let result_bytes = program.results.iter().map(|result| result.ty.shape.size() * result.ty.dtype.size());
    if result_bytes.fold(0, usize::saturating_add) <= limit {
        return;
    }
    let shortest_run = SHORTEST_RUN.min(cache_bytes);
    let mut last_reads: FxHashMap<Memory, usize> = FxHashMap::default();
    for (n, step) in program.steps.iter().enumerate() {
        last_reads.extend(step.reads().into_iter().map(|(memory, _)| (memory, n)));
    }
    let mut chosen = Vec::new();
    let mut bytes = 0;
    for (n, step) in program.steps.iter().enumerate() {
        let nests = nests(step);
        for (m, nest) in nests.iter().enumerate() {
            for id in candidates(nest, shortest_run) {
                let target = &nest.operands[id.index()];
                let others = nests.iter().enumerate().filter(|&(other, _)| other != m);
                let mut operands = others.flat_map(|(_, other)| other.loads().chain(other.targets()));
                let is_shared = operands.any(|operand| operand.memory == target.memory);
                let is_read = last_reads.get(&target.memory).is_some_and(|&last| last >= n);
                if !is_shared && !is_read {
                    chosen.push((n, m, id));
                    bytes += nest.size() * target.dtype.size();
                }
            }
        }
    }
    if bytes <= limit {
        return;
    }
    for chosen in chosen.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (n, m, _) = chosen[0];
        let nest = match &mut program.steps[n] {
            Step::Loop(nest) => nest,
            Step::Blocks(blocks) => &mut blocks.nests[m],
            Step::Matmul(_) | Step::Library(_) => continue,
        };
        nest.non_temporal = chosen.iter().map(|&(_, _, id)| id).collect();
        compile(nest);
    }
}

/// The nests whose stores are looked at.
fn nests(step: &Step) -> &[LoopNest] {
    match step {
        Step::Loop(_) | Step::Blocks(_) => step.nests(),
        Step::Matmul(_) | Step::Library(_) => &[],
    }
}

/// What a nest stores that could be stored past the caches.
fn candidates(nest: &LoopNest, shortest_run: usize) -> Vec<OperandId> {
    if !matches!(nest.accelerated, Accelerated::None | Accelerated::Declined { .. }) {
        return Vec::new();
    }
    let stored = nest.body.stores.iter().map(|&(_, id)| id);
    let possible = stored.filter(|&id| {
        let target = &nest.operands[id.index()];
        let is_long = |lanes: usize| lanes * lane_bytes(target) >= shortest_run;
        let has_lines = match &nest.machine {
            Machine::Rows(rows) => is_stored_wide(&rows.compiled, target, nest) && is_long(rows.lanes),
            Machine::Tiles(tiles) => match &tiles.kernel {
                Some(compiled) if !is_late(tiles, id) => {
                    is_stored_wide(compiled, target, nest) && is_long(tiles.len)
                }
                Some(_) | None => is_in_lines(tiles, target, nest, shortest_run),
            },
            Machine::Interpreter(_) => {
                let moved = moved(nest, id);
                moved.is_some_and(|[value, of]| nest.tile.can_store_late(value, of))
                    && is_in_lines(&nest.tile, target, nest, shortest_run)
            }
        };
        has_lines && is_result(target.memory)
    });
    possible.collect()
}

/// Whether values in this memory can be results.
fn is_result(memory: Memory) -> bool {
    match memory {
        Memory::Buffer(_) | Memory::Output(_) | Memory::Parameter(_) => true,
        Memory::Arena | Memory::Product | Memory::Scratch(_) => false,
    }
}

/// The stream of a kernel that an operand, or the complex numbers that it is a part of, is stored by.
fn stream_of(compiled: &Compiled, target: &Operand, nest: &LoopNest) -> Option<StreamId> {
    let selected = &compiled.selected;
    let is_target = |used: &StreamUse| match *used {
        StreamUse::Operand(id) => nest.operands[id.index()] == *target,
        StreamUse::Pair(id, _) => nest.operands[id.index()].is_paired_with(target),
        StreamUse::Value(_) | StreamUse::Result(_) | StreamUse::Best(_) => false,
    };
    let stored = selected.program.stores.iter().map(|&(_, stream)| stream);
    let pairs = selected.program.pairs.iter().map(|&(_, stream)| stream);
    stored.chain(pairs).find(|stream| is_target(&selected.streams[stream.index()]))
}

/// Whether a kernel stores an operand in vectors of half a register or more.
fn is_stored_wide(compiled: &Compiled, target: &Operand, nest: &LoopNest) -> bool {
    let program = &compiled.selected.program;
    let widest = program.insts.iter().map(|inst| inst.ty.size()).max().unwrap_or(1);
    let stream = stream_of(compiled, target, nest);
    stream.is_some_and(|stream| 2 * program.streams[stream.index()].ty.size() >= widest)
}

/// Bytes of an element: both parts of a complex number are stored together.
fn lane_bytes(target: &Operand) -> usize {
    target.dtype.size() * if target.part.is_some() { 2 } else { 1 }
}

/// Bytes that lie side by side, in the order of these dimensions.
fn run_bytes(target: &Operand, dims: &[usize]) -> usize {
    let mut run = lane_bytes(target);
    for (&dim, &stride) in dims.iter().zip(&target.strides).rev() {
        if dim > 1 && stride != run as isize {
            break;
        }
        run *= dim;
    }
    run
}

/// Whether what tiles store late is in runs of whole lines.
fn is_in_lines(tiles: &TileProgram, target: &Operand, nest: &LoopNest, shortest_run: usize) -> bool {
    if target.swapped || target.part.is_some() {
        return false;
    }
    let Some((_, last)) = tiles.box_dims else { return run_bytes(target, &nest.dims) >= shortest_run };
    // A box has few lines of each row. They are its own if rows begin with a line.
    let (along, outer) = match target.strides.split_last() {
        Some((&along, outer)) => (along, outer),
        None => return false,
    };
    last + 1 == nest.dims.len()
        && along == target.dtype.size() as isize
        && outer.iter().all(|stride| stride % LINE == 0)
        && target.offset % LINE == 0
}

/// Whether tiles store an operand from scratch memory.
fn is_late(tiles: &TileProgram, id: OperandId) -> bool {
    tiles.late_stores.iter().any(|&(_, late)| late == id)
}

/// The value stored in an operand, if it is a copy for nothing else, and what it is a copy of.
fn moved(nest: &LoopNest, id: OperandId) -> Option<[ValueId; 2]> {
    let body = &nest.body;
    let mut stores = body.stores.iter().filter(|store| store.1 == id);
    let (Some(&(value, _)), None) = (stores.next(), stores.next()) else { return None };
    let is_used = body.insts.iter().any(|inst| inst.args.contains(&value))
        || body.reductions.iter().any(|reduction| reduction.value == value)
        || body.stores.iter().filter(|store| store.0 == value).count() > 1;
    let inst = &body.insts[value.index()];
    (inst.op == LaneOp::Copy && !is_used).then(|| [value, inst.args[0]])
}

/// Has a nest that was lowered store past the caches what it is to.
fn compile(nest: &mut LoopNest) {
    let ids = nest.non_temporal.clone();
    let streams = |compiled: &Compiled, nest: &LoopNest| {
        let targets = ids.iter().map(|id| &nest.operands[id.index()]);
        let mut streams: Vec<StreamId> =
            targets.filter_map(|target| stream_of(compiled, target, nest)).collect();
        streams.sort_unstable();
        streams.dedup();
        streams
    };
    let streams = nest.machine.compiled().map(|compiled| streams(compiled, nest)).unwrap_or_default();
    match &mut nest.machine {
        Machine::Rows(rows) => rows.compiled.store_past_caches(streams),
        Machine::Tiles(tiles) => {
            if let Some(compiled) = &mut tiles.kernel {
                compiled.store_past_caches(streams);
            }
        }
        Machine::Interpreter(_) => {
            for &id in &ids {
                if let Some([value, of]) = moved(nest, id) {
                    nest.tile.store_late(value, of, id);
                }
            }
        }
    }
}
