//! Which entries a thread has called, and on what memory.
//!
//! For tests in Rust there is [`record`], for others `accelerate_shim_record` and `accelerate_shim_calls`.

use std::cell::RefCell;
use std::ffi::c_int;
use std::fmt::Write;

/// A call.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// The entry.
    pub name: &'static str,
    /// The address of what it wrote.
    pub target: usize,
    /// The addresses of the vectors that it read, in the order of C.
    pub sources: Vec<usize>,
    /// The scalars, likewise.
    pub scalars: Vec<f64>,
    /// Elements; of a matrix product, those of the result.
    pub len: usize,
}

thread_local! {
    static CALLS: RefCell<Option<Vec<Call>>> = const { RefCell::new(None) };
}

pub(crate) fn add(call: impl FnOnce() -> Call) {
    CALLS.with_borrow_mut(|calls| {
        if let Some(calls) = calls {
            calls.push(call());
        }
    });
}

/// Runs `f`, and tells what it called on this thread.
pub fn record<R>(f: impl FnOnce() -> R) -> (R, Vec<Call>) {
    CALLS.set(Some(Vec::new()));
    let result = f();
    (result, CALLS.take().unwrap_or_default())
}

/// Starts to record the calls of this thread, or ends it.
#[unsafe(no_mangle)]
pub extern "C" fn accelerate_shim_record(begin: c_int) {
    CALLS.set((begin != 0).then(Vec::new));
}

/// Writes what this thread has called since as text, a line a call: name, elements, address written,
/// addresses read. Returns the bytes of it, of which no more than `room` are written.
///
/// # Safety
///
/// There is room for as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accelerate_shim_calls(to: *mut u8, room: usize) -> usize {
    let mut text = String::new();
    CALLS.with_borrow(|calls| {
        for Call { name, target, sources, len, .. } in calls.iter().flatten() {
            let _ = write!(text, "{name} {len} {target}");
            for source in sources {
                let _ = write!(text, " {source}");
            }
            text.push('\n');
        }
    });
    // SAFETY: the text has as many bytes, and so has `to`.
    unsafe { to.copy_from_nonoverlapping(text.as_ptr(), text.len().min(room)) };
    text.len()
}
