//! Runs the pipeline: limit, run, verify, dump.
//!
//! The environment is read here and nowhere else in the crate:
//! `RAPTORS_VERIFY=1` verifies after each pass also in release builds; `RAPTORS_DUMP=cse` (or `all`, or a comma-separated
//! list) prints what each pass changed; `RAPTORS_DUMP_DIR=path` writes graphs before and after to files instead,
//! named after the compilation, the pass's place in the pipeline, and the pass; `RAPTORS_PASS_LIMIT=n` runs only the first n
//! optional passes, to find by bisection which one changes a result.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use raptors_ir::{Graph, verify};

use crate::diff::{self, Names};
use crate::{Ledger, Options, PASSES, Pass, check_place};

/// What one pass did to the size of the graph.
#[derive(Clone, Debug)]
pub struct PassRun {
    /// The pass.
    pub name: &'static str,
    /// What the pass does, a few words.
    pub about: &'static str,
    /// Nodes before.
    pub before: usize,
    /// Nodes after.
    pub after: usize,
    /// Time taken.
    pub time: Duration,
}

struct Settings {
    verify: bool,
    dump: Vec<String>,
    folder: Option<PathBuf>,
    limit: usize,
}

fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| Settings {
        verify: cfg!(debug_assertions) || std::env::var("RAPTORS_VERIFY").is_ok_and(|value| value == "1"),
        dump: match (std::env::var("RAPTORS_DUMP"), std::env::var_os("RAPTORS_DUMP_DIR")) {
            (Ok(names), _) => names.split(',').map(str::to_owned).collect(),
            (Err(_), Some(_)) => vec!["all".to_owned()],
            (Err(_), None) => Vec::new(),
        },
        folder: std::env::var_os("RAPTORS_DUMP_DIR").map(PathBuf::from),
        limit: std::env::var("RAPTORS_PASS_LIMIT")
            .ok()
            .and_then(|value| value.parse().ok())
            .unwrap_or(usize::MAX),
    })
}

/// Counts runs of the pipeline, to tell their files apart.
static COMPILATIONS: AtomicUsize = AtomicUsize::new(0);

/// Runs the pipeline on `graph`.
///
/// # Panics
///
/// When verification is on and a pass produced a graph that breaks an invariant: a bug of that pass.
pub fn run(graph: &Graph, options: &Options, ledger: &mut Ledger) -> (Graph, Vec<PassRun>) {
    let settings = settings();
    let mut graph = Cow::Borrowed(graph);
    let mut runs = Vec::with_capacity(PASSES.len());
    let compilation = COMPILATIONS.fetch_add(1, Relaxed);
    for (place, pass) in limited(settings.limit) {
        let start = Instant::now();
        let new = (pass.run)(&graph, options, ledger);
        let time = start.elapsed();
        runs.push(PassRun {
            name: pass.name,
            about: pass.about,
            before: graph.len(),
            after: new.len(),
            time,
        });
        if settings.dump.iter().any(|name| name == "all" || name == pass.name) {
            match &settings.folder {
                None => dump(pass.name, pass.about, &graph, &new),
                Some(folder) => {
                    save(&folder.join(format!("{compilation:04}-{place}-{}-before.rir", pass.name)), &graph);
                    save(&folder.join(format!("{compilation:04}-{place}-{}.rir", pass.name)), &new);
                }
            }
        }
        if settings.verify {
            check(pass.name, &graph, &new);
        }
        graph = Cow::Owned(new);
    }
    (graph.into_owned(), runs)
}

/// The graph after each pass that [`run`] runs: passes depend on their graph and the options alone.
pub fn replay(graph: &Graph, options: &Options) -> Vec<Graph> {
    let mut graphs: Vec<Graph> = Vec::with_capacity(PASSES.len());
    for (_, pass) in limited(settings().limit) {
        let new = (pass.run)(graphs.last().unwrap_or(graph), options, &mut Ledger::default());
        graphs.push(new);
    }
    graphs
}

/// The required passes and the first `limit` optional ones, with their places in the pipeline.
fn limited(limit: usize) -> impl Iterator<Item = (usize, &'static Pass)> {
    let mut optional = 0;
    PASSES.iter().enumerate().filter(move |(_, pass)| {
        optional += usize::from(!pass.required);
        pass.required || optional <= limit
    })
}

fn check(pass: &str, before: &Graph, after: &Graph) {
    let result = verify(after).and_then(|()| check_place::check(after));
    if let Err(error) = result {
        panic!("pass {pass} broke the graph: {error}\n\nbefore:\n{before}\nafter:\n{after}");
    }
}

fn dump(name: &str, about: &str, before: &Graph, after: &Graph) {
    let names = Names::of(before);
    let followed = names.follow(before, after);
    let changes = diff::unified(&diff::changes((before, &names), (after, &followed)), 2);
    if changes.is_empty() && before.regions() == after.regions() && before.buffers() == after.buffers() {
        eprintln!("-- {name}: unchanged");
    } else {
        eprintln!("-- {name}: {about} ({} -> {} nodes)\n{changes}{after}", before.len(), after.len());
    }
}

/// A dump is for who debugs: a file that cannot be written is said, and stops nothing.
fn save(path: &Path, graph: &Graph) {
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, graph.to_string()));
    if let Err(error) = written {
        eprintln!("RAPTORS_DUMP_DIR: {}: {error}", path.display());
    }
}
