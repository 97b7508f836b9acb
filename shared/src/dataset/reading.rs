//! Reading an HDF5 file in bounded pieces, trusting nothing that its headers say.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hdf5::dataset::Layout;
use hdf5::{Hyperslab, MinorErrorCode, SliceOrIndex};

use super::stored_type::StoredType;
use super::{DatasetError, Place, string_heap};
use crate::element::Element;
use crate::{Columns, ElementType, with_element_type};

/// Bytes read at a time when a whole dataset is gone through.
const PIECE_BYTES: usize = 8 << 20;

/// Bytes up to which a piece is enlarged to whole HDF5 chunks, which are decompressed as a whole.
const LARGEST_PIECE_BYTES: usize = 64 << 20;

/// How many bytes one stored byte may stand for; DEFLATE, the strongest filter built in, reaches 1032.
const MOST_COMPRESSION: u64 = 2048;

/// Opens the HDF5 file at `path` for reading.
///
/// # Errors
///
/// [`DatasetError`] if there is no such file, it cannot be read, is not HDF5, is truncated or damaged.
pub(crate) fn open_file(path: &Path) -> Result<hdf5::File, DatasetError> {
    let found = first_byte(path).map_err(|reason| match reason.kind() {
        io::ErrorKind::NotFound => DatasetError::NoSuchFile { file: path.to_owned() },
        _ => DatasetError::Unreadable {
            file: path.to_owned(),
            reason,
        },
    })?;
    hdf5::File::open(path).map_err(|error| {
        let file = path.to_owned();
        if error.contains_minor(MinorErrorCode::Truncated) {
            let expected = stored_end_of_file(&error.to_string());
            DatasetError::Truncated { file, found, expected }
        } else if error.contains_minor(MinorErrorCode::NotHdf5) {
            DatasetError::NotHdf5 { file }
        } else {
            DatasetError::DamagedFile {
                file,
                reason: error.to_string(),
            }
        }
    })
}

/// Reads one byte, so that a directory or a file without permission shows here, and returns the file's length.
fn first_byte(path: &Path) -> io::Result<u64> {
    let mut file = fs::File::open(path)?;
    io::Read::read(&mut file, &mut [0])?;
    Ok(file.metadata()?.len())
}

/// The length that HDF5 says the file should have, from its message "truncated file: eof = …, stored_eof = …".
fn stored_end_of_file(message: &str) -> Option<u64> {
    let (_, number) = message.split_once("stored_eof = ")?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

/// An HDF5 dataset that is open, whose values lie in the file and can be as many as its shape says.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) place: Place,
    pub(crate) shape: Vec<usize>,
    pub(crate) stored_type: StoredType,
    /// Bytes of one value in the file.
    pub(crate) element_bytes: usize,
    handle: hdf5::Dataset,
    watched: Watched,
}

impl Stored {
    /// Opens dataset `name` of `file`, which was opened from `path`.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if the dataset is damaged or its values lie in other files.
    pub(crate) fn open(file: &hdf5::File, path: &Path, name: &str) -> Result<Self, DatasetError> {
        let place = Place {
            file: path.to_owned(),
            dataset: name.to_owned(),
        };
        let damaged = |error| damaged(&place, &error);
        let handle = file.dataset(name).map_err(damaged)?;
        let shape = handle.space().map_err(damaged)?.shape();
        let element_bytes = handle.dtype().map_err(damaged)?.size();
        let stored_type = StoredType::of(&handle).map_err(damaged)?;
        let creation = handle.create_plist().map_err(damaged)?;
        let elsewhere = creation.get_layout().map_err(damaged)? == Layout::Virtual
            || !creation.get_external().map_err(damaged)?.is_empty();
        if elsewhere {
            return Err(DatasetError::StoredElsewhere { place });
        }
        // Reading would search the disk for a plug-in, which no other machine may have.
        if !creation.all_filters_avail() {
            return Err(DatasetError::MissingFilter { place });
        }
        // An external link leads to another file than `path`.
        let watched = Watched::new(PathBuf::from(handle.filename()))?;
        Ok(Self {
            place,
            shape,
            stored_type,
            element_bytes,
            handle,
            watched,
        })
    }

    /// Checks that the file can hold the values that the shape promises.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Implausible`] if it cannot.
    pub(crate) fn check_plausible(&self) -> Result<(), DatasetError> {
        // Only chunks can be compressed.
        let most_compression = if self.handle.is_chunked() { MOST_COMPRESSION } else { 1 };
        let stored = self.handle.storage_size().min(self.watched.state.bytes);
        let chunk = self.handle.chunk().unwrap_or_default();
        for shape in [&self.shape, &chunk] {
            let declared = shape
                .iter()
                .try_fold(self.element_bytes as u64, |bytes, &n| bytes.checked_mul(n as u64));
            if declared.is_none_or(|bytes| bytes > stored.saturating_mul(most_compression)) {
                return Err(DatasetError::Implausible {
                    place: self.place.clone(),
                    shape: shape.clone(),
                    declared,
                    stored,
                });
            }
        }
        Ok(())
    }

    /// Whether the values can be read as `T`.
    pub(crate) fn converts_to<T: hdf5::H5Type>(&self) -> bool {
        self.handle
            .dtype()
            .is_ok_and(|datatype| datatype.conv_to::<T>().is_some())
    }

    /// The bytes of `count` strings of variable length, none longer than `most` bytes.
    ///
    /// # Errors
    ///
    /// A reason why they cannot be read.
    pub(super) fn read_strings(&self, count: usize, most: u64) -> Result<Vec<Vec<u8>>, String> {
        let Some(position) = self.handle.offset() else {
            return Err("found strings of variable length in chunks, expected them in one piece".to_owned());
        };
        let file = self.handle.file().map_err(|error| error.to_string())?;
        string_heap::read(&file, &self.watched.path, position, count, most).map_err(|error| error.to_string())
    }

    /// The ranges of rows that together are the whole dataset, each about 8 MiB if a row takes `row_bytes`.
    pub(crate) fn pieces(&self, row_bytes: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.shape.first().copied().unwrap_or(0);
        let chunk_rows = self.handle.chunk().and_then(|chunk| chunk.first().copied());
        let step = piece_rows(row_bytes, chunk_rows.unwrap_or(1));
        (0..rows).step_by(step).map(move |start| start..rows.min(start + step))
    }

    /// The values of `rows`, row-major, converted to `E` if they are of another type.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if they cannot be read, do not fit the memory, or the file changed since it was opened.
    pub(crate) fn read_rows<E: hdf5::H5Type>(&self, rows: Range<usize>) -> Result<Vec<E>, DatasetError> {
        let count = self.shape[1..].iter().product::<usize>() * rows.len();
        self.check_memory::<E>(count)?;
        let whole = |&n: &usize| SliceOrIndex::from(0..n);
        let axes: Vec<_> = std::iter::once(SliceOrIndex::from(rows))
            .chain(self.shape[1..].iter().map(whole))
            .collect();
        let read = self.handle.read_slice::<E, _, ndarray::IxDyn>(Hyperslab::from(axes));
        // HDF5 reads zeros behind the end of a file that was cut, so this comes before anything is believed.
        self.watched.check()?;
        let values = read.map_err(|error| damaged(&self.place, &error))?;
        let (values, _) = values.into_raw_vec_and_offset();
        Ok(values)
    }

    /// As [`Stored::read_rows`], each row a column.
    pub(crate) fn read_columns(&self, element_type: ElementType, rows: Range<usize>) -> Result<Columns, DatasetError> {
        let values = with_element_type!(element_type, |E| self.read_rows::<E>(rows).map(E::wrap)?);
        let features = self.shape[1..].iter().product();
        Columns::new(features, values).ok_or_else(|| DatasetError::NoFeatures {
            place: self.place.clone(),
            shape: self.shape.clone(),
        })
    }

    /// Checks that `count` values can be held; the binding aborts the process if memory is short.
    ///
    /// # Errors
    ///
    /// [`DatasetError::OutOfMemory`] if not.
    pub(crate) fn check_memory<E>(&self, count: usize) -> Result<(), DatasetError> {
        Vec::<E>::new()
            .try_reserve_exact(count)
            .map_err(|_| DatasetError::OutOfMemory {
                place: self.place.clone(),
                bytes: (count as u64).saturating_mul(size_of::<E>() as u64),
            })
    }
}

/// Rows per piece: about [`PIECE_BYTES`], whole chunks where [`LARGEST_PIECE_BYTES`] allows, at least one.
fn piece_rows(row_bytes: usize, chunk_rows: usize) -> usize {
    let row_bytes = row_bytes.max(1);
    let rows = (PIECE_BYTES / row_bytes).max(1);
    let whole_chunks = if rows < chunk_rows {
        chunk_rows
    } else {
        rows - rows % chunk_rows
    };
    if whole_chunks > rows && whole_chunks > LARGEST_PIECE_BYTES / row_bytes {
        rows
    } else {
        whole_chunks
    }
}

/// A file that must stay as it was when it was opened.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    file: fs::File,
    state: FileState,
}

#[derive(Debug, PartialEq, Eq)]
struct FileState {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl FileState {
    fn of(file: &fs::File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

impl Watched {
    fn new(path: PathBuf) -> Result<Self, DatasetError> {
        let open = || {
            let file = fs::File::open(&path)?;
            Ok((FileState::of(&file)?, file))
        };
        match open() {
            Ok((state, file)) => Ok(Self { path, file, state }),
            Err(reason) => Err(DatasetError::Unreadable { file: path, reason }),
        }
    }

    fn check(&self) -> Result<(), DatasetError> {
        match FileState::of(&self.file) {
            Ok(state) if state == self.state => Ok(()),
            Ok(_) => Err(DatasetError::Changed {
                file: self.path.clone(),
            }),
            Err(reason) => Err(DatasetError::Unreadable {
                file: self.path.clone(),
                reason,
            }),
        }
    }
}

fn damaged(place: &Place, error: &hdf5::Error) -> DatasetError {
    DatasetError::DamagedDataset {
        place: place.clone(),
        reason: error.to_string(),
    }
}
