//! The options of `coordinator plan`.

use settings::{Group, Kind, Setting, Settings, Table};

use super::{BLOCK_COLUMNS, CONFIGURATION, HIDDEN, ITERATIONS, PRECISION, TRAIN_FILE, Train, X_NAME, Y_NAME};

pub(super) const PLAN_EXAMPLES: &str = "\
Examples:
  Would workers on this machine pay, on the built-in images?
    coordinator plan

  Up to 16 workers on machines of their own, on other data
    coordinator plan --train train.h5 --workers 16 --link 10Gbit

  For cores of which the speed is known
    coordinator plan --link 1Gbit --threads 32 --gflops 40

  For the run that a configuration file describes
    coordinator plan --config lockstep.toml";

/// The settings of a forecast.
#[derive(Debug)]
pub struct Plan;

impl Settings for Plan {
    const TABLE: Table = &[FLEET, DATA, COMPUTATION, CONFIGURATION];
    // The file of a training run says all that a forecast of it needs.
    const PASSED_OVER: Table = Train::TABLE;
}

const FLEET: Group = Group {
    heading: "Fleet",
    settings: &[
        Setting::new("workers", Kind::Number("N"), "The most workers to look at")
            .default("8")
            .details("The table has a line for 0, 1, 2, 4, 8 … and this number. At most 1024."),
        Setting::new("threads", Kind::Number("N"), "Threads of each worker, or of one process without workers")
            .otherwise("all cores, divided among workers on this machine"),
        Setting::new("link", Kind::Text("SPEED"), "What connects coordinator and workers")
            .default("loopback")
            .details(
                "`loopback`: all run on this machine, started by --spawn, and share its cores. A speed, such as `100Mbit`, `1Gbit` or \
                 `2.5Gbit` a second: each worker has a machine of its own that is like this one, and this is the link of \
                 the coordinator's machine, which everything goes through.",
            ),
        Setting::new("gflops", Kind::Number("N"), "GFLOP/s that one core sustains")
            .otherwise("measured on this machine")
            .details("Measured are the real kernels on the first examples of the data, for a fraction of a second."),
    ],
};

const DATA: Group = Group {
    heading: "Data",
    settings: &[TRAIN_FILE, X_NAME, Y_NAME],
};

const COMPUTATION: Group = Group {
    heading: "Computation",
    settings: &[HIDDEN, PRECISION, ITERATIONS, BLOCK_COLUMNS],
};
