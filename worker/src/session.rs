//! One membership in one run, decided without doing any of it: messages of the coordinator in, actions out.
//!
//! ```text
//!   Joining ── Welcome ──▶ Member ── Assignment ──▶ Receiving ── all columns ──▶ Preparing ── held ──▶ Holding ◀─┐
//!                             └──── no blocks ────▶ Idle                                     parameters, sums └──┘
//! ```

use proto::tensor::{ChunkError, Inbox};
use proto::{Dismissal, FromCoordinator, FromWorker, Run, TensorChunk, Welcome};
use shared::ids::{Iteration, WorkerId};
use shared::{Digest, LeafRange};

/// The state of a membership.
#[derive(Clone, Debug, Default)]
pub enum Session {
    /// Hello was said; nothing was answered yet.
    #[default]
    Joining,
    /// Welcomed, without an assignment.
    Member(Box<Run>),
    /// Columns are arriving.
    Receiving(Box<Receiving>),
    /// All columns have arrived and are being laid out.
    Preparing(Box<Run>),
    /// The shard is held; parameters arrive and sums are computed.
    Holding(Box<Holding>),
    /// There are no blocks for this worker.
    Idle,
    /// The coordinator has ended the membership.
    Ended,
}

/// A shard that is arriving.
#[derive(Clone, Debug)]
pub struct Receiving {
    run: Run,
    blocks: LeafRange,
    columns: Inbox,
    labels: Inbox,
}

/// A shard that is held.
#[derive(Clone, Debug)]
pub struct Holding {
    run: Run,
    /// The iteration whose parameters are awaited.
    next: Iteration,
    parameters: Inbox,
}

/// A shard that has arrived, to be laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Shipment {
    /// The run that it belongs to.
    pub run: Run,
    /// Its blocks.
    pub blocks: LeafRange,
    /// X of the blocks.
    pub columns: Inbox,
    /// y of the blocks.
    pub labels: Inbox,
}

/// Something that happened outside the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The coordinator said something.
    Message(FromCoordinator),
    /// The shard is laid out.
    Held,
}

/// What the session asks the shell to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Say something to the coordinator.
    Send(FromWorker),
    /// Say that the worker is a member.
    ReportJoined(WorkerId, Run),
    /// Say that there is nothing to do for this worker.
    ReportIdle,
    /// Lay out a shard; [`Event::Held`] follows.
    Hold(Box<Shipment>),
    /// Compute the sums of the shard's nodes at these parameters, and send them.
    Compute(Iteration, Inbox),
    /// The run is complete.
    Finish {
        /// The iterations made.
        iterations: u64,
        /// The digest of the final parameters.
        digest: Digest,
    },
    /// The coordinator dismissed this worker.
    Leave(Dismissal),
}

/// Something that the coordinator should not have sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misconduct {
    /// A message that this state does not expect.
    #[error("found {found}, expected {expected}")]
    Unexpected {
        /// The message.
        found: &'static str,
        /// What could have come.
        expected: &'static str,
    },
    /// Blocks that the batch does not have.
    #[error("found an assignment of blocks {found}, expected blocks below {expected}")]
    Blocks {
        /// The assignment.
        found: LeafRange,
        /// The number of blocks.
        expected: usize,
    },
    /// A shard larger than can be addressed.
    #[error(
        "found an assignment of {columns} columns of {features} numbers, which is more than a computer can address"
    )]
    TooLarge {
        /// Columns.
        columns: usize,
        /// Numbers in each.
        features: usize,
    },
    /// A chunk that does not continue its tensor.
    #[error("found a wrong chunk of the {tensor}: {error}")]
    Chunk {
        /// Which tensor.
        tensor: &'static str,
        /// What is wrong.
        error: ChunkError,
    },
    /// Parameters of another iteration than the next.
    #[error("found parameters of iteration {found}, expected iteration {expected}")]
    Iteration {
        /// Whose they are.
        found: Iteration,
        /// Whose they should be.
        expected: Iteration,
    },
}

impl Session {
    /// Takes note of an event and returns what is to be done.
    ///
    /// # Errors
    ///
    /// [`Misconduct`] if the coordinator should not have sent this now.
    pub fn handle(&mut self, event: Event) -> Result<Vec<Action>, Misconduct> {
        match event {
            Event::Message(FromCoordinator::Finished { iterations, digest }) => {
                *self = Self::Ended;
                Ok(vec![Action::Finish { iterations, digest }])
            }
            Event::Message(FromCoordinator::Dismissed(dismissal)) => {
                *self = Self::Ended;
                Ok(vec![Action::Leave(dismissal)])
            }
            Event::Message(message) => self.message(message),
            Event::Held => Ok(self.held()),
        }
    }

    fn message(&mut self, message: FromCoordinator) -> Result<Vec<Action>, Misconduct> {
        match (&mut *self, message) {
            (Self::Joining, FromCoordinator::Welcome(Welcome { worker, run })) => {
                *self = Self::Member(Box::new(run.clone()));
                Ok(vec![Action::ReportJoined(worker, run)])
            }
            (Self::Member(_), FromCoordinator::Assignment(None)) => {
                *self = Self::Idle;
                Ok(vec![Action::ReportIdle, Action::Send(FromWorker::Ready)])
            }
            (Self::Member(run), FromCoordinator::Assignment(Some(blocks))) => {
                *self = Self::Receiving(Box::new(Receiving::new((**run).clone(), blocks)?));
                Ok(Vec::new())
            }
            (Self::Receiving(receiving), FromCoordinator::Columns(chunk)) => {
                append("columns", &mut receiving.columns, chunk)?;
                Ok(self.hold_if_complete())
            }
            (Self::Receiving(receiving), FromCoordinator::Labels(chunk)) => {
                append("labels", &mut receiving.labels, chunk)?;
                Ok(self.hold_if_complete())
            }
            (Self::Holding(holding), FromCoordinator::Parameters(iteration, chunk)) => {
                holding.receive(iteration, chunk)
            }
            (state, message) => Err(Misconduct::Unexpected {
                found: name(&message),
                expected: state.expected(),
            }),
        }
    }

    fn hold_if_complete(&mut self) -> Vec<Action> {
        match std::mem::take(self) {
            Self::Receiving(receiving) if receiving.columns.is_complete() && receiving.labels.is_complete() => {
                let Receiving {
                    run,
                    blocks,
                    columns,
                    labels,
                } = *receiving;
                *self = Self::Preparing(Box::new(run.clone()));
                vec![Action::Hold(Box::new(Shipment {
                    run,
                    blocks,
                    columns,
                    labels,
                }))]
            }
            unchanged => {
                *self = unchanged;
                Vec::new()
            }
        }
    }

    fn held(&mut self) -> Vec<Action> {
        let Self::Preparing(run) = self else {
            return Vec::new();
        };
        let holding = Holding {
            parameters: parameters_inbox(run),
            run: (**run).clone(),
            next: Iteration(0),
        };
        *self = Self::Holding(Box::new(holding));
        vec![Action::Send(FromWorker::Ready)]
    }

    fn expected(&self) -> &'static str {
        match self {
            Self::Joining => "Welcome or Dismissed",
            Self::Member(_) => "Assignment",
            Self::Receiving(_) => "ColumnsChunk or LabelsChunk",
            Self::Preparing(_) => "nothing before Ready",
            Self::Holding(_) => "ParametersChunk or Finished",
            Self::Idle => "Finished",
            Self::Ended => "nothing after the end",
        }
    }
}

impl Receiving {
    fn new(run: Run, blocks: LeafRange) -> Result<Self, Misconduct> {
        if blocks.end() as usize > run.tree.leaves() {
            return Err(Misconduct::Blocks {
                found: blocks,
                expected: run.tree.leaves(),
            });
        }
        let (columns, features) = (run.tree.items_of(blocks).len(), run.sizes.features());
        let numbers = columns
            .checked_mul(features)
            .ok_or(Misconduct::TooLarge { columns, features })?;
        let number_bytes = run.element_type.bytes();
        Ok(Self {
            run,
            blocks,
            columns: Inbox::new(numbers, number_bytes),
            labels: Inbox::new(columns, 1),
        })
    }
}

impl Holding {
    fn receive(&mut self, iteration: Iteration, chunk: TensorChunk) -> Result<Vec<Action>, Misconduct> {
        if iteration != self.next {
            return Err(Misconduct::Iteration {
                found: iteration,
                expected: self.next,
            });
        }
        append("parameters", &mut self.parameters, chunk)?;
        if !self.parameters.is_complete() {
            return Ok(Vec::new());
        }
        self.next = iteration.next();
        let complete = std::mem::replace(&mut self.parameters, parameters_inbox(&self.run));
        Ok(vec![Action::Compute(iteration, complete)])
    }
}

fn parameters_inbox(run: &Run) -> Inbox {
    Inbox::new(run.sizes.parameters(), run.precision.bytes())
}

fn append(tensor: &'static str, inbox: &mut Inbox, chunk: TensorChunk) -> Result<(), Misconduct> {
    inbox.append(chunk).map_err(|error| Misconduct::Chunk { tensor, error })
}

fn name(message: &FromCoordinator) -> &'static str {
    match message {
        FromCoordinator::Welcome(_) => "Welcome",
        FromCoordinator::Assignment(_) => "Assignment",
        FromCoordinator::Columns(_) => "ColumnsChunk",
        FromCoordinator::Labels(_) => "LabelsChunk",
        FromCoordinator::Parameters(..) => "ParametersChunk",
        FromCoordinator::Finished { .. } => "Finished",
        FromCoordinator::Dismissed(_) => "Dismissed",
    }
}

#[cfg(test)]
mod tests;
