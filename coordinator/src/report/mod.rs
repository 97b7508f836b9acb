//! The HTML pages: `report.html` of a training run, and the page of `coordinator predict --report`.
//!
//! Pure: plain data in, one page out as a `String`; no file and no clock. A page holds all that it needs (style,
//! script, drawing, images as `data:` URIs), refers to nothing outside and reads well without its script.
//!
//! ```text
//!   RunReport ─────────▶ run ────────┬─▶ chart ─▶ thinning, axis      the cost curve
//!                                    ├─▶ gallery ─▶ image             the mislabelled examples
//!   PredictionReport ──▶ prediction ─┴─▶ page ─▶ numbers              frame, figures, tables
//! ```

mod axis;
mod chart;
mod gallery;
mod image;
mod numbers;
mod page;
mod prediction;
mod run;
#[cfg(test)]
mod tests;
mod thinning;

use std::time::Duration;

use shared::predict::accuracy;
use shared::{BlockColumns, Columns, Digest, ElementType, Initialisation, LayerSizes, Precision};

pub use gallery::{MOST_EXAMPLES, MOST_PIXEL_BYTES};
pub use image::{Image, MOST_PIXELS_A_SIDE};
pub use prediction::prediction_page;
pub use run::run_page;

/// All that the report of a training run tells.
#[derive(Clone, Debug)]
pub struct RunReport<'a> {
    /// n_0, …, n_L.
    pub sizes: &'a LayerSizes,
    /// How the network was trained.
    pub training: Training,
    /// The training examples.
    pub train: Data<'a>,
    /// The share of training examples that the trained network labels rightly, in 0..=1.
    pub train_accuracy: f64,
    /// The test examples, if the run had any, and how the network does on them.
    pub test: Option<Test<'a>>,
    /// The type of the numbers in the data's files.
    pub element_type: ElementType,
    /// The factor by which every number of the data was multiplied.
    pub scale: f64,
    /// Who did the arithmetic.
    pub fleet: Fleet,
    /// Iterations, ascending, and the cost J after each; the last one is the final cost.
    pub costs: &'a [(u64, f64)],
    /// The digest of the trained parameters.
    pub digest: Digest,
    /// How long it took.
    pub timing: Timing,
    /// The version of the program.
    pub version: &'a str,
}

/// How a network was trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// Which numbers are f64 and which f32.
    pub precision: Precision,
    /// The initialisation of W.
    pub initialisation: Initialisation,
    /// The seed of the initialisation.
    pub seed: u32,
    /// α in W ← W − α dW.
    pub learning_rate: f64,
    /// The number of iterations.
    pub iterations: u64,
    /// The most columns in a block.
    pub block_columns: BlockColumns,
    /// The number of blocks.
    pub blocks: usize,
}

/// A data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Data<'a> {
    /// Where it comes from: a path, or a few words for the built-in images.
    pub source: &'a str,
    /// m, the number of examples.
    pub columns: usize,
}

/// A test set, and how a network does on it.
#[derive(Clone, Debug)]
pub struct Test<'a> {
    /// The examples.
    pub data: Data<'a>,
    /// How the network does on them.
    pub evaluation: Evaluation<'a>,
}

/// How a network does on labelled examples.
#[derive(Clone, Debug)]
pub struct Evaluation<'a> {
    /// The share of examples that it labels rightly, in 0..=1.
    pub accuracy: f64,
    /// Every example that it labels wrongly, in the order of the data; the page chooses how many it shows.
    pub mislabelled: Vec<MislabelledExample<'a>>,
}

impl<'a> Evaluation<'a> {
    /// Compares the predicted class of every column with its label.
    ///
    /// `names` are the names of the classes, if known, and `example_shape` is the shape of one example before it was
    /// flattened: it decides whether the examples are images (see [`Image::of_column`]).
    ///
    /// # Panics
    ///
    /// If there are no columns, or not one prediction and one label for each.
    pub fn new(
        predictions: &[u8],
        labels: &[u8],
        names: Option<&[String; 2]>,
        columns: &'a Columns,
        example_shape: &[usize],
    ) -> Self {
        assert_eq!(predictions.len(), columns.count(), "predictions and columns");
        let mislabelled = (0..columns.count())
            .filter(|&index| predictions[index] != labels[index])
            .map(|index| MislabelledExample {
                index,
                prediction: class_name(names, predictions[index]),
                class: class_name(names, labels[index]),
                image: Image::of_column(example_shape, columns, index),
            })
            .collect();
        Self {
            accuracy: accuracy(predictions, labels),
            mislabelled,
        }
    }
}

/// An example that the network labels wrongly.
#[derive(Clone, Debug, PartialEq)]
pub struct MislabelledExample<'a> {
    /// Its column in the data, from 0.
    pub index: usize,
    /// The class that the network predicts: its name if the classes have names, else 0 or 1.
    pub prediction: String,
    /// The class that it has, likewise.
    pub class: String,
    /// Its picture, if the examples are images.
    pub image: Option<Image<'a>>,
}

/// The name of class 0 or 1, or the digit if the classes have no names.
fn class_name(names: Option<&[String; 2]>, class: u8) -> String {
    names
        .and_then(|names| names.get(usize::from(class)))
        .cloned()
        .unwrap_or_else(|| class.to_string())
}

/// Who did the arithmetic of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fleet {
    /// The coordinator's own process.
    InProcess {
        /// Its threads.
        threads: usize,
    },
    /// Worker processes.
    Workers {
        /// How many there were.
        workers: usize,
        /// The threads of all of them together.
        threads: usize,
    },
}

/// How long a run took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// From the start of the program to the trained network.
    pub total: Duration,
    /// From the start of the program to the first iteration: data read, workers joined, columns sent.
    pub start_up: Duration,
    /// All iterations.
    pub training: Duration,
    /// The mean time of one iteration, in milliseconds.
    pub milliseconds_per_iteration: f64,
}

/// All that the page of a prediction tells.
#[derive(Clone, Debug)]
pub struct PredictionReport<'a> {
    /// The model's path.
    pub model: &'a str,
    /// n_0, …, n_L.
    pub sizes: &'a LayerSizes,
    /// The digest of the model's parameters.
    pub digest: Digest,
    /// The examples.
    pub data: Data<'a>,
    /// How the network does on them, if they have labels.
    pub evaluation: Option<Evaluation<'a>>,
    /// The version of the program.
    pub version: &'a str,
}
