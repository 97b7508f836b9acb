//! A run goes on from its own checkpoints only.

use std::path::PathBuf;

use shared::{BlockColumns, Digest, ElementType, Initialisation, LayerSizes, Precision};

use super::{checkpoint, configuration};
use crate::checkpoint::{Configuration, Loaded};

/// A checkpoint after 40 of 100 iterations.
fn loaded() -> Loaded {
    Loaded {
        path: PathBuf::from("run/checkpoints/iteration-00000040.lockstep"),
        checkpoint: checkpoint(40),
        refused: Vec::new(),
    }
}

/// What is said to a run of `iterations` that computes `run`: error, hint, exit code.
fn refusal(run: &Configuration, iterations: u64) -> (String, String, u8) {
    let error = loaded().expect(run, iterations).unwrap_err();
    let message = error.to_string();
    let (path, differences) = message.split_once(": ").unwrap();
    assert_eq!(path, "run/checkpoints/iteration-00000040.lockstep");
    (differences.to_owned(), error.hint().unwrap(), error.exit_code())
}

fn changed(change: impl FnOnce(&mut Configuration)) -> Configuration {
    let mut run = configuration();
    change(&mut run);
    run
}

#[test]
fn the_same_configuration_goes_on_whether_iterations_are_left_or_not() {
    for iterations in [40, 41, 100, u64::MAX] {
        assert_eq!(loaded().expect(&configuration(), iterations), Ok(()));
    }
}

#[test]
fn every_option_that_changes_the_result_is_named_with_both_values() {
    let sizes = |hidden: &[usize]| LayerSizes::binary_classifier(3, hidden).unwrap();
    let cases = [
        (
            changed(|run| run.sizes = sizes(&[20, 7])),
            "found hidden 2, expected 20,7",
            "--hidden 2",
        ),
        (
            changed(|run| run.sizes = sizes(&[])),
            "found hidden 2, expected none",
            "--hidden 2",
        ),
        (
            changed(|run| run.initialisation = Initialisation::He),
            "found init scaled, expected he",
            "--init scaled",
        ),
        (changed(|run| run.seed = 8), "found seed 7, expected 8", "--seed 7"),
        (
            changed(|run| run.precision = Precision::F32),
            "found precision f64, expected f32",
            "--precision f64",
        ),
        (
            changed(|run| run.scale = 1.0),
            "found scale 0.00392156862745098, expected 1.0",
            "--scale 0.00392156862745098",
        ),
        (
            // The next number that f64 has.
            changed(|run| run.learning_rate = 0.0075_f64.next_up()),
            "found learning-rate 0.0075, expected 0.007500000000000001",
            "--learning-rate 0.0075",
        ),
        (
            changed(|run| run.block_columns = BlockColumns::new(8).unwrap()),
            "found block-columns 16, expected 8",
            "--block-columns 16",
        ),
    ];
    for (run, message, options) in cases {
        let hint = format!(
            "to go on from it, use {options}; to begin another run, use --out with another folder and no --resume"
        );
        assert_eq!(refusal(&run, 100), (message.to_owned(), hint, 64));
    }
}

#[test]
fn other_data_are_named_by_what_tells_most() {
    let digest = Digest::from_bytes([1; 32]);
    let (nine, one) = ("09".repeat(32), "01".repeat(32));
    let cases = [
        (
            changed(|run| run.data_digest = digest),
            format!("found data-digest blake3:{nine}, expected blake3:{one}"),
        ),
        (
            changed(|run| (run.data_digest, run.columns) = (digest, 210)),
            "found columns 209, expected 210".to_owned(),
        ),
        (
            changed(|run| (run.data_digest, run.element_type) = (digest, ElementType::F32)),
            "found element-type u8, expected f32".to_owned(),
        ),
        (
            changed(|run| {
                (run.data_digest, run.sizes) = (digest, LayerSizes::binary_classifier(4, &[2]).unwrap());
            }),
            "found features 3, expected 4".to_owned(),
        ),
    ];
    for (run, message) in cases {
        let hint = "go on with the data that the checkpoint was made from; to begin another run, use --out with \
                    another folder and no --resume";
        assert_eq!(refusal(&run, 100), (message, hint.to_owned(), 65));
    }
}

#[test]
fn all_differences_are_named_at_once() {
    let run = changed(|run| (run.seed, run.learning_rate) = (1, 0.01));
    let (message, hint, _) = refusal(&run, 39);
    assert_eq!(
        message,
        "found seed 7, expected 1; found learning-rate 0.0075, expected 0.01; found iterations 40, expected at most 39"
    );
    assert!(
        hint.starts_with("to go on from it, use --seed 7 --learning-rate 0.0075 --iterations 40; "),
        "{hint}"
    );
}

#[test]
fn fewer_iterations_than_were_made_cannot_be_had() {
    let (message, hint, code) = refusal(&configuration(), 39);
    assert_eq!(
        (message.as_str(), code),
        ("found iterations 40, expected at most 39", 64)
    );
    assert!(hint.starts_with("to go on from it, use --iterations 40; "), "{hint}");
}
