//! The side door: a Unix socket for the workers that the coordinator starts itself. The same bytes cost the two ends less
//! than half of the time that they cost over loopback TCP; and who comes this way can share memory with the coordinator.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proto::local;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::peer::Peer;
use super::refusals::Reporter;

/// A socket that lets only processes of this user in. Its name is in Linux's abstract namespace, so that nothing is left
/// behind in the file system, however the coordinator ends.
#[derive(Debug)]
pub struct SideDoor {
    listener: UnixListener,
    memory: MemoryOffers,
}

/// Who may be offered to share memory: as many at a time as workers were started.
#[derive(Clone, Debug)]
pub struct MemoryOffers {
    left: Arc<Semaphore>,
    /// The names of pieces of memory are this number and those after it.
    first: u128,
    made: Arc<AtomicU64>,
}

/// An offer to share memory. Another one can be made when it is dropped.
#[derive(Debug)]
pub struct MemoryOffer {
    /// The number by which the memory is to be known.
    pub identity: u128,
    _permit: OwnedSemaphorePermit,
}

impl SideDoor {
    /// Opens one for so many workers, of a name that nobody has used before; returns it and the name. `None` on systems
    /// without such names.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    #[expect(
        clippy::disallowed_methods,
        reason = "a name that nobody has used before is wanted, and must not come again"
    )]
    pub fn open(workers: NonZeroUsize) -> io::Result<Option<(Self, local::Name)>> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let random = u128::from_ne_bytes(random);
        let name = local::Name::of(random);
        let listener = UnixListener::bind(name.to_path())?;
        let memory = MemoryOffers {
            left: Arc::new(Semaphore::new(workers.get())),
            first: random,
            made: Arc::default(),
        };
        Ok(Some((Self { listener, memory }, name)))
    }

    /// Who may be offered to share memory.
    pub(crate) fn memory(&self) -> MemoryOffers {
        self.memory.clone()
    }

    /// The next connection of a process of this user.
    pub(super) async fn accept(&self, reporter: &Reporter) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            // The system vouches for it: nobody can pretend to be another.
            if !local::is_own(stream.peer_cred()?.uid()) {
                reporter.refused(
                    Peer::SameMachine,
                    "another user's, expected a worker that was started here",
                );
                continue;
            }
            local::make_room(&stream)?;
            return Ok(stream);
        }
    }
}

impl MemoryOffers {
    /// An offer, unless as many have been made as workers were started.
    pub(crate) fn next(&self) -> Option<MemoryOffer> {
        let permit = Arc::clone(&self.left).try_acquire_owned().ok()?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Some(MemoryOffer {
            identity: self.first.wrapping_add(u128::from(number)),
            _permit: permit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn as_many_share_memory_as_were_started_and_each_piece_has_its_own_number() {
        let two = NonZeroUsize::new(2).unwrap();
        let (door, name) = SideDoor::open(two).unwrap().unwrap();
        let offers = door.memory();
        let (one, other) = (offers.next().unwrap(), offers.next().unwrap());
        assert_ne!(one.identity, other.identity);
        assert!(offers.next().is_none());
        let identity = one.identity;
        drop(one);
        assert_ne!(offers.next().unwrap().identity, identity);

        let (_, another) = SideDoor::open(two).unwrap().unwrap();
        assert_ne!(name, another);
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_process_of_this_user_comes_in() {
        let (door, name) = SideDoor::open(NonZeroUsize::MIN).unwrap().unwrap();
        let reporter = Reporter::default();
        let (inside, outside) = tokio::join!(door.accept(&reporter), UnixStream::connect(name.to_path()));
        assert!(inside.is_ok() && outside.is_ok());
    }
}
