//! A thread that leads a pool of threads and works in it.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rayon::ThreadPool;

/// Starts a thread that runs `work` as one of the `threads` of a pool of its own. So what it gives the pool begins
/// without waking another thread first. The handle gives what `work` returns.
///
/// # Errors
///
/// If the system does not give us the threads.
pub fn lead_pool<R: Send + 'static>(
    name: &str,
    threads: usize,
    work: impl FnOnce(ThreadPool) -> R + Send + 'static,
) -> io::Result<JoinHandle<Option<R>>> {
    let (ready, is_ready) = mpsc::channel();
    let lead = move || {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .use_current_thread()
            .build();
        let built = pool
            .as_ref()
            .map(|_| ())
            .map_err(|error| io::Error::other(error.to_string()));
        // Whoever started this waits for it.
        let _ = ready.send(built);
        pool.ok().map(work)
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(lead)?;
    match is_ready.recv() {
        Ok(Err(error)) => Err(error),
        _ => Ok(thread),
    }
}
