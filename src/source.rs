//! Where in a user's program an op was written.
//!
//! A [`Source`] is two numbers, so that a node stays small. Rust call sites are numbered here; a front end for another
//! language numbers its own files with the high bit set, and gives a resolver for them.

use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, OnceLock, PoisonError};

use raptors_ir::Source;
use rustc_hash::FxHashMap;

/// Set in the file number of a source that a front end resolves.
pub const FOREIGN: u32 = 1 << 31;

/// A place in a source file.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SourceLine {
    /// The file's path.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Turns a front end's numbers into a line.
pub type Resolver = fn(Source) -> Option<SourceLine>;

static RESOLVER: OnceLock<Resolver> = OnceLock::new();

#[derive(Default)]
struct Files {
    numbers: FxHashMap<&'static str, u32>,
    names: Vec<&'static str>,
}

static FILES: Mutex<Option<Files>> = Mutex::new(None);

/// Registers how sources with the [`FOREIGN`] bit are resolved. The first call wins.
pub fn set_resolver(resolver: Resolver) {
    let _ = RESOLVER.set(resolver);
}

/// The source of a Rust call site.
pub fn of_location(location: &'static Location<'static>) -> Source {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let files = files.get_or_insert_default();
    let name = location.file();
    let file = *files.numbers.entry(name).or_insert_with(|| {
        files.names.push(name);
        files.names.len() as u32 - 1
    });
    Source { file, position: location.line() }
}

/// The line that a source stands for, when it is still known.
pub fn resolve(source: Source) -> Option<SourceLine> {
    if source.file & FOREIGN != 0 {
        return RESOLVER.get().and_then(|resolver| resolver(source));
    }
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let name = files.as_ref()?.names.get(source.file as usize)?;
    Some(SourceLine { file: (*name).to_owned(), line: source.position })
}
