//! The server as an ordinary gRPC client sees it: tonic's, with its own codec and none of our framing.

use proto::wire::{self, coordinator_message as to_worker, worker_message as to_coordinator};
use proto::{Dismissal, FromCoordinator, MAX_CHUNK_BYTES, PROTOCOL_VERSION, Reason};
use shared::RealType;
use shared::ids::{Iteration, WorkerId};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::Codec;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::{Incoming, Link, Server, serve};
use crate::access::Access;

/// A server, and a connection to it.
async fn server() -> (Server, Channel) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let entrance = Access::default().load().unwrap();
    let server = serve(listener, None, entrance, std::future::pending()).await;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (server, endpoint.connect().await.unwrap())
}

/// Opens a stream by calling `method`.
async fn call(
    channel: Channel,
    method: &'static str,
) -> Result<(mpsc::Sender<wire::WorkerMessage>, Streaming<wire::CoordinatorMessage>), Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let (says, messages) = mpsc::channel(16);
    let request = Request::new(ReceiverStream::new(messages));
    let path = PathAndQuery::from_static(method);
    let response = client.streaming(request, path, ProstCodec::default()).await?;
    Ok((says, response.into_inner()))
}

const TRAIN: &str = "/lockstep.v1.Trainer/Train";

fn hello() -> wire::WorkerMessage {
    message(to_coordinator::Message::Hello(wire::Hello {
        protocol_version: PROTOCOL_VERSION,
        name: "ordinary".to_owned(),
        threads: 1,
        held: None,
    }))
}

fn message(message: to_coordinator::Message) -> wire::WorkerMessage {
    wire::WorkerMessage {
        checksum: None,
        shared: None,
        message: Some(message),
    }
}

/// The worker that joins next.
async fn joined(server: &mut Server) -> (WorkerId, Link) {
    match server.incoming.recv().await {
        Some(Incoming::Joined { worker, hello, link }) => {
            assert_eq!(hello.name, "ordinary");
            (worker, link)
        }
        other => panic!("found {other:?}, expected Joined"),
    }
}

#[tokio::test]
async fn an_ordinary_client_joins_and_is_answered() {
    let (mut server, channel) = server().await;
    let (says, mut hears) = call(channel, TRAIN).await.unwrap();
    says.send(hello()).await.unwrap();
    let (_, link) = joined(&mut server).await;
    let explanation = "enough".to_owned();
    let reason = Reason::RunFailed;
    link.send(FromCoordinator::Dismissed(Dismissal { reason, explanation }));
    match hears.message().await.unwrap().unwrap().message {
        Some(to_worker::Message::Dismissed(dismissed)) => assert_eq!(dismissed.explanation, "enough"),
        other => panic!("found {other:?}, expected Dismissed"),
    }
    drop(link);
    // Such a client takes an end without grpc-status 0 for an error.
    assert_eq!(hears.message().await.unwrap(), None);
}

#[tokio::test]
async fn tensors_go_to_and_fro_unchanged() {
    let (mut server, channel) = server().await;
    let (says, mut hears) = call(channel, TRAIN).await.unwrap();
    says.send(hello()).await.unwrap();
    let (worker, link) = joined(&mut server).await;
    let numbers: Vec<u8> = (0..3 * MAX_CHUNK_BYTES + 80).map(|i| (i % 251) as u8).collect();
    link.send_parameters(Iteration(7), numbers.clone().into(), RealType::F64);
    let mut received = Vec::new();
    while received.len() < numbers.len() {
        match hears.message().await.unwrap().unwrap().message {
            Some(to_worker::Message::Parameters(chunk)) => {
                assert_eq!((chunk.iteration, chunk.offset), (7, received.len() as u64 / 8));
                received.extend_from_slice(&chunk.data);
            }
            other => panic!("found {other:?}, expected ParametersChunk"),
        }
    }
    assert!(received == numbers, "the parameters arrive as they were sent");

    for (offset, piece) in (0..).step_by(MAX_CHUNK_BYTES / 8).zip(numbers.chunks(MAX_CHUNK_BYTES)) {
        let sum = wire::SumChunk {
            iteration: 7,
            first_block: 0,
            end_block: 2,
            offset,
            data: piece.to_vec().into(),
        };
        says.send(message(to_coordinator::Message::Sum(sum))).await.unwrap();
        match server.incoming.recv().await {
            Some(Incoming::Sum(from, sum)) => {
                assert_eq!((from, sum.iteration, sum.chunk.offset), (worker, Iteration(7), offset));
                assert!(sum.chunk.data == piece, "the sums arrive as they were sent");
            }
            other => panic!("found {other:?}, expected a sum"),
        }
    }
    drop(says);
    assert!(matches!(server.incoming.recv().await, Some(Incoming::Lost(..))));
}

#[tokio::test]
async fn another_method_is_unimplemented() {
    let (_server, channel) = server().await;
    for method in [
        "/lockstep.v1.Trainer/Learn",
        "/lockstep.v1.Trainer/Train/er",
        "/lockstep.v2.Trainer/Train",
    ] {
        let status = call(channel.clone(), method).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{method}");
    }
}

/// A request whose body is `text`.
fn raw(content_type: &'static str, text: String) -> http::Request<Body> {
    let request = http::Request::post(TRAIN).header("content-type", content_type);
    request.body(Body::new(text)).unwrap()
}

#[tokio::test]
async fn what_is_no_grpc_is_an_unsupported_media_type() {
    let (_server, mut channel) = server().await;
    std::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .unwrap();
    let response = channel.call(raw("application/json", "{}".to_owned())).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// Field 2, a Hello of version 2 and 1 thread called "ordinary", in 16 bytes.
const HELLO: &str = "\0\0\0\0\x10\x12\x0e\x08\x02\x12\x08ordinary\x18\x01";

/// Bytes that are no message, and what is said of them.
const GARBLED: [(&str, &str); 4] = [
    (
        "\x01\0\0\0\x05",
        "found a message with compression flag 1, expected 0, not compressed",
    ),
    (
        "\0\x7f\0\0\0",
        "found a message of 2130706432 bytes, expected at most 263168 bytes",
    ),
    (
        "\0\0\0\0\x02\x12\x7f",
        "found a message that does not follow trainer.proto: ",
    ),
    ("\0\0\0\0\x09", "the stream ended within a message"),
];

/// Sends a request whose body is `text`, and returns the answers as ordinary gRPC reads them.
async fn send_raw(channel: &Channel, text: String) -> Streaming<wire::CoordinatorMessage> {
    let mut channel = channel.clone();
    std::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .unwrap();
    let response = channel.call(raw("application/grpc", text)).await.unwrap();
    let (parts, body) = response.into_parts();
    let decoder = ProstCodec::<wire::WorkerMessage, wire::CoordinatorMessage>::default().decoder();
    Streaming::new_response(decoder, body, parts.status, None, None)
}

#[tokio::test]
async fn a_member_that_sends_a_garbled_message_has_erred_and_hears_its_dismissal() {
    let (mut server, channel) = server().await;
    for (nonsense, reason) in GARBLED {
        let mut hears = send_raw(&channel, format!("{HELLO}{nonsense}")).await;
        let (worker, link) = joined(&mut server).await;
        match server.incoming.recv().await {
            Some(Incoming::Erred(from, found)) => {
                assert_eq!(from, worker);
                assert!(
                    found.starts_with(&format!("sent a garbled message: {reason}")),
                    "{found}"
                );
            }
            other => panic!("found {other:?}, expected Erred"),
        }
        let (reason, explanation) = (Reason::Misconduct, "that was no message".to_owned());
        link.send(FromCoordinator::Dismissed(Dismissal { reason, explanation }));
        drop(link);
        let dismissed = dismissal(&mut hears).await;
        assert_eq!(dismissed.explanation, "that was no message");
    }
}

#[tokio::test]
async fn a_member_whose_line_alters_a_message_is_lost_and_has_done_nothing_wrong() {
    let (mut server, channel) = server().await;
    // A message of nothing but a checksum, which should be 0.
    let _hears = send_raw(&channel, format!("{HELLO}\0\0\0\0\x05\x0d\0\0\0\x01")).await;
    joined(&mut server).await;
    match server.incoming.recv().await {
        Some(Incoming::Lost(_, found)) => assert_eq!(
            found,
            "its stream broke (found a message altered on its way: its checksum is 00000000, expected 01000000)"
        ),
        other => panic!("found {other:?}, expected Lost"),
    }
}

#[tokio::test]
async fn a_stranger_that_sends_a_garbled_message_is_refused_with_the_reason() {
    let (_server, channel) = server().await;
    for (nonsense, reason) in GARBLED {
        let mut hears = send_raw(&channel, nonsense.to_owned()).await;
        let found = dismissal(&mut hears).await;
        assert_eq!(found.reason(), wire::Reason::Misconduct);
        assert!(
            found
                .explanation
                .starts_with(&format!("sent a garbled message: {reason}")),
            "{found:?}"
        );
    }
}

/// The Dismissed that comes next, after which the stream ends.
async fn dismissal(hears: &mut Streaming<wire::CoordinatorMessage>) -> wire::Dismissed {
    let dismissed = match hears.message().await.unwrap().unwrap().message {
        Some(to_worker::Message::Dismissed(dismissed)) => dismissed,
        other => panic!("found {other:?}, expected Dismissed"),
    };
    assert_eq!(hears.message().await.unwrap(), None);
    dismissed
}
