//! What a proxy shall do and what it has seen, shared by those who control it and its tasks.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::processes::LIMIT;

/// Bytes that a proxy accepts before they can be delivered, for each direction of a connection.
const ROOM: u64 = 64 << 20;

/// The same on a slow line: little, so that the sender notices.
const ROOM_OF_A_SLOW_LINE: u64 = 64 << 10;

/// A direction of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the worker to the coordinator.
    Up,
    /// From the coordinator to the worker.
    Down,
}

/// Traffic in one direction, over all connections of a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that were delivered.
    pub delivered: u64,
    /// Bytes of open connections that were accepted and not delivered yet.
    pub held: u64,
}

/// What a proxy has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that are open on both sides.
    pub open: u64,
    /// Bits that were flipped.
    pub flipped: u64,
    /// From the worker to the coordinator.
    pub up: Traffic,
    /// From the coordinator to the worker.
    pub down: Traffic,
}

/// A bit that will be flipped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flip {
    /// Bytes that are delivered unaltered before its byte.
    pub after: u64,
    /// 0 is the lowest bit.
    pub bit: u8,
}

/// What happens in one direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// How many more bytes may be delivered; `None` is any number.
    pub budget: Option<u64>,
    pub flips: Vec<Flip>,
}

/// All that a proxy knows.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Where it leads; `None` if nothing is there.
    pub upstream: Option<SocketAddr>,
    /// Whether connections are accepted.
    pub listens: bool,
    /// Whether the proxy is gone.
    pub closed: bool,
    /// How often all connections were cut.
    pub cuts: u64,
    /// How long every byte is on its way.
    pub latency: Duration,
    /// Bytes per second in each direction of each connection; `None` is any number.
    pub rate: Option<NonZeroU64>,
    up: Lane,
    down: Lane,
    pub facts: Facts,
}

impl State {
    pub fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    pub fn traffic(&mut self, direction: Direction) -> &mut Traffic {
        match direction {
            Direction::Up => &mut self.facts.up,
            Direction::Down => &mut self.facts.down,
        }
    }

    /// How many bytes a connection may hold back in each direction.
    pub fn room(&self) -> u64 {
        if self.rate.is_some() { ROOM_OF_A_SLOW_LINE } else { ROOM }
    }

    /// Of `bytes`, which are about to be delivered, flips those that are to be flipped.
    pub fn alter(&mut self, direction: Direction, bytes: &mut [u8]) {
        for flip in &self.lane(direction).flips {
            if let Some(byte) = usize::try_from(flip.after).ok().and_then(|at| bytes.get_mut(at)) {
                *byte ^= 1 << flip.bit;
            }
        }
    }

    /// Takes note that `bytes` were delivered.
    pub fn delivered(&mut self, direction: Direction, bytes: u64) {
        let lane = self.lane(direction);
        lane.budget = lane.budget.map(|budget| budget.saturating_sub(bytes));
        let planned = lane.flips.len();
        lane.flips.retain(|flip| flip.after >= bytes);
        lane.flips.iter_mut().for_each(|flip| flip.after -= bytes);
        let flipped = (planned - lane.flips.len()) as u64;
        self.facts.flipped += flipped;
        let traffic = self.traffic(direction);
        traffic.delivered += bytes;
        traffic.held -= bytes;
    }
}

/// The state, and who must hear of its changes.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something has changed, for threads.
    changed: Condvar,
    /// The controls have changed, for tasks.
    version: watch::Sender<u64>,
}

impl Shared {
    pub fn new(upstream: Option<SocketAddr>) -> Self {
        let state = State {
            upstream,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            version: watch::Sender::new(0),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the controls.
    pub fn control(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
        self.version.send_modify(|version| *version += 1);
    }

    /// Takes note of what was seen.
    pub fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Hears of all changes of the controls from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until connections shall be accepted; `false` if the proxy is gone.
    pub fn wait_until_listening(&self) -> bool {
        let idle = |state: &mut State| !state.listens && !state.closed;
        let state = self
            .changed
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// Waits until `condition` holds of the facts; the last facts if [`LIMIT`] passes before.
    pub fn wait_for(&self, mut condition: impl FnMut(&Facts) -> bool) -> Result<Facts, Facts> {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), LIMIT, |state| !condition(&state.facts));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            Err(state.facts)
        } else {
            Ok(state.facts)
        }
    }
}
