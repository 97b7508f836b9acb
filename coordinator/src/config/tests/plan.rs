//! What a forecast is made of.

use super::*;
use crate::plan::LinkSpeed;

fn planned(arguments: &[&str]) -> PlanConfig {
    match run(&[&["plan"], arguments].concat()) {
        Ok(Command::Plan(config)) => config,
        other => panic!("no forecast: {other:?}"),
    }
}

fn defaults() -> PlanConfig {
    PlanConfig {
        workers: 8,
        threads: None,
        link: LinkSpeed::Loopback,
        gflops: None,
        data: TrainingData::BuiltIn,
        hidden: vec![20, 7, 5],
        precision: Precision::F64,
        iterations: 2500,
        block_columns: None,
    }
}

#[test]
fn without_options_it_is_of_the_built_in_images_on_this_machine() {
    assert_eq!(planned(&[]), defaults());
}

#[test]
fn every_option_has_its_place() {
    let expected = PlanConfig {
        workers: 16,
        threads: NonZeroUsize::new(4),
        link: LinkSpeed::Network { bits_per_second: 1e10 },
        gflops: Some(42.5),
        data: TrainingData::Files {
            train: "t.h5".into(),
            test: None,
            names: NameChoice {
                x: Some("a".to_owned()),
                y: Some("b".to_owned()),
            },
        },
        hidden: vec![7],
        precision: Precision::F32,
        iterations: 9,
        block_columns: BlockColumns::new(24),
    };
    let typed = "--workers 16 --threads 4 --link 10Gbit --gflops 42.5 --train t.h5 --x-name a --y-name b --hidden 7 \
                 --precision f32 --iterations 9 --block-columns 24";
    assert_eq!(planned(&typed.split_whitespace().collect::<Vec<_>>()), expected);
    let written = "workers = 16\nthreads = 4\nlink = '10Gbit'\ngflops = 42.5\ntrain = 't.h5'\nx-name = 'a'\n\
                   y-name = 'b'\nhidden = [7]\nprecision = 'f32'\niterations = 9\nblock-columns = 24";
    let file = file_with(written);
    assert_eq!(planned(&["--config", file.path().to_str().unwrap()]), expected);
}

#[test]
fn the_file_of_a_training_run_is_good_for_its_forecast() {
    let file = file_with("workers = 2\nspawn = true\nlearning-rate = 0.1\ntest = 'x.h5'\nout = 'run'\nhidden = [3]");
    let config = ["--config", file.path().to_str().unwrap()];
    let expected = PlanConfig {
        workers: 2,
        hidden: vec![3],
        ..defaults()
    };
    assert_eq!(planned(&config), expected);
    let message = mistakes(&["plan", "--learning-rate", "0.1"]);
    assert!(
        message.contains("found `--learning-rate`, expected an option of this command"),
        "{message}"
    );
    assert_eq!(
        mistakes_from("lerning-rate = 0.1", &["plan"]),
        "error: lerning-rate (FILE): found an unknown key, expected the name of a long option\n\
         hint: did you mean `learning-rate`?\n"
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let typed = "plan --workers 1025 --threads 0 --link 1GB --gflops 0 --hidden 0 --precision f16 --iterations 0 \
                 --block-columns 7";
    assert_eq!(
        mistakes(&typed.split_whitespace().collect::<Vec<_>>()),
        "error: 8 mistakes in the configuration
  --workers: found `1025`, expected a whole number from 0 to 1024
  --threads: found `0`, expected a whole number from 1 to 1024
  --link: found `1GB`, expected `loopback`, or a speed from `1kbit` to `1000Tbit`, such as `100Mbit`, `1Gbit` or `2.5Gbit`
  --gflops: found `0`, expected a number from 0.001 to 1000000
  --hidden: found `0`, expected layer sizes of at least 1, separated by commas, or `none`
  --precision: found `f16`, expected `f64`, `mixed` or `f32`
  --iterations: found `0`, expected a whole number of at least 1
  --block-columns: found `7`, expected a whole number of at least 8
"
    );
}
