//! Requests to the coordinator and answers to the worker, with any headers, any frames and any end.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use proto::grpc::{self, IncomingBody, StreamError, StreamMessage, TRAIN};
use proto::local::Sharing;
use proto::wire;
use tonic::Status;
use tonic::body::Body;

use super::{Inputs, Target, ensure, messages, mutate};
use crate::random::Random;

pub(super) const TARGET: Target = Target { name: "calls", case };

/// A body of frames that are all there.
struct Frames(std::vec::IntoIter<Result<Frame<Bytes>, Status>>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.next())
    }
}

fn case(random: &mut Random, inputs: &mut Inputs) -> Result<(), String> {
    inputs.count();
    if random.happens(1, 2) {
        let body = body(random, |random| {
            wire::WorkerMessage::from(messages::from_worker(random)).encode_to_vec()
        });
        let mut request = Request::new(body);
        *request.headers_mut() = headers(random);
        *request.method_mut() = random
            .one_of(&[Method::POST, Method::POST, Method::POST, Method::GET])
            .clone();
        let path = *random.one_of(&[TRAIN, TRAIN, TRAIN, "/", "/lockstep.v1.Trainer/"]);
        *request.uri_mut() = http::Uri::from_static(path);
        match grpc::server::accept(request, Sharing::default()) {
            Ok(incoming) => read_to_end(incoming),
            Err(_) => Ok(()),
        }
    } else {
        let body = body(random, |random| {
            wire::CoordinatorMessage::from(messages::from_coordinator(random)).encode_to_vec()
        });
        let mut response = Response::new(body);
        *response.headers_mut() = headers(random);
        *response.status_mut() = *random.one_of(&[StatusCode::OK, StatusCode::OK, StatusCode::FORBIDDEN]);
        match grpc::client::accept(response, Sharing::default()) {
            Ok(incoming) => read_to_end(incoming),
            Err(_) => Ok(()),
        }
    }
}

/// Reads until there is nothing more, which must then stay so.
fn read_to_end<M: StreamMessage>(mut incoming: IncomingBody<M>) -> Result<(), String> {
    while let Ok(Some(_)) = now(incoming.message())? {}
    let after = now(incoming.message())?;
    ensure(matches!(after, Ok(None)), || {
        format!("found {:?} after the end", after.map(|_| "a message"))
    })
}

/// The result of a future that has nothing to wait for.
fn now<V>(future: impl Future<Output = Result<V, StreamError>>) -> Result<Result<V, StreamError>, String> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Ok(result),
        Poll::Pending => Err("it waits although everything is there".to_owned()),
    }
}

/// A stream of messages with something wrong here and there, and some end.
fn body(random: &mut Random, message: impl Fn(&mut Random) -> Vec<u8>) -> Body {
    let mut frames = Vec::new();
    for _ in 0..random.below(4) {
        let message = message(random);
        let mut stream = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
        if random.happens(1, 3) {
            mutate::bytes(random, &mut stream);
        }
        let rest = stream.split_off(random.index(stream.len() + 1));
        frames.extend([stream, rest].map(|piece| Ok(Frame::data(Bytes::from(piece)))));
    }
    match random.below(4) {
        0 => {}
        1 => frames.push(Err(Status::cancelled(""))),
        2 => frames.push(Err(Status::unknown("reset"))),
        _ => frames.push(Ok(Frame::trailers(headers(random)))),
    }
    Body::new(Frames(frames.into_iter()))
}

/// Headers or trailers: those that are looked at, with right and wrong values.
fn headers(random: &mut Random) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if random.happens(7, 8) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    }
    let names = [
        "content-type",
        "grpc-encoding",
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
    ];
    let values = [
        &b"application/grpc+proto"[..],
        b"identity",
        b"gzip",
        b"0",
        b"13",
        b"-1",
        b"%",
        b"%20%zz%ff",
        b"!",
    ];
    for _ in 0..random.below(3) {
        let mut value = random.one_of(&values).to_vec();
        if random.happens(1, 2) {
            mutate::bytes(random, &mut value);
        }
        // What is no header does not get through HTTP/2.
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.insert(HeaderName::from_static(random.one_of::<&str>(&names)), value);
        }
    }
    headers
}
