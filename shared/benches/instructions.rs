//! Work whose instructions are counted by valgrind's callgrind: `make instructions`.
//!
//! Callgrind counts within [`counted_by_callgrind`] alone, and scripts/instructions puts the numbers beside the names
//! that are printed here, in the same order. Without callgrind the work is done and nobody counts.

#[allow(dead_code, reason = "each bench measures some of the work")]
mod work;

use std::hint::black_box;

use shared::element::Element;
use shared::kernel::InstructionSet;
use shared::shard::GradientOf;
use shared::threads::lead_pool;
use shared::{BlockColumns, ElementType, Real};

use work::iteration::{Batch, Iteration};
use work::layer::Layer;
use work::{bytes, choose_instruction_set, reals};

/// Four blocks.
const COLUMNS: usize = 64;

fn main() {
    let set = choose_instruction_set();
    eprintln!("only callgrind counts these: `make instructions`");
    // One thread: how work is shared among several depends on who is quicker.
    let leader = lead_pool("bench", 1, move |pool| pool.install(|| count_all(set)));
    if let Err(panic) = leader.expect("the system gives us a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

fn count_all(set: InstructionSet) {
    // Two panels of features. Inputs of layer 1 have no da.
    let first = |product: &str| format!("{product}, 20 x 1280 x {COLUMNS} of u8");
    let mut layer = Layer::<u8, f64>::new(set, 20, 1280, &bytes(1280 * COLUMNS));
    count("f64", &first("z = w a"), || layer.forward());
    count("f64", &first("dw = dz aT"), || layer.gradient::<f64>());
    count("mixed", &first("dw = dz aT"), || layer.gradient::<f32>());
    let mut layer = Layer::<u8, f32>::new(set, 20, 1280, &bytes(1280 * COLUMNS));
    count("f32", &first("z = w a"), || layer.forward());
    count("f32", &first("dw = dz aT"), || layer.gradient::<f32>());
    count_hidden::<f64>("f64", set);
    count_hidden::<f32>("f32", set);
    for (sizes, element_type) in [
        (&[256, 20, 7, 1][..], ElementType::U8),
        (&[64, 48, 32, 1], ElementType::F64),
    ] {
        let batch = Batch::new(sizes, COLUMNS, element_type);
        count_iteration::<f64, f64>("f64", &batch);
        count_iteration::<f64, f32>("mixed", &batch);
        count_iteration::<f32, f32>("f32", &batch);
    }
}

/// The products of a hidden layer.
fn count_hidden<C: Real>(precision: &str, set: InstructionSet) {
    let name = |product: &str| format!("{product}, 48 x 64 x {COLUMNS} of {}", <C as Element>::TYPE);
    let mut layer = Layer::<C, C>::new(set, 48, 64, &reals(64 * COLUMNS));
    count(precision, &name("z = w a"), || layer.forward());
    count(precision, &name("da = wT dz"), || layer.backward());
    count(precision, &name("dw = dz aT"), || layer.gradient::<C>());
}

fn count_iteration<C: Real, G: Real + GradientOf<C>>(precision: &str, batch: &Batch) {
    let mut iteration = Iteration::<C, G>::new(batch, BlockColumns::default_for(batch.m()));
    let name = format!("iteration, {}, m = {}", batch.sizes, batch.m());
    count(precision, &name, || iteration.run());
}

/// Counts `work` as it is when it has been done before: then its memory is there.
fn count(precision: &str, name: &str, mut work: impl FnMut()) {
    work();
    work();
    written_down_by_callgrind(&mut work);
    println!("{precision}: {name}");
}

/// Callgrind writes down what it has counted whenever this function, which it knows by its name, ends.
#[inline(never)]
fn written_down_by_callgrind(work: &mut dyn FnMut()) {
    counted_by_callgrind(work);
    // A call at the very end would become a jump.
    black_box(());
}

/// Callgrind counts from this function's beginning to its end.
#[inline(never)]
fn counted_by_callgrind(work: &mut dyn FnMut()) {
    work();
    black_box(());
}
