//! What goes out to one worker: a queue of its own, so that a slow worker delays nobody else.

use std::sync::Arc;

use bytes::Bytes;
use proto::local::Sharing;
use proto::tensor::chunks;
use proto::{FromCoordinator, Run, TensorChunk, Welcome, wire};
use shared::dataset::DatasetError;
use shared::ids::Iteration;
use shared::{BlockSet, Dataset, RealType, Tree};
use tokio::sync::{mpsc, oneshot};

use crate::access::MemoryOffer;

/// Messages under way to one worker; a full chunk is 256 KiB, so at most 4 MiB.
pub(super) const MESSAGES_UNDER_WAY: usize = 16;

/// Bytes of columns that are read from the file at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

pub(super) type Outgoing = mpsc::Sender<wire::CoordinatorMessage>;

/// One worker's outgoing queue. When it is dropped, what is queued is still sent; then the stream is closed, and what
/// the worker still says is not listened to.
#[derive(Debug)]
pub struct Link {
    queue: mpsc::UnboundedSender<Delivery>,
    _open: oneshot::Sender<()>,
}

#[derive(Debug)]
enum Delivery {
    Message(FromCoordinator),
    Broadcast {
        message: fn(Iteration, TensorChunk) -> FromCoordinator,
        iteration: Iteration,
        tensor: Bytes,
        number: RealType,
    },
    Shard {
        source: ShardSource,
        hold: BlockSet,
        missing: BlockSet,
    },
}

/// Where the columns of shards come from.
#[derive(Clone, Debug)]
pub struct ShardSource {
    /// The training data; they have labels.
    pub dataset: Arc<Dataset>,
    /// Its blocks.
    pub tree: Tree,
    /// Where it is said that they cannot be read any more.
    pub failures: mpsc::UnboundedSender<DatasetError>,
}

impl Link {
    /// Starts to send what is queued to `outgoing`, until the worker is gone or the link is dropped. The worker is
    /// made the `offer` to share memory, if there is one. What is returned beside the link ends when it is dropped.
    pub(super) fn start(outgoing: Outgoing, offer: Option<(Sharing, MemoryOffer)>) -> (Self, oneshot::Receiver<()>) {
        let (sender, queue) = mpsc::unbounded_channel();
        let (open, closed) = oneshot::channel();
        tokio::spawn(deliver(queue, outgoing, offer));
        let link = Self {
            queue: sender,
            _open: open,
        };
        (link, closed)
    }

    /// Queues a message.
    pub fn send(&self, message: FromCoordinator) {
        self.queue(Delivery::Message(message));
    }

    /// Queues the parameters of an iteration, encoded once for all workers.
    pub fn send_parameters(&self, iteration: Iteration, parameters: Bytes, number: RealType) {
        self.queue(Delivery::Broadcast {
            message: FromCoordinator::Parameters,
            iteration,
            tensor: parameters,
            number,
        });
    }

    /// Queues the gradient that makes the parameters of an iteration, encoded once for all workers.
    pub fn send_gradient(&self, iteration: Iteration, gradient: Bytes, number: RealType) {
        self.queue(Delivery::Broadcast {
            message: FromCoordinator::Gradient,
            iteration,
            tensor: gradient,
            number,
        });
    }

    /// Queues an assignment, with the columns and labels of the blocks that are missing.
    pub fn send_shard(&self, source: ShardSource, hold: BlockSet, missing: BlockSet) {
        self.queue(Delivery::Shard { source, hold, missing });
    }

    fn queue(&self, delivery: Delivery) {
        // A worker that is gone is reported by the receiving side of its stream.
        let _ = self.queue.send(delivery);
    }
}

/// The worker is gone, or there is nothing more that could be sent.
struct Closed;

async fn deliver(
    mut queue: mpsc::UnboundedReceiver<Delivery>,
    outgoing: Outgoing,
    offer: Option<(Sharing, MemoryOffer)>,
) {
    while let Some(delivery) = queue.recv().await {
        let delivered = match delivery {
            Delivery::Message(FromCoordinator::Welcome(welcome)) => {
                let message = welcoming(welcome, offer.as_ref()).await;
                outgoing.send(message).await.map_err(|_| Closed)
            }
            Delivery::Message(message) => send(&outgoing, message).await,
            Delivery::Broadcast {
                message,
                iteration,
                tensor,
                number,
            } => send_chunks(&outgoing, &tensor, number, |chunk| message(iteration, chunk)).await,
            Delivery::Shard { source, hold, missing } => send_shard(&outgoing, source, hold, missing).await,
        };
        if delivered.is_err() {
            return;
        }
    }
}

/// A Welcome that also says how to share memory, if the worker can.
async fn welcoming(welcome: Welcome, offer: Option<&(Sharing, MemoryOffer)>) -> wire::CoordinatorMessage {
    let memory = match offer {
        Some((sharing, MemoryOffer { identity, .. })) => share(sharing.clone(), welcome.run.clone(), *identity).await,
        None => None,
    };
    let mut message = wire::CoordinatorMessage::from(FromCoordinator::Welcome(welcome));
    if let Some(wire::coordinator_message::Message::Welcome(welcome)) = &mut message.message {
        welcome.shared_memory = memory;
    }
    message
}

/// Makes memory to be shared. The system takes a while to clear it.
async fn share(sharing: Sharing, run: Run, identity: u128) -> Option<wire::SharedMemory> {
    let made = tokio::task::spawn_blocking(move || sharing.offer(&run, identity)).await;
    match made.map_err(std::io::Error::other).flatten() {
        Ok(memory) => Some(memory),
        Err(error) => {
            tracing::debug!("no memory is shared with a worker: {error}");
            None
        }
    }
}

async fn send(outgoing: &Outgoing, message: FromCoordinator) -> Result<(), Closed> {
    outgoing.send(message.into()).await.map_err(|_| Closed)
}

async fn send_chunks(
    outgoing: &Outgoing,
    tensor: &Bytes,
    number: RealType,
    message: impl Fn(TensorChunk) -> FromCoordinator,
) -> Result<(), Closed> {
    for chunk in chunks(tensor, number.bytes()) {
        send(outgoing, message(chunk)).await?;
    }
    Ok(())
}

async fn send_shard(outgoing: &Outgoing, source: ShardSource, hold: BlockSet, missing: BlockSet) -> Result<(), Closed> {
    send(outgoing, FromCoordinator::Assignment(hold)).await?;
    let ShardSource {
        dataset,
        tree,
        failures,
    } = source;
    let ranges: Vec<_> = missing.ranges().iter().map(|&range| tree.items_of(range)).collect();
    let labels = dataset.labels().expect("training data have labels");
    let labels: Vec<u8> = ranges
        .iter()
        .flat_map(|columns| &labels[columns.clone()])
        .copied()
        .collect();
    for chunk in chunks(&Bytes::from(labels), 1) {
        send(outgoing, FromCoordinator::Labels(chunk)).await?;
    }
    let element_bytes = dataset.element_type().bytes();
    let column_bytes = dataset.features() * element_bytes;
    // A chunk may end within a column, and a column within a chunk.
    let step = (READ_BYTES / column_bytes).max(1);
    let pieces = ranges.into_iter().flat_map(|columns| {
        let end = columns.end;
        columns.step_by(step).map(move |start| start..end.min(start + step))
    });
    let mut offset = 0;
    for piece in pieces {
        let reader = Arc::clone(&dataset);
        let read = move || {
            reader
                .columns(piece.clone())
                .map(|read| read.to_le_bytes(0..piece.len()))
        };
        let bytes = match tokio::task::spawn_blocking(read).await {
            Ok(Ok(bytes)) => Bytes::from(bytes),
            Ok(Err(error)) => {
                let _ = failures.send(error);
                return Err(Closed);
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        for mut chunk in chunks(&bytes, element_bytes) {
            chunk.offset += offset;
            send(outgoing, FromCoordinator::Columns(chunk)).await?;
        }
        offset += (bytes.len() / element_bytes) as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::CHUNK_BYTES;

    use super::*;

    #[tokio::test]
    async fn a_worker_that_reads_nothing_has_a_few_messages_under_way_and_the_rest_waits_as_it_was() {
        const CHUNKS: usize = 3 * MESSAGES_UNDER_WAY;
        let (outgoing, mut answers) = mpsc::channel(MESSAGES_UNDER_WAY);
        let room = outgoing.clone();
        let (link, _closed) = Link::start(outgoing, None);
        link.send_parameters(Iteration(0), vec![0; CHUNKS * CHUNK_BYTES].into(), RealType::F64);
        // What delivers ends only when all is delivered, so it runs until it has to wait.
        while room.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        drop(link);
        drop(room);
        for _ in 0..CHUNKS {
            assert!(answers.len() <= MESSAGES_UNDER_WAY);
            assert!(answers.recv().await.is_some());
        }
        assert!(answers.recv().await.is_none());
    }
}
