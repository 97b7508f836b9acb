//! A set of blocks: which columns a worker holds, or is to hold.

use std::fmt;

use crate::tree::{LeafRange, Tree};

/// Blocks as the fewest ranges: ascending, disjoint, and with at least one block between any two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockSet(Vec<LeafRange>);

impl BlockSet {
    /// The set of the blocks of `ranges`, which may come in any order and overlap.
    pub fn new(ranges: impl IntoIterator<Item = LeafRange>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut set: Vec<LeafRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match set.last_mut() {
                Some(last) if range.first() <= last.end() => {
                    let end = last.end().max(range.end());
                    *last = LeafRange::new(last.first(), end).expect("a range that grows is not empty");
                }
                _ => set.push(range),
            }
        }
        Self(set)
    }

    /// The ranges in ascending order.
    pub fn ranges(&self) -> &[LeafRange] {
        &self.0
    }

    /// Whether there is no block in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of blocks.
    pub fn count(&self) -> usize {
        self.0.iter().map(|range| range.count()).sum()
    }

    /// Whether every block of `range` is in it.
    pub fn contains(&self, range: LeafRange) -> bool {
        // The last one that begins no later; no other can reach as far.
        let after = self.0.partition_point(|own| own.first() <= range.first());
        after > 0 && self.0[after - 1].contains(range)
    }

    /// The blocks of both.
    pub fn union(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).copied())
    }

    /// The blocks of this set that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().peekable();
        for own in &self.0 {
            let mut first = own.first();
            while let Some(hole) = holes.peek().filter(|hole| hole.first() < own.end()) {
                left.extend(LeafRange::new(first, hole.first()));
                first = first.max(hole.end());
                if hole.end() > own.end() {
                    // It may reach into the next range.
                    break;
                }
                holes.next();
            }
            left.extend(LeafRange::new(first, own.end()));
        }
        Self(left)
    }

    /// The number of columns of its blocks.
    ///
    /// # Panics
    ///
    /// If a block is beyond the last one of `tree`.
    pub fn columns(&self, tree: &Tree) -> usize {
        self.0.iter().map(|&range| tree.items_of(range).len()).sum()
    }

    /// Whether all of its blocks are blocks of `tree`.
    pub fn is_within(&self, tree: &Tree) -> bool {
        self.0.last().is_none_or(|last| last.end() as usize <= tree.leaves())
    }
}

impl From<LeafRange> for BlockSet {
    fn from(range: LeafRange) -> Self {
        Self(vec![range])
    }
}

/// As in `0..3, 5..8`, or `none`.
impl fmt::Display for BlockSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, range) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ranges() -> impl Strategy<Value = Vec<LeafRange>> {
        let range = (0_u32..40, 1_u32..12).prop_map(|(first, count)| LeafRange::new(first, first + count).unwrap());
        prop::collection::vec(range, 0..8)
    }

    fn blocks(ranges: &[LeafRange]) -> BTreeSet<usize> {
        ranges.iter().flat_map(|range| range.leaves()).collect()
    }

    proptest! {
        #[test]
        fn sets_of_blocks_follow_the_laws_of_sets(a in ranges(), b in ranges()) {
            let (set_a, set_b) = (BlockSet::new(a.clone()), BlockSet::new(b.clone()));
            let (blocks_a, blocks_b) = (blocks(&a), blocks(&b));
            prop_assert_eq!(blocks(set_a.ranges()), blocks_a.clone());
            prop_assert_eq!(set_a.count(), blocks_a.len());
            prop_assert_eq!(blocks(set_a.union(&set_b).ranges()), &blocks_a | &blocks_b);
            let difference = set_a.difference(&set_b);
            prop_assert_eq!(blocks(difference.ranges()), &blocks_a - &blocks_b);
            prop_assert_eq!(&BlockSet::new(difference.ranges().iter().copied()), &difference);
            for range in &b {
                prop_assert_eq!(set_a.contains(*range), blocks(&[*range]).is_subset(&blocks_a));
            }
        }

        #[test]
        fn ranges_are_ascending_and_never_touch(a in ranges()) {
            let set = BlockSet::new(a);
            prop_assert!(set.ranges().windows(2).all(|pair| pair[0].end() < pair[1].first()));
        }
    }
}
