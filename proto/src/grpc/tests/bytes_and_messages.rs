//! Messages to bytes and back.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::{encoded, sent, sum};
use crate::convert::tests::{from_coordinator, from_worker};
use crate::grpc::{Decoder, FramingError, PREFIX_BYTES, StreamMessage};
use crate::wire::{self, coordinator_message as to_worker, worker_message as to_coordinator};
use crate::{MAX_CHUNK_BYTES, MAX_MESSAGE_BYTES};

/// What we send, without the checksum.
fn unchecked(message: impl StreamMessage) -> Vec<u8> {
    let mut bytes = sent(message);
    let key = bytes.drain(PREFIX_BYTES..PREFIX_BYTES + 5).next();
    assert_eq!(key, Some(0x0d), "it comes first");
    let len = (bytes.len() - PREFIX_BYTES) as u32;
    bytes[1..PREFIX_BYTES].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// Messages with tensors of every size that changes the path: gathered, kept, and full.
fn tensors() -> impl Strategy<Value = wire::WorkerMessage> {
    let sizes = prop_oneof![
        0_usize..200,
        4000_usize..4200,
        60_000_usize..66_000,
        Just(MAX_CHUNK_BYTES)
    ];
    (sizes, any::<u8>()).prop_map(|(len, first)| sum((0..len).map(|i| first.wrapping_add(i as u8)).collect::<Vec<_>>()))
}

fn worker_messages() -> impl Strategy<Value = Vec<wire::WorkerMessage>> {
    let message = prop_oneof![
        3 => from_worker().prop_map(wire::WorkerMessage::from),
        1 => tensors(),
        1 => Just(wire::WorkerMessage { checksum: None, message: None, shared: None }),
    ];
    prop::collection::vec(message, 0..6)
}

/// Cuts `stream` where `cuts` say, or nowhere.
fn frames(stream: &[u8], cuts: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    bounds.extend([0, stream.len()]);
    bounds.sort_unstable();
    let piece = |pair: &[usize]| Bytes::copy_from_slice(&stream[pair[0]..pair[1]]);
    bounds.windows(2).map(piece).collect()
}

/// Reads messages as they become complete.
fn decode<M: Message + Default>(frames: Vec<Bytes>) -> Result<Vec<M>, FramingError> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for frame in frames {
        decoder.push(frame);
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
    }
    decoder.finish()?;
    Ok(messages)
}

proptest! {
    #[test]
    fn what_a_worker_sends_is_what_prost_would_send(messages in worker_messages()) {
        for message in messages {
            prop_assert_eq!(encoded(&message), unchecked(message));
        }
    }

    #[test]
    fn what_the_coordinator_sends_is_what_prost_would_send(message in from_coordinator()) {
        let message = wire::CoordinatorMessage::from(message);
        prop_assert_eq!(encoded(&message), unchecked(message));
    }

    #[test]
    fn the_checksum_is_zlibs_of_all_that_follows(message in tensors()) {
        let bytes = sent(message);
        let checksum = wire::WorkerMessage::decode(&bytes[PREFIX_BYTES..]).unwrap().checksum;
        prop_assert_eq!(checksum, Some(crc32fast::hash(&bytes[PREFIX_BYTES + 5..])));
    }

    #[test]
    fn a_bit_that_is_altered_on_the_way_is_found(
        message in tensors(), bit in 0_u8..8, at in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        // The first message shows that this sender uses checksums; without that, one could take the field's key away.
        let first = sent(wire::WorkerMessage::default());
        let mut bytes = sent(message);
        let at = PREFIX_BYTES + at.index(bytes.len() - PREFIX_BYTES);
        bytes[at] ^= 1 << bit;
        let found = decode::<wire::WorkerMessage>(frames(&[first, bytes].concat(), &cuts));
        let is_found = matches!(found, Err(FramingError::Altered { .. } | FramingError::Unchecked));
        prop_assert!(is_found, "{:?}", found);
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_messages(
        messages in worker_messages(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for stream in [
            messages.iter().flat_map(encoded).collect::<Vec<u8>>(),
            messages.iter().cloned().flat_map(sent).collect(),
        ] {
            prop_assert_eq!(decode::<wire::WorkerMessage>(frames(&stream, &cuts)), Ok(messages.clone()));
        }
    }

    #[test]
    fn a_stream_may_come_byte_by_byte(messages in prop::collection::vec(from_coordinator(), 0..4)) {
        let messages: Vec<_> = messages.into_iter().map(wire::CoordinatorMessage::from).collect();
        let stream: Vec<u8> = messages.iter().flat_map(encoded).collect();
        let bytes = stream.chunks(1).map(Bytes::copy_from_slice).collect();
        prop_assert_eq!(decode::<wire::CoordinatorMessage>(bytes), Ok(messages));
    }

    #[test]
    fn a_stream_that_ends_early_is_incomplete(messages in worker_messages(), cut in any::<prop::sample::Index>()) {
        let stream: Vec<u8> = messages.iter().flat_map(encoded).collect();
        let mut whole = vec![0];
        whole.extend(messages.iter().scan(0, |end, message| { *end += encoded(message).len(); Some(*end) }));
        let end = cut.index(stream.len() + 1);
        let result = decode::<wire::WorkerMessage>(vec![Bytes::copy_from_slice(&stream[..end])]);
        match whole.iter().position(|&bound| bound == end) {
            Some(count) => prop_assert_eq!(result.map(|messages| messages.len()), Ok(count)),
            None => prop_assert_eq!(result, Err(FramingError::Incomplete)),
        }
    }

    #[test]
    fn no_bytes_can_make_the_decoder_panic(
        mut stream in prop::collection::vec(any::<u8>(), 0..400), valid_prefix in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        if valid_prefix && stream.len() >= PREFIX_BYTES {
            let len = (stream.len() - PREFIX_BYTES) as u32;
            stream[0] = 0;
            stream[1..PREFIX_BYTES].copy_from_slice(&len.to_be_bytes());
        }
        // Whatever it says, it says the same for every split.
        let whole = decode::<wire::WorkerMessage>(frames(&stream, &[]));
        let split = decode::<wire::WorkerMessage>(frames(&stream, &cuts));
        prop_assert_eq!(whole, split);
    }
}

#[test]
fn a_tensor_is_neither_copied_on_its_way_out_nor_on_its_way_in() {
    let data = Bytes::from(vec![7; 64 * 1024]);
    let pieces = sum(data.clone()).into_pieces().unwrap();
    assert_eq!(pieces.tensor.as_ptr(), data.as_ptr());

    let received = |frames: Vec<Bytes>| {
        let messages = decode::<wire::WorkerMessage>(frames).unwrap();
        let Some(to_coordinator::Message::Sum(sum)) = messages.into_iter().next().unwrap().message else {
            panic!("it was a sum");
        };
        sum.data.as_ptr()
    };
    // From our own encoder the tensor comes in a frame of its own; other libraries put all into one.
    assert_eq!(
        received(vec![pieces.head.clone(), pieces.tensor.clone()]),
        data.as_ptr()
    );
    let one_frame = Bytes::from([pieces.head.clone(), pieces.tensor].concat());
    assert_eq!(
        received(vec![one_frame.clone()]),
        one_frame[pieces.head.len()..].as_ptr()
    );
}

#[test]
fn tensors_of_every_kind_are_sent_without_a_copy() {
    let data = Bytes::from(vec![7; 100]);
    let chunks = [
        to_worker::Message::Columns(wire::ColumnsChunk {
            offset: 1,
            data: data.clone(),
        }),
        to_worker::Message::Labels(wire::LabelsChunk {
            offset: 1,
            data: data.clone(),
        }),
        to_worker::Message::Parameters(wire::ParametersChunk {
            iteration: 2,
            offset: 1,
            data: data.clone(),
        }),
    ];
    for chunk in chunks {
        let message = wire::CoordinatorMessage {
            checksum: None,
            message: Some(chunk),
            shared: None,
        };
        assert_eq!(message.into_pieces().unwrap().tensor.as_ptr(), data.as_ptr());
    }
}

/// A stream that begins with `prefix`.
fn first_error(prefix: [u8; PREFIX_BYTES]) -> FramingError {
    decode::<wire::WorkerMessage>(vec![Bytes::copy_from_slice(&prefix)]).unwrap_err()
}

#[test]
fn a_prefix_that_cannot_be_is_refused_before_its_message_comes() {
    assert_eq!(first_error([1, 0, 0, 0, 9]), FramingError::Compressed { found: 1 });
    assert_eq!(first_error([0xff; 5]), FramingError::Compressed { found: 255 });
    assert_eq!(
        first_error([0, 0xff, 0xff, 0xff, 0xff]),
        FramingError::TooLong {
            found: u32::MAX as usize
        }
    );
    let prefix = |len: usize| {
        let [a, b, c, d] = (len as u32).to_be_bytes();
        [0, a, b, c, d]
    };
    let found = MAX_MESSAGE_BYTES + 1;
    assert_eq!(first_error(prefix(found)), FramingError::TooLong { found });
    assert_eq!(first_error(prefix(MAX_MESSAGE_BYTES)), FramingError::Incomplete);
}

#[test]
fn a_full_chunk_fits_and_a_message_beyond_the_limit_is_not_sent() {
    assert!(sum(vec![0; MAX_CHUNK_BYTES]).into_pieces().is_ok());
    let error = sum(vec![0; MAX_MESSAGE_BYTES]).into_pieces().unwrap_err();
    assert!(matches!(error, FramingError::TooLong { .. }), "{error}");
}

#[test]
fn a_message_that_is_not_the_protos_is_malformed() {
    let error = decode::<wire::WorkerMessage>(vec![Bytes::from_static(&[0, 0, 0, 0, 2, 0x0a, 0x7f])]).unwrap_err();
    assert!(matches!(error, FramingError::Malformed(_)), "{error}");
}

#[test]
fn a_message_in_tiny_frames_holds_little_more_than_its_bytes() {
    let stream = encoded(&sum(vec![0; MAX_CHUNK_BYTES]));
    let mut decoder = Decoder::<wire::WorkerMessage>::new();
    for byte in &stream[..stream.len() - 1] {
        decoder.push(Bytes::copy_from_slice(&[*byte]));
        assert_eq!(decoder.next_message(), Ok(None));
    }
    assert!(decoder.frames_held() <= 1, "found {} frames", decoder.frames_held());
}
