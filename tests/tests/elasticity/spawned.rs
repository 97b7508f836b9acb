//! Workers that the coordinator started itself.

use tests::cluster::Cluster;
use tests::faults::Subject;
use tests::faults::subject::Shape;
use tests::observed::Observed;
use tests::processes::{Finished, Process, StderrMark};
use tests::programs::Program;

/// How many iterations a run must make after a loss.
const AFTERWARDS: u64 = 20;

/// Small, since spawned workers have no proxy that could slow them down.
fn subject() -> Subject {
    Subject::of(Shape {
        columns: 209,
        features: 24,
        hidden: vec![5],
    })
}

/// Starts a run that needs all of its three workers to begin an iteration, and says also what the workers say.
fn start(subject: &Subject) -> Cluster {
    let options = ["--workers", "3", "--min-workers", "3", "--spawn", "-v"];
    let cluster = Cluster::start(&subject.options(&options));
    cluster.coordinator.wait_for_stdout("Cost after iteration 100:");
    cluster
}

/// Waits until the coordinator has said, after `mark`, that it has lost `count` workers and that as many have joined,
/// and has made iterations since.
fn wait_until_replaced(coordinator: &Process, mark: StderrMark, count: usize) {
    let lost = coordinator.wait_for_stderr_times_since(mark, "lost worker ", count);
    assert!(lost.contains("(spawned-"), "{lost}");
    // An iteration that is under way is completed without them; a replacement that is quick prevents a pause.
    let iteration = lost.split_once(" in iteration ").and_then(|(_, rest)| {
        let (number, _) = rest.split_once(':')?;
        number.parse::<u64>().ok()
    });
    let iteration = iteration.unwrap_or_else(|| panic!("found {lost:?}, expected an iteration"));
    coordinator.wait_for_stderr_times_since(mark, ") joined", count);
    coordinator.wait_for_stdout(&format!("Cost after iteration {}:", iteration + AFTERWARDS));
}

/// Stops the run, and checks what it printed and that nobody is left behind.
#[track_caller]
fn stop(subject: &Subject, cluster: Cluster) -> Finished {
    let workers = Observed::children_of(cluster.coordinator.id());
    assert_eq!(workers.len(), 3, "{workers:?}");
    cluster.coordinator.interrupt();
    let (coordinator, _) = cluster.finish();
    let coordinator = coordinator.expect_code(130);
    workers.iter().for_each(Observed::wait_until_gone);
    subject.check(&coordinator.stdout);
    coordinator
}

#[test]
fn a_killed_spawned_worker_is_replaced_and_changes_nothing() {
    let subject = subject();
    let cluster = start(&subject);
    for _ in 0..2 {
        let workers = Observed::children_of(cluster.coordinator.id());
        assert_eq!(workers.len(), 3, "{workers:?}");
        let mark = cluster.coordinator.stderr_mark();
        workers[1].kill();
        wait_until_replaced(&cluster.coordinator, mark, 1);
        // As it happens; what the one that was killed had said is shown as a warning.
        let wanted = "that the replacement holds columns";
        cluster.coordinator.wait_for_stderr_line_since(mark, wanted, |line| {
            line.contains("DEBUG spawned-1: ") && line.contains("holds columns ")
        });
    }
    let coordinator = stop(&subject, cluster);
    for shown in ["(signal: 9 (SIGKILL))", "WARN spawned-1: ", "holds columns "] {
        assert!(coordinator.stderr.contains(shown), "{shown}: {}", coordinator.stderr);
    }
}

#[test]
fn all_spawned_workers_killed_at_once_are_replaced_and_change_nothing() {
    let subject = subject();
    let cluster = start(&subject);
    let workers = Observed::children_of(cluster.coordinator.id());
    assert_eq!(workers.len(), 3, "{workers:?}");
    let mark = cluster.coordinator.stderr_mark();
    workers.iter().for_each(Observed::kill);
    wait_until_replaced(&cluster.coordinator, mark, 3);
    stop(&subject, cluster);
}

#[test]
#[cfg(target_os = "linux")]
fn spawned_workers_share_memory_with_their_coordinator_and_return_the_same_bits() {
    let train = |fleet: &[&str]| {
        let options = ["--hidden", "4", "--iterations", "6", "-vv"];
        Finished::of(Program::Coordinator, &[fleet, &options].concat()).expect_code(0)
    };
    let alone = train(&["--workers", "0"]);
    for workers in [1, 3] {
        let listen = ["--spawn", "--listen", "127.0.0.1:0"];
        let together = train(&[&["--workers", &workers.to_string()], &listen[..]].concat());
        assert_eq!(together.stdout, alone.stdout);
        let share = together.stderr.matches("shares memory with the coordinator").count();
        assert_eq!(share, workers, "{}", together.stderr);
    }
}
