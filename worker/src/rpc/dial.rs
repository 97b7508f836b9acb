//! Reaching a coordinator: TCP, and TLS if it is asked for; or a Unix socket, if it started this worker.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::rt::TokioIo;
use proto::local;
use security::{TlsError, TlsFailure, Token};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use super::{CONNECT_TIMEOUT, ConnectError};
use crate::config::{Access, Address, Place};

/// Where the coordinator is, how to know it, and what to show it.
#[derive(Clone)]
pub struct Destination {
    place: Place,
    tls: Option<Arc<ClientConfig>>,
    token: Option<Token>,
}

impl Destination {
    /// Reads the files of TLS.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is not what it should be.
    pub fn load(place: Place, access: &Access) -> Result<Self, TlsError> {
        Ok(Self {
            place,
            tls: access.tls.as_ref().map(|tls| tls.load()).transpose()?,
            token: access.token.clone(),
        })
    }

    /// Warns if the token can be read on its way.
    pub fn warn_if_insecure(&self) {
        let is_here = match &self.place {
            Place::SameMachine(_) => true,
            Place::Network(address) => match address.host().parse::<IpAddr>() {
                Ok(address) => address.to_canonical().is_loopback(),
                Err(_) => address.host() == "localhost",
            },
        };
        if self.token.is_some() && self.tls.is_none() && !is_here {
            tracing::warn!("without TLS: whoever is on the way to {self} can read the token; --tls-ca turns TLS on");
        }
    }

    /// As HTTP names it. Nobody looks it up: the connection is there already.
    pub(super) fn uri(&self) -> String {
        match &self.place {
            Place::Network(address) => format!("http://{address}"),
            Place::SameMachine(_) => "http://localhost".to_owned(),
        }
    }

    /// Whether the coordinator started this worker, and so can share memory with it.
    pub(super) fn is_on_this_machine(&self) -> bool {
        matches!(self.place, Place::SameMachine(_))
    }

    /// What to show in the `authorization` metadata, if anything.
    pub(super) fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(Token::authorization)
    }

    /// Opens a connection.
    pub(super) async fn dial(&self) -> Result<(Line, Witness), ConnectError> {
        let unreachable = |reason: String| ConnectError::Unreachable {
            address: self.to_string(),
            reason,
        };
        let late = |_| unreachable(format!("it did not answer within {} s", CONNECT_TIMEOUT.as_secs()));
        let witness = Witness::default();
        let dialling = async {
            let failed = |error: io::Error| unreachable(error.to_string());
            let stream = match &self.place {
                Place::SameMachine(name) => Stream::Local(connect_here(*name).await.map_err(failed)?),
                Place::Network(address) => {
                    let stream = connect_to(address).await.map_err(failed)?;
                    match &self.tls {
                        None => Stream::Plain(stream),
                        Some(tls) => Stream::Tls(Box::new(self.speak_tls(Arc::clone(tls), address, stream).await?)),
                    }
                }
            };
            Ok(Line {
                stream,
                witness: witness.clone(),
            })
        };
        let line = tokio::time::timeout(CONNECT_TIMEOUT, dialling).await.map_err(late)??;
        Ok((line, witness))
    }

    async fn speak_tls(
        &self,
        tls: Arc<ClientConfig>,
        address: &Address,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let host = address.host();
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned()).map_err(|_| ConnectError::Tls {
            address: self.to_string(),
            failure: TlsFailure::Other(format!("found `{host}`, expected a host that a certificate can name")),
        })?;
        TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(|error| match TlsFailure::behind(&error) {
                Some(failure) => ConnectError::Tls {
                    address: self.to_string(),
                    failure,
                },
                None => ConnectError::Unreachable {
                    address: self.to_string(),
                    reason: format!("the TLS handshake broke off ({error})"),
                },
            })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Destination").field(&self.place).finish()
    }
}

async fn connect_to(address: &Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address.host(), address.port())).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_here(name: local::Name) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(name.to_path()).await?;
    // Such names are no secret, and free when their coordinator has ended. Nobody else shall be shown the token.
    if !local::is_own(stream.peer_cred()?.uid()) {
        return Err(io::Error::other("another user's process listens there"));
    }
    local::make_room(&stream)?;
    Ok(stream)
}

/// What became clear only after a connection was there.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// With TLS 1.3 a server looks at the client's certificate when the client believes already that all is well.
    failure: Option<TlsFailure>,
    /// Whether anything has arrived.
    heard: bool,
    /// Whether what arrived first is no HTTP/2.
    foreign: bool,
}

impl Witness {
    /// What was seen of TLS, if anything.
    pub(super) fn testimony(&self) -> Option<TlsFailure> {
        self.lock().failure.clone()
    }

    /// Whether the other end speaks something else than HTTP/2.
    pub(super) fn heard_foreign(&self) -> bool {
        self.lock().foreign
    }

    fn note(&self, failure: TlsFailure) {
        self.lock().failure.get_or_insert(failure);
    }

    fn hear(&self, bytes: &[u8]) {
        let mut seen = self.lock();
        if !bytes.is_empty() && !std::mem::replace(&mut seen.heard, true) {
            seen.foreign = bytes.get(FRAME_TYPE).is_some_and(|&found| found != SETTINGS);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a frame's type in HTTP/2, and the type of the frame that comes first (RFC 9113, sections 4.1 and 3.4).
const FRAME_TYPE: usize = 3;
const SETTINGS: u8 = 4;

/// A connection whose failures are witnessed.
#[derive(Debug)]
pub(super) struct Line {
    stream: Stream,
    witness: Witness,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Local(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The first two bytes of an alert of TLS, which no frame of HTTP/2 that may come first begins with.
const TLS_ALERT: [u8; 2] = [21, 3];

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut line.stream {
            Stream::Plain(stream) => {
                let read = ready!(Pin::new(stream).poll_read(context, buffer));
                if buffer.filled()[before..].starts_with(&TLS_ALERT) {
                    line.witness.note(TlsFailure::OnlyTls);
                }
                read
            }
            Stream::Local(stream) => ready!(Pin::new(stream).poll_read(context, buffer)),
            Stream::Tls(stream) => ready!(Pin::new(stream.as_mut()).poll_read(context, buffer)),
        };
        line.witness.hear(&buffer.filled()[before..]);
        if let Some(failure) = read.as_ref().err().and_then(TlsFailure::behind) {
            line.witness.note(failure);
        }
        Poll::Ready(read)
    }
}

impl Stream {
    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Local(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.writer().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream.writer().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Local(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.writer().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.writer().poll_shutdown(context)
    }
}

/// Gives tonic a connection that is there already. There is no second one: who loses it dials again. Tonic asks for one
/// when the first has broken before the call was made, so that is the error.
#[derive(Debug)]
pub(super) struct Once(pub(super) Option<Line>);

impl Service<Uri> for Once {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<TokioIo<Line>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let line = self.0.take().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection broke before an answer came",
            )
        });
        std::future::ready(line.map(TokioIo::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_tells_whether_it_is_http_2() {
        let first = |pieces: &[&[u8]]| {
            let witness = Witness::default();
            pieces.iter().for_each(|piece| witness.hear(piece));
            witness.heard_foreign()
        };
        assert!(!first(&[]));
        assert!(!first(&[&[0, 0, 12, 4, 0, 0, 0, 0, 0], b"anything"]));
        assert!(first(&[b"HTTP/1.1 400 Bad Request"]));
        assert!(first(&[b"", b"SSH-2.0"]));
    }
}
