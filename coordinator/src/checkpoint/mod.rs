//! Checkpoints: all that a run needs to go on after its coordinator has ended, however that ended.
//!
//! ```text
//! policy         is a checkpoint due?                                                       pure
//!   │ yes
//! Checkpoint     configuration, W and b, the costs so far
//!   │
//! format         ◀──▶ bytes, refused by their own digest if a single bit is wrong           pure
//!   │
//! writer         on a thread of its own
//!   │
//! store          RUN/checkpoints/iteration-00001200.lockstep, …: whole files, the newest few
//!   │ --resume: the newest good one
//! configuration  must be the run's own, field by field                                      pure
//! ```
//!
//! A checkpoint after k updates holds the parameters that k updates leave, and the k costs before them. The parameters
//! after iteration t depend on data, configuration, seed and t alone, so a run that goes on from it ends with the digest
//! of one that was never interrupted, on any fleet. `--iterations` may be another number, as long as it is at least k:
//! a run that has made all its iterations can be made longer.

mod configuration;
mod error;
mod fields;
mod format;
mod policy;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use bytes::Bytes;
use shared::ids::Iteration;
use shared::parameters::digest_of_le_bytes;
use shared::{Digest, Parameters, Real};

pub(crate) use policy::EVERY_EXPECTED;

pub use configuration::{Configuration, Difference, Origin};
pub use error::{FormatError, IncompatibleError, LoadError, OccupiedError, RefusalReason, Refused};
pub use format::FORMAT_VERSION;
pub use policy::{Attempt, CheckpointEvery, Outcome, ParseCheckpointEveryError, RETRY_AFTER};
pub use store::{Loaded, NotRemoved, Saved, Store};
pub use writer::{Writer, Written};

/// A run as it stands between two iterations. Cheap to make: the parameters are shared, not copied.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    configuration: Configuration,
    iterations: u64,
    parameters: Bytes,
    costs: Vec<f64>,
}

impl Checkpoint {
    /// A run that has made as many updates as there are `costs`, of `iterations` planned.
    ///
    /// `parameters` are the little-endian bytes of W and b in flat order, in the type of the run's parameters; `costs` are J of every
    /// iteration so far. Returns `None` if there are more or fewer bytes than the configuration asks for.
    pub fn new(configuration: Configuration, iterations: u64, parameters: Bytes, costs: Vec<f64>) -> Option<Self> {
        (parameters.len() as u64 == configuration.parameter_bytes()).then_some(Self {
            configuration,
            iterations,
            parameters,
            costs,
        })
    }

    /// What the run computes.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// How many iterations were planned when it was written.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// How many updates were made.
    pub fn updates(&self) -> u64 {
        self.costs.len() as u64
    }

    /// The iteration to go on with.
    pub fn next_iteration(&self) -> Iteration {
        Iteration(self.updates())
    }

    /// W and b after these updates: their little-endian bytes in flat order.
    pub fn parameter_bytes(&self) -> &Bytes {
        &self.parameters
    }

    /// W and b after these updates; `None` if they are of another type than `T`.
    pub fn parameters<T: Real>(&self) -> Option<Parameters<T>> {
        if self.configuration.precision.parameters() != T::REAL_TYPE {
            return None;
        }
        let numbers = self.parameters.chunks_exact(size_of::<T>()).map(T::from_le_slice);
        Parameters::from_values(self.configuration.sizes.clone(), numbers.collect())
    }

    /// The digest of W and b, as [`Parameters::digest`] computes it.
    pub fn parameters_digest(&self) -> Digest {
        digest_of_le_bytes(&self.configuration.sizes, &self.parameters)
    }

    /// J of every iteration so far, each before its update.
    pub fn costs(&self) -> &[f64] {
        &self.costs
    }
}
