mod access;
mod checkpoints;
mod help;
mod mistakes;
mod plan;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use security::{CertificateFiles, ServerTls};
use settings::{EXIT_USAGE, Exit, Stream, Verbosity};
use shared::dataset::NameChoice;
use shared::{BlockColumns, Initialisation, Precision, ScaleChoice};

use super::*;
use crate::access::Access;
use crate::checkpoint::CheckpointEvery;

/// What `coordinator` does with `arguments`.
fn run(arguments: &[&str]) -> Result<Command, Exit> {
    parse(
        std::iter::once("coordinator")
            .chain(arguments.iter().copied())
            .map(OsString::from),
        None,
    )
}

/// The training run that `arguments` ask for.
fn train(arguments: &[&str]) -> TrainConfig {
    match run(arguments) {
        Ok(Command::Train(config)) => *config,
        other => panic!("no training run: {other:?}"),
    }
}

/// The same with a configuration file that holds `content`.
fn train_from(content: &str, arguments: &[&str]) -> TrainConfig {
    let file = file_with(content);
    train(&[arguments, &["--config", file.path().to_str().unwrap()]].concat())
}

/// What is printed about the mistakes in `arguments`.
fn mistakes(arguments: &[&str]) -> String {
    match run(arguments) {
        Err(Exit {
            text,
            stream: Stream::Err,
            code: EXIT_USAGE,
        }) => text,
        other => panic!("no mistake: {other:?}"),
    }
}

/// The same with a configuration file that holds `content`; messages call the file `FILE`.
fn mistakes_from(content: &str, arguments: &[&str]) -> String {
    let file = file_with(content);
    let path = file.path().to_str().unwrap();
    mistakes(&[arguments, &["--config", path]].concat()).replace(path, "FILE")
}

fn file_with(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn defaults() -> TrainConfig {
    TrainConfig {
        fleet: Fleet::Remote {
            workers: NonZeroUsize::MIN,
            min_workers: NonZeroUsize::MIN,
            listen: "127.0.0.1:50051".parse().unwrap(),
            spawn: None,
            worker_timeout: Duration::from_secs(5),
            audit: 0.0,
            even_shards: false,
        },
        access: Access::default(),
        data: TrainingData::BuiltIn,
        scale: ScaleChoice::Auto,
        hidden: vec![20, 7, 5],
        initialisation: Initialisation::Scaled,
        seed: 1,
        learning_rate: 0.0075,
        iterations: 2500,
        precision: Precision::F64,
        print_every: 100,
        block_columns: None,
        out: None,
        checkpoints: None,
        verbosity: Verbosity::Normal,
    }
}

#[test]
fn every_default_is_as_documented() {
    assert_eq!(train(&[]), defaults());
    assert_eq!(train_from("", &[]), defaults());
}

/// Every option of training, none at its default.
const ALL_TYPED: &str = "--workers 4 --min-workers 3 --worker-timeout 500ms --audit 0.25 --even-shards --listen [::1]:0 \
    --spawn --threads 2     --tls-cert c.pem --tls-key k.pem --tls-ca ca.pem --train train.h5 --test test.h5 --x-name images/x \
    --y-name kinds --scale 1/255 --hidden 7 --init small --seed 4294967295 --precision f32 \
    --learning-rate 1e-3 --iterations 10 --block-columns 8 --out run --resume run \
    --checkpoint-every 5m --keep-checkpoints 7 --print-every 5 -v";

/// The same in a file.
const ALL_WRITTEN: &str = "
    workers = 4
    min-workers = 3
    listen = '[::1]:0'
    spawn = true
    threads = 2
    tls-cert = 'c.pem'
    tls-key = 'k.pem'
    tls-ca = 'ca.pem'
    worker-timeout = '500ms'
    audit = 0.25
    even-shards = true
    train = 'train.h5'
    test = 'test.h5'
    x-name = 'images/x'
    y-name = 'kinds'
    scale = '1/255'
    hidden = [7]
    init = 'small'
    seed = 4294967295
    precision = 'f32'
    learning-rate = 1e-3
    iterations = 10
    block-columns = 8
    out = 'run'
    checkpoint-every = '5m'
    keep-checkpoints = 7
    resume = 'run'
    print-every = 5
    verbose = 1";

/// What they mean.
fn all_set() -> TrainConfig {
    TrainConfig {
        fleet: Fleet::Remote {
            workers: NonZeroUsize::new(4).unwrap(),
            min_workers: NonZeroUsize::new(3).unwrap(),
            listen: "[::1]:0".parse().unwrap(),
            spawn: Some(SpawnConfig {
                threads: NonZeroUsize::new(2),
            }),
            worker_timeout: Duration::from_millis(500),
            audit: 0.25,
            even_shards: true,
        },
        access: Access {
            tls: Some(ServerTls {
                own: CertificateFiles {
                    certificate: "c.pem".into(),
                    key: "k.pem".into(),
                },
                ca: Some("ca.pem".into()),
            }),
            token: None,
        },
        data: TrainingData::Files {
            train: "train.h5".into(),
            test: Some("test.h5".into()),
            names: NameChoice {
                x: Some("images/x".to_owned()),
                y: Some("kinds".to_owned()),
            },
        },
        scale: ScaleChoice::Factor(1.0 / 255.0),
        hidden: vec![7],
        initialisation: Initialisation::Small,
        seed: u32::MAX,
        learning_rate: 1e-3,
        iterations: 10,
        precision: Precision::F32,
        print_every: 5,
        block_columns: BlockColumns::new(8),
        out: Some("run".into()),
        checkpoints: Some(CheckpointConfig {
            run_folder: "run".into(),
            every: CheckpointEvery::Time(Duration::from_secs(300)),
            keep: NonZeroUsize::new(7).unwrap(),
            resume: true,
        }),
        verbosity: Verbosity::Verbose,
    }
}

#[test]
fn every_option_of_training_reaches_its_field() {
    assert_eq!(train(&ALL_TYPED.split_whitespace().collect::<Vec<_>>()), all_set());
    assert_eq!(train_from(ALL_WRITTEN, &[]), all_set());
}

#[test]
fn the_command_line_wins_setting_by_setting() {
    let file = "workers = 4\nspawn = true\nlearning-rate = 0.5\nhidden = [3]\nseed = 7\nquiet = true";
    let expected = TrainConfig {
        fleet: Fleet::InProcess { threads: None },
        hidden: Vec::new(),
        learning_rate: 0.5,
        seed: 8,
        verbosity: Verbosity::Everything,
        ..defaults()
    };
    let typed = ["--workers", "0", "--no-spawn", "--hidden", "none", "--seed", "8", "-vv"];
    assert_eq!(train_from(file, &typed), expected);
}

#[test]
fn addresses_to_listen_on_are_ipv4_ipv6_or_localhost() {
    for (text, address) in [
        ("0.0.0.0:50051", "0.0.0.0:50051"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("[::]:65535", "[::]:65535"),
        ("localhost:7", "127.0.0.1:7"),
    ] {
        match train(&["--listen", text, "--insecure"]).fleet {
            Fleet::Remote { listen, .. } => assert_eq!(listen, address.parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn threads_are_those_of_this_process_or_of_each_spawned_worker() {
    let threads = NonZeroUsize::new(3);
    assert_eq!(
        train(&["--workers", "0", "--threads", "3"]).fleet,
        Fleet::InProcess { threads }
    );
    let spawned = train(&["--workers", "2", "--spawn", "--threads", "3"]).fleet;
    assert!(matches!(spawned, Fleet::Remote { spawn: Some(config), .. } if config.threads == threads));
}

#[test]
fn spawned_workers_share_the_cores_and_each_has_at_least_one() {
    let number = |n| NonZeroUsize::new(n).unwrap();
    let shared = SpawnConfig { threads: None };
    for (cores, workers, threads) in [(8, 2, 4), (8, 3, 2), (2, 4, 1), (1, 1, 1)] {
        assert_eq!(shared.threads_of_each(number(cores), number(workers)), number(threads));
    }
    let fixed = SpawnConfig {
        threads: Some(number(5)),
    };
    assert_eq!(fixed.threads_of_each(number(2), number(4)), number(5));
}

#[test]
fn what_only_a_fleet_needs_is_checked_and_then_of_no_use_without_one() {
    let typed = [
        "--workers",
        "0",
        "--min-workers",
        "4",
        "--worker-timeout",
        "1m",
        "--audit",
        "1",
    ];
    assert_eq!(train(&typed).fleet, Fleet::InProcess { threads: None });
}

#[test]
fn a_fleet_may_shrink_to_one_worker_or_not_at_all_and_be_audited_wholly() {
    for (text, expected) in [("1", 1), ("4", 4)] {
        match train(&["--workers", "4", "--min-workers", text, "--audit", "1.0"]).fleet {
            Fleet::Remote { min_workers, audit, .. } => assert_eq!((min_workers.get(), audit), (expected, 1.0)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lists_may_have_blanks_and_numbers_may_be_small_or_large() {
    assert_eq!(train(&["--hidden", " 20, 7 "]).hidden, [20, 7]);
    assert_eq!(train(&["--learning-rate", "5e-324"]).learning_rate, 5e-324);
    assert_eq!(train(&["--iterations", "18446744073709551615"]).iterations, u64::MAX);
    assert_eq!(train(&["--scale", "none"]).scale, ScaleChoice::None);
    assert_eq!(train(&["--scale", "255"]).scale, ScaleChoice::Factor(255.0));
    assert_eq!(train_from("scale = 0.5", &[]).scale, ScaleChoice::Factor(0.5));
    assert_eq!(train_from("hidden = 'none'", &[]).hidden, []);
}

#[test]
fn predictions_are_written_in_the_format_that_the_name_ends_with() {
    let base = ["predict", "--model", "m.h5", "--data", "d.h5"];
    let predict = |more: &[&str]| match run(&[&base, more].concat()) {
        Ok(Command::Predict(config)) => config,
        other => panic!("no prediction: {other:?}"),
    };
    let plain = PredictConfig {
        model: "m.h5".into(),
        data: "d.h5".into(),
        names: NameChoice::default(),
        out: None,
        report: None,
        verbosity: Verbosity::Normal,
    };
    assert_eq!(predict(&[]), plain);
    for (name, file) in [
        ("a.h5", PredictionFile::Hdf5("a.h5".into())),
        ("a.HDF5", PredictionFile::Hdf5("a.HDF5".into())),
        ("b/a.csv", PredictionFile::Csv("b/a.csv".into())),
    ] {
        assert_eq!(file.path(), Path::new(name));
        assert_eq!(predict(&["--out", name]).out, Some(file));
    }
    let all = predict(&["--x-name", "a", "--y-name", "b", "--report", "r.html", "-q"]);
    let expected = PredictConfig {
        names: NameChoice {
            x: Some("a".to_owned()),
            y: Some("b".to_owned()),
        },
        report: Some("r.html".into()),
        verbosity: Verbosity::Quiet,
        ..plain
    };
    assert_eq!(all, expected);
    let file = file_with("model = 'm.h5'\ndata = 'd.h5'\nx-name = 'a'\ny-name = 'b'\nreport = 'r.html'\nquiet = true");
    let written = run(&["predict", "--config", file.path().to_str().unwrap()]).unwrap();
    assert_eq!(written, Command::Predict(expected));
}

#[test]
fn the_other_subcommands_carry_what_they_need() {
    assert_eq!(
        run(&["demo-data", "a b"]),
        Ok(Command::DemoData {
            dir: PathBuf::from("a b"),
            examples: 209
        })
    );
    assert_eq!(
        run(&["demo-data", "--examples", "8360", "a b"]),
        Ok(Command::DemoData {
            dir: PathBuf::from("a b"),
            examples: 8360
        })
    );
    assert!(run(&["demo-data", "--examples", "0", "a b"]).is_err());
    assert_eq!(
        run(&["certificates", "dir", "--host", "a.example", "10.0.0.1", "--host", "b"]),
        Ok(Command::Certificates(CertificatesConfig {
            dir: "dir".into(),
            hosts: ["a.example", "10.0.0.1", "b"].map(str::to_owned).to_vec(),
        }))
    );
    assert_eq!(run(&["completions", "zsh"]), Ok(Command::Completions(Shell::Zsh)));
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_utf_8() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(b"caf\xe9.h5".to_vec());
    let arguments = ["coordinator".into(), "--train".into(), odd(), "--out".into(), odd()];
    let Ok(Command::Train(config)) = parse(arguments, None) else {
        panic!("no training run");
    };
    assert_eq!(config.out, Some(odd().into()));
    let arguments = ["coordinator".into(), "demo-data".into(), odd()];
    assert_eq!(
        parse(arguments, None),
        Ok(Command::DemoData {
            dir: odd().into(),
            examples: 209
        })
    );
    let exit = parse(["coordinator".into(), "--x-name".into(), odd()], None).unwrap_err();
    assert_eq!(
        exit.text,
        "error: --x-name: found `caf\u{fffd}.h5`, which is not UTF-8, expected the name of a dataset in the file\n"
    );
}
