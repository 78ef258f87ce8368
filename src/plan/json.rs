//! Plans as JSON. `docs/explain.md` describes the members; [`JSON_VERSION`] changes when one goes or changes its meaning.

use std::fmt::Write;

use raptors_ir::{Graph, NodeId};
use raptors_passes::{Outcome, Record};

use crate::plan::Plan;
use crate::plan::history::{Stage, history};
use crate::plan::kernel::{Kernel, kernels};
use crate::plan::lines::Lines;
use crate::plan::memory::places;

/// The version of the members of [`Plan::json`].
pub const JSON_VERSION: u32 = 2;

pub(super) fn json(plan: &Plan) -> String {
    with_stages(plan, &history(&plan.compiled))
}

/// The plan with these stages, which whoever draws them has already.
pub(super) fn with_stages(plan: &Plan, stages: &[Stage]) -> String {
    let compiled = &plan.compiled;
    let lines = Lines::new();
    let microseconds = compiled.time.as_secs_f64() * 1e6;
    let names = stages.last().map_or(&[][..], |stage| stage.names.names());
    let name = |id: &NodeId| quoted(&names[id.index()].to_string());
    let passes = compiled.passes.iter().zip(&stages[1..]).map(|(pass, stage)| {
        let records = compiled.ledger.records.iter().filter(|record| record.pass == pass.name);
        object(&[
            ("name", quoted(pass.name)),
            ("about", quoted(pass.about)),
            ("before", pass.before.to_string()),
            ("after", pass.after.to_string()),
            ("microseconds", format!("{:.3}", pass.time.as_secs_f64() * 1e6)),
            ("records", list(records.map(|record| decision(record, &lines)))),
            ("diff", quoted(&stage.diff)),
        ])
    });
    let memory = places(&compiled.optimized).into_iter().map(|place| {
        let stays = place.stays.iter().map(|stay| {
            object(&[
                ("node", name(&stay.node)),
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
        object(&[
            ("nodes", list(kernel.nodes.iter().map(name))),
            ("reads", list(kernel.reads().iter().map(|read| quoted(read)))),
            ("writes", list(kernel.writes().iter().map(|write| quoted(write)))),
            ("bytes_read", kernel.bytes_read().to_string()),
            ("bytes_written", kernel.bytes_written().to_string()),
            ("lane_ops", kernel.lane_ops().to_string()),
            ("threads", kernel.threads().to_string()),
            ("lane_program", quoted(&kernel.lane_program())),
        ])
    };
    let strings = |items: Vec<String>| list(items.iter().map(|item| quoted(item)));
    object(&[
        ("version", JSON_VERSION.to_string()),
        ("kernels", plan.kernels().to_string()),
        ("arena", compiled.program.arena.to_string()),
        ("buffers", list(compiled.program.buffers.iter().map(usize::to_string))),
        ("peak_bytes", plan.peak_bytes().to_string()),
        ("microseconds", format!("{microseconds:.3}")),
        ("copies", strings(plan.copies())),
        ("reuses", strings(plan.reuses())),
        ("refusals", strings(plan.refusals())),
        ("passes", list(passes)),
        ("stages", list(shown(stages).map(|stage| graph(stage, &lines)))),
        ("regions", list(kernels(compiled).iter().map(kernel))),
        ("memory", list(memory)),
        ("program", quoted(&compiled.program.to_string())),
    ])
}

/// The captured graph, and those that a pass changed.
pub(super) fn shown(stages: &[Stage]) -> impl Iterator<Item = &Stage> {
    stages.iter().enumerate().filter(|(n, stage)| *n == 0 || stage.is_changed()).map(|(_, stage)| stage)
}

fn decision(record: &Record, lines: &Lines) -> String {
    let outcome = match record.outcome {
        Outcome::Applied => "applied",
        Outcome::Refused => "refused",
    };
    object(&[
        ("rule", quoted(record.rule)),
        ("outcome", quoted(outcome)),
        ("op", quoted(record.op)),
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
        let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
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
