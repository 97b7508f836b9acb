//! Checkpoint files with wrong bytes, also under a right digest: no panic, and no checkpoint that says something else
//! when it is written again.

use coordinator::checkpoint::{Checkpoint, Configuration};
use shared::Initialisation;

use super::{Inputs, Target, ensure, messages, mutate};
use crate::random::Random;

pub(super) const TARGET: Target = Target {
    name: "checkpoints",
    case,
};

/// What a checkpoint ends with.
const DIGEST_BYTES: usize = 32;

/// Where a checkpoint says how long it is.
const LENGTH: std::ops::Range<usize> = 12..20;

fn case(random: &mut Random, inputs: &mut Inputs) -> Result<(), String> {
    inputs.count();
    let good = checkpoint(random).encode();
    let mut bytes = good.clone();
    match random.below(8) {
        0 => {}
        1 => bytes = mutate::any_bytes(random, 200),
        2..4 => mutate::bytes(random, &mut bytes),
        _ => {
            // Whoever can compute a digest gets further.
            bytes.truncate(bytes.len() - DIGEST_BYTES);
            mutate::bytes(random, &mut bytes);
            seal(random, &mut bytes);
        }
    }
    match Checkpoint::decode(&bytes) {
        Ok(checkpoint) => {
            let again = checkpoint.encode();
            let same = Checkpoint::decode(&again).is_ok_and(|checkpoint| checkpoint.encode() == again);
            ensure(same, || {
                format!("{checkpoint:?} is another when it is written and read again")
            })
        }
        Err(error) => ensure(bytes != good, || format!("a good checkpoint is refused: {error}")),
    }
}

fn checkpoint(random: &mut Random) -> Checkpoint {
    let run = messages::run(random);
    let configuration = Configuration {
        initialisation: *random.one_of(&Initialisation::ALL),
        seed: random.number() as u32,
        learning_rate: *random.one_of(&[0.0075, f64::MIN_POSITIVE, 1e300]),
        columns: run.tree.items(),
        sizes: run.sizes.clone(),
        precision: run.precision,
        scale: run.scale,
        block_columns: run.block_columns,
        element_type: run.element_type,
        data_digest: run.data,
    };
    let parameters = vec![random.number() as u8; run.sizes.parameters() * run.precision.parameters().bytes()];
    // Any bits, NaN among them.
    let costs = (0..random.below(5)).map(|_| f64::from_bits(random.number())).collect();
    Checkpoint::new(configuration, run.iterations, parameters.into(), costs).expect("it has all parameters")
}

/// Makes length and digest right, the length not always.
fn seal(random: &mut Random, bytes: &mut Vec<u8>) {
    let whole = (bytes.len() + DIGEST_BYTES) as u64;
    if let Some(length) = bytes.get_mut(LENGTH)
        && random.happens(9, 10)
    {
        length.copy_from_slice(&whole.to_le_bytes());
    }
    let digest = blake3::hash(bytes);
    bytes.extend(digest.as_bytes());
}
