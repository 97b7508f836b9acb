//! Streams of bytes, good and bad, split anywhere: our decoder reads from them what the plainest one reads, and keeps no
//! more memory than what has come; our encoder writes what prost writes.

use std::fmt::Debug;

use bytes::Bytes;
use prost::Message;
use proto::grpc::{Decoder, FramingError, StreamMessage};
use proto::{MAX_MESSAGE_BYTES, wire};

use super::{Inputs, Target, ensure, messages, mutate};
use crate::random::Random;

pub(super) const TARGET: Target = Target { name: "framing", case };

/// What the decoder may keep besides twice the most that it ever had to: small frames are gathered in growing memory,
/// which is used again.
const SLACK_BYTES: usize = 16 * 1024;

/// gRPC's flag and length.
const PREFIX_BYTES: usize = 5;

fn case(random: &mut Random, inputs: &mut Inputs) -> Result<(), String> {
    inputs.count();
    if random.happens(1, 2) {
        exchange(random, |random| {
            wire::WorkerMessage::from(messages::from_worker(random))
        })
    } else {
        exchange(random, |random| {
            wire::CoordinatorMessage::from(messages::from_coordinator(random))
        })
    }
}

/// What was read, and how the stream ended.
type Read<M> = (Vec<M>, Result<(), FramingError>);

fn exchange<M>(random: &mut Random, message: impl Fn(&mut Random) -> M) -> Result<(), String>
where
    M: StreamMessage + Debug,
{
    let mut stream = Vec::new();
    for _ in 0..random.between(1, 4) {
        stream.extend(encoded(message(random))?);
    }
    match random.below(8) {
        0 => {}
        1 => stream = mutate::any_bytes(random, 40),
        2 => {
            // A length that is not followed by so many bytes.
            let announced = (mutate::number(random) as u32).to_be_bytes();
            stream.extend([&[0][..], &announced, &mutate::any_bytes(random, 20)].concat());
        }
        _ => mutate::bytes(random, &mut stream),
    }
    let expected = plainly::<M>(&stream);
    let found = in_pieces::<M>(random, &stream)?;
    // A scale may be NaN, which is not equal to itself, but written as the same bytes.
    let bytes = |(messages, _): &Read<M>| messages.iter().map(M::encode_to_vec).collect::<Vec<_>>();
    ensure(bytes(&found) == bytes(&expected) && found.1 == expected.1, || {
        format!("read {found:?}, expected {expected:?}, from {stream:?}")
    })
}

/// The message as we send it, which must be as prost writes it.
fn encoded<M: StreamMessage>(message: M) -> Result<Vec<u8>, String> {
    let body = message.encode_to_vec();
    let expected = [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat();
    let pieces = message.into_pieces().map_err(|error| error.to_string())?;
    let found = [pieces.head, pieces.tensor].concat();
    ensure(found == expected, || format!("wrote {found:?}, expected {expected:?}"))?;
    Ok(found)
}

/// What is in the stream, by the rules of gRPC alone.
fn plainly<M: Message + Default>(mut stream: &[u8]) -> Read<M> {
    let mut messages = Vec::new();
    loop {
        let Some((prefix, rest)) = stream.split_first_chunk::<PREFIX_BYTES>() else {
            let whole = stream.is_empty();
            return (messages, whole.then_some(()).ok_or(FramingError::Incomplete));
        };
        let [flag, len @ ..] = *prefix;
        let found = u32::from_be_bytes(len) as usize;
        if flag != 0 {
            return (messages, Err(FramingError::Compressed { found: flag }));
        }
        if found > MAX_MESSAGE_BYTES {
            return (messages, Err(FramingError::TooLong { found }));
        }
        let Some((body, rest)) = rest.split_at_checked(found) else {
            return (messages, Err(FramingError::Incomplete));
        };
        match M::decode(body) {
            Ok(message) => messages.push(message),
            Err(error) => return (messages, Err(error.into())),
        }
        stream = rest;
    }
}

/// What our decoder reads if the stream comes in pieces.
fn in_pieces<M: Message + Default>(random: &mut Random, stream: &[u8]) -> Result<Read<M>, String> {
    let longest = *random.one_of(&[1, 7, 60, 5000, stream.len()]);
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    let (mut come, mut read, mut most_unread) = (0, 0, 0);
    while come < stream.len() {
        let end = (come + random.index(longest.max(1)) + 1).min(stream.len());
        decoder.push(Bytes::copy_from_slice(&stream[come..end]));
        come = end;
        most_unread = most_unread.max(come - read);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => {
                    read += announced(&stream[read..]);
                    messages.push(message);
                }
                Ok(None) => break,
                Err(error) => return Ok((messages, Err(error))),
            }
        }
        let (memory, most) = (decoder.memory(), 2 * most_unread + SLACK_BYTES);
        ensure(memory <= most, || {
            format!("keeps {memory} bytes, expected at most {most}")
        })?;
    }
    Ok((messages, decoder.finish()))
}

/// The bytes of the message that `stream` begins with.
fn announced(stream: &[u8]) -> usize {
    let len = stream.get(1..PREFIX_BYTES).and_then(<[u8]>::first_chunk::<4>);
    PREFIX_BYTES + len.map_or(0, |len| u32::from_be_bytes(*len) as usize)
}
