//! The signals by which the user ends a worker.

use std::fmt;

use tokio::signal::unix::{SignalKind, signal};

/// A signal by which the user ends a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT, or Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl StopSignal {
    /// The program's exit code: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// The next signal; never, if signals cannot be received.
pub async fn stop_signal() -> StopSignal {
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupts), Ok(mut terminations)) => tokio::select! {
            _ = interrupts.recv() => StopSignal::Interrupt,
            _ = terminations.recv() => StopSignal::Terminate,
        },
        _ => std::future::pending().await,
    }
}
