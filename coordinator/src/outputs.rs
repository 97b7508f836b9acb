//! What a run leaves in its `--out` folder: `model.h5`, `costs.csv` and `report.html`.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use proto::Run;
use shared::atomic_file::{WriteError, write_bytes};
use shared::dataset::DatasetError;
use shared::model_file::Model;

use crate::config::{Fleet, TrainConfig};
use crate::engine::Timing;
use crate::report::{self, Evaluation, RunReport, run_page};
use crate::run::Trained;
use crate::train::{Data, cores};

/// Something that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder cannot be made, or not be written to.
    #[error("cannot write to the folder {folder}: {error}", folder = .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] WriteError),
    /// The images for the report cannot be read.
    #[error(transparent)]
    Data(#[from] DatasetError),
}

impl OutputError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Folder { .. } => Some("choose another folder with --out, or make this one writable".to_owned()),
            Self::File(error) => error.hint(),
            Self::Data(error) => error.hint(),
        }
    }

    /// The program's exit code: 1 before the run, 2 after it, 65 if the data are at fault.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Folder { .. } => 1,
            Self::File(_) => 2,
            Self::Data(_) => 65,
        }
    }
}

/// Makes the folder and makes sure that it can be written to, before any work is done.
///
/// # Errors
///
/// [`OutputError::Folder`] if not.
pub fn prepare(folder: &Path) -> Result<(), OutputError> {
    let failed = |error| OutputError::Folder {
        folder: folder.to_owned(),
        error,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let probe = folder.join(format!(".lockstep-{}", std::process::id()));
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(failed)
}

/// All that the outputs are made from.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    /// What the run was to do.
    pub config: &'a TrainConfig,
    /// What it was trained and tested on.
    pub data: &'a Data,
    /// The network and the blocks.
    pub run: &'a Run,
    /// What came of it.
    pub trained: &'a Trained,
    /// The predicted class of every training example.
    pub train: &'a [u8],
    /// The predicted class of every test example.
    pub test: Option<&'a [u8]>,
    /// How long all of it took.
    pub total: std::time::Duration,
}

/// Writes all files.
///
/// # Errors
///
/// [`OutputError`] if one cannot be written. The others may have been.
pub fn write(folder: &Path, results: &Results<'_>) -> Result<(), OutputError> {
    model(results).write(&folder.join("model.h5"))?;
    write_bytes(&folder.join("costs.csv"), costs_csv(results).as_bytes())?;
    write_bytes(&folder.join("report.html"), report_html(results)?.as_bytes())?;
    Ok(())
}

fn model(results: &Results<'_>) -> Model {
    let Results {
        config,
        data,
        run,
        trained,
        ..
    } = *results;
    Model {
        parameters: trained.parameters.clone(),
        scale: run.scale,
        element_type: run.element_type,
        example_shape: data.train.example_shape().to_vec(),
        class_names: data.train.class_names().known().cloned(),
        x_name: data.train.x_name().to_owned(),
        y_name: data.train.y_name().unwrap_or_default().to_owned(),
        initialisation: config.initialisation,
        seed: config.seed,
        learning_rate: config.learning_rate,
        iteration: results.trained.costs.len() as u64,
    }
}

/// `iteration,cost`, one line for every iteration.
fn costs_csv(results: &Results<'_>) -> String {
    let mut csv = "iteration,cost\n".to_owned();
    for (iteration, &cost) in results.trained.costs.iter().enumerate() {
        writeln!(csv, "{iteration},{}", results.run.precision.parameters().format(cost))
            .expect("a String takes everything");
    }
    csv
}

fn report_html(results: &Results<'_>) -> Result<String, DatasetError> {
    let Results {
        config,
        data,
        run,
        trained,
        ..
    } = *results;
    let costs: Vec<(u64, f64)> = (0..).zip(trained.costs.iter().copied()).collect();
    let (train_source, test_source) = (
        data.train.source().to_string(),
        data.test.as_ref().map(|test| test.source().to_string()),
    );
    let test_columns = data.test.as_ref().map(|test| test.columns(0..test.m())).transpose()?;
    let test = match (&data.test, results.test, &test_columns, &test_source) {
        (Some(test), Some(predictions), Some(columns), Some(source)) => {
            let names = test.class_names().known().or_else(|| data.train.class_names().known());
            let labels = test.labels().unwrap_or_default();
            let evaluation = Evaluation::new(predictions, labels, names, columns, test.example_shape());
            Some(report::Test {
                data: report::Data {
                    source,
                    columns: test.m(),
                },
                evaluation,
            })
        }
        _ => None,
    };
    let report = RunReport {
        sizes: &run.sizes,
        training: report::Training {
            precision: run.precision,
            initialisation: config.initialisation,
            seed: config.seed,
            learning_rate: config.learning_rate,
            iterations: run.iterations,
            block_columns: run.block_columns,
            blocks: run.tree.leaves(),
        },
        train: report::Data {
            source: &train_source,
            columns: data.train.m(),
        },
        train_accuracy: shared::predict::accuracy(results.train, data.train.labels().unwrap_or_default()),
        test,
        element_type: run.element_type,
        scale: run.scale,
        fleet: fleet(config, trained),
        costs: &costs,
        digest: trained.parameters.digest(),
        timing: timing(trained.timing, results),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(run_page(&report))
}

fn fleet(config: &TrainConfig, trained: &Trained) -> report::Fleet {
    match config.fleet {
        Fleet::InProcess { threads } => report::Fleet::InProcess {
            threads: threads.unwrap_or_else(cores).get(),
        },
        Fleet::Remote { .. } => report::Fleet::Workers {
            workers: trained.roster.len(),
            threads: usize::try_from(trained.roster.threads()).unwrap_or(usize::MAX),
        },
    }
}

fn timing(timing: Timing, results: &Results<'_>) -> report::Timing {
    report::Timing {
        total: results.total,
        start_up: timing.start_up,
        training: timing.training,
        milliseconds_per_iteration: timing.training.as_secs_f64() * 1e3 / results.trained.made.max(1) as f64,
    }
}
