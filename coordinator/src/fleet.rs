//! The workers of a run: the server that they join, and the processes that the coordinator started itself.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::access::{Entrance, SideDoor};
use crate::rpc::{Incoming, Server, serve};
use crate::spawn::{Ended, SpawnedWorkers};

/// How long workers may take to close their streams when the run is over.
const PATIENCE: Duration = Duration::from_secs(2);

/// Workers that are about to join.
#[derive(Debug)]
pub struct RemoteFleet {
    /// How many must join before the first iteration, at least 1.
    pub first: usize,
    /// How many there must be to go on, at least 1.
    pub least: usize,
    /// Where they join.
    pub listener: TcpListener,
    /// Where those join that the coordinator started itself, if not there.
    pub side_door: Option<SideDoor>,
    /// What is asked of all.
    pub entrance: Entrance,
    /// Those that the coordinator started itself.
    pub spawned: Option<SpawnedWorkers>,
}

/// The workers of a run; none, if all is computed in the coordinator.
#[derive(Debug)]
pub struct Fleet(Option<Open>);

#[derive(Debug)]
struct Open {
    address: SocketAddr,
    incoming: mpsc::Receiver<Incoming>,
    stopped: JoinHandle<Result<(), tonic::transport::Error>>,
    /// Dropping it stops the server.
    stop: oneshot::Sender<()>,
    spawned: Option<SpawnedWorkers>,
}

/// Something that came from the fleet.
#[derive(Debug)]
pub enum Arrival {
    /// A worker said something, or its stream ended.
    Message(Incoming),
    /// A process that the coordinator started has ended. It is about to be started again.
    Ended(Ended),
}

impl Fleet {
    /// Serves the workers that join `fleet`.
    ///
    /// # Errors
    ///
    /// If the listener's address cannot be found out.
    pub async fn open(fleet: Option<RemoteFleet>) -> std::io::Result<Self> {
        let Some(RemoteFleet {
            listener,
            side_door,
            entrance,
            spawned,
            ..
        }) = fleet
        else {
            return Ok(Self(None));
        };
        let address = listener.local_addr()?;
        let (stop, stopping) = oneshot::channel();
        let Server { incoming, stopped } = serve(listener, side_door, entrance, async { drop(stopping.await) }).await;
        Ok(Self(Some(Open {
            address,
            incoming,
            stopped,
            stop,
            spawned,
        })))
    }

    /// Where workers join.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref().map(|open| open.address)
    }

    /// Whether the coordinator started workers itself.
    pub fn spawns(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.spawned.is_some())
    }

    /// The next thing that comes from the fleet; waits for ever if there is none. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Arrival {
        let Some(Open { incoming, spawned, .. }) = &mut self.0 else {
            return std::future::pending().await;
        };
        let ended = async {
            match spawned {
                Some(spawned) => spawned.next_end().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(message) = incoming.recv() => Arrival::Message(message),
            ended = ended => Arrival::Ended(ended),
            else => std::future::pending().await,
        }
    }

    /// Waits until the workers are gone, and ends the spawned ones that do not go.
    pub async fn close(self) {
        let Some(Open {
            stopped, stop, spawned, ..
        }) = self.0
        else {
            return;
        };
        drop(stop);
        if let Some(spawned) = spawned {
            for ended in spawned.finish().await.iter().filter(|ended| !ended.is_success()) {
                tracing::debug!("{} ended ({})", ended.name, ended.how());
            }
        }
        if tokio::time::timeout(PATIENCE, stopped).await.is_err() {
            tracing::debug!("a worker has not closed its stream; leaving it");
        }
    }
}
