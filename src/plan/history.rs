//! The graph after each pass, under names that last, and what changed.
//!
//! Graphs between passes are not kept: passes depend on their graph alone, so they are run again when somebody asks.

use raptors_ir::{Graph, NodeId, NodeLine};
use raptors_passes::diff::{self, Names};
use raptors_passes::{Record, replay};
use rustc_hash::FxHashMap;

use crate::compile::Compiled;

/// How many lines of a diff stand around a change.
const CONTEXT: usize = 1;

/// A graph on its way, from the captured one to the placed one.
#[derive(Debug)]
pub(super) struct Stage {
    /// The pass that made it; `captured` for the first.
    pub(super) name: &'static str,
    pub(super) graph: Graph,
    pub(super) names: Names,
    /// Whether the pass made or changed each node, or gave it a kernel or memory.
    pub(super) changed: Vec<bool>,
    /// The unified diff to the stage before; empty where only kernels and memory were added.
    pub(super) diff: String,
}

impl Stage {
    /// Whether the pass did anything.
    pub(super) fn is_changed(&self) -> bool {
        !self.diff.is_empty() || self.changed.contains(&true)
    }

    /// The name of the node that a record is about, if it is one of this graph.
    pub(super) fn name_of(&self, record: &Record) -> Option<NodeId> {
        let name = self.names.names().get(record.node.index())?;
        let node = self.graph.node(record.node);
        (node.op.name() == record.op && node.source == record.source).then_some(*name)
    }
}

/// The captured graph, and the graph after each pass: one more than there are passes.
pub(super) fn history(compiled: &Compiled) -> Vec<Stage> {
    let captured = compiled.captured.clone();
    let names = Names::of(&captured);
    let mut stages = vec![Stage {
        name: "captured",
        changed: vec![false; captured.len()],
        diff: String::new(),
        graph: captured,
        names,
    }];
    for (pass, graph) in compiled.passes.iter().zip(replay(&compiled.captured, &compiled.options)) {
        let before = &stages[stages.len() - 1];
        let names = before.names.follow(&before.graph, &graph);
        let changes = diff::changes((&before.graph, &before.names), (&graph, &names));
        let (changed, diff) = (changed(before, &graph, &names), diff::unified(&changes, CONTEXT));
        stages.push(Stage { name: pass.name, graph, names, changed, diff });
    }
    stages
}

/// The nodes that are new under their name, or have another line, kernel or memory than the node before of that name.
fn changed(before: &Stage, graph: &Graph, names: &Names) -> Vec<bool> {
    let described = |graph: &Graph, names: &Names| {
        let names = names.names();
        let region_of = graph.region_of();
        let line = |id| NodeLine { graph, id, names }.to_string();
        graph
            .ids()
            .map(|id| (names[id.index()], (line(id), region_of[id.index()], graph.slot(id))))
            .collect::<Vec<_>>()
    };
    let old: FxHashMap<NodeId, _> = described(&before.graph, &before.names).into_iter().collect();
    described(graph, names).into_iter().map(|(name, node)| old.get(&name) != Some(&node)).collect()
}
