//! The command line and the configuration file, resolved: every value checked.
//!
//! ```text
//! arguments ──▶ cli::Cli (words) ──▶ settings::Reader ──▶ Command, or Exit with all mistakes
//! ```

mod access;
mod address;

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Parser;
use clap_complete::Shell;
use proto::MAX_NAME_CHARACTERS;
use settings::{Exit, Mistaken, Reader, Verbosity};

use crate::cli::{Cli, Subcommands};
use crate::limits::MemoryLimit;

pub use access::Access;
pub use address::{Address, ParseAddressError, Place};

/// The least memory that can be of use: what a worker takes before it holds anything.
const LEAST_MEMORY: u64 = 64 << 20;

/// What the user wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Work for a coordinator.
    Work(WorkConfig),
    /// Print the script by which a shell completes the options; [`crate::cli::completions`] makes it.
    Completions(Shell),
}

/// How to work for a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkConfig {
    /// Where the coordinator is.
    pub connect: Place,
    /// What the coordinator calls this worker: 1 to 64 characters, no control characters, no blanks at the ends.
    /// `None` for host name and process id.
    pub name: Option<String>,
    /// Whom to trust, and what to show.
    pub access: Access,
    /// How long it tries to reach the coordinator, at first and whenever it has lost it.
    pub give_up_after: Duration,
    /// The number of threads; `None` for one per core.
    pub threads: Option<NonZeroUsize>,
    /// How much memory it may use; `None` for three quarters of the machine's.
    pub max_memory: Option<MemoryLimit>,
    /// How much is said on standard error.
    pub verbosity: Verbosity,
    /// End the process when standard input ends.
    pub exit_when_stdin_closes: bool,
}

/// Reads the arguments, the program's own name first, and the files with options and token that they name, if any.
/// `token` is the value of the environment variable [`security::TOKEN_VARIABLE`].
///
/// # Errors
///
/// What to print and how to exit if the user asked for help or the version (code 0), or made mistakes (code 64).
pub fn parse(arguments: impl IntoIterator<Item = OsString>, token: Option<OsString>) -> Result<Command, Exit> {
    let cli = Cli::try_parse_from(arguments)?;
    match cli.subcommand {
        None => {
            let mut reader = Reader::new(cli.work);
            let config = read(&mut reader, token.as_deref(), cli.exit_when_stdin_closes);
            Ok(Command::Work(reader.finish(config)?))
        }
        Some(Subcommands::Completions { shell }) => Ok(Command::Completions(shell)),
    }
}

/// Reads every setting before it returns, so that all mistakes are noted.
fn read(reader: &mut Reader, token: Option<&OsStr>, exit_when_stdin_closes: bool) -> Result<WorkConfig, Mistaken> {
    let connect = reader.read(
        "connect",
        "a host and a port, such as `192.168.1.20:50051`, `[::1]:50051` or `localhost:50051`",
        |text| text.parse().ok(),
    );
    let expected = format!("1 to {MAX_NAME_CHARACTERS} characters, no control characters, no blanks at the ends");
    let name = reader.read_optional("name", &expected, worker_name);
    let give_up_after = reader.duration("give-up-after", Duration::ZERO);
    let access = access::read(reader, &connect, token);
    let threads = reader.threads("threads");
    let max_memory = reader.size("max-memory", LEAST_MEMORY);
    let verbosity = Verbosity::read(reader);
    Ok(WorkConfig {
        connect: connect?,
        name: name?,
        access: access?,
        give_up_after: give_up_after?,
        threads: threads?,
        max_memory: max_memory?.map(MemoryLimit),
        verbosity: verbosity?,
        exit_when_stdin_closes,
    })
}

fn worker_name(text: &str) -> Option<String> {
    let is_name = (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count())
        && !text.contains(char::is_control)
        && text.trim().len() == text.len();
    is_name.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
