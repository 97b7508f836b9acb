//! The command line as typed. What it means is decided in [`crate::config`].

mod access;
mod plan;
mod predict;

use std::path::PathBuf;

use access::ACCESS;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use plan::PLAN_EXAMPLES;
use predict::PREDICT_EXAMPLES;
use settings::{CONFIG, Group, Kind, QUIET, Setting, Settings, Table, VERBOSE, Words};

pub use plan::Plan;
pub use predict::Predict;

/// Train a fully connected neural network on worker processes
///
/// Trains a fully connected neural network by exact, synchronous gradient descent, on any number of worker processes.
/// The trained parameters are the same to the last bit however many there are.
///
/// Without a subcommand it trains. Standard output carries the costs, the accuracies and the digest of the parameters;
/// everything else goes to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "coordinator",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 80,
    after_long_help = TRAIN_EXAMPLES
)]
pub struct Cli {
    /// What to do; to train if nothing is said.
    #[command(subcommand)]
    pub subcommand: Option<Subcommands>,
    /// The options of training.
    #[command(flatten)]
    pub train: Words<Train>,
}

/// What the coordinator can do besides training.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Classify the examples of a file with a trained network
    ///
    /// Classifies every example of a data set with a network that was trained before. Prints the accuracy if the data
    /// set has labels.
    #[command(
        max_term_width = 80,
        override_usage = "coordinator predict --model <FILE> --data <FILE> [OPTIONS]",
        after_long_help = PREDICT_EXAMPLES
    )]
    Predict(Words<Predict>),
    /// Forecast time, traffic and memory of a training run
    ///
    /// Forecasts what one iteration of a training run costs on fleets of several sizes: its time, what limits it, the
    /// bytes that every worker receives and sends, and memory. Nothing is trained and nobody is waited for; the data are
    /// checked as for training, and the speed of this machine is measured for a moment.
    #[command(max_term_width = 80, after_long_help = PLAN_EXAMPLES)]
    Plan(Words<Plan>),
    /// Write the built-in images as HDF5 files
    ///
    /// Writes the built-in images, on which the coordinator trains if no other data are named, as two HDF5 files: one
    /// to train on and one to test on.
    #[command(max_term_width = 80)]
    DemoData {
        /// The folder to write them to; it is made if it does not exist
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// How many images to train on: more make a larger batch, to measure with
        #[arg(long, value_name = "N", default_value_t = 209, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        examples: u32,
    },
    /// Make certificates and a token for workers on other machines
    ///
    /// Makes a CA, a certificate with its key for the coordinator and one for its workers, and a token, and writes them
    /// to a folder. Prints the two commands that use them. The certificates are valid for two years; the key of the CA
    /// is not kept.
    #[command(
        max_term_width = 80,
        override_usage = "coordinator certificates <DIR> --host <NAME>...",
        after_long_help = CERTIFICATES_EXAMPLES
    )]
    Certificates {
        /// The folder to write them to; it is made if it does not exist
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// What workers call this machine: host names and IP addresses
        #[arg(long = "host", value_name = "NAME", num_args = 1.., required = true)]
        hosts: Vec<String>,
    },
    /// Print a script that completes the options of this program in a shell
    ///
    /// Prints a script that completes the options of this program in a shell, to be saved where that shell looks for
    /// it or to be read by it directly.
    #[command(max_term_width = 80, after_long_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The script by which `shell` completes this program's options.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "coordinator", &mut script);
    script
}

const TRAIN_EXAMPLES: &str = "\
Examples:
  Train on the built-in images with four workers on this machine
    coordinator --workers 4 --spawn

  Train in this process, without workers, on other data
    coordinator --workers 0 --train train.h5 --test test.h5 --out run

  Wait for two workers that are started by hand
    coordinator --workers 2 --train train.h5

  Logistic regression, with a cost line every 10 iterations
    coordinator --hidden none --learning-rate 0.01 --print-every 10

  Go on with a run that was interrupted
    coordinator --resume run --workers 0 --train train.h5 --test test.h5

  Options from a file, one of them overridden
    coordinator --config lockstep.toml --seed 2";

const CERTIFICATES_EXAMPLES: &str = "\
Examples:
  For a coordinator that workers reach by its name
    coordinator certificates certificates --host trainer.example.org

  By any of several names and addresses
    coordinator certificates certificates --host trainer 192.168.1.20";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  Complete in this session of bash
    source <(coordinator completions bash)

  Complete in every session of fish
    coordinator completions fish > ~/.config/fish/completions/coordinator.fish";

/// The settings of training.
#[derive(Debug)]
pub struct Train;

impl Settings for Train {
    const TABLE: Table = &[FLEET, ACCESS, DATA, NETWORK, TRAINING, OUTPUT, CONFIGURATION];
}

const FLEET: Group = Group {
    heading: "Fleet",
    settings: &[
        Setting::new(
            "workers",
            Kind::Number("N"),
            "How many workers to train on; 0 trains in this process",
        )
        .default("1")
        .details(
            "Training begins when as many have joined; more may join later. At most 1024. The result does not depend on this \
             number.",
        ),
        Setting::new(
            "min-workers",
            Kind::Number("N"),
            "Fewest workers to go on with",
        )
        .default("1")
        .details(
            "Workers may leave at any time; the others take over what they held. With fewer than this number the run \
             pauses, and goes on by itself when enough have joined. At most --workers.",
        ),
        Setting::new("listen", Kind::Text("ADDR"), "Where workers join")
            .default("127.0.0.1:50051")
            .details(
                "The default lets only workers on this machine join; `0.0.0.0:50051` lets in those of other machines, and \
                 needs TLS and a token. Port 0 picks a free port, which is printed. An IPv6 address stands in brackets: `[::1]:50051`.",
            ),
        Setting::new("spawn", Kind::Flag("no-spawn"), "Start the workers on this machine").details(
            "One that ends is started again. Otherwise start each one yourself, wherever it shall run. `--no-spawn` \
             overrides `spawn = true` in a configuration file.",
        ),
        Setting::new(
            "threads",
            Kind::Number("N"),
            "Threads of this process or of each spawned worker",
        )
        .otherwise("all cores, divided among spawned workers")
        .details(
            "With --workers 0 the threads of this process, with --spawn those of each worker. A worker that you \
             start yourself has an option of this name. The result does not depend on this number.",
        ),
        Setting::new(
            "worker-timeout",
            Kind::Text("TIME"),
            "When a silent worker is given up",
        )
        .default("5s")
        .details(
            "As in `500ms`, `5s` or `2m`; at least 100ms. A worker whose connection breaks is given up at once. The \
                 result does not depend on this time.",
        ),
        Setting::new("even-shards", Kind::Flag("no-even-shards"), "Shards do not follow speed").details(
            "All workers get as many columns as the blocks allow, however fast they are, and nobody repeats what is \
             late. For comparisons, and for workers that are known to be alike.",
        ),
        Setting::new(
            "audit",
            Kind::Number("FRACTION"),
            "Share of blocks computed twice",
        )
        .default("0")
        .details(
            "From 0 to 1. A second worker computes these blocks as well, and the bits are compared; a worker that \
                 answers wrongly is dismissed. This finds defective memory and CPUs, costs that share of the \
                 computation, and needs at least 2 workers.",
        ),
    ],
};

const DATA: Group = Group {
    heading: "Data",
    settings: &[
        TRAIN_FILE,
        Setting::new("test", Kind::Path("FILE"), "HDF5 file to test on after training"),
        X_NAME,
        Y_NAME,
        Setting::new(
            "scale",
            Kind::Number("SCALE"),
            "Scale the data: auto, none or a factor",
        )
        .default("auto")
        .details(
            "Every value is multiplied by the factor, which may be a quotient: `1/255`. `auto` is 1/255 if the file \
             holds unsigned bytes and 1 otherwise; `none` is 1.",
        ),
    ],
};

const TRAIN_FILE: Setting = Setting::new("train", Kind::Path("FILE"), "HDF5 file to train on")
    .otherwise("the built-in images")
    .details("It holds the examples along the first axis of one dataset, and their labels, 0 or 1, in another.");

const X_NAME: Setting = Setting::new("x-name", Kind::Text("NAME"), "Dataset of the examples")
    .otherwise("the usual names")
    .details(
        "It is looked up in every file that is read. Without it these are tried in turn: train_set_x and test_set_x \
         (in a test file the other way round), x, X, features, data.",
    );

const Y_NAME: Setting = Setting::new("y-name", Kind::Text("NAME"), "Dataset of the labels")
    .otherwise("the usual names")
    .details(
        "It is looked up in every file that is read. Without it these are tried in turn: train_set_y and test_set_y \
         (in a test file the other way round), y, Y, labels.",
    );

const HIDDEN: Setting = Setting::new("hidden", Kind::List("SIZES"), "Sizes of the hidden layers, or none")
    .default("20,7,5")
    .details("Separated by commas. Hidden layers are ReLU; the output is one sigmoid unit.");

const PRECISION: Setting = Setting::new(
    "precision",
    Kind::Text("TYPE"),
    "Precision: f64, mixed or f32",
)
.default("f64")
.details(
    "mixed computes in f64, and adds up and sends gradients in f32: half the traffic, and costs within 1e-6 of those of \
     f64. f32 is faster, but its costs drift from the exact ones by percents.",
);

const NETWORK: Group = Group {
    heading: "Network",
    settings: &[
        HIDDEN,
        Setting::new("init", Kind::Text("KIND"), "First weights: small, scaled or he")
            .default("scaled")
            .details(
                "Standard normal numbers times 0.01 (small), 1/sqrt(n) (scaled) or sqrt(2/n) (he), where n is the \
                 number of units in the layer before. Biases begin at zero.",
            ),
        Setting::new("seed", Kind::Number("N"), "Seed of the first weights")
            .default("1")
            .details("From 0 to 4294967295. Seed 1 draws the numbers that NumPy draws after `np.random.seed(1)`."),
        PRECISION,
    ],
};

const ITERATIONS: Setting =
    Setting::new("iterations", Kind::Number("N"), "Updates, each from all examples").default("2500");

const BLOCK_COLUMNS: Setting = Setting::new("block-columns", Kind::Number("N"), "Most examples in one block")
    .otherwise("by their number")
    .details(
        "At least 8. A block's examples are summed one after the other, the blocks' sums in pairs. Another number \
             rounds differently, so it changes the last digits of the result.",
    );

const TRAINING: Group = Group {
    heading: "Training",
    settings: &[
        Setting::new("learning-rate", Kind::Number("RATE"), "Step size of gradient descent").default("0.0075"),
        ITERATIONS,
        BLOCK_COLUMNS,
    ],
};

const OUTPUT: Group = Group {
    heading: "Output",
    settings: &[
        Setting::new(
            "out",
            Kind::Path("DIR"),
            "Folder for model.h5, costs.csv and report.html",
        )
        .details("Checkpoints go there too. It is made if it does not exist. Without it nothing is written."),
        Setting::new(
            "checkpoint-every",
            Kind::Number("N"),
            "Write a checkpoint this often",
        )
        .otherwise("30s")
        .details(
            "A number of iterations, such as `100`, or a time, such as `30s`, `5m` or `1h`. Checkpoints go to the folder \
             `checkpoints` in that of --out, and are written beside the run.",
        ),
        Setting::new("keep-checkpoints", Kind::Number("N"), "Keep the newest N checkpoints").otherwise("3"),
        Setting::new("resume", Kind::Path("DIR"), "Go on with the run in this --out folder")
            .details(
                "It goes on from its newest good checkpoint, with the same options and data, and ends with the same \
                 result as if it had never been interrupted. The fleet may be another one, and --iterations another \
                 number, so that a finished run can be made longer. --out is then the same folder.",
            ),
        Setting::new(
            "print-every",
            Kind::Number("N"),
            "Print the cost of every N-th iteration",
        )
        .default("100"),
        QUIET,
        VERBOSE,
    ],
};

const CONFIGURATION: Group = Group {
    heading: "Configuration",
    settings: &[CONFIG],
};
