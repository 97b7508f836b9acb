//! The machines of the world: what processes ask for, and how processes begin and end.

use std::rc::Rc;
use std::time::Duration;

use tests::random::Random;

use crate::coordinator::{self, Coordinator, Input};
use crate::invariants::Sight;
use crate::network::{ConnectionId, Delivery, Parcel, Side};
use crate::scenario::FARTHEST;
use crate::worker::{self, Worker};
use crate::world::{Happening, Machine, Relief, World};

/// How long dialling somebody takes who does not answer.
const NO_ANSWER: Duration = Duration::from_secs(5);

impl World {
    pub fn coordinator_takes(&mut self, input: Input) {
        let Some(process) = &mut self.coordinator.process else {
            return;
        };
        let effects = process.take(input, self.now, &mut self.observers);
        self.coordinator_acts(effects);
    }

    fn coordinator_acts(&mut self, effects: Vec<coordinator::Effect>) {
        use coordinator::Effect;
        let life = self.coordinator.life;
        for effect in effects {
            match effect {
                Effect::Send(connection, message) => {
                    self.send(connection, Side::Worker, Parcel::FromCoordinator(message));
                }
                Effect::Close(connection) => {
                    let delivery = self.network.hang_up(connection, self.now, &mut self.random);
                    self.deliver(delivery);
                }
                Effect::Update => self.schedule(self.scenario.update_time, Happening::Updated { life }),
                Effect::Write(checkpoint) => {
                    let saved = !self.random.happens(1, 8);
                    let written = Happening::Written {
                        life,
                        checkpoint,
                        saved,
                    };
                    self.schedule(self.scenario.write_time, written);
                }
                Effect::Finish => {
                    self.complete = true;
                    self.end_coordinator();
                    self.relieve_all();
                    self.calm_down();
                }
                Effect::Stop(checkpoint) => {
                    self.disk = Some(checkpoint);
                    self.end_coordinator();
                    let after = self.a_while();
                    self.relieve_after(after, Relief::StartCoordinator);
                }
            }
        }
    }

    /// A worker's process does something, if there is one.
    pub fn worker_does(
        &mut self,
        worker: usize,
        does: impl FnOnce(&mut Worker, Duration, &mut Random) -> Vec<worker::Effect>,
    ) {
        if let Some(process) = &mut self.workers[worker].process {
            let effects = does(process, self.now, &mut self.random);
            self.worker_acts(worker, effects);
        }
    }

    fn worker_acts(&mut self, worker: usize, effects: Vec<worker::Effect>) {
        use worker::Effect;
        let life = self.workers[worker].life;
        let name = &*name_of(worker);
        for effect in effects {
            match effect {
                Effect::Send(connection, message) => {
                    self.send(connection, Side::Coordinator, Parcel::FromWorker(message));
                }
                Effect::Close(connection) => {
                    let delivery = self.network.close(connection, Side::Worker, self.now, &mut self.random);
                    self.deliver(delivery);
                }
                Effect::Later(after, inner) => self.schedule(after, Happening::Within { worker, life, inner }),
                Effect::Lie(iteration, node, lie) => {
                    let lies = Sight::Lies {
                        name,
                        iteration,
                        node,
                        lie,
                    };
                    self.observers.see(&lies);
                }
                Effect::Refuse(what) => self.observers.see(&Sight::Refuses { name, what: &what }),
                Effect::Leave(dismissal) => {
                    let dismissal = &dismissal;
                    self.observers.see(&Sight::Leaves { name, dismissal });
                    self.end_worker(worker);
                    let after = self.a_while();
                    self.relieve_after(after, Relief::Start(worker));
                }
                Effect::Finish(digest) => {
                    self.observers.see(&Sight::Hears { name, digest });
                    self.end_worker(worker);
                }
            }
        }
    }

    /// A worker calls the coordinator.
    pub fn dial(&mut self, worker: usize) {
        let weather = *self.network.weather(worker);
        let trip = weather.latency * 2;
        let fails_after = if weather.partitioned || self.coordinator.frozen.is_some() {
            Some(NO_ANSWER)
        } else {
            self.coordinator.process.is_none().then_some(trip)
        };
        match fails_after {
            Some(after) => self.worker_does(worker, |process, _, _| process.missed(after)),
            None => {
                let life = self.workers[worker].life;
                self.schedule(trip, Happening::Answered { worker, life });
            }
        }
    }

    pub fn answered(&mut self, worker: usize) {
        if self.coordinator.process.is_none() || self.network.weather(worker).partitioned {
            return self.worker_does(worker, |process, _, _| process.missed(Duration::ZERO));
        }
        let connection = self.network.open(worker);
        self.worker_does(worker, |process, now, _| process.reached(connection, now));
    }

    fn send(&mut self, connection: ConnectionId, to: Side, parcel: Parcel) {
        let parcel = parcel.over_the_wire().expect("both ends send what can be understood");
        let delivery = self.network.send(connection, to, parcel, self.now, &mut self.random);
        self.deliver(delivery);
    }

    pub fn deliver(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        for delivery in deliveries {
            let after = delivery.at.saturating_sub(self.now);
            self.schedule(after, Happening::Delivery(delivery));
        }
    }

    pub fn start_coordinator(&mut self) {
        self.coordinator.life += 1;
        let disk = self.disk.clone();
        let (process, effects) = Coordinator::start(&self.scenario, disk, self.now, &mut self.observers);
        self.coordinator.process = Some(process);
        self.coordinator_acts(effects);
    }

    /// The coordinator's process ends. What it has sent still arrives, and then the news.
    pub fn end_coordinator(&mut self) {
        (self.coordinator.process, self.coordinator.frozen) = (None, None);
        for connection in self.network.heard() {
            let delivery = self
                .network
                .close(connection, Side::Coordinator, self.now, &mut self.random);
            self.deliver(delivery);
        }
    }

    /// A worker that was never there before.
    pub fn add_worker(&mut self) {
        let distance = if self.random.happens(1, 4) { FARTHEST } else { 1 };
        self.network.add_worker(self.scenario.latency * distance);
        self.workers.push(Machine::empty());
        self.start_worker(self.workers.len() - 1);
    }

    pub fn start_worker(&mut self, worker: usize) {
        let (mut process, effects) = Worker::start(name_of(worker), Rc::clone(&self.scenario));
        if self.random.happens(1, 4) {
            process.slowness = 1.0 + self.random.share() * 5.0;
        }
        let machine = &mut self.workers[worker];
        machine.life += 1;
        machine.process = Some(process);
        self.worker_acts(worker, effects);
    }

    /// A worker's process ends. What it has sent still arrives, and then the news.
    pub fn end_worker(&mut self, worker: usize) {
        let machine = &mut self.workers[worker];
        machine.frozen = None;
        if let Some(connection) = machine.process.take().and_then(|process| process.connection()) {
            let delivery = self.network.close(connection, Side::Worker, self.now, &mut self.random);
            self.deliver(delivery);
        }
    }
}

fn name_of(worker: usize) -> String {
    format!("worker-{worker}")
}
