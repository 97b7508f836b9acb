//! One iteration: which sums have arrived, and which are still awaited.

use std::collections::BTreeMap;

use proto::SumChunk;
use proto::tensor::{ChunkError, check};
use shared::LeafRange;
use shared::ids::{Iteration, WorkerId};

/// The sums of one iteration. The awaited nodes together cover every block exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) iteration: Iteration,
    /// The nodes that are not complete, each with its worker and the numbers that have arrived.
    awaited: BTreeMap<LeafRange, Awaited>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Awaited {
    from: WorkerId,
    arrived: usize,
}

/// The shape of every node's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumShape {
    /// Numbers of one node: all parameters, and the loss.
    pub len: usize,
    /// Bytes of one number.
    pub number_bytes: usize,
}

/// A chunk of sums that should not have been sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongSum {
    #[error("found sums of iteration {found}, expected iteration {expected}")]
    Iteration { found: Iteration, expected: Iteration },
    #[error("found sums of blocks {0}, which are not a node that it was to send, or which it has already sent")]
    Node(LeafRange),
    #[error("found a wrong chunk of the sums of blocks {node}: {error}")]
    Chunk { node: LeafRange, error: ChunkError },
}

impl Round {
    /// An iteration in which each worker is to send its nodes.
    pub(super) fn new(iteration: Iteration, nodes: impl IntoIterator<Item = (WorkerId, LeafRange)>) -> Self {
        let awaited = nodes
            .into_iter()
            .map(|(from, node)| (node, Awaited { from, arrived: 0 }))
            .collect();
        Self { iteration, awaited }
    }

    /// Counts a chunk in.
    pub(super) fn accept(&mut self, from: WorkerId, sum: &SumChunk, shape: SumShape) -> Result<(), WrongSum> {
        if sum.iteration != self.iteration {
            return Err(WrongSum::Iteration {
                found: sum.iteration,
                expected: self.iteration,
            });
        }
        let node = sum.node;
        let awaited = self.awaited.get_mut(&node).filter(|awaited| awaited.from == from);
        let awaited = awaited.ok_or(WrongSum::Node(node))?;
        awaited.arrived = check(&sum.chunk, awaited.arrived, shape.len, shape.number_bytes)
            .map_err(|error| WrongSum::Chunk { node, error })?;
        if awaited.arrived == shape.len {
            self.awaited.remove(&node);
        }
        Ok(())
    }

    /// Whether all sums have arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.awaited.is_empty()
    }
}
