//! What a run's actions are performed with, and what becomes of the things that arrive.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use proto::{Dismissal, FromCoordinator, Reason, Run, Welcome};
use settings::StopSignal;
use shared::dataset::DatasetError;
use shared::ids::WorkerId;

use crate::announce::Announcer;
use crate::checkpoint::{Writer, Written};
use crate::compute::{Compute, Computed, Updated};
use crate::engine::{Action, Event, Roster, RunFailure, Timing};
use crate::progress::Progress;
use crate::rpc::{Incoming, Link, ShardSource};
use crate::run::{RunError, Trained};
use crate::spawn::Ended;

/// What the actions are performed with.
pub(crate) struct Shell<'a> {
    pub(crate) run: Run,
    pub(crate) shards: ShardSource,
    pub(crate) compute: Compute,
    /// W and b of the next iteration, encoded.
    pub(crate) parameters: Bytes,
    /// The gradient that makes them from those of the iteration before, encoded; empty unless the run is mixed.
    pub(crate) gradient: Bytes,
    pub(crate) links: BTreeMap<WorkerId, Link>,
    /// J of every iteration so far.
    pub(crate) costs: Vec<f64>,
    /// How many of them an earlier run made.
    pub(crate) resumed: usize,
    pub(crate) progress: &'a Progress,
    pub(crate) announcer: Announcer,
    /// The names of all workers that have ever joined.
    pub(crate) joined: BTreeSet<String>,
    /// The signal by which the user stops the run.
    pub(crate) stopped: Option<StopSignal>,
    /// How many updates the snapshots that were ordered hold.
    pub(crate) snapshots: VecDeque<u64>,
}

/// How the engine ended the run.
pub(crate) type Outcome = Result<Timing, RunFailure>;

impl Shell<'_> {
    /// What came from a worker, as an event.
    pub(crate) fn receive(&mut self, message: Incoming) -> Event {
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
    pub(crate) fn computed(&mut self, done: Computed, writer: Option<&Writer>) -> Result<Option<Event>, DatasetError> {
        match done {
            Computed::Updated(Updated {
                iteration,
                cost,
                parameters,
                gradient,
                wrong,
            }) => {
                (self.parameters, self.gradient) = (parameters, gradient);
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
    pub(crate) fn spawned_worker_ended(&self, ended: &Ended) -> Result<(), RunError> {
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
    pub(crate) fn checkpoint_written(&self, Written { updates, result }: &Written) -> Event {
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
    pub(crate) fn stop(&mut self, signal: StopSignal) -> Event {
        tracing::warn!("{signal}: stopping after this iteration; once more to end at once");
        self.stopped = Some(signal);
        Event::StopRequested
    }

    /// Performs actions in order, up to the one that ends the run.
    pub(crate) fn perform_all(&mut self, actions: Vec<Action>) -> std::io::Result<Option<Outcome>> {
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
                // A silent one was reported as lost.
                if dismissal.reason != Reason::Silence {
                    tracing::warn!("dismissed worker {worker} ({name}): {dismissal}");
                }
                self.send(worker, FromCoordinator::Dismissed(dismissal));
                // What is queued is still sent; then the stream is closed.
                self.links.remove(&worker);
            }
            Action::Report(report) => self.announcer.announce(&report),
            Action::Assign { worker, hold, missing } => {
                if let Some(link) = self.links.get(&worker) {
                    tracing::debug!("worker {worker} is to hold blocks {hold}; sending blocks {missing}");
                    link.send_shard(self.shards.clone(), hold, missing);
                }
            }
            Action::Broadcast { iteration, to } => {
                for link in to.iter().filter_map(|worker| self.links.get(worker)) {
                    link.send_parameters(iteration, self.parameters.clone(), self.run.precision.parameters());
                }
            }
            Action::BroadcastGradient { iteration, to } => {
                for link in to.iter().filter_map(|worker| self.links.get(worker)) {
                    link.send_gradient(iteration, self.gradient.clone(), self.run.precision.sums());
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

    /// Tells the workers how the run ended, closes their streams, and gives what was made.
    pub(crate) fn end(
        self,
        outcome: Result<Timing, RunError>,
        roster: &Roster,
        writer: Option<Writer>,
    ) -> Result<Trained, RunError> {
        let timing = outcome.inspect_err(|error| self.dismiss_all(&format!("the run has failed: {error}")))?;
        let iterations = self.run.iterations;
        // Asked to stop in its last iteration, a run is complete.
        let stopped = self.stopped.filter(|_| (self.costs.len() as u64) < iterations);
        if let Some(signal) = stopped {
            self.dismiss_all(&format!("the user stopped the run ({signal})"));
        }
        let parameters = self.compute.finish();
        if let Some(writer) = writer
            && let Err(error) = writer.finish(parameters.to_le_bytes().into(), self.costs.clone())
        {
            tracing::warn!("the last checkpoint was not saved: {error}");
        }
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
