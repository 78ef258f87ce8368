//! Where in the user's Python program an op was written.
//!
//! A node keeps a number for the code object and the offset of the instruction in it; file and line are looked up
//! when somebody asks. Code objects stay alive once they are numbered; after [`MOST_CODES`] of them, further ones are
//! not, and their ops have no line. `RAPTORS_TRACE=0` switches all of it off.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;
use raptors::ir::Source;
use raptors::source::{FOREIGN, SourceLine, set_resolver};
use rustc_hash::FxHashMap;

/// The most code objects that are kept alive.
const MOST_CODES: usize = 1 << 16;

static TRACING: AtomicBool = AtomicBool::new(false);

/// Code objects by number, and numbers by address; an address is that of one object, which lives here.
#[derive(Default)]
struct Codes {
    objects: Vec<Py<PyAny>>,
    numbers: FxHashMap<usize, u32>,
}

static CODES: Mutex<Option<Codes>> = Mutex::new(None);

thread_local! {
    /// The address and number of the code object seen last: a loop asks for one code object again and again.
    static LAST: Cell<(usize, u32)> = const { Cell::new((0, 0)) };
}

/// Starts recording, unless the environment forbids it.
pub(crate) fn start() {
    if std::env::var_os("RAPTORS_TRACE").is_none_or(|value| value != "0") {
        set_resolver(resolve);
        TRACING.store(true, Ordering::Relaxed);
    }
}

/// The line that is running.
#[inline]
pub(crate) fn here(py: Python<'_>) -> Option<Source> {
    if !TRACING.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: the thread is attached; the frame is borrowed from the thread, or null where no Python code runs.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    if frame.is_null() {
        return None;
    }
    // SAFETY: the frame is not null, and runs; its code object is a new reference.
    let code = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetCode(frame).cast())? };
    let address = code.as_ptr() as usize;
    let (last, number) = LAST.get();
    let number = if last == address { number } else { number_of(&code, address)? };
    // SAFETY: as above.
    let position = unsafe { position(frame) };
    Some(Source { file: FOREIGN | number, position })
}

/// The number of a code object; `None` when there are too many.
#[cold]
fn number_of(code: &Bound<'_, PyAny>, address: usize) -> Option<u32> {
    let mut codes = codes();
    let Codes { objects, numbers } = codes.get_or_insert_default();
    let number = match numbers.get(&address) {
        Some(&number) => number,
        None if objects.len() >= MOST_CODES => return None,
        None => {
            let number = objects.len() as u32;
            objects.push(code.clone().unbind());
            numbers.insert(address, number);
            number
        }
    };
    LAST.set((address, number));
    Some(number)
}

/// The table. Nothing that is done under the lock runs Python code, so a thread that is attached and waits for it
/// does not wait for one that waits to be attached.
fn codes() -> MutexGuard<'static, Option<Codes>> {
    CODES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The line of a source, for messages and plans.
fn resolve(source: Source) -> Option<SourceLine> {
    let number = (source.file & !FOREIGN) as usize;
    Python::try_attach(|py| {
        let code = codes().as_ref()?.objects.get(number)?.clone_ref(py);
        let file = code.bind(py).getattr("co_filename").ok()?.extract().ok()?;
        Some(SourceLine { file, line: source.position })
    })
    .flatten()
}

/// The line a frame is at.
///
/// # Safety
///
/// The thread is attached, and the frame is one of its frames.
unsafe fn position(frame: *mut ffi::PyFrameObject) -> u32 {
    // SAFETY: as for this function.
    let line: c_int = unsafe { ffi::PyFrame_GetLineNumber(frame) };
    line.max(0) as u32
}
