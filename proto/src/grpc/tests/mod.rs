//! Tests of the modules above, with prost as the oracle of the encoding.

use bytes::Bytes;
use prost::Message;

use super::StreamMessage;
use crate::wire::{self, worker_message as to_coordinator};

mod bytes_and_messages;
mod calls;

/// What an ordinary gRPC library sends.
fn encoded(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat()
}

/// What we send.
fn sent(message: impl StreamMessage) -> Vec<u8> {
    let pieces = message.into_pieces().unwrap();
    [pieces.head, pieces.tensor].concat()
}

/// A message with a tensor.
fn sum(data: impl Into<Bytes>) -> wire::WorkerMessage {
    let sum = wire::SumChunk {
        iteration: 3,
        first_block: 0,
        end_block: 300,
        offset: 1 << 40,
        data: data.into(),
    };
    wire::WorkerMessage {
        checksum: None,
        message: Some(to_coordinator::Message::Sum(sum)),
        shared: None,
    }
}
