//! The port on which workers join.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use tokio::net::TcpListener;

use crate::config::{Fleet, SpawnConfig};
use crate::fleet::RemoteFleet;
use crate::spawn::{SpawnError, SpawnedWorkers};
use crate::train::{TrainError, cores};

/// A port on which workers can join.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    address: SocketAddr,
    workers: NonZeroUsize,
    min_workers: NonZeroUsize,
    spawn: Option<SpawnConfig>,
}

impl Port {
    /// Opens it, if the fleet is not this process itself.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if the address cannot be listened on.
    pub async fn open(fleet: Fleet) -> Result<Option<Self>, TrainError> {
        let Fleet::Remote {
            workers,
            min_workers,
            listen,
            spawn,
            ..
        } = fleet
        else {
            return Ok(None);
        };
        let failed = |error| TrainError::Listen { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Some(Self {
            listener,
            address,
            workers,
            min_workers,
            spawn,
        }))
    }

    /// Says where it is, and starts workers if the coordinator is to do so.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] if they cannot be started.
    pub fn gather(self) -> Result<RemoteFleet, SpawnError> {
        let Self {
            listener,
            address,
            workers,
            min_workers,
            spawn,
        } = self;
        tracing::info!("listening on {address}");
        let start =
            |spawn: SpawnConfig| SpawnedWorkers::start(workers, spawn.threads_of_each(cores(), workers), address);
        let spawned = spawn.map(start).transpose()?;
        Ok(RemoteFleet {
            first: workers.get(),
            least: min_workers.get(),
            listener,
            spawned,
        })
    }
}
