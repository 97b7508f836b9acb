//! A worker's life: it joins, serves, and if it loses its coordinator looks for it again.

use std::future::Future;
use std::num::NonZeroUsize;
use std::time::Duration;

use proto::{Held, Hello};
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::compute;
use crate::error::WorkError;
use crate::limits::{MemoryLimit, Resources};
use crate::rpc::{self, ConnectError, Connection, Destination};
use crate::session::Holdings;
use crate::shell::{End, Shell};

/// What a worker needs to know to work.
#[derive(Clone, Debug)]
pub struct WorkSetup {
    /// The coordinator.
    pub destination: Destination,
    /// What people call this worker.
    pub name: String,
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// How much memory may be used.
    pub memory: MemoryLimit,
    /// How long to look for a coordinator that was lost.
    pub give_up_after: Duration,
    /// The seed of the waits between attempts to reach it, another one for every worker.
    pub jitter: u64,
}

/// Works for a coordinator until the run is complete. If the coordinator is lost, its columns are kept, and it is looked
/// for again.
///
/// # Errors
///
/// [`WorkError`] if the work ends before.
pub async fn run(setup: WorkSetup, shutdown: impl Future<Output = WorkError>) -> Result<(), WorkError> {
    let (done_sender, done) = mpsc::unbounded_channel();
    let orders = compute::start(setup.threads, done_sender).map_err(WorkError::Threads)?;
    let work = async {
        let clock = Clock::start();
        let mut connection = match rpc::connect(&setup.destination, hello(&setup, None)).await {
            // There is a coordinator, so it may be reached again.
            Err(broken @ ConnectError::Broken { .. }) => {
                tracing::warn!("{broken}; trying again");
                reconnect(&setup, None, &clock).await?
            }
            connected => connected?,
        };
        let resources = Resources {
            threads: setup.threads,
            memory: setup.memory,
        };
        let outgoing = connection.outgoing.clone();
        let mut shell = Shell::new(resources, clock, orders, done, outgoing);
        let mut held = None;
        loop {
            let end = shell.serve(connection, held).await?;
            match end {
                End::Complete => return Ok(()),
                End::StartAfresh => held = None,
                End::Lost { reason, held: kept } => {
                    tracing::warn!("lost the coordinator at {}: {reason}; reconnecting", setup.destination);
                    held = kept;
                }
            }
            connection = reconnect(&setup, held.as_deref(), &shell.clock).await?;
            shell.speak_to(connection.outgoing.clone());
        }
    };
    tokio::select! {
        result = work => result,
        end = shutdown => Err(end),
    }
}

fn hello(setup: &WorkSetup, held: Option<&Holdings>) -> Hello {
    Hello {
        name: setup.name.clone(),
        threads: u32::try_from(setup.threads.get()).unwrap_or(u32::MAX),
        held: held.map(|held| Held {
            data: held.run.data,
            block_columns: held.run.block_columns,
            blocks: held.blocks.clone(),
        }),
    }
}

/// Looks for the coordinator until it is there, or for as long as the user wants.
async fn reconnect(setup: &WorkSetup, held: Option<&Holdings>, clock: &Clock) -> Result<Connection, WorkError> {
    let mut backoff = Backoff::new(setup.jitter);
    let lost = clock.now();
    loop {
        let last = match rpc::connect(&setup.destination, hello(setup, held)).await {
            Ok(connection) => return Ok(connection),
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => error,
        };
        let wait = backoff.wait();
        if clock.now() + wait > lost + setup.give_up_after {
            return Err(WorkError::GaveUp {
                address: setup.destination.to_string(),
                after: setup.give_up_after,
                last,
            });
        }
        tracing::debug!("{last}; trying again in {wait:?}");
        clock.wait_until(Some(clock.now() + wait)).await;
    }
}
