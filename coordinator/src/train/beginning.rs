//! Where a run begins: at its seed, or at a checkpoint.

use shared::{Parameters, Real};

use super::TrainError;
use crate::checkpoint::{CheckpointEvery, Configuration, Refused, Store};
use crate::config::TrainConfig;

/// Where a run begins.
pub(super) struct Beginning<T> {
    pub(super) parameters: Parameters<T>,
    /// J of the iterations that were made before.
    pub(super) costs: Vec<f64>,
    /// When checkpoints are due, and where they go, if the user wants any.
    pub(super) checkpoints: Option<(CheckpointEvery, Store)>,
}

/// From the seed, or from the newest checkpoint if the user wants to go on from it.
pub(super) fn begin<T: Real>(config: &TrainConfig, configuration: &Configuration) -> Result<Beginning<T>, TrainError> {
    let anew = |checkpoints| Beginning {
        parameters: config.initialisation.parameters(&configuration.sizes, config.seed),
        costs: Vec::new(),
        checkpoints,
    };
    let Some(checkpoints) = &config.checkpoints else {
        return Ok(anew(None));
    };
    let store = Store::new(&checkpoints.run_folder, checkpoints.keep);
    if !checkpoints.resume {
        store.begin_anew()?;
        return Ok(anew(Some((checkpoints.every, store))));
    }
    let warn = |refused: &[Refused]| {
        refused
            .iter()
            .for_each(|refused| tracing::warn!("passed over {refused}"))
    };
    let loaded = store.load_newest().inspect_err(|error| warn(error.refused()))?;
    warn(&loaded.refused);
    loaded.expect(configuration, config.iterations)?;
    let checkpoint = &loaded.checkpoint;
    tracing::info!(
        "going on from {}, after {} of {} iterations",
        loaded.path.display(),
        checkpoint.updates(),
        config.iterations
    );
    Ok(Beginning {
        parameters: checkpoint
            .parameters()
            .expect("a checkpoint that fits the run has its precision"),
        costs: checkpoint.costs().to_vec(),
        checkpoints: Some((checkpoints.every, store)),
    })
}
