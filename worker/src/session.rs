//! One membership in one run, decided without doing any of it: messages of the coordinator and time in, actions out.
//!
//! ```text
//!   Joining ── Welcome ──▶ Member   Assignment, columns ─▶ lay out ─▶ Ready      (at any time, again and again)
//!                                   parameters or gradient, Compute ─▶ sums      (every iteration)
//! ```

mod member;

use std::time::Duration;

use proto::tensor::{ChunkError, Inbox};
use proto::{Dismissal, FromCoordinator, FromWorker, Run, TensorChunk, Welcome, heartbeat_interval};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockSet, Digest, LeafRange, Precision};

use crate::limits::{Resources, TooLarge};
use member::Member;

/// How long the coordinator may take to answer Hello. Its own setting for silence comes with the answer.
pub const WELCOME_WITHIN: Duration = Duration::from_secs(10);

/// A membership.
#[derive(Clone, Debug)]
pub struct Session {
    resources: Resources,
    state: State,
    /// When something came from the coordinator last.
    heard: Duration,
    /// When this worker gives a sign of life next.
    heartbeat: Duration,
    /// The last time that this session was asked.
    last: Duration,
}

#[derive(Clone, Debug)]
enum State {
    /// Hello was said, with an offer of columns; nothing was answered yet.
    Joining(Option<Holdings>),
    /// A member of the run.
    Member(Box<Member>),
    /// The coordinator has ended the membership.
    Ended,
}

/// Columns that are held, and the run that they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Holdings {
    /// The run.
    pub run: Run,
    /// The blocks.
    pub blocks: BlockSet,
}

/// Columns that have arrived, to be laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Shipment {
    /// Their blocks.
    pub blocks: BlockSet,
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
    /// A shipment is laid out.
    Held,
    /// The time that [`Session::next_deadline`] gave has come.
    DeadlinePassed,
}

/// What the session asks the shell to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Say something to the coordinator.
    Send(FromWorker),
    /// Say that the worker is a member, and prepare for the run: with the columns that are held, or without them.
    Join {
        /// The worker's number.
        worker: WorkerId,
        /// The run.
        run: Run,
        /// Whether the columns that are held are of use.
        keep_columns: bool,
    },
    /// Forget all blocks but these, and say which columns are held from now on.
    Retain(BlockSet),
    /// Lay out columns; [`Event::Held`] follows.
    Hold(Box<Shipment>),
    /// Write a chunk of the parameters to its place.
    Store(TensorChunk),
    /// All parameters of this iteration have arrived.
    Parameters(Iteration),
    /// Write a chunk of the gradient to its place.
    StoreGradient(TensorChunk),
    /// All of the gradient has arrived that makes the parameters of this iteration from those of the one before.
    Gradient(Iteration),
    /// Compute the sums of these nodes at the parameters that arrived or were made last, and send them.
    Compute(Iteration, Vec<LeafRange>),
    /// The run is complete.
    Finish {
        /// The iterations made.
        iterations: u64,
        /// The digest of the final parameters.
        digest: Digest,
    },
    /// The coordinator dismissed this worker.
    Leave(Dismissal),
    /// Nothing was heard of the coordinator for this long: take it for lost.
    GiveUp(Duration),
    /// The columns that are held are of no use to this run, but the coordinator counts on them: forget them, and join
    /// again.
    StartAfresh,
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
        found: BlockSet,
        /// The number of blocks.
        expected: usize,
    },
    /// More work than there is memory for.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A chunk that does not continue its tensor.
    #[error("found a wrong chunk of the {tensor}: {error}")]
    Chunk {
        /// Which tensor.
        tensor: &'static str,
        /// What is wrong.
        error: ChunkError,
    },
    /// Parameters of an iteration that is over.
    #[error("found parameters of iteration {found} after those of iteration {expected}")]
    Iteration {
        /// Whose they are.
        found: Iteration,
        /// The latest whose parameters have come.
        expected: Iteration,
    },
    /// A gradient without the parameters that it is to be applied to.
    #[error("found a gradient for iteration {found}, expected the parameters of iteration {expected} before it")]
    NothingToUpdate {
        /// The iteration whose parameters were to be made.
        found: Iteration,
        /// The one before, whose parameters are not there.
        expected: Iteration,
    },
    /// Parameters and a gradient for the same iteration.
    #[error("found both parameters and a gradient for iteration {iteration}, expected one of the two")]
    Both {
        /// The iteration.
        iteration: Iteration,
    },
    /// Sums are wanted at parameters that are not there.
    #[error("found Compute for iteration {found} before all of its parameters")]
    NoParameters {
        /// The iteration.
        found: Iteration,
    },
    /// Sums are wanted of what is no node, or not held.
    #[error("found Compute for blocks {0}, which are not a node of the tree, or not held")]
    Node(LeafRange),
}

impl Session {
    /// A session of a worker with `resources` that has said Hello and offered `held`, if anything.
    pub fn joining(resources: Resources, held: Option<Holdings>, now: Duration) -> Self {
        Self {
            resources,
            state: State::Joining(held),
            heard: now,
            heartbeat: now,
            last: now,
        }
    }

    /// The columns that are held and laid out, if they can be counted on.
    pub fn holdings(self) -> Option<Holdings> {
        match self.state {
            State::Member(member) if member.receiving.is_none() && member.unlaid.is_empty() => Some(Holdings {
                run: member.run,
                blocks: member.held,
            }),
            State::Joining(held) => held,
            _ => None,
        }
    }

    /// When [`Event::DeadlinePassed`] is due, unless something else happens before.
    pub fn next_deadline(&self) -> Option<Duration> {
        let lost = self.heard + self.state.patience()?;
        Some(match self.state {
            State::Member(_) => lost.min(self.heartbeat),
            State::Joining(_) | State::Ended => lost,
        })
    }

    /// Takes note of an event and returns what is to be done. `now` is the time since any fixed moment.
    ///
    /// # Errors
    ///
    /// [`Misconduct`] if the coordinator should not have sent this now.
    pub fn handle(&mut self, event: Event, now: Duration) -> Result<Vec<Action>, Misconduct> {
        self.advance(now);
        match event {
            Event::Message(message) => {
                self.heard = now;
                self.message(message)
            }
            Event::Held => Ok(self.laid_out()),
            Event::DeadlinePassed => Ok(self.deadline_passed(now)),
        }
    }

    /// If this process itself was stopped for a while, nobody is blamed for the silence.
    fn advance(&mut self, now: Duration) {
        let slept = now.saturating_sub(self.last);
        self.last = now;
        // Without a membership there are no heartbeats to wake up for, and nothing is lost by joining again.
        if let State::Member(member) = &self.state
            && slept > heartbeat_interval(member.run.worker_timeout) * 2
        {
            self.heard += slept;
        }
    }

    fn deadline_passed(&mut self, now: Duration) -> Vec<Action> {
        let Some(timeout) = self.state.patience() else {
            return Vec::new();
        };
        if now.saturating_sub(self.heard) >= timeout {
            return vec![Action::GiveUp(timeout)];
        }
        if now < self.heartbeat || matches!(self.state, State::Joining(_)) {
            return Vec::new();
        }
        self.heartbeat = now + heartbeat_interval(timeout);
        vec![Action::Send(FromWorker::Heartbeat)]
    }

    fn message(&mut self, message: FromCoordinator) -> Result<Vec<Action>, Misconduct> {
        match (&mut self.state, message) {
            (_, FromCoordinator::Finished { iterations, digest }) => {
                self.state = State::Ended;
                Ok(vec![Action::Finish { iterations, digest }])
            }
            (_, FromCoordinator::Dismissed(dismissal)) => Ok(vec![Action::Leave(dismissal)]),
            (State::Joining(held), FromCoordinator::Welcome(welcome)) => {
                let held = held.take();
                self.welcome(welcome, held)
            }
            (State::Member(member), message) => member.message(message),
            (state, message) => Err(Misconduct::Unexpected {
                found: name(&message),
                expected: state.expected(),
            }),
        }
    }

    fn welcome(&mut self, Welcome { worker, run }: Welcome, held: Option<Holdings>) -> Result<Vec<Action>, Misconduct> {
        let counted_on = |held: &Holdings| {
            held.run.data == run.data && held.run.block_columns == run.block_columns && held.blocks.is_within(&run.tree)
        };
        let is_same = |held: &Holdings| {
            held.run.sizes == run.sizes
                && held.run.precision == run.precision
                && held.run.element_type == run.element_type
                && held.run.scale.to_bits() == run.scale.to_bits()
                && (run.precision != Precision::Mixed
                    || held.run.learning_rate.to_bits() == run.learning_rate.to_bits())
                && held.run.tree == run.tree
        };
        let held = held.filter(counted_on);
        if held.as_ref().is_some_and(|held| !is_same(held)) {
            self.state = State::Ended;
            return Ok(vec![Action::StartAfresh]);
        }
        let keep_columns = held.is_some();
        let blocks = held.map(|held| held.blocks).unwrap_or_default();
        let member = Member::new(self.resources, run.clone(), blocks)?;
        self.state = State::Member(Box::new(member));
        Ok(vec![Action::Join {
            worker,
            run,
            keep_columns,
        }])
    }

    fn laid_out(&mut self) -> Vec<Action> {
        let State::Member(member) = &mut self.state else {
            return Vec::new();
        };
        member.unlaid.pop_front();
        vec![Action::Send(FromWorker::Ready)]
    }
}

impl State {
    /// The silence after which the coordinator counts as lost; `None` if nothing is expected of it.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self::Joining(_) => Some(WELCOME_WITHIN),
            Self::Member(member) => Some(member.run.worker_timeout),
            Self::Ended => None,
        }
    }

    fn expected(&self) -> &'static str {
        match self {
            Self::Joining(_) => "Welcome or Dismissed",
            Self::Member(_) => "anything but Welcome",
            Self::Ended => "nothing after the end",
        }
    }
}

fn name(message: &FromCoordinator) -> &'static str {
    match message {
        FromCoordinator::Welcome(_) => "Welcome",
        FromCoordinator::Assignment(_) => "Assignment",
        FromCoordinator::Columns(_) => "ColumnsChunk",
        FromCoordinator::Labels(_) => "LabelsChunk",
        FromCoordinator::Parameters(..) => "ParametersChunk",
        FromCoordinator::Gradient(..) => "GradientChunk",
        FromCoordinator::Compute(..) => "Compute",
        FromCoordinator::Heartbeat => "Heartbeat",
        FromCoordinator::Finished { .. } => "Finished",
        FromCoordinator::Dismissed(_) => "Dismissed",
    }
}

#[cfg(test)]
mod tests;
