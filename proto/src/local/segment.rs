//! Memory that a coordinator and one worker share: a ring of bytes in each direction.
//!
//! ```text
//!   page 0: words of ring 0 that are free again · of ring 1      ring 0: to the worker      ring 1: to the coordinator
//! ```
//!
//! Who sends copies a tensor into its ring and says in a message where; who receives copies it out, and then says in
//! page 0 that the place is free again. Nobody waits: what finds no room goes over the stream, whose messages also keep
//! the order. The two may run on different cores at any time, so every word is an atomic; what one of them writes against
//! the rules gives the other wrong numbers at worst, as a message could.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};

use crate::MAX_CHUNK_BYTES;
use crate::tensor::Pool;
use crate::wire::{SharedMemory, SharedTensor};

/// The bytes before the first ring, and the unit of a ring's bytes.
const PAGE_BYTES: usize = 4096;

const WORD_BYTES: usize = size_of::<u64>();

/// The distance of the two words in page 0: each has a cache line, and the next one that processors fetch with it, for
/// itself.
const RELEASED_DISTANCE: usize = 128 / WORD_BYTES;

/// The most bytes of a ring. What is larger goes over the stream in part.
const MAX_RING_BYTES: usize = 64 * 1024 * 1024;

/// The bytes of a ring for tensors of `tensor_bytes`: as small as it can be without that a sender finds it full, because
/// all of it goes through the caches.
pub(super) fn ring_bytes_for(tensor_bytes: usize) -> usize {
    let wanted = tensor_bytes.saturating_add(2 * MAX_CHUNK_BYTES);
    wanted.min(MAX_RING_BYTES).next_multiple_of(PAGE_BYTES)
}

/// Which way a ring goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToWorker,
    ToCoordinator,
}

/// Shared memory, as one of the two processes sees it.
#[derive(Debug)]
pub(super) struct Segment {
    map: MmapRaw,
    ring_words: usize,
    /// In the coordinator, the file: a worker finds it there.
    file: Option<File>,
}

impl Segment {
    /// Makes one with rings of `ring_bytes`, a multiple of a page, all of whose memory is there.
    ///
    /// # Errors
    ///
    /// If the system cannot give so much, or knows nothing of this kind.
    #[cfg(target_os = "linux")]
    pub(super) fn create(ring_bytes: usize) -> io::Result<Self> {
        use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};
        let file = memfd_create("lockstep", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        // Pages that are missing only when they are touched would end the process.
        fallocate(&file, FallocateFlags::empty(), 0, bytes_with(ring_bytes)? as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let file = File::from(file);
        let mut segment = Self::map(&file, ring_bytes)?;
        segment.file = Some(file);
        Ok(segment)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn create(_: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Opens the one that the coordinator has announced.
    ///
    /// # Errors
    ///
    /// If it is not there, may shrink, or has not the announced size.
    #[cfg(target_os = "linux")]
    pub(super) fn open(announced: &SharedMemory) -> io::Result<Self> {
        use rustix::fs::{SealFlags, fcntl_get_seals};
        let path = format!("/proc/{}/fd/{}", announced.process, announced.descriptor);
        let file = File::options().read(true).write(true).open(path)?;
        // Only files in memory have seals, so this is one.
        if !fcntl_get_seals(&file)?.contains(SealFlags::SHRINK) {
            return Err(io::Error::other("found shared memory that may shrink"));
        }
        let ring_bytes = usize::try_from(announced.ring_bytes).map_err(io::Error::other)?;
        Self::map(&file, ring_bytes)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn open(_: &SharedMemory) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Maps a file that cannot shrink.
    fn map(file: &File, ring_bytes: usize) -> io::Result<Self> {
        let (expected, found) = (bytes_with(ring_bytes)?, file.metadata()?.len());
        if found != expected as u64 {
            let message = format!("found {found} bytes of shared memory, expected {expected}");
            return Err(io::Error::other(message));
        }
        Ok(Self {
            map: MmapOptions::new().len(expected).map_raw(file)?,
            ring_words: ring_bytes / WORD_BYTES,
            file: None,
        })
    }

    /// How the worker finds it; `None` if it was not made here.
    pub(super) fn announcement(&self) -> Option<SharedMemory> {
        use std::os::fd::AsRawFd;
        let file = self.file.as_ref()?;
        Some(SharedMemory {
            process: std::process::id(),
            descriptor: u32::try_from(file.as_raw_fd()).ok()?,
            ring_bytes: (self.ring_words * WORD_BYTES) as u64,
        })
    }

    fn words(&self) -> &[AtomicU64] {
        let words = self.map.len() / WORD_BYTES;
        // SAFETY: The mapping begins at a page, is `map.len()` bytes long, can be read and written, and lasts as long as
        // `self`. Its file cannot shrink, so all of its pages stay. Any bytes are a number. Neither process ever reaches
        // it otherwise than by atomics, so no access races with another.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().cast::<AtomicU64>(), words) }
    }

    /// How many words of a ring are free again. Only its reader changes it.
    fn released(&self, direction: Direction) -> &AtomicU64 {
        &self.words()[RELEASED_DISTANCE * direction as usize]
    }

    fn ring(&self, direction: Direction) -> &[AtomicU64] {
        let first = PAGE_BYTES / WORD_BYTES + self.ring_words * direction as usize;
        &self.words()[first..first + self.ring_words]
    }
}

/// The bytes of a segment with rings of `ring_bytes`.
fn bytes_with(ring_bytes: usize) -> io::Result<usize> {
    let is_size = ring_bytes > 0 && ring_bytes <= MAX_RING_BYTES && ring_bytes.is_multiple_of(PAGE_BYTES);
    let error = || io::Error::other(format!("found rings of {ring_bytes} bytes of shared memory"));
    is_size.then_some(PAGE_BYTES + 2 * ring_bytes).ok_or_else(error)
}

/// The sending end of a ring.
#[derive(Debug)]
pub(super) struct Sender {
    segment: Arc<Segment>,
    direction: Direction,
    /// The words put into the ring so far.
    put: u64,
}

impl Sender {
    /// There must be no other for this direction.
    pub(super) fn new(segment: Arc<Segment>, direction: Direction) -> Self {
        Self {
            segment,
            direction,
            put: 0,
        }
    }

    /// Copies `tensor` into the ring and says where it is; `None` if there is no room.
    pub(super) fn put(&mut self, tensor: &[u8]) -> Option<SharedTensor> {
        let ring = self.segment.ring(self.direction);
        let words = tensor.len().div_ceil(WORD_BYTES);
        let bytes = u32::try_from(tensor.len()).ok().filter(|&bytes| bytes > 0)?;
        let at = (self.put % ring.len() as u64) as usize;
        let (at, passed_over) = if at + words <= ring.len() {
            (at, 0)
        } else {
            (0, ring.len() - at)
        };
        let position = self.put + passed_over as u64;
        let put = position + words as u64;
        // Acquire: what the reader has copied out was copied before it released it. It may write nonsense there, by which
        // it can only spoil what it reads.
        let released = self.segment.released(self.direction).load(Ordering::Acquire);
        let is_empty = released == self.put;
        let fits = is_empty || put.wrapping_sub(released) <= ring.len() as u64;
        if words > ring.len() || !fits {
            return None;
        }
        let whole = tensor.chunks_exact(WORD_BYTES);
        let mut last = [0; WORD_BYTES];
        last[..whole.remainder().len()].copy_from_slice(whole.remainder());
        let numbers = whole.map(|word| u64::from_ne_bytes(word.try_into().expect("it has 8 bytes")));
        let numbers = numbers.chain([u64::from_ne_bytes(last)]);
        for (word, number) in ring[at..at + words].iter().zip(numbers) {
            word.store(number, Ordering::Relaxed);
        }
        // The message that says where it is goes through the system, which orders it after these stores; the fence keeps
        // the compiler from doing otherwise.
        std::sync::atomic::fence(Ordering::Release);
        self.put = put;
        Some(SharedTensor { position, bytes })
    }
}

/// The receiving end of a ring.
#[derive(Debug)]
pub(super) struct Receiver {
    segment: Arc<Segment>,
    direction: Direction,
    /// Memory that what is copied out is put into.
    pool: Pool<i64>,
}

/// A message that says of data in shared memory what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedTensorError {
    /// There is no shared memory.
    #[error("found data in shared memory, expected none, since there is no such memory")]
    NotShared,
    /// The message has no data.
    #[error("found data in shared memory for a message that has none")]
    NoTensor,
    /// The message has data of its own.
    #[error("found data in shared memory and {0} bytes in the message, expected one of them")]
    Twice(usize),
    /// No data can be there.
    #[error(
        "found {bytes} bytes of data at word {position} of shared memory, expected 1 to {MAX_CHUNK_BYTES} within the ring"
    )]
    Place {
        /// Where they are said to be.
        position: u64,
        /// Their number.
        bytes: u32,
    },
}

impl Receiver {
    pub(super) fn new(segment: Arc<Segment>, direction: Direction) -> Self {
        Self {
            segment,
            direction,
            pool: Pool::default(),
        }
    }

    /// Copies a tensor out of the ring, and frees its place and all before it.
    ///
    /// # Errors
    ///
    /// [`SharedTensorError::Place`] if there cannot be one.
    pub(super) fn take(&self, place: SharedTensor) -> Result<Bytes, SharedTensorError> {
        let SharedTensor { position, bytes } = place;
        let ring = self.segment.ring(self.direction);
        let range = range_in(ring.len(), place).ok_or(SharedTensorError::Place { position, bytes })?;
        std::sync::atomic::fence(Ordering::Acquire);
        let end = position.wrapping_add(range.len() as u64);
        let mut numbers = self.pool.take();
        numbers.clear();
        numbers.extend(
            ring[range]
                .iter()
                .map(|word| word.load(Ordering::Relaxed).cast_signed()),
        );
        // Release: the sender may overwrite the place only now.
        self.segment.released(self.direction).store(end, Ordering::Release);
        Ok(self.pool.keep(numbers).slice(..bytes as usize))
    }
}

/// The words of a ring of `ring_words` that data take; `None` if they cannot be there.
fn range_in(ring_words: usize, SharedTensor { position, bytes }: SharedTensor) -> Option<Range<usize>> {
    let bytes = usize::try_from(bytes).ok()?;
    if !(1..=MAX_CHUNK_BYTES).contains(&bytes) {
        return None;
    }
    let first = (position % ring_words as u64) as usize;
    let range = first..first + bytes.div_ceil(WORD_BYTES);
    (range.end <= ring_words).then_some(range)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RING_BYTES: usize = 2 * PAGE_BYTES;

    fn ends() -> (Sender, Receiver) {
        let made = Segment::create(RING_BYTES).unwrap();
        let opened = Segment::open(&made.announcement().unwrap()).unwrap();
        assert_eq!(opened.announcement(), None);
        (
            Sender::new(Arc::new(made), Direction::ToCoordinator),
            Receiver::new(Arc::new(opened), Direction::ToCoordinator),
        )
    }

    fn bytes(len: usize, first: u8) -> Vec<u8> {
        (0..len).map(|i| first.wrapping_add(i as u8)).collect()
    }

    #[test]
    fn a_full_ring_takes_nothing_until_something_was_taken_out() {
        let (mut sender, receiver) = ends();
        let half = bytes(RING_BYTES / 2, 1);
        let first = sender.put(&half).unwrap();
        let second = sender.put(&half).unwrap();
        assert_eq!(sender.put(&[1]), None);
        assert_eq!(receiver.take(first).unwrap(), half);
        assert_eq!(sender.put(&bytes(RING_BYTES / 2 + 1, 1)), None);
        assert!(sender.put(&[1]).is_some());
        assert_eq!(receiver.take(second).unwrap(), half);
        assert_eq!((sender.put(&[]), sender.put(&bytes(RING_BYTES + 1, 1))), (None, None));
    }

    #[test]
    fn the_two_directions_do_not_touch() {
        let segment = Arc::new(Segment::create(RING_BYTES).unwrap());
        let mut ends = [Direction::ToWorker, Direction::ToCoordinator]
            .map(|way| (Sender::new(segment.clone(), way), Receiver::new(segment.clone(), way)));
        let places = [0, 1].map(|way| ends[way].0.put(&bytes(RING_BYTES, way as u8)).unwrap());
        for (way, place) in places.into_iter().enumerate() {
            assert_eq!(ends[way].1.take(place).unwrap(), bytes(RING_BYTES, way as u8));
        }
    }

    #[test]
    fn what_cannot_be_shared_memory_is_refused() {
        let made = Segment::create(RING_BYTES).unwrap();
        let announced = made.announcement().unwrap();
        for ring_bytes in [0, 1, PAGE_BYTES as u64, u64::MAX, u64::MAX / 4096 * 4096] {
            assert!(
                Segment::open(&SharedMemory {
                    ring_bytes,
                    ..announced
                })
                .is_err(),
                "{ring_bytes}"
            );
        }
        use std::os::fd::AsRawFd;
        let other = tempfile::tempfile().unwrap();
        other.set_len((PAGE_BYTES + 2 * RING_BYTES) as u64).unwrap();
        let descriptor = other.as_raw_fd() as u32;
        assert!(
            Segment::open(&SharedMemory {
                descriptor,
                ..announced
            })
            .is_err(),
            "it may shrink"
        );
        assert!(
            Segment::open(&SharedMemory {
                process: 0,
                ..announced
            })
            .is_err()
        );
        assert!(made.file.as_ref().unwrap().set_len(1).is_err(), "it cannot shrink");
    }

    proptest! {
        #[test]
        fn tensors_arrive_as_they_were_put(
            lens in prop::collection::vec(1_usize..RING_BYTES, 1..60),
            taken in prop::collection::vec(any::<bool>(), 60),
        ) {
            let (mut sender, receiver) = ends();
            let mut waiting = std::collections::VecDeque::new();
            for (number, (&len, &take)) in lens.iter().zip(&taken).enumerate() {
                let tensor = bytes(len, number as u8);
                match sender.put(&tensor) {
                    Some(place) => waiting.push_back((place, tensor)),
                    None => prop_assert!(!waiting.is_empty(), "an empty ring has room"),
                }
                while waiting.len() > if take { 0 } else { 3 } {
                    let (place, tensor) = waiting.pop_front().unwrap();
                    prop_assert_eq!(receiver.take(place).unwrap(), tensor);
                }
            }
        }

        #[test]
        fn no_place_is_beyond_the_ring(position in any::<u64>(), bytes in any::<u32>()) {
            let (_, receiver) = ends();
            if let Ok(taken) = receiver.take(SharedTensor { position, bytes }) {
                prop_assert_eq!(taken.len(), bytes as usize);
            }
        }
    }
}
