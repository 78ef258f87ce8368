//! Whether elementary entries are wrong as well, as nothing promises that they are not.

use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    static SET: Cell<bool> = const { Cell::new(false) };
}

/// Whether they are, on this thread: inside [`during`], or in a process with `ACCELERATE_SHIM_HOSTILE=1`.
pub(crate) fn is_on() -> bool {
    static OF_PROCESS: OnceLock<bool> = OnceLock::new();
    let of_process = || std::env::var_os("ACCELERATE_SHIM_HOSTILE").is_some_and(|value| value == "1");
    SET.get() || *OF_PROCESS.get_or_init(of_process)
}

/// Has them wrong on this thread while `f` runs.
pub fn during<R>(f: impl FnOnce() -> R) -> R {
    SET.set(true);
    let result = f();
    SET.set(false);
    result
}
