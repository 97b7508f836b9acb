//! How much a program says on standard error.

use crate::reader::{Mistaken, Reader};
use crate::setting::{QUIET, VERBOSE};

/// How much a program says on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Warnings and errors: `-q`.
    Quiet,
    /// Also what a user wants to know while waiting.
    #[default]
    Normal,
    /// Also what helps to find a fault: `-v`.
    Verbose,
    /// Everything: `-vv`.
    Everything,
}

impl Verbosity {
    /// Reads `quiet` and `verbose`. On the command line each wins over the other in a configuration file.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if both are given in the same place, or one has a wrong value.
    pub fn read(reader: &mut Reader) -> Result<Self, Mistaken> {
        let quiet = reader.flag(QUIET.name);
        let verbose = reader.read_optional(VERBOSE.name, "a number of times, from 0 to 255", |text| {
            text.parse::<u8>().ok()
        });
        let (quiet, verbose) = (quiet?, verbose?.unwrap_or(0));
        match (quiet, verbose) {
            (false, 0) => Ok(Self::Normal),
            (true, 0) => Ok(Self::Quiet),
            (false, 1) => Ok(Self::Verbose),
            (false, _) => Ok(Self::Everything),
            (true, _) => match (reader.is_typed(QUIET.name), reader.is_typed(VERBOSE.name)) {
                (true, false) => Ok(Self::Quiet),
                (false, true) if verbose == 1 => Ok(Self::Verbose),
                (false, true) => Ok(Self::Everything),
                _ => {
                    let found = format!("it together with {}", reader.place(VERBOSE.name));
                    Err(reader.relation(QUIET.name, found, "one of the two", None))
                }
            },
        }
    }

    /// The least important level that is shown, as `RUST_LOG` names it.
    pub fn level(self) -> &'static str {
        match self {
            Self::Quiet => "warn",
            Self::Normal => "info",
            Self::Verbose => "debug",
            Self::Everything => "trace",
        }
    }
}
