//! `coordinator predict`: classifies the examples of a file with a trained network.

use std::fmt::Write as _;
use std::path::Path;

use shared::atomic_file::{WriteError, write_bytes, write_hdf5};
use shared::dataset::{DatasetError, Role};
use shared::model_file::{Model, ModelFileError};
use shared::predict::{accuracy, class_of, probabilities};
use shared::{AnyParameters, Dataset, RealType};

use crate::config::{PredictConfig, PredictionFile};
use crate::report::{self, Evaluation, PredictionReport, prediction_page};

/// What made a prediction impossible.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// The examples cannot be read, or do not fit the model.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// Something cannot be written.
    #[error(transparent)]
    Output(#[from] WriteError),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    StandardOutput(std::io::Error),
}

impl PredictError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Model(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::StandardOutput(_) => None,
        }
    }

    /// The program's exit code: 65 if model or data are at fault, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Model(_) | Self::Data(_) => 65,
            Self::Output(_) | Self::StandardOutput(_) => 1,
        }
    }
}

/// Every example's probability of class 1, and the class that follows from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// a_L, from 0 to 1.
    pub probabilities: Vec<f64>,
    /// 0 or 1.
    pub classes: Vec<u8>,
}

/// Numbers of X that are held at a time: 8 Mi.
const NUMBERS_AT_A_TIME: usize = 8 << 20;

impl Predictions {
    /// Predicts all examples of `dataset`, which must have as many features as the network has inputs.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the examples cannot be read any more.
    pub fn of(parameters: &AnyParameters, dataset: &Dataset, scale: f64) -> Result<Self, DatasetError> {
        let step = (NUMBERS_AT_A_TIME / dataset.features()).max(1);
        let mut predictions = Self::default();
        for start in (0..dataset.m()).step_by(step) {
            let x = dataset.columns(start..dataset.m().min(start + step))?;
            match parameters {
                AnyParameters::F64(parameters) => {
                    predictions.probabilities.extend(probabilities(parameters, &x, scale))
                }
                AnyParameters::F32(parameters) => {
                    let probabilities = probabilities(parameters, &x, scale);
                    predictions
                        .probabilities
                        .extend(probabilities.into_iter().map(f64::from));
                }
            }
        }
        predictions.classes = predictions
            .probabilities
            .iter()
            .map(|&probability| class_of(probability))
            .collect();
        Ok(predictions)
    }
}

/// Predicts as configured, prints the accuracy if there are labels, and writes what was asked for.
///
/// # Errors
///
/// [`PredictError`]; nothing is written if the model or the data are at fault.
pub fn predict(config: &PredictConfig) -> Result<(), PredictError> {
    let model = Model::read(&config.model)?;
    let real_type = model.parameters.real_type();
    let dataset = Dataset::open(&config.data, Role::Predict, &config.names, real_type)?;
    dataset.expect_features(model.parameters.sizes().features(), &config.model.display())?;
    let predictions = Predictions::of(&model.parameters, &dataset, model.scale)?;
    if let Some(file) = &config.out {
        write_predictions(file, &predictions, dataset.labels(), real_type)?;
    }
    if let Some(path) = &config.report {
        let page = report_page(&config.model, &model, &dataset, &predictions)?;
        write_bytes(path, page.as_bytes())?;
    }
    match dataset.labels() {
        Some(labels) => print_result(format_args!("Accuracy: {:?}", accuracy(&predictions.classes, labels))),
        None => {
            tracing::info!("found no labels, so there is no accuracy");
            let ones = predictions.classes.iter().filter(|&&class| class == 1).count();
            print_result(format_args!(
                "Predicted class 1: {ones} of {}",
                predictions.classes.len()
            ))
        }
    }
}

fn print_result(line: std::fmt::Arguments<'_>) -> Result<(), PredictError> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}").map_err(PredictError::StandardOutput)
}

fn write_predictions(
    file: &PredictionFile,
    predictions: &Predictions,
    labels: Option<&[u8]>,
    real_type: RealType,
) -> Result<(), WriteError> {
    match file {
        PredictionFile::Csv(path) => write_bytes(path, csv(predictions, labels, real_type).as_bytes()),
        PredictionFile::Hdf5(path) => write_hdf5(path, |file| {
            let new = || file.new_dataset_builder().obj_track_times(false);
            new().with_data(&predictions.classes).create("predictions")?;
            new().with_data(&predictions.probabilities).create("probabilities")?;
            if let Some(labels) = labels {
                new().with_data(labels).create("labels")?;
            }
            Ok(())
        }),
    }
}

/// `example,prediction,probability` and, where there are labels, `label`.
fn csv(predictions: &Predictions, labels: Option<&[u8]>, real_type: RealType) -> String {
    let mut csv = "example,prediction,probability".to_owned();
    csv.push_str(if labels.is_some() { ",label\n" } else { "\n" });
    let rows = predictions.classes.iter().zip(&predictions.probabilities);
    for (example, (class, &probability)) in rows.enumerate() {
        let label = labels.map(|labels| format!(",{}", labels[example])).unwrap_or_default();
        let probability = real_type.format(probability);
        writeln!(csv, "{example},{class},{probability}{label}").expect("a String takes everything");
    }
    csv
}

fn report_page(
    path: &Path,
    model: &Model,
    dataset: &Dataset,
    predictions: &Predictions,
) -> Result<String, DatasetError> {
    let columns = dataset.columns(0..dataset.m())?;
    let names = dataset.class_names().known().or(model.class_names.as_ref());
    let evaluate = |labels| Evaluation::new(&predictions.classes, labels, names, &columns, dataset.example_shape());
    let (model_path, source) = (path.display().to_string(), dataset.source().to_string());
    Ok(prediction_page(&PredictionReport {
        model: &model_path,
        sizes: model.parameters.sizes(),
        digest: model.parameters.digest(),
        data: report::Data {
            source: &source,
            columns: dataset.m(),
        },
        evaluation: dataset.labels().map(evaluate),
        version: env!("CARGO_PKG_VERSION"),
    }))
}
