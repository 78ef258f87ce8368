//! The thread team: runs the chunks of one job on the calling thread and on a few workers.
//!
//! The caller publishes a job and works on it itself; chunks are claimed one at a time; workers that find nothing to
//! claim park at once. The caller waits only for chunks a worker has already claimed, never for a worker to arrive: on
//! a busy machine, where a worker may be milliseconds away, the caller does all the work alone and loses nothing but
//! the wake-up. (A static split with a barrier was measured to stall 8 ms there.) A worker that wakes up on the
//! caller's CPU leaves it.
//!
//! Waking a parked worker takes tens of microseconds, which small jobs have not got. A worker therefore looks out for
//! the next job for a moment before it parks, and gives its CPU to whoever else wants it meanwhile; jobs that follow
//! each other closely are shared from about 20 us on, others from 100 us ([`worth_sharing`]).
//!
//! The caller claims chunks from the first on, workers from the last down: in a loop of like jobs each thread then meets
//! the memory that its own cache holds.
//!
//! Who may do what with a job is in `board`.
//!
//! **Limits.** One job at a time: a nested or concurrent [`run`] does its chunks on its own thread. Up to 2^32 - 1
//! chunks are shared out, more run on the caller. Workers start with the first job that can use them, and park
//! until the process ends, which they do not hold up. A forked child starts a team of its own; forking from
//! inside a chunk is not supported.

use super::board::{Board, Claim, From};
use super::float_control::StandardFloats;
use super::trace::{self, About, Kind};
use super::{affinity, fork, watch};
use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Runs `f(0)`, `f(1)`, … `f(chunks - 1)`, each exactly once, in no order and on any thread; returns when all are done.
///
/// Which thread runs a chunk, and beside which others, changes from run to run: results must not depend on it.
///
/// # Panics
///
/// When a chunk panics, with its payload, after the chunks that had started are done; others may not have run. So it
/// does, without a panic, when the run has to stop ([`watch`]).
pub fn run(chunks: usize, f: &(dyn Fn(usize) + Sync)) {
    let job = watch::Job::begin();
    if chunks > 1 && u32::try_from(chunks).is_ok() {
        let helpers = threads().min(chunks) - 1;
        if helpers > 0 && Team::current().try_run(chunks as u32, helpers, f, &job) {
            return;
        }
    }
    for chunk in 0..chunks {
        job.checkpoint(|| chunk, chunks);
        f(chunk);
    }
}

/// [`run`] for chunks that can fail.
///
/// # Errors
///
/// The error of one of the chunks that failed; the others have run.
pub fn try_run<E: Send>(chunks: usize, f: &(dyn Fn(usize) -> Result<(), E> + Sync)) -> Result<(), E> {
    let first = Mutex::new(None);
    run(chunks, &|chunk| {
        if let Err(error) = f(chunk) {
            lock(&first).get_or_insert(error);
        }
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Whether work that takes about `nanoseconds` on one thread gains from being cut into chunks.
///
/// From 100 us it does; below 20 us never; between them when workers are on the look-out, or would have been for the job
/// before, so that a loop of such jobs is shared from its second turn on.
pub fn worth_sharing(nanoseconds: f64) -> bool {
    if nanoseconds < 20e3 || threads() == 1 {
        return false;
    }
    if nanoseconds >= 100e3 {
        return true;
    }
    /// Microseconds from a moment before the first question to the last one.
    static LAST_ASKED: AtomicU64 = AtomicU64::new(0);
    static FIRST_ASKED: OnceLock<Instant> = OnceLock::new();
    let now =
        FIRST_ASKED.get_or_init(Instant::now).elapsed().as_micros() as u64 + LOOK_OUT.as_micros() as u64;
    let asked = LAST_ASKED.swap(now, Relaxed);
    LOOKING_OUT.load(Relaxed) > 0 || u128::from(now.saturating_sub(asked)) < LOOK_OUT.as_micros()
}

/// How many workers have run a chunk since this was last asked.
pub(crate) fn take_helpers() -> usize {
    Team::current().helped.iter().map(|word| word.swap(0, Relaxed).count_ones() as usize).sum()
}

/// Workers that look out for a job.
static LOOKING_OUT: AtomicUsize = AtomicUsize::new(0);

/// How long a worker looks out for the next job before it parks.
const LOOK_OUT: Duration = Duration::from_micros(200);

/// Looks at the ticket between two offers of the CPU to other threads.
const LOOKS: usize = 64;

/// Threads a job may use, the calling one included; at least 1.
///
/// From `RAPTORS_NUM_THREADS`, else `OMP_NUM_THREADS`, else the CPUs this process may use (its affinity mask and
/// control group), unless [`set_threads`] said otherwise.
pub fn threads() -> usize {
    let threads = match THREADS.load(Relaxed) {
        UNRESOLVED => resolve_default_threads(),
        threads => threads,
    };
    threads.min(LIMIT.get())
}

thread_local! {
    /// The most threads that jobs of this thread may use.
    static LIMIT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// While it lives, jobs of this thread use no more threads than it says.
#[derive(Debug)]
pub(crate) struct Limit {
    outer: Option<usize>,
    /// It belongs to the thread that made it.
    _not_send: PhantomData<*const ()>,
}

impl Limit {
    /// A limit; `None` is none.
    pub(crate) fn enter(most: Option<NonZeroUsize>) -> Limit {
        let outer = most.map(|most| LIMIT.replace(most.get().min(LIMIT.get())));
        Limit { outer, _not_send: PhantomData }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Some(outer) = self.outer {
            LIMIT.set(outer);
        }
    }
}

/// Sets the threads that jobs from now on may use, the calling one included; 0 for the default again.
pub fn set_threads(threads: usize) {
    THREADS.store(threads.min(MOST_THREADS), Relaxed);
}

const UNRESOLVED: usize = 0;
const MOST_THREADS: usize = 1024;
static THREADS: AtomicUsize = AtomicUsize::new(UNRESOLVED);

#[cold]
fn resolve_default_threads() -> usize {
    let available = || thread::available_parallelism().map_or(1, |threads| threads.get());
    let read = |name| std::env::var(name).ok();
    let default = requested_threads(read("RAPTORS_NUM_THREADS"))
        .or_else(|| requested_threads(read("OMP_NUM_THREADS")))
        .unwrap_or_else(available)
        .min(MOST_THREADS);
    // A number set meanwhile stays.
    THREADS.compare_exchange(UNRESOLVED, default, Relaxed, Relaxed).map_or_else(|set| set, |_| default)
}

/// A positive number; of a list, as OpenMP allows one for nested levels, its first.
fn requested_threads(value: Option<String>) -> Option<usize> {
    value?.split(',').next()?.trim().parse().ok().filter(|&threads| threads > 0)
}

/// How many workers the caller wakes, and how many each of these: `unpark` costs the one who calls it some
/// microseconds for every sleeper.
const FAN_OUT: usize = 4;

/// How long the caller watches the last chunks of others before it sleeps: about the length of a chunk. Sleeping at once
/// made jobs of 300 us a quarter slower on an idle machine; on a busy one there is no difference.
const WATCH: Duration = Duration::from_micros(100);

/// One team, never freed, since its workers never end.
struct Team {
    /// Held by the caller whose job is published.
    roster: Mutex<Roster>,
    /// The published job.
    board: Board<Job>,
    /// Workers woken for the published job.
    woken: AtomicUsize,
    /// A bit for each worker that has run a chunk since [`take_helpers`]; set once, then read.
    helped: [AtomicU64; MOST_THREADS / 64],
    /// Where the caller of the published job runs.
    caller_cpu: AtomicI32,
    panicked: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// The workers there are.
struct Roster {
    workers: Vec<Thread>,
    /// The system refused a thread; it is not asked again.
    complete: bool,
}

/// What a thread that has claimed a chunk needs.
#[derive(Clone, Copy)]
struct Job {
    f: *const (dyn Fn(usize) + Sync),
    /// The workers that may help.
    workers: *const [Thread],
    /// When its chunks have to stop.
    watch: watch::Shared,
}

// SAFETY: the pointers are of `Sync` types, and stay as long as the job is on the board: see `publish`.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

static TEAM: AtomicPtr<Team> = AtomicPtr::new(std::ptr::null_mut());

/// Leaves the team, whose workers this process does not have, to be replaced by a new one; for a forked child.
pub(super) fn forget() {
    TEAM.store(std::ptr::null_mut(), Relaxed);
    LOOKING_OUT.store(0, Relaxed);
}

impl Team {
    fn current() -> &'static Team {
        let mut team = TEAM.load(Acquire);
        if team.is_null() {
            fork::install();
            let new = Box::into_raw(Box::new(Team::new()));
            team = match TEAM.compare_exchange(team, new, AcqRel, Acquire) {
                Ok(_) => new,
                Err(other) => {
                    // SAFETY: `new` is from `Box::into_raw` above, and was not published.
                    drop(unsafe { Box::from_raw(new) });
                    other
                }
            };
        }
        // SAFETY: a pointer in `TEAM` that is not null is from the `Box::into_raw` above, and is never freed.
        unsafe { &*team }
    }

    fn new() -> Team {
        let nothing: &'static (dyn Fn(usize) + Sync) = &|_| {};
        let nobody: &'static [Thread] = &[];
        Team {
            roster: Mutex::new(Roster { workers: Vec::new(), complete: false }),
            board: Board::new(Job { f: nothing, workers: nobody, watch: watch::Shared::NONE }),
            woken: AtomicUsize::new(0),
            helped: [const { AtomicU64::new(0) }; MOST_THREADS / 64],
            caller_cpu: AtomicI32::new(-1),
            panicked: AtomicBool::new(false),
            panic: Mutex::new(None),
        }
    }

    /// Runs the job with up to `helpers` workers, and is true; or is false when the team has another job, or nobody
    /// to help.
    fn try_run(
        &'static self,
        chunks: u32,
        helpers: usize,
        f: &(dyn Fn(usize) + Sync),
        job: &watch::Job,
    ) -> bool {
        let mut roster = match self.roster.try_lock() {
            Ok(roster) => roster,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        self.recruit(&mut roster, helpers);
        let helpers = helpers.min(roster.workers.len());
        if helpers == 0 {
            return false;
        }
        self.publish(chunks, &roster.workers[..helpers], f, job.shared());
        let finished = self.work_as_caller(chunks, job);
        if !self.board.finish_own(finished) {
            self.wait_for_the_rest();
        }
        // No chunk is claimed and none can be: the job, and `f` with it, is ours alone again.
        let panic = if self.panicked.load(Relaxed) { lock(&self.panic).take() } else { None };
        drop(roster);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        true
    }

    /// Starts workers until there are `helpers`, or the system has no more threads.
    fn recruit(&'static self, roster: &mut Roster, helpers: usize) {
        while roster.workers.len() < helpers && !roster.complete {
            let number = roster.workers.len();
            let name = format!("raptors-{}", number + 1);
            match thread::Builder::new().name(name).spawn(move || self.work_as_worker(number)) {
                Ok(handle) => roster.workers.push(handle.thread().clone()),
                Err(_) => roster.complete = true,
            }
        }
    }

    /// Makes the job claimable. The caller holds the roster, so the job before is finished.
    fn publish(&self, chunks: u32, workers: &[Thread], f: &(dyn Fn(usize) + Sync), watch: watch::Shared) {
        // SAFETY: only the lifetime changes. `execute` and `wake` use `f` for a claimed chunk that is not finished,
        // and `try_run`, which borrows `f`, returns after all are.
        let f = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(f) };
        self.woken.store(0, Relaxed);
        self.caller_cpu.store(affinity::current_cpu(), Relaxed);
        self.panicked.store(false, Relaxed);
        // SAFETY: the caller holds the roster, so it alone publishes, and the roster's workers do not change; it keeps `f`
        // and the watch until the job's chunks are finished.
        unsafe { self.board.publish(Job { f, workers, watch }, chunks, workers.len()) };
    }

    /// Claims and executes chunks until none is left; how many.
    fn work_as_caller(&self, chunks: u32, job: &watch::Job) -> usize {
        // Of the chunks that are claimed, this is about to run one.
        let before = || chunks.saturating_sub(self.board.left() + 1) as usize;
        let mut finished = 0;
        while let Some(claim) = self.board.claim(From::First) {
            if finished == 0 {
                self.wake(&claim);
            }
            self.execute(claim, || job.checkpoint(before, chunks as usize));
            finished += 1;
        }
        finished
    }

    /// The life of a worker.
    fn work_as_worker(&self, number: usize) {
        // The thread has inherited the word of the one that started it.
        let _floats = StandardFloats::enter();
        loop {
            if self.board.wants(number) {
                let caller_cpu = self.caller_cpu.load(Relaxed);
                if caller_cpu >= 0 && caller_cpu == affinity::current_cpu() {
                    affinity::leave(caller_cpu);
                }
            }
            let mut woke_others = false;
            while self.board.wants(number)
                && let Some(claim) = self.board.claim(From::Last)
            {
                if !woke_others {
                    self.wake(&claim);
                    woke_others = true;
                }
                let (helped, bit) = (&self.helped[number / 64], 1 << (number % 64));
                if helped.load(Relaxed) & bit == 0 {
                    helped.fetch_or(bit, Relaxed);
                }
                let chunk = claim.chunk as usize;
                let _span = trace::span(|| About { n: chunk, ..About::new(Kind::Chunk) });
                // SAFETY: the job stays until the chunk is reported finished, below.
                let help = unsafe { claim.job.watch.help() };
                self.execute(claim, || watch::checkpoint(0, 1));
                drop(help);
                self.board.finish();
            }
            if !self.look_out(number) {
                thread::park();
            }
        }
    }

    /// Waits a moment for a job that worker `number` may help with; whether there is one.
    fn look_out(&self, number: usize) -> bool {
        let start = Instant::now();
        LOOKING_OUT.fetch_add(1, Relaxed);
        let mut found = false;
        while !found && start.elapsed() < LOOK_OUT {
            for _ in 0..LOOKS {
                found = self.board.wants(number);
                if found {
                    break;
                }
                std::hint::spin_loop();
            }
            if !found {
                thread::yield_now();
            }
        }
        LOOKING_OUT.fetch_sub(1, Relaxed);
        found
    }

    /// Wakes a few workers that no one has woken for this job, as long as there are chunks for them.
    fn wake(&self, claim: &Claim<Job>) {
        // SAFETY: the roster's vector does not change while its lock is held, which the caller holds until the chunk
        // of `claim` is finished.
        let workers = unsafe { &*claim.job.workers };
        for _ in 0..FAN_OUT {
            if self.board.left() == 0 {
                break;
            }
            match workers.get(self.woken.fetch_add(1, Relaxed)) {
                Some(worker) => worker.unpark(),
                None => break,
            }
        }
    }

    /// Runs a claimed chunk, unless it has to stop at the checkpoint before it; after that, and after a panic, the job's
    /// other chunks are claimed but not run.
    fn execute(&self, claim: Claim<Job>, checkpoint: impl FnOnce()) {
        if self.panicked.load(Relaxed) {
            return;
        }
        // SAFETY: `try_run` borrows the closure until the chunk of `claim` is finished.
        let f = unsafe { &*claim.job.f };
        let run = || {
            checkpoint();
            f(claim.chunk as usize);
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            lock(&self.panic).get_or_insert(payload);
            self.panicked.store(true, Relaxed);
        }
    }

    /// Returns when the chunks that workers have claimed are finished.
    fn wait_for_the_rest(&self) {
        let start = Instant::now();
        while start.elapsed() < WATCH {
            if self.board.is_finished() {
                return;
            }
            std::hint::spin_loop();
        }
        self.board.sleep_until_finished();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_count_is_the_first_positive_number() {
        let requested = |value: &str| requested_threads(Some(value.to_owned()));
        assert_eq!(requested("4"), Some(4));
        assert_eq!(requested(" 8 , 2"), Some(8));
        for ignored in ["", "0", "-1", "many", "1.5"] {
            assert_eq!(requested(ignored), None, "{ignored}");
        }
        assert_eq!(requested_threads(None), None);
    }
}
