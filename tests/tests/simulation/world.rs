//! The world of one seed: processes, connections, a disk, and the time, which goes from one thing that happens to the next.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tests::random::Random;

use crate::coordinator::{Checkpoint, Coordinator, Input};
use crate::invariants::{Invariants, Sight, Violation};
use crate::network::{ConnectionId, Delivery, Network, Parcel, Side};
use crate::observers::{Observers, Tally};
use crate::planted::{Bug, Planted};
use crate::scenario::Scenario;
use crate::worker::{Inner, Worker};

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
    /// The last state that the coordinator has written down.
    pub disk: Option<Checkpoint>,
    /// Whether the coordinator has said that the run is complete.
    pub complete: bool,
    calm: bool,
    trace: Option<Vec<String>>,
}

impl<P> Machine<P> {
    pub fn empty() -> Self {
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
        world.note(|world| world.scenario.to_string());
        world.start_coordinator();
        let workers = world.scenario.first + world.random.below(2) as usize;
        (0..workers).for_each(|_| world.add_worker());
        world
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
    pub fn calm_down(&mut self) {
        self.calm = true;
        let running = self.workers.iter().filter(|worker| worker.process.is_some()).count();
        if !self.complete {
            let coordinator = self.coordinator.process.as_ref();
            let needed = coordinator.map_or(self.scenario.first, Coordinator::needs);
            (running..needed).for_each(|_| self.add_worker());
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

    pub fn schedule(&mut self, after: Duration, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((self.now + after, self.scheduled), happening);
    }

    /// Something that the adversary did will be over.
    pub fn relieve_after(&mut self, after: Duration, relief: Relief) {
        self.disturbances += 1;
        self.schedule(after, Happening::Relief(relief));
    }

    pub fn relieve_all(&mut self) {
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

    pub fn note(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>12.6} s  {}", self.now.as_secs_f64(), what(self));
            self.trace.get_or_insert_default().push(line);
        }
    }
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
