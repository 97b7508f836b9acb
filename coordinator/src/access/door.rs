//! The door: accepts connections while there is room, and speaks TLS with those from the network before HTTP/2 hears of
//! them. Spawned workers come in by an entrance of their own.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use security::TlsFailure;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use super::Entrance;
use super::gate::Gate;
use super::limits::{ACCEPT_PAUSE, FAREWELL};
use super::lobby::Guest;
use super::peer::Peer;
use super::refusals::Reporter;
use super::side_door::SideDoor;

/// Connections that have come through the door and that nobody has taken up yet.
const WAITING: usize = 16;

/// The first byte of whoever begins to speak TLS. HTTP/2 begins with the letter P.
const TLS_HANDSHAKE: u8 = 0x16;

/// The connections that come through the door. The door is shut when it is dropped.
#[derive(Debug)]
pub(crate) struct Connections(mpsc::Receiver<Connection>);

/// A connection: in the clear or inside TLS, or one that does not leave this machine.
#[derive(Debug)]
pub(crate) enum Connection {
    Plain(Cleartext),
    Local(Gate<UnixStream>),
    Tls(Box<TlsStream<Gate<TcpStream>>>),
}

/// A connection in the clear, watched for a first word of TLS.
#[derive(Debug)]
pub(crate) struct Cleartext {
    gate: Gate<TcpStream>,
    /// Who tells of TLS; there until something has come.
    watch: Option<Reporter>,
}

/// Whose connection a request came on.
#[derive(Clone, Debug)]
pub(crate) struct Visitor(pub(crate) Arc<Guest>);

/// A way in.
#[derive(Debug)]
enum Way {
    Network(TcpListener),
    SideDoor(SideDoor),
}

/// Somebody who has come in.
enum Arrival {
    Network(TcpStream, SocketAddr),
    SameMachine(UnixStream),
}

impl Connections {
    /// Opens the door on `listener`, and the `side_door` beside it.
    pub(crate) fn open(listener: TcpListener, side_door: Option<SideDoor>, entrance: &Entrance) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let ways = [Some(Way::Network(listener)), side_door.map(Way::SideDoor)];
        for way in ways.into_iter().flatten() {
            tokio::spawn(accept_all(way, entrance.clone(), sender.clone()));
        }
        Self(receiver)
    }
}

impl Way {
    async fn accept(&self, reporter: &Reporter) -> io::Result<Arrival> {
        match self {
            Self::Network(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Arrival::Network(stream, peer))
            }
            Self::SideDoor(door) => door.accept(reporter).await.map(Arrival::SameMachine),
        }
    }
}

impl Stream for Connections {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|connection| connection.map(Ok))
    }
}

/// Accepts connections until nobody wants them any more.
async fn accept_all(way: Way, entrance: Entrance, sender: mpsc::Sender<Connection>) {
    let accept = async || {
        entrance.lobby.room().await;
        way.accept(&entrance.reporter).await
    };
    loop {
        let accepted = tokio::select! {
            () = sender.closed() => return,
            accepted = accept() => accepted,
        };
        match accepted {
            Ok(Arrival::Network(stream, peer)) => welcome(stream, peer, &entrance, &sender).await,
            Ok(Arrival::SameMachine(stream)) => {
                let gate = Gate::new(stream, entrance.lobby.enter(Peer::SameMachine));
                drop(sender.send(Connection::Local(gate)).await);
            }
            Err(error) => {
                tracing::debug!("a connection was not accepted: {error}");
                let _ = timeout(ACCEPT_PAUSE, sender.closed()).await;
            }
        }
    }
}

async fn welcome(stream: TcpStream, peer: SocketAddr, entrance: &Entrance, sender: &mpsc::Sender<Connection>) {
    // A connection that is gone already is noticed when it is read.
    let _ = stream.set_nodelay(true);
    let gate = Gate::new(stream, entrance.lobby.enter(Peer::Network(peer)));
    match entrance.tls.clone().map(TlsAcceptor::from) {
        None => {
            let watch = Some(entrance.reporter.clone());
            drop(sender.send(Connection::Plain(Cleartext { gate, watch })).await);
        }
        Some(acceptor) => drop(tokio::spawn(speak_tls(
            acceptor,
            gate,
            sender.clone(),
            entrance.reporter.clone(),
        ))),
    }
}

async fn speak_tls(acceptor: TlsAcceptor, gate: Gate<TcpStream>, sender: mpsc::Sender<Connection>, reporter: Reporter) {
    match acceptor.accept(gate).into_fallible().await {
        // If nobody takes it up, the server has stopped.
        Ok(stream) => drop(sender.send(Connection::Tls(Box::new(stream))).await),
        Err((error, gate)) => {
            match TlsFailure::behind(&error) {
                Some(failure) => reporter.refused(gate.guest().peer, &failure.to_string()),
                None => tracing::debug!("{} left during the TLS handshake: {error}", gate.guest().peer),
            }
            // Closing with unread bytes resets the connection, and then the other end may never read our alert.
            let _ = timeout(FAREWELL, hear_out(gate)).await;
        }
    }
}

/// Says that there is no more to come, and waits until the other end has nothing more to say.
async fn hear_out(mut gate: Gate<TcpStream>) -> io::Result<()> {
    gate.shutdown().await?;
    let mut ignored = [0; 1024];
    while gate.read(&mut ignored).await? > 0 {}
    Ok(())
}

impl Cleartext {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.gate).poll_read(context, buffer);
        if let Some(&first) = buffer.filled().get(before)
            && let Some(reporter) = self.watch.take()
            && first == TLS_HANDSHAKE
        {
            // HTTP/2 takes it for garbage and closes the connection.
            reporter.refused(self.gate.guest().peer, &TlsFailure::OnlyTls.to_string());
        }
        read
    }
}

impl Connected for Connection {
    type ConnectInfo = Visitor;

    fn connect_info(&self) -> Visitor {
        Visitor(Arc::clone(match self {
            Self::Plain(plain) => plain.gate.guest(),
            Self::Local(gate) => gate.guest(),
            Self::Tls(stream) => stream.get_ref().0.guest(),
        }))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => plain.poll_read(context, buffer),
            Self::Local(gate) => Pin::new(gate).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl Connection {
    fn writer(self: Pin<&mut Self>) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(&mut plain.gate),
            Self::Local(gate) => Pin::new(gate),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writer().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.gate.is_write_vectored(),
            Self::Local(gate) => gate.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_shutdown(context)
    }
}
