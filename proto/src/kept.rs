//! A tensor as it arrives, to be read once: seen where it lies if that is possible, and else copied.

use std::ops::Range;

use bytes::Bytes;
use shared::Real;
use shared::update::TASK_NUMBERS;

use crate::TensorChunk;
use crate::tensor::{decode_to, view};

/// Chunks from this size on are seen where they lie. A chunk keeps all of the memory that its frame was read to; frames have
/// 1 MiB at most, so what is kept is some ten times what counts at the worst.
const VIEWED_FROM_BYTES: usize = 128 * 1024;

/// Sums, of a node or of the batch, as far as they have arrived. They are read by the ranges of tasks: [`TASK_NUMBERS`]
/// numbers, or up to the end, from a multiple of it on.
#[derive(Clone, Debug, Default)]
pub struct Kept<G> {
    /// Where they begin, in ascending order, and numbers that lie as `G` in memory. Each holds whole tasks.
    views: Vec<(usize, Bytes)>,
    /// All other numbers in their places.
    copied: Vec<G>,
}

impl<G: Real> Kept<G> {
    /// Sums that are here already; or, with memory of any content, those of which nothing has arrived.
    pub fn of(numbers: Vec<G>) -> Self {
        Self {
            views: Vec::new(),
            copied: numbers,
        }
    }

    /// Takes a chunk of the sums, of which there are `len`. They come in order; the first one begins anew.
    ///
    /// # Panics
    ///
    /// If the chunk is not within them, or does not hold whole numbers: [`crate::tensor::check`] finds that before.
    pub fn take(&mut self, chunk: &TensorChunk, len: usize) {
        let TensorChunk { offset, data } = chunk;
        let first = *offset as usize;
        let numbers = first..first + data.len() / size_of::<G>();
        if first == 0 {
            self.views.clear();
        }
        let is_of_whole_tasks = numbers.start.is_multiple_of(TASK_NUMBERS)
            && (numbers.end.is_multiple_of(TASK_NUMBERS) || numbers.end == len);
        if is_of_whole_tasks && data.len() >= VIEWED_FROM_BYTES && view::<G>(data).is_some() {
            self.views.push((first, data.clone()));
            return;
        }
        // What was there before does not matter: a node counts when all of it has arrived.
        self.copied.resize(len, G::ZERO);
        decode_to(data, &mut self.copied[numbers]);
    }

    /// The numbers of a task.
    ///
    /// # Panics
    ///
    /// If they have not all arrived, or `range` is no task's.
    pub fn task(&self, range: Range<usize>) -> &[G] {
        let place = self.views.partition_point(|(first, _)| *first <= range.start);
        let seen = self.views[..place].last().and_then(|(first, data)| {
            let numbers = view::<G>(data).expect("it was seen before");
            numbers.get(range.start - first..range.end - first)
        });
        seen.unwrap_or_else(|| &self.copied[range])
    }

    /// All of them, of which there are `len`, task by task.
    pub fn tasks(&self, len: usize) -> impl Iterator<Item = &[G]> {
        let starts = (0..len).step_by(TASK_NUMBERS);
        starts.map(move |start| self.task(start..len.min(start + TASK_NUMBERS)))
    }

    /// The memory of numbers that were copied or computed. What was only seen is free again where it lies.
    pub fn into_memory(self) -> Vec<G> {
        self.copied
    }
}

#[cfg(test)]
mod tests {
    use crate::tensor::encode;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_came_however_they_were_cut(
            len in 1_usize..6 * TASK_NUMBERS,
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..6),
            shift in 0_usize..2,
        ) {
            let numbers: Vec<f64> = (0..len).map(|i| i as f64 + 0.5).collect();
            // Shifted by a byte, no number lies where it can be seen.
            let shifted = [vec![0; shift], little_endian(&numbers)].concat();
            let bytes = if shift == 0 { encode(numbers.clone()) } else { Bytes::from(shifted).slice(shift..) };
            let mut bounds: Vec<usize> = cuts
                .iter()
                .map(|(cut, whole)| if *whole { cut.index(len + 1) / TASK_NUMBERS * TASK_NUMBERS } else { cut.index(len + 1) })
                .collect();
            bounds.extend([0, len]);
            bounds.sort_unstable();
            bounds.dedup();
            let mut kept = Kept::<f64>::default();
            // An earlier attempt was broken off.
            kept.take(&TensorChunk { offset: 0, data: encode(vec![7.0_f64; len]) }, len);
            for pair in bounds.windows(2) {
                let data = bytes.slice(8 * pair[0]..8 * pair[1]);
                kept.take(&TensorChunk { offset: pair[0] as u64, data }, len);
            }
            prop_assert!(kept.tasks(len).flatten().eq(&numbers));
        }
    }

    fn little_endian(numbers: &[f64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn large_chunks_are_seen_where_they_lie() {
        let len = 5 * TASK_NUMBERS + 1;
        let bytes = encode(vec![1.5_f64; len]);
        let mut kept = Kept::<f64>::default();
        for chunk in crate::tensor::chunks(&bytes, 8) {
            kept.take(&chunk, len);
        }
        assert_eq!((kept.views.len(), kept.copied.len()), (1, len), "the last one is small");
        assert_eq!(kept.task(0..TASK_NUMBERS).as_ptr().cast(), bytes.as_ptr());
    }
}
