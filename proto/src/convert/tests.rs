//! Tests of the module above.

use super::*;
use crate::message::Reason;
use proptest::prelude::*;
use prost::Message as _;

fn run() -> impl Strategy<Value = Run> {
    let sizes = prop::collection::vec(1_usize..100, 1..5);
    let element_type = prop::sample::select(ElementType::ALL.to_vec());
    let precision = prop::sample::select(Precision::ALL.to_vec());
    (
        sizes,
        precision,
        1_usize..5000,
        8_usize..100,
        element_type,
        (1e-9..1e9_f64, 1e-9..1e9_f64),
        any::<u64>(),
        any::<[u8; 32]>(),
        1_u64..,
    )
        .prop_map(
            |(sizes, precision, m, block_columns, element_type, (scale, learning_rate), iterations, data, timeout)| {
                let block_columns = BlockColumns::new(block_columns).unwrap();
                Run {
                    sizes: LayerSizes::new([&sizes[..], &[1]].concat()).unwrap(),
                    precision,
                    tree: Tree::over_batch(m, block_columns).unwrap(),
                    block_columns,
                    element_type,
                    scale,
                    learning_rate,
                    iterations,
                    data: Digest::from_bytes(data),
                    worker_timeout: Duration::from_millis(timeout),
                }
            },
        )
}

fn range() -> impl Strategy<Value = LeafRange> {
    (any::<u32>(), any::<u32>()).prop_filter_map("empty", |(a, b)| LeafRange::new(a.min(b), a.max(b)))
}

fn held() -> impl Strategy<Value = Held> {
    (any::<[u8; 32]>(), 8_usize..1000, prop::collection::vec(range(), 0..6)).prop_map(
        |(data, block_columns, ranges)| Held {
            data: Digest::from_bytes(data),
            block_columns: BlockColumns::new(block_columns).unwrap(),
            blocks: BlockSet::new(ranges),
        },
    )
}

fn chunk() -> impl Strategy<Value = TensorChunk> {
    (any::<u64>(), prop::collection::vec(any::<u8>(), 1..50)).prop_map(|(offset, data)| TensorChunk {
        offset,
        data: data.into(),
    })
}

pub(crate) fn from_worker() -> impl Strategy<Value = FromWorker> {
    prop_oneof![
        ("[a-z é]{1,64}", 1_u32.., prop::option::of(held()))
            .prop_map(|(name, threads, held)| FromWorker::Hello(Hello { name, threads, held })),
        Just(FromWorker::Ready),
        Just(FromWorker::Heartbeat),
        (any::<u64>(), range(), chunk()).prop_map(|(iteration, node, chunk)| {
            FromWorker::Sum(SumChunk {
                iteration: Iteration(iteration),
                node,
                chunk,
            })
        }),
    ]
}

pub(crate) fn from_coordinator() -> impl Strategy<Value = FromCoordinator> {
    let reasons = vec![
        Reason::ProtocolVersion,
        Reason::Misconduct,
        Reason::RunFailed,
        Reason::Silence,
        Reason::Other,
    ];
    prop_oneof![
        (any::<u32>(), run()).prop_map(|(worker, run)| FromCoordinator::Welcome(Welcome {
            worker: WorkerId(worker),
            run
        })),
        prop::collection::vec(range(), 0..6).prop_map(|ranges| FromCoordinator::Assignment(BlockSet::new(ranges))),
        (any::<u64>(), prop::collection::vec(range(), 1..6))
            .prop_map(|(t, nodes)| FromCoordinator::Compute(Iteration(t), nodes)),
        Just(FromCoordinator::Heartbeat),
        chunk().prop_map(FromCoordinator::Columns),
        chunk().prop_map(FromCoordinator::Labels),
        (any::<u64>(), chunk()).prop_map(|(t, chunk)| FromCoordinator::Parameters(Iteration(t), chunk)),
        (any::<u64>(), chunk()).prop_map(|(t, chunk)| FromCoordinator::Gradient(Iteration(t), chunk)),
        (any::<u64>(), any::<[u8; 32]>()).prop_map(|(iterations, bytes)| {
            FromCoordinator::Finished {
                iterations,
                digest: Digest::from_bytes(bytes),
            }
        }),
        (prop::sample::select(reasons), "\\PC*")
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
    FromWorker::try_from(wire::WorkerMessage {
        checksum: None,
        message: Some(message),
        shared: None,
    })
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
            held: None,
        })
    };
    assert_eq!(
        refused(hello("w", 7, 1)),
        "the worker speaks protocol version 7, expected 2"
    );
    let name = "1 to 64 characters, none of them a control character";
    assert_eq!(
        refused(hello("", PROTOCOL_VERSION, 1)),
        format!("Hello.name: found \"\", expected {name}")
    );
    assert_eq!(
        refused(hello("a\nb", PROTOCOL_VERSION, 1)),
        format!("Hello.name: found \"a\\nb\", expected {name}")
    );
    assert_eq!(
        refused(hello("w", PROTOCOL_VERSION, 0)),
        "Hello.threads: found 0, expected at least 1"
    );
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
    let empty = FromWorker::try_from(wire::WorkerMessage {
        checksum: None,
        message: None,
        shared: None,
    })
    .unwrap_err();
    assert_eq!(empty.to_string(), "WorkerMessage.message is missing");
}

#[test]
fn an_error_about_many_layer_sizes_shows_the_first() {
    let run = wire::Run {
        layer_sizes: vec![0; 100_000],
        precision: wire::Precision::F64.into(),
        element_type: wire::ElementType::U8.into(),
        ..wire::Run::default()
    };
    assert_eq!(
        Run::try_from(run).unwrap_err().to_string(),
        "Run.layer_sizes: found [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] and 99984 more, expected n_0, …, n_L, the \
         last one 1"
    );
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
        learning_rate: 0.1,
        iterations: 1,
        data_digest: Bytes::from_static(&[7; 32]),
        worker_timeout_ms: 5000,
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
    assert_eq!(refused(|run| run.learning_rate = f64::INFINITY), "learning_rate");
    assert_eq!(refused(|run| run.learning_rate = 0.0), "learning_rate");
    assert_eq!(
        refused(|run| run.data_digest = Bytes::from_static(&[7; 31])),
        "data_digest"
    );
    assert_eq!(refused(|run| run.worker_timeout_ms = 0), "worker_timeout_ms");
}

#[test]
fn an_explanation_cannot_steer_the_terminal_it_is_printed_to() {
    let dismissed = wire::Dismissed {
        reason: wire::Reason::RunFailed.into(),
        explanation: "\u{1b}[2Jgone".to_owned(),
    };
    let message = wire::CoordinatorMessage {
        checksum: None,
        message: Some(to_worker::Message::Dismissed(dismissed)),
        shared: None,
    };
    let Ok(FromCoordinator::Dismissed(dismissal)) = FromCoordinator::try_from(message) else {
        panic!("it is a dismissal");
    };
    assert_eq!(dismissal.explanation, "\u{fffd}[2Jgone");
}
