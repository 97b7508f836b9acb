//! What is done to good bytes and good numbers.

use bytes::Bytes;
use proto::{SumChunk, TensorChunk};
use shared::LeafRange;
use shared::ids::Iteration;

use crate::random::Random;

/// A number of any size; those at which something changes come often.
pub(super) fn number(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.below(4),
        1 => random.below(300),
        2 => {
            let power = 1_u64 << random.below(64);
            power.wrapping_add(random.below(3)).wrapping_sub(1)
        }
        _ => random.number() >> random.below(64),
    }
}

/// Any bytes, at most `most`.
pub(super) fn any_bytes(random: &mut Random, most: u64) -> Vec<u8> {
    let len = random.below(most + 1);
    (0..len).map(|_| random.number() as u8).collect()
}

/// Changes a few of these bytes, takes some away, or puts some in.
pub(super) fn bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.between(1, 3) {
        change(random, bytes);
    }
}

fn change(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.index(bytes.len() + 1);
    let end = (at + random.index(12)).min(bytes.len());
    match random.below(8) {
        0..3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        3 if at < bytes.len() => bytes[at] = *random.one_of(&[0, 1, 0x7f, 0x80, 0xff]),
        4 => {
            // A varint of any number in place of what is there: lengths, keys and values are varints.
            let mut varint = Vec::new();
            prost::encoding::encode_varint(number(random), &mut varint);
            let end = (at + random.index(3)).min(bytes.len());
            bytes.splice(at..end, varint);
        }
        5 => drop(bytes.splice(at..end, [])),
        6 => {
            let copy = bytes[at..end].to_vec();
            let to = random.index(bytes.len() + 1);
            drop(bytes.splice(to..to, copy));
        }
        7 if random.happens(1, 2) => bytes.truncate(at),
        _ => {
            let put = any_bytes(random, 8);
            drop(bytes.splice(at..at, put));
        }
    }
}

/// A number near `value`, or any.
fn near(random: &mut Random, value: u64) -> u64 {
    match random.below(4) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        2 => value.wrapping_mul(2),
        _ => number(random),
    }
}

/// Changes one field of a chunk of sums.
pub(super) fn sum(random: &mut Random, sum: &mut SumChunk) {
    match random.below(4) {
        0 => sum.iteration = Iteration(near(random, sum.iteration.0)),
        1 => sum.node = node(random, sum.node),
        _ => chunk(random, &mut sum.chunk),
    }
}

/// Changes where a chunk begins, or how long it is.
pub(super) fn chunk(random: &mut Random, chunk: &mut TensorChunk) {
    if random.happens(1, 2) {
        chunk.offset = near(random, chunk.offset);
        return;
    }
    let mut data = chunk.data.to_vec();
    // As on the wire: never empty.
    data.resize(near(random, data.len() as u64).clamp(1, 600) as usize, 0x7f);
    chunk.data = Bytes::from(data);
}

/// Another range of blocks.
pub(super) fn node(random: &mut Random, node: LeafRange) -> LeafRange {
    let first = near(random, node.first().into()) as u32;
    let end = near(random, node.end().into()) as u32;
    let changed = match random.below(3) {
        0 => LeafRange::new(first, node.end()),
        1 => LeafRange::new(node.first(), end),
        _ => LeafRange::new(first.min(end), first.max(end)),
    };
    changed.unwrap_or(node)
}
