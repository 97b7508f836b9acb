//! A worker's process: the real session and the real workbench. It does what `worker::run` does, with the world's time and
//! connections in place of a clock and sockets.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use proto::{Dismissal, FromWorker, Held, Hello, Reason, Run, SumChunk};
use shared::ids::Iteration;
use shared::{Digest, LeafRange};
use tests::random::Random;
use worker::arriving::Arriving;
use worker::backoff::Backoff;
use worker::compute::{Membership, Order, Outcome, Workbench};
use worker::limits::{MemoryLimit, Resources};
use worker::session::{Action, Event, Holdings, Session};

use crate::network::{ConnectionId, Parcel};
use crate::scenario::{Scenario, cut};

/// What every worker has.
const RESOURCES: Resources = Resources {
    threads: NonZeroUsize::MIN,
    memory: MemoryLimit(u64::MAX),
};

/// What a worker's process asks of the world.
#[derive(Debug)]
pub enum Effect {
    Send(ConnectionId, FromWorker),
    Close(ConnectionId),
    /// Something comes to it later.
    Later(Duration, Inner),
    /// Its session refused what the coordinator sent; the process ends.
    Refuse(String),
    /// It was dismissed; the process ends.
    Leave(Dismissal),
    /// The run is complete; the process ends.
    Finish(Digest),
    /// It is about to send wrong numbers.
    Lie(Iteration, LeafRange, Lie),
}

/// What comes to a worker's process from within.
#[derive(Debug)]
pub enum Inner {
    /// Its compute thread has done something.
    Outcome(Membership, Box<Outcome>),
    /// It is time to look for the coordinator.
    Dial,
}

/// How a worker's numbers are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The first number of its next answer is none.
    NotANumber,
    /// One bit of its next answer.
    OneBit,
    /// One bit of every answer.
    Always,
}

/// A running process.
#[derive(Debug)]
pub struct Worker {
    name: String,
    scenario: Rc<Scenario>,
    /// The time that its work takes, as a multiple of that of a healthy worker.
    pub slowness: f64,
    pub lie: Option<Lie>,
    connected: Option<(ConnectionId, Session)>,
    membership: Membership,
    run: Option<Run>,
    kept: Option<Holdings>,
    bench: Workbench,
    arriving: Arriving,
    backoff: Backoff,
    /// When its compute thread has done all that was ordered.
    busy_until: Duration,
    /// The sums that it sent over this connection, by iteration.
    sent: Vec<SumChunk>,
}

impl Worker {
    pub fn start(name: String, scenario: Rc<Scenario>) -> (Self, Vec<Effect>) {
        let worker = Self {
            name,
            scenario,
            slowness: 1.0,
            lie: None,
            connected: None,
            membership: Membership::default(),
            run: None,
            kept: None,
            bench: Workbench::default(),
            arriving: Arriving::default(),
            backoff: Backoff::new(0),
            busy_until: Duration::ZERO,
            sent: Vec::new(),
        };
        (worker, vec![Effect::Later(Duration::ZERO, Inner::Dial)])
    }

    pub fn connection(&self) -> Option<ConnectionId> {
        self.connected.as_ref().map(|&(id, _)| id)
    }

    pub fn next_deadline(&self) -> Option<Duration> {
        self.connected.as_ref().and_then(|(_, session)| session.next_deadline())
    }

    /// The coordinator has accepted a connection.
    pub fn reached(&mut self, id: ConnectionId, now: Duration) -> Vec<Effect> {
        let held = self.kept.take();
        let hello = Hello {
            name: self.name.clone(),
            threads: 1,
            held: held.as_ref().map(|held| Held {
                data: held.run.data,
                block_columns: held.run.block_columns,
                blocks: held.blocks.clone(),
            }),
        };
        self.membership.0 += 1;
        self.arriving.interrupt();
        self.run = None;
        self.sent.clear();
        self.connected = Some((id, Session::joining(RESOURCES, held, now)));
        vec![Effect::Send(id, FromWorker::Hello(hello))]
    }

    /// The coordinator could not be reached; it took so long to know that.
    pub fn missed(&mut self, after: Duration) -> Vec<Effect> {
        vec![Effect::Later(after + self.backoff.wait(), Inner::Dial)]
    }

    /// Whether it looks for the coordinator.
    pub fn is_looking(&self) -> bool {
        self.connected.is_none()
    }

    /// Something came over a connection.
    pub fn arrived(&mut self, id: ConnectionId, parcel: Parcel, now: Duration, random: &mut Random) -> Vec<Effect> {
        if self.connection() != Some(id) {
            return Vec::new();
        }
        match parcel {
            Parcel::FromCoordinator(message) => self.handle(Event::Message(message), now, random),
            Parcel::FromWorker(_) | Parcel::Closed => self.lose(),
        }
    }

    pub fn deadline_passed(&mut self, now: Duration, random: &mut Random) -> Vec<Effect> {
        self.handle(Event::DeadlinePassed, now, random)
    }

    /// The compute thread has done something.
    pub fn outcome(
        &mut self,
        membership: Membership,
        outcome: Outcome,
        now: Duration,
        random: &mut Random,
    ) -> Vec<Effect> {
        if membership != self.membership {
            return Vec::new();
        }
        match outcome {
            Outcome::Held => self.handle(Event::Held, now, random),
            Outcome::Refused(error) => vec![Effect::Refuse(error.to_string())],
            Outcome::Spare(spare) => {
                self.arriving.reuse(spare);
                Vec::new()
            }
            Outcome::Sums {
                iteration,
                nodes,
                number_bytes,
            } => self.send_sums(iteration, nodes, number_bytes, random),
        }
    }

    /// Whether it has sent sums of this iteration or a later one over this connection.
    pub fn has_sent(&self, iteration: u64) -> bool {
        self.sent.iter().any(|sum| sum.iteration.0 >= iteration)
    }

    /// Says once more what it said of iterations before `iteration`.
    pub fn replay(&self, iteration: u64, random: &mut Random) -> Vec<Effect> {
        let Some(id) = self.connection() else {
            return Vec::new();
        };
        let old = self.sent.iter().filter(|sum| sum.iteration.0 < iteration);
        let mut sums: Vec<_> = old.cloned().collect();
        if random.happens(1, 2) {
            sums.reverse();
        }
        sums.into_iter()
            .map(|sum| Effect::Send(id, FromWorker::Sum(sum)))
            .collect()
    }

    fn handle(&mut self, event: Event, now: Duration, random: &mut Random) -> Vec<Effect> {
        let Some((id, session)) = &mut self.connected else {
            return Vec::new();
        };
        let (id, actions) = match session.handle(event, now) {
            Ok(actions) => (*id, actions),
            Err(misconduct) => return vec![Effect::Refuse(misconduct.to_string())],
        };
        let mut effects = Vec::new();
        for action in actions {
            effects.extend(self.perform(id, action, now, random));
            if self.connected.is_none() {
                break;
            }
        }
        effects
    }

    fn perform(&mut self, id: ConnectionId, action: Action, now: Duration, random: &mut Random) -> Vec<Effect> {
        match action {
            Action::Send(message) => return vec![Effect::Send(id, message)],
            Action::Join { run, keep_columns, .. } => {
                self.run = Some(run.clone());
                if !keep_columns {
                    self.arriving = Arriving::default();
                    return self.order(Order::Start(Box::new(run)), 0, now, random);
                }
            }
            Action::Retain(blocks) => return self.order(Order::Retain(blocks), 0, now, random),
            Action::Hold(shipment) => {
                let columns = self.run.as_ref().map_or(0, |run| shipment.blocks.columns(&run.tree));
                return self.order(Order::Hold(shipment), columns, now, random);
            }
            Action::Store(chunk) => {
                if let Some(run) = &self.run {
                    self.arriving.store(&chunk, run);
                }
            }
            Action::StoreGradient(chunk) => {
                if let Some(run) = &self.run {
                    self.arriving.store_gradient(&chunk, run);
                }
            }
            Action::Parameters(_) => {
                if let Some(order) = self.arriving.parameters() {
                    return self.order(order, 0, now, random);
                }
            }
            Action::Gradient(_) => {
                if let Some(order) = self.arriving.gradient() {
                    return self.order(order, 0, now, random);
                }
            }
            Action::Compute(iteration, nodes) => {
                let of = |run: &Run| nodes.iter().map(|&node| run.tree.items_of(node).len()).sum();
                let columns = self.run.as_ref().map_or(0, of);
                return self.order(Order::Compute(iteration, nodes), columns, now, random);
            }
            Action::Finish { digest, .. } => return vec![Effect::Finish(digest)],
            Action::Leave(dismissal) if dismissal.reason != Reason::Silence => return vec![Effect::Leave(dismissal)],
            Action::Leave(_) | Action::GiveUp(_) => return self.lose(),
            Action::StartAfresh => {
                let effects = self.lose();
                self.kept = None;
                return effects;
            }
        }
        Vec::new()
    }

    /// The compute thread takes the orders one after the other. What it does has no effect before it is done, so it may
    /// as well be done at once.
    fn order(&mut self, order: Order, columns: usize, now: Duration, random: &mut Random) -> Vec<Effect> {
        let noise = 1.0 + random.share() * 0.3;
        let takes = self
            .scenario
            .column_time
            .mul_f64(columns as f64 * self.slowness * noise);
        self.busy_until = self.busy_until.max(now) + takes;
        let outcome = self.bench.perform(order);
        let inner = outcome.map(|outcome| Inner::Outcome(self.membership, Box::new(outcome)));
        inner
            .map(|inner| Effect::Later(self.busy_until - now, inner))
            .into_iter()
            .collect()
    }

    /// Sends sums in chunks. Those of one node come in order; different nodes may be mixed.
    fn send_sums(
        &mut self,
        iteration: Iteration,
        nodes: Vec<(LeafRange, Bytes)>,
        number_bytes: usize,
        random: &mut Random,
    ) -> Vec<Effect> {
        let Some(id) = self.connection() else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        let mut queues = Vec::new();
        for (node, sums) in nodes {
            let sums = match self.lie {
                Some(lie) => {
                    effects.push(Effect::Lie(iteration, node, lie));
                    self.lie = (lie == Lie::Always).then_some(lie);
                    told_wrongly(lie, &sums, number_bytes, random)
                }
                None => sums,
            };
            let chunks = cut(&sums, number_bytes, self.scenario.chunk_bytes);
            let sum = |chunk| SumChunk { iteration, node, chunk };
            queues.push(chunks.into_iter().map(sum).collect::<std::collections::VecDeque<_>>());
        }
        self.sent.retain(|sum| sum.iteration.0 + 2 > iteration.0);
        while !queues.is_empty() {
            let queue = random.index(queues.len());
            match queues[queue].pop_front() {
                Some(sum) => {
                    self.sent.push(sum.clone());
                    effects.push(Effect::Send(id, FromWorker::Sum(sum)));
                }
                None => drop(queues.swap_remove(queue)),
            }
        }
        effects
    }

    /// The coordinator is lost: it is looked for at once, with what is held.
    fn lose(&mut self) -> Vec<Effect> {
        let Some((id, session)) = self.connected.take() else {
            return Vec::new();
        };
        self.kept = session.holdings();
        self.backoff = Backoff::new(u64::from(self.name.as_bytes()[self.name.len() - 1]));
        vec![Effect::Close(id), Effect::Later(Duration::ZERO, Inner::Dial)]
    }
}

fn told_wrongly(lie: Lie, sums: &Bytes, number_bytes: usize, random: &mut Random) -> Bytes {
    let mut wrong = sums.to_vec();
    match lie {
        Lie::NotANumber if number_bytes == 4 => wrong[..4].copy_from_slice(&f32::NAN.to_le_bytes()),
        Lie::NotANumber => wrong[..8].copy_from_slice(&f64::NAN.to_le_bytes()),
        Lie::OneBit | Lie::Always => {
            // Not of the two highest bytes, so that the number stays one.
            let number = random.index(wrong.len() / number_bytes);
            wrong[number * number_bytes + random.index(number_bytes - 2)] ^= 1 << random.index(8);
        }
    }
    wrong.into()
}
