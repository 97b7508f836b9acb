//! Streams of messages as requests and responses.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use tonic::body::Body;
use tonic::{Code, Status};

use super::{encoded, sent, sum};
use crate::MAX_MESSAGE_BYTES;
use crate::grpc::{CONTENT_TYPE, FramingError, StreamError, TRAIN, client, server};
use crate::local::{SharedTensorError, Sharing};
use crate::wire::{self, coordinator_message as to_worker};

/// A body of given frames.
struct Frames(std::vec::IntoIter<Result<Frame<Bytes>, Status>>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.next())
    }
}

fn body(frames: Vec<Result<Frame<Bytes>, Status>>) -> Body {
    Body::new(Frames(frames.into_iter()))
}

/// A stream of given messages.
struct Messages<M>(std::vec::IntoIter<M>);

impl<M: Unpin> Stream for Messages<M> {
    type Item = M;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<M>> {
        Poll::Ready(self.0.next())
    }
}

/// The result of a future that has nothing to wait for.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// All frames of a body: its data, and the trailers or the error that it ends with.
fn read(body: Body) -> (Vec<u8>, Option<Result<HeaderMap, Status>>) {
    let mut body = pin!(body);
    let mut data = Vec::new();
    loop {
        let frame = now(std::future::poll_fn(|context| body.as_mut().poll_frame(context)));
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(piece))) => data.extend_from_slice(piece.chunk()),
            Some(Ok(Err(frame))) => return (data, Some(Ok(frame.into_trailers().unwrap()))),
            Some(Err(status)) => return (data, Some(Err(status))),
            None => return (data, None),
        }
    }
}

fn answer(frames: Vec<Result<Frame<Bytes>, Status>>) -> Response<Body> {
    let mut response = Response::new(body(frames));
    response.headers_mut().insert("content-type", CONTENT_TYPE);
    response
}

fn trailers(pairs: &[(&'static str, &'static str)]) -> Result<Frame<Bytes>, Status> {
    let header = |&(name, value): &(&'static str, &'static str)| {
        (
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )
    };
    Ok(Frame::trailers(pairs.iter().map(header).collect()))
}

/// What a client hears after the messages of such a response.
fn end_of(frames: Vec<Result<Frame<Bytes>, Status>>) -> Result<(), StreamError> {
    let mut incoming = client::accept(answer(frames), Sharing::default()).unwrap();
    while now(incoming.message())?.is_some() {}
    assert!(now(incoming.message()).unwrap().is_none(), "the end is the end");
    Ok(())
}

#[test]
fn a_response_ends_with_a_status_and_a_request_without() {
    let empty = wire::CoordinatorMessage::default;
    let (data, end) = read(server::response(Messages(vec![empty()].into_iter()), Sharing::default()).into_body());
    assert_eq!(data, sent(empty()));
    assert_eq!(end.unwrap().unwrap().get("grpc-status").unwrap(), "0");
    let (data, end) =
        read(client::request(Messages(vec![sum(vec![1; 9])].into_iter()), Sharing::default()).into_body());
    assert_eq!(data, sent(sum(vec![1; 9])));
    assert!(end.is_none());
}

#[test]
fn a_message_that_is_too_long_ends_the_stream_with_an_error() {
    let chunk = wire::LabelsChunk {
        offset: 0,
        data: vec![0; MAX_MESSAGE_BYTES].into(),
    };
    let message = wire::CoordinatorMessage {
        checksum: None,
        message: Some(to_worker::Message::Labels(chunk)),
        shared: None,
    };
    let (data, end) = read(server::response(Messages(vec![message].into_iter()), Sharing::default()).into_body());
    assert!(data.is_empty());
    assert_eq!(end.unwrap().unwrap().get("grpc-status").unwrap(), "8");
    let (data, end) = read(
        client::request(
            Messages(vec![sum(vec![0; MAX_MESSAGE_BYTES])].into_iter()),
            Sharing::default(),
        )
        .into_body(),
    );
    assert!(data.is_empty());
    assert_eq!(end.unwrap().unwrap_err().code(), Code::ResourceExhausted);
}

/// The status with which such a response ends.
fn status_of(frames: Vec<Result<Frame<Bytes>, Status>>) -> Status {
    match end_of(frames) {
        Err(StreamError::Broken(status)) => status,
        other => panic!("found {other:?}, expected a status"),
    }
}

#[test]
fn a_client_reads_the_status_that_ends_a_stream() {
    let message = || Ok(Frame::data(Bytes::from(encoded(&wire::CoordinatorMessage::default()))));
    assert!(end_of(vec![message(), trailers(&[("grpc-status", "0")])]).is_ok());
    let status = status_of(vec![
        message(),
        trailers(&[("grpc-status", "7"), ("grpc-message", "not%20you")]),
    ]);
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "not you"));
    assert_eq!(status_of(vec![message()]).code(), Code::Unknown);
    let cancelled = status_of(vec![message(), Err(Status::cancelled(""))]);
    assert_eq!(cancelled.code(), Code::Cancelled);
}

#[test]
fn bytes_that_are_no_message_are_told_from_a_broken_stream() {
    let half = Ok(Frame::data(Bytes::from_static(&[0, 0])));
    let end = end_of(vec![half, trailers(&[("grpc-status", "0")])]);
    assert!(
        matches!(end, Err(StreamError::Garbled(FramingError::Incomplete))),
        "{end:?}"
    );
    let compressed = Ok(Frame::data(Bytes::from_static(&[1, 0, 0, 0, 0])));
    let end = end_of(vec![compressed, trailers(&[("grpc-status", "0")])]);
    assert!(
        matches!(end, Err(StreamError::Garbled(FramingError::Compressed { found: 1 }))),
        "{end:?}"
    );
}

#[test]
fn details_that_are_not_base64_do_no_harm() {
    let end = [("grpc-status", "13"), ("grpc-status-details-bin", "!")];
    assert_eq!(status_of(vec![trailers(&end)]).code(), Code::Internal);
}

#[test]
fn an_answer_that_is_no_stream_of_messages_is_refused_with_the_reason() {
    let refused = |response| client::accept(response, Sharing::default()).unwrap_err();
    let mut not_found = answer(vec![]);
    *not_found.status_mut() = http::StatusCode::NOT_FOUND;
    assert_eq!(
        refused(not_found).message(),
        "it answered with HTTP status 404 Not Found"
    );
    assert_eq!(refused(Response::new(Body::empty())).message(), "its answer is no gRPC");
    assert_eq!(
        refused(Status::unauthenticated("who").into_http()).code(),
        Code::Unauthenticated
    );
    assert_eq!(
        refused(Status::ok("").into_http()).message(),
        "it ended the stream at once"
    );
}

fn asks(change: fn(&mut Request<Body>)) -> Result<(), (u16, Option<String>)> {
    let mut request = client::request(Messages(Vec::new().into_iter()), Sharing::default());
    change(&mut request);
    let refusal = match server::accept(request, Sharing::default()) {
        Ok(_) => return Ok(()),
        Err(refusal) => refusal,
    };
    let status = refusal
        .headers()
        .get("grpc-status")
        .map(|status| status.to_str().unwrap().to_owned());
    Err((refusal.status().as_u16(), status))
}

#[test]
fn a_request_that_is_no_call_of_train_is_refused() {
    fn set(request: &mut Request<Body>, name: &'static str, value: &'static str) {
        request
            .headers_mut()
            .insert(name, http::HeaderValue::from_static(value));
    }
    assert_eq!(asks(|_| {}), Ok(()));
    assert_eq!(
        asks(|request| set(request, "content-type", "application/grpc+proto")),
        Ok(())
    );
    assert_eq!(
        asks(|request| set(request, "content-type", "application/grpc; charset=utf-8")),
        Ok(())
    );
    assert_eq!(asks(|request| set(request, "grpc-encoding", "identity")), Ok(()));
    let no_grpc = Err((415, None));
    assert_eq!(
        asks(|request| drop(request.headers_mut().remove("content-type"))),
        no_grpc
    );
    for other in ["application/grpc+json", "application/grpc-web", "text/html"] {
        let mut request = client::request(Messages(Vec::new().into_iter()), Sharing::default());
        set(&mut request, "content-type", other);
        assert_eq!(
            server::accept(request, Sharing::default())
                .unwrap_err()
                .status()
                .as_u16(),
            415,
            "{other}"
        );
    }
    assert_eq!(
        asks(|request| *request.method_mut() = http::Method::GET),
        Err((405, None))
    );
    let unimplemented = Err((200, Some("12".to_owned())));
    assert_eq!(
        asks(|request| *request.uri_mut() = http::Uri::from_static("/lockstep.v1.Trainer/Learn")),
        unimplemented
    );
    assert_eq!(asks(|request| set(request, "grpc-encoding", "gzip")), unimplemented);
}

#[test]
fn a_request_is_what_ordinary_servers_expect() {
    let request = client::request(Messages(Vec::new().into_iter()), Sharing::default());
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", TRAIN));
    assert_eq!(request.headers().get("te").unwrap(), "trailers");
    assert_eq!(request.headers().get("content-type").unwrap(), "application/grpc");
}

#[test]
fn a_client_that_cancels_its_call_just_ends_it() {
    let mut request = Request::new(body(vec![
        Ok(Frame::data(Bytes::from(encoded(&sum(vec![1]))))),
        Err(Status::cancelled("")),
    ]));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static(TRAIN);
    request.headers_mut().insert("content-type", CONTENT_TYPE);
    let mut incoming = server::accept(request, Sharing::default()).unwrap();
    assert_eq!(now(incoming.message()).unwrap(), Some(sum(vec![1])));
    assert_eq!(now(incoming.message()).unwrap(), None);
}

/// A run whose tensors have a little over 64 KiB.
fn run() -> crate::Run {
    let message = wire::Run {
        layer_sizes: vec![8192, 1],
        precision: wire::Precision::F64.into(),
        columns: 8,
        block_columns: 8,
        element_type: wire::ElementType::U8.into(),
        scale: 1.0,
        iterations: 1,
        data_digest: vec![0; 32].into(),
        worker_timeout_ms: 1,
        learning_rate: 1.0,
    };
    message.try_into().unwrap()
}

fn parameters(data: Vec<u8>) -> wire::CoordinatorMessage {
    let (iteration, offset, data) = (0, 0, data.into());
    wire::CoordinatorMessage {
        checksum: None,
        message: Some(to_worker::Message::Parameters(wire::ParametersChunk {
            iteration,
            offset,
            data,
        })),
        shared: None,
    }
}

/// What goes over the stream of some messages from a worker, and what the coordinator reads of it.
fn worker_says(
    messages: Vec<wire::WorkerMessage>,
    from: &Sharing,
    to: &Sharing,
) -> (usize, Result<Vec<wire::WorkerMessage>, StreamError>) {
    let (data, _) = read(client::request(Messages(messages.into_iter()), from.clone()).into_body());
    let mut request = client::request(Messages(Vec::new().into_iter()), Sharing::default());
    let len = data.len();
    *request.body_mut() = body(vec![Ok(Frame::data(data.into()))]);
    let mut incoming = server::accept(request, to.clone()).unwrap();
    let mut read = Vec::new();
    loop {
        match now(incoming.message()) {
            Ok(Some(message)) => read.push(message),
            Ok(None) => return (len, Ok(read)),
            Err(error) => return (len, Err(error)),
        }
    }
}

/// The bytes on the stream of a message to a worker.
fn bytes_to_worker(message: wire::CoordinatorMessage, sharing: &Sharing) -> usize {
    let (data, _) = read(server::response(Messages(vec![message].into_iter()), sharing.clone()).into_body());
    data.len()
}

#[test]
#[cfg(target_os = "linux")]
fn large_tensors_go_through_shared_memory_once_the_worker_has_shown_that_it_can() {
    let (coordinator, worker) = (Sharing::default(), Sharing::default());
    let announced = coordinator.offer(&run(), 1).unwrap();
    let large = vec![7; 40_000];
    assert!(
        bytes_to_worker(parameters(large.clone()), &coordinator) > 40_000,
        "not yet"
    );
    assert!(
        worker_says(vec![sum(large.clone())], &worker, &coordinator).0 > 40_000,
        "not yet"
    );
    worker.accept(&announced).unwrap();
    assert!(
        bytes_to_worker(parameters(large.clone()), &coordinator) > 40_000,
        "not yet"
    );

    let said = vec![sum(large.clone()), sum(vec![1; 9]), sum(large.clone())];
    let (len, read) = worker_says(said.clone(), &worker, &coordinator);
    assert!(len < 200, "{len} bytes");
    assert!(read.unwrap() == said);

    let len = bytes_to_worker(parameters(large.clone()), &coordinator);
    assert!(len < 100, "{len} bytes");
    assert!(
        bytes_to_worker(parameters(vec![7; 9000]), &coordinator) > 9000,
        "a small one"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_in_shared_memory_ends_the_stream() {
    let (coordinator, worker) = (Sharing::default(), Sharing::default());
    let place = wire::SharedTensor { position: 0, bytes: 8 };
    let with_place = |mut message: wire::WorkerMessage| {
        message.shared = Some(place);
        message
    };
    let end = |message: wire::WorkerMessage, sharing: &Sharing| match worker_says(vec![message], &worker, sharing).1 {
        Err(StreamError::Shared(error)) => error,
        other => panic!("found {other:?}, expected an error"),
    };
    let empty = || with_place(sum(Vec::new()));
    assert_eq!(end(empty(), &coordinator), SharedTensorError::NotShared);
    coordinator.offer(&run(), 1).unwrap();
    assert_eq!(
        end(with_place(sum(vec![1; 9])), &coordinator),
        SharedTensorError::Twice(9)
    );
    let none = with_place(wire::WorkerMessage::default());
    assert_eq!(end(none, &coordinator), SharedTensorError::NoTensor);
    let mut beyond = empty();
    beyond.shared = Some(wire::SharedTensor { position: 1, bytes: 8 });
    assert_eq!(
        end(beyond, &coordinator),
        SharedTensorError::Place { position: 1, bytes: 8 }
    );
    assert!(worker_says(vec![empty()], &worker, &coordinator).1.is_ok());
}
