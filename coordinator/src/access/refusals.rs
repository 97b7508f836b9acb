//! Tells of whom was refused, without letting strangers fill the log.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::MAX_REFUSALS;
use super::peer::Peer;

/// Tells of refusals on the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reporter(Arc<Mutex<Refusals>>);

impl Reporter {
    /// Tells that `peer` was refused, if that is worth a line.
    pub(crate) fn refused(&self, peer: Peer, reason: &str) {
        let times = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(peer.ip(), reason);
        match times {
            Some(1) => tracing::warn!("refused {peer}: {reason}"),
            Some(times) => tracing::warn!("refused {peer}: {reason} (for the {times}th time)"),
            None => tracing::debug!("refused {peer}: {reason}"),
        }
    }
}

/// How often whom was refused for what.
#[derive(Debug, Default)]
struct Refusals {
    /// Whose machine (`None` is this one) and for what reason; `None` of both stands for all that have no entry of their
    /// own.
    times: BTreeMap<Option<(Option<IpAddr>, String)>, u64>,
}

impl Refusals {
    /// Counts a refusal; returns how many there have been of this kind if it is the first, second, fourth, eighth, … one.
    fn note(&mut self, machine: Option<IpAddr>, reason: &str) -> Option<u64> {
        let mut kind = Some((machine, reason.to_owned()));
        if self.times.len() >= MAX_REFUSALS && !self.times.contains_key(&kind) {
            kind = None;
        }
        let times = self.times.entry(kind).or_default();
        *times = times.saturating_add(1);
        times.is_power_of_two().then_some(*times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    #[test]
    fn what_repeats_itself_is_told_ever_more_rarely() {
        let mut refusals = Refusals::default();
        let told: Vec<_> = (0..1000)
            .filter_map(|_| refusals.note(address(1), "no token"))
            .collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(refusals.note(address(1), "another token"), Some(1));
        assert_eq!(refusals.note(address(2), "no token"), Some(1));
    }

    #[test]
    fn neither_memory_nor_lines_grow_with_the_number_of_strangers() {
        let mut refusals = Refusals::default();
        let told = (0..100_000)
            .filter_map(|number| refusals.note(address(number), "no token"))
            .count();
        assert!(told < MAX_REFUSALS + 20, "{told} lines");
        assert_eq!(refusals.times.len(), MAX_REFUSALS + 1);
    }
}
