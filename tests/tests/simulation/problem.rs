//! What the simulated runs train: small data, a tiny network, and the oracle's parameters after every update.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::Run;
use proto::tensor::encode;
use shared::dataset::{NameChoice, Role};
use shared::reference::{Batch, train};
use shared::{BlockColumns, Columns, Dataset, Initialisation, LayerSizes, Parameters, Precision, RealType, Tree};
use tests::data::{Folder, Sample};

const FEATURES: usize = 6;
const SCALE: f64 = 1.0 / 255.0;
pub const LEARNING_RATE: f64 = 0.05;

/// How a problem is posed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// m.
    pub columns: usize,
    /// The most columns in a block.
    pub block_columns: usize,
    /// Updates in all.
    pub iterations: u64,
    /// Whether the run is mixed, and not in f64.
    pub mixed: bool,
}

/// A training run without anything that can happen to it.
#[derive(Debug)]
pub struct Problem {
    /// The training data, as the coordinator has them.
    pub dataset: Arc<Dataset>,
    /// The same columns and labels in memory.
    pub x: Columns,
    pub labels: Vec<u8>,
    /// What the workers are told.
    pub run: Run,
    /// J of every iteration, by the oracle.
    pub costs: Vec<f64>,
    /// W and b after 0, 1, … updates, by the oracle, encoded.
    pub parameters: Vec<Bytes>,
}

impl Problem {
    /// The problem of this size. It is made once.
    pub fn of(size: Size) -> Rc<Self> {
        thread_local! {
            static PROBLEMS: RefCell<BTreeMap<Size, Rc<Problem>>> = const { RefCell::new(BTreeMap::new()) };
        }
        PROBLEMS.with_borrow_mut(|problems| Rc::clone(problems.entry(size).or_insert_with(|| Rc::new(Self::new(size)))))
    }

    fn new(size: Size) -> Self {
        let Sample { x, labels } = Sample::bytes(size.columns, FEATURES, 1);
        let dataset = stored(&Sample {
            x: x.clone(),
            labels: labels.clone(),
        });
        let block_columns = BlockColumns::new(size.block_columns).expect("a block has at least 8 columns");
        let run = Run {
            sizes: LayerSizes::binary_classifier(FEATURES, &[2]).expect("the sizes are valid"),
            precision: if size.mixed { Precision::Mixed } else { Precision::F64 },
            tree: Tree::over_batch(size.columns, block_columns).expect("the batch is small"),
            block_columns,
            element_type: x.element_type(),
            scale: SCALE,
            learning_rate: LEARNING_RATE,
            iterations: size.iterations,
            data: dataset.digest(),
            worker_timeout: Duration::from_secs(5),
        };
        let batch = Batch {
            x: &x,
            labels: &labels,
            scale: SCALE,
            tree: &run.tree,
        };
        let mut values: Parameters<f64> = Initialisation::Scaled.parameters(&run.sizes, 1);
        let mut parameters = vec![encode(values.values().to_vec())];
        let mut costs = Vec::new();
        for _ in 0..size.iterations {
            costs.extend(if size.mixed {
                train::<_, f32>(&mut values, batch, LEARNING_RATE, 1)
            } else {
                train::<_, f64>(&mut values, batch, LEARNING_RATE, 1)
            });
            parameters.push(encode(values.values().to_vec()));
        }
        Self {
            dataset,
            x,
            labels,
            run,
            costs,
            parameters,
        }
    }
}

/// The sample as a data set that was written to a file and opened as a user's would be.
fn stored(sample: &Sample) -> Arc<Dataset> {
    let folder = Folder::new();
    let path = folder.path("data.h5");
    sample.write(&path);
    let dataset = Dataset::open(&path, Role::Train, &NameChoice { x: None, y: None }, RealType::F64);
    Arc::new(dataset.expect("the file was written a moment ago"))
}
