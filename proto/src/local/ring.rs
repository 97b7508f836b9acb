//! The two ends of a ring in shared memory.
//!
//! Who sends copies a tensor into the ring and says in a message where; who receives reads it there, and when it does not
//! need it any more says in page 0 that the place is free again. Nobody waits: what finds no room goes over the stream,
//! whose messages also keep the order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::segment::{Direction, Segment};
use crate::MAX_CHUNK_BYTES;
use crate::wire::SharedTensor;

/// Tensors begin at multiples of so many bytes, as caches and vectors like it, and so that their bytes can be viewed as
/// numbers.
const ALIGNMENT: usize = 64;

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
        let (ring, ring_bytes) = self.segment.ring(self.direction);
        let bytes = u32::try_from(tensor.len()).ok().filter(|&bytes| bytes > 0)?;
        let len = tensor.len().next_multiple_of(ALIGNMENT);
        // Acquire: the place was read before it was released.
        let released = self.segment.released(self.direction).load(Ordering::Acquire);
        let at = (self.put % ring_bytes as u64) as usize;
        let is_empty = released == self.put;
        // Tensors do not go around the end. An empty ring is begun anew: what was used last is still in the caches.
        let passed_over = if is_empty || at + len > ring_bytes {
            (ring_bytes - at) % ring_bytes
        } else {
            0
        };
        let position = self.put + passed_over as u64;
        let put = position + len as u64;
        let begun = if is_empty { position } else { self.begun };
        if put.wrapping_sub(released.max(begun)) > ring_bytes as u64 {
            return None;
        }
        let at = (position % ring_bytes as u64) as usize;
        // SAFETY: `at..at + len` is within the ring, which lasts as long as `self.segment`. It is no part of `tensor`: that
        // would be a view of a place which was not released, and this one is free. So nobody reads it, and nobody else
        // writes to it, before the message comes that says where it is.
        unsafe {
            std::ptr::copy_nonoverlapping(tensor.as_ptr(), ring.add(at), tensor.len());
        }
        // The message goes through the system, which orders it after the copy; this keeps the compiler to it.
        std::sync::atomic::fence(Ordering::Release);
        (self.put, self.begun) = (put, begun);
        Some(SharedTensor { position, bytes })
    }
}

/// The receiving end of a ring.
#[derive(Debug)]
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
    /// How many came before the first of `places`.
    gone: u64,
    /// Where each begins and ends, and whether it is dropped.
    places: VecDeque<(Range<u64>, bool)>,
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
         ring, after those before, and not where data lie that are still needed"
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
        let (_, ring_bytes) = self.0.segment.ring(self.0.direction);
        let impossible = SharedTensorError::Place { position, bytes };
        let range = range_in(ring_bytes, place).ok_or(impossible)?;
        let mut views = self.0.lock();
        let last = views.places.back().map(|(place, _)| place.end);
        let last = last.unwrap_or_else(|| self.0.segment.released(self.0.direction).load(Ordering::Relaxed));
        let oldest = views.places.front().map_or(position, |(place, _)| place.start);
        let end = position
            .checked_add(range.len().next_multiple_of(ALIGNMENT) as u64)
            .filter(|end| position >= last && end - oldest <= ring_bytes as u64)
            .ok_or(impossible)?;
        let number = views.gone + views.places.len() as u64;
        views.places.push_back((position..end, false));
        drop(views);
        std::sync::atomic::fence(Ordering::Acquire);
        Ok(Bytes::from_owner(View {
            receiving: Arc::clone(&self.0),
            range,
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
        let (ring, _) = self.receiving.segment.ring(self.receiving.direction);
        // SAFETY: The range is within the ring, which lasts as long as `self`. While this view is there its place is not
        // released, so the sender does not write to it. See the module's documentation on a sender that does.
        unsafe { std::slice::from_raw_parts(ring.add(self.range.start), self.range.len()) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut views = self.receiving.lock();
        let index = (self.number - views.gone) as usize;
        views.places[index].1 = true;
        let mut released = None;
        while let Some((Range { end, .. }, true)) = views.places.front() {
            released = Some(*end);
            views.places.pop_front();
            views.gone += 1;
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

    use super::super::segment::Rings;
    use super::*;

    const RING_BYTES: usize = 8192;

    const RINGS: Rings = Rings {
        to_worker: RING_BYTES,
        to_coordinator: RING_BYTES,
    };

    fn ends() -> (Sender, Receiver) {
        let made = Segment::create(RINGS, 7).unwrap();
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
        let segment = Arc::new(Segment::create(RINGS, 7).unwrap());
        let mut ends = [Direction::ToWorker, Direction::ToCoordinator]
            .map(|way| (Sender::new(segment.clone(), way), Receiver::new(segment.clone(), way)));
        let places = [0, 1].map(|way| ends[way].0.put(&bytes(RING_BYTES, way as u8)).unwrap());
        for (way, place) in places.into_iter().enumerate() {
            assert_eq!(ends[way].1.take(place).unwrap(), bytes(RING_BYTES, way as u8));
        }
    }

    #[test]
    fn no_place_overlaps_one_that_is_still_seen() {
        let (mut sender, receiver) = ends();
        let place = sender.put(&bytes(RING_BYTES / 2, 1)).unwrap();
        let view = receiver.take(place).unwrap();
        let bytes = (RING_BYTES / 2) as u32;
        let before = SharedTensor { position: 0, bytes };
        let around = SharedTensor {
            position: RING_BYTES as u64,
            bytes,
        };
        for place in [before, around] {
            let SharedTensor { position, bytes } = place;
            assert_eq!(receiver.take(place), Err(SharedTensorError::Place { position, bytes }));
        }
        drop(view);
        assert!(receiver.take(around).is_ok());
    }

    proptest! {
        #[test]
        fn views_stay_as_they_are_in_whatever_order_they_are_dropped(
            steps in prop::collection::vec((1_usize..RING_BYTES, any::<prop::sample::Index>(), 0_u8..4), 1..200),
        ) {
            let (mut sender, receiver) = ends();
            let mut seen: Vec<(Bytes, u8)> = Vec::new();
            for (number, (len, which, kind)) in (0_u8..).zip(steps) {
                let len = if kind == 0 { len } else { len % 1000 + 1 };
                match sender.put(&bytes(len, number)) {
                    Some(place) => seen.push((receiver.take(place).unwrap(), number)),
                    None => prop_assert!(!seen.is_empty(), "an empty ring has room"),
                }
                if kind > 1 && !seen.is_empty() {
                    seen.swap_remove(which.index(seen.len()));
                }
                for (view, number) in &seen {
                    prop_assert!(*view == bytes(view.len(), *number));
                }
            }
            seen.clear();
            prop_assert_eq!(receiver.0.segment.released(Direction::ToCoordinator).load(Ordering::Relaxed), sender.put);
        }

        #[test]
        fn tensors_arrive_as_they_were_put(
            lens in prop::collection::vec(1_usize..RING_BYTES, 1..60),
            taken in prop::collection::vec(any::<bool>(), 60),
        ) {
            let (mut sender, receiver) = ends();
            let mut waiting = VecDeque::new();
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
