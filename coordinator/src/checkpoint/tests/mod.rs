//! Checkpoints as bytes and as files.

mod compatibility;
mod damage;
mod format;
mod store;

use std::num::NonZeroUsize;

use bytes::Bytes;
use proptest::prelude::*;
use shared::{BlockColumns, Digest, ElementType, Initialisation, LayerSizes, Precision};

use super::{Checkpoint, Configuration, Store};

fn configuration() -> Configuration {
    Configuration {
        sizes: LayerSizes::new(vec![3, 2, 1]).unwrap(),
        initialisation: Initialisation::Scaled,
        seed: 7,
        precision: Precision::F64,
        scale: 1.0 / 255.0,
        learning_rate: 0.0075,
        block_columns: BlockColumns::new(16).unwrap(),
        columns: 209,
        element_type: ElementType::U8,
        data_digest: Digest::from_bytes([9; 32]),
    }
}

/// A checkpoint after `updates` of 100 iterations; its numbers follow from that.
fn checkpoint(updates: u64) -> Checkpoint {
    let configuration = configuration();
    let numbers = (0..configuration.sizes.parameters()).map(|i| i as f64 * 0.1 + updates as f64);
    let parameters: Vec<u8> = numbers.flat_map(f64::to_le_bytes).collect();
    let costs = (0..updates).map(|iteration| 1.0 / (iteration as f64 + 3.0)).collect();
    Checkpoint::new(configuration, 100, parameters.into(), costs).unwrap()
}

fn keeping(run: &std::path::Path, keep: usize) -> Store {
    Store::new(run, NonZeroUsize::new(keep).unwrap())
}

prop_compose! {
    fn any_configuration()(
        features in 1_usize..20,
        hidden in prop::collection::vec(1_usize..9, 0..4),
        initialisation in prop::sample::select(Initialisation::ALL.to_vec()),
        element_type in prop::sample::select(ElementType::ALL.to_vec()),
        precision in prop::sample::select(Precision::ALL.to_vec()),
        seed in any::<u32>(),
        scale in f64::MIN_POSITIVE..1e300,
        learning_rate in 5e-324..1e3,
        block_columns in 8_usize..=usize::MAX,
        columns in 1_usize..=usize::MAX,
        digest in any::<[u8; 32]>(),
    ) -> Configuration {
        Configuration {
            sizes: LayerSizes::binary_classifier(features, &hidden).unwrap(),
            initialisation,
            seed,
            precision,
            scale,
            learning_rate,
            block_columns: BlockColumns::new(block_columns).unwrap(),
            columns,
            element_type,
            data_digest: Digest::from_bytes(digest),
        }
    }
}

/// Any checkpoint; its numbers are any bits at all, NaN too.
fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
    any_configuration().prop_flat_map(|configuration| {
        let bytes = configuration.parameter_bytes() as usize;
        let costs = prop::collection::vec(any::<f64>(), 0..40);
        let parameters = prop::collection::vec(any::<u8>(), bytes);
        (Just(configuration), any::<u64>(), parameters, costs).prop_map(
            |(configuration, iterations, parameters, costs)| {
                Checkpoint::new(configuration, iterations, Bytes::from(parameters), costs).unwrap()
            },
        )
    })
}
