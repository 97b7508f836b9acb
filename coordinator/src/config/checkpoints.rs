//! The checkpoints that a run writes, and where it begins.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use settings::{Mistaken, Reader};

use super::is_same;
use crate::checkpoint::{CheckpointEvery, EXPECTED};

/// How often a checkpoint is written if the user does not say. A time costs the same share of a run however long its
/// iterations are, one write in 30 s is nothing to any disk, and 30 s of work are nothing to lose.
const DEFAULT_EVERY: CheckpointEvery = CheckpointEvery::Time(Duration::from_secs(30));

/// How many stay if the user does not say: the newest may be damaged and the one before it too.
const DEFAULT_KEEP: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// The most that may stay; more is a mistake.
const MAX_KEEP: u64 = 1_000_000;

/// The checkpoints that a run writes, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// The folder of the run's outputs, in which they have a folder of their own.
    pub run_folder: PathBuf,
    /// How often one is written.
    pub every: CheckpointEvery,
    /// How many of them stay.
    pub keep: NonZeroUsize,
    /// Go on from the newest one there, which must be there; otherwise begin at iteration 0.
    pub resume: bool,
}

/// Where a run's outputs go.
pub(super) struct Outputs {
    /// The folder of `--out`, which `--resume` also names.
    pub(super) folder: Option<PathBuf>,
    /// The checkpoints; there if and only if the folder is.
    pub(super) checkpoints: Option<CheckpointConfig>,
}

/// Reads every setting before it returns, so that all mistakes are noted.
pub(super) fn read(reader: &mut Reader) -> Result<Outputs, Mistaken> {
    let out = reader.path("out", "the path of a folder");
    let every = reader.read_optional("checkpoint-every", EXPECTED, |text| text.parse().ok());
    let keep = reader.whole_number("keep-checkpoints", 1..=MAX_KEEP);
    let resume = reader.path("resume", "the path of a run's --out folder");
    let (out, resume) = (out?, resume?);
    if let (Some(out), Some(resume)) = (&out, &resume)
        && !is_same(out, resume)
    {
        let found = format!("{} to be `{}`", reader.place("out"), out.display());
        let expected = format!("`{}` there too, or nothing", resume.display());
        let hint = "a run that is resumed goes on in its own folder; copy the folder to keep it as it is";
        return Err(reader.relation("resume", found, expected, Some(hint)));
    }
    let is_resumed = resume.is_some();
    let Some(folder) = resume.or(out) else {
        let given = [
            ("checkpoint-every", every?.is_some()),
            ("keep-checkpoints", keep?.is_some()),
        ];
        let hint = "checkpoints are written into the run's folder, so it needs one";
        return given
            .into_iter()
            .filter(|&(_, given)| given)
            .map(|(name, _)| reader.relation(name, "no --out and no --resume", "one of the two", Some(hint)))
            .last()
            .map_or(
                Ok(Outputs {
                    folder: None,
                    checkpoints: None,
                }),
                Err,
            );
    };
    let checkpoints = CheckpointConfig {
        run_folder: folder.clone(),
        every: every?.unwrap_or(DEFAULT_EVERY),
        keep: keep?
            .and_then(|keep| NonZeroUsize::new(keep as usize))
            .unwrap_or(DEFAULT_KEEP),
        resume: is_resumed,
    };
    Ok(Outputs {
        folder: Some(folder),
        checkpoints: Some(checkpoints),
    })
}
