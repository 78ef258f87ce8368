//! What made evaluations happen, and what they computed again: the record behind `evaluations()`.
//!
//! An evaluation that was asked for, and one that a conversion forced, are counted by their kind and line. Arrays that are
//! in memory force nothing, and are not counted. Nothing is recorded under `RAPTORS_TRACE=0`, and lines after the first
//! [`MOST_LINES`] are only counted.

use std::cell::RefCell;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use raptors::ir::Source;
use raptors::recomputed::{MOST_LINES, Recomputed, recomputed, reset_recomputed};
use raptors::source::{is_recording, resolve};
use rustc_hash::FxHashMap;

use crate::source;

/// What wants the value of an array.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Wanted {
    Eval,
    Await,
    Out,
    Cache,
    Copy,
    Item,
    ToList,
    Bool,
    Float,
    Int,
    Complex,
    Index,
    In,
    Format,
    Str,
    /// Also what else reads an array through the buffer protocol, as NumPy does.
    AsArray,
    Ufunc,
    DLPack,
    Deepcopy,
    Pickle,
    /// A shape that depends on values.
    Shape,
}

impl Wanted {
    /// As users see it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Wanted::Eval => "eval",
            Wanted::Await => "await",
            Wanted::Out => "out",
            Wanted::Cache => "cache",
            Wanted::Copy => "copy",
            Wanted::Item => "item",
            Wanted::ToList => "tolist",
            Wanted::Bool => "bool",
            Wanted::Float => "float",
            Wanted::Int => "int",
            Wanted::Complex => "complex",
            Wanted::Index => "index",
            Wanted::In => "in",
            Wanted::Format => "format",
            Wanted::Str => "str",
            Wanted::AsArray => "asarray",
            Wanted::Ufunc => "ufunc",
            Wanted::DLPack => "dlpack",
            Wanted::Deepcopy => "deepcopy",
            Wanted::Pickle => "pickle",
            Wanted::Shape => "shape",
        }
    }

    /// Whether the program does not say that something is computed here.
    const fn is_implicit(self) -> bool {
        !matches!(self, Wanted::Eval | Wanted::Await | Wanted::Out | Wanted::Cache | Wanted::Copy)
    }
}

/// A kind of evaluation, and its line.
type Place = (Wanted, Option<Source>);

#[derive(Default)]
struct Table {
    counts: FxHashMap<Place, Arc<AtomicU64>>,
    left_out: u64,
}

/// The place that a thread counted last, which a loop counts again and again without the lock.
struct Last {
    place: Place,
    count: Arc<AtomicU64>,
    /// What [`RESETS`] was.
    resets: u64,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// How often the counts were forgotten.
static RESETS: AtomicU64 = AtomicU64::new(0);

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

/// Counts an evaluation on the line that is running.
pub(crate) fn note(py: Python<'_>, wanted: Wanted) {
    if !is_recording() {
        return;
    }
    let place = (wanted, source::here(py));
    // A thread that ends has none.
    let _ = LAST.try_with(|last| match &mut *last.borrow_mut() {
        Some(last) if last.place == place && last.resets == RESETS.load(Relaxed) => {
            last.count.fetch_add(1, Relaxed);
        }
        last => *last = count_other(place),
    });
}

/// Counts a place that is not the last one of the thread.
#[cold]
fn count_other(place: Place) -> Option<Last> {
    // Nothing that is done under the lock runs Python code, so a thread that is attached may wait for it.
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let Table { counts, left_out } = table.get_or_insert_default();
    if counts.len() >= MOST_LINES && !counts.contains_key(&place) {
        *left_out += 1;
        return None;
    }
    let count = counts.entry(place).or_default();
    count.fetch_add(1, Relaxed);
    Some(Last { place, count: count.clone(), resets: RESETS.load(Relaxed) })
}

/// A kind of evaluation on a line.
struct Forced {
    by: Wanted,
    line: Option<String>,
    count: u64,
}

/// What forced evaluations, and what they computed again, up to the moment it was asked for.
#[pyclass(frozen, module = "raptors")]
pub(crate) struct Evaluations {
    forced: Vec<Forced>,
    recomputed: Vec<(Recomputed, Option<String>)>,
    left_out: u64,
}

#[pymethods]
impl Evaluations {
    /// Evaluations by what wanted them (`by`) and their line, most frequent first: dicts with `by`, `implicit`, `line`
    /// and `count`. Implicit are those that the program does not ask for by `eval`, `await`, `cache`, `out` or `copy`.
    #[getter]
    fn forced<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let row = |forced: &Forced| {
            let row = PyDict::new(py);
            row.set_item("by", forced.by.name())?;
            row.set_item("implicit", forced.by.is_implicit())?;
            row.set_item("line", &forced.line)?;
            row.set_item("count", forced.count)?;
            Ok(row)
        };
        self.forced.iter().map(row).collect()
    }

    /// Ops that were computed in one evaluation and again in a later one, because nothing kept their value: dicts with
    /// `op`, `line`, `count` (repetitions) and `ops` (all that was computed again, with what is under the op).
    #[getter]
    fn recomputed<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let row = |(recomputed, line): &(Recomputed, Option<String>)| {
            let row = PyDict::new(py);
            row.set_item("op", recomputed.op)?;
            row.set_item("line", line)?;
            row.set_item("count", recomputed.times)?;
            row.set_item("ops", recomputed.ops)?;
            Ok(row)
        };
        self.recomputed.iter().map(row).collect()
    }

    /// Evaluations and repetitions that are not listed because there were too many lines.
    #[getter]
    fn left_out(&self) -> u64 {
        self.left_out
    }

    fn __str__(&self) -> String {
        let mut text = String::new();
        let unknown = "an unknown line";
        // Writing to a string cannot fail.
        for (title, implicit) in [("implicit", true), ("asked for", false)] {
            let rows = self.forced.iter().filter(|forced| forced.by.is_implicit() == implicit);
            for (n, forced) in rows.enumerate() {
                let (title, line) =
                    (if n == 0 { title } else { "" }, forced.line.as_deref().unwrap_or(unknown));
                let _ = writeln!(text, "{title:<10} {:<9} x{:<5} {line}", forced.by.name(), forced.count);
            }
        }
        for (n, (Recomputed { op, times, ops, .. }, line)) in self.recomputed.iter().enumerate() {
            let (title, line) = (if n == 0 { "again" } else { "" }, line.as_deref().unwrap_or(unknown));
            let _ = writeln!(text, "{title:<10} {op:<9} x{times:<5} {line}   {ops} ops; cache() keeps it");
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "and {} on further lines", self.left_out);
        }
        if text.is_empty() {
            text.push_str("no evaluations");
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn __repr__(&self) -> String {
        let sum = |implicit| {
            let rows = self.forced.iter().filter(|forced| forced.by.is_implicit() == implicit);
            rows.map(|forced| forced.count).sum::<u64>()
        };
        let again: u64 = self.recomputed.iter().map(|(recomputed, _)| recomputed.times).sum();
        format!("raptors.Evaluations(implicit={}, asked={}, again={again})", sum(true), sum(false))
    }
}

/// What forced evaluations, on which lines, and what they computed again, since the start or `reset_evaluations()`.
///
/// `print`, `float()`, `bool()`, `numpy.asarray` and their like compute an array that is not in memory yet. Under
/// `RAPTORS_TRACE=0` nothing is recorded.
#[pyfunction]
pub(crate) fn evaluations() -> Evaluations {
    let line = |source: Option<Source>| source.and_then(resolve).map(|line| line.to_string());
    let (counts, left_out): (Vec<_>, u64) = {
        let table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |(&place, count): (&Place, &Arc<AtomicU64>)| (place, count.load(Relaxed));
        table
            .as_ref()
            .map_or_else(Default::default, |table| (table.counts.iter().map(read).collect(), table.left_out))
    };
    // Lines are looked up by Python code, so not under the lock. Instructions of one line are one.
    let mut lines: FxHashMap<(Wanted, Option<String>), u64> = FxHashMap::default();
    for ((by, source), count) in counts {
        *lines.entry((by, line(source))).or_default() += count;
    }
    let mut forced: Vec<Forced> =
        lines.into_iter().map(|((by, line), count)| Forced { by, line, count }).collect();
    forced.sort_by(|a, b| (b.count, a.by, &a.line).cmp(&(a.count, b.by, &b.line)));
    let (again, others) = recomputed();
    let again = again.into_iter().map(|recomputed| (recomputed, line(recomputed.source))).collect();
    Evaluations { forced, recomputed: again, left_out: left_out + others }
}

/// Forget what `evaluations()` would list.
#[pyfunction]
pub(crate) fn reset_evaluations() {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    *table = None;
    RESETS.fetch_add(1, Relaxed);
    drop(table);
    reset_recomputed();
}
