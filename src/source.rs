//! Where in a user's program an op was written.
//!
//! A [`Source`] is two numbers, so that a node stays small. Rust source files and graphs read from text are numbered
//! here; a front end for another language numbers its own files with the high bit set, and gives a resolver for them.
//! No lock is taken: a slot of the table is filled once, and found again by the address of the file's name.
//! `RAPTORS_TRACE=0` switches recording off.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::{LazyLock, OnceLock};

use raptors_ir::Source;

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

/// Files that are told apart, a power of two; ops of further ones have no line.
const MOST_FILES: usize = 1024;

/// Slots that a name may be in, from the one its address gives.
const PROBES: usize = 16;

/// The names of files; a file's number is its slot.
static FILES: [OnceLock<Cow<'static, str>>; MOST_FILES] = [const { OnceLock::new() }; MOST_FILES];

/// Registers how sources with the [`FOREIGN`] bit are resolved. The first call wins.
pub fn set_resolver(resolver: Resolver) {
    let _ = RESOLVER.set(resolver);
}

/// Whether ops keep their source: not under `RAPTORS_TRACE=0`.
pub fn is_recording() -> bool {
    static RECORDING: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("RAPTORS_TRACE").is_none_or(|value| value != "0"));
    *RECORDING
}

/// The source of a Rust call site; `None` when recording is off, or there are too many files.
pub fn of_location(location: &'static Location<'static>) -> Option<Source> {
    if !is_recording() {
        return None;
    }
    let name = location.file();
    let slot = slots(name.as_ptr() as usize).find(|&slot| {
        let found = FILES[slot].get_or_init(|| Cow::Borrowed(name));
        std::ptr::eq(&**found, name)
    })?;
    Some(Source { file: slot as u32, position: location.line() })
}

/// The number of a text that graphs are read from, by its name; `None` as for [`of_location`].
pub fn of_text(name: &str) -> Option<u32> {
    if !is_recording() {
        return None;
    }
    let hash = name.bytes().fold(0, |hash: usize, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let slot = slots(hash).find(|&slot| FILES[slot].get_or_init(|| Cow::Owned(name.to_owned())) == name)?;
    Some(slot as u32)
}

fn slots(hash: usize) -> impl Iterator<Item = usize> {
    // The high bits of a product depend on all bits of its factor.
    let first = (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - MOST_FILES.ilog2());
    (0..PROBES).map(move |probe| (first as usize + probe) % MOST_FILES)
}

/// The line that a source stands for, when it is still known.
pub fn resolve(source: Source) -> Option<SourceLine> {
    if source.file & FOREIGN != 0 {
        return RESOLVER.get().and_then(|resolver| resolver(source));
    }
    let name = FILES.get(source.file as usize)?.get()?;
    Some(SourceLine { file: name.to_string(), line: source.position })
}
