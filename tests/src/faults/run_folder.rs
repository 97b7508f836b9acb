//! The folder of a run, and the checkpoints in it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Fleet, Subject};
use crate::processes::while_nothing_else_starts;

/// The folder of a run's outputs.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    argument: String,
}

/// A checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointFile {
    /// The updates that it holds, by its name.
    pub updates: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl RunFolder {
    /// The folder called `name` in the subject's.
    pub fn of(subject: &Subject, name: &str) -> Self {
        Self {
            path: subject.folder.path(name),
            argument: subject.folder.argument(name),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, as an argument.
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// The options of a new run with many checkpoints.
    pub fn begin(&self) -> [&str; 4] {
        ["--out", &self.argument, "--checkpoint-every", "5"]
    }

    /// The options that resume it, with many checkpoints.
    pub fn resume(&self) -> [&str; 4] {
        ["--resume", &self.argument, "--checkpoint-every", "5"]
    }

    /// Its checkpoints, the oldest first.
    ///
    /// # Panics
    ///
    /// If the folder cannot be read.
    pub fn checkpoints(&self) -> Vec<CheckpointFile> {
        let folder = self.path.join("checkpoints");
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.expect("the folder can be read").path());
        let mut checkpoints: Vec<_> = paths.filter_map(CheckpointFile::at).collect();
        checkpoints.sort();
        checkpoints
    }

    /// The newest checkpoint.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn newest(&self) -> CheckpointFile {
        self.checkpoints().pop().expect("a checkpoint was written")
    }

    /// Lets iterations be made until there are `count` checkpoints.
    ///
    /// # Panics
    ///
    /// If the run ends before.
    pub fn wait_for_checkpoints(&self, count: usize, fleet: &Fleet) {
        while self.checkpoints().len() < count {
            fleet.wait_for_more_iterations(1);
        }
    }

    /// A copy in the folder called `name` beside it.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn copied_to(&self, subject: &Subject, name: &str) -> Self {
        let copy = Self::of(subject, name);
        let checkpoints = copy.path.join("checkpoints");
        fs::create_dir_all(&checkpoints).expect("a folder can be made");
        for CheckpointFile { path, .. } in self.checkpoints() {
            let name = path.file_name().expect("a file has a name");
            while_nothing_else_starts(|| fs::copy(&path, checkpoints.join(name)).expect("a file can be copied"));
        }
        copy
    }
}

impl CheckpointFile {
    /// `iteration-00000120.…`; anything else, such as a file that is being written, is no checkpoint.
    fn at(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let rest = name.strip_prefix("iteration-")?;
        let (digits, _) = rest.split_once('.')?;
        Some(Self {
            updates: digits.parse().ok()?,
            path,
        })
    }

    /// Its name, without folders.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
