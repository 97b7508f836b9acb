//! Settings from the command line and from files, read as a program reads them.

mod mistakes;
mod reading;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use settings::{CONFIG, ConfigError, Group, Kind, QUIET, Reader, Setting, Settings, Table, VERBOSE, Verbosity, Words};

#[derive(Debug, Parser)]
#[command(name = "program", version)]
struct Cli {
    #[command(flatten)]
    words: Words<Demo>,
}

#[derive(Debug)]
struct Demo;

impl Settings for Demo {
    const TABLE: Table = &[
        Group {
            heading: "Values",
            settings: &[
                Setting::new("count", Kind::Number("N"), "A number")
                    .default("3")
                    .details("From 1 to 9."),
                Setting::new("word", Kind::Text("WORD"), "A word"),
                Setting::new("sizes", Kind::List("SIZES"), "A list").otherwise("whatever fits"),
                Setting::new("file", Kind::Path("FILE"), "A file"),
                Setting::new("threads", Kind::Number("N"), "Threads"),
                Setting::new("wait", Kind::Text("TIME"), "A duration").default("5s"),
                Setting::new("fast", Kind::Flag("no-fast"), "A flag"),
            ],
        },
        Group {
            heading: "Others",
            settings: &[QUIET, VERBOSE, CONFIG],
        },
    ];
    const PASSED_OVER: Table = &[Group {
        heading: "Of another command",
        settings: &[Setting::new("elsewhere", Kind::Number("N"), "A number"), CONFIG],
    }];
}

#[derive(Debug, PartialEq)]
struct Config {
    count: u64,
    word: Option<String>,
    sizes: Option<String>,
    file: Option<PathBuf>,
    threads: Option<NonZeroUsize>,
    wait: Duration,
    fast: bool,
    verbosity: Verbosity,
}

const DEFAULTS: Config = Config {
    count: 3,
    word: None,
    sizes: None,
    file: None,
    threads: None,
    wait: Duration::from_secs(5),
    fast: false,
    verbosity: Verbosity::Normal,
};

fn resolve(arguments: Vec<OsString>) -> Result<Config, ConfigError> {
    let program = std::iter::once(OsString::from("program"));
    let cli = Cli::try_parse_from(program.chain(arguments)).expect("clap accepts these arguments");
    let mut reader = Reader::new(cli.words);
    let count = reader.required_whole_number("count", 1..=9);
    let word = reader.read_optional("word", "letters", |text| {
        text.chars().all(char::is_alphabetic).then(|| text.to_owned())
    });
    let sizes = reader.read_optional("sizes", "sizes", |text| Some(text.to_owned()));
    let file = reader.path("file", "a file");
    let threads = reader.threads("threads");
    let wait = reader.duration("wait", Duration::from_millis(100));
    let fast = reader.flag("fast");
    let verbosity = Verbosity::read(&mut reader);
    let config = (|| {
        Ok(Config {
            count: count?,
            word: word?,
            sizes: sizes?,
            file: file?,
            threads: threads?,
            wait: wait?,
            fast: fast?,
            verbosity: verbosity?,
        })
    })();
    reader.finish(config)
}

/// What `arguments` mean.
fn typed(arguments: &[&str]) -> Result<Config, ConfigError> {
    resolve(arguments.iter().map(OsString::from).collect())
}

/// What `arguments` mean with a configuration file that holds `content`; messages call the file `FILE`.
fn with_file(content: impl AsRef<[u8]>, arguments: &[&str]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.toml");
    std::fs::write(&path, content).unwrap();
    let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    all.extend(["--config".into(), path.clone().into_os_string()]);
    resolve(all).map_err(|error| shown(&error, &path))
}

fn shown(error: &ConfigError, path: &Path) -> String {
    error.to_string().replace(path.to_str().unwrap(), "FILE")
}
