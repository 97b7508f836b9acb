//! A coordinator that follows the protocol, in everything that a worker hears of it.

use std::collections::VecDeque;

use bytes::Bytes;
use proto::tensor::chunks;
use proto::{FromCoordinator, Run, TensorChunk, Welcome};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockSet, LeafRange, Precision};

use crate::random::Random;

/// What a coordinator says to one worker.
#[derive(Debug)]
pub struct Coordinator {
    run: Run,
    /// What the worker holds when all that was queued has come.
    held: BlockSet,
    /// The iteration whose parameters were queued last.
    iteration: Option<Iteration>,
    queue: VecDeque<FromCoordinator>,
}

impl Coordinator {
    /// One that has just heard a worker's Hello, with what it recognised of the columns that the worker holds.
    pub fn new(run: &Run, held: BlockSet) -> Self {
        let run = run.clone();
        let welcome = Welcome {
            worker: WorkerId(3),
            run: run.clone(),
        };
        Self {
            run,
            held,
            iteration: None,
            queue: VecDeque::from([FromCoordinator::Welcome(welcome)]),
        }
    }

    /// What it says next.
    pub fn next(&mut self, random: &mut Random) -> FromCoordinator {
        if random.happens(1, 12) && !matches!(self.queue.front(), Some(FromCoordinator::Welcome(_))) {
            return FromCoordinator::Heartbeat;
        }
        loop {
            if let Some(message) = self.queue.pop_front() {
                return message;
            }
            match random.below(4) {
                0 => self.assign(random),
                1 => self.broadcast(random),
                _ => self.ask(random),
            }
        }
    }

    fn assign(&mut self, random: &mut Random) {
        let blocks = self.run.tree.leaves() as u64;
        let ranges = (0..random.below(3)).filter_map(|_| {
            let first = random.below(blocks);
            LeafRange::new(first as u32, random.between(first + 1, blocks) as u32)
        });
        let mut hold = BlockSet::new(ranges);
        if random.happens(1, 2) {
            hold = hold.union(&self.held);
        }
        let columns = hold.difference(&self.held).columns(&self.run.tree);
        self.held = hold.clone();
        self.queue.push_back(FromCoordinator::Assignment(hold));
        let labels: Vec<u8> = (0..columns).map(|_| random.below(2) as u8).collect();
        let numbers = columns * self.run.sizes.features();
        let bytes = numbers * self.run.element_type.bytes();
        let values: Vec<u8> = (0..bytes).map(|_| random.below(60) as u8).collect();
        let labels = cut(random, labels, 1).into_iter().map(FromCoordinator::Labels);
        let values = cut(random, values, self.run.element_type.bytes());
        let values = values.into_iter().map(FromCoordinator::Columns);
        if random.happens(1, 2) {
            self.queue.extend(labels.chain(values));
        } else {
            self.queue.extend(values.chain(labels));
        }
    }

    fn broadcast(&mut self, random: &mut Random) {
        let iteration = self.iteration.map_or(Iteration(0), |last| {
            Iteration(last.0.saturating_add(random.between(1, 3)))
        });
        let precision = self.run.precision;
        let follows = self
            .iteration
            .is_some_and(|last| last.0.checked_add(1) == Some(iteration.0));
        let (message, number): (fn(Iteration, TensorChunk) -> FromCoordinator, _) =
            if precision == Precision::Mixed && follows {
                (FromCoordinator::Gradient, precision.sums())
            } else {
                (FromCoordinator::Parameters, precision.parameters())
            };
        self.iteration = Some(iteration);
        let bytes = self.run.sizes.parameters() * number.bytes();
        let values: Vec<u8> = (0..bytes).map(|_| random.number() as u8).collect();
        let values = cut(random, values, number.bytes());
        self.queue
            .extend(values.into_iter().map(|chunk| message(iteration, chunk)));
    }

    /// Wants sums of some of what is held.
    fn ask(&mut self, random: &mut Random) {
        let (Some(iteration), false) = (self.iteration, self.held.is_empty()) else {
            return self.queue.push_back(FromCoordinator::Heartbeat);
        };
        let shard = *random.one_of(self.held.ranges());
        let mut nodes = self.run.tree.maximal_nodes(shard);
        nodes.truncate(random.between(1, 3) as usize);
        self.queue.push_back(FromCoordinator::Compute(iteration, nodes));
    }
}

/// Little-endian bytes in chunks of whole numbers.
fn cut(random: &mut Random, bytes: Vec<u8>, number_bytes: usize) -> Vec<TensorChunk> {
    let bytes = Bytes::from(bytes);
    if random.happens(1, 2) {
        return chunks(&bytes, number_bytes).collect();
    }
    let step = number_bytes * random.between(1, 200) as usize;
    let chunk = |start: usize| TensorChunk {
        offset: (start / number_bytes) as u64,
        data: bytes.slice(start..bytes.len().min(start + step)),
    };
    (0..bytes.len()).step_by(step).map(chunk).collect()
}
