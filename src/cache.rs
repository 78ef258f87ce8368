//! The plan cache: compiled programs by everything they depend on.
//!
//! A lookup compares whole keys, so no two structures are ever confused. The plan that was used longest ago leaves when
//! there are too many, or when all together take too much memory. Each thread has the plans that it used last at hand,
//! which it finds without a hash and without the lock.
//!
//! Limits: what a plan takes is estimated from the number of its nodes. A plan that a thread has at hand is dated when the
//! thread looks for another one, and stays there when it leaves the cache.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::array::Array;
use crate::capture::{Key, Matched, Pattern};
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

/// Plans that each thread has at hand.
const MOST_AT_HAND: usize = 16;

thread_local! {
    static AT_HAND: RefCell<AtHand> = const { RefCell::new(AtHand { cleared: 0, plans: Vec::new() }) };
}

/// How often the cache was cleared.
static CLEARED: AtomicU64 = AtomicU64::new(0);

/// How often a plan was there, since the cache was cleared.
static HITS: AtomicU64 = AtomicU64::new(0);

/// The plans that a thread used last, the last one first.
struct AtHand {
    /// What [`CLEARED`] was when they were found.
    cleared: u64,
    #[expect(clippy::vec_box, reason = "they are large, and their order changes with each use")]
    plans: Vec<Box<Recent>>,
}

struct Recent {
    key: Arc<Key>,
    plan: Arc<Compiled>,
    /// What graphs look like that it serves, if it is brief and they have a few nodes.
    pattern: Option<Pattern>,
    /// Whether it was used since it was dated.
    is_undated: bool,
}

impl AtHand {
    /// Forgets the plans if the cache was cleared.
    #[inline]
    fn renew(&mut self) {
        let cleared = CLEARED.load(Relaxed);
        if self.cleared != cleared {
            self.plans.clear();
            self.cleared = cleared;
        }
    }

    fn find(&mut self, key: &Key) -> Option<Arc<Compiled>> {
        let n = self.plans.iter().position(|recent| *recent.key == *key)?;
        Some(self.take(n))
    }

    /// The n-th plan, which is used.
    fn take(&mut self, n: usize) -> Arc<Compiled> {
        self.used(n);
        self.plans[0].plan.clone()
    }

    /// Counts a use of the n-th plan, which becomes the first.
    #[inline]
    fn used(&mut self, n: usize) {
        if n > 0 {
            self.plans[..=n].rotate_right(1);
        }
        self.plans[0].is_undated = true;
        HITS.fetch_add(1, Relaxed);
    }

    /// Dates the plans that were used.
    fn date(&mut self, plans: &mut Plans) {
        for recent in self.plans.iter_mut().rev().filter(|recent| recent.is_undated) {
            recent.is_undated = false;
            plans.date(&recent.key);
        }
    }

    /// Looks a plan up that is not at hand, and has it at hand from now on.
    #[cold]
    fn fetch(&mut self, key: &Key, pattern: impl FnOnce() -> Option<Pattern>) -> Option<Arc<Compiled>> {
        let mut plans = plans();
        let found = plans.as_mut().and_then(|plans| {
            self.date(plans);
            plans.date(key)
        });
        drop(plans);
        let (key, plan) = found?;
        if self.plans.len() == MOST_AT_HAND {
            self.plans.pop();
        }
        let pattern = if plan.is_brief { pattern() } else { None };
        let recent = Recent { key, plan: plan.clone(), pattern, is_undated: false };
        self.plans.insert(0, Box::new(recent));
        HITS.fetch_add(1, Relaxed);
        Some(plan)
    }
}

/// Calls `f` with the plans that this thread has at hand. There are none where the thread ends, or where `f` led here.
#[inline]
fn with_at_hand<T>(f: impl FnOnce(&mut AtHand) -> T) -> Option<T> {
    let result = AT_HAND.try_with(|at_hand| {
        let mut at_hand = at_hand.try_borrow_mut().ok()?;
        at_hand.renew();
        Some(f(&mut at_hand))
    });
    result.ok().flatten()
}

/// Calls `run` with the plan at hand for `arrays` under the usual options, and with what they give it; `None` where there is
/// no such plan. It is a brief one.
#[inline]
pub(crate) fn with_plan<'a, T>(
    arrays: &[&'a Array],
    run: impl FnOnce(&Compiled, &Matched<'a>) -> T,
) -> Option<T> {
    with_at_hand(|at_hand| {
        let mut matched = Matched::default();
        let mut serves =
            |pattern: &Pattern| pattern.may_match(arrays) && pattern.matches(arrays, &mut matched).is_some();
        let n = at_hand.plans.iter().position(|recent| recent.pattern.as_ref().is_some_and(&mut serves))?;
        at_hand.used(n);
        Some(run(&at_hand.plans[0].plan, &matched))
    })
    .flatten()
}

/// The plan for `key`, if it has been compiled before; `pattern` says what it serves.
pub(crate) fn get(key: &Key, pattern: impl FnOnce() -> Option<Pattern>) -> Option<Arc<Compiled>> {
    with_at_hand(|at_hand| at_hand.find(key).or_else(|| at_hand.fetch(key, pattern))).unwrap_or_else(|| {
        let (_, plan) = plans().as_mut()?.date(key)?;
        HITS.fetch_add(1, Relaxed);
        Some(plan)
    })
}

/// Keeps the plan for `key`.
pub(crate) fn insert(key: Key, plan: Arc<Compiled>) {
    let bytes = key.len() + plan.bytes();
    let mut plans = plans();
    let all = plans.get_or_insert_default();
    with_at_hand(|at_hand| at_hand.date(all));
    let evicted = all.insert(Arc::new(key), plan, bytes);
    drop(plans);
    // What goes is freed when the lock is free again.
    drop(evicted);
}

impl Plans {
    /// Dates a plan as used now.
    fn date(&mut self, key: &Key) -> Option<(Arc<Key>, Arc<Compiled>)> {
        let (key, _) = self.by_key.get_key_value(key)?;
        let key = key.clone();
        let entry = self.by_key.get_mut(&key)?;
        self.clock += 1;
        entry.used = self.clock;
        Some((key, entry.plan.clone()))
    }

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
    let mut plans = plans();
    let Some(plans) = plans.as_mut() else { return Vec::new() };
    with_at_hand(|at_hand| at_hand.date(plans));
    let mut entries: Vec<&Entry> = plans.by_key.values().collect();
    entries.sort_unstable_by_key(|entry| entry.used);
    entries.into_iter().map(|entry| entry.plan.clone()).collect()
}

/// What the plan cache holds and has done.
pub fn info() -> CacheInfo {
    let bounds = CacheInfo { limit: MOST_PLANS, limit_bytes: MOST_BYTES, ..CacheInfo::default() };
    match plans().as_ref() {
        None => bounds,
        Some(Plans { by_key, bytes, misses, .. }) => {
            let hits = HITS.load(Relaxed);
            CacheInfo { hits, misses: *misses, entries: by_key.len(), bytes: *bytes, ..bounds }
        }
    }
}

/// Forgets every plan and their machine code, and starts the figures again.
pub fn clear() {
    let all = plans().take();
    CLEARED.fetch_add(1, Relaxed);
    HITS.store(0, Relaxed);
    drop(all);
    kernel::clear();
}
