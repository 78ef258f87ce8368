//! A number that goes up and down, and the most that it has been. `tests/model.rs` checks it.

use super::sync::atomic::AtomicUsize;
use super::sync::atomic::Ordering::Relaxed;

/// Both start at 0.
pub(super) struct Gauge {
    pub(super) now: AtomicUsize,
    pub(super) most: AtomicUsize,
}

impl Gauge {
    /// Goes up.
    pub(super) fn add(&self, amount: usize) {
        let now = self.now.fetch_add(amount, Relaxed) + amount;
        if now > self.most.load(Relaxed) {
            self.most.fetch_max(now, Relaxed);
        }
    }

    /// Goes down, by no more than it went up before.
    pub(super) fn subtract(&self, amount: usize) {
        self.now.fetch_sub(amount, Relaxed);
    }

    /// The number.
    pub(super) fn now(&self) -> usize {
        self.now.load(Relaxed)
    }

    /// The most that it has been since the start or the last reset. What goes up during a reset may leave no mark in
    /// `most`, so the number itself counts too.
    pub(super) fn most(&self) -> usize {
        self.most.load(Relaxed).max(self.now())
    }

    /// Forgets what it has been before now.
    pub(super) fn reset(&self) {
        self.most.store(self.now(), Relaxed);
    }
}
