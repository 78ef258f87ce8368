//! What a user may ask of an evaluation.
//!
//! Everything here is part of a plan's key: the same graph under other options is another plan. A further option is a
//! field with a default.

use std::num::NonZeroUsize;

/// What a user may ask of an evaluation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Options {
    /// Which rewrites of float arithmetic are allowed.
    pub fp: FpMode,
    /// The most bytes that a run may allocate, for results and for what is between. Above it, the order of the kernels
    /// is chosen for least memory.
    pub max_memory: Option<usize>,
    /// The most threads that a run may use, the calling one included. No more than the process may.
    pub threads: Option<NonZeroUsize>,
}

impl From<FpMode> for Options {
    /// The defaults, but for the mode.
    fn from(fp: FpMode) -> Options {
        Options { fp, ..Options::default() }
    }
}

/// Which rewrites of float arithmetic are allowed. Each mode allows what those before it do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum FpMode {
    /// Those that keep every bit of every result, NaN payloads aside.
    #[default]
    Strict,
    /// Also a product and a sum rounded once instead of twice.
    Contract,
    /// Also those that hold for real numbers: other rounding, and inputs taken to be neither NaN nor infinite, their
    /// zeros without sign. Functions of mathematics are within 4 units in the last place, not 1, where that takes less time.
    Fast,
}

impl FpMode {
    /// Every mode, narrowest first.
    pub const ALL: [FpMode; 3] = [FpMode::Strict, FpMode::Contract, FpMode::Fast];

    /// The name, as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            FpMode::Strict => "strict",
            FpMode::Contract => "contract",
            FpMode::Fast => "fast",
        }
    }

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<FpMode> {
        FpMode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}
