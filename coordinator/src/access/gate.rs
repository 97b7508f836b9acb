//! A connection that is closed when its stranger's time is up, or when it has sent too much.

use std::future::{Future, Pending, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Timeout, timeout};

use super::limits::STRANGER_BYTES;
use super::lobby::Guest;

/// A connection as [`Guest`] may use it.
#[derive(Debug)]
pub(crate) struct Gate<IO> {
    io: IO,
    guest: Arc<Guest>,
    /// Bytes that may come before the first stream of a worker.
    allowed: usize,
    /// Ends when its time is up; there while it has no stream of a worker.
    time: Option<Pin<Box<Timeout<Pending<()>>>>>,
}

impl<IO> Gate<IO> {
    pub(crate) fn new(io: IO, guest: Arc<Guest>) -> Self {
        Self {
            io,
            guest,
            allowed: STRANGER_BYTES,
            time: None,
        }
    }

    /// Whose connection it is.
    pub(crate) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Why it must be closed now, if it must.
    fn refusal(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        self.guest.note_reader(context.waker());
        if self.guest.works() {
            self.time = None;
            return None;
        }
        if self.guest.is_unwanted() {
            return Some(io::Error::new(
                io::ErrorKind::TimedOut,
                "its place is needed for others",
            ));
        }
        let most = self.guest.time();
        let time = self.time.get_or_insert_with(|| Box::pin(timeout(most, pending())));
        let is_up = time.as_mut().poll(context).is_ready();
        is_up.then(|| {
            let message = format!("no worker's stream within {most:?}");
            io::Error::new(io::ErrorKind::TimedOut, message)
        })
    }

    /// Counts what has come.
    fn count(&mut self, bytes: usize) -> io::Result<()> {
        if self.guest.has_worked() {
            return Ok(());
        }
        self.allowed = self.allowed.checked_sub(bytes).ok_or_else(|| {
            let message = format!("more than {STRANGER_BYTES} bytes before a worker's stream");
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        Ok(())
    }
}

impl<IO> Drop for Gate<IO> {
    fn drop(&mut self) {
        self.guest.leave();
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Gate<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(refusal) = self.refusal(context) {
            return Poll::Ready(Err(refusal));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        Poll::Ready(self.count(buffer.filled().len() - before))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Gate<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::super::limits::{MAX_STRANGERS, Patience};
    use super::super::lobby::Lobby;
    use super::super::peer::Peer;
    use super::*;

    const PATIENCE: Patience = Patience {
        most: Duration::from_millis(50),
        least: Duration::from_millis(10),
    };

    fn connection(patience: Patience) -> (Arc<Lobby>, DuplexStream, Gate<DuplexStream>) {
        let lobby = Lobby::with(patience);
        let (outside, inside) = duplex(1 << 20);
        let gate = Gate::new(inside, lobby.enter(Peer::SameMachine));
        (lobby, outside, gate)
    }

    #[tokio::test]
    async fn a_stranger_is_closed_when_its_time_is_up_however_much_it_says() {
        let (_lobby, mut outside, mut gate) = connection(PATIENCE);
        outside.write_all(&[0; 100]).await.unwrap();
        let mut read = Vec::new();
        let error = gate.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(error.to_string(), "no worker's stream within 50ms");
        assert_eq!(read.len(), 100);
    }

    #[tokio::test]
    async fn a_worker_has_all_the_time_until_its_stream_ends() {
        let (_lobby, mut outside, mut gate) = connection(PATIENCE);
        let membership = gate.guest().admit().unwrap();
        let mut reading = tokio::spawn(async move { gate.read_to_end(&mut Vec::new()).await });
        outside.write_all(&[0; STRANGER_BYTES + 1]).await.unwrap();
        timeout(PATIENCE.most * 3, &mut reading)
            .await
            .expect_err("it is not closed");
        drop(membership);
        let error = reading.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "no worker's stream within 50ms");
    }

    #[tokio::test]
    async fn a_stranger_that_sends_too_much_is_closed() {
        let (_lobby, mut outside, mut gate) = connection(Patience::default());
        outside.write_all(&[0; STRANGER_BYTES]).await.unwrap();
        gate.read_exact(&mut [0; STRANGER_BYTES]).await.unwrap();
        outside.write_all(&[0]).await.unwrap();
        let error = gate.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "more than 65536 bytes before a worker's stream");
    }

    #[tokio::test]
    async fn a_stranger_whose_place_is_needed_is_closed() {
        let (lobby, _outside, mut gate) = connection(Patience {
            least: PATIENCE.least,
            ..Patience::default()
        });
        let _others: Vec<_> = (1..MAX_STRANGERS).map(|_| lobby.enter(Peer::SameMachine)).collect();
        let reading = tokio::spawn(async move { gate.read_to_end(&mut Vec::new()).await });
        lobby.room().await;
        let error = reading.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "its place is needed for others");
    }
}
