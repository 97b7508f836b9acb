//! What does end a run: a coordinator that dies, a network that diverges, a start that fails. One clear error, the right
//! exit code, and nobody left behind. (What does not end it is in `elasticity` and `resumption`.)

use std::net::TcpListener;

use tests::cluster::Cluster;
use tests::data::{Folder, Sample};
use tests::faults::Proxy;
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
    coordinator.expect_code(130);
    workers.iter().for_each(Observed::wait_until_gone);
}

#[test]
fn workers_started_by_hand_give_up_when_a_killed_coordinator_does_not_come_back() {
    let folder = Folder::new();
    let mut cluster = start(&folder, &["--workers", "2"]);
    let address = cluster.address.clone();
    let arguments = ["--connect", &address, "--give-up-after", "300ms"];
    let workers = [(); 2].map(|()| Process::start(Program::Worker, &arguments));
    cluster.coordinator.wait_for_stdout("Cost after iteration 100:");
    cluster.coordinator.kill();
    for worker in workers {
        let worker = worker.finish().expect_code(2);
        let lost = format!("lost the coordinator at {address}");
        assert!(worker.stderr.contains(&lost), "{}", worker.stderr);
        assert!(worker.stderr.contains("error: "), "{}", worker.stderr);
    }
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
        for output in ["model.h5", "costs.csv", "report.html"] {
            assert!(
                !folder.path("out").join(output).exists(),
                "{output} of no use was written"
            );
        }
    }
}

#[test]
fn a_worker_without_coordinator_gives_up_in_the_end_and_says_what_to_do() {
    // Its port is kept, so that no other program can take it while the worker tries.
    let nobody = Proxy::to_nowhere();
    let address = nobody.address().to_string();
    for give_up_after in ["0s", "300ms"] {
        let options = ["--connect", &address, "--give-up-after", give_up_after];
        let worker = Finished::of(Program::Worker, &options).expect_code(1);
        let (error, hint) = error_and_hint(&worker);
        assert_eq!(
            error,
            format!("error: cannot reach a coordinator at {address}: Connection refused (os error 111)")
        );
        assert_eq!(
            hint,
            "hint: start the coordinator first; it prints the address it listens on, which --connect needs"
        );
        assert_eq!(worker.stdout, "");
    }
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
