//! From a file to the model in it.

use std::path::Path;

use hdf5::H5Type;

use super::attributes::Attributes;
use super::finite::{NonFinite, first_non_finite};
use super::{FORMAT, FORMAT_VERSION, Model, ModelFileError};
use crate::activation::Activation;
use crate::dataset::{Place, Stored, StoredType, open_dataset, open_file};
use crate::element::Element;
use crate::{Digest, LayerSizes, Parameters, Real, RealType};

/// Reads the model at `path`.
pub(super) fn read(path: &Path) -> Result<Model, ModelFileError> {
    let file = open_file(path)?;
    let attributes = Attributes::of(&file, path)?;
    check_format(&attributes, path)?;
    let sizes = read_sizes(&attributes)?;
    let example_shape = attributes.sizes("example_shape")?;
    let features = example_shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n));
    if features != Some(sizes.features()) {
        let problem = format!("found {example_shape:?}, expected {} numbers in all", sizes.features());
        return Err(attributes.wrong("example_shape", problem));
    }
    let scale = attributes.finite("scale")?;
    if scale <= 0.0 {
        let problem = format!("found {scale:?}, expected a number above 0");
        return Err(attributes.wrong("scale", problem));
    }
    let class_names = match attributes.has("class_names") {
        true => Some(read_class_names(&attributes)?),
        false => None,
    };
    Ok(Model {
        scale,
        class_names,
        x_name: attributes.text("x_name")?,
        y_name: attributes.text("y_name")?,
        example_shape,
        element_type: attributes.parsed("element_type")?,
        seed: attributes.integer("seed")?,
        iteration: attributes.integer("iteration")?,
        learning_rate: attributes.finite("learning_rate")?,
        initialisation: attributes.parsed("initialisation")?,
        parameters: match attributes.parsed("precision")? {
            RealType::F64 => read_parameters::<f64>(&file, path, sizes, &attributes)?.into(),
            RealType::F32 => read_parameters::<f32>(&file, path, sizes, &attributes)?.into(),
        },
    })
}

fn check_format(attributes: &Attributes<'_>, path: &Path) -> Result<(), ModelFileError> {
    let file = || path.to_owned();
    if attributes.text("format").ok().as_deref() != Some(FORMAT) {
        return Err(ModelFileError::NotAModel { file: file() });
    }
    match attributes.integer::<i64>("format_version")? {
        version if version == i64::from(FORMAT_VERSION) => Ok(()),
        found => Err(ModelFileError::Version { file: file(), found }),
    }
}

fn read_sizes(attributes: &Attributes<'_>) -> Result<LayerSizes, ModelFileError> {
    let sizes =
        LayerSizes::new(attributes.sizes("layer_sizes")?).map_err(|error| attributes.wrong("layer_sizes", error))?;
    let layers = sizes.layers();
    let expected: Vec<_> = (1..=layers).map(|l| Activation::of_layer(l, layers).name()).collect();
    let found = attributes.texts("activations")?;
    if found != expected {
        let (found, expected) = (found.join(", "), expected.join(", "));
        let problem = format!("found {found}, expected {expected}");
        return Err(attributes.wrong("activations", problem));
    }
    Ok(sizes)
}

fn read_class_names(attributes: &Attributes<'_>) -> Result<[String; 2], ModelFileError> {
    let names = attributes.texts("class_names")?;
    let count = names.len();
    names
        .try_into()
        .map_err(|_| attributes.wrong("class_names", format!("found {count} names, expected 2")))
}

/// Reads W_1, b_1, …, after the shapes of all of them were checked against `sizes` and against what the file holds.
fn read_parameters<T: Real + Element + H5Type>(
    file: &hdf5::File,
    path: &Path,
    sizes: LayerSizes,
    attributes: &Attributes<'_>,
) -> Result<Parameters<T>, ModelFileError> {
    let expected: Digest = attributes.parsed("digest")?;
    let mut stored = Vec::new();
    for l in 1..=sizes.layers() {
        stored.push(open_layer::<T>(
            file,
            path,
            format!("W{l}"),
            [sizes.n(l), sizes.n(l - 1)],
        )?);
        stored.push(open_layer::<T>(file, path, format!("b{l}"), [sizes.n(l), 1])?);
    }
    let mut values = Vec::new();
    for matrix in &stored {
        matrix.check_memory::<T>(sizes.parameters())?;
        for rows in matrix.pieces(matrix.shape[1] * size_of::<T>()) {
            values.extend(matrix.read_rows::<T>(rows)?);
        }
    }
    let count = values.len();
    let parameters = Parameters::from_values(sizes, values).ok_or_else(|| {
        attributes.wrong(
            "layer_sizes",
            format!("found {count} parameters, expected another number"),
        )
    })?;
    let found = parameters.digest();
    if found != expected {
        return Err(ModelFileError::Digest {
            file: path.to_owned(),
            found,
            expected,
        });
    }
    match first_non_finite(&parameters) {
        None => Ok(parameters),
        Some(NonFinite { dataset, index, value }) => Err(ModelFileError::NotFinite {
            place: Place {
                file: path.to_owned(),
                dataset,
            },
            value,
            index,
        }),
    }
}

/// Opens one W_l or b_l and checks it without reading it.
fn open_layer<T: Real + Element>(
    file: &hdf5::File,
    path: &Path,
    name: String,
    expected: [usize; 2],
) -> Result<Stored, ModelFileError> {
    let stored = open_dataset(file, path, &name)?;
    if stored.stored_type != StoredType::Element(T::TYPE) {
        return Err(ModelFileError::Precision {
            place: stored.place,
            found: stored.stored_type,
            expected: T::REAL_TYPE,
        });
    }
    if stored.shape != expected {
        return Err(ModelFileError::Shape {
            place: stored.place,
            found: stored.shape,
            expected: expected.to_vec(),
        });
    }
    stored.check_plausible()?;
    Ok(stored)
}
