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
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proto::{Dismissal, FromCoordinator, Reason, Run, Welcome};
use shared::dataset::DatasetError;
use shared::ids::{Iteration, WorkerId};
use shared::{AnyParameters, Dataset};
use tokio::sync::mpsc;

use crate::checkpoint::{CheckpointEvery, Writer, Written};
use crate::compute::{Compute, Computed, Updated};
use crate::engine::{Action, Audit, Engine, EngineConfig, Event, FleetSize, RunFailure, RunTime};
use crate::engine::{Report, Roster, SumShape, Timing};
use crate::fleet::{Arrival, Fleet, RemoteFleet};
use crate::progress::Progress;
use crate::rpc::{Incoming, Link, ShardSource};
use crate::spawn::{Ended, worker_command};

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

/// A signal by which the user stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT, or Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl StopSignal {
    /// The program's exit code: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
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
        links: BTreeMap::new(),
        resumed: setup.costs.len(),
        costs: setup.costs,
        progress,
        address: fleet.address(),
        spawns: fleet.spawns(),
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
    let result = shell.end(outcome, engine.roster(), computed, writer);
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
    let run = &setup.run;
    EngineConfig {
        fleet: setup
            .fleet
            .as_ref()
            .map_or(FleetSize::Here, |fleet| FleetSize::Workers {
                first: fleet.first,
                least: fleet.least,
            }),
        first: Iteration(setup.costs.len() as u64),
        iterations: run.iterations,
        tree: run.tree.clone(),
        block_columns: run.block_columns,
        data: run.data,
        column_bytes: run.sizes.features() * run.element_type.bytes(),
        shape: SumShape {
            len: run.sizes.parameters() + 1,
            number_bytes: run.precision.bytes(),
        },
        worker_timeout: run.worker_timeout,
        audit: setup.audit,
        checkpoints: setup.checkpoints.as_ref().map(|(every, _)| *every),
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

/// What the actions are performed with.
struct Shell<'a> {
    run: Run,
    shards: ShardSource,
    compute: Compute,
    /// W and b of the next iteration, encoded.
    parameters: Bytes,
    links: BTreeMap<WorkerId, Link>,
    /// J of every iteration so far.
    costs: Vec<f64>,
    /// How many of them an earlier run made.
    resumed: usize,
    progress: &'a Progress,
    address: Option<SocketAddr>,
    spawns: bool,
    /// The names of all workers that have ever joined.
    joined: BTreeSet<String>,
    /// The signal by which the user stops the run.
    stopped: Option<StopSignal>,
    /// How many updates the snapshots that were ordered hold.
    snapshots: VecDeque<u64>,
}

/// How the engine ended the run.
type Outcome = Result<Timing, RunFailure>;

impl Shell<'_> {
    /// What came from a worker, as an event.
    fn receive(&mut self, message: Incoming) -> Event {
        match message {
            Incoming::Joined { worker, hello, link } => {
                self.links.insert(worker, link);
                self.joined.insert(hello.name.clone());
                Event::HelloArrived { worker, hello }
            }
            Incoming::Ready(worker) => Event::WorkerReady(worker),
            Incoming::Sum(worker, sum) => Event::SumArrived { worker, sum },
            Incoming::Heartbeat(worker) => Event::HeartbeatArrived(worker),
            Incoming::Lost(worker, reason) => {
                self.links.remove(&worker);
                Event::WorkerLost { worker, reason }
            }
            Incoming::Erred(worker, what) => Event::WorkerErred { worker, what },
        }
    }

    /// What the compute thread has done, as an event.
    fn computed(&mut self, done: Computed, writer: Option<&Writer>) -> Result<Option<Event>, DatasetError> {
        match done {
            Computed::Updated(Updated {
                iteration,
                cost,
                parameters,
                wrong,
            }) => {
                self.parameters = parameters;
                Ok(Some(Event::Updated { iteration, cost, wrong }))
            }
            Computed::Snapshot(parameters) => {
                if let (Some(updates), Some(writer)) = (self.snapshots.pop_front(), writer) {
                    let costs = self.costs.iter().copied().take(updates as usize).collect();
                    writer.write(parameters, costs);
                }
                Ok(None)
            }
            Computed::Unreadable(error) => Err(error),
        }
    }

    /// A worker that the coordinator started has ended, and is about to be started again.
    fn spawned_worker_ended(&self, ended: &Ended) -> Result<(), RunError> {
        let (name, how) = (ended.name.clone(), ended.how());
        for line in &ended.last_lines {
            tracing::warn!("{name}: {line}");
        }
        if ended.gave_up() && !self.joined.contains(&name) {
            return Err(RunError::SpawnedWorkerEnded { name, how });
        }
        tracing::warn!("{name} ended ({how}); starting it again");
        Ok(())
    }

    /// What came of a checkpoint, as an event.
    fn checkpoint_written(&self, Written { updates, result }: &Written) -> Event {
        match result {
            Ok(saved) => {
                tracing::debug!("wrote {}", saved.path.display());
                saved.not_removed.iter().for_each(|old| tracing::warn!("{old}"));
            }
            Err(error) => {
                tracing::warn!("the checkpoint after {updates} iterations was not saved: {error}; trying again soon");
            }
        }
        Event::CheckpointWritten {
            updates: *updates,
            saved: result.is_ok(),
        }
    }

    /// The user wants the run to stop.
    fn stop(&mut self, signal: StopSignal) -> Event {
        tracing::warn!("{signal}: stopping after this iteration; once more to end at once");
        self.stopped = Some(signal);
        Event::StopRequested
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
            Action::Dismiss {
                worker,
                name,
                dismissal,
            } => {
                tracing::warn!("dismissed worker {worker} ({name}): {dismissal}");
                self.send(worker, FromCoordinator::Dismissed(dismissal));
                // What is queued is still sent; then the stream is closed.
                self.links.remove(&worker);
            }
            Action::Report(report) => self.report(&report),
            Action::Assign { worker, hold, missing } => {
                if let Some(link) = self.links.get(&worker) {
                    tracing::debug!("worker {worker} is to hold blocks {hold}; sending blocks {missing}");
                    link.send_shard(self.shards.clone(), hold, missing);
                }
            }
            Action::Broadcast { iteration, to } => {
                for link in to.iter().filter_map(|worker| self.links.get(worker)) {
                    link.send_parameters(iteration, self.parameters.clone(), self.run.precision);
                }
            }
            Action::Compute {
                worker,
                iteration,
                nodes,
            } => self.send(worker, FromCoordinator::Compute(iteration, nodes)),
            Action::Heartbeat => self.send_to_all(&FromCoordinator::Heartbeat),
            Action::ComputeHere { iteration } => self.compute.compute_here(iteration),
            Action::Keep(worker, sum) => self.compute.keep(worker, sum),
            Action::Update { iteration, sums } => self.compute.update(iteration, sums),
            Action::SaveCheckpoint { updates } => {
                self.snapshots.push_back(updates);
                self.compute.snapshot();
            }
            Action::ReportCost { iteration, cost } => {
                self.costs.push(cost);
                self.progress.cost(iteration, cost)?;
            }
            Action::Finish(timing) | Action::Stop(timing) => return Ok(Some(Ok(timing))),
            Action::Fail(failure) => return Ok(Some(Err(failure))),
        }
        Ok(None)
    }

    fn send(&self, worker: WorkerId, message: FromCoordinator) {
        if let Some(link) = self.links.get(&worker) {
            link.send(message);
        }
    }

    fn send_to_all(&self, message: &FromCoordinator) {
        self.links.values().for_each(|link| link.send(message.clone()));
    }

    fn report(&self, report: &Report) {
        match report {
            Report::Gathering { joined, needed } => {
                let start = self.how_to_start(joined < needed);
                tracing::info!("{joined} of {needed} workers have joined{start}");
            }
            Report::Begins => tracing::info!("all workers hold their columns; training begins"),
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
            Some(address) if helps && !self.spawns => format!("; start another: {}", worker_command(address)),
            _ => String::new(),
        }
    }

    /// Tells the workers how the run ended, closes their streams, and gives what was made.
    fn end(
        mut self,
        outcome: Result<Timing, RunError>,
        roster: &Roster,
        mut computed: mpsc::UnboundedReceiver<Computed>,
        writer: Option<Writer>,
    ) -> Result<Trained, RunError> {
        let timing = outcome.inspect_err(|error| self.dismiss_all(&format!("the run has failed: {error}")))?;
        if let Some(signal) = self.stopped {
            self.dismiss_all(&format!("the user stopped the run ({signal})"));
        }
        let parameters = self.compute.finish();
        // An update that was ordered before the end may have been made after it.
        while let Ok(done) = computed.try_recv() {
            if let Computed::Updated(updated) = done {
                self.costs.push(updated.cost);
            }
        }
        if let Some(writer) = writer
            && let Err(error) = writer.finish(parameters.to_le_bytes().into(), self.costs.clone())
        {
            tracing::warn!("the last checkpoint was not saved: {error}");
        }
        let iterations = self.run.iterations;
        let stopped = self.stopped.filter(|_| (self.costs.len() as u64) < iterations);
        if stopped.is_none() {
            let digest = parameters.digest();
            let finished = FromCoordinator::Finished { iterations, digest };
            self.links.values().for_each(|link| link.send(finished.clone()));
        }
        Ok(Trained {
            stopped,
            parameters,
            made: (self.costs.len() - self.resumed) as u64,
            costs: self.costs,
            timing,
            roster: roster.clone(),
        })
    }

    fn dismiss_all(&self, explanation: &str) {
        self.send_to_all(&FromCoordinator::Dismissed(Dismissal {
            reason: Reason::RunFailed,
            explanation: explanation.to_owned(),
        }));
    }
}
