//! The work that the benches measure: whole iterations in memory, and the kernels by themselves.

pub mod iteration;
pub mod layer;
pub mod peak;

use std::env;
use std::process;

use shared::kernel::InstructionSet;
use shared::{Real, SplitMix64};

/// Has the kernels use the instruction set that the environment names, as both programs do.
pub fn choose_instruction_set() -> InstructionSet {
    match env::var_os(InstructionSet::VARIABLE).map(|name| InstructionSet::force(&name)) {
        None => InstructionSet::chosen(),
        Some(Ok(set)) => set,
        Some(Err(error)) => {
            eprintln!("error: {error}");
            process::exit(64)
        }
    }
}

/// `count` bytes, always the same.
pub fn bytes(count: usize) -> Vec<u8> {
    let mut random = SplitMix64::new(1);
    (0..count).map(|_| random.below(256) as u8).collect()
}

/// `count` numbers within [−1, 1), always the same.
pub fn reals<C: Real>(count: usize) -> Vec<C> {
    let mut random = SplitMix64::new(2);
    (0..count).map(|_| C::from_f64(2.0 * random.share() - 1.0)).collect()
}
