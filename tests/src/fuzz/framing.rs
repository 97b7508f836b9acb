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

/// The key of `optional fixed32 checksum = 1`, and the bytes of the field.
const CHECKSUM_KEY: u8 = 0x0d;
const CHECKSUM_BYTES: usize = 5;

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

/// What was read, and what was wrong with the rest, if anything.
type Read<M> = (Vec<M>, Result<(), String>);

fn exchange<M>(random: &mut Random, message: impl Fn(&mut Random) -> M) -> Result<(), String>
where
    M: StreamMessage + Debug,
{
    // A sender may do without checksums, but only in all its messages.
    let is_checked = random.happens(3, 4);
    let mut stream = Vec::new();
    for _ in 0..random.between(1, 4) {
        let message = message(random);
        let mut body = message.encode_to_vec();
        check_encoding(message, &body)?;
        if random.happens(1, 4) {
            mutate::bytes(random, &mut body);
        }
        stream.extend(framed(&body, is_checked ^ random.happens(1, 20)));
    }
    match random.below(8) {
        0..4 => {}
        4 => stream = mutate::any_bytes(random, 40),
        5 => {
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

/// What we send must be what prost writes, behind prefix and checksum.
fn check_encoding(message: impl StreamMessage, body: &[u8]) -> Result<(), String> {
    let pieces = message.into_pieces().map_err(|error| error.to_string())?;
    let found = [pieces.head, pieces.tensor].concat();
    let expected = framed(body, true);
    ensure(found == expected, || format!("wrote {found:?}, expected {expected:?}"))
}

/// A message's body with what stands before it.
fn framed(body: &[u8], is_checked: bool) -> Vec<u8> {
    let field = [&[CHECKSUM_KEY][..], &checksum(body).to_le_bytes()].concat();
    let field = if is_checked { &field[..] } else { &[] };
    let len = (field.len() + body.len()) as u32;
    [&[0][..], &len.to_be_bytes(), field, body].concat()
}

/// The CRC-32 of ISO-HDLC, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), |crc, _| bit(crc));
    !bytes.iter().fold(!0, byte)
}

/// What is in the stream, by the rules of gRPC and of the checksum alone.
fn plainly<M: Message + Default>(mut stream: &[u8]) -> Read<M> {
    let mut messages = Vec::new();
    let mut must_be_checked = false;
    while !stream.is_empty() {
        match plain_message(&mut stream, &mut must_be_checked) {
            Ok(message) => messages.push(message),
            Err(error) => return (messages, Err(error)),
        }
    }
    (messages, Ok(()))
}

fn plain_message<M: Message + Default>(stream: &mut &[u8], must_be_checked: &mut bool) -> Result<M, String> {
    let incomplete = || FramingError::Incomplete.to_string();
    let ([flag, len @ ..], rest) = stream.split_first_chunk::<PREFIX_BYTES>().ok_or_else(incomplete)?;
    let found = u32::from_be_bytes(*len) as usize;
    if *flag != 0 {
        return Err(FramingError::Compressed { found: *flag }.to_string());
    }
    if found > MAX_MESSAGE_BYTES {
        return Err(FramingError::TooLong { found }.to_string());
    }
    let (mut body, rest) = rest.split_at_checked(found).ok_or_else(incomplete)?;
    *stream = rest;
    if let Some(([CHECKSUM_KEY, expected @ ..], fields)) = body.split_first_chunk::<CHECKSUM_BYTES>() {
        let (found, expected) = (checksum(fields), u32::from_le_bytes(*expected));
        if found != expected {
            return Err(format!(
                "found a message altered on its way: its checksum is {found:08x}, expected {expected:08x}"
            ));
        }
        (*must_be_checked, body) = (true, fields);
    } else if *must_be_checked {
        return Err(FramingError::Unchecked.to_string());
    }
    M::decode(body).map_err(|error| FramingError::from(error).to_string())
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
                Err(error) => return Ok((messages, Err(error.to_string()))),
            }
        }
        let (memory, most) = (decoder.memory(), 2 * most_unread + SLACK_BYTES);
        ensure(memory <= most, || {
            format!("keeps {memory} bytes, expected at most {most}")
        })?;
    }
    Ok((messages, decoder.finish().map_err(|error| error.to_string())))
}

/// The bytes of the message that `stream` begins with.
fn announced(stream: &[u8]) -> usize {
    let len = stream.get(1..PREFIX_BYTES).and_then(<[u8]>::first_chunk::<4>);
    PREFIX_BYTES + len.map_or(0, |len| u32::from_be_bytes(*len) as usize)
}
