//! What this machine does at most, measured: multiply-adds in registers, and copying between main memory.
//!
//! Both run on all threads of the team, several times; the fastest time counts, so that what else runs on the machine
//! matters less. A roof is not a law: a kernel whose operands lie in a cache moves more bytes than a copy
//! between memories does. Divisions and square roots take more than a multiply-add.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::copy::copy_run;
use super::non_temporal;
use crate::runtime::level::{Level, last_level_cache_bytes};
use crate::runtime::team;

/// The most that was seen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Roof {
    /// Bytes read and written a second, by a copy of memory that no cache holds; `None` where there was no memory for it.
    pub bytes_per_second: Option<f64>,
    /// Multiplications and additions a second, in float32.
    pub f32_ops_per_second: f64,
    /// Likewise in float64.
    pub f64_ops_per_second: f64,
    /// Threads that it was measured with.
    pub threads: usize,
}

impl Roof {
    /// This machine's: measured by the first call in a process, which takes a few tens of milliseconds.
    pub fn of_this_machine() -> Roof {
        static ROOF: OnceLock<Roof> = OnceLock::new();
        *ROOF.get_or_init(|| Roof {
            bytes_per_second: copying(),
            f32_ops_per_second: arithmetic::<f32>(),
            f64_ops_per_second: arithmetic::<f64>(),
            threads: team::threads(),
        })
    }
}

/// The fastest of `turns`.
fn fastest(turns: usize, run: impl Fn()) -> f64 {
    let turn = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..turns).map(|_| turn()).min().unwrap_or(Duration::MAX).as_secs_f64().max(1e-9)
}

fn copying() -> Option<f64> {
    /// Bytes of a chunk: long against claiming it, short against the whole.
    const CHUNK: usize = 1 << 20;
    let bytes = last_level_cache_bytes().clamp(32 << 20, 128 << 20).next_multiple_of(CHUNK);
    let zeros = || {
        let mut memory: Vec<u8> = Vec::new();
        memory.try_reserve_exact(bytes).ok()?;
        memory.resize(bytes, 0);
        Some(memory)
    };
    let (source, mut target) = (zeros()?, zeros()?);
    let target = Shared(target.as_mut_ptr());
    let copy = |copy_run: unsafe fn(*const u8, *mut u8, usize)| {
        fastest(3, || {
            team::run(bytes / CHUNK, &|chunk| {
                let start = chunk * CHUNK;
                // SAFETY: both have `bytes` bytes, of which each chunk, run once, has its own.
                unsafe { copy_run(source[start..].as_ptr(), target.at(start), CHUNK) };
                non_temporal::fence();
            });
        })
    };
    // Which stores are faster depends on the CPU.
    let seconds = copy(copy_run).min(copy(non_temporal::copy_run));
    Some(2.0 * bytes as f64 / seconds)
}

/// An address that chunks of one job write at places of their own.
struct Shared(*mut u8);

// SAFETY: whoever writes through the address says why nobody else does.
unsafe impl Sync for Shared {}

impl Shared {
    /// The address some bytes further.
    fn at(&self, offset: usize) -> *mut u8 {
        self.0.wrapping_add(offset)
    }
}

/// Numbers that a round works on: they stay in the first cache.
const NUMBERS: usize = 256;
/// Multiply-adds in a row on each of them, so that loading and storing it do not count.
const IN_A_ROW: usize = 16;

trait Chain: Copy + Send + Sync + 'static {
    const START: Self;
    /// A multiply-add.
    fn step(self) -> Self;
}

/// The CPU's fused multiply-add, where every CPU of the level has it.
#[derive(Clone, Copy)]
struct Fused<T>(T);
/// A multiplication and an addition.
#[derive(Clone, Copy)]
struct Separate<T>(T);

macro_rules! chains {
    ($($float:ty)*) => { $(
        impl Chain for Fused<$float> {
            const START: Self = Fused(0.5);
            #[inline(always)]
            fn step(self) -> Self {
                Fused(self.0.mul_add(0.999, 0.001))
            }
        }
        impl Chain for Separate<$float> {
            const START: Self = Separate(0.5);
            #[inline(always)]
            fn step(self) -> Self {
                Separate(self.0 * 0.999 + 0.001)
            }
        }
        impl Float for $float {
            fn rounds(level: Level) -> unsafe fn(usize) {
                match level {
                    Level::Baseline if cfg!(not(target_arch = "aarch64")) => rounds::<Separate<$float>>(level),
                    Level::Baseline | Level::Avx2 | Level::Avx512 => rounds::<Fused<$float>>(level),
                }
            }
        }
    )* };
}

chains! { f32 f64 }

trait Float {
    fn rounds(level: Level) -> unsafe fn(usize);
}

leveled! {
    /// Does a number of rounds.
    ///
    /// # Safety
    ///
    /// The CPU has the level.
    fn rounds<C: Chain>(count: usize) = rounds_body
}

/// # Safety
///
/// As for [`rounds`].
#[inline(always)]
unsafe fn rounds_body<C: Chain>(count: usize) {
    let mut numbers = black_box([C::START; NUMBERS]);
    for _ in 0..count {
        for number in &mut numbers {
            let mut x = *number;
            for _ in 0..IN_A_ROW {
                x = x.step();
            }
            *number = x;
        }
    }
    black_box(&numbers);
}

fn arithmetic<T: Float>() -> f64 {
    /// Rounds of a chunk: about 0.1 ms.
    const ROUNDS: usize = 1000;
    let rounds = T::rounds(Level::current());
    let chunks = team::threads() * 8;
    // SAFETY: the CPU has the current level.
    let seconds = fastest(4, || team::run(chunks, &|_| unsafe { rounds(ROUNDS) }));
    (2 * chunks * ROUNDS * NUMBERS * IN_A_ROW) as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roofs_are_those_of_a_machine() {
        let roof = Roof::of_this_machine();
        assert!(roof.bytes_per_second.is_none_or(|rate| (1e7..1e14).contains(&rate)), "{roof:?}");
        assert!((1e6..1e16).contains(&roof.f32_ops_per_second), "{roof:?}");
        assert!((1e6..1e16).contains(&roof.f64_ops_per_second), "{roof:?}");
        assert_eq!(Roof::of_this_machine(), roof);
    }
}
