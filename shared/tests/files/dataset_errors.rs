//! What is said of every data set that is wrong.

use std::os::unix::fs::PermissionsExt;

use hdf5::H5Type;
use shared::dataset::{NameChoice, Role};
use shared::{Dataset, RealType};

use crate::support::{TestFile, put};

/// A file of X and Y as given.
fn pair<X: H5Type, Y: H5Type>(x_shape: &[usize], x: &[X], y_shape: &[usize], y: &[Y]) -> TestFile {
    TestFile::new(|file| {
        put(file, "x", x_shape, x);
        put(file, "y", y_shape, y);
    })
}

/// Opens `file`, which must be refused, and compares what is said and advised.
#[track_caller]
fn refused(file: &TestFile, said: &str, hint: Option<&str>) {
    let error = file.open().unwrap_err();
    assert_eq!(file.said(&error), said);
    assert_eq!(error.hint().as_deref(), hint);
}

#[test]
fn a_missing_file_and_a_folder_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path| Dataset::open(path, Role::Train, &NameChoice::default(), RealType::F64).unwrap_err();
    let missing = folder.path().join("none.h5");
    assert_eq!(
        open(missing.clone()).to_string(),
        format!("{}: no such file", missing.display())
    );
    let said = open(folder.path().to_owned()).to_string();
    let expected = format!(
        "{}: cannot be read: Is a directory (os error 21)",
        folder.path().display()
    );
    assert_eq!(said, expected);
}

#[test]
fn a_file_without_permission_says_so() {
    let file = TestFile::good();
    std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&file.path).is_ok() {
        println!("skipped: this user may read every file");
        return;
    }
    refused(&file, "data.h5: cannot be read: Permission denied (os error 13)", None);
}

#[test]
fn a_file_that_is_not_hdf5_is_refused() {
    let hint = "write the data with h5py: f.create_dataset('x', data=x); f.create_dataset('y', data=y)";
    for bytes in [&b""[..], b"a,b,label\n1,2,0\n", &[0; 5000]] {
        let file = TestFile::of_bytes(bytes);
        refused(
            &file,
            "data.h5: found no HDF5 signature, expected an HDF5 file",
            Some(hint),
        );
    }
}

#[test]
fn a_truncated_file_says_how_long_it_should_be() {
    let file = TestFile::good();
    let bytes = std::fs::read(&file.path).unwrap();
    let cut = TestFile::of_bytes(&bytes[..bytes.len() - 7]);
    let said = format!(
        "data.h5: the file is truncated: found {} bytes, expected {}",
        bytes.len() - 7,
        bytes.len()
    );
    refused(&cut, &said, Some("copy or download the file again"));
}

#[test]
fn a_missing_dataset_is_answered_with_those_there_are() {
    let file = TestFile::new(|file| {
        put(file, "images", &[2, 3], &[0_u8; 6]);
        let group = file.create_group("a").unwrap().create_group("b").unwrap();
        put(&group, "flags", &[2], &[true, false]);
        put(&group, "names", &[1], &[hdf5::types::FixedAscii::<4>::new()]);
    });
    refused(
        &file,
        "data.h5: found no dataset `train_set_x`, `test_set_x`, `x`, `X`, `features` or `data`; \
         the file has `a/b/flags` [2] bool, `a/b/names` [1] strings, `images` [2, 3] u8",
        Some("name the datasets with --x-name and --y-name"),
    );
    for (x, y) in [(Some("none"), None), (Some("images"), Some("none"))] {
        let error = file.open_named(x, y).unwrap_err();
        let said = "data.h5: found no dataset `none`; \
                    the file has `a/b/flags` [2] bool, `a/b/names` [1] strings, `images` [2, 3] u8";
        assert_eq!(file.said(&error), said);
    }
    let empty = TestFile::new(|_| {});
    let error = empty.open_named(Some("x"), None).unwrap_err();
    assert_eq!(
        empty.said(&error),
        "data.h5: found no dataset `x`; the file has no datasets"
    );
}

#[test]
fn a_group_is_no_dataset() {
    let file = TestFile::new(|file| {
        file.create_group("x").unwrap();
        put(file, "y", &[1], &[0_u8]);
    });
    let error = file.open_named(Some("x"), None).unwrap_err();
    assert_eq!(
        file.said(&error),
        "data.h5: found no dataset `x`; the file has `y` [1] u8"
    );
}

#[test]
fn missing_labels_name_what_they_could_be_called() {
    let file = TestFile::new(|file| put(file, "train_set_x", &[1, 1], &[0_u8]));
    refused(
        &file,
        "data.h5: found no labels for dataset `train_set_x`, expected a dataset `train_set_y`; \
         the file has `train_set_x` [1, 1] u8",
        Some("name the labels with --y-name"),
    );
    let error = file.open_named(Some("train_set_x"), Some("labels")).unwrap_err();
    assert_eq!(
        file.said(&error),
        "data.h5: found no dataset `labels`; the file has `train_set_x` [1, 1] u8"
    );
}

#[test]
fn an_unsupported_element_type_is_named_with_a_way_out() {
    fn x_of<T: H5Type>(values: &[T]) -> TestFile {
        pair(&[values.len(), 1], values, &[values.len()], &vec![0_u8; values.len()])
    }
    let said = |found: &str| format!("data.h5, dataset `x`: found {found}, expected u8, i8, i16, i32, i64, f32 or f64");
    let to = |element: &str, numpy: &str| format!("convert it to {element}, in NumPy: x.astype('{numpy}')");
    refused(&x_of(&[1_u16]), &said("u16"), Some(&to("i32", "int32")));
    refused(&x_of(&[1_u32]), &said("u32"), Some(&to("i64", "int64")));
    refused(&x_of(&[1_u64]), &said("u64"), Some(&to("i64", "int64")));
    refused(&x_of(&[true]), &said("bool"), Some(&to("u8", "uint8")));
    refused(&x_of(&[hdf5::types::FixedAscii::<20>::new()]), &said("strings"), None);
    refused(&x_of(&[hdf5::types::VarLenUnicode::new()]), &said("strings"), None);
    refused(
        &x_of(&[Complex { re: 0.0, im: 1.0 }]),
        &said("a compound type of 16 bytes"),
        None,
    );
    refused(&x_of(&[[1_u8, 2]]), &said("arrays"), None);
    refused(&x_of(&[Animal::Dog]), &said("an enumeration"), None);
}

#[derive(Clone, H5Type)]
#[repr(C)]
struct Complex {
    re: f64,
    im: f64,
}

#[derive(Clone, H5Type)]
#[repr(u8)]
#[allow(dead_code)]
enum Animal {
    Cat = 0,
    Dog = 1,
}

#[test]
fn labels_that_are_no_numbers_are_refused() {
    let hint = Some("store the labels as integers 0 and 1");
    let strings = pair(&[1, 1], &[0_u8], &[1], &[hdf5::types::VarLenUnicode::new()]);
    let said = "data.h5, dataset `y`: found strings, expected labels of an integer, floating-point or boolean type";
    refused(&strings, said, hint);
    let animals = pair(&[1, 1], &[0_u8], &[1], &[Animal::Cat]);
    refused(&animals, &said.replace("strings", "an enumeration"), hint);
}

#[test]
fn examples_need_an_axis_of_features() {
    refused(
        &pair(&[6], &[0_u8; 6], &[6], &[0_u8; 6]),
        "data.h5, dataset `x`: found shape [6], expected at least 2 axes, the examples on the first",
        Some("store one example per row: x.reshape(m, -1)"),
    );
    let scalar = TestFile::new(|file| {
        file.new_dataset::<f64>()
            .create("x")
            .unwrap()
            .write_scalar(&1.0)
            .unwrap();
        put(file, "y", &[1], &[0_u8]);
    });
    refused(
        &scalar,
        "data.h5, dataset `x`: found shape [], expected at least 2 axes, the examples on the first",
        Some("store one example per row: x.reshape(m, -1)"),
    );
}

#[test]
fn no_examples_and_no_features_are_refused() {
    refused(
        &pair::<f32, u8>(&[0, 4, 4], &[], &[0], &[]),
        "data.h5, dataset `x`: found no examples (shape [0, 4, 4]), expected at least 1",
        None,
    );
    refused(
        &pair::<f32, u8>(&[3, 4, 0], &[], &[3], &[0; 3]),
        "data.h5, dataset `x`: found no features (shape [3, 4, 0]), expected at least 1 per example",
        None,
    );
}

#[test]
fn x_and_y_of_different_lengths_are_refused() {
    refused(
        &pair(&[3, 2], &[0_u8; 6], &[4], &[0_u8; 4]),
        "data.h5: found 3 examples in `x` but 4 labels in `y`, expected as many",
        None,
    );
}

#[test]
fn labels_must_be_a_list_or_a_column() {
    refused(
        &pair(&[3, 2], &[0_u8; 6], &[1, 3], &[0_u8; 3]),
        "data.h5, dataset `y`: found shape [1, 3], expected labels of shape [3] or [3, 1]",
        Some("store the labels as one list: y.reshape(-1)"),
    );
    refused(
        &pair(&[3, 2], &[0_u8; 6], &[3, 2], &[0_u8; 6]),
        "data.h5, dataset `y`: found shape [3, 2], expected labels of shape [3] or [3, 1]",
        None,
    );
}

#[test]
fn a_label_that_is_no_class_is_named_with_its_position() {
    let hint = Some("two classes are supported: number them 0 and 1");
    let said = |value: &str| format!("data.h5, dataset `y`: found label {value} for example 2, expected 0 or 1");
    let integers = pair(&[4, 1], &[0_u8; 4], &[4, 1], &[0_i64, 1, 2, 3]);
    refused(&integers, &said("2"), hint);
    let negative = pair(&[4, 1], &[0_u8; 4], &[4], &[1_i8, 1, -1, 3]);
    refused(&negative, &said("-1"), hint);
    let fractions = pair(&[4, 1], &[0_u8; 4], &[4], &[0.0, 1.0, 0.5, f64::NAN]);
    refused(&fractions, &said("0.5"), hint);
    let nan = pair(&[4, 1], &[0_u8; 4], &[4], &[0.0, 1.0, f32::NAN, 1.0]);
    refused(&nan, &said("NaN"), hint);
    let nearly_one = f64::from_bits(1.0_f64.to_bits() - 1);
    let almost = pair(&[4, 1], &[0_u8; 4], &[4], &[0.0, 1.0, nearly_one, 1.0]);
    refused(&almost, &said("0.9999999999999999"), hint);
}

#[test]
fn nan_and_infinity_are_found_with_example_and_index() {
    let hint = Some("remove such examples or replace the value, for instance with numpy.nan_to_num");
    for (value, shown) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let mut x = [0.0; 24];
        x[2 * 6 + 5] = value;
        let said = format!(
            "data.h5, dataset `x`: found {shown} in example 2 at [1, 2], expected a number that is finite in f64"
        );
        refused(&pair(&[4, 2, 3], &x, &[4], &[0_u8; 4]), &said, hint);
        let x = x.map(|value| value as f32);
        refused(&pair(&[4, 2, 3], &x, &[4], &[0_u8; 4]), &said, hint);
    }
}

#[test]
fn a_nan_behind_the_first_piece_is_found_too() {
    // 8 MiB are 1024 such rows.
    let mut x = vec![0.0; 1500 * 1024];
    x[1400 * 1024 + 3] = f64::NAN;
    refused(
        &pair(&[1500, 1024], &x, &[1500], &vec![0_u8; 1500]),
        "data.h5, dataset `x`: found NaN in example 1400 at [3], expected a number that is finite in f64",
        Some("remove such examples or replace the value, for instance with numpy.nan_to_num"),
    );
}

#[test]
fn a_number_too_large_for_f32_is_refused_only_in_f32() {
    let file = pair(&[2, 1], &[1.0, 1e300], &[2], &[0_u8, 1]);
    assert!(file.open().is_ok());
    let error = Dataset::open(&file.path, Role::Train, &NameChoice::default(), RealType::F32).unwrap_err();
    assert_eq!(
        file.said(&error),
        format!(
            "data.h5, dataset `x`: found {} in example 1 at [0], expected a number that is finite in f32",
            1e300
        )
    );
    assert_eq!(error.hint().as_deref(), Some("use --precision f64"));
}

#[test]
fn test_examples_of_another_size_are_refused() {
    let train = TestFile::good();
    let test = pair(&[1, 2, 2], &[0_u8; 4], &[1], &[0_u8]);
    let (train_set, test_set) = (train.open().unwrap(), test.open().unwrap());
    assert!(train_set.expect_features_of(&train_set).is_ok());
    let error = test_set.expect_features_of(&train_set).unwrap_err();
    assert_eq!(
        test.said(&error).replace(&train.path.display().to_string(), "train.h5"),
        "data.h5, dataset `x`: found 4 features per example (shape [2, 2]), expected 2 as in train.h5"
    );
    let error = test_set.expect_features(12288, &"run/model.h5").unwrap_err();
    assert!(error.to_string().ends_with("expected 12288 as in run/model.h5"));
}
