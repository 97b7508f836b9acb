//! What is said of every file that is no whole model.

use hdf5::H5Type;
use hdf5::types::{FixedUnicode, VarLenUnicode};
use shared::{AnyParameters, Model};

use crate::models::small_model;
use crate::support::{TestFile, put};

/// A model that was written whole and then changed.
fn changed(change: impl FnOnce(&hdf5::File)) -> TestFile {
    let test_file = TestFile::of_bytes(b"");
    small_model().write(&test_file.path).unwrap();
    let file = hdf5::File::open_rw(&test_file.path).unwrap();
    change(&file);
    file.close().unwrap();
    test_file
}

/// Replaces attribute `name`.
fn set<T: H5Type>(file: &hdf5::File, name: &str, values: &[T]) {
    file.delete_attr(name).unwrap();
    file.new_attr_builder().with_data(values).create(name).unwrap();
}

fn set_texts(file: &hdf5::File, name: &str, texts: &[&str]) {
    let texts: Vec<FixedUnicode<80>> = texts.iter().map(|text| text.parse().unwrap()).collect();
    set(file, name, &texts);
}

/// Reads `file`, which must be refused, and compares what is said and advised.
#[track_caller]
fn refused(file: &TestFile, said: &str, hint: Option<&str>) {
    let error = Model::read(&file.path).unwrap_err();
    assert_eq!(file.said(&error), said);
    assert_eq!(error.hint().as_deref(), hint);
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let hint = Some("`coordinator --out DIR` writes the model as DIR/model.h5");
    refused(
        &TestFile::of_bytes(b"PK\x03\x04"),
        "data.h5: found no HDF5 signature, expected an HDF5 file",
        hint,
    );
    let said = "data.h5: found no attribute `format` of value `lockstep model`, expected a model";
    refused(&TestFile::good(), said, hint);
    refused(&changed(|file| set_texts(file, "format", &["keras"])), said, hint);
    refused(&changed(|file| set(file, "format", &[1])), said, hint);
}

#[test]
fn a_missing_and_a_truncated_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("model.h5");
    let error = Model::read(&missing).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: no such file", missing.display()));
    let whole = changed(|_| {});
    let bytes = std::fs::read(&whole.path).unwrap();
    let cut = TestFile::of_bytes(&bytes[..bytes.len() - 100]);
    let said = format!(
        "data.h5: the file is truncated: found {} bytes, expected {}",
        bytes.len() - 100,
        bytes.len()
    );
    refused(&cut, &said, Some("copy or download the file again"));
}

#[test]
fn another_version_of_the_format_is_refused() {
    refused(
        &changed(|file| set(file, "format_version", &[2])),
        "data.h5: found model format version 2, expected 1",
        Some("a newer version of Lockstep wrote it; read it with that one"),
    );
    refused(
        &changed(|file| set(file, "format_version", &[0])),
        "data.h5: found model format version 0, expected 1",
        None,
    );
}

#[test]
fn every_attribute_that_is_missing_is_named() {
    let expected = [
        ("format_version", "integers"),
        ("layer_sizes", "integers"),
        ("activations", "strings"),
        ("precision", "strings"),
        ("digest", "strings"),
        ("scale", "a floating-point number"),
        ("example_shape", "integers"),
        ("element_type", "strings"),
        ("x_name", "strings"),
        ("y_name", "strings"),
        ("seed", "integers"),
        ("iteration", "integers"),
        ("learning_rate", "a floating-point number"),
        ("initialisation", "strings"),
    ];
    for (name, kind) in expected {
        let file = changed(|file| file.delete_attr(name).unwrap());
        let said = format!("data.h5, attribute `{name}`: found nothing, expected {kind}");
        refused(&file, &said, None);
    }
}

/// Changes a model and compares what is said of the attribute.
#[track_caller]
fn wrong(change: fn(&hdf5::File), said: &str) {
    refused(&changed(change), &format!("data.h5, attribute {said}"), None);
}

#[test]
fn layer_sizes_that_are_wrong_are_named_with_what_was_expected() {
    wrong(
        |file| set(file, "layer_sizes", &[3, 0, 1]),
        "`layer_sizes`: found 0, expected a number from 1 up",
    );
    wrong(
        |file| set(file, "layer_sizes", &[3, -2, 1]),
        "`layer_sizes`: found -2, expected a number from 1 up",
    );
    wrong(
        |file| set(file, "layer_sizes", &[3, 2]),
        "`layer_sizes`: the last layer has 2 units, expected 1 (two classes, one sigmoid)",
    );
    wrong(
        |file| set(file, "layer_sizes", &[1_i64 << 30, 1 << 30, 1]),
        "`layer_sizes`: the network would have more than 1099511627776 parameters",
    );
    wrong(
        |file| set(file, "layer_sizes", &vec![1; 5000]),
        "`layer_sizes`: found shape [5000], expected one list of at most 4096",
    );
    wrong(
        |file| set(file, "layer_sizes", &[3.0, 2.0, 1.0]),
        "`layer_sizes`: found f64, expected integers",
    );
}

#[test]
fn attributes_that_are_wrong_are_named_with_what_was_expected() {
    wrong(
        |file| set_texts(file, "activations", &["tanh", "sigmoid"]),
        "`activations`: found tanh, sigmoid, expected relu, sigmoid",
    );
    wrong(
        |file| set_texts(file, "precision", &["f16"]),
        "`precision`: found `f16`, expected `f64` or `f32`",
    );
    wrong(
        |file| set_texts(file, "digest", &["sha256:00"]),
        "`digest`: found `sha256:00`, expected `blake3:` and 64 hexadecimal digits",
    );
    wrong(
        |file| set(file, "scale", &[f64::INFINITY]),
        "`scale`: found inf, expected a finite number",
    );
    wrong(
        |file| set(file, "scale", &[1.0, 2.0]),
        "`scale`: found 2 values, expected 1",
    );
    wrong(
        |file| set(file, "example_shape", &[2, 2]),
        "`example_shape`: found [2, 2], expected 3 numbers in all",
    );
    wrong(
        |file| set(file, "seed", &[-1]),
        "`seed`: found -1, expected a number of 32 bits that is not negative",
    );
    wrong(
        |file| set_texts(file, "class_names", &["a", "b", "c"]),
        "`class_names`: found 3 names, expected 2",
    );
    wrong(
        |file| set(file, "x_name", &["x".parse::<VarLenUnicode>().unwrap()]),
        "`x_name`: found strings of variable length, expected fixed length",
    );
    wrong(
        |file| set(file, "x_name", &[FixedUnicode::<1025>::new()]),
        "`x_name`: found values of 1025 bytes, expected at most 1024",
    );
    wrong(
        |file| set_texts(file, "x_name", &["a", "b"]),
        "`x_name`: found 2 strings, expected 1",
    );
}

#[test]
fn a_matrix_that_is_missing_or_does_not_fit_is_named() {
    let missing = changed(|file| file.unlink("b2").unwrap());
    refused(
        &missing,
        "data.h5: found no dataset `b2`; the file has `W1` [2, 3] f64, `W2` [1, 2] f64, `b1` [2, 1] f64",
        None,
    );
    let turned = changed(|file| {
        file.unlink("W1").unwrap();
        put(file, "W1", &[3, 2], &[0.0; 6]);
    });
    refused(
        &turned,
        "data.h5, dataset `W1`: found shape [3, 2], expected [2, 3] by the layer sizes",
        None,
    );
    let list = changed(|file| {
        file.unlink("b1").unwrap();
        put(file, "b1", &[2], &[0.0; 2]);
    });
    refused(
        &list,
        "data.h5, dataset `b1`: found shape [2], expected [2, 1] by the layer sizes",
        None,
    );
    let single = changed(|file| {
        file.unlink("W2").unwrap();
        put(file, "W2", &[1, 2], &[0.0_f32; 2]);
    });
    refused(
        &single,
        "data.h5, dataset `W2`: found f32, expected f64 as the attribute `precision` says",
        None,
    );
}

#[test]
fn layer_sizes_that_the_file_cannot_hold_allocate_nothing() {
    let vast = changed(|file| {
        set(file, "layer_sizes", &[1_i64 << 30, 256, 1]);
        set(file, "example_shape", &[1_i64 << 30]);
        for (name, shape) in [("W1", (256, 1 << 30)), ("b1", (256, 1))] {
            file.unlink(name).unwrap();
            file.new_dataset::<f64>().shape(shape).create(name).unwrap();
        }
    });
    refused(
        &vast,
        "data.h5, dataset `W1`: shape [256, 1073741824] takes 2199023255552 bytes, \
         but the file stores only 0 for it",
        None,
    );
}

#[test]
fn one_flipped_bit_of_a_parameter_is_noticed() {
    let original = small_model().parameters;
    let mut flipped = original.clone();
    let AnyParameters::F64(parameters) = &mut flipped else {
        unreachable!()
    };
    let value = &mut parameters.values_mut()[4];
    *value = f64::from_bits(value.to_bits() ^ 1);
    let file = changed(|file| {
        let w1 = file.dataset("W1").unwrap();
        let AnyParameters::F64(parameters) = &flipped else {
            unreachable!()
        };
        w1.write(parameters.w(1)).unwrap();
    });
    let said = format!(
        "data.h5: found parameters of digest {}, expected {} as the file says",
        flipped.digest(),
        original.digest()
    );
    let hint = "the file was damaged after it was written; copy it again or train again";
    refused(&file, &said, Some(hint));
}

#[test]
fn an_infinite_parameter_is_found_by_row_and_column() {
    let mut model = small_model();
    let AnyParameters::F64(parameters) = &mut model.parameters else {
        unreachable!()
    };
    parameters.values_mut()[7] = f64::NEG_INFINITY;
    let file = changed(|file| {
        let AnyParameters::F64(parameters) = &model.parameters else {
            unreachable!()
        };
        let b1: Vec<f64> = parameters.b(1).to_vec();
        file.dataset("b1").unwrap().write_raw(&b1).unwrap();
        set_texts(file, "digest", &[&parameters.digest().to_string()]);
    });
    refused(
        &file,
        "data.h5, dataset `b1`: found -inf at [1, 0], expected a finite number",
        None,
    );
}
