//! How much memory a worker may use, and how much what a coordinator asks for would take.
//!
//! The worker trusts the coordinator no more than it needs to: what is declared is added up here before anything of it
//! is allocated.

use std::num::NonZeroUsize;

use proto::Run;
use settings::Size;
use shared::tree::{PANEL_FEATURES, TILE};
use shared::{BlockSet, LeafRange, Precision};
use sysinfo::System;

/// What the program takes whatever the run: itself, the windows of HTTP/2, and messages under way.
const BASE: u128 = 64 << 20;

/// Sets of parameters that exist at a time: those computed with, those that arrive, those that wait in between or whose
/// memory is about to be used again.
const PARAMETER_SETS: u128 = 3;

/// Sets of sums that exist at a time: those that are computed, and those that are sent.
const SUM_SETS: u128 = 2;

/// Copies of columns that arrive, besides those laid out: as they came, as numbers, and one range of them.
const ARRIVING_COPIES: u128 = 3;

/// Numbers per unit and column of a pass: a or z, dz of two layers at a time, and dz laid out anew.
const PASS_NUMBERS: u128 = 4;

/// The most columns that a thread works at, unless a block has more.
const STRIP_COLUMNS: u128 = 384;

/// Numbers per column that a thread works at: inputs converted, and transposed.
const NEAR_NUMBERS: u128 = 256 + 16;

/// The most levels of the tree of blocks, and two buffers besides.
const LEVELS: u128 = 26;

/// Bytes of sums of one level that a thread computes at a time, and of inputs that pass by meanwhile.
const TASK_BYTES: u128 = 512 << 10;

/// Features whose sums a thread computes at a time, where a layer is so wide that these take more than [`TASK_BYTES`].
const TASK_FEATURES: u128 = 16;

/// Copies of the tree of blocks, 9 bytes a block.
const TREE_COPIES: u128 = 5;

/// The most columns that fill up a last tile.
const TILE_PADDING: u128 = 7;

/// What a worker has for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// How much memory may be used.
    pub memory: MemoryLimit,
}

/// How much memory a worker may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit(pub u64);

impl MemoryLimit {
    /// Three quarters of the machine's memory, or of what a container leaves of it; no limit if the system does not say
    /// how much that is.
    pub fn of_machine() -> Self {
        let Ok(mut system) = System::new() else {
            return Self(u64::MAX);
        };
        system.refresh_memory();
        let container = system.cgroup_limits().map(|limits| limits.total_memory);
        let container = container.filter(|&bytes| bytes > 0).unwrap_or(u64::MAX);
        match system.total_memory().min(container) {
            0 => Self(u64::MAX),
            bytes => Self(bytes / 4 * 3),
        }
    }

    /// Checks that what is asked for has room.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if it has not.
    pub fn check(self, demand: &Demand<'_>) -> Result<(), TooLarge> {
        let needed = demand.bytes();
        // What passes can be addressed, so the sizes in it can be multiplied.
        let limit = u128::from(self.0).min(usize::MAX as u128);
        if needed <= limit {
            return Ok(());
        }
        Err(TooLarge {
            needed: Size(needed),
            limit: Size(limit),
        })
    }
}

/// More memory than the worker may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found work that needs about {needed} of memory here, expected at most {limit}, the limit of --max-memory")]
pub struct TooLarge {
    /// What would be needed.
    pub needed: Size,
    /// What may be used.
    pub limit: Size,
}

impl TooLarge {
    /// How it may be mended.
    pub fn hint(&self) -> String {
        "raise --max-memory if this machine has more, or let more workers share the columns".to_owned()
    }
}

/// What a coordinator asks of a worker. Its sizes may be any that a message can declare: adding them up allocates next to
/// nothing and cannot overflow.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The run.
    pub run: &'a Run,
    /// The blocks to hold, those included that arrive. They are blocks of the run's tree.
    pub held: &'a BlockSet,
    /// The blocks that arrive, and those that have arrived and are not laid out yet.
    pub arriving: &'a [&'a BlockSet],
    /// The nodes whose sums are wanted at a time, nodes of the run's tree; `None` for the fewest that make up the blocks
    /// to hold.
    pub nodes: Option<&'a [LeafRange]>,
    /// The threads that compute.
    pub threads: usize,
}

impl Demand<'_> {
    /// The memory that it takes at most, in bytes.
    ///
    /// The sum of the parts below, with P parameters of `number` bytes, sums of `sum` bytes a number, n_0 features of
    /// `element` bytes. All n_l, l = 0 … L, are rounded up to tiles of 8.
    ///
    /// - parameters: 3 · P · number; in a mixed run gradients: 3 · P · sum
    /// - columns: (held + 3 · arriving) · (n_0 · element + 1)
    /// - sums: 2 · nodes · (P + 1) · sum
    /// - passes over the nodes' columns: columns · 4 · Σ n_l · number, l = 1 … L
    /// - threads, each at 384 columns or one block: columns · ((h + 2) · n + 272) · number, with n the largest
    ///   n_l, l = 1 … L, and h how often the largest of all can be halved until it is within a panel
    /// - threads, each at some features of one layer: 27 · 512 KiB + 26 · 16 · n · number
    /// - tree: 45 · blocks of the batch
    pub fn bytes(&self) -> u128 {
        let Run {
            sizes,
            precision,
            tree,
            element_type,
            ..
        } = self.run;
        let (number, sum) = (precision.parameters().bytes() as u128, precision.sums().bytes() as u128);
        let element = element_type.bytes() as u128;
        let gradients = match precision {
            Precision::Mixed => PARAMETER_SETS * sizes.parameters() as u128 * sum,
            Precision::F64 | Precision::F32 => 0,
        };
        let parameters = sizes.parameters() as u128;
        let in_tiles = |n: usize| (n as u128).next_multiple_of(TILE as u128);
        let layers = sizes.as_slice()[1..].iter().map(|&n| in_tiles(n));
        let (units, widest) = layers.fold((0, 0), |(sum, most), n| (sum + n, most.max(n)));

        let columns = |blocks: &BlockSet| match blocks.columns(tree) {
            0 => 0,
            columns => columns as u128 + TILE_PADDING,
        };
        let arriving: u128 = self.arriving.iter().map(|blocks| columns(blocks)).sum();
        let kept = columns(self.held) + ARRIVING_COPIES * arriving;
        let (nodes, computed) = self.computed();
        let threads = self.threads as u128;
        let longest = sizes.as_slice().iter().max().map_or(0, |n| n.div_ceil(PANEL_FEATURES));
        let halvings = u128::from(longest.next_power_of_two().ilog2());
        let strip = STRIP_COLUMNS.max(self.run.block_columns.get() as u128);
        BASE + PARAMETER_SETS * parameters * number
            + gradients
            + kept * (in_tiles(sizes.features()) * element + 1)
            + SUM_SETS * nodes * (parameters + 1) * sum
            + computed * PASS_NUMBERS * units * number
            + threads * strip * ((halvings + 2) * widest + NEAR_NUMBERS) * number
            + threads * ((LEVELS + 1) * TASK_BYTES + LEVELS * TASK_FEATURES * widest * number)
            + TREE_COPIES * 9 * tree.leaves() as u128
    }

    /// The number of nodes whose sums are wanted at a time, and of their columns.
    fn computed(&self) -> (u128, u128) {
        let tree = &self.run.tree;
        let padded = |node: &LeafRange| tree.items_of(*node).len() as u128 + TILE_PADDING;
        let total = |(count, columns): (u128, u128), node: &LeafRange| (count + 1, columns + padded(node));
        match self.nodes {
            Some(nodes) => nodes.iter().fold((0, 0), total),
            None => {
                let of_range = |so_far, &range: &LeafRange| tree.maximal_nodes(range).iter().fold(so_far, total);
                self.held.ranges().iter().fold((0, 0), of_range)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::{BlockColumns, Digest, ElementType, LayerSizes, Precision, Tree};

    use super::*;

    fn run(sizes: &[usize], m: usize) -> Run {
        let block_columns = BlockColumns::new(16).unwrap();
        Run {
            sizes: LayerSizes::new(sizes.to_vec()).unwrap(),
            precision: Precision::F64,
            tree: Tree::over_batch(m, block_columns).unwrap(),
            block_columns,
            element_type: ElementType::I16,
            scale: 1.0,
            learning_rate: 0.1,
            iterations: 1,
            data: Digest::from_bytes([0; 32]),
            worker_timeout: Duration::from_secs(5),
        }
    }

    fn set(first: u32, end: u32) -> BlockSet {
        BlockSet::new(LeafRange::new(first, end))
    }

    fn demand<'a>(run: &'a Run, held: &'a BlockSet, arriving: &'a [&'a BlockSet]) -> Demand<'a> {
        Demand {
            run,
            held,
            arriving,
            nodes: None,
            threads: 2,
        }
    }

    #[test]
    fn every_part_counts_as_documented() {
        // 2 features, 3 and 1 units: 2 · 3 + 3 + 3 + 1 = 13 parameters; 64 columns in 4 blocks.
        let run = run(&[2, 3, 1], 64);
        let nothing = BlockSet::default();
        // 2 threads, each at 384 columns of at most 8 units, at 16 features of them, and at sums in its caches.
        let always = BASE + 3 * 13 * 8 + 2 * 384 * (2 * 8 + 272) * 8 + 2 * (27 * TASK_BYTES + 26 * 16 * 8 * 8) + 45 * 4;
        assert_eq!(demand(&run, &nothing, &[]).bytes(), always);
        let (held, arriving, again) = (set(0, 3), set(1, 3), set(2, 3));
        // 48 columns are held, 32 of them arrive, 16 of them again, each padded by 7; two nodes make the held ones up.
        let kept = (55 + 3 * (39 + 23)) * (8 * 2 + 1);
        let sums = 2 * 2 * 14 * 8;
        let passes = (39 + 23) * (4 * 16) * 8;
        let arriving = [&arriving, &again];
        assert_eq!(demand(&run, &held, &arriving).bytes(), always + kept + sums + passes);
    }

    #[test]
    fn a_node_that_is_asked_for_again_and_again_counts_each_time() {
        let run = run(&[2, 3, 1], 64);
        let held = set(0, 4);
        let bytes = |nodes: &[LeafRange]| {
            let nodes = Some(nodes);
            let demand = demand(&run, &held, &[]);
            Demand { nodes, ..demand }.bytes()
        };
        let root = LeafRange::new(0, 4).unwrap();
        let each = bytes(&[root]) - bytes(&[]);
        assert_eq!(bytes(&[root; 1000]), bytes(&[]) + 1000 * each);
    }

    #[test]
    fn the_largest_sizes_that_a_message_can_declare_are_refused_and_not_overflowed() {
        let m = shared::tree::MAX_LEAVES * 8;
        let run = run(&[1 << 31, 1, 1], m);
        let all = BlockSet::new([run.tree.root()]);
        let limit = MemoryLimit(u64::MAX / 64);
        let nodes = vec![run.tree.root(); 60_000];
        let error = limit.check(&Demand {
            nodes: Some(&nodes),
            ..demand(&run, &all, &[&all])
        });
        assert!(error.is_err());
    }

    #[test]
    fn a_demand_is_refused_one_byte_above_the_limit_with_both_named() {
        let run = run(&[2, 3, 1], 64);
        let held = set(0, 4);
        let arriving = [&held];
        let demand = demand(&run, &held, &arriving);
        let exact = u64::try_from(demand.bytes()).unwrap();
        assert_eq!(MemoryLimit(exact).check(&demand), Ok(()));
        let error = MemoryLimit(exact - 1).check(&demand).unwrap_err();
        assert_eq!(
            error.to_string(),
            "found work that needs about 92.7 MiB of memory here, expected at most 92.7 MiB, the limit of --max-memory"
        );
    }

    #[test]
    fn the_machine_has_memory() {
        let MemoryLimit(bytes) = MemoryLimit::of_machine();
        assert!(bytes > 1 << 27, "{bytes}");
        if cfg!(target_os = "linux") {
            assert!(bytes < 1 << 50, "{bytes}");
        }
    }
}
