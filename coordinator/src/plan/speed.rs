//! How fast this machine computes: the real kernels, timed for a moment.

use std::num::NonZeroUsize;
use std::time::Duration;

use shared::dataset::Dataset;
use shared::shard::GradientOf;
use shared::threads::lead_pool;
use shared::tree::TILE;
use shared::{
    BlockColumns, Columns, ElementType, GradientSum, Initialisation, LayerSizes, Precision, Real, Shard, Tree,
};

use super::PlanError;
use super::memory::pass_bytes;
use super::traffic::column_bytes;
use super::work::operations;

/// The most operations of a call that is timed: a hundredth of a second on a fast core.
const MOST_OPERATIONS: u128 = 2_000_000_000;

/// The most bytes of columns and of passes through them that it goes through.
const MOST_BYTES: u128 = 64 << 20;

/// The most parameters of its network: 32 MiB in f64, more than any cache of one core.
const MOST_PARAMETERS: usize = 4 << 20;

/// How long calls are timed, and how many there are at least.
const LEAST: (Duration, usize) = (Duration::from_millis(300), 3);

/// What is computed to measure: a part of the run that takes no longer than a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The run's network, or one like it with smaller hidden layers.
    sizes: LayerSizes,
    /// Over the first columns of the batch.
    tree: Tree,
}

impl Sample {
    /// The first examples of `dataset`, and a network as `sizes`, both as large as a moment allows.
    pub fn of(sizes: &LayerSizes, block_columns: BlockColumns, dataset: &Dataset) -> Self {
        let sizes = smaller(sizes);
        let columns = columns(&sizes, dataset.m(), dataset.element_type());
        let tree = Tree::over_batch(columns, block_columns);
        Self {
            sizes,
            tree: tree.expect("a part of the batch has fewer blocks than the batch, and some"),
        }
    }
}

/// Halves the largest hidden layer until there are few enough parameters, or no hidden layer can be halved.
fn smaller(sizes: &LayerSizes) -> LayerSizes {
    let mut sizes = sizes.clone();
    while sizes.parameters() > MOST_PARAMETERS {
        let mut hidden = sizes.as_slice()[1..sizes.layers()].to_vec();
        let Some(largest) = hidden.iter_mut().max().filter(|n| **n > 1) else {
            break;
        };
        *largest /= 2;
        let halved = LayerSizes::binary_classifier(sizes.features(), &hidden);
        sizes = halved.expect("smaller layers are still layers");
    }
    sizes
}

/// How many of m columns a call goes through: at least one tile, if there are as many.
fn columns(sizes: &LayerSizes, m: usize, element_type: ElementType) -> usize {
    let by_operations = (MOST_OPERATIONS / operations(sizes, 1)) as usize;
    let by_bytes = (MOST_BYTES / (column_bytes(sizes, element_type) + pass_bytes(sizes, Precision::F64))) as usize;
    by_operations.min(by_bytes).max(TILE).min(m)
}

/// GFLOP/s of one core while `threads` compute the sums of `sample`, whose columns are those of `dataset`: the median of
/// some calls. `clock` tells the time since any fixed moment.
///
/// # Errors
///
/// [`PlanError`] if the columns cannot be read, or the system does not give us threads.
pub fn measure(
    precision: Precision,
    sample: Sample,
    dataset: &Dataset,
    threads: NonZeroUsize,
    clock: impl FnMut() -> Duration + Send + 'static,
) -> Result<f64, PlanError> {
    let m = sample.tree.items();
    let x = dataset.columns(0..m)?;
    let labels = dataset.labels().unwrap_or_default()[..m].to_vec();
    let operations = operations(&sample.sizes, m);
    let work = move |pool: rayon::ThreadPool| {
        pool.install(|| match precision {
            Precision::F64 => median::<f64, f64>(&sample, &x, &labels, clock),
            Precision::Mixed => median::<f64, f32>(&sample, &x, &labels, clock),
            Precision::F32 => median::<f32, f32>(&sample, &x, &labels, clock),
        })
    };
    let thread = lead_pool("speed", threads.get(), work).map_err(PlanError::Threads)?;
    let median = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let median = median.expect("a thread that was started has worked")?;
    Ok(operations as f64 / median.as_secs_f64() / threads.get() as f64 / 1e9)
}

/// The median time of a call, on rayon's current threads, with parameters in `C` and sums in `G`.
fn median<C: Real, G: Real + GradientOf<C>>(
    sample: &Sample,
    x: &Columns,
    labels: &[u8],
    mut clock: impl FnMut() -> Duration,
) -> Result<Duration, PlanError> {
    let Sample { sizes, tree } = sample;
    let parameters = Initialisation::Scaled.parameters::<C>(sizes, 1);
    let mut shard = Shard::<C, G>::new(tree, tree.root(), sizes, x, labels, 1.0 / 255.0)?;
    let mut sums = [GradientSum::zeros(sizes.clone())];
    let mut call = || shard.node_sums_into(&parameters, &[tree.root()], &mut sums);
    // The first one takes memory from the system, which none after it does.
    call();
    let (least_time, least_calls) = LEAST;
    let mut times = Vec::new();
    let begin = clock();
    let mut before = begin;
    while times.len() < least_calls || before - begin < least_time {
        call();
        let now = clock();
        times.push(now - before);
        before = now;
    }
    times.sort_unstable();
    // A clock that stands still would make the speed infinite.
    Ok(times[times.len() / 2].max(Duration::from_nanos(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sizes: &[usize]) -> LayerSizes {
        LayerSizes::new(sizes.to_vec()).unwrap()
    }

    #[test]
    fn a_small_network_and_batch_are_measured_as_they_are() {
        let dataset = shared::dataset::demo::train();
        let cat = sizes(&[12288, 20, 7, 5, 1]);
        let sample = Sample::of(&cat, BlockColumns::default_for(209), &dataset);
        assert_eq!((&sample.sizes, sample.tree.items()), (&cat, 209));
    }

    #[test]
    fn of_large_ones_a_part_is_measured() {
        assert_eq!(smaller(&sizes(&[784, 4096, 4096, 1])), sizes(&[784, 2048, 1024, 1]));
        assert_eq!(smaller(&sizes(&[8 << 20, 2, 1])), sizes(&[8 << 20, 1, 1]));
        assert_eq!(smaller(&sizes(&[8 << 20, 1])), sizes(&[8 << 20, 1]));
        let wide = sizes(&[784, 512, 256, 1]);
        assert_eq!(columns(&wide, 60_000, ElementType::U8), 835);
        assert_eq!(columns(&wide, 100, ElementType::U8), 100);
        // 2 bytes and a label, and 4 · (8 + 8) numbers.
        let many = 10_000_000;
        assert_eq!(columns(&sizes(&[2, 3, 1]), many, ElementType::U8), (64 << 20) / 515);
        assert_eq!(columns(&sizes(&[8 << 20, 1]), 60_000, ElementType::F64), 8);
        assert_eq!(columns(&sizes(&[8 << 20, 1]), 3, ElementType::F64), 3);
    }

    #[test]
    fn the_speed_is_operations_by_median_time_and_threads() {
        let dataset = shared::dataset::demo::train_of(20);
        let network = sizes(&[12288, 3, 1]);
        let sample = Sample::of(&network, BlockColumns::default_for(20), &dataset);
        let each = operations(&network, 20) as f64;
        // A call that takes 10 s among others that take 0.2 s does not matter.
        let mut now = Duration::ZERO;
        let mut calls = 0;
        let clock = move || {
            calls += 1;
            now += Duration::from_millis(if calls == 3 { 10_000 } else { 200 });
            now
        };
        let threads = NonZeroUsize::new(2).unwrap();
        for precision in Precision::ALL {
            let gflops = measure(precision, sample.clone(), &dataset, threads, clock).unwrap();
            assert!((gflops - each / 0.2 / 2.0 / 1e9).abs() < 1e-9, "{gflops}");
        }
    }

    #[test]
    fn a_clock_that_stands_still_is_no_infinite_speed() {
        let dataset = shared::dataset::demo::train_of(8);
        let sample = Sample::of(&sizes(&[12288, 1]), BlockColumns::default_for(8), &dataset);
        let mut calls = 0_u64;
        // It stands still for the calls that are timed, and jumps when the third is over.
        let clock = move || {
            calls += 1;
            Duration::from_secs(if calls > 4 { 1 } else { 0 })
        };
        let gflops = measure(Precision::F64, sample, &dataset, NonZeroUsize::MIN, clock).unwrap();
        assert!(gflops.is_finite(), "{gflops}");
    }
}
