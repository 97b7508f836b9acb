//! From bytes to messages.

use std::collections::VecDeque;
use std::marker::PhantomData;

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;

use super::PREFIX_BYTES;
use super::checksum::{self, Checksum};
use crate::MAX_MESSAGE_BYTES;

/// Frames below this size are put together, so that a message in many tiny frames does not cost a multiple of its size.
const KEPT_FROM_BYTES: usize = 4096;

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The flag before a message is not 0.
    #[error("found a message with compression flag {found}, expected 0, not compressed")]
    Compressed {
        /// The flag.
        found: u8,
    },
    /// The length before a message is beyond the limit.
    #[error("found a message of {found} bytes, expected at most {MAX_MESSAGE_BYTES} bytes")]
    TooLong {
        /// The length.
        found: usize,
    },
    /// A message is not what `trainer.proto` says.
    #[error("found a message that does not follow trainer.proto: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// A message is not what its sender sent.
    #[error("found a message altered on its way: its checksum is {found}, expected {expected}")]
    Altered {
        /// The checksum of what came.
        found: Checksum,
        /// The checksum that came with it.
        expected: Checksum,
    },
    /// A message has no checksum, but one before it had.
    #[error("found a message without a checksum, expected one as in the messages before")]
    Unchecked,
    /// The stream ends within a message.
    #[error("the stream ended within a message")]
    Incomplete,
}

/// Cuts a stream into messages. After an error the stream cannot be understood any more.
///
/// It holds at most one message and one frame: more is asked for only when no message is complete, and a length beyond
/// the limit is refused before any byte of its message is awaited.
#[derive(Debug)]
pub struct Decoder<M> {
    received: Received,
    /// Whether a checksum has come, so that no message can do without any more.
    is_checked: bool,
    messages: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Decoder<M> {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self {
            received: Received::default(),
            is_checked: false,
            messages: PhantomData,
        }
    }

    /// Takes the next bytes of the stream. To be called when [`Decoder::next_message`] has returned `None`.
    pub fn push(&mut self, frame: Bytes) {
        self.received.push(frame);
    }

    /// The next message, if all of it is there. Its tensor is a view of the frame that it came in; only one that came
    /// in several frames is copied.
    ///
    /// # Errors
    ///
    /// [`FramingError`] if what comes next is no message.
    pub fn next_message(&mut self) -> Result<Option<M>, FramingError> {
        let Some(message_len) = self.announced()? else {
            return Ok(None);
        };
        if self.received.len - PREFIX_BYTES < message_len {
            return Ok(None);
        }
        self.received.advance(PREFIX_BYTES);
        let fields_len = self.check(message_len)?;
        Ok(Some(M::decode((&mut self.received).take(fields_len))?))
    }

    /// Reads the checksum of a message of `message_len` bytes, all of which are there, and compares it with the bytes that
    /// follow. Returns how many these are. A sender may do without checksums, but not change its mind.
    fn check(&mut self, message_len: usize) -> Result<usize, FramingError> {
        let mut field = [0; checksum::FIELD_BYTES];
        let has_room = message_len >= field.len() && self.received.peek(&mut field);
        let Some(expected) = Checksum::from_field(field).filter(|_| has_room) else {
            return if self.is_checked {
                Err(FramingError::Unchecked)
            } else {
                Ok(message_len)
            };
        };
        self.is_checked = true;
        self.received.advance(field.len());
        let fields_len = message_len - field.len();
        let found = Checksum::over(self.received.pieces(fields_len));
        if found != expected {
            return Err(FramingError::Altered { found, expected });
        }
        Ok(fields_len)
    }

    /// The length of the next message, if its prefix is there.
    fn announced(&self) -> Result<Option<usize>, FramingError> {
        let mut prefix = [0; PREFIX_BYTES];
        if !self.received.peek(&mut prefix) {
            return Ok(None);
        }
        let [flag, len @ ..] = prefix;
        if flag != 0 {
            return Err(FramingError::Compressed { found: flag });
        }
        let found = u32::from_be_bytes(len) as usize;
        if found > MAX_MESSAGE_BYTES {
            return Err(FramingError::TooLong { found });
        }
        Ok(Some(found))
    }

    /// The bytes of memory that hold what has been received and not yet read. They follow what has come, never what a
    /// length has announced.
    pub fn memory(&self) -> usize {
        let kept: usize = self.received.frames.iter().map(Bytes::len).sum();
        kept + self.received.gathered.capacity()
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    ///
    /// [`FramingError::Incomplete`] if part of a message is there.
    pub fn finish(&self) -> Result<(), FramingError> {
        (self.received.len == 0).then_some(()).ok_or(FramingError::Incomplete)
    }
}

#[cfg(test)]
impl<M> Decoder<M> {
    /// The received frames that are kept alive.
    pub(super) fn frames_held(&self) -> usize {
        self.received.frames.len()
    }
}

impl<M: Message + Default> Default for Decoder<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// The bytes of a stream that have been received and not yet read.
#[derive(Debug, Default)]
struct Received {
    /// None is empty.
    frames: VecDeque<Bytes>,
    /// Small frames that came after `frames`, put together.
    gathered: BytesMut,
    /// The bytes of both.
    len: usize,
}

impl Received {
    fn push(&mut self, frame: Bytes) {
        self.len += frame.len();
        if frame.len() < KEPT_FROM_BYTES {
            self.gathered.extend_from_slice(&frame);
            return;
        }
        if !self.gathered.is_empty() {
            self.frames.push_back(self.gathered.split().freeze());
        }
        self.frames.push_back(frame);
    }

    /// Copies the next bytes without reading them. Returns whether there are as many.
    fn peek(&self, mut to: &mut [u8]) -> bool {
        if self.len < to.len() {
            return false;
        }
        for piece in self.pieces(to.len()) {
            let (now, later) = to.split_at_mut(piece.len());
            now.copy_from_slice(piece);
            to = later;
        }
        true
    }

    /// The next `len` bytes, or all if there are fewer, as they lie.
    fn pieces(&self, len: usize) -> impl Iterator<Item = &[u8]> {
        let frames = self.frames.iter().map(Bytes::as_ref);
        let mut rest = len;
        frames.chain([self.gathered.as_ref()]).map(move |frame| {
            let piece = &frame[..frame.len().min(rest)];
            rest -= piece.len();
            piece
        })
    }
}

impl Buf for Received {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.frames.front().map_or(&self.gathered, Bytes::as_ref)
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len, "nobody reads beyond the end");
        self.len -= count;
        while let Some(frame) = self.frames.front_mut() {
            if count < frame.len() {
                frame.advance(count);
                return;
            }
            count -= frame.len();
            self.frames.pop_front();
        }
        self.gathered.advance(count);
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        assert!(len <= self.len, "nobody reads beyond the end");
        match self.frames.front_mut() {
            Some(frame) if len < frame.len() => {
                self.len -= len;
                frame.split_to(len)
            }
            Some(frame) if len == frame.len() => {
                self.len -= len;
                self.frames.pop_front().unwrap_or_default()
            }
            Some(_) => {
                let mut joined = BytesMut::with_capacity(len);
                while joined.len() < len {
                    let piece = self.chunk();
                    let count = piece.len().min(len - joined.len());
                    joined.extend_from_slice(&piece[..count]);
                    self.advance(count);
                }
                joined.freeze()
            }
            None => {
                self.len -= len;
                self.gathered.split_to(len).freeze()
            }
        }
    }
}
