//! What threads share memory through, under the names that `loom` has for it.
//!
//! Files that use it are the ones that `tests/model.rs` checks, in every order that threads can run in: there, this
//! module is one of `loom`'s.

pub(super) use std::sync::atomic;
pub(super) use std::sync::{Condvar, Mutex, PoisonError};

/// A cell whose accesses its users keep apart.
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// Reads through the pointer that `f` is given.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Writes through the pointer that `f` is given.
    #[inline]
    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
