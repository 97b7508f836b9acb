//! What the adversary does to a run. Everything it does ends after a while, except that a worker may stay away.

use std::time::Duration;

use crate::coordinator::Input;
use crate::invariants::Sight;
use crate::network::Side;
use crate::scenario::SLOWEST;
use crate::worker::Lie;
use crate::world::{Relief, World};

/// The most workers there can be.
const MOST_WORKERS: usize = 8;

impl World {
    /// Does something to somebody.
    pub fn strike(&mut self) {
        let worker = self.random.index(self.workers.len());
        match self.random.below(20) {
            0..=2 => self.break_connection(worker),
            3..=5 => {
                let for_good = self.random.happens(1, 4);
                self.kill_worker(worker, for_good);
            }
            6..=7 => self.freeze_worker(worker),
            8..=9 => self.part(&[worker]),
            10 => self.part(&(0..self.workers.len()).collect::<Vec<_>>()),
            11 => self.change_speed(worker),
            12 => self.repeat_old_answers(worker),
            13 => self.repeat_new_answers(worker),
            14 => self.lie(worker),
            15 => self.join(),
            16 => self.leave_alone(worker),
            _ => self.strike_coordinator(),
        }
    }

    /// Sometimes a moment, sometimes long enough for everyone to lose patience.
    pub fn a_while(&mut self) -> Duration {
        let share = self.random.share();
        if self.random.happens(1, 2) {
            self.scenario.latency.mul_f64(share * 20.0)
        } else {
            self.scenario.worker_timeout.mul_f64(share * 3.0)
        }
    }

    fn struck(&mut self, how: &'static str, worker: Option<usize>) {
        self.observers.tally.count(how);
        self.observers.see(&Sight::Strikes);
        self.note(|_| match worker {
            Some(worker) => format!("--- {how}: worker-{worker}"),
            None => format!("--- {how}"),
        });
    }

    fn break_connection(&mut self, worker: usize) {
        let connection = self.workers[worker]
            .process
            .as_ref()
            .and_then(|process| process.connection());
        let Some(connection) = connection else {
            return;
        };
        self.struck("connection broken", Some(worker));
        let told = self.some_sides();
        let news = self.network.cut(connection, told, self.now);
        self.deliver(news);
    }

    fn some_sides(&mut self) -> &'static [Side] {
        let all: [&[Side]; 4] = [
            &[Side::Coordinator, Side::Worker],
            &[Side::Coordinator],
            &[Side::Worker],
            &[],
        ];
        all[self.random.index(all.len())]
    }

    fn kill_worker(&mut self, worker: usize, for_good: bool) {
        let Some(process) = &self.workers[worker].process else {
            return;
        };
        let connection = process.connection();
        self.struck("worker killed", Some(worker));
        if let Some(connection) = connection.filter(|_| self.random.happens(2, 3)) {
            // What it has sent may be lost with it, and if the machine is gone, so is the news.
            let told: &[Side] = if self.random.happens(1, 2) {
                &[Side::Coordinator]
            } else {
                &[]
            };
            let news = self.network.cut(connection, told, self.now);
            self.deliver(news);
        }
        self.end_worker(worker);
        if !for_good {
            let after = self.a_while();
            self.relieve_after(after, Relief::Start(worker));
        }
    }

    /// All others are killed, so that whatever the one still has to do is in the way of what they had to do.
    fn leave_alone(&mut self, worker: usize) {
        let for_good = self.random.happens(1, 2);
        for other in (0..self.workers.len()).filter(|&other| other != worker) {
            self.kill_worker(other, for_good);
        }
    }

    fn freeze_worker(&mut self, worker: usize) {
        let machine = &mut self.workers[worker];
        if machine.process.is_none() || machine.frozen.is_some() {
            return;
        }
        machine.frozen = Some(Vec::new());
        self.struck("worker frozen", Some(worker));
        let after = self.a_while();
        self.relieve_after(after, Relief::Thaw(worker));
    }

    /// Nothing goes to or comes from these workers for a while, and nobody knows.
    fn part(&mut self, workers: &[usize]) {
        let after = self.a_while();
        for &worker in workers {
            self.struck("partition", Some(worker));
            self.network.weather(worker).partitioned = true;
            self.relieve_after(after, Relief::Heal(worker));
        }
    }

    fn change_speed(&mut self, worker: usize) {
        let share = if self.random.happens(1, 2) {
            1.0
        } else {
            self.random.share()
        };
        let slowness = 1.0 + share * f64::from(SLOWEST - 1);
        if let Some(process) = &mut self.workers[worker].process {
            process.slowness = slowness;
            self.struck("speed changed", Some(worker));
        }
    }

    fn repeat_old_answers(&mut self, worker: usize) {
        let iteration = self
            .coordinator
            .process
            .as_ref()
            .map_or(0, |process| process.iteration());
        self.struck("old answers repeated", Some(worker));
        self.worker_does(worker, |process, _, random| process.replay(iteration, random));
    }

    fn repeat_new_answers(&mut self, worker: usize) {
        let iteration = self
            .coordinator
            .process
            .as_ref()
            .map_or(0, |process| process.iteration());
        let process = self.workers[worker].process.as_ref();
        if !process.is_some_and(|process| process.has_sent(iteration)) {
            return;
        }
        self.struck("new answers repeated", Some(worker));
        let name = &format!("worker-{worker}");
        self.observers.see(&Sight::Repeats { name });
        self.worker_does(worker, |process, _, random| process.replay(u64::MAX, random));
    }

    fn lie(&mut self, worker: usize) {
        let lies = [Lie::NotANumber, Lie::OneBit, Lie::Always];
        let lie = *self.random.one_of(if self.scenario.liars { &lies } else { &lies[..1] });
        if let Some(process) = &mut self.workers[worker].process {
            process.lie = Some(lie);
            self.struck("wrong numbers", Some(worker));
        }
    }

    fn join(&mut self) {
        if self.workers.len() < MOST_WORKERS {
            self.struck("another worker", None);
            self.add_worker();
        }
    }

    fn strike_coordinator(&mut self) {
        if !self.scenario.coordinator_falls || self.coordinator.process.is_none() {
            return;
        }
        let after = self.a_while();
        match self.random.below(3) {
            0 => {
                self.struck("coordinator killed", None);
                let told = self.some_sides();
                for connection in self.network.heard() {
                    let news = self.network.cut(connection, told, self.now);
                    self.deliver(news);
                }
                self.end_coordinator();
                self.relieve_after(after, Relief::StartCoordinator);
            }
            1 if self.coordinator.frozen.is_none() => {
                self.struck("coordinator frozen", None);
                self.coordinator.frozen = Some(Vec::new());
                self.relieve_after(after, Relief::ThawCoordinator);
            }
            2 if self.coordinator.frozen.is_none() => {
                self.struck("coordinator stopped", None);
                self.coordinator_takes(Input::StopRequested);
            }
            _ => {}
        }
    }
}
