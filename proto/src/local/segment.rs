//! Memory that a coordinator and one worker share: a ring of bytes in each direction.
//!
//! ```text
//!   page 0: how much of each ring is free again      ring 0: to the worker      ring 1: to the coordinator
//! ```
//!
//! Who sends copies a tensor into its ring and says in a message where; who receives reads it there, and when it does not
//! need it any more says in page 0 that the place is free again. Nobody waits: what finds no room goes over the stream,
//! whose messages also keep the order.
//!
//! The two processes belong to one user, and nobody else can reach the memory. So what one of them writes against these
//! rules it could write into the other's own memory as well; the rules guard against everything else.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};

use crate::MAX_CHUNK_BYTES;
use crate::wire::{SharedMemory, SharedTensor};

/// The bytes before the first ring, and the unit of a ring's bytes.
const PAGE_BYTES: usize = 4096;

/// Tensors begin at multiples of so many bytes, as caches and vectors like it, and so that their bytes can be viewed as
/// numbers.
const ALIGNMENT: usize = 64;

/// The distance of the two counters in page 0: each has a cache line, and the next one that processors fetch with it, for
/// itself.
const COUNTER_DISTANCE: usize = 128;

/// The most bytes of a ring. What is larger goes over the stream in part.
const MAX_RING_BYTES: usize = 64 * 1024 * 1024;

/// Which way a ring goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToWorker,
    ToCoordinator,
}

/// The bytes of the two rings, each a multiple of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rings {
    to_worker: usize,
    to_coordinator: usize,
}

impl Rings {
    /// Rings for tensors of `tensor_bytes`: to the worker goes one at a time, and it copies it at once; the coordinator
    /// keeps what came from the worker until the update, which is several nodes at times.
    pub(super) fn for_tensors(tensor_bytes: usize) -> Self {
        let ring = |tensors: usize| {
            let wanted = tensor_bytes.saturating_mul(tensors).saturating_add(2 * MAX_CHUNK_BYTES);
            wanted.min(MAX_RING_BYTES).next_multiple_of(PAGE_BYTES)
        };
        Self {
            to_worker: ring(1),
            to_coordinator: ring(3),
        }
    }

    /// The announced ones, if they can be.
    fn announced(announced: &SharedMemory) -> Option<Self> {
        let ring = |bytes: u64| {
            let bytes = usize::try_from(bytes).ok()?;
            let is_size = bytes > 0 && bytes <= MAX_RING_BYTES && bytes.is_multiple_of(PAGE_BYTES);
            is_size.then_some(bytes)
        };
        Some(Self {
            to_worker: ring(announced.to_worker_bytes)?,
            to_coordinator: ring(announced.to_coordinator_bytes)?,
        })
    }

    /// Where a ring lies.
    fn range(self, direction: Direction) -> Range<usize> {
        let first = PAGE_BYTES + self.to_worker;
        match direction {
            Direction::ToWorker => PAGE_BYTES..first,
            Direction::ToCoordinator => first..first + self.to_coordinator,
        }
    }

    fn segment_bytes(self) -> usize {
        PAGE_BYTES + self.to_worker + self.to_coordinator
    }
}

/// Shared memory, as one of the two processes sees it.
#[derive(Debug)]
pub(super) struct Segment {
    map: MmapRaw,
    rings: Rings,
    /// In the coordinator, the file: a worker finds it there.
    file: Option<File>,
}

impl Segment {
    /// Makes one, all of whose memory is there.
    ///
    /// # Errors
    ///
    /// If the system cannot give so much, or knows nothing of this kind.
    #[cfg(target_os = "linux")]
    pub(super) fn create(rings: Rings) -> io::Result<Self> {
        use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};
        let file = memfd_create("lockstep", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        // Pages that are found missing only when they are touched would end the process.
        fallocate(&file, FallocateFlags::empty(), 0, rings.segment_bytes() as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let file = File::from(file);
        let mut segment = Self::map(&file, rings)?;
        segment.file = Some(file);
        Ok(segment)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn create(_: Rings) -> io::Result<Self> {
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
        let rings = Rings::announced(announced);
        let rings = rings.ok_or_else(|| io::Error::other("found shared memory of an impossible size"))?;
        let path = format!("/proc/{}/fd/{}", announced.process, announced.descriptor);
        let file = File::options().read(true).write(true).open(path)?;
        // Only files in memory have seals, so this is one.
        if !fcntl_get_seals(&file)?.contains(SealFlags::SHRINK) {
            return Err(io::Error::other("found shared memory that may shrink"));
        }
        Self::map(&file, rings)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn open(_: &SharedMemory) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Maps a file that cannot shrink.
    fn map(file: &File, rings: Rings) -> io::Result<Self> {
        let (expected, found) = (rings.segment_bytes(), file.metadata()?.len());
        if found != expected as u64 {
            let message = format!("found {found} bytes of shared memory, expected {expected}");
            return Err(io::Error::other(message));
        }
        Ok(Self {
            map: MmapOptions::new().len(expected).map_raw(file)?,
            rings,
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
            to_worker_bytes: self.rings.to_worker as u64,
            to_coordinator_bytes: self.rings.to_coordinator as u64,
        })
    }

    /// How many bytes of a ring are free again, counted since it was made. Only its reader changes it.
    fn released(&self, direction: Direction) -> &AtomicU64 {
        let first = COUNTER_DISTANCE * direction as usize;
        // SAFETY: It is a word of page 0, which is mapped as long as `self` lives, since the file cannot shrink; the page
        // begins at a multiple of 8. Both processes reach it by atomics alone.
        unsafe { &*self.map.as_mut_ptr().add(first).cast::<AtomicU64>() }
    }
}

/// The sending end of a ring.
#[derive(Debug)]
pub(super) struct Sender {
    segment: Arc<Segment>,
    direction: Direction,
    /// The bytes put into the ring so far, with those that were passed over.
    put: u64,
    /// How many there were when the ring was last begun anew: all of them are free.
    begun: u64,
}

impl Sender {
    /// There must be no other for this direction.
    pub(super) fn new(segment: Arc<Segment>, direction: Direction) -> Self {
        Self {
            segment,
            direction,
            put: 0,
            begun: 0,
        }
    }

    /// Copies `tensor` into the ring and says where it is; `None` if there is no room.
    pub(super) fn put(&mut self, tensor: &[u8]) -> Option<SharedTensor> {
        let ring = self.segment.rings.range(self.direction);
        let bytes = u32::try_from(tensor.len()).ok().filter(|&bytes| bytes > 0)?;
        let len = tensor.len().next_multiple_of(ALIGNMENT);
        // Acquire: the place was read before it was released.
        let released = self.segment.released(self.direction).load(Ordering::Acquire);
        let at = (self.put % ring.len() as u64) as usize;
        let is_empty = released == self.put;
        // Tensors do not go around the end. An empty ring is begun anew: what was used last is still in the caches.
        let passed_over = if is_empty || at + len > ring.len() {
            (ring.len() - at) % ring.len()
        } else {
            0
        };
        let position = self.put + passed_over as u64;
        let put = position + len as u64;
        let begun = if is_empty { position } else { self.begun };
        if put.wrapping_sub(released.max(begun)) > ring.len() as u64 {
            return None;
        }
        let at = ring.start + (position % ring.len() as u64) as usize;
        // SAFETY: `at..at + len` is within the ring and so within the mapping, which lasts as long as `self.segment`. It is
        // no part of `tensor`: that would be a view of a place which was not released, and this one is free. So nobody
        // reads it, and nobody else writes to it, before the message comes that says where it is.
        unsafe {
            let to = self.segment.map.as_mut_ptr().add(at);
            std::ptr::copy_nonoverlapping(tensor.as_ptr(), to, tensor.len());
        }
        // The message goes through the system, which orders it after the copy; this keeps the compiler to it.
        std::sync::atomic::fence(Ordering::Release);
        (self.put, self.begun) = (put, begun);
        Some(SharedTensor { position, bytes })
    }
}

/// The receiving end of a ring.
#[derive(Clone, Debug)]
pub(super) struct Receiver(Arc<Receiving>);

#[derive(Debug)]
struct Receiving {
    segment: Arc<Segment>,
    direction: Direction,
    views: Mutex<Views>,
}

/// The views of a ring, in the order of their places. Their drops need not have this order, but only what lies before all
/// that are left is free.
#[derive(Debug, Default)]
struct Views {
    /// How many came before the first of `ends`.
    gone: u64,
    /// Where each ends, and whether it is dropped.
    ends: VecDeque<(u64, bool)>,
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
        "found {bytes} bytes of data at byte {position} of shared memory, expected 1 to {MAX_CHUNK_BYTES} within the \
         ring and after those before"
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
        Self(Arc::new(Receiving {
            segment,
            direction,
            views: Mutex::default(),
        }))
    }

    /// The tensor at `place`. Its place is free again when the last view of it is dropped.
    ///
    /// # Errors
    ///
    /// [`SharedTensorError::Place`] if there can be none.
    pub(super) fn take(&self, place: SharedTensor) -> Result<Bytes, SharedTensorError> {
        let SharedTensor { position, bytes } = place;
        let ring = self.0.segment.rings.range(self.0.direction);
        let impossible = SharedTensorError::Place { position, bytes };
        let range = range_in(ring.len(), place).ok_or(impossible)?;
        let mut views = self.0.lock();
        let last = views.ends.back().map(|&(end, _)| end);
        let last = last.unwrap_or_else(|| self.0.segment.released(self.0.direction).load(Ordering::Relaxed));
        let end = position
            .checked_add(range.len().next_multiple_of(ALIGNMENT) as u64)
            .filter(|_| position >= last)
            .ok_or(impossible)?;
        let number = views.gone + views.ends.len() as u64;
        views.ends.push_back((end, false));
        drop(views);
        std::sync::atomic::fence(Ordering::Acquire);
        Ok(Bytes::from_owner(View {
            receiving: Arc::clone(&self.0),
            range: ring.start + range.start..ring.start + range.end,
            number,
        }))
    }
}

impl Receiving {
    /// No code panics while it holds the lock.
    fn lock(&self) -> std::sync::MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where in a ring of `ring_bytes` data lie; `None` if they cannot be there.
fn range_in(ring_bytes: usize, SharedTensor { position, bytes }: SharedTensor) -> Option<Range<usize>> {
    let bytes = usize::try_from(bytes).ok()?;
    let first = (position % ring_bytes as u64) as usize;
    let is_place = (1..=MAX_CHUNK_BYTES).contains(&bytes)
        && first.is_multiple_of(ALIGNMENT)
        && first + bytes.next_multiple_of(ALIGNMENT) <= ring_bytes;
    is_place.then_some(first..first + bytes)
}

/// A tensor in shared memory.
struct View {
    receiving: Arc<Receiving>,
    range: Range<usize>,
    number: u64,
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        let map = &self.receiving.segment.map;
        // SAFETY: The range is within the mapping, which lasts as long as `self`. While this view is there its place is not
        // released, so the sender does not write to it. See the module's documentation on a sender that does.
        unsafe { std::slice::from_raw_parts(map.as_ptr().add(self.range.start), self.range.len()) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut views = self.receiving.lock();
        let index = (self.number - views.gone) as usize;
        views.ends[index].1 = true;
        let mut released = None;
        while let Some(&(end, true)) = views.ends.front() {
            views.ends.pop_front();
            views.gone += 1;
            released = Some(end);
        }
        if let Some(end) = released {
            // Release: the sender may overwrite what was read only now.
            let counter = self.receiving.segment.released(self.receiving.direction);
            counter.store(end, Ordering::Release);
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RING_BYTES: usize = 2 * PAGE_BYTES;

    const RINGS: Rings = Rings {
        to_worker: RING_BYTES,
        to_coordinator: RING_BYTES,
    };

    fn ends() -> (Sender, Receiver) {
        let made = Segment::create(RINGS).unwrap();
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
    fn a_full_ring_takes_nothing_until_what_came_first_is_dropped() {
        let (mut sender, receiver) = ends();
        let half = bytes(RING_BYTES / 2, 1);
        let mut put = |tensor: &[u8]| sender.put(tensor).map(|place| receiver.take(place).unwrap());
        let (first, second) = (put(&half).unwrap(), put(&half).unwrap());
        assert!(put(&[1]).is_none());
        assert!(first == half && second == half);
        drop(second);
        assert!(put(&[1]).is_none(), "the first is still there");
        drop(first);
        assert!(put(&bytes(RING_BYTES, 1)).is_some());
        assert!(put(&[]).is_none() && put(&bytes(RING_BYTES + 1, 1)).is_none());
    }

    #[test]
    fn a_view_stays_as_it_is_while_others_come_and_go() {
        let (mut sender, receiver) = ends();
        let mut put = |tensor: &[u8]| sender.put(tensor).map(|place| receiver.take(place).unwrap());
        drop(put(&bytes(RING_BYTES / 2, 9)));
        let kept = put(&bytes(RING_BYTES / 4, 5)).unwrap();
        let part = kept.slice(1..);
        drop(kept);
        let mut taken = 0;
        for number in 0..100 {
            taken += usize::from(put(&bytes(RING_BYTES / 4, number)).is_some());
        }
        assert_eq!(taken, 3);
        assert!(part == bytes(RING_BYTES / 4, 5)[1..]);
        drop(part);
        assert!(put(&bytes(RING_BYTES, 1)).is_some());
    }

    #[test]
    fn the_two_directions_do_not_touch() {
        let segment = Arc::new(Segment::create(RINGS).unwrap());
        let mut ends = [Direction::ToWorker, Direction::ToCoordinator]
            .map(|way| (Sender::new(segment.clone(), way), Receiver::new(segment.clone(), way)));
        let places = [0, 1].map(|way| ends[way].0.put(&bytes(RING_BYTES, way as u8)).unwrap());
        for (way, place) in places.into_iter().enumerate() {
            assert_eq!(ends[way].1.take(place).unwrap(), bytes(RING_BYTES, way as u8));
        }
    }

    #[test]
    fn what_cannot_be_shared_memory_is_refused() {
        let made = Segment::create(RINGS).unwrap();
        let announced = made.announcement().unwrap();
        for bytes in [0, 1, PAGE_BYTES as u64, u64::MAX, u64::MAX / 4096 * 4096] {
            let to_worker = SharedMemory {
                to_worker_bytes: bytes,
                ..announced
            };
            let to_coordinator = SharedMemory {
                to_coordinator_bytes: bytes,
                ..announced
            };
            assert!(
                Segment::open(&to_worker).is_err() && Segment::open(&to_coordinator).is_err(),
                "{bytes}"
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
