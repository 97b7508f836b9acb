//! The coordinator's real trainer, in the precision of the run.

use std::sync::Arc;

use bytes::Bytes;
use coordinator::compute::{Descent, SumSource, Trainer, Updated};
use coordinator::engine::NodeAnswers;
use proto::{Run, SumChunk};
use shared::dataset::DatasetError;
use shared::ids::{Iteration, WorkerId};
use shared::{Dataset, Parameters, Precision};

/// A trainer whose parameters are in f64.
#[derive(Debug)]
pub enum AnyTrainer {
    F64(Trainer<f64, f64>),
    Mixed(Trainer<f64, f32>),
}

impl AnyTrainer {
    /// A trainer that begins with `parameters`, which are `encoded` for the workers as well.
    pub fn new(run: &Run, parameters: Parameters<f64>, encoded: Bytes, dataset: &Arc<Dataset>) -> Self {
        macro_rules! descent {
            () => {
                Descent {
                    parameters,
                    tree: run.tree.clone(),
                    scale: run.scale,
                    learning_rate: run.learning_rate,
                    source: SumSource::Workers(Arc::clone(dataset)),
                    encoded,
                }
            };
        }
        match run.precision {
            Precision::F64 => Self::F64(Trainer::new(descent!())),
            Precision::Mixed => Self::Mixed(Trainer::new(descent!())),
            Precision::F32 => panic!("no simulated run is in f32"),
        }
    }

    pub fn keep(&mut self, worker: WorkerId, sum: &SumChunk) {
        match self {
            Self::F64(trainer) => trainer.keep(worker, sum),
            Self::Mixed(trainer) => trainer.keep(worker, sum),
        }
    }

    pub fn update(&mut self, iteration: Iteration, sums: Vec<NodeAnswers>) -> Result<Updated, DatasetError> {
        match self {
            Self::F64(trainer) => trainer.update(iteration, sums),
            Self::Mixed(trainer) => trainer.update(iteration, sums),
        }
    }

    pub fn snapshot(&self) -> Bytes {
        match self {
            Self::F64(trainer) => trainer.snapshot(),
            Self::Mixed(trainer) => trainer.snapshot(),
        }
    }
}
