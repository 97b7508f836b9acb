//! What a training run is to do.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use settings::{Mistaken, Reader, Verbosity};
use shared::dataset::NameChoice;
use shared::layers::MAX_PARAMETERS;
use shared::{BlockColumns, Initialisation, LayerSizes, Precision, ScaleChoice};

use super::checkpoints::{self, CheckpointConfig, Outputs};
use super::{access, names};
use crate::access::{Access, limits};

/// The most workers that a run can have.
pub(super) const MAX_WORKERS: u64 = limits::MAX_WORKERS as u64;

/// The shortest time after which a silent worker may be given up; a busy machine is often silent for less.
const LEAST_WORKER_TIMEOUT: Duration = Duration::from_millis(100);

/// What a training run is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Where the arithmetic is done.
    pub fleet: Fleet,
    /// Who may take part.
    pub access: Access,
    /// What is learned.
    pub data: TrainingData,
    /// What every value of the data is multiplied by.
    pub scale: ScaleChoice,
    /// n_1, …, n_{L-1}, each at least 1.
    pub hidden: Vec<usize>,
    /// How W is drawn before the first iteration.
    pub initialisation: Initialisation,
    /// The seed of W.
    pub seed: u32,
    /// α, finite and above 0, also when rounded to `precision`.
    pub learning_rate: f64,
    /// The number of updates, at least 1.
    pub iterations: u64,
    /// Which numbers are f64 and which f32.
    pub precision: Precision,
    /// The cost of each iteration divisible by it is printed; at least 1.
    pub print_every: u64,
    /// The most columns in a block; `None` for [`BlockColumns::default_for`] the batch.
    pub block_columns: Option<BlockColumns>,
    /// The folder for model, costs and report.
    pub out: Option<PathBuf>,
    /// The checkpoints, in the same folder; there if and only if `out` is.
    pub checkpoints: Option<CheckpointConfig>,
    /// How much is said on standard error.
    pub verbosity: Verbosity,
}

/// Where the arithmetic is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fleet {
    /// In the coordinator's own process.
    InProcess {
        /// The number of threads; `None` for one per core.
        threads: Option<NonZeroUsize>,
    },
    /// In worker processes.
    Remote {
        /// How many must have joined before training begins.
        workers: NonZeroUsize,
        /// How many must be there for it to go on; at most `workers`.
        min_workers: NonZeroUsize,
        /// Where they join; port 0 stands for any free one.
        listen: SocketAddr,
        /// How the coordinator starts them; `None` if others do.
        spawn: Option<SpawnConfig>,
        /// How long a worker may be silent until it is given up.
        worker_timeout: Duration,
        /// The share of blocks that a second worker computes as well, from 0 to 1.
        audit: f64,
        /// Whether shards are equal whatever the workers' speeds, and late work is not repeated.
        even_shards: bool,
    },
}

/// How the coordinator starts workers on its own machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpawnConfig {
    /// The number of threads of each; `None` for a fair share of the cores.
    pub threads: Option<NonZeroUsize>,
}

impl SpawnConfig {
    /// The number of threads of each of `workers` on a machine with `cores`: as configured, or ⌊cores / workers⌋ but at
    /// least 1.
    pub fn threads_of_each(self, cores: NonZeroUsize, workers: NonZeroUsize) -> NonZeroUsize {
        let share = NonZeroUsize::new(cores.get() / workers).unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or(share)
    }
}

/// What is learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingData {
    /// The built-in images.
    BuiltIn,
    /// HDF5 files.
    Files {
        /// The examples to train on.
        train: PathBuf,
        /// The examples to test on.
        test: Option<PathBuf>,
        /// The datasets in both.
        names: NameChoice,
    },
}

/// Reads every setting before it returns, so that all mistakes are noted.
pub(super) fn read(reader: &mut Reader, token: Option<&OsStr>) -> Result<TrainConfig, Mistaken> {
    let fleet = fleet(reader);
    let access = access::read(reader, fleet, token);
    let data = data(reader);
    let scale = reader.read(
        "scale",
        "`auto`, `none`, or a finite factor above 0 such as `0.5` or `1/255`",
        |text| text.parse().ok(),
    );
    let hidden = hidden(reader);
    let initialisation = reader.read("init", "`small`, `scaled` or `he`", |text| text.parse().ok());
    let seed = reader.read("seed", "a whole number from 0 to 4294967295", |text| text.parse().ok());
    let precision = precision(reader);
    let learning_rate = reader.read("learning-rate", "a finite number above 0", positive);
    let iterations = reader.required_whole_number("iterations", 1..=u64::MAX);
    let block_columns = block_columns(reader);
    let outputs = checkpoints::read(reader);
    let print_every = reader.required_whole_number("print-every", 1..=u64::MAX);
    let verbosity = Verbosity::read(reader);
    if precision == Ok(Precision::F32) {
        check_representable_in_f32(reader, learning_rate, scale);
    }
    let (fleet, outputs) = (fleet?, outputs?);
    let Outputs { folder, checkpoints } = outputs;
    Ok(TrainConfig {
        fleet,
        access: access?,
        data: data?,
        scale: scale?,
        hidden: hidden?,
        initialisation: initialisation?,
        seed: seed?,
        learning_rate: learning_rate?,
        iterations: iterations?,
        precision: precision?,
        print_every: print_every?,
        block_columns: block_columns?,
        out: folder,
        checkpoints,
        verbosity: verbosity?,
    })
}

fn fleet(reader: &mut Reader) -> Result<Fleet, Mistaken> {
    let workers = reader.required_whole_number("workers", 0..=MAX_WORKERS);
    let min_workers = reader.required_whole_number("min-workers", 1..=MAX_WORKERS);
    let listen = reader.read(
        "listen",
        "an address and a port, such as `127.0.0.1:50051`, `[::1]:50051` or `localhost:50051`",
        listen_address,
    );
    let spawn = reader.flag("spawn");
    let threads = reader.threads("threads");
    let worker_timeout = reader.duration("worker-timeout", LEAST_WORKER_TIMEOUT);
    let audit = reader.read("audit", "a number from 0 to 1", fraction);
    let even_shards = reader.flag("even-shards");
    let workers = NonZeroUsize::new(workers? as usize);
    let spawn = spawns(reader, workers, spawn?, threads);
    let min_workers = at_most_all(reader, min_workers?, workers);
    let (listen, worker_timeout, audit) = (listen?, worker_timeout?, audit?);
    let (spawn, min_workers, even_shards) = (spawn?, min_workers?, even_shards?);
    Ok(match workers {
        None => Fleet::InProcess { threads: threads? },
        Some(workers) => Fleet::Remote {
            workers,
            min_workers,
            listen,
            spawn,
            worker_timeout,
            audit,
            even_shards,
        },
    })
}

/// How the coordinator starts workers, if it does.
fn spawns(
    reader: &mut Reader,
    workers: Option<NonZeroUsize>,
    spawn: bool,
    threads: Result<Option<NonZeroUsize>, Mistaken>,
) -> Result<Option<SpawnConfig>, Mistaken> {
    match (workers, spawn) {
        (None, false) => Ok(None),
        (None, true) => {
            let found = format!("{} to be 0", reader.place("workers"));
            let hint = "`--workers 0` trains in this process; to start workers, say how many";
            Err(reader.relation("spawn", found, "at least 1 worker to start", Some(hint)))
        }
        (Some(_), true) => Ok(Some(SpawnConfig { threads: threads? })),
        (Some(_), false) if threads?.is_some() => {
            let hint = "`--threads` is also an option of the worker; give it to each worker that you start";
            Err(reader.relation("threads", "no --spawn and no --workers 0", "one of the two", Some(hint)))
        }
        (Some(_), false) => Ok(None),
    }
}

/// The least number of workers, which is at most that of all; without workers it means nothing.
fn at_most_all(reader: &mut Reader, min_workers: u64, workers: Option<NonZeroUsize>) -> Result<NonZeroUsize, Mistaken> {
    match workers {
        Some(workers) if min_workers > workers.get() as u64 => {
            let found = format!("{min_workers}, but {} to be {workers}", reader.place("workers"));
            Err(reader.relation("min-workers", found, format!("at most {workers}"), None))
        }
        _ => Ok(NonZeroUsize::new(min_workers as usize).unwrap_or(NonZeroUsize::MIN)),
    }
}

/// An IPv4 address, an IPv6 address in brackets, or `localhost`, with a port. Pure: no name is looked up.
fn listen_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?)),
        None => text.parse().ok(),
    }
}

pub(super) fn data(reader: &mut Reader) -> Result<TrainingData, Mistaken> {
    let train = reader.path("train", "the path of an HDF5 file");
    let test = reader.path("test", "the path of an HDF5 file");
    let names = names(reader);
    let (train, test, names) = (train?, test?, names?);
    if let Some(train) = train {
        return Ok(TrainingData::Files { train, test, names });
    }
    let orphans = [
        ("test", test.is_some()),
        ("x-name", names.x.is_some()),
        ("y-name", names.y.is_some()),
    ];
    let hint = "without `--train` the built-in images are used, which bring their own test images and names";
    orphans
        .into_iter()
        .filter(|&(_, given)| given)
        .map(|(name, _)| reader.relation(name, "no --train", "both or neither", Some(hint)))
        .last()
        .map_or(Ok(TrainingData::BuiltIn), Err)
}

pub(super) fn hidden(reader: &mut Reader) -> Result<Vec<usize>, Mistaken> {
    let expected = "layer sizes of at least 1, separated by commas, or `none`";
    let hidden = reader.read("hidden", expected, layer_sizes)?;
    // One feature is the least that any data have, so what fails here can fit no data.
    if LayerSizes::binary_classifier(1, &hidden).is_err() {
        let sizes: Vec<String> = hidden.iter().map(usize::to_string).collect();
        let expected = format!("layers with at most {MAX_PARAMETERS} parameters together");
        return Err(reader.unfit("hidden", sizes.join(","), expected));
    }
    Ok(hidden)
}

fn layer_sizes(text: &str) -> Option<Vec<usize>> {
    if text == "none" {
        return Some(Vec::new());
    }
    text.split(',')
        .map(|size| size.trim().parse().ok().filter(|&size| size > 0))
        .collect()
}

pub(super) fn precision(reader: &mut Reader) -> Result<Precision, Mistaken> {
    reader.read("precision", "`f64`, `mixed` or `f32`", |text| text.parse().ok())
}

pub(super) fn block_columns(reader: &mut Reader) -> Result<Option<BlockColumns>, Mistaken> {
    reader.read_optional("block-columns", "a whole number of at least 8", |text| {
        text.parse().ok()
    })
}

fn fraction(text: &str) -> Option<f64> {
    text.parse().ok().filter(|fraction| (0.0..=1.0).contains(fraction))
}

fn positive(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value > 0.0)
}

/// A factor that is positive and finite in f64 must still be so in f32.
fn check_representable_in_f32(
    reader: &mut Reader,
    learning_rate: Result<f64, Mistaken>,
    scale: Result<ScaleChoice, Mistaken>,
) {
    let factors = [
        ("scale", scale.ok().and_then(ScaleChoice::own_factor)),
        ("learning-rate", learning_rate.ok()),
    ];
    for (name, factor) in factors {
        if let Some(factor) = factor.filter(|&factor| factor as f32 == 0.0 || !(factor as f32).is_finite()) {
            let expected = "a number that f32 can hold, from 1e-45 to 3.4e38";
            reader.unfit(name, format!("{factor:?}"), expected);
        }
    }
}
