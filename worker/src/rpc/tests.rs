//! The client as an ordinary gRPC server sees it: tonic's, with its own codec and none of our framing.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use proto::wire::{self, coordinator_message as to_worker, worker_message as to_coordinator};
use proto::{MAX_CHUNK_BYTES, SumChunk, TensorChunk};
use shared::LeafRange;
use shared::ids::Iteration;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::*;
use crate::config::Access;

type Answers = ReceiverStream<Result<wire::CoordinatorMessage, Status>>;
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Refuses whoever is not called "welcome". Sends sums back as parameters, and ends the stream in answer to Ready.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "lockstep.v1.Trainer";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Later<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert_eq!(request.uri().path(), "/lockstep.v1.Trainer/Train");
        Box::pin(async { Ok(Grpc::new(ProstCodec::default()).streaming(Stream, request).await) })
    }
}

struct Stream;

impl StreamingService<wire::WorkerMessage> for Stream {
    type Response = wire::CoordinatorMessage;
    type ResponseStream = Answers;
    type Future = Later<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<wire::WorkerMessage>>) -> Self::Future {
        Box::pin(async {
            let mut stream = request.into_inner();
            match stream.message().await?.and_then(|first| first.message) {
                Some(to_coordinator::Message::Hello(hello)) if hello.name == "welcome" => {}
                _ => return Err(Status::unauthenticated("not you")),
            }
            let (sender, answers) = mpsc::channel(1);
            tokio::spawn(async move {
                while let Ok(Some(wire::WorkerMessage {
                    message: Some(message), ..
                })) = stream.message().await
                {
                    let _ = sender.send(answer(message)).await;
                }
            });
            Ok(Response::new(ReceiverStream::new(answers)))
        })
    }
}

fn answer(message: to_coordinator::Message) -> Result<wire::CoordinatorMessage, Status> {
    let to_coordinator::Message::Sum(sum) = message else {
        return Err(Status::aborted("that was all"));
    };
    let parameters = wire::ParametersChunk {
        iteration: sum.iteration,
        offset: sum.offset,
        data: sum.data,
    };
    let message = Some(to_worker::Message::Parameters(parameters));
    Ok(wire::CoordinatorMessage {
        checksum: None,
        shared: None,
        message,
    })
}

/// Connects to such a server under `name`.
async fn connected(name: &str) -> Result<Connection, ConnectError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Server::builder().add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let name = name.to_owned();
    let address = address.parse().unwrap();
    let destination = Destination::load(address, &Access::default()).unwrap();
    let (threads, held) = (1, None);
    connect(&destination, Hello { name, threads, held }).await
}

#[tokio::test]
async fn tensors_go_to_and_fro_unchanged_and_the_servers_status_is_told() {
    let Connection { mut incoming, outgoing } = connected("welcome").await.unwrap();
    for len in [8, 4096, 60_000, MAX_CHUNK_BYTES] {
        let chunk = TensorChunk {
            offset: 11,
            data: (0..len).map(|i| (i % 251) as u8).collect(),
        };
        let sum = SumChunk {
            iteration: Iteration(5),
            node: LeafRange::new(0, 3).unwrap(),
            chunk: chunk.clone(),
        };
        outgoing.send(FromWorker::Sum(sum)).await.unwrap();
        let echo = next(&mut incoming).await.unwrap();
        assert!(
            echo == FromCoordinator::Parameters(Iteration(5), chunk),
            "{len} bytes come back"
        );
    }
    outgoing.send(FromWorker::Ready).await.unwrap();
    let end = next(&mut incoming).await.unwrap_err();
    assert_eq!(end.to_string(), "the stream broke (that was all)");
    assert_eq!(
        next(&mut incoming).await.unwrap_err().to_string(),
        "it closed the stream"
    );
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    match connected("somebody else").await {
        Err(ConnectError::Refused {
            reason, token: true, ..
        }) => assert_eq!(reason, "not you"),
        other => panic!("found {other:?}, expected a refusal"),
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_call_is_broken_and_no_sign_of_another_program() {
    // Tonic asks for a second connection then.
    let uri = http::Uri::from_static("http://trainer.example.org");
    let error = Once(None).call(uri).await.expect_err("there is no second connection");
    assert!(is_broken(&error), "{error:?}");
    assert_eq!(root_cause(&error), "the connection broke before an answer came");
}
