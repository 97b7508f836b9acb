//! The options of `coordinator predict`.

use settings::{Group, Kind, QUIET, Setting, Settings, Table, VERBOSE};

use super::{CONFIGURATION, X_NAME, Y_NAME};

pub(super) const PREDICT_EXAMPLES: &str = "\
Examples:
  Print the accuracy on a labelled data set
    coordinator predict --model run/model.h5 --data test.h5

  Write the predictions, and a page that shows the mislabelled images
    coordinator predict --model run/model.h5 --data test.h5 \\
        --out predictions.csv --report mislabelled.html";

/// The settings of prediction.
#[derive(Debug)]
pub struct Predict;

impl Settings for Predict {
    const TABLE: Table = &[INPUT, PREDICTIONS, CONFIGURATION];
}

const INPUT: Group = Group {
    heading: "Input",
    settings: &[
        Setting::new(
            "model",
            Kind::Path("FILE"),
            "The trained network, model.h5 of a run (required)",
        ),
        Setting::new(
            "data",
            Kind::Path("FILE"),
            "HDF5 file with the examples to classify (required)",
        ),
        X_NAME,
        Y_NAME,
    ],
};

const PREDICTIONS: Group = Group {
    heading: "Output",
    settings: &[
        Setting::new(
            "out",
            Kind::Path("FILE"),
            "File for the predictions, as .h5, .hdf5 or .csv",
        ),
        Setting::new("report", Kind::Path("FILE"), "HTML page for the mislabelled images"),
        QUIET,
        VERBOSE,
    ],
};
