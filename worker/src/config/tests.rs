mod access;

use security::{CertificateFiles, ClientTls};
use settings::{EXIT_USAGE, Fallback, Settings, Stream};

use super::*;
use crate::cli::{Work, completions};

fn run(arguments: &[&str]) -> Result<Command, Exit> {
    parse(
        std::iter::once("worker")
            .chain(arguments.iter().copied())
            .map(OsString::from),
        None,
    )
}

fn work(arguments: &[&str]) -> WorkConfig {
    match run(arguments) {
        Ok(Command::Work(config)) => config,
        other => panic!("no work: {other:?}"),
    }
}

fn mistakes(arguments: &[&str]) -> String {
    let exit = run(arguments).unwrap_err();
    assert_eq!((exit.stream, exit.code), (Stream::Err, EXIT_USAGE), "{}", exit.text);
    exit.text
}

fn printed(arguments: &[&str]) -> String {
    let exit = run(arguments).unwrap_err();
    assert_eq!((exit.stream, exit.code), (Stream::Out, 0), "{}", exit.text);
    exit.text
}

fn file_with(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn defaults() -> WorkConfig {
    WorkConfig {
        connect: "127.0.0.1:50051".parse().unwrap(),
        name: None,
        access: Access::default(),
        give_up_after: Duration::from_secs(300),
        threads: None,
        max_memory: None,
        verbosity: Verbosity::Normal,
        exit_when_stdin_closes: false,
    }
}

#[test]
fn every_default_is_as_documented() {
    assert_eq!(work(&[]), defaults());
    let empty = file_with("");
    assert_eq!(work(&["--config", empty.path().to_str().unwrap()]), defaults());
}

#[test]
fn every_option_reaches_its_field_from_the_command_line_and_from_a_file() {
    let expected = WorkConfig {
        connect: "trainer.example.org:7".parse().unwrap(),
        name: Some("desk 7".to_owned()),
        access: Access {
            tls: Some(ClientTls {
                ca: "ca.pem".into(),
                own: Some(CertificateFiles {
                    certificate: "c.pem".into(),
                    key: "k.pem".into(),
                }),
            }),
            token: None,
        },
        give_up_after: Duration::ZERO,
        threads: NonZeroUsize::new(1024),
        max_memory: Some(MemoryLimit(512_000_000)),
        verbosity: Verbosity::Everything,
        exit_when_stdin_closes: false,
    };
    let typed = [
        "--connect",
        "trainer.example.org:7",
        "--name",
        "desk 7",
        "--give-up-after",
        "0s",
        "--threads",
        "1024",
        "--tls-ca",
        "ca.pem",
        "--tls-cert",
        "c.pem",
        "--tls-key",
        "k.pem",
        "--max-memory",
        "512MB",
        "-vv",
    ];
    assert_eq!(work(&typed), expected);
    let file = file_with(
        "connect = 'trainer.example.org:7'\nname = 'desk 7'\ngive-up-after = '0ms'\nthreads = 1024\n\
         tls-ca = 'ca.pem'\ntls-cert = 'c.pem'\ntls-key = 'k.pem'\nmax-memory = '512MB'\nverbose = 2",
    );
    let config = ["--config", file.path().to_str().unwrap()];
    assert_eq!(work(&config), expected);
    let overridden = work(
        &[
            &config[..],
            &["--connect", "[::1]:9", "--name", "other"],
            &["--give-up-after", "1h", "--threads", "1", "-q"],
            &["--max-memory", "4GiB"],
        ]
        .concat(),
    );
    let expected = WorkConfig {
        connect: "[::1]:9".parse().unwrap(),
        name: Some("other".to_owned()),
        give_up_after: Duration::from_secs(3600),
        threads: NonZeroUsize::new(1),
        max_memory: Some(MemoryLimit(4 << 30)),
        verbosity: Verbosity::Quiet,
        exit_when_stdin_closes: false,
        ..expected
    };
    assert_eq!(overridden, expected);
}

#[test]
fn the_option_of_spawned_workers_works_but_is_no_setting() {
    assert!(work(&["--exit-when-stdin-closes"]).exit_when_stdin_closes);
    let file = file_with("exit-when-stdin-closes = true");
    let path = file.path().to_str().unwrap();
    let message = mistakes(&["--config", path]).replace(path, "FILE");
    assert_eq!(
        message,
        "error: exit-when-stdin-closes (FILE): found an unknown key, expected the name of a long option\n\
         hint: the keys are the long options without their dashes; `--help` lists them\n"
    );
}

#[test]
fn a_wrong_value_is_reported_with_what_was_expected() {
    let address = "a host and a port, such as `192.168.1.20:50051`, `[::1]:50051` or `localhost:50051`";
    let name = "1 to 64 characters, no control characters, no blanks at the ends";
    let time = "a duration from 0s to 8760h, such as `500ms`, `30s`, `5m` or `1h`";
    let threads = "a whole number from 1 to 1024";
    let memory = "a size of at least 64.0 MiB, such as `512MB` or `4GiB`";
    let long = "x".repeat(65);
    for (option, value, expected) in [
        ("connect", "localhost", address),
        ("connect", "localhost:0", address),
        ("connect", "http://localhost:50051", address),
        ("connect", "::1:50051", address),
        ("name", " ", name),
        ("name", " desk", name),
        ("name", &long, name),
        ("give-up-after", "5", time),
        ("give-up-after", "-1", time),
        ("give-up-after", "1.5h", time),
        ("give-up-after", "8761h", time),
        ("give-up-after", "never", time),
        ("max-memory", "1000000000", memory),
        ("max-memory", "63MiB", memory),
        ("max-memory", "all", memory),
        ("threads", "0", threads),
        ("threads", "1025", threads),
        ("threads", "-1", threads),
        ("threads", "all", threads),
    ] {
        assert_eq!(
            mistakes(&[&format!("--{option}"), value]),
            format!("error: --{option}: found `{value}`, expected {expected}\n")
        );
    }
    assert_eq!(
        mistakes(&["--name", "a\u{7}b"]),
        format!("error: --name: found `a\\u{{7}}b`, expected {name}\n")
    );
    assert_eq!(work(&["--name", &"ö".repeat(64)]).name.unwrap().chars().count(), 64);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let file = file_with("thread = 2\nname = 7");
    let path = file.path().to_str().unwrap();
    let message = mistakes(&["--connect", "x", "--threads", "0", "--config", path]).replace(path, "FILE");
    assert_eq!(
        message,
        "error: 4 mistakes in the configuration
  thread (FILE): found an unknown key, expected the name of a long option
  --connect: found `x`, expected a host and a port, such as `192.168.1.20:50051`, `[::1]:50051` or `localhost:50051`
  name (FILE): found an integer `7`, expected 1 to 64 characters, no control characters, no blanks at the ends
  --threads: found `0`, expected a whole number from 1 to 1024
hint: did you mean `threads`?
"
    );
    assert_eq!(
        mistakes(&["--conect", "x:1"]),
        "error: found `--conect`, expected an option of this command\nhint: did you mean `--connect`?\n"
    );
}

#[test]
fn every_help_fits_80_columns() {
    let all: [&[&str]; 5] = [
        &["-h"],
        &["--help"],
        &["help"],
        &["completions", "-h"],
        &["completions", "--help"],
    ];
    for arguments in all {
        for line in printed(arguments).lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
    }
}

#[test]
fn the_help_lists_every_option_under_its_heading_with_its_default() {
    let help = printed(&["--help"]);
    let mut rest = help.as_str();
    for group in Work::TABLE {
        let heading = format!("\n{}:\n", group.heading);
        rest = rest
            .split_once(&heading)
            .unwrap_or_else(|| panic!("{heading:?} in {rest}"))
            .1;
        for setting in group.settings {
            let option = format!("--{}", setting.name());
            rest = rest
                .split_once(&option)
                .unwrap_or_else(|| panic!("{option} in {rest}"))
                .1;
            if let Fallback::Text(default) | Fallback::Described(default) = setting.fallback() {
                let paragraph = rest.split("\n\n").next().unwrap_or_default();
                let words: Vec<&str> = paragraph.split_whitespace().collect();
                assert!(
                    words.join(" ").contains(&format!("[default: {default}]")),
                    "{default} in {paragraph}"
                );
            }
        }
    }
    assert!(!help.contains("stdin"), "{help}");
}

#[test]
fn every_example_of_the_help_is_right() {
    let help = printed(&["--help"]);
    let examples: Vec<_> = help.lines().filter(|line| line.starts_with("    worker")).collect();
    assert!((3..=5).contains(&examples.len()), "{help}");
    let file = file_with("threads = 2");
    for example in examples {
        let example = example.replace("worker.toml", file.path().to_str().unwrap());
        let words: Vec<&str> = example.split_whitespace().skip(1).collect();
        assert!(run(&words).is_ok(), "{example}: {:?}", run(&words));
    }
}

#[test]
fn version_and_completions_are_the_program_s() {
    assert_eq!(
        printed(&["--version"]),
        concat!("worker ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(run(&["completions", "bash"]), Ok(Command::Completions(Shell::Bash)));
    let script = String::from_utf8(completions(Shell::Bash)).unwrap();
    assert!(script.contains("--connect") && script.contains("_worker"), "{script}");
}
