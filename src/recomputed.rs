//! What evaluations compute again: an array that is evaluated keeps nothing, so a later use computes it once more.
//!
//! A node knows whether an evaluation has computed it. When another one does, the nodes that were known and have a user
//! that was not are where the repetition begins; they are counted by their line, here. A first evaluation costs a load
//! and a store a node. Nothing is recorded under `RAPTORS_TRACE=0`, and lines after the first [`MOST_LINES`] are only
//! counted.

use std::sync::{Mutex, PoisonError};

use raptors_ir::{Op, Source};
use rustc_hash::FxHashMap;

/// Lines that are told apart.
pub const MOST_LINES: usize = 1024;

/// An op on some line that was computed again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recomputed {
    /// The op.
    pub op: &'static str,
    /// Where it was written, when known.
    pub source: Option<Source>,
    /// How often it was computed after the first time.
    pub times: u64,
    /// Ops that these times computed again: it, and those under it.
    pub ops: u64,
}

#[derive(Default)]
struct Table {
    /// By source and op: times and ops.
    lines: FxHashMap<(Option<Source>, &'static str), (u64, u64)>,
    left_out: u64,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

/// What was computed again since the start or [`reset_recomputed`], most ops first; and how many times were left out
/// because there were too many lines.
pub fn recomputed() -> (Vec<Recomputed>, u64) {
    let table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(table) = table.as_ref() else { return (Vec::new(), 0) };
    let mut list: Vec<Recomputed> = table
        .lines
        .iter()
        .map(|(&(source, op), &(times, ops))| Recomputed { op, source, times, ops })
        .collect();
    let place = |source: Option<Source>| source.map(|source| (source.file, source.position));
    list.sort_by_key(|line| (std::cmp::Reverse(line.ops), place(line.source), line.op));
    (list, table.left_out)
}

/// Forgets what was recorded. Which arrays have been computed stays known.
pub fn reset_recomputed() {
    *TABLE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Counts one repetition of a node with `ops` ops.
pub(crate) fn record(op: &'static str, source: Option<Source>, ops: u64) {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let table = table.get_or_insert_default();
    if table.lines.len() >= MOST_LINES && !table.lines.contains_key(&(source, op)) {
        table.left_out += 1;
        return;
    }
    let (times, all) = table.lines.entry((source, op)).or_default();
    *times += 1;
    *all += ops;
}

/// Whether an op makes new values, rather than name or move some.
pub(crate) fn computes(op: &Op) -> bool {
    match op {
        Op::Elementwise(_) | Op::Where | Op::Cast(_) | Op::Reduce(..) | Op::Matmul | Op::Library(_) => true,
        Op::Complex | Op::Part(_) => false,
        Op::Parameter(_) | Op::Constant(_) | Op::Iota(_) | Op::Copy | Op::Concat(_) => false,
        Op::Slice(_) | Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) => false,
    }
}
