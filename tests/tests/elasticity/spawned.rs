//! Workers that the coordinator started itself.

use tests::cluster::Cluster;
use tests::faults::Subject;
use tests::faults::subject::Shape;
use tests::observed::Observed;

/// Spawned workers have no proxy that could slow them down, so the run is long and its iterations short.
fn subject() -> Subject {
    Subject::of(Shape {
        columns: 209,
        features: 24,
        hidden: vec![5],
        iterations: 6000,
    })
}

#[test]
fn a_killed_spawned_worker_is_replaced_and_changes_nothing() {
    let subject = subject();
    // With all of them needed the run cannot end before the replacement is there.
    let options = ["--workers", "3", "--min-workers", "3", "--spawn"];
    let cluster = Cluster::start(&subject.options(&options));
    cluster.coordinator.wait_for_stdout("Cost after iteration 100:");
    for _ in 0..2 {
        let workers = Observed::children_of(cluster.coordinator.id());
        assert_eq!(workers.len(), 3, "{workers:?}");
        let mark = cluster.coordinator.stderr_mark();
        workers[1].kill();
        let lost = cluster.coordinator.wait_for_stderr_since(mark, "lost worker ");
        assert!(lost.contains("(spawned-"), "{lost}");
        cluster.coordinator.wait_for_stderr_since(mark, " joined");
        cluster
            .coordinator
            .wait_for_stderr_since(mark, "the run goes on at iteration ");
    }
    let workers = Observed::children_of(cluster.coordinator.id());
    let (coordinator, _) = cluster.finish();
    let coordinator = coordinator.expect_code(0);
    assert_eq!(coordinator.stdout, subject.undisturbed());
    assert!(workers.iter().all(Observed::is_gone), "no process is left behind");
    for shown in ["(signal: 9 (SIGKILL))", "holds columns "] {
        assert!(coordinator.stderr.contains(shown), "{shown}: {}", coordinator.stderr);
    }
}

#[test]
fn all_spawned_workers_killed_at_once_are_replaced_and_change_nothing() {
    let subject = subject();
    let options = ["--workers", "3", "--min-workers", "3", "--spawn"];
    let cluster = Cluster::start(&subject.options(&options));
    cluster.coordinator.wait_for_stdout("Cost after iteration 100:");
    let mark = cluster.coordinator.stderr_mark();
    Observed::children_of(cluster.coordinator.id())
        .iter()
        .for_each(Observed::kill);
    cluster
        .coordinator
        .wait_for_stderr_since(mark, "the run goes on at iteration ");
    let (coordinator, _) = cluster.finish();
    assert_eq!(coordinator.expect_code(0).stdout, subject.undisturbed());
}
