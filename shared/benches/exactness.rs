//! What it costs that sums have a defined order: the sums over a batch in blocks of the default size, joined along the
//! tree, against the same kernels with all columns in one block.
//!
//! Both take turns within a moment, since clocks drift by more than what is to be seen, and the cost is the median over
//! the turns. One thread, because hidden layers of one block are not shared among several. With `--quick` there are few
//! turns; other arguments are Criterion's and mean nothing here.

#[allow(dead_code, reason = "each bench measures some of the work")]
mod work;

use std::env;
use std::time::{Duration, Instant};

use shared::shard::GradientOf;
use shared::threads::lead_pool;
use shared::{BlockColumns, ElementType, Real};

use work::choose_instruction_set;
use work::iteration::{Batch, Iteration};

/// How many turns there are at least, and until when there are more.
const TURNS: usize = 5;
const UNTIL: Duration = Duration::from_secs(2);

/// How long one of the two has its turn at least: long beside the time in which its data come back into the caches.
const TURN: Duration = Duration::from_millis(20);

fn main() {
    choose_instruction_set();
    let quick = |argument: String| argument == "--quick" || argument == "--test";
    let until = if env::args().any(quick) { Duration::ZERO } else { UNTIL };
    let leader = lead_pool("bench", 1, move |pool| pool.install(|| print_all(until)));
    if let Err(panic) = leader.expect("the system gives us a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

fn print_all(until: Duration) {
    println!("network,m,precision,block columns,median ms,median ms in one block,cost %");
    for (sizes, m, element_type) in [
        (&[12288, 20, 7, 5, 1][..], 209, ElementType::U8),
        (&[12288, 7, 1], 209, ElementType::U8),
        (&[784, 512, 256, 1], 2048, ElementType::F64),
    ] {
        let batch = Batch::new(sizes, m, element_type);
        print::<f64, f64>(&batch, "f64", until);
        print::<f64, f32>(&batch, "mixed", until);
        print::<f32, f32>(&batch, "f32", until);
    }
}

/// One line.
fn print<C: Real, G: Real + GradientOf<C>>(batch: &Batch, precision: &str, until: Duration) {
    let blocks = BlockColumns::default_for(batch.m());
    let one = BlockColumns::new(batch.m()).expect("the batch is larger than a tile");
    let mut in_blocks = Iteration::<C, G>::new(batch, blocks);
    let mut in_one = Iteration::<C, G>::new(batch, one);
    let mut times = Vec::new();
    let start = now();
    while times.len() < TURNS || now() - start < until {
        // Neither is always the first.
        times.push(if times.len() % 2 == 0 {
            let first = milliseconds(&mut in_blocks);
            (first, milliseconds(&mut in_one))
        } else {
            let first = milliseconds(&mut in_one);
            (milliseconds(&mut in_blocks), first)
        });
    }
    println!(
        "{},{},{precision},{},{:.4},{:.4},{:.2}",
        batch.sizes,
        batch.m(),
        blocks.get(),
        median(times.iter().map(|(blocks, _)| *blocks)),
        median(times.iter().map(|(_, one)| *one)),
        100.0 * (median(times.iter().map(|(blocks, one)| blocks / one)) - 1.0),
    );
}

/// Milliseconds of one pass.
fn milliseconds<C: Real, G: Real + GradientOf<C>>(iteration: &mut Iteration<C, G>) -> f64 {
    // Not measured, because it finds the other's data in the caches.
    iteration.pass();
    let start = now();
    let mut passes = 0;
    loop {
        iteration.pass();
        passes += 1;
        let taken = now() - start;
        if taken >= TURN {
            return 1e3 * taken.as_secs_f64() / f64::from(passes);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
