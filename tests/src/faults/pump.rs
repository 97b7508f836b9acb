//! One direction of one connection: reads, keeps what may not be delivered yet, delivers.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::controls::{Direction, Shared};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// On a slow line, the share of a second for which bytes are delivered at once.
const PORTIONS_PER_SECOND: u64 = 20;

/// How long to wait for what has no time.
const LONG: Duration = Duration::from_secs(3600);

/// The connection did not end in order, so neither shall its other side.
#[derive(Debug)]
pub(super) struct Broken;

/// One direction of one connection.
#[derive(Debug)]
pub(super) struct Pump {
    source: Arc<TcpStream>,
    destination: Arc<TcpStream>,
    direction: Direction,
    shared: Arc<Shared>,
    pieces: VecDeque<Piece>,
    held: u64,
    /// How the source has ended.
    ended: Option<Result<(), Broken>>,
    /// A slow line is busy until then.
    free_at: Instant,
}

#[derive(Debug)]
struct Piece {
    arrived: Instant,
    bytes: Vec<u8>,
    delivered: usize,
}

/// What can be done next.
#[derive(Debug)]
enum Next {
    /// Deliver so many bytes of the first piece.
    Deliver(usize),
    /// Hand on how the source ended.
    End,
    /// Nothing before this time.
    At(Instant),
    /// Nothing unless something changes.
    Wait,
}

#[expect(
    clippy::disallowed_methods,
    reason = "latency and rate are faults made of real time; nothing waits for them in place of a condition"
)]
fn now() -> Instant {
    Instant::now()
}

impl Pump {
    pub fn new(
        source: &Arc<TcpStream>,
        destination: &Arc<TcpStream>,
        direction: Direction,
        shared: &Arc<Shared>,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            destination: Arc::clone(destination),
            direction,
            shared: Arc::clone(shared),
            pieces: VecDeque::new(),
            held: 0,
            ended: None,
            free_at: now(),
        }
    }

    /// Works until the source has ended and all its bytes are delivered.
    pub async fn run(mut self) -> Result<(), Broken> {
        let mut versions = self.shared.subscribe();
        loop {
            versions.mark_unchanged();
            let has_room = self.ended.is_none() && self.held < self.shared.lock().room();
            let next = self.next();
            if matches!(next, Next::End) {
                return self.end();
            }
            let delivers = match next {
                Next::Deliver(count) => Some(count),
                _ => None,
            };
            let wakes_at = match next {
                Next::At(time) => time,
                _ => now() + LONG,
            };
            tokio::select! {
                _ = versions.changed() => {}
                ready = self.source.readable(), if has_room => self.read(ready),
                ready = self.destination.writable(), if delivers.is_some() => {
                    self.deliver(ready, delivers.unwrap_or_default())?;
                }
                () = sleep_until(wakes_at) => {}
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = self.shared.lock();
        let (latency, rate) = (state.latency, state.rate);
        let budget = state.lane(self.direction).budget;
        if budget == Some(0) {
            return Next::Wait;
        }
        let Some(piece) = self.pieces.front() else {
            return if self.ended.is_some() { Next::End } else { Next::Wait };
        };
        let busy_until = rate.map_or(piece.arrived, |_| self.free_at);
        let time = (piece.arrived + latency).max(busy_until);
        if time > now() {
            return Next::At(time);
        }
        let portion = rate.map_or(u64::MAX, |rate| (rate.get() / PORTIONS_PER_SECOND).max(1));
        let most = portion.min(budget.unwrap_or(u64::MAX));
        let rest = piece.bytes.len() - piece.delivered;
        Next::Deliver(usize::try_from(most).unwrap_or(usize::MAX).min(rest))
    }

    fn read(&mut self, ready: io::Result<()>) {
        let mut bytes = vec![0; PIECE_BYTES];
        match ready.and_then(|()| self.source.try_read(&mut bytes)) {
            Ok(0) => self.ended = Some(Ok(())),
            Ok(count) => {
                bytes.truncate(count);
                self.held += count as u64;
                self.shared
                    .note(|state| state.traffic(self.direction).held += count as u64);
                self.pieces.push_back(Piece {
                    arrived: now(),
                    bytes,
                    delivered: 0,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.ended = Some(Err(Broken)),
        }
    }

    /// Delivers up to `count` bytes, unless the controls have been changed meanwhile.
    fn deliver(&mut self, ready: io::Result<()>, count: usize) -> Result<(), Broken> {
        let direction = self.direction;
        let Some(piece) = self.pieces.front_mut() else {
            return Ok(());
        };
        // With the state locked, so that whoever has closed a direction sees nothing more pass.
        let mut state = self.shared.lock();
        let budget = usize::try_from(state.lane(direction).budget.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let end = piece.delivered + count.min(budget);
        let mut bytes = piece.bytes[piece.delivered..end].to_vec();
        if bytes.is_empty() {
            return Ok(());
        }
        state.alter(direction, &mut bytes);
        let written = match ready.and_then(|()| self.destination.try_write(&bytes)) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(Broken),
        };
        state.delivered(direction, written as u64);
        let rate = state.rate;
        drop(state);
        self.shared.note(|_| {});
        self.held -= written as u64;
        piece.delivered += written;
        if piece.delivered == piece.bytes.len() {
            self.pieces.pop_front();
        }
        if let Some(rate) = rate {
            self.free_at = self.free_at.max(now()) + Duration::from_secs_f64(written as f64 / rate.get() as f64);
        }
        Ok(())
    }

    /// Hands on how the source ended.
    fn end(&mut self) -> Result<(), Broken> {
        self.ended.take().unwrap_or(Ok(()))?;
        // If the destination is gone, its own direction tells.
        let _ = shutdown(&*self.destination, Shutdown::Write);
        Ok(())
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let (direction, held) = (self.direction, self.held);
        self.shared.note(|state| state.traffic(direction).held -= held);
    }
}
