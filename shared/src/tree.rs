//! Halving: one recursion that cuts a row of items into leaves and fixes the order in which their sums are joined.
//!
//! Every sum in Lockstep that could be split between threads or processes follows such a tree, so its bits do not
//! depend on who computes which part:
//!
//! - the **batch** of m columns is halved into *blocks*; a block's sums are computed by one thread, and the sums of
//!   blocks are joined along the tree ([`Tree::over_batch`]);
//! - the **inner dimension** of every matrix product is halved into *panels* ([`Tree::over_inner_dimension`]).
//!
//! ```text
//!   27 tiles = 209 columns, at most 64 a leaf      each node's value is left + right
//!   ├── 14 tiles
//!   │   ├── 7 tiles   leaf 0: columns   0..56
//!   │   └── 7 tiles   leaf 1: columns  56..112
//!   └── 13 tiles
//!       ├── 7 tiles   leaf 2: columns 112..168
//!       └── 6 tiles   leaf 3: columns 168..209
//! ```

use std::fmt;
use std::num::ParseIntError;
use std::ops::Range;
use std::str::FromStr;

/// Items (columns, features) in a tile, the unit in which a row is halved. It is one vector of eight f64.
pub const TILE: usize = 8;

/// The most features in one panel of a matrix product's inner dimension.
pub const PANEL_FEATURES: usize = 1024;

/// The most leaves that a tree may have: 2^22. With the default blocks that is 268 million columns. It bounds the memory
/// that a configuration can cause.
pub const MAX_LEAVES: usize = 1 << 22;

/// The most columns that a block may have: at least [`TILE`], since a tile is never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockColumns(usize);

impl BlockColumns {
    /// Returns `None` if `columns` is less than [`TILE`].
    pub fn new(columns: usize) -> Option<Self> {
        (columns >= TILE).then_some(Self(columns))
    }

    /// The default for a batch of `m` columns: the largest of 16, 32 and 64 that leaves about 16 blocks.
    ///
    /// It is a function of the batch alone, never of the fleet. Small batches need small blocks so that fleets of many
    /// sizes get even shares; larger blocks make the sums over blocks cheaper.
    pub fn default_for(m: usize) -> Self {
        match m / 16 {
            0..32 => Self(16),
            32..64 => Self(32),
            _ => Self(64),
        }
    }

    /// The number of columns.
    pub fn get(self) -> usize {
        self.0
    }
}

/// A text that is not a number of block columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected a whole number of at least {TILE}")]
pub struct ParseBlockColumnsError(pub String);

impl FromStr for BlockColumns {
    type Err = ParseBlockColumnsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let columns = text
            .parse()
            .map_err(|_: ParseIntError| ParseBlockColumnsError(text.to_owned()))?;
        Self::new(columns).ok_or_else(|| ParseBlockColumnsError(text.to_owned()))
    }
}

/// A contiguous range of leaves, `first..end`, never empty.
///
/// It names a node of a [`Tree`] where [`Tree::is_node`] holds, and may name any other run of leaves, such as a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafRange {
    first: u32,
    end: u32,
}

impl LeafRange {
    /// Returns `None` if `first..end` is empty.
    pub fn new(first: u32, end: u32) -> Option<Self> {
        (first < end).then_some(Self { first, end })
    }

    /// The first leaf.
    pub fn first(self) -> u32 {
        self.first
    }

    /// The leaf after the last.
    pub fn end(self) -> u32 {
        self.end
    }

    /// The number of leaves, at least 1.
    pub fn count(self) -> usize {
        (self.end - self.first) as usize
    }

    /// Whether every leaf of `other` is in this range.
    pub fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.end <= self.end
    }

    /// The leaves in ascending order.
    pub fn leaves(self) -> Range<usize> {
        self.first as usize..self.end as usize
    }
}

impl fmt::Display for LeafRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

/// The halving of a row of items: its leaves, and the order in which they are joined.
///
/// Halving: a piece of more than `leaf_items` items and more than one tile of [`TILE`] items is split in two. The left
/// half has ⌈t / 2⌉ of its t tiles (the last tile of the row may be partial), the right half the others. Each half is
/// halved in turn. What is not split is a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    leaf_items: usize,
    /// Where each leaf begins, and at last where the row ends: leaves + 1 ascending numbers.
    bounds: Vec<usize>,
    /// How many joins become possible when a leaf is done, going from left to right.
    joins: Vec<u8>,
}

/// A row that cannot be halved into countable leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// There is nothing to halve.
    #[error("found no items, expected at least 1")]
    Empty,
    /// More than [`MAX_LEAVES`].
    #[error("{items} items make more than {MAX_LEAVES} leaves of at most {leaf_items}")]
    TooMany {
        /// The number of items.
        items: usize,
        /// The most items in a leaf.
        leaf_items: usize,
    },
}

impl Tree {
    /// The blocks of a batch of `m` columns, and the order in which their sums are joined.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if `m` is 0 or there would be more than [`MAX_LEAVES`] blocks.
    pub fn over_batch(m: usize, block_columns: BlockColumns) -> Result<Self, TreeError> {
        Self::new(m, block_columns.get())
    }

    /// The panels of an inner dimension of `n` features (or units), and the order in which their sums are joined.
    ///
    /// # Panics
    ///
    /// If `n` is 0 or beyond 2^31: no layer has such a size (see [`crate::LayerSizes`]).
    pub fn over_inner_dimension(n: usize) -> Self {
        Self::new(n, PANEL_FEATURES).expect("layer sizes are within 1..=2^31")
    }

    fn new(items: usize, leaf_items: usize) -> Result<Self, TreeError> {
        if items == 0 {
            return Err(TreeError::Empty);
        }
        // Halving stops as soon as a piece fits, so a leaf is a tile or more than about half of `leaf_items`.
        let most_leaves = items.div_ceil(TILE.max(leaf_items / 2));
        if most_leaves > MAX_LEAVES {
            return Err(TreeError::TooMany { items, leaf_items });
        }
        let mut tree = Self {
            leaf_items,
            bounds: Vec::with_capacity(most_leaves + 1),
            joins: Vec::with_capacity(most_leaves),
        };
        tree.bounds.push(0);
        tree.halve(0..items);
        Ok(tree)
    }

    fn halve(&mut self, piece: Range<usize>) {
        match split(&piece, self.leaf_items) {
            None => {
                self.bounds.push(piece.end);
                self.joins.push(0);
            }
            Some(middle) => {
                self.halve(piece.start..middle);
                self.halve(middle..piece.end);
                // The last leaf of the right half completes this node too.
                *self.joins.last_mut().expect("halving makes at least one leaf") += 1;
            }
        }
    }

    /// The number of items: columns of a batch, features of an inner dimension.
    pub fn items(&self) -> usize {
        self.bounds[self.leaves()]
    }

    /// The number of leaves: blocks of a batch, panels of an inner dimension.
    pub fn leaves(&self) -> usize {
        self.joins.len()
    }

    /// All leaves: the root node.
    pub fn root(&self) -> LeafRange {
        LeafRange {
            first: 0,
            end: self.leaves() as u32,
        }
    }

    /// The items of one leaf. It begins at a multiple of [`TILE`].
    ///
    /// # Panics
    ///
    /// If there is no such leaf.
    pub fn leaf(&self, leaf: usize) -> Range<usize> {
        self.bounds[leaf]..self.bounds[leaf + 1]
    }

    /// The items of a range of leaves.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the last leaf.
    pub fn items_of(&self, range: LeafRange) -> Range<usize> {
        self.bounds[range.first as usize]..self.bounds[range.end as usize]
    }

    /// The two halves of a node, or `None` for a leaf.
    pub fn halves(&self, node: LeafRange) -> Option<(LeafRange, LeafRange)> {
        let middle = split(&self.items_of(node), self.leaf_items)?;
        let middle = self.bounds.partition_point(|&bound| bound < middle) as u32;
        Some((
            LeafRange {
                first: node.first,
                end: middle,
            },
            LeafRange {
                first: middle,
                end: node.end,
            },
        ))
    }

    /// Whether `range` is a node of this tree.
    pub fn is_node(&self, range: LeafRange) -> bool {
        range.end as usize <= self.leaves() && self.maximal_nodes(range).len() == 1
    }

    /// The fewest nodes that make up `range`, from left to right: what a worker returns for its shard.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the last leaf.
    pub fn maximal_nodes(&self, range: LeafRange) -> Vec<LeafRange> {
        let mut nodes = Vec::new();
        self.collect_maximal(self.root(), range, &mut nodes);
        nodes
    }

    fn collect_maximal(&self, node: LeafRange, range: LeafRange, nodes: &mut Vec<LeafRange>) {
        if node.end <= range.first || range.end <= node.first {
            return;
        }
        if range.contains(node) {
            nodes.push(node);
        } else if let Some((left, right)) = self.halves(node) {
            self.collect_maximal(left, range, nodes);
            self.collect_maximal(right, range, nodes);
        }
    }

    /// The leaves of `node` from left to right, each with the number of joins that follow it.
    ///
    /// Push each leaf's value on a stack; after each, as often as its number says, pop right, pop left, push
    /// left + right. What is left on the stack at the end is the value of `node`.
    ///
    /// # Panics
    ///
    /// If `node` is not a node of this tree.
    pub fn fold_steps(&self, node: LeafRange) -> impl Iterator<Item = (usize, usize)> + '_ {
        let last = node.end as usize - 1;
        let before_last: usize = self.joins[node.first as usize..last]
            .iter()
            .map(|&joins| joins as usize)
            .sum();
        // The last leaf of a node may also complete nodes above it; those joins are not this node's.
        let joins_of_last = node.count() - 1 - before_last;
        node.leaves().map(move |leaf| {
            let joins = if leaf == last {
                joins_of_last
            } else {
                self.joins[leaf] as usize
            };
            (leaf, joins)
        })
    }

    /// The value of `node`: `leaf` gives a leaf's value, `join` gives left + right.
    ///
    /// # Panics
    ///
    /// If `node` is not a node of this tree.
    pub fn fold<V>(&self, node: LeafRange, mut leaf: impl FnMut(usize) -> V, mut join: impl FnMut(V, V) -> V) -> V {
        let mut stack = Vec::new();
        for (index, joins) in self.fold_steps(node) {
            stack.push(leaf(index));
            for _ in 0..joins {
                let right = stack.pop().expect("a join has two operands");
                let left = stack.pop().expect("a join has two operands");
                stack.push(join(left, right));
            }
        }
        stack.pop().expect("a node has at least one leaf")
    }

    /// The most values that [`Tree::fold`] holds at once, for any node.
    pub fn stack_depth(&self) -> usize {
        let mut depth = 0;
        let mut deepest = 0;
        for &joins in &self.joins {
            depth += 1;
            deepest = deepest.max(depth);
            depth -= joins as usize;
        }
        deepest
    }
}

/// Where a piece of a row is split, or `None` if it is a leaf.
fn split(piece: &Range<usize>, leaf_items: usize) -> Option<usize> {
    let tiles = piece.len().div_ceil(TILE);
    (piece.len() > leaf_items && tiles > 1).then(|| piece.start + tiles.div_ceil(2) * TILE)
}

#[cfg(test)]
mod tests;
