//! The worker's side of the wire.

mod dial;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use proto::grpc::{self, IncomingBody};
use proto::local::Sharing;
use proto::{FromCoordinator, FromWorker, Hello, MAX_FRAME_BYTES, MessageError, WINDOW_BYTES, printable, wire};
use security::{TOKEN_VARIABLE, TlsFailure};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tower_service::Service;

pub use dial::Destination;
use dial::{Line, Once};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages under way to the coordinator; a full chunk is 256 KiB, so at most 4 MiB.
const MESSAGES_UNDER_WAY: usize = 16;

/// An open stream to a coordinator.
#[derive(Debug)]
pub struct Connection {
    /// What the coordinator says.
    pub incoming: Incoming,
    /// What is said to it.
    pub outgoing: Outgoing,
}

/// The way from the coordinator.
#[derive(Debug)]
pub struct Incoming {
    messages: IncomingBody<wire::CoordinatorMessage>,
    /// Whether memory can be shared with it; `None` if it may be on another machine.
    sharing: Option<Sharing>,
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
    /// The connection broke before an answer came.
    #[error("the connection to {address} broke while joining: {reason}")]
    Broken {
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
    /// The two do not come to terms about TLS.
    #[error("no connection to the coordinator at {address}: {failure}")]
    Tls {
        /// The address.
        address: String,
        /// What is wrong.
        failure: TlsFailure,
    },
    /// The coordinator does not let this worker in.
    #[error("the coordinator at {address} refused this worker: {reason}")]
    Refused {
        /// The address.
        address: String,
        /// Its reason.
        reason: String,
        /// Whether the reason is the token.
        token: bool,
    },
}

impl ConnectError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(
                "start the coordinator first; it prints the address it listens on, which --connect needs".to_owned(),
            ),
            Self::Broken { .. } => {
                Some("see what the coordinator prints, and whether something on the way cuts connections".to_owned())
            }
            Self::NotACoordinator { .. } => Some("use the address that the coordinator prints".to_owned()),
            Self::Tls { failure, .. } => failure.hint_to_worker().map(str::to_owned),
            Self::Refused { token: true, .. } => Some(format!(
                "give the worker the coordinator's token, with --token-file or in the environment variable \
                 {TOKEN_VARIABLE}"
            )),
            Self::Refused { token: false, .. } => None,
        }
    }

    /// Whether it is of no use to try again: somebody has to change certificates or tokens first.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Refused { token: true, .. })
    }
}

/// Dials a coordinator, shows it the token if there is one, opens the stream and says Hello.
///
/// # Errors
///
/// [`ConnectError`] if there is no coordinator, or if it does not let this worker in.
pub async fn connect(destination: &Destination, hello: Hello) -> Result<Connection, ConnectError> {
    let (line, witness) = destination.dial().await?;
    let (sender, messages) = mpsc::channel(MESSAGES_UNDER_WAY);
    let outgoing = Outgoing(sender);
    // The queue is empty, so there is room.
    let _ = outgoing.send(FromWorker::Hello(hello)).await;
    let answer = tokio::time::timeout(CONNECT_TIMEOUT, call(destination, line, messages)).await;
    let silence = || NoAnswer::Broken(format!("no answer came within {} s", CONNECT_TIMEOUT.as_secs()));
    let no_answer = match answer.unwrap_or_else(|_| Err(silence())) {
        Ok(incoming) => return Ok(Connection { incoming, outgoing }),
        Err(no_answer) => no_answer,
    };
    let address = destination.to_string();
    Err(match (witness.testimony(), no_answer) {
        (Some(failure), _) => ConnectError::Tls { address, failure },
        // The connection of a program that speaks something else may break too, before its answer is understood.
        (None, NoAnswer::Broken(reason)) if !witness.heard_foreign() => ConnectError::Broken { address, reason },
        (None, NoAnswer::Broken(reason) | NoAnswer::Another(reason)) => {
            ConnectError::NotACoordinator { address, reason }
        }
        (None, NoAnswer::Status(status)) => {
            let reason = printable(status.message());
            match status.code() {
                code @ (Code::Unauthenticated | Code::ResourceExhausted) => ConnectError::Refused {
                    address,
                    reason,
                    token: code == Code::Unauthenticated,
                },
                _ => ConnectError::NotACoordinator { address, reason },
            }
        }
    })
}

/// Why there is no stream.
enum NoAnswer {
    /// The connection broke.
    Broken(String),
    /// What listens does not speak gRPC.
    Another(String),
    /// It speaks gRPC, and this is what it says.
    Status(Status),
}

impl From<tonic::transport::Error> for NoAnswer {
    fn from(error: tonic::transport::Error) -> Self {
        let reason = root_cause(&error);
        if is_broken(&error) {
            Self::Broken(reason)
        } else {
            Self::Another(reason)
        }
    }
}

/// Whether it was the connection that failed, and not what came over it.
fn is_broken(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind =
        |error: &(dyn std::error::Error + 'static)| error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let broken = matches!(
        kind(error),
        Some(
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        )
    );
    broken || error.source().is_some_and(is_broken)
}

/// Opens a stream of `messages`.
async fn call(
    destination: &Destination,
    line: Line,
    messages: mpsc::Receiver<wire::WorkerMessage>,
) -> Result<Incoming, NoAnswer> {
    let endpoint = Endpoint::from_shared(destination.uri())?
        .max_frame_size(MAX_FRAME_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    let mut channel = endpoint.connect_with_connector(Once(Some(line))).await?;
    poll_fn(|context| channel.poll_ready(context)).await?;
    let sharing = Sharing::default();
    let mut request = grpc::client::request(ReceiverStream::new(messages), sharing.clone());
    if let Some(authorization) = destination.authorization() {
        // A token has the characters of a header, so this does not fail.
        if let Ok(mut value) = HeaderValue::try_from(authorization) {
            // Kept out of debug output, and out of tables that the other end could probe.
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
    }
    let response = channel.call(request).await?;
    Ok(Incoming {
        messages: grpc::client::accept(response, sharing.clone()).map_err(NoAnswer::Status)?,
        sharing: destination.is_on_this_machine().then_some(sharing),
    })
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
pub async fn next(incoming: &mut Incoming) -> Result<FromCoordinator, StreamEnd> {
    match incoming.messages.message().await {
        Ok(Some(message)) => {
            if let Some(sharing) = &incoming.sharing {
                accept_offer(sharing, &message);
            }
            Ok(FromCoordinator::try_from(message)?)
        }
        Ok(None) => Err(StreamEnd::Closed("it closed the stream".to_owned())),
        Err(error) => Err(StreamEnd::Closed(format!("the stream broke ({error})"))),
    }
}

/// Shares memory with the coordinator if it offers that.
fn accept_offer(sharing: &Sharing, message: &wire::CoordinatorMessage) {
    if let Some(wire::coordinator_message::Message::Welcome(welcome)) = &message.message
        && let Some(announced) = &welcome.shared_memory
    {
        match sharing.accept(announced) {
            Ok(()) => tracing::info!("shares memory with the coordinator"),
            Err(error) => tracing::warn!("no memory is shared with the coordinator: {error}"),
        }
    }
}

#[cfg(test)]
impl Connection {
    /// A connection on which a coordinator has said this, and which lasts as long as what is returned beside it.
    pub(crate) fn on_which(messages: impl IntoIterator<Item = FromCoordinator>) -> (Self, impl Sized) {
        let (coordinator, answers) = mpsc::channel(1000);
        for message in messages {
            coordinator.try_send(message.into()).expect("there is room");
        }
        let response = grpc::server::response(ReceiverStream::new(answers), Sharing::default());
        let (outgoing, said) = mpsc::channel(MESSAGES_UNDER_WAY);
        let incoming = Incoming {
            messages: grpc::client::accept(response, Sharing::default()).expect("it answers"),
            sharing: None,
        };
        let outgoing = Outgoing(outgoing);
        (Self { incoming, outgoing }, (coordinator, said))
    }
}

#[cfg(test)]
mod tests;
