//! Plans: what an evaluation does, as text, DOT and JSON.

use std::fmt::Write;
use std::sync::Arc;

use raptors_ir::Graph;
use raptors_passes::{Options, Outcome, Record};

use crate::array::Array;
use crate::compile::{CacheState, Compiled};
use crate::error::Error;
use crate::{eval, source};

/// The version of [`Plan::json`]'s layout.
pub const JSON_VERSION: u32 = 1;

/// What an evaluation of some arrays does: kernels, buffers, and every decision with its reason.
#[derive(Clone, Debug)]
pub struct Plan {
    compiled: Arc<Compiled>,
    cache: CacheState,
    /// Donations that are not used, which the compiled program does not know of.
    withdrawn: Vec<Record>,
}

impl Plan {
    /// The plan of evaluating `arrays` together.
    ///
    /// # Errors
    ///
    /// As their evaluation, but for memory.
    pub fn new(arrays: &[&Array]) -> Result<Plan, Error> {
        Plan::with_options(arrays, &Options::default())
    }

    /// As [`Plan::new`], under options.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub fn with_options(arrays: &[&Array], options: &Options) -> Result<Plan, Error> {
        let (compiled, cache, withdrawn) = eval::plan(arrays, options)?;
        Ok(Plan { compiled, cache, withdrawn })
    }

    /// Passes over memory: loop nests, matrix products, concats.
    pub fn kernels(&self) -> usize {
        self.compiled.optimized.regions().len()
    }

    /// Blocks of memory that a run allocates: one for each result that needs one, and one for all that is between.
    pub fn buffers(&self) -> usize {
        self.compiled.program.buffers.len() + usize::from(self.compiled.program.arena > 0)
    }

    /// Bytes of those blocks together: the most a run holds beyond its inputs, but for scratch of the size of a cache.
    pub fn peak_bytes(&self) -> usize {
        self.compiled.program.peak_bytes()
    }

    /// Values that are copied because they cannot be read or returned where they are.
    pub fn copies(&self) -> Vec<String> {
        self.records(|record| record.pass == "copies" && record.outcome == Outcome::Applied)
    }

    /// Values that are written over an operand that dies.
    pub fn reuses(&self) -> Vec<String> {
        self.records(|record| record.pass == "place" && record.outcome == Outcome::Applied)
    }

    /// What was not done, and why.
    pub fn refusals(&self) -> Vec<String> {
        let mut refusals: Vec<String> = self.withdrawn.iter().map(line).collect();
        refusals.extend(self.records(|record| record.outcome == Outcome::Refused));
        refusals
    }

    fn records(&self, keep: impl Fn(&Record) -> bool) -> Vec<String> {
        self.compiled.ledger.records.iter().filter(|record| keep(record)).map(line).collect()
    }

    /// A summary, the steps, memory, and what was refused.
    pub fn text(&self) -> String {
        let compiled = &self.compiled;
        let mut text = String::new();
        let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let _ = writeln!(
            text,
            "plan: {}, {}, peak {}, compiled in {:.0} us ({})",
            count(self.kernels(), "kernel", "kernels"),
            count(self.buffers(), "buffer", "buffers"),
            bytes(self.peak_bytes()),
            compiled.time.as_secs_f64() * 1e6,
            match self.cache {
                CacheState::Hit => "known before",
                CacheState::Miss => "new",
            },
        );
        for (number, nodes) in compiled.optimized.regions().iter().enumerate() {
            let graph = &compiled.optimized;
            let ops: Vec<&str> = nodes.iter().map(|&node| graph.op(node).name()).collect();
            let stored: Vec<String> = nodes
                .iter()
                .filter_map(|&node| {
                    let slot = graph.slot(node)?;
                    let ty = &graph.node(node).ty;
                    Some(format!("{} {} in {slot}", ty.dtype.numpy_name(), ty.shape))
                })
                .collect();
            let _ = writeln!(text, "  kernel {number}: {}", abbreviated(&ops));
            let _ = writeln!(text, "    {} -> {}", count(ops.len(), "op", "ops"), stored.join(", "));
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
            [("copied", self.copies()), ("reused", self.reuses()), ("refused", self.refusals())]
        {
            for (record, times) in counted(records) {
                let times = if times > 1 { format!(" (x{times})") } else { String::new() };
                let _ = writeln!(text, "  {title}: {record}{times}");
            }
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The placed graph, for Graphviz.
    pub fn dot(&self) -> String {
        raptors_ir::dot(&self.compiled.optimized)
    }

    /// Everything as one JSON object, with a version.
    pub fn json(&self) -> String {
        let list = |items: Vec<String>| {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        };
        let passes: Vec<String> = self
            .compiled
            .passes
            .iter()
            .map(|pass| {
                format!(
                    "{{\"name\": {}, \"before\": {}, \"after\": {}, \"microseconds\": {:.3}}}",
                    quoted(pass.name),
                    pass.before,
                    pass.after,
                    pass.time.as_secs_f64() * 1e6
                )
            })
            .collect();
        let sizes: Vec<String> = self.compiled.program.buffers.iter().map(usize::to_string).collect();
        format!(
            "{{\"version\": {JSON_VERSION}, \"kernels\": {}, \"arena\": {}, \"buffers\": [{}], \"peak_bytes\": {}, \"copies\": {}, \
             \"reuses\": {}, \"refusals\": {}, \"passes\": [{}], \"captured\": {}, \"graph\": {}, \"program\": {}}}",
            self.kernels(),
            self.compiled.program.arena,
            sizes.join(", "),
            self.peak_bytes(),
            list(self.copies()),
            list(self.reuses()),
            list(self.refusals()),
            passes.join(", "),
            quoted(&self.compiled.captured.to_string()),
            quoted(&self.compiled.optimized.to_string()),
            quoted(&self.compiled.program.to_string()),
        )
    }

    /// The captured graph, what each pass did, and the plan.
    pub fn explain(&self) -> String {
        let compiled = &self.compiled;
        let mut text = format!("captured\n{}\npasses\n", indented(&compiled.captured.to_string()));
        for pass in &compiled.passes {
            let change = match pass.before == pass.after {
                true => format!("{} nodes", pass.after),
                false => format!("{} -> {} nodes", pass.before, pass.after),
            };
            let _ = writeln!(
                text,
                "  {:<9} {change:<18} {:>7.1} us   {}",
                pass.name,
                pass.time.as_secs_f64() * 1e6,
                pass.about
            );
            let records = self.records(|record| record.pass == pass.name);
            for (record, times) in counted(records) {
                let times = if times > 1 { format!(" (x{times})") } else { String::new() };
                let _ = writeln!(text, "    {record}{times}");
            }
        }
        let _ = write!(text, "\noptimized\n{}\n", indented(&compiled.optimized.to_string()));
        let _ = write!(text, "{}\n{}", indented(&compiled.program.to_string()), self.text());
        text
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Array {
    /// What evaluating this array would do.
    pub fn plan(&self) -> Result<Plan, Error> {
        Plan::new(&[self])
    }

    /// The captured graph, what each pass does to it, and the plan, as text.
    pub fn explain(&self) -> Result<String, Error> {
        Ok(self.plan()?.explain())
    }
}

fn line(record: &Record) -> String {
    let place = record.source.and_then(source::resolve).map(|line| format!(" [{line}]")).unwrap_or_default();
    let refused = if record.outcome == Outcome::Refused { "not " } else { "" };
    format!("{refused}{}: {}: {}{place}", record.rule, record.op, record.detail)
}

/// Equal lines once, with their number, in order of first appearance.
fn counted(records: Vec<String>) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for record in records {
        match counts.iter_mut().find(|(known, _)| *known == record) {
            Some((_, times)) => *times += 1,
            None => counts.push((record, 1)),
        }
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

/// Op names in order, repetitions counted, the middle of a long list left out.
fn abbreviated(ops: &[&str]) -> String {
    const MOST: usize = 24;
    if ops.len() <= MOST {
        return ops.join(", ");
    }
    let (head, tail) = (&ops[..MOST - 8], &ops[ops.len() - 7..]);
    format!("{}, ... {} more ..., {}", head.join(", "), ops.len() - head.len() - tail.len(), tail.join(", "))
}

fn bytes(count: usize) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn quoted(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 2);
    result.push('"');
    for c in text.chars() {
        match c {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            c if (c as u32) < 0x20 => {
                let _ = write!(result, "\\u{:04x}", c as u32);
            }
            c => result.push(c),
        }
    }
    result.push('"');
    result
}
