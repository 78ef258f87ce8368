//! Plans as JSON. `docs/explain.md` describes the members; [`JSON_VERSION`] changes when one goes or changes its meaning.

use std::fmt::Write;
use std::time::Duration;

use raptors_ir::{Graph, NodeId};
use raptors_passes::{Outcome, Record};

use crate::plan::history::{Stage, history};
use crate::plan::kernel::{Kernel, kernels};
use crate::plan::lines::Lines;
use crate::plan::measure::{KernelTime, Measured};
use crate::plan::memory::places;
use crate::plan::picture::ops;
use crate::plan::{Plan, Roof};

/// Ops of a kernel that are named in one line.
const MOST_OPS: usize = 6;

/// The version of the members of [`Plan::json`].
pub const JSON_VERSION: u32 = 2;

pub(super) fn json(plan: &Plan) -> String {
    with_stages(plan, &history(&plan.compiled), Detail::Nodes)
}

/// How much of the stages is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Every node after every pass.
    Nodes,
    /// Nothing: kernels name their nodes.
    Kernels,
}

/// The plan with these stages, which whoever draws them has already.
pub(super) fn with_stages(plan: &Plan, stages: &[Stage], detail: Detail) -> String {
    let compiled = &plan.compiled;
    let lines = Lines::new();
    let names = stages.last().map_or(&[][..], |stage| stage.names.names());
    let name = |id: &NodeId| quoted(&names[id.index()].to_string());
    let passes = compiled.passes.iter().zip(stages.windows(2)).map(|(pass, pair)| {
        let (before, stage) = (&pair[0], &pair[1]);
        let records = compiled.ledger.records.iter().filter(|record| record.pass == pass.name);
        object(&[
            ("name", quoted(pass.name)),
            ("about", quoted(pass.about)),
            ("before", pass.before.to_string()),
            ("after", pass.after.to_string()),
            ("microseconds", microseconds(pass.time)),
            ("records", list(records.map(|record| decision(record, [before, stage], &lines)))),
            ("diff", quoted(if detail == Detail::Nodes { &stage.diff } else { "" })),
        ])
    });
    let memory = places(&compiled.optimized).into_iter().map(|place| {
        let stays = place.stays.iter().map(|stay| {
            object(&[
                ("node", name(&stay.node)),
                ("op", quoted(compiled.optimized.op(stay.node).name())),
                ("bytes", compiled.optimized.bytes(stay.node).to_string()),
                ("from", stay.from.to_string()),
                ("to", stay.to.to_string()),
            ])
        });
        object(&[
            ("slot", quoted(&place.slot.to_string())),
            ("bytes", place.bytes.to_string()),
            ("role", quoted(&place.role.to_string())),
            ("values", list(stays)),
        ])
    });
    let kernel = |kernel: &Kernel<'_>| {
        let time = plan.measured().and_then(|measured| measured.kernels.get(kernel.number));
        object(&[
            ("ops", quoted(&ops(&compiled.optimized, kernel.nodes, MOST_OPS))),
            ("nodes", list(kernel.nodes.iter().map(name))),
            ("reads", list(kernel.reads().iter().map(|read| quoted(read)))),
            ("writes", list(kernel.writes().iter().map(|write| quoted(write)))),
            ("bytes_read", kernel.bytes_read().to_string()),
            ("bytes_written", kernel.bytes_written().to_string()),
            ("lane_ops", kernel.lane_ops().to_string()),
            ("threads", kernel.threads().to_string()),
            ("took", or_null(time.map(taken))),
            ("accelerate", list(kernel.accelerated_lines().iter().map(|line| quoted(line)))),
            ("non_temporal", list(kernel.non_temporal().iter().map(|memory| quoted(memory)))),
            ("lane_program", quoted(&kernel.lane_program())),
        ])
    };
    let drawn = shown(stages).filter(|_| detail == Detail::Nodes);
    let strings = |items: Vec<String>| list(items.iter().map(|item| quoted(item)));
    object(&[
        ("version", JSON_VERSION.to_string()),
        ("kernels", plan.kernels().to_string()),
        ("arena", compiled.program.arena.to_string()),
        ("buffers", list(compiled.program.buffers.iter().map(usize::to_string))),
        ("peak_bytes", plan.peak_bytes().to_string()),
        ("microseconds", microseconds(compiled.time)),
        ("known", plan.is_known().to_string()),
        ("nearest", or_null(plan.nearest_known().map(quoted))),
        ("measured", or_null(plan.measured().map(measured))),
        ("copies", strings(plan.copies())),
        ("reuses", strings(plan.reuses())),
        ("refusals", strings(plan.refusals())),
        ("passes", list(passes)),
        ("stages", list(drawn.map(|stage| graph(stage, &lines)))),
        ("regions", list(kernels(compiled).iter().map(kernel))),
        ("memory", list(memory)),
        ("program", quoted(&compiled.program.to_string())),
    ])
}

/// What a kernel took.
fn taken(time: &KernelTime) -> String {
    object(&[("microseconds", microseconds(time.time)), ("threads", time.threads.to_string())])
}

fn measured(measured: &Measured) -> String {
    let Measured { runs, first, fastest, page_faults, roof, kernels: _ } = measured;
    let Roof { bytes_per_second, f32_ops_per_second, f64_ops_per_second, threads } = roof;
    object(&[
        ("runs", runs.to_string()),
        ("first", microseconds(*first)),
        ("fastest", microseconds(*fastest)),
        ("page_faults", or_null(page_faults.map(|faults| list(faults.iter().map(u64::to_string))))),
        (
            "roof",
            object(&[
                ("bytes", or_null(bytes_per_second.map(|rate| format!("{rate:.0}")))),
                ("float32_ops", format!("{f32_ops_per_second:.0}")),
                ("float64_ops", format!("{f64_ops_per_second:.0}")),
                ("threads", threads.to_string()),
            ]),
        ),
    ])
}

fn microseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e6)
}

/// The captured graph, and those that a pass changed.
pub(super) fn shown(stages: &[Stage]) -> impl Iterator<Item = &Stage> {
    stages.iter().enumerate().filter(|(n, stage)| *n == 0 || stage.is_changed()).map(|(_, stage)| stage)
}

fn decision(record: &Record, stages: [&Stage; 2], lines: &Lines) -> String {
    let name = stages.iter().find_map(|stage| stage.name_of(record));
    let outcome = match record.outcome {
        Outcome::Applied => "applied",
        Outcome::Refused => "refused",
    };
    object(&[
        ("rule", quoted(record.rule)),
        ("outcome", quoted(outcome)),
        ("op", quoted(record.op)),
        ("node", or_null(name.map(|name| quoted(&name.to_string())))),
        ("detail", quoted(&record.detail)),
        ("line", quoted(&lines.short(record.source))),
    ])
}

fn graph(stage: &Stage, lines: &Lines) -> String {
    let Stage { graph, names, .. } = stage;
    let names = names.names();
    let name = |id: &NodeId| quoted(&names[id.index()].to_string());
    let region_of = graph.region_of();
    let nodes = graph.ids().map(|id| {
        let node = graph.node(id);
        object(&[
            ("name", name(&id)),
            ("op", quoted(node.op.name())),
            ("text", quoted(&raptors_ir::NodeLine { graph, id, names }.to_string())),
            ("operands", list(graph.operands(id).iter().map(name))),
            ("dtype", quoted(node.ty.dtype.numpy_name())),
            ("shape", list(node.ty.shape.iter().map(usize::to_string))),
            ("strides", list(strides(graph, id).iter().map(isize::to_string))),
            ("bytes", graph.bytes(id).to_string()),
            ("line", quoted(&lines.short(node.source))),
            ("source", quoted(&lines.text(node.source))),
            ("kernel", or_null(region_of[id.index()].map(|region| region.0.to_string()))),
            ("slot", or_null(graph.slot(id).map(|slot| quoted(&slot.to_string())))),
            ("changed", stage.changed[id.index()].to_string()),
        ])
    });
    object(&[
        ("name", quoted(stage.name)),
        ("nodes", list(nodes)),
        ("results", list(graph.outputs().iter().map(|output| name(&output.node)))),
    ])
}

/// Bytes between neighbours where the value is in memory or looks at memory; else as it would be stored.
fn strides(graph: &Graph, id: NodeId) -> raptors_ir::Strides {
    let ty = &graph.node(id).ty;
    match raptors_passes::access::access(graph, id) {
        Some(access) if access.strides.len() == ty.shape.len() => access.strides,
        Some(_) | None => ty.shape.row_major_strides(ty.dtype.size()),
    }
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_owned())
}

/// `{"name": value, …}`; values are JSON already.
pub(super) fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}: {value}", quoted(name))).collect();
    format!("{{{}}}", members.join(", "))
}

/// `[item, …]`; items are JSON already.
pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// The text as a JSON string. `<` is escaped too, so that it can stand in a page's script.
pub(super) fn quoted(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 2);
    result.push('"');
    for c in text.chars() {
        match c {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            c if (c as u32) < 0x20 || c == '<' => {
                // Writing to a string cannot fail.
                let _ = write!(result, "\\u{:04x}", c as u32);
            }
            c => result.push(c),
        }
    }
    result.push('"');
    result
}
