//! Settings as both programs read them: from the command line and from a TOML file, with every mistake reported at once.
//!
//! ```text
//! a program's Table ──▶ options and help (clap)
//!                                 │
//! command line ──▶ Words ─────────┤  the command line wins
//! TOML file    ──▶ Written ───────┴──▶ Reader ──▶ the program's own configuration, or
//!                                                 one ConfigError that holds every Violation ──▶ Exit
//! ```
//!
//! A [`Table`] is the only place where a program names its settings. Options, help, keys of the configuration file and
//! messages are all made from it, so none can be forgotten. clap only splits the command line into words; what a word
//! means, and whether it is right, the program decides through its [`Reader`].

mod duration;
mod error;
mod exit;
mod file;
mod panic;
mod reader;
mod setting;
mod size;
mod stop_signal;
mod verbosity;
mod words;

pub use duration::{MAX_DURATION, ParseDurationError, TypedDuration, parse_duration};
pub use error::{ConfigError, Place, Problem, Violation};
pub use exit::{EXIT_USAGE, Exit, Stream};
pub use panic::end_on_panic;
pub use reader::{Mistaken, Reader};
pub use setting::{CONFIG, Fallback, Group, Kind, MAX_THREADS, QUIET, Setting, Settings, Table, VERBOSE};
pub use size::{ParseSizeError, Size, parse_size};
pub use stop_signal::StopSignal;
pub use verbosity::Verbosity;
pub use words::Words;
