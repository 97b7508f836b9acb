//! The world of one seed: processes, connections, a disk, and the time, which goes from one thing that happens to the next.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tests::random::Random;

use crate::coordinator::{self, Checkpoint, Coordinator, Input};
use crate::invariants::{Invariants, Sight, Violation};
use crate::network::{ConnectionId, Delivery, Network, Parcel, Side};
use crate::observers::{Observers, Tally};
use crate::planted::{Bug, Planted};
use crate::scenario::{FARTHEST, Scenario};
use crate::worker::{self, Inner, Worker};

/// How long dialling somebody takes who does not answer.
const NO_ANSWER: Duration = Duration::from_secs(5);

/// Where a process may run.
#[derive(Debug)]
pub struct Machine<P> {
    pub process: Option<P>,
    /// How many processes have run here.
    pub life: u32,
    /// What came to the process while it was frozen, if it is.
    pub frozen: Option<Vec<Happening>>,
}

/// Something that happens at its time.
#[derive(Debug)]
pub enum Happening {
    /// Something arrives at a machine.
    Delivery(Delivery),
    /// A process reads what has arrived.
    Received(ConnectionId, Side, Parcel),
    /// A worker's call is answered.
    Answered { worker: usize, life: u32 },
    /// Something comes to a worker from within.
    Within { worker: usize, life: u32, inner: Inner },
    /// The coordinator's compute thread has made an update.
    Updated { life: u32 },
    /// The coordinator has written a checkpoint, or not.
    Written {
        life: u32,
        checkpoint: Checkpoint,
        saved: bool,
    },
    /// Something that the adversary has done is over.
    Relief(Relief),
}

/// The end of a disturbance.
#[derive(Clone, Copy, Debug)]
pub enum Relief {
    Heal(usize),
    Thaw(usize),
    Start(usize),
    ThawCoordinator,
    StartCoordinator,
}

/// What was seen of a run from its beginning to its end.
#[derive(Debug)]
pub struct Chronicle {
    pub violation: Option<Violation>,
    pub tally: Tally,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    pub scenario: Rc<Scenario>,
    pub random: Random,
    pub now: Duration,
    pub network: Network,
    pub coordinator: Machine<Coordinator>,
    pub workers: Vec<Machine<Worker>>,
    pub observers: Observers,
    /// How often the adversary will still strike.
    pub strikes: u64,
    /// Disturbances that will end.
    pub disturbances: u64,
    queue: BTreeMap<(Duration, u64), Happening>,
    scheduled: u64,
    disk: Option<Checkpoint>,
    complete: bool,
    calm: bool,
    trace: Option<Vec<String>>,
}

impl<P> Machine<P> {
    fn empty() -> Self {
        Self {
            process: None,
            life: 0,
            frozen: None,
        }
    }

    /// The process, if it runs.
    fn running(&mut self) -> Option<&mut P> {
        self.process.as_mut().filter(|_| self.frozen.is_none())
    }
}

impl World {
    /// The world of `seed`, perhaps with a bug in it.
    pub fn of(seed: u64, bug: Option<Bug>, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let scenario = Rc::new(Scenario::of(&mut random));
        let observers = Observers {
            invariants: Invariants::of(&scenario.problem),
            planted: Planted::new(bug, scenario.problem.run.tree.clone()),
            tally: Tally::default(),
        };
        let mut world = Self {
            random,
            now: Duration::ZERO,
            network: Network::default(),
            coordinator: Machine::empty(),
            workers: Vec::new(),
            observers,
            strikes: scenario.strikes,
            disturbances: 0,
            queue: BTreeMap::new(),
            scheduled: 0,
            disk: None,
            complete: false,
            calm: false,
            trace: traced.then(Vec::new),
            scenario,
        };
        world.note(|world| format!("{:?}", world.scenario_in_short()));
        world.start_coordinator();
        let workers = world.scenario.first + world.random.below(2) as usize;
        (0..workers).for_each(|_| world.add_worker());
        world
    }

    fn scenario_in_short(&self) -> impl std::fmt::Debug + use<> {
        let Scenario { first, least, .. } = *self.scenario;
        (first, least, self.scenario.problem.run.tree.items())
    }

    /// Lets everything happen, until the run is over or an invariant does not hold.
    pub fn run(mut self) -> Chronicle {
        while self.observers.invariants.violation().is_none() && !self.is_over() {
            self.step();
        }
        Chronicle {
            violation: self.observers.invariants.violation().cloned(),
            tally: self.observers.tally,
            trace: self.trace.unwrap_or_default(),
        }
    }

    /// Whether the run is complete, and every worker knows it or looks for a coordinator.
    fn is_over(&self) -> bool {
        let waits = |worker: &Machine<Worker>| worker.process.as_ref().is_some_and(|worker| !worker.is_looking());
        self.complete && !self.workers.iter().any(waits)
    }

    fn step(&mut self) {
        let coordinator = self.coordinator.running().and_then(|process| process.next_deadline());
        let workers = self.workers.iter_mut().enumerate();
        let worker = workers
            .filter_map(|(index, worker)| Some((worker.running()?.next_deadline()?, index)))
            .min();
        let queued = self.queue.first_key_value().map(|(&(at, _), _)| at);
        let Some(at) = [coordinator, worker.map(|(at, _)| at), queued]
            .into_iter()
            .flatten()
            .min()
        else {
            return self.observers.see(&Sight::Stalls);
        };
        let is_due = |time: Option<Duration>| time.is_some_and(|time| time <= at);
        self.now = self.now.max(at);
        self.observers.see(&Sight::Continues { at: self.now });
        if is_due(queued) {
            if let Some((_, happening)) = self.queue.pop_first() {
                self.happens(happening);
            }
        } else if is_due(coordinator) {
            self.note(|_| "the coordinator's deadline".to_owned());
            self.coordinator_takes(Input::Deadline);
        } else if let Some((_, worker)) = worker {
            self.note(|_| format!("the deadline of worker-{worker}"));
            self.worker_does(worker, Worker::deadline_passed);
        }
        self.disturb();
    }

    /// Lets the adversary act, until it has acted as often as it was to.
    fn disturb(&mut self) {
        if self.complete || self.calm {
            return;
        }
        if self.strikes > 0 {
            if self.random.happens(1, self.scenario.calm) {
                self.strikes -= 1;
                self.strike();
            }
        } else if self.disturbances == 0 {
            self.calm_down();
        }
    }

    /// From now on nobody is disturbed, and there are workers enough.
    fn calm_down(&mut self) {
        self.calm = true;
        let running = self.workers.iter().filter(|worker| worker.process.is_some()).count();
        if !self.complete {
            (running..self.scenario.first).for_each(|_| self.add_worker());
        }
        let (at, patience) = (self.now, self.scenario.patience());
        self.note(|_| "nobody is disturbed any more".to_owned());
        self.observers.see(&Sight::CalmsDown { at, patience });
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Delivery(Delivery {
                connection, to, parcel, ..
            }) => {
                if let Some(parcel) = self.network.arrive(connection, to, parcel) {
                    self.happens(Happening::Received(connection, to, parcel));
                }
            }
            Happening::Relief(relief) => {
                self.disturbances -= 1;
                self.relieve(relief);
            }
            happening => match self.freezer(&happening) {
                Some(frozen) => frozen.push(happening),
                None => self.comes_to_process(happening),
            },
        }
    }

    /// Where what comes to a frozen process waits.
    fn freezer(&mut self, happening: &Happening) -> Option<&mut Vec<Happening>> {
        let worker = match happening {
            Happening::Received(connection, Side::Worker, _) => self.network.worker_of(*connection)?,
            Happening::Answered { worker, .. } | Happening::Within { worker, .. } => *worker,
            _ => return self.coordinator.frozen.as_mut(),
        };
        self.workers[worker].frozen.as_mut()
    }

    fn comes_to_process(&mut self, happening: Happening) {
        self.note(|_| shortened(&happening));
        match happening {
            Happening::Received(connection, Side::Coordinator, parcel) => {
                self.coordinator_takes(Input::Arrived(connection, parcel));
            }
            Happening::Received(connection, Side::Worker, parcel) => {
                if let Some(worker) = self.network.worker_of(connection) {
                    self.worker_does(worker, |process, now, random| {
                        process.arrived(connection, parcel, now, random)
                    });
                }
            }
            Happening::Answered { worker, life } if self.workers[worker].life == life => self.answered(worker),
            Happening::Within { worker, life, inner } if self.workers[worker].life == life => match inner {
                Inner::Dial => self.dial(worker),
                Inner::Outcome(membership, outcome) => self.worker_does(worker, |process, now, random| {
                    process.outcome(membership, *outcome, now, random)
                }),
            },
            Happening::Updated { life } if self.coordinator.life == life => self.coordinator_takes(Input::Updated),
            Happening::Written {
                life,
                checkpoint,
                saved,
            } if self.coordinator.life == life && self.coordinator.process.is_some() => {
                let updates = checkpoint.costs.len() as u64;
                if saved {
                    self.disk = Some(checkpoint);
                }
                self.coordinator_takes(Input::Written { updates, saved });
            }
            // It was meant for a process that is gone.
            _ => {}
        }
    }

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
    fn dial(&mut self, worker: usize) {
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

    fn answered(&mut self, worker: usize) {
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

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((self.now + after, self.scheduled), happening);
    }

    /// Something that the adversary did will be over.
    pub fn relieve_after(&mut self, after: Duration, relief: Relief) {
        self.disturbances += 1;
        self.schedule(after, Happening::Relief(relief));
    }

    fn relieve_all(&mut self) {
        for worker in 0..self.workers.len() {
            self.relieve(Relief::Heal(worker));
            self.relieve(Relief::Thaw(worker));
        }
    }

    fn relieve(&mut self, relief: Relief) {
        self.note(|_| format!("{relief:?}"));
        match relief {
            Relief::Heal(worker) => {
                for (connection, to, parcel) in self.network.heal(worker) {
                    if let Some(parcel) = self.network.arrive(connection, to, parcel) {
                        self.happens(Happening::Received(connection, to, parcel));
                    }
                }
            }
            Relief::Thaw(worker) => {
                let frozen = self.workers[worker].frozen.take();
                // Which of the two a process sees first is chance.
                if self.random.happens(1, 2) && self.is_overdue(worker) {
                    self.worker_does(worker, Worker::deadline_passed);
                }
                frozen
                    .into_iter()
                    .flatten()
                    .for_each(|happening| self.happens(happening));
            }
            Relief::Start(worker) => {
                if self.workers[worker].process.is_none() && !self.complete {
                    self.start_worker(worker);
                }
            }
            Relief::ThawCoordinator => {
                let frozen = self.coordinator.frozen.take();
                if frozen.is_some() && self.random.happens(1, 2) {
                    self.coordinator_takes(Input::Deadline);
                }
                frozen
                    .into_iter()
                    .flatten()
                    .for_each(|happening| self.happens(happening));
            }
            Relief::StartCoordinator => {
                if self.coordinator.process.is_none() && !self.complete {
                    self.start_coordinator();
                }
            }
        }
    }

    fn is_overdue(&self, worker: usize) -> bool {
        let process = self.workers[worker].process.as_ref();
        process
            .and_then(Worker::next_deadline)
            .is_some_and(|deadline| deadline <= self.now)
    }

    fn start_coordinator(&mut self) {
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

    fn start_worker(&mut self, worker: usize) {
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

    pub fn note(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>12.6} s  {}", self.now.as_secs_f64(), what(self));
            self.trace.get_or_insert_default().push(line);
        }
    }
}

fn name_of(worker: usize) -> String {
    format!("worker-{worker}")
}

/// A line that can be read.
fn shortened(happening: &Happening) -> String {
    let mut text = format!("{happening:?}");
    if let Some((end, _)) = text.char_indices().nth(240) {
        text.truncate(end);
        text.push('…');
    }
    text
}
