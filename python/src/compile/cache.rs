//! The traces of one function that are kept, by structure.
//!
//! A call finds the trace of the call before it by comparing words. Otherwise traces are looked up by the hash of the
//! words; those of one structure differ by what they need numbers to be. The one that was used least recently leaves
//! when there are too many.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::PyTraverseError;
use pyo3::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use std::hash::BuildHasher;

use super::arguments::{Arguments, Words};
use super::kept::{Kept, Scalars};

/// Traces of one function.
pub(super) struct Cache {
    traces: Mutex<Traces>,
    pub(super) max: usize,
}

#[derive(Default)]
struct Traces {
    recent: Option<Arc<Trace>>,
    by_hash: FxHashMap<u64, SmallVec<[Arc<Trace>; 1]>>,
    count: usize,
    hits: u64,
    misses: u64,
    clock: u64,
}

/// A trace and the structure it is of.
pub(super) struct Trace {
    words: Words,
    statics: Vec<Py<PyAny>>,
    pub(super) kept: Kept,
    used: AtomicU64,
}

/// What was counted: hits, misses, traces.
pub(super) struct Counts {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) count: usize,
}

impl Trace {
    pub(super) fn new(arguments: &Arguments<'_>, kept: Kept) -> Trace {
        let statics = arguments.statics.iter().map(|object| object.clone().unbind()).collect();
        Trace { words: arguments.words.clone(), statics, kept, used: AtomicU64::new(0) }
    }

    /// Whether it is of these arguments; the scalars of the plan, if so.
    fn serves<'py>(&self, py: Python<'py>, arguments: &Arguments<'py>) -> PyResult<Option<Scalars>> {
        for (object, other) in arguments.statics.iter().zip(&self.statics) {
            if object.as_ptr() != other.as_ptr() && !object.eq(other)? {
                return Ok(None);
            }
        }
        self.kept.serves(py, arguments)
    }

    /// Visits the objects that it keeps alive.
    pub(super) fn visit(
        &self,
        visit: &mut impl FnMut(&Py<PyAny>) -> Result<(), PyTraverseError>,
    ) -> Result<(), PyTraverseError> {
        self.statics.iter().chain(self.kept.objects()).try_for_each(&mut *visit)?;
        self.kept.visit_tree(visit)
    }
}

impl Cache {
    pub(super) fn new(max: usize) -> Cache {
        Cache { traces: Mutex::default(), max }
    }

    /// The trace for these arguments, with the scalars of its plan.
    ///
    /// # Errors
    ///
    /// What comparing objects raises.
    pub(super) fn find<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
    ) -> PyResult<Option<(Arc<Trace>, Scalars)>> {
        // Comparisons of objects run Python code, so they are made when the lock is free again.
        if let Some(recent) = self.recent(&arguments.words) {
            if let Some(scalars) = recent.serves(py, arguments)? {
                return Ok(Some((recent, scalars)));
            }
            let mut traces = self.lock();
            traces.hits = traces.hits.saturating_sub(1);
        }
        let hash = hash(&arguments.words);
        let candidates = self.lock().by_hash.get(&hash).cloned().unwrap_or_default();
        for trace in candidates {
            if trace.words == arguments.words
                && let Some(scalars) = trace.serves(py, arguments)?
            {
                let mut traces = self.lock();
                traces.hits += 1;
                traces.touch(&trace);
                return Ok(Some((trace, scalars)));
            }
        }
        Ok(None)
    }

    /// The trace that was used last, if it is of this structure; counted as found.
    fn recent(&self, words: &Words) -> Option<Arc<Trace>> {
        let mut traces = self.lock();
        let recent = traces.recent.as_ref().filter(|recent| recent.words == *words)?.clone();
        traces.hits += 1;
        Some(recent)
    }

    /// Keeps a trace.
    pub(super) fn insert(&self, trace: Arc<Trace>) {
        let hash = hash(&trace.words);
        let mut left = None;
        {
            let mut traces = self.lock();
            traces.misses += 1;
            if self.max == 0 {
                return;
            }
            if traces.count >= self.max {
                left = traces.remove_oldest();
            }
            traces.touch(&trace);
            // The newest of a structure first: it is the likeliest to serve the next call.
            traces.by_hash.entry(hash).or_default().insert(0, trace);
            traces.count += 1;
        }
        // Dropped when the lock is free: what it holds may run code when it goes.
        drop(left);
    }

    /// Forgets every trace and the counts.
    pub(super) fn clear(&self) {
        let traces = std::mem::take(&mut *self.lock());
        drop(traces);
    }

    pub(super) fn counts(&self) -> Counts {
        let traces = self.lock();
        Counts { hits: traces.hits, misses: traces.misses, count: traces.count }
    }

    /// Calls `visit` with each trace, unless the cache is in use.
    pub(super) fn try_each<E>(&self, mut visit: impl FnMut(&Trace) -> Result<(), E>) -> Result<(), E> {
        let Ok(traces) = self.traces.try_lock() else { return Ok(()) };
        traces.by_hash.values().flatten().try_for_each(|trace| visit(trace))
    }

    /// What the lock guards is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Traces> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traces {
    fn touch(&mut self, trace: &Arc<Trace>) {
        self.clock += 1;
        if let Some(recent) = &self.recent {
            // It was used until now, without being dated.
            recent.used.store(self.clock, Relaxed);
        }
        self.clock += 1;
        trace.used.store(self.clock, Relaxed);
        self.recent = Some(trace.clone());
    }

    fn remove_oldest(&mut self) -> Option<Arc<Trace>> {
        let recent = self.recent.as_ref().map(Arc::as_ptr);
        let all =
            self.by_hash.iter().flat_map(|(hash, traces)| traces.iter().map(move |trace| (hash, trace)));
        let others = all.filter(|(_, trace)| self.count == 1 || Some(Arc::as_ptr(trace)) != recent);
        let (&hash, oldest) = others.min_by_key(|(_, trace)| trace.used.load(Relaxed))?;
        let oldest = oldest.clone();
        if let Some(traces) = self.by_hash.get_mut(&hash) {
            traces.retain(|trace| !Arc::ptr_eq(trace, &oldest));
            if traces.is_empty() {
                self.by_hash.remove(&hash);
            }
        }
        self.count -= 1;
        Some(oldest)
    }
}

fn hash(words: &Words) -> u64 {
    FxBuildHasher.hash_one(words.as_slice())
}
