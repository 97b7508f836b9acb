//! Why a run can fail.

use shared::ids::Iteration;

/// Why a run ended before it was complete. All of them end the program with exit code 2.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunFailure {
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
            Self::CostNotFinite { .. } => {
                Some("the descent diverges: try a smaller --learning-rate, another --init, or check --scale".to_owned())
            }
        }
    }
}
