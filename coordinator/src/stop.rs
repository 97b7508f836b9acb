//! The signals by which the user stops a run.

use std::fmt;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// A signal by which the user stops a run.
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

/// Receives the signals from now on. The second one ends the program at once.
///
/// # Panics
///
/// If it is not called within a tokio runtime.
pub fn stop_signals() -> mpsc::UnboundedReceiver<StopSignal> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut signals = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(interrupts), Ok(terminations)) => (interrupts, terminations),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("signals cannot be received: {error}");
                // Without them the program ends at the first one, as any program does.
                return std::future::pending().await;
            }
        };
        for count in 1.. {
            let signal = tokio::select! {
                _ = signals.0.recv() => StopSignal::Interrupt,
                _ = signals.1.recv() => StopSignal::Terminate,
            };
            if count > 1 || sender.send(signal).is_err() {
                std::process::exit(i32::from(signal.exit_code()));
            }
        }
    });
    receiver
}
