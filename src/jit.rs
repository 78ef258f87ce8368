//! Whether loop nests run as machine code.
//!
//! `RAPTORS_JIT=0` interprets them, `1` is the usual, and `verify` runs them both ways and fails where results differ.
//! The variable is read once. A plan keeps the code it was compiled with: after a change, plans that were made while
//! there was to be none are interpreted until [`clear_plan_cache`](crate::clear_plan_cache).

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

/// Not read yet.
const UNKNOWN: u8 = u8::MAX;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// How loop nests are run in this process.
pub fn mode() -> Jit {
    match MODE.load(Relaxed) {
        0 => Jit::Off,
        1 => Jit::On,
        2 => Jit::Verify,
        _ => {
            let mode = read(std::env::var_os("RAPTORS_JIT").as_deref());
            // Another thread read the same, or somebody has set it meanwhile.
            let _ = MODE.compare_exchange(UNKNOWN, mode as u8, Relaxed, Relaxed);
            self::mode()
        }
    }
}

/// Changes how loop nests are run from now on, whatever `RAPTORS_JIT` says.
pub fn set_mode(mode: Jit) {
    MODE.store(mode as u8, Relaxed);
}

fn read(value: Option<&std::ffi::OsStr>) -> Jit {
    match value.map(|value| value.to_string_lossy()).as_deref() {
        None | Some("" | "1") => Jit::On,
        Some("0") => Jit::Off,
        Some("verify") => Jit::Verify,
        Some(other) => {
            eprintln!("raptors: RAPTORS_JIT={other}: not one of 0, 1, verify; using 1");
            Jit::On
        }
    }
}
