//! What can be wrong with a model file.

use std::path::PathBuf;

use super::{FORMAT, FORMAT_VERSION};
use crate::dataset::{DatasetError, Place, StoredType};
use crate::{Digest, RealType};

/// Why a model could not be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ModelFileError {
    /// The file, or a dataset in it, cannot be opened or read.
    #[error(transparent)]
    File(#[from] DatasetError),
    /// HDF5, but without the attribute that marks a model.
    #[error("{}: found no attribute `format` of value `{FORMAT}`, expected a model", .file.display())]
    NotAModel { file: PathBuf },
    /// A format of another time.
    #[error("{}: found model format version {found}, expected {FORMAT_VERSION}", .file.display())]
    Version { file: PathBuf, found: i64 },
    /// An attribute is missing, or is not what it should be.
    #[error("{}, attribute `{name}`: {problem}", .file.display())]
    Attribute {
        file: PathBuf,
        name: &'static str,
        problem: String,
    },
    /// The attributes cannot be read.
    #[error("{}: the attributes cannot be read: {reason}", .file.display())]
    DamagedAttributes { file: PathBuf, reason: String },
    /// W_l or b_l does not fit the layer sizes.
    #[error("{place}: found shape {found:?}, expected {expected:?} by the layer sizes")]
    Shape {
        place: Place,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    /// W_l or b_l is of another type than the attribute `precision` says.
    #[error("{place}: found {found}, expected {expected} as the attribute `precision` says")]
    Precision {
        place: Place,
        found: StoredType,
        expected: RealType,
    },
    /// A parameter that is no number.
    #[error("{place}: found {value} at {index:?}, expected a finite number")]
    NotFinite {
        place: Place,
        value: f64,
        /// Row and column.
        index: [usize; 2],
    },
    /// At least one bit of the parameters changed.
    #[error("{}: found parameters of digest {found}, expected {expected} as the file says", .file.display())]
    Digest {
        file: PathBuf,
        found: Digest,
        expected: Digest,
    },
}

impl ModelFileError {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAModel { .. } | Self::File(DatasetError::NotHdf5 { .. }) => {
                "`coordinator --out DIR` writes the model as DIR/model.h5"
            }
            // Its advice is about data sets.
            Self::File(DatasetError::NoSuchDataset { .. }) => return None,
            Self::File(error) => return error.hint(),
            Self::Version { found, .. } if *found > i64::from(FORMAT_VERSION) => {
                "a newer version of Lockstep wrote it; read it with that one"
            }
            Self::Digest { .. } => "the file was damaged after it was written; copy it again or train again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
