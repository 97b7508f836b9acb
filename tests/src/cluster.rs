//! A coordinator that listens, and the workers that join it by hand.

use std::net::SocketAddr;
use std::process::Command;

use crate::processes::{Finished, Process};
use crate::programs::Program;

/// A coordinator and its workers. All end with it.
#[derive(Debug)]
pub struct Cluster {
    /// The coordinator.
    pub coordinator: Process,
    /// Where it listens.
    pub address: String,
    /// Those that were started with [`Cluster::start_worker`], in that order.
    pub workers: Vec<Process>,
}

impl Cluster {
    /// Starts a coordinator on a free port and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn start(arguments: &[&str]) -> Self {
        let (coordinator, address) = listening_coordinator(arguments);
        Self {
            address: address.to_string(),
            coordinator,
            workers: Vec::new(),
        }
    }

    /// Starts a worker that joins, called `name`.
    pub fn start_worker(&mut self, name: &str) {
        self.start_worker_with(name, |command| command);
    }

    /// As [`Cluster::start_worker`], with more settings of the command, such as environment variables.
    pub fn start_worker_with(&mut self, name: &str, settings: impl FnOnce(&mut Command) -> &mut Command) {
        let arguments = ["--connect", &self.address, "--name", name, "--threads", "1"];
        self.workers
            .push(Process::start_with(Program::Worker, &arguments, settings));
    }

    /// Waits for the end of all.
    ///
    /// # Panics
    ///
    /// If one does not end.
    pub fn finish(self) -> (Finished, Vec<Finished>) {
        let coordinator = self.coordinator.finish();
        (coordinator, self.workers.into_iter().map(Process::finish).collect())
    }
}

/// Starts a coordinator on a free port, waits until it listens, and says where.
///
/// # Panics
///
/// If it does not.
pub fn listening_coordinator(arguments: &[&str]) -> (Process, SocketAddr) {
    let coordinator = Process::start(
        Program::Coordinator,
        &[&["--listen", "127.0.0.1:0"], arguments].concat(),
    );
    let line = coordinator.wait_for_stderr("listening on ");
    let address = line.split_once("listening on ").and_then(|(_, rest)| {
        let word = rest.split_whitespace().next()?;
        word.parse().ok()
    });
    let address = address.unwrap_or_else(|| panic!("found {line:?}, expected the address that it listens on"));
    (coordinator, address)
}
