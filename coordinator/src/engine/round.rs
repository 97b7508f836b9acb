//! One iteration: which sums are wanted, who was asked for them, and whose have arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::ids::{Iteration, WorkerId};
use shared::{LeafRange, Tree};

use super::action::NodeAnswers;
use super::time::RunTime;

/// What a worker may be late, beyond twice the time of the others, before its work is repeated.
const GRACE: Duration = Duration::from_millis(50);

/// The sums of one iteration. Its nodes together cover every block exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) iteration: Iteration,
    began: RunTime,
    pieces: BTreeMap<LeafRange, Piece>,
    /// When each worker had answered all that it was asked for.
    finished: BTreeMap<WorkerId, Duration>,
}

/// What is known of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// How many answers it takes: two if they are to be compared.
    needed: usize,
    asked: BTreeSet<WorkerId>,
    answered: Vec<WorkerId>,
}

impl Piece {
    fn is_complete(&self) -> bool {
        self.answered.len() >= self.needed
    }

    /// Those who were asked, whether they have answered or not.
    fn workers(&self) -> BTreeSet<WorkerId> {
        self.asked.iter().chain(&self.answered).copied().collect()
    }
}

/// A node for which somebody must still be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unasked {
    pub(super) node: LeafRange,
    /// Those whose answer would be no second opinion.
    pub(super) not: BTreeSet<WorkerId>,
    /// Whether it may be computed in halves.
    pub(super) divisible: bool,
}

/// A node whose sums are still to come, and are worth repeating if they are late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outstanding {
    pub(super) node: LeafRange,
    /// One whose answer is missing.
    pub(super) worker: WorkerId,
    /// Those whose answer would be no other one.
    pub(super) not: BTreeSet<WorkerId>,
}

impl Round {
    /// An iteration for which nobody was asked yet. `answers` is how many a node needs.
    pub(super) fn new(
        iteration: Iteration,
        began: RunTime,
        nodes: impl IntoIterator<Item = LeafRange>,
        answers: impl Fn(LeafRange) -> usize,
    ) -> Self {
        let piece = |node| {
            let needed = answers(node);
            let (asked, answered) = (BTreeSet::new(), Vec::new());
            (
                node,
                Piece {
                    needed,
                    asked,
                    answered,
                },
            )
        };
        Self {
            iteration,
            began,
            pieces: nodes.into_iter().map(piece).collect(),
            finished: BTreeMap::new(),
        }
    }

    pub(super) fn ask(&mut self, worker: WorkerId, node: LeafRange) {
        if let Some(piece) = self.pieces.get_mut(&node) {
            piece.asked.insert(worker);
        }
        self.finished.remove(&worker);
    }

    /// A worker's sums of a node have arrived.
    pub(super) fn answer(&mut self, worker: WorkerId, node: LeafRange, now: RunTime) {
        if let Some(piece) = self.pieces.get_mut(&node) {
            piece.asked.remove(&worker);
            piece.answered.push(worker);
        }
        if !self.pieces.values().any(|piece| piece.asked.contains(&worker)) {
            self.finished.insert(worker, now.since(self.began));
        }
    }

    /// Nothing more comes from this worker. What it has answered stays.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        for piece in self.pieces.values_mut() {
            piece.asked.remove(&worker);
        }
        self.finished.remove(&worker);
    }

    /// The nodes for which somebody must still be asked, in the order of the blocks.
    pub(super) fn unasked(&self) -> Vec<Unasked> {
        let lacks = |(_, piece): &(&LeafRange, &Piece)| piece.asked.len() + piece.answered.len() < piece.needed;
        let unasked = |(&node, piece): (&LeafRange, &Piece)| Unasked {
            node,
            not: piece.workers(),
            divisible: piece.needed == 1,
        };
        self.pieces.iter().filter(lacks).map(unasked).collect()
    }

    /// Makes two pieces of one for which nobody was asked.
    pub(super) fn divide(&mut self, tree: &Tree, node: LeafRange) -> Option<(LeafRange, LeafRange)> {
        let (left, right) = tree.halves(node)?;
        let piece = self.pieces.remove(&node)?;
        self.pieces.insert(left, piece.clone());
        self.pieces.insert(right, piece);
        Some((left, right))
    }

    /// Does without a second opinion on a node, since nobody is left to give it. Returns whether there is a first one.
    pub(super) fn settle_for_less(&mut self, node: LeafRange) -> bool {
        let Some(piece) = self.pieces.get_mut(&node) else {
            return false;
        };
        let opinions = piece.asked.len() + piece.answered.len();
        piece.needed = opinions.max(1);
        opinions > 0
    }

    /// Whether all sums have arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.pieces.values().all(Piece::is_complete)
    }

    /// Every node with the workers that answered, as many as it needs.
    pub(super) fn answers(&self) -> Vec<NodeAnswers> {
        let answers = |(&node, piece): (&LeafRange, &Piece)| NodeAnswers {
            node,
            workers: piece.answered[..piece.needed.min(piece.answered.len())].to_vec(),
        };
        self.pieces.iter().map(answers).collect()
    }

    /// When work that is still outstanding is to be repeated by others: as soon as half of those who were asked have
    /// answered, twice the time that they took and a little more. `None` if too few have, or nothing is left to repeat.
    pub(super) fn repeat_at(&self) -> Option<RunTime> {
        let outstanding: BTreeSet<_> = self.outstanding().map(|late| late.worker).collect();
        if outstanding.is_empty() || self.finished.len() < outstanding.len() {
            return None;
        }
        let slowest = self.finished.values().max()?;
        Some(RunTime(self.began.0 + *slowest * 2 + GRACE))
    }

    /// Nodes that wait for workers of whom each is needed: nobody repeats their work.
    pub(super) fn outstanding(&self) -> impl Iterator<Item = Outstanding> + '_ {
        self.pieces.iter().filter_map(|(&node, piece)| {
            let worker = *piece.asked.first()?;
            let opinions = piece.asked.len() + piece.answered.len();
            (!piece.is_complete() && opinions == piece.needed).then(|| Outstanding {
                node,
                worker,
                not: piece.workers(),
            })
        })
    }
}
