//! Every transition, as literal messages, times and actions.

mod columns;
mod gradients;
mod limits;
mod membership;
mod misconduct;
mod sums;

use std::num::NonZeroUsize;

use super::*;
use crate::limits::MemoryLimit;
use bytes::Bytes;
use proto::Reason;
use shared::{BlockColumns, ElementType, LayerSizes, Precision, Tree};

/// 2 features, no hidden layer: 3 parameters of 4 bytes; 20 columns of 2 numbers of 2 bytes in the blocks 0 to 2, of
/// which 0..2 are the left half of the tree. The worker timeout is 4 s.
fn run() -> Run {
    let block_columns = BlockColumns::new(8).unwrap();
    Run {
        sizes: LayerSizes::new(vec![2, 1]).unwrap(),
        precision: Precision::F32,
        tree: Tree::over_batch(20, block_columns).unwrap(),
        block_columns,
        element_type: ElementType::I16,
        scale: 1.0,
        learning_rate: 0.1,
        iterations: 10,
        data: Digest::from_bytes([7; 32]),
        worker_timeout: Duration::from_secs(4),
    }
}

fn resources() -> Resources {
    Resources {
        threads: NonZeroUsize::MIN,
        memory: MemoryLimit(1 << 30),
    }
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn node(first: u32, end: u32) -> LeafRange {
    LeafRange::new(first, end).unwrap()
}

fn blocks(ranges: &[(u32, u32)]) -> BlockSet {
    BlockSet::new(ranges.iter().map(|&(first, end)| node(first, end)))
}

fn holding(ranges: &[(u32, u32)]) -> Holdings {
    Holdings {
        run: run(),
        blocks: blocks(ranges),
    }
}

fn chunk(offset: u64, bytes: usize) -> TensorChunk {
    TensorChunk {
        offset,
        data: Bytes::from(vec![0; bytes]),
    }
}

// Messages.

fn welcome_to(run: Run) -> FromCoordinator {
    let worker = WorkerId(3);
    FromCoordinator::Welcome(Welcome { worker, run })
}

fn assignment(ranges: &[(u32, u32)]) -> FromCoordinator {
    FromCoordinator::Assignment(blocks(ranges))
}

fn columns(offset: u64, bytes: usize) -> FromCoordinator {
    FromCoordinator::Columns(chunk(offset, bytes))
}

fn labels(offset: u64, bytes: usize) -> FromCoordinator {
    FromCoordinator::Labels(chunk(offset, bytes))
}

fn parameters(iteration: u64, offset: u64, bytes: usize) -> FromCoordinator {
    FromCoordinator::Parameters(Iteration(iteration), chunk(offset, bytes))
}

fn compute(iteration: u64, nodes: &[(u32, u32)]) -> FromCoordinator {
    let nodes = nodes.iter().map(|&(first, end)| node(first, end)).collect();
    FromCoordinator::Compute(Iteration(iteration), nodes)
}

fn dismissed(reason: Reason) -> Dismissal {
    let explanation = "worker 3 did this".to_owned();
    Dismissal { reason, explanation }
}

// Sessions.

fn say(session: &mut Session, message: FromCoordinator) -> Result<Vec<Action>, Misconduct> {
    session.handle(Event::Message(message), at(1.0))
}

fn joining() -> Session {
    Session::joining(resources(), None, at(1.0))
}

fn member() -> Session {
    let mut session = joining();
    say(&mut session, welcome_to(run())).unwrap();
    session
}

/// A member that is to hold the blocks 1 and 2: 12 columns, 48 bytes.
fn receiving() -> Session {
    let mut session = member();
    let actions = say(&mut session, assignment(&[(1, 3)]));
    assert_eq!(actions, Ok(vec![Action::Retain(blocks(&[(1, 3)]))]));
    session
}

fn laying_out() -> Session {
    let mut session = receiving();
    say(&mut session, labels(0, 12)).unwrap();
    say(&mut session, columns(0, 48)).unwrap();
    session
}

/// A member that holds the blocks 1 and 2.
fn ready() -> Session {
    let mut session = laying_out();
    let actions = session.handle(Event::Held, at(1.0));
    assert_eq!(actions, Ok(vec![Action::Send(FromWorker::Ready)]));
    session
}
