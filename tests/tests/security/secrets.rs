//! The token is nowhere where others could read it.

use std::fs;

use tests::faults::subject::{ENDLESS, iterations_in};
use tests::observed::Observed;
use tests::processes::Process;
use tests::programs::Program;

use super::{SECRET, Site, words};

fn command_line(process: u32) -> String {
    let words = fs::read(format!("/proc/{process}/cmdline")).unwrap();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

/// Runs a fleet that the coordinator starts itself, with the token in the environment if it is not in a file.
fn assert_never_shown(site: &Site, more: &[Vec<String>], in_environment: bool) {
    let mut arguments = Site::training().arguments_but_iterations(&site.path("data.h5"));
    arguments.extend(
        [
            // It goes on until its workers have been seen.
            "--iterations",
            ENDLESS,
            "--workers",
            "2",
            "--spawn",
            "--threads",
            "1",
            "--listen",
            "127.0.0.1:0",
            "-vv",
        ]
        .map(str::to_owned),
    );
    arguments.extend(more.concat());
    let coordinator = Process::start_with(Program::Coordinator, &words(&arguments), |command| {
        command.env("RUST_LOG", "trace");
        if in_environment {
            command.env("LOCKSTEP_TOKEN", SECRET);
        }
        command
    });
    // Between fork and exec a worker has the coordinator's command line. The log never stands still at this level.
    let workers = coordinator.wait_until("start a worker", |_| {
        let children = Observed::children_of(coordinator.id());
        let words: Vec<_> = children.into_iter().flat_map(|worker| worker.arguments).collect();
        let started = words.iter().any(|word| word == "--exit-when-stdin-closes");
        started.then(|| words.join(" "))
    });
    let seen = command_line(coordinator.id()) + &workers;
    coordinator.wait_for_stdout("Cost after iteration 4:");
    coordinator.interrupt();
    let run = coordinator.finish().expect_code(130);
    assert_eq!(run.stdout, Site::expected_after(iterations_in(&run.stdout)));
    for text in [&seen, &run.stdout, &run.stderr] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn neither_command_lines_nor_logs_show_the_token_of_spawned_workers() {
    let site = Site::new();
    assert_never_shown(&site, &[site.token()], false);
    assert_never_shown(&site, &[], true);
}

#[test]
fn spawned_workers_join_a_coordinator_that_speaks_tls_and_show_no_token() {
    let site = Site::new();
    assert_never_shown(&site, &[site.coordinator_tls(), site.token()], false);
}

#[test]
fn a_worker_s_logs_do_not_show_the_token() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.coordinator_tls(), site.token()]);
    let arguments = Site::worker_arguments(&address, &[site.worker_tls()]);
    let worker = Process::start_with(Program::Worker, &words(&arguments), |command| {
        command.env("RUST_LOG", "trace").env("LOCKSTEP_TOKEN", SECRET)
    });
    let worker = worker.finish().expect_code(0);
    assert!(
        worker.stderr.contains("TRACE") && !worker.stderr.contains(SECRET),
        "{}",
        worker.stderr
    );
    assert!(!coordinator.finish().expect_code(0).stderr.contains(SECRET));
}

#[test]
fn a_wrong_token_is_not_shown_when_it_is_refused() {
    for program in [Program::Coordinator, Program::Worker] {
        let run = Process::start_with(program, &[], |command| command.env("LOCKSTEP_TOKEN", "short-secret"));
        let run = run.finish().expect_code(64);
        assert_eq!(
            run.stderr,
            "error: LOCKSTEP_TOKEN: found 12 characters, expected 16 to 256 printable ASCII characters without blanks\n"
        );
    }
}
