//! `coordinator`: from the configuration to a trained network and its outputs.

mod beginning;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::Bytes;
use proto::Run;
use proto::tensor::encode;
use security::TlsError;
use settings::StopSignal;
use shared::dataset::{DatasetError, Role};
use shared::kernel::InstructionSet;
use shared::layers::LayerSizesError;
use shared::predict::accuracy;
use shared::shard::{GradientOf, ShardError};
use shared::tree::TreeError;
use shared::{AnyParameters, BlockColumns, Dataset, LayerSizes, Parameters, Precision, Real, Shard, Tree};
use tokio::sync::mpsc;

use crate::checkpoint::{Configuration, IncompatibleError, LoadError, OccupiedError, Writer};
use crate::compute::{Compute, Computed, Descent, SumSource};
use crate::config::{Fleet, TrainConfig, TrainingData};
use crate::engine::Audit;
use crate::outputs;
use crate::port::Port;
use crate::predict::Predictions;
use crate::progress::{Progress, human};
use crate::run::{RunError, RunSetup, Trained, run};
use crate::spawn::SpawnError;

use beginning::{Beginning, begin};

/// What made a training run impossible or broke it.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data cannot be trained on.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// The network does not fit the data.
    #[error("the network does not fit the data: {0}")]
    Sizes(#[from] LayerSizesError),
    /// The batch cannot be cut into blocks.
    #[error("the data cannot be cut into blocks: {0}")]
    Blocks(#[from] TreeError),
    /// The data changed while they were read.
    #[error("the data changed while they were read: {0}")]
    Shard(#[from] ShardError),
    /// TLS cannot be spoken with the files that were named.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// A worker cannot be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The system does not give us threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    /// Something cannot be written.
    #[error(transparent)]
    Output(#[from] outputs::OutputError),
    /// The run ended before it was complete.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There is no checkpoint to go on from.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The checkpoint is of another run.
    #[error(transparent)]
    Incompatible(#[from] IncompatibleError),
    /// The folder has the checkpoints of another run.
    #[error(transparent)]
    Occupied(#[from] OccupiedError),
    /// The user stopped the run; what there was is written.
    #[error("stopped by {signal} after {iterations} iterations")]
    Stopped {
        /// The signal.
        signal: StopSignal,
        /// The updates made.
        iterations: u64,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    StandardOutput(std::io::Error),
}

impl TrainError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) | Self::Run(RunError::Data(error)) => error.hint(),
            Self::Listen { error, .. } if error.kind() == std::io::ErrorKind::AddrInUse => Some(
                "another program listens there: end it, or choose another port with --listen; port 0 takes a free one"
                    .to_owned(),
            ),
            Self::Tls(error) => error.hint(),
            Self::Spawn(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::Load(error) => error.hint(),
            Self::Incompatible(error) => error.hint(),
            Self::Occupied(error) => error.hint(),
            Self::Run(RunError::Failed(failure)) => failure.hint(),
            _ => None,
        }
    }

    /// The program's exit code: 64 wrong configuration, 65 bad data, 1 start-up failed, 2 training failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Data(_) | Self::Blocks(_) | Self::Shard(_) | Self::Run(RunError::Data(_)) => 65,
            Self::Sizes(_) | Self::Tls(_) => 64,
            Self::Listen { .. } | Self::Spawn(_) | Self::Threads(_) => 1,
            Self::Output(error) => error.exit_code(),
            Self::Load(error) => error.exit_code(),
            Self::Incompatible(error) => error.exit_code(),
            Self::Occupied(error) => error.exit_code(),
            Self::Stopped { signal, .. } => signal.exit_code(),
            Self::Run(_) | Self::StandardOutput(_) => 2,
        }
    }
}

/// The data of a run, opened and checked.
#[derive(Debug)]
pub struct Data {
    /// The examples to train on.
    pub train: Arc<Dataset>,
    /// The examples to test on.
    pub test: Option<Dataset>,
    /// The factor of every number.
    pub scale: f64,
}

impl Data {
    fn open(config: &TrainConfig) -> Result<Self, TrainError> {
        let (train, test) = match &config.data {
            TrainingData::BuiltIn => (shared::dataset::demo::train(), Some(shared::dataset::demo::test())),
            TrainingData::Files { train, test, names } => {
                let open = |path: &Path, role| Dataset::open(path, role, names, config.precision.sums());
                (
                    open(train, Role::Train)?,
                    test.as_deref().map(|path| open(path, Role::Test)).transpose()?,
                )
            }
        };
        if let Some(test) = &test {
            test.expect_features_of(&train)?;
        }
        let scale = config.scale.factor(train.element_type());
        if let Some(warning) = config.scale.suspicious(train.element_type()) {
            tracing::warn!("{warning}");
        }
        tracing::info!(
            "training on {} columns of {} {} numbers from {}",
            train.m(),
            train.features(),
            train.element_type(),
            train.source()
        );
        Ok(Self {
            train: Arc::new(train),
            test,
            scale,
        })
    }
}

/// Trains a network as configured, prints the results and writes the outputs.
///
/// # Errors
///
/// [`TrainError`], before anything is written if the configuration, the data or the output folder are at fault.
pub async fn train(
    config: &TrainConfig,
    progress: &Progress,
    stops: mpsc::UnboundedReceiver<StopSignal>,
) -> Result<(), TrainError> {
    let data = Data::open(config)?;
    match config.precision {
        Precision::F64 => train_in::<f64, f64>(config, data, progress, stops).await,
        Precision::Mixed => train_in::<f64, f32>(config, data, progress, stops).await,
        Precision::F32 => train_in::<f32, f32>(config, data, progress, stops).await,
    }
}

/// Trains with parameters in `C` and sums in `G`.
async fn train_in<C: Real, G: Real + GradientOf<C>>(
    config: &TrainConfig,
    data: Data,
    progress: &Progress,
    stops: mpsc::UnboundedReceiver<StopSignal>,
) -> Result<(), TrainError>
where
    AnyParameters: From<Parameters<C>>,
{
    let sizes = LayerSizes::binary_classifier(data.train.features(), &config.hidden)?;
    let block_columns = config
        .block_columns
        .unwrap_or_else(|| BlockColumns::default_for(data.train.m()));
    let tree = Tree::over_batch(data.train.m(), block_columns)?;
    tracing::info!("network {sizes} in {}, {} blocks", config.precision, tree.leaves());
    tracing::debug!("computing with {}", InstructionSet::chosen());
    let configuration = configuration(config, &data, &sizes, block_columns);
    let Beginning {
        parameters,
        costs,
        checkpoints,
    } = begin::<C>(config, &configuration)?;
    let port = Port::open(config.fleet, &config.access).await?;
    // The last thing that can fail before anything is written or started.
    if let Some(folder) = &config.out {
        outputs::prepare(folder)?;
    }
    let fleet = port.map(|port| port.gather(&config.access)).transpose()?;
    let run_facts = run_facts(config, &data, &sizes, block_columns, &tree);
    let (source, encoded) = match fleet {
        Some(_) => (
            SumSource::Workers(Arc::clone(&data.train)),
            encode(parameters.values().to_vec()),
        ),
        None => (SumSource::Here(hold_batch::<C, G>(&data, &sizes, &tree)?), Bytes::new()),
    };
    let descent = Descent {
        parameters,
        tree,
        scale: data.scale,
        learning_rate: config.learning_rate,
        source,
        encoded: encoded.clone(),
    };
    let (results, computed) = mpsc::unbounded_channel::<Computed>();
    let compute = Compute::start(descent, compute_threads(config.fleet), results).map_err(TrainError::Threads)?;
    let write = |(every, store)| Ok((every, Writer::start(store, configuration, config.iterations)?));
    let setup = RunSetup {
        run: run_facts.clone(),
        dataset: Arc::clone(&data.train),
        fleet,
        compute,
        computed,
        parameters: encoded,
        costs,
        audit: audit(config),
        even_shards: matches!(config.fleet, Fleet::Remote { even_shards: true, .. }),
        checkpoints: checkpoints.map(write).transpose().map_err(TrainError::Threads)?,
    };
    let trained = run(setup, progress, stops).await?;
    finish(config, &data, &run_facts, &trained, progress)
}

/// What must be the same when the run is resumed.
fn configuration(config: &TrainConfig, data: &Data, sizes: &LayerSizes, block_columns: BlockColumns) -> Configuration {
    Configuration {
        sizes: sizes.clone(),
        initialisation: config.initialisation,
        seed: config.seed,
        precision: config.precision,
        scale: data.scale,
        learning_rate: config.learning_rate,
        block_columns,
        columns: data.train.m(),
        element_type: data.train.element_type(),
        data_digest: data.train.digest(),
    }
}

/// What every worker must know of the run.
fn run_facts(config: &TrainConfig, data: &Data, sizes: &LayerSizes, block_columns: BlockColumns, tree: &Tree) -> Run {
    Run {
        sizes: sizes.clone(),
        precision: config.precision,
        tree: tree.clone(),
        block_columns,
        element_type: data.train.element_type(),
        scale: data.scale,
        learning_rate: config.learning_rate,
        iterations: config.iterations,
        data: data.train.digest(),
        worker_timeout: worker_timeout(config.fleet),
    }
}

/// The silence after which either side takes the other for lost. Without workers nobody is silent.
fn worker_timeout(fleet: Fleet) -> Duration {
    match fleet {
        Fleet::Remote { worker_timeout, .. } => worker_timeout,
        Fleet::InProcess { .. } => Duration::from_secs(60),
    }
}

fn audit(config: &TrainConfig) -> Option<Audit> {
    match config.fleet {
        Fleet::Remote { audit, .. } if audit > 0.0 => Some(Audit {
            fraction: audit,
            seed: config.seed,
        }),
        _ => None,
    }
}

fn hold_batch<C: Real, G: Real + GradientOf<C>>(
    data: &Data,
    sizes: &LayerSizes,
    tree: &Tree,
) -> Result<Shard<C, G>, TrainError> {
    let x = data.train.columns(0..data.train.m())?;
    let labels = data.train.labels().unwrap_or_default();
    Ok(Shard::new(tree, tree.root(), sizes, &x, labels, data.scale)?)
}

fn compute_threads(fleet: Fleet) -> usize {
    match fleet {
        Fleet::InProcess { threads } => threads.unwrap_or_else(cores).get(),
        Fleet::Remote { .. } => cores().get(),
    }
}

/// The cores that this process may use.
pub fn cores() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Evaluates the trained network, prints the results, and writes the outputs.
fn finish(
    config: &TrainConfig,
    data: &Data,
    run: &Run,
    trained: &Trained,
    progress: &Progress,
) -> Result<(), TrainError> {
    let (iterations, took) = (trained.costs.len() as u64, trained.timing.training);
    let made = trained.made;
    let each = took.as_secs_f64() * 1e3 / made.max(1) as f64;
    tracing::info!("{made} iterations took {}, {each:.3} ms per iteration", human(took));
    let predict = |dataset| Predictions::of(&trained.parameters, dataset, data.scale).map(|all| all.classes);
    let train = predict(&data.train)?;
    let test = data.test.as_ref().map(predict).transpose()?;
    let print = |line: std::fmt::Arguments<'_>| progress.result(line).map_err(TrainError::StandardOutput);
    let accuracy = |classes: &[u8], dataset: &Dataset| accuracy(classes, dataset.labels().unwrap_or_default());
    print(format_args!("Train accuracy: {:?}", accuracy(&train, &data.train)))?;
    if let (Some(test), Some(dataset)) = (&test, &data.test) {
        print(format_args!("Test accuracy: {:?}", accuracy(test, dataset)))?;
    }
    print(format_args!("Parameters digest: {}", trained.parameters.digest()))?;
    if let Some(folder) = &config.out {
        let total = trained.timing.start_up + trained.timing.training;
        let results = outputs::Results {
            config,
            data,
            run,
            trained,
            train: &train,
            test: test.as_deref(),
            total,
        };
        outputs::write(folder, &results)?;
        tracing::info!("wrote {}", folder.display());
    }
    match trained.stopped {
        Some(signal) => Err(TrainError::Stopped { signal, iterations }),
        None => Ok(()),
    }
}
