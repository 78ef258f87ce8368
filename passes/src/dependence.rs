//! Which groups of nodes depend on which: the transitive closure, kept as groups merge.

/// A set of small numbers.
#[derive(Clone, Debug, Default)]
struct BitSet(Vec<u64>);

impl BitSet {
    fn insert(&mut self, n: usize) {
        if n / 64 >= self.0.len() {
            self.0.resize(n / 64 + 1, 0);
        }
        self.0[n / 64] |= 1 << (n % 64);
    }

    fn remove(&mut self, n: usize) {
        if let Some(word) = self.0.get_mut(n / 64) {
            *word &= !(1 << (n % 64));
        }
    }

    fn contains(&self, n: usize) -> bool {
        self.0.get(n / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    fn union(&mut self, other: &BitSet) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }
}

/// Groups and the groups each one needs, directly or not. A merged group answers to its first number.
#[derive(Debug, Default)]
pub(crate) struct Dependence {
    needs: Vec<BitSet>,
    merged_into: Vec<usize>,
}

impl Dependence {
    /// Adds a group that needs nothing yet, and returns its number.
    pub(crate) fn add(&mut self) -> usize {
        self.needs.push(BitSet::default());
        self.merged_into.push(self.merged_into.len());
        self.merged_into.len() - 1
    }

    /// The group that `group` has been merged into, or itself.
    pub(crate) fn find(&self, mut group: usize) -> usize {
        while self.merged_into[group] != group {
            group = self.merged_into[group];
        }
        group
    }

    /// Whether `group` needs `other`, directly or through further groups.
    pub(crate) fn needs(&self, group: usize, other: usize) -> bool {
        self.needs[group].contains(other)
    }

    /// Whether a further group needs `other`, and `group` needs that.
    pub(crate) fn needs_through_others(&self, group: usize, other: usize) -> bool {
        let is_between = |between: usize| {
            self.needs(group, between)
                && self.needs(between, other)
                && between != group
                && between != other
                && self.find(between) == between
        };
        (0..self.needs.len()).any(is_between)
    }

    /// Notes that `group` needs `other`, and so all that `other` needs.
    pub(crate) fn require(&mut self, group: usize, other: usize) {
        let mut added = self.needs[other].clone();
        added.insert(other);
        self.spread(group, &added);
    }

    /// Merges `other` into `group`; neither may need the other through further groups.
    pub(crate) fn merge(&mut self, group: usize, other: usize) {
        self.merged_into[other] = group;
        let mut added = self.needs[other].clone();
        added.union(&self.needs[group]);
        self.needs[group].union(&added);
        self.needs[group].remove(group);
        self.needs[group].remove(other);
        let mut both = added;
        both.insert(group);
        for (n, needs) in self.needs.iter_mut().enumerate() {
            if n != group && n != other && (needs.contains(group) || needs.contains(other)) {
                needs.union(&both);
            }
        }
    }

    /// Adds `added` to what `group`, and everything that needs it, needs.
    fn spread(&mut self, group: usize, added: &BitSet) {
        self.needs[group].union(added);
        for needs in &mut self.needs {
            if needs.contains(group) {
                needs.union(added);
            }
        }
    }
}
