//! Tensors on the wire: cut into chunks on one side, put together on the other.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use shared::element::Element;

use crate::{CHUNK_BYTES, TensorChunk};

/// Memory of tensors that come and go in every iteration. What is encoded in it comes back when the bytes are dropped,
/// wherever that happens.
#[derive(Debug)]
pub struct Pool<E>(Arc<Mutex<Vec<Vec<E>>>>);

impl<E> Clone for Pool<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> Default for Pool<E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<E: Element> Pool<E> {
    /// Memory to write numbers to. It contains whatever was there, and may be empty.
    pub fn take(&self) -> Vec<E> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_default()
    }

    /// The little-endian bytes of `numbers`, without a copy on little-endian machines. Their memory comes back here.
    pub fn encode(&self, mut numbers: Vec<E>) -> Bytes {
        if cfg!(target_endian = "big") {
            numbers.iter_mut().for_each(|number| *number = number.swap_to_le());
        }
        Bytes::from_owner(AsBytes {
            numbers,
            pool: self.clone(),
        })
    }
}

/// The little-endian bytes of `numbers`, without a copy on little-endian machines.
pub fn encode<E: Element>(numbers: Vec<E>) -> Bytes {
    Pool::default().encode(numbers)
}

struct AsBytes<E> {
    numbers: Vec<E>,
    pool: Pool<E>,
}

impl<E: Element> AsRef<[u8]> for AsBytes<E> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.numbers)
    }
}

impl<E> Drop for AsBytes<E> {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(numbers);
    }
}

/// Cuts an encoded tensor, whose numbers have `number_bytes` bytes each, into chunks of at most [`CHUNK_BYTES`].
/// The chunks are views of `tensor`, not copies.
pub fn chunks(tensor: &Bytes, number_bytes: usize) -> impl Iterator<Item = TensorChunk> + '_ {
    (0..tensor.len()).step_by(CHUNK_BYTES).map(move |start| TensorChunk {
        offset: (start / number_bytes) as u64,
        data: tensor.slice(start..tensor.len().min(start + CHUNK_BYTES)),
    })
}

/// A chunk that does not continue its tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// It begins elsewhere than the last one ended.
    #[error("the chunk begins at number {found}, expected {expected}, where the last one ended")]
    Offset {
        /// Where it begins.
        found: u64,
        /// Where it should.
        expected: u64,
    },
    /// It ends within a number.
    #[error("the chunk has {found} bytes, expected a multiple of {number_bytes}")]
    Ragged {
        /// Its bytes.
        found: usize,
        /// The bytes of one number.
        number_bytes: usize,
    },
    /// It reaches beyond the tensor's end.
    #[error("the chunk ends at number {found}, expected at most {expected}, the length of the tensor")]
    Overflow {
        /// Where it ends.
        found: u64,
        /// How many numbers the tensor has.
        expected: u64,
    },
}

/// A tensor of a known number of elements that arrives in chunks. The chunks are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    len: usize,
    number_bytes: usize,
    arrived: usize,
    chunks: Vec<Bytes>,
}

impl Inbox {
    /// A tensor of `len` numbers of `number_bytes` bytes each, of which none has arrived.
    ///
    /// Memory grows with what arrives, so an announced length alone costs nothing.
    pub fn new(len: usize, number_bytes: usize) -> Self {
        Self {
            len,
            number_bytes,
            arrived: 0,
            chunks: Vec::new(),
        }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// [`ChunkError`] if it does not begin where the last one ended, ends within a number, or is too long.
    pub fn append(&mut self, chunk: TensorChunk) -> Result<(), ChunkError> {
        self.arrived = check(&chunk, self.arrived, self.len, self.number_bytes)?;
        self.chunks.push(chunk.data);
        Ok(())
    }

    /// Whether all numbers have arrived.
    pub fn is_complete(&self) -> bool {
        self.arrived == self.len
    }

    /// Copies the numbers of a complete tensor to `numbers`.
    ///
    /// # Panics
    ///
    /// If the tensor is not complete, `numbers` has another length, or an `E` does not have the tensor's bytes a number.
    pub fn copy_to<E: Element>(&self, numbers: &mut [E]) {
        assert_eq!(
            size_of::<E>(),
            self.number_bytes,
            "the tensor's numbers are of this type"
        );
        assert_eq!(
            (numbers.len(), self.arrived),
            (self.len, self.len),
            "there is one place for every number"
        );
        let mut rest = numbers;
        for chunk in &self.chunks {
            let (own, others) = rest.split_at_mut(chunk.len() / self.number_bytes);
            rest = others;
            decode_to(chunk, own);
        }
    }

    /// The numbers that have arrived so far, in order.
    ///
    /// # Panics
    ///
    /// If an `E` does not have the tensor's bytes a number.
    pub fn numbers<E: Element>(&self) -> Vec<E> {
        assert_eq!(
            size_of::<E>(),
            self.number_bytes,
            "the tensor's numbers are of this type"
        );
        let mut numbers = Vec::with_capacity(self.arrived);
        for chunk in &self.chunks {
            numbers.extend(decode::<E>(chunk));
        }
        numbers
    }
}

/// Checks that `chunk` continues a tensor of `len` numbers, of `number_bytes` bytes each, of which `arrived` are there.
/// Returns how many there are with it.
///
/// # Errors
///
/// [`ChunkError`] if it does not.
pub fn check(chunk: &TensorChunk, arrived: usize, len: usize, number_bytes: usize) -> Result<usize, ChunkError> {
    if chunk.offset != arrived as u64 {
        return Err(ChunkError::Offset {
            found: chunk.offset,
            expected: arrived as u64,
        });
    }
    if !chunk.data.len().is_multiple_of(number_bytes) {
        return Err(ChunkError::Ragged {
            found: chunk.data.len(),
            number_bytes,
        });
    }
    let end = arrived + chunk.data.len() / number_bytes;
    if end > len {
        return Err(ChunkError::Overflow {
            found: end as u64,
            expected: len as u64,
        });
    }
    Ok(end)
}

/// Copies the numbers of a chunk to `numbers`.
///
/// # Panics
///
/// If the chunk does not have exactly as many.
pub fn decode_to<E: Element>(data: &[u8], numbers: &mut [E]) {
    bytemuck::cast_slice_mut(numbers).copy_from_slice(data);
    if cfg!(target_endian = "big") {
        numbers.iter_mut().for_each(|number| *number = number.swap_to_le());
    }
}

/// The numbers of a chunk as they lie in memory; `None` if they do not lie there as this machine needs it.
pub fn view<E: Element>(data: &[u8]) -> Option<&[E]> {
    bytemuck::try_cast_slice(data)
        .ok()
        .filter(|_| cfg!(target_endian = "little"))
}

/// Reads the numbers of a chunk one after the other.
pub fn decode<E: Element>(data: &[u8]) -> impl Iterator<Item = E> + '_ {
    data.chunks_exact(size_of::<E>())
        .map(|bytes| bytemuck::pod_read_unaligned::<E>(bytes).swap_to_le())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(offset: u64, data: &[u8]) -> TensorChunk {
        TensorChunk {
            offset,
            data: Bytes::copy_from_slice(data),
        }
    }

    #[test]
    fn a_chunk_must_continue_where_the_last_one_ended() {
        let mut inbox = Inbox::new(3, 2);
        assert_eq!(
            inbox.append(chunk(1, &[0, 0])),
            Err(ChunkError::Offset { found: 1, expected: 0 })
        );
        assert_eq!(
            inbox.append(chunk(0, &[0, 0, 0])),
            Err(ChunkError::Ragged {
                found: 3,
                number_bytes: 2
            })
        );
        assert_eq!(inbox.append(chunk(0, &[1, 0, 2, 0])), Ok(()));
        assert!(!inbox.is_complete());
        assert_eq!(
            inbox.append(chunk(2, &[3, 0, 4, 0])),
            Err(ChunkError::Overflow { found: 4, expected: 3 })
        );
        assert_eq!(inbox.append(chunk(2, &[3, 0])), Ok(()));
        assert!(inbox.is_complete());
        assert_eq!(inbox.numbers::<i16>(), [1, 2, 3]);
    }

    #[test]
    fn memory_comes_back_when_the_last_view_of_it_is_dropped() {
        let pool = Pool::default();
        let encoded = pool.encode(vec![1_u8, 2, 3]);
        let view = encoded.slice(1..);
        drop(encoded);
        assert_eq!((view.as_ref(), pool.take()), ([2, 3].as_slice(), vec![]));
        drop(view);
        assert_eq!(pool.take(), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn a_tensor_survives_the_trip_in_chunks(len in 1_usize..200_000, seed in any::<u64>()) {
            let numbers: Vec<f64> = (0..len as u64).map(|i| f64::from_bits(i.wrapping_mul(seed) >> 12)).collect();
            let encoded = encode(numbers.clone());
            prop_assert_eq!(encoded.len(), 8 * len);
            let mut inbox = Inbox::new(len, 8);
            for chunk in chunks(&encoded, 8) {
                prop_assert!(!inbox.is_complete());
                prop_assert!(chunk.data.len() <= CHUNK_BYTES);
                inbox.append(chunk).unwrap();
            }
            prop_assert!(inbox.is_complete());
            prop_assert_eq!(inbox.numbers::<f64>(), numbers);
        }
    }
}
