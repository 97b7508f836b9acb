//! Every element type in every layout and rank reads back as it was written.

use hdf5::H5Type;
use ndarray::ArrayView;
use shared::dataset::{ClassNames, Role, Source};
use shared::element::{Element, Values};
use shared::{ElementType, with_element_type};

use crate::support::{TestFile, cat_folder, put};

#[derive(Clone, Copy, Debug)]
enum Stored {
    Contiguous,
    Chunked,
    Gzip,
    Lzf,
    ShuffledGzip,
    Checksummed,
}

const LAYOUTS: [Stored; 6] = [
    Stored::Contiguous,
    Stored::Chunked,
    Stored::Gzip,
    Stored::Lzf,
    Stored::ShuffledGzip,
    Stored::Checksummed,
];

/// Five examples, so that chunks of two rows end in a partial one.
const SHAPES: [&[usize]; 4] = [&[5, 7], &[5, 3, 4], &[5, 2, 3, 3], &[5, 2, 1, 3, 2]];

/// A number for every position, over the whole range of small integers.
trait Numbered {
    fn numbered(i: usize) -> Self;
}

macro_rules! numbered {
    ($($t:ty, $scale:expr);*) => {
        $(impl Numbered for $t {
            fn numbered(i: usize) -> Self {
                ((i * 89 % 251) as i64 - 100) as $t * $scale
            }
        })*
    };
}

numbered!(u8, 1; i8, 1; i16, 91; i32, -70_001; i64, 1 << 48; f32, 0.1; f64, 1e-100);

fn put_stored<E: H5Type>(file: &hdf5::File, stored: Stored, shape: &[usize], values: &[E]) {
    let view = ArrayView::from_shape(shape, values).unwrap();
    let builder = file.new_dataset_builder().with_data(view);
    let chunk = [&[2], &shape[1..]].concat();
    match stored {
        Stored::Contiguous => builder.create("x"),
        Stored::Chunked => builder.chunk(chunk).create("x"),
        Stored::Gzip => builder.chunk(chunk).deflate(6).create("x"),
        Stored::Lzf => builder.chunk(chunk).lzf().create("x"),
        Stored::ShuffledGzip => builder.chunk(chunk).shuffle().deflate(6).create("x"),
        Stored::Checksummed => builder.chunk(chunk).fletcher32().create("x"),
    }
    .unwrap();
}

#[test]
fn every_element_type_layout_and_rank_reads_back_as_written() {
    for element_type in ElementType::ALL {
        for stored in LAYOUTS {
            for shape in SHAPES {
                with_element_type!(element_type, |E| reads_back::<E>(stored, shape));
            }
        }
    }
}

fn reads_back<E: Element + H5Type + Numbered>(stored: Stored, shape: &[usize]) {
    let count = shape.iter().product();
    let values: Vec<E> = (0..count).map(E::numbered).collect();
    let file = TestFile::new(|file| {
        put_stored(file, stored, shape, &values);
        put(file, "y", &[5], &[0_u8, 1, 1, 0, 1]);
    });
    let dataset = file
        .open()
        .unwrap_or_else(|error| panic!("{stored:?} {shape:?}: {error}"));
    assert_eq!(dataset.m(), 5);
    assert_eq!(dataset.example_shape(), &shape[1..]);
    assert_eq!(dataset.element_type(), E::TYPE);
    let n_0 = dataset.features();
    for range in [0..5, 0..2, 1..4, 4..5, 3..3] {
        let columns = dataset.columns(range.clone()).unwrap();
        let expected = E::wrap(values[range.start * n_0..range.end * n_0].to_vec());
        assert_eq!(
            (columns.features(), columns.values()),
            (n_0, &expected),
            "{stored:?} {range:?}"
        );
    }
}

#[test]
fn numbers_of_the_other_byte_order_read_as_the_same_numbers() {
    // h5py's '>f8' and '>i2', which the binding cannot create, in a file of 2,208 bytes.
    let file = TestFile::of_bytes(include_bytes!("big_endian.h5"));
    let dataset = file.open().unwrap();
    let columns = dataset.columns(0..2).unwrap();
    assert_eq!(columns.values(), &Values::F64(vec![0.5, -1.25, 1e300, 3.0]));
    assert_eq!(dataset.labels(), Some(&[1, 0][..]));
}

#[test]
fn labels_of_any_type_of_number_are_read() {
    fn labels_of<T: H5Type>(values: [T; 3], shape: &[usize]) -> Vec<u8> {
        let file = TestFile::new(|file| {
            put(file, "x", &[3, 1], &[1_u8, 2, 3]);
            put(file, "y", shape, &values);
        });
        file.open().unwrap().labels().unwrap().to_vec()
    }
    for shape in [&[3][..], &[3, 1]] {
        assert_eq!(labels_of([1_u8, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_i8, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_u16, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_i16, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_u32, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_i32, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_u64, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_i64, 0, 1], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_f32, 0.0, 1.0], shape), [1, 0, 1]);
        assert_eq!(labels_of([1_f64, -0.0, 1.0], shape), [1, 0, 1]);
        assert_eq!(labels_of([true, false, true], shape), [1, 0, 1]);
    }
}

#[test]
fn the_usual_names_are_tried_in_order_and_by_role() {
    let pairs = [
        ("train_set_x", "train_set_y"),
        ("test_set_x", "test_set_y"),
        ("x", "y"),
        ("X", "Y"),
        ("features", "labels"),
        ("data", "labels"),
    ];
    for first in 0..pairs.len() {
        let file = TestFile::new(|file| {
            for (x, _) in &pairs[first..] {
                put(file, x, &[1, 1], &[1_u8]);
            }
            for (_, y) in &pairs[first..pairs.len() - 1] {
                put(file, y, &[1], &[1_u8]);
            }
            if first == pairs.len() - 1 {
                put(file, "labels", &[1], &[1_u8]);
            }
        });
        let names = |role| {
            let dataset = file.open_as(role).unwrap();
            (dataset.x_name().to_owned(), dataset.y_name().unwrap().to_owned())
        };
        let pair = |at: usize| (pairs[at].0.to_owned(), pairs[at].1.to_owned());
        assert_eq!(names(Role::Train), pair(first));
        let test_first = if first == 0 { 1 } else { first };
        assert_eq!(names(Role::Test), pair(test_first));
        assert_eq!(names(Role::Predict), pair(test_first));
    }
}

#[test]
fn an_x_without_labels_is_passed_over_for_training_but_serves_to_predict() {
    let file = TestFile::new(|file| {
        put(file, "test_set_x", &[1, 1], &[7_u8]);
        put(file, "X", &[1, 1], &[8_u8]);
        put(file, "Y", &[1], &[1_u8]);
    });
    assert_eq!(file.open_as(Role::Test).unwrap().x_name(), "X");
    let to_predict = file.open_as(Role::Predict).unwrap();
    assert_eq!(
        (to_predict.x_name(), to_predict.y_name(), to_predict.labels()),
        ("test_set_x", None, None)
    );
}

#[test]
fn chosen_names_win_also_in_groups_and_bring_their_partner() {
    let file = TestFile::new(|file| {
        put(file, "x", &[1, 1], &[1_u8]);
        put(file, "y", &[1], &[0_u8]);
        put(file, "targets", &[1], &[1_u8]);
        put(file, "pixels", &[1, 1], &[2_u8]);
        let group = file.create_group("images").unwrap();
        put(&group, "X", &[1, 1], &[3_u8]);
        put(&group, "Y", &[1], &[1_u8]);
    });
    let chosen = |x, y| {
        let dataset = file.open_named(x, y).unwrap();
        (dataset.x_name().to_owned(), dataset.y_name().unwrap().to_owned())
    };
    let names = |x: &str, y: &str| (x.to_owned(), y.to_owned());
    assert_eq!(chosen(Some("images/X"), None), names("images/X", "images/Y"));
    assert_eq!(chosen(Some("pixels"), None), names("pixels", "y"));
    assert_eq!(chosen(None, Some("targets")), names("x", "targets"));
    assert_eq!(chosen(Some("pixels"), Some("/images/Y")), names("pixels", "/images/Y"));
}

#[test]
fn class_names_are_read_from_strings_and_integers_and_odd_ones_are_ignored_with_a_reason() {
    fn classes<T: H5Type>(values: &[T]) -> ClassNames {
        let file = TestFile::new(|file| {
            put(file, "x", &[1, 1], &[1_u8]);
            put(file, "y", &[1], &[0_u8]);
            put(file, "list_classes", &[values.len()], values);
        });
        match file.open().unwrap().class_names() {
            ClassNames::Ignored(reason) => ClassNames::Ignored(file.said(reason)),
            names => names.clone(),
        }
    }
    let known = |a: &str, b: &str| ClassNames::Known([a.to_owned(), b.to_owned()]);
    let fixed = |name: &str| hdf5::types::FixedAscii::<7>::from_ascii(name).unwrap();
    let fixed_unicode = |name: &str| name.parse::<hdf5::types::FixedUnicode<7>>().unwrap();
    let unicode = |name: &str| name.parse::<hdf5::types::VarLenUnicode>().unwrap();
    let ascii = |name: &str| hdf5::types::VarLenAscii::from_ascii(name).unwrap();
    assert_eq!(classes(&[fixed("non-cat"), fixed("cat")]), known("non-cat", "cat"));
    assert_eq!(
        classes(&[fixed_unicode("nö"), fixed_unicode("café")]),
        known("nö", "café")
    );
    assert_eq!(
        classes(&[unicode("haus"), unicode("kätzchen")]),
        known("haus", "kätzchen")
    );
    assert_eq!(
        classes(&[ascii("house"), ascii("\x1b[2Jcat")]),
        known("house", "\u{fffd}[2Jcat")
    );
    assert_eq!(classes(&[3_i64, -4]), known("3", "-4"));
    assert_eq!(classes(&[u64::MAX, 0]), known("18446744073709551615", "0"));
    let ignored = |reason: &str| {
        let place = "data.h5, dataset `list_classes`";
        ClassNames::Ignored(format!("{place}: {reason}; the classes stay without names"))
    };
    assert_eq!(classes(&[1_u8, 2, 3]), ignored("found shape [3], expected 2 names"));
    assert_eq!(classes(&[0.5, 1.5]), ignored("found f64, expected strings or integers"));
    assert_eq!(TestFile::good().open().unwrap().class_names(), &ClassNames::Absent);
}

#[test]
fn an_example_larger_than_a_piece_is_read_whole() {
    const FEATURES: usize = 9 << 20;
    let values: Vec<u8> = (0..2 * FEATURES).map(|i| (i % 251) as u8).collect();
    let file = TestFile::new(|file| {
        put(file, "x", &[2, FEATURES], &values);
        put(file, "y", &[2], &[0_u8, 1]);
    });
    let columns = file.open().unwrap().columns(1..2).unwrap();
    assert_eq!(columns.values(), &Values::U8(values[FEATURES..].to_vec()));
}

#[test]
fn a_data_set_can_be_shared_between_threads() {
    fn shareable<T: Send + Sync>(_: &T) {}
    let file = TestFile::good();
    let dataset = file.open().unwrap();
    shareable(&dataset);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let columns = dataset.columns(1..3).unwrap();
                    assert_eq!(columns.values(), &Values::F64(vec![2.0, 3.0, 4.0, 5.0]));
                }
            });
        }
    });
}

#[test]
fn the_real_cat_images_are_read() {
    let Some(folder) = cat_folder() else { return };
    let parts = [
        ("train_catvnoncat.h5", Role::Train, "train_set_x", 209, 72),
        ("test_catvnoncat.h5", Role::Test, "test_set_x", 50, 33),
    ];
    for (name, role, x, m, cats) in parts {
        let path = folder.join(name);
        let dataset = shared::Dataset::open(&path, role, &Default::default(), shared::RealType::F64).unwrap();
        assert_eq!((dataset.m(), dataset.example_shape()), (m, &[64, 64, 3][..]));
        assert_eq!((dataset.x_name(), dataset.element_type()), (x, ElementType::U8));
        assert_eq!(dataset.source(), &Source::File(path));
        let labels = dataset.labels().unwrap();
        assert_eq!(labels.iter().filter(|&&label| label == 1).count(), cats);
        let names = dataset.class_names().known().unwrap();
        assert_eq!(names, &["non-cat".to_owned(), "cat".to_owned()]);
    }
}
