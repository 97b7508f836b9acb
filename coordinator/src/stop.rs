//! The signals by which the user stops a run.

use settings::StopSignal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

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
