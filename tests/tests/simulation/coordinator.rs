//! The coordinator's process: the real engine and the real trainer. It does what `coordinator::run` does, with the
//! world's time, connections and disk in place of a clock, sockets and files.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use coordinator::compute::Updated;
use coordinator::engine::{Action, Engine, EngineConfig, Event, FleetSize, RunTime};
use proto::tensor::decode;
use proto::{Dismissal, FromCoordinator, FromWorker, Reason, Run, Welcome};
use shared::ids::{Iteration, WorkerId};
use shared::parameters::digest_of_le_bytes;
use shared::{BlockSet, Parameters};

use crate::invariants::Sight;
use crate::network::{ConnectionId, Parcel};
use crate::observers::Observers;
use crate::scenario::{Scenario, cut};
use crate::trainer::AnyTrainer;

/// What resumption needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub costs: Vec<f64>,
    pub parameters: Bytes,
}

/// What the coordinator's process asks of the world.
#[derive(Debug)]
pub enum Effect {
    Send(ConnectionId, FromCoordinator),
    Close(ConnectionId),
    /// Something comes to it when its compute thread is done with an update.
    Update,
    /// The writing of a checkpoint takes a while.
    Write(Checkpoint),
    /// The process ends: the run is complete.
    Finish,
    /// The process ends: the user wished it. The last state is on the disk.
    Stop(Checkpoint),
}

/// What comes to the coordinator's process.
#[derive(Debug)]
pub enum Input {
    Deadline,
    Arrived(ConnectionId, Parcel),
    /// The compute thread has made an update.
    Updated,
    /// An attempt to write a checkpoint is over.
    Written {
        updates: u64,
        saved: bool,
    },
    StopRequested,
}

/// A running process.
#[derive(Debug)]
pub struct Coordinator {
    scenario: Rc<Scenario>,
    run: Run,
    began: Duration,
    engine: Engine,
    trainer: AnyTrainer,
    parameters: Bytes,
    gradient: Bytes,
    costs: Vec<f64>,
    links: BTreeMap<WorkerId, ConnectionId>,
    members: BTreeMap<ConnectionId, WorkerId>,
    /// Whether an iteration has begun.
    begun: bool,
    /// Whether it was asked to stop.
    stopping: bool,
    /// The number of the next worker.
    workers: u32,
    /// Updates that are made, of which the shell does not know yet.
    updates: VecDeque<Updated>,
}

impl Coordinator {
    /// A process that goes on from `checkpoint`, or begins.
    pub fn start(
        scenario: &Rc<Scenario>,
        checkpoint: Option<Checkpoint>,
        now: Duration,
        observers: &mut Observers,
    ) -> (Self, Vec<Effect>) {
        let problem = &scenario.problem;
        let run = Run {
            worker_timeout: scenario.worker_timeout,
            ..problem.run.clone()
        };
        let Checkpoint { costs, parameters } = checkpoint.unwrap_or_else(|| Checkpoint {
            costs: Vec::new(),
            parameters: problem.parameters[0].clone(),
        });
        let updates = costs.len() as u64;
        observers.see(&Sight::Begins { updates });
        observers.planted.begin(updates);
        let values = decode::<f64>(&parameters).collect();
        let values = Parameters::from_values(run.sizes.clone(), values).expect("a checkpoint has all parameters");
        let trainer = AnyTrainer::new(&run, values, parameters.clone(), &problem.dataset);
        let (engine, actions) = Engine::start(engine_config(scenario, &run, updates), RunTime(Duration::ZERO));
        let mut coordinator = Self {
            scenario: Rc::clone(scenario),
            run,
            began: now,
            engine,
            trainer,
            parameters,
            gradient: Bytes::new(),
            costs,
            links: BTreeMap::new(),
            members: BTreeMap::new(),
            begun: false,
            stopping: false,
            workers: 0,
            updates: VecDeque::new(),
        };
        let effects = coordinator.perform_all(actions, observers);
        (coordinator, effects)
    }

    pub fn next_deadline(&self) -> Option<Duration> {
        self.engine.next_deadline().map(|deadline| self.began + deadline.0)
    }

    /// The iteration that is under way or waited for.
    pub fn iteration(&self) -> u64 {
        self.costs.len() as u64
    }

    /// The workers that it, or the one after it, needs to come to the end.
    pub fn needs(&self) -> usize {
        if self.begun && !self.stopping {
            self.scenario.least
        } else {
            self.scenario.first
        }
    }

    pub fn take(&mut self, input: Input, now: Duration, observers: &mut Observers) -> Vec<Effect> {
        let event = match input {
            Input::Deadline => Event::DeadlinePassed,
            Input::Arrived(connection, parcel) => match self.arrived(connection, parcel, observers) {
                Some(event) => event,
                None => return Vec::new(),
            },
            Input::Updated => {
                let Some(updated) = self.updates.pop_front() else {
                    return Vec::new();
                };
                (self.parameters, self.gradient) = (updated.parameters, updated.gradient);
                Event::Updated {
                    iteration: updated.iteration,
                    cost: updated.cost,
                    wrong: updated.wrong,
                }
            }
            Input::Written { updates, saved } => Event::CheckpointWritten { updates, saved },
            Input::StopRequested => {
                self.stopping = true;
                Event::StopRequested
            }
        };
        let time = RunTime(now - self.began);
        let mut effects = Vec::new();
        for event in observers.planted.events(event) {
            let actions = self.engine.handle(event, time);
            let actions = observers.planted.actions(actions);
            effects.extend(self.perform_all(actions, observers));
        }
        effects
    }

    /// What came over a connection, as an event.
    fn arrived(&mut self, connection: ConnectionId, parcel: Parcel, observers: &mut Observers) -> Option<Event> {
        let Some(&worker) = self.members.get(&connection) else {
            let Parcel::FromWorker(FromWorker::Hello(hello)) = parcel else {
                return None;
            };
            let worker = WorkerId(self.workers);
            self.workers += 1;
            self.members.insert(connection, worker);
            self.links.insert(worker, connection);
            let name = &hello.name;
            observers.see(&Sight::Numbers { worker, name });
            return Some(Event::HelloArrived { worker, hello });
        };
        Some(match parcel {
            Parcel::FromWorker(FromWorker::Hello(_)) => Event::WorkerErred {
                worker,
                what: "found Hello, which it had said before".to_owned(),
            },
            Parcel::FromWorker(FromWorker::Ready) => Event::WorkerReady(worker),
            Parcel::FromWorker(FromWorker::Sum(sum)) => Event::SumArrived { worker, sum },
            Parcel::FromWorker(FromWorker::Heartbeat) => Event::HeartbeatArrived(worker),
            Parcel::FromCoordinator(_) | Parcel::Closed => {
                self.links.remove(&worker);
                self.members.remove(&connection);
                let reason = "it closed its stream".to_owned();
                Event::WorkerLost { worker, reason }
            }
        })
    }

    /// Performs actions in order, up to the one that ends the run, or to one that shows a fault.
    fn perform_all(&mut self, actions: Vec<Action>, observers: &mut Observers) -> Vec<Effect> {
        let mut effects = Vec::new();
        for action in actions {
            observers.see(&Sight::Decides(&action));
            if observers.invariants.violation().is_some() {
                return effects;
            }
            self.perform(action, &mut effects, observers);
        }
        effects
    }

    fn perform(&mut self, action: Action, effects: &mut Vec<Effect>, observers: &mut Observers) {
        match action {
            Action::Welcome(worker) => {
                let run = self.run.clone();
                self.send(worker, FromCoordinator::Welcome(Welcome { worker, run }), effects);
            }
            Action::Dismiss { worker, dismissal, .. } => {
                self.send(worker, FromCoordinator::Dismissed(dismissal), effects);
                // What it has said before it hears of this still arrives.
                effects.extend(self.links.remove(&worker).map(Effect::Close));
            }
            Action::Report(_) => {}
            Action::Assign { worker, hold, missing } => self.send_shard(worker, hold, &missing, effects),
            Action::Broadcast { iteration, to } => {
                self.begun = true;
                self.broadcast(iteration, &to, effects, observers);
            }
            Action::BroadcastGradient { iteration, to } => self.broadcast_gradient(iteration, &to, effects),
            Action::Compute {
                worker,
                iteration,
                nodes,
            } => self.send(worker, FromCoordinator::Compute(iteration, nodes), effects),
            Action::Heartbeat => {
                let everyone = self.links.values();
                effects.extend(everyone.map(|&link| Effect::Send(link, FromCoordinator::Heartbeat)));
            }
            Action::ComputeHere { .. } => observers.see(&Sight::Fails("it has workers to compute for it")),
            Action::Keep(worker, sum) => self.trainer.keep(worker, &sum),
            Action::Update { iteration, sums } => match self.trainer.update(iteration, sums) {
                Ok(updated) => {
                    self.updates.push_back(updated);
                    effects.push(Effect::Update);
                }
                Err(error) => observers.see(&Sight::Fails(&error.to_string())),
            },
            Action::SaveCheckpoint { updates } => {
                let costs = self.costs[..updates as usize].to_vec();
                let parameters = self.trainer.snapshot();
                let checkpoint = Checkpoint { costs, parameters };
                observers.see(&Sight::Saves(&checkpoint));
                effects.push(Effect::Write(checkpoint));
            }
            Action::ReportCost { cost, .. } => self.costs.push(cost),
            Action::Finish(_) => self.finish(effects, observers),
            Action::Stop(_) => self.stop(effects, observers),
            Action::Fail(failure) => observers.see(&Sight::Fails(&failure.to_string())),
        }
    }

    fn send(&self, worker: WorkerId, message: FromCoordinator, effects: &mut Vec<Effect>) {
        effects.extend(self.links.get(&worker).map(|&link| Effect::Send(link, message)));
    }

    fn broadcast(&self, iteration: Iteration, to: &[WorkerId], effects: &mut Vec<Effect>, observers: &mut Observers) {
        let (updates, parameters) = (iteration.0, &self.parameters);
        observers.see(&Sight::Parameters { updates, parameters });
        for &worker in to {
            for chunk in cut(parameters, 8, self.scenario.chunk_bytes) {
                self.send(worker, FromCoordinator::Parameters(iteration, chunk), effects);
            }
        }
    }

    fn broadcast_gradient(&self, iteration: Iteration, to: &[WorkerId], effects: &mut Vec<Effect>) {
        for &worker in to {
            for chunk in cut(&self.gradient, 4, self.scenario.chunk_bytes) {
                self.send(worker, FromCoordinator::Gradient(iteration, chunk), effects);
            }
        }
    }

    fn send_shard(&self, worker: WorkerId, hold: BlockSet, missing: &BlockSet, effects: &mut Vec<Effect>) {
        self.send(worker, FromCoordinator::Assignment(hold), effects);
        let problem = &self.scenario.problem;
        let (mut labels, mut columns) = (Vec::new(), Vec::new());
        for &range in missing.ranges() {
            let items = self.run.tree.items_of(range);
            labels.extend_from_slice(&problem.labels[items.clone()]);
            columns.extend(problem.x.to_le_bytes(items));
        }
        for chunk in cut(&labels.into(), 1, self.scenario.chunk_bytes) {
            self.send(worker, FromCoordinator::Labels(chunk), effects);
        }
        for chunk in cut(&columns.into(), 1, self.scenario.chunk_bytes) {
            self.send(worker, FromCoordinator::Columns(chunk), effects);
        }
    }

    fn finish(&mut self, effects: &mut Vec<Effect>, observers: &mut Observers) {
        let parameters = self.trainer.snapshot();
        let costs = &self.costs;
        observers.see(&Sight::Completes {
            costs,
            parameters: &parameters,
        });
        let digest = digest_of_le_bytes(&self.run.sizes, &parameters);
        let iterations = self.run.iterations;
        self.tell_all(&FromCoordinator::Finished { iterations, digest }, effects);
        effects.push(Effect::Finish);
    }

    fn stop(&mut self, effects: &mut Vec<Effect>, observers: &mut Observers) {
        if !self.updates.is_empty() {
            observers.see(&Sight::Fails("it stops before an update is made that it has ordered"));
        }
        let explanation = "the user stopped the run".to_owned();
        let reason = Reason::RunFailed;
        self.tell_all(&FromCoordinator::Dismissed(Dismissal { reason, explanation }), effects);
        let checkpoint = Checkpoint {
            costs: self.costs.clone(),
            parameters: self.trainer.snapshot(),
        };
        observers.see(&Sight::Saves(&checkpoint));
        effects.push(Effect::Stop(checkpoint));
    }

    fn tell_all(&self, message: &FromCoordinator, effects: &mut Vec<Effect>) {
        for &link in self.links.values() {
            effects.push(Effect::Send(link, message.clone()));
            effects.push(Effect::Close(link));
        }
    }
}

fn engine_config(scenario: &Scenario, run: &Run, updates: u64) -> EngineConfig {
    let size = FleetSize::Workers {
        first: scenario.first,
        least: scenario.least,
    };
    EngineConfig {
        audit: scenario.audit,
        checkpoints: scenario.checkpoints,
        ..EngineConfig::of_run(run, size, Iteration(updates))
    }
}
