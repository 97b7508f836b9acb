//! Memory that a coordinator and one worker share: a ring of bytes in each direction.
//!
//! ```text
//!   page 0: how much of each ring is free again      ring 0: to the worker      ring 1: to the coordinator
//! ```
//!
//! [`super::ring`] tells how they are used. The two processes belong to one user, and nobody else can reach the memory.
//! What one of them writes against the rules gives the other wrong numbers, as a message with wrong numbers would.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use memmap2::{MmapOptions, MmapRaw};

use crate::MAX_CHUNK_BYTES;
use crate::wire::SharedMemory;

/// The bytes before the first ring, and the unit of a ring's bytes.
const PAGE_BYTES: usize = 4096;

/// The distance of the two counters in page 0: each has a cache line, and the next one that processors fetch with it, for
/// itself.
const COUNTER_DISTANCE: usize = 128;

/// Where page 0 has the number by which a segment is known, after the counters.
const IDENTITY_AT: usize = 2 * COUNTER_DISTANCE;

/// The most bytes of a ring. What is larger goes over the stream in part.
const MAX_RING_BYTES: usize = 32 * 1024 * 1024;

/// How the system shows such files.
const FILE_NAME: &str = "lockstep";

/// Which way a ring goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToWorker,
    ToCoordinator,
}

/// The bytes of the two rings, each a multiple of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rings {
    pub(super) to_worker: usize,
    pub(super) to_coordinator: usize,
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
    /// In the coordinator, the file, until the worker has it.
    file: Mutex<Option<File>>,
}

impl Segment {
    /// Makes one, all of whose memory is there, and which is known by `identity`.
    ///
    /// # Errors
    ///
    /// If the system cannot give so much, or knows nothing of this kind.
    #[cfg(target_os = "linux")]
    pub(super) fn create(rings: Rings, identity: u128) -> io::Result<Self> {
        use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};
        let file = memfd_create(FILE_NAME, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        // Pages that are found missing only when they are touched would end the process.
        fallocate(&file, FallocateFlags::empty(), 0, rings.segment_bytes() as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let file = File::from(file);
        let segment = Self::map(&file, rings)?;
        for (word, half) in segment.identity().into_iter().zip(halves(identity)) {
            word.store(half, Ordering::Relaxed);
        }
        *segment.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(segment)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn create(_: Rings, _: u128) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Opens the one that the coordinator has announced.
    ///
    /// # Errors
    ///
    /// If it is not there, is another, may shrink, or has not the announced size.
    #[cfg(target_os = "linux")]
    pub(super) fn open(announced: &SharedMemory) -> io::Result<Self> {
        use rustix::fs::{SealFlags, fcntl_get_seals};
        let rings = Rings::announced(announced);
        let rings = rings.ok_or_else(|| io::Error::other("found shared memory of an impossible size"))?;
        let path = format!("/proc/{}/fd/{}", announced.process, announced.descriptor);
        // To open something else, such as a device, may have effects; so its name is looked at before.
        let found = std::fs::read_link(&path)?;
        if !found.to_string_lossy().starts_with(&format!("/memfd:{FILE_NAME} ")) {
            let message = format!("found {}, expected shared memory", found.display());
            return Err(io::Error::other(message));
        }
        let file = File::options().read(true).write(true).open(path)?;
        if !fcntl_get_seals(&file)?.contains(SealFlags::SHRINK) {
            return Err(io::Error::other("found shared memory that may shrink"));
        }
        let segment = Self::map(&file, rings)?;
        let found = segment.identity().map(|word| word.load(Ordering::Relaxed));
        let expected: [u8; 16] = announced.identity.as_ref().try_into().map_err(io::Error::other)?;
        // Descriptors are used again: another worker's memory may be there by now.
        if found != halves(u128::from_le_bytes(expected)) {
            return Err(io::Error::other(
                "found other shared memory than the one that was announced",
            ));
        }
        Ok(segment)
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
            file: Mutex::default(),
        })
    }

    /// How the worker finds it; `None` if it was not made here.
    pub(super) fn announcement(&self) -> Option<SharedMemory> {
        use std::os::fd::AsRawFd;
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref()?;
        let [low, high] = self.identity().map(|word| word.load(Ordering::Relaxed));
        let identity = [low.to_le_bytes(), high.to_le_bytes()].concat();
        Some(SharedMemory {
            identity: identity.into(),
            process: std::process::id(),
            descriptor: u32::try_from(file.as_raw_fd()).ok()?,
            to_worker_bytes: self.rings.to_worker as u64,
            to_coordinator_bytes: self.rings.to_coordinator as u64,
        })
    }

    /// Where a ring begins, and its bytes. They are there, and can be read and written, as long as the segment.
    pub(super) fn ring(&self, direction: Direction) -> (*mut u8, usize) {
        let range = self.rings.range(direction);
        // SAFETY: The range is within the mapping.
        (unsafe { self.map.as_mut_ptr().add(range.start) }, range.len())
    }

    /// Nobody else can find it any more.
    pub(super) fn hide(&self) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many bytes of a ring are free again, counted since it was made. Only its reader changes it.
    pub(super) fn released(&self, direction: Direction) -> &AtomicU64 {
        self.word(COUNTER_DISTANCE * direction as usize)
    }

    fn identity(&self) -> [&AtomicU64; 2] {
        [self.word(IDENTITY_AT), self.word(IDENTITY_AT + size_of::<u64>())]
    }

    /// A word of page 0: `at` is a multiple of 8.
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(
            at.is_multiple_of(size_of::<u64>()) && at < PAGE_BYTES,
            "it is a word of page 0"
        );
        // SAFETY: Page 0 is mapped as long as `self` lives, since the file cannot shrink; it begins at a multiple of 8. Both
        // processes reach its words by atomics alone.
        unsafe { &*self.map.as_mut_ptr().add(at).cast::<AtomicU64>() }
    }
}

/// The lower and the upper half.
fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    const RING_BYTES: usize = 2 * PAGE_BYTES;

    const RINGS: Rings = Rings {
        to_worker: RING_BYTES,
        to_coordinator: RING_BYTES,
    };

    #[test]
    fn what_cannot_be_shared_memory_is_refused() {
        let made = Segment::create(RINGS, 7).unwrap();
        let announced = made.announcement().unwrap();
        for bytes in [0, 1, PAGE_BYTES as u64, u64::MAX, u64::MAX / 4096 * 4096] {
            let to_worker = SharedMemory {
                to_worker_bytes: bytes,
                ..announced.clone()
            };
            let to_coordinator = SharedMemory {
                to_coordinator_bytes: bytes,
                ..announced.clone()
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
                ..announced.clone()
            })
            .is_err(),
            "it may shrink"
        );
        assert!(
            Segment::open(&SharedMemory {
                process: 0,
                ..announced.clone()
            })
            .is_err()
        );
        assert!(
            made.file.lock().unwrap().as_ref().unwrap().set_len(1).is_err(),
            "it cannot shrink"
        );
    }

    #[test]
    fn another_worker_s_memory_is_not_taken_for_one_s_own() {
        let made = Segment::create(RINGS, 1).unwrap();
        let announced = made.announcement().unwrap();
        for identity in [vec![0; 16], vec![1; 16], Vec::new()] {
            let other = SharedMemory {
                identity: identity.into(),
                ..announced.clone()
            };
            assert!(Segment::open(&other).is_err());
        }
        assert!(Segment::open(&announced).is_ok());
        made.hide();
        assert!(Segment::open(&announced).is_err(), "it cannot be found any more");
    }
}
