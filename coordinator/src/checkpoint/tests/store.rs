//! Checkpoints in a run's folder.

use std::fs;
use std::path::Path;

use shared::atomic_file::WriteError;

use super::{checkpoint, keeping};
use crate::checkpoint::{LoadError, Loaded, OccupiedError};

fn names_in(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn file(run: &Path, updates: u64) -> std::path::PathBuf {
    run.join(format!("checkpoints/iteration-{updates:08}.lockstep"))
}

/// The updates of the newest good checkpoint, and what was said about the ones passed over.
fn newest(run: &Path) -> (u64, Vec<String>) {
    let Loaded {
        path,
        checkpoint: loaded,
        refused,
    } = keeping(run, 3).load_newest().unwrap();
    assert_eq!(
        (&path, &loaded),
        (&file(run, loaded.updates()), &checkpoint(loaded.updates()))
    );
    (loaded.updates(), said(&refused, run))
}

fn said<T: ToString>(errors: &[T], run: &Path) -> Vec<String> {
    let folder = format!("{}/checkpoints/", run.display());
    errors
        .iter()
        .map(|error| error.to_string().replace(&folder, ""))
        .collect()
}

#[test]
fn a_checkpoint_is_one_whole_file_that_loads_again() {
    let run = tempfile::tempdir().unwrap();
    let run = &run.path().join("new");
    let saved = keeping(run, 3).save(&checkpoint(12)).unwrap();
    assert_eq!(saved.path, file(run, 12));
    assert!(saved.not_removed.is_empty());
    assert_eq!(names_in(run), ["iteration-00000012.lockstep"]);
    assert_eq!(fs::read(&saved.path).unwrap(), checkpoint(12).encode());
    assert_eq!(newest(run), (12, Vec::new()));
}

#[test]
fn only_the_newest_few_stay_and_nothing_that_is_not_a_checkpoint_goes() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    let others = [
        "notes.txt",
        "iteration-1.lockstep",
        "iteration-00000001.lockstep.old",
        ".iteration-00000001.lockstep",
    ];
    fs::create_dir(run.join("checkpoints")).unwrap();
    for name in others {
        fs::write(run.join("checkpoints").join(name), b"mine").unwrap();
    }
    for updates in 1..=5 {
        keeping(run, 3).save(&checkpoint(updates)).unwrap();
    }
    let own = |names: Vec<String>| -> Vec<String> {
        names
            .into_iter()
            .filter(|name| !others.contains(&name.as_str()))
            .collect()
    };
    let expected = [3, 4, 5].map(|updates| format!("iteration-{updates:08}.lockstep"));
    assert_eq!(own(names_in(run)), expected);
    keeping(run, 1).save(&checkpoint(6)).unwrap();
    assert_eq!(own(names_in(run)), ["iteration-00000006.lockstep"]);
    assert_eq!(names_in(run).len(), 1 + others.len());
}

#[test]
fn numbers_of_nine_digits_are_newer_than_those_of_eight() {
    let run = tempfile::tempdir().unwrap();
    let store = keeping(run.path(), 3);
    store.save(&checkpoint(9)).unwrap();
    fs::write(file(run.path(), 100_000_000), b"").unwrap();
    let (updates, refused) = newest(run.path());
    assert_eq!(updates, 9);
    assert_eq!(
        refused,
        ["iteration-100000000.lockstep: found only the first 0 bytes of a checkpoint"]
    );
}

#[test]
fn what_a_killed_process_left_half_written_is_removed_by_the_next_save() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    fs::create_dir(run.join("checkpoints")).unwrap();
    let stale = ".iteration-00000007.lockstep.123-0.tmp";
    let foreign = ".notes.txt.123-0.tmp";
    for name in [stale, foreign] {
        fs::write(run.join("checkpoints").join(name), b"half").unwrap();
    }
    assert!(matches!(keeping(run, 3).load_newest(), Err(LoadError::Nothing { .. })));
    keeping(run, 3).save(&checkpoint(8)).unwrap();
    assert_eq!(names_in(run), [foreign, "iteration-00000008.lockstep"]);
}

#[test]
fn a_bad_checkpoint_is_named_and_passed_over_for_the_one_before() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    for updates in 1..=6 {
        keeping(run, 6).save(&checkpoint(updates)).unwrap();
    }
    let mut flipped = checkpoint(6).encode();
    flipped[300] ^= 4;
    fs::write(file(run, 6), &flipped).unwrap();
    let torn = checkpoint(5).encode();
    fs::write(file(run, 5), &torn[..torn.len() - 100]).unwrap();
    fs::write(file(run, 4), b"iteration,cost\n").unwrap();
    fs::copy(file(run, 1), file(run, 3)).unwrap();
    let (updates, refused) = newest(run);
    assert_eq!(updates, 2);
    let content = &flipped[..flipped.len() - 32];
    assert_eq!(
        refused,
        [
            format!(
                "iteration-00000006.lockstep: found contents of digest blake3:{}, expected blake3:{} as the file says",
                blake3::hash(content),
                blake3::hash(&checkpoint(6).encode()[..content.len()])
            ),
            format!(
                "iteration-00000005.lockstep: found {} bytes, expected {} as the file says",
                torn.len() - 100,
                torn.len()
            ),
            "iteration-00000004.lockstep: found a file of another kind, expected a checkpoint".to_owned(),
            "iteration-00000003.lockstep: found a checkpoint of 1 iterations, expected 3 by its name".to_owned(),
        ]
    );
}

#[test]
fn a_bad_checkpoint_is_never_kept_in_place_of_a_good_one() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    fs::create_dir(run.join("checkpoints")).unwrap();
    fs::write(file(run, 9), b"torn").unwrap();
    for updates in [5, 7] {
        keeping(run, 1).save(&checkpoint(updates)).unwrap();
        assert_eq!(newest(run).0, updates);
    }
    // The run has come to where the bad one was.
    keeping(run, 1).save(&checkpoint(9)).unwrap();
    assert_eq!(names_in(run), ["iteration-00000009.lockstep"]);
    assert_eq!(newest(run), (9, Vec::new()));
}

#[test]
fn folders_and_unreadable_things_under_the_name_of_a_checkpoint_are_passed_over() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    keeping(run, 3).save(&checkpoint(1)).unwrap();
    fs::create_dir(file(run, 2)).unwrap();
    let (updates, refused) = newest(run);
    assert_eq!(updates, 1);
    assert_eq!(
        refused,
        ["iteration-00000002.lockstep: found something else than a file, expected a checkpoint"]
    );
}

#[cfg(unix)]
#[test]
fn a_broken_link_is_passed_over_and_another_one_followed() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    keeping(run, 3).save(&checkpoint(2)).unwrap();
    let elsewhere = run.join("elsewhere");
    fs::rename(file(run, 2), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, file(run, 2)).unwrap();
    std::os::unix::fs::symlink(run.join("nowhere"), file(run, 3)).unwrap();
    let (updates, refused) = newest(run);
    assert_eq!(updates, 2);
    assert_eq!(
        refused,
        ["iteration-00000003.lockstep: cannot be read: No such file or directory (os error 2)"]
    );
}

#[test]
fn a_folder_without_a_good_checkpoint_is_an_error_that_says_so() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    let error = || keeping(run, 3).load_newest().unwrap_err();
    let nothing = "found no checkpoints in checkpoints, expected at least 1";
    let text = |error: &LoadError| error.to_string().replace(&format!("{}/", run.display()), "");
    assert_eq!(text(&error()), nothing);
    fs::create_dir(run.join("checkpoints")).unwrap();
    assert_eq!(text(&error()), nothing);
    assert!(error().hint().unwrap().starts_with("--resume names the --out folder"));
    fs::write(file(run, 1), b"").unwrap();
    assert_eq!(
        text(&error()),
        "found 1 checkpoint in checkpoints but none that can be used"
    );
    fs::write(file(run, 2), b"x").unwrap();
    assert_eq!(
        text(&error()),
        "found 2 checkpoints in checkpoints but none that can be used"
    );
    assert_eq!(
        said(error().refused(), run),
        [
            "iteration-00000002.lockstep: found a file of another kind, expected a checkpoint",
            "iteration-00000001.lockstep: found only the first 0 bytes of a checkpoint"
        ]
    );
    assert_eq!(error().exit_code(), 65);
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    fs::write(run.join("checkpoints"), b"").unwrap();
    assert_eq!(
        text(&error()),
        "found no checkpoints in checkpoints, expected at least 1"
    );
}

#[test]
fn a_save_that_fails_leaves_nothing_behind_and_the_next_one_succeeds() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    for updates in 1..=3 {
        keeping(run, 3).save(&checkpoint(updates)).unwrap();
    }
    // The file can be written, but not be put in its place: as late as a failure can come.
    fs::create_dir(file(run, 4)).unwrap();
    let before = names_in(run);
    let error = keeping(run, 3).save(&checkpoint(4)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: cannot be written: Is a directory (os error 21)",
            file(run, 4).display()
        )
    );
    assert_eq!(names_in(run), before);
    fs::remove_dir(file(run, 4)).unwrap();
    keeping(run, 3).save(&checkpoint(4)).unwrap();
    assert_eq!(newest(run), (4, Vec::new()));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_and_may_be_mended_meanwhile() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    fs::write(run.join("checkpoints"), b"in the way").unwrap();
    let error = keeping(run, 3).save(&checkpoint(1)).unwrap_err();
    assert!(matches!(error, WriteError::Refused { .. }), "{error}");
    fs::remove_file(run.join("checkpoints")).unwrap();
    keeping(run, 3).save(&checkpoint(1)).unwrap();
    assert_eq!(newest(run), (1, Vec::new()));
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    keeping(run, 3).save(&checkpoint(2)).unwrap();
    assert_eq!(newest(run), (2, Vec::new()));
}

#[test]
fn what_cannot_be_removed_is_told_and_the_save_has_succeeded() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    fs::create_dir_all(file(run, 1)).unwrap();
    let saved = keeping(run, 1).save(&checkpoint(2)).unwrap();
    assert_eq!(
        said(&saved.not_removed, run),
        ["iteration-00000001.lockstep: cannot be removed: Is a directory (os error 21)"]
    );
    assert_eq!(newest(run), (2, Vec::new()));
}

#[test]
fn a_new_run_takes_the_place_of_a_finished_one() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    keeping(run, 3).begin_anew().unwrap();
    for updates in [99, 100] {
        keeping(run, 3).save(&checkpoint(updates)).unwrap();
    }
    keeping(run, 3).begin_anew().unwrap();
    assert_eq!(names_in(run), Vec::<String>::new());
    keeping(run, 3).save(&checkpoint(1)).unwrap();
    assert_eq!(newest(run), (1, Vec::new()));
}

#[test]
fn a_new_run_does_not_take_the_place_of_an_unfinished_one() {
    let run = tempfile::tempdir().unwrap();
    let run = run.path();
    keeping(run, 3).save(&checkpoint(99)).unwrap();
    let error = keeping(run, 3).begin_anew().unwrap_err();
    let shown = run.display();
    assert_eq!(
        error.to_string(),
        format!(
            "found {}, a checkpoint of another run after 99 of its 100 iterations, expected none of an unfinished run",
            file(run, 99).display()
        )
    );
    assert_eq!(
        error.hint().unwrap(),
        format!(
            "to go on with that run, use --resume {shown}; to begin a new run, choose another folder with --out, or \
             remove {shown}/checkpoints"
        )
    );
    fs::write(file(run, 99), b"torn").unwrap();
    let error = keeping(run, 3).begin_anew().unwrap_err();
    assert!(
        matches!(error, OccupiedError::Unknown(LoadError::NoneGood { .. })),
        "{error}"
    );
    assert_eq!(names_in(run), ["iteration-00000099.lockstep"]);
}
