//! Files that appear whole or not at all.
//!
//! ```text
//! create .NAME.….tmp beside NAME ─▶ fill it ─▶ sync it ─▶ rename it to NAME ─▶ sync the folder
//!         └────────────────────── on any failure: remove it ──────────────┘
//! ```
//!
//! Who reads NAME sees the old file or the new one, also after a power cut.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum WriteError {
    /// The path ends in no name.
    #[error("{}: found no file name at the end, expected one", .path.display())]
    NoName { path: PathBuf },
    /// The operating system refuses.
    #[error("{}: cannot be written: {reason}", .path.display())]
    Refused { path: PathBuf, reason: io::Error },
    /// What should be written could not be read again.
    #[error("{}: not written: {reason}", .path.display())]
    Contents { path: PathBuf, reason: String },
    /// HDF5 cannot write, often because the disk is full.
    #[error("{}: cannot be written as HDF5: {reason}", .path.display())]
    Hdf5 { path: PathBuf, reason: String },
}

impl WriteError {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let Self::Refused { path, reason } = self else {
            return None;
        };
        let folder = folder_of(path).display();
        match reason.kind() {
            io::ErrorKind::NotFound => Some(format!("create the folder {folder} first")),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some(format!("choose a folder you may write to in place of {folder}"))
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(format!("make room in {folder}")),
            _ => None,
        }
    }
}

/// Writes the file `path`: `fill` is given the path of an empty file in the same folder, which becomes `path` when it
/// succeeds and is removed when it does not.
///
/// # Errors
///
/// What `fill` returns, and [`WriteError`] if the file cannot be created, synced or renamed.
pub fn write<E: From<WriteError>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let refused = |reason| WriteError::Refused {
        path: path.to_owned(),
        reason,
    };
    let unfinished = Unfinished::create(path)?;
    fill(&unfinished.0)?;
    fs::OpenOptions::new()
        .write(true)
        .open(&unfinished.0)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&unfinished.0, path))
        .map_err(refused)?;
    sync_folder(folder_of(path)).map_err(refused)?;
    Ok(())
}

/// Writes `bytes` as the file `path`.
///
/// # Errors
///
/// [`WriteError`] if they cannot be written.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write(path, |unfinished| {
        fs::write(unfinished, bytes).map_err(|reason| WriteError::Refused {
            path: path.to_owned(),
            reason,
        })
    })
}

/// Writes the HDF5 file `path`, whose contents `fill` creates. `fill` must leave no object of it open, and create
/// datasets with `obj_track_times(false)`, so that the same contents are the same bytes.
///
/// # Errors
///
/// [`WriteError`] if it cannot be written.
pub fn write_hdf5(path: &Path, fill: impl FnOnce(&hdf5::File) -> hdf5::Result<()>) -> Result<(), WriteError> {
    write(path, |unfinished| {
        let mut options = hdf5::File::with_options();
        options.with_fcpl(|properties| properties.obj_track_times(false));
        // Closing writes what HDF5 still holds back; a file that is merely dropped would hide a failure of that.
        options
            .create(unfinished)
            .and_then(|file| fill(&file).and_then(|()| file.close()))
            .map_err(|error| WriteError::Hdf5 {
                path: path.to_owned(),
                reason: error.to_string(),
            })
    })
}

/// Makes the folder `path`, and those above it, unless they are there. What was made survives a power cut.
///
/// # Errors
///
/// [`WriteError`] if it cannot be made, or is something else than a folder.
pub fn make_folder(path: &Path) -> Result<(), WriteError> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| *folder != Path::new("") && !folder.exists())
        .collect();
    let made = fs::create_dir_all(path).and_then(|()| {
        // A folder's name stands in the folder above it.
        missing
            .iter()
            .rev()
            .try_for_each(|folder| sync_folder(folder_of(folder)))
    });
    made.map_err(|reason| WriteError::Refused {
        path: path.to_owned(),
        reason,
    })
}

/// Whether `path` is a file that [`write`] began for a file whose name fits `is_name`, as one stays behind if the process
/// is killed meanwhile.
pub fn is_unfinished(path: &Path, is_name: impl FnOnce(&str) -> bool) -> bool {
    let name = || {
        let hidden = path.file_name()?.to_str()?;
        let (name, number) = hidden.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (process, count) = number.split_once('-')?;
        (is_number(process) && is_number(count)).then_some(name)
    };
    name().is_some_and(is_name)
}

/// A file that is removed again unless it was renamed.
struct Unfinished(PathBuf);

impl Unfinished {
    fn create(path: &Path) -> Result<Self, WriteError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path
            .file_name()
            .ok_or_else(|| WriteError::NoName { path: path.to_owned() })?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut hidden = OsString::from(".");
        hidden.push(name);
        // As `is_unfinished` recognises it.
        hidden.push(format!(".{}-{count}.tmp", process::id()));
        let unfinished = Self(path.with_file_name(hidden));
        match fs::File::create(&unfinished.0) {
            Ok(_) => Ok(unfinished),
            Err(reason) => Err(WriteError::Refused {
                path: path.to_owned(),
                reason,
            }),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing is there if it was renamed, and nothing can be done if it cannot be removed.
        let _ = fs::remove_file(&self.0);
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Makes a rename in `folder` survive a power cut. Windows has no such call and needs none.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_replaces_the_old_one_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("costs.csv");
        write_bytes(&path, b"old").unwrap();
        write_bytes(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names_in(folder.path()), ["costs.csv"]);
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("costs.csv");
        write_bytes(&path, b"old").unwrap();
        let failed = write(&path, |unfinished| {
            fs::write(unfinished, b"ne").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
            Err(WriteError::NoName { path: PathBuf::new() })
        });
        assert!(matches!(failed, Err(WriteError::NoName { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(folder.path()), ["costs.csv"]);
    }

    #[test]
    fn a_panic_while_filling_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("costs.csv");
        let fill = |_: &Path| -> Result<(), WriteError> { panic!("on purpose") };
        assert!(std::panic::catch_unwind(|| write(&path, fill)).is_err());
        assert_eq!(names_in(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn an_hdf5_file_that_cannot_be_filled_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.h5");
        let error = write_hdf5(&path, |_| Err("the disk is full".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: cannot be written as HDF5: the disk is full", path.display())
        );
        assert_eq!(names_in(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_the_way_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("run").join("model.h5");
        let error = write_bytes(&missing, b"").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{}: cannot be written: No such file or directory (os error 2)",
                missing.display()
            )
        );
        let hint = format!("create the folder {} first", folder.path().join("run").display());
        assert_eq!(error.hint(), Some(hint));
        fs::create_dir(folder.path().join("run")).unwrap();
        let error = write_bytes(&folder.path().join("run"), b"").unwrap_err();
        assert!(error.to_string().ends_with("Is a directory (os error 21)"), "{error}");
        assert_eq!(names_in(folder.path()), ["run"]);
        assert!(matches!(
            write_bytes(Path::new("/"), b""),
            Err(WriteError::NoName { .. })
        ));
    }

    #[test]
    fn folders_are_made_with_those_above_them_and_may_be_there_already() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run").join("checkpoints");
        make_folder(&path).unwrap();
        make_folder(&path).unwrap();
        assert!(path.is_dir());
        let file = folder.path().join("file");
        write_bytes(&file, b"").unwrap();
        for path in [&file, &file.join("checkpoints")] {
            let error = make_folder(path).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{}: cannot be written: ", path.display())),
                "{error}"
            );
        }
        assert_eq!(names_in(folder.path()), ["file", "run"]);
    }

    #[test]
    fn a_file_that_was_begun_is_recognised_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("costs.csv");
        write(&path, |unfinished| -> Result<(), WriteError> {
            assert!(is_unfinished(unfinished, |name| name == "costs.csv"), "{unfinished:?}");
            assert!(!is_unfinished(unfinished, |name| name == "costs"), "{unfinished:?}");
            Ok(())
        })
        .unwrap();
        for name in [
            "costs.csv",
            ".costs.csv.tmp",
            "costs.csv.1-2.tmp",
            ".costs.csv.1-.tmp",
            ".costs.csv.1-2",
            "/",
        ] {
            assert!(!is_unfinished(Path::new(name), |_| true), "{name}");
        }
    }
}
