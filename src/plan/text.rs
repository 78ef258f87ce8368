//! Plans as text: a summary, the kernels, memory, and what was refused; and the words that other texts share.

use std::fmt::Write;

use raptors_ir::Graph;
use rustc_hash::FxHashMap;

use crate::compile::CacheState;
use crate::plan::Plan;
use crate::plan::picture::ops;
use crate::source;

/// Ops of a kernel that are named.
const MOST_OPS: usize = 24;

pub(super) fn text(plan: &Plan) -> String {
    let compiled = &plan.compiled;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "plan: {}, {}, peak {}, compiled in {:.0} us ({})",
        count(plan.kernels(), "kernel"),
        count(plan.buffers(), "buffer"),
        bytes(plan.peak_bytes()),
        compiled.time.as_secs_f64() * 1e6,
        match plan.cache {
            CacheState::Hit => "known before",
            CacheState::Miss => "new",
        },
    );
    for (number, nodes) in compiled.optimized.regions().iter().enumerate() {
        let graph = &compiled.optimized;
        let stored: Vec<String> = nodes
            .iter()
            .filter_map(|&node| {
                let slot = graph.slot(node)?;
                let ty = &graph.node(node).ty;
                Some(format!("{} {} in {slot}", ty.dtype.numpy_name(), ty.shape))
            })
            .collect();
        let _ = writeln!(text, "  kernel {number}: {}", ops(graph, nodes, MOST_OPS));
        let _ = writeln!(text, "    {} -> {}", count(nodes.len(), "op"), stored.join(", "));
        let lines = source_lines(graph, nodes);
        if !lines.is_empty() {
            let _ = writeln!(text, "    from {}", lines.join(", "));
        }
    }
    if compiled.program.arena > 0 {
        let _ = writeln!(text, "  arena: {}, intermediates", bytes(compiled.program.arena));
    }
    for (n, &size) in compiled.program.buffers.iter().enumerate() {
        let result =
            compiled.program.results.iter().position(|result| result.slot.to_string() == format!("b{n}"));
        let role = result.map_or("intermediate".to_owned(), |result| format!("result {result}"));
        let _ = writeln!(text, "  buffer b{n}: {}, {role}", bytes(size));
    }
    for (title, records) in
        [("copied", plan.copies()), ("reused", plan.reuses()), ("refused", plan.refusals())]
    {
        for (record, times) in counted(records) {
            let times = if times > 1 { format!(" (x{times})") } else { String::new() };
            let _ = writeln!(text, "  {title}: {record}{times}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// "1 kernel", "2 kernels".
pub(super) fn count(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// Equal lines once, with their number, in order of first appearance.
fn counted(records: Vec<String>) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut known: FxHashMap<String, usize> = FxHashMap::default();
    for record in records {
        let position = *known.entry(record.clone()).or_insert_with(|| {
            counts.push((record, 0));
            counts.len() - 1
        });
        counts[position].1 += 1;
    }
    counts
}

fn source_lines(graph: &Graph, nodes: &[raptors_ir::NodeId]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for &node in nodes {
        if let Some(line) = graph.node(node).source.and_then(source::resolve) {
            let line = line.to_string();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    const MOST: usize = 6;
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("{more} more"));
    }
    lines
}

pub(super) fn bytes(count: usize) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}
