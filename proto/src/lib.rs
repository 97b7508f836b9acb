//! The wire: `trainer.proto`, the code generated from it, and the conversions between its messages and the types that
//! the rest of Lockstep works with.
//!
//! Generated types stop here. Outward a message is made with `From`; inward it is parsed once with `TryFrom`, and a
//! [`MessageError`] names the message and the field at fault.

mod convert;
mod error;
pub mod grpc;
pub mod kept;
pub mod local;
mod message;
pub mod tensor;
mod text;

/// The generated code.
#[allow(missing_docs, clippy::all, unused_qualifications)]
pub mod wire {
    tonic::include_proto!("lockstep.v1");

    /// The encoded file descriptors, for server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/trainer.bin"));
}

use std::time::Duration;

pub use error::MessageError;
pub use message::{Dismissal, FromCoordinator, FromWorker, Held, Hello, Reason, Run, SumChunk, TensorChunk, Welcome};
pub use text::{MAX_TEXT_CHARACTERS, printable};

/// The version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 2;

/// The bytes of numbers in a chunk that we send: as many as may be. Every chunk is a write, two reads and a few threads
/// to wake, and with four workers on two cores these cost more than the numbers.
pub const CHUNK_BYTES: usize = MAX_CHUNK_BYTES;

/// The most bytes of numbers in a chunk that we accept.
pub const MAX_CHUNK_BYTES: usize = 256 * 1024;

/// The most bytes in one encoded message: a full chunk and its other fields.
pub const MAX_MESSAGE_BYTES: usize = MAX_CHUNK_BYTES + 1024;

/// The largest HTTP/2 frame that both ends announce. h2 sends one frame per write, so larger frames cost less.
pub const MAX_FRAME_BYTES: u32 = 1024 * 1024;

/// The HTTP/2 flow-control window of both ends, of a stream and of a connection.
pub const WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// How often each end gives a sign of life: four times in `worker_timeout`, the silence after which it counts as lost.
pub fn heartbeat_interval(worker_timeout: Duration) -> Duration {
    worker_timeout / 4
}

/// The most ranges of blocks in one message.
pub const MAX_BLOCK_RANGES: usize = 65_536;

/// The most characters in a worker's name.
pub const MAX_NAME_CHARACTERS: usize = 64;
