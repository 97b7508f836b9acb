//! The built-in images as HDF5 files, in the layout of the usual cat images.

use std::fs;
use std::path::{Path, PathBuf};

use hdf5::types::FixedAscii;
use ndarray::ArrayView;

use super::{DatasetError, class_names, demo};
use crate::atomic_file::{self, WriteError};
use crate::element::Values;

/// Bytes of one class name in the file.
const NAME_BYTES: usize = 8;

/// Writes `train.h5` and `test.h5` into `folder`, which is made if it is not there, and returns their paths.
///
/// Each holds X (m, 64, 64, 3) as u8, Y (m) as i64, and `list_classes`. m is `examples` in the first, 50 in the second.
///
/// # Errors
///
/// [`WriteError`] if the folder or a file cannot be written.
pub fn write_demo(folder: &Path, examples: usize) -> Result<[PathBuf; 2], WriteError> {
    fs::create_dir_all(folder).map_err(|reason| WriteError::Refused {
        path: folder.to_owned(),
        reason,
    })?;
    let paths = ["train.h5", "test.h5"].map(|name| folder.join(name));
    for (path, dataset) in paths.iter().zip([demo::train_of(examples), demo::test()]) {
        atomic_file::write_hdf5(path, |file| write_into(file, &dataset))?;
    }
    Ok(paths)
}

fn write_into(file: &hdf5::File, dataset: &super::Dataset) -> hdf5::Result<()> {
    let text = |error: DatasetError| hdf5::Error::from(error.to_string());
    let columns = dataset.columns(0..dataset.m()).map_err(text)?;
    let shape = [&[dataset.m()], dataset.example_shape()].concat();
    let Values::U8(bytes) = columns.values() else {
        return Err("the built-in images are bytes".into());
    };
    let x = ArrayView::from_shape(shape, bytes)?;
    let y: Vec<i64> = dataset.labels().unwrap_or(&[]).iter().copied().map(i64::from).collect();
    let names = demo::CLASS_NAMES.map(FixedAscii::<NAME_BYTES>::from_ascii);
    let names: Vec<_> = names
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let new = || file.new_dataset_builder().obj_track_times(false);
    new().with_data(x).create(dataset.x_name())?;
    new().with_data(&y).create(dataset.y_name().unwrap_or_default())?;
    new().with_data(&names).create(class_names::LIST_CLASSES)?;
    Ok(())
}
