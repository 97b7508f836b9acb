//! How fast the kernels and whole iterations are, beside what the cores can do at most.
//!
//! The throughput of every measurement is in floating-point operations, so Criterion's `Gelem/s` are GFLOP/s. `make
//! bench` makes a table of them, with each one's share of the peak.

#[allow(dead_code, reason = "each bench measures some of the work")]
mod work;

use std::thread;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use rayon::ThreadPool;
use shared::element::Element;
use shared::kernel::InstructionSet;
use shared::shard::GradientOf;
use shared::threads::lead_pool;
use shared::{BlockColumns, ElementType, Real};

use work::iteration::{Batch, Iteration};
use work::layer::Layer;
use work::{bytes, choose_instruction_set, peak, reals};

/// So many rounds take some milliseconds: long beside the time in which a pool wakes.
const PEAK_ROUNDS: u64 = 1_000_000;

fn main() {
    let set = choose_instruction_set();
    let mut counts = vec![1, thread::available_parallelism().map_or(1, usize::from)];
    counts.dedup();
    for threads in counts {
        let measure = move |pool| measure(set, threads, pool);
        // As in both programs, the thread that asks for the work takes part in it.
        let leader = lead_pool("bench", threads, measure).expect("the system gives us the threads");
        if let Err(panic) = leader.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// All that is measured on so many threads. Each peak is measured close to what is compared with it: clocks drift.
fn measure(set: InstructionSet, threads: usize, pool: ThreadPool) {
    let criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20)
        .nresamples(10_000)
        .configure_from_args();
    let mut bench = Bench {
        criterion,
        pool,
        threads,
    };
    let batches = [
        Batch::new(&[12288, 20, 7, 5, 1], 209, ElementType::U8),
        Batch::new(&[12288, 7, 1], 209, ElementType::U8),
        Batch::new(&[784, 512, 256, 1], 2048, ElementType::F64),
    ];
    bench.peak::<f64>("f64");
    bench.kernels::<f64>("f64", set);
    bench.iterations::<f64, f64>("f64", &batches);
    bench.iterations::<f64, f32>("mixed", &batches);
    bench.peak::<f32>("f32");
    bench.kernels::<f32>("f32", set);
    bench.iterations::<f32, f32>("f32", &batches);
    bench.criterion.final_summary();
}

struct Bench {
    criterion: Criterion,
    pool: ThreadPool,
    threads: usize,
}

impl Bench {
    /// Fused multiply-adds on every thread.
    fn peak<C: Real>(&mut self, precision: &str) {
        let flop = peak::multiply_and_add::<C>(PEAK_ROUNDS) * self.threads as u64;
        self.measure(precision, "peak", flop, || {
            rayon::broadcast(|_| peak::multiply_and_add::<C>(PEAK_ROUNDS));
        });
    }

    /// The kernels, which have one thread each.
    fn kernels<C: Real>(&mut self, precision: &str, set: InstructionSet) {
        if self.threads > 1 {
            return;
        }
        self.layer::<u8, C>(precision, (set, 20, 12288, 209), bytes);
        self.layer::<C, C>(precision, (set, 512, 784, 2048), reals);
        self.layer::<C, C>(precision, (set, 256, 512, 2048), reals);
    }

    /// The products of one layer of `units` units over `features` inputs and `m` columns.
    fn layer<E: Element, C: Real>(
        &mut self,
        precision: &str,
        (set, units, features, m): (InstructionSet, usize, usize, usize),
        inputs: fn(usize) -> Vec<E>,
    ) {
        let mut layer = Layer::<E, C>::new(set, units, features, &inputs(features * m));
        let flop = 2 * (units * features * m) as u64;
        let name = |product: &str| format!("{product}, {units} x {features} x {m} of {}", E::TYPE);
        self.measure(precision, &name("z = w a"), flop, || layer.forward());
        // Inputs of layer 1, bytes here, have no da.
        if E::TYPE == C::TYPE {
            self.measure(precision, &name("da = wT dz"), flop, || layer.backward());
        }
        self.measure(precision, &name("dw = dz aT"), flop, || layer.gradient::<C>());
    }

    /// Whole iterations.
    fn iterations<C: Real, G: Real + GradientOf<C>>(&mut self, precision: &str, batches: &[Batch]) {
        for batch in batches {
            let mut iteration = Iteration::<C, G>::new(batch, BlockColumns::default_for(batch.m()));
            let name = format!("iteration, {}, m = {}", batch.sizes, batch.m());
            self.measure(precision, &name, batch.flop(), || iteration.run());
        }
    }

    /// One line of the table.
    fn measure(&mut self, precision: &str, work: &str, flop: u64, mut run: impl FnMut() + Send) {
        let threads = format!(
            "{} {}",
            self.threads,
            if self.threads == 1 { "thread" } else { "threads" }
        );
        let mut group = self.criterion.benchmark_group(precision);
        group.throughput(Throughput::Elements(flop));
        group.bench_function(BenchmarkId::new(work, threads), |bencher| {
            bencher.iter(|| self.pool.install(&mut run));
        });
        group.finish();
    }
}
