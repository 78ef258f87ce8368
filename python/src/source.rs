//! Where in the user's Python program an op was written.
//!
//! A node keeps a number for the code object and the offset of the instruction in it; file and line are looked up
//! when somebody asks, because finding a line means walking the code object's line table. Code objects stay alive once
//! they are numbered; after [`MOST_CODES`] of them, further ones are not, and their ops have no line.
//! `RAPTORS_TRACE=0` switches all of it off.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;
use raptors::ir::Source;
use raptors::source::{FOREIGN, SourceLine, is_recording, set_resolver};
use rustc_hash::FxHashMap;

/// The most code objects that are kept alive.
const MOST_CODES: usize = 1 << NUMBER_BITS;
/// The bits of their numbers.
const NUMBER_BITS: u32 = 16;

/// `PyFrame_GetLasti`: the offset in bytes of the instruction that a frame is at.
type LastInstruction = unsafe extern "C" fn(*mut ffi::PyFrameObject) -> c_int;

/// How a place in a code object is written down.
#[derive(Clone, Copy)]
enum Position {
    /// As the offset of the instruction.
    Instruction(LastInstruction),
    /// As the line, where the interpreter does not tell the instruction.
    Line,
}

/// Set while recording.
static POSITION: OnceLock<Position> = OnceLock::new();

/// Code objects by number, and numbers by address; an address is that of one object, which lives here.
#[derive(Default)]
struct Codes {
    objects: Vec<Py<PyAny>>,
    numbers: FxHashMap<usize, u32>,
}

static CODES: Mutex<Option<Codes>> = Mutex::new(None);

/// Code objects seen lately, for what runs again and again: each at a place that its address chooses, which has the address
/// above the 16 bits of the number. Both are one word, so that threads may read and write it as they like.
static SEEN: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];

/// The place of a code object. Neighbours in memory have several, whatever they are aligned to.
#[inline]
fn seen(address: usize) -> &'static AtomicU64 {
    &SEEN[(address >> 5 ^ address >> 11) % SEEN.len()]
}

/// The number of a code object that was seen lately.
#[inline]
fn number_seen(address: usize) -> Option<u32> {
    let word = seen(address).load(Relaxed);
    (word >> NUMBER_BITS == address as u64).then_some(word as u32 % MOST_CODES as u32)
}

/// Starts recording, unless the environment forbids it.
pub(crate) fn start() {
    if is_recording() {
        set_resolver(resolve);
        let _ = POSITION.set(last_instruction().map_or(Position::Line, Position::Instruction));
    }
}

/// The function, where this process has it: CPython since 3.11, but it is not of the stable ABI.
#[cfg(unix)]
fn last_instruction() -> Option<LastInstruction> {
    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    }
    // `RTLD_DEFAULT`: the symbols of the whole process.
    let everywhere =
        std::ptr::without_provenance_mut(if cfg!(target_vendor = "apple") { usize::MAX - 1 } else { 0 });
    // SAFETY: the handle is the system's constant, the name ends with a null byte.
    let symbol = unsafe { dlsym(everywhere, c"PyFrame_GetLasti".as_ptr()) };
    // SAFETY: a function of this name in a Python process is the interpreter's, with this signature; a null pointer is
    // `None`.
    unsafe { std::mem::transmute::<*mut c_void, Option<LastInstruction>>(symbol) }
}

#[cfg(not(unix))]
fn last_instruction() -> Option<LastInstruction> {
    None
}

/// The line that is running.
#[inline]
pub(crate) fn here(py: Python<'_>) -> Option<Source> {
    let &position = POSITION.get()?;
    // SAFETY: the thread is attached; the frame is borrowed from the thread, or null where no Python code runs.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    if frame.is_null() {
        return None;
    }
    // SAFETY: the frame is not null, and runs; its code object is a new reference.
    let code = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetCode(frame).cast())? };
    let address = code.as_ptr() as usize;
    let number = number_seen(address).or_else(|| number_of(&code, address))?;
    // SAFETY: the frame is one of this thread's, which is attached.
    let position = unsafe {
        match position {
            Position::Instruction(last_instruction) => last_instruction(frame),
            Position::Line => ffi::PyFrame_GetLineNumber(frame),
        }
    };
    let position = u32::try_from(position).ok()?;
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
    let word = (address as u64) << NUMBER_BITS | u64::from(number);
    // An address of more bits is not kept.
    if word >> NUMBER_BITS == address as u64 {
        seen(address).store(word, Relaxed);
    }
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
        let code = code.bind(py);
        let file = code.getattr("co_filename").ok()?.extract().ok()?;
        let line = match POSITION.get()? {
            Position::Instruction(_) => line_of_instruction(code, source.position)?,
            Position::Line => source.position,
        };
        Some(SourceLine { file, line })
    })
    .flatten()
}

/// The line of the instruction at an offset.
fn line_of_instruction(code: &Bound<'_, PyAny>, offset: u32) -> Option<u32> {
    for range in code.call_method0("co_lines").ok()?.try_iter().ok()? {
        let (start, end, line): (u32, u32, Option<u32>) = range.ok()?.extract().ok()?;
        if (start..end).contains(&offset) {
            return line;
        }
    }
    None
}
