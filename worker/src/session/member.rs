//! A member of a run: what it holds, and what it is asked for.

use std::borrow::Cow;
use std::collections::VecDeque;

use proto::tensor::{Inbox, check};
use proto::{FromCoordinator, Run, TensorChunk};
use shared::ids::Iteration;
use shared::{BlockSet, LeafRange, Precision};

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
    /// The parameters that are held, or arrive.
    parameters: Option<Arrival>,
}

/// The parameters of an iteration, as they arrive.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    iteration: Iteration,
    form: Form,
    /// How many numbers have arrived.
    arrived: usize,
}

/// What parameters arrive as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As they are.
    Parameters,
    /// As the gradient that makes them from those of the iteration before.
    Gradient,
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
            parameters: None,
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
            FromCoordinator::Parameters(iteration, chunk) => self.broadcast(iteration, Form::Parameters, chunk),
            FromCoordinator::Gradient(iteration, chunk) if self.run.precision == Precision::Mixed => {
                self.broadcast(iteration, Form::Gradient, chunk)
            }
            FromCoordinator::Gradient(..) => Err(Misconduct::Unexpected {
                found: "GradientChunk",
                expected: "ParametersChunk, since the run is not mixed",
            }),
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

    /// A chunk of what the parameters of `iteration` arrive as.
    fn broadcast(&mut self, iteration: Iteration, form: Form, chunk: TensorChunk) -> Result<Vec<Action>, Misconduct> {
        let arrived = self.arrived_of(iteration, form)?;
        let (tensor, bytes) = match form {
            Form::Parameters => ("parameters", self.run.precision.parameters().bytes()),
            Form::Gradient => ("gradient", self.run.precision.sums().bytes()),
        };
        let len = self.run.sizes.parameters();
        let arrived = check(&chunk, arrived, len, bytes).map_err(|error| Misconduct::Chunk { tensor, error })?;
        self.parameters = Some(Arrival {
            iteration,
            form,
            arrived,
        });
        let is_complete = arrived == len;
        Ok(match form {
            Form::Parameters if is_complete => vec![Action::Store(chunk), Action::Parameters(iteration)],
            Form::Parameters => vec![Action::Store(chunk)],
            Form::Gradient if is_complete => vec![Action::StoreGradient(chunk), Action::Gradient(iteration)],
            Form::Gradient => vec![Action::StoreGradient(chunk)],
        })
    }

    /// How many numbers of the form in which the parameters of `iteration` arrive are there.
    fn arrived_of(&self, iteration: Iteration, form: Form) -> Result<usize, Misconduct> {
        let follows = |latest: Iteration| iteration.0.checked_sub(1) == Some(latest.0);
        match self.parameters {
            Some(latest)
                if latest.iteration > iteration || (latest.iteration == iteration && self.is_complete(latest)) =>
            {
                Err(Misconduct::Iteration {
                    found: iteration,
                    expected: latest.iteration,
                })
            }
            Some(latest) if latest.iteration == iteration && latest.form == form => Ok(latest.arrived),
            Some(latest) if latest.iteration == iteration => Err(Misconduct::Both { iteration }),
            Some(latest) if follows(latest.iteration) && self.is_complete(latest) => Ok(0),
            _ if form == Form::Parameters => Ok(0),
            _ => Err(Misconduct::NothingToUpdate {
                found: iteration,
                expected: Iteration(iteration.0.saturating_sub(1)),
            }),
        }
    }

    fn is_complete(&self, arrival: Arrival) -> bool {
        arrival.arrived == self.run.sizes.parameters()
    }

    fn compute(&mut self, iteration: Iteration, nodes: Vec<LeafRange>) -> Result<Vec<Action>, Misconduct> {
        let is_there = |arrival: &Arrival| arrival.iteration == iteration && self.is_complete(*arrival);
        if !self.parameters.as_ref().is_some_and(is_there) {
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
