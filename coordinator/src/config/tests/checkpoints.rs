//! Where a run's outputs and checkpoints go, and where it begins.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use super::{mistakes, mistakes_from, train, train_from};
use crate::checkpoint::CheckpointEvery;
use crate::config::CheckpointConfig;

fn defaults_in(folder: &str) -> CheckpointConfig {
    CheckpointConfig {
        run_folder: folder.into(),
        every: CheckpointEvery::Time(Duration::from_secs(30)),
        keep: NonZeroUsize::new(3).unwrap(),
        resume: false,
    }
}

#[test]
fn a_run_with_a_folder_writes_checkpoints_and_one_without_writes_none() {
    assert_eq!(train(&["--out", "run"]).checkpoints, Some(defaults_in("run")));
    assert_eq!(train(&[]).checkpoints, None);
}

#[test]
fn how_often_is_a_number_of_iterations_or_a_time() {
    let every = |content, arguments: &[&str]| train_from(content, &[arguments, &["--out", "run"]].concat()).checkpoints;
    let hundred = Some(CheckpointConfig {
        every: CheckpointEvery::Iterations(NonZeroU64::new(100).unwrap()),
        ..defaults_in("run")
    });
    assert_eq!(every("", &["--checkpoint-every", "100"]), hundred);
    assert_eq!(every("checkpoint-every = 100", &[]), hundred);
    assert_eq!(
        every("checkpoint-every = '5m'", &["--checkpoint-every", "100"]),
        hundred
    );
    let keeps_one = CheckpointConfig {
        every: CheckpointEvery::Time(Duration::from_millis(1500)),
        keep: NonZeroUsize::MIN,
        ..defaults_in("run")
    };
    assert_eq!(
        every("checkpoint-every = '1500ms'\nkeep-checkpoints = 1", &[]),
        Some(keeps_one)
    );
}

#[test]
fn a_run_that_is_resumed_goes_on_in_its_own_folder() {
    let resumed = CheckpointConfig {
        resume: true,
        ..defaults_in("run")
    };
    let cases: [(&str, &[&str]); 4] = [
        ("", &["--resume", "run"]),
        ("", &["--resume", "run", "--out", "./run/"]),
        ("out = 'run'", &["--resume", "run"]),
        ("resume = 'run'", &[]),
    ];
    for (content, arguments) in cases {
        let config = train_from(content, arguments);
        assert_eq!(config.out, Some("run".into()), "{content} {arguments:?}");
        assert_eq!(config.checkpoints, Some(resumed.clone()), "{content} {arguments:?}");
    }
}

#[test]
fn a_run_that_is_resumed_cannot_go_on_in_another_folder() {
    let hint = "hint: a run that is resumed goes on in its own folder; copy the folder to keep it as it is\n";
    assert_eq!(
        mistakes(&["--resume", "run", "--out", "other"]),
        format!("error: --resume: found --out to be `other`, expected `run` there too, or nothing\n{hint}")
    );
    assert_eq!(
        mistakes_from("out = 'other'", &["--resume", "run"]),
        format!("error: --resume: found out (FILE) to be `other`, expected `run` there too, or nothing\n{hint}")
    );
}

#[test]
fn checkpoints_need_a_folder() {
    let hint = "hint: checkpoints are written into the run's folder, so it needs one\n";
    assert_eq!(
        mistakes(&["--checkpoint-every", "100"]),
        format!("error: --checkpoint-every: found no --out and no --resume, expected one of the two\n{hint}")
    );
    assert_eq!(
        mistakes_from("keep-checkpoints = 5", &["--checkpoint-every", "1m", "--workers", "0"]),
        format!(
            "error: 2 mistakes in the configuration\n  \
             --checkpoint-every: found no --out and no --resume, expected one of the two\n  \
             keep-checkpoints (FILE): found no --out and no --resume, expected one of the two\n{hint}"
        )
    );
}

#[test]
fn every_mistake_about_outputs_is_reported_once() {
    let every =
        "a number of iterations such as `100`, or a duration such as `500ms`, `30s`, `5m` or `1h`, both above 0";
    assert_eq!(
        mistakes(&[
            "--out",
            "",
            "--checkpoint-every",
            "0",
            "--keep-checkpoints",
            "0",
            "--resume",
            "run"
        ]),
        format!(
            "error: 3 mistakes in the configuration\n  \
             --out: found an empty value, expected the path of a folder\n  \
             --checkpoint-every: found `0`, expected {every}\n  \
             --keep-checkpoints: found `0`, expected a whole number from 1 to 1000000\n"
        )
    );
}
