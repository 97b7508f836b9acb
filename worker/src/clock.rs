//! The one clock of a worker.

use std::time::{Duration, Instant};

/// Time since it was started.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock, so that nothing below it has to"
)]
impl Clock {
    /// Starts it.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since it was started.
    pub fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// Ends at `deadline`; never, if there is none.
    pub async fn wait_until(&self, deadline: Option<Duration>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until((self.0 + deadline).into()).await,
            None => std::future::pending().await,
        }
    }
}
