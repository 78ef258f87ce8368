//! What is left to Accelerate: `RAPTORS_ACCELERATE=auto|all|gemm|off`, read once.

use std::cell::Cell;
use std::ffi::OsStr;
use std::sync::OnceLock;

/// What is left to Accelerate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// Nothing.
    Off,
    /// Float matrix products.
    Gemm,
    /// Also what keeps the promises of the evaluation's `fp`, and is expected, or was measured, to be faster.
    Auto,
    /// All that an entry computes: in strict mode too, functions are then within a few ULP and sums in any
    /// order.
    All,
}

impl Mode {
    /// Every mode, the least first.
    pub const ALL: [Mode; 4] = [Mode::Off, Mode::Gemm, Mode::Auto, Mode::All];

    /// The name, as `RAPTORS_ACCELERATE` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Gemm => "gemm",
            Mode::Auto => "auto",
            Mode::All => "all",
        }
    }

    /// What `RAPTORS_ACCELERATE` says, `auto` if it says nothing that is known.
    fn of_process() -> Mode {
        static READ: OnceLock<Mode> = OnceLock::new();
        *READ.get_or_init(|| {
            let value = std::env::var_os("RAPTORS_ACCELERATE");
            read(value.as_deref()).unwrap_or_else(|| {
                let value = value.unwrap_or_default();
                let names = Mode::ALL.map(Mode::name).join(", ");
                eprintln!("raptors: RAPTORS_ACCELERATE={}: not one of {names}; using auto", value.display());
                Mode::Auto
            })
        })
    }
}

fn read(value: Option<&OsStr>) -> Option<Mode> {
    match value {
        None => Some(Mode::Auto),
        Some(value) if value.is_empty() => Some(Mode::Auto),
        Some(value) => Mode::ALL.into_iter().find(|mode| value == mode.name()),
    }
}

thread_local! {
    /// What was asked for on this thread instead.
    static SET: Cell<Option<Mode>> = const { Cell::new(None) };
}

/// The mode of plans that are made now, on this thread. Without Accelerate it is [`Mode::Off`].
pub fn current() -> Mode {
    if !super::is_present() {
        return Mode::Off;
    }
    SET.get().unwrap_or_else(Mode::of_process)
}

/// Makes plans under another mode while `f` runs, on this thread.
pub fn with_mode<R>(mode: Mode, f: impl FnOnce() -> R) -> R {
    /// Puts the last mode back, also after a panic.
    struct Restore(Option<Mode>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SET.set(self.0);
        }
    }
    let _restore = Restore(SET.replace(Some(mode)));
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_read_or_refused() {
        assert_eq!(read(None), Some(Mode::Auto));
        assert_eq!(read(Some(OsStr::new(""))), Some(Mode::Auto));
        for mode in Mode::ALL {
            assert_eq!(read(Some(OsStr::new(mode.name()))), Some(mode));
        }
        assert_eq!(read(Some(OsStr::new("on"))), None);
    }

    #[test]
    fn a_mode_lasts_as_long_as_asked() {
        let before = current();
        let inside = with_mode(Mode::All, || with_mode(Mode::Gemm, current));
        assert_eq!(inside, if crate::accelerate::is_present() { Mode::Gemm } else { Mode::Off });
        assert_eq!(current(), before);
    }
}
