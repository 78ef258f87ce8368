//! The order of regions, while further edges are added to it.
//!
//! A step that overwrites memory must wait for the other readers of it. Such an edge is added to the graph of regions
//! and the order mended where it disagrees, after Pearce and Kelly, "A dynamic topological sort algorithm for directed
//! acyclic graphs" (2006): only regions between the two ends move, and keep their order otherwise. An edge that would
//! close a cycle is refused, and so is one for which more than [`MOST_MOVED`] regions would have to be looked at.

use smallvec::SmallVec;

use super::reads::Reads;

/// The most regions looked at for one edge, in each direction.
const MOST_MOVED: usize = 128;

/// A topological order of regions.
pub(super) struct Order {
    /// Regions in the order they run.
    at: Vec<u32>,
    /// Where each region is in `at`.
    position: Vec<u32>,
    /// The regions each one waits for.
    needs: Vec<SmallVec<[u32; 4]>>,
    /// The regions that wait for each one.
    feeds: Vec<SmallVec<[u32; 4]>>,
}

impl Order {
    /// The regions as they are numbered, each after what it reads.
    pub(super) fn new(reads: &Reads) -> Order {
        let mut order = Order { at: Vec::new(), position: Vec::new(), needs: Vec::new(), feeds: Vec::new() };
        order.extend(reads);
        order
    }

    /// Adds the regions that are not in the order yet to its end.
    pub(super) fn extend(&mut self, reads: &Reads) {
        for region in self.at.len() as u32..reads.regions() as u32 {
            self.at.push(region);
            self.position.push(region);
            self.needs.push(SmallVec::new());
            self.feeds.push(SmallVec::new());
            for read in reads.of_region(region) {
                if let Some(producer) = reads.region_of[read.root.index()] {
                    self.connect(producer, region);
                }
            }
        }
    }

    pub(super) fn position(&self, region: u32) -> u32 {
        self.position[region as usize]
    }

    /// Regions in the order they run.
    pub(super) fn regions(&self) -> &[u32] {
        &self.at
    }

    fn connect(&mut self, first: u32, then: u32) {
        if self.needs[then as usize].last() != Some(&first) {
            self.needs[then as usize].push(first);
            self.feeds[first as usize].push(then);
        }
    }

    /// Makes `first` run before `then`; where it cannot, says why.
    pub(super) fn put_before(&mut self, first: u32, then: u32) -> Result<(), &'static str> {
        let (low, high) = (self.position(then), self.position(first));
        if high > low {
            let later = self.reach(&self.feeds, then, |position| position <= high)?;
            if later.contains(&first) {
                return Err("a kernel that reads that memory needs what this one computes");
            }
            let earlier = self.reach(&self.needs, first, |position| position >= low)?;
            self.reorder(earlier, later);
        }
        self.connect(first, then);
        Ok(())
    }

    /// Makes `region`, which is the last, run after `others`.
    pub(super) fn put_last(&mut self, region: u32, others: &[u32]) {
        for &other in others {
            self.connect(other, region);
        }
    }

    /// The regions that `edges` lead to from `start`, itself among them, at positions that `within` accepts.
    fn reach(
        &self,
        edges: &[SmallVec<[u32; 4]>],
        start: u32,
        within: impl Fn(u32) -> bool,
    ) -> Result<Vec<u32>, &'static str> {
        let mut found = vec![start];
        let mut next = 0;
        while let Some(&region) = found.get(next) {
            next += 1;
            for &other in &edges[region as usize] {
                if within(self.position(other)) && !found.contains(&other) {
                    found.push(other);
                }
            }
            if found.len() > MOST_MOVED {
                return Err("kernels that read that memory run much later");
            }
        }
        Ok(found)
    }

    /// Lets `earlier` run before `later`, at the positions that both have together.
    fn reorder(&mut self, mut earlier: Vec<u32>, mut later: Vec<u32>) {
        earlier.sort_unstable_by_key(|&region| self.position(region));
        later.sort_unstable_by_key(|&region| self.position(region));
        earlier.append(&mut later);
        let mut positions: Vec<u32> = earlier.iter().map(|&region| self.position(region)).collect();
        positions.sort_unstable();
        for (region, position) in earlier.into_iter().zip(positions) {
            self.position[region as usize] = position;
            self.at[position as usize] = region;
        }
    }

    /// The regions that wait for `region`; one entry for each edge.
    pub(super) fn feeds(&self, region: u32) -> &[u32] {
        &self.feeds[region as usize]
    }

    /// The regions that `region` waits for; one entry for each edge.
    pub(super) fn needs(&self, region: u32) -> &[u32] {
        &self.needs[region as usize]
    }

    /// Runs the regions in the order `at`, which respects every edge.
    pub(super) fn set(&mut self, at: Vec<u32>) {
        for (position, &region) in at.iter().enumerate() {
            self.position[region as usize] = position as u32;
        }
        self.at = at;
    }
}
