//! The thread team, the buffer pool and the level, against what callers rely on.
//!
//! The pool and the team belong to the process, so each test that looks at them runs in a process of its own, under a
//! deadline: a hang, at its end too, is a failure.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

use raptors::runtime::buffer::{self, Buffer};
use raptors::runtime::level::{self, Level};
use raptors::runtime::{memory, team};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{is_emulated, this_binary};

const MIB: usize = 1 << 20;

/// What a process printed.
struct Printed {
    stdout: String,
    stderr: String,
}

/// Runs `body`, of the test called `test`, in a process of its own with these variables; `None` there.
fn alone_with(variables: &[(&str, &str)], test: &str, body: fn()) -> Option<Printed> {
    const MARK: &str = "RAPTORS_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        body();
        return None;
    }
    let mut command = this_binary();
    command.args(["--exact", &format!("runtime::{test}"), "--test-threads=1", "--nocapture"]);
    for name in ["RAPTORS_NUM_THREADS", "OMP_NUM_THREADS", "RAPTORS_LEVEL"] {
        command.env_remove(name);
    }
    command.env(MARK, test).envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut hangs = false;
    while !hangs && process.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(2));
        hangs = Instant::now() > deadline;
    }
    if hangs {
        process.kill().unwrap();
    }
    let output = process.wait_with_output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let passed = output.status.success() && stdout.contains("1 passed");
    assert!(passed, "{test}: {}, hangs: {hangs}\n{stdout}\n{stderr}", output.status);
    Some(Printed { stdout, stderr })
}

fn alone(test: &str, body: fn()) {
    alone_with(&[], test, body);
}

/// Numbers that look random, from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

/// Runs `chunks` chunks of about `weight` steps and checks that each ran once.
fn run_and_count(chunks: usize, weight: usize) {
    let runs: Vec<AtomicUsize> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
    team::run(chunks, &|chunk| {
        for step in 0..weight {
            std::hint::black_box(step);
        }
        runs[chunk].fetch_add(1, SeqCst);
    });
    let runs: Vec<usize> = runs.into_iter().map(AtomicUsize::into_inner).collect();
    assert_eq!(runs, vec![1; chunks]);
}

#[test]
fn every_chunk_runs_once() {
    alone("every_chunk_runs_once", || {
        let mut numbers = Numbers(1);
        let end = Instant::now() + Duration::from_millis(600);
        while Instant::now() < end {
            team::set_threads(1 + numbers.below(8));
            let weight = [0, 10, 1000, 20_000][numbers.below(4)];
            run_and_count(numbers.below(20), weight);
        }
        run_and_count(100_000, 0);
    });
}

#[test]
fn nested_and_concurrent_callers_get_every_chunk() {
    alone("nested_and_concurrent_callers_get_every_chunk", || {
        team::set_threads(4);
        let end = Instant::now() + Duration::from_millis(500);
        thread::scope(|scope| {
            for seed in 1..=3 {
                scope.spawn(move || {
                    let mut numbers = Numbers(seed);
                    while Instant::now() < end {
                        run_and_count(numbers.below(12), 100);
                        let inner = numbers.below(6);
                        team::run(4, &|_| run_and_count(inner, 50));
                    }
                });
            }
        });
    });
}

#[test]
fn chunks_run_beside_each_other_on_named_workers() {
    alone("chunks_run_beside_each_other_on_named_workers", || {
        team::set_threads(3);
        let (names, arrived) = (Mutex::new(HashSet::new()), AtomicUsize::new(0));
        team::run(3, &|_| {
            names.lock().unwrap().insert(thread::current().name().unwrap().to_owned());
            arrived.fetch_add(1, SeqCst);
            let deadline = Instant::now() + Duration::from_secs(20);
            while arrived.load(SeqCst) < 3 && Instant::now() < deadline {
                thread::yield_now();
            }
        });
        let mut names = names.into_inner().unwrap();
        assert!(names.remove(thread::current().name().unwrap()), "the caller works too");
        assert_eq!(names, HashSet::from(["raptors-1".to_owned(), "raptors-2".to_owned()]));
    });
}

#[test]
fn fewer_threads_are_fewer_threads() {
    alone("fewer_threads_are_fewer_threads", || {
        let threads_seen = |threads| {
            team::set_threads(threads);
            assert_eq!(team::threads(), threads);
            let seen = Mutex::new(HashSet::new());
            team::run(200, &|_| {
                seen.lock().unwrap().insert(thread::current().id());
                thread::sleep(Duration::from_micros(200));
            });
            seen.into_inner().unwrap().len()
        };
        assert!(threads_seen(6) <= 6);
        thread::sleep(Duration::from_millis(50));
        assert!(threads_seen(2) <= 2, "the other four workers leave the chunks alone");
        assert_eq!(threads_seen(1), 1);
    });
}

#[test]
fn the_thread_count_comes_from_the_environment() {
    let test = "the_thread_count_comes_from_the_environment";
    let expect_three: fn() = || assert_eq!(team::threads(), 3);
    alone_with(&[("RAPTORS_NUM_THREADS", "3"), ("OMP_NUM_THREADS", "5")], test, expect_three);
    alone_with(&[("OMP_NUM_THREADS", "3,2")], test, expect_three);
}

#[test]
fn without_a_request_there_is_a_thread_a_cpu() {
    alone("without_a_request_there_is_a_thread_a_cpu", || {
        let cpus = thread::available_parallelism().unwrap().get();
        assert_eq!(team::threads(), cpus);
        team::set_threads(7);
        team::set_threads(0);
        assert_eq!(team::threads(), cpus);
    });
}

#[test]
fn a_panic_in_a_chunk_reaches_the_caller() {
    alone("a_panic_in_a_chunk_reaches_the_caller", || {
        std::panic::set_hook(Box::new(|_| {}));
        for threads in [1, 2, 4] {
            team::set_threads(threads);
            for chunks in [1, 2, 50] {
                for culprit in [0, chunks - 1] {
                    let running = AtomicUsize::new(0);
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        team::run(chunks, &|chunk| {
                            running.fetch_add(1, SeqCst);
                            thread::sleep(Duration::from_micros(20));
                            running.fetch_sub(1, SeqCst);
                            assert!(chunk != culprit, "chunk {chunk} fails");
                        });
                    }));
                    let payload = caught.unwrap_err();
                    assert_eq!(payload.downcast_ref(), Some(&format!("chunk {culprit} fails")));
                    assert_eq!(running.into_inner(), 0, "a chunk still runs after `run` has returned");
                    run_and_count(20, 10);
                }
            }
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_keeps_the_cpus_it_is_allowed_on() {
    fn allowed() -> libc::cpu_set_t {
        // SAFETY: `cpu_set_t` is integers, so all zeros is one; the call writes no more than its size.
        unsafe {
            let mut set = std::mem::zeroed();
            assert_eq!(libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set), 0);
            set
        }
    }
    alone("a_worker_keeps_the_cpus_it_is_allowed_on", || {
        team::set_threads(2);
        let callers = allowed();
        for _ in 0..200 {
            team::run(8, &|_| {
                // SAFETY: compares two sets.
                assert!(unsafe { libc::CPU_EQUAL(&allowed(), &callers) });
                thread::sleep(Duration::from_micros(50));
            });
        }
    });
}

/// Forks, runs `body` in the child, and waits for it there to end well.
#[cfg(unix)]
fn in_forked_child(body: impl FnOnce()) {
    // SAFETY: the child uses the pool and the team, which say they survive, and `malloc`, which does on the systems
    // this is tested on; it leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends a child that hangs.
        unsafe { libc::alarm(20) };
        let failed = catch_unwind(AssertUnwindSafe(body)).is_err();
        // SAFETY: leaves without running the parent's exit handlers.
        unsafe { libc::_exit(failed.into()) };
    }
    assert!(child > 0, "fork failed");
    let mut status = -1;
    // SAFETY: waits for this function's own child.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child failed or hung");
}

#[cfg(unix)]
#[test]
fn a_forked_child_uses_the_team_and_the_pool() {
    alone("a_forked_child_uses_the_team_and_the_pool", || {
        team::set_threads(3);
        let kept = written(16 * MIB, 7);
        drop(written(16 * MIB, 8));
        run_and_count(50, 1000);
        in_forked_child(|| {
            let reuses = memory::stats().reuses;
            let buffer = written(16 * MIB, 9);
            assert_eq!(memory::stats().reuses, reuses + 1, "the child inherits idle buffers");
            drop(buffer);
            assert!(holds(&kept, 7));
            for _ in 0..50 {
                run_and_count(50, 1000);
            }
            in_forked_child(|| run_and_count(50, 1000));
        });
        run_and_count(50, 1000);
        assert!(holds(&kept, 7));
    });
}

#[cfg(unix)]
#[test]
fn a_fork_beside_busy_threads_leaves_no_lock_stuck() {
    if is_emulated() {
        eprintln!(
            "not tested: a child of qemu waits for locks of qemu's own, held by threads it does not have"
        );
        return;
    }
    alone("a_fork_beside_busy_threads_leaves_no_lock_stuck", || {
        team::set_threads(3);
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            for seed in 1..=2 {
                let stop = &stop;
                scope.spawn(move || {
                    let mut numbers = Numbers(seed);
                    while !stop.load(SeqCst) {
                        let buffers: Vec<Buffer> =
                            (0..8).map(|_| Buffer::allocate(1 << numbers.below(20)).unwrap()).collect();
                        team::run(3, &|_| drop(Buffer::allocate(100).unwrap()));
                        drop(buffers);
                    }
                });
            }
            for _ in 0..40 {
                in_forked_child(|| {
                    for power in 0..22 {
                        drop(Buffer::allocate(1 << power).unwrap());
                    }
                    run_and_count(6, 10);
                    memory::trim();
                });
            }
            stop.store(true, SeqCst);
        });
    });
}

/// A buffer whose bytes are all `value`.
fn written(bytes: usize, value: u8) -> Buffer {
    let mut buffer = Buffer::allocate(bytes).unwrap();
    // SAFETY: the buffer has this capacity and nobody else refers to it.
    unsafe { buffer.as_mut_ptr().write_bytes(value, buffer.capacity()) };
    buffer
}

/// Whether all bytes of a buffer from [`written`] are `value`.
fn holds(buffer: &Buffer, value: u8) -> bool {
    // SAFETY: `written` has initialised the whole capacity.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr(), buffer.capacity()) };
    bytes.iter().all(|&byte| byte == value)
}

#[test]
fn buffers_are_aligned_and_as_large_as_asked() {
    for bytes in
        [0, 1, 63, 64, 65, 4096, 32 << 10, (32 << 10) + 1, MIB, 2 * MIB - 1, 2 * MIB, 3 * MIB, 5 * MIB]
    {
        let buffer = written(bytes, 1);
        assert_eq!(buffer.len(), bytes);
        assert_eq!(buffer.is_empty(), bytes == 0);
        assert!(buffer.capacity() >= bytes);
        assert_eq!(Some(buffer.capacity()), buffer::capacity_for(bytes));
        assert_eq!(buffer.as_ptr() as usize % buffer::ALIGNMENT, 0, "{bytes} bytes");
        if cfg!(target_os = "linux") && bytes >= buffer::HUGE_PAGE_BYTES {
            assert_eq!(buffer.as_ptr() as usize % buffer::HUGE_PAGE_BYTES, 0, "{bytes} bytes");
        }
    }
}

#[test]
fn the_last_buffer_dropped_is_the_next_allocated() {
    alone("the_last_buffer_dropped_is_the_next_allocated", || {
        for bytes in [8, 4096, 100_000, 3 * MIB] {
            let (first, second) = (written(bytes, 1), written(bytes, 2));
            let (first_start, second_start) = (first.as_ptr(), second.as_ptr());
            drop(first);
            drop(second);
            // A request of nearly the size is met by the same block.
            let (third, fourth) = (written(bytes - 1, 3), written(bytes, 4));
            assert_eq!((third.as_ptr(), fourth.as_ptr()), (second_start, first_start), "{bytes} bytes");
        }
    });
}

/// Page faults of this process that needed no disk.
#[cfg(unix)]
fn page_faults() -> i64 {
    // SAFETY: `rusage` is integers, so all zeros is one; the call fills it.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage.ru_minflt as i64
    }
}

#[cfg(unix)]
#[test]
fn alternating_two_buffers_keeps_both_warm() {
    alone("alternating_two_buffers_keeps_both_warm", || {
        let mut previous = written(16 * MIB, 0);
        previous = std::mem::replace(&mut previous, written(16 * MIB, 1));
        let before = page_faults();
        for value in 0..20 {
            previous = written(16 * MIB, value);
        }
        let faults = page_faults() - before;
        assert!(faults < 8, "{faults} page faults in 20 results");
        assert!(holds(&previous, 19));
    });
}

#[test]
fn buffers_may_be_dropped_on_another_thread() {
    alone("buffers_may_be_dropped_on_another_thread", || {
        let sizes = [100, 4096, 40_000, 3 * MIB];
        for _ in 0..3 {
            let buffers = thread::spawn(move || sizes.map(|bytes| written(bytes, 5))).join().unwrap();
            let (sender, receiver) = std::sync::mpsc::channel::<Buffer>();
            let dropper = thread::spawn(move || receiver.iter().all(|buffer| holds(&buffer, 5)));
            for buffer in buffers {
                sender.send(buffer).unwrap();
            }
            drop(sender);
            assert!(dropper.join().unwrap());
        }
        let stats = memory::stats();
        assert_eq!(stats.in_use_bytes, 0);
        assert!(stats.idle_bytes > 3 * MIB);
        assert_eq!(stats.allocations, 12);
    });
}

#[test]
fn buffers_in_use_never_overlap() {
    alone("buffers_in_use_never_overlap", || {
        let end = Instant::now() + Duration::from_millis(300);
        thread::scope(|scope| {
            for seed in 1..=3 {
                scope.spawn(move || {
                    let mut numbers = Numbers(seed);
                    let mut held: Vec<(u8, Buffer)> = Vec::new();
                    while Instant::now() < end {
                        let value = numbers.below(256) as u8;
                        held.push((value, written(1 << numbers.below(18), value)));
                        while held.len() > numbers.below(20) {
                            let (value, buffer) = held.swap_remove(numbers.below(held.len()));
                            assert!(holds(&buffer, value));
                        }
                    }
                });
            }
        });
        assert_eq!(memory::stats().in_use_bytes, 0);
    });
}

#[test]
fn memory_that_does_not_exist_is_an_error() {
    for bytes in [1 << 48, 1 << 60, isize::MAX as usize, usize::MAX] {
        let error = Buffer::allocate(bytes).unwrap_err();
        assert_eq!(error.bytes, bytes);
        assert!(error.to_string().starts_with(&format!("allocate: the system refuses {bytes} bytes")));
    }
}

/// Bytes of this process: field 0 is what is mapped, field 1 what is resident.
#[cfg(target_os = "linux")]
fn statm_bytes(field: usize) -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(field).unwrap().parse().unwrap();
    // SAFETY: reads a constant of the system.
    pages * usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn idle_memory_and_rounding_give_way_when_the_system_is_full() {
    if is_emulated() {
        eprintln!("not tested: qemu bounds no address space");
        return;
    }
    alone("idle_memory_and_rounding_give_way_when_the_system_is_full", || {
        let most = (statm_bytes(0) + 100 * MIB) as u64;
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: bounds the address space of this process.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        drop(Buffer::allocate(60 * MIB).unwrap());
        assert_eq!(memory::stats().idle_bytes, 64 * MIB);
        let buffer = Buffer::allocate(70 * MIB).unwrap();
        assert_eq!(memory::stats().idle_bytes, 0, "idle bytes go first");
        assert_eq!(buffer.capacity(), 96 * MIB);
        drop(buffer);
        let buffer = written(97 * MIB, 1);
        assert_eq!(buffer.capacity(), 98 * MIB, "then the rounding to 128 MiB");
        let error = Buffer::allocate(20 * MIB).unwrap_err();
        assert_eq!((error.bytes, error.in_use_bytes), (20 * MIB, 98 * MIB));
        drop(buffer);
        assert_eq!(memory::stats().idle_bytes, 0, "a capacity between classes is not kept");
        written(20 * MIB, 1);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn trim_gives_idle_memory_back() {
    alone("trim_gives_idle_memory_back", || {
        let kept = written(MIB, 1);
        let buffers: Vec<Buffer> = [100, 4096, 100_000, MIB, 64 * MIB]
            .into_iter()
            .cycle()
            .take(25)
            .map(|bytes| written(bytes, 2))
            .collect();
        drop(buffers);
        let (idle_bytes, resident) = (memory::stats().idle_bytes, statm_bytes(1));
        assert!(idle_bytes >= 5 * 65 * MIB, "{idle_bytes} bytes idle");
        assert_eq!(memory::trim(), idle_bytes);
        let given_back = resident - statm_bytes(1);
        assert!(given_back >= 5 * 64 * MIB, "{given_back} bytes given back");
        assert_eq!(memory::stats().idle_bytes, 0);
        assert_eq!(memory::stats().in_use_bytes, MIB);
        assert!(holds(&kept, 1));
        assert_eq!(memory::trim(), 0);
    });
}

#[test]
fn what_lies_idle_respects_the_limit() {
    alone("what_lies_idle_respects_the_limit", || {
        let default = memory::limit();
        assert!(0 < default && default <= 1 << 30, "{default}");
        memory::set_limit(44 * MIB);
        let (old, smaller, new) = (written(16 * MIB, 1), written(12 * MIB, 1), written(16 * MIB, 1));
        let (smaller_start, new_start) = (smaller.as_ptr(), new.as_ptr());
        for buffer in [old, smaller, new] {
            drop(buffer);
            assert!(memory::stats().idle_bytes <= 44 * MIB);
        }
        let (smaller, new) = (written(12 * MIB, 1), written(16 * MIB, 1));
        assert_eq!((smaller.as_ptr(), new.as_ptr()), (smaller_start, new_start), "the longest idle one went");
        assert_eq!(memory::stats().idle_bytes, 0);
        drop(smaller);
        drop(Buffer::allocate(64 * MIB).unwrap());
        assert_eq!(memory::stats().idle_bytes, 12 * MIB, "what is above the limit alone evicts nothing");

        drop(Buffer::allocate(100).unwrap());
        memory::set_limit(13 * MIB);
        drop(new);
        drop(Buffer::allocate(100).unwrap());
        assert!(memory::stats().idle_bytes <= 13 * MIB);
        memory::set_limit(0);
        assert_eq!(memory::stats().idle_bytes, 0, "what is idle now goes now");
        drop((Buffer::allocate(100).unwrap(), Buffer::allocate(MIB).unwrap()));
        assert_eq!(memory::stats().idle_bytes, 0);
    });
}

#[test]
fn the_figures_add_up() {
    alone("the_figures_add_up", || {
        assert_eq!(memory::stats(), memory::MemoryStats::default());
        let (large, small) = (Buffer::allocate(5 * MIB).unwrap(), Buffer::allocate(100).unwrap());
        drop(Buffer::allocate(0).unwrap());
        drop(large);
        drop(Buffer::allocate(6 * MIB).unwrap());
        let stats = memory::stats();
        assert_eq!(stats.in_use_bytes, 128);
        assert_eq!(stats.idle_bytes, 6 * MIB);
        assert_eq!(stats.peak_bytes, 6 * MIB + 128);
        assert_eq!((stats.allocations, stats.reuses), (3, 1));
        memory::reset_peak();
        drop(small);
        assert_eq!(memory::stats().peak_bytes, 128);
    });
}

#[test]
fn the_level_is_the_best_unless_the_environment_lowers_it() {
    let test = "the_level_is_the_best_unless_the_environment_lowers_it";
    let level_and_complaints = |variables: &[(&str, &str)]| {
        let printed = alone_with(variables, test, || {
            println!("the level is {}.", Level::current());
            Level::current();
        })?;
        let level = Level::ALL.into_iter().find(|level| printed.stdout.contains(&format!("is {level}.")));
        Some((level.unwrap(), printed.stderr.matches("raptors: RAPTORS_LEVEL=").count()))
    };
    let Some(by_default) = level_and_complaints(&[]) else { return };
    let best = Level::available().last().unwrap();
    assert_eq!(by_default, (best, 0));
    assert_eq!(level_and_complaints(&[("RAPTORS_LEVEL", "baseline")]), Some((Level::Baseline, 0)));
    assert_eq!(level_and_complaints(&[("RAPTORS_LEVEL", "sse9")]), Some((best, 1)));
    let levels: Vec<Level> = Level::available().collect();
    assert!(levels.starts_with(&[Level::Baseline]) && levels.is_sorted());
    assert!(level::last_level_cache_bytes() >= 64 << 10);
}
