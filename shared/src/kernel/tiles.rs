//! Matrices in memory: tiles of 8 rows × 8 columns.
//!
//! ```text
//!              columns 0..8   columns 8..16   …
//!   rows 0..8      tile 0         tile 1             each tile row by row: 8 numbers of row 0, 8 of row 1, …
//!   rows 8..16     tile s         tile s + 1         s: the stride, column tiles in memory
//! ```
//!
//! A tile of bytes is one cache line, and a walk along either axis has no stride that makes cache sets collide.

use crate::tree::TILE;

/// 8 × 8 numbers, row by row.
pub type Tile<E> = [E; TILE * TILE];

/// One column of tiles.
#[derive(Clone, Copy, Debug)]
pub struct TileColumn<'a, E> {
    /// The tiles from the column's first on.
    pub tiles: &'a [Tile<E>],
    /// From one tile of the column to the next.
    pub stride: usize,
}

impl<'a, E> TileColumn<'a, E> {
    /// The tile of rows 8 `row_tile` ….
    #[inline(always)]
    pub fn tile(&self, row_tile: usize) -> &'a Tile<E> {
        &self.tiles[row_tile * self.stride]
    }
}

/// A matrix whose columns come in tiles, wherever these lie.
pub trait TileColumns<E>: Sync {
    /// The number of column tiles.
    fn count(&self) -> usize;
    /// The column tile `index`, below [`TileColumns::count`].
    fn column(&self, index: usize) -> TileColumn<'_, E>;
}

/// A matrix in tiles that lie in one piece of memory.
#[derive(Clone, Copy, Debug)]
pub struct Tiles<'a, E> {
    /// Row of tiles after row of tiles.
    pub tiles: &'a [Tile<E>],
    /// Column tiles in each row.
    pub stride: usize,
}

impl<E: Sync> TileColumns<E> for Tiles<'_, E> {
    fn count(&self) -> usize {
        self.stride
    }

    #[inline(always)]
    fn column(&self, index: usize) -> TileColumn<'_, E> {
        TileColumn {
            tiles: &self.tiles[index..],
            stride: self.stride,
        }
    }
}

/// The tile with rows and columns exchanged.
#[inline(always)]
pub fn transposed<E: Copy>(tile: &Tile<E>) -> Tile<E> {
    let mut transposed = *tile;
    for row in 0..TILE {
        for column in 0..TILE {
            transposed[column * TILE + row] = tile[row * TILE + column];
        }
    }
    transposed
}

/// Lays out `columns`, column after column of `rows` numbers each, in tiles; what fills the last tiles up is zero.
pub fn tiled<E: bytemuck::Zeroable + Copy>(rows: usize, columns: &[E]) -> Vec<Tile<E>> {
    let count = columns.len() / rows;
    let stride = count.div_ceil(TILE);
    let mut tiles = vec![[E::zeroed(); TILE * TILE]; rows.div_ceil(TILE) * stride];
    for (j, column) in columns.chunks_exact(rows).enumerate() {
        for (row_tile, numbers) in column.chunks(TILE).enumerate() {
            let tile = &mut tiles[row_tile * stride + j / TILE];
            for (row, &number) in numbers.iter().enumerate() {
                tile[row * TILE + j % TILE] = number;
            }
        }
    }
    tiles
}
