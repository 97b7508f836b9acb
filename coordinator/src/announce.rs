//! What people are told of the fleet, in log lines.

use std::net::SocketAddr;

use crate::engine::Report;
use crate::spawn::worker_command;

/// Turns the engine's reports into log lines.
#[derive(Clone, Copy, Debug)]
pub struct Announcer {
    /// Where a user can start a worker; `None` if the coordinator starts them itself.
    pub address: Option<SocketAddr>,
}

impl Announcer {
    /// Says it.
    pub fn announce(&self, report: &Report) {
        match report {
            Report::Gathering { joined, needed } => {
                let start = self.how_to_start(joined < needed);
                tracing::info!("{joined} of {needed} workers have joined{start}");
            }
            Report::Begins { waiting: 0 } => tracing::info!("all workers hold their columns; training begins"),
            Report::Begins { waiting } => {
                tracing::info!("training begins; {waiting} of the workers still receive their columns");
            }
            Report::Idle { idle, blocks } => tracing::warn!(
                "the batch has {blocks} blocks, so {idle} of the workers stay idle; a smaller --block-columns makes more"
            ),
            Report::Joined { worker, name } => tracing::info!("worker {worker} ({name}) joined"),
            Report::Lost {
                worker,
                name,
                iteration,
                reason,
            } => {
                let when = iteration.map_or_else(
                    || "before the first iteration".to_owned(),
                    |iteration| format!("in iteration {iteration}"),
                );
                tracing::warn!("lost worker {worker} ({name}) {when}: {reason}; its blocks go to the others");
            }
            Report::Paused {
                iteration,
                joined,
                needed,
            } => {
                let start = self.how_to_start(true);
                tracing::warn!("paused at iteration {iteration}: {joined} of at least {needed} workers{start}");
            }
            Report::GoesOn { iteration } => tracing::info!("the run goes on at iteration {iteration}"),
            Report::SharedAnew => tracing::info!("the workers' speeds differ: sharing the blocks out anew"),
            Report::Repeated { late, iteration } => {
                tracing::debug!("worker {late} is late in iteration {iteration}: another one repeats its blocks");
            }
        }
    }

    /// How a user starts one more worker, where that helps.
    fn how_to_start(&self, helps: bool) -> String {
        match self.address {
            Some(address) if helps => format!("; start another: {}", worker_command(address)),
            _ => String::new(),
        }
    }
}
