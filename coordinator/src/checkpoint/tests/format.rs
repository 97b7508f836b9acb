//! What a checkpoint's bytes are, and that they read back.

use proptest::prelude::*;
use shared::ids::Iteration;
use shared::{Initialisation, LayerSizes, Parameters, Precision};

use super::{any_checkpoint, checkpoint, configuration};
use crate::checkpoint::{Checkpoint, Configuration, FormatError};

proptest! {
    #[test]
    fn every_checkpoint_reads_back_bit_for_bit(checkpoint in any_checkpoint()) {
        let bytes = checkpoint.encode();
        let read = Checkpoint::decode(&bytes).unwrap();
        prop_assert_eq!(read.configuration(), checkpoint.configuration());
        prop_assert_eq!(read.iterations(), checkpoint.iterations());
        prop_assert_eq!(read.parameter_bytes(), checkpoint.parameter_bytes());
        let bits = |costs: &[f64]| -> Vec<u64> { costs.iter().map(|cost| cost.to_bits()).collect() };
        prop_assert_eq!(bits(read.costs()), bits(checkpoint.costs()));
        prop_assert_eq!(read.encode(), bytes);
    }
}

/// Puts a right length and a right digest on bytes that were changed.
pub(super) fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    let length = bytes.len() as u64 + 32;
    bytes[12..20].copy_from_slice(&length.to_le_bytes());
    let digest = blake3::hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

/// The bytes of a checkpoint with `old` in its header replaced by `new`.
fn with_header(old: &str, new: &str) -> Vec<u8> {
    let bytes = checkpoint(2).encode();
    let header_bytes = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
    let header = str::from_utf8(&bytes[24..24 + header_bytes]).unwrap();
    assert!(header.contains(old), "{header}");
    let header = header.replacen(old, new, 1);
    let mut content = bytes[..20].to_vec();
    content.extend((header.len() as u32).to_le_bytes());
    content.extend(header.as_bytes());
    content.extend(&bytes[24 + header_bytes..bytes.len() - 32]);
    sealed(&content)
}

#[test]
fn the_bytes_are_those_that_the_table_states() {
    let checkpoint = checkpoint(2);
    let bytes = checkpoint.encode();
    let header = format!(
        "program: lockstep {}\niterations: 100\niteration: 2\nparameters-digest: {}\nhidden: 2\ninit: scaled\nseed: 7\n\
         precision: f64\nscale: 0.00392156862745098\nlearning-rate: 0.0075\nblock-columns: 16\ncolumns: 209\nfeatures: 3\n\
         element-type: u8\ndata-digest: blake3:{}\n",
        env!("CARGO_PKG_VERSION"),
        checkpoint.parameters_digest(),
        "09".repeat(32),
    );
    let mut expected = b"\x89LSCKPT\n\x01\0\0\0".to_vec();
    let length = 24 + header.len() + 11 * 8 + 2 * 8 + 32;
    expected.extend((length as u64).to_le_bytes());
    expected.extend((header.len() as u32).to_le_bytes());
    expected.extend(header.as_bytes());
    expected.extend((0..11).flat_map(|i| (f64::from(i) * 0.1 + 2.0).to_le_bytes()));
    expected.extend([1.0_f64 / 3.0, 0.25].iter().flat_map(|cost| cost.to_le_bytes()));
    expected.extend(blake3::hash(&expected).as_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn a_checkpoint_gives_back_the_parameters_and_the_iteration_to_go_on_with() {
    let sizes = LayerSizes::new(vec![5, 3, 1]).unwrap();
    let parameters: Parameters<f32> = Initialisation::He.parameters(&sizes, 3);
    let configuration = Configuration {
        sizes,
        precision: Precision::F32,
        ..configuration()
    };
    let bytes: Vec<u8> = parameters
        .values()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let checkpoint = Checkpoint::new(configuration.clone(), 9, bytes.clone().into(), vec![0.5; 4]).unwrap();
    let read = Checkpoint::decode(&checkpoint.encode()).unwrap();
    assert_eq!(read.parameters::<f32>(), Some(parameters.clone()));
    assert_eq!(read.parameters::<f64>(), None);
    assert_eq!(read.parameters_digest(), parameters.digest());
    assert_eq!((read.updates(), read.next_iteration()), (4, Iteration(4)));
    // One number too few.
    assert_eq!(
        Checkpoint::new(configuration, 9, bytes[4..].to_vec().into(), Vec::new()),
        None
    );
}

#[test]
fn a_field_that_this_version_does_not_know_is_passed_over() {
    let bytes = with_header("seed: 7\n", "seed: 7\nhost: desk-7\n");
    assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint(2)));
}

#[test]
fn a_later_version_is_refused_by_its_number_unless_it_is_damaged() {
    let mut content = checkpoint(2).encode();
    content.truncate(content.len() - 32);
    content[8] = 2;
    // Nothing behind the length need be as it is now.
    let mut later = sealed(&content[..30]);
    assert_eq!(Checkpoint::decode(&later), Err(FormatError::Version { found: 2 }));
    assert_eq!(
        Checkpoint::decode(&later).unwrap_err().to_string(),
        "found checkpoint format version 2, expected 1"
    );
    later[25] ^= 1;
    assert!(matches!(Checkpoint::decode(&later), Err(FormatError::Digest { .. })));
}

/// A line of the header, what it is replaced by, and the error.
const WRONG_HEADERS: [(&str, &str, &str); 22] = [
    (
        "seed: 7",
        "seed: -7",
        "the field `seed`: found \"-7\", expected a whole number of 32 bits",
    ),
    (
        "seed: 7\n",
        "",
        "the field `seed`: found nothing, expected a whole number of 32 bits",
    ),
    (
        "seed: 7\n",
        "seed: 7\nseed: 7\n",
        "the header: found \"seed\" twice, expected it once",
    ),
    (
        "seed: 7",
        "seed=7",
        "the header: found the line \"seed=7\", expected `key: value`",
    ),
    (
        "init: scaled",
        "init: xavier",
        "the field `init`: found \"xavier\", expected an initialisation",
    ),
    (
        "hidden: 2",
        "hidden: 0",
        "the field `hidden`: found \"0\", expected layer sizes that fit the features",
    ),
    (
        "hidden: 2",
        "hidden: 2,",
        "the field `hidden`: found \"2,\", expected layer sizes that fit the features",
    ),
    (
        "hidden: 2",
        "hidden: 1099511627776",
        "the field `hidden`: found \"1099511627776\", expected layer sizes that fit the features",
    ),
    (
        "features: 3",
        "features: -3",
        "the field `features`: found \"-3\", expected a number of features",
    ),
    (
        "columns: 209",
        "columns: 0",
        "the field `columns`: found \"0\", expected a whole number of at least 1",
    ),
    (
        "precision: f64",
        "precision: f16",
        "the field `precision`: found \"f16\", expected `f64`, `mixed` or `f32`",
    ),
    (
        "scale: 0.0",
        "scale: -0.0",
        "the field `scale`: found \"-0.00392156862745098\", expected a finite number above 0",
    ),
    (
        "learning-rate: 0.0075",
        "learning-rate: inf",
        "the field `learning-rate`: found \"inf\", expected a finite number above 0",
    ),
    (
        "block-columns: 16",
        "block-columns: 7",
        "the field `block-columns`: found \"7\", expected a whole number of at least 8",
    ),
    (
        "element-type: u8",
        "element-type: u7",
        "the field `element-type`: found \"u7\", expected an element type",
    ),
    (
        "data-digest: blake3:09",
        "data-digest: 09",
        "the field `data-digest`: found \"0909090909090909090909090909090909090909090909090909090909090909\", expected a digest",
    ),
    (
        "iterations: 100",
        "iterations: all",
        "the field `iterations`: found \"all\", expected a number of iterations",
    ),
    // 11 parameters and 2 costs, of 8 bytes each.
    (
        "iteration: 2",
        "iteration: 3",
        "found 104 bytes of parameters and costs, expected 112 by the header",
    ),
    (
        "hidden: 2",
        "hidden: 3",
        "found 104 bytes of parameters and costs, expected 144 by the header",
    ),
    (
        "precision: f64",
        "precision: f32",
        "found 104 bytes of parameters and costs, expected 60 by the header",
    ),
    (
        "iteration: 2",
        "iteration: 18446744073709551615",
        "found 104 bytes of parameters and costs, expected 147573952589676413008 by the header",
    ),
    (
        "hidden: 2",
        "hidden: 1000000000",
        "found 104 bytes of parameters and costs, expected 40000000024 by the header",
    ),
];

#[test]
fn a_header_that_someone_else_wrote_is_refused_by_field() {
    for (old, new, message) in WRONG_HEADERS {
        let error = Checkpoint::decode(&with_header(old, new)).unwrap_err();
        assert_eq!(error.to_string(), message, "{old:?} to {new:?}");
    }
}

#[test]
fn parameters_that_are_not_those_of_the_stated_digest_are_refused() {
    let digest = checkpoint(2).parameters_digest().to_string();
    let other = checkpoint(3).parameters_digest().to_string();
    let error = Checkpoint::decode(&with_header(&digest, &other)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the field `parameters-digest`: found {other}, expected {digest} by the parameters")
    );
}
