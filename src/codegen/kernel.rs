//! Kernels: vector programs as code that can be called.
//!
//! [`kernel`] compiles a program for a level, or finds it: kernels are kept by the program's structure, which holds no
//! scalars, addresses or lengths. The cache is bounded and drops what was used longest ago; a kernel in use stays.
//! `RAPTORS_PERF=1` writes a line per kernel to `/tmp/perf-<pid>.map`, from which `perf` names samples.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::exec_memory::{self, Code};
use super::vector::VectorProgram;
use super::x86::{self, Target, Unsupported};
use crate::runtime::level::Level;

/// A stream's address in the first row, and the bytes from a row to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamArgs {
    pub(crate) base: *mut u8,
    pub(crate) row_stride: isize,
}

/// The arguments of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelArgs {
    pub(crate) rows: usize,
    /// Lanes of a row.
    pub(crate) lanes: usize,
    /// The position of a row's first lane.
    pub(crate) position: i64,
    pub(crate) pool: *const u64,
    pub(crate) streams: *const StreamArgs,
}

/// Why there is no kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NoKernel {
    /// The code generator lacks an op.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The level is not one of those that code is generated for.
    #[error("no code is generated for {0}")]
    Level(Level),
    /// The system gives no executable memory.
    #[error("the system refuses executable memory")]
    Refused,
}

/// A compiled vector program.
#[derive(Debug)]
pub(crate) struct Kernel {
    code: Code,
    /// Bytes of the instructions; constants follow.
    instructions: usize,
}

impl Kernel {
    /// Compiles without looking in the cache.
    pub(crate) fn compile(program: &VectorProgram, level: Level) -> Result<Kernel, NoKernel> {
        let target = match level {
            Level::Baseline => return Err(NoKernel::Level(level)),
            Level::Avx2 => Target::Avx2,
            Level::Avx512 => Target::Avx512,
        };
        let compiled = x86::compile(program, target)?;
        let code = exec_memory::install(&compiled.bytes).ok_or(NoKernel::Refused)?;
        perf_map(program, &code);
        Ok(Kernel { code, instructions: compiled.instructions })
    }

    /// The instructions, for disassembly.
    pub(crate) fn code(&self) -> &[u8] {
        &self.code.bytes()[..self.instructions]
    }

    /// Runs the kernel.
    ///
    /// # Safety
    ///
    /// The CPU has the level that the kernel was compiled for. `args.pool` has the entries of the program's pool, `args.streams` an
    /// entry a stream. In each of `args.rows` rows, which are `row_stride` bytes apart, a stream of unit step has
    /// `args.lanes` elements and one of row step has one, readable where it is loaded and writable where it is stored
    /// or the target of a reduction. A stream that is written shares no byte with another, unless both have unit step, elements of one size, and the same
    /// addresses in every row. With reductions, `args.lanes` is at most a block of
    /// [`kernels::reduce`](crate::kernels::reduce) if the result is to be one of its blocks.
    pub(crate) unsafe fn call(&self, args: &KernelArgs) {
        // SAFETY: the code is a function of this type: `x86::compile` makes no other.
        let function: extern "sysv64" fn(*const KernelArgs) =
            unsafe { std::mem::transmute(self.code.address()) };
        function(args);
    }
}

/// Bytes of code that the cache keeps.
const MOST_BYTES: usize = 8 << 20;

#[derive(Default)]
struct Cache {
    kernels: FxHashMap<(VectorProgram, Level), Entry>,
    bytes: usize,
    /// Counts look-ups.
    now: u64,
}

struct Entry {
    kernel: Result<Arc<Kernel>, NoKernel>,
    used: u64,
}

static CACHE: Mutex<Option<Cache>> = Mutex::new(None);

/// The kernel of a program, compiled if it is not in the cache.
pub(crate) fn kernel(program: &VectorProgram, level: Level) -> Result<Arc<Kernel>, NoKernel> {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get_or_insert_default().kernel(program, level)
}

impl Cache {
    fn kernel(&mut self, program: &VectorProgram, level: Level) -> Result<Arc<Kernel>, NoKernel> {
        self.now += 1;
        let key = (program.clone(), level);
        if let Some(entry) = self.kernels.get_mut(&key) {
            entry.used = self.now;
            return entry.kernel.clone();
        }
        let kernel = Kernel::compile(program, level).map(Arc::new);
        self.bytes += size(&kernel);
        self.kernels.insert(key, Entry { kernel: kernel.clone(), used: self.now });
        if self.bytes > MOST_BYTES {
            self.evict();
        }
        kernel
    }

    /// Drops the half that was used longest ago.
    fn evict(&mut self) {
        let mut used: Vec<u64> = self.kernels.values().map(|entry| entry.used).collect();
        let middle = used.len() / 2;
        let (_, &mut limit, _) = used.select_nth_unstable(middle);
        self.kernels.retain(|_, entry| entry.used >= limit);
        self.bytes = self.kernels.values().map(|entry| size(&entry.kernel)).sum();
    }
}

/// Bytes that an entry counts for; those without code count for their key.
fn size(kernel: &Result<Arc<Kernel>, NoKernel>) -> usize {
    kernel.as_ref().map_or(1 << 10, |kernel| kernel.code.bytes().len())
}

/// Names the code for `perf`, if the user asked for it.
fn perf_map(program: &VectorProgram, code: &Code) {
    use std::io::Write;
    use std::sync::OnceLock;
    static IS_ON: OnceLock<bool> = OnceLock::new();
    if !*IS_ON.get_or_init(|| std::env::var_os("RAPTORS_PERF").is_some_and(|value| value == "1")) {
        return;
    }
    let hash = std::hash::BuildHasher::hash_one(&rustc_hash::FxBuildHasher, program);
    let line = format!(
        "{:x} {:x} raptors:{hash:016x}:{}\n",
        code.address().addr(),
        code.bytes().len(),
        program.insts.len()
    );
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // A profile without names is no reason to fail.
    if let Ok(mut file) = file {
        let _ = file.write_all(line.as_bytes());
    }
}
