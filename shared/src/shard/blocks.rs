//! Blocks as they lie in memory: tiles of 8 columns.

use crate::element::Element;
use crate::kernel::product::Tiles;
use crate::tree::{LeafRange, TILE, Tree};

/// One block's columns and labels.
#[derive(Clone, Debug)]
pub(super) struct PackedBlock<E> {
    features: usize,
    /// Tile after tile, see [`Tiles`].
    numbers: Vec<E>,
    /// y, one a column.
    labels: Vec<u8>,
}

impl<E: Element> PackedBlock<E> {
    pub(super) fn tiles(&self) -> Tiles<'_, E> {
        Tiles {
            features: self.features,
            numbers: &self.numbers,
        }
    }

    pub(super) fn each_tile(&self) -> impl Iterator<Item = &[E]> {
        self.numbers.chunks_exact(self.features * TILE)
    }

    /// The labels, filled up with zeros to whole tiles.
    pub(super) fn padded_labels(&self) -> impl Iterator<Item = u8> {
        let padding = self.labels.len().next_multiple_of(TILE) - self.labels.len();
        self.labels.iter().copied().chain(std::iter::repeat_n(0, padding))
    }

    pub(super) fn columns(&self) -> usize {
        self.labels.len()
    }
}

/// Lays out `columns`, column after column of `features` numbers each, in tiles of 8 columns.
pub(crate) fn tiled<E: Element>(features: usize, columns: &[E]) -> Vec<E> {
    let tiles = columns.len().div_ceil(features * TILE);
    let mut numbers = vec![E::zeroed(); tiles * features * TILE];
    for (tile, columns) in numbers
        .chunks_exact_mut(features * TILE)
        .zip(columns.chunks(features * TILE))
    {
        for (j, column) in columns.chunks_exact(features).enumerate() {
            for (to, &from) in tile.iter_mut().skip(j).step_by(TILE).zip(column) {
                *to = from;
            }
        }
    }
    numbers
}

/// Cuts `columns`, those of the blocks `range`, into blocks.
pub(super) fn pack<E: Element>(
    tree: &Tree,
    range: LeafRange,
    features: usize,
    columns: &[E],
    labels: &[u8],
) -> Vec<PackedBlock<E>> {
    let first = tree.items_of(range).start;
    let block = |leaf| {
        let own = tree.leaf(leaf);
        let own = own.start - first..own.end - first;
        let numbers = tiled(features, &columns[own.start * features..own.end * features]);
        PackedBlock {
            features,
            numbers,
            labels: labels[own].to_vec(),
        }
    };
    range.leaves().map(block).collect()
}
