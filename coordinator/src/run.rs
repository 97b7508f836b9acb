//! The shell of a run: it turns what arrives into events, asks the engine, and performs the engine's actions.
//!
//! ```text
//!   rpc (workers' streams) ─┐                        ┌─▶ rpc::Link   messages to one worker
//!   compute (updates) ──────┼─▶ Event ─▶ Engine ─▶ Action ─▶ compute   sums, updates
//!   spawn (ended workers) ──┤                        └─▶ progress    what people see
//!   shutdown ───────────────┘
//! ```
//!
//! Everything that it waits on is an argument, and this is the only `select!` of the coordinator.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::{Dismissal, FromCoordinator, Reason, Run, Welcome};
use shared::dataset::DatasetError;
use shared::ids::{Iteration, WorkerId};
use shared::{AnyParameters, Dataset};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::compute::{Compute, Computed};
use crate::engine::{Action, Engine, EngineConfig, Event, FleetSize, Roster, RunFailure, RunTime, Timing};
use crate::progress::Progress;
use crate::rpc::{Incoming, Link, Server, ShardSource, serve};
use crate::spawn::{Ended, SpawnedWorkers};

/// How long workers may take to close their streams when the run is over.
const PATIENCE: Duration = Duration::from_secs(2);

/// Workers of a run.
#[derive(Debug)]
pub struct RemoteFleet {
    /// How many must join.
    pub size: usize,
    /// Where they join.
    pub listener: TcpListener,
    /// Those that the coordinator started itself.
    pub spawned: Option<SpawnedWorkers>,
}

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
    /// The address of the listener is not known, or standard output is closed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
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
    let (fleet_size, remote) = match setup.fleet {
        Some(fleet) => (FleetSize::Workers(fleet.size), Some(fleet)),
        None => (FleetSize::Here, None),
    };
    let number_bytes = setup.run.precision.bytes();
    let engine_config = EngineConfig {
        fleet: fleet_size,
        iterations: setup.run.iterations,
        tree: setup.run.tree.clone(),
        sum_len: setup.run.sizes.parameters() + 1,
        number_bytes,
    };
    let (engine, first) = Engine::start(engine_config, clock.now());
    let (stop_server, stopping) = oneshot::channel::<()>();
    let (mut incoming, mut server, mut spawned, address) = match remote {
        None => (None, None, None, None),
        Some(RemoteFleet { listener, spawned, .. }) => {
            let address = listener.local_addr()?;
            let stop = async { drop(stopping.await) };
            let Server { incoming, stopped } = serve(listener, stop).await;
            (Some(incoming), Some(stopped), spawned, Some(address))
        }
    };
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
        address,
        spawns: spawned.is_some(),
    };
    let mut computed = setup.computed;
    let mut engine = engine;
    tokio::pin!(shutdown);
    let mut outcome = shell.perform_all(first)?;
    let timing = loop {
        if let Some(outcome) = outcome {
            break outcome.map_err(RunError::from);
        }
        let event = tokio::select! {
            Some(message) = next(incoming.as_mut()) => shell.receive(message),
            Some(done) = computed.recv() => shell.computed(done),
            Some(error) = data_failures.recv() => break Err(error.into()),
            ended = next_end(spawned.as_mut()) => break Err(spawned_worker_ended(&ended)),
            () = &mut shutdown => break Err(RunError::Stopped),
        };
        outcome = shell.perform_all(engine.handle(event, clock.now()))?;
    };
    progress.finish();
    let result = shell.end(timing, engine.roster());
    drop(stop_server);
    if let Some(spawned) = spawned {
        report_ends(spawned.finish().await, result.as_ref().err());
    }
    if let Some(server) = server.as_mut()
        && tokio::time::timeout(PATIENCE, server).await.is_err()
    {
        tracing::debug!("a worker has not closed its stream; leaving it");
    }
    result
}

async fn next(incoming: Option<&mut mpsc::Receiver<Incoming>>) -> Option<Incoming> {
    match incoming {
        Some(incoming) => incoming.recv().await,
        None => std::future::pending().await,
    }
}

async fn next_end(spawned: Option<&mut SpawnedWorkers>) -> Ended {
    match spawned {
        Some(spawned) => spawned.next_end().await,
        None => std::future::pending().await,
    }
}

fn spawned_worker_ended(ended: &Ended) -> RunError {
    show_last_lines(ended);
    RunError::SpawnedWorkerEnded {
        name: ended.name.clone(),
        how: ended.how(),
    }
}

/// Shows the last lines of the spawned worker that made the run fail.
fn report_ends(ends: Vec<Ended>, error: Option<&RunError>) {
    let at_fault = match error {
        Some(RunError::Failed(RunFailure::WorkerLost { name, .. } | RunFailure::Misconduct { name, .. })) => name,
        _ => return,
    };
    if let Some(ended) = ends.iter().find(|ended| ended.name == *at_fault && !ended.is_success()) {
        tracing::error!("{} ended ({})", ended.name, ended.how());
        show_last_lines(ended);
    }
}

fn show_last_lines(ended: &Ended) {
    for line in &ended.last_lines {
        tracing::error!("{}: {line}", ended.name);
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

/// The command that starts a worker for a coordinator that listens on `address`.
pub fn worker_command(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("worker --connect <this machine's address>:{}", address.port());
    }
    format!("worker --connect {address}")
}
