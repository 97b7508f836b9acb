//! Processes that die, and networks that diverge: one clear error, the right exit code, and nobody left behind.

use std::net::TcpListener;

use tests::cluster::Cluster;
use tests::data::{Folder, Sample};
use tests::observed::Observed;
use tests::processes::{Finished, Process, while_nothing_else_starts};
use tests::programs::Program;

/// Options of a run that no test waits to see the end of.
fn endless(folder: &Folder) -> Vec<String> {
    Sample::bytes(209, 24, 21).write(&folder.path("data.h5"));
    let file = folder.argument("data.h5");
    [
        "--train",
        &file,
        "--hidden",
        "5",
        "--iterations",
        "1000000000",
        "--learning-rate",
        "0.001",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn start(folder: &Folder, more: &[&str]) -> Cluster {
    let options = endless(folder);
    let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Cluster::start(&options)
}

/// A coordinator and three workers `w0`, `w1`, `w2` that joined in this order, in the middle of training.
fn training_by_hand(folder: &Folder) -> Cluster {
    let mut cluster = start(folder, &["--workers", "3"]);
    for number in 0..3 {
        cluster.start_worker(&format!("w{number}"));
        cluster
            .coordinator
            .wait_for_stderr(&format!("{} of 3 workers", number + 1));
    }
    cluster.coordinator.wait_for_stdout("Cost after iteration 100:");
    cluster
}

/// A coordinator that spawned three workers, in the middle of training.
fn training_by_spawning(folder: &Folder) -> (Cluster, Vec<Observed>) {
    let cluster = start(folder, &["--workers", "3", "--spawn"]);
    cluster.coordinator.wait_for_stdout("Cost after iteration 100:");
    let workers = Observed::children_of(cluster.coordinator.id());
    assert_eq!(workers.len(), 3, "{workers:?}");
    (cluster, workers)
}

/// The line `error: …` and the line `hint: …`, the last ones of standard error.
fn error_and_hint(finished: &Finished) -> (&str, &str) {
    let mut lines = finished.stderr.lines().rev();
    let (hint, error) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    assert!(
        error.starts_with("error: ") && hint.starts_with("hint: "),
        "{}",
        finished.stderr
    );
    (error, hint)
}

/// The iteration, at least 100, that `error` names between `before` and a colon.
#[track_caller]
fn assert_names_iteration(error: &str, before: &str) {
    let rest = error
        .strip_prefix(before)
        .unwrap_or_else(|| panic!("found {error:?}, expected «{before}»"));
    let iteration = rest.split(':').next().and_then(|number| number.parse().ok());
    assert!(iteration.is_some_and(|iteration: u64| iteration >= 100), "{error}");
}

#[test]
fn a_killed_worker_ends_the_run_with_its_name_and_the_iteration() {
    let folder = Folder::new();
    let mut cluster = training_by_hand(&folder);
    cluster.workers[1].kill();
    let (coordinator, workers) = cluster.finish();
    let coordinator = coordinator.expect_code(2);
    let (error, hint) = error_and_hint(&coordinator);
    assert_names_iteration(error, "error: worker 1 (w1) was lost in iteration ");
    assert_eq!(
        hint,
        "hint: see what the worker itself printed, then start the run again"
    );
    assert!(
        coordinator.stdout.lines().all(|line| line.starts_with("Cost after")),
        "no results of a broken run"
    );
    for (number, worker) in workers.into_iter().enumerate().filter(|&(number, _)| number != 1) {
        let worker = worker.expect_code(2);
        let expected = "error: the coordinator dismissed this worker: the run has failed: worker 1 (w1) was lost in";
        assert!(worker.stderr.contains(expected), "w{number}: {}", worker.stderr);
    }
}

#[test]
fn a_killed_spawned_worker_ends_the_run_and_its_last_lines_are_shown() {
    let folder = Folder::new();
    let (cluster, workers) = training_by_spawning(&folder);
    // Sorted by arguments, so by name.
    workers[1].kill();
    let (coordinator, _) = cluster.finish();
    let coordinator = coordinator.expect_code(2);
    assert!(workers.iter().all(Observed::is_gone), "no process is left behind");
    let error = coordinator
        .stderr
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap_or_default();
    assert!(
        error.contains("spawned-1") && error.contains(" in iteration "),
        "{error}"
    );
    for shown in ["(signal: 9 (SIGKILL))", "spawned-1: ", "holds columns "] {
        assert!(coordinator.stderr.contains(shown), "{shown}: {}", coordinator.stderr);
    }
}

#[test]
fn spawned_workers_end_by_themselves_when_the_coordinator_is_killed() {
    let folder = Folder::new();
    let (mut cluster, workers) = training_by_spawning(&folder);
    cluster.coordinator.kill();
    for worker in &workers {
        worker.wait_until_gone();
    }
}

#[test]
fn spawned_workers_end_when_the_coordinator_is_killed_before_training_began() {
    let folder = Folder::new();
    let mut cluster = start(&folder, &["--workers", "2", "--spawn"]);
    cluster.coordinator.wait_for_stderr("0 of 2 workers have joined");
    let workers = Observed::children_of(cluster.coordinator.id());
    assert_eq!(workers.len(), 2, "{workers:?}");
    cluster.coordinator.kill();
    for worker in &workers {
        worker.wait_until_gone();
    }
}

#[test]
fn interrupting_the_coordinator_leaves_nobody_behind() {
    let folder = Folder::new();
    let (cluster, workers) = training_by_spawning(&folder);
    cluster.coordinator.interrupt();
    let (coordinator, _) = cluster.finish();
    let coordinator = coordinator.expect_code(130);
    assert!(workers.iter().all(Observed::is_gone), "no process is left behind");
    assert!(
        coordinator.stderr.ends_with("error: stopped by the user\n"),
        "{}",
        coordinator.stderr
    );
}

#[test]
fn workers_started_by_hand_say_that_they_lost_a_killed_coordinator() {
    let folder = Folder::new();
    let mut cluster = training_by_hand(&folder);
    cluster.coordinator.kill();
    let address = cluster.address.clone();
    for worker in cluster.workers {
        let worker = worker.finish().expect_code(2);
        let error = format!("error: lost the coordinator at {address} after ");
        assert!(worker.stderr.contains(&error), "{}", worker.stderr);
        assert!(worker.stderr.contains(" iterations: "), "{}", worker.stderr);
    }
}

#[test]
fn workers_that_wait_for_others_say_that_they_lost_a_killed_coordinator() {
    let folder = Folder::new();
    let mut cluster = start(&folder, &["--workers", "2"]);
    cluster.start_worker("waits");
    cluster.workers[0].wait_for_stderr("joined as worker 0");
    cluster.coordinator.kill();
    let worker = cluster.workers.remove(0).finish().expect_code(2);
    assert!(
        worker.stderr.contains("error: lost the coordinator at"),
        "{}",
        worker.stderr
    );
}

#[test]
fn a_descent_that_diverges_names_the_iteration_and_a_remedy() {
    let folder = Folder::new();
    // Far from 0.5, so that the first step is a leap that f64 cannot hold.
    Sample::floats(60, 8, 22).write(&folder.path("data.h5"));
    let (file, out) = (folder.argument("data.h5"), folder.argument("out"));
    let options = [
        "--train",
        &file,
        "--hidden",
        "4",
        "--learning-rate",
        "1e300",
        "--iterations",
        "50",
        "--out",
        &out,
    ];
    for fleet in [
        &["--workers", "0"][..],
        &["--workers", "2", "--spawn", "--listen", "127.0.0.1:0"],
    ] {
        let run = Finished::of(Program::Coordinator, &[&options[..], fleet].concat()).expect_code(2);
        let (error, hint) = error_and_hint(&run);
        assert_eq!(
            error,
            "error: found a cost of NaN after iteration 1, expected a finite number"
        );
        assert_eq!(
            hint,
            "hint: the descent diverges: try a smaller --learning-rate, another --init, or check --scale"
        );
        assert!(
            run.stdout.lines().count() == 1,
            "only the cost of iteration 0: {}",
            run.stdout
        );
        assert_eq!(
            std::fs::read_dir(folder.path("out")).unwrap().count(),
            0,
            "nothing half-written"
        );
    }
}

#[test]
fn a_worker_without_coordinator_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let worker = Finished::of(Program::Worker, &["--connect", &address]).expect_code(1);
    assert_eq!(
        worker.stderr,
        format!(
            "error: cannot reach a coordinator at {address}: Connection refused (os error 111)\n\
             hint: start the coordinator first; it prints the address it listens on, which --connect needs\n"
        )
    );
    assert_eq!(worker.stdout, "");
}

#[test]
fn an_address_in_use_is_named_with_a_remedy() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = endless(&folder);
    let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
    options.extend(["--listen", &address, "-q"]);
    let coordinator = Finished::of(Program::Coordinator, &options).expect_code(1);
    assert_eq!(
        coordinator.stderr,
        format!(
            "error: cannot listen on {address}: Address already in use (os error 98)\n\
             hint: another program listens there: end it, or choose another port with --listen; port 0 takes a free \
             one\n"
        )
    );
    assert_eq!(coordinator.stdout, "");
}

#[test]
fn spawning_without_the_worker_program_says_where_it_was_expected() {
    let folder = Folder::new();
    let alone = folder.path("coordinator");
    while_nothing_else_starts(|| std::fs::copy(Program::Coordinator.path(), &alone).unwrap());
    let options = endless(&folder);
    let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
    options.extend(["--spawn", "--listen", "127.0.0.1:0", "-q"]);
    let coordinator = Process::start_at(&alone, &options, |command| command)
        .finish()
        .expect_code(1);
    assert_eq!(
        folder.masked(&coordinator.stderr),
        "error: found no program `FOLDER/worker`, expected the worker beside the coordinator\n\
         hint: copy both programs, coordinator and worker, into one folder; or start workers by hand without --spawn\n"
    );
}
