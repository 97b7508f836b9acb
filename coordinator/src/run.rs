//! The shell of a run: it turns what arrives into events, asks the engine, and performs the engine's actions.
//!
//! ```text
//!   fleet (workers' streams) ─┐                          ┌─▶ rpc::Link   messages to one worker
//!   compute (updates) ────────┼─▶ Event ─▶ Engine ─▶ Action ─▶ compute   sums, updates
//!   signals, deadlines ───────┘                          └─▶ progress    what people see
//! ```
//!
//! Everything that it waits on is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proto::Run;
use settings::StopSignal;
use shared::dataset::DatasetError;
use shared::ids::Iteration;
use shared::{AnyParameters, Dataset};
use tokio::sync::mpsc;

use crate::announce::Announcer;
use crate::checkpoint::{CheckpointEvery, Writer, Written};
use crate::compute::{Compute, Computed};
use crate::engine::{Audit, Engine, EngineConfig, Event, FleetSize, RunFailure, RunTime};
use crate::engine::{Roster, Timing};
use crate::fleet::{Arrival, Fleet, RemoteFleet};
use crate::progress::Progress;
use crate::rpc::ShardSource;
use crate::shell::Shell;

/// What a run needs.
#[derive(Debug)]
pub struct RunSetup {
    /// What all workers are told.
    pub run: Run,
    /// The training data; they have labels.
    pub dataset: Arc<Dataset>,
    /// The workers; `None` if all is computed here.
    pub fleet: Option<RemoteFleet>,
    /// The compute thread and what comes from it.
    pub compute: Compute,
    /// What the compute thread has done.
    pub computed: mpsc::UnboundedReceiver<Computed>,
    /// W and b before the first iteration, encoded; empty if all is computed here.
    pub parameters: Bytes,
    /// J of the iterations that an earlier run has made; this one goes on after them.
    pub costs: Vec<f64>,
    /// What is computed twice, if anything.
    pub audit: Option<Audit>,
    /// Whether shards are equal whatever the workers' speeds, and late work is not repeated.
    pub even_shards: bool,
    /// When to write down the state, and what writes it.
    pub checkpoints: Option<(CheckpointEvery, Writer)>,
}

/// What a run has made.
#[derive(Debug)]
pub struct Trained {
    /// What stopped it before all iterations were made, if anything did.
    pub stopped: Option<StopSignal>,
    /// W and b after the last update.
    pub parameters: AnyParameters,
    /// J of every iteration, before its update.
    pub costs: Vec<f64>,
    /// How many of them this run made, and not an earlier one.
    pub made: u64,
    /// How long it took.
    pub timing: Timing,
    /// Who took part.
    pub roster: Roster,
}

/// Why a run ended before it was complete.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine ended it.
    #[error(transparent)]
    Failed(#[from] RunFailure),
    /// A worker that the coordinator started gave up before it had ever joined.
    #[error("the spawned worker {name} ended ({how}) before it joined")]
    SpawnedWorkerEnded {
        /// Its name.
        name: String,
        /// How it ended.
        how: String,
    },
    /// The training data cannot be read any more.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// The address of the listener is not known.
    #[error("the address that workers join at is not known: {0}")]
    Address(std::io::Error),
    /// A cost cannot be printed.
    #[error("cannot write to standard output: {0}")]
    StandardOutput(std::io::Error),
}

/// Makes a run from its first event to its last.
///
/// # Errors
///
/// [`RunError`] if it ends before it is complete and not at the user's wish. No spawned worker is left behind then
/// either.
pub async fn run(
    setup: RunSetup,
    progress: &Progress,
    mut stops: mpsc::UnboundedReceiver<StopSignal>,
) -> Result<Trained, RunError> {
    let clock = Clock::start();
    let config = engine_config(&setup);
    let mut fleet = Fleet::open(setup.fleet).await.map_err(RunError::Address)?;
    let (mut engine, mut actions) = Engine::start(config, clock.now());
    let (failures, mut data_failures) = mpsc::unbounded_channel();
    let mut computed = setup.computed;
    let mut shell = Shell {
        shards: ShardSource {
            dataset: setup.dataset,
            tree: setup.run.tree.clone(),
            failures,
        },
        run: setup.run,
        compute: setup.compute,
        parameters: setup.parameters,
        gradient: Bytes::new(),
        links: BTreeMap::new(),
        resumed: setup.costs.len(),
        costs: setup.costs,
        progress,
        announcer: Announcer {
            address: fleet.address().filter(|_| !fleet.spawns()),
        },
        joined: BTreeSet::new(),
        stopped: None,
        snapshots: VecDeque::new(),
    };
    let mut writer = setup.checkpoints.map(|(_, writer)| writer);
    let outcome = loop {
        match shell.perform_all(std::mem::take(&mut actions)) {
            Ok(Some(outcome)) => break outcome.map_err(RunError::from),
            Ok(None) => {}
            Err(error) => break Err(RunError::StandardOutput(error)),
        }
        let event = tokio::select! {
            arrival = fleet.next() => match arrival {
                Arrival::Message(message) => shell.receive(message),
                Arrival::Ended(ended) => match shell.spawned_worker_ended(&ended) {
                    Ok(()) => continue,
                    Err(error) => break Err(error),
                },
            },
            Some(done) = computed.recv() => match shell.computed(done, writer.as_ref()) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(error) => break Err(error.into()),
            },
            Some(error) = data_failures.recv() => break Err(error.into()),
            written = next_written(writer.as_mut()) => shell.checkpoint_written(&written),
            Some(signal) = stops.recv() => shell.stop(signal),
            () = clock.wait_until(engine.next_deadline()) => Event::DeadlinePassed,
        };
        actions = engine.handle(event, clock.now());
    };
    progress.finish();
    let result = shell.end(outcome, engine.roster(), writer);
    fleet.close().await;
    result
}

async fn next_written(writer: Option<&mut Writer>) -> Written {
    match writer {
        Some(writer) => writer.next().await,
        None => std::future::pending().await,
    }
}

fn engine_config(setup: &RunSetup) -> EngineConfig {
    let workers = |fleet: &RemoteFleet| FleetSize::Workers {
        first: fleet.first,
        least: fleet.least,
    };
    let size = setup.fleet.as_ref().map_or(FleetSize::Here, workers);
    let first = Iteration(setup.costs.len() as u64);
    EngineConfig {
        even_shards: setup.even_shards,
        audit: setup.audit,
        checkpoints: setup.checkpoints.as_ref().map(|(every, _)| *every),
        ..EngineConfig::of_run(&setup.run, size, first)
    }
}

/// The one clock of a run.
struct Clock(Instant);

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock, so that nothing below it has to"
)]
impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> RunTime {
        RunTime(self.0.elapsed())
    }

    /// Ends at `deadline`; never, if there is none.
    async fn wait_until(&self, deadline: Option<RunTime>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until((self.0 + deadline.0).into()).await,
            None => std::future::pending().await,
        }
    }
}
