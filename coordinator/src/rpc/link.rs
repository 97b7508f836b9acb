//! What goes out to one worker: a queue of its own, so that a slow worker delays nobody else.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use proto::tensor::chunks;
use proto::{FromCoordinator, MAX_CHUNK_BYTES, wire};
use shared::dataset::DatasetError;
use shared::ids::Iteration;
use shared::{Dataset, LeafRange, Precision};
use tokio::sync::mpsc;

/// Messages under way to one worker; a full chunk is 256 KiB, so at most 4 MiB.
pub(super) const MESSAGES_UNDER_WAY: usize = 16;

/// Bytes of columns that are read from the file at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

pub(super) type Outgoing = mpsc::Sender<wire::CoordinatorMessage>;

/// One worker's outgoing queue. When it is dropped, what is queued is still sent; then the stream is closed.
#[derive(Clone, Debug)]
pub struct Link(mpsc::UnboundedSender<Delivery>);

#[derive(Debug)]
enum Delivery {
    Message(FromCoordinator),
    Parameters {
        iteration: Iteration,
        parameters: Bytes,
        precision: Precision,
    },
    Shard {
        source: ShardSource,
        blocks: LeafRange,
        columns: Range<usize>,
    },
}

/// Where the columns of shards come from.
#[derive(Clone, Debug)]
pub struct ShardSource {
    /// The training data; they have labels.
    pub dataset: Arc<Dataset>,
    /// Where it is said that they cannot be read any more.
    pub failures: mpsc::UnboundedSender<DatasetError>,
}

impl Link {
    /// Starts to send what is queued to `outgoing`, until the worker is gone or the link is dropped.
    pub(super) fn start(outgoing: Outgoing) -> Self {
        let (sender, queue) = mpsc::unbounded_channel();
        tokio::spawn(deliver(queue, outgoing));
        Self(sender)
    }

    /// Queues a message.
    pub fn send(&self, message: FromCoordinator) {
        self.queue(Delivery::Message(message));
    }

    /// Queues the parameters of an iteration, encoded once for all workers.
    pub fn send_parameters(&self, iteration: Iteration, parameters: Bytes, precision: Precision) {
        self.queue(Delivery::Parameters {
            iteration,
            parameters,
            precision,
        });
    }

    /// Queues an assignment, with the columns and labels of its blocks.
    pub fn send_shard(&self, source: ShardSource, blocks: LeafRange, columns: Range<usize>) {
        self.queue(Delivery::Shard {
            source,
            blocks,
            columns,
        });
    }

    fn queue(&self, delivery: Delivery) {
        // A worker that is gone is reported by the receiving side of its stream.
        let _ = self.0.send(delivery);
    }
}

/// The worker is gone, or there is nothing more that could be sent.
struct Closed;

async fn deliver(mut queue: mpsc::UnboundedReceiver<Delivery>, outgoing: Outgoing) {
    while let Some(delivery) = queue.recv().await {
        let delivered = match delivery {
            Delivery::Message(message) => send(&outgoing, message).await,
            Delivery::Parameters {
                iteration,
                parameters,
                precision,
            } => send_parameters(&outgoing, iteration, &parameters, precision).await,
            Delivery::Shard {
                source,
                blocks,
                columns,
            } => send_shard(&outgoing, source, blocks, columns).await,
        };
        if delivered.is_err() {
            return;
        }
    }
}

async fn send(outgoing: &Outgoing, message: FromCoordinator) -> Result<(), Closed> {
    outgoing.send(message.into()).await.map_err(|_| Closed)
}

async fn send_parameters(
    outgoing: &Outgoing,
    iteration: Iteration,
    parameters: &Bytes,
    precision: Precision,
) -> Result<(), Closed> {
    for chunk in chunks(parameters, precision.bytes()) {
        send(outgoing, FromCoordinator::Parameters(iteration, chunk)).await?;
    }
    Ok(())
}

async fn send_shard(
    outgoing: &Outgoing,
    source: ShardSource,
    blocks: LeafRange,
    columns: Range<usize>,
) -> Result<(), Closed> {
    send(outgoing, FromCoordinator::Assignment(Some(blocks))).await?;
    let ShardSource { dataset, failures } = source;
    let labels = dataset.labels().expect("training data have labels")[columns.clone()].to_vec();
    for chunk in chunks(&Bytes::from(labels), 1) {
        send(outgoing, FromCoordinator::Labels(chunk)).await?;
    }
    let element_bytes = dataset.element_type().bytes();
    let column_bytes = dataset.features() * element_bytes;
    // A chunk may end within a column, and a column within a chunk: what is read is kept until it fills chunks.
    let step = (READ_BYTES / column_bytes).max(1);
    let mut offset = 0;
    for start in columns.clone().step_by(step) {
        let piece = start..columns.end.min(start + step);
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
    debug_assert!(MAX_CHUNK_BYTES.is_multiple_of(8), "a chunk never ends within a number");
    Ok(())
}
