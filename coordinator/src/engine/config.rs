//! What the engine must know of a run.

use std::time::Duration;

use proto::Run;
use shared::ids::Iteration;
use shared::{BlockColumns, Digest, Precision, Tree};

use super::audit::Audit;
use super::member::SumShape;
use crate::checkpoint::CheckpointEvery;

/// What the engine must know of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// Where the arithmetic is done.
    pub fleet: FleetSize,
    /// The iteration to begin with: 0, or where an earlier run left off.
    pub first: Iteration,
    /// The number of updates in all, at least 1.
    pub iterations: u64,
    /// The blocks of the batch.
    pub tree: Tree,
    /// The most columns in a block, from which the tree was made.
    pub block_columns: BlockColumns,
    /// The digest of the training data.
    pub data: Digest,
    /// Bytes of one column.
    pub column_bytes: usize,
    /// The shape of every node's sums.
    pub shape: SumShape,
    /// Whether workers make updates themselves: those that have the parameters of the iteration before are sent the
    /// gradient in place of the new ones.
    pub gradients: bool,
    /// The silence after which a worker counts as lost.
    pub worker_timeout: Duration,
    /// Whether shards are equal whatever the workers' speeds, and late work is not repeated.
    pub even_shards: bool,
    /// What is computed twice, if anything.
    pub audit: Option<Audit>,
    /// When to write down the state.
    pub checkpoints: Option<CheckpointEvery>,
}

impl EngineConfig {
    /// What follows from `run`, with shards by speed, and nothing audited or written down.
    pub fn of_run(run: &Run, fleet: FleetSize, first: Iteration) -> Self {
        Self {
            fleet,
            first,
            iterations: run.iterations,
            tree: run.tree.clone(),
            block_columns: run.block_columns,
            data: run.data,
            column_bytes: run.sizes.features() * run.element_type.bytes(),
            shape: SumShape {
                len: run.sizes.parameters() + 1,
                number_bytes: run.precision.sums().bytes(),
            },
            gradients: run.precision == Precision::Mixed,
            worker_timeout: run.worker_timeout,
            even_shards: false,
            audit: None,
            checkpoints: None,
        }
    }
}

/// Where the arithmetic is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetSize {
    /// In the coordinator's own process.
    Here,
    /// By workers.
    Workers {
        /// How many must have joined before the first iteration, at least 1.
        first: usize,
        /// How many there must be to go on, at least 1.
        least: usize,
    },
}
