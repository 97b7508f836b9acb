//! Everything that can be wrong with a data set, each kind with what was found, what was expected and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::names::{Contents, quoted_list};
use super::stored_type::StoredType;
use crate::{ElementType, RealType};

/// A dataset in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The dataset's name in it.
    pub dataset: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, dataset `{}`", self.file.display(), self.dataset)
    }
}

/// What is wrong with a data set.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DatasetError {
    /// Nothing has that name.
    #[error("{}: no such file", .file.display())]
    NoSuchFile { file: PathBuf },
    /// The operating system refuses.
    #[error("{}: cannot be read: {reason}", .file.display())]
    Unreadable { file: PathBuf, reason: io::Error },
    /// No HDF5 signature.
    #[error("{}: found no HDF5 signature, expected an HDF5 file", .file.display())]
    NotHdf5 { file: PathBuf },
    /// Shorter than its own header says.
    #[error("{}: the file is truncated: found {found} bytes{}", .file.display(), expected_bytes(.expected))]
    Truncated {
        file: PathBuf,
        found: u64,
        /// What the file's header says, where HDF5 tells.
        expected: Option<u64>,
    },
    /// HDF5, but HDF5's own library cannot open it.
    #[error("{}: the file cannot be opened as HDF5: {reason}", .file.display())]
    DamagedFile { file: PathBuf, reason: String },
    /// HDF5 cannot read one dataset.
    #[error("{place}: the values cannot be read: {reason}")]
    DamagedDataset { place: Place, reason: String },
    /// Compressed by a method that is not built in.
    #[error("{place}: found values compressed by a method that is not built in, expected gzip, LZF or none")]
    MissingFilter { place: Place },
    /// None of the names is in the file.
    #[error("{}: found no dataset {}; {contents}", .file.display(), quoted_list(.wanted))]
    NoSuchDataset {
        file: PathBuf,
        wanted: Vec<String>,
        contents: Contents,
    },
    /// There is an X without its Y.
    #[error(
        "{}: found no labels for dataset `{x}`, expected a dataset {}; {contents}",
        .file.display(), quoted_list(.wanted)
    )]
    NoLabels {
        file: PathBuf,
        x: String,
        wanted: Vec<String>,
        contents: Contents,
    },
    /// X holds something that is no element type.
    #[error("{place}: found {found}, expected u8, i8, i16, i32, i64, f32 or f64")]
    ElementType { place: Place, found: StoredType },
    /// Y holds something that is no number.
    #[error("{place}: found {found}, expected labels of an integer, floating-point or boolean type")]
    LabelType { place: Place, found: StoredType },
    /// X has no axis for features.
    #[error("{place}: found shape {shape:?}, expected at least 2 axes, the examples on the first")]
    Rank { place: Place, shape: Vec<usize> },
    /// X has no rows.
    #[error("{place}: found no examples (shape {shape:?}), expected at least 1")]
    NoExamples { place: Place, shape: Vec<usize> },
    /// An axis of X behind the first is empty.
    #[error("{place}: found no features (shape {shape:?}), expected at least 1 per example")]
    NoFeatures { place: Place, shape: Vec<usize> },
    /// Y is neither a list nor a column.
    #[error("{place}: found shape {shape:?}, expected labels of shape [{m}] or [{m}, 1]")]
    LabelShape { place: Place, shape: Vec<usize>, m: usize },
    /// X and Y disagree on m.
    #[error("{}: found {x_count} examples in `{x}` but {y_count} labels in `{y}`, expected as many", .file.display())]
    Lengths {
        file: PathBuf,
        x: String,
        x_count: usize,
        y: String,
        y_count: usize,
    },
    /// The header promises more than the file can hold.
    #[error("{place}: shape {shape:?} takes {}, but the file stores only {stored} for it", bytes_or_more(.declared))]
    Implausible {
        place: Place,
        shape: Vec<usize>,
        /// Bytes by shape and element type; `None` if more than 2^64 − 1.
        declared: Option<u64>,
        stored: u64,
    },
    /// The values are in other files.
    #[error("{place}: found a dataset whose values lie in other files, expected the values themselves")]
    StoredElsewhere { place: Place },
    /// A value that the numbers that the run computes with cannot hold.
    #[error(
        "{place}: found {value} in example {example} at {index:?}, expected a number that is finite in {real_type}"
    )]
    NotFinite {
        place: Place,
        value: f64,
        example: usize,
        /// Where in the example, axis by axis.
        index: Vec<usize>,
        real_type: RealType,
    },
    /// A label that is no class.
    #[error("{place}: found label {value} for example {example}, expected 0 or 1")]
    Label { place: Place, value: f64, example: usize },
    /// Examples of another size than the network's.
    #[error("{place}: found {found} features per example (shape {shape:?}), expected {expected} as in {reference}")]
    Features {
        place: Place,
        found: usize,
        shape: Vec<usize>,
        expected: usize,
        reference: String,
    },
    /// Written to or cut while in use.
    #[error("{}: the file changed while it was in use", .file.display())]
    Changed { file: PathBuf },
    /// Not enough memory for the values asked for.
    #[error("{place}: {bytes} bytes are needed to hold the values, but that much memory cannot be had")]
    OutOfMemory { place: Place, bytes: u64 },
}

impl DatasetError {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotHdf5 { .. } => {
                "write the data with h5py: f.create_dataset('x', data=x); f.create_dataset('y', data=y)"
            }
            Self::Truncated { .. } => "copy or download the file again",
            Self::MissingFilter { .. } => "rewrite the file with gzip: h5repack -f GZIP=4 old.h5 new.h5",
            Self::NoSuchDataset { .. } => "name the datasets with --x-name and --y-name",
            Self::NoLabels { .. } => "name the labels with --y-name",
            Self::ElementType { found, .. } => return convert_hint(found),
            Self::LabelType { .. } => "store the labels as integers 0 and 1",
            Self::Rank { .. } => "store one example per row: x.reshape(m, -1)",
            Self::LabelShape { shape, m, .. } if shape.iter().product::<usize>() == *m => {
                "store the labels as one list: y.reshape(-1)"
            }
            Self::StoredElsewhere { .. } => "copy the values into one file: g.create_dataset('x', data=f['x'][...])",
            Self::NotFinite {
                value,
                real_type: RealType::F32,
                ..
            } if value.is_finite() => "use --precision f64",
            Self::NotFinite { .. } => "remove such examples or replace the value, for instance with numpy.nan_to_num",
            Self::Label { .. } => "two classes are supported: number them 0 and 1",
            Self::Changed { .. } => "start again when nothing writes to the file any more",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn convert_hint(found: &StoredType) -> Option<String> {
    let target = match found {
        StoredType::Boolean => ElementType::U8,
        StoredType::Unsigned(16) => ElementType::I32,
        StoredType::Unsigned(_) => ElementType::I64,
        StoredType::HalfFloat => ElementType::F32,
        StoredType::Element(_) | StoredType::Text | StoredType::Other(_) => return None,
    };
    let numpy_name = match target {
        ElementType::U8 => "uint8",
        ElementType::I32 => "int32",
        ElementType::I64 => "int64",
        _ => "float32",
    };
    Some(format!("convert it to {target}, in NumPy: x.astype('{numpy_name}')"))
}

fn expected_bytes(expected: &Option<u64>) -> String {
    expected.map_or_else(String::new, |bytes| format!(", expected {bytes}"))
}

fn bytes_or_more(declared: &Option<u64>) -> String {
    declared.map_or_else(|| "more than 2^64 bytes".to_owned(), |bytes| format!("{bytes} bytes"))
}
