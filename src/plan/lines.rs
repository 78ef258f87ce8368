//! The user's lines: short names of files, and the text of a line where its file can be read.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use raptors_ir::Source;
use rustc_hash::FxHashMap;

use crate::source::{self, SourceLine};

/// Lines that were looked up: finding one walks a table of the front end, or reads a file.
#[derive(Default)]
pub(super) struct Lines {
    known: RefCell<FxHashMap<Source, Option<SourceLine>>>,
    files: RefCell<FxHashMap<String, Vec<String>>>,
    folder: Option<PathBuf>,
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines { folder: std::env::current_dir().ok(), ..Lines::default() }
    }

    /// The line, when it is known.
    pub(super) fn line(&self, source: Option<Source>) -> Option<SourceLine> {
        let source = source?;
        self.known.borrow_mut().entry(source).or_insert_with(|| source::resolve(source)).clone()
    }

    /// `photo.py:41`, as seen from the current folder; empty when unknown.
    pub(super) fn short(&self, source: Option<Source>) -> String {
        let Some(SourceLine { file, line }) = self.line(source) else { return String::new() };
        let path = Path::new(&file);
        let inside = self.folder.as_ref().and_then(|folder| path.strip_prefix(folder).ok());
        let name = inside.map(Path::as_os_str).or_else(|| path.file_name()).unwrap_or(path.as_os_str());
        format!("{}:{line}", name.display())
    }

    /// Short names, each once, in order: `photo.py:41, 42`. Those after the first `most` are counted.
    pub(super) fn shorts(&self, sources: impl Iterator<Item = Option<Source>>, most: usize) -> String {
        let mut names: Vec<String> = Vec::new();
        for name in sources.map(|source| self.short(source)).filter(|name| !name.is_empty()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut text = String::new();
        let mut last_file = "";
        for name in names.iter().take(most) {
            let (file, line) = name.rsplit_once(':').unwrap_or((name, ""));
            let separator = if text.is_empty() { "" } else { ", " };
            text.push_str(separator);
            text.push_str(if file == last_file { line } else { name });
            last_file = file;
        }
        match names.len().saturating_sub(most) {
            0 => text,
            more => format!("{text}, {more} more"),
        }
    }

    /// What is written there; empty when the file cannot be read.
    pub(super) fn text(&self, source: Option<Source>) -> String {
        let Some(SourceLine { file, line }) = self.line(source) else { return String::new() };
        let mut files = self.files.borrow_mut();
        let lines = files.entry(file).or_insert_with_key(|file| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.lines().map(|line| line.trim().to_owned()).collect()
        });
        (line as usize).checked_sub(1).and_then(|line| lines.get(line)).cloned().unwrap_or_default()
    }
}
