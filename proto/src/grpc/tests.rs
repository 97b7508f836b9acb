//! Tests of the modules above, with prost as the oracle of the encoding.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use proptest::prelude::*;
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};

use super::{Decoder, FramingError, PREFIX_BYTES, StreamMessage, TRAIN, client, server};
use crate::convert::tests::{from_coordinator, from_worker};
use crate::wire::{self, coordinator_message as to_worker, worker_message as to_coordinator};
use crate::{MAX_CHUNK_BYTES, MAX_MESSAGE_BYTES};

/// What an ordinary gRPC library sends.
fn encoded(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat()
}

/// What we send.
fn joined(message: impl StreamMessage) -> Vec<u8> {
    let pieces = message.into_pieces().unwrap();
    [pieces.head, pieces.tensor].concat()
}

fn sum(data: impl Into<Bytes>) -> wire::WorkerMessage {
    let sum = wire::SumChunk {
        iteration: 3,
        first_block: 0,
        end_block: 300,
        offset: 1 << 40,
        data: data.into(),
    };
    wire::WorkerMessage {
        message: Some(to_coordinator::Message::Sum(sum)),
    }
}

/// Messages with tensors of every size that changes the path: gathered, kept, and full.
fn tensors() -> impl Strategy<Value = wire::WorkerMessage> {
    let sizes = prop_oneof![
        0_usize..200,
        4000_usize..4200,
        60_000_usize..66_000,
        Just(MAX_CHUNK_BYTES)
    ];
    (sizes, any::<u8>()).prop_map(|(len, first)| sum((0..len).map(|i| first.wrapping_add(i as u8)).collect::<Vec<_>>()))
}

fn worker_messages() -> impl Strategy<Value = Vec<wire::WorkerMessage>> {
    let message = prop_oneof![
        3 => from_worker().prop_map(wire::WorkerMessage::from),
        1 => tensors(),
        1 => Just(wire::WorkerMessage { message: None }),
    ];
    prop::collection::vec(message, 0..6)
}

/// Cuts `stream` where `cuts` say, or nowhere.
fn frames(stream: &[u8], cuts: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    bounds.extend([0, stream.len()]);
    bounds.sort_unstable();
    let piece = |pair: &[usize]| Bytes::copy_from_slice(&stream[pair[0]..pair[1]]);
    bounds.windows(2).map(piece).collect()
}

/// Reads messages as they become complete.
fn decode<M: Message + Default>(frames: Vec<Bytes>) -> Result<Vec<M>, FramingError> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for frame in frames {
        decoder.push(frame);
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
    }
    decoder.finish()?;
    Ok(messages)
}

proptest! {
    #[test]
    fn what_a_worker_sends_is_what_prost_would_send(messages in worker_messages()) {
        for message in messages {
            prop_assert_eq!(encoded(&message), joined(message));
        }
    }

    #[test]
    fn what_the_coordinator_sends_is_what_prost_would_send(message in from_coordinator()) {
        let message = wire::CoordinatorMessage::from(message);
        prop_assert_eq!(encoded(&message), joined(message));
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_messages(
        messages in worker_messages(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(encoded).collect();
        prop_assert_eq!(decode::<wire::WorkerMessage>(frames(&stream, &cuts)), Ok(messages));
    }

    #[test]
    fn a_stream_may_come_byte_by_byte(messages in prop::collection::vec(from_coordinator(), 0..4)) {
        let messages: Vec<_> = messages.into_iter().map(wire::CoordinatorMessage::from).collect();
        let stream: Vec<u8> = messages.iter().flat_map(encoded).collect();
        let bytes = stream.chunks(1).map(Bytes::copy_from_slice).collect();
        prop_assert_eq!(decode::<wire::CoordinatorMessage>(bytes), Ok(messages));
    }

    #[test]
    fn a_stream_that_ends_early_is_incomplete(messages in worker_messages(), cut in any::<prop::sample::Index>()) {
        let stream: Vec<u8> = messages.iter().flat_map(encoded).collect();
        let mut whole = vec![0];
        whole.extend(messages.iter().scan(0, |end, message| { *end += encoded(message).len(); Some(*end) }));
        let end = cut.index(stream.len() + 1);
        let result = decode::<wire::WorkerMessage>(vec![Bytes::copy_from_slice(&stream[..end])]);
        match whole.iter().position(|&bound| bound == end) {
            Some(count) => prop_assert_eq!(result.map(|messages| messages.len()), Ok(count)),
            None => prop_assert_eq!(result, Err(FramingError::Incomplete)),
        }
    }

    #[test]
    fn no_bytes_can_make_the_decoder_panic(
        mut stream in prop::collection::vec(any::<u8>(), 0..400), valid_prefix in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        if valid_prefix && stream.len() >= PREFIX_BYTES {
            let len = (stream.len() - PREFIX_BYTES) as u32;
            stream[0] = 0;
            stream[1..PREFIX_BYTES].copy_from_slice(&len.to_be_bytes());
        }
        // Whatever it says, it says the same for every split.
        let whole = decode::<wire::WorkerMessage>(frames(&stream, &[]));
        let split = decode::<wire::WorkerMessage>(frames(&stream, &cuts));
        prop_assert_eq!(whole, split);
    }
}

#[test]
fn a_tensor_is_neither_copied_on_its_way_out_nor_on_its_way_in() {
    let data = Bytes::from(vec![7; 64 * 1024]);
    let pieces = sum(data.clone()).into_pieces().unwrap();
    assert_eq!(pieces.tensor.as_ptr(), data.as_ptr());

    let received = |frames: Vec<Bytes>| {
        let messages = decode::<wire::WorkerMessage>(frames).unwrap();
        let Some(to_coordinator::Message::Sum(sum)) = messages.into_iter().next().unwrap().message else {
            panic!("it was a sum");
        };
        sum.data.as_ptr()
    };
    // From our own encoder the tensor comes in a frame of its own; other libraries put all into one.
    assert_eq!(
        received(vec![pieces.head.clone(), pieces.tensor.clone()]),
        data.as_ptr()
    );
    let one_frame = Bytes::from([pieces.head.clone(), pieces.tensor].concat());
    assert_eq!(
        received(vec![one_frame.clone()]),
        one_frame[pieces.head.len()..].as_ptr()
    );
}

#[test]
fn tensors_of_every_kind_are_sent_without_a_copy() {
    let data = Bytes::from(vec![7; 100]);
    let chunks = [
        to_worker::Message::Columns(wire::ColumnsChunk {
            offset: 1,
            data: data.clone(),
        }),
        to_worker::Message::Labels(wire::LabelsChunk {
            offset: 1,
            data: data.clone(),
        }),
        to_worker::Message::Parameters(wire::ParametersChunk {
            iteration: 2,
            offset: 1,
            data: data.clone(),
        }),
    ];
    for chunk in chunks {
        let message = wire::CoordinatorMessage { message: Some(chunk) };
        assert_eq!(message.into_pieces().unwrap().tensor.as_ptr(), data.as_ptr());
    }
}

/// A stream that begins with `prefix`.
fn first_error(prefix: [u8; PREFIX_BYTES]) -> FramingError {
    decode::<wire::WorkerMessage>(vec![Bytes::copy_from_slice(&prefix)]).unwrap_err()
}

#[test]
fn a_prefix_that_cannot_be_is_refused_before_its_message_comes() {
    assert_eq!(first_error([1, 0, 0, 0, 9]), FramingError::Compressed { found: 1 });
    assert_eq!(first_error([0xff; 5]), FramingError::Compressed { found: 255 });
    assert_eq!(
        first_error([0, 0xff, 0xff, 0xff, 0xff]),
        FramingError::TooLong {
            found: u32::MAX as usize
        }
    );
    let prefix = |len: usize| {
        let [a, b, c, d] = (len as u32).to_be_bytes();
        [0, a, b, c, d]
    };
    let found = MAX_MESSAGE_BYTES + 1;
    assert_eq!(first_error(prefix(found)), FramingError::TooLong { found });
    assert_eq!(first_error(prefix(MAX_MESSAGE_BYTES)), FramingError::Incomplete);
}

#[test]
fn a_full_chunk_fits_and_a_message_beyond_the_limit_is_not_sent() {
    assert!(sum(vec![0; MAX_CHUNK_BYTES]).into_pieces().is_ok());
    let error = sum(vec![0; MAX_MESSAGE_BYTES]).into_pieces().unwrap_err();
    assert!(matches!(error, FramingError::TooLong { .. }), "{error}");
}

#[test]
fn a_message_that_is_not_the_protos_is_malformed() {
    let error = decode::<wire::WorkerMessage>(vec![Bytes::from_static(&[0, 0, 0, 0, 2, 0x0a, 0x7f])]).unwrap_err();
    assert!(matches!(error, FramingError::Malformed(_)), "{error}");
}

#[test]
fn a_message_in_tiny_frames_holds_little_more_than_its_bytes() {
    let stream = encoded(&sum(vec![0; MAX_CHUNK_BYTES]));
    let mut decoder = Decoder::<wire::WorkerMessage>::new();
    for byte in &stream[..stream.len() - 1] {
        decoder.push(Bytes::copy_from_slice(&[*byte]));
        assert_eq!(decoder.next_message(), Ok(None));
    }
    assert!(decoder.frames_held() <= 1, "found {} frames", decoder.frames_held());
}

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
    response.headers_mut().insert("content-type", super::CONTENT_TYPE);
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
fn end_of(frames: Vec<Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
    let mut incoming = client::accept(answer(frames)).unwrap();
    while now(incoming.message())?.is_some() {}
    assert!(now(incoming.message()).unwrap().is_none(), "the end is the end");
    Ok(())
}

#[test]
fn a_response_ends_with_a_status_and_a_request_without() {
    let empty = wire::CoordinatorMessage::default;
    let (data, end) = read(server::response(Messages(vec![empty()].into_iter())).into_body());
    assert_eq!(data, encoded(&empty()));
    assert_eq!(end.unwrap().unwrap().get("grpc-status").unwrap(), "0");
    let (data, end) = read(client::request(Messages(vec![sum(vec![1; 9])].into_iter())).into_body());
    assert_eq!(data, encoded(&sum(vec![1; 9])));
    assert!(end.is_none());
}

#[test]
fn a_message_that_is_too_long_ends_the_stream_with_an_error() {
    let chunk = wire::LabelsChunk {
        offset: 0,
        data: vec![0; MAX_MESSAGE_BYTES].into(),
    };
    let message = wire::CoordinatorMessage {
        message: Some(to_worker::Message::Labels(chunk)),
    };
    let (data, end) = read(server::response(Messages(vec![message].into_iter())).into_body());
    assert!(data.is_empty());
    assert_eq!(end.unwrap().unwrap().get("grpc-status").unwrap(), "8");
    let (data, end) = read(client::request(Messages(vec![sum(vec![0; MAX_MESSAGE_BYTES])].into_iter())).into_body());
    assert!(data.is_empty());
    assert_eq!(end.unwrap().unwrap_err().code(), Code::ResourceExhausted);
}

#[test]
fn a_client_reads_the_status_that_ends_a_stream() {
    let message = || Ok(Frame::data(Bytes::from(encoded(&wire::CoordinatorMessage::default()))));
    assert!(end_of(vec![message(), trailers(&[("grpc-status", "0")])]).is_ok());
    let status = end_of(vec![
        message(),
        trailers(&[("grpc-status", "7"), ("grpc-message", "not%20you")]),
    ])
    .unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "not you"));
    assert_eq!(end_of(vec![message()]).unwrap_err().code(), Code::Unknown);
    assert_eq!(
        end_of(vec![message(), Err(Status::cancelled(""))]).unwrap_err().code(),
        Code::Cancelled
    );
    let half = Ok(Frame::data(Bytes::from_static(&[0, 0])));
    assert_eq!(
        end_of(vec![half, trailers(&[("grpc-status", "0")])])
            .unwrap_err()
            .code(),
        Code::Internal
    );
}

#[test]
fn details_that_are_not_base64_do_no_harm() {
    let end = [("grpc-status", "13"), ("grpc-status-details-bin", "!")];
    assert_eq!(end_of(vec![trailers(&end)]).unwrap_err().code(), Code::Internal);
}

#[test]
fn an_answer_that_is_no_stream_of_messages_is_refused_with_the_reason() {
    let refused = |response| client::accept(response).unwrap_err();
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
    let mut request = client::request(Messages(Vec::new().into_iter()));
    change(&mut request);
    let refusal = match server::accept(request) {
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
        let mut request = client::request(Messages(Vec::new().into_iter()));
        set(&mut request, "content-type", other);
        assert_eq!(server::accept(request).unwrap_err().status().as_u16(), 415, "{other}");
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
    let request = client::request(Messages(Vec::new().into_iter()));
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
    request.headers_mut().insert("content-type", super::CONTENT_TYPE);
    let mut incoming = server::accept(request).unwrap();
    assert_eq!(now(incoming.message()).unwrap(), Some(sum(vec![1])));
    assert_eq!(now(incoming.message()).unwrap(), None);
}
