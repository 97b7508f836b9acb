//! The command line itself: help, version, and mistakes.

use std::fs;

use tests::data::{Folder, Sample};
use tests::oracle::Training;
use tests::processes::{Finished, Process};
use tests::programs::Program;

use super::assert_refused;

/// Checks that wrong usage of `program` is refused with exactly this standard error.
#[track_caller]
fn assert_misused(program: Program, arguments: &[&str], stderr: &str) {
    let run = Finished::of(program, arguments).expect_code(64);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", stderr));
}

#[test]
fn a_layer_of_size_0() {
    assert_misused(
        Program::Coordinator,
        &["--hidden", "20,0,5"],
        "error: --hidden: found `20,0,5`, expected layer sizes of at least 1, separated by commas, or `none`\n",
    );
}

#[test]
fn a_learning_rate_that_is_not_positive_and_finite() {
    for rate in ["0", "-0.1", "inf", "nan", "1e999", "fast"] {
        assert_misused(
            Program::Coordinator,
            &["--learning-rate", rate],
            &format!("error: --learning-rate: found `{rate}`, expected a finite number above 0\n"),
        );
    }
}

#[test]
fn all_mistakes_of_the_command_line_and_the_file_are_reported_at_once_and_nothing_is_written() {
    let folder = Folder::new();
    let config = folder.argument("lockstep.toml");
    fs::write(&config, "hidden = '20,0'\nlerning-rate = 0.1\n").unwrap();
    assert_refused(
        &folder,
        &[
            "--config",
            &config,
            "--learning-rate",
            "-1",
            "--precision",
            "f16",
            "--iterations",
            "0",
        ],
        64,
        "error: 5 mistakes in the configuration
  lerning-rate (FOLDER/lockstep.toml): found an unknown key, expected the name of a long option
  hidden (FOLDER/lockstep.toml): found `20,0`, expected layer sizes of at least 1, separated by commas, or `none`
  --precision: found `f16`, expected `f64`, `mixed` or `f32`
  --learning-rate: found `-1`, expected a finite number above 0
  --iterations: found `0`, expected a whole number of at least 1
hint: did you mean `learning-rate`?
",
    );
    assert!(!folder.path("out").exists(), "not even the folder is made");
}

#[test]
fn an_unknown_option_suggests_the_one_that_was_meant() {
    assert_misused(
        Program::Coordinator,
        &["--iteration", "3"],
        "error: found `--iteration`, expected an option of this command\nhint: did you mean `--iterations`?\n",
    );
    assert_misused(
        Program::Worker,
        &["--conect", "localhost:1"],
        "error: found `--conect`, expected an option of this command\nhint: did you mean `--connect`?\n",
    );
}

#[test]
fn a_worker_reports_all_its_mistakes_at_once() {
    let run = Finished::of(Program::Worker, &["--connect", "nowhere", "--threads", "0"]).expect_code(64);
    assert_eq!(run.stdout, "");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines[0], "error: 2 mistakes in the configuration");
    assert!(
        lines[1].starts_with("  --connect: found `nowhere`, expected "),
        "{}",
        run.stderr
    );
    assert_eq!(
        lines[2],
        "  --threads: found `0`, expected a whole number from 1 to 1024"
    );
}

#[test]
fn a_configuration_file_sets_what_the_command_line_leaves_open() {
    let folder = Folder::new();
    let sample = Sample::bytes(40, 6, 51);
    sample.write(&folder.path("data.h5"));
    let config = folder.argument("lockstep.toml");
    // The learning rate, the seed and the last two are those of the oracle; the command line overrides the iterations.
    let text = format!(
        "workers = 0\nquiet = true\ntrain = '{}'\nhidden = [3, 2]\nlearning-rate = 0.1\nseed = 3\niterations = 99\n\
         print-every = 1\n",
        folder.argument("data.h5")
    );
    fs::write(&config, text).unwrap();
    let run = Finished::of(Program::Coordinator, &["--config", &config, "--iterations", "4"]).expect_code(0);
    assert_eq!(run.stdout, Training::new(&[3, 2], 4).expected_stdout(&sample));
    assert_eq!(run.stderr, "");
}

#[test]
fn the_version_and_the_help_go_to_standard_output() {
    for program in [Program::Coordinator, Program::Worker] {
        let version = Finished::of(program, &["--version"]).expect_code(0);
        assert_eq!(
            version.stdout,
            format!("{} {}\n", program.name(), env!("CARGO_PKG_VERSION"))
        );
        for option in ["--help", "-h"] {
            let help = Finished::of(program, &[option]).expect_code(0);
            assert_eq!(help.stderr, "");
            for part in [
                "Usage: ",
                "Fleet:",
                "Output:",
                "Configuration:",
                "--threads <N>",
                "[default: ",
            ] {
                assert!(help.stdout.contains(part), "{part}: {}", help.stdout);
            }
        }
        assert!(Finished::of(program, &["--help"]).stdout.contains("Examples:"));
    }
}

#[test]
fn an_instruction_set_that_this_cpu_does_not_have() {
    for program in [Program::Coordinator, Program::Worker] {
        let run = Process::start_with(program, &["--help"], |command| {
            command.env("LOCKSTEP_INSTRUCTION_SET", "mmx")
        });
        let run = run.finish().expect_code(64);
        let beginning = "error: LOCKSTEP_INSTRUCTION_SET: found `mmx`, expected an instruction set that this CPU has: ";
        assert!(
            run.stderr.starts_with(beginning) && run.stdout.is_empty(),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn every_shell_gets_its_completions() {
    for program in [Program::Coordinator, Program::Worker] {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let script = Finished::of(program, &["completions", shell]).expect_code(0);
            assert!(script.stdout.contains("threads"), "{shell}: {}", script.stdout);
            assert_eq!(script.stderr, "");
        }
    }
}
