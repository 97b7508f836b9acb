//! What can be wrong with checkpoints.

use std::io;
use std::path::PathBuf;

use shared::Digest;

use super::{Difference, FORMAT_VERSION, Origin};

/// Why bytes are no checkpoint that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Something else.
    #[error("found a file of another kind, expected a checkpoint")]
    NotACheckpoint,
    /// Not even the frame of a checkpoint.
    #[error("found only the first {found} bytes of a checkpoint")]
    TooShort {
        /// Its bytes.
        found: u64,
    },
    /// Cut, or longer than it was.
    #[error("found {found} bytes, expected {expected} as the file says")]
    Length {
        /// Its bytes.
        found: u64,
        /// The bytes that it says it has.
        expected: u64,
    },
    /// At least one bit has changed.
    #[error("found contents of digest {found}, expected {expected} as the file says")]
    Digest {
        /// That of the bytes.
        found: Digest,
        /// That at the end of the file.
        expected: Digest,
    },
    /// A whole checkpoint of another time.
    #[error("found checkpoint format version {found}, expected {FORMAT_VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The header is not made as it should be.
    #[error("the header: {problem}")]
    Header {
        /// What is wrong.
        problem: String,
    },
    /// A field of the header is not what it should be.
    #[error("the field `{key}`: {problem}")]
    Field {
        /// Its name.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// More or fewer numbers than the header says.
    #[error("found {found} bytes of parameters and costs, expected {expected} by the header")]
    Numbers {
        /// The bytes behind the header.
        found: u64,
        /// The bytes that parameters and costs take.
        expected: u128,
    },
}

/// A checkpoint file that was passed over.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", .path.display())]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub reason: RefusalReason,
}

/// Why a checkpoint file was passed over.
#[derive(Debug, thiserror::Error)]
pub enum RefusalReason {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// A folder, a pipe or the like.
    #[error("found something else than a file, expected a checkpoint")]
    NotAFile,
    /// Its bytes are no checkpoint.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A good checkpoint under the name of another.
    #[error("found a checkpoint of {found} iterations, expected {expected} by its name")]
    Name {
        /// The updates that it holds.
        found: u64,
        /// The updates that its name says.
        expected: u64,
    },
}

/// Why a run cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No folder, or none with checkpoints.
    #[error("found no checkpoints in {}, expected at least 1", .folder.display())]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be listed.
    #[error("{}: cannot be read: {reason}", .folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// There are checkpoints, but each was refused.
    #[error("found {} in {} but none that can be used", counted(.refused), .folder.display())]
    NoneGood {
        /// The folder.
        folder: PathBuf,
        /// Each with its reason, the newest first. The error itself does not tell them.
        refused: Vec<Refused>,
    },
}

impl LoadError {
    /// The files that were passed over, to be told before the error.
    pub fn refused(&self) -> &[Refused] {
        match self {
            Self::NoneGood { refused, .. } => refused,
            Self::Nothing { .. } | Self::Unreadable { .. } => &[],
        }
    }

    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing { .. } => Some(
                "--resume names the --out folder of a run that has written checkpoints; to begin a run, use --out alone"
                    .to_owned(),
            ),
            Self::Unreadable { .. } => None,
            Self::NoneGood { .. } => Some("begin the run anew, with --out in place of --resume and another folder".to_owned()),
        }
    }

    /// The program's exit code: bad data.
    pub fn exit_code(&self) -> u8 {
        65
    }
}

/// A checkpoint of a run that computes something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .path.display(), joined(.differences))]
pub struct IncompatibleError {
    /// The checkpoint.
    pub path: PathBuf,
    /// Every field that differs; at least one.
    pub differences: Vec<Difference>,
}

impl IncompatibleError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        let otherwise = "to begin another run, use --out with another folder and no --resume";
        if self.is_about_data() {
            return Some(format!(
                "go on with the data that the checkpoint was made from; {otherwise}"
            ));
        }
        let options: Vec<String> = self
            .differences
            .iter()
            .map(|difference| format!("--{} {}", difference.key, difference.found))
            .collect();
        Some(format!("to go on from it, use {}; {otherwise}", options.join(" ")))
    }

    /// The program's exit code: 65 if the data are others, 64 if only options are.
    pub fn exit_code(&self) -> u8 {
        if self.is_about_data() { 65 } else { 64 }
    }

    fn is_about_data(&self) -> bool {
        self.differences
            .iter()
            .any(|difference| difference.origin == Origin::Data)
    }
}

/// Why a new run may not begin in a folder: what an earlier run has left there would be lost.
#[derive(Debug, thiserror::Error)]
pub enum OccupiedError {
    /// A run that could go on.
    #[error(
        "found {}, a checkpoint of another run after {updates} of its {iterations} iterations, expected none of an \
         unfinished run", .path.display()
    )]
    Unfinished {
        /// Its newest checkpoint.
        path: PathBuf,
        /// The updates that it has made.
        updates: u64,
        /// The iterations that it was to make.
        iterations: u64,
    },
    /// Nobody knows what it is.
    #[error(transparent)]
    Unknown(LoadError),
    /// The checkpoints of a finished run are in the way.
    #[error("{}: cannot be removed: {reason}", .path.display())]
    NotRemovable {
        /// The checkpoint.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl OccupiedError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        let run_folder = |checkpoints: &std::path::Path| {
            let run = checkpoints.parent().unwrap_or(checkpoints);
            run.display().to_string()
        };
        let elsewhere = "to begin a new run, choose another folder with --out";
        match self {
            Self::Unfinished { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                Some(format!(
                    "to go on with that run, use --resume {}; {elsewhere}, or remove {}",
                    run_folder(folder),
                    folder.display()
                ))
            }
            Self::Unknown(LoadError::NoneGood { folder, .. } | LoadError::Nothing { folder }) => {
                Some(format!("{elsewhere}, or remove {}", folder.display()))
            }
            Self::Unknown(LoadError::Unreadable { .. }) | Self::NotRemovable { .. } => Some(elsewhere.to_owned()),
        }
    }

    /// The program's exit code: start-up failed, as for every folder that cannot be used.
    pub fn exit_code(&self) -> u8 {
        1
    }
}

fn counted(refused: &[Refused]) -> String {
    match refused.len() {
        1 => "1 checkpoint".to_owned(),
        count => format!("{count} checkpoints"),
    }
}

fn joined(differences: &[Difference]) -> String {
    let all: Vec<String> = differences.iter().map(Difference::to_string).collect();
    all.join("; ")
}
