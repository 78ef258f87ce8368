//! Runs without the GIL, and what is looked after meanwhile: signals, and how far the run is.
//!
//! The thread that runs takes the GIL for a moment, between chunks, every [`INTERVAL`]: on the main thread signal handlers
//! are called, so Ctrl-C raises its exception, and the run stops; where a bar was asked for, it is shown. Other
//! threads do not take it, and a run that is shorter does not either.

use std::any::Any;
use std::cell::RefCell;
use std::ops::ControlFlow::{self, Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use raptors::CancelToken;
use raptors::runtime::watch::Watch;

use crate::error::OrRaise;

/// Between two looks. With a chunk's milliseconds it is less than the tenth of a second in which Ctrl-C is to be felt.
const INTERVAL: Duration = Duration::from_millis(50);

/// Runs without the GIL, as [`guarded`].
///
/// # Errors
///
/// That of the run; what a signal handler or the bar raises.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    run: impl FnOnce() -> Result<T, raptors::Error> + Send,
) -> PyResult<T> {
    detached_under(py, &CancelToken::new(), run)
}

/// [`detached`], until the token is cancelled.
pub(crate) fn detached_under<T: Send>(
    py: Python<'_>,
    token: &CancelToken,
    run: impl FnOnce() -> Result<T, raptors::Error> + Send,
) -> PyResult<T> {
    let bar = if SHOWS_PROGRESS.load(Relaxed) { bar(py)? } else { None };
    let (run, attendance) = py.detach(|| {
        let attendance = RefCell::new(Attendance { bar, ..Attendance::default() });
        let look = |done: f64| attendance.borrow_mut().look(done);
        let run = Watch::new(token).looking(INTERVAL, &look).over(|| caught(run));
        (run, attendance.into_inner())
    });
    attendance.end(py)?;
    outcome(run)
}

/// Whether the thread has signals to handle.
#[derive(Clone, Copy, Default, PartialEq)]
enum Signals {
    #[default]
    Unknown,
    Polled,
    NotHere,
}

/// What is looked after during one run.
#[derive(Default)]
struct Attendance {
    signals: Signals,
    bar: Option<Bar>,
    raised: Option<PyErr>,
}

impl Attendance {
    fn look(&mut self, done: f64) -> ControlFlow<()> {
        let shows = self.bar.as_ref().is_some_and(Bar::is_due);
        if self.signals == Signals::NotHere && !shows {
            return Continue(());
        }
        // An interpreter that ends has no use for signals.
        let looked = Python::try_attach(|py| {
            if self.signals == Signals::Unknown {
                self.signals = if is_main_thread(py)? { Signals::Polled } else { Signals::NotHere };
            }
            if self.signals == Signals::Polled {
                py.check_signals()?;
            }
            match self.bar.as_mut().filter(|_| shows) {
                Some(bar) => bar.show(py, done),
                None => Ok(()),
            }
        });
        match looked {
            None | Some(Ok(())) => Continue(()),
            Some(Err(raised)) => {
                self.raised = Some(raised);
                Break(())
            }
        }
    }

    fn end(self, py: Python<'_>) -> PyResult<()> {
        let ended = self.bar.filter(|bar| bar.is_shown).map_or(Ok(()), |bar| bar.end(py));
        self.raised.map_or(ended, Err)
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import(intern!(py, "threading"))?;
    let main = threading.call_method0(intern!(py, "main_thread"))?.getattr(intern!(py, "ident"))?;
    main.eq(threading.call_method0(intern!(py, "get_ident"))?)
}

/// Set once anything asks for bars.
static SHOWS_PROGRESS: AtomicBool = AtomicBool::new(false);

/// Has evaluations ask `raptors.progress_bar` for a bar.
#[pyfunction]
pub(crate) fn show_progress() {
    SHOWS_PROGRESS.store(true, Relaxed);
}

/// A bar of a run, of `raptors.progress_bar`.
struct Bar {
    object: Py<PyAny>,
    begun: Instant,
    after: Duration,
    is_shown: bool,
}

/// The bar of the running context.
fn bar(py: Python<'_>) -> PyResult<Option<Bar>> {
    let made = py.import(intern!(py, "raptors.progress_bar"))?.call_method0(intern!(py, "new_bar"))?;
    if made.is_none() {
        return Ok(None);
    }
    let after: f64 = made.getattr(intern!(py, "after"))?.extract()?;
    let after = Duration::try_from_secs_f64(after).unwrap_or(Duration::MAX);
    Ok(Some(Bar { object: made.unbind(), begun: Instant::now(), after, is_shown: false }))
}

impl Bar {
    fn is_due(&self) -> bool {
        self.begun.elapsed() >= self.after
    }

    fn show(&mut self, py: Python<'_>, done: f64) -> PyResult<()> {
        self.is_shown = true;
        self.object
            .call_method1(py, intern!(py, "show"), (done, self.begun.elapsed().as_secs_f64()))
            .map(drop)
    }

    fn end(self, py: Python<'_>) -> PyResult<()> {
        self.object.call_method1(py, intern!(py, "end"), (self.begun.elapsed().as_secs_f64(),)).map(drop)
    }
}

/// Runs. What should be impossible in there becomes a `RuntimeError`, which a program can survive.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, raptors::Error>) -> PyResult<T> {
    outcome(caught(run))
}

/// Runs, for the interpreter, which has no use for a panic. It becomes a `RuntimeError`.
#[inline]
pub(crate) fn shielded<T>(run: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(broken(payload.as_ref())))
}

fn caught<T>(run: impl FnOnce() -> Result<T, raptors::Error>) -> thread::Result<Result<T, raptors::Error>> {
    // A run owns what it writes, and the locks it takes guard what is whole at any time.
    catch_unwind(AssertUnwindSafe(run))
}

fn outcome<T>(run: thread::Result<Result<T, raptors::Error>>) -> PyResult<T> {
    match run {
        Ok(result) => result.or_raise(),
        Err(payload) => Err(broken(payload.as_ref())),
    }
}

#[cold]
fn broken(payload: &(dyn Any + Send)) -> PyErr {
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("nothing is known of it");
    PyRuntimeError::new_err(format!("a mistake in raptors, not in this program: {said}"))
}
