//! Whether loop nests run as machine code.
//!
//! `RAPTORS_JIT=0` interprets them, `1` is the usual, and `verify` runs them both ways and fails where
//! results differ. The variable is read once.

use std::ffi::OsStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// How loop nests are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Jit {
    /// By the tile interpreter.
    Off,
    /// By machine code, where there is some.
    On,
    /// Both ways; results that differ are an error.
    Verify,
}

impl Jit {
    const ALL: [Jit; 3] = [Jit::Off, Jit::On, Jit::Verify];

    /// What `RAPTORS_JIT` says, the usual if it says nothing that is known.
    fn of_process() -> Jit {
        static READ: OnceLock<Jit> = OnceLock::new();
        *READ.get_or_init(|| {
            let value = std::env::var_os("RAPTORS_JIT");
            read(value.as_deref()).unwrap_or_else(|| {
                let value = value.unwrap_or_default();
                eprintln!("raptors: RAPTORS_JIT={}: not one of 0, 1, verify; using 1", value.display());
                Jit::On
            })
        })
    }
}

fn read(value: Option<&OsStr>) -> Option<Jit> {
    match value.map(OsStr::to_string_lossy).as_deref() {
        None | Some("" | "1") => Some(Jit::On),
        Some("0") => Some(Jit::Off),
        Some("verify") => Some(Jit::Verify),
        Some(_) => None,
    }
}

/// What was set instead; beyond [`Jit::ALL`] if nothing was.
static SET: AtomicU8 = AtomicU8::new(u8::MAX);

/// How loop nests are run now.
pub fn mode() -> Jit {
    match Jit::ALL.get(usize::from(SET.load(Relaxed))) {
        Some(&mode) => mode,
        None => Jit::of_process(),
    }
}

/// Changes how loop nests are run by evaluations that begin later. Under `RAPTORS_JIT=0` there is no machine
/// code to run.
pub fn set_mode(mode: Jit) {
    SET.store(mode as u8, Relaxed);
}

/// Whether loop nests are compiled.
pub(crate) fn is_wanted() -> bool {
    Jit::of_process() != Jit::Off
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_read_or_refused() {
        let read = |value: &str| read(Some(OsStr::new(value)));
        assert_eq!([read(""), read("0"), read("1")], [Some(Jit::On), Some(Jit::Off), Some(Jit::On)]);
        assert_eq!(
            [read("verify"), read("off"), super::read(None)],
            [Some(Jit::Verify), None, Some(Jit::On)]
        );
    }
}
