//! The digest that names a data set by its numbers.

use shared::Dataset;
use shared::dataset::{NameChoice, Role, demo, write_demo};

use crate::support::{TestFile, put};

/// The digest of the data set in the file that `fill` makes.
fn digest_of(fill: impl FnOnce(&hdf5::File)) -> String {
    let file = TestFile::new(fill);
    file.open().unwrap().digest().to_string()
}

/// X of shape (2, 3) as i16, and labels.
fn plain(file: &hdf5::File) {
    put(file, "x", &[2, 3], &[1_i16, -2, 300, 4, 5, -600]);
    put(file, "y", &[2], &[1_i64, 0]);
}

#[test]
fn it_is_blake3_over_counts_type_columns_and_labels() {
    let mut bytes = Vec::new();
    bytes.extend(3_u64.to_le_bytes());
    bytes.extend(2_u64.to_le_bytes());
    bytes.extend(b"i16\0");
    for number in [1_i16, -2, 300, 4, 5, -600] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0]);
    assert_eq!(digest_of(plain), format!("blake3:{}", blake3::hash(&bytes)));
}

#[test]
fn it_does_not_see_how_the_numbers_are_stored_or_named() {
    let expected = digest_of(plain);
    let numbers = [1_i16, -2, 300, 4, 5, -600];
    let chunked = digest_of(|file| {
        let x = ndarray::ArrayView::from_shape(&[2, 3][..], &numbers).unwrap();
        let builder = file
            .new_dataset_builder()
            .with_data(x)
            .chunk([1, 2])
            .shuffle()
            .deflate(6);
        builder.create("features").unwrap();
        put(file, "labels", &[2, 1], &[1.0_f32, 0.0]);
    });
    assert_eq!(chunked, expected);
    let images = digest_of(|file| {
        put(file, "x", &[2, 1, 3, 1], &numbers);
        put(file, "y", &[2], &[true, false]);
    });
    assert_eq!(images, expected);
    // Of h5py's type '>f8'.
    let big_endian = TestFile::of_bytes(include_bytes!("big_endian.h5"));
    let little_endian = digest_of(|file| {
        put(file, "x", &[2, 2], &[0.5_f64, -1.25, 1e300, 3.0]);
        put(file, "y", &[2], &[1_u8, 0]);
    });
    assert_eq!(big_endian.open().unwrap().digest().to_string(), little_endian);
}

#[test]
fn it_sees_every_number_every_label_the_type_and_the_shape() {
    let numbers = [1_i16, -2, 300, 4, 5, -600];
    let digest = |shape: &[usize], numbers: &[i16], labels: &[u8]| {
        digest_of(|file| {
            put(file, "x", shape, numbers);
            put(file, "y", &[shape[0]], labels);
        })
    };
    let mut digests = vec![
        digest(&[2, 3], &numbers, &[1, 0]),
        digest(&[2, 3], &[1, -2, 300, 4, 5, -601], &[1, 0]),
        digest(&[2, 3], &[4, 5, -600, 1, -2, 300], &[1, 0]),
        digest(&[2, 3], &numbers, &[1, 1]),
        digest(&[3, 2], &numbers, &[1, 0, 0]),
        digest_of(|file| {
            put(file, "x", &[2, 3], &numbers.map(i32::from));
            put(file, "y", &[2], &[1_u8, 0]);
        }),
    ];
    let without_labels = TestFile::new(|file| put(file, "x", &[2, 3], &numbers));
    digests.push(without_labels.open_as(Role::Predict).unwrap().digest().to_string());
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count, "{digests:?}");
}

#[test]
fn a_file_that_is_read_in_several_pieces_has_the_digest_of_the_whole() {
    // 24 MB; a piece has 8 MiB.
    let (m, features) = (3, 1_000_000);
    let numbers: Vec<f64> = (0..m * features).map(|i| i as f64).collect();
    let found = digest_of(|file| {
        put(file, "x", &[m, features], &numbers);
        put(file, "y", &[m], &[0_u8, 1, 0]);
    });
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(features as u64).to_le_bytes());
    hasher.update(&(m as u64).to_le_bytes());
    hasher.update(b"f64\0");
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&[0, 1, 0]);
    assert_eq!(found, format!("blake3:{}", hasher.finalize()));
}

#[test]
fn the_built_in_images_have_the_same_digest_in_memory_and_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let [train, test] = write_demo(folder.path(), demo::TRAIN_COUNT).unwrap();
    for (path, role, built_in) in [(train, Role::Train, demo::train()), (test, Role::Test, demo::test())] {
        let written = Dataset::open(path, role, &NameChoice::default(), shared::RealType::F64).unwrap();
        assert_eq!(written.digest(), built_in.digest());
    }
    assert_ne!(demo::train().digest(), demo::test().digest());
}
