//! Blocks as they lie in memory, and the strips of blocks that are computed at a time.

use crate::element::Element;
use crate::kernel::outer::Block;
use crate::kernel::tiles::{Tile, TileColumn, TileColumns, tiled};
use crate::tree::{LeafRange, TILE, Tree};

/// One block's columns and labels.
#[derive(Clone, Debug)]
pub(super) struct PackedBlock<E> {
    /// Its index in the batch.
    pub(super) leaf: usize,
    /// x, n_0 × columns in tiles.
    tiles: Vec<Tile<E>>,
    /// y, one a column.
    pub(super) labels: Vec<u8>,
}

impl<E: Element> PackedBlock<E> {
    fn column_tiles(&self) -> usize {
        self.labels.len().div_ceil(TILE)
    }
}

/// Cuts `columns`, those of the blocks `range`, into blocks.
pub(super) fn pack<E: Element>(
    tree: &Tree,
    range: LeafRange,
    features: usize,
    columns: &[E],
    labels: &[u8],
) -> impl Iterator<Item = PackedBlock<E>> {
    let first = tree.items_of(range).start;
    range.leaves().map(move |leaf| {
        let own = tree.leaf(leaf);
        let own = own.start - first..own.end - first;
        PackedBlock {
            leaf,
            tiles: tiled(features, &columns[own.start * features..own.end * features]),
            labels: labels[own].to_vec(),
        }
    })
}

/// The blocks of one node that are computed at a time.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    /// The blocks, and where their column tiles are in the strip.
    pub(super) blocks: Vec<Block>,
    /// Where each column tile is held: the block's place among those that are held, and the tile in it.
    places: Vec<(usize, usize)>,
    /// How many joins of the tree follow the strip, within the node.
    pub(super) joins: usize,
}

impl Strip {
    /// The number of column tiles.
    pub(super) fn columns(&self) -> usize {
        self.places.len()
    }

    /// The places of its blocks among those that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(|block| self.places[block.tiles.start].0)
    }

    /// x of the strip.
    pub(super) fn inputs<'a, E>(&'a self, held: &'a [PackedBlock<E>]) -> StripInputs<'a, E> {
        StripInputs {
            held,
            places: &self.places,
        }
    }
}

/// x of a strip, as it lies in its blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct StripInputs<'a, E> {
    held: &'a [PackedBlock<E>],
    places: &'a [(usize, usize)],
}

impl<E: Element> TileColumns<E> for StripInputs<'_, E> {
    fn count(&self) -> usize {
        self.places.len()
    }

    #[inline(always)]
    fn column(&self, index: usize) -> TileColumn<'_, E> {
        let (place, tile) = self.places[index];
        let block = &self.held[place];
        TileColumn {
            tiles: &block.tiles[tile..],
            stride: block.column_tiles(),
        }
    }
}

/// How the blocks of the wanted nodes are cut into strips. It has no influence on any bit.
#[derive(Clone, Debug, Default)]
pub(super) struct Division {
    /// The nodes, each with the number of its strips.
    pub(super) nodes: Vec<(LeafRange, usize)>,
    /// All strips, from left to right.
    pub(super) strips: Vec<Strip>,
}

impl Division {
    /// Whether it is that of these nodes.
    pub(super) fn is_of(&self, nodes: &[LeafRange]) -> bool {
        self.nodes.iter().map(|(node, _)| node).eq(nodes)
    }

    /// Cuts `nodes` into strips of at most `most` columns, or of one block.
    ///
    /// # Panics
    ///
    /// If a node is not a node of the tree, or one of its blocks is not among `held`, which are in ascending order.
    pub(super) fn new<E: Element>(tree: &Tree, nodes: &[LeafRange], most: usize, held: &[PackedBlock<E>]) -> Self {
        let mut division = Self::default();
        for &node in nodes {
            let before = division.strips.len();
            division.cut(tree, node, most, held);
            division.nodes.push((node, division.strips.len() - before));
        }
        division
    }

    fn cut<E: Element>(&mut self, tree: &Tree, node: LeafRange, most: usize, held: &[PackedBlock<E>]) {
        if tree.items_of(node).len() > most
            && let Some((left, right)) = tree.halves(node)
        {
            self.cut(tree, left, most, held);
            self.cut(tree, right, most, held);
            // The last strip of the right half completes this node too.
            self.strips.last_mut().expect("a node has a strip").joins += 1;
            return;
        }
        let mut strip = Strip {
            blocks: Vec::new(),
            places: Vec::new(),
            joins: 0,
        };
        for (leaf, joins) in tree.fold_steps(node) {
            let place = held
                .binary_search_by_key(&leaf, |block| block.leaf)
                .expect("the block is held");
            let first = strip.places.len();
            strip
                .places
                .extend((0..held[place].column_tiles()).map(|tile| (place, tile)));
            let columns = held[place].labels.len();
            strip.blocks.push(Block {
                tiles: first..strip.places.len(),
                columns,
                joins,
            });
        }
        self.strips.push(strip);
    }
}
