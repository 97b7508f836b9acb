//! When a checkpoint is due.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use settings::{TypedDuration, parse_duration};
use shared::ids::Iteration;

use crate::engine::RunTime;

/// How long after a failed attempt the next one is made. A full disk leads to one warning in that time and not to one in
/// every iteration, and a disk that was given room is used soon.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How often a checkpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointEvery {
    /// After every update whose number is a multiple of this.
    Iterations(NonZeroU64),
    /// After the first update at least this long after the last one was begun; above zero.
    Time(Duration),
}

/// The last attempt to write a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The number of updates that it holds.
    pub updates: u64,
    /// When it was begun.
    pub begun: RunTime,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt to write a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    UnderWay,
    /// It is on the disk.
    Saved,
    /// It is not.
    Failed,
}

impl Attempt {
    /// What stands for an attempt when the first iteration begins at `now`: a run that has made `updates` already has a
    /// checkpoint of them, and one that has made none needs none.
    pub fn before_the_first(updates: u64, now: RunTime) -> Self {
        Self {
            updates,
            begun: now,
            outcome: Outcome::Saved,
        }
    }
}

impl CheckpointEvery {
    /// Whether a checkpoint is due now that the iteration `completed` has made its update, where `last` is the last
    /// attempt.
    ///
    /// Never while that is under way; if it has failed, [`RETRY_AFTER`] after it was begun, or sooner if a shorter time
    /// is configured; otherwise as configured. What came due while the last one was under way is due at once.
    pub fn is_due(self, completed: Iteration, now: RunTime, last: Attempt) -> bool {
        let updates = completed.0.saturating_add(1);
        let waited = now.since(last.begun);
        match (last.outcome, self) {
            (Outcome::UnderWay, _) => false,
            (Outcome::Failed, Self::Iterations(_)) => waited >= RETRY_AFTER,
            (Outcome::Failed, Self::Time(time)) => waited >= time.min(RETRY_AFTER),
            (Outcome::Saved, Self::Iterations(every)) => updates / every > last.updates / every,
            (Outcome::Saved, Self::Time(time)) => waited >= time,
        }
    }
}

impl fmt::Display for CheckpointEvery {
    /// A text that reads back to the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Iterations(every) => every.fmt(f),
            Self::Time(time) => TypedDuration(time).fmt(f),
        }
    }
}

/// A text that does not say how often.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected {EXPECTED}")]
pub struct ParseCheckpointEveryError(pub String);

/// What would be expected.
pub(crate) const EXPECTED: &str =
    "a number of iterations such as `100`, or a duration such as `500ms`, `30s`, `5m` or `1h`, both above 0";

impl FromStr for CheckpointEvery {
    type Err = ParseCheckpointEveryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let iterations = text.parse().map(Self::Iterations).ok();
        let time = || parse_duration(text).ok().filter(|time| !time.is_zero()).map(Self::Time);
        iterations
            .or_else(time)
            .ok_or_else(|| ParseCheckpointEveryError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> RunTime {
        RunTime(Duration::from_millis(milliseconds))
    }

    fn every(text: &str) -> CheckpointEvery {
        text.parse().unwrap()
    }

    fn attempt(updates: u64, begun: u64, outcome: Outcome) -> Attempt {
        Attempt {
            updates,
            begun: at(begun),
            outcome,
        }
    }

    #[test]
    fn a_number_means_iterations_and_a_unit_means_time() {
        assert_eq!(every("100"), CheckpointEvery::Iterations(NonZeroU64::new(100).unwrap()));
        assert_eq!(every("30s"), CheckpointEvery::Time(Duration::from_secs(30)));
        assert_eq!(every("5m"), CheckpointEvery::Time(Duration::from_secs(300)));
        assert_eq!(every("1h"), CheckpointEvery::Time(Duration::from_secs(3600)));
        for text in ["1", "18446744073709551615", "1ms", "90s", "1h"] {
            assert_eq!(every(text).to_string(), text);
        }
        for text in [
            "",
            "0",
            "0s",
            "-1",
            "1.5",
            "1.5h",
            "s",
            "10 s",
            "never",
            "18446744073709551616",
        ] {
            let error = text.parse::<CheckpointEvery>().unwrap_err();
            assert_eq!(error, ParseCheckpointEveryError(text.to_owned()));
            assert_eq!(error.to_string(), format!("found `{text}`, expected {EXPECTED}"));
        }
    }

    #[test]
    fn every_n_iterations_means_after_the_updates_that_n_divides() {
        let due = |every: CheckpointEvery, from: u64| -> Vec<u64> {
            let mut last = Attempt::before_the_first(from, at(0));
            let mut due = Vec::new();
            for completed in from..20 {
                if every.is_due(Iteration(completed), at(0), last) {
                    last = attempt(completed + 1, 0, Outcome::Saved);
                    due.push(completed + 1);
                }
            }
            due
        };
        assert_eq!(due(every("6"), 0), [6, 12, 18]);
        // A run that was resumed keeps to the same multiples.
        assert_eq!(due(every("6"), 7), [12, 18]);
        assert_eq!(due(every("6"), 6), [12, 18]);
        assert_eq!(due(every("1"), 17), [18, 19, 20]);
        assert_eq!(due(every("21"), 0), []);
    }

    #[test]
    fn every_so_long_means_that_long_after_the_last_was_begun() {
        let last = attempt(5, 1000, Outcome::Saved);
        let due = |now| every("30s").is_due(Iteration(5), at(now), last);
        assert!(!due(1000));
        assert!(!due(30_999));
        assert!(due(31_000));
        // A clock that is behind makes nothing due.
        assert!(!due(0));
    }

    #[test]
    fn nothing_is_due_while_one_is_under_way_and_what_was_missed_is_due_at_once() {
        for every in [every("2"), every("1ms")] {
            assert!(!every.is_due(Iteration(9), at(60_000), attempt(2, 0, Outcome::UnderWay)));
            assert!(every.is_due(Iteration(9), at(60_000), attempt(2, 0, Outcome::Saved)));
        }
        // Update 4 was missed; 5 makes up for it.
        assert!(every("2").is_due(Iteration(4), at(0), attempt(2, 0, Outcome::Saved)));
    }

    #[test]
    fn a_failed_attempt_is_repeated_soon_but_not_in_every_iteration() {
        let due = |text, now| every(text).is_due(Iteration(8), at(now), attempt(8, 1000, Outcome::Failed));
        for text in ["1", "1000000", "1h", "10s"] {
            assert!(!due(text, 10_999), "{text}");
            assert!(due(text, 11_000), "{text}");
        }
        assert!(!due("200ms", 1199));
        assert!(due("200ms", 1200));
    }

    #[test]
    fn the_last_iteration_there_can_be_does_not_overflow() {
        let last = Attempt::before_the_first(0, at(0));
        assert!(every("1").is_due(Iteration(u64::MAX), at(0), last));
    }
}
