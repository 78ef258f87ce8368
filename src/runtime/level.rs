//! The SIMD level of this process, and the size of its last-level cache.
//!
//! Kernels exist once per [`Level`]; which one runs is decided here, once. `RAPTORS_LEVEL=baseline|avx2|avx512`
//! lowers the level, to reproduce a report or to measure; it cannot raise it above what the CPU runs. Results have
//! the same bits at every level.
//!
//! Limits: x86-64 only, everything else is [`Level::Baseline`], whose kernels, and on aarch64 whose machine code, have the
//! target's guaranteed features (NEON on aarch64).

use std::cell::Cell;
use std::ffi::OsStr;
use std::fmt;
use std::sync::OnceLock;

/// A set of vector instructions, each containing the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What every CPU of the compiled target has.
    Baseline,
    /// 256-bit vectors: AVX2 and FMA, and the conversions of half-precision floats, F16C.
    Avx2,
    /// 512-bit vectors and masks: AVX-512 F, BW, DQ, VL and CD.
    Avx512,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Level; 3] = [Level::Baseline, Level::Avx2, Level::Avx512];

    /// The level kernels are chosen by: the best this machine runs, or the lower one `RAPTORS_LEVEL` names.
    ///
    /// A `RAPTORS_LEVEL` that is unknown or that this machine lacks is reported once on stderr and ignored.
    pub fn current() -> Level {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let (level, complaint) = choose(std::env::var_os("RAPTORS_LEVEL").as_deref(), best());
            if let Some(complaint) = complaint {
                eprintln!("raptors: {complaint}");
            }
            level
        })
    }

    /// The levels this machine runs, lowest first, whatever `RAPTORS_LEVEL` says.
    pub fn available() -> impl Iterator<Item = Level> {
        let best = best();
        Level::ALL.into_iter().filter(move |&level| level <= best)
    }

    /// The name `RAPTORS_LEVEL` and [`Display`](fmt::Display) use.
    pub fn name(self) -> &'static str {
        match self {
            Level::Baseline => "baseline",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The level a request leads to on a machine whose best is `best`, and what to tell the user who asked for another.
fn choose(requested: Option<&OsStr>, best: Level) -> (Level, Option<String>) {
    let Some(requested) = requested.filter(|value| !value.is_empty()) else { return (best, None) };
    match Level::ALL.into_iter().find(|level| requested == level.name()) {
        Some(level) if level <= best => (level, None),
        Some(level) => {
            (best, Some(format!("RAPTORS_LEVEL={level}: this machine has no {level}; using {best}")))
        }
        None => {
            let names = Level::ALL.map(Level::name).join(", ");
            (best, Some(format!("RAPTORS_LEVEL={}: not one of {names}; using {best}", requested.display())))
        }
    }
}

/// The highest level the CPU has and the operating system saves the registers of.
#[cfg(target_arch = "x86_64")]
fn best() -> Level {
    macro_rules! all { ($($feature:tt),+) => { $(std::arch::is_x86_feature_detected!($feature))&&+ } }
    if !all!("avx2", "fma", "f16c") {
        Level::Baseline
    } else if !all!("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd") {
        Level::Avx2
    } else {
        Level::Avx512
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn best() -> Level {
    Level::Baseline
}

/// Bytes of the last-level cache the first CPU reaches.
///
/// From sysfs on Linux; 32 MiB where it cannot be read. Read once.
pub fn last_level_cache_bytes() -> usize {
    const FALLBACK: usize = 32 << 20;
    static BYTES: OnceLock<usize> = OnceLock::new();
    let bytes = || *BYTES.get_or_init(|| sysfs_last_level_cache_bytes().unwrap_or(FALLBACK));
    ASSUMED.get().unwrap_or_else(bytes)
}

thread_local! {
    static ASSUMED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs `f` with a last-level cache of so many bytes for this thread: of the plans that it makes, what is decided by the
/// size of results is then decided for small ones too. For tests.
pub fn with_last_level_cache_bytes<T>(bytes: usize, f: impl FnOnce() -> T) -> T {
    /// Puts back what was assumed before, also when `f` panics.
    struct Before(Option<usize>);
    impl Drop for Before {
        fn drop(&mut self) {
            ASSUMED.set(self.0);
        }
    }
    let _before = Before(ASSUMED.replace(Some(bytes)));
    f()
}

#[cfg(target_os = "linux")]
fn sysfs_last_level_cache_bytes() -> Option<usize> {
    let caches = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let last = caches.flatten().filter_map(|cache| {
        let read = |file| std::fs::read_to_string(cache.path().join(file)).ok();
        let level: u32 = read("level")?.trim().parse().ok()?;
        let holds_data = read("type")?.trim() != "Instruction";
        holds_data.then_some((level, cache_size(read("size")?.trim())?))
    });
    last.max().map(|(_, bytes)| bytes)
}

#[cfg(not(target_os = "linux"))]
fn sysfs_last_level_cache_bytes() -> Option<usize> {
    None
}

/// Bytes of a sysfs cache size such as `512K` or `32M`; a cache of size zero is an unknown one.
#[cfg(any(target_os = "linux", test))]
fn cache_size(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(['K', 'M']);
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(unit).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_lowers_the_level_and_never_raises_it() {
        use Level::*;
        let level = |requested: Option<&str>, best| choose(requested.map(OsStr::new), best).0;
        assert_eq!(level(None, Avx512), Avx512);
        assert_eq!(level(Some(""), Avx2), Avx2);
        assert_eq!(level(Some("baseline"), Avx512), Baseline);
        assert_eq!(level(Some("avx2"), Avx512), Avx2);
        assert_eq!(level(Some("avx512"), Avx2), Avx2);
        assert_eq!(level(Some("sse9"), Avx2), Avx2);
    }

    #[test]
    fn a_request_that_is_not_met_is_explained() {
        let complaint = |requested: &str, best| choose(Some(OsStr::new(requested)), best).1;
        assert_eq!(complaint("avx2", Level::Avx2), None);
        assert_eq!(
            complaint("avx512", Level::Avx2).as_deref(),
            Some("RAPTORS_LEVEL=avx512: this machine has no avx512; using avx2")
        );
        assert_eq!(
            complaint("AVX", Level::Baseline).as_deref(),
            Some("RAPTORS_LEVEL=AVX: not one of baseline, avx2, avx512; using baseline")
        );
    }

    #[test]
    fn cache_sizes_are_read_with_their_unit() {
        assert_eq!(cache_size("512K"), Some(512 << 10));
        assert_eq!(cache_size("32M"), Some(32 << 20));
        assert_eq!(cache_size("64"), Some(64));
        for unknown in ["0K", "", "K", "1G", "12KM"] {
            assert_eq!(cache_size(unknown), None, "{unknown}");
        }
    }
}
