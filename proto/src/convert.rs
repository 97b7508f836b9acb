//! Conversions between messages and wire.

mod enums;

use std::time::Duration;

use bytes::Bytes;
use shared::ids::{Iteration, WorkerId};
use shared::{BlockColumns, BlockSet, Digest, ElementType, LayerSizes, LeafRange, Precision, Tree};

use crate::error::MessageError;
use crate::message::{Dismissal, FromCoordinator, FromWorker, Held, Hello, Run, SumChunk, TensorChunk, Welcome};
use crate::text::printable;
use crate::wire::{self, coordinator_message as to_worker, worker_message as to_coordinator};
use crate::{MAX_BLOCK_RANGES, MAX_CHUNK_BYTES, MAX_NAME_CHARACTERS, PROTOCOL_VERSION};

impl From<FromWorker> for wire::WorkerMessage {
    fn from(message: FromWorker) -> Self {
        use to_coordinator::Message;
        let message = match message {
            FromWorker::Hello(Hello { name, threads, held }) => Message::Hello(wire::Hello {
                protocol_version: PROTOCOL_VERSION,
                name,
                threads,
                held: held.map(wire::Held::from),
            }),
            FromWorker::Ready => Message::Ready(wire::Ready {}),
            FromWorker::Sum(SumChunk { iteration, node, chunk }) => Message::Sum(wire::SumChunk {
                iteration: iteration.0,
                first_block: node.first(),
                end_block: node.end(),
                offset: chunk.offset,
                data: chunk.data,
            }),
            FromWorker::Heartbeat => Message::Heartbeat(wire::Heartbeat {}),
        };
        Self {
            checksum: None,
            message: Some(message),
            shared: None,
        }
    }
}

impl TryFrom<wire::WorkerMessage> for FromWorker {
    type Error = MessageError;

    fn try_from(message: wire::WorkerMessage) -> Result<Self, MessageError> {
        use to_coordinator::Message;
        match required(message.message, "WorkerMessage", "message")? {
            Message::Hello(hello) => Hello::try_from(hello).map(Self::Hello),
            Message::Ready(wire::Ready {}) => Ok(Self::Ready),
            Message::Sum(sum) => Ok(Self::Sum(SumChunk {
                iteration: Iteration(sum.iteration),
                node: block_range("SumChunk", sum.first_block, sum.end_block)?,
                chunk: tensor_chunk("SumChunk", sum.offset, sum.data)?,
            })),
            Message::Heartbeat(wire::Heartbeat {}) => Ok(Self::Heartbeat),
        }
    }
}

impl TryFrom<wire::Hello> for Hello {
    type Error = MessageError;

    fn try_from(hello: wire::Hello) -> Result<Self, MessageError> {
        check_version("worker", hello.protocol_version)?;
        let characters = hello.name.chars().count();
        if characters == 0 || characters > MAX_NAME_CHARACTERS || hello.name.chars().any(char::is_control) {
            let start: String = hello.name.chars().take(MAX_NAME_CHARACTERS).collect();
            let expected = "1 to 64 characters, none of them a control character";
            return Err(MessageError::field("Hello", "name", format!("{start:?}"), expected));
        }
        if hello.threads == 0 {
            return Err(MessageError::field("Hello", "threads", 0, "at least 1"));
        }
        Ok(Self {
            name: hello.name,
            threads: hello.threads,
            held: hello.held.map(Held::try_from).transpose()?,
        })
    }
}

impl From<Held> for wire::Held {
    fn from(held: Held) -> Self {
        Self {
            data_digest: Bytes::copy_from_slice(held.data.as_bytes()),
            block_columns: held.block_columns.get() as u64,
            blocks: wire_ranges(held.blocks.ranges()),
        }
    }
}

impl TryFrom<wire::Held> for Held {
    type Error = MessageError;

    fn try_from(held: wire::Held) -> Result<Self, MessageError> {
        Ok(Self {
            data: digest("Held", "data_digest", &held.data_digest)?,
            block_columns: block_columns("Held", held.block_columns)?,
            blocks: BlockSet::new(block_ranges("Held", "blocks", &held.blocks)?),
        })
    }
}

impl From<FromCoordinator> for wire::CoordinatorMessage {
    fn from(message: FromCoordinator) -> Self {
        use to_worker::Message;
        let message = match message {
            FromCoordinator::Welcome(Welcome { worker, run }) => Message::Welcome(wire::Welcome {
                protocol_version: PROTOCOL_VERSION,
                worker_id: worker.0,
                run: Some(run.into()),
                shared_memory: None,
            }),
            FromCoordinator::Assignment(blocks) => Message::Assignment(wire::Assignment {
                blocks: wire_ranges(blocks.ranges()),
            }),
            FromCoordinator::Columns(TensorChunk { offset, data }) => {
                Message::Columns(wire::ColumnsChunk { offset, data })
            }
            FromCoordinator::Labels(TensorChunk { offset, data }) => {
                Message::Labels(wire::LabelsChunk { offset, data })
            }
            FromCoordinator::Parameters(iteration, TensorChunk { offset, data }) => {
                Message::Parameters(wire::ParametersChunk {
                    iteration: iteration.0,
                    offset,
                    data,
                })
            }
            FromCoordinator::Gradient(iteration, TensorChunk { offset, data }) => {
                Message::Gradient(wire::GradientChunk {
                    iteration: iteration.0,
                    offset,
                    data,
                })
            }
            FromCoordinator::Compute(iteration, nodes) => Message::Compute(wire::Compute {
                iteration: iteration.0,
                nodes: wire_ranges(&nodes),
            }),
            FromCoordinator::Heartbeat => Message::Heartbeat(wire::Heartbeat {}),
            FromCoordinator::Finished { iterations, digest } => Message::Finished(wire::Finished {
                iterations,
                digest: Bytes::copy_from_slice(digest.as_bytes()),
            }),
            FromCoordinator::Dismissed(Dismissal { reason, explanation }) => Message::Dismissed(wire::Dismissed {
                reason: wire::Reason::from(reason).into(),
                explanation,
            }),
        };
        Self {
            checksum: None,
            message: Some(message),
            shared: None,
        }
    }
}

impl TryFrom<wire::CoordinatorMessage> for FromCoordinator {
    type Error = MessageError;

    fn try_from(message: wire::CoordinatorMessage) -> Result<Self, MessageError> {
        use to_worker::Message;
        Ok(match required(message.message, "CoordinatorMessage", "message")? {
            Message::Welcome(welcome) => Self::Welcome(welcome.try_into()?),
            Message::Assignment(assignment) => {
                let ranges = block_ranges("Assignment", "blocks", &assignment.blocks)?;
                Self::Assignment(BlockSet::new(ranges))
            }
            Message::Columns(chunk) => Self::Columns(tensor_chunk("ColumnsChunk", chunk.offset, chunk.data)?),
            Message::Labels(chunk) => Self::Labels(tensor_chunk("LabelsChunk", chunk.offset, chunk.data)?),
            Message::Parameters(chunk) => Self::Parameters(
                Iteration(chunk.iteration),
                tensor_chunk("ParametersChunk", chunk.offset, chunk.data)?,
            ),
            Message::Gradient(chunk) => Self::Gradient(
                Iteration(chunk.iteration),
                tensor_chunk("GradientChunk", chunk.offset, chunk.data)?,
            ),
            Message::Compute(compute) => {
                let nodes = block_ranges("Compute", "nodes", &compute.nodes)?;
                if nodes.is_empty() {
                    return Err(MessageError::field("Compute", "nodes", "none", "at least one"));
                }
                Self::Compute(Iteration(compute.iteration), nodes)
            }
            Message::Heartbeat(wire::Heartbeat {}) => Self::Heartbeat,
            Message::Finished(finished) => Self::Finished {
                iterations: finished.iterations,
                digest: digest("Finished", "digest", &finished.digest)?,
            },
            Message::Dismissed(dismissed) => Self::Dismissed(Dismissal {
                reason: dismissed.reason().into(),
                explanation: printable(&dismissed.explanation),
            }),
        })
    }
}

impl TryFrom<wire::Welcome> for Welcome {
    type Error = MessageError;

    fn try_from(welcome: wire::Welcome) -> Result<Self, MessageError> {
        check_version("coordinator", welcome.protocol_version)?;
        Ok(Self {
            worker: WorkerId(welcome.worker_id),
            run: required(welcome.run, "Welcome", "run")?.try_into()?,
        })
    }
}

impl From<Run> for wire::Run {
    fn from(run: Run) -> Self {
        Self {
            layer_sizes: run.sizes.as_slice().iter().map(|&n| n as u64).collect(),
            precision: wire::Precision::from(run.precision).into(),
            columns: run.tree.items() as u64,
            block_columns: run.block_columns.get() as u64,
            element_type: wire::ElementType::from(run.element_type).into(),
            scale: run.scale,
            learning_rate: run.learning_rate,
            iterations: run.iterations,
            data_digest: Bytes::copy_from_slice(run.data.as_bytes()),
            worker_timeout_ms: u64::try_from(run.worker_timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl TryFrom<wire::Run> for Run {
    type Error = MessageError;

    fn try_from(run: wire::Run) -> Result<Self, MessageError> {
        let field =
            |field, found: &dyn ToString, expected| MessageError::field("Run", field, found.to_string(), expected);
        let precision = Precision::try_from(run.precision())?;
        let element_type = ElementType::try_from(run.element_type())?;
        let sizes = run
            .layer_sizes
            .iter()
            .map(|&n| usize::try_from(n))
            .collect::<Result<Vec<_>, _>>();
        let sizes = sizes
            .ok()
            .and_then(|sizes| LayerSizes::new(sizes).ok())
            .ok_or_else(|| {
                field(
                    "layer_sizes",
                    &sizes_text(&run.layer_sizes),
                    "n_0, …, n_L, the last one 1",
                )
            })?;
        let block_columns = block_columns("Run", run.block_columns)?;
        let tree = usize::try_from(run.columns)
            .ok()
            .and_then(|m| Tree::over_batch(m, block_columns).ok())
            .ok_or_else(|| field("columns", &run.columns, "at least 1, and at most 4194304 blocks"))?;
        if !(run.scale.is_finite() && run.scale > 0.0) {
            return Err(field("scale", &run.scale, "a finite number above 0"));
        }
        if !(run.learning_rate.is_finite() && run.learning_rate > 0.0) {
            return Err(field("learning_rate", &run.learning_rate, "a finite number above 0"));
        }
        if run.worker_timeout_ms == 0 {
            return Err(field("worker_timeout_ms", &0, "at least 1"));
        }
        Ok(Self {
            sizes,
            precision,
            tree,
            block_columns,
            element_type,
            scale: run.scale,
            learning_rate: run.learning_rate,
            iterations: run.iterations,
            data: digest("Run", "data_digest", &run.data_digest)?,
            worker_timeout: Duration::from_millis(run.worker_timeout_ms),
        })
    }
}

/// A message has room for a hundred thousand sizes; an error has not.
fn sizes_text(sizes: &[u64]) -> String {
    const MOST: usize = 16;
    match sizes.get(..MOST) {
        Some(first) if sizes.len() > MOST => format!("{first:?} and {} more", sizes.len() - MOST),
        _ => format!("{sizes:?}"),
    }
}

fn check_version(peer: &'static str, found: u32) -> Result<(), MessageError> {
    let expected = PROTOCOL_VERSION;
    (found == expected)
        .then_some(())
        .ok_or(MessageError::Version { peer, found, expected })
}

fn required<V>(value: Option<V>, message: &'static str, field: &'static str) -> Result<V, MessageError> {
    value.ok_or(MessageError::Missing { message, field })
}

fn block_range(message: &'static str, first: u32, end: u32) -> Result<LeafRange, MessageError> {
    let found = || format!("{first}..{end}");
    LeafRange::new(first, end).ok_or_else(|| MessageError::field(message, "end_block", found(), "at least one block"))
}

fn wire_ranges(ranges: &[LeafRange]) -> Vec<wire::BlockRange> {
    let range = |range: &LeafRange| wire::BlockRange {
        first_block: range.first(),
        end_block: range.end(),
    };
    ranges.iter().map(range).collect()
}

fn block_ranges(
    message: &'static str,
    field: &'static str,
    ranges: &[wire::BlockRange],
) -> Result<Vec<LeafRange>, MessageError> {
    if ranges.len() > MAX_BLOCK_RANGES {
        let found = format!("{} ranges", ranges.len());
        return Err(MessageError::field(message, field, found, "at most 65536 ranges"));
    }
    ranges
        .iter()
        .map(|range| block_range("BlockRange", range.first_block, range.end_block))
        .collect()
}

fn block_columns(message: &'static str, found: u64) -> Result<BlockColumns, MessageError> {
    usize::try_from(found)
        .ok()
        .and_then(BlockColumns::new)
        .ok_or_else(|| MessageError::field(message, "block_columns", found, "at least 8"))
}

fn digest(message: &'static str, field: &'static str, bytes: &[u8]) -> Result<Digest, MessageError> {
    bytes
        .try_into()
        .map(Digest::from_bytes)
        .map_err(|_| MessageError::field(message, field, format!("{} bytes", bytes.len()), "32 bytes"))
}

fn tensor_chunk(message: &'static str, offset: u64, data: Bytes) -> Result<TensorChunk, MessageError> {
    if data.is_empty() || data.len() > MAX_CHUNK_BYTES {
        let found = format!("{} bytes", data.len());
        return Err(MessageError::field(message, "data", found, "1 to 262144 bytes"));
    }
    Ok(TensorChunk { offset, data })
}

#[cfg(test)]
pub(crate) mod tests;
