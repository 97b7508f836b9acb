//! The command line as typed. What it means is decided in [`crate::config`].

mod access;

use access::ACCESS;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use settings::{CONFIG, Group, Kind, QUIET, Setting, Settings, Table, VERBOSE, Words};

/// Compute gradients for a coordinator that trains a network
///
/// Joins the coordinator of a training run, holds a part of the training examples in memory, and computes their
/// gradients until the run ends. It dials out and listens on no port.
#[derive(Debug, Parser)]
#[command(
    name = "worker",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 80,
    after_long_help = EXAMPLES
)]
pub struct Cli {
    /// What to do; to work if nothing is said.
    #[command(subcommand)]
    pub subcommand: Option<Subcommands>,
    /// The options of working.
    #[command(flatten)]
    pub work: Words<Work>,
    /// Ends the process when standard input ends, so that a spawned worker does not outlive its coordinator.
    #[arg(long, hide = true)]
    pub exit_when_stdin_closes: bool,
}

/// What the worker can do besides working.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Print a script that completes the options of this program in a shell
    ///
    /// Prints a script that completes the options of this program in a shell, to be saved where that shell looks for
    /// it or to be read by it directly.
    #[command(max_term_width = 80, after_long_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The script by which `shell` completes this program's options.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "worker", &mut script);
    script
}

const EXAMPLES: &str = "\
Examples:
  Join a coordinator on this machine
    worker

  Join one on another machine, with two threads
    worker --connect trainer.example.org:50051 --threads 2

  Join under a name that tells this worker from the others
    worker --connect 192.168.1.20:50051 --name desk-7

  Options from a file
    worker --config worker.toml";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  Complete in this session of bash
    source <(worker completions bash)

  Complete in every session of fish
    worker completions fish > ~/.config/fish/completions/worker.fish";

/// The settings of working.
#[derive(Debug)]
pub struct Work;

impl Settings for Work {
    const TABLE: Table = &[FLEET, ACCESS, COMPUTATION, OUTPUT, CONFIGURATION];
}

const FLEET: Group = Group {
    heading: "Fleet",
    settings: &[
        Setting::new("connect", Kind::Text("ADDR"), "The coordinator to join")
            .default("127.0.0.1:50051")
            .details(
                "A host name, an IPv4 address or an IPv6 address in brackets, and a port: `trainer.example.org:50051`, \
                 `[2001:db8::7]:50051`.",
            ),
        Setting::new("name", Kind::Text("NAME"), "What to call this worker")
            .otherwise("host name and process id")
            .details("The coordinator uses the name in its messages. At most 64 characters. It need not be unique."),
        Setting::new(
            "give-up-after",
            Kind::Text("TIME"),
            "How long to look for a lost coordinator",
        )
        .default("5m")
        .details(
            "As in `30s`, `5m` or `1h`. A worker that has lost its coordinator keeps its columns and tries to reach it \
             again for so long. `0s` means that it does not try. It does not wait for a coordinator that it never reached.",
        ),
    ],
};

const COMPUTATION: Group = Group {
    heading: "Computation",
    settings: &[
        Setting::new("threads", Kind::Number("N"), "Threads that compute")
            .otherwise("all cores")
            .details("At most 1024. The result does not depend on this number."),
        Setting::new("max-memory", Kind::Text("SIZE"), "Memory that it may use")
            .otherwise("three quarters of the machine's")
            .details(
                "A whole number with a unit, as in `512MB` or `4GiB`; at least 64 MiB. Work that needs more is refused \
                 before anything is allocated for it.",
            ),
    ],
};

const OUTPUT: Group = Group {
    heading: "Output",
    settings: &[QUIET, VERBOSE],
};

const CONFIGURATION: Group = Group {
    heading: "Configuration",
    settings: &[CONFIG],
};
