//! From a model to its file.

use std::path::Path;

use hdf5::H5Type;
use hdf5::types::{FixedUnicode, StringError, TypeDescriptor};
use ndarray::{ArrayView2, Axis};

use super::finite::{NonFinite, first_non_finite};
use super::{FORMAT, FORMAT_VERSION, LONGEST, Model};
use crate::activation::Activation;
use crate::atomic_file::{self, WriteError};
use crate::{AnyParameters, Parameters, Real};

/// Writes `model` to `path`.
pub(super) fn write(model: &Model, path: &Path) -> Result<(), WriteError> {
    match &model.parameters {
        AnyParameters::F64(parameters) => check_finite(parameters, path)?,
        AnyParameters::F32(parameters) => check_finite(parameters, path)?,
    }
    atomic_file::write_hdf5(path, |file| {
        match &model.parameters {
            AnyParameters::F64(parameters) => put_parameters(file, parameters)?,
            AnyParameters::F32(parameters) => put_parameters(file, parameters)?,
        }
        put_attributes(file, model)
    })
}

fn check_finite<T: Real>(parameters: &Parameters<T>, path: &Path) -> Result<(), WriteError> {
    first_non_finite(parameters).map_or(Ok(()), |NonFinite { dataset, index, value }| {
        Err(WriteError::Contents {
            path: path.to_owned(),
            reason: format!("found {value} in `{dataset}` at {index:?}, expected finite numbers"),
        })
    })
}

fn put_parameters<T: Real + H5Type>(file: &hdf5::File, parameters: &Parameters<T>) -> hdf5::Result<()> {
    let put = |name: String, values: ArrayView2<'_, T>| -> hdf5::Result<()> {
        let builder = file.new_dataset_builder().obj_track_times(false);
        builder.with_data(values).create(name.as_str()).map(drop)
    };
    for l in 1..=parameters.sizes().layers() {
        put(format!("W{l}"), parameters.w(l))?;
        put(format!("b{l}"), parameters.b(l).insert_axis(Axis(1)))?;
    }
    Ok(())
}

fn put_attributes(file: &hdf5::File, model: &Model) -> hdf5::Result<()> {
    let sizes = model.parameters.sizes();
    let layers = sizes.layers();
    put_text(file, "format", FORMAT)?;
    put_number(file, "format_version", FORMAT_VERSION)?;
    put_sizes(file, "layer_sizes", sizes.as_slice())?;
    let activations = (1..=layers).map(|l| Activation::of_layer(l, layers).name());
    put_texts(file, "activations", activations)?;
    put_text(file, "precision", &model.parameters.real_type().to_string())?;
    put_text(file, "digest", &model.parameters.digest().to_string())?;
    put_number(file, "scale", model.scale)?;
    put_sizes(file, "example_shape", &model.example_shape)?;
    put_text(file, "element_type", &model.element_type.to_string())?;
    put_text(file, "x_name", &model.x_name)?;
    put_text(file, "y_name", &model.y_name)?;
    if let Some(names) = &model.class_names {
        put_texts(file, "class_names", names.iter().map(String::as_str))?;
    }
    put_number(file, "seed", model.seed)?;
    put_number(file, "iteration", model.iteration)?;
    put_number(file, "learning_rate", model.learning_rate)?;
    put_text(file, "initialisation", &model.initialisation.to_string())
}

fn put_number<T: H5Type>(file: &hdf5::File, name: &str, value: T) -> hdf5::Result<()> {
    file.new_attr::<T>().create(name)?.write_scalar(&value)
}

fn put_sizes(file: &hdf5::File, name: &str, sizes: &[usize]) -> hdf5::Result<()> {
    let sizes: Vec<u64> = sizes.iter().map(|&n| n as u64).collect();
    file.new_attr_builder().with_data(&sizes).create(name).map(drop)
}

fn put_text(file: &hdf5::File, name: &str, text: &str) -> hdf5::Result<()> {
    let attribute = file.new_attr_builder().empty_as(fixed(text.len())).create(name)?;
    attribute.write_scalar(&unicode(text)?)
}

fn put_texts<'a>(file: &hdf5::File, name: &str, texts: impl Iterator<Item = &'a str> + Clone) -> hdf5::Result<()> {
    let longest = texts.clone().map(str::len).max().unwrap_or(0);
    let texts = texts.map(unicode).collect::<hdf5::Result<Vec<_>>>()?;
    let builder = file.new_attr_builder().empty_as(fixed(longest));
    builder.shape(texts.len()).create(name)?.write_raw(&texts)
}

/// UTF-8 of `bytes` bytes, at least one as HDF5 demands.
fn fixed(bytes: usize) -> TypeDescriptor {
    TypeDescriptor::FixedUnicode(bytes.max(1))
}

fn unicode(text: &str) -> hdf5::Result<FixedUnicode<LONGEST>> {
    text.parse()
        .map_err(|error: StringError| format!("`{text}`: {error}").into())
}
