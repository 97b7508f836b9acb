//! How much memory the processes take.
//!
//! What a worker takes at most it adds up itself before it accepts work (`worker/src/limits.rs`); this is nearly the
//! same sum, from what the coordinator knows of a run that has not begun.

use shared::tree::TILE;
use shared::{LayerSizes, LeafRange, Precision};

use super::forecast::Facts;
use super::link::LinkSpeed;
use super::traffic::{column_bytes, parameter_bytes, sum_bytes};

/// What a program takes whatever the run: itself, the windows of HTTP/2, and messages under way.
const BASE: u128 = 64 << 20;

/// Sets of parameters that a worker has at a time.
const WORKER_SETS: u128 = 3;

/// Sets of sums that a worker has at a time.
const WORKER_SUMS: u128 = 2;

/// Copies of its columns that a worker has when they have just arrived: as they came, as numbers, one range of them, and
/// laid out.
const WORKER_COPIES: u128 = 4;

/// Sets of parameters that a coordinator has at a time: its own, those that go out, those before, and memory for the
/// next.
const COORDINATOR_SETS: u128 = 4;

/// Sets of gradients that either has at a time in a mixed run, in which they are broadcast.
const GRADIENT_SETS: u128 = 3;

/// Sets of sums that a coordinator has at a time: those that are kept, and those that arrive.
const COORDINATOR_SUMS: u128 = 2;

/// Memory that the coordinator shares with a worker that it started: two rings, for one tensor and for three, each of at most
/// so many bytes, and a little more than the tensors (`proto/src/local/segment.rs`).
const SHARED_TENSORS: [u128; 2] = [1, 3];
const MAX_RING_BYTES: u128 = 32 << 20;
const RING_MARGIN: u128 = 512 << 10;

/// Copies of its columns that a process without workers has when it begins: as numbers, and laid out.
const ALONE_COPIES: u128 = 2;

/// Bytes of columns that are under way to a worker: 4 MiB as numbers, and as bytes.
const PIECE_BYTES: u128 = 8 << 20;

/// Numbers per unit and column of a pass: a or z, dz of two layers at a time, and dz laid out anew.
const PASS_NUMBERS: u128 = 4;

/// Columns that a thread works at, numbers of each besides two of the widest layer, and numbers a unit of that layer that
/// the sums of its features take.
const STRIP: (u128, u128, u128) = (384, 272, 416);

/// Bytes of the sums of features that a thread works at, and of the inputs that pass by meanwhile.
const TASK_BYTES: u128 = 27 * (512 << 10);

/// The most columns that fill up a last tile.
const TILE_PADDING: u128 = TILE as u128 - 1;

/// Bytes a block of what is kept of the tree.
const TREE_BYTES: u128 = 45;

/// Bytes of memory that the processes of a run take at most, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The coordinator, or the only process there is.
    pub coordinator: u128,
    /// The worker that takes most; 0 if there is none.
    pub worker: u128,
}

impl Memory {
    /// That of a fleet with these `shards`, one a worker, of `threads` each; without shards, of one process that does all
    /// with as many threads.
    ///
    /// With P parameters of `number` bytes, `sum` bytes a number of the sums, n_0 features of `element` bytes, and n_l
    /// rounded up to tiles of 8:
    ///
    /// - each process: 64 MiB + 45 · blocks
    /// - a worker: 3 · P · number + 2 · nodes · (P + 1) · sum + 4 · columns · (n_0 · element + 1) + pass
    /// - the coordinator: 4 · P · number + 2 · nodes · (P + 1) · sum, nodes of all workers, and what is under way of the
    ///   columns, at most 8 MiB a worker; and for each worker that it starts itself, min((P + 1) · number + 512 KiB, 32 MiB)
    ///   + min(3 · (P + 1) · number + 512 KiB, 32 MiB), which both share
    /// - both in a mixed run: 3 · P · sum
    /// - one process: P · number + (P + 1) · sum + 2 · m · (n_0 · element + 1) + pass
    /// - pass: columns · 4 · Σ n_l · number + threads · (27 · 512 KiB + (384 · (2 n + 272) + 416 n) · number), l = 1 … L, n
    ///   the largest of these n_l
    /// - whoever has the built-in images: m · (n_0 · element + 1)
    pub fn new(facts: &Facts, shards: &[LeafRange], threads: usize) -> Self {
        match shards {
            [] => Self {
                coordinator: alone(facts, threads),
                worker: 0,
            },
            _ => Self {
                coordinator: coordinator(facts, shards),
                worker: shards
                    .iter()
                    .map(|&shard| worker(facts, shard, threads))
                    .max()
                    .unwrap_or_default(),
            },
        }
    }
}

fn worker(facts: &Facts, shard: LeafRange, threads: usize) -> u128 {
    let columns = padded_columns(facts, shard);
    let nodes = facts.tree.maximal_nodes(shard).len() as u128;
    fixed(facts)
        + WORKER_SETS * parameters(facts)
        + gradients(facts)
        + WORKER_SUMS * nodes * sums(facts)
        + WORKER_COPIES * columns * column_bytes(&facts.sizes, facts.element_type)
        + pass(facts, columns, threads)
}

fn coordinator(facts: &Facts, shards: &[LeafRange]) -> u128 {
    let nodes = shards
        .iter()
        .map(|&shard| facts.tree.maximal_nodes(shard).len() as u128);
    let under_way = (shards.len() as u128 * PIECE_BYTES).min(2 * all_columns(facts));
    fixed(facts)
        + images(facts)
        + COORDINATOR_SETS * parameters(facts)
        + gradients(facts)
        + COORDINATOR_SUMS * nodes.sum::<u128>() * sums(facts)
        + under_way
        + shards.len() as u128 * shared(facts)
}

/// What the coordinator shares with a worker, if they are on one machine.
fn shared(facts: &Facts) -> u128 {
    if facts.link != LinkSpeed::Loopback {
        return 0;
    }
    let tensor = (facts.sizes.parameters() as u128 + 1) * parameter_bytes(facts.precision);
    let ring = |tensors: u128| (tensors * tensor + RING_MARGIN).min(MAX_RING_BYTES);
    SHARED_TENSORS.into_iter().map(ring).sum()
}

fn alone(facts: &Facts, threads: usize) -> u128 {
    let columns = padded_columns(facts, facts.tree.root());
    fixed(facts)
        + images(facts)
        + parameters(facts)
        + sums(facts)
        + ALONE_COPIES * columns * column_bytes(&facts.sizes, facts.element_type)
        + pass(facts, columns, threads)
}

fn fixed(facts: &Facts) -> u128 {
    BASE + TREE_BYTES * facts.tree.leaves() as u128
}

/// One set of parameters.
fn parameters(facts: &Facts) -> u128 {
    facts.sizes.parameters() as u128 * parameter_bytes(facts.precision)
}

/// The sums of one node.
fn sums(facts: &Facts) -> u128 {
    (facts.sizes.parameters() as u128 + 1) * sum_bytes(facts.precision)
}

/// The gradients that are broadcast in place of parameters, if they are.
fn gradients(facts: &Facts) -> u128 {
    let precision = facts.precision;
    let sets = if precision.parameters() == precision.sums() {
        0
    } else {
        GRADIENT_SETS
    };
    sets * facts.sizes.parameters() as u128 * sum_bytes(precision)
}

fn all_columns(facts: &Facts) -> u128 {
    facts.tree.items() as u128 * column_bytes(&facts.sizes, facts.element_type)
}

/// The built-in images, which the coordinator has in memory; a file is read by and by.
fn images(facts: &Facts) -> u128 {
    if facts.in_memory { all_columns(facts) } else { 0 }
}

fn padded_columns(facts: &Facts, shard: LeafRange) -> u128 {
    facts.tree.items_of(shard).len() as u128 + TILE_PADDING
}

/// Bytes of a pass through `columns`, and of the threads that make it.
fn pass(facts: &Facts, columns: u128, threads: usize) -> u128 {
    let widest = tiled(&facts.sizes).max().unwrap_or_default();
    let (strip, near, task) = STRIP;
    let of_thread = strip * (2 * widest + near) + task * widest;
    columns * pass_bytes(&facts.sizes, facts.precision)
        + threads as u128 * (TASK_BYTES + of_thread * parameter_bytes(facts.precision))
}

/// Bytes of a pass through one column: 4 · Σ n_l · number, l = 1 … L, with n_l rounded up to tiles.
pub fn pass_bytes(sizes: &LayerSizes, precision: Precision) -> u128 {
    PASS_NUMBERS * tiled(sizes).sum::<u128>() * parameter_bytes(precision)
}

/// n_1 … n_L, rounded up to tiles.
fn tiled(sizes: &LayerSizes) -> impl Iterator<Item = u128> + '_ {
    let layers = sizes.as_slice()[1..].iter();
    layers.map(|&n| (n as u128).next_multiple_of(TILE as u128))
}
