//! Conversions between messages and wire.

use bytes::Bytes;
use shared::ids::{Iteration, WorkerId};
use shared::{BlockColumns, Digest, ElementType, LayerSizes, LeafRange, Precision, Tree};

use crate::error::MessageError;
use crate::message::{Dismissal, FromCoordinator, FromWorker, Hello, Reason, Run, SumChunk, TensorChunk, Welcome};
use crate::wire::{self, coordinator_message as to_worker, worker_message as to_coordinator};
use crate::{MAX_CHUNK_BYTES, MAX_NAME_CHARACTERS, PROTOCOL_VERSION};

impl From<FromWorker> for wire::WorkerMessage {
    fn from(message: FromWorker) -> Self {
        use to_coordinator::Message;
        let message = match message {
            FromWorker::Hello(Hello { name, threads }) => Message::Hello(wire::Hello {
                protocol_version: PROTOCOL_VERSION,
                name,
                threads,
            }),
            FromWorker::Ready => Message::Ready(wire::Ready {}),
            FromWorker::Sum(SumChunk { iteration, node, chunk }) => Message::Sum(wire::SumChunk {
                iteration: iteration.0,
                first_block: node.first(),
                end_block: node.end(),
                offset: chunk.offset,
                data: chunk.data,
            }),
        };
        Self { message: Some(message) }
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
            }),
            FromCoordinator::Assignment(blocks) => Message::Assignment(wire::Assignment {
                blocks: blocks.map(|range| wire::BlockRange {
                    first_block: range.first(),
                    end_block: range.end(),
                }),
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
            FromCoordinator::Finished { iterations, digest } => Message::Finished(wire::Finished {
                iterations,
                digest: Bytes::copy_from_slice(digest.as_bytes()),
            }),
            FromCoordinator::Dismissed(Dismissal { reason, explanation }) => Message::Dismissed(wire::Dismissed {
                reason: wire::Reason::from(reason).into(),
                explanation,
            }),
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<wire::CoordinatorMessage> for FromCoordinator {
    type Error = MessageError;

    fn try_from(message: wire::CoordinatorMessage) -> Result<Self, MessageError> {
        use to_worker::Message;
        Ok(match required(message.message, "CoordinatorMessage", "message")? {
            Message::Welcome(welcome) => Self::Welcome(welcome.try_into()?),
            Message::Assignment(assignment) => {
                let range = |blocks: wire::BlockRange| block_range("BlockRange", blocks.first_block, blocks.end_block);
                Self::Assignment(assignment.blocks.map(range).transpose()?)
            }
            Message::Columns(chunk) => Self::Columns(tensor_chunk("ColumnsChunk", chunk.offset, chunk.data)?),
            Message::Labels(chunk) => Self::Labels(tensor_chunk("LabelsChunk", chunk.offset, chunk.data)?),
            Message::Parameters(chunk) => Self::Parameters(
                Iteration(chunk.iteration),
                tensor_chunk("ParametersChunk", chunk.offset, chunk.data)?,
            ),
            Message::Finished(finished) => {
                let bytes = finished.digest.as_ref().try_into().map_err(|_| {
                    let found = format!("{} bytes", finished.digest.len());
                    MessageError::field("Finished", "digest", found, "32 bytes")
                })?;
                Self::Finished {
                    iterations: finished.iterations,
                    digest: Digest::from_bytes(bytes),
                }
            }
            Message::Dismissed(dismissed) => Self::Dismissed(Dismissal {
                reason: dismissed.reason().into(),
                explanation: dismissed.explanation,
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
            iterations: run.iterations,
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
                    &format!("{:?}", run.layer_sizes),
                    "n_0, …, n_L, the last one 1",
                )
            })?;
        let block_columns = usize::try_from(run.block_columns)
            .ok()
            .and_then(BlockColumns::new)
            .ok_or_else(|| field("block_columns", &run.block_columns, "at least 8"))?;
        let tree = usize::try_from(run.columns)
            .ok()
            .and_then(|m| Tree::over_batch(m, block_columns).ok())
            .ok_or_else(|| field("columns", &run.columns, "at least 1, and at most 4194304 blocks"))?;
        if !(run.scale.is_finite() && run.scale > 0.0) {
            return Err(field("scale", &run.scale, "a finite number above 0"));
        }
        Ok(Self {
            sizes,
            precision,
            tree,
            block_columns,
            element_type,
            scale: run.scale,
            iterations: run.iterations,
        })
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

fn tensor_chunk(message: &'static str, offset: u64, data: Bytes) -> Result<TensorChunk, MessageError> {
    if data.is_empty() || data.len() > MAX_CHUNK_BYTES {
        let found = format!("{} bytes", data.len());
        return Err(MessageError::field(message, "data", found, "1 to 262144 bytes"));
    }
    Ok(TensorChunk { offset, data })
}

impl From<Precision> for wire::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F64 => Self::F64,
            Precision::F32 => Self::F32,
        }
    }
}

impl TryFrom<wire::Precision> for Precision {
    type Error = MessageError;

    fn try_from(precision: wire::Precision) -> Result<Self, MessageError> {
        match precision {
            wire::Precision::F64 => Ok(Self::F64),
            wire::Precision::F32 => Ok(Self::F32),
            wire::Precision::Unspecified => Err(MessageError::field(
                "Run",
                "precision",
                "an unknown precision",
                "PRECISION_F64 or PRECISION_F32",
            )),
        }
    }
}

impl From<ElementType> for wire::ElementType {
    fn from(element_type: ElementType) -> Self {
        match element_type {
            ElementType::U8 => Self::U8,
            ElementType::I8 => Self::I8,
            ElementType::I16 => Self::I16,
            ElementType::I32 => Self::I32,
            ElementType::I64 => Self::I64,
            ElementType::F32 => Self::F32,
            ElementType::F64 => Self::F64,
        }
    }
}

impl TryFrom<wire::ElementType> for ElementType {
    type Error = MessageError;

    fn try_from(element_type: wire::ElementType) -> Result<Self, MessageError> {
        match element_type {
            wire::ElementType::U8 => Ok(Self::U8),
            wire::ElementType::I8 => Ok(Self::I8),
            wire::ElementType::I16 => Ok(Self::I16),
            wire::ElementType::I32 => Ok(Self::I32),
            wire::ElementType::I64 => Ok(Self::I64),
            wire::ElementType::F32 => Ok(Self::F32),
            wire::ElementType::F64 => Ok(Self::F64),
            wire::ElementType::Unspecified => Err(MessageError::field(
                "Run",
                "element_type",
                "an unknown element type",
                "one of ElementType",
            )),
        }
    }
}

impl From<Reason> for wire::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::ProtocolVersion => Self::ProtocolVersion,
            Reason::RunIsFull => Self::RunIsFull,
            Reason::Misconduct => Self::Misconduct,
            Reason::RunFailed => Self::RunFailed,
            Reason::Other => Self::Unspecified,
        }
    }
}

impl From<wire::Reason> for Reason {
    fn from(reason: wire::Reason) -> Self {
        match reason {
            wire::Reason::ProtocolVersion => Self::ProtocolVersion,
            wire::Reason::RunIsFull => Self::RunIsFull,
            wire::Reason::Misconduct => Self::Misconduct,
            wire::Reason::RunFailed => Self::RunFailed,
            wire::Reason::Unspecified => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message as _;

    fn run() -> impl Strategy<Value = Run> {
        let sizes = prop::collection::vec(1_usize..100, 1..5);
        let element_type = prop::sample::select(ElementType::ALL.to_vec());
        let precision = prop::sample::select(vec![Precision::F64, Precision::F32]);
        (
            sizes,
            precision,
            1_usize..5000,
            8_usize..100,
            element_type,
            1e-9..1e9_f64,
            any::<u64>(),
        )
            .prop_map(
                |(sizes, precision, m, block_columns, element_type, scale, iterations)| {
                    let block_columns = BlockColumns::new(block_columns).unwrap();
                    Run {
                        sizes: LayerSizes::new([&sizes[..], &[1]].concat()).unwrap(),
                        precision,
                        tree: Tree::over_batch(m, block_columns).unwrap(),
                        block_columns,
                        element_type,
                        scale,
                        iterations,
                    }
                },
            )
    }

    fn range() -> impl Strategy<Value = LeafRange> {
        (any::<u32>(), any::<u32>()).prop_filter_map("empty", |(a, b)| LeafRange::new(a.min(b), a.max(b)))
    }

    fn chunk() -> impl Strategy<Value = TensorChunk> {
        (any::<u64>(), prop::collection::vec(any::<u8>(), 1..50)).prop_map(|(offset, data)| TensorChunk {
            offset,
            data: data.into(),
        })
    }

    fn from_worker() -> impl Strategy<Value = FromWorker> {
        prop_oneof![
            ("[a-z é]{1,64}", 1_u32..).prop_map(|(name, threads)| FromWorker::Hello(Hello { name, threads })),
            Just(FromWorker::Ready),
            (any::<u64>(), range(), chunk()).prop_map(|(iteration, node, chunk)| {
                FromWorker::Sum(SumChunk {
                    iteration: Iteration(iteration),
                    node,
                    chunk,
                })
            }),
        ]
    }

    fn from_coordinator() -> impl Strategy<Value = FromCoordinator> {
        let reasons = vec![
            Reason::ProtocolVersion,
            Reason::RunIsFull,
            Reason::Misconduct,
            Reason::RunFailed,
            Reason::Other,
        ];
        prop_oneof![
            (any::<u32>(), run()).prop_map(|(worker, run)| FromCoordinator::Welcome(Welcome {
                worker: WorkerId(worker),
                run
            })),
            prop::option::of(range()).prop_map(FromCoordinator::Assignment),
            chunk().prop_map(FromCoordinator::Columns),
            chunk().prop_map(FromCoordinator::Labels),
            (any::<u64>(), chunk()).prop_map(|(t, chunk)| FromCoordinator::Parameters(Iteration(t), chunk)),
            (any::<u64>(), any::<[u8; 32]>()).prop_map(|(iterations, bytes)| {
                FromCoordinator::Finished {
                    iterations,
                    digest: Digest::from_bytes(bytes),
                }
            }),
            (prop::sample::select(reasons), ".*")
                .prop_map(|(reason, explanation)| { FromCoordinator::Dismissed(Dismissal { reason, explanation }) }),
        ]
    }

    proptest! {
        #[test]
        fn what_a_worker_says_survives_the_wire(message in from_worker()) {
            let bytes = wire::WorkerMessage::from(message.clone()).encode_to_vec();
            let received = wire::WorkerMessage::decode(bytes.as_slice()).unwrap();
            prop_assert_eq!(FromWorker::try_from(received), Ok(message));
        }

        #[test]
        fn what_the_coordinator_says_survives_the_wire(message in from_coordinator()) {
            let bytes = wire::CoordinatorMessage::from(message.clone()).encode_to_vec();
            let received = wire::CoordinatorMessage::decode(bytes.as_slice()).unwrap();
            prop_assert_eq!(FromCoordinator::try_from(received), Ok(message));
        }

        #[test]
        fn no_bytes_can_make_the_conversions_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = wire::WorkerMessage::decode(bytes.as_slice()) {
                let _ = FromWorker::try_from(message);
            }
            if let Ok(message) = wire::CoordinatorMessage::decode(bytes.as_slice()) {
                let _ = FromCoordinator::try_from(message);
            }
        }
    }

    fn refused(message: to_coordinator::Message) -> String {
        FromWorker::try_from(wire::WorkerMessage { message: Some(message) })
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_wrong_field_is_named_with_what_was_found_and_expected() {
        use to_coordinator::Message;
        let hello = |name: &str, protocol_version, threads| {
            Message::Hello(wire::Hello {
                protocol_version,
                name: name.to_owned(),
                threads,
            })
        };
        assert_eq!(
            refused(hello("w", 7, 1)),
            "the worker speaks protocol version 7, expected 1"
        );
        let name = "1 to 64 characters, none of them a control character";
        assert_eq!(
            refused(hello("", 1, 1)),
            format!("Hello.name: found \"\", expected {name}")
        );
        assert_eq!(
            refused(hello("a\nb", 1, 1)),
            format!("Hello.name: found \"a\\nb\", expected {name}")
        );
        assert_eq!(refused(hello("w", 1, 0)), "Hello.threads: found 0, expected at least 1");
        let sum = |first_block, end_block, data: &'static [u8]| {
            Message::Sum(wire::SumChunk {
                iteration: 0,
                first_block,
                end_block,
                offset: 0,
                data: Bytes::from_static(data),
            })
        };
        assert_eq!(
            refused(sum(2, 2, &[0])),
            "SumChunk.end_block: found 2..2, expected at least one block"
        );
        assert_eq!(
            refused(sum(0, 1, &[])),
            "SumChunk.data: found 0 bytes, expected 1 to 262144 bytes"
        );
        let empty = FromWorker::try_from(wire::WorkerMessage { message: None }).unwrap_err();
        assert_eq!(empty.to_string(), "WorkerMessage.message is missing");
    }

    #[test]
    fn a_run_that_cannot_be_is_refused() {
        let good = wire::Run {
            layer_sizes: vec![2, 1],
            precision: wire::Precision::F64.into(),
            columns: 10,
            block_columns: 8,
            element_type: wire::ElementType::U8.into(),
            scale: 1.0,
            iterations: 1,
        };
        assert!(Run::try_from(good.clone()).is_ok());
        let refused = |change: fn(&mut wire::Run)| {
            let mut run = good.clone();
            change(&mut run);
            match Run::try_from(run).unwrap_err() {
                MessageError::Field { field, .. } => field,
                other => panic!("{other}"),
            }
        };
        assert_eq!(refused(|run| run.layer_sizes = vec![2, 0, 1]), "layer_sizes");
        assert_eq!(
            refused(|run| run.layer_sizes = vec![u64::MAX, u64::MAX, 1]),
            "layer_sizes"
        );
        assert_eq!(refused(|run| run.precision = 9), "precision");
        assert_eq!(refused(|run| run.columns = 0), "columns");
        assert_eq!(refused(|run| run.columns = u64::MAX), "columns");
        assert_eq!(refused(|run| run.block_columns = 7), "block_columns");
        assert_eq!(refused(|run| run.element_type = 0), "element_type");
        assert_eq!(refused(|run| run.scale = f64::NAN), "scale");
        assert_eq!(refused(|run| run.scale = 0.0), "scale");
    }
}
