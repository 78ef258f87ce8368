//! The long text: what was written, what runs in which memory, why not better, and what each pass changed.
//!
//! The most useful comes first. Long parts are cut, and say so; `html` and `json` have all of it.

use std::fmt::Write;
use std::time::Duration;

use raptors_ir::{NodeLine, Source};
use raptors_passes::diff::Names;
use raptors_passes::{Outcome, PassRun, Record};
use rustc_hash::FxHashMap;

use crate::compile::CacheState;
use crate::plan::Plan;
use crate::plan::history::history;
use crate::plan::kernel::{Kernel, kernels};
use crate::plan::lines::Lines;
use crate::plan::measure::Measured;
use crate::plan::memory::{Role, places};
use crate::plan::picture::ops;
use crate::plan::text::{bytes, count};
use crate::runtime::level::Level as SimdLevel;

/// Source lines, kernels, nodes and reasons that are shown.
const MOST_LINES: usize = 40;
/// Rules of a pass, and lines of its diff.
const MOST_CHANGES: usize = 24;
/// Columns of the memory table's bars.
const MOST_COLUMNS: usize = 60;
/// Width of the first column of texts that have a second.
const WIDTH: usize = 58;

/// How far down an explanation goes. Each level shows what those before it do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Graph, kernels and memory.
    Plan,
    /// Also what each kernel does to an element: its lane program, and the vector program that is compiled.
    Lane,
    /// Also the machine code of each kernel: instructions with the feature `disassembly`, bytes without.
    Asm,
}

impl Level {
    /// Every level, highest first.
    pub const ALL: [Level; 3] = [Level::Plan, Level::Lane, Level::Asm];

    /// The name, as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Plan => "plan",
            Level::Lane => "lane",
            Level::Asm => "asm",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

    /// What it adds to a kernel.
    fn program(self, kernel: &Kernel<'_>) -> Option<String> {
        match self {
            Level::Plan => None,
            Level::Lane => Some(kernel.program() + &kernel.vector_programs()),
            Level::Asm => Some(kernel.program() + &kernel.vector_programs() + &kernel.machine_code()),
        }
    }
}

pub(super) fn explain(plan: &Plan, level: Level) -> String {
    let lines = Lines::new();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = summary(&mut text, plan);
    let _ = measured(&mut text, plan);
    let _ = written(&mut text, plan, &lines);
    let _ = kernel_list(&mut text, plan, level, &lines);
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
    )?;
    match plan.nearest_known() {
        Some(differences) => writeln!(text, "          the nearest known one: {differences}"),
        None => Ok(()),
    }
}

fn measured(text: &mut String, plan: &Plan) -> std::fmt::Result {
    let Some(measured) = plan.measured() else { return Ok(()) };
    let Measured { runs, first, fastest, page_faults, roof, .. } = measured;
    writeln!(
        text,
        "measured  {}: the first {}, the fastest {}",
        count(*runs, "run"),
        time(*first),
        time(*fastest)
    )?;
    if let Some([first, last]) = page_faults {
        writeln!(
            text,
            "          {} in the first, {last} in the last",
            count(*first as usize, "page fault")
        )?;
    }
    let copying = roof.bytes_per_second.map_or("unknown".to_owned(), |rate| format!("{} GB/s", giga(rate)));
    writeln!(
        text,
        "          this machine, {}: copying {copying}, multiply-add {} GFLOP/s in float32, {} in float64",
        count(roof.threads, "thread"),
        giga(roof.f32_ops_per_second),
        giga(roof.f64_ops_per_second),
    )
}

/// What a kernel took, beside the roof.
fn kernel_time(text: &mut String, measured: &Measured, kernel: &Kernel<'_>) -> std::fmt::Result {
    let Some(taken) = measured.kernels.get(kernel.number) else { return Ok(()) };
    let seconds = taken.time.as_secs_f64().max(1e-9);
    let bytes = (kernel.bytes_read() + kernel.bytes_written()) as f64 / seconds;
    let ops = kernel.lane_ops() as f64 / seconds;
    let roof = measured.roof;
    let most = if kernel.is_wide() { roof.f64_ops_per_second } else { roof.f32_ops_per_second };
    let share = |rate: f64, most: f64| format!("{:.0}%", 100.0 * rate / most);
    let copying = roof.bytes_per_second.map(|most| format!(" ({} of copying)", share(bytes, most)));
    writeln!(
        text,
        "     took {}: {} GB/s{}, {} GFLOP/s ({} of multiply-add), {}",
        time(taken.time),
        giga(bytes),
        copying.unwrap_or_default(),
        giga(ops),
        share(ops, most),
        count(taken.threads, "thread"),
    )
}

/// `1.2`, in units of 10^9, with two digits at least.
fn giga(rate: f64) -> String {
    let rate = rate / 1e9;
    if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.0}") }
}

/// `12.3 us`.
fn time(time: Duration) -> String {
    let microseconds = time.as_secs_f64() * 1e6;
    match microseconds {
        ..100.0 => format!("{microseconds:.1} us"),
        100.0..10e3 => format!("{microseconds:.0} us"),
        _ => format!("{:.1} ms", microseconds / 1e3),
    }
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

fn kernel_list(text: &mut String, plan: &Plan, level: Level, lines: &Lines) -> std::fmt::Result {
    writeln!(text, "\nkernels   each passes over memory once; {} code", SimdLevel::current())?;
    let kernels = kernels(&plan.compiled);
    for kernel in kernels.iter().take(MOST_LINES) {
        kernel_lines(text, plan, lines, kernel)?;
        for below in Level::ALL.iter().filter(|&&below| below <= level) {
            for line in below.program(kernel).iter().flat_map(|program| program.lines()) {
                writeln!(text, "       {line}")?;
            }
        }
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
    )?;
    for line in kernel.accelerated_lines() {
        writeln!(text, "     {line}")?;
    }
    let non_temporal = kernel.non_temporal();
    if !non_temporal.is_empty() {
        writeln!(text, "     {} stored past the caches", non_temporal.join(", "))?;
    }
    match plan.measured() {
        Some(measured) => kernel_time(text, measured, kernel),
        None => Ok(()),
    }
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
    let slots: Vec<String> = places.iter().map(|place| place.slot.to_string()).collect();
    let slot_width = slots.iter().take(MOST_LINES).map(String::len).max().unwrap_or(0);
    for (place, slot) in places.iter().zip(&slots).take(MOST_LINES) {
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
            "  {:<slot_width$}  {:<width$} {:>9}  {}{values}",
            slot,
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
