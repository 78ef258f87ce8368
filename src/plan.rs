//! Plans: what an evaluation does, shown in many forms.
//!
//! A [`Plan`] holds the compiled program and how it came to be; each renderer is a file: [`text`], [`explain`], [`json`],
//! [`html`], [`svg`], [`mermaid`]. Figures that several of them show are computed in [`kernel`], [`memory`] and
//! [`history`], once. Nothing here is done unless somebody asks for it.

mod compare;
mod drawing;
mod explain;
mod history;
mod html;
mod json;
mod kernel;
mod layout;
mod lines;
mod machine;
mod measure;
mod memory;
mod mermaid;
mod nearest;
mod picture;
mod svg;
mod text;

use std::sync::Arc;
use std::time::Duration;

use raptors_passes::diff::Names;
use raptors_passes::{Options, Outcome, Record};

use crate::array::Array;
use crate::compile::{CacheState, Compiled};
use crate::error::Error;
use crate::eval::{self, Planned};
use crate::runtime::watch;
use crate::{cache, source};
use picture::Picture;
use svg::Setting;

pub use crate::kernels::roof::Roof;
pub use explain::Level;
pub use json::JSON_VERSION;
pub use measure::{KernelTime, Measured};

/// Boxes of a drawing above which kernels are drawn instead of nodes.
const MOST_NODES: usize = 800;
/// Likewise of a drawing inside a notebook.
const MOST_NODES_IN_PAGE: usize = 60;
/// Kernels of a drawing; others are left out.
const MOST_KERNELS: usize = 200;

/// What an evaluation of some arrays does: kernels, buffers, and every decision with its reason.
#[derive(Clone, Debug)]
pub struct Plan {
    compiled: Arc<Compiled>,
    cache: CacheState,
    /// Donations that are not used, which the compiled program does not know of.
    withdrawn: Vec<Record>,
    /// What the nearest known plan had otherwise, when this one was made.
    nearest: Option<String>,
    measured: Option<Arc<Measured>>,
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
        Ok(Plan::of(eval::plan(arrays, options)?))
    }

    /// As [`Plan::with_options`], and runs it: a few times, on copies of what it overwrites, dropping the results. The
    /// texts and the page then say what it took, beside what this machine does at most.
    ///
    /// # Errors
    ///
    /// As the evaluation.
    pub fn analyze(arrays: &[&Array], options: &Options) -> Result<Plan, Error> {
        let planned = eval::plan(arrays, options)?;
        let measure = || measure::measure(&planned.captured, &planned.compiled, options);
        let measured = watch::catch(measure)??;
        Ok(Plan { measured: Some(Arc::new(measured)), ..Plan::of(planned) })
    }

    fn of(planned: Planned<'_>) -> Plan {
        let Planned { compiled, cache, withdrawn, .. } = planned;
        let nearest = match cache {
            CacheState::Hit => None,
            CacheState::Miss => nearest::difference_to_nearest(&compiled, &cache::all()),
        };
        Plan { compiled, cache, withdrawn, nearest, measured: None }
    }

    /// Whether the plan was known when it was asked for.
    pub fn is_known(&self) -> bool {
        self.cache == CacheState::Hit
    }

    /// Of a plan that was not known: what the nearest known one had otherwise.
    pub fn nearest_known(&self) -> Option<&str> {
        self.nearest.as_deref()
    }

    /// What runs of it took, if it was made by [`Plan::analyze`].
    pub fn measured(&self) -> Option<&Measured> {
        self.measured.as_deref()
    }

    /// What differs from this plan in another one, as text: figures, ops, rules and refusals. Empty when nothing does.
    pub fn diff(&self, other: &Plan) -> String {
        compare::diff(self, other)
    }

    /// Passes over memory: loop nests, matrix products, concats.
    pub fn kernels(&self) -> usize {
        self.compiled.optimized.regions().len()
    }

    /// Nodes of the graph as it was captured.
    pub fn nodes(&self) -> usize {
        self.compiled.captured.len()
    }

    /// Blocks of memory that a run allocates: one for each result that needs one, and one for all that is between.
    pub fn buffers(&self) -> usize {
        self.compiled.program.buffers.len() + usize::from(self.compiled.program.arena > 0)
    }

    /// How long each stage of planning took, in the order they ran: a known structure was planned when it was new.
    pub fn stages(&self) -> Vec<(&'static str, Duration)> {
        let passes = self.compiled.passes.iter().map(|pass| (pass.name, pass.time));
        let (graph, lower) = (self.compiled.graph_time, self.compiled.lower_time);
        [("graph", graph)].into_iter().chain(passes).chain([("lower", lower)]).collect()
    }

    /// Bytes of those blocks together: the most a run holds beyond its inputs, but for scratch of the size of a cache.
    pub fn peak_bytes(&self) -> usize {
        self.compiled.program.most_bytes()
    }

    /// Values that are copied because they cannot be read or returned where they are.
    pub fn copies(&self) -> Vec<String> {
        self.lines(|record| record.pass == "copies" && record.outcome == Outcome::Applied)
    }

    /// Values that are written over an operand that dies.
    pub fn reuses(&self) -> Vec<String> {
        self.lines(|record| record.pass == "place" && record.outcome == Outcome::Applied)
    }

    /// What was not done, and why.
    pub fn refusals(&self) -> Vec<String> {
        let mut refusals: Vec<String> = self.withdrawn.iter().map(line).collect();
        refusals.extend(self.lines(|record| record.outcome == Outcome::Refused));
        refusals
    }

    fn lines(&self, keep: impl Fn(&Record) -> bool) -> Vec<String> {
        self.compiled.ledger.records.iter().filter(|record| keep(record)).map(line).collect()
    }

    /// A summary, the kernels, memory, and what was refused.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The program: its steps with their loops, lane programs and operands, as the executor runs them.
    pub fn program(&self) -> String {
        self.compiled.program.to_string()
    }

    /// What runs each loop nest, and its machine code: instructions with the feature `disassembly`, bytes without.
    pub fn machine_code(&self) -> String {
        machine::machine_code(&self.compiled.program.steps)
    }

    /// The graph in the language of Graphviz.
    pub fn dot(&self) -> String {
        raptors_ir::dot(&self.compiled.optimized)
    }

    /// The graph as a picture: boxes are ops, frames are kernels. A graph of many hundred ops is drawn as its kernels.
    pub fn svg(&self) -> String {
        svg::svg(&self.picture(MOST_NODES).0, Setting::File)
    }

    /// The picture and the summary as HTML to stand inside a page, as notebooks show it; kernels alone where ops are too many.
    pub fn notebook_html(&self) -> String {
        let (picture, left_out) = self.picture(MOST_NODES_IN_PAGE);
        let svg = svg::svg(&picture, Setting::Page);
        let summary = self.text();
        let summary = svg::escaped(summary.lines().next().unwrap_or_default());
        let note = match left_out {
            0 => String::new(),
            count => format!(", {count} kernels not drawn"),
        };
        format!("<div>{summary}{note}</div><div style=\"max-height:32em;overflow:auto\">{svg}</div>")
    }

    /// One HTML file for a browser, which needs nothing else: the graph after each pass, memory over time, and the
    /// details of each node and kernel.
    pub fn html(&self) -> String {
        html::html(self)
    }

    /// The graph as a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        mermaid::mermaid(&self.picture(MOST_NODES).0)
    }

    /// The placed graph as a picture, and how many kernels do not fit in it.
    fn picture(&self, most: usize) -> (Picture, usize) {
        let graph = &self.compiled.optimized;
        if graph.len() > 2 * most {
            return Picture::of_kernels(graph, MOST_KERNELS);
        }
        let picture = Picture::of(graph, Names::of(graph).names());
        if picture.cards.len() > most { Picture::of_kernels(graph, MOST_KERNELS) } else { (picture, 0) }
    }

    /// Everything as one JSON object; `docs/explain.md` describes its members.
    pub fn json(&self) -> String {
        json::json(self)
    }

    /// What was written, what each pass changed, what runs in which memory, and why not better.
    pub fn explain(&self) -> String {
        self.explain_at(Level::Plan)
    }

    /// As [`Plan::explain`], down to a level.
    pub fn explain_at(&self, level: Level) -> String {
        explain::explain(self, level)
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

    /// [`Plan::explain`] of evaluating this array.
    pub fn explain(&self) -> Result<String, Error> {
        Ok(self.plan()?.explain())
    }
}

/// A record in one line.
fn line(record: &Record) -> String {
    let place = record.source.and_then(source::resolve).map(|line| format!(" [{line}]")).unwrap_or_default();
    let refused = if record.outcome == Outcome::Refused { "not " } else { "" };
    format!("{refused}{}: {}: {}{place}", record.rule, record.op, record.detail)
}
