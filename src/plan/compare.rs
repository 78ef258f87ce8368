//! What differs between two plans, as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use raptors_ir::Graph;
use raptors_passes::{Outcome, Record};

use crate::plan::nearest::what_differs;
use crate::plan::text::bytes;
use crate::plan::{Plan, line};

/// Lines of a kind that are shown.
const MOST_LINES: usize = 40;

/// Figures that differ with both values; then what only the first has, after `-`, and only the second, after `+`. Empty
/// when the plans are alike.
pub(super) fn diff(old: &Plan, new: &Plan) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for difference in what_differs(&old.compiled, &new.compiled) {
        let _ = writeln!(text, "written   {difference}");
    }
    let figures = |plan: &Plan| {
        [
            ("kernels", plan.kernels().to_string()),
            ("buffers", plan.buffers().to_string()),
            ("peak", bytes(plan.peak_bytes())),
            ("copies", plan.copies().len().to_string()),
            ("reuses", plan.reuses().len().to_string()),
            ("refusals", plan.refusals().len().to_string()),
        ]
    };
    for ((name, before), (_, after)) in figures(old).iter().zip(figures(new)) {
        if *before != after {
            let _ = writeln!(text, "{name:<9} {before} -> {after}");
        }
    }
    let ops = |plan: &Plan| ops(&plan.compiled.optimized);
    counted(&mut text, "ops that run", &count(ops(old)), &count(ops(new)));
    counted(&mut text, "rules applied", &count(applied(old)), &count(applied(new)));
    counted(&mut text, "not done", &count(refused(old)), &count(refused(new)));
    text.truncate(text.trim_end().len());
    text
}

fn ops(graph: &Graph) -> Vec<String> {
    let in_regions = graph.regions().iter().flatten();
    in_regions.map(|&id| graph.op(id).name().to_owned()).collect()
}

fn applied(plan: &Plan) -> Vec<String> {
    let records = plan.compiled.ledger.records.iter();
    let applied = records.filter(|record| record.outcome == Outcome::Applied);
    applied.map(|Record { pass, rule, op, .. }| format!("{pass}: {rule}: {op}")).collect()
}

/// Without the lines of the source, which differ where the same is written twice.
fn refused(plan: &Plan) -> Vec<String> {
    let records = plan.withdrawn.iter().chain(&plan.compiled.ledger.records);
    let refused = records.filter(|record| record.outcome == Outcome::Refused);
    refused.map(|record| line(&Record { source: None, ..record.clone() })).collect()
}

fn count(lines: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// The lines that one side has more often.
fn counted(text: &mut String, title: &str, old: &BTreeMap<String, usize>, new: &BTreeMap<String, usize>) {
    let mut lines: Vec<String> = Vec::new();
    let mut more = |sign: char, these: &BTreeMap<String, usize>, others: &BTreeMap<String, usize>| {
        for (line, &times) in these {
            match times.saturating_sub(others.get(line).copied().unwrap_or(0)) {
                0 => {}
                1 => lines.push(format!("  {sign} {line}")),
                extra => lines.push(format!("  {sign} {line} (x{extra})")),
            }
        }
    };
    more('-', old, new);
    more('+', new, old);
    if lines.is_empty() {
        return;
    }
    let left = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if left > 0 {
        lines.push(format!("  ... and {left} more"));
    }
    let _ = writeln!(text, "{title}\n{}", lines.join("\n"));
}
