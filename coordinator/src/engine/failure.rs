//! Why a run can fail.

use shared::ids::{Iteration, WorkerId};

/// Why a run ended before it was complete. All of them end the program with exit code 2.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunFailure {
    /// A worker's stream ended.
    #[error("worker {worker} ({name}) was lost {}: {reason}", during(*iteration))]
    WorkerLost {
        /// Its number.
        worker: WorkerId,
        /// Its name.
        name: String,
        /// The iteration that it was lost in; `None` while columns were being sent.
        iteration: Option<Iteration>,
        /// What was seen.
        reason: String,
    },
    /// A worker sent something that it should not have sent.
    #[error("worker {worker} ({name}) sent something impossible {}: {what}", during(*iteration))]
    Misconduct {
        /// Its number.
        worker: WorkerId,
        /// Its name.
        name: String,
        /// The iteration that it happened in; `None` while columns were being sent.
        iteration: Option<Iteration>,
        /// What was found and what was expected.
        what: String,
    },
    /// The cost is NaN or infinite.
    #[error("found a cost of {cost} after iteration {iteration}, expected a finite number")]
    CostNotFinite {
        /// The first iteration with such a cost.
        iteration: Iteration,
        /// The cost.
        cost: f64,
    },
}

impl RunFailure {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::WorkerLost { .. } => Some("see what the worker itself printed, then start the run again".to_owned()),
            Self::Misconduct { .. } => Some("make sure that all workers are of the coordinator's version".to_owned()),
            Self::CostNotFinite { .. } => {
                Some("the descent diverges: try a smaller --learning-rate, another --init, or check --scale".to_owned())
            }
        }
    }
}

fn during(iteration: Option<Iteration>) -> String {
    iteration.map_or_else(
        || "before the first iteration".to_owned(),
        |iteration| format!("in iteration {iteration}"),
    )
}
