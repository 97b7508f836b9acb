//! A member of a run: what it holds, and what it is asked for.

use proto::tensor::{Inbox, check};
use proto::{FromCoordinator, Run, TensorChunk};
use shared::ids::Iteration;
use shared::{BlockSet, LeafRange};

use super::{Action, Misconduct, Shipment, name};

/// A membership in a run.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) run: Run,
    /// What is held when all that was announced has arrived.
    pub(super) held: BlockSet,
    /// What is not laid out yet.
    pub(super) unlaid: usize,
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
    pub(super) fn new(run: Run, held: BlockSet) -> Self {
        Self {
            run,
            held,
            unlaid: 0,
            receiving: None,
            iteration: None,
            arrived: 0,
        }
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
        self.receiving = Some(Receiving::new(&self.run, missing)?);
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
        self.unlaid += 1;
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
            Some(receiving) => self.held.difference(&receiving.blocks),
            None => self.held.clone(),
        };
        let wrong = nodes
            .iter()
            .find(|&&node| !(arrived.contains(node) && self.run.tree.is_node(node)));
        match wrong {
            Some(&node) => Err(Misconduct::Node(node)),
            None => Ok(vec![Action::Compute(iteration, nodes)]),
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
    fn new(run: &Run, blocks: BlockSet) -> Result<Self, Misconduct> {
        let (columns, features) = (blocks.columns(&run.tree), run.sizes.features());
        let numbers = columns
            .checked_mul(features)
            .ok_or(Misconduct::TooLarge { columns, features })?;
        Ok(Self {
            blocks,
            columns: Inbox::new(numbers, run.element_type.bytes()),
            labels: Inbox::new(columns, 1),
        })
    }
}

fn append(tensor: &'static str, inbox: &mut Inbox, chunk: TensorChunk) -> Result<(), Misconduct> {
    inbox.append(chunk).map_err(|error| Misconduct::Chunk { tensor, error })
}
