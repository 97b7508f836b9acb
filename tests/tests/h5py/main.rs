//! What the programs write, read by h5py: the model alone gives the accuracies that the run printed.
//!
//! `scripts/setup` installs h5py beside its interpreter, `.tools/bin/python`; without it these tests skip.

use std::path::PathBuf;
use std::process::Command;

use tests::data::Folder;
use tests::processes::{Finished, while_nothing_else_starts};
use tests::programs::Program;
use tests::results::Results;

/// Recomputes the predictions of `test.h5` from W and b in `model.h5`, and prints the accuracy and the digest.
const RECOMPUTE: &str = include_str!("recompute.py");

fn python() -> Option<PathBuf> {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/python");
    if !python.is_file() {
        eprintln!("skipped: found no .tools/bin/python; `scripts/setup` installs it with h5py");
        return None;
    }
    Some(python)
}

#[test]
fn h5py_recomputes_the_test_accuracy_from_the_model_file_alone() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let (data, out) = (folder.argument("data"), folder.argument("out"));
    Finished::of(Program::Coordinator, &["demo-data", &data]).expect_code(0);
    let (train, test) = (format!("{data}/train.h5"), format!("{data}/test.h5"));
    let arguments = [
        "--workers",
        "0",
        "--iterations",
        "60",
        "--train",
        &train,
        "--test",
        &test,
        "--out",
        &out,
    ];
    let run = Finished::of(Program::Coordinator, &arguments).expect_code(0);
    let results = Results::parse(&run.stdout);
    let model = format!("{out}/model.h5");
    let output = while_nothing_else_starts(|| Command::new(python).args(["-c", RECOMPUTE, &model, &test]).output());
    let output = output.expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = format!(
        "{:?}\n{}\n",
        results.test_accuracy.expect("there are test data"),
        results.digest
    );
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}
