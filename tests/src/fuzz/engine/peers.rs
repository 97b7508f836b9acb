//! The workers of a run: what each has to say, and when it says it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use coordinator::engine::{Action, EngineConfig, Event, SumShape};
use prost::Message;
use proto::{FromWorker, Held, Hello, SumChunk, TensorChunk, wire};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockSet, LeafRange};

use super::name;
use crate::fuzz::{messages, mutate};
use crate::random::Random;

/// All workers that have ever joined.
#[derive(Debug)]
pub struct Peers {
    config: EngineConfig,
    peers: BTreeMap<WorkerId, Peer>,
}

/// One worker.
#[derive(Debug, Default)]
struct Peer {
    hostile: bool,
    /// Whether its stream is open.
    open: bool,
    /// Whether it says nothing at present.
    silent: bool,
    /// When it said something last.
    spoke: Duration,
    held: BlockSet,
    /// What it has to say, in this order.
    outbox: VecDeque<Event>,
}

impl Peers {
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            config: config.clone(),
            peers: BTreeMap::new(),
        }
    }

    pub fn is_hostile(&self, worker: WorkerId) -> bool {
        self.peers.get(&worker).is_some_and(|peer| peer.hostile)
    }

    /// Takes note of what the engine wants of a worker.
    pub fn take(&mut self, action: &Action, random: &mut Random) {
        let shape = self.config.shape;
        match action {
            Action::Assign { worker, hold, .. } => {
                if let Some(peer) = self.peers.get_mut(worker) {
                    peer.held = hold.clone();
                    peer.outbox.push_back(Event::WorkerReady(*worker));
                }
            }
            Action::Compute {
                worker,
                iteration,
                nodes,
            } => {
                if let Some(peer) = self.peers.get_mut(worker) {
                    let answers = nodes.iter().flat_map(|&node| answer(random, shape, *iteration, node));
                    let worker = *worker;
                    peer.outbox.extend(answers.map(|sum| Event::SumArrived { worker, sum }));
                }
            }
            Action::Dismiss { worker, .. } => {
                if let Some(peer) = self.peers.get_mut(worker) {
                    // What was under way may still come.
                    peer.open = false;
                    peer.outbox.truncate(random.index(3));
                }
            }
            _ => {}
        }
    }

    /// A new worker says Hello; perhaps it still holds what one that is gone has held.
    pub fn join(&mut self, random: &mut Random, now: Duration) -> (WorkerId, Event) {
        let hostile = random.happens(1, 2);
        self.add(hostile, random, now)
    }

    pub fn join_honest(&mut self, random: &mut Random, now: Duration) -> (WorkerId, Event) {
        self.add(false, random, now)
    }

    fn add(&mut self, hostile: bool, random: &mut Random, now: Duration) -> (WorkerId, Event) {
        let worker = WorkerId(self.peers.len() as u32);
        let gone = self.peers.values().find(|peer| !peer.open && !peer.held.is_empty());
        let held = gone.filter(|_| random.happens(1, 2)).map(|peer| Held {
            data: if random.happens(3, 4) {
                self.config.data
            } else {
                messages::digest(random)
            },
            block_columns: self.config.block_columns,
            blocks: if hostile && random.happens(1, 2) {
                BlockSet::from(mutate::node(random, self.config.tree.root()))
            } else {
                peer.held.clone()
            },
        });
        let peer = Peer {
            hostile,
            open: true,
            spoke: now,
            ..Peer::default()
        };
        self.peers.insert(worker, peer);
        let (name, threads) = (name(worker), 1);
        let hello = Hello { name, threads, held };
        (worker, Event::HelloArrived { worker, hello })
    }

    /// The next thing that some worker says. The hostile ones may change it, leave it out, or say it twice.
    pub fn next(&mut self, random: &mut Random) -> Option<Event> {
        let speaking: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.silent && !peer.outbox.is_empty())
            .map(|(&worker, _)| worker)
            .collect();
        if speaking.is_empty() {
            return None;
        }
        let peer = self.peers.get_mut(random.one_of(&speaking))?;
        let mut event = peer.outbox.pop_front()?;
        if peer.hostile && random.happens(1, 8) {
            match random.below(3) {
                0 => return peer.outbox.pop_front(),
                1 => peer.outbox.push_front(event.clone()),
                _ => {
                    if let Event::SumArrived { sum, .. } = &mut event {
                        mutate::sum(random, sum);
                    }
                }
            }
        }
        Some(event)
    }

    /// Something that a hostile worker says out of the blue, be it a member or not.
    pub fn nonsense(&mut self, random: &mut Random) -> Option<Event> {
        let hostile: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.hostile)
            .map(|(&worker, _)| worker)
            .collect();
        let worker = *random.one_of(if hostile.is_empty() { return None } else { &hostile });
        Some(match random.below(4) {
            0 => Event::WorkerReady(worker),
            1 => {
                let end = self.config.tree.leaves() as u64;
                let first = random.below(end) as u32;
                let node = LeafRange::new(first, random.between(u64::from(first) + 1, end) as u32)?;
                let iteration = Iteration(random.below(self.config.iterations));
                let shape = self.config.shape;
                let sum = answer(random, shape, iteration, node).pop()?;
                Event::SumArrived { worker, sum }
            }
            _ => arbitrary(worker, random),
        })
    }

    /// A worker's stream ends.
    pub fn lose(&mut self, random: &mut Random) -> Option<Event> {
        let open: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.open)
            .map(|(&worker, _)| worker)
            .collect();
        if open.is_empty() {
            return None;
        }
        let worker = *random.one_of(&open);
        Some(self.lost(worker))
    }

    fn lost(&mut self, worker: WorkerId) -> Event {
        if let Some(peer) = self.peers.get_mut(&worker) {
            peer.open = false;
            peer.outbox.clear();
        }
        let reason = "it closed its stream".to_owned();
        Event::WorkerLost { worker, reason }
    }

    /// A worker falls silent, or speaks again.
    pub fn hush(&mut self, random: &mut Random) {
        let count = self.peers.len();
        if count > 0
            && let Some(peer) = self.peers.values_mut().nth(random.index(count))
        {
            peer.silent = !peer.silent;
        }
    }

    /// Heartbeats of those that have said nothing for `interval`, at most.
    pub fn signs_of_life(&mut self, now: Duration, interval: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        for (&worker, peer) in &mut self.peers {
            if peer.open && !peer.silent && now - peer.spoke >= interval / 2 {
                peer.spoke = now;
                events.push(Event::HeartbeatArrived(worker));
            }
        }
        events
    }

    /// All hostile workers are lost, and nobody is silent any more.
    pub fn expel(&mut self) -> Vec<Event> {
        self.peers.values_mut().for_each(|peer| peer.silent = false);
        let hostile: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.hostile)
            .map(|(&worker, _)| worker)
            .collect();
        hostile.into_iter().map(|worker| self.lost(worker)).collect()
    }
}

/// The sums of a node, in chunks.
fn answer(random: &mut Random, shape: SumShape, iteration: Iteration, node: LeafRange) -> Vec<SumChunk> {
    let mut chunks = Vec::new();
    let mut offset = 0;
    while offset < shape.len {
        let numbers = random.between(1, (shape.len - offset) as u64) as usize;
        let chunk = TensorChunk {
            offset: offset as u64,
            data: Bytes::from(vec![0; numbers * shape.number_bytes]),
        };
        offset += numbers;
        chunks.push(SumChunk { iteration, node, chunk });
    }
    chunks
}

/// Any bytes, as the coordinator's side of the wire makes events of them.
fn arbitrary(worker: WorkerId, random: &mut Random) -> Event {
    let mut bytes = wire::WorkerMessage::from(messages::from_worker(random)).encode_to_vec();
    mutate::bytes(random, &mut bytes);
    let erred = |what: String| Event::WorkerErred { worker, what };
    let message = match wire::WorkerMessage::decode(bytes.as_slice()) {
        Ok(message) => message,
        Err(error) => return erred(error.to_string()),
    };
    match FromWorker::try_from(message) {
        Ok(FromWorker::Hello(_)) => erred("found Hello, which it had said before".to_owned()),
        Ok(FromWorker::Ready) => Event::WorkerReady(worker),
        Ok(FromWorker::Heartbeat) => Event::HeartbeatArrived(worker),
        Ok(FromWorker::Sum(sum)) => Event::SumArrived { worker, sum },
        Err(error) => erred(error.to_string()),
    }
}
