//! Kernels: vector programs as code that can be called.
//!
//! [`kernel`] compiles a program for a level, or finds it: kernels are kept by the program's structure, which
//! holds no scalars, addresses or lengths. The cache is bounded and drops what was used longest ago; a kernel
//! in use stays. `RAPTORS_PERF=1` writes a line per kernel to `/tmp/perf-<pid>.map`, from which `perf` names
//! samples.

use std::sync::{Arc, Mutex, TryLockError};

use rustc_hash::FxHashMap;

use super::exec_memory::{self, Code};
use super::machine::Unsupported;
use super::vector::VectorProgram;
use super::{neon, x86};
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
        let compiled = match level {
            Level::Baseline if has_code(level) => neon::compile(program)?,
            Level::Baseline => return Err(NoKernel::Level(level)),
            Level::Avx2 => x86::compile(program, x86::Target::Avx2)?,
            Level::Avx512 if clocks_lower_with_wide_vectors() => {
                x86::compile(program, x86::Target::Avx512At256)?
            }
            Level::Avx512 => x86::compile(program, x86::Target::Avx512)?,
        };
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
    /// The CPU has the level that the kernel was compiled for. `args.pool` has the entries of the program's
    /// pool, `args.streams` an entry a stream. In each of `args.rows` rows, which are `row_stride` bytes
    /// apart, a stream of unit step has `args.lanes` elements, one of pairs twice as many, and one of row step
    /// has one, readable where it is loaded and writable where it is stored or the target of a reduction. A
    /// stream that is written shares no byte with another, unless neither has row step, lanes of both take the
    /// same bytes, and both have the same addresses in every row. With reductions, `args.lanes` is at most a block of
    /// [`kernels::reduce`](crate::kernels::reduce) if the result is to be one of its blocks, or a place.
    pub(crate) unsafe fn call(&self, args: &KernelArgs) {
        // SAFETY: the code is a function of this type: no code generator makes another.
        let function: Function = unsafe { std::mem::transmute(self.code.address()) };
        function(args);
    }
}

/// Whether code is generated for a level. The baseline of aarch64 has NEON.
pub(crate) fn has_code(level: Level) -> bool {
    match level {
        Level::Baseline => cfg!(target_arch = "aarch64"),
        Level::Avx2 | Level::Avx512 => true,
    }
}

/// Whether this CPU is one that lowers its clock for 64-byte vectors: Skylake and Cascade Lake servers.
fn clocks_lower_with_wide_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__cpuid;
        use std::sync::OnceLock;
        static ANSWER: OnceLock<bool> = OnceLock::new();
        *ANSWER.get_or_init(|| {
            let is_intel = __cpuid(0).ecx == u32::from_le_bytes(*b"ntel");
            let signature = __cpuid(1).eax;
            let family = signature >> 8 & 15;
            let model = signature >> 4 & 15 | signature >> 12 & 0xf0;
            is_intel && family == 6 && model == 0x55
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What code is.
#[cfg(target_arch = "x86_64")]
pub(super) type Function = extern "sysv64" fn(*const KernelArgs);

/// What code is on aarch64. Never called elsewhere: other architectures install no code.
#[cfg(not(target_arch = "x86_64"))]
pub(super) type Function = extern "C" fn(*const KernelArgs);

/// Bytes of code that the cache keeps.
const MOST_BYTES: usize = 8 << 20;

#[derive(Default)]
struct Cache {
    /// By level, then by program.
    kernels: FxHashMap<Level, FxHashMap<VectorProgram, Entry>>,
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
    let mut cache = match CACHE.try_lock() {
        Ok(cache) => cache,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Another thread compiles, or did when this process was forked from one where it still has the lock.
        // To compile again takes less time than most waits.
        Err(TryLockError::WouldBlock) => return Kernel::compile(program, level).map(Arc::new),
    };
    cache.get_or_insert_default().kernel(program, level)
}

/// Forgets every kernel that is not in use, unless another thread looks for one.
pub(crate) fn clear() {
    match CACHE.try_lock() {
        Ok(mut cache) => *cache = None,
        Err(TryLockError::Poisoned(poisoned)) => *poisoned.into_inner() = None,
        Err(TryLockError::WouldBlock) => {}
    }
}

impl Cache {
    fn kernel(&mut self, program: &VectorProgram, level: Level) -> Result<Arc<Kernel>, NoKernel> {
        self.now += 1;
        let kernels = self.kernels.entry(level).or_default();
        if let Some(entry) = kernels.get_mut(program) {
            entry.used = self.now;
            return entry.kernel.clone();
        }
        let kernel = Kernel::compile(program, level).map(Arc::new);
        self.bytes += size(&kernel);
        kernels.insert(program.clone(), Entry { kernel: kernel.clone(), used: self.now });
        if self.bytes > MOST_BYTES {
            self.evict();
        }
        kernel
    }

    /// Drops the half that was used longest ago.
    fn evict(&mut self) {
        let entries = || self.kernels.values().flat_map(FxHashMap::values);
        let mut used: Vec<u64> = entries().map(|entry| entry.used).collect();
        let middle = used.len() / 2;
        let (_, &mut limit, _) = used.select_nth_unstable(middle);
        for kernels in self.kernels.values_mut() {
            kernels.retain(|_, entry| entry.used >= limit);
        }
        let entries = self.kernels.values().flat_map(FxHashMap::values);
        self.bytes = entries.map(|entry| size(&entry.kernel)).sum();
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

#[cfg(all(test, any(target_os = "linux", all(target_os = "macos", target_arch = "aarch64"))))]
mod tests {
    use super::*;
    use crate::codegen::vector::{Accumulation, Combine, Outcome, Step, Stream, StreamId, Type, VectorOp};
    use crate::kernels::reduce::{block, reduce};
    use raptors_ir::{DType, ReduceOp};

    /// A stream times so many constants.
    fn products(count: u16) -> VectorProgram {
        let mut program = VectorProgram { pool: count, ..VectorProgram::default() };
        let stream = Stream { ty: Type::F32, step: Step::Unit };
        program.streams = vec![stream, stream];
        let mut x = program.push(VectorOp::Load(StreamId(0)), &[], Type::F32);
        for entry in 0..count {
            let c = program.push(VectorOp::Splat(entry), &[], Type::F32);
            x = program.push(VectorOp::Mul, &[x, c], Type::F32);
        }
        program.stores.push((x, StreamId(1)));
        program
    }

    fn run(kernel: &Kernel, x: &[f32], pool: &[f32]) -> Vec<f32> {
        let pool: Vec<u64> = pool.iter().map(|c| c.to_bits().into()).collect();
        let mut y = vec![0f32; x.len()];
        let streams = [x.as_ptr().cast_mut().cast::<u8>(), y.as_mut_ptr().cast()]
            .map(|base| StreamArgs { base, row_stride: 0 });
        let args = KernelArgs {
            rows: 1,
            lanes: x.len(),
            position: 0,
            pool: pool.as_ptr(),
            streams: streams.as_ptr(),
        };
        // SAFETY: the kernel is for a level of this machine, and both streams have `lanes` elements of its
        // type.
        unsafe { kernel.call(&args) };
        y
    }

    #[test]
    fn programs_that_differ_in_constants_share_a_kernel() {
        for level in Level::available().filter(|&level| has_code(level)) {
            let mut cache = Cache::default();
            let program = products(2);
            let first = cache.kernel(&program, level).unwrap();
            let again = cache.kernel(&program.clone(), level).unwrap();
            assert!(Arc::ptr_eq(&first, &again));
            let x: Vec<f32> = (0..100).map(|n| n as f32).collect();
            for factor in [2.0, 3.0] {
                let expected: Vec<f32> = x.iter().map(|x| x * factor * 0.5).collect();
                assert_eq!(run(&first, &x, &[factor, 0.5]), expected);
            }
        }
    }

    #[test]
    fn the_cache_is_bounded_and_drops_what_was_used_longest_ago() {
        for level in Level::available().filter(|&level| has_code(level)) {
            let mut cache = Cache::default();
            for count in 1..=20 {
                cache.kernel(&products(count), level).unwrap();
            }
            let kept = cache.kernel(&products(1), level).unwrap();
            let bytes = cache.bytes;
            cache.evict();
            assert!(cache.bytes < bytes);
            let kernels = &cache.kernels[&level];
            assert_eq!(kernels.len(), 10);
            assert!(kernels.contains_key(&products(1)) && !kernels.contains_key(&products(2)));
            // What was dropped from the cache but is held can still be called.
            cache.kernels.clear();
            assert_eq!(run(&kept, &[3.0], &[2.0]), [6.0]);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn forgotten_kernels_can_still_be_called() {
        for level in Level::available().filter(|&level| level != Level::Baseline) {
            let held = kernel(&products(3), level).unwrap();
            clear();
            assert_eq!(run(&held, &[3.0], &[2.0, 0.5, 4.0]), [12.0]);
            let again = kernel(&products(3), level).unwrap();
            assert_eq!(run(&again, &[3.0], &[2.0, 0.5, 4.0]), [12.0]);
        }
    }

    /// That of aarch64 has vectors.
    #[cfg(not(target_arch = "aarch64"))]
    #[test]
    fn the_baseline_has_no_kernels() {
        let refused = kernel(&products(1), Level::Baseline).map(|_| ());
        assert_eq!(refused, Err(NoKernel::Level(Level::Baseline)));
    }

    #[test]
    fn rows_are_reduced_by_the_tree_of_the_interpreter() {
        let cases = [
            (ReduceOp::Sum, DType::F32, Combine::Add, Type::F32),
            (ReduceOp::Sum, DType::F64, Combine::Add, Type::F64),
            (ReduceOp::Prod, DType::F32, Combine::Mul, Type::F32),
            (ReduceOp::Min, DType::F32, Combine::Min, Type::F32),
            (ReduceOp::Max, DType::F64, Combine::Max, Type::F64),
            (ReduceOp::Sum, DType::I64, Combine::Add, Type::I64),
            (ReduceOp::Min, DType::I16, Combine::MinSigned, Type::I16),
            (ReduceOp::Max, DType::U32, Combine::MaxUnsigned, Type::I32),
            (ReduceOp::Prod, DType::I8, Combine::Mul, Type::I8),
        ];
        for level in Level::available().filter(|&level| has_code(level)) {
            for (op, dtype, combine, ty) in cases {
                let most = block(dtype);
                for n in [0, 1, 7, 32, 100, 128, 129, 1000, most - 1, most] {
                    let interpreter = reduce(op, dtype, level).unwrap();
                    assert_reduces(combine, ty, n, level, |x, out| {
                        // SAFETY: `x` has `n` elements of the type, and `out` room for one.
                        unsafe { (interpreter.row)(x.as_ptr(), n, out.as_mut_ptr()) };
                    });
                }
            }
        }
    }

    fn assert_reduces(
        combine: Combine,
        ty: Type,
        n: usize,
        level: Level,
        by_definition: impl Fn(&[u8], &mut [u8; 8]),
    ) {
        let streams = vec![Stream { ty, step: Step::Unit }, Stream { ty, step: Step::Row }];
        let mut program = VectorProgram { streams, ..VectorProgram::default() };
        let value = program.push(VectorOp::Load(StreamId(0)), &[], ty);
        let outcome = Outcome::Value;
        program.accumulations.push(Accumulation { combine, value, target: StreamId(1), outcome });
        // Floats around 1 whose sums round; every other row has a NaN.
        let element = |row: usize, i: usize| {
            let x = 0.9 + 0.2 * ((i * 7919 + row) % 1013) as f64 / 1013.0;
            let x = if row % 2 == 1 && i % 977 == 5 { f64::NAN } else { x };
            match ty {
                Type::F32 => u64::from((x as f32).to_bits()).to_le_bytes(),
                Type::F64 => x.to_bits().to_le_bytes(),
                _ => ((i + row) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes(),
            }
        };
        let row = |row: usize| (0..n).flat_map(move |i| element(row, i).into_iter().take(ty.size()));
        let rows = 3;
        let x: Vec<u8> = (0..rows).flat_map(row).collect();
        let mut y = vec![0u8; rows * ty.size()];
        let streams = [
            StreamArgs { base: x.as_ptr().cast_mut(), row_stride: (n * ty.size()) as isize },
            StreamArgs { base: y.as_mut_ptr(), row_stride: ty.size() as isize },
        ];
        let pool = std::ptr::null();
        let args = KernelArgs { rows, lanes: n, position: 0, pool, streams: streams.as_ptr() };
        let Ok(kernel) = Kernel::compile(&program, level) else { panic!("no kernel of {program}") };
        // SAFETY: the kernel is for a level of this machine; there are `rows` rows of `n` elements, and as
        // many results.
        unsafe { kernel.call(&args) };
        for (row, actual) in y.chunks(ty.size()).enumerate() {
            let mut expected = [0; 8];
            by_definition(&x[row * n * ty.size()..], &mut expected);
            let mut bits = [0; 8];
            bits[..ty.size()].copy_from_slice(actual);
            let is_nan = |bytes: [u8; 8]| match ty {
                Type::F32 => f32::from_bits(u64::from_le_bytes(bytes) as u32).is_nan(),
                Type::F64 => f64::from_le_bytes(bytes).is_nan(),
                _ => false,
            };
            let same = bits == expected || is_nan(bits) && is_nan(expected);
            assert!(same, "{combine:?} {ty:?} {level} n {n} row {row}: {bits:x?}, not {expected:x?}");
        }
    }
}
