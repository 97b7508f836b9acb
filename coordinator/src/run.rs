//! The shell of a run: it turns what arrives into events, asks the engine, and performs the engine's actions.
//!
//! ```text
//!   fleet (workers' streams) ─┐                          ┌─▶ rpc::Link   messages to one worker
//!   compute (updates) ────────┼─▶ Event ─▶ Engine ─▶ Action ─▶ compute   sums, updates
//!   shutdown ─────────────────┘                          └─▶ progress    what people see
//! ```
//!
//! Everything that it waits on is an argument.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proto::{Dismissal, FromCoordinator, Reason, Run, Welcome};
use shared::dataset::DatasetError;
use shared::ids::{Iteration, WorkerId};
use shared::{AnyParameters, Dataset};
use tokio::sync::mpsc;

use crate::compute::{Compute, Computed};
use crate::engine::{Action, Engine, EngineConfig, Event, FleetSize, Roster, RunFailure, RunTime, Timing};
use crate::fleet::{Arrival, Fleet, RemoteFleet};
use crate::progress::Progress;
use crate::rpc::{Incoming, Link, ShardSource};
use crate::spawn::worker_command;

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
    /// W and b before iteration 0, encoded; empty if all is computed here.
    pub parameters: Bytes,
}

/// A completed run.
#[derive(Debug)]
pub struct Trained {
    /// W and b after the last update.
    pub parameters: AnyParameters,
    /// J of every iteration, before its update.
    pub costs: Vec<f64>,
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
    /// A worker that the coordinator started has ended.
    #[error("the spawned worker {name} ended ({how})")]
    SpawnedWorkerEnded {
        /// Its name.
        name: String,
        /// How it ended.
        how: String,
    },
    /// The training data cannot be read any more.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// The user stopped it.
    #[error("stopped by the user")]
    Stopped,
    /// The address of the listener is not known.
    #[error("the address that workers join at is not known: {0}")]
    Address(std::io::Error),
    /// A cost cannot be printed.
    #[error("cannot write to standard output: {0}")]
    StandardOutput(std::io::Error),
}

impl RunError {
    /// The name of the worker that made the run fail, if one did.
    fn worker_at_fault(&self) -> Option<&str> {
        match self {
            Self::Failed(RunFailure::WorkerLost { name, .. } | RunFailure::Misconduct { name, .. }) => Some(name),
            Self::SpawnedWorkerEnded { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// Makes a run from its first event to its last.
///
/// # Errors
///
/// [`RunError`] if it ends before it is complete. No spawned worker is left behind then either.
pub async fn run(
    setup: RunSetup,
    progress: &Progress,
    shutdown: impl Future<Output = ()>,
) -> Result<Trained, RunError> {
    let clock = Clock::start();
    let config = engine_config(&setup);
    let mut fleet = Fleet::open(setup.fleet).await.map_err(RunError::Address)?;
    let (mut engine, first) = Engine::start(config, clock.now());
    let (failures, mut data_failures) = mpsc::unbounded_channel();
    let mut shell = Shell {
        shards: ShardSource {
            dataset: setup.dataset,
            failures,
        },
        run: setup.run,
        compute: setup.compute,
        parameters: setup.parameters,
        links: BTreeMap::new(),
        costs: Vec::new(),
        progress,
        address: fleet.address(),
        spawns: fleet.spawns(),
    };
    let mut computed = setup.computed;
    tokio::pin!(shutdown);
    let mut actions = first;
    let outcome = loop {
        match shell.perform_all(std::mem::take(&mut actions)) {
            Ok(Some(outcome)) => break outcome.map_err(RunError::from),
            Ok(None) => {}
            Err(error) => break Err(RunError::StandardOutput(error)),
        }
        let event = tokio::select! {
            arrival = fleet.next() => match arrival {
                Arrival::Message(message) => shell.receive(message),
                // The end of a member's stream follows, and the engine knows what that means.
                Arrival::Ended(ended) if engine.roster().has_name(&ended.name) => continue,
                Arrival::Ended(ended) => {
                    let (name, how) = (ended.name.clone(), ended.how());
                    break Err(RunError::SpawnedWorkerEnded { name, how });
                }
            },
            Some(done) = computed.recv() => shell.computed(done),
            Some(error) = data_failures.recv() => break Err(error.into()),
            () = &mut shutdown => break Err(RunError::Stopped),
        };
        actions = engine.handle(event, clock.now());
    };
    progress.finish();
    let result = shell.end(outcome, engine.roster());
    fleet
        .close(result.as_ref().err().and_then(RunError::worker_at_fault))
        .await;
    result
}

fn engine_config(setup: &RunSetup) -> EngineConfig {
    EngineConfig {
        fleet: setup
            .fleet
            .as_ref()
            .map_or(FleetSize::Here, |fleet| FleetSize::Workers(fleet.size)),
        iterations: setup.run.iterations,
        tree: setup.run.tree.clone(),
        sum_len: setup.run.sizes.parameters() + 1,
        number_bytes: setup.run.precision.bytes(),
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
}

/// What the actions are performed with.
struct Shell<'a> {
    run: Run,
    shards: ShardSource,
    compute: Compute,
    /// W and b of the next iteration, encoded.
    parameters: Bytes,
    links: BTreeMap<WorkerId, Link>,
    costs: Vec<f64>,
    progress: &'a Progress,
    address: Option<SocketAddr>,
    spawns: bool,
}

/// How the engine ended the run.
type Outcome = Result<Timing, RunFailure>;

impl Shell<'_> {
    /// What came from a worker, as an event.
    fn receive(&mut self, message: Incoming) -> Event {
        match message {
            Incoming::Joined { worker, hello, link } => {
                self.links.insert(worker, link);
                Event::HelloArrived { worker, hello }
            }
            Incoming::Ready(worker) => Event::WorkerReady(worker),
            Incoming::Sum(worker, sum) => Event::SumArrived { worker, sum },
            Incoming::Lost(worker, reason) => {
                self.links.remove(&worker);
                Event::WorkerLost { worker, reason }
            }
        }
    }

    /// What the compute thread has done, as an event.
    fn computed(
        &mut self,
        Computed {
            iteration,
            cost,
            parameters,
        }: Computed,
    ) -> Event {
        self.parameters = parameters;
        Event::Updated { iteration, cost }
    }

    /// Performs actions in order, up to the one that ends the run.
    fn perform_all(&mut self, actions: Vec<Action>) -> std::io::Result<Option<Outcome>> {
        for action in actions {
            if let Some(outcome) = self.perform(action)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    fn perform(&mut self, action: Action) -> std::io::Result<Option<Outcome>> {
        match action {
            Action::Welcome(worker) => {
                let run = self.run.clone();
                self.send(worker, FromCoordinator::Welcome(Welcome { worker, run }));
            }
            Action::Dismiss(worker, dismissal) => {
                tracing::warn!("dismissed worker {worker}: {dismissal}");
                self.send(worker, FromCoordinator::Dismissed(dismissal));
                // What is queued is still sent; then the stream is closed.
                self.links.remove(&worker);
            }
            Action::ReportGathering { joined, needed } => self.report_gathering(joined, needed),
            Action::Assign { worker, blocks } => self.assign(worker, blocks),
            Action::WarnIdle { idle, blocks } => tracing::warn!(
                "the batch has {blocks} blocks, so {idle} of the workers stay idle; a smaller --block-columns makes more"
            ),
            Action::Broadcast { iteration, to } => self.broadcast(iteration, &to),
            Action::ComputeHere { iteration } => self.compute.compute_here(iteration),
            Action::Keep(sum) => self.compute.keep(sum),
            Action::Update { iteration } => self.compute.update(iteration),
            Action::ReportCost { iteration, cost } => {
                self.costs.push(cost);
                self.progress.cost(iteration, cost)?;
            }
            Action::Finish(timing) => return Ok(Some(Ok(timing))),
            Action::Fail(failure) => return Ok(Some(Err(failure))),
        }
        Ok(None)
    }

    fn send(&self, worker: WorkerId, message: FromCoordinator) {
        if let Some(link) = self.links.get(&worker) {
            link.send(message);
        }
    }

    fn report_gathering(&self, joined: usize, needed: usize) {
        let command = match self.address {
            Some(address) if joined < needed && !self.spawns => format!("; start another: {}", worker_command(address)),
            _ => String::new(),
        };
        tracing::info!("{joined} of {needed} workers have joined{command}");
    }

    fn assign(&self, worker: WorkerId, blocks: Option<shared::LeafRange>) {
        match (blocks, self.links.get(&worker)) {
            (Some(blocks), Some(link)) => {
                let columns = self.run.tree.items_of(blocks);
                tracing::debug!("worker {worker} gets columns {}..{}", columns.start, columns.end);
                link.send_shard(self.shards.clone(), blocks, columns);
            }
            (None, Some(link)) => link.send(FromCoordinator::Assignment(None)),
            (_, None) => {}
        }
    }

    fn broadcast(&self, iteration: Iteration, to: &[WorkerId]) {
        if iteration == Iteration(0) {
            tracing::info!("all workers hold their columns; training begins");
        }
        for link in to.iter().filter_map(|worker| self.links.get(worker)) {
            link.send_parameters(iteration, self.parameters.clone(), self.run.precision);
        }
    }

    /// Tells the workers how the run ended, and closes their streams.
    fn end(self, outcome: Result<Timing, RunError>, roster: &Roster) -> Result<Trained, RunError> {
        let farewell = |message: &FromCoordinator| {
            for link in self.links.values() {
                link.send(message.clone());
            }
        };
        match outcome {
            Ok(timing) => {
                let parameters = self.compute.finish();
                let iterations = self.run.iterations;
                farewell(&FromCoordinator::Finished {
                    iterations,
                    digest: parameters.digest(),
                });
                Ok(Trained {
                    parameters,
                    costs: self.costs,
                    timing,
                    roster: roster.clone(),
                })
            }
            Err(error) => {
                let explanation = format!("the run has failed: {error}");
                farewell(&FromCoordinator::Dismissed(Dismissal {
                    reason: Reason::RunFailed,
                    explanation,
                }));
                Err(error)
            }
        }
    }
}
