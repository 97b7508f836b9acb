//! Whether the two ends of a stream share memory, and how a message's tensor goes through it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::ring::{Receiver, Sender, SharedTensorError};
use super::segment::{Direction, Rings, Segment};
use crate::message::Run;
use crate::wire;

/// Tensors from this size on are put into shared memory. Smaller ones are as fast in the stream.
const SHARED_FROM_BYTES: usize = 16 * 1024;

/// What the two directions of a stream at one of its ends know of the memory that it shares with the other end. By
/// default there is none.
#[derive(Clone, Debug, Default)]
pub struct Sharing(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    segment: OnceLock<Arc<Segment>>,
    /// Whether the worker has put something there, so that it can also read.
    is_confirmed: AtomicBool,
}

impl Sharing {
    /// Makes memory for the tensors of `run`, to be known by `identity`, which no other has; what a worker on this machine is
    /// to be told of it. Without it all goes over the stream.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn offer(&self, run: &Run, identity: u128) -> std::io::Result<wire::SharedMemory> {
        let numbers = run.sizes.parameters() + 1;
        let number_bytes = run.precision.parameters().bytes().max(run.precision.sums().bytes());
        let rings = Rings::for_tensors(numbers.saturating_mul(number_bytes));
        let segment = Segment::create(rings, identity)?;
        let announcement = segment.announcement().ok_or(std::io::ErrorKind::Unsupported)?;
        // A worker is welcomed once.
        let _ = self.0.segment.set(Arc::new(segment));
        Ok(announcement)
    }

    /// Uses the memory that the coordinator has announced. If it cannot be used, all goes over the stream.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn accept(&self, announced: &wire::SharedMemory) -> std::io::Result<()> {
        let segment = Segment::open(announced)?;
        // The coordinator says Welcome once; a second one is refused elsewhere.
        let _ = self.0.segment.set(Arc::new(segment));
        Ok(())
    }
}

/// The way of outgoing tensors.
#[derive(Debug)]
pub(crate) struct Outgoing {
    sharing: Sharing,
    direction: Direction,
    sender: Option<Sender>,
}

impl Outgoing {
    pub(crate) fn new(sharing: Sharing, direction: Direction) -> Self {
        Self {
            sharing,
            direction,
            sender: None,
        }
    }

    /// Puts `tensor` into shared memory if there is such memory, and room in it, and that is of use.
    pub(crate) fn put(&mut self, tensor: &Bytes) -> Option<wire::SharedTensor> {
        if tensor.len() < SHARED_FROM_BYTES {
            return None;
        }
        let shared = &self.sharing.0;
        if self.direction == Direction::ToWorker && !shared.is_confirmed.load(Ordering::Relaxed) {
            return None;
        }
        let segment = shared.segment.get()?;
        let make = || Sender::new(Arc::clone(segment), self.direction);
        self.sender.get_or_insert_with(make).put(tensor)
    }
}

/// The way of incoming tensors.
#[derive(Debug)]
pub(crate) struct Incoming {
    sharing: Sharing,
    direction: Direction,
    receiver: Option<Receiver>,
}

impl Incoming {
    pub(crate) fn new(sharing: Sharing, direction: Direction) -> Self {
        Self {
            sharing,
            direction,
            receiver: None,
        }
    }

    /// The tensor that lies at `place`.
    ///
    /// # Errors
    ///
    /// [`SharedTensorError`] if there can be none.
    pub(crate) fn take(&mut self, place: wire::SharedTensor) -> Result<Bytes, SharedTensorError> {
        let shared = &self.sharing.0;
        let segment = shared.segment.get().ok_or(SharedTensorError::NotShared)?;
        let make = || Receiver::new(Arc::clone(segment), self.direction);
        let tensor = self.receiver.get_or_insert_with(make).take(place)?;
        if !shared.is_confirmed.swap(true, Ordering::Relaxed) {
            segment.hide();
        }
        Ok(tensor)
    }
}
