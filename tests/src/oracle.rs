//! What the coordinator must print, computed by the plain one-process trainer.

use std::fmt::Write as _;

use shared::predict::{accuracy, class_of, probabilities};
use shared::reference::{Batch, train};
use shared::{BlockColumns, Initialisation, LayerSizes, Precision, Real, ScaleChoice, Tree};

use crate::data::Sample;

/// A training run, as its options say it.
#[derive(Clone, Debug)]
pub struct Training {
    /// n_1, …, n_{L-1}.
    pub hidden: Vec<usize>,
    /// How many updates.
    pub iterations: u64,
    /// Which numbers are f64 and which f32.
    pub precision: Precision,
    /// The most columns in a block, if not the default.
    pub block_columns: Option<usize>,
}

/// α of every such run: large, so that a few iterations change every bit.
const LEARNING_RATE: f64 = 0.1;

/// The seed of W of every such run.
const SEED: u32 = 3;

impl Training {
    /// A short run of a small network in f64.
    pub fn new(hidden: &[usize], iterations: u64) -> Self {
        Self {
            hidden: hidden.to_vec(),
            iterations,
            precision: Precision::F64,
            block_columns: None,
        }
    }

    /// The same in f32.
    pub fn in_f32(self) -> Self {
        let precision = Precision::F32;
        Self { precision, ..self }
    }

    /// The same in mixed precision.
    pub fn in_mixed(self) -> Self {
        let precision = Precision::Mixed;
        Self { precision, ..self }
    }

    /// The same in blocks of at most `block_columns` columns.
    pub fn in_blocks_of(self, block_columns: usize) -> Self {
        let block_columns = Some(block_columns);
        Self { block_columns, ..self }
    }

    /// The coordinator's options for this run on the data in `file`, with every cost printed.
    pub fn arguments(&self, file: &str) -> Vec<String> {
        let mut arguments = self.arguments_but_iterations(file);
        arguments.extend(["--iterations".to_owned(), self.iterations.to_string()]);
        arguments
    }

    /// As [`Training::arguments`], for a run of another length.
    pub fn arguments_but_iterations(&self, file: &str) -> Vec<String> {
        let sizes: Vec<String> = self.hidden.iter().map(usize::to_string).collect();
        let hidden = if sizes.is_empty() {
            "none".to_owned()
        } else {
            sizes.join(",")
        };
        let mut arguments: Vec<(&str, String)> = vec![
            ("--train", file.to_owned()),
            ("--hidden", hidden),
            ("--precision", self.precision.to_string()),
            ("--learning-rate", LEARNING_RATE.to_string()),
            ("--seed", SEED.to_string()),
            ("--print-every", "1".to_owned()),
        ];
        arguments.extend(
            self.block_columns
                .map(|columns| ("--block-columns", columns.to_string())),
        );
        arguments
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }

    /// All that the coordinator must print.
    ///
    /// # Panics
    ///
    /// If the network does not fit the data.
    pub fn expected_stdout(&self, sample: &Sample) -> String {
        match self.precision {
            Precision::F64 => self.stdout_in::<f64, f64>(sample),
            Precision::Mixed => self.stdout_in::<f64, f32>(sample),
            Precision::F32 => self.stdout_in::<f32, f32>(sample),
        }
    }

    fn stdout_in<C: Real, G: Real>(&self, sample: &Sample) -> String {
        let Sample { x, labels } = sample;
        let sizes = LayerSizes::binary_classifier(x.features(), &self.hidden).expect("the sizes are valid");
        let columns = self.block_columns.and_then(BlockColumns::new);
        let tree = Tree::over_batch(x.count(), columns.unwrap_or(BlockColumns::default_for(x.count())));
        let tree = tree.expect("the batch is small");
        let scale = ScaleChoice::Auto.factor(x.element_type());
        let mut parameters = Initialisation::Scaled.parameters::<C>(&sizes, SEED);
        let batch = Batch {
            x,
            labels,
            scale,
            tree: &tree,
        };
        let costs = train::<C, G>(&mut parameters, batch, C::from_f64(LEARNING_RATE), self.iterations);
        let classes: Vec<u8> = probabilities(&parameters, x, scale).into_iter().map(class_of).collect();
        let mut stdout = String::new();
        for (iteration, cost) in costs.iter().enumerate() {
            writeln!(stdout, "Cost after iteration {iteration}: {cost:?}").expect("a String takes everything");
        }
        let (accuracy, digest) = (accuracy(&classes, labels), parameters.digest());
        write!(stdout, "Train accuracy: {accuracy:?}\nParameters digest: {digest}\n").expect("as above");
        stdout
    }
}
