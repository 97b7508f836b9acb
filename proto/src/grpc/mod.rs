//! gRPC without copies: how messages become the bytes of an HTTP/2 stream, and the bytes messages.
//!
//! ```text
//!   message ─▶ encode: [flag, length, fields] [tensor] ─▶ OutgoingBody ══ tonic's transport ══▶ IncomingBody ─▶ decode ─▶ message
//! ```
//!
//! What is on the wire is ordinary gRPC, so any library can be at the other end. Ordinary libraries, tonic's codec among
//! them, copy every message once on each side, however. Here a tensor's bytes are handed to the transport as they lie
//! in memory, and a received tensor is a view of the frames that the transport has read. Where both ends are on one machine,
//! tensors may go [beside the stream](crate::local).
//!
//! [`client`] and [`server`] are the two ends of the one method that there is.

mod body;
mod checksum;
pub mod client;
mod decode;
mod encode;
pub mod server;
mod status;

pub use body::{IncomingBody, OutgoingBody, StreamError};
pub use checksum::Checksum;
pub use decode::{Decoder, FramingError};
pub use encode::{Pieces, StreamMessage};

/// The service.
pub const SERVICE: &str = "lockstep.v1.Trainer";

/// The path of its one method.
pub const TRAIN: &str = "/lockstep.v1.Trainer/Train";

/// What gRPC puts before a message: one byte that says whether it is compressed, and its length as a big-endian u32.
const PREFIX_BYTES: usize = 5;

const CONTENT_TYPE: http::HeaderValue = http::HeaderValue::from_static("application/grpc");

/// Whether headers announce gRPC with protobuf messages, which is what it has when they do not say which.
fn is_grpc(headers: &http::HeaderMap) -> bool {
    let found = headers.get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let essence = found.and_then(|value| value.split(|&byte| byte == b';').next());
    essence.is_some_and(|essence| matches!(essence.trim_ascii(), b"application/grpc" | b"application/grpc+proto"))
}

#[cfg(test)]
mod tests;
