//! What a forecast is to be made of.

use std::num::NonZeroUsize;

use settings::{Mistaken, Reader};
use shared::{BlockColumns, Precision};

use super::TrainingData;
use super::train::{MAX_WORKERS, block_columns, data, hidden, precision};
use crate::plan::LinkSpeed;

/// What a forecast is to be made of.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanConfig {
    /// The most workers to look at.
    pub workers: usize,
    /// The number of threads of each worker; `None` for all cores, divided among workers on this machine.
    pub threads: Option<NonZeroUsize>,
    /// What connects coordinator and workers.
    pub link: LinkSpeed,
    /// GFLOP/s that one core sustains; `None` to measure it here.
    pub gflops: Option<f64>,
    /// What is learned; nothing is said of examples to test on.
    pub data: TrainingData,
    /// n_1, …, n_{L-1}, each at least 1.
    pub hidden: Vec<usize>,
    /// Which numbers are f64 and which f32.
    pub precision: Precision,
    /// The number of updates, at least 1.
    pub iterations: u64,
    /// The most columns in a block; `None` for [`BlockColumns::default_for`] the batch.
    pub block_columns: Option<BlockColumns>,
}

/// Reads every setting before it returns, so that all mistakes are noted.
pub(super) fn read(reader: &mut Reader) -> Result<PlanConfig, Mistaken> {
    let workers = reader.required_whole_number("workers", 0..=MAX_WORKERS);
    let threads = reader.threads("threads");
    let expected = "`loopback`, or a speed from `1kbit` to `1000Tbit`, such as `100Mbit`, `1Gbit` or `2.5Gbit`";
    let link = reader.read("link", expected, |text| text.parse().ok());
    let gflops = reader.read_optional("gflops", "a number from 0.001 to 1000000", gflops);
    let data = data(reader);
    let hidden = hidden(reader);
    let precision = precision(reader);
    let iterations = reader.required_whole_number("iterations", 1..=u64::MAX);
    let block_columns = block_columns(reader);
    Ok(PlanConfig {
        workers: workers? as usize,
        threads: threads?,
        link: link?,
        gflops: gflops?,
        data: data?,
        hidden: hidden?,
        precision: precision?,
        iterations: iterations?,
        block_columns: block_columns?,
    })
}

fn gflops(text: &str) -> Option<f64> {
    text.parse().ok().filter(|gflops| (1e-3..=1e6).contains(gflops))
}
