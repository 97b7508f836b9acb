//! What a prediction is to do.

use std::path::{Path, PathBuf};

use settings::{Mistaken, Reader, Verbosity};
use shared::dataset::NameChoice;

use super::{is_same, names};

/// What a prediction is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredictConfig {
    /// The trained network.
    pub model: PathBuf,
    /// The examples to classify.
    pub data: PathBuf,
    /// The datasets in `data`.
    pub names: NameChoice,
    /// Where the predictions go.
    pub out: Option<PredictionFile>,
    /// Where the page with the mislabelled images goes.
    pub report: Option<PathBuf>,
    /// How much is said on standard error.
    pub verbosity: Verbosity,
}

/// A file for predictions, in the format that its name ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PredictionFile {
    /// `.h5` or `.hdf5`.
    Hdf5(PathBuf),
    /// `.csv`.
    Csv(PathBuf),
}

impl PredictionFile {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Hdf5(path) | Self::Csv(path) => path,
        }
    }

    fn new(path: PathBuf) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "h5" | "hdf5" => Some(Self::Hdf5(path)),
            "csv" => Some(Self::Csv(path)),
            _ => None,
        }
    }
}

pub(super) fn read(reader: &mut Reader) -> Result<PredictConfig, Mistaken> {
    let model = reader.required_path("model", "the path of a model file, such as `run/model.h5`");
    let data = reader.required_path("data", "the path of an HDF5 file");
    let names = names(reader);
    let out = prediction_file(reader);
    let report = reader.path("report", "the path of a file to write");
    let verbosity = Verbosity::read(reader);
    let inputs = [("model", model.as_deref().ok()), ("data", data.as_deref().ok())];
    let out_path = out.as_ref().ok().and_then(Option::as_ref).map(PredictionFile::path);
    let report_path = report.as_ref().ok().and_then(Option::as_deref);
    check_overwriting(reader, ("out", out_path), &inputs);
    check_overwriting(
        reader,
        ("report", report_path),
        &[&inputs[..], &[("out", out_path)]].concat(),
    );
    Ok(PredictConfig {
        model: model?,
        data: data?,
        names: names?,
        out: out?,
        report: report?,
        verbosity: verbosity?,
    })
}

fn prediction_file(reader: &mut Reader) -> Result<Option<PredictionFile>, Mistaken> {
    let expected = "a file whose name ends in `.h5`, `.hdf5` or `.csv`";
    let Some(path) = reader.path("out", expected)? else {
        return Ok(None);
    };
    let found = path.display().to_string();
    match PredictionFile::new(path) {
        Some(file) => Ok(Some(file)),
        None => Err(reader.unfit("out", found, expected)),
    }
}

/// A setting and the file that it names.
type NamedFile<'a> = (&'static str, Option<&'a Path>);

/// An output must be none of the `others`.
fn check_overwriting(reader: &mut Reader, (name, output): NamedFile<'_>, others: &[NamedFile<'_>]) {
    let Some(output) = output else { return };
    let same = others
        .iter()
        .find(|(_, other)| other.is_some_and(|other| is_same(other, output)));
    if let Some(&(other, _)) = same {
        let found = format!("the same file as {}", reader.place(other));
        reader.relation(name, found, "a file of its own", None);
    }
}
