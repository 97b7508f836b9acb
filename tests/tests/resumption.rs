//! A coordinator that ends before its run does, and another one that goes on with it: the result is, to the last bit, that
//! of an undisturbed run.

use std::fs;
use std::path::Path;

use tests::faults::fleet::NEVER;
use tests::faults::subject::{Shape, iterations_in};
use tests::faults::{Direction, Fleet, RunFolder, Subject};
use tests::processes::{Finished, Process};
use tests::programs::Program;

/// The `--iterations` of a resumed run that ends by itself, some time after what was printed `earlier`.
fn enough_after(earlier: &[String]) -> String {
    let made = earlier.iter().map(|stdout| iterations_in(stdout)).max();
    (made.unwrap_or_default() + 40).to_string()
}

/// Resumes the run in `folder` without workers to its end, and checks the result after `earlier` was printed.
#[track_caller]
fn resume_alone(subject: &Subject, folder: &RunFolder, earlier: &[String]) -> Finished {
    let iterations = enough_after(earlier);
    let options = [&folder.resume()[..], &["--workers", "0", "--iterations", &iterations]].concat();
    let coordinator = Finished::of(Program::Coordinator, &subject.options(&options)).expect_code(0);
    subject.check_resumed(earlier, &coordinator.stdout);
    coordinator
}

/// A braked run of three workers with at least `checkpoints` checkpoints.
fn run_with_checkpoints(subject: &Subject, folder: &RunFolder, checkpoints: usize, more: &[&str]) -> Fleet {
    let options = [&folder.begin()[..], &["--workers", "3"], more].concat();
    let fleet = Fleet::braked(subject, &options, &["a", "b", "c"]);
    folder.wait_for_checkpoints(checkpoints, &fleet);
    fleet
}

/// The folder of a run whose processes were all killed, with three checkpoints, and what it had printed.
fn killed_run(subject: &Subject) -> (RunFolder, String) {
    let folder = RunFolder::of(subject, "run");
    let mut fleet = run_with_checkpoints(subject, &folder, 3, &[]);
    let printed = fleet.kill_coordinator();
    (folder, printed)
}

/// Kills the coordinator, waits until every worker has noticed a loss for the `times`-th time, and returns what it had
/// printed.
fn kill_and_wait_until_missed(fleet: &mut Fleet, times: usize) -> String {
    let printed = fleet.kill_coordinator();
    for member in &fleet.members {
        member.worker.wait_for_stderr_times("lost the coordinator at ", times);
    }
    printed
}

fn wait_until_all_joined(fleet: &Fleet, times: usize) {
    fleet.members.iter().for_each(|member| member.wait_until_joined(times));
}

#[test]
fn a_killed_coordinator_is_resumed_and_its_workers_come_back_by_themselves() {
    let subject = Subject::usual();
    let folder = RunFolder::of(&subject, "run");
    let mut fleet = run_with_checkpoints(&subject, &folder, 1, &[]);
    let first = kill_and_wait_until_missed(&mut fleet, 1);
    let resumed = [&folder.resume()[..], &["--workers", "3"]].concat();
    fleet.start_another_coordinator(&subject, &resumed);
    wait_until_all_joined(&fleet, 2);
    fleet.wait_for_iteration(folder.newest().updates + 7);
    let earlier = [first, kill_and_wait_until_missed(&mut fleet, 2)];
    let iterations = enough_after(&earlier);
    fleet.start_another_coordinator(&subject, &[&resumed[..], &["--iterations", &iterations]].concat());
    wait_until_all_joined(&fleet, 3);
    fleet.finish_resumed(&subject, &earlier);
}

#[test]
fn workers_of_a_killed_coordinator_keep_their_columns() {
    // Parameters are a small part of what is sent: 16 KB an iteration, where each worker has 400 KB of columns.
    let subject = Subject::of(Shape {
        columns: 600,
        features: 2000,
        hidden: Vec::new(),
    });
    let folder = RunFolder::of(&subject, "run");
    // Shards that follow measured speeds, or the loss of somebody silent, would move columns for that reason.
    let steady = ["--even-shards", "--worker-timeout", NEVER];
    let mut fleet = run_with_checkpoints(&subject, &folder, 1, &steady);
    let earlier = [kill_and_wait_until_missed(&mut fleet, 1)];
    let delivered = fleet.members.iter().map(|member| member.proxy.facts().down.delivered);
    let delivered: u64 = delivered.sum();
    assert!(
        delivered > subject.column_bytes(),
        "they got their columns: {delivered} bytes"
    );
    // An iteration can be made only if each of them needs few bytes for it.
    for member in &fleet.members {
        member.proxy.hold_after(Direction::Down, subject.column_bytes() / 6);
    }
    let iterations = enough_after(&earlier);
    let options = [
        &folder.resume()[..],
        &["--workers", "3", "--iterations", &iterations],
        &steady,
    ]
    .concat();
    fleet.start_another_coordinator(&subject, &options);
    fleet.coordinator.wait_for_stdout("Cost after iteration ");
    fleet.members.iter().for_each(|member| member.proxy.release());
    fleet.finish_resumed(&subject, &earlier);
}

#[test]
fn a_run_is_resumed_with_other_numbers_of_workers() {
    let subject = Subject::usual();
    let (folder, first) = killed_run(&subject);
    let options = [&folder.resume()[..], &["--workers", "2"]].concat();
    let mut fleet = Fleet::braked(&subject, &options, &["d", "e"]);
    fleet.wait_for_iteration(folder.newest().updates + 7);
    let second = fleet.kill_coordinator();
    drop(fleet);
    resume_alone(&subject, &folder, &[first, second]);
}

#[test]
fn a_damaged_newest_checkpoint_is_named_and_skipped() {
    let subject = Subject::usual();
    let (folder, printed) = killed_run(&subject);
    let flip = |path: &Path, at: fn(usize) -> usize| {
        let mut bytes = fs::read(path).unwrap();
        let at = at(bytes.len());
        bytes[at] ^= 0b0001_0000;
        fs::write(path, bytes).unwrap();
    };
    let shorten = |path: &Path, to: fn(u64) -> u64| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(to(file.metadata().unwrap().len())).unwrap();
    };
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let damages: [Damage<'_>; 8] = [
        ("first bit", &|path| flip(path, |_| 0)),
        ("early bit", &|path| flip(path, |_| 100)),
        ("middle bit", &|path| flip(path, |length| length / 2)),
        ("last bit", &|path| flip(path, |length| length - 1)),
        ("torn", &|path| shorten(path, |length| length / 2)),
        ("one byte short", &|path| shorten(path, |length| length - 1)),
        ("empty", &|path| shorten(path, |_| 0)),
        ("foreign", &|path| fs::write(path, "iteration,cost\n0,0.7\n").unwrap()),
    ];
    for (damage, inflict) in damages {
        let copy = folder.copied_to(&subject, damage);
        let newest = copy.newest();
        inflict(&newest.path);
        let coordinator = resume_alone(&subject, &copy, std::slice::from_ref(&printed));
        let named = coordinator.stderr.lines().any(|line| line.contains(&newest.name()));
        assert!(named, "{damage}: {}", coordinator.stderr);
    }
}

#[test]
fn a_run_without_any_good_checkpoint_is_refused_and_every_file_named() {
    let subject = Subject::usual();
    let (folder, _) = killed_run(&subject);
    let checkpoints = folder.checkpoints();
    for checkpoint in &checkpoints {
        fs::write(&checkpoint.path, "no checkpoint").unwrap();
    }
    let options = [&folder.resume()[..], &["--workers", "0"]].concat();
    let refused = Finished::of(Program::Coordinator, &subject.options(&options));
    assert!(matches!(refused.code, Some(1 | 65)), "{refused:?}");
    for checkpoint in checkpoints {
        assert!(refused.stderr.contains(&checkpoint.name()), "{}", refused.stderr);
    }
    assert_eq!(refused.stdout, "");
}

#[test]
fn another_configuration_is_refused_with_both_values() {
    let subject = Subject::usual();
    let (folder, _) = killed_run(&subject);
    let options = [&folder.resume()[..], &["--workers", "0", "--init", "he"]].concat();
    let refused = Finished::of(Program::Coordinator, &subject.options(&options));
    assert!(matches!(refused.code, Some(64 | 65)), "{refused:?}");
    for part in ["init", "he", "scaled"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(refused.stdout, "");
}

#[test]
fn a_coordinator_that_is_asked_to_end_leaves_a_checkpoint_and_a_model_and_can_be_resumed() {
    let subject = Subject::usual();
    for (name, code) in [("interrupted", 130), ("terminated", 143)] {
        let folder = RunFolder::of(&subject, name);
        let mut fleet = run_with_checkpoints(&subject, &folder, 1, &["--worker-timeout", NEVER]);
        let signal: fn(&Process) = if code == 130 {
            Process::interrupt
        } else {
            Process::terminate
        };
        fleet.release_brake();
        signal(&fleet.coordinator);
        let Fleet {
            coordinator, members, ..
        } = fleet;
        let coordinator = coordinator.finish().expect_code(code);
        for member in members {
            // Told that the run has ended, and not left to look for the coordinator.
            let worker = member.worker.finish().expect_code(2);
            assert!(worker.stderr.contains("the user stopped the run"), "{}", worker.stderr);
        }
        subject.check(&coordinator.stdout);
        assert_eq!(
            folder.newest().updates,
            iterations_in(&coordinator.stdout),
            "the checkpoint is of the last iteration"
        );
        let (model, data) = (folder.path().join("model.h5"), subject.folder.argument("data.h5"));
        let model = model.display().to_string();
        let predict = ["predict", "--model", &model, "--data", &data];
        Finished::of(Program::Coordinator, &predict).expect_code(0);
        resume_alone(&subject, &folder, &[coordinator.stdout]);
    }
}

#[test]
fn a_coordinator_whose_workers_are_silent_ends_at_the_second_signal_at_once() {
    let subject = Subject::usual();
    let folder = RunFolder::of(&subject, "run");
    // Nobody repeats what is late, so that the iteration cannot be completed without either of them.
    let steady = ["--workers", "2", "--even-shards", "--worker-timeout", NEVER];
    let options = [&folder.begin()[..], &steady].concat();
    let fleet = Fleet::braked(&subject, &options, &["a", "b"]);
    folder.wait_for_checkpoints(1, &fleet);
    let proxy = &fleet["a"].proxy;
    let sums = proxy.hold_after(Direction::Up, subject.parameter_bytes() / 4);
    proxy.wait_until("hold the rest of the sums", |facts| {
        facts.up.delivered == sums && facts.up.held > 0
    });
    for member in &fleet.members {
        member.proxy.silence();
    }
    // Two different ones: of two equal ones the system may deliver one.
    fleet.coordinator.interrupt();
    fleet.coordinator.terminate();
    let Fleet {
        coordinator,
        members: _silent_until_then,
        ..
    } = fleet;
    let ended = coordinator.finish();
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:?}");
    // At once: it does not evaluate and write the network, as it does at the end of the iteration, or after a second.
    assert!(!ended.stdout.contains("Parameters digest"), "{ended:?}");
    assert!(!folder.path().join("model.h5").exists());
    resume_alone(&subject, &folder, &[ended.stdout]);
}

#[test]
fn a_folder_that_cannot_be_written_during_the_run_is_warned_of_and_the_training_goes_on() {
    let subject = Subject::usual();
    let folder = RunFolder::of(&subject, "run");
    let fleet = run_with_checkpoints(&subject, &folder, 1, &["--worker-timeout", NEVER]);
    let mark = fleet.coordinator.stderr_mark();
    // A file in place of the folder: that stops even a privileged user. Meanwhile nobody must make the folder again.
    fleet.coordinator.stop();
    let checkpoints = folder.path().join("checkpoints");
    fs::rename(&checkpoints, folder.path().join("elsewhere")).unwrap();
    fs::write(&checkpoints, "").unwrap();
    fleet.coordinator.resume();
    let warning = fleet.coordinator.wait_for_stderr_since(mark, "WARN");
    assert!(warning.contains("checkpoint"), "{warning}");
    fleet.finish(&subject);
}
