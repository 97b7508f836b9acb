//! `list_classes`: the names of class 0 and class 1, if a file has them.

use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};

use super::names::printable;
use super::stored_type::StoredType;

/// The dataset that names the classes.
pub(crate) const LIST_CLASSES: &str = "list_classes";

/// Bytes of the longest name that is kept.
const LONGEST: usize = 256;

/// What a file says about the names of its classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassNames {
    /// Nothing.
    Absent,
    /// The names of class 0 and class 1.
    Known([String; 2]),
    /// Something that cannot be the names of two classes, and why.
    Ignored(String),
}

impl ClassNames {
    /// The names of class 0 and class 1, if known.
    pub fn known(&self) -> Option<&[String; 2]> {
        match self {
            Self::Known(names) => Some(names),
            Self::Absent | Self::Ignored(_) => None,
        }
    }

    /// Reads [`LIST_CLASSES`]. Names only decorate the output, so that what is wrong with them is no error.
    pub(super) fn read(file: &hdf5::File) -> Self {
        if !file.link_exists(LIST_CLASSES) {
            return Self::Absent;
        }
        match read(file) {
            Ok(names) => Self::Known(names),
            Err(reason) => Self::Ignored(format!("`{LIST_CLASSES}` is ignored: {reason}")),
        }
    }
}

fn read(file: &hdf5::File) -> Result<[String; 2], String> {
    let text = |error: hdf5::Error| error.to_string();
    let dataset = file.dataset(LIST_CLASSES).map_err(text)?;
    let shape = dataset.space().map_err(text)?.shape();
    let (2, [_] | [_, 1] | [1, _]) = (shape.iter().product::<usize>(), &shape[..]) else {
        return Err(format!("found shape {shape:?}, expected 2 names"));
    };
    let names = match StoredType::of(&dataset).map_err(text)? {
        StoredType::Text => read_text(&dataset)?,
        StoredType::Unsigned(_) => numbers(dataset.read_raw::<u64>().map_err(text)?),
        StoredType::Element(element_type) if element_type.is_integer() => {
            numbers(dataset.read_raw::<i64>().map_err(text)?)
        }
        other => return Err(format!("found {other}, expected strings or integers")),
    };
    names.try_into().map_err(|_| "expected 2 names".to_owned())
}

fn numbers<T: ToString>(values: Vec<T>) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}

fn read_text(dataset: &hdf5::Dataset) -> Result<Vec<String>, String> {
    let datatype = dataset.dtype().map_err(|error| error.to_string())?;
    // The binding's own `as_str` would trust the file to hold UTF-8.
    let decode = |bytes: &[u8]| printable(&String::from_utf8_lossy(bytes));
    if let Ok(names) = dataset.read_raw::<VarLenUnicode>() {
        return Ok(names.iter().map(|name| decode(name.as_bytes())).collect());
    }
    if let Ok(names) = dataset.read_raw::<VarLenAscii>() {
        return Ok(names.iter().map(|name| decode(name.as_bytes())).collect());
    }
    if datatype.size() > LONGEST {
        return Err(format!(
            "found strings of {} bytes, expected at most {LONGEST}",
            datatype.size()
        ));
    }
    if let Ok(names) = dataset.read_raw::<FixedUnicode<LONGEST>>() {
        return Ok(names.iter().map(|name| decode(name.as_bytes())).collect());
    }
    let names = dataset.read_raw::<FixedAscii<LONGEST>>();
    let names = names.map_err(|error| error.to_string())?;
    Ok(names.iter().map(|name| decode(name.as_bytes())).collect())
}
