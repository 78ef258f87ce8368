//! The plan cache: compiled programs by everything they depend on.
//!
//! A lookup compares whole keys, so no two structures are ever confused. The oldest plan leaves when there are too many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::capture::Key;
use crate::compile::Compiled;

/// The most plans kept.
const CAPACITY: usize = 1024;

#[derive(Default)]
struct Plans {
    by_key: FxHashMap<Arc<Key>, Arc<Compiled>>,
    oldest_first: VecDeque<Arc<Key>>,
}

static PLANS: Mutex<Option<Plans>> = Mutex::new(None);

/// The plan for `key`, if it has been compiled before.
pub(crate) fn get(key: &Key) -> Option<Arc<Compiled>> {
    let plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    plans.as_ref()?.by_key.get(key).cloned()
}

/// Keeps the plan for `key`.
pub(crate) fn insert(key: Key, compiled: Arc<Compiled>) {
    let key = Arc::new(key);
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    let plans = plans.get_or_insert_default();
    if plans.by_key.insert(key.clone(), compiled).is_none() {
        plans.oldest_first.push_back(key);
    }
    if plans.by_key.len() > CAPACITY
        && let Some(oldest) = plans.oldest_first.pop_front()
    {
        plans.by_key.remove(&oldest);
    }
}

/// Every plan, oldest first.
pub(crate) fn all() -> Vec<Arc<Compiled>> {
    let plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(plans) = plans.as_ref() else { return Vec::new() };
    plans.oldest_first.iter().filter_map(|key| plans.by_key.get(key).cloned()).collect()
}

/// Forgets every plan.
pub fn clear() {
    *PLANS.lock().unwrap_or_else(PoisonError::into_inner) = None;
}
