//! Every transition, as literal events, times and actions.
//!
//! The batch is 24 columns in the blocks 0, 1 and 2; the left half of its tree is 0..2. So one worker's shard is 0..3, of
//! two workers one has 0..2 and the other 2..3, and three have a block each. The worker timeout is 5 s.

mod audit;
mod beginning;
mod gradients;
mod iterations;
mod lateness;
mod losses;
mod misconduct;
mod newcomers;
mod silence;
mod speeds;
mod stopping;

use std::time::Duration;

use bytes::Bytes;
use proto::{Dismissal, Held, Hello, Reason, SumChunk, TensorChunk};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockColumns, BlockSet, Digest, LeafRange, Tree};

use super::*;

/// Blocks `first..end`.
type Blocks = (u32, u32);

fn at(seconds: f64) -> RunTime {
    RunTime(Duration::from_secs_f64(seconds))
}

fn range((first, end): Blocks) -> LeafRange {
    LeafRange::new(first, end).unwrap()
}

fn block_set(ranges: &[Blocks]) -> BlockSet {
    BlockSet::new(ranges.iter().copied().map(range))
}

/// A run of 10 iterations that begins with `first` workers and goes on with one. Sums are 4 numbers of 8 bytes.
fn config(first: usize) -> EngineConfig {
    let block_columns = BlockColumns::new(8).unwrap();
    EngineConfig {
        fleet: FleetSize::Workers { first, least: 1 },
        first: Iteration(0),
        iterations: 10,
        tree: Tree::over_batch(24, block_columns).unwrap(),
        block_columns,
        data: Digest::from_bytes([7; 32]),
        column_bytes: 16,
        shape: SumShape {
            len: 4,
            number_bytes: 8,
        },
        gradients: false,
        worker_timeout: Duration::from_secs(5),
        even_shards: false,
        audit: None,
        checkpoints: None,
    }
}

/// 768 columns in 16 blocks of 48, so that a quarter of them is a node worth halving.
fn config_of_16_blocks(first: usize) -> EngineConfig {
    let block_columns = BlockColumns::new(48).unwrap();
    EngineConfig {
        tree: Tree::over_batch(768, block_columns).unwrap(),
        block_columns,
        ..config(first)
    }
}

/// A run in which workers 0, 1, … have joined after 1 s and hold their columns after 2 s: iteration 0 is under way.
fn training_with(config: EngineConfig, workers: u32) -> Engine {
    let mut engine = preparing(config, workers);
    for worker in 0..workers {
        engine.handle(ready(worker), at(2.0));
    }
    engine
}

fn training(workers: u32) -> Engine {
    training_with(config(workers as usize), workers)
}

/// A run whose workers have joined after 1 s and wait for their columns.
fn preparing(config: EngineConfig, workers: u32) -> Engine {
    let (mut engine, _) = Engine::start(config, at(0.0));
    for worker in 0..workers {
        engine.handle(hello(worker), at(1.0));
    }
    engine
}

// Events.

fn hello(worker: u32) -> Event {
    hello_with(worker, None)
}

fn hello_with(worker: u32, held: Option<Held>) -> Event {
    let name = format!("w{worker}");
    let hello = Hello { name, threads: 1, held };
    let worker = WorkerId(worker);
    Event::HelloArrived { worker, hello }
}

fn ready(worker: u32) -> Event {
    Event::WorkerReady(WorkerId(worker))
}

fn heartbeat(worker: u32) -> Event {
    Event::HeartbeatArrived(WorkerId(worker))
}

fn lost(worker: u32) -> Event {
    Event::WorkerLost {
        worker: WorkerId(worker),
        reason: "connection reset".to_owned(),
    }
}

fn erred(worker: u32, what: &str) -> Event {
    Event::WorkerErred {
        worker: WorkerId(worker),
        what: what.to_owned(),
    }
}

fn chunk(iteration: u64, node: Blocks, offset: u64, numbers: usize) -> SumChunk {
    SumChunk {
        iteration: Iteration(iteration),
        node: range(node),
        chunk: TensorChunk {
            offset,
            data: Bytes::from(vec![0; numbers * 8]),
        },
    }
}

fn sum(worker: u32, sum: SumChunk) -> Event {
    Event::SumArrived {
        worker: WorkerId(worker),
        sum,
    }
}

/// All of a node's sums in one chunk.
fn answer(worker: u32, iteration: u64, node: Blocks) -> Event {
    sum(worker, chunk(iteration, node, 0, 4))
}

fn updated(iteration: u64) -> Event {
    Event::Updated {
        iteration: Iteration(iteration),
        cost: 0.5,
        wrong: Vec::new(),
    }
}

// Actions.

fn welcome(worker: u32) -> Action {
    Action::Welcome(WorkerId(worker))
}

fn gathering(joined: usize, needed: usize) -> Action {
    Action::Report(Report::Gathering { joined, needed })
}

fn joined(worker: u32) -> Action {
    Action::Report(Report::Joined {
        worker: WorkerId(worker),
        name: format!("w{worker}"),
    })
}

fn lost_in(iteration: Option<u64>, worker: u32) -> Action {
    Action::Report(Report::Lost {
        worker: WorkerId(worker),
        name: format!("w{worker}"),
        iteration: iteration.map(Iteration),
        reason: "connection reset".to_owned(),
    })
}

fn paused(iteration: u64, joined: usize, needed: usize) -> Action {
    let iteration = Iteration(iteration);
    Action::Report(Report::Paused {
        iteration,
        joined,
        needed,
    })
}

fn goes_on(iteration: u64) -> Action {
    let iteration = Iteration(iteration);
    Action::Report(Report::GoesOn { iteration })
}

fn begins() -> Action {
    Action::Report(Report::Begins { waiting: 0 })
}

fn repeated(late: u32, iteration: u64) -> Action {
    let (late, iteration) = (WorkerId(late), Iteration(iteration));
    Action::Report(Report::Repeated { late, iteration })
}

fn dismissed(worker: u32, reason: Reason, explanation: &str) -> Action {
    let explanation = explanation.to_owned();
    Action::Dismiss {
        worker: WorkerId(worker),
        name: format!("w{worker}"),
        dismissal: Dismissal { reason, explanation },
    }
}

fn assign(worker: u32, hold: &[Blocks], missing: &[Blocks]) -> Action {
    Action::Assign {
        worker: WorkerId(worker),
        hold: block_set(hold),
        missing: block_set(missing),
    }
}

fn broadcast(iteration: u64, to: &[u32]) -> Action {
    Action::Broadcast {
        iteration: Iteration(iteration),
        to: to.iter().copied().map(WorkerId).collect(),
    }
}

fn compute(worker: u32, iteration: u64, nodes: &[Blocks]) -> Action {
    Action::Compute {
        worker: WorkerId(worker),
        iteration: Iteration(iteration),
        nodes: nodes.iter().copied().map(range).collect(),
    }
}

fn keep(worker: u32, iteration: u64, node: Blocks) -> Action {
    Action::Keep(WorkerId(worker), chunk(iteration, node, 0, 4))
}

fn update(iteration: u64, sums: &[(Blocks, &[u32])]) -> Action {
    let answers = |&(node, workers): &(Blocks, &[u32])| NodeAnswers {
        node: range(node),
        workers: workers.iter().copied().map(WorkerId).collect(),
    };
    Action::Update {
        iteration: Iteration(iteration),
        sums: sums.iter().map(answers).collect(),
    }
}

fn cost(iteration: u64) -> Action {
    Action::ReportCost {
        iteration: Iteration(iteration),
        cost: 0.5,
    }
}
