//! A coordinator that ends before its run does, and another one that goes on with it: the result is, to the last bit, that
//! of an undisturbed run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::faults::subject::Shape;
use tests::faults::{Fleet, RunFolder, Subject};
use tests::processes::{Finished, Process};
use tests::programs::Program;

/// How long a coordinator may take to end when it is asked to.
const PROMPT: Duration = Duration::from_secs(2);

/// Resumes the run in `folder` without workers, and checks the result after `earlier` was printed.
#[track_caller]
fn resume_alone(subject: &Subject, folder: &RunFolder, earlier: &[String]) -> Finished {
    let options = [&folder.resume()[..], &["--workers", "0"]].concat();
    let coordinator = Finished::of(Program::Coordinator, &subject.options(&options)).expect_code(0);
    subject.check_resumed(earlier, &coordinator.stdout);
    coordinator
}

/// A braked run of three workers with at least `checkpoints` checkpoints.
fn run_with_checkpoints(subject: &Subject, folder: &RunFolder, checkpoints: usize) -> Fleet {
    let options = [&folder.begin()[..], &["--workers", "3"]].concat();
    let fleet = Fleet::braked(subject, &options, &["a", "b", "c"]);
    folder.wait_for_checkpoints(checkpoints, &fleet);
    fleet
}

/// The folder of a run whose processes were all killed, with three checkpoints, and what it had printed.
fn killed_run(subject: &Subject) -> (RunFolder, String) {
    let folder = RunFolder::of(subject, "run");
    let mut fleet = run_with_checkpoints(subject, &folder, 3);
    let printed = fleet.kill_coordinator();
    (folder, printed)
}

#[test]
fn a_killed_coordinator_is_resumed_and_its_workers_come_back_by_themselves() {
    let subject = Subject::usual();
    let folder = RunFolder::of(&subject, "run");
    let mut fleet = run_with_checkpoints(&subject, &folder, 1);
    let mut earlier = Vec::new();
    for times in 2..4 {
        earlier.push(fleet.kill_coordinator());
        for member in &fleet.members {
            member
                .worker
                .wait_for_stderr_times("lost the coordinator at ", times - 1);
        }
        fleet.start_another_coordinator(&subject, &[&folder.resume()[..], &["--workers", "3"]].concat());
        for member in &fleet.members {
            member.wait_until_joined(times);
        }
        let printed = folder.newest().updates;
        fleet.wait_for_iteration(printed + 7);
    }
    fleet.finish_resumed(&subject, &earlier);
}

#[test]
fn workers_of_a_killed_coordinator_keep_their_columns() {
    // Parameters are a small part of what is sent: 16 KB an iteration, where each worker has 400 KB of columns.
    let subject = Subject::of(Shape {
        columns: 600,
        features: 2000,
        hidden: Vec::new(),
        iterations: 150,
    });
    let folder = RunFolder::of(&subject, "run");
    let mut fleet = run_with_checkpoints(&subject, &folder, 1);
    let printed = fleet.kill_coordinator();
    let delivered = |fleet: &Fleet| -> u64 {
        let each = fleet.members.iter().map(|member| member.proxy.facts().down.delivered);
        each.sum()
    };
    let before = delivered(&fleet);
    assert!(
        before > subject.column_bytes(),
        "they got their columns: {before} bytes"
    );
    fleet.start_another_coordinator(&subject, &[&folder.resume()[..], &["--workers", "3"]].concat());
    fleet.coordinator.wait_for_stdout("Cost after iteration ");
    let again = delivered(&fleet) - before;
    assert!(again < subject.column_bytes() / 2, "{again} bytes were sent again");
    fleet.finish_resumed(&subject, &[printed]);
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
        let mut fleet = run_with_checkpoints(&subject, &folder, 1);
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
        let coordinator = coordinator.finish_within(PROMPT).expect_code(code);
        for member in members {
            // Told that the run has ended, and not left to look for the coordinator.
            let worker = member.worker.finish_within(PROMPT);
            assert_eq!(worker.signal, None, "{worker:?}");
        }
        let costs = coordinator
            .stdout
            .lines()
            .filter(|line| line.starts_with("Cost "))
            .count() as u64;
        assert_eq!(
            folder.newest().updates,
            costs,
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
    let options = [&folder.begin()[..], &["--workers", "2", "--worker-timeout", "10m"]].concat();
    let fleet = Fleet::braked(&subject, &options, &["a", "b"]);
    folder.wait_for_checkpoints(1, &fleet);
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
    let ended = coordinator.finish_within(PROMPT);
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:?}");
    resume_alone(&subject, &folder, &[ended.stdout]);
}

#[test]
fn a_folder_that_cannot_be_written_during_the_run_is_warned_of_and_the_training_goes_on() {
    let subject = Subject::usual();
    let folder = RunFolder::of(&subject, "run");
    let fleet = run_with_checkpoints(&subject, &folder, 1);
    let mark = fleet.coordinator.stderr_mark();
    // A file in place of the folder: that stops even a privileged user.
    let checkpoints = folder.path().join("checkpoints");
    fs::rename(&checkpoints, folder.path().join("elsewhere")).unwrap();
    fs::write(&checkpoints, "").unwrap();
    let warning = fleet.coordinator.wait_for_stderr_since(mark, "WARN");
    assert!(warning.contains("checkpoint"), "{warning}");
    fleet.finish(&subject);
}
