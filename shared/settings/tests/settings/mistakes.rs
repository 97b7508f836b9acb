//! Every mistake gives its full message.

use clap::Parser;
use settings::{Exit, Stream};

use super::{Cli, DEFAULTS, resolve, shown, typed, with_file};

#[test]
fn one_mistake_is_one_line() {
    let cases: [(&[&str], &str); 10] = [
        (
            &["--count", "0"],
            "error: --count: found `0`, expected a whole number from 1 to 9",
        ),
        (
            &["--count", "-1"],
            "error: --count: found `-1`, expected a whole number from 1 to 9",
        ),
        (
            &["--count="],
            "error: --count: found an empty value, expected a whole number from 1 to 9",
        ),
        (
            &["--threads", "1025"],
            "error: --threads: found `1025`, expected a whole number from 1 to 1024",
        ),
        (
            &["--wait", "99ms"],
            "error: --wait: found `99ms`, expected a duration from 100ms to 8760h, such as `500ms`, `30s`, `5m` or `1h`",
        ),
        (
            &["--wait", "5"],
            "error: --wait: found `5`, expected a duration from 100ms to 8760h, such as `500ms`, `30s`, `5m` or `1h`",
        ),
        (
            &["--word", "a\u{1b}[2J\nb"],
            "error: --word: found `a\\u{1b}[2J\\nb`, expected letters",
        ),
        (&["--file", ""], "error: --file: found an empty value, expected a file"),
        (
            &["--config", ""],
            "error: --config: found an empty value, expected the path of a TOML file",
        ),
        (
            &["-q", "-v"],
            "error: --quiet: found it together with --verbose, expected one of the two",
        ),
    ];
    for (arguments, message) in cases {
        assert_eq!(typed(arguments).unwrap_err().to_string(), message);
    }
    let long = "1".repeat(1000);
    let message = typed(&["--word", &long]).unwrap_err().to_string();
    assert_eq!(
        message,
        format!("error: --word: found `{}…`, expected letters", &long[..80])
    );
}

#[test]
fn all_mistakes_of_both_places_are_reported_at_once_with_each_hint_once() {
    let content = "wrod = 'a'\ncount = 0\nsizes = [[1]]\nfile = 3\nthreads = 1.5\nfast = 'yes'\nverbose = 'x'\n\
                   nothing-like-it = 1\nneither-is-this = 2\nconfig = 'other.toml'";
    let message = with_file(content, &["--word", "1"]).unwrap_err();
    assert_eq!(
        message,
        "error: 11 mistakes in the configuration
  wrod (FILE): found an unknown key, expected the name of a long option
  nothing-like-it (FILE): found an unknown key, expected the name of a long option
  neither-is-this (FILE): found an unknown key, expected the name of a long option
  config (FILE): found a key that no configuration file can have, expected it on the command line
  count (FILE): found `0`, expected a whole number from 1 to 9
  --word: found `1`, expected letters
  sizes (FILE): found an array `[[1]]`, expected sizes
  file (FILE): found an integer `3`, expected a file
  threads (FILE): found `1.5`, expected a whole number from 1 to 1024
  fast (FILE): found a string `'yes'`, expected `true` or `false`
  verbose (FILE): found a string `'x'`, expected a number of times, from 0 to 255
hint: did you mean `word`?
hint: the keys are the long options without their dashes; `--help` lists them"
    );
}

#[test]
fn types_that_no_setting_takes_are_named() {
    for (value, found) in [
        ("2026-01-02", "a datetime `2026-01-02`"),
        ("{ a = 1 }", "a table"),
        ("[]", "an array `[]`"),
        ("[1.5]", "an array `[1.5]`"),
        ("true", "a boolean `true`"),
        ("1.5", "a float `1.5`"),
    ] {
        let message = with_file(format!("sizes = {value}"), &[]).unwrap_err();
        assert_eq!(message, format!("error: sizes (FILE): found {found}, expected sizes"));
    }
}

#[test]
fn an_integer_beyond_every_range_is_shown_as_it_stands() {
    let digits = "9".repeat(60);
    let message = with_file(format!("count = {digits}"), &[]).unwrap_err();
    assert_eq!(
        message,
        format!("error: count (FILE): found `{digits}`, expected a whole number from 1 to 9")
    );
}

#[test]
fn a_section_is_told_that_there_are_none() {
    assert_eq!(
        with_file("[words]\nword = 'a'", &[]).unwrap_err(),
        "error: words (FILE): found an unknown key, expected the name of a long option\n\
         hint: all keys stand at the top of the file, not in a [section]"
    );
}

#[test]
fn every_syntax_mistake_is_reported_with_line_and_column() {
    let message = with_file("word = 'ö' oops\ncount = 4\ncount = 5\nsizes = [1\n", &[]).unwrap_err();
    assert_eq!(
        message,
        "error: 3 mistakes in the configuration
  FILE:1:12: unexpected key or value, expected newline, `#`
  FILE:3:1: duplicate key
  FILE:4:11: unclosed array, expected `]`"
    );
    let many = with_file("=\n".repeat(1000), &[]).unwrap_err();
    assert!(
        many.starts_with("error: 5 mistakes in the configuration\n  FILE:1:1: "),
        "{many}"
    );
}

#[test]
fn a_file_that_cannot_be_understood_hides_no_mistake_of_the_command_line() {
    let message = with_file("word = ", &["--count", "0", "-q"]).unwrap_err();
    assert_eq!(
        message,
        "error: 2 mistakes in the configuration
  FILE:1:8: string values must be quoted, expected literal string
  --count: found `0`, expected a whole number from 1 to 9"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    let error = resolve(vec!["--config".into(), missing.clone().into_os_string()]).unwrap_err();
    assert_eq!(
        shown(&error, &missing),
        "error: --config: found `FILE`, which cannot be read (No such file or directory (os error 2)), expected a TOML file"
    );
    let error = resolve(vec!["--config".into(), folder.path().into()]).unwrap_err();
    assert_eq!(
        shown(&error, folder.path()),
        "error: --config: found `FILE`, which cannot be read (Is a directory (os error 21)), expected a TOML file"
    );
    let large = with_file(" ".repeat((1 << 20) + 1), &[]).unwrap_err();
    assert_eq!(
        large,
        "error: --config: found `FILE`, which cannot be read (larger than 1048576 bytes), expected a TOML file"
    );
    assert_eq!(with_file(" ".repeat(1 << 20), &[]), Ok(DEFAULTS));
}

#[test]
fn a_file_that_is_no_text_is_refused_at_the_byte() {
    let message = with_file(b"count = 4\nword = '\xff'", &[]).unwrap_err();
    assert_eq!(
        message,
        "error: FILE:2:9: found a byte that is not UTF-8, expected text"
    );
}

#[test]
fn what_clap_finds_is_said_in_the_same_form_and_ends_with_64() {
    let exit = |arguments: &[&str]| {
        let program = std::iter::once("program");
        Exit::from(Cli::try_parse_from(program.chain(arguments.iter().copied())).unwrap_err())
    };
    let usage = "hint: `--help` shows how this command is used";
    let cases: [(&[&str], &str, &str); 7] = [
        (
            &["--wrod", "a"],
            "found `--wrod`, expected an option of this command",
            "hint: did you mean `--word`?",
        ),
        (
            &["--sizes", "-2,1"],
            "found `-2`, expected an option of this command",
            "hint: a value that begins with a dash stands behind an equals sign: `--name=-1,2`",
        ),
        (&["stray"], "found `stray`, expected an option of this command", usage),
        (&["-x"], "found `-x`, expected an option of this command", usage),
        (
            &["--word", "--fast"],
            "--word <WORD>: found nothing, expected a value",
            usage,
        ),
        (
            &["--word", "a", "--word", "b"],
            "--word <WORD>: found it twice, expected it once",
            usage,
        ),
        (&["--fast=no"], "--fast: found `no`, expected no value", usage),
    ];
    for (arguments, message, hint) in cases {
        let expected = Exit {
            text: format!("error: {message}\n{hint}\n"),
            stream: Stream::Err,
            code: 64,
        };
        assert_eq!(exit(arguments), expected);
    }
    let version = Exit {
        text: concat!("program ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
        stream: Stream::Out,
        code: 0,
    };
    assert_eq!(exit(&["--version"]), version);
    let help = exit(&["--help"]);
    assert_eq!((help.stream, help.code), (Stream::Out, 0));
}
