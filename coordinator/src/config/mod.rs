//! The command line and the configuration file, resolved: every value checked, every relation between values too.
//!
//! ```text
//! arguments ──▶ cli::Cli (words) ──▶ settings::Reader ──▶ Command, or Exit with all mistakes
//! ```

mod access;
mod checkpoints;
mod plan;
mod predict;
mod train;

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use clap::Parser;
use clap_complete::Shell;
use settings::{Exit, Mistaken, Reader};
use shared::dataset::NameChoice;

use crate::certificates::CertificatesConfig;
use crate::cli::{Cli, Subcommands};

pub use checkpoints::CheckpointConfig;
pub use plan::PlanConfig;
pub use predict::{PredictConfig, PredictionFile};
pub use train::{Fleet, SpawnConfig, TrainConfig, TrainingData};

/// What the user wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Train a network.
    Train(Box<TrainConfig>),
    /// Classify examples with a trained network.
    Predict(PredictConfig),
    /// Forecast what training costs.
    Plan(PlanConfig),
    /// Write the built-in images to a folder.
    DemoData {
        /// The folder.
        dir: PathBuf,
        /// How many of them to train on.
        examples: u32,
    },
    /// Make certificates and a token.
    Certificates(CertificatesConfig),
    /// Print the script by which a shell completes the options; [`crate::cli::completions`] makes it.
    Completions(Shell),
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
            let mut reader = Reader::new(cli.train);
            let config = train::read(&mut reader, token.as_deref());
            Ok(Command::Train(Box::new(reader.finish(config)?)))
        }
        Some(Subcommands::Predict(words)) => {
            let mut reader = Reader::new(words);
            let config = predict::read(&mut reader);
            Ok(Command::Predict(reader.finish(config)?))
        }
        Some(Subcommands::Plan(words)) => {
            let mut reader = Reader::new(words);
            let config = plan::read(&mut reader);
            Ok(Command::Plan(reader.finish(config)?))
        }
        Some(Subcommands::DemoData { dir, examples }) => Ok(Command::DemoData { dir, examples }),
        Some(Subcommands::Certificates { dir, hosts }) => Ok(Command::Certificates(CertificatesConfig { dir, hosts })),
        Some(Subcommands::Completions { shell }) => Ok(Command::Completions(shell)),
    }
}

/// The datasets that the user names in place of the usual ones.
fn names(reader: &mut Reader) -> Result<NameChoice, Mistaken> {
    let mut name = |setting| reader.read_optional(setting, "the name of a dataset in the file", dataset_name);
    let (x, y) = (name("x-name"), name("y-name"));
    Ok(NameChoice { x: x?, y: y? })
}

/// A name that HDF5 can look up: not empty and without NUL.
fn dataset_name(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned())
}

/// Whether two paths are the same but for `./`. Links are not followed.
fn is_same(a: &Path, b: &Path) -> bool {
    let steps = |path: &Path| -> PathBuf {
        path.components()
            .filter(|step| !matches!(step, Component::CurDir))
            .collect()
    };
    steps(a) == steps(b)
}

#[cfg(test)]
mod tests;
