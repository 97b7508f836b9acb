//! From messages to bytes.

use bytes::{BufMut, Bytes};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::PREFIX_BYTES;
use super::checksum::{self, Checksum};
use super::decode::FramingError;
use crate::MAX_MESSAGE_BYTES;
use crate::wire::{self, coordinator_message as to_worker, worker_message as to_coordinator};

/// A message as it goes over a stream, in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// gRPC's prefix and the message, up to the tensor's first byte if there is one.
    pub head: Bytes,
    /// The tensor, not copied; empty if the message carries none.
    pub tensor: Bytes,
}

/// A message that goes over a stream of its own kind.
pub trait StreamMessage: Message + Default {
    /// The message with gRPC's prefix and a checksum. Together the pieces are what prost encodes.
    ///
    /// # Errors
    ///
    /// [`FramingError::TooLong`] if the other end would refuse it.
    fn into_pieces(self) -> Result<Pieces, FramingError>;

    /// The bytes of its tensor; `None` if it is of a kind that has none, or whose tensor does not go through shared memory:
    /// columns and labels wait until all of them have come, and would block the way of what comes in every iteration.
    fn tensor_mut(&mut self) -> Option<&mut Bytes>;

    /// Where its tensor lies, if not in the message.
    fn shared_mut(&mut self) -> &mut Option<wire::SharedTensor>;
}

impl StreamMessage for wire::WorkerMessage {
    fn into_pieces(self) -> Result<Pieces, FramingError> {
        use to_coordinator::Message;
        match self.message {
            Some(Message::Sum(mut sum)) if self.shared.is_none() => {
                let data = std::mem::take(&mut sum.data);
                with_tensor(Field(4), &sum, Field(5), data)
            }
            message => whole(&Self {
                checksum: None,
                message,
                shared: self.shared,
            }),
        }
    }

    fn tensor_mut(&mut self) -> Option<&mut Bytes> {
        match &mut self.message {
            Some(to_coordinator::Message::Sum(sum)) => Some(&mut sum.data),
            _ => None,
        }
    }

    fn shared_mut(&mut self) -> &mut Option<wire::SharedTensor> {
        &mut self.shared
    }
}

impl StreamMessage for wire::CoordinatorMessage {
    fn into_pieces(self) -> Result<Pieces, FramingError> {
        use to_worker::Message;
        match self.message {
            message if self.shared.is_some() => whole(&Self {
                checksum: None,
                message,
                shared: self.shared,
            }),
            Some(Message::Columns(mut chunk)) => {
                let data = std::mem::take(&mut chunk.data);
                with_tensor(Field(4), &chunk, Field(2), data)
            }
            Some(Message::Labels(mut chunk)) => {
                let data = std::mem::take(&mut chunk.data);
                with_tensor(Field(5), &chunk, Field(2), data)
            }
            Some(Message::Parameters(mut chunk)) => {
                let data = std::mem::take(&mut chunk.data);
                with_tensor(Field(6), &chunk, Field(3), data)
            }
            Some(Message::Gradient(mut chunk)) => {
                let data = std::mem::take(&mut chunk.data);
                with_tensor(Field(11), &chunk, Field(3), data)
            }
            message => whole(&Self {
                checksum: None,
                message,
                shared: None,
            }),
        }
    }

    fn tensor_mut(&mut self) -> Option<&mut Bytes> {
        use to_worker::Message;
        match &mut self.message {
            Some(Message::Parameters(chunk)) => Some(&mut chunk.data),
            Some(Message::Gradient(chunk)) => Some(&mut chunk.data),
            _ => None,
        }
    }

    fn shared_mut(&mut self) -> &mut Option<wire::SharedTensor> {
        &mut self.shared
    }
}

/// The number of a length-delimited field in `trainer.proto`.
#[derive(Clone, Copy)]
struct Field(u32);

impl Field {
    /// The bytes of its key and its length.
    fn key_bytes(self, len: usize) -> usize {
        key_len(self.0) + encoded_len_varint(len as u64)
    }

    fn put_key(self, len: usize, head: &mut Vec<u8>) {
        encode_key(self.0, WireType::LengthDelimited, head);
        encode_varint(len as u64, head);
    }
}

/// A message whose only field, `chunk`, holds `rest` and after it the tensor. `tensor` must be the chunk's field of the
/// highest number, and `rest` the chunk without it.
fn with_tensor(chunk: Field, rest: &impl Message, tensor: Field, data: Bytes) -> Result<Pieces, FramingError> {
    // Like every other field of proto3, an empty one is not on the wire.
    let tensor_key = if data.is_empty() {
        0
    } else {
        tensor.key_bytes(data.len())
    };
    let chunk_len = rest.encoded_len() + tensor_key + data.len();
    let fields_len = chunk.key_bytes(chunk_len) + chunk_len;
    let mut head = begun(fields_len, fields_len - data.len())?;
    chunk.put_key(chunk_len, &mut head);
    rest.encode_raw(&mut head);
    if !data.is_empty() {
        tensor.put_key(data.len(), &mut head);
    }
    Ok(ended(head, data))
}

fn whole(message: &impl Message) -> Result<Pieces, FramingError> {
    let len = message.encoded_len();
    let mut head = begun(len, len)?;
    message.encode_raw(&mut head);
    Ok(ended(head, Bytes::new()))
}

/// The beginning of a message whose fields after the checksum have `fields_len` bytes, with room for `head_len` of them:
/// the prefix, and a checksum that is not known yet.
fn begun(fields_len: usize, head_len: usize) -> Result<Vec<u8>, FramingError> {
    let message_len = checksum::FIELD_BYTES + fields_len;
    let len = u32::try_from(message_len)
        .ok()
        .filter(|_| message_len <= MAX_MESSAGE_BYTES)
        .ok_or(FramingError::TooLong { found: message_len })?;
    let mut head = Vec::with_capacity(PREFIX_BYTES + checksum::FIELD_BYTES + head_len);
    head.put_u8(0);
    head.put_u32(len);
    head.put_bytes(0, checksum::FIELD_BYTES);
    Ok(head)
}

/// Such a message when all its fields are there: now the checksum can be added.
fn ended(mut head: Vec<u8>, tensor: Bytes) -> Pieces {
    const CHECKSUM_END: usize = PREFIX_BYTES + checksum::FIELD_BYTES;
    let checksum = Checksum::over([&head[CHECKSUM_END..], &tensor]);
    head[PREFIX_BYTES..CHECKSUM_END].copy_from_slice(&checksum.to_field());
    Pieces {
        head: head.into(),
        tensor,
    }
}
