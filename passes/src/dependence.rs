//! Which groups of nodes depend on which, while groups merge.
//!
//! Each group knows the groups it needs directly, and has a position in a topological order. An edge or a merge that
//! disagrees with the order mends it between the two ends, after Pearce and Kelly, "A dynamic topological sort algorithm
//! for directed acyclic graphs" (2006); a merge is an edge in both directions. Whether a group needs another is searched
//! for between their positions. A search that meets [`MOST_SEARCHED`] groups is given up and answered with yes:
//! groups are kept apart then that could have merged.
//!
//! Linear in edges where groups need what was made shortly before them.

use std::cell::Cell;
use std::ops::Range;

use smallvec::SmallVec;

/// The most groups that one question looks at.
const MOST_SEARCHED: usize = 512;

/// Numbers of groups, one for each edge; some of the groups may have been merged into others.
type Edges = SmallVec<[u32; 4]>;

/// Groups and the groups each one needs. A merged group answers to the number of the one it was merged into.
#[derive(Debug, Default)]
pub(crate) struct Dependence {
    /// The groups that each one needs directly.
    needs: Vec<Edges>,
    /// The groups that need each one directly.
    feeds: Vec<Edges>,
    /// A number greater than those of all that the group needs, and no other group's.
    positions: Vec<u32>,
    merged_into: Vec<Cell<u32>>,
    /// The last search that met each group, and the number of searches.
    met: Vec<Cell<u32>>,
    searches: Cell<u32>,
}

impl Dependence {
    /// Without groups, with room for so many.
    pub(crate) fn with_capacity(groups: usize) -> Dependence {
        Dependence {
            needs: Vec::with_capacity(groups),
            feeds: Vec::with_capacity(groups),
            positions: Vec::with_capacity(groups),
            merged_into: Vec::with_capacity(groups),
            met: Vec::with_capacity(groups),
            searches: Cell::new(0),
        }
    }

    /// Adds a group that needs nothing yet, and returns its number.
    pub(crate) fn add(&mut self) -> usize {
        let group = self.needs.len();
        self.needs.push(Edges::new());
        self.feeds.push(Edges::new());
        self.positions.push(group as u32);
        self.merged_into.push(Cell::new(group as u32));
        self.met.push(Cell::new(0));
        group
    }

    /// The group that `group` has been merged into, or itself.
    pub(crate) fn find(&self, mut group: usize) -> usize {
        loop {
            let parent = self.merged_into[group].get();
            if parent as usize == group {
                return group;
            }
            // Paths get shorter as they are walked.
            self.merged_into[group].set(self.merged_into[parent as usize].get());
            group = parent as usize;
        }
    }

    /// Whether `group` needs `other`, directly or through further groups; yes, where that takes too long to find out.
    pub(crate) fn needs(&self, group: usize, other: usize) -> bool {
        let end = self.positions[other];
        if self.positions[group] <= end {
            return false;
        }
        let mut count = 0;
        let mut is_met = false;
        self.search(&self.needs, &[group], |needed| {
            count += 1;
            is_met |= needed == other || count == MOST_SEARCHED;
            self.positions[needed] > end && !is_met
        });
        is_met
    }

    /// Of some groups, those that another one of them needs, and the rest; where that takes too long to find out, all
    /// are needed.
    pub(crate) fn needed_by_others(&self, groups: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let Some(end) = groups.iter().map(|&group| self.positions[group]).min() else {
            return Default::default();
        };
        let mut left = MOST_SEARCHED * groups.len();
        let search = self.search(&self.needs, groups, |needed| {
            left = left.saturating_sub(1);
            self.positions[needed] > end && left > 0
        });
        groups.iter().partition(|&&group| left == 0 || self.met[group].get() == search)
    }

    /// The groups that `group` needs directly; one for each edge.
    pub(crate) fn needs_of(&self, group: usize) -> impl Iterator<Item = usize> {
        self.needs[group].iter().map(|&needed| self.find(needed as usize))
    }

    /// The groups that need `group` directly; one for each edge.
    pub(crate) fn feeds_of(&self, group: usize) -> impl Iterator<Item = usize> {
        self.feeds[group].iter().map(|&fed| self.find(fed as usize))
    }

    /// Notes that `group` needs `other`, which must not need it.
    pub(crate) fn require(&mut self, group: usize, other: usize) {
        let (low, high) = (self.positions[group], self.positions[other]);
        if low < high {
            let mut before = self.between(&self.needs, other, low..high);
            before.push(other);
            let mut after = self.between(&self.feeds, group, low + 1..high + 1);
            after.insert(0, group);
            let free = self.positions_of(before.iter().chain(&after));
            self.settle(before.into_iter().chain(after).zip(free));
        }
        if self.needs[group].last() != Some(&(other as u32)) {
            self.needs[group].push(other as u32);
            self.feeds[other].push(group as u32);
        }
    }

    /// Whether `group` needs `other` through further groups; yes, where that takes too long to find out.
    pub(crate) fn needs_through_others(&self, group: usize, other: usize) -> bool {
        self.needs_of(group).any(|needed| needed != other && self.needs(needed, other))
    }

    /// Merges `other` into `group`; neither may need the other through further groups.
    pub(crate) fn merge(&mut self, group: usize, other: usize) {
        let first_is_group = self.positions[group] < self.positions[other];
        let (first, last) = if first_is_group { (group, other) } else { (other, group) };
        let (low, high) = (self.positions[first], self.positions[last]);
        let before = self.between(&self.needs, last, low + 1..high);
        let is_edge_between = self.met[first].get() == self.searches.get();
        if before.is_empty() {
            self.positions[group] = low;
        } else {
            let after = self.between(&self.feeds, first, low + 1..high);
            let mut free = self.positions_of(before.iter().chain(&after).chain([&first, &last]));
            // Two positions for one group.
            free.remove(before.len());
            self.settle(before.into_iter().chain([group]).chain(after).zip(free));
        }
        self.merged_into[other].set(group as u32);
        for edges in [&mut self.needs, &mut self.feeds] {
            let mut joined = std::mem::take(&mut edges[other]);
            if joined.len() > edges[group].len() {
                std::mem::swap(&mut joined, &mut edges[group]);
            }
            edges[group].extend(joined);
        }
        if is_edge_between {
            let needs = std::mem::take(&mut self.needs[group]);
            self.needs[group] = self.without(group, needs);
            let feeds = std::mem::take(&mut self.feeds[group]);
            self.feeds[group] = self.without(group, feeds);
        }
    }

    /// The edges that lead to other groups than `group`.
    fn without(&self, group: usize, edges: Edges) -> Edges {
        edges.into_iter().filter(|&edge| self.find(edge as usize) != group).collect()
    }

    /// The groups that edges lead to from `start`, itself not among them, at these positions; ascending.
    fn between(&self, edges: &[Edges], start: usize, positions: Range<u32>) -> Vec<usize> {
        let mut found = Vec::new();
        self.search(edges, &[start], |group| {
            let is_between = positions.contains(&self.positions[group]);
            if is_between {
                found.push(group);
            }
            is_between
        });
        found.sort_unstable_by_key(|&group| self.positions[group]);
        found
    }

    /// Visits the groups that edges lead to from `starts`, each once, and marks them as met; `goes_on` says whether to
    /// follow the edges of one. Returns the mark.
    fn search(&self, edges: &[Edges], starts: &[usize], mut goes_on: impl FnMut(usize) -> bool) -> u32 {
        let search = self.searches.get() + 1;
        self.searches.set(search);
        let mut pending: SmallVec<[usize; 16]> = SmallVec::from_slice(starts);
        while let Some(group) = pending.pop() {
            for &next in &edges[group] {
                let next = self.find(next as usize);
                if self.met[next].replace(search) != search && goes_on(next) {
                    pending.push(next);
                }
            }
        }
        search
    }

    fn positions_of<'a>(&self, groups: impl Iterator<Item = &'a usize>) -> Vec<u32> {
        let mut positions: Vec<u32> = groups.map(|&group| self.positions[group]).collect();
        positions.sort_unstable();
        positions
    }

    fn settle(&mut self, groups: impl Iterator<Item = (usize, u32)>) {
        for (group, position) in groups {
            self.positions[group] = position;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transitive closure, from edges alone.
    fn closure(count: usize, edges: &[(usize, usize)], find: impl Fn(usize) -> usize) -> Vec<Vec<bool>> {
        let mut needs = vec![vec![false; count]; count];
        for &(group, other) in edges {
            needs[find(group)][find(other)] |= find(group) != find(other);
        }
        for k in 0..count {
            for i in 0..count {
                for j in 0..count {
                    needs[i][j] |= needs[i][k] && needs[k][j];
                }
            }
        }
        needs
    }

    #[test]
    fn answers_are_those_of_the_transitive_closure() {
        let mut state = 7u64;
        let mut random = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let (mut merged, mut apart) = (0, 0);
        for _ in 0..300 {
            let mut dependence = Dependence::default();
            let mut edges: Vec<(usize, usize)> = Vec::new();
            let count = 2 + random(14);
            for _ in 0..count {
                dependence.add();
            }
            for _ in 0..30 {
                let (a, b) = (dependence.find(random(count)), dependence.find(random(count)));
                let needs = closure(count, &edges, |group| dependence.find(group));
                assert_eq!(dependence.needs(a, b), needs[a][b], "{a} {b} {edges:?} {dependence:?}");
                let mut some: Vec<usize> = (0..4).map(|_| dependence.find(random(count))).collect();
                some.sort_unstable();
                some.dedup();
                let needed = |&group: &usize| some.iter().any(|&other| needs[other][group]);
                assert_eq!(dependence.needed_by_others(&some), some.iter().partition(|group| needed(group)));
                let is_between = |k: usize| needs[a][k] && needs[k][b] || needs[b][k] && needs[k][a];
                let through_others = (0..count).any(is_between);
                let needs_through_others = (0..count).any(|k| needs[a][k] && needs[k][b]);
                assert_eq!(dependence.needs_through_others(a, b), needs_through_others);
                match (through_others, random(3)) {
                    _ if a == b => {}
                    (false, 0) => {
                        dependence.merge(a, b);
                        merged += 1;
                    }
                    _ if !needs[b][a] => {
                        dependence.require(a, b);
                        edges.push((a, b));
                        apart += 1;
                    }
                    _ => {}
                }
            }
        }
        assert!(merged > 500 && apart > 500, "{merged} {apart}");
    }

    #[test]
    fn a_long_search_is_given_up() {
        let mut dependence = Dependence::default();
        let lone = dependence.add();
        let mut last = dependence.add();
        for _ in 0..2 * MOST_SEARCHED {
            let next = dependence.add();
            dependence.require(next, last);
            last = next;
        }
        assert!(dependence.needs(last, lone));
        assert!(!dependence.needs(lone, last));
    }
}
