//! The side door: a Unix socket for the workers that the coordinator starts itself. The same bytes cost the two ends less
//! than half of the time that they cost over loopback TCP.

use std::io;

use proto::local;
use tokio::net::{UnixListener, UnixStream};

/// A socket that lets only processes of this user in. Its name is in Linux's abstract namespace, so that nothing is left
/// behind in the file system, however the coordinator ends.
#[derive(Debug)]
pub struct SideDoor {
    listener: UnixListener,
    /// The user whose processes may come in.
    user: u32,
}

impl SideDoor {
    /// Opens one of a name that nobody knows; returns it and the name. `None` on systems without such names.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn open() -> io::Result<Option<(Self, local::Name)>> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = local::Name::of(u128::from_ne_bytes(random));
        let listener = UnixListener::bind(name.to_path())?;
        let (own, _) = UnixStream::pair()?;
        let user = own.peer_cred()?.uid();
        Ok(Some((Self { listener, user }, name)))
    }

    /// The next connection of a process of this user.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            // The system vouches for it: nobody can pretend to be another.
            if stream.peer_cred()?.uid() != self.user {
                tracing::debug!("refused another user's process at the socket for spawned workers");
                continue;
            }
            local::make_room(&stream)?;
            return Ok(stream);
        }
    }
}
