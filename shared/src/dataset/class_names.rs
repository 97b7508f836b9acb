//! `list_classes`: the names of class 0 and class 1, if a file has them.

use std::path::Path;

use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};

use super::names::printable;
use super::reading::Stored;
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

    /// Reads [`LIST_CLASSES`] of `file`, which was opened from `path`. Names only decorate the output, so that what is
    /// wrong with them is no error.
    pub(super) fn read(file: &hdf5::File, path: &Path) -> Self {
        if !file.link_exists(LIST_CLASSES) {
            return Self::Absent;
        }
        let names = Stored::open(file, path, LIST_CLASSES)
            .map_err(|error| error.to_string())
            .and_then(|stored| read(&stored).map_err(|reason| format!("{}: {reason}", stored.place)));
        match names {
            Ok(names) => Self::Known(names),
            Err(reason) => Self::Ignored(format!("{reason}; the classes stay without names")),
        }
    }
}

fn read(stored: &Stored) -> Result<[String; 2], String> {
    let (2, [_] | [_, 1] | [1, _]) = (stored.shape.iter().product::<usize>(), &stored.shape[..]) else {
        return Err(format!("found shape {:?}, expected 2 names", stored.shape));
    };
    let names = match &stored.stored_type {
        StoredType::Text => read_text(stored)?,
        StoredType::Unsigned(_) => read_as(stored, |value: &u64| value.to_string())?,
        StoredType::Element(element_type) if element_type.is_integer() => {
            read_as(stored, |value: &i64| value.to_string())?
        }
        other => return Err(format!("found {other}, expected strings or integers")),
    };
    names.try_into().map_err(|_| "expected 2 names".to_owned())
}

fn read_text(stored: &Stored) -> Result<Vec<String>, String> {
    if stored.converts_to::<VarLenUnicode>() || stored.converts_to::<VarLenAscii>() {
        let strings = stored.read_strings(2, LONGEST as u64)?;
        return Ok(strings.iter().map(decode).collect());
    }
    if stored.element_bytes > LONGEST {
        let bytes = stored.element_bytes;
        return Err(format!("found strings of {bytes} bytes, expected at most {LONGEST}"));
    }
    read_as(stored, decode::<FixedUnicode<LONGEST>>).or_else(|_| read_as(stored, decode::<FixedAscii<LONGEST>>))
}

fn read_as<T: hdf5::H5Type>(stored: &Stored, name: impl Fn(&T) -> String) -> Result<Vec<String>, String> {
    let values = stored.read_rows::<T>(0..stored.shape[0]);
    let values = values.map_err(|error| error.to_string())?;
    Ok(values.iter().map(name).collect())
}

/// The binding's own conversion to `str` would trust the file to hold UTF-8.
fn decode<T: AsRef<[u8]>>(text: &T) -> String {
    printable(&String::from_utf8_lossy(text.as_ref()))
}
