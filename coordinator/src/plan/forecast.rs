//! The forecast: from facts to a [`Plan`], pure.

use std::fmt;
use std::num::NonZeroUsize;

use shared::plan::plan;
use shared::{ElementType, LayerSizes, LeafRange, Precision, Tree};

use super::costs::{
    LOOPBACK_LATENCY_SECONDS, NETWORK_LATENCY_SECONDS, PAYLOAD_SHARE, SHARED_MEMORY_BYTES_PER_SECOND,
    STREAM_BYTES_PER_SECOND, UPDATE_BYTES_PER_SECOND,
};
use super::link::LinkSpeed;
use super::memory::Memory;
use super::traffic::{Traffic, parameter_bytes};
use super::whole_machine;
use super::work::operations;
use crate::config::SpawnConfig;

/// What a forecast is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// n_0, …, n_L.
    pub sizes: LayerSizes,
    /// The precision of the run.
    pub precision: Precision,
    /// The blocks of the batch.
    pub tree: Tree,
    /// The type of the numbers in X.
    pub element_type: ElementType,
    /// Whether the coordinator has X in memory, and not in a file.
    pub in_memory: bool,
    /// The number of updates.
    pub iterations: u64,
    /// The most workers to look at.
    pub workers: usize,
    /// The threads of each process that computes.
    pub threads: SpawnConfig,
    /// What connects the processes.
    pub link: LinkSpeed,
    /// The cores of this machine.
    pub cores: NonZeroUsize,
    /// GFLOP/s that one core sustains.
    pub gflops: f64,
}

/// What a run costs, on fleets of several sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Floating-point operations of an iteration, whoever makes them.
    pub operations: u128,
    /// For 0, 1, 2, 4, 8, … workers, up to the most that were to be looked at; at least that for 0.
    pub rows: Vec<Row>,
    /// The row with the least time; the first of them, if there are several.
    pub fastest: usize,
}

/// What a run costs on one fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// How many workers there are; without them one process does all.
    pub workers: usize,
    /// The columns of the largest shard.
    pub columns: usize,
    /// The nodes that all workers send, or that are computed here.
    pub nodes: usize,
    /// What goes over the wire.
    pub traffic: Traffic,
    /// How long an iteration takes.
    pub time: Time,
    /// The memory that it takes.
    pub memory: Memory,
}

/// How long an iteration takes: the sum of three parts, because none of them is hidden behind another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The passes over the largest shard.
    pub arithmetic_seconds: f64,
    /// Parameters to all workers, and sums back.
    pub exchange_seconds: f64,
    /// What the coordinator does itself: joins, divides, updates.
    pub update_seconds: f64,
    /// What the exchange waits for: the link, or the coordinator behind a faster one.
    pub exchange_limit: Limit,
}

/// What makes an iteration no shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The passes over columns.
    Arithmetic,
    /// What goes over the wire.
    Link,
    /// What one process, the coordinator, does itself.
    Coordinator,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arithmetic => "arithmetic",
            Self::Link => "link",
            Self::Coordinator => "coordinator",
        })
    }
}

impl Time {
    /// arithmetic + exchange + update.
    pub fn total_seconds(self) -> f64 {
        self.arithmetic_seconds + self.exchange_seconds + self.update_seconds
    }

    /// That of the largest part.
    pub fn limit(self) -> Limit {
        let parts = [
            (self.arithmetic_seconds, Limit::Arithmetic),
            (self.exchange_seconds, self.exchange_limit),
            (self.update_seconds, Limit::Coordinator),
        ];
        let largest = parts.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        largest.map_or(Limit::Arithmetic, |(_, limit)| limit)
    }
}

/// Forecasts what a run costs, in every respect that a [`Row`] has.
///
/// time = arithmetic + exchange + update, as in `docs/growth.md`.
pub fn forecast(facts: &Facts) -> Plan {
    let doublings = (0..).map(|exponent| 1_usize << exponent);
    let doublings = doublings.take_while(|&workers| workers < facts.workers);
    let mut fleets: Vec<usize> = [0].into_iter().chain(doublings).chain([facts.workers]).collect();
    fleets.dedup();
    let rows: Vec<Row> = fleets.into_iter().map(|workers| row(facts, workers)).collect();
    let total = |row: &Row| row.time.total_seconds();
    let fastest = rows.iter().enumerate().min_by(|a, b| total(a.1).total_cmp(&total(b.1)));
    Plan {
        operations: operations(&facts.sizes, facts.tree.items()),
        fastest: fastest.map_or(0, |(index, _)| index),
        rows,
    }
}

fn row(facts: &Facts, workers: usize) -> Row {
    let Facts {
        sizes,
        precision,
        tree,
        element_type,
        ..
    } = facts;
    let shards = match workers {
        0 => Vec::new(),
        _ => plan(tree, workers),
    };
    let traffic = match workers {
        0 => Traffic::default(),
        _ => Traffic::new(sizes, *precision, tree, *element_type, &shards),
    };
    let columns = |shard: &LeafRange| tree.items_of(*shard).len();
    let columns = shards.iter().map(columns).max().unwrap_or(tree.items());
    let nodes = shards.iter().map(|&shard| tree.maximal_nodes(shard).len());
    let (exchange_seconds, exchange_limit) = exchange(facts.link, traffic.all, shards.len());
    let threads = threads_of_each(facts, workers);
    Row {
        workers,
        columns,
        nodes: nodes.sum::<usize>().max(1),
        traffic,
        time: Time {
            arithmetic_seconds: arithmetic(facts, columns, threads),
            exchange_seconds,
            update_seconds: update(facts, traffic.up_all),
            exchange_limit,
        },
        memory: Memory::new(facts, &shards, threads),
    }
}

/// The threads of each of `workers`, or of the only process if there are none.
fn threads_of_each(facts: &Facts, workers: usize) -> usize {
    let sharing = match facts.link {
        LinkSpeed::Loopback => NonZeroUsize::new(workers),
        LinkSpeed::Network { .. } => None,
    };
    let threads = match sharing {
        Some(workers) => facts.threads.threads_of_each(facts.cores, workers),
        None => whole_machine(facts.threads, facts.cores),
    };
    threads.get()
}

/// operations(columns of the largest shard) / (threads · speed of a core). On one machine no more threads count than it
/// has cores, and all shards together take at least operations(m) / (cores · speed of a core).
fn arithmetic(facts: &Facts, columns: usize, threads: usize) -> f64 {
    let seconds =
        |columns, cores: usize| operations(&facts.sizes, columns) as f64 / (cores as f64 * facts.gflops * 1e9);
    let cores = facts.cores.get();
    match facts.link {
        LinkSpeed::Loopback => seconds(columns, threads.min(cores)).max(seconds(facts.tree.items(), cores)),
        LinkSpeed::Network { .. } => seconds(columns, threads),
    }
}

/// bytes / speed of the link + latency, and what that speed is that of.
fn exchange(link: LinkSpeed, bytes: u128, workers: usize) -> (f64, Limit) {
    let (bytes_per_second, limit) = speed_of(link);
    let latency = match link {
        _ if workers == 0 => 0.0,
        LinkSpeed::Loopback => workers as f64 * LOOPBACK_LATENCY_SECONDS,
        LinkSpeed::Network { .. } => NETWORK_LATENCY_SECONDS,
    };
    (bytes as f64 / bytes_per_second + latency, limit)
}

/// The bytes of sums and parameters that pass `link` in a second, and whether it or the coordinator behind it allows no
/// more.
fn speed_of(link: LinkSpeed) -> (f64, Limit) {
    match link {
        LinkSpeed::Loopback => (SHARED_MEMORY_BYTES_PER_SECOND, Limit::Link),
        LinkSpeed::Network { .. } => stream_speed(link),
    }
}

/// The same of what goes over the stream in any case, as columns do.
pub fn stream_speed(link: LinkSpeed) -> (f64, Limit) {
    match link {
        LinkSpeed::Loopback => (STREAM_BYTES_PER_SECOND, Limit::Link),
        LinkSpeed::Network { bits_per_second } => {
            let carried = bits_per_second / 8.0 * PAYLOAD_SHARE;
            if carried <= STREAM_BYTES_PER_SECOND {
                (carried, Limit::Link)
            } else {
                (STREAM_BYTES_PER_SECOND, Limit::Coordinator)
            }
        }
    }
}

/// (bytes of all sums that arrive + bytes of the parameters) / speed.
fn update(facts: &Facts, sums: u128) -> f64 {
    let parameters = facts.sizes.parameters() as u128 * parameter_bytes(facts.precision);
    (sums + parameters) as f64 / UPDATE_BYTES_PER_SECOND
}
