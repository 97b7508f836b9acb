//! Forecasts of literal facts.

use shared::{ElementType, Precision};

use super::costs::{LOOPBACK_LATENCY_SECONDS, NETWORK_LATENCY_SECONDS};
use super::*;

/// 100-10-1 in f64 on 64 columns of i16 in 4 blocks, cores of 1 GFLOP/s.
///
/// 100 · 10 + 10 + 10 + 1 = 1021 parameters; 2 (2 (1000 + 10) + 10) = 4060 operations a column.
fn facts(workers: usize, link: LinkSpeed) -> Facts {
    Facts {
        sizes: LayerSizes::new(vec![100, 10, 1]).unwrap(),
        precision: Precision::F64,
        tree: Tree::over_batch(64, BlockColumns::new(16).unwrap()).unwrap(),
        element_type: ElementType::I16,
        in_memory: false,
        iterations: 1000,
        workers,
        threads: SpawnConfig {
            threads: Some(NonZeroUsize::MIN),
        },
        link,
        cores: NonZeroUsize::new(2).unwrap(),
        gflops: 1.0,
    }
}

/// 8 Mbit a second: a million bytes, of which 1448 in 1538 are numbers.
const SLOW: LinkSpeed = LinkSpeed::Network { bits_per_second: 8e6 };

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 1e-9,
        "found {found}, expected {expected}"
    );
}

#[test]
fn the_rows_are_those_of_no_worker_of_doublings_and_of_the_most() {
    let rows = |workers| {
        let plan = forecast(&facts(workers, SLOW));
        plan.rows.iter().map(|row| row.workers).collect::<Vec<_>>()
    };
    assert_eq!(rows(0), [0]);
    assert_eq!(rows(1), [0, 1]);
    assert_eq!(rows(4), [0, 1, 2, 4]);
    assert_eq!(rows(6), [0, 1, 2, 4, 6]);
    assert_eq!(rows(1024).len(), 12);
}

#[test]
fn one_process_exchanges_nothing() {
    let Plan {
        operations,
        rows,
        fastest,
    } = forecast(&facts(0, SLOW));
    assert_eq!((operations, rows.len(), fastest), (64 * 4060, 1, 0));
    let row = &rows[0];
    assert_eq!((row.columns, row.nodes, row.traffic), (64, 1, Traffic::default()));
    assert_close(row.time.arithmetic_seconds, 259_840e-9);
    assert_eq!(row.time.exchange_seconds, 0.0);
    assert_close(row.time.update_seconds, 1021.0 * 8.0 / 20e9);
    assert_eq!(row.time.limit(), Limit::Arithmetic);
}

#[test]
fn over_a_network_each_worker_has_cores_of_its_own_and_the_coordinator_one_link() {
    let rows = forecast(&facts(4, SLOW)).rows;
    let row = &rows[3];
    assert_eq!((row.workers, row.columns, row.nodes), (4, 16, 4));
    let expected = Traffic {
        down_each: 1021 * 8,
        up_most: 1022 * 8,
        up_all: 4 * 1022 * 8,
        all: 4 * (1021 + 1022) * 8,
        columns: 64 * 201,
    };
    assert_eq!(row.traffic, expected);
    assert_close(row.time.arithmetic_seconds, 16.0 * 4060.0 / 1e9);
    let carried = 4.0 * 2043.0 * 8.0 / (1e6 * 1448.0 / 1538.0);
    assert_close(row.time.exchange_seconds, carried + NETWORK_LATENCY_SECONDS);
    assert_close(row.time.update_seconds, (4.0 * 1022.0 + 1021.0) * 8.0 / 20e9);
    assert_eq!(row.time.limit(), Limit::Link);
}

#[test]
fn on_one_machine_the_arithmetic_gets_no_faster_than_its_cores() {
    let rows = forecast(&facts(4, LinkSpeed::Loopback)).rows;
    let arithmetic: Vec<f64> = rows.iter().map(|row| row.time.arithmetic_seconds).collect();
    // One thread, one thread, two threads, four threads on two cores.
    for (found, columns) in arithmetic.into_iter().zip([64.0, 64.0, 32.0, 32.0]) {
        assert_close(found, columns * 4060.0 / 1e9);
    }
    let bytes = 4.0 * 2043.0 * 8.0;
    assert_close(
        rows[3].time.exchange_seconds,
        bytes / 14e9 + 4.0 * LOOPBACK_LATENCY_SECONDS,
    );
}

#[test]
fn threads_that_are_not_given_are_the_cores_that_there_are() {
    let with_all_cores = |link| {
        let mut facts = facts(2, link);
        facts.threads.threads = None;
        let rows = forecast(&facts).rows;
        rows.iter().map(|row| row.time.arithmetic_seconds).collect::<Vec<_>>()
    };
    let each = |columns: f64, threads: f64| columns * 4060.0 / threads / 1e9;
    for (link, expected) in [
        (LinkSpeed::Loopback, [each(64.0, 2.0), each(64.0, 2.0), each(32.0, 1.0)]),
        (SLOW, [each(64.0, 2.0), each(64.0, 2.0), each(32.0, 2.0)]),
    ] {
        with_all_cores(link)
            .into_iter()
            .zip(expected)
            .for_each(|(found, expected)| assert_close(found, expected));
    }
}

#[test]
fn behind_a_link_that_is_faster_than_a_coordinator_the_coordinator_is_the_limit() {
    let limit = |bits_per_second| {
        let mut facts = facts(2, LinkSpeed::Network { bits_per_second });
        facts.gflops = 1e6;
        let time = forecast(&facts).rows[2].time;
        (time.limit(), time.exchange_seconds)
    };
    assert_eq!(limit(1e9).0, Limit::Link);
    assert_eq!(limit(1e11).0, Limit::Coordinator);
    assert_close(limit(1e11).1, limit(1e14).1);
}

#[test]
fn workers_beyond_the_blocks_stay_idle_and_exchange_nothing() {
    let rows = forecast(&facts(16, SLOW)).rows;
    assert_eq!((rows[3].workers, rows[5].workers), (4, 16));
    assert_eq!((rows[5].nodes, rows[5].traffic), (rows[3].nodes, rows[3].traffic));
}

#[test]
fn the_fastest_is_the_first_of_those_with_the_least_time() {
    // So much arithmetic that workers pay, until the blocks end: 8 and 16 are as fast as 4.
    let mut facts = facts(16, SLOW);
    facts.gflops = 1e-6;
    let plan = forecast(&facts);
    assert_eq!(plan.rows[plan.fastest].workers, 4);
    facts.gflops = 1.0;
    assert_eq!(forecast(&facts).fastest, 0);
}

#[test]
fn every_part_of_the_memory_counts_as_documented() {
    let row = &forecast(&facts(2, SLOW)).rows[2];
    let fixed = (64 << 20) + 45 * 4;
    // 10 and 1 units in tiles: 16 and 8, 24 together.
    let pass = |columns: u128| (columns * 4 * 24 + 384 * (2 * 16 + 272) + 416 * 16) * 8 + (27 << 19);
    let worker = fixed + 3 * 1021 * 8 + 2 * 1022 * 8 + 4 * 39 * 201 + pass(39);
    let coordinator = fixed + 4 * 1021 * 8 + 2 * 2 * 1022 * 8 + 2 * 64 * 201;
    assert_eq!(row.memory, Memory { coordinator, worker });
    let here = forecast(&facts(2, LinkSpeed::Loopback)).rows[2].memory.coordinator;
    assert_eq!(here, coordinator + 2 * (4 * 1022 * 8 + (1 << 20)));
    let alone = &forecast(&facts(0, SLOW)).rows[0];
    let coordinator = fixed + 1021 * 8 + 1022 * 8 + 2 * 71 * 201 + pass(71);
    assert_eq!(alone.memory, Memory { coordinator, worker: 0 });
    let images = Facts {
        in_memory: true,
        ..facts(0, SLOW)
    };
    assert_eq!(forecast(&images).rows[0].memory.coordinator, coordinator + 64 * 201);
}

#[test]
fn the_report_says_all_of_it() {
    let facts = facts(4, SLOW);
    let plan = forecast(&facts);
    let source = SpeedSource::Given;
    let report = Report {
        plan: &plan,
        facts: &facts,
        source,
    };
    let expected = "\
Data        64 columns of 100 i16 numbers, 4 blocks
Network     100-10-1 in f64, 1021 parameters
Arithmetic  260 kFLOP an iteration; 1.00 GFLOP/s a core, as given
Link        8Mbit: each worker has a machine of its own,
            with 1 thread

Time of an iteration; columns are those of the largest shard
workers  columns  arithmetic  exchange   update   in all       limit
      0       64      260 µs         -  0.41 µs   260 µs  arithmetic
      1       64      260 µs   17.7 ms  0.82 µs  17.9 ms        link
      2       32      130 µs   35.0 ms  1.23 µs  35.2 ms        link
      4       16     65.0 µs   69.7 ms  2.04 µs  69.8 ms        link

Bytes of an iteration, and memory at most; nodes are those of all workers
workers  nodes  down each  up most   in all  coordinator    worker
      0      -          -        -        -     78.5 MiB         -
      1      1    8.17 kB  8.18 kB  16.3 kB     64.0 MiB  78.5 MiB
      2      2    8.17 kB  8.18 kB  32.7 kB     64.0 MiB  78.5 MiB
      4      4    8.17 kB  8.18 kB  65.4 kB     64.1 MiB  78.5 MiB

At the start 12.9 kB of columns go to the workers, in 13.7 ms.

Fastest of these: one process, without workers.
An iteration takes 260 µs, 1000 of them 260 ms.
Workers do not pay here.
";
    assert_eq!(report.to_string(), expected);
}

#[test]
fn no_line_is_wider_than_80_characters_whatever_the_facts() {
    let widest = Facts {
        sizes: LayerSizes::new(vec![1 << 31, 500, 1]).unwrap(),
        precision: Precision::F64,
        tree: Tree::over_batch(1 << 25, BlockColumns::new(8).unwrap()).unwrap(),
        element_type: ElementType::F64,
        in_memory: false,
        iterations: u64::MAX,
        workers: 2,
        threads: SpawnConfig {
            threads: NonZeroUsize::new(1024),
        },
        link: "123.456789123456kbit".parse().unwrap(),
        cores: NonZeroUsize::new(1024).unwrap(),
        gflops: 1e-3,
    };
    for link in [widest.link, LinkSpeed::Loopback] {
        let facts = Facts { link, ..widest.clone() };
        let plan = forecast(&facts);
        for source in [
            SpeedSource::Given,
            SpeedSource::Measured {
                threads: NonZeroUsize::new(1024).unwrap(),
            },
        ] {
            let report = Report {
                plan: &plan,
                facts: &facts,
                source,
            };
            for line in report.to_string().lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }
}
