//! Known bugs, put in between the engine and what it talks to. They show that the invariants find such things.

use std::collections::BTreeMap;

use bytes::Bytes;
use coordinator::engine::{Action, Event};
use shared::ids::{Iteration, WorkerId};
use shared::{LeafRange, Tree};

/// A mistake that an engine could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A node is counted again with one of its halves.
    CountsANodeTwice,
    /// A block is left out of an update.
    LosesABlock,
    /// An update is ordered before the last chunk of an answer is there.
    DoesNotWaitForTheLastChunk,
    /// Old answers count as those of this iteration.
    TakesOldAnswers,
    /// The numbers are those of the iteration before.
    KeepsOldNumbers,
    /// Who repeats an old answer is dismissed.
    BlamesForOldAnswers,
    /// Nobody is asked for what a worker that is lost was asked for.
    ForgetsTheWorkOfTheLost,
    /// Silent workers are never given up.
    NeverGivesUpTheSilent,
    /// An update is made twice.
    UpdatesTwice,
    /// A checkpoint says that it holds one update less than it does.
    MiscountsCheckpoints,
}

/// Where a bug sits.
#[derive(Debug)]
pub struct Planted {
    bug: Option<Bug>,
    tree: Tree,
    /// All that have ever joined.
    workers: Vec<WorkerId>,
    /// Whether the event under way is the loss of a worker.
    losing: bool,
    /// The iteration under way.
    iteration: Iteration,
    /// The chunks of the iteration before, and of this one.
    chunks: BTreeMap<(WorkerId, LeafRange, u64), (Iteration, Bytes)>,
}

impl Planted {
    pub fn new(bug: Option<Bug>, tree: Tree) -> Self {
        Self {
            bug,
            tree,
            workers: Vec::new(),
            losing: false,
            iteration: Iteration(0),
            chunks: BTreeMap::new(),
        }
    }

    /// What the engine hears of an event.
    pub fn events(&mut self, event: Event) -> Vec<Event> {
        self.losing = matches!(event, Event::WorkerLost { .. });
        if let Event::HelloArrived { worker, .. } = event {
            self.workers.push(worker);
        }
        match (self.bug, event) {
            (Some(Bug::BlamesForOldAnswers), Event::SumArrived { worker, mut sum }) => {
                sum.iteration = sum.iteration.max(self.iteration);
                vec![Event::SumArrived { worker, sum }]
            }
            (Some(Bug::NeverGivesUpTheSilent), Event::DeadlinePassed) => {
                let mut events: Vec<_> = self.workers.iter().copied().map(Event::HeartbeatArrived).collect();
                events.push(Event::DeadlinePassed);
                events
            }
            (_, event) => vec![event],
        }
    }

    /// A new coordinator's process begins.
    pub fn begin(&mut self, updates: u64) {
        self.iteration = Iteration(updates);
        self.workers.clear();
        self.chunks.clear();
    }

    /// What becomes of the engine's actions.
    pub fn actions(&mut self, actions: Vec<Action>) -> Vec<Action> {
        for action in &actions {
            if let Action::Broadcast { iteration, .. } | Action::BroadcastGradient { iteration, .. } = action {
                self.iteration = *iteration;
            }
        }
        match self.bug {
            None => actions,
            Some(bug) => actions
                .into_iter()
                .flat_map(|action| self.action(bug, action))
                .collect(),
        }
    }

    fn action(&mut self, bug: Bug, action: Action) -> Vec<Action> {
        match (bug, action) {
            (Bug::CountsANodeTwice, Action::Update { iteration, mut sums }) => {
                let half = |node| self.tree.halves(node).map(|(left, _)| left);
                let again = sums
                    .iter()
                    .find_map(|answers| Some((half(answers.node)?, answers.clone())));
                if let Some((node, mut answers)) = again {
                    answers.node = node;
                    sums.push(answers);
                }
                vec![Action::Update { iteration, sums }]
            }
            (Bug::LosesABlock, Action::Update { iteration, mut sums }) => {
                sums.pop();
                vec![Action::Update { iteration, sums }]
            }
            (Bug::UpdatesTwice, update @ Action::Update { .. }) => vec![update.clone(), update],
            (Bug::MiscountsCheckpoints, Action::SaveCheckpoint { updates }) => {
                let updates = updates.saturating_sub(1);
                vec![Action::SaveCheckpoint { updates }]
            }
            (Bug::ForgetsTheWorkOfTheLost, Action::Compute { .. }) if self.losing => Vec::new(),
            (Bug::DoesNotWaitForTheLastChunk, Action::Keep(_, sum)) if sum.chunk.offset > 0 => Vec::new(),
            (Bug::TakesOldAnswers | Bug::KeepsOldNumbers, Action::Keep(worker, sum)) => {
                vec![self.replaced(bug, worker, sum)]
            }
            (_, action) => vec![action],
        }
    }

    /// What the same worker sent of the same node in the iteration before, in place of `sum`.
    fn replaced(&mut self, bug: Bug, worker: WorkerId, mut sum: proto::SumChunk) -> Action {
        let place = (worker, sum.node, sum.chunk.offset);
        let old = self.chunks.insert(place, (sum.iteration, sum.chunk.data.clone()));
        if let Some((iteration, data)) = old.filter(|(iteration, _)| *iteration < sum.iteration) {
            sum.chunk.data = data;
            if bug == Bug::TakesOldAnswers {
                sum.iteration = iteration;
            }
        }
        Action::Keep(worker, sum)
    }
}
