//! The cat images of the lesson, trained at full length: NumPy's float64 costs, to the last digits that rounding leaves.
//!
//! The images are not ours to give away. These tests find them in the folder that LOCKSTEP_CAT_DIR names, and skip
//! without it.

use std::path::Path;
use std::time::{Duration, Instant};

use shared::numpy_random::NumpyRandom;
use tests::cluster::Cluster;
use tests::faults::subject::{ENDLESS, iterations_in};
use tests::observed::Observed;
use tests::processes::{Finished, Process};
use tests::programs::Program;
use tests::results::Results;

/// How long a run at full length may take; a minute is usual.
const LIMIT: Duration = Duration::from_secs(500);

/// The largest relative difference from NumPy's costs in f64; its order of summation is another.
const TOLERANCE: f64 = 1e-12;

/// The same in mixed precision.
const MIXED_TOLERANCE: f64 = 1e-6;

/// What NumPy computed in float64 after `np.random.seed(1)`, with a learning rate of 0.0075.
struct Reference {
    /// What differs from the default settings.
    options: &'static [&'static str],
    /// Iterations and their costs.
    costs: [(u64, f64); 26],
    train_accuracy: f64,
    test_accuracy: f64,
}

/// 12288-20-7-5-1, W = randn / √n_{l-1}: the default settings.
const FOUR_LAYERS: Reference = Reference {
    options: &[],
    costs: [
        (0, 0.7717493284237686),
        (100, 0.6720534400822914),
        (200, 0.6482632048575212),
        (300, 0.6115068816101356),
        (400, 0.5670473268366112),
        (500, 0.5401376634547801),
        (600, 0.5279299569455267),
        (700, 0.46547737717668514),
        (800, 0.36912585249592794),
        (900, 0.39174697434805344),
        (1000, 0.31518698886006163),
        (1100, 0.2726998441789384),
        (1200, 0.23741853400268134),
        (1300, 0.19960120532208644),
        (1400, 0.18926300388463305),
        (1500, 0.16118854665827753),
        (1600, 0.14821389662363316),
        (1700, 0.1377748781297294),
        (1800, 0.12974017549190123),
        (1900, 0.12122535068005211),
        (2000, 0.11382060668633709),
        (2100, 0.10783928526254133),
        (2200, 0.10285466069352679),
        (2300, 0.10089745445261787),
        (2400, 0.09287821526472397),
        (2499, 0.088439943441702),
    ],
    train_accuracy: 0.9856459330143541,
    test_accuracy: 0.8,
};

/// 12288-7-1, W = randn · 0.01.
const TWO_LAYERS: Reference = Reference {
    options: &["--hidden", "7", "--init", "small"],
    costs: [
        (0, 0.693049735659989),
        (100, 0.6464320953428849),
        (200, 0.6325140647912677),
        (300, 0.6015024920354664),
        (400, 0.5601966311605747),
        (500, 0.5158304772764729),
        (600, 0.4754901313943325),
        (700, 0.4339163151225749),
        (800, 0.400797753620389),
        (900, 0.35807050113237987),
        (1000, 0.33942815383664127),
        (1100, 0.30527536361962626),
        (1200, 0.27491377282130175),
        (1300, 0.2468176821061483),
        (1400, 0.19850735037466108),
        (1500, 0.17448318112556632),
        (1600, 0.17080762978095743),
        (1700, 0.11306524562164745),
        (1800, 0.09629426845937147),
        (1900, 0.08342617959726864),
        (2000, 0.07439078704319085),
        (2100, 0.06630748132267933),
        (2200, 0.059193295010381675),
        (2300, 0.05336140348560555),
        (2400, 0.04855478562877018),
        (2499, 0.04421498215868951),
    ],
    train_accuracy: 1.0,
    test_accuracy: 0.72,
};

/// The coordinator's options for the data; `None`, with the reason printed, if there are none.
fn cat_images() -> Option<[String; 4]> {
    let Some(folder) = std::env::var_os("LOCKSTEP_CAT_DIR") else {
        eprintln!("skipped: LOCKSTEP_CAT_DIR is not set, and the cat images are not part of this repository");
        return None;
    };
    let file = |name: &str| {
        // A relative folder is meant from the workspace, where the tests were started, not from this crate.
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let file = workspace.join(&folder).join(name);
        assert!(
            file.is_file(),
            "LOCKSTEP_CAT_DIR is set, but there is no {}",
            file.display()
        );
        file.display().to_string()
    };
    let (train, test) = (file("train_catvnoncat.h5"), file("test_catvnoncat.h5"));
    Some(["--train".to_owned(), train, "--test".to_owned(), test])
}

/// Trains with `workers`, who share two threads where that is possible.
fn train(data: &[String], workers: usize, options: &[&str]) -> Results {
    let count = workers.to_string();
    let mut arguments: Vec<&str> = data.iter().map(String::as_str).collect();
    arguments.extend(options);
    arguments.extend(["-q", "--workers", &count]);
    if workers > 0 {
        arguments.extend(["--spawn", "--listen", "127.0.0.1:0"]);
    }
    let run: Finished = Process::start(Program::Coordinator, &arguments).finish_within(LIMIT);
    Results::parse(&run.expect_code(0).stdout)
}

impl Reference {
    #[track_caller]
    fn check(&self, results: &Results, tolerance: f64) {
        assert_eq!(results.costs.len(), self.costs.len());
        for (&(iteration, cost), &(of, expected)) in results.costs.iter().zip(&self.costs) {
            let difference = ((cost - expected) / expected).abs();
            assert!(
                iteration == of && difference <= tolerance,
                "cost {cost:?} after iteration {iteration}, expected {expected:?} after {of}: {difference:e} apart"
            );
        }
        let accuracies = (results.train_accuracy, results.test_accuracy);
        assert_eq!(accuracies, (self.train_accuracy, Some(self.test_accuracy)));
    }

    /// Trains at full length without workers and with `workers`.
    fn check_at_full_length(&self, workers: usize) {
        let Some(data) = cat_images() else { return };
        let alone = train(&data, 0, self.options);
        self.check(&alone, TOLERANCE);
        assert_eq!(train(&data, workers, self.options), alone, "{workers} workers");
    }

    /// The same in mixed precision.
    fn check_mixed_at_full_length(&self, workers: usize) {
        let Some(data) = cat_images() else { return };
        let options = [self.options, &["--precision", "mixed"]].concat();
        let alone = train(&data, 0, &options);
        self.check(&alone, MIXED_TOLERANCE);
        assert_eq!(train(&data, workers, &options), alone, "{workers} workers");
    }
}

#[test]
fn four_layers_give_numpys_costs_alone_and_the_same_bits_on_four_workers() {
    FOUR_LAYERS.check_at_full_length(4);
}

#[test]
fn two_layers_give_numpys_costs_alone_and_the_same_bits_on_two_workers() {
    TWO_LAYERS.check_at_full_length(2);
}

#[test]
fn four_layers_give_numpys_costs_to_1e_6_in_mixed_precision() {
    FOUR_LAYERS.check_mixed_at_full_length(4);
}

#[test]
fn two_layers_give_numpys_costs_to_1e_6_in_mixed_precision() {
    TWO_LAYERS.check_mixed_at_full_length(3);
}

#[test]
fn any_number_of_workers_gives_the_same_bits() {
    let Some(data) = cat_images() else { return };
    let options = ["--iterations", "100", "--print-every", "1"];
    let alone = train(&data, 0, &options);
    for workers in [1, 2, 3, 7] {
        assert_eq!(train(&data, workers, &options), alone, "{workers} workers");
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what a kill costs is real time; the median does not mind a moment in which the machine was busy"
)]
fn killing_a_spawned_worker_every_200_iterations_changes_nothing_and_costs_less_than_a_second() {
    let Some(data) = cat_images() else { return };
    let every_cost = ["--print-every", "1"];
    let mut arguments: Vec<&str> = data.iter().map(String::as_str).collect();
    arguments.extend(every_cost);
    // It goes on until all kills have been made.
    arguments.extend(["--iterations", ENDLESS, "--workers", "4", "--spawn"]);
    let cluster = Cluster::start(&arguments);
    let cost = |iteration: u64| format!("Cost after iteration {iteration}:");
    let mut random = NumpyRandom::new(7);
    let mut delays = Vec::new();
    for iteration in (200..2500).step_by(200) {
        cluster.coordinator.wait_for_stdout(&cost(iteration));
        let workers = Observed::children_of(cluster.coordinator.id());
        let chosen = (random.uniform() * workers.len() as f64) as usize;
        let kill = Instant::now();
        workers[chosen].kill();
        // The first of these may have been on its way already.
        cluster.coordinator.wait_for_stdout(&cost(iteration + 3));
        delays.push(kill.elapsed());
    }
    delays.sort_unstable();
    let median = delays[delays.len() / 2];
    assert!(
        median < Duration::from_secs(1),
        "{delays:?} from a kill to two iterations later"
    );
    cluster.coordinator.interrupt();
    let disturbed = cluster.finish().0.expect_code(130).stdout;
    let iterations = iterations_in(&disturbed).to_string();
    let undisturbed = train(&data, 0, &[&every_cost[..], &["--iterations", &iterations]].concat());
    assert_eq!(Results::parse(&disturbed), undisturbed);
}
