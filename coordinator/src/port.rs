//! The port on which workers join.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use tokio::net::TcpListener;

use crate::access::{Access, Entrance, SideDoor};
use crate::config::{Fleet, SpawnConfig};
use crate::fleet::RemoteFleet;
use crate::spawn::{Meeting, SpawnError, SpawnedWorkers};
use crate::train::{TrainError, cores};

/// A port on which workers can join.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    entrance: Entrance,
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
    /// [`TrainError`] if TLS cannot be spoken with the files that were named, or the address cannot be listened on.
    pub async fn open(fleet: Fleet, access: &Access) -> Result<Option<Self>, TrainError> {
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
        let entrance = access.load()?;
        let failed = |error| TrainError::Listen { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Some(Self {
            listener,
            entrance,
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
    pub fn gather(self, access: &Access) -> Result<RemoteFleet, SpawnError> {
        let Self {
            listener,
            entrance,
            address,
            workers,
            min_workers,
            spawn,
        } = self;
        tracing::info!("listening on {address}");
        if let Some(options) = access.options_of_workers() {
            tracing::info!("workers need these options as well: {options}");
        }
        warn_if_insecure(address, access);
        let mut side_door = None;
        let spawned = match spawn {
            None => None,
            Some(spawn) => {
                let (door, meeting) = meeting_of_spawned(workers, address, access);
                side_door = door;
                let threads = spawn.threads_of_each(cores(), workers);
                Some(SpawnedWorkers::start(workers, threads, meeting, access.token.clone())?)
            }
        };
        Ok(RemoteFleet {
            first: workers.get(),
            least: min_workers.get(),
            listener,
            side_door,
            entrance,
            spawned,
        })
    }
}

/// Where spawned workers join: through a side door where there can be one, and else like everybody.
fn meeting_of_spawned(workers: NonZeroUsize, address: SocketAddr, access: &Access) -> (Option<SideDoor>, Meeting) {
    match SideDoor::open(workers) {
        Ok(Some((door, name))) => return (Some(door), Meeting::SideDoor(name)),
        Ok(None) => {}
        Err(error) => tracing::debug!("spawned workers use the port, since there is no Unix socket for them: {error}"),
    }
    let tls = access.tls.clone();
    (None, Meeting::Port { address, tls })
}

/// `--insecure` let this pass; nobody shall forget that.
fn warn_if_insecure(address: SocketAddr, access: &Access) {
    if address.ip().to_canonical().is_loopback() {
        return;
    }
    if access.tls.is_none() {
        tracing::warn!("without TLS: whoever is on the way to {address} can read and change what is sent");
    }
    if access.token.is_none() {
        tracing::warn!("without a token: whoever can reach {address} may join, and receives training data");
    }
}
