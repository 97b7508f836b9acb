//! What the engine asks the shell to do.

use proto::{Dismissal, SumChunk};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockSet, LeafRange};

use super::failure::RunFailure;
use super::time::Timing;

/// Something to be done outside the engine. The shell performs actions in the order in which they are returned, and what
/// it sends to one worker arrives in that order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Tell a worker that it is a member of the run.
    Welcome(WorkerId),
    /// Tell a worker why its part in the run ends, and close its stream.
    Dismiss {
        /// Whom.
        worker: WorkerId,
        /// Its name.
        name: String,
        /// Why.
        dismissal: Dismissal,
    },
    /// Say something to people.
    Report(Report),
    /// Send a worker its assignment, and the columns and labels of the blocks that it does not hold yet.
    Assign {
        /// To whom.
        worker: WorkerId,
        /// All that it is to hold from now on.
        hold: BlockSet,
        /// The part of it that it does not hold yet.
        missing: BlockSet,
    },
    /// Send W and b to these workers, all of them, for this iteration.
    Broadcast {
        /// The iteration.
        iteration: Iteration,
        /// Workers that did not get them yet.
        to: Vec<WorkerId>,
    },
    /// Send these workers the sums by which W and b of this iteration were made from those of the one before.
    BroadcastGradient {
        /// The iteration.
        iteration: Iteration,
        /// Workers that have those of the one before.
        to: Vec<WorkerId>,
    },
    /// Ask a worker that has the parameters and holds the columns for the sums of these nodes.
    Compute {
        /// Whom.
        worker: WorkerId,
        /// The iteration.
        iteration: Iteration,
        /// The nodes.
        nodes: Vec<LeafRange>,
    },
    /// Give all members a sign of life.
    Heartbeat,
    /// Compute the whole batch's sums in this process, and update W and b.
    ComputeHere {
        /// The iteration.
        iteration: Iteration,
    },
    /// Keep part of a node's sums for the reduction.
    Keep(WorkerId, SumChunk),
    /// Complete the tree from these nodes' sums, which together cover every block once, divide by m, and update W and b.
    /// Whatever else was kept is dropped.
    Update {
        /// The iteration.
        iteration: Iteration,
        /// The nodes.
        sums: Vec<NodeAnswers>,
    },
    /// Write down the state after this many updates, beside the run; [`super::Event::CheckpointWritten`] follows.
    SaveCheckpoint {
        /// The updates made.
        updates: u64,
    },
    /// Say what the cost of an iteration was.
    ReportCost {
        /// The iteration.
        iteration: Iteration,
        /// J before its update.
        cost: f64,
    },
    /// The run is complete: tell the workers, then evaluate and write the results.
    Finish(Timing),
    /// The run stops at the user's wish after the last update that was ordered: tell the workers, write what there is.
    Stop(Timing),
    /// The run has failed: tell the workers, then end.
    Fail(RunFailure),
}

/// A node, and the workers whose sums of it have arrived: one, or those that are to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAnswers {
    /// The node.
    pub node: LeafRange,
    /// Who sent its sums: at least one.
    pub workers: Vec<WorkerId>,
}

/// Something that people want to know of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// How many workers have joined before the first iteration, and how another is started if some are missing.
    Gathering {
        /// How many have joined.
        joined: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The workers hold their columns.
    Begins {
        /// How many of them do not yet; they join later.
        waiting: usize,
    },
    /// The batch has fewer blocks than the run has workers.
    Idle {
        /// Workers without blocks.
        idle: usize,
        /// The number of blocks.
        blocks: usize,
    },
    /// A worker joined during the run.
    Joined {
        /// Its number.
        worker: WorkerId,
        /// Its name.
        name: String,
    },
    /// A worker is gone.
    Lost {
        /// Its number.
        worker: WorkerId,
        /// Its name.
        name: String,
        /// The iteration under way; `None` before the first.
        iteration: Option<Iteration>,
        /// What was seen.
        reason: String,
    },
    /// There are too few workers to go on.
    Paused {
        /// The iteration that waits.
        iteration: Iteration,
        /// How many workers there are.
        joined: usize,
        /// How many are needed.
        needed: usize,
    },
    /// There are enough workers again.
    GoesOn {
        /// The iteration that waited.
        iteration: Iteration,
    },
    /// The blocks were shared out anew, by the workers' speeds.
    SharedAnew,
    /// The blocks of a worker that is late are computed by another as well.
    Repeated {
        /// The worker that is late.
        late: WorkerId,
        /// The iteration.
        iteration: Iteration,
    },
}
