//! Messages as they should be, of every kind.

use std::time::Duration;

use bytes::Bytes;
use proto::{
    Dismissal, FromCoordinator, FromWorker, Held, Hello, MAX_CHUNK_BYTES, Reason, Run, SumChunk, TensorChunk, Welcome,
};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockColumns, BlockSet, Digest, ElementType, LayerSizes, LeafRange, Precision, Tree};

use super::mutate::number;
use crate::random::Random;

/// What a worker may say.
pub(super) fn from_worker(random: &mut Random) -> FromWorker {
    match random.below(8) {
        0..3 => FromWorker::Hello(hello(random)),
        3 => FromWorker::Ready,
        4 => FromWorker::Heartbeat,
        _ => FromWorker::Sum(SumChunk {
            iteration: Iteration(number(random)),
            node: range(random),
            chunk: chunk(random),
        }),
    }
}

fn hello(random: &mut Random) -> Hello {
    let characters = ['a', 'Z', '7', '-', ' ', 'é', '木', '🐈'];
    let name = (0..random.between(1, 64))
        .map(|_| *random.one_of(&characters))
        .collect();
    let held = random.happens(1, 2).then(|| Held {
        data: digest(random),
        block_columns: block_columns(random),
        blocks: blocks(random),
    });
    Hello {
        name,
        threads: (number(random) as u32).max(1),
        held,
    }
}

/// What the coordinator may say.
pub(super) fn from_coordinator(random: &mut Random) -> FromCoordinator {
    let iteration = Iteration(number(random));
    match random.below(11) {
        0..2 => FromCoordinator::Welcome(Welcome {
            worker: WorkerId(number(random) as u32),
            run: run(random),
        }),
        2 => FromCoordinator::Assignment(blocks(random)),
        3 => FromCoordinator::Columns(chunk(random)),
        4 => FromCoordinator::Labels(chunk(random)),
        5 => FromCoordinator::Parameters(iteration, chunk(random)),
        6 => {
            let nodes = (0..random.between(1, 5)).map(|_| range(random)).collect();
            FromCoordinator::Compute(iteration, nodes)
        }
        7 => FromCoordinator::Heartbeat,
        8 => FromCoordinator::Gradient(iteration, chunk(random)),
        9 => FromCoordinator::Finished {
            iterations: iteration.0,
            digest: digest(random),
        },
        _ => FromCoordinator::Dismissed(dismissal(random)),
    }
}

fn dismissal(random: &mut Random) -> Dismissal {
    let reasons = [
        Reason::ProtocolVersion,
        Reason::Misconduct,
        Reason::RunFailed,
        Reason::Silence,
        Reason::Other,
    ];
    Dismissal {
        reason: *random.one_of(&reasons),
        explanation: "found this, expected that".repeat(random.index(3)),
    }
}

/// Any small run.
pub(super) fn run(random: &mut Random) -> Run {
    let block_columns = block_columns(random);
    let columns = random.between(1, 400) as usize;
    let hidden: Vec<_> = (0..random.below(3)).map(|_| random.between(1, 5) as usize).collect();
    Run {
        sizes: LayerSizes::binary_classifier(random.between(1, 12) as usize, &hidden).expect("the sizes are valid"),
        precision: *random.one_of(&Precision::ALL),
        tree: Tree::over_batch(columns, block_columns).expect("the batch is small"),
        block_columns,
        element_type: *random.one_of(&ElementType::ALL),
        scale: *random.one_of(&[1.0, 1.0 / 255.0, f64::MIN_POSITIVE, f64::MAX]),
        learning_rate: *random.one_of(&[0.0075, 1.0, f64::MIN_POSITIVE, f64::MAX]),
        iterations: number(random),
        data: digest(random),
        worker_timeout: Duration::from_millis(number(random).max(1)),
    }
}

fn block_columns(random: &mut Random) -> BlockColumns {
    BlockColumns::new(random.between(8, 80) as usize).expect("it is at least 8")
}

/// One of a few digests, so that they are often alike.
pub(super) fn digest(random: &mut Random) -> Digest {
    Digest::from_bytes([random.below(3) as u8; 32])
}

fn range(random: &mut Random) -> LeafRange {
    let first = (number(random) as u32).min(u32::MAX - 1);
    let end = first.saturating_add(number(random) as u32);
    LeafRange::new(first, end.max(first + 1)).expect("it is not empty")
}

fn blocks(random: &mut Random) -> BlockSet {
    BlockSet::new((0..random.below(6)).map(|_| range(random)))
}

/// A chunk, as a rule a small one.
fn chunk(random: &mut Random) -> TensorChunk {
    let len = match random.below(2000) {
        0 => MAX_CHUNK_BYTES,
        1..20 => random.between(3000, 6000) as usize,
        _ => random.between(1, 40) as usize,
    };
    TensorChunk {
        offset: number(random),
        data: Bytes::from(vec![random.number() as u8; len]),
    }
}
