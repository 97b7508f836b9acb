//! What a run computes: the part of its configuration that a checkpoint must share with the run that goes on from it.

use shared::{BlockColumns, Digest, ElementType, Initialisation, LayerSizes, Precision};

use super::FormatError;
use super::fields::Fields;

/// All that the parameters after iteration t depend on, t aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// n_0, …, n_L.
    pub sizes: LayerSizes,
    /// How W was drawn.
    pub initialisation: Initialisation,
    /// The seed of W.
    pub seed: u32,
    /// Which numbers are f64 and which f32.
    pub precision: Precision,
    /// What every number of X is multiplied by: finite and above 0.
    pub scale: f64,
    /// α, finite and above 0.
    pub learning_rate: f64,
    /// The most columns in a block.
    pub block_columns: BlockColumns,
    /// m, the number of training examples, at least 1.
    pub columns: usize,
    /// The type of the numbers in X.
    pub element_type: ElementType,
    /// The digest of the training data: [`shared::Dataset::digest`].
    pub data_digest: Digest,
}

/// Where the value of a field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The option of this name.
    Option,
    /// The training data.
    Data,
}

/// A field in which a checkpoint differs from the run that should go on from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {key} {found}, expected {expected}")]
pub struct Difference {
    /// The field; if it comes from an option, the option's name.
    pub key: &'static str,
    /// Where its value comes from.
    pub origin: Origin,
    /// The checkpoint's value.
    pub found: String,
    /// The run's value.
    pub expected: String,
}

/// A field as text.
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) value: String,
    origin: Origin,
}

const DATA_DIGEST: &str = "data-digest";

impl Configuration {
    /// Bytes of W and b.
    pub(super) fn parameter_bytes(&self) -> u64 {
        self.sizes.parameters() as u64 * self.precision.parameters().bytes() as u64
    }

    /// Where `self`, a checkpoint's, differs from `run`; empty if the run may go on from it.
    pub fn differences(&self, run: &Self) -> Vec<Difference> {
        let mut differences: Vec<Difference> = self
            .fields()
            .into_iter()
            .zip(run.fields())
            .filter(|(found, expected)| found.value != expected.value)
            .map(|(found, expected)| Difference {
                key: found.key,
                origin: found.origin,
                found: found.value,
                expected: expected.value,
            })
            .collect();
        // A digest tells people least; it speaks where nothing else of the data differs.
        let is_telling = |other: &Difference| other.origin == Origin::Data && other.key != DATA_DIGEST;
        if differences.iter().any(is_telling) {
            differences.retain(|difference| difference.key != DATA_DIGEST);
        }
        differences
    }

    /// Every field, each as a text that only the same value has and that reads back to it.
    pub(super) fn fields(&self) -> [Field; 11] {
        let field = |origin, key, value| Field { key, value, origin };
        let (option, data) = (Origin::Option, Origin::Data);
        [
            field(option, "hidden", hidden_text(&self.sizes)),
            field(option, "init", self.initialisation.to_string()),
            field(option, "seed", self.seed.to_string()),
            field(option, "precision", self.precision.to_string()),
            field(option, "scale", format!("{:?}", self.scale)),
            field(option, "learning-rate", format!("{:?}", self.learning_rate)),
            field(option, "block-columns", self.block_columns.get().to_string()),
            field(data, "columns", self.columns.to_string()),
            field(data, "features", self.sizes.features().to_string()),
            field(data, "element-type", self.element_type.to_string()),
            field(data, DATA_DIGEST, self.data_digest.to_string()),
        ]
    }

    /// The configuration that [`Configuration::fields`] were made from.
    pub(super) fn from_fields(fields: &Fields<'_>) -> Result<Self, FormatError> {
        let features = fields.parsed("features", "a number of features")?;
        let sizes = fields.read("hidden", "layer sizes that fit the features", |text| {
            LayerSizes::binary_classifier(features, &hidden(text)?).ok()
        })?;
        Ok(Self {
            sizes,
            initialisation: fields.parsed("init", "an initialisation")?,
            seed: fields.parsed("seed", "a whole number of 32 bits")?,
            precision: fields.parsed("precision", "`f64`, `mixed` or `f32`")?,
            scale: fields.read("scale", "a finite number above 0", positive)?,
            learning_rate: fields.read("learning-rate", "a finite number above 0", positive)?,
            block_columns: fields.parsed("block-columns", "a whole number of at least 8")?,
            columns: fields.read("columns", "a whole number of at least 1", |text| {
                text.parse().ok().filter(|&columns| columns > 0)
            })?,
            element_type: fields.parsed("element-type", "an element type")?,
            data_digest: fields.parsed(DATA_DIGEST, "a digest")?,
        })
    }
}

/// The hidden layers as the option names them: `20,7,5` or `none`.
fn hidden_text(sizes: &LayerSizes) -> String {
    let hidden: Vec<String> = (1..sizes.layers()).map(|l| sizes.n(l).to_string()).collect();
    if hidden.is_empty() {
        return "none".to_owned();
    }
    hidden.join(",")
}

fn hidden(text: &str) -> Option<Vec<usize>> {
    if text == "none" {
        return Some(Vec::new());
    }
    text.split(',').map(|size| size.parse().ok()).collect()
}

fn positive(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value > 0.0)
}
