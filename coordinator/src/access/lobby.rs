//! Who is connected: strangers, who have little time and room, and the workers that they become.
//!
//! ```text
//!   accept ─▶ stranger ── opens a stream with the right token ─▶ worker ── its last stream ends ─▶ stranger ─▶ …
//!                └─ 5 s have passed, 64 KiB were sent, or others need the place: closed
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::{MAX_STRANGERS, MAX_WORKERS, Patience};
use super::peer::Peer;

/// All connections of a coordinator.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    patience: Patience,
    who: Mutex<Who>,
    /// A place may have become free.
    room: Notify,
}

#[derive(Debug, Default)]
struct Who {
    /// Connections without a worker's stream, and since when; the oldest first.
    strangers: VecDeque<(Instant, Arc<Guest>)>,
    /// Open streams of workers.
    workers: usize,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Its other end.
    pub(crate) peer: Peer,
    lobby: Arc<Lobby>,
    /// Whether it has a worker's stream.
    works: AtomicBool,
    /// Whether it has had one.
    has_worked: AtomicBool,
    /// Whether it must be closed.
    unwanted: AtomicBool,
    presence: Mutex<Presence>,
}

#[derive(Debug, Default)]
struct Presence {
    /// Its open streams of workers.
    streams: usize,
    /// Whether it is closed.
    gone: bool,
    /// Wakes who reads from it.
    reader: Option<Waker>,
}

/// The coordinator has as many workers as it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A worker's stream is open. Dropping it ends the membership.
#[derive(Debug)]
pub(crate) struct Membership(Arc<Guest>);

impl Lobby {
    #[cfg(test)]
    pub(super) fn with(patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            patience,
            ..Self::default()
        })
    }

    /// Waits until there is a place for another stranger. While all places are taken, whoever has held one for longest
    /// loses it, but not within the first second: nobody is sent away who is about to show a token.
    pub(crate) async fn room(&self) {
        loop {
            let Some(patience) = self.make_room(now()) else {
                return;
            };
            // Woken or not, look again.
            let _ = tokio::time::timeout_at(patience, self.room.notified()).await;
        }
    }

    /// Makes a place, if need be; `None` if there is one, else until when to wait for one.
    fn make_room(&self, now: Instant) -> Option<Instant> {
        let mut who = lock(&self.who);
        if who.strangers.len() < MAX_STRANGERS {
            return None;
        }
        let patience = who.strangers.front().map(|(since, _)| *since + self.patience.least);
        if let Some(patience) = patience.filter(|&patience| patience > now) {
            return Some(patience);
        }
        let oldest = who.strangers.pop_front();
        drop(who);
        if let Some((_, guest)) = oldest {
            guest.unwanted.store(true, Ordering::Relaxed);
            guest.wake_reader();
        }
        None
    }

    /// A new connection from `peer`.
    pub(crate) fn enter(self: &Arc<Self>, peer: Peer) -> Arc<Guest> {
        let guest = Arc::new(Guest {
            peer,
            lobby: Arc::clone(self),
            works: AtomicBool::new(false),
            has_worked: AtomicBool::new(false),
            unwanted: AtomicBool::new(false),
            presence: Mutex::default(),
        });
        lock(&self.who).strangers.push_back((now(), Arc::clone(&guest)));
        guest
    }
}

impl Guest {
    /// How long it may be without a worker's stream.
    pub(crate) fn time(&self) -> Duration {
        self.lobby.patience.most
    }

    /// Whether it has a worker's stream.
    pub(crate) fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// Whether it has ever had one.
    pub(crate) fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Relaxed)
    }

    /// Whether it must be closed for others.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed)
    }

    /// Opens a worker's stream on it.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Membership, Full> {
        let mut who = lock(&self.lobby.who);
        if who.workers == MAX_WORKERS {
            return Err(Full);
        }
        who.workers += 1;
        let mut presence = lock(&self.presence);
        presence.streams += 1;
        if presence.streams == 1 {
            who.forget(self);
            self.works.store(true, Ordering::Relaxed);
            self.has_worked.store(true, Ordering::Relaxed);
            self.lobby.room.notify_one();
        }
        Ok(Membership(Arc::clone(self)))
    }

    /// It is closed.
    pub(crate) fn leave(self: &Arc<Self>) {
        let mut who = lock(&self.lobby.who);
        lock(&self.presence).gone = true;
        who.forget(self);
        self.lobby.room.notify_one();
    }

    /// Remembers who reads from it.
    pub(crate) fn note_reader(&self, reader: &Waker) {
        let noted = &mut lock(&self.presence).reader;
        if !noted.as_ref().is_some_and(|noted| noted.will_wake(reader)) {
            *noted = Some(reader.clone());
        }
    }

    fn wake_reader(&self) {
        let reader = lock(&self.presence).reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Who {
    fn forget(&mut self, guest: &Arc<Guest>) {
        self.strangers.retain(|(_, other)| !Arc::ptr_eq(other, guest));
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let guest = &self.0;
        let mut who = lock(&guest.lobby.who);
        who.workers -= 1;
        let mut presence = lock(&guest.presence);
        presence.streams -= 1;
        if presence.streams > 0 {
            return;
        }
        guest.works.store(false, Ordering::Relaxed);
        if !presence.gone {
            who.strangers.push_back((now(), Arc::clone(guest)));
        }
        drop(presence);
        drop(who);
        // Its time begins when it is looked at.
        guest.wake_reader();
    }
}

impl Membership {
    /// Whether the worker came through the socket for spawned workers, and so can share memory with this process.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        self.0.peer == Peer::SameMachine
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the door is a shell: how long strangers stay is told by the clock"
)]
fn now() -> Instant {
    Instant::now()
}

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lobby in which strangers are safe for `least`, and so many of them.
    fn lobby_with(strangers: usize, least: Duration) -> (Arc<Lobby>, Vec<Arc<Guest>>) {
        let lobby = Lobby::with(Patience {
            least,
            ..Patience::default()
        });
        let guests = (0..strangers).map(|_| lobby.enter(Peer::SameMachine)).collect();
        (lobby, guests)
    }

    const FOR_EVER: Duration = Duration::from_secs(1 << 20);

    #[tokio::test]
    async fn the_longest_there_makes_room_but_not_while_it_is_safe() {
        let safe = Duration::from_millis(20);
        let (lobby, guests) = lobby_with(MAX_STRANGERS - 1, safe);
        lobby.room().await;
        let last = lobby.enter(Peer::SameMachine);
        assert!(guests.iter().all(|guest| !guest.is_unwanted()), "there was a place");
        let (since, _) = lock(&lobby.who).strangers[0];
        lobby.room().await;
        assert!(now() >= since + safe);
        assert!(guests[0].is_unwanted());
        assert!(!guests[1].is_unwanted() && !last.is_unwanted());
    }

    #[tokio::test]
    async fn who_becomes_a_worker_or_leaves_makes_room_at_once() {
        let (lobby, guests) = lobby_with(MAX_STRANGERS, FOR_EVER);
        let membership = guests[0].admit().unwrap();
        lobby.room().await;
        guests[0].leave();
        drop(membership);
        lobby.enter(Peer::SameMachine);
        let leaving = Arc::clone(&guests[1]);
        let (waiting, leaving) = (lobby.room(), async move { leaving.leave() });
        tokio::join!(waiting, leaving);
        assert!(guests.iter().all(|guest| !guest.is_unwanted()));
    }

    #[test]
    fn who_has_no_stream_any_more_is_a_stranger_again() {
        let (lobby, guests) = lobby_with(1, FOR_EVER);
        let (one, other) = (guests[0].admit().unwrap(), guests[0].admit().unwrap());
        assert!(lock(&lobby.who).strangers.is_empty());
        drop(one);
        assert!(guests[0].works());
        drop(other);
        assert!(!guests[0].works() && guests[0].has_worked());
        assert_eq!(lock(&lobby.who).strangers.len(), 1);
        guests[0].leave();
        assert!(lock(&lobby.who).strangers.is_empty());
    }

    #[test]
    fn there_are_never_more_workers_than_the_limit() {
        let (lobby, guests) = lobby_with(1, FOR_EVER);
        let mut workers: Vec<_> = (0..MAX_WORKERS).map(|_| guests[0].admit().unwrap()).collect();
        assert_eq!(guests[0].admit().map(drop), Err(Full));
        workers.pop();
        assert!(guests[0].admit().is_ok());
        drop(workers);
        assert_eq!(lock(&lobby.who).workers, 0);
    }
}
