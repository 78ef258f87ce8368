//! What tests share: random graphs and the reference, `.rir` files, differences shown line by line, and blessing.
//!
//! A `.rir` file holds graphs between comments. A graph begins with a line that starts with `graph ` and ends with a
//! line that is `}`. Where a test states what comes out, `RAPTORS_BLESS=1` rewrites that part of the file.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod mutate;
mod random_graph;
mod reference;

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) use mutate::{corpus, mutate};
pub(crate) use random_graph::{
    Random, random_argument, random_graph, random_graph_of_rows, random_large_graph,
};
pub(crate) use reference::{evaluate, same};

/// The top folder of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether expected output is rewritten instead of compared.
pub(crate) fn blessing() -> bool {
    std::env::var("RAPTORS_BLESS").is_ok_and(|value| value == "1")
}

/// The files with this extension in a folder and those below it, sorted.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A `.rir` file, in lines.
pub(crate) struct RirFile {
    path: PathBuf,
    pub(crate) lines: Vec<String>,
}

impl RirFile {
    pub(crate) fn read(path: &Path) -> RirFile {
        let text = std::fs::read_to_string(path).unwrap();
        RirFile { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    pub(crate) fn write(&self) {
        std::fs::write(&self.path, self.lines.join("\n") + "\n").unwrap();
    }

    /// The lines of each graph. A line is compared without its comment.
    pub(crate) fn graphs(&self) -> Vec<Range<usize>> {
        let mut graphs = Vec::new();
        let mut start = None;
        for (i, line) in self.lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default().trim_end();
            if code.starts_with("graph ") {
                assert_eq!(start, None, "{}: a graph in a graph", self.position(i));
                start = Some(i);
            }
            if code == "}" {
                let start =
                    start.take().unwrap_or_else(|| panic!("{}: `}}` without a graph", self.position(i)));
                graphs.push(start..i + 1);
            }
        }
        assert_eq!(start, None, "{}: a graph without its `}}`", self.path.display());
        graphs
    }

    /// The text of these lines.
    pub(crate) fn text(&self, lines: Range<usize>) -> String {
        self.lines[lines].iter().map(|line| format!("{line}\n")).collect()
    }

    /// `tests/passes/cse.rir:12`.
    pub(crate) fn position(&self, line: usize) -> String {
        format!("{}:{}", self.path.strip_prefix(root()).unwrap_or(&self.path).display(), line + 1)
    }
}

/// The lines of both texts: ` ` common, `-` only before, `+` only after.
pub(crate) fn diff(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    // common[i][j]: length of the longest common subsequence of before[i..] and after[j..].
    let mut common = vec![vec![0usize; after.len() + 1]; before.len() + 1];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            common[i][j] = if before[i] == after[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let mut text = String::new();
    let (mut i, mut j) = (0, 0);
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            writeln!(text, "  {}", before[i]).unwrap();
            (i, j) = (i + 1, j + 1);
        } else if j == after.len() || (i < before.len() && common[i + 1][j] >= common[i][j + 1]) {
            writeln!(text, "- {}", before[i]).unwrap();
            i += 1;
        } else {
            writeln!(text, "+ {}", after[j]).unwrap();
            j += 1;
        }
    }
    text
}

#[test]
fn a_difference_keeps_common_lines() {
    assert_eq!(diff("a\nb\nc\n", "a\nc\nd\n"), "  a\n- b\n  c\n+ d\n");
}

/// The emulator that the tests run in, and its arguments, as `RAPTORS_TEST_RUNNER` names them; empty on a machine of its own.
fn emulator() -> Vec<String> {
    let runner = std::env::var("RAPTORS_TEST_RUNNER").unwrap_or_default();
    runner.split_whitespace().map(str::to_owned).collect()
}

/// A process that runs this binary, in the emulator if there is one.
pub(crate) fn this_binary() -> Command {
    let binary = std::env::current_exe().unwrap();
    match emulator().as_slice() {
        [] => Command::new(binary),
        [emulator, arguments @ ..] => {
            let mut command = Command::new(emulator);
            command.args(arguments).arg(binary);
            command
        }
    }
}

/// The time that something may take, longer in an emulator, where all instructions do.
pub(crate) fn within(time: Duration) -> Duration {
    const SLOWER: u32 = 50;
    if is_emulated() { time * SLOWER } else { time }
}

/// Whether the tests run in an emulator.
pub(crate) fn is_emulated() -> bool {
    !emulator().is_empty()
}
