//! The worker's session and its arithmetic, with a coordinator that says anything in any order: nothing panics, what is
//! decided fits together, and a coordinator that follows the protocol is never blamed.

mod bench;
mod coordinator;
mod witness;

use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::time::Duration;

use prost::Message;
use proto::{FromCoordinator, Run, wire};
use rayon::{ThreadPool, ThreadPoolBuilder};
use shared::{BlockColumns, BlockSet, Digest, Tree};
use worker::limits::{MemoryLimit, Resources};
use worker::session::{Action, Event, Holdings, Session};

use super::{Inputs, Target, ensure, messages, mutate};
use crate::random::Random;
use bench::Bench;
use coordinator::Coordinator;
use witness::Witness;

/// No limit: whatever is declared is the session's to bear, and the bench computes with what is small.
const RESOURCES: Resources = Resources {
    threads: NonZeroUsize::MIN,
    memory: MemoryLimit(u64::MAX),
};

pub(super) const TARGET: Target = Target {
    name: "session",
    case: |random, inputs| case(random, inputs, |_| {}),
};

/// One case, with `sabotage` done to whatever the session decides.
pub(super) fn case(random: &mut Random, inputs: &mut Inputs, sabotage: fn(&mut Vec<Action>)) -> Result<(), String> {
    thread_local! {
        // Panics are caught on this thread, so all is computed on it.
        static POOL: OnceCell<ThreadPool> = const { OnceCell::new() };
    }
    POOL.with(|pool| {
        let start = || ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let pool = pool.get_or_init(|| start().expect("no thread is started"));
        pool.install(|| Play::begin(random, inputs, sabotage).go())
    })
}

/// A membership in virtual time, and those that follow it.
struct Play<'a> {
    random: &'a mut Random,
    inputs: &'a mut Inputs,
    sabotage: fn(&mut Vec<Action>),
    /// Whether the coordinator says only what it should.
    honest: bool,
    now: Duration,
    run: Run,
    coordinator: Coordinator,
    session: Session,
    witness: Witness,
    bench: Bench,
    /// Shipments that are laid out, which the session does not know yet.
    laid_out: usize,
}

/// A run that is small enough to be computed many times.
fn run(random: &mut Random) -> Run {
    let block_columns = BlockColumns::new(random.between(8, 20) as usize).expect("it is at least 8");
    Run {
        tree: Tree::over_batch(random.between(1, 60) as usize, block_columns).expect("the batch is small"),
        block_columns,
        scale: 1.0 / 255.0,
        data: Digest::from_bytes([1; 32]),
        ..messages::run(random)
    }
}

impl<'a> Play<'a> {
    fn begin(random: &'a mut Random, inputs: &'a mut Inputs, sabotage: fn(&mut Vec<Action>)) -> Self {
        let run = run(random);
        let now = Duration::from_secs(1);
        Self {
            honest: random.happens(1, 3),
            random,
            inputs,
            sabotage,
            now,
            coordinator: Coordinator::new(&run, BlockSet::default()),
            run,
            session: Session::joining(RESOURCES, None, now),
            witness: Witness::new(None, now),
            bench: Bench::default(),
            laid_out: 0,
        }
    }

    fn go(mut self) -> Result<(), String> {
        for _ in 0..self.random.between(5, 120) {
            match self.random.below(10) {
                0 => self.let_time_pass()?,
                1 if self.laid_out > 0 => {
                    self.laid_out -= 1;
                    self.tell(Event::Held)?;
                }
                2 if self.random.happens(1, 8) => self.join_again(),
                _ => {
                    let message = self.coordinator.next(self.random);
                    self.say(message)?;
                }
            }
            if self.witness.is_over() {
                self.join_again();
            }
        }
        Ok(())
    }

    /// The coordinator is lost, and the worker joins again with what it holds.
    fn join_again(&mut self) {
        let held = self.session.clone().holdings();
        let recognised = |held: &Holdings| {
            held.run.data == self.run.data
                && held.run.block_columns == self.run.block_columns
                && held.blocks.is_within(&self.run.tree)
        };
        // Another run than before, now and then, of the same data.
        if self.random.happens(1, 6) {
            self.run.sizes = messages::run(self.random).sizes;
        }
        let known = held.clone().filter(recognised).map(|held| held.blocks);
        self.coordinator = Coordinator::new(&self.run, known.unwrap_or_default());
        self.session = Session::joining(RESOURCES, held.clone(), self.now);
        if held.is_none() {
            self.bench = Bench::default();
        }
        self.witness = Witness::new(held, self.now);
        self.laid_out = 0;
    }

    /// The coordinator says this, or if it is hostile, something else instead or before.
    fn say(&mut self, message: FromCoordinator) -> Result<(), String> {
        if self.honest {
            return self.tell(Event::Message(message));
        }
        match self.random.below(12) {
            0 => {
                let any = messages::from_coordinator(self.random);
                self.try_to_tell(any)?;
            }
            1 => {
                let mut changed = message.clone();
                change(self.random, &mut changed);
                self.try_to_tell(changed)?;
            }
            2 => {
                let mut bytes = wire::CoordinatorMessage::from(message.clone()).encode_to_vec();
                mutate::bytes(self.random, &mut bytes);
                let garbled = wire::CoordinatorMessage::decode(bytes.as_slice()).ok();
                if let Some(garbled) = garbled.and_then(|message| FromCoordinator::try_from(message).ok()) {
                    self.try_to_tell(garbled)?;
                }
            }
            3 => return Ok(()),
            _ => {}
        }
        if self.witness.is_over() {
            return Ok(());
        }
        self.try_to_tell(message)
    }

    /// As [`Play::tell`], but the coordinator may be blamed for it. Then it was never said.
    fn try_to_tell(&mut self, message: FromCoordinator) -> Result<(), String> {
        let mut session = self.session.clone();
        self.inputs.count();
        match session.handle(Event::Message(message.clone()), self.now) {
            Ok(actions) => {
                self.session = session;
                self.perform(&Event::Message(message), actions)
            }
            Err(misconduct) => ensure(!misconduct.to_string().is_empty(), || "blamed for nothing".to_owned()),
        }
    }

    /// Tells the session something that is as it should be, and performs what it decides.
    fn tell(&mut self, event: Event) -> Result<(), String> {
        self.inputs.count();
        let actions = self.session.handle(event.clone(), self.now);
        let actions = actions.map_err(|misconduct| format!("an honest coordinator was blamed: {misconduct}"))?;
        self.perform(&event, actions)
    }

    fn perform(&mut self, event: &Event, mut actions: Vec<Action>) -> Result<(), String> {
        (self.sabotage)(&mut actions);
        self.witness.see(event, &actions, self.now)?;
        self.laid_out += self.bench.perform(&actions, &self.witness)?;
        if let Some(held) = self.session.clone().holdings()
            && self.witness.run() == Some(&held.run)
        {
            let expected = self.witness.held();
            ensure(held.blocks == *expected && self.witness.unlaid() == 0, || {
                format!("counts on blocks {}, expected {expected}", held.blocks)
            })?;
        }
        Ok(())
    }

    fn let_time_pass(&mut self) -> Result<(), String> {
        // A deadline may be centuries away.
        let most = self.now + Duration::from_secs(3600);
        let deadline = self.session.next_deadline().unwrap_or(most).clamp(self.now, most);
        self.now = if self.random.happens(1, 2) {
            deadline
        } else {
            self.now + Duration::from_millis(self.random.below(5000))
        };
        if self.session.next_deadline().is_none_or(|deadline| deadline > self.now) {
            return Ok(());
        }
        self.tell(Event::DeadlinePassed)?;
        let next = self.session.next_deadline();
        // Otherwise the shell would ask again and again.
        let later = self.witness.is_over() || next.is_none_or(|next| next > self.now);
        ensure(later, || format!("at {:?} the next deadline is {next:?}", self.now))
    }
}

/// Changes one field of a message.
fn change(random: &mut Random, message: &mut FromCoordinator) {
    match message {
        FromCoordinator::Columns(chunk) | FromCoordinator::Labels(chunk) => mutate::chunk(random, chunk),
        FromCoordinator::Parameters(iteration, chunk) => {
            if random.happens(1, 3) {
                iteration.0 = mutate::number(random);
            } else {
                mutate::chunk(random, chunk);
            }
        }
        FromCoordinator::Compute(iteration, nodes) => match random.below(3) {
            0 => iteration.0 = mutate::number(random),
            _ => nodes.iter_mut().for_each(|node| *node = mutate::node(random, *node)),
        },
        FromCoordinator::Assignment(blocks) => {
            let ranges = blocks.ranges().to_vec();
            *blocks = BlockSet::new(ranges.into_iter().map(|range| mutate::node(random, range)));
        }
        other => *other = messages::from_coordinator(random),
    }
}
