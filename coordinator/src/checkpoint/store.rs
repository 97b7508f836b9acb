//! The checkpoints of a run on the disk.
//!
//! ```text
//! save   RUN/checkpoints/.iteration-00001200.lockstep.….tmp ─▶ sync ─▶ rename ─▶ sync the folder ─▶ remove old ones
//! load   from the newest to the oldest, until one is good
//! ```
//!
//! One run at a time may use a folder.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use shared::atomic_file::{self, WriteError};

use super::format::{START_BYTES, check_start};
use super::{
    Checkpoint, Configuration, Difference, IncompatibleError, LoadError, OccupiedError, Origin, RefusalReason, Refused,
};

/// The folder of a run's checkpoints, in that of its other outputs.
const FOLDER: &str = "checkpoints";

const PREFIX: &str = "iteration-";
const SUFFIX: &str = ".lockstep";

/// The checkpoints of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
    keep: NonZeroUsize,
}

/// A checkpoint that is on the disk.
#[derive(Debug)]
pub struct Saved {
    /// Its file.
    pub path: PathBuf,
    /// What should have been removed and could not be.
    pub not_removed: Vec<NotRemoved>,
}

/// An old file that stays.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be removed: {reason}", .path.display())]
pub struct NotRemoved {
    /// The file, or the folder if it cannot be listed.
    pub path: PathBuf,
    /// What the system said.
    pub reason: io::Error,
}

/// The newest good checkpoint.
#[derive(Debug)]
pub struct Loaded {
    /// Its file.
    pub path: PathBuf,
    /// What it holds.
    pub checkpoint: Checkpoint,
    /// The newer ones that were passed over, the newest first; the user should be warned of each.
    pub refused: Vec<Refused>,
}

/// A file that bears a checkpoint's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    updates: u64,
    path: PathBuf,
}

impl Store {
    /// The checkpoints of the run in `run_folder`, of which the newest `keep` stay.
    pub fn new(run_folder: &Path, keep: NonZeroUsize) -> Self {
        Self {
            folder: run_folder.join(FOLDER),
            keep,
        }
    }

    /// The folder that they are in. It need not be there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes `checkpoint`, whole or not at all, and makes its file survive a power cut. Then removes all older ones
    /// but the newest few, and what a killed process has left half-written.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it is not written, or not known to be safe. No half of it is left behind, and all older ones
    /// are as they were.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<Saved, WriteError> {
        atomic_file::make_folder(&self.folder)?;
        let updates = checkpoint.updates();
        let path = self.folder.join(name(updates));
        atomic_file::write(&path, |unfinished| {
            let write = || {
                let mut out = BufWriter::new(File::create(unfinished)?);
                checkpoint.encode_to(&mut out)?;
                out.flush()
            };
            write().map_err(|reason| WriteError::Refused {
                path: path.clone(),
                reason,
            })
        })?;
        let not_removed = self.remove_old(updates);
        Ok(Saved { path, not_removed })
    }

    /// The newest checkpoint that is good.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if there is none.
    pub fn load_newest(&self) -> Result<Loaded, LoadError> {
        let mut named = match self.list() {
            Ok((named, _)) => named,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(reason) => {
                let folder = self.folder.clone();
                return Err(LoadError::Unreadable { folder, reason });
            }
        };
        named.sort();
        let mut refused = Vec::new();
        for Named { updates, path } in named.into_iter().rev() {
            match read(&path, updates) {
                Ok(checkpoint) => {
                    return Ok(Loaded {
                        path,
                        checkpoint,
                        refused,
                    });
                }
                Err(reason) => refused.push(Refused { path, reason }),
            }
        }
        let folder = self.folder.clone();
        Err(if refused.is_empty() {
            LoadError::Nothing { folder }
        } else {
            LoadError::NoneGood { folder, refused }
        })
    }

    /// Makes room for a run that begins at iteration 0: removes the checkpoints of a run that has made all its
    /// iterations. Without this the new run's checkpoints would be taken for older ones.
    ///
    /// # Errors
    ///
    /// [`OccupiedError`] if there are checkpoints of an unfinished run, or ones that cannot be read. All stay then.
    pub fn begin_anew(&self) -> Result<(), OccupiedError> {
        let loaded = match self.load_newest() {
            Ok(loaded) => loaded,
            Err(LoadError::Nothing { .. }) => return Ok(()),
            Err(error) => return Err(OccupiedError::Unknown(error)),
        };
        let (updates, iterations) = (loaded.checkpoint.updates(), loaded.checkpoint.iterations());
        if updates < iterations {
            return Err(OccupiedError::Unfinished {
                path: loaded.path,
                updates,
                iterations,
            });
        }
        let (mut named, _) = self.list().map_err(|reason| OccupiedError::NotRemovable {
            path: self.folder.clone(),
            reason,
        })?;
        // The one that says that the run is finished goes last: if this breaks off, it is still said.
        named.sort();
        for Named { path, .. } in named {
            fs::remove_file(&path).map_err(|reason| OccupiedError::NotRemovable { path, reason })?;
        }
        Ok(())
    }

    /// Removes the checkpoints of at most `newest` updates but the newest few, and half-written ones. Those of more
    /// updates were refused when the run was resumed; they are replaced when it gets there, and stay for the user to see
    /// until then.
    fn remove_old(&self, newest: u64) -> Vec<NotRemoved> {
        let (mut named, unfinished) = match self.list() {
            Ok(listed) => listed,
            Err(reason) => {
                let path = self.folder.clone();
                return vec![NotRemoved { path, reason }];
            }
        };
        named.retain(|named| named.updates <= newest);
        named.sort();
        named.truncate(named.len().saturating_sub(self.keep.get()));
        let old = named.into_iter().map(|named| named.path);
        old.chain(unfinished)
            .filter_map(|path| {
                let reason = fs::remove_file(&path).err()?;
                Some(NotRemoved { path, reason })
            })
            .collect()
    }

    /// The files that bear a checkpoint's name, and those that were to get one; in no order.
    fn list(&self) -> io::Result<(Vec<Named>, Vec<PathBuf>)> {
        let (mut named, mut unfinished) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let updates = path.file_name().and_then(|name| updates_in(name.to_str()?));
            if let Some(updates) = updates {
                named.push(Named { updates, path });
            } else if atomic_file::is_unfinished(&path, |name| updates_in(name).is_some()) {
                unfinished.push(path);
            }
        }
        Ok((named, unfinished))
    }
}

impl Loaded {
    /// Checks that a run of `iterations` that computes `run` may go on from it.
    ///
    /// `iterations` may be another number than it was, but not below the updates already made. If it is that number, the
    /// run is complete at once.
    ///
    /// # Errors
    ///
    /// [`IncompatibleError`] with every field that differs.
    pub fn expect(&self, run: &Configuration, iterations: u64) -> Result<(), IncompatibleError> {
        let mut differences = self.checkpoint.configuration().differences(run);
        let updates = self.checkpoint.updates();
        if updates > iterations {
            differences.push(Difference {
                key: "iterations",
                origin: Origin::Option,
                found: updates.to_string(),
                expected: format!("at most {iterations}"),
            });
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(IncompatibleError {
            path: self.path.clone(),
            differences,
        })
    }
}

/// The name of the file of a checkpoint after `updates`.
fn name(updates: u64) -> String {
    format!("{PREFIX}{updates:08}{SUFFIX}")
}

/// The updates of the checkpoint whose file is called `text`.
fn updates_in(text: &str) -> Option<u64> {
    let updates = text.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
    (name(updates) == text).then_some(updates)
}

/// Reads the file at `path`, whose name promises a checkpoint after `expected` updates.
fn read(path: &Path, expected: u64) -> Result<Checkpoint, RefusalReason> {
    let bytes = read_bytes(path)?;
    let checkpoint = Checkpoint::decode(&bytes)?;
    match checkpoint.updates() {
        found if found == expected => Ok(checkpoint),
        found => Err(RefusalReason::Name { found, expected }),
    }
}

/// The bytes of a file that at least begins as a checkpoint; anything else is not even read.
fn read_bytes(path: &Path) -> Result<Vec<u8>, RefusalReason> {
    let unreadable = RefusalReason::Unreadable;
    let metadata = fs::metadata(path).map_err(unreadable)?;
    // To open a pipe would be to wait for its other end.
    if !metadata.is_file() {
        return Err(RefusalReason::NotAFile);
    }
    let length = metadata.len();
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::with_capacity(START_BYTES);
    let start = (&file).take(START_BYTES as u64).read_to_end(&mut bytes);
    start.map_err(unreadable)?;
    check_start(&bytes, length)?;
    let rest = length.saturating_sub(bytes.len() as u64);
    let room = usize::try_from(rest).map_err(|_| unreadable(io::ErrorKind::OutOfMemory.into()))?;
    bytes
        .try_reserve_exact(room)
        .map_err(|error| unreadable(io::Error::new(io::ErrorKind::OutOfMemory, error)))?;
    (&file).take(rest).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
