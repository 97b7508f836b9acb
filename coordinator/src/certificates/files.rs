//! New files, all of them or none, and nobody else's for a moment.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use super::CertificatesError;

/// A file to be written.
pub(super) struct NewFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// What it holds.
    pub contents: String,
    /// Who may read it.
    pub access: Access,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Its owner alone, from the moment it exists.
    Owner,
    /// Everybody, if the process's umask allows it.
    Everybody,
}

/// Checks that none of `names` is in `folder`.
pub(super) fn expect_none(folder: &Path, names: &[&'static str]) -> Result<(), CertificatesError> {
    // A link that leads nowhere is there as well.
    let is_there = |name: &&&'static str| fs::symlink_metadata(folder.join(name)).is_ok();
    let found: Vec<_> = names.iter().filter(is_there).copied().collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(CertificatesError::Exist {
        dir: folder.to_owned(),
        names: found,
    })
}

/// Writes all `files` to `folder`, which is made if it does not exist, for its owner alone. If one cannot be written, or
/// has come into being meanwhile, none is left behind.
pub(super) fn write_all(folder: &Path, files: &[NewFile]) -> Result<(), CertificatesError> {
    let refused = |path: &Path, reason: io::Error| CertificatesError::Refused {
        path: path.to_owned(),
        reason,
    };
    create_folder(folder).map_err(|reason| refused(folder, reason))?;
    let mut unnamed = Vec::with_capacity(files.len());
    for file in files {
        let path = folder.join(file.name);
        unnamed.push(write_unnamed(folder, file).map_err(|reason| refused(&path, reason))?);
    }
    for (number, (file, unnamed)) in files.iter().zip(unnamed).enumerate() {
        let path = folder.join(file.name);
        if let Err(error) = unnamed.persist_noclobber(&path) {
            for earlier in &files[..number] {
                // Nothing can be done if it cannot be removed.
                let _ = fs::remove_file(folder.join(earlier.name));
            }
            return Err(match error.error.kind() {
                io::ErrorKind::AlreadyExists => CertificatesError::Exist {
                    dir: folder.to_owned(),
                    names: vec![file.name],
                },
                _ => refused(&path, error.error),
            });
        }
    }
    sync(folder).map_err(|reason| refused(folder, reason))
}

/// A file with the contents of `file`, under a name that nobody knows and which vanishes unless it is given another.
fn write_unnamed(folder: &Path, file: &NewFile) -> io::Result<NamedTempFile> {
    let prefix = format!(".{}.", file.name);
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match file.access {
            Access::Owner => 0o600,
            Access::Everybody => 0o644,
        };
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    let mut unnamed = builder.tempfile_in(folder)?;
    unnamed.write_all(file.contents.as_bytes())?;
    unnamed.as_file().sync_all()?;
    Ok(unnamed)
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Makes the new names survive a power cut. Windows has no such call and needs none.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    fs::File::open(folder)?.sync_all()
}
