//! What the engine asks the shell to do.

use proto::{Dismissal, SumChunk};
use shared::LeafRange;
use shared::ids::{Iteration, WorkerId};

use super::failure::RunFailure;
use super::time::Timing;

/// Something to be done outside the engine. The shell performs actions in the order in which they are returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Tell a worker that it is a member of the run.
    Welcome(WorkerId),
    /// Tell a worker why its part in the run ends, and close its stream.
    Dismiss(WorkerId, Dismissal),
    /// Say how many workers have joined, and how another is started if some are missing.
    ReportGathering {
        /// How many have joined.
        joined: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Send a worker its assignment, with the columns and labels of its blocks; `None` if there are none for it.
    Assign {
        /// To whom.
        worker: WorkerId,
        /// Its shard.
        blocks: Option<LeafRange>,
    },
    /// Say that the batch has fewer blocks than the run has workers.
    WarnIdle {
        /// Workers without blocks.
        idle: usize,
        /// The number of blocks.
        blocks: usize,
    },
    /// Send W and b to these workers, all of them, for this iteration.
    Broadcast {
        /// The iteration.
        iteration: Iteration,
        /// The workers that hold blocks.
        to: Vec<WorkerId>,
    },
    /// Compute the whole batch's sums in this process, and update W and b.
    ComputeHere {
        /// The iteration.
        iteration: Iteration,
    },
    /// Keep part of a node's sums for the reduction.
    Keep(SumChunk),
    /// Complete the tree from the nodes that were kept, divide by m, and update W and b.
    Update {
        /// The iteration.
        iteration: Iteration,
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
    /// The run has failed: tell the workers, then end.
    Fail(RunFailure),
}
