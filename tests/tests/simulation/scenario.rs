//! What a seed makes of a run: its size, its fleet, how fast everything is, and how much is going to happen to it.

use std::fmt;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use coordinator::checkpoint::CheckpointEvery;
use coordinator::engine::Audit;
use proto::TensorChunk;
use tests::random::Random;

use crate::problem::{Problem, Size};

/// How the run of one seed is set up.
#[derive(Debug)]
pub struct Scenario {
    pub problem: Rc<Problem>,
    /// Workers that the first iteration waits for.
    pub first: usize,
    /// Workers that the run needs to go on.
    pub least: usize,
    pub worker_timeout: Duration,
    pub audit: Option<Audit>,
    pub checkpoints: Option<CheckpointEvery>,
    /// The most bytes in a chunk.
    pub chunk_bytes: usize,
    /// What a healthy worker takes for a column.
    pub column_time: Duration,
    /// What the coordinator takes for an update.
    pub update_time: Duration,
    /// What the coordinator takes to write a checkpoint.
    pub write_time: Duration,
    /// The least time that a message takes between the coordinator and a worker nearby.
    pub latency: Duration,
    /// How many times the adversary strikes.
    pub strikes: u64,
    /// How many things happen between two strikes, about.
    pub calm: u64,
    /// Whether workers may send wrong numbers that only an audit finds.
    pub liars: bool,
    /// Whether the coordinator itself may be stopped, killed and started again.
    pub coordinator_falls: bool,
}

const SIZES: [Size; 6] = [
    size(24, 8, 8),
    size(61, 8, 10),
    size(100, 16, 15),
    size(203, 24, 6),
    // Nodes large enough to be halved for several workers.
    size(768, 48, 5),
    // Iterations enough for the workers' speeds to be known.
    size(96, 8, 40),
];

const fn size(columns: usize, block_columns: usize, iterations: u64) -> Size {
    Size {
        columns,
        block_columns,
        iterations,
        mixed: false,
    }
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of(random: &mut Random) -> Self {
        let first = random.between(1, 5) as usize;
        let liars = random.happens(1, 6);
        let fraction = match random.below(4) {
            _ if liars => Some(1.0),
            0 => Some(1.0),
            1 => Some(0.3),
            _ => None,
        };
        let seed = random.number() as u32;
        let checkpoints = match random.below(3) {
            0 => None,
            1 => NonZeroU64::new(random.between(1, 5)).map(CheckpointEvery::Iterations),
            _ => Some(CheckpointEvery::Time(milliseconds(random.between(1, 3000)))),
        };
        let latency = Duration::from_micros(*random.one_of(&[50, 1000, 30_000]));
        Self {
            problem: Problem::of(Size {
                mixed: random.happens(1, 2),
                ..*random.one_of(&SIZES)
            }),
            first,
            least: if random.happens(1, 3) {
                random.between(1, first as u64) as usize
            } else {
                1
            },
            // Where messages take longer than the timeout, nobody could be a member for long.
            worker_timeout: milliseconds(random.between(200, 5000)).max(latency * FARTHEST * MOST_LATENCIES * 3),
            audit: fraction.map(|fraction| Audit { fraction, seed }),
            checkpoints,
            chunk_bytes: 8 * random.between(2, 40) as usize,
            column_time: Duration::from_micros(*random.one_of(&[1, 20, 300])),
            update_time: milliseconds(*random.one_of(&[0, 1, 40, 1500])),
            write_time: milliseconds(*random.one_of(&[1, 100, 2000])),
            latency,
            strikes: if random.happens(1, 12) {
                0
            } else {
                random.between(1, 14)
            },
            calm: *random.one_of(&[5, 30, 120]),
            liars,
            coordinator_falls: random.happens(1, 3),
        }
    }

    /// Virtual time in which a run that nobody disturbs any more must be over.
    pub fn patience(&self) -> Duration {
        let size = &self.problem.run;
        let everything = self.column_time * size.tree.items() as u32 * SLOWEST;
        let iteration = everything * 2 + self.latency * FARTHEST * 40 + self.update_time;
        iteration * size.iterations as u32 + self.worker_timeout * 10 + Duration::from_secs(30)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = &self.problem.run;
        let (columns, blocks, iterations) = (run.tree.items(), run.tree.leaves(), run.iterations);
        write!(
            f,
            "{columns} columns in {blocks} blocks, {iterations} iterations in {}; {} workers to begin, {} to go on; worker timeout \
             {:?}, latency {:?}, {:?} a column; audit {:?}, checkpoints {:?}; {} strikes",
            run.precision,
            self.first,
            self.least,
            self.worker_timeout,
            self.latency,
            self.column_time,
            self.audit.map(|audit| audit.fraction),
            self.checkpoints,
            self.strikes
        )
    }
}

/// How many times slower than a healthy worker one may be.
pub const SLOWEST: u32 = 12;

/// How many times longer than the least time messages to some workers may take.
pub const FARTHEST: u32 = 8;

/// How many times longer than the least time a message may take.
pub const MOST_LATENCIES: u32 = 4;

pub fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Cuts an encoded tensor into chunks of at most `chunk_bytes`, which are a multiple of `number_bytes`.
pub fn cut(tensor: &Bytes, number_bytes: usize, chunk_bytes: usize) -> Vec<TensorChunk> {
    let starts = (0..tensor.len()).step_by(chunk_bytes);
    let chunk = |start: usize| TensorChunk {
        offset: (start / number_bytes) as u64,
        data: tensor.slice(start..tensor.len().min(start + chunk_bytes)),
    };
    starts.map(chunk).collect()
}
