//! What settings mean, wherever they stand.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use settings::{Exit, Verbosity};

use super::{Cli, Config, DEFAULTS, resolve, typed, with_file};

#[test]
fn what_is_given_nowhere_has_its_default() {
    assert_eq!(typed(&[]), Ok(DEFAULTS));
    assert_eq!(with_file("", &[]), Ok(DEFAULTS));
}

#[test]
fn every_toml_type_that_fits_means_what_the_command_line_means() {
    let cases: [(&str, &[&str]); 19] = [
        ("count = 4", &["--count", "4"]),
        ("count = 0x7", &["--count", "7"]),
        ("count = \"5\"", &["--count", "5"]),
        ("word = \"abc\"", &["--word", "abc"]),
        ("word = 'abc' # a comment", &["--word", "abc"]),
        ("sizes = [20, 7, 5]", &["--sizes", "20,7,5"]),
        ("sizes = [\n 20,\n 7,\n]", &["--sizes", "20,7"]),
        ("sizes = [1_000, '7']", &["--sizes", "1000,7"]),
        ("sizes = 20", &["--sizes", "20"]),
        ("sizes = \"20,7,5\"", &["--sizes", "20,7,5"]),
        ("file = \"a b/c.h5\"", &["--file", "a b/c.h5"]),
        ("threads = 2", &["--threads", "2"]),
        ("wait = '100ms'", &["--wait", "100ms"]),
        ("fast = true", &["--fast"]),
        ("fast = false", &[]),
        ("quiet = true", &["-q"]),
        ("verbose = 2", &["-vv"]),
        ("verbose = true", &["-v"]),
        ("\u{feff}verbose = false", &[]),
    ];
    for (content, arguments) in cases {
        assert_eq!(with_file(content, &[]), Ok(typed(arguments).unwrap()), "{content}");
    }
}

#[test]
fn the_command_line_wins_over_the_file() {
    let content = "count = 4\nword = 'file'\nsizes = [1]\nfast = true\nverbose = 1";
    let config = with_file(content, &["--count", "5", "--sizes", "2", "--no-fast", "-q"]);
    let expected = Config {
        count: 5,
        word: Some("file".to_owned()),
        sizes: Some("2".to_owned()),
        verbosity: Verbosity::Quiet,
        ..DEFAULTS
    };
    assert_eq!(config, Ok(expected));
    let loud = with_file("quiet = true", &["-vv"]).unwrap();
    assert_eq!(loud.verbosity, Verbosity::Everything);
}

#[test]
fn a_value_that_the_command_line_overrides_is_not_judged() {
    let config = with_file(
        "count = true\nverbose = 'x'\nquiet = 1",
        &["--count", "5", "-v", "--no-quiet"],
    )
    .unwrap();
    assert_eq!((config.count, config.verbosity), (5, Verbosity::Verbose));
}

#[test]
fn a_duration_may_be_as_short_as_the_program_allows_and_as_long_as_a_year() {
    let wait = |text| typed(&["--wait", text]).map(|config| config.wait.as_millis());
    assert_eq!(wait("100ms"), Ok(100));
    assert_eq!(wait("2m"), Ok(120_000));
    assert_eq!(wait("8760h"), Ok(31_536_000_000));
}

#[test]
fn a_flag_and_its_negation_take_turns() {
    assert!(typed(&["--no-fast", "--fast"]).unwrap().fast);
    assert!(!typed(&["--fast", "--no-fast"]).unwrap().fast);
}

#[test]
fn verbosity_names_the_levels_of_rust_log() {
    for (arguments, level) in [
        ("-q", "warn"),
        ("--no-quiet", "info"),
        ("-v", "debug"),
        ("-vv", "trace"),
        ("-vvvv", "trace"),
    ] {
        assert_eq!(typed(&[arguments]).unwrap().verbosity.level(), level);
    }
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_utf_8_but_all_else_must() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = || OsString::from_vec(b"a\xffb".to_vec());
    let config = resolve(vec!["--file".into(), bytes()]).unwrap();
    assert_eq!(config.file, Some(PathBuf::from(bytes())));
    let error = resolve(vec!["--word".into(), bytes()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: --word: found `a\u{fffd}b`, which is not UTF-8, expected letters"
    );
}

#[test]
fn the_help_is_made_from_the_table() {
    let program = ["program", "-h"];
    let help = Exit::from(Cli::try_parse_from(program).unwrap_err()).text;
    for part in [
        "Values:\n",
        "Others:\n",
        "--count <N>      A number [default: 3]\n",
        "A list [default: whatever fits]\n",
        "  -v, --verbose...  ",
    ] {
        assert!(help.contains(part), "{part:?} in {help}");
    }
    assert!(!help.contains("no-fast") && !help.contains("From 1 to 9"), "{help}");
    let long = Exit::from(Cli::try_parse_from(["program", "--help"]).unwrap_err()).text;
    assert!(
        long.contains("          A number. From 1 to 9.\n          [default: 3]\n"),
        "{long}"
    );
}

#[test]
fn what_another_command_reads_may_stand_in_the_file_and_is_no_option_of_this_one() {
    let expected = Config { count: 4, ..DEFAULTS };
    assert_eq!(with_file("elsewhere = 'whatever'\ncount = 4", &[]), Ok(expected));
    assert!(Cli::try_parse_from(["program", "--elsewhere", "1"]).is_err());
    assert_eq!(
        with_file("elsewere = 1", &[]).unwrap_err(),
        "error: elsewere (FILE): found an unknown key, expected the name of a long option\n\
         hint: did you mean `elsewhere`?"
    );
}
