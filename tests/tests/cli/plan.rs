//! `coordinator plan`: what it prints, and that it does nothing else.

use std::num::NonZeroUsize;
use std::time::Duration;

use coordinator::config::SpawnConfig;
use coordinator::plan::{Facts, LinkSpeed, forecast};
use proto::Run;
use shared::{BlockColumns, BlockSet, Digest, ElementType, LayerSizes, Precision, Tree};
use tests::data::{Folder, Sample};
use tests::processes::Finished;
use tests::programs::Program;
use worker::limits::Demand;

/// A forecast with these options, of 40 columns of 6 bytes.
fn plan(options: &[&str]) -> Finished {
    let folder = Folder::new();
    Sample::bytes(40, 6, 51).write(&folder.path("data.h5"));
    let data = folder.argument("data.h5");
    let run = Finished::of(Program::Coordinator, &[&["plan", "--train", &data], options].concat());
    assert_eq!(folder.names(), ["data.h5"], "nothing is written");
    run
}

#[test]
fn a_forecast_is_printed_and_nothing_else_happens() {
    let run = plan(&["--hidden", "3", "--gflops", "10", "--link", "1Gbit", "--workers", "2"]).expect_code(0);
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "Data        40 columns of 6 u8 numbers, 3 blocks");
    assert_eq!(lines[1], "Network     6-3-1 in f64, 25 parameters");
    assert_eq!(
        lines[2],
        "Arithmetic  3.60 kFLOP an iteration; 10.0 GFLOP/s a core, as given"
    );
    assert_eq!(lines[3], "Link        1Gbit: each worker has a machine of its own,");
    let workers = |line: &&&str| line.trim_start().starts_with(|first: char| first.is_ascii_digit());
    let rows: Vec<_> = lines.iter().skip(5).filter(workers).collect();
    assert_eq!(rows.len(), 2 * 3, "two tables for 0, 1 and 2 workers: {}", run.stdout);
    assert!(run.stdout.ends_with("\nWorkers do not pay here.\n"), "{}", run.stdout);
}

#[test]
fn the_speed_of_this_machine_is_measured_if_none_is_given() {
    for precision in ["f64", "mixed", "f32"] {
        let run = plan(&["--precision", precision, "--threads", "1"]).expect_code(0);
        let measured = "GFLOP/s a core, measured here\n            with 1 thread and ";
        assert!(run.stdout.contains(measured), "{}", run.stdout);
        for line in run.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn the_built_in_images_are_planned_for_without_a_file() {
    let run = Finished::of(Program::Coordinator, &["plan", "--gflops", "90"]).expect_code(0);
    assert!(
        run.stdout
            .starts_with("Data        209 columns of 12288 u8 numbers, 16 blocks\n"),
        "{}",
        run.stdout
    );
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_link_that_is_none() {
    let run = plan(&["--link", "1GB"]).expect_code(64);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        (
            "",
            "error: --link: found `1GB`, expected `loopback`, or a speed from `1kbit` to `1000Tbit`, such as `100Mbit`, \
             `1Gbit` or `2.5Gbit`\n"
        )
    );
}

#[test]
fn an_option_of_training_alone() {
    let run = plan(&["--spawn"]).expect_code(64);
    assert_eq!(
        run.stderr,
        "error: found `--spawn`, expected an option of this command\n\
         hint: `--help` shows how this command is used\n"
    );
}

#[test]
fn data_that_cannot_be_trained_on_are_refused_as_in_training() {
    let arguments = ["plan", "--train", "none.h5"];
    let run = Finished::of(Program::Coordinator, &arguments).expect_code(65);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("", "error: none.h5: no such file\n")
    );
}

#[test]
fn a_network_that_is_too_large_for_the_data() {
    let arguments = ["plan", "--hidden", "2147483648"];
    let run = Finished::of(Program::Coordinator, &arguments).expect_code(64);
    assert_eq!(
        run.stderr,
        "error: the network does not fit the data: the network would have more than 1099511627776 parameters\n"
    );
}

/// What a worker of a fleet of two takes at most, by the forecast and by the worker.
fn memory_of_a_worker(sizes: &[usize], m: usize, element_type: ElementType, precision: Precision) -> (u128, u128) {
    let sizes = LayerSizes::new(sizes.to_vec()).unwrap();
    let block_columns = BlockColumns::default_for(m);
    let tree = Tree::over_batch(m, block_columns).unwrap();
    let threads = 2;
    let facts = Facts {
        sizes: sizes.clone(),
        precision,
        tree: tree.clone(),
        element_type,
        in_memory: false,
        iterations: 1,
        workers: 2,
        threads: SpawnConfig {
            threads: NonZeroUsize::new(threads),
        },
        link: LinkSpeed::Network { bits_per_second: 1e9 },
        cores: NonZeroUsize::new(2).unwrap(),
        gflops: 1.0,
    };
    let planned = forecast(&facts).rows[2].memory.worker;
    let run = Run {
        sizes,
        precision,
        tree,
        block_columns,
        element_type,
        scale: 1.0,
        learning_rate: 0.1,
        iterations: 1,
        data: Digest::from_bytes([0; 32]),
        worker_timeout: Duration::from_secs(5),
    };
    let shard = BlockSet::new([shared::plan::plan(&run.tree, 2)[0]]);
    let demand = Demand {
        run: &run,
        held: &shard,
        arriving: &[&shard],
        nodes: None,
        threads,
    };
    (planned, demand.bytes())
}

#[test]
fn a_worker_needs_as_much_memory_as_it_will_itself_say() {
    for (sizes, m, element_type, precision) in [
        (&[12288, 20, 7, 5, 1][..], 209, ElementType::U8, Precision::F64),
        (&[12288, 20, 7, 5, 1], 83_600, ElementType::U8, Precision::F32),
        (&[12288, 80, 1], 209, ElementType::U8, Precision::Mixed),
        (&[784, 512, 256, 1], 20_000, ElementType::U8, Precision::F64),
        (&[784, 512, 256, 1], 60_000, ElementType::F64, Precision::F64),
        (&[4096, 4096, 4096, 1], 1000, ElementType::F32, Precision::F32),
        (&[30, 1], 10_000_000, ElementType::I16, Precision::F64),
    ] {
        let (planned, demanded) = memory_of_a_worker(sizes, m, element_type, precision);
        let ratio = planned as f64 / demanded as f64;
        assert!(
            (0.9..=1.05).contains(&ratio),
            "{sizes:?}, m = {m}: planned {planned}, demanded {demanded}"
        );
    }
}
