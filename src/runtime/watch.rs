//! Watching a run from the thread that asked for it: whether it has to stop, and how far it is.
//!
//! Any thread may cancel a [`CancelToken`]. What runs in a token's [`scope`](CancelToken::scope), or under a [`Watch`],
//! looks at it between steps and between chunks, on every thread that takes part, and stops there. A watch is also
//! given a look from time to time, on its own thread: a front end polls signals there, or shows how far the run is.
//!
//! Within a job of the team a run stops by unwinding, as it does when a chunk panics, so that no code goes on with what
//! was not computed; [`catch`] ends that where an evaluation begins. The panic hook is not called.
//!
//! Costs: without a watch, a look at a thread-local for each chunk and each step.
//!
//! Limits: a chunk is not interrupted unless it calls [`checkpoint`]. In a program that is built to abort on panics, runs
//! stop between steps only.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Tells evaluations to stop. It stays cancelled.
///
/// ```
/// use raptors::{CancelToken, Error, lazy};
/// let (token, y) = (CancelToken::new(), lazy(&[1.0f32, 2.0]) + 1.0);
/// assert!(token.scope(|| y.eval()).is_ok());
/// token.cancel();
/// assert!(matches!(token.scope(|| y.eval()), Err(Error::Cancelled(_))));
/// ```
#[derive(Debug, Default)]
pub struct CancelToken(AtomicBool);

impl CancelToken {
    /// A token that is not cancelled.
    pub const fn new() -> CancelToken {
        CancelToken(AtomicBool::new(false))
    }

    /// Has the evaluations in the token's scopes stop as soon as they can, on whatever thread they run, and those to
    /// come not begin.
    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Calls `f`; evaluations that this thread makes in it end with an error once the token is cancelled.
    ///
    /// Scopes nest: what is in two of them stops when either token is cancelled.
    pub fn scope<T>(&self, f: impl FnOnce() -> T) -> T {
        Watch::new(self).over(f)
    }
}

/// A run stopped because its token was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it was cancelled")]
pub struct Stopped;

/// What a watch's look is told, and answers: the part of the run that is done, from 0 to 1; whether to go on.
pub type Look<'a> = dyn Fn(f64) -> ControlFlow<()> + 'a;

/// What the runs of one thread are watched by, for as long as [`over`](Watch::over) takes.
pub struct Watch<'a> {
    stop: Stop<'a>,
    look: Option<(&'a Look<'a>, Duration)>,
    /// When the next look is due.
    due: Cell<Option<Instant>>,
    part: Cell<Part>,
    /// The chunk that is running, as part of the job it belongs to.
    chunk: Cell<Chunk>,
    /// Whether a job of the team is running, of which others may be part.
    has_job: Cell<bool>,
}

/// The tokens that runs stop for. Other threads read it.
struct Stop<'a> {
    token: &'a CancelToken,
    outer: Option<&'a Stop<'a>>,
}

/// The part of the whole run that is running.
#[derive(Clone, Copy)]
struct Part {
    before: f64,
    share: f64,
    /// Jobs of the team that it takes, and those that are done.
    jobs: usize,
    done: usize,
}

/// A part of a job.
#[derive(Clone, Copy)]
struct Chunk {
    before: f64,
    share: f64,
}

impl Chunk {
    const WHOLE: Chunk = Chunk { before: 0.0, share: 1.0 };
}

/// What watches this thread.
#[derive(Clone, Copy)]
struct Current {
    stop: *const Stop<'static>,
    /// Only on the watch's own thread.
    watch: *const Watch<'static>,
}

const NOBODY: Current = Current { stop: ptr::null(), watch: ptr::null() };

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(NOBODY) };
}

impl<'a> Watch<'a> {
    /// A watch that stops what it is over when `token` is cancelled.
    pub fn new(token: &'a CancelToken) -> Watch<'a> {
        let part = Part { before: 0.0, share: 1.0, jobs: 1, done: 0 };
        Watch {
            stop: Stop { token, outer: None },
            look: None,
            due: Cell::new(None),
            part: Cell::new(part),
            chunk: Cell::new(Chunk::WHOLE),
            has_job: Cell::new(false),
        }
    }

    /// Also calls `look` on the thread that runs, between chunks, each `interval` from now on; a `Break` cancels the token.
    ///
    /// A look may itself evaluate.
    pub fn looking(self, interval: Duration, look: &'a Look<'a>) -> Watch<'a> {
        self.due.set(Some(Instant::now() + interval));
        Watch { look: Some((look, interval)), ..self }
    }

    /// Calls `f`, whose runs on this thread are watched.
    pub fn over<T>(mut self, f: impl FnOnce() -> T) -> T {
        let outer = CURRENT.get();
        // SAFETY: a stop that is current outlives the call it is current for, which this one is part of.
        self.stop.outer = unsafe { outer.stop.as_ref() };
        let watch = &raw const self;
        let _entered =
            Entered::enter(Current { stop: &raw const self.stop as *const _, watch: watch.cast() });
        f()
    }

    /// `of_chunk` is what is done of the running chunk.
    fn look_if_due(&self, of_chunk: f64) {
        let (Some((look, interval)), Some(due)) = (self.look, self.due.get()) else { return };
        if Instant::now() < due {
            return;
        }
        let (part, chunk) = (self.part.get(), self.chunk.get());
        let of_job = chunk.before + chunk.share * of_chunk;
        let of_part = ((part.done as f64 + of_job) / part.jobs.max(1) as f64).min(1.0);
        // What the look evaluates is not part of this run, though it stops with it.
        let _entered = Entered::enter(Current { watch: ptr::null(), ..CURRENT.get() });
        if look(part.before + part.share * of_part).is_break() {
            self.stop.token.cancel();
        }
        self.due.set(Some(Instant::now() + interval));
    }
}

impl Stop<'_> {
    fn is_set(&self) -> bool {
        self.token.is_cancelled() || self.outer.is_some_and(Stop::is_set)
    }
}

/// Puts back what watched this thread before.
struct Entered {
    outer: Current,
    /// It belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

impl Entered {
    fn enter(current: Current) -> Entered {
        Entered { outer: CURRENT.replace(current), _not_send: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// The watch of this thread, if it has one of its own.
fn current<'a>() -> Option<&'a Watch<'a>> {
    // SAFETY: `Watch::over`, or the look it calls, puts another pointer here before the watch ends; callers use it
    // within one call of this module.
    unsafe { CURRENT.get().watch.cast::<Watch<'a>>().as_ref() }
}

/// Whether what runs on this thread has to stop.
#[inline]
fn is_stopped() -> bool {
    // SAFETY: a stop is current only during the call of `Watch::over` that has it, or during a chunk of a job in it.
    unsafe { CURRENT.get().stop.as_ref() }.is_some_and(Stop::is_set)
}

/// A place in a long chunk where it may stop, by unwinding; `done` of `all` its pieces are.
#[inline]
pub fn checkpoint(done: usize, all: usize) {
    if !CURRENT.get().stop.is_null() {
        watched_checkpoint(done as f64 / all.max(1) as f64);
    }
}

#[cold]
fn watched_checkpoint(of_chunk: f64) {
    if let Some(watch) = current() {
        watch.look_if_due(of_chunk);
    }
    if cfg!(panic = "unwind") && is_stopped() {
        resume_unwind(Box::new(Stopped));
    }
}

/// Calls `f`, and stops it from unwinding when it does so because it has to stop.
///
/// # Errors
///
/// [`Stopped`], when it does.
pub fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Stopped> {
    if CURRENT.get().stop.is_null() {
        return Ok(f());
    }
    // What unwinds because it has to stop is dropped like what unwinds because it panics, and nobody sees it again.
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| match payload.downcast::<Stopped>() {
        Ok(stopped) => *stopped,
        Err(payload) => resume_unwind(payload),
    })
}

/// Whether anything watches this thread.
#[inline]
pub(crate) fn is_watched() -> bool {
    !CURRENT.get().stop.is_null()
}

/// Whether runs of this thread are to say how far they are, by [`enter`].
pub(crate) fn is_looked_at() -> bool {
    current().is_some_and(|watch| watch.look.is_some())
}

/// Says that `before` of the whole run is done, and that what follows is `share` of it and takes so many jobs of the team.
pub(crate) fn enter(before: f64, share: f64, jobs: usize) {
    if let Some(watch) = current() {
        watch.part.set(Part { before, share, jobs, done: 0 });
    }
}

/// A place between steps where a run may stop.
///
/// # Errors
///
/// When it has to.
#[inline]
pub(crate) fn go_on() -> Result<(), Stopped> {
    if CURRENT.get().stop.is_null() {
        return Ok(());
    }
    if let Some(watch) = current() {
        watch.look_if_due(0.0);
    }
    if is_stopped() { Err(Stopped) } else { Ok(()) }
}

/// A job of the team on the thread that has it done.
pub(super) struct Job {
    /// Of this thread's watch: the outermost one counts.
    counts: bool,
    stop: *const Stop<'static>,
}

/// What threads that help need to know when to stop.
#[derive(Clone, Copy)]
pub(super) struct Shared(*const Stop<'static>);

impl Shared {
    /// Of a job that nobody watches.
    pub(super) const NONE: Shared = Shared(ptr::null());

    /// Has chunks of the job that this thread helps with stop when its caller's have to.
    ///
    /// # Safety
    ///
    /// The job is not finished before the helper drops what this returns.
    pub(super) unsafe fn help(self) -> impl Drop {
        Entered::enter(Current { stop: self.0, watch: ptr::null() })
    }
}

impl Job {
    /// Begins a job on this thread.
    #[inline]
    pub(super) fn begin() -> Job {
        let Current { stop, watch } = CURRENT.get();
        let counts = !watch.is_null() && current().is_some_and(|watch| !watch.has_job.replace(true));
        Job { counts, stop }
    }

    /// What helpers need.
    pub(super) fn shared(&self) -> Shared {
        Shared(self.stop)
    }

    /// [`checkpoint`] before one of its chunks, on its own thread; `done` chunks are.
    #[inline]
    pub(super) fn checkpoint(&self, done: impl FnOnce() -> usize, chunks: usize) {
        if self.stop.is_null() {
            return;
        }
        if self.counts
            && let Some(watch) = current()
        {
            let share = 1.0 / chunks as f64;
            watch.chunk.set(Chunk { before: done() as f64 * share, share });
        }
        watched_checkpoint(0.0);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.counts
            && let Some(watch) = current()
        {
            watch.has_job.set(false);
            watch.chunk.set(Chunk::WHOLE);
            let part = watch.part.get();
            watch.part.set(Part { done: part.done + 1, ..part });
        }
    }
}
