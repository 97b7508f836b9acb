//! The help and what else is printed on request.

use settings::{Settings, Stream};

use super::run;
use crate::cli::{Plan, Predict, Train, completions};

/// What is printed on standard output, with exit code 0.
fn printed(arguments: &[&str]) -> String {
    let exit = run(arguments).unwrap_err();
    assert_eq!((exit.stream, exit.code), (Stream::Out, 0), "{}", exit.text);
    exit.text
}

const ALL: [&[&str]; 13] = [
    &["-h"],
    &["--help"],
    &["help"],
    &["predict", "-h"],
    &["predict", "--help"],
    &["help", "predict"],
    &["plan", "-h"],
    &["plan", "--help"],
    &["help", "plan"],
    &["demo-data", "-h"],
    &["demo-data", "--help"],
    &["completions", "-h"],
    &["completions", "--help"],
];

#[test]
fn every_help_fits_80_columns() {
    for arguments in ALL {
        let help = printed(arguments);
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
        assert!(help.contains("\nUsage: coordinator") && help.ends_with('\n'), "{help}");
    }
}

#[test]
fn the_help_lists_every_option_under_its_heading_with_its_default() {
    for (table, command) in [
        (Train::TABLE, None),
        (Predict::TABLE, Some("predict")),
        (Plan::TABLE, Some("plan")),
    ] {
        let arguments: Vec<&str> = command.into_iter().chain(["--help"]).collect();
        let help = printed(&arguments);
        let mut rest = help.as_str();
        for group in table {
            let heading = format!("\n{}:\n", group.heading);
            let from = rest.find(&heading).unwrap_or_else(|| panic!("{heading:?} in {rest}"));
            rest = &rest[from + heading.len()..];
            for setting in group.settings {
                let option = format!("--{}", setting.name());
                let from = rest.find(&option).unwrap_or_else(|| panic!("{option} in {rest}"));
                rest = &rest[from..];
                if let settings::Fallback::Text(default) = setting.fallback() {
                    let next = rest.find("\n\n").unwrap_or(rest.len());
                    let default = format!("[default: {default}]");
                    assert!(rest[..next].contains(&default), "{default} in {}", &rest[..next]);
                }
            }
        }
    }
}

#[test]
fn every_option_that_is_not_hidden_is_a_setting() {
    use clap::CommandFactory;
    let command = crate::cli::Cli::command();
    let subcommand = |name| command.find_subcommand(name).unwrap();
    for (table, command) in [
        (Train::TABLE, &command),
        (Predict::TABLE, subcommand("predict")),
        (Plan::TABLE, subcommand("plan")),
    ] {
        let options = command.get_arguments().filter(|option| !option.is_hide_set());
        let options: Vec<_> = options.filter_map(|option| option.get_long()).collect();
        let settings: Vec<_> = table
            .iter()
            .flat_map(|group| group.settings)
            .map(|setting| setting.name())
            .collect();
        assert_eq!(options, settings);
    }
}

#[test]
fn the_short_help_is_short_and_the_long_one_has_examples() {
    let short = printed(&["-h"]);
    assert!(short.lines().count() < 80 && !short.contains("Examples:"), "{short}");
    let long = printed(&["--help"]);
    let (_, examples) = long.split_once("\nExamples:\n").unwrap();
    assert!(
        (3..=6).contains(&examples.matches("\n    coordinator").count()),
        "{examples}"
    );
    assert!(!long.contains("--no-spawn  ") && !long.contains("--no-quiet"), "{long}");
}

#[test]
fn every_example_of_the_help_is_right() {
    for arguments in [
        &["--help"][..],
        &["predict", "--help"],
        &["plan", "--help"],
        &["certificates", "--help"],
    ] {
        let help = printed(arguments).replace("\\\n", " ");
        let examples: Vec<_> = help
            .lines()
            .filter(|line| line.starts_with("    coordinator "))
            .collect();
        assert!(examples.len() >= 2);
        for example in examples {
            let words: Vec<&str> = example.split_whitespace().skip(1).collect();
            let file = super::file_with("workers = 1");
            let config = file.path().to_str().unwrap();
            let words: Vec<&str> = words
                .iter()
                .map(|&word| if word == "lockstep.toml" { config } else { word })
                .collect();
            assert!(run(&words).is_ok(), "{example}: {:?}", run(&words));
        }
    }
}

#[test]
fn the_version_is_the_package_s() {
    for argument in ["-V", "--version"] {
        assert_eq!(
            printed(&[argument]),
            concat!("coordinator ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}

#[test]
fn completions_know_every_option_and_subcommand() {
    use clap::ValueEnum;
    for &shell in clap_complete::Shell::value_variants() {
        let script = String::from_utf8(completions(shell)).unwrap();
        let names = [Train::TABLE, Predict::TABLE, Plan::TABLE]
            .into_iter()
            .flatten()
            .flat_map(|group| group.settings)
            .map(|setting| setting.name());
        for name in names.chain(["predict", "plan", "demo-data", "certificates", "completions"]) {
            assert!(script.contains(name), "{name} in the script for {shell}");
        }
    }
}
