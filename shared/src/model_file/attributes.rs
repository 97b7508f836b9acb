//! The attributes of a model file, none of which is believed before it is checked.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use hdf5::H5Type;
use hdf5::types::{FixedUnicode, VarLenUnicode};

use super::{LONGEST, ModelFileError};
use crate::dataset::{StoredType, printable};
use crate::{ElementType, RealType};

/// The most values that one attribute may have; far more layers than anyone trains.
const MOST_VALUES: usize = 4096;

/// The attributes of a file's root.
pub(super) struct Attributes<'a> {
    file: &'a hdf5::File,
    path: PathBuf,
    names: Vec<String>,
}

impl<'a> Attributes<'a> {
    /// The attributes of `file`, which was opened from `path`.
    pub(super) fn of(file: &'a hdf5::File, path: &Path) -> Result<Self, ModelFileError> {
        let damaged = |reason| ModelFileError::DamagedAttributes {
            file: path.to_owned(),
            reason,
        };
        let names = file.attr_names().map_err(|error| damaged(error.to_string()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            names,
        })
    }

    /// Whether there is an attribute `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    /// The error that says `problem` of attribute `name`.
    pub(super) fn wrong(&self, name: &'static str, problem: impl ToString) -> ModelFileError {
        ModelFileError::Attribute {
            file: self.path.clone(),
            name,
            problem: problem.to_string(),
        }
    }

    /// A text.
    pub(super) fn text(&self, name: &'static str) -> Result<String, ModelFileError> {
        let texts = self.texts(name)?;
        let count = texts.len();
        let [text] = <[String; 1]>::try_from(texts)
            .map_err(|_| self.wrong(name, format!("found {count} strings, expected 1")))?;
        Ok(text)
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &'static str) -> Result<Vec<String>, ModelFileError> {
        let is_text = |stored_type: &StoredType| *stored_type == StoredType::Text;
        let values: Vec<FixedUnicode<LONGEST>> = self.values(name, "strings", is_text)?;
        // The binding's own conversion to `str` would trust the file to hold UTF-8.
        let decode = |value: &FixedUnicode<LONGEST>| printable(&String::from_utf8_lossy(value.as_bytes()));
        Ok(values.iter().map(decode).collect())
    }

    /// A text that is a `T`.
    pub(super) fn parsed<T: FromStr<Err: ToString>>(&self, name: &'static str) -> Result<T, ModelFileError> {
        self.text(name)?
            .parse()
            .map_err(|error: T::Err| self.wrong(name, error.to_string()))
    }

    /// A finite number.
    pub(super) fn finite(&self, name: &'static str) -> Result<f64, ModelFileError> {
        let is_float =
            |stored_type: &StoredType| matches!(stored_type, StoredType::Element(ElementType::F64 | ElementType::F32));
        let value = self.single(name, self.values(name, "a floating-point number", is_float)?)?;
        if f64::is_finite(value) {
            Ok(value)
        } else {
            let shown = RealType::F64.format(value);
            Err(self.wrong(name, format!("found {shown}, expected a finite number")))
        }
    }

    /// A whole number that a `T` can hold.
    pub(super) fn integer<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, ModelFileError> {
        let value = self.single(name, self.integers(name)?)?;
        T::try_from(value).map_err(|_| {
            let bits = 8 * size_of::<T>();
            self.wrong(
                name,
                format!("found {value}, expected a number of {bits} bits that is not negative"),
            )
        })
    }

    /// Whole numbers of at least 1.
    pub(super) fn sizes(&self, name: &'static str) -> Result<Vec<usize>, ModelFileError> {
        let size = |value: i64| {
            let size = usize::try_from(value).ok().filter(|&size| size > 0);
            size.ok_or_else(|| self.wrong(name, format!("found {value}, expected a number from 1 up")))
        };
        self.integers(name)?.into_iter().map(size).collect()
    }

    fn integers(&self, name: &'static str) -> Result<Vec<i64>, ModelFileError> {
        self.values(name, "integers", |stored_type| match stored_type {
            StoredType::Element(element_type) => element_type.is_integer(),
            StoredType::Unsigned(_) => true,
            _ => false,
        })
    }

    fn single<T: Copy>(&self, name: &'static str, values: Vec<T>) -> Result<T, ModelFileError> {
        match values[..] {
            [value] => Ok(value),
            _ => Err(self.wrong(name, format!("found {} values, expected 1", values.len()))),
        }
    }

    fn values<T: H5Type>(
        &self,
        name: &'static str,
        expected: &str,
        fits: impl Fn(&StoredType) -> bool,
    ) -> Result<Vec<T>, ModelFileError> {
        if !self.has(name) {
            return Err(self.wrong(name, format!("found nothing, expected {expected}")));
        }
        let damaged = |error: hdf5::Error| self.wrong(name, error);
        let attribute = self.file.attr(name).map_err(damaged)?;
        let stored_type = StoredType::of(&attribute).map_err(damaged)?;
        if !fits(&stored_type) {
            return Err(self.wrong(name, format!("found {stored_type}, expected {expected}")));
        }
        let shape = attribute.space().map_err(damaged)?.shape();
        let count = shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n));
        if shape.len() > 1 || count.is_none_or(|count| count > MOST_VALUES) {
            let problem = format!("found shape {shape:?}, expected one list of at most {MOST_VALUES}");
            return Err(self.wrong(name, problem));
        }
        let datatype = attribute.dtype().map_err(damaged)?;
        if datatype.conv_to::<VarLenUnicode>().is_some() {
            // Their length is wherever the file says, and HDF5 reserves as much before it looks.
            return Err(self.wrong(name, "found strings of variable length, expected fixed length"));
        }
        if datatype.size() > LONGEST {
            let problem = format!("found values of {} bytes, expected at most {LONGEST}", datatype.size());
            return Err(self.wrong(name, problem));
        }
        attribute.read_raw::<T>().map_err(damaged)
    }
}
