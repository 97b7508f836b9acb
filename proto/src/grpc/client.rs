//! The worker's end of a call.

use futures_core::Stream;
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{Method, Request, Response, Version};
use tonic::body::Body;
use tonic::{Code, Status};

use super::body::{IncomingBody, OutgoingBody, Side};
use super::{TRAIN, is_grpc, status};
use crate::local::Sharing;
use crate::wire;

/// The request that opens a stream of `messages`. The transport adds the address.
pub fn request<S>(messages: S, sharing: Sharing) -> Request<Body>
where
    S: Stream<Item = wire::WorkerMessage> + Send + Unpin + 'static,
{
    let mut request = Request::new(Body::new(OutgoingBody::new(messages, Side::Client, sharing)));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = http::Uri::from_static(TRAIN);
    let headers = request.headers_mut();
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, super::CONTENT_TYPE);
    request
}

/// What the coordinator says in its answer to a [`request`].
///
/// # Errors
///
/// The status with which it refuses, or that says why the answer is no gRPC.
pub fn accept(response: Response<Body>, sharing: Sharing) -> Result<IncomingBody<wire::CoordinatorMessage>, Status> {
    let (parts, body) = response.into_parts();
    if !parts.status.is_success() {
        return Err(Status::unknown(format!(
            "it answered with HTTP status {}",
            parts.status
        )));
    }
    if !is_grpc(&parts.headers) {
        return Err(Status::unknown("its answer is no gRPC"));
    }
    match status::read(parts.headers) {
        // A status in the headers is the whole answer.
        Some(status) if status.code() == Code::Ok => Err(Status::unknown("it ended the stream at once")),
        Some(status) => Err(status),
        None => Ok(IncomingBody::new(body, Side::Client, sharing)),
    }
}
