//! A member of a run: what it holds, and what it is asked for.

use std::borrow::Cow;
use std::collections::VecDeque;

use proto::tensor::{Inbox, check};
use proto::{FromCoordinator, Run, TensorChunk};
use shared::ids::Iteration;
use shared::{BlockSet, LeafRange};

use super::{Action, Misconduct, Shipment, name};
use crate::limits::{Demand, Resources, TooLarge};

/// A membership in a run.
#[derive(Clone, Debug)]
pub(super) struct Member {
    resources: Resources,
    pub(super) run: Run,
    /// What is held when all that was announced has arrived.
    pub(super) held: BlockSet,
    /// The blocks of each shipment that is not laid out yet.
    pub(super) unlaid: VecDeque<BlockSet>,
    pub(super) receiving: Option<Receiving>,
    /// The iteration whose parameters are held, or arrive.
    iteration: Option<Iteration>,
    /// How many of them have arrived.
    arrived: usize,
}

/// Columns that arrive.
#[derive(Clone, Debug)]
pub(super) struct Receiving {
    blocks: BlockSet,
    columns: Inbox,
    labels: Inbox,
}

impl Member {
    /// A member of `run` that holds these blocks.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if the network alone, or with the blocks, is too large.
    pub(super) fn new(resources: Resources, run: Run, held: BlockSet) -> Result<Self, TooLarge> {
        let member = Self {
            resources,
            run,
            held,
            unlaid: VecDeque::new(),
            receiving: None,
            iteration: None,
            arrived: 0,
        };
        member.check_room(None)?;
        Ok(member)
    }

    /// Checks that there is room for what is held and what arrives, and for the sums of `nodes`, or of what is held.
    fn check_room(&self, nodes: Option<&[LeafRange]>) -> Result<(), TooLarge> {
        let receiving = self.receiving.as_ref().map(|receiving| &receiving.blocks);
        let arriving: Vec<_> = self.unlaid.iter().chain(receiving).collect();
        self.resources.memory.check(&Demand {
            run: &self.run,
            held: &self.held,
            arriving: &arriving,
            nodes,
            threads: self.resources.threads.get(),
        })
    }

    pub(super) fn message(&mut self, message: FromCoordinator) -> Result<Vec<Action>, Misconduct> {
        match message {
            FromCoordinator::Assignment(blocks) => self.assignment(blocks),
            FromCoordinator::Columns(chunk) => {
                let receiving = self.receiving.as_mut().ok_or_else(|| unassigned("ColumnsChunk"))?;
                append("columns", &mut receiving.columns, chunk)?;
                Ok(self.hold_if_complete())
            }
            FromCoordinator::Labels(chunk) => {
                let receiving = self.receiving.as_mut().ok_or_else(|| unassigned("LabelsChunk"))?;
                append("labels", &mut receiving.labels, chunk)?;
                Ok(self.hold_if_complete())
            }
            FromCoordinator::Parameters(iteration, chunk) => self.parameters(iteration, chunk),
            FromCoordinator::Compute(iteration, nodes) => self.compute(iteration, nodes),
            FromCoordinator::Heartbeat => Ok(Vec::new()),
            message => Err(Misconduct::Unexpected {
                found: name(&message),
                expected: "a message of a run that has begun",
            }),
        }
    }

    fn assignment(&mut self, blocks: BlockSet) -> Result<Vec<Action>, Misconduct> {
        if self.receiving.is_some() {
            return Err(Misconduct::Unexpected {
                found: "Assignment",
                expected: "the columns of the last one first",
            });
        }
        if !blocks.is_within(&self.run.tree) {
            return Err(Misconduct::Blocks {
                found: blocks,
                expected: self.run.tree.leaves(),
            });
        }
        let missing = blocks.difference(&self.held);
        let mut actions = vec![Action::Retain(blocks.clone())];
        self.held = blocks;
        self.receiving = Some(Receiving::new(&self.run, missing));
        self.check_room(None)?;
        actions.extend(self.hold_if_complete());
        Ok(actions)
    }

    fn hold_if_complete(&mut self) -> Vec<Action> {
        let complete = |receiving: &mut Receiving| receiving.columns.is_complete() && receiving.labels.is_complete();
        let Some(Receiving {
            blocks,
            columns,
            labels,
        }) = self.receiving.take_if(complete)
        else {
            return Vec::new();
        };
        self.unlaid.push_back(blocks.clone());
        vec![Action::Hold(Box::new(Shipment {
            blocks,
            columns,
            labels,
        }))]
    }

    fn parameters(&mut self, iteration: Iteration, chunk: TensorChunk) -> Result<Vec<Action>, Misconduct> {
        let len = self.run.sizes.parameters();
        match self.iteration {
            Some(latest) if iteration < latest || (iteration == latest && self.arrived == len) => {
                return Err(Misconduct::Iteration {
                    found: iteration,
                    expected: latest,
                });
            }
            Some(latest) if iteration == latest => {}
            _ => (self.iteration, self.arrived) = (Some(iteration), 0),
        }
        self.arrived =
            check(&chunk, self.arrived, len, self.run.precision.bytes()).map_err(|error| Misconduct::Chunk {
                tensor: "parameters",
                error,
            })?;
        let mut actions = vec![Action::Store(chunk)];
        if self.arrived == len {
            actions.push(Action::Parameters(iteration));
        }
        Ok(actions)
    }

    fn compute(&mut self, iteration: Iteration, nodes: Vec<LeafRange>) -> Result<Vec<Action>, Misconduct> {
        if self.iteration != Some(iteration) || self.arrived < self.run.sizes.parameters() {
            return Err(Misconduct::NoParameters { found: iteration });
        }
        let arrived = match &self.receiving {
            Some(receiving) => Cow::Owned(self.held.difference(&receiving.blocks)),
            None => Cow::Borrowed(&self.held),
        };
        let wrong = nodes
            .iter()
            .find(|&&node| !(arrived.contains(node) && self.run.tree.is_node(node)));
        match wrong {
            Some(&node) => Err(Misconduct::Node(node)),
            None => {
                self.check_room(Some(&nodes))?;
                Ok(vec![Action::Compute(iteration, nodes)])
            }
        }
    }
}

fn unassigned(found: &'static str) -> Misconduct {
    Misconduct::Unexpected {
        found,
        expected: "an Assignment with missing columns first",
    }
}

impl Receiving {
    /// Nothing has arrived, so nothing is allocated.
    fn new(run: &Run, blocks: BlockSet) -> Self {
        let columns = blocks.columns(&run.tree);
        // A product that cannot be addressed is refused before any of it arrives.
        let numbers = columns.saturating_mul(run.sizes.features());
        Self {
            blocks,
            columns: Inbox::new(numbers, run.element_type.bytes()),
            labels: Inbox::new(columns, 1),
        }
    }
}

fn append(tensor: &'static str, inbox: &mut Inbox, chunk: TensorChunk) -> Result<(), Misconduct> {
    inbox.append(chunk).map_err(|error| Misconduct::Chunk { tensor, error })
}
