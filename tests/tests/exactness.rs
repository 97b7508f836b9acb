//! One and the same result, to the last bit, whoever computes it: the oracle in this process, the coordinator alone, or
//! any fleet.

use shared::kernel::InstructionSet;
use tests::cluster::Cluster;
use tests::data::{Folder, Sample};
use tests::oracle::Training;
use tests::processes::Finished;
use tests::programs::Program;

/// Who computes: the options of the coordinator that say so.
fn fleet(workers: usize, threads: usize) -> Vec<String> {
    let (workers, threads) = (workers.to_string(), threads.to_string());
    let mut options = vec!["--workers", &workers, "--threads", &threads];
    if workers != "0" {
        options.extend(["--spawn", "--listen", "127.0.0.1:0"]);
    }
    options.into_iter().map(str::to_owned).collect()
}

fn coordinator(options: &[Vec<String>]) -> Finished {
    let options: Vec<&str> = options.iter().flatten().map(String::as_str).collect();
    Finished::of(Program::Coordinator, &options).expect_code(0)
}

/// Trains with each fleet, given as workers and threads of each, and compares all that is printed with the oracle's.
#[track_caller]
fn check(sample: &Sample, training: &Training, fleets: &[(usize, usize)]) {
    let folder = Folder::new();
    sample.write(&folder.path("data.h5"));
    let expected = training.expected_stdout(sample);
    for &(workers, threads) in fleets {
        let run = coordinator(&[training.arguments(&folder.argument("data.h5")), fleet(workers, threads)]);
        assert_eq!(
            run.stdout, expected,
            "{workers} workers of {threads} threads, {training:?}"
        );
    }
}

const ALONE: [(usize, usize); 3] = [(0, 1), (0, 2), (0, 3)];
const FLEETS: [(usize, usize); 6] = [(1, 2), (2, 1), (3, 2), (4, 1), (5, 3), (7, 1)];

#[test]
fn bytes_in_f64_give_the_oracles_bits_on_every_fleet() {
    // As many columns as the cat images have: 14 blocks of the default size, the last one uneven.
    let (sample, training) = (Sample::bytes(209, 48, 1), Training::new(&[6, 4], 12));
    check(&sample, &training, &ALONE);
    check(&sample, &training, &FLEETS);
}

#[test]
fn bytes_in_f32_give_the_oracles_bits_on_every_fleet() {
    let (sample, training) = (Sample::bytes(211, 48, 2), Training::new(&[6, 4], 12).in_f32());
    check(&sample, &training, &ALONE);
    check(&sample, &training, &FLEETS);
}

#[test]
fn bytes_in_mixed_precision_give_the_oracles_bits_on_every_fleet() {
    let (sample, training) = (Sample::bytes(210, 48, 11), Training::new(&[6, 4], 12).in_mixed());
    check(&sample, &training, &ALONE);
    check(&sample, &training, &FLEETS);
}

#[test]
fn more_than_one_chunk_of_a_gradient_gives_the_oracles_bits() {
    // dW_1 takes 480 KB in f32: two chunks on the wire; the parameters take four.
    let training = Training::new(&[20], 4).in_mixed();
    check(&Sample::floats(40, 6000, 12), &training, &[(0, 2), (1, 2), (3, 1)]);
}

#[test]
fn numbers_of_f64_give_the_oracles_bits_on_every_fleet() {
    let (sample, training) = (Sample::floats(173, 21, 3), Training::new(&[9, 3], 12));
    check(&sample, &training, &ALONE);
    check(&sample, &training, &FLEETS);
}

#[test]
fn numbers_of_f64_in_f32_give_the_oracles_bits() {
    let (sample, training) = (Sample::floats(173, 21, 4), Training::new(&[9, 3], 12).in_f32());
    check(&sample, &training, &[(0, 2), (1, 1), (3, 1), (7, 2)]);
}

#[test]
fn a_network_without_hidden_layers_gives_the_oracles_bits() {
    let (sample, training) = (Sample::bytes(97, 30, 5), Training::new(&[], 12));
    check(&sample, &training, &[(0, 1), (0, 2), (1, 1), (4, 1), (5, 1)]);
}

#[test]
fn odd_batches_and_small_blocks_give_the_oracles_bits() {
    for (m, block_columns) in [(1, 8), (7, 8), (9, 8), (65, 8), (130, 24), (333, 40)] {
        let training = Training::new(&[5], 8).in_blocks_of(block_columns);
        check(&Sample::bytes(m, 17, m as u32), &training, &[(0, 2), (2, 1), (3, 1)]);
    }
}

#[test]
fn more_than_one_panel_of_features_and_chunk_of_parameters_give_the_oracles_bits() {
    // W_1 takes 480 KiB: two chunks on the wire; its 3000 features take more than one panel and task.
    let training = Training::new(&[20], 4);
    check(
        &Sample::bytes(40, 3000, 6),
        &training,
        &[(0, 2), (1, 2), (2, 2), (3, 1)],
    );
}

#[test]
fn workers_of_different_instruction_sets_give_the_oracles_bits() {
    let folder = Folder::new();
    for (sample, training) in [
        (Sample::bytes(209, 48, 8), Training::new(&[13, 4], 12)),
        (Sample::bytes(209, 48, 9), Training::new(&[13, 4], 12).in_f32()),
        (Sample::bytes(209, 48, 13), Training::new(&[13, 4], 12).in_mixed()),
        (Sample::floats(120, 19, 10), Training::new(&[7], 12)),
    ] {
        sample.write(&folder.path("data.h5"));
        let sets = InstructionSet::available();
        let workers = sets.len().to_string();
        let mut options = training.arguments(&folder.argument("data.h5"));
        options.extend(["--workers", &workers].map(str::to_owned));
        let mut cluster = Cluster::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
        for set in &sets {
            let set = set.to_string();
            cluster.start_worker_with(&set, |command| command.env(InstructionSet::VARIABLE, &set));
        }
        let (coordinator, workers) = cluster.finish();
        assert_eq!(
            coordinator.expect_code(0).stdout,
            training.expected_stdout(&sample),
            "{sets:?}"
        );
        workers.into_iter().for_each(|worker| {
            worker.expect_code(0);
        });
    }
}

#[test]
fn workers_beyond_the_blocks_stay_idle_with_a_warning_and_change_nothing() {
    let folder = Folder::new();
    let sample = Sample::bytes(30, 12, 7);
    sample.write(&folder.path("data.h5"));
    let training = Training::new(&[4], 6);
    let run = coordinator(&[training.arguments(&folder.argument("data.h5")), fleet(5, 1)]);
    assert_eq!(run.stdout, training.expected_stdout(&sample));
    let warning = "the batch has 2 blocks, so 3 of the workers stay idle; a smaller --block-columns makes more";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
}

#[test]
fn the_built_in_images_give_one_result_on_every_fleet() {
    let options = || ["--iterations", "3", "--print-every", "1"].map(str::to_owned).to_vec();
    let alone = coordinator(&[options(), fleet(0, 2)]).stdout;
    assert_eq!(
        alone.lines().count(),
        6,
        "three costs, two accuracies, a digest: {alone}"
    );
    for workers in [1, 3, 4] {
        assert_eq!(
            coordinator(&[options(), fleet(workers, 1)]).stdout,
            alone,
            "{workers} workers"
        );
    }
}
