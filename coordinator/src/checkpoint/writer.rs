//! Checkpoints are written on a thread of their own, so that the run is never kept waiting by a disk.

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use shared::atomic_file::WriteError;
use tokio::sync::mpsc as async_mpsc;

use super::{Checkpoint, Configuration, Saved, Store};

/// What came of an attempt to write a checkpoint.
#[derive(Debug)]
pub struct Written {
    /// The updates that it holds.
    pub updates: u64,
    /// Whether it is on the disk.
    pub result: Result<Saved, WriteError>,
}

/// The thread that writes. The engine asks for one checkpoint at a time.
#[derive(Debug)]
pub struct Writer {
    configuration: Configuration,
    iterations: u64,
    store: Store,
    work: mpsc::Sender<Checkpoint>,
    written: async_mpsc::UnboundedReceiver<Written>,
    thread: thread::JoinHandle<()>,
}

impl Writer {
    /// Starts the thread, for a run that plans so many iterations.
    ///
    /// # Errors
    ///
    /// If the system does not give us the thread.
    pub fn start(store: Store, configuration: Configuration, iterations: u64) -> std::io::Result<Self> {
        let (work, inbox) = mpsc::channel::<Checkpoint>();
        let (results, written) = async_mpsc::unbounded_channel();
        let on_thread = store.clone();
        let write = move || {
            for checkpoint in inbox {
                let (updates, result) = (checkpoint.updates(), on_thread.save(&checkpoint));
                // If the run has ended, the file is there all the same.
                let _ = results.send(Written { updates, result });
            }
        };
        let thread = thread::Builder::new().name("checkpoints".to_owned()).spawn(write)?;
        Ok(Self {
            configuration,
            iterations,
            store,
            work,
            written,
            thread,
        })
    }

    /// Writes the state after as many updates as there are `costs`, beside the run. `parameters` are the little-endian
    /// bytes of W and b.
    pub fn write(&self, parameters: Bytes, costs: Vec<f64>) {
        if let Some(checkpoint) = self.checkpoint(parameters, costs) {
            // The thread ends before this is dropped only if it panicked, and then the program ends.
            let _ = self.work.send(checkpoint);
        }
    }

    /// The next attempt that is over. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Written {
        match self.written.recv().await {
            Some(written) => written,
            None => std::future::pending().await,
        }
    }

    /// Writes the last state, after everything that is under way, and waits for it.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it is not written.
    pub fn finish(self, parameters: Bytes, costs: Vec<f64>) -> Result<(), WriteError> {
        let last = self.checkpoint(parameters, costs);
        drop(self.work);
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
        last.map_or(Ok(()), |last| self.store.save(&last).map(drop))
    }

    fn checkpoint(&self, parameters: Bytes, costs: Vec<f64>) -> Option<Checkpoint> {
        let checkpoint = Checkpoint::new(self.configuration.clone(), self.iterations, parameters, costs);
        debug_assert!(
            checkpoint.is_some(),
            "the run and its configuration agree on the network"
        );
        checkpoint
    }
}
