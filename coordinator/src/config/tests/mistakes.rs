//! Every mistake gives its full message and exit code 64.

use super::{mistakes, mistakes_from};

const WHOLE: &str = "a whole number of at least 1";
const LAYERS: &str = "layer sizes of at least 1, separated by commas, or `none`";
const ADDRESS: &str = "an address and a port, such as `127.0.0.1:50051`, `[::1]:50051` or `localhost:50051`";
const SCALE: &str = "`auto`, `none`, or a finite factor above 0 such as `0.5` or `1/255`";
const RATE: &str = "a finite number above 0";
const TIME: &str = "a duration from 100ms to 8760h, such as `500ms`, `30s`, `5m` or `1h`";
const EVERY: &str =
    "a number of iterations such as `100`, or a duration such as `500ms`, `30s`, `5m` or `1h`, both above 0";

/// A setting, a wrong value, and what was expected.
const WRONG_VALUES: [(&str, &str, &str); 50] = [
    ("workers", "-1", "a whole number from 0 to 1024"),
    ("workers", "1025", "a whole number from 0 to 1024"),
    ("workers", "two", "a whole number from 0 to 1024"),
    ("min-workers", "0", "a whole number from 1 to 1024"),
    ("min-workers", "1025", "a whole number from 1 to 1024"),
    ("listen", "127.0.0.1", ADDRESS),
    ("listen", "127.0.0.1:65536", ADDRESS),
    ("listen", "::1:50051", ADDRESS),
    ("listen", "example.org:50051", ADDRESS),
    ("listen", "localhost:", ADDRESS),
    ("threads", "0", "a whole number from 1 to 1024"),
    ("threads", "1025", "a whole number from 1 to 1024"),
    ("worker-timeout", "99ms", TIME),
    ("worker-timeout", "0s", TIME),
    ("worker-timeout", "5", TIME),
    ("worker-timeout", "5 s", TIME),
    ("worker-timeout", "8761h", TIME),
    ("audit", "-0.1", "a number from 0 to 1"),
    ("audit", "1.1", "a number from 0 to 1"),
    ("audit", "nan", "a number from 0 to 1"),
    ("audit", "10%", "a number from 0 to 1"),
    ("scale", "0", SCALE),
    ("scale", "-1", SCALE),
    ("scale", "inf", SCALE),
    ("scale", "1/0", SCALE),
    ("hidden", "20,0", LAYERS),
    ("hidden", "20,,5", LAYERS),
    ("hidden", "20;7", LAYERS),
    ("hidden", "1.5", LAYERS),
    ("hidden", "None", LAYERS),
    ("init", "xavier", "`small`, `scaled` or `he`"),
    ("seed", "-1", "a whole number from 0 to 4294967295"),
    ("seed", "4294967296", "a whole number from 0 to 4294967295"),
    ("precision", "f16", "`f64`, `mixed` or `f32`"),
    ("learning-rate", "0", RATE),
    ("learning-rate", "-1", RATE),
    ("learning-rate", "nan", RATE),
    ("learning-rate", "inf", RATE),
    ("learning-rate", "1e999", RATE),
    ("iterations", "0", WHOLE),
    ("iterations", "2.5", WHOLE),
    ("iterations", "18446744073709551616", WHOLE),
    ("block-columns", "7", "a whole number of at least 8"),
    ("checkpoint-every", "0", EVERY),
    ("checkpoint-every", "0s", EVERY),
    ("checkpoint-every", "-1", EVERY),
    ("checkpoint-every", "2.5", EVERY),
    ("checkpoint-every", "never", EVERY),
    ("keep-checkpoints", "0", "a whole number from 1 to 1000000"),
    ("print-every", "0", WHOLE),
];

#[test]
fn a_wrong_value_is_reported_with_what_was_expected() {
    for (name, value, expected) in WRONG_VALUES {
        assert_eq!(
            mistakes(&[&format!("--{name}"), value]),
            format!("error: --{name}: found `{value}`, expected {expected}\n")
        );
        assert_eq!(
            mistakes_from(&format!("{name} = '{value}'"), &[]),
            format!("error: {name} (FILE): found `{value}`, expected {expected}\n")
        );
    }
}

#[test]
fn an_empty_value_is_never_taken_for_none() {
    for (name, expected) in [
        ("hidden", "layer sizes of at least 1, separated by commas, or `none`"),
        ("train", "the path of an HDF5 file"),
        ("test", "the path of an HDF5 file"),
        ("x-name", "the name of a dataset in the file"),
        ("out", "the path of a folder"),
        ("resume", "the path of a run's --out folder"),
        ("config", "the path of a TOML file"),
    ] {
        assert_eq!(
            mistakes(&[&format!("--{name}"), ""]),
            format!("error: --{name}: found an empty value, expected {expected}\n")
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_help() {
    let file = "hidden = '20,0'\nprecision = 64\nlearning_rate = 1\nbatch = 32";
    let typed = ["--learning-rate", "-1", "--workers", "0", "--spawn", "--test", "t.h5"];
    assert_eq!(
        mistakes_from(file, &typed),
        "error: 7 mistakes in the configuration
  learning_rate (FILE): found an unknown key, expected the name of a long option
  batch (FILE): found an unknown key, expected the name of a long option
  --spawn: found --workers to be 0, expected at least 1 worker to start
  --test: found no --train, expected both or neither
  hidden (FILE): found `20,0`, expected layer sizes of at least 1, separated by commas, or `none`
  precision (FILE): found an integer `64`, expected `f64`, `mixed` or `f32`
  --learning-rate: found `-1`, expected a finite number above 0
hint: did you mean `learning-rate`?
hint: the keys are the long options without their dashes; `--help` lists them
hint: `--workers 0` trains in this process; to start workers, say how many
hint: without `--train` the built-in images are used, which bring their own test images and names
"
    );
}

/// A configuration file, a command line, and the message.
const CONTRADICTIONS: [(&str, &[&str], &str); 11] = [
    (
        "",
        &["--spawn", "--workers", "0"],
        "error: --spawn: found --workers to be 0, expected at least 1 worker to start\n\
         hint: `--workers 0` trains in this process; to start workers, say how many\n",
    ),
    (
        "spawn = true\nworkers = 4",
        &["--workers", "0"],
        "error: spawn (FILE): found --workers to be 0, expected at least 1 worker to start\n\
         hint: `--workers 0` trains in this process; to start workers, say how many\n",
    ),
    (
        "workers = 0",
        &["--spawn"],
        "error: --spawn: found workers (FILE) to be 0, expected at least 1 worker to start\n\
         hint: `--workers 0` trains in this process; to start workers, say how many\n",
    ),
    (
        "",
        &["--workers", "2", "--threads", "4"],
        "error: --threads: found no --spawn and no --workers 0, expected one of the two\n\
         hint: `--threads` is also an option of the worker; give it to each worker that you start\n",
    ),
    (
        "",
        &["--min-workers", "2"],
        "error: --min-workers: found 2, but --workers to be 1, expected at most 1\n",
    ),
    (
        "workers = 4\nmin-workers = 5",
        &[],
        "error: min-workers (FILE): found 5, but workers (FILE) to be 4, expected at most 4\n",
    ),
    (
        "",
        &["--workers", "2", "--min-workers", "3", "--threads", "4"],
        "error: 2 mistakes in the configuration\n  \
         --threads: found no --spawn and no --workers 0, expected one of the two\n  \
         --min-workers: found 3, but --workers to be 2, expected at most 2\n\
         hint: `--threads` is also an option of the worker; give it to each worker that you start\n",
    ),
    (
        "",
        &["--test", "t.h5"],
        "error: --test: found no --train, expected both or neither\n\
         hint: without `--train` the built-in images are used, which bring their own test images and names\n",
    ),
    (
        "y-name = 'y'",
        &["--x-name", "x"],
        "error: 2 mistakes in the configuration\n  --x-name: found no --train, expected both or neither\n  \
             y-name (FILE): found no --train, expected both or neither\n\
             hint: without `--train` the built-in images are used, which bring their own test images and names\n",
    ),
    (
        "",
        &["--precision", "f32", "--learning-rate", "1e-60", "--scale", "1e39"],
        "error: 2 mistakes in the configuration\n  \
         --scale: found `1e39`, expected a number that f32 can hold, from 1e-45 to 3.4e38\n  \
         --learning-rate: found `1e-60`, expected a number that f32 can hold, from 1e-45 to 3.4e38\n",
    ),
    (
        "",
        &["--hidden", "1099511627776"],
        "error: --hidden: found `1099511627776`, expected layers with at most 1099511627776 parameters together\n",
    ),
];

#[test]
fn settings_that_contradict_each_other_are_mistakes() {
    for (file, arguments, message) in CONTRADICTIONS {
        assert_eq!(mistakes_from(file, arguments), message);
    }
}

#[test]
fn one_mistake_is_not_reported_a_second_time_as_a_contradiction() {
    assert_eq!(
        mistakes(&["--workers", "x", "--spawn", "--threads", "4"]),
        "error: --workers: found `x`, expected a whole number from 0 to 1024\n"
    );
    assert_eq!(
        mistakes(&["--train", "", "--test", "t.h5"]),
        "error: --train: found an empty value, expected the path of an HDF5 file\n"
    );
    let message = mistakes_from("train = 'a.h5", &["--test", "t.h5", "--threads", "2", "--seed", "x"]);
    assert_eq!(
        message,
        "error: 2 mistakes in the configuration\n  \
         FILE:1:14: invalid literal string, expected `'`\n  \
         --seed: found `x`, expected a whole number from 0 to 4294967295\n"
    );
}

#[test]
fn predictions_need_a_model_and_data_and_overwrite_neither() {
    assert_eq!(
        mistakes(&["predict", "--out", "a.txt", "--y-name", ""]),
        "error: 4 mistakes in the configuration
  --model: found nothing, expected the path of a model file, such as `run/model.h5`
  --data: found nothing, expected the path of an HDF5 file
  --y-name: found an empty value, expected the name of a dataset in the file
  --out: found `a.txt`, expected a file whose name ends in `.h5`, `.hdf5` or `.csv`
"
    );
    let predict: &[&str] = &["predict", "--model", "m.h5", "--data", "d.h5"];
    for (outputs, message) in [
        (
            &["--out", "./d.h5"][..],
            "--out: found the same file as --data, expected a file of its own",
        ),
        (
            &["--out", "m.h5", "--report", "r.html"],
            "--out: found the same file as --model, expected a file of its own",
        ),
        (
            &["--out", "p.csv", "--report", "p.csv"],
            "--report: found the same file as --out, expected a file of its own",
        ),
        (
            &["--out", "p.csv", "--report", "d.h5"],
            "--report: found the same file as --data, expected a file of its own",
        ),
    ] {
        assert_eq!(mistakes(&[predict, outputs].concat()), format!("error: {message}\n"));
    }
    assert_eq!(
        mistakes(&["predict", "--modle", "m.h5"]),
        "error: found `--modle`, expected an option of this command\nhint: did you mean `--model`?\n"
    );
}

#[test]
fn words_that_fit_nowhere_are_reported_in_the_same_form() {
    let usage = "hint: `--help` shows how this command is used";
    let cases: [(&[&str], &str, &str); 9] = [
        (
            &["--lerning-rate", "1"],
            "found `--lerning-rate`, expected an option of this command",
            "hint: did you mean `--learning-rate`?",
        ),
        (
            &["predcit"],
            "found `predcit`, expected an option or a subcommand",
            "hint: did you mean `predict`?",
        ),
        (
            &["train.h5"],
            "found `train.h5`, expected an option or a subcommand",
            usage,
        ),
        (&["--train"], "--train <FILE>: found nothing, expected a value", usage),
        (
            &["--seed", "1", "--seed", "2"],
            "--seed <N>: found it twice, expected it once",
            usage,
        ),
        (
            &["--seed", "1", "predict"],
            "predict: found --seed <N> before it, expected options only behind it",
            usage,
        ),
        (&["demo-data"], "found no <DIR>, expected one", usage),
        (&["demo-data", ""], "<DIR>: found nothing, expected a value", usage),
        (
            &["completions", "tcsh"],
            "<SHELL>: found `tcsh`, expected one of bash, elvish, fish, powershell, zsh",
            "hint: did you mean `zsh`?",
        ),
    ];
    for (arguments, message, hint) in cases {
        assert_eq!(mistakes(arguments), format!("error: {message}\n{hint}\n"));
    }
}
