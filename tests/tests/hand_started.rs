//! Workers that people start themselves.

use tests::cluster::Cluster;
use tests::data::{Folder, Sample};
use tests::faults::Subject;
use tests::faults::subject::Shape;
use tests::oracle::Training;

/// The sample and the run of this suite.
fn subject() -> (Sample, Training) {
    (Sample::bytes(209, 24, 11), Training::new(&[5], 10))
}

/// Starts the coordinator of a run of four workers on the data that it writes into `folder`.
fn coordinator_of_four(folder: &Folder) -> Cluster {
    let (sample, training) = subject();
    sample.write(&folder.path("data.h5"));
    let mut options = training.arguments(&folder.argument("data.h5"));
    options.extend(["--workers", "4"].map(str::to_owned));
    Cluster::start(&options.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn four_workers_in_any_order_give_the_oracles_result_and_all_end_well() {
    let folder = Folder::new();
    for names in [["a", "b", "c", "d"], ["d", "b", "a", "c"], ["c", "d", "b", "a"]] {
        let mut cluster = coordinator_of_four(&folder);
        for name in names {
            cluster.start_worker(name);
        }
        let (coordinator, workers) = cluster.finish();
        let (sample, training) = subject();
        assert_eq!(coordinator.expect_code(0).stdout, training.expected_stdout(&sample));
        for worker in workers {
            let worker = worker.expect_code(0);
            assert_eq!(worker.stdout, "");
            for part in [
                "joined as worker ",
                "holds columns ",
                "the run is complete: 10 iterations",
            ] {
                assert!(worker.stderr.contains(part), "{part}: {}", worker.stderr);
            }
        }
    }
}

#[test]
fn the_coordinator_says_how_many_have_joined_and_the_command_that_starts_another() {
    let folder = Folder::new();
    let mut cluster = coordinator_of_four(&folder);
    let command = format!("; start another: worker --connect {}", cluster.address);
    for joined in 0..4 {
        let line = cluster
            .coordinator
            .wait_for_stderr(&format!("{joined} of 4 workers have joined"));
        assert!(line.ends_with(&command), "{line}");
        cluster.start_worker("next");
    }
    let line = cluster.coordinator.wait_for_stderr("4 of 4 workers have joined");
    assert!(line.ends_with("joined"), "{line}");
    cluster.finish().0.expect_code(0);
}

#[test]
fn a_worker_that_leaves_before_training_begins_makes_room_for_another() {
    let folder = Folder::new();
    let mut cluster = coordinator_of_four(&folder);
    cluster.start_worker("leaves");
    cluster.coordinator.wait_for_stderr("1 of 4 workers have joined");
    cluster.workers.remove(0).kill();
    cluster.coordinator.wait_until("count 0 again", |said| {
        (said.stderr.matches("0 of 4 workers have joined").count() == 2).then_some(())
    });
    for name in ["a", "b", "c", "d"] {
        cluster.start_worker(name);
    }
    cluster.finish().0.expect_code(0);
}

#[test]
fn a_fifth_worker_joins_the_run_under_way_and_changes_nothing() {
    let subject = Subject::of(Shape {
        columns: 209,
        features: 24,
        hidden: vec![5],
    });
    let mut cluster = Cluster::start(&subject.options(&["--workers", "4"]));
    for name in ["a", "b", "c", "d"] {
        cluster.start_worker(name);
    }
    cluster.coordinator.wait_for_stderr("training begins");
    cluster.start_worker("fifth");
    for part in ["joined as worker 4", "holds columns "] {
        cluster.workers[4].wait_for_stderr(part);
    }
    let line = cluster.coordinator.wait_for_stderr("(fifth) joined");
    assert!(line.contains("worker 4 "), "{line}");
    cluster.coordinator.interrupt();
    let (coordinator, workers) = cluster.finish();
    subject.check(&coordinator.expect_code(130).stdout);
    for worker in workers {
        let worker = worker.expect_code(2);
        assert!(worker.stderr.contains("the user stopped the run"), "{}", worker.stderr);
    }
}
