//! `model.h5`: a trained network with all that prediction needs.
//!
//! ```text
//!   /            attributes: format, format_version, layer_sizes, activations, precision, scale, element_type,
//!                example_shape, class_names, x_name, y_name, initialisation, seed, learning_rate, iteration, digest
//!   /W1, /b1 …   n_l × n_{l-1} and n_l × 1, in the network's precision
//! ```
//!
//! Strings are of fixed length and UTF-8: what a file could otherwise point to need not be trusted.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use hdf5::types::FixedUnicode;
use ndarray::ArrayView2;

use crate::activation::Activation;
use crate::atomic_file::{WriteError, write_hdf5};
use crate::dataset::DatasetError;
use crate::{AnyParameters, Digest, ElementType, Initialisation, LayerSizes, Parameters, Precision, Real};

const FORMAT: &str = "lockstep model";
const VERSION: u64 = 1;

/// Bytes of the longest string in a model file.
const LONGEST: usize = 1024;
type Text = FixedUnicode<LONGEST>;

/// The most layers that are read.
const MOST_LAYERS: usize = 1024;

/// A trained network, and what prediction needs besides.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// W and b.
    pub parameters: AnyParameters,
    /// The factor of every number of X.
    pub scale: f64,
    /// The type of the numbers that it was trained on.
    pub element_type: ElementType,
    /// The shape of one example, whose numbers are n_0.
    pub example_shape: Vec<usize>,
    /// The names of class 0 and class 1, if known.
    pub class_names: Option<[String; 2]>,
    /// The dataset that X was read from.
    pub x_name: String,
    /// The dataset that Y was read from.
    pub y_name: String,
    /// How W was drawn before the first iteration.
    pub initialisation: Initialisation,
    /// The seed of W.
    pub seed: u32,
    /// α.
    pub learning_rate: f64,
    /// The number of updates that were made.
    pub iteration: u64,
}

/// A model file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The file cannot be opened, or is not HDF5.
    #[error(transparent)]
    File(#[from] DatasetError),
    /// The file is HDF5, but no model.
    #[error("{file}: found no model of Lockstep's, expected one written by `coordinator --out`", file = .0.display())]
    NotAModel(PathBuf),
    /// The model is of a later version.
    #[error("{file}: found a model of format version {found}, expected {VERSION}", file = .file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u64,
    },
    /// Something in the model is missing or impossible.
    #[error("{file}: {what}: found {found}, expected {expected}", file = .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The attribute or dataset.
        what: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// The parameters are not those that were written.
    #[error("{file}: found parameters with digest {found}, expected {expected}: the file was changed or damaged",
        file = .file.display())]
    Digest {
        /// The file.
        file: PathBuf,
        /// The digest of what was read.
        found: Digest,
        /// The digest that was written.
        expected: Digest,
    },
}

impl ModelFileError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::NotAModel(_) => Some("a run with --out DIR writes DIR/model.h5".to_owned()),
            Self::Version { .. } => Some("use the program that wrote the model, or a newer one".to_owned()),
            Self::Damaged { .. } | Self::Digest { .. } => {
                Some("train again, or take another copy of the file".to_owned())
            }
        }
    }
}

impl Model {
    /// Writes the model as the file `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        write_hdf5(path, |file| {
            self.write_facts(file)?;
            match &self.parameters {
                AnyParameters::F64(parameters) => write_parameters(file, parameters),
                AnyParameters::F32(parameters) => write_parameters(file, parameters),
            }
        })
    }

    fn write_facts(&self, file: &hdf5::File) -> hdf5::Result<()> {
        let sizes = self.parameters.sizes();
        let layers = sizes.layers();
        let activations = (1..=layers).map(|l| Activation::of_layer(l, layers).name().to_owned());
        write_texts(file, "format", &[FORMAT.to_owned()], true)?;
        write_numbers(file, "format_version", &[VERSION], true)?;
        write_numbers(file, "layer_sizes", &to_u64(sizes.as_slice()), false)?;
        write_texts(file, "activations", &activations.collect::<Vec<_>>(), false)?;
        write_texts(file, "precision", &[self.parameters.precision().to_string()], true)?;
        write_numbers(file, "scale", &[self.scale], true)?;
        write_texts(file, "element_type", &[self.element_type.to_string()], true)?;
        write_numbers(file, "example_shape", &to_u64(&self.example_shape), false)?;
        if let Some(names) = &self.class_names {
            write_texts(file, "class_names", names, false)?;
        }
        write_texts(file, "x_name", std::slice::from_ref(&self.x_name), true)?;
        write_texts(file, "y_name", std::slice::from_ref(&self.y_name), true)?;
        write_texts(file, "initialisation", &[self.initialisation.to_string()], true)?;
        write_numbers(file, "seed", &[self.seed], true)?;
        write_numbers(file, "learning_rate", &[self.learning_rate], true)?;
        write_numbers(file, "iteration", &[self.iteration], true)?;
        write_texts(file, "digest", &[self.parameters.digest().to_string()], true)
    }

    /// Reads and checks the model in the file `path`.
    ///
    /// # Errors
    ///
    /// [`ModelFileError`] if there is no model, or its parameters are not the ones whose digest was written.
    pub fn read(path: &Path) -> Result<Self, ModelFileError> {
        let file = crate::dataset::open_file(path)?;
        let reader = Reader { file: &file, path };
        if reader.text("format").ok().as_deref() != Some(FORMAT) {
            return Err(ModelFileError::NotAModel(path.to_owned()));
        }
        let found = reader.number::<u64>("format_version")?;
        if found != VERSION {
            return Err(ModelFileError::Version {
                file: path.to_owned(),
                found,
            });
        }
        reader.model()
    }
}

fn to_u64(sizes: &[usize]) -> Vec<u64> {
    sizes.iter().map(|&n| n as u64).collect()
}

/// An attribute of strings, cut to what fits: one string if `scalar`, else a list.
fn write_texts(file: &hdf5::File, name: &str, texts: &[String], scalar: bool) -> hdf5::Result<()> {
    let fitting = |text: &String| {
        let end = (0..=LONGEST.min(text.len()))
            .rev()
            .find(|&end| text.is_char_boundary(end))
            .unwrap_or(0);
        Text::from_str(&text[..end].replace('\0', " ")).map_err(|error| hdf5::Error::from(error.to_string()))
    };
    let texts = texts.iter().map(fitting).collect::<hdf5::Result<Vec<_>>>()?;
    write_numbers(file, name, &texts, scalar)
}

fn write_numbers<V: hdf5::H5Type>(file: &hdf5::File, name: &str, values: &[V], scalar: bool) -> hdf5::Result<()> {
    match values {
        [value] if scalar => file.new_attr::<V>().create(name)?.write_scalar(value),
        _ => file.new_attr::<V>().shape(values.len()).create(name)?.write_raw(values),
    }
}

fn write_parameters<T: Real + hdf5::H5Type>(file: &hdf5::File, parameters: &Parameters<T>) -> hdf5::Result<()> {
    // Without times in the file, the same model is the same bytes.
    let new = || file.new_dataset_builder().obj_track_times(false);
    for l in 1..=parameters.sizes().layers() {
        let b = parameters.b(l);
        let column = ArrayView2::from_shape((b.len(), 1), b.to_slice().expect("biases lie side by side"))
            .expect("a column of n_l numbers");
        new().with_data(parameters.w(l)).create(format!("W{l}").as_str())?;
        new().with_data(column).create(format!("b{l}").as_str())?;
    }
    Ok(())
}

/// The binding's own `as_str` would trust the file to hold UTF-8.
fn decoded(text: &Text) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

struct Reader<'a> {
    file: &'a hdf5::File,
    path: &'a Path,
}

impl Reader<'_> {
    fn model(&self) -> Result<Model, ModelFileError> {
        let sizes = self.sizes()?;
        let scale = self.number::<f64>("scale")?;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(self.damaged("scale", format!("{scale:?}"), "a finite number above 0"));
        }
        let example_shape = self.list("example_shape", MOST_LAYERS)?;
        if example_shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side)) != Some(sizes.features()) {
            return Err(self.damaged("example_shape", format!("{example_shape:?}"), "a shape of n_0 numbers"));
        }
        let parameters = match self.parsed::<Precision>("precision", "`f64` or `f32`")? {
            Precision::F64 => AnyParameters::F64(self.parameters(sizes)?),
            Precision::F32 => AnyParameters::F32(self.parameters(sizes)?),
        };
        let (found, expected) = (parameters.digest(), self.parsed::<Digest>("digest", "a digest")?);
        if found != expected {
            return Err(ModelFileError::Digest {
                file: self.path.to_owned(),
                found,
                expected,
            });
        }
        Ok(Model {
            parameters,
            scale,
            element_type: self.parsed("element_type", "an element type")?,
            example_shape,
            class_names: self.class_names(),
            x_name: self.text("x_name")?,
            y_name: self.text("y_name")?,
            initialisation: self.parsed("initialisation", "`small`, `scaled` or `he`")?,
            seed: self.number("seed")?,
            learning_rate: self.number("learning_rate")?,
            iteration: self.number("iteration")?,
        })
    }

    fn sizes(&self) -> Result<LayerSizes, ModelFileError> {
        let sizes = self.list("layer_sizes", MOST_LAYERS)?;
        let found = format!("{sizes:?}");
        LayerSizes::new(sizes).map_err(|error| self.damaged("layer_sizes", found, &format!("possible sizes ({error})")))
    }

    /// Checks each dataset's shape before its numbers are read, so that no more is allocated than the file holds.
    fn parameters<T: Real + hdf5::H5Type>(&self, sizes: LayerSizes) -> Result<Parameters<T>, ModelFileError> {
        let mut values = Vec::new();
        for l in 1..=sizes.layers() {
            values.extend(self.tensor::<T>(&format!("W{l}"), [sizes.n(l), sizes.n(l - 1)])?);
            values.extend(self.tensor::<T>(&format!("b{l}"), [sizes.n(l), 1])?);
        }
        Ok(Parameters::from_values(sizes, values).expect("every tensor has the shape that its layer needs"))
    }

    fn tensor<T: Real + hdf5::H5Type>(&self, name: &str, shape: [usize; 2]) -> Result<Vec<T>, ModelFileError> {
        let expected = format!("{} numbers of shape {shape:?}", T::PRECISION);
        let damaged = |found: String| self.damaged(name, found, &expected);
        let refused = |error: hdf5::Error| damaged(error.to_string());
        let dataset = self
            .file
            .dataset(name)
            .map_err(|_| damaged("no such dataset".to_owned()))?;
        let found = dataset.space().map_err(refused)?.shape();
        if found != shape {
            return Err(damaged(format!("shape {found:?}")));
        }
        if !dataset.dtype().map_err(refused)?.is::<T>() {
            return Err(damaged("numbers of another type".to_owned()));
        }
        let bytes = (shape[0] * shape[1] * size_of::<T>()) as u64;
        if dataset.storage_size() < bytes {
            return Err(damaged(format!("{} bytes", dataset.storage_size())));
        }
        let values = dataset.read_raw::<T>().map_err(refused)?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(self.damaged(name, format!("{value:?}"), "finite numbers")),
            None => Ok(values),
        }
    }

    fn class_names(&self) -> Option<[String; 2]> {
        let attribute = self.file.attr("class_names").ok()?;
        (attribute.shape() == [2])
            .then(|| attribute.read_raw::<Text>().ok())??
            .try_into()
            .ok()
            .map(|names: [Text; 2]| names.map(|name| decoded(&name)))
    }

    fn parsed<V: FromStr>(&self, name: &str, expected: &str) -> Result<V, ModelFileError> {
        let text = self.text(name)?;
        text.parse()
            .map_err(|_| self.damaged(name, format!("`{text}`"), expected))
    }

    fn text(&self, name: &str) -> Result<String, ModelFileError> {
        self.scalar::<Text>(name, "a string of fixed length")
            .map(|text| decoded(&text))
    }

    fn number<V: hdf5::H5Type>(&self, name: &str) -> Result<V, ModelFileError> {
        self.scalar(name, "a number")
    }

    fn scalar<V: hdf5::H5Type>(&self, name: &str, expected: &str) -> Result<V, ModelFileError> {
        let attribute = self
            .file
            .attr(name)
            .map_err(|_| self.damaged(name, "no such attribute".to_owned(), expected))?;
        if !attribute.is_scalar() {
            return Err(self.damaged(name, format!("shape {:?}", attribute.shape()), expected));
        }
        attribute
            .read_scalar()
            .map_err(|error| self.damaged(name, error.to_string(), expected))
    }

    fn list(&self, name: &str, most: usize) -> Result<Vec<usize>, ModelFileError> {
        let expected = format!("a list of at most {most} numbers");
        let damaged = |found: String| self.damaged(name, found, &expected);
        let attribute = self
            .file
            .attr(name)
            .map_err(|_| damaged("no such attribute".to_owned()))?;
        let shape = attribute.shape();
        if shape.len() != 1 || shape[0] > most {
            return Err(damaged(format!("shape {shape:?}")));
        }
        let numbers = attribute
            .read_raw::<u64>()
            .map_err(|error| damaged(error.to_string()))?;
        let fitting = numbers.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<_>>();
        fitting.ok_or_else(|| damaged(format!("{numbers:?}")))
    }

    fn damaged(&self, what: &str, found: String, expected: &str) -> ModelFileError {
        ModelFileError::Damaged {
            file: self.path.to_owned(),
            what: what.to_owned(),
            found,
            expected: expected.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdf5::types::FixedAscii;

    fn model<T: Real>() -> Model
    where
        AnyParameters: From<Parameters<T>>,
    {
        let sizes = LayerSizes::new(vec![12, 3, 1]).unwrap();
        Model {
            parameters: Initialisation::He.parameters::<T>(&sizes, 7).into(),
            scale: 1.0 / 255.0,
            element_type: ElementType::U8,
            example_shape: vec![2, 2, 3],
            class_names: Some(["dog".to_owned(), "Kätzchen".to_owned()]),
            x_name: "train_set_x".to_owned(),
            y_name: "train_set_y".to_owned(),
            initialisation: Initialisation::He,
            seed: 7,
            learning_rate: 0.0075,
            iteration: 2500,
        }
    }

    /// The error of reading a model that `change` has spoilt.
    fn spoilt(change: impl FnOnce(&hdf5::File)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.h5");
        model::<f64>().write(&path).unwrap();
        let file = hdf5::File::open_rw(&path).unwrap();
        change(&file);
        file.close().unwrap();
        Model::read(&path)
            .unwrap_err()
            .to_string()
            .replace(path.to_str().unwrap(), "model.h5")
    }

    #[test]
    fn a_model_reads_back_whole_in_both_precisions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.h5");
        for mut model in [model::<f64>(), model::<f32>()] {
            model.write(&path).unwrap();
            assert_eq!(Model::read(&path).unwrap(), model);
            model.class_names = None;
            model.write(&path).unwrap();
            assert_eq!(Model::read(&path).unwrap(), model);
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing half-written stays"
        );
    }

    #[test]
    fn one_changed_weight_is_noticed_by_the_digest() {
        let message = spoilt(|file| {
            let w = file.dataset("W1").unwrap();
            let mut values = w.read_raw::<f64>().unwrap();
            values[5] = f64::from_bits(values[5].to_bits() ^ 1);
            w.write_raw(&values).unwrap();
        });
        assert!(
            message.starts_with("model.h5: found parameters with digest blake3:"),
            "{message}"
        );
        assert!(message.ends_with("the file was changed or damaged"), "{message}");
    }

    #[test]
    fn what_is_missing_or_impossible_is_named() {
        let replace = |file: &hdf5::File, name: &str, value: u64| {
            file.delete_attr(name).unwrap();
            file.new_attr::<u64>()
                .create(name)
                .unwrap()
                .write_scalar(&value)
                .unwrap();
        };
        type Change = Box<dyn FnOnce(&hdf5::File)>;
        let cases: [(&str, Change); 6] = [
            (
                "model.h5: found a model of format version 2, expected 1",
                Box::new(|f| replace(f, "format_version", 2)),
            ),
            (
                "model.h5: scale: found no such attribute, expected a number",
                Box::new(|f| f.delete_attr("scale").unwrap()),
            ),
            (
                "model.h5: W2: found no such dataset, expected f64 numbers of shape [1, 3]",
                Box::new(|f| f.unlink("W2").unwrap()),
            ),
            (
                "model.h5: layer_sizes: found shape [], expected a list of at most 1024 numbers",
                Box::new(|f| replace(f, "layer_sizes", 1 << 60)),
            ),
            (
                "model.h5: b1: found shape [9, 9], expected f64 numbers of shape [3, 1]",
                Box::new(|f| {
                    f.unlink("b1").unwrap();
                    f.new_dataset::<f64>().shape([9, 9]).create("b1").unwrap();
                }),
            ),
            (
                "model.h5: precision: found `f16`, expected `f64` or `f32`",
                Box::new(|f| {
                    f.delete_attr("precision").unwrap();
                    write_texts(f, "precision", &["f16".to_owned()], true).unwrap();
                }),
            ),
        ];
        for (expected, change) in cases {
            assert_eq!(spoilt(change), expected);
        }
    }

    #[test]
    fn a_file_that_is_no_model_is_refused_as_such() {
        let expected = "model.h5: found no model of Lockstep's, expected one written by `coordinator --out`";
        assert_eq!(spoilt(|file| file.delete_attr("format").unwrap()), expected);
        let other = |file: &hdf5::File| {
            file.delete_attr("format").unwrap();
            let text = FixedAscii::<8>::from_ascii("other").unwrap();
            file.new_attr::<FixedAscii<8>>()
                .create("format")
                .unwrap()
                .write_scalar(&text)
                .unwrap();
        };
        assert_eq!(spoilt(other), expected);
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "not a model").unwrap();
        assert!(matches!(
            Model::read(&text),
            Err(ModelFileError::File(DatasetError::NotHdf5 { .. }))
        ));
        let missing = folder.path().join("missing.h5");
        assert!(matches!(
            Model::read(&missing),
            Err(ModelFileError::File(DatasetError::NoSuchFile { .. }))
        ));
    }
}
