//! The gRPC server: accepts workers' streams and parses what they say.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use proto::grpc::{self, FramingError, IncomingBody, StreamError};
use proto::local::Sharing;
use proto::{
    Dismissal, FromCoordinator, FromWorker, Hello, MAX_FRAME_BYTES, MessageError, Reason, SumChunk, WINDOW_BYTES,
    printable, wire,
};
use shared::ids::WorkerId;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;
use tower_service::Service;

use super::link::{Link, MESSAGES_UNDER_WAY};
use crate::access::limits::{MAX_HEADER_BYTES, MAX_REQUESTS, STRANGER_TIME};
use crate::access::{Connections, Entrance, MemoryOffers, SideDoor};

/// Parsed messages that wait for the shell, from all workers together; full chunks of them are 16 MiB.
const INCOMING: usize = 64;

/// Something that came from a worker.
#[derive(Debug)]
pub enum Incoming {
    /// A worker asks to join; its answers go through the link.
    Joined {
        /// The number given to it.
        worker: WorkerId,
        /// What it said.
        hello: Hello,
        /// The way to it.
        link: Link,
    },
    /// It holds its columns.
    Ready(WorkerId),
    /// It sent part of a node's sums.
    Sum(WorkerId, SumChunk),
    /// It is alive.
    Heartbeat(WorkerId),
    /// Its stream has ended.
    Lost(WorkerId, String),
    /// It said something that cannot be understood, or out of turn. Nothing more comes from it.
    Erred(WorkerId, String),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// What comes from the workers.
    pub incoming: mpsc::Receiver<Incoming>,
    /// Ends when the server has stopped.
    pub stopped: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

/// Serves workers that `entrance` lets in on `listener` and through the `side_door`, with the standard health and reflection
/// services beside them, until `stop` is done and all streams have ended.
pub async fn serve(
    listener: TcpListener,
    side_door: Option<SideDoor>,
    entrance: Entrance,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Server {
    let (sender, incoming) = mpsc::channel(INCOMING);
    let service = TrainerService {
        incoming: sender,
        workers: Arc::default(),
        entrance: entrance.clone(),
        memory: side_door.as_ref().map(SideDoor::memory),
    };
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<TrainerService>().await;
    let connections = Connections::open(listener, side_door, &entrance);
    let expect_token = move |request| entrance.expect_token(request);
    let router = tonic::transport::Server::builder()
        .max_frame_size(MAX_FRAME_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(MAX_REQUESTS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .add_service(service)
        .add_service(health)
        .add_service(InterceptedService::new(
            reflection().build_v1().expect("the generated descriptors are valid"),
            expect_token.clone(),
        ))
        // grpcurl and others still ask for the older name of the same service.
        .add_service(InterceptedService::new(
            reflection()
                .build_v1alpha()
                .expect("the generated descriptors are valid"),
            expect_token,
        ));
    let stopped = tokio::spawn(router.serve_with_incoming_shutdown(connections, stop));
    Server { incoming, stopped }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(wire::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// The service `lockstep.v1.Trainer`.
#[derive(Clone)]
struct TrainerService {
    incoming: mpsc::Sender<Incoming>,
    /// The number of the next worker.
    workers: Arc<AtomicU32>,
    entrance: Entrance,
    /// Who may be offered to share memory, if anybody.
    memory: Option<MemoryOffers>,
}

impl NamedService for TrainerService {
    const NAME: &'static str = grpc::SERVICE;
}

impl Service<http::Request<Body>> for TrainerService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let membership = match self.entrance.admit(request.headers(), request.extensions()) {
            Ok(membership) => membership,
            Err(refusal) => return ready(Ok(refusal.into_http())),
        };
        let sharing = Sharing::default();
        let messages = match grpc::server::accept(request, sharing.clone()) {
            Ok(messages) => messages,
            Err(refusal) => return ready(Ok(*refusal)),
        };
        let (outgoing, answers) = mpsc::channel(MESSAGES_UNDER_WAY);
        let (incoming, workers) = (self.incoming.clone(), Arc::clone(&self.workers));
        let memory = self.memory.as_ref().filter(|_| membership.is_on_this_machine());
        let offer = memory
            .and_then(MemoryOffers::next)
            .map(|offer| (sharing.clone(), offer));
        tokio::spawn(async move {
            let _membership = membership;
            // If the shell has ended, so has the run, and nobody is left to tell. If it has dropped the link, it does not
            // want to hear more of this worker.
            let (link, closed) = Link::start(outgoing, offer);
            tokio::select! {
                _ = listen(messages, link, incoming, &workers) => {}
                _ = closed => {}
            }
        });
        ready(Ok(grpc::server::response(ReceiverStream::new(answers), sharing)))
    }
}

/// The shell does not listen any more.
struct ShellEnded;

/// Reads one worker's stream to its end.
async fn listen(
    mut stream: IncomingBody<wire::WorkerMessage>,
    link: Link,
    incoming: mpsc::Sender<Incoming>,
    workers: &AtomicU32,
) -> Result<(), ShellEnded> {
    let pass_on = async |message| incoming.send(message).await.map_err(|_| ShellEnded);
    let misconduct = |explanation: String| dismiss(&link, Reason::Misconduct, explanation);
    let hello = match tokio::time::timeout(STRANGER_TIME, next(&mut stream)).await {
        Ok(Ok(FromWorker::Hello(hello))) => hello,
        Ok(Ok(_)) => {
            misconduct("found another message first, expected Hello".to_owned());
            return Ok(());
        }
        Err(_) => {
            let seconds = STRANGER_TIME.as_secs();
            misconduct(format!("found no message for {seconds} s, expected Hello"));
            return Ok(());
        }
        Ok(Err(Ended::Unintelligible { reason, explanation })) => {
            tracing::warn!("refused a worker: {explanation}");
            dismiss(&link, reason, explanation);
            return Ok(());
        }
        Ok(Err(Ended::Closed(_))) => return Ok(()),
    };
    let worker = WorkerId(workers.fetch_add(1, Ordering::Relaxed));
    pass_on(Incoming::Joined { worker, hello, link }).await?;
    loop {
        match next(&mut stream).await {
            Ok(FromWorker::Ready) => pass_on(Incoming::Ready(worker)).await?,
            Ok(FromWorker::Sum(sum)) => pass_on(Incoming::Sum(worker, sum)).await?,
            Ok(FromWorker::Heartbeat) => pass_on(Incoming::Heartbeat(worker)).await?,
            Ok(FromWorker::Hello(_)) => {
                let what = "found Hello, which it had said before".to_owned();
                return pass_on(Incoming::Erred(worker, what)).await;
            }
            Err(Ended::Closed(reason)) => return pass_on(Incoming::Lost(worker, reason)).await,
            Err(Ended::Unintelligible { explanation, .. }) => {
                return pass_on(Incoming::Erred(worker, explanation)).await;
            }
        }
    }
}

fn dismiss(link: &Link, reason: Reason, explanation: String) {
    link.send(FromCoordinator::Dismissed(Dismissal { reason, explanation }));
}

/// Why nothing more comes from a worker.
enum Ended {
    Closed(String),
    Unintelligible { reason: Reason, explanation: String },
}

impl From<MessageError> for Ended {
    fn from(error: MessageError) -> Self {
        let reason = match error {
            MessageError::Version { .. } => Reason::ProtocolVersion,
            _ => Reason::Misconduct,
        };
        let explanation = error.to_string();
        Self::Unintelligible { reason, explanation }
    }
}

impl From<StreamError> for Ended {
    fn from(error: StreamError) -> Self {
        match error {
            // The line did that, and not the worker, which may come back.
            StreamError::Garbled(error @ FramingError::Altered { .. }) => {
                Self::Closed(format!("its stream broke ({error})"))
            }
            StreamError::Garbled(error) => Self::Unintelligible {
                reason: Reason::Misconduct,
                explanation: format!("sent a garbled message: {error}"),
            },
            StreamError::Shared(error) => Self::Unintelligible {
                reason: Reason::Misconduct,
                explanation: format!("sent an impossible message: {error}"),
            },
            StreamError::Broken(status) => Self::Closed(format!("its stream broke ({})", printable(status.message()))),
        }
    }
}

async fn next(stream: &mut IncomingBody<wire::WorkerMessage>) -> Result<FromWorker, Ended> {
    let message = stream.message().await?;
    let message = message.ok_or_else(|| Ended::Closed("it closed its stream".to_owned()))?;
    Ok(FromWorker::try_from(message)?)
}
