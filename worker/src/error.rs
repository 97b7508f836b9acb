//! Why work can end before the run is complete.

use std::time::Duration;

use proto::{Dismissal, Reason};
use settings::StopSignal;
use shared::shard::ShardError;

use crate::limits::TooLarge;
use crate::rpc::ConnectError;
use crate::session::Misconduct;

/// Why a worker's work ended before the run was complete.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// There is no coordinator.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system does not give us threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    /// The coordinator dismissed this worker.
    #[error("the coordinator dismissed this worker: {0}")]
    Dismissed(Dismissal),
    /// The coordinator was lost and did not come back.
    #[error("gave up after {after:?} without the coordinator at {address}: {last}")]
    GaveUp {
        /// Its address.
        address: String,
        /// How long it was looked for.
        after: Duration,
        /// What the last attempt saw.
        last: ConnectError,
    },
    /// The coordinator sent something that it should not have sent.
    #[error("the coordinator sent something impossible: {0}")]
    Misconduct(Misconduct),
    /// The coordinator asks for more than this worker may do.
    #[error(transparent)]
    TooLarge(TooLarge),
    /// The coordinator sent a message that cannot be understood.
    #[error("the coordinator sent something unintelligible: {0}")]
    Unintelligible(proto::MessageError),
    /// The shard cannot be used.
    #[error("the coordinator sent an impossible shard: {0}")]
    Shard(#[from] ShardError),
    /// The user ended it.
    #[error("left the run at the user's wish ({0})")]
    Stopped(StopSignal),
    /// The process that started it is gone.
    #[error("the process that started this worker is gone")]
    Orphaned,
}

impl From<Misconduct> for WorkError {
    fn from(misconduct: Misconduct) -> Self {
        match misconduct {
            // The coordinator cannot know how much memory there is here, so it is not to blame.
            Misconduct::TooLarge(error) => Self::TooLarge(error),
            misconduct => Self::Misconduct(misconduct),
        }
    }
}

impl WorkError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(error) => error.hint(),
            Self::TooLarge(error) => Some(error.hint()),
            Self::GaveUp { .. } => Some("a longer --give-up-after waits longer".to_owned()),
            Self::Dismissed(Dismissal {
                reason: Reason::ProtocolVersion,
                ..
            }) => Some("use coordinator and worker of the same version".to_owned()),
            _ => None,
        }
    }

    /// The program's exit code: 1 if the work never began, 2 if it broke off.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Connect(_) | Self::Threads(_) => 1,
            Self::Dismissed(Dismissal {
                reason: Reason::ProtocolVersion,
                ..
            }) => 1,
            Self::Stopped(signal) => signal.exit_code(),
            _ => 2,
        }
    }
}
