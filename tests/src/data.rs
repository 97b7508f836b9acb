//! Small data sets, and the folders that tests write them to.

use std::path::{Path, PathBuf};

use hdf5::H5Type;
use shared::Columns;
use shared::element::Values;
use shared::numpy_random::NumpyRandom;
use tempfile::TempDir;

use crate::processes::while_nothing_else_starts;

/// A folder that vanishes with the test.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[expect(clippy::new_without_default, reason = "it makes a folder, which no default should")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// The path of `name` in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of `name` in it, as an argument.
    pub fn argument(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `text` with the folder's path replaced by `FOLDER`.
    pub fn masked(&self, text: &str) -> String {
        text.replace(&self.0.path().display().to_string(), "FOLDER")
    }

    /// The names of all that is in it, sorted.
    ///
    /// # Panics
    ///
    /// If it cannot be listed.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the folder can be listed");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("the folder can be listed")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

/// Examples of two classes that a network can learn to tell apart.
#[derive(Clone, Debug)]
pub struct Sample {
    /// n_0 × m.
    pub x: Columns,
    /// 0 or 1 each.
    pub labels: Vec<u8>,
}

impl Sample {
    /// `m` examples of `features` bytes.
    pub fn bytes(m: usize, features: usize, seed: u32) -> Self {
        Self::new(m, features, seed, |deviates| {
            Values::U8(deviates.iter().map(|deviate| (deviate * 40.0 + 128.0) as u8).collect())
        })
    }

    /// `m` examples of `features` numbers of f64.
    pub fn floats(m: usize, features: usize, seed: u32) -> Self {
        Self::new(m, features, seed, |deviates| Values::F64(deviates.to_vec()))
    }

    fn new(m: usize, features: usize, seed: u32, values: impl Fn(&[f64]) -> Values) -> Self {
        let mut random = NumpyRandom::new(seed);
        let deviates: Vec<f64> = (0..m * features).map(|_| random.normal()).collect();
        let class_1 = |example: &[f64]| example.iter().step_by(2).sum::<f64>() > 0.0;
        Self {
            labels: deviates
                .chunks(features)
                .map(|example| u8::from(class_1(example)))
                .collect(),
            x: Columns::new(features, values(&deviates)).expect("every example has all features"),
        }
    }

    /// Writes them as datasets `x`, m × n_0, and `y`.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) {
        let shape = [self.x.count(), self.x.features()];
        write(path, |file| {
            match self.x.values() {
                Values::U8(values) => dataset(file, "x", &shape, values),
                Values::F64(values) => dataset(file, "x", &shape, values),
                other => panic!("no test needs {other:?}"),
            }
            dataset(file, "y", &[self.labels.len()], &self.labels);
        });
    }
}

/// Writes an HDF5 file.
///
/// # Panics
///
/// If it cannot be made.
pub fn write(path: &Path, fill: impl FnOnce(&hdf5::File)) {
    while_nothing_else_starts(|| fill(&hdf5::File::create(path).expect("the file can be made")));
}

/// Writes a dataset, row-major.
///
/// # Panics
///
/// If it cannot be written.
pub fn dataset<T: H5Type>(file: &hdf5::File, name: &str, shape: &[usize], values: &[T]) {
    let dataset = file.new_dataset::<T>().shape(shape).create(name);
    let dataset = dataset.expect("the dataset can be made");
    dataset
        .write_raw(values)
        .expect("there are as many values as the shape says");
}
