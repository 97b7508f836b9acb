//! `coordinator plan`: forecasts what training costs, before anything is trained.
//!
//! ```text
//!   data, options ──▶ Facts ──▶ forecast, pure ──▶ Plan ──▶ Report, text ──▶ standard output
//!   speed: a moment of the kernels ──┘   │
//!                                        ├── work, traffic, memory   sums
//!                                        └── costs                   what was measured once
//! ```
//!
//! `docs/growth.md` tells the model to those who use it.

mod costs;
mod forecast;
mod link;
mod memory;
mod report;
mod speed;
mod traffic;
mod work;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use shared::dataset::{DatasetError, Role};
use shared::layers::LayerSizesError;
use shared::shard::ShardError;
use shared::tree::TreeError;
use shared::{BlockColumns, Dataset, LayerSizes, Tree};

use crate::config::{PlanConfig, SpawnConfig, TrainingData};
use crate::train::cores;

pub use forecast::{Facts, Limit, Plan, Row, Time, forecast};
pub use link::{LinkSpeed, ParseLinkSpeedError};
pub use memory::Memory;
pub use report::{Report, SpeedSource};
pub use traffic::Traffic;
pub use work::operations;

/// What made a forecast impossible.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The data cannot be trained on.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// The network does not fit the data.
    #[error("the network does not fit the data: {0}")]
    Sizes(#[from] LayerSizesError),
    /// The batch cannot be cut into blocks.
    #[error("the data cannot be cut into blocks: {0}")]
    Blocks(#[from] TreeError),
    /// The data changed while they were read.
    #[error("the data changed while they were read: {0}")]
    Shard(#[from] ShardError),
    /// The system does not give us threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    StandardOutput(std::io::Error),
}

impl PlanError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) => error.hint(),
            _ => None,
        }
    }

    /// The program's exit code: 64 wrong configuration, 65 bad data, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Sizes(_) => 64,
            Self::Data(_) | Self::Blocks(_) | Self::Shard(_) => 65,
            Self::Threads(_) | Self::StandardOutput(_) => 1,
        }
    }
}

/// Forecasts as configured, and prints it. `clock` tells the time since any fixed moment.
///
/// # Errors
///
/// [`PlanError`], before anything is printed unless printing itself fails.
pub fn plan(config: &PlanConfig, clock: impl FnMut() -> Duration + Send + 'static) -> Result<(), PlanError> {
    let dataset = match &config.data {
        TrainingData::BuiltIn => shared::dataset::demo::train(),
        TrainingData::Files { train, names, .. } => Dataset::open(train, Role::Train, names, config.precision.sums())?,
    };
    let sizes = LayerSizes::binary_classifier(dataset.features(), &config.hidden)?;
    let block_columns = config
        .block_columns
        .unwrap_or_else(|| BlockColumns::default_for(dataset.m()));
    let tree = Tree::over_batch(dataset.m(), block_columns)?;
    let cores = cores();
    let (gflops, source) = match config.gflops {
        Some(gflops) => (gflops, SpeedSource::Given),
        None => {
            let threads = config.threads.unwrap_or(cores).min(cores);
            let sample = speed::Sample::of(&sizes, block_columns, &dataset);
            let gflops = speed::measure(config.precision, sample, &dataset, threads, clock)?;
            (gflops, SpeedSource::Measured { threads })
        }
    };
    let facts = Facts {
        sizes,
        precision: config.precision,
        tree,
        element_type: dataset.element_type(),
        in_memory: matches!(config.data, TrainingData::BuiltIn),
        iterations: config.iterations,
        workers: config.workers,
        threads: SpawnConfig {
            threads: config.threads,
        },
        link: config.link,
        cores,
        gflops,
    };
    let report = Report {
        plan: &forecast(&facts),
        facts: &facts,
        source,
    };
    write!(std::io::stdout(), "{report}").map_err(PlanError::StandardOutput)
}

/// The threads of one process that has the whole of a machine, if it is not said how many.
fn whole_machine(threads: SpawnConfig, cores: NonZeroUsize) -> NonZeroUsize {
    threads.threads_of_each(cores, NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests;
