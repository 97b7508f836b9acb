//! Models read back as they were written, and only so.

use std::fs;
use std::path::Path;

use hdf5::types::FixedUnicode;
use shared::atomic_file::WriteError;
use shared::{AnyParameters, ElementType, Initialisation, LayerSizes, Model, Parameters};

use crate::support::{TestFile, each_damaged_byte, each_truncation};

/// A model of 3-2-1 whose parameters are 0, 1, 2, ….
pub fn small_model() -> Model {
    let sizes = LayerSizes::new(vec![3, 2, 1]).unwrap();
    let parameters = Parameters::from_values(sizes, (0..11).map(f64::from).collect()).unwrap();
    model_of(parameters.into(), &[3])
}

fn model_of(parameters: AnyParameters, example_shape: &[usize]) -> Model {
    Model {
        parameters,
        scale: 1.0 / 255.0,
        class_names: Some(["non-cat".to_owned(), "kätzchen".to_owned()]),
        x_name: "train_set_x".to_owned(),
        y_name: "train_set_y".to_owned(),
        example_shape: example_shape.to_vec(),
        element_type: ElementType::U8,
        seed: u32::MAX,
        iteration: 2500,
        learning_rate: 0.0075,
        initialisation: Initialisation::Scaled,
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_model_reads_back_bit_for_bit_in_both_precisions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.h5");
    for sizes in [vec![12, 1], vec![12, 5, 1], vec![12, 4, 3, 2, 1]] {
        let sizes = LayerSizes::new(sizes).unwrap();
        let mut f64s = Initialisation::He.parameters::<f64>(&sizes, 3);
        f64s.values_mut()[..3].copy_from_slice(&[-0.0, f64::MIN_POSITIVE / 4.0, f64::MAX]);
        let mut f32s = Initialisation::He.parameters::<f32>(&sizes, 3);
        f32s.values_mut()[..3].copy_from_slice(&[-0.0, f32::MIN_POSITIVE / 4.0, f32::MAX]);
        for parameters in [AnyParameters::F64(f64s), AnyParameters::F32(f32s)] {
            let mut model = model_of(parameters, &[2, 2, 3]);
            for class_names in [model.class_names.clone(), None] {
                model.class_names = class_names;
                model.write(&path).unwrap();
                let read = Model::read(&path).unwrap();
                assert_eq!(read, model);
                // −0 equals +0, their bits do not.
                assert_eq!(read.parameters.digest(), model.parameters.digest());
            }
        }
    }
    assert_eq!(names_in(folder.path()), ["model.h5"]);
}

#[test]
fn a_model_larger_than_a_piece_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.h5");
    let sizes = LayerSizes::new(vec![60_000, 25, 1]).unwrap();
    let parameters = Initialisation::Scaled.parameters::<f64>(&sizes, 1);
    let model = model_of(parameters.into(), &[60_000]);
    model.write(&path).unwrap();
    assert_eq!(Model::read(&path).unwrap(), model);
}

#[test]
fn the_layout_is_the_documented_one() {
    let file = TestFile::of_bytes(b"");
    small_model().write(&file.path).unwrap();
    let model = hdf5::File::open(&file.path).unwrap();
    let shape = |name: &str| model.dataset(name).unwrap().shape();
    assert_eq!([shape("W1"), shape("b1")], [[2, 3], [2, 1]]);
    assert_eq!([shape("W2"), shape("b2")], [[1, 2], [1, 1]]);
    assert_eq!(model.dataset("W2").unwrap().read_raw::<f64>().unwrap(), [8.0, 9.0]);
    assert_eq!(model.dataset("b1").unwrap().read_raw::<f64>().unwrap(), [6.0, 7.0]);
    let text = |name: &str| {
        let values = model.attr(name).unwrap().read_raw::<FixedUnicode<80>>().unwrap();
        values
            .iter()
            .map(|value| value.as_str().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(text("format"), "lockstep model");
    assert_eq!(text("activations"), "relu sigmoid");
    assert_eq!(text("precision"), "f64");
    assert_eq!(text("digest"), small_model().parameters.digest().to_string());
    assert_eq!(text("class_names"), "non-cat kätzchen");
    assert_eq!(text("initialisation"), "scaled");
    let integers = |name: &str| model.attr(name).unwrap().read_raw::<i64>().unwrap();
    assert_eq!(integers("format_version"), [1]);
    assert_eq!(integers("layer_sizes"), [3, 2, 1]);
    assert_eq!(integers("iteration"), [2500]);
}

#[test]
fn the_same_model_is_the_same_bytes_at_any_time() {
    let file = TestFile::of_bytes(b"");
    small_model().write(&file.path).unwrap();
    let first = fs::read(&file.path).unwrap();
    small_model().write(&file.path).unwrap();
    assert!(fs::read(&file.path).unwrap() == first);
    let model = hdf5::File::open(&file.path).unwrap();
    for name in ["/", "W1", "b1", "W2", "b2"] {
        let info = model.loc_info_by_name(name).unwrap();
        assert_eq!((info.ctime, info.mtime, info.btime), (0, 0, 0), "{name}");
    }
}

#[test]
fn a_model_with_a_nan_is_not_written_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.h5");
    let old = small_model();
    old.write(&path).unwrap();
    let mut new = small_model();
    let AnyParameters::F64(parameters) = &mut new.parameters else {
        unreachable!()
    };
    parameters.values_mut()[5] = f64::NAN;
    let error = new.write(&path).unwrap_err();
    let said = "not written: found NaN in `W1` at [1, 2], expected finite numbers";
    assert_eq!(error.to_string(), format!("{}: {said}", path.display()));
    assert_eq!(Model::read(&path).unwrap(), old);
    assert_eq!(names_in(folder.path()), ["model.h5"]);
}

#[test]
fn a_model_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("run").join("model.h5");
    let error = small_model().write(&missing).unwrap_err();
    assert!(matches!(error, WriteError::Refused { .. }), "{error}");
    assert!(error.hint().unwrap().starts_with("create the folder"));
    let mut impossible = small_model();
    impossible.x_name = "x".repeat(1025);
    assert!(impossible.write(&folder.path().join("model.h5")).is_err());
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn no_damaged_byte_changes_a_model_unnoticed() {
    let original = small_model();
    let file = TestFile::of_bytes(b"");
    original.write(&file.path).unwrap();
    each_damaged_byte(&fs::read(&file.path).unwrap(), |damaged| {
        if let Ok(read) = Model::read(&damaged.path) {
            assert_eq!(read, original);
        }
    });
}

#[test]
fn no_truncated_model_is_read() {
    let file = TestFile::of_bytes(b"");
    small_model().write(&file.path).unwrap();
    each_truncation(&fs::read(&file.path).unwrap(), |cut, length| {
        assert!(Model::read(&cut.path).is_err(), "{length} bytes");
    });
}
