//! Tests of the module above.

use super::*;
use hdf5::types::FixedAscii;

fn model<T: Real>() -> Model
where
    AnyParameters: From<Parameters<T>>,
{
    let sizes = LayerSizes::new(vec![12, 3, 1]).unwrap();
    Model {
        parameters: Initialisation::He.parameters::<T>(&sizes, 7).into(),
        scale: 1.0 / 255.0,
        element_type: ElementType::U8,
        example_shape: vec![2, 2, 3],
        class_names: Some(["dog".to_owned(), "Kätzchen".to_owned()]),
        x_name: "train_set_x".to_owned(),
        y_name: "train_set_y".to_owned(),
        initialisation: Initialisation::He,
        seed: 7,
        learning_rate: 0.0075,
        iteration: 2500,
    }
}

/// The error of reading a model that `change` has spoilt.
fn spoilt(change: impl FnOnce(&hdf5::File)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.h5");
    model::<f64>().write(&path).unwrap();
    let file = hdf5::File::open_rw(&path).unwrap();
    change(&file);
    file.close().unwrap();
    Model::read(&path)
        .unwrap_err()
        .to_string()
        .replace(path.to_str().unwrap(), "model.h5")
}

#[test]
fn a_model_reads_back_whole_in_both_precisions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.h5");
    for mut model in [model::<f64>(), model::<f32>()] {
        model.write(&path).unwrap();
        assert_eq!(Model::read(&path).unwrap(), model);
        model.class_names = None;
        model.write(&path).unwrap();
        assert_eq!(Model::read(&path).unwrap(), model);
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing half-written stays"
    );
}

#[test]
fn one_changed_weight_is_noticed_by_the_digest() {
    let message = spoilt(|file| {
        let w = file.dataset("W1").unwrap();
        let mut values = w.read_raw::<f64>().unwrap();
        values[5] = f64::from_bits(values[5].to_bits() ^ 1);
        w.write_raw(&values).unwrap();
    });
    assert!(
        message.starts_with("model.h5: found parameters with digest blake3:"),
        "{message}"
    );
    assert!(message.ends_with("the file was changed or damaged"), "{message}");
}

#[test]
fn what_is_missing_or_impossible_is_named() {
    let replace = |file: &hdf5::File, name: &str, value: u64| {
        file.delete_attr(name).unwrap();
        file.new_attr::<u64>()
            .create(name)
            .unwrap()
            .write_scalar(&value)
            .unwrap();
    };
    type Change = Box<dyn FnOnce(&hdf5::File)>;
    let cases: [(&str, Change); 6] = [
        (
            "model.h5: found a model of format version 2, expected 1",
            Box::new(|f| replace(f, "format_version", 2)),
        ),
        (
            "model.h5: scale: found no such attribute, expected a number",
            Box::new(|f| f.delete_attr("scale").unwrap()),
        ),
        (
            "model.h5: W2: found no such dataset, expected f64 numbers of shape [1, 3]",
            Box::new(|f| f.unlink("W2").unwrap()),
        ),
        (
            "model.h5: layer_sizes: found shape [], expected a list of at most 1024 numbers",
            Box::new(|f| replace(f, "layer_sizes", 1 << 60)),
        ),
        (
            "model.h5: b1: found shape [9, 9], expected f64 numbers of shape [3, 1]",
            Box::new(|f| {
                f.unlink("b1").unwrap();
                f.new_dataset::<f64>().shape([9, 9]).create("b1").unwrap();
            }),
        ),
        (
            "model.h5: precision: found `f16`, expected `f64` or `f32`",
            Box::new(|f| {
                f.delete_attr("precision").unwrap();
                write_texts(f, "precision", &["f16".to_owned()], true).unwrap();
            }),
        ),
    ];
    for (expected, change) in cases {
        assert_eq!(spoilt(change), expected);
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_as_such() {
    let expected = "model.h5: found no model of Lockstep's, expected one written by `coordinator --out`";
    assert_eq!(spoilt(|file| file.delete_attr("format").unwrap()), expected);
    let other = |file: &hdf5::File| {
        file.delete_attr("format").unwrap();
        let text = FixedAscii::<8>::from_ascii("other").unwrap();
        file.new_attr::<FixedAscii<8>>()
            .create("format")
            .unwrap()
            .write_scalar(&text)
            .unwrap();
    };
    assert_eq!(spoilt(other), expected);
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a model").unwrap();
    assert!(matches!(
        Model::read(&text),
        Err(ModelFileError::File(DatasetError::NotHdf5 { .. }))
    ));
    let missing = folder.path().join("missing.h5");
    assert!(matches!(
        Model::read(&missing),
        Err(ModelFileError::File(DatasetError::NoSuchFile { .. }))
    ));
}
