//! What the runtime does when the process forks.
//!
//! A child has one thread, the image of the one that forked, and a copy of all memory: locks that other threads
//! held stay locked, and worker threads are gone. So the pool's locks are held across the fork, as `malloc` holds
//! its own, and the child forgets the team and starts a new one when it first needs it.
//!
//! Limits: handlers run for `fork`, which is what Python's `os.fork` and `multiprocessing` call; not for `vfork` or a
//! bare system call, after which a child may only `exec` or `_exit`. A fork from inside a chunk of
//! [`team::run`](super::team::run) is not supported: the child would wait for workers it does not have.

use std::sync::Once;

/// Registers the handlers, the first time it is called.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| register(before, in_parent, in_child));
}

type Handler = unsafe extern "C" fn();

extern "C" fn before() {
    super::pool::hold();
}

extern "C" fn in_parent() {
    super::pool::let_go();
}

extern "C" fn in_child() {
    super::pool::let_go();
    super::team::forget();
}

#[cfg(unix)]
fn register(before: Handler, in_parent: Handler, in_child: Handler) {
    use std::ffi::c_int;
    unsafe extern "C" {
        // POSIX; the `libc` crate does not declare it for Linux.
        fn pthread_atfork(before: Option<Handler>, parent: Option<Handler>, child: Option<Handler>) -> c_int;
    }
    // SAFETY: the handlers are functions of this library, which is never unloaded. Its only failure is a lack of
    // memory for the list of handlers; then a child may hang, as it would without them.
    unsafe { pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

#[cfg(not(unix))]
fn register(_before: Handler, _in_parent: Handler, _in_child: Handler) {}
