//! Data sets: X and Y from an HDF5 file, checked whole before anything is trained, or the built-in images.
//!
//! ```text
//! names        which datasets are X and Y
//!   │
//! reading      opens them, checks what the headers claim, reads rows in bounded pieces
//!   │
//! labels, class_names, digest
//!   │
//! Dataset ──── columns(range)          X stays in the file and is read by range
//!   │
//! demo         the images that the program draws itself, kept in memory
//! ```

mod class_names;
pub mod demo;
mod digest;
mod error;
mod labels;
mod names;
mod reading;
mod stored_type;
mod string_heap;
mod writing;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use class_names::ClassNames;
pub use error::{DatasetError, Place};
pub use names::{Contents, Listing, NameChoice, Role};
pub use stored_type::StoredType;
pub use writing::write_demo;

pub(crate) use self::names::{open_dataset, printable};
pub(crate) use self::reading::{Stored, open_file};
use crate::element::Element;
use crate::{Columns, Digest, ElementType, RealType, with_values};
use digest::Hasher;

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An HDF5 file.
    File(PathBuf),
    /// The images of [`demo`].
    BuiltIn,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::BuiltIn => f.write_str("built-in images"),
        }
    }
}

/// A data set that is open and was checked whole: m examples of n_0 finite numbers, and perhaps their labels.
#[derive(Debug)]
pub struct Dataset {
    source: Source,
    x_name: String,
    y_name: Option<String>,
    m: usize,
    example_shape: Vec<usize>,
    element_type: ElementType,
    labels: Option<Vec<u8>>,
    class_names: ClassNames,
    digest: Digest,
    examples: Examples,
}

#[derive(Debug)]
enum Examples {
    InFile(Stored),
    InMemory(Columns),
}

impl Dataset {
    /// Opens the HDF5 file at `path` and goes through all of it, about 8 MiB at a time.
    ///
    /// X and Y are the datasets chosen in `names`, else those of the usual names, in the order that `role` gives. All
    /// numbers must be finite in `real_type`, the one in which the run computes.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] for everything that could go wrong later: no such file, not HDF5, truncated, no such dataset,
    /// an unsupported type or shape, no examples, labels that do not fit or are not 0 and 1, a NaN or an infinity.
    pub fn open(
        path: impl AsRef<Path>,
        role: Role,
        names: &NameChoice,
        real_type: RealType,
    ) -> Result<Self, DatasetError> {
        let path = path.as_ref();
        let file = open_file(path)?;
        let chosen = names::choose(&file, path, role, names)?;
        let x = Stored::open(&file, path, &chosen.x)?;
        let element_type = check_examples(&x)?;
        let m = x.shape[0];
        let read_labels = |name: &String| labels::read(&Stored::open(&file, path, name)?, &x.place, m);
        let labels = chosen.y.as_ref().map(read_labels).transpose()?;
        let digest = check_values(&x, element_type, real_type, labels.as_deref())?;
        Ok(Self {
            source: Source::File(path.to_owned()),
            x_name: chosen.x,
            y_name: chosen.y,
            m,
            example_shape: x.shape[1..].to_vec(),
            element_type,
            labels,
            class_names: ClassNames::read(&file, path),
            digest,
            examples: Examples::InFile(x),
        })
    }

    /// m, the number of examples.
    pub fn m(&self) -> usize {
        self.m
    }

    /// n_0, the numbers in one example.
    pub fn features(&self) -> usize {
        self.example_shape.iter().product()
    }

    /// The shape of one example, such as [64, 64, 3]; flattened row-major it is a column.
    pub fn example_shape(&self) -> &[usize] {
        &self.example_shape
    }

    /// The type of the numbers in the file, in which [`Dataset::columns`] keeps them.
    pub fn element_type(&self) -> ElementType {
        self.element_type
    }

    /// One label per example, 0 or 1; always there unless the data set was opened to predict.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// What the file says about the names of its classes.
    pub fn class_names(&self) -> &ClassNames {
        &self.class_names
    }

    /// BLAKE3 over n_0 and m as little-endian u64, the element type's name (`u8`, …, `f64`), a zero byte, the
    /// little-endian bytes of X column after column, and the labels, one byte each. It was taken when the data were
    /// checked.
    ///
    /// It sees what the arithmetic sees, and nothing else: the same numbers stored under other names, compressed or in
    /// the other byte order, have the same digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The name of the dataset that is X.
    pub fn x_name(&self) -> &str {
        &self.x_name
    }

    /// The name of the dataset that is Y, if there are labels.
    pub fn y_name(&self) -> Option<&str> {
        self.y_name.as_deref()
    }

    /// Where the data come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The examples in `range`, each one column of n_0 numbers in their own element type.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the file cannot be read any more, was changed or cut since it was opened, or the columns do
    /// not fit the memory.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the last example.
    pub fn columns(&self, range: Range<usize>) -> Result<Columns, DatasetError> {
        assert!(
            range.start <= range.end && range.end <= self.m,
            "{range:?} is not within 0..{}",
            self.m
        );
        match &self.examples {
            Examples::InFile(stored) => stored.read_columns(self.element_type, range),
            Examples::InMemory(columns) => Ok(columns.slice(range)),
        }
    }

    /// Checks that an example has as many features as one of `train`.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Features`] if not.
    pub fn expect_features_of(&self, train: &Self) -> Result<(), DatasetError> {
        self.expect_features(train.features(), &train.source)
    }

    /// Checks that an example has `expected` features, as those have on which `reference` was trained.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Features`] if not.
    pub fn expect_features(&self, expected: usize, reference: &impl fmt::Display) -> Result<(), DatasetError> {
        if self.features() == expected {
            return Ok(());
        }
        Err(DatasetError::Features {
            place: self.place(),
            found: self.features(),
            shape: self.example_shape.clone(),
            expected,
            reference: reference.to_string(),
        })
    }

    fn place(&self) -> Place {
        Place {
            file: self.source.to_string().into(),
            dataset: self.x_name.clone(),
        }
    }
}

/// Checks that every number of X is finite in `real_type`, and returns the digest of the data set.
fn check_values(
    x: &Stored,
    element_type: ElementType,
    real_type: RealType,
    labels: Option<&[u8]>,
) -> Result<Digest, DatasetError> {
    let example_shape = &x.shape[1..];
    let features = example_shape.iter().product();
    let mut hasher = Hasher::new(features, x.shape[0], element_type);
    for rows in x.pieces(features * element_type.bytes()) {
        let columns = x.read_columns(element_type, rows.clone())?;
        let at = match real_type {
            RealType::F64 => columns.first_non_finite::<f64>(),
            RealType::F32 => columns.first_non_finite::<f32>(),
        };
        if let Some((feature, column)) = at {
            let position = column * features + feature;
            return Err(DatasetError::NotFinite {
                place: x.place.clone(),
                value: with_values!(columns.values(), |v| v[position].to_real::<f64>()),
                example: rows.start + column,
                index: unravel(feature, example_shape),
                real_type,
            });
        }
        hasher.columns(&columns);
    }
    Ok(hasher.finish(labels))
}

/// Checks what can be known of X without reading it, and returns its element type.
fn check_examples(x: &Stored) -> Result<ElementType, DatasetError> {
    let (place, shape) = (x.place.clone(), x.shape.clone());
    let StoredType::Element(element_type) = x.stored_type else {
        let found = x.stored_type.clone();
        return Err(DatasetError::ElementType { place, found });
    };
    if shape.len() < 2 {
        return Err(DatasetError::Rank { place, shape });
    }
    if shape[0] == 0 {
        return Err(DatasetError::NoExamples { place, shape });
    }
    if shape[1..].contains(&0) {
        return Err(DatasetError::NoFeatures { place, shape });
    }
    x.check_plausible()?;
    Ok(element_type)
}

/// The index, axis by axis, of the number at `position` of an example flattened row-major.
fn unravel(position: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = position;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|n| {
            let at = rest % n;
            rest /= n;
            at
        })
        .collect();
    index.reverse();
    index
}
