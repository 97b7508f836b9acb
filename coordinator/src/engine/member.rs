//! What the engine knows of one worker.

use std::collections::{BTreeMap, VecDeque};

use proto::tensor::{ChunkError, check};
use proto::{Hello, SumChunk};
use shared::ids::Iteration;
use shared::plan::{Slowness, work};
use shared::{BlockSet, LeafRange, Tree};

use super::time::RunTime;

/// Answers over which a worker's speed is taken.
pub(super) const PACE_SAMPLES: usize = 24;

/// One worker that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What people call it.
    pub name: String,
    /// The threads it computes with.
    pub threads: u32,
    /// What it holds when all that was sent to it has arrived.
    pub(super) held: BlockSet,
    /// Assignments that it has not answered.
    pub(super) unready: usize,
    /// When the last message of it came.
    pub(super) heard: RunTime,
    /// The iteration whose parameters were sent to it last.
    pub(super) parameters: Option<Iteration>,
    owed: BTreeMap<(Iteration, LeafRange), usize>,
    asked: RunTime,
    pace: Pace,
}

/// The shape of every node's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumShape {
    /// Numbers of one node: all parameters, and the loss.
    pub len: usize,
    /// Bytes of one number.
    pub number_bytes: usize,
}

/// What a chunk of sums is to the member that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// More of the node is to come.
    Part,
    /// The node is complete.
    Last,
}

/// A chunk of sums that should not have been sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongSum {
    #[error("found sums of iteration {found}, expected iteration {expected} or an earlier one")]
    Iteration { found: Iteration, expected: Iteration },
    #[error(
        "found sums of blocks {node} in iteration {iteration}, which are not a node that it was to send, or which it has \
         already sent"
    )]
    Node { iteration: Iteration, node: LeafRange },
    #[error("found a wrong chunk of the sums of blocks {node}: {error}")]
    Chunk { node: LeafRange, error: ChunkError },
}

impl Member {
    pub(super) fn new(hello: Hello, held: BlockSet, now: RunTime) -> Self {
        Self {
            name: hello.name,
            threads: hello.threads,
            held,
            unready: 0,
            heard: now,
            parameters: None,
            owed: BTreeMap::new(),
            asked: now,
            pace: Pace::default(),
        }
    }

    /// Notes that it is asked for the sums of `nodes`.
    pub(super) fn ask(&mut self, iteration: Iteration, nodes: &[LeafRange], tree: &Tree, now: RunTime) {
        if self.owed.is_empty() {
            self.asked = now;
            self.pace.start(self.unready == 0);
        }
        self.pace.asked += nodes.iter().map(|&node| work(tree, node)).sum::<usize>();
        self.owed.extend(nodes.iter().map(|&node| ((iteration, node), 0)));
    }

    /// Takes a chunk of sums into account; `None` if it answers an old question, which is nothing to it or against it.
    pub(super) fn accept(
        &mut self,
        sum: &SumChunk,
        shape: SumShape,
        current: Iteration,
        now: RunTime,
    ) -> Result<Option<Accepted>, WrongSum> {
        let (iteration, node) = (sum.iteration, sum.node);
        if iteration > current {
            return Err(WrongSum::Iteration {
                found: iteration,
                expected: current,
            });
        }
        let Some(arrived) = self.owed.get_mut(&(iteration, node)) else {
            return if iteration < current {
                Ok(None)
            } else {
                Err(WrongSum::Node { iteration, node })
            };
        };
        *arrived = check(&sum.chunk, *arrived, shape.len, shape.number_bytes)
            .map_err(|error| WrongSum::Chunk { node, error })?;
        if *arrived < shape.len {
            return Ok(Some(Accepted::Part));
        }
        self.owed.remove(&(iteration, node));
        if self.owed.is_empty() {
            self.pace.finish(now.since(self.asked));
        }
        Ok(Some(Accepted::Last))
    }

    /// Whether it still owes sums of an iteration before `iteration`.
    pub(super) fn lags_behind(&self, iteration: Iteration) -> bool {
        self.owed.keys().next().is_some_and(|&(owed, _)| owed < iteration)
    }

    /// Whether it owes nothing at all.
    pub(super) fn is_idle(&self) -> bool {
        self.owed.is_empty()
    }

    /// What it owes, in units of [`work`].
    pub(super) fn load(&self, tree: &Tree) -> usize {
        self.owed.keys().map(|&(_, node)| work(tree, node)).sum()
    }

    /// How slow it was in its last answers; `None` before there are enough of them.
    pub(super) fn slowness(&self) -> Option<Slowness> {
        self.pace.slowness()
    }

    /// Forgets how slow it was, because what it is asked for changes.
    pub(super) fn measure_anew(&mut self) {
        self.pace.samples.clear();
    }
}

/// How long a worker takes for a unit of [`work`], over its last answers.
///
/// The shortest of them counts: noise on a shared machine only ever adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pace {
    /// The work asked for since it last owed nothing.
    asked: usize,
    /// Whether the time is that of the work alone, and not also of columns on their way.
    counts: bool,
    /// Nanoseconds a unit.
    samples: VecDeque<u64>,
}

impl Pace {
    fn start(&mut self, counts: bool) {
        (self.asked, self.counts) = (0, counts);
    }

    fn finish(&mut self, took: std::time::Duration) {
        if !self.counts || self.asked == 0 {
            return;
        }
        if self.samples.len() == PACE_SAMPLES {
            self.samples.pop_front();
        }
        let nanoseconds = took.as_nanos() / self.asked as u128;
        self.samples.push_back(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
    }

    fn slowness(&self) -> Option<Slowness> {
        (self.samples.len() == PACE_SAMPLES)
            .then(|| self.samples.iter().min().copied().map(Slowness::nanoseconds))
            .flatten()
    }
}
