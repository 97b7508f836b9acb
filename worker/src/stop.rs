//! The signals by which the user ends a worker.

use settings::StopSignal;
use tokio::signal::unix::{SignalKind, signal};

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
