//! The planner: which worker holds which blocks.
//!
//! Shards are contiguous, disjoint and cover the batch. Which ones are chosen changes how long an iteration takes, never
//! its result.

use std::ops::RangeInclusive;

use crate::tree::{LeafRange, Tree};

/// What sending and joining one more node costs, in columns of computation.
///
/// A node is a full gradient, 8 bytes a parameter in f64: at about 2 GB/s over loopback 4 ns a parameter, and half a
/// nanosecond to join. A column takes 4 floating-point operations a parameter, 0.1 ns on one core at 40 GFLOP/s. Over a
/// slower network a node costs more still; in a large batch it hardly counts.
const NODE_COLUMNS: usize = 48;

/// Cuts the blocks of `tree` into shards for `workers` equal workers, in the order of the columns; see [`plan_uneven`].
///
/// # Panics
///
/// If `workers` is 0.
pub fn plan(tree: &Tree, workers: usize) -> Vec<LeafRange> {
    plan_uneven(tree, &vec![Slowness::EVEN; workers])
}

/// The time that a unit of [`work`] takes a worker, in any unit that all workers of a plan share; at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slowness(u64);

impl Slowness {
    /// That of workers which are all alike.
    pub const EVEN: Self = Self(1);

    /// Nanoseconds a unit of [`work`]; 0 counts as 1.
    pub fn nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds.clamp(1, u64::from(u32::MAX)))
    }
}

/// The work that `shard` makes: columns + 48 · nodes.
///
/// # Panics
///
/// If `shard` reaches beyond the last block.
pub fn work(tree: &Tree, shard: LeafRange) -> usize {
    tree.items_of(shard).len() + NODE_COLUMNS * tree.maximal_nodes(shard).len()
}

/// The time that `shard` takes a worker: [`work`] · slowness, in the unit of the slowness.
pub fn cost(tree: &Tree, shard: LeafRange, slowness: Slowness) -> u64 {
    (work(tree, shard) as u64).saturating_mul(slowness.0)
}

/// Cuts the blocks of `tree` into shards, one a worker, in the order of the columns.
///
/// Chosen so that the largest [`cost`] of a shard is least, and among equals the sum of all nodes. There are as many
/// shards as workers, or as blocks if those are fewer: the workers beyond stay idle.
///
/// # Panics
///
/// If there are no workers.
pub fn plan_uneven(tree: &Tree, workers: &[Slowness]) -> Vec<LeafRange> {
    assert!(!workers.is_empty(), "a plan needs at least one worker");
    let workers = &workers[..workers.len().min(tree.leaves())];
    let shards = workers.len();
    let cuts: Vec<Vec<u32>> = fair_bounds(tree, workers)
        .into_iter()
        .enumerate()
        .map(|(cut, fair)| candidates(tree, cut, shards, fair))
        .collect();
    // For every candidate of the current cut, the cheapest way to get there from the left.
    let mut reached = vec![vec![Some(Way {
        cost: Cost::default(),
        from: 0,
    })]];
    for cut in 1..=shards {
        let row = cuts[cut]
            .iter()
            .map(|&end| cheapest(tree, &cuts[cut - 1], &reached[cut - 1], end, workers[cut - 1]));
        let row = row.collect();
        reached.push(row);
    }
    let mut ends = Vec::with_capacity(shards + 1);
    let mut at = 0;
    for cut in (0..=shards).rev() {
        ends.push(cuts[cut][at]);
        at = reached[cut][at].as_ref().map_or(0, |way| way.from);
    }
    ends.reverse();
    ends.windows(2)
        .filter_map(|pair| LeafRange::new(pair[0], pair[1]))
        .collect()
}

/// The cost of some shards: of the largest, then of all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    largest: u64,
    nodes: usize,
}

/// The cheapest way to a cut, and the candidate of the cut before that it comes from.
#[derive(Clone, Copy, Debug)]
struct Way {
    cost: Cost,
    from: usize,
}

fn cheapest(tree: &Tree, starts: &[u32], reached: &[Option<Way>], end: u32, worker: Slowness) -> Option<Way> {
    let ways = starts
        .iter()
        .zip(reached)
        .enumerate()
        .filter_map(|(from, (&start, way))| {
            let before = (*way)?.cost;
            let shard = LeafRange::new(start, end)?;
            let cost = Cost {
                largest: before.largest.max(cost(tree, shard, worker)),
                nodes: before.nodes + tree.maximal_nodes(shard).len(),
            };
            Some(Way { cost, from })
        });
    ways.min_by_key(|way| way.cost)
}

/// The block bounds worth considering for one cut: the fair one, and at every level of the tree the nearest bound of a
/// node on either side of it. Ascending.
fn candidates(tree: &Tree, cut: usize, shards: usize, fair: u32) -> Vec<u32> {
    if cut == 0 || cut == shards {
        return vec![fair];
    }
    let possible = possible(tree, cut, shards);
    let mut bounds = vec![fair];
    let mut node = tree.root();
    while let Some((left, right)) = tree.halves(node) {
        bounds.extend(
            [node.first(), left.end(), node.end()]
                .into_iter()
                .filter(|bound| possible.contains(bound)),
        );
        node = if fair < left.end() { left } else { right };
    }
    bounds.sort_unstable();
    bounds.dedup();
    bounds
}

/// The bounds that leave every shard at least one block.
fn possible(tree: &Tree, cut: usize, shards: usize) -> RangeInclusive<u32> {
    cut as u32..=(tree.leaves() - (shards - cut)) as u32
}

/// For every cut, 0 and the last included, the block bound nearest to the fair share of the workers before it; a
/// worker's fair share is by its speed. Strictly ascending, so that they alone are a plan.
fn fair_bounds(tree: &Tree, workers: &[Slowness]) -> Vec<u32> {
    let shards = workers.len();
    // Speeds in parts of a number large enough that whole numbers are precise.
    let speed = |worker: &Slowness| u128::from((1_u64 << 40) / worker.0);
    let all: u128 = workers.iter().map(speed).sum();
    let (mut before, mut bounds) = (0, vec![0]);
    for (worker, cut) in workers.iter().zip(1..) {
        before += speed(worker);
        let fair = nearest_bound(tree, (tree.items() as u128 * before / all) as usize);
        let least = bounds[cut - 1] + 1;
        bounds.push(fair.max(least).min(*possible(tree, cut, shards).end()));
    }
    bounds
}

/// The block bound nearest to `column`.
fn nearest_bound(tree: &Tree, column: usize) -> u32 {
    let all = 0..tree.leaves() as u32;
    let after = partition_point(all, |leaf| tree.leaf(leaf as usize).end <= column);
    let leaf = tree.leaf((after as usize).min(tree.leaves() - 1));
    if column.saturating_sub(leaf.start) * 2 > leaf.len() {
        after + 1
    } else {
        after
    }
}

/// The first number of `range` for which `before` is false.
fn partition_point(range: std::ops::Range<u32>, before: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1
        } else {
            high = middle
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockColumns;
    use proptest::prelude::*;

    fn tree(m: usize, block_columns: usize) -> Tree {
        Tree::over_batch(m, BlockColumns::new(block_columns).unwrap()).unwrap()
    }

    fn nodes(tree: &Tree, shards: &[LeafRange]) -> Vec<usize> {
        shards.iter().map(|&shard| tree.maximal_nodes(shard).len()).collect()
    }

    #[test]
    fn two_four_and_eight_equal_workers_get_one_node_each() {
        for m in [209, 4096, 8360] {
            let tree = tree(m, 16);
            for workers in [1, 2, 4, 8] {
                assert_eq!(
                    nodes(&tree, &plan(&tree, workers)),
                    vec![1; workers],
                    "m = {m}, {workers} workers"
                );
            }
        }
    }

    #[test]
    fn a_small_batch_on_three_workers_prefers_few_nodes_to_even_shares() {
        let tree = tree(209, 16);
        let shards = plan(&tree, 3);
        assert_eq!(nodes(&tree, &shards), [1, 1, 1]);
    }

    #[test]
    fn a_large_batch_on_three_workers_is_shared_evenly() {
        let tree = tree(60_000, 64);
        for shard in plan(&tree, 3) {
            let columns = tree.items_of(shard).len();
            assert!((19_500..20_500).contains(&columns), "{columns} columns");
        }
    }

    #[test]
    fn workers_beyond_the_blocks_get_none() {
        let tree = tree(20, 8);
        assert_eq!(plan(&tree, 7).len(), 3);
    }

    #[test]
    fn a_worker_at_a_quarter_of_the_speed_gets_about_a_quarter_of_the_columns() {
        let tree = tree(60_000, 64);
        let shards = plan_uneven(&tree, &[10, 40, 10].map(Slowness::nanoseconds));
        let columns: Vec<_> = shards.iter().map(|&shard| tree.items_of(shard).len()).collect();
        assert!((6_000..7_400).contains(&columns[1]), "{columns:?}");
        assert!((25_900..27_300).contains(&columns[0]), "{columns:?}");
    }

    proptest! {
        #[test]
        fn shards_are_contiguous_disjoint_and_cover_the_batch(
            m in 1_usize..4000, block_columns in 8_usize..80, workers in prop::collection::vec(0_u64..1_000_000, 1..40),
        ) {
            let tree = tree(m, block_columns);
            let slowness: Vec<_> = workers.iter().copied().map(Slowness::nanoseconds).collect();
            let workers = workers.len();
            let shards = plan_uneven(&tree, &slowness);
            prop_assert_eq!(shards.len(), workers.min(tree.leaves()));
            let mut next = 0;
            for shard in &shards {
                prop_assert_eq!(shard.first(), next);
                next = shard.end();
            }
            prop_assert_eq!(next as usize, tree.leaves());
        }

        #[test]
        fn no_shard_is_much_larger_than_a_fair_share_and_its_nodes(
            m in 1_usize..40_000, workers in 1_usize..40,
        ) {
            let tree = tree(m, 16);
            let largest = plan(&tree, workers).iter().map(|&shard| tree.items_of(shard).len()).max().unwrap();
            // The fair cut is always a candidate: it costs at most two nodes a level of the tree.
            let levels = tree.stack_depth();
            prop_assert!(largest <= m / workers + 32 + NODE_COLUMNS * 2 * levels);
        }
    }
}
