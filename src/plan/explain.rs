//! The long text: what was written, what runs in which memory, why not better, and what each pass changed.
//!
//! The most useful comes first. Long parts are cut, and say so; `html` and `json` have all of it.

use std::fmt::Write;

use raptors_ir::{NodeLine, Source};
use raptors_passes::diff::Names;
use raptors_passes::{Outcome, PassRun, Record};
use rustc_hash::FxHashMap;

use crate::compile::CacheState;
use crate::plan::Plan;
use crate::plan::history::history;
use crate::plan::kernel::{Kernel, kernels};
use crate::plan::lines::Lines;
use crate::plan::memory::{Role, places};
use crate::plan::picture::ops;
use crate::plan::text::{bytes, count};
use crate::runtime::level::Level;

/// Source lines, kernels, nodes and reasons that are shown.
const MOST_LINES: usize = 40;
/// Rules of a pass, and lines of its diff.
const MOST_CHANGES: usize = 24;
/// Columns of the memory table's bars.
const MOST_COLUMNS: usize = 60;
/// Width of the first column of texts that have a second.
const WIDTH: usize = 58;

pub(super) fn explain(plan: &Plan) -> String {
    let lines = Lines::new();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = summary(&mut text, plan);
    let _ = written(&mut text, plan, &lines);
    let _ = kernel_list(&mut text, plan, &lines);
    let _ = memory_table(&mut text, plan);
    let _ = why_not(&mut text, plan, &lines);
    let _ = passes(&mut text, plan, &lines);
    let _ = captured(&mut text, plan, &lines);
    text.truncate(text.trim_end().len());
    text
}

fn summary(text: &mut String, plan: &Plan) -> std::fmt::Result {
    let compiled = &plan.compiled;
    let nodes = compiled.captured.len();
    let microseconds = compiled.time.as_secs_f64() * 1e6;
    writeln!(
        text,
        "plan      {}, {}, peak {} beyond the inputs",
        count(plan.kernels(), "kernel"),
        count(plan.buffers(), "buffer"),
        bytes(plan.peak_bytes())
    )?;
    writeln!(
        text,
        "planning  {microseconds:.0} us for {}, {:.0} ns each; {}",
        count(nodes, "node"),
        microseconds * 1e3 / nodes.max(1) as f64,
        match plan.cache {
            CacheState::Hit => "known before, so not planned again",
            CacheState::Miss => "a new structure",
        }
    )
}

fn written(text: &mut String, plan: &Plan, lines: &Lines) -> std::fmt::Result {
    let graph = &plan.compiled.captured;
    let mut seen: Vec<(String, String)> = Vec::new();
    for id in graph.ids() {
        let source = graph.node(id).source;
        let short = lines.short(source);
        if !short.is_empty() && !seen.iter().any(|(known, _)| *known == short) {
            seen.push((short, lines.text(source)));
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nsource")?;
    let width = seen.iter().map(|(short, _)| short.len()).max().unwrap_or(0);
    for (short, line) in seen.iter().take(MOST_LINES) {
        writeln!(text, "  {short:<width$}  {line}")?;
    }
    more(text, seen.len(), MOST_LINES, "line")
}

fn kernel_list(text: &mut String, plan: &Plan, lines: &Lines) -> std::fmt::Result {
    writeln!(text, "\nkernels   each passes over memory once; {} code", Level::current())?;
    let kernels = kernels(&plan.compiled);
    for kernel in kernels.iter().take(MOST_LINES) {
        kernel_lines(text, plan, lines, kernel)?;
    }
    more(text, kernels.len(), MOST_LINES, "kernel")
}

fn kernel_lines(text: &mut String, plan: &Plan, lines: &Lines, kernel: &Kernel<'_>) -> std::fmt::Result {
    let graph = &plan.compiled.optimized;
    let sources = kernel.nodes.iter().map(|&node| graph.node(node).source);
    let from = lines.shorts(sources, 3);
    let from = if from.is_empty() { from } else { format!("   {from}") };
    writeln!(text, "  {:<2} {}{from}", kernel.number, ops(graph, kernel.nodes, 8))?;
    writeln!(text, "     {} -> {}", joined(&kernel.reads()), joined(&kernel.writes()))?;
    let threads = kernel.threads();
    writeln!(
        text,
        "     {} moved, {} lane ops, {}",
        bytes(kernel.bytes_read() + kernel.bytes_written()),
        rounded(kernel.lane_ops()),
        if threads == 1 { "1 thread".to_owned() } else { format!("up to {threads} threads") }
    )
}

fn joined(operands: &[String]) -> String {
    const MOST: usize = 6;
    match operands.len() {
        0 => "no memory".to_owned(),
        1..=MOST => operands.join(", "),
        more => format!("{}, {} more", operands[..MOST - 1].join(", "), more + 1 - MOST),
    }
}

fn memory_table(text: &mut String, plan: &Plan) -> std::fmt::Result {
    let graph = &plan.compiled.optimized;
    let places = places(graph);
    if places.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nmemory    a column a kernel, a letter a value, . is unused")?;
    let width = plan.kernels().clamp(1, MOST_COLUMNS);
    for place in places.iter().take(MOST_LINES) {
        let mut notes: Vec<String> = Vec::new();
        for (n, stay) in place.stays.iter().enumerate().take(6) {
            let letter = char::from(b'a' + (n % 26) as u8);
            let op = graph.op(stay.node).name();
            let over = n > 0 && place.stays[n - 1].to == stay.from;
            notes.push(format!("{letter} {op}{}", if over { " written over it" } else { "" }));
        }
        if place.stays.len() > notes.len() {
            notes.push(format!("{} more", place.stays.len() - notes.len()));
        }
        let values = match (place.role, place.stays.len()) {
            (Role::Input | Role::Donated, 1) => String::new(),
            _ => format!(": {}", notes.join(", ")),
        };
        writeln!(
            text,
            "  {:<5} {:<width$} {:>9}  {}{values}",
            place.slot.to_string(),
            place.bar(plan.kernels(), MOST_COLUMNS),
            bytes(place.bytes),
            place.role,
        )?;
    }
    more(text, places.len(), MOST_LINES, "buffer")
}

fn why_not(text: &mut String, plan: &Plan, lines: &Lines) -> std::fmt::Result {
    let records = plan.withdrawn.iter().chain(&plan.compiled.ledger.records);
    let refused = grouped(records.filter(|record| record.outcome == Outcome::Refused));
    if refused.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nwhy not")?;
    for group in refused.iter().take(MOST_LINES) {
        let at = lines.shorts(group.sources.iter().copied(), 3);
        let at = if at.is_empty() { at } else { format!("   {at}") };
        writeln!(text, "  {} {}{}{at}", group.rule, group.op, times(group.sources.len()))?;
        writeln!(text, "     {}", group.detail)?;
    }
    more(text, refused.len(), MOST_LINES, "reason")
}

fn passes(text: &mut String, plan: &Plan, lines: &Lines) -> std::fmt::Result {
    let compiled = &plan.compiled;
    writeln!(text, "\npasses    - and + are lines of the graph before and after")?;
    let stages = history(compiled);
    for (pass, stage) in compiled.passes.iter().zip(&stages[1..]) {
        let PassRun { name, about, before, after, time } = pass;
        let change = if before == after { format!("{after}") } else { format!("{before} -> {after}") };
        let change = format!("{change} nodes");
        writeln!(text, "  {name:<9} {:>6.1} us  {change:<16}  {about}", time.as_secs_f64() * 1e6)?;
        let fired = |record: &&Record| record.pass == *name && record.outcome == Outcome::Applied;
        let records = compiled.ledger.records.iter().filter(fired);
        for group in grouped(records).iter().take(MOST_CHANGES) {
            let at = lines.shorts(group.sources.iter().copied(), 3);
            let rule = format!("{} {}{}", group.rule, group.op, times(group.sources.len()));
            writeln!(text, "{}", format!("      {rule}: {}   {at}", group.detail).trim_end())?;
        }
        for line in stage.diff.lines().take(MOST_CHANGES) {
            writeln!(text, "    {line}")?;
        }
        more(text, stage.diff.lines().count(), MOST_CHANGES, "changed line")?;
    }
    Ok(())
}

fn captured(text: &mut String, plan: &Plan, lines: &Lines) -> std::fmt::Result {
    let graph = &plan.compiled.captured;
    let names = Names::of(graph);
    writeln!(text, "\ncaptured  the graph as it was written")?;
    for id in graph.ids().take(MOST_LINES) {
        let node = NodeLine { graph, id, names: names.names() };
        let line = format!("{node:#}");
        writeln!(text, "{}", format!("  {line:<WIDTH$} {}", lines.short(graph.node(id).source)).trim_end())?;
    }
    more(text, graph.len(), MOST_LINES, "node")
}

fn more(text: &mut String, all: usize, shown: usize, what: &str) -> std::fmt::Result {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        left => writeln!(text, "  ... and {left} more {what}{}", if left == 1 { "" } else { "s" }),
    }
}

/// Records that say the same of different nodes.
struct Group<'a> {
    rule: &'a str,
    op: &'a str,
    detail: &'a str,
    sources: Vec<Option<Source>>,
}

fn grouped<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: FxHashMap<(&str, &str, &str), usize> = FxHashMap::default();
    for record in records {
        let (rule, op, detail) = (record.rule, record.op, record.detail.as_ref());
        let group = *known.entry((rule, op, detail)).or_insert_with(|| {
            groups.push(Group { rule, op, detail, sources: Vec::new() });
            groups.len() - 1
        });
        groups[group].sources.push(record.source);
    }
    groups
}

fn times(count: usize) -> String {
    if count > 1 { format!(" (x{count})") } else { String::new() }
}

/// `1.2 M`.
pub(super) fn rounded(count: usize) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{:.1} k", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", count as f64 / 1e6),
        _ => format!("{:.1} G", count as f64 / 1e9),
    }
}
