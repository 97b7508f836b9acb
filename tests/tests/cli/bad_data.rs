//! Every kind of data that cannot be trained on gets its message and exit code 65.

use std::fs;

use tests::data::{Folder, dataset, write};

use super::assert_refused;

/// A folder with `data.h5`, filled by `fill`.
fn folder_with(fill: impl FnOnce(&hdf5::File)) -> Folder {
    let folder = Folder::new();
    write(&folder.path("data.h5"), fill);
    folder
}

/// Checks how training on `data.h5` is refused.
#[track_caller]
fn assert_data_refused(fill: impl FnOnce(&hdf5::File), more: &[&str], stderr: &str) {
    let folder = folder_with(fill);
    let file = folder.argument("data.h5");
    let arguments = [&["--train", &file], more].concat();
    assert_refused(&folder, &arguments, 65, &format!("error: FOLDER/data.h5{stderr}\n"));
}

/// Four examples of three bytes, and their labels.
fn good(file: &hdf5::File) {
    dataset(file, "x", &[4, 3], &[7_u8; 12]);
    dataset(file, "y", &[4], &[0_u8, 1, 1, 0]);
}

#[test]
fn a_file_that_does_not_exist() {
    let folder = Folder::new();
    let file = folder.argument("none.h5");
    assert_refused(
        &folder,
        &["--train", &file],
        65,
        "error: FOLDER/none.h5: no such file\n",
    );
}

#[test]
fn a_test_file_that_does_not_exist() {
    let folder = folder_with(good);
    let (train, test) = (folder.argument("data.h5"), folder.argument("none.h5"));
    let arguments = ["--train", &train, "--test", &test];
    assert_refused(&folder, &arguments, 65, "error: FOLDER/none.h5: no such file\n");
}

#[test]
fn a_folder_in_place_of_a_file() {
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).unwrap();
    let file = folder.argument("data");
    let error = "error: FOLDER/data: cannot be read: Is a directory (os error 21)\n";
    assert_refused(&folder, &["--train", &file], 65, error);
}

#[test]
fn a_file_that_is_not_hdf5() {
    let folder = Folder::new();
    let file = folder.argument("data.csv");
    for contents in ["x,y\n1,0\n", ""] {
        fs::write(&file, contents).unwrap();
        let error = "error: FOLDER/data.csv: found no HDF5 signature, expected an HDF5 file\n\
                     hint: write the data with h5py: f.create_dataset('x', data=x); f.create_dataset('y', data=y)\n";
        assert_refused(&folder, &["--train", &file], 65, error);
    }
}

#[test]
fn a_truncated_file() {
    let folder = folder_with(|file| {
        dataset(file, "x", &[40, 100], &[7_u8; 4000]);
        dataset(file, "y", &[40], &[1_u8; 40]);
    });
    let whole = fs::metadata(folder.path("data.h5")).unwrap().len();
    let file = fs::File::options().write(true).open(folder.path("data.h5")).unwrap();
    file.set_len(whole - 100).unwrap();
    let found = whole - 100;
    let error = format!(
        "error: FOLDER/data.h5: the file is truncated: found {found} bytes, expected {whole}\n\
         hint: copy or download the file again\n"
    );
    assert_refused(&folder, &["--train", &folder.argument("data.h5")], 65, &error);
}

#[test]
fn no_dataset_of_a_usual_name_lists_what_there_is() {
    let unusual = |file: &hdf5::File| {
        dataset(file, "images", &[4, 3], &[7_u8; 12]);
        dataset(file, "classes", &[4], &[1.0_f32; 4]);
    };
    assert_data_refused(
        unusual,
        &[],
        ": found no dataset `train_set_x`, `test_set_x`, `x`, `X`, `features` or `data`; the file has `classes` [4] \
         f32, `images` [4, 3] u8\nhint: name the datasets with --x-name and --y-name",
    );
    assert_data_refused(
        unusual,
        &["--x-name", "pictures", "--y-name", "classes"],
        ": found no dataset `pictures`; the file has `classes` [4] f32, `images` [4, 3] u8\n\
         hint: name the datasets with --x-name and --y-name",
    );
    assert_data_refused(
        |_| {},
        &["--x-name", "x"],
        ": found no dataset `x`; the file has no datasets\nhint: name the datasets with --x-name and --y-name",
    );
}

#[test]
fn examples_without_labels() {
    assert_data_refused(
        |file| dataset(file, "x", &[4, 3], &[7_u8; 12]),
        &[],
        ": found no labels for dataset `x`, expected a dataset `y`; the file has `x` [4, 3] u8\n\
         hint: name the labels with --y-name",
    );
}

#[test]
fn x_and_y_of_different_lengths() {
    assert_data_refused(
        |file| {
            dataset(file, "x", &[4, 3], &[7_u8; 12]);
            dataset(file, "y", &[5], &[1_u8; 5]);
        },
        &[],
        ": found 4 examples in `x` but 5 labels in `y`, expected as many",
    );
}

#[test]
fn no_examples() {
    assert_data_refused(
        |file| {
            dataset::<u8>(file, "x", &[0, 3], &[]);
            dataset::<u8>(file, "y", &[0], &[]);
        },
        &[],
        ", dataset `x`: found no examples (shape [0, 3]), expected at least 1",
    );
}

#[test]
fn shapes_that_are_no_examples_and_no_labels() {
    assert_data_refused(
        |file| {
            dataset(file, "x", &[4], &[1.0; 4]);
            dataset(file, "y", &[4], &[1_u8; 4]);
        },
        &[],
        ", dataset `x`: found shape [4], expected at least 2 axes, the examples on the first\n\
         hint: store one example per row: x.reshape(m, -1)",
    );
    assert_data_refused(
        |file| {
            dataset(file, "x", &[4, 3], &[7_u8; 12]);
            dataset(file, "y", &[1, 4], &[1_u8; 4]);
        },
        &[],
        ", dataset `y`: found shape [1, 4], expected labels of shape [4] or [4, 1]\n\
         hint: store the labels as one list: y.reshape(-1)",
    );
}

#[test]
fn nan_and_infinity_with_their_position() {
    for (value, shown) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let mut numbers = [0.5; 24];
        numbers[2 * 6 + 4] = value;
        assert_data_refused(
            |file| {
                dataset(file, "x", &[4, 2, 3], &numbers);
                dataset(file, "y", &[4], &[1_u8; 4]);
            },
            &[],
            &format!(
                ", dataset `x`: found {shown} in example 2 at [1, 1], expected a number that is finite in f64\n\
                 hint: remove such examples or replace the value, for instance with numpy.nan_to_num"
            ),
        );
    }
}

#[test]
fn a_number_too_large_for_f32() {
    assert_data_refused(
        |file| {
            dataset(file, "x", &[2, 2], &[0.5, 1e39, 0.5, 0.5]);
            dataset(file, "y", &[2], &[1_u8; 2]);
        },
        &["--precision", "f32"],
        ", dataset `x`: found 1000000000000000000000000000000000000000 in example 0 at [1], expected a number that is \
         finite in f32\nhint: use --precision f64",
    );
}

#[test]
fn labels_other_than_0_and_1() {
    assert_data_refused(
        |file| {
            dataset(file, "x", &[4, 3], &[7_u8; 12]);
            dataset(file, "y", &[4], &[0_i64, 1, -1, 2]);
        },
        &[],
        ", dataset `y`: found label -1 for example 2, expected 0 or 1\n\
         hint: two classes are supported: number them 0 and 1",
    );
}

#[test]
fn test_columns_of_another_size_than_training_columns() {
    let folder = folder_with(good);
    write(&folder.path("test.h5"), |file| {
        dataset(file, "x", &[2, 2, 2], &[7_u8; 8]);
        dataset(file, "y", &[2], &[1_u8; 2]);
    });
    let (train, test) = (folder.argument("data.h5"), folder.argument("test.h5"));
    assert_refused(
        &folder,
        &["--train", &train, "--test", &test],
        65,
        "error: FOLDER/test.h5, dataset `x`: found 4 features per example (shape [2, 2]), expected 3 as in \
         FOLDER/data.h5\n",
    );
}

#[test]
fn bad_data_are_found_before_a_port_is_opened_or_a_worker_started() {
    let folder = Folder::new();
    let file = folder.argument("none.h5");
    let arguments = ["--train", &file, "--workers", "3", "--spawn"];
    let run = tests::processes::Finished::of(tests::programs::Program::Coordinator, &arguments).expect_code(65);
    assert_eq!(folder.masked(&run.stderr), "error: FOLDER/none.h5: no such file\n");
}
