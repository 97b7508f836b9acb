//! The coordinator's end of a call.

use futures_core::Stream;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use tonic::Status;
use tonic::body::Body;

use super::body::{IncomingBody, OutgoingBody, Side};
use super::{TRAIN, is_grpc};
use crate::local::Sharing;
use crate::wire;

/// What a worker says in a request that asks for a stream.
///
/// # Errors
///
/// The response that refuses the request: it is no gRPC, asks for another method, or would compress its messages.
pub fn accept(
    request: Request<Body>,
    sharing: Sharing,
) -> Result<IncomingBody<wire::WorkerMessage>, Box<Response<Body>>> {
    let (parts, body) = request.into_parts();
    if !is_grpc(&parts.headers) {
        return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if parts.method != Method::POST {
        return Err(plain(StatusCode::METHOD_NOT_ALLOWED));
    }
    if parts.uri.path() != TRAIN {
        return Err(refusal("found another method, expected lockstep.v1.Trainer/Train"));
    }
    match parts.headers.get("grpc-encoding") {
        Some(encoding) if encoding != "identity" => Err(refusal(
            "found compressed messages, expected the grpc-encoding identity",
        )),
        _ => Ok(IncomingBody::new(body, Side::Server, sharing)),
    }
}

/// The response that opens a stream of `messages`.
pub fn response<S>(messages: S, sharing: Sharing) -> Response<Body>
where
    S: Stream<Item = wire::CoordinatorMessage> + Send + Unpin + 'static,
{
    let mut response = Response::new(Body::new(OutgoingBody::new(messages, Side::Server, sharing)));
    response.headers_mut().insert(CONTENT_TYPE, super::CONTENT_TYPE);
    response
}

/// To a client that does not speak gRPC.
fn plain(status: StatusCode) -> Box<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    Box::new(response)
}

/// To a client that speaks gRPC.
fn refusal(explanation: &str) -> Box<Response<Body>> {
    let mut response = Status::unimplemented(explanation).into_http();
    let accepted = http::HeaderValue::from_static("identity");
    response.headers_mut().insert("grpc-accept-encoding", accepted);
    Box::new(response)
}
