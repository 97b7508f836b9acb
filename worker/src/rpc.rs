//! The worker's side of the wire.

use std::future::poll_fn;
use std::time::Duration;

use proto::grpc::{self, IncomingBody};
use proto::{FromCoordinator, FromWorker, Hello, MAX_FRAME_BYTES, MessageError, WINDOW_BYTES, wire};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages under way to the coordinator; a full chunk is 256 KiB, so at most 4 MiB.
const MESSAGES_UNDER_WAY: usize = 16;

/// An open stream to a coordinator.
#[derive(Debug)]
pub struct Connection {
    /// What the coordinator says.
    pub incoming: IncomingBody<wire::CoordinatorMessage>,
    /// What is said to it.
    pub outgoing: Outgoing,
}

/// The way to the coordinator.
#[derive(Clone, Debug)]
pub struct Outgoing(mpsc::Sender<wire::WorkerMessage>);

/// The coordinator does not listen any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoordinatorGone;

impl Outgoing {
    /// Sends a message as soon as there is room for it.
    ///
    /// # Errors
    ///
    /// [`CoordinatorGone`] if nobody will read it.
    pub async fn send(&self, message: FromWorker) -> Result<(), CoordinatorGone> {
        self.0.send(message.into()).await.map_err(|_| CoordinatorGone)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers at the address.
    #[error("cannot reach a coordinator at {address}: {reason}")]
    Unreachable {
        /// The address.
        address: String,
        /// What was seen.
        reason: String,
    },
    /// Something answers, but it is no coordinator.
    #[error("what listens at {address} is not a Lockstep coordinator: {reason}")]
    NotACoordinator {
        /// The address.
        address: String,
        /// What was seen.
        reason: String,
    },
}

impl ConnectError {
    /// How it may be mended.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "start the coordinator first; it prints the address it listens on, which --connect needs".to_owned()
            }
            Self::NotACoordinator { .. } => "use the address that the coordinator prints".to_owned(),
        }
    }
}

/// Dials the coordinator at `address`, a host and a port, opens the stream and says Hello.
///
/// # Errors
///
/// [`ConnectError`] if there is no coordinator.
pub async fn connect(address: &str, hello: Hello) -> Result<Connection, ConnectError> {
    let unreachable = |error: &dyn std::error::Error| ConnectError::Unreachable {
        address: address.to_owned(),
        reason: root_cause(error),
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| unreachable(&error))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .max_frame_size(MAX_FRAME_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    let channel = endpoint.connect().await.map_err(|error| unreachable(&error))?;
    let (sender, messages) = mpsc::channel(MESSAGES_UNDER_WAY);
    let outgoing = Outgoing(sender);
    // The queue is empty, so there is room.
    let _ = outgoing.send(FromWorker::Hello(hello)).await;
    let answer = tokio::time::timeout(CONNECT_TIMEOUT, call(channel, messages)).await;
    let answer = answer.unwrap_or_else(|_| Err(format!("it did not answer within {} s", CONNECT_TIMEOUT.as_secs())));
    match answer {
        Ok(incoming) => Ok(Connection { incoming, outgoing }),
        Err(reason) => Err(ConnectError::NotACoordinator {
            address: address.to_owned(),
            reason,
        }),
    }
}

/// Opens a stream of `messages`, or says why what listens is no coordinator.
async fn call(
    mut channel: Channel,
    messages: mpsc::Receiver<wire::WorkerMessage>,
) -> Result<IncomingBody<wire::CoordinatorMessage>, String> {
    let broken = |error: tonic::transport::Error| root_cause(&error);
    poll_fn(|context| channel.poll_ready(context)).await.map_err(broken)?;
    let request = grpc::client::request(ReceiverStream::new(messages));
    let response = channel.call(request).await.map_err(broken)?;
    grpc::client::accept(response).map_err(|status| status.message().to_owned())
}

/// The error that all others only pass on, such as `Connection refused (os error 111)`.
fn root_cause(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Why nothing more comes from the coordinator.
#[derive(Debug, thiserror::Error)]
pub enum StreamEnd {
    /// The stream ended.
    #[error("{0}")]
    Closed(String),
    /// A message that says something impossible.
    #[error(transparent)]
    Unintelligible(#[from] MessageError),
}

/// The next message of the coordinator.
///
/// # Errors
///
/// [`StreamEnd`] if there is none.
pub async fn next(incoming: &mut IncomingBody<wire::CoordinatorMessage>) -> Result<FromCoordinator, StreamEnd> {
    match incoming.message().await {
        Ok(Some(message)) => Ok(FromCoordinator::try_from(message)?),
        Ok(None) => Err(StreamEnd::Closed("it closed the stream".to_owned())),
        Err(status) => Err(StreamEnd::Closed(format!("the stream broke ({})", status.message()))),
    }
}
