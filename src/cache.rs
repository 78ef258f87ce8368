//! The plan cache: compiled programs by everything they depend on.
//!
//! A lookup compares whole keys, so no two structures are ever confused. The plan that was used longest ago leaves when
//! there are too many, or when all together take too much memory.
//!
//! Limits: what a plan takes is estimated from the number of its nodes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::capture::Key;
use crate::codegen::kernel;
use crate::compile::Compiled;

/// The most plans kept.
const MOST_PLANS: usize = 1024;
/// The most bytes that plans take together, unless one alone takes more.
const MOST_BYTES: usize = 256 << 20;

/// The plan cache's figures, since the start or since it was cleared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheInfo {
    /// How often a plan was there.
    pub hits: u64,
    /// How often one was compiled.
    pub misses: u64,
    /// Plans that are kept.
    pub entries: usize,
    /// What they take, roughly.
    pub bytes: usize,
    /// The most plans that are kept.
    pub limit: usize,
    /// The most bytes that they may take, roughly.
    pub limit_bytes: usize,
}

#[derive(Default)]
struct Plans {
    by_key: FxHashMap<Arc<Key>, Entry>,
    bytes: usize,
    /// Counts uses; dates them.
    clock: u64,
    hits: u64,
    misses: u64,
}

struct Entry {
    plan: Arc<Compiled>,
    bytes: usize,
    used: u64,
}

static PLANS: Mutex<Option<Plans>> = Mutex::new(None);

/// What the lock guards is whole between any two statements.
fn plans() -> MutexGuard<'static, Option<Plans>> {
    PLANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The plan for `key`, if it has been compiled before.
pub(crate) fn get(key: &Key) -> Option<Arc<Compiled>> {
    let mut plans = plans();
    let plans = plans.as_mut()?;
    let entry = plans.by_key.get_mut(key)?;
    plans.clock += 1;
    plans.hits += 1;
    entry.used = plans.clock;
    Some(entry.plan.clone())
}

/// Keeps the plan for `key`.
pub(crate) fn insert(key: Key, plan: Arc<Compiled>) {
    let bytes = key.len() + plan.bytes();
    let mut plans = plans();
    let evicted = plans.get_or_insert_default().insert(Arc::new(key), plan, bytes);
    drop(plans);
    // What goes is freed when the lock is free again.
    drop(evicted);
}

impl Plans {
    /// Keeps a plan, and gives up those that are too much.
    fn insert(&mut self, key: Arc<Key>, plan: Arc<Compiled>, bytes: usize) -> Vec<Entry> {
        self.clock += 1;
        self.misses += 1;
        self.bytes += bytes;
        let entry = Entry { plan, bytes, used: self.clock };
        let mut evicted: Vec<Entry> = self.by_key.insert(key, entry).into_iter().collect();
        self.bytes -= evicted.iter().map(|entry| entry.bytes).sum::<usize>();
        while self.by_key.len() > MOST_PLANS || self.bytes > MOST_BYTES && self.by_key.len() > 1 {
            let oldest = self.by_key.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(entry) = oldest.and_then(|key| self.by_key.remove(&key)) else { break };
            self.bytes -= entry.bytes;
            evicted.push(entry);
        }
        evicted
    }
}

/// Every plan, the one used longest ago first.
pub(crate) fn all() -> Vec<Arc<Compiled>> {
    let plans = plans();
    let Some(plans) = plans.as_ref() else { return Vec::new() };
    let mut entries: Vec<&Entry> = plans.by_key.values().collect();
    entries.sort_unstable_by_key(|entry| entry.used);
    entries.into_iter().map(|entry| entry.plan.clone()).collect()
}

/// What the plan cache holds and has done.
pub fn info() -> CacheInfo {
    let bounds = CacheInfo { limit: MOST_PLANS, limit_bytes: MOST_BYTES, ..CacheInfo::default() };
    match plans().as_ref() {
        None => bounds,
        Some(Plans { by_key, bytes, hits, misses, .. }) => {
            CacheInfo { hits: *hits, misses: *misses, entries: by_key.len(), bytes: *bytes, ..bounds }
        }
    }
}

/// Forgets every plan and their machine code, and starts the figures again.
pub fn clear() {
    drop(plans().take());
    kernel::clear();
}
