//! The messages as the rest of Lockstep knows them: what they say is possible, field by field.

use std::time::Duration;

use bytes::Bytes;
use shared::ids::{Iteration, WorkerId};
use shared::{BlockColumns, BlockSet, Digest, ElementType, LayerSizes, LeafRange, Precision, Tree};

/// What a worker says to the coordinator.
#[derive(Clone, Debug, PartialEq)]
pub enum FromWorker {
    /// It would like to join.
    Hello(Hello),
    /// It holds all columns of an assignment.
    Ready,
    /// Part of a node's sums.
    Sum(SumChunk),
    /// It is alive.
    Heartbeat,
}

/// A worker that would like to join, and speaks our version of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What people call it: 1 to 64 characters, none of them a control character.
    pub name: String,
    /// The threads it computes with.
    pub threads: u32,
    /// Columns that it still holds from an earlier membership.
    pub held: Option<Held>,
}

/// Columns that a worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The digest of the data that they are part of.
    pub data: Digest,
    /// With the data's m it defines what a block is.
    pub block_columns: BlockColumns,
    /// The blocks. Nothing says yet that the batch has so many.
    pub blocks: BlockSet,
}

/// Part of the sums over one node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumChunk {
    /// The iteration that it belongs to.
    pub iteration: Iteration,
    /// The node that it belongs to.
    pub node: LeafRange,
    /// Its place in the node's sums.
    pub chunk: TensorChunk,
}

/// Consecutive numbers of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorChunk {
    /// The index of the first number in the flat tensor.
    pub offset: u64,
    /// The numbers, little-endian; never empty, at most [`crate::MAX_CHUNK_BYTES`].
    pub data: Bytes,
}

/// What the coordinator says to a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum FromCoordinator {
    /// The worker is a member of the run.
    Welcome(Welcome),
    /// The blocks that the worker is to hold from now on.
    Assignment(BlockSet),
    /// Part of X of the assigned blocks that it did not hold before.
    Columns(TensorChunk),
    /// Part of y of the same columns.
    Labels(TensorChunk),
    /// Part of W and b for one iteration.
    Parameters(Iteration, TensorChunk),
    /// In a mixed run: part of the batch's sums of the iteration before, from which W and b for this one are made.
    Gradient(Iteration, TensorChunk),
    /// The sums of these nodes are wanted, at the parameters of this iteration.
    Compute(Iteration, Vec<LeafRange>),
    /// It is alive.
    Heartbeat,
    /// The run is complete.
    Finished {
        /// The number of iterations made.
        iterations: u64,
        /// The digest of the final parameters.
        digest: Digest,
    },
    /// The worker's part in the run ends here.
    Dismissed(Dismissal),
}

/// The coordinator's answer to a [`Hello`].
#[derive(Clone, Debug, PartialEq)]
pub struct Welcome {
    /// The worker's number.
    pub worker: WorkerId,
    /// The run that it is a member of.
    pub run: Run,
}

/// What all workers of a run have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// n_0, …, n_L.
    pub sizes: LayerSizes,
    /// Which numbers are f64 and which f32.
    pub precision: Precision,
    /// The blocks of the batch and their tree.
    pub tree: Tree,
    /// The most columns in a block, from which the tree was made.
    pub block_columns: BlockColumns,
    /// The type of the numbers in X.
    pub element_type: ElementType,
    /// What every number of X is multiplied by: finite and above 0.
    pub scale: f64,
    /// α: finite and above 0.
    pub learning_rate: f64,
    /// How many iterations the run makes.
    pub iterations: u64,
    /// The digest of the training data.
    pub data: Digest,
    /// The silence after which either end takes the other for lost: at least a millisecond.
    pub worker_timeout: Duration,
}

/// Why a worker's part in the run ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{explanation}")]
pub struct Dismissal {
    /// The kind of reason.
    pub reason: Reason,
    /// What was found and what was expected.
    pub explanation: String,
}

/// The kinds of reasons for a dismissal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The worker speaks another version of the protocol.
    ProtocolVersion,
    /// The worker sent something that it should not have sent.
    Misconduct,
    /// The run ended before it was complete.
    RunFailed,
    /// Nothing was heard of the worker for too long; it may come back.
    Silence,
    /// A reason that this version does not know.
    Other,
}
