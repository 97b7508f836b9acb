//! Files to read, made on the spot.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use hdf5::H5Type;
use hdf5::file::LibraryVersion;
use ndarray::ArrayView;
use shared::dataset::{DatasetError, NameChoice, Role};
use shared::{Dataset, RealType};
use tempfile::TempDir;

/// An HDF5 file in a folder that goes away with it.
pub struct TestFile {
    folder: TempDir,
    pub path: PathBuf,
}

impl TestFile {
    /// A file whose contents `fill` creates.
    pub fn new(fill: impl FnOnce(&hdf5::File)) -> Self {
        Self::in_format(LibraryVersion::V18, fill)
    }

    /// A file as old libraries, and h5py by default, write it. Its headers bear no checksums.
    pub fn in_old_format(fill: impl FnOnce(&hdf5::File)) -> Self {
        Self::in_format(LibraryVersion::Earliest, fill)
    }

    fn in_format(oldest: LibraryVersion, fill: impl FnOnce(&hdf5::File)) -> Self {
        let test_file = Self::of_bytes(b"");
        let mut options = hdf5::File::with_options();
        options.with_fapl(|fapl| fapl.libver_bounds(oldest, LibraryVersion::latest()));
        let file = options.create(&test_file.path).unwrap();
        fill(&file);
        file.close().unwrap();
        test_file
    }

    /// A file of these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.h5");
        fs::write(&path, bytes).unwrap();
        Self { folder, path }
    }

    /// X of shape (3, 2) as f64 and good labels.
    pub fn good() -> Self {
        Self::new(|file| {
            put(file, "x", &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
            put(file, "y", &[3], &[0_i64, 1, 0]);
        })
    }

    pub fn open(&self) -> Result<Dataset, DatasetError> {
        self.open_as(Role::Train)
    }

    pub fn open_as(&self, role: Role) -> Result<Dataset, DatasetError> {
        Dataset::open(&self.path, role, &NameChoice::default(), RealType::F64)
    }

    pub fn open_named(&self, x: Option<&str>, y: Option<&str>) -> Result<Dataset, DatasetError> {
        let names = NameChoice {
            x: x.map(str::to_owned),
            y: y.map(str::to_owned),
        };
        Dataset::open(&self.path, Role::Train, &names, RealType::F64)
    }

    /// What `error` says, with the folder's name left out.
    pub fn said(&self, error: &impl ToString) -> String {
        let folder = format!("{}/", self.folder.path().display());
        error.to_string().replace(&folder, "")
    }
}

/// Creates dataset `name`.
pub fn put<T: H5Type>(group: &hdf5::Group, name: &str, shape: &[usize], values: &[T]) {
    let view = ArrayView::from_shape(shape, values).unwrap();
    group.new_dataset_builder().with_data(view).create(name).unwrap();
}

/// The folder of the real cat images, or `None` after saying why the test is skipped.
pub fn cat_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("LOCKSTEP_CAT_DIR");
    if folder.is_none() {
        println!("skipped: LOCKSTEP_CAT_DIR does not name the folder of the cat images");
    }
    folder.map(PathBuf::from)
}

/// Calls `each` with the file of `bytes` in which one byte is damaged, for every byte in turn but those amid zeros.
pub fn each_damaged_byte(bytes: &[u8], mut each: impl FnMut(&TestFile)) {
    const NEAR: usize = 24;
    let file = TestFile::of_bytes(bytes);
    // In place: a file that is truncated and written anew goes to the disk every time.
    let mut writer = fs::OpenOptions::new().write(true).open(&file.path).unwrap();
    let mut put_byte = |at: usize, byte: u8| {
        writer.seek(SeekFrom::Start(at as u64)).unwrap();
        writer.write_all(&[byte]).unwrap();
    };
    for at in 0..bytes.len() {
        let near = &bytes[at.saturating_sub(NEAR)..(at + NEAR).min(bytes.len())];
        if near.iter().all(|&byte| byte == 0) {
            continue;
        }
        // Each kind of damage comes to every eight-byte field.
        let damaged = match at % 3 {
            0 => bytes[at] ^ 0x01,
            1 => bytes[at] ^ 0xff,
            _ if bytes[at] == 0 => 0x80,
            _ => 0,
        };
        put_byte(at, damaged);
        each(&file);
        put_byte(at, bytes[at]);
    }
}

/// Calls `each` with the file of `bytes` cut to every shorter length.
pub fn each_truncation(bytes: &[u8], mut each: impl FnMut(&TestFile, usize)) {
    let file = TestFile::of_bytes(bytes);
    let writer = fs::OpenOptions::new().write(true).open(&file.path).unwrap();
    for length in (0..bytes.len()).rev() {
        writer.set_len(length as u64).unwrap();
        each(&file, length);
    }
}
