//! Time as the engine knows it.

use std::time::Duration;

/// The time since the run's process began to work. Only the shell reads a clock; tests write literals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunTime(pub Duration);

impl RunTime {
    /// How much later `self` is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How long the parts of a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From the start until the first iteration began: waiting for workers, sending columns.
    pub start_up: Duration,
    /// All iterations together.
    pub training: Duration,
}
