//! A trained network in an HDF5 file: W1, b1, …, WL, bL, and in attributes all that prediction needs.
//!
//! | object | type, shape | meaning |
//! |---|---|---|
//! | dataset `W1`, `W2`, … | f64 or f32, (n_l, n_{l-1}) | weights of layer l |
//! | dataset `b1`, `b2`, … | f64 or f32, (n_l, 1) | biases of layer l |
//! | attribute `format` | string | `lockstep model` |
//! | attribute `format_version` | integer | 1 |
//! | attribute `layer_sizes` | integers, L + 1 | n_0, …, n_L |
//! | attribute `activations` | strings, L | g_1, …, g_L: `relu` or `sigmoid` |
//! | attribute `precision` | string | `f64` or `f32`, the type of W and b (in a mixed run f64) |
//! | attribute `digest` | string | that of the parameters, see [`crate::Parameters::digest`] |
//! | attribute `scale` | f64 above 0 | what every input number is multiplied by |
//! | attribute `example_shape` | integers | shape of one example; row-major it is a column of n_0 numbers |
//! | attribute `element_type` | string | type of the numbers in the training file |
//! | attribute `x_name`, `y_name` | string | datasets of the training file |
//! | attribute `class_names` | strings, 2 | names of class 0 and class 1; absent if unknown |
//! | attribute `seed`, `iteration` | integer | seed of the initialisation; how many updates were made |
//! | attribute `learning_rate` | f64 | α |
//! | attribute `initialisation` | string | `small`, `scaled` or `he` |
//!
//! Strings are UTF-8 of fixed length, which h5py shows as bytes. Those of variable length, which it shows as `str`, lie
//! elsewhere in the file, and HDF5's library trusts what it finds there (see `dataset::string_heap`).

mod attributes;
mod error;
mod finite;
mod reading;
mod writing;

use std::path::Path;

pub use error::ModelFileError;

use crate::atomic_file::WriteError;
use crate::{AnyParameters, ElementType, Initialisation};

/// What the attribute `format` says.
pub const FORMAT: &str = "lockstep model";

/// The version of the format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes of the longest string.
const LONGEST: usize = 1024;

/// A trained network, what it was trained on and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// W and b of every layer.
    pub parameters: AnyParameters,
    /// What every input number is multiplied by; 1 for none.
    pub scale: f64,
    /// The names of class 0 and class 1, if known.
    pub class_names: Option<[String; 2]>,
    /// The dataset that was X.
    pub x_name: String,
    /// The dataset that was Y.
    pub y_name: String,
    /// The shape of one example, of n_0 numbers in all.
    pub example_shape: Vec<usize>,
    /// The type of the numbers in the training file.
    pub element_type: ElementType,
    /// The seed of the initialisation.
    pub seed: u32,
    /// How many updates were made.
    pub iteration: u64,
    /// α.
    pub learning_rate: f64,
    /// How W was drawn.
    pub initialisation: Initialisation,
}

impl Model {
    /// Writes the model to `path`, whole or not at all. The same model is the same bytes.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the file cannot be written, or a parameter is NaN or infinite, so that it could not be read.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        writing::write(self, path)
    }

    /// Reads the model at `path` and checks all of it: format and version, shapes against the layer sizes, that all
    /// numbers are finite, and the digest.
    ///
    /// # Errors
    ///
    /// [`ModelFileError`], one variant for each thing that can be wrong.
    pub fn read(path: &Path) -> Result<Self, ModelFileError> {
        reading::read(path)
    }
}
