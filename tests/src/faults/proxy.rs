//! A TCP proxy on this machine that misbehaves as it is told, and may be told otherwise while it runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream as BlockingStream};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, listen, shutdown, socket_with,
    sockopt::set_socket_reuseaddr,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::controls::{Direction, Facts, Flip, Shared};
use super::pump::{Broken, Pump};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A proxy. Its port stays its own until it is dropped, even while it refuses connections.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    /// Bound all the time, listening while connections are accepted.
    listener: Arc<TcpListener>,
    address: SocketAddr,
}

impl Proxy {
    /// A proxy on a free port that leads to `upstream` and lets everything pass.
    ///
    /// # Panics
    ///
    /// If the system gives no port or thread.
    pub fn to(upstream: SocketAddr) -> Self {
        let proxy = Self::start(Some(upstream)).expect("a port and a thread are to be had");
        proxy.admit();
        proxy
    }

    /// A proxy on a free port that refuses connections, as if no program listened there.
    ///
    /// # Panics
    ///
    /// If the system gives no port or thread.
    pub fn to_nowhere() -> Self {
        Self::start(None).expect("a port and a thread are to be had")
    }

    fn start(upstream: Option<SocketAddr>) -> io::Result<Self> {
        let (listener, address) = reserve_port()?;
        let listener = Arc::new(listener);
        let shared = Arc::new(Shared::new(upstream));
        let (sender, clients) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let of_tasks = Arc::clone(&shared);
        thread::spawn(move || runtime.block_on(serve(clients, &of_tasks)));
        let (of_acceptor, accepting) = (Arc::clone(&shared), Arc::clone(&listener));
        thread::spawn(move || accept_all(&accepting, &of_acceptor, &sender));
        Ok(Self {
            shared,
            listener,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to `upstream` from now on, and accepts them.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.shared.control(|state| state.upstream = Some(upstream));
        self.admit();
    }

    /// Accepts new connections.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn admit(&self) {
        listen(&self.listener, BACKLOG).expect("a bound socket can listen");
        self.shared.control(|state| state.listens = true);
    }

    /// Refuses new connections, as if no program listened there. Open ones stay.
    pub fn refuse(&self) {
        self.shared.control(|state| state.listens = false);
        // Linux keeps such a socket bound. It fails only if the socket was not listening.
        let _ = shutdown(&self.listener, Shutdown::Both);
    }

    /// Ends all open connections by a reset on both sides.
    pub fn cut(&self) {
        self.shared.control(|state| state.cuts += 1);
    }

    /// Delivers nothing more in `direction`, not even that a side has closed; bytes are still accepted.
    pub fn hold(&self, direction: Direction) {
        self.hold_after(direction, 0);
    }

    /// As [`Proxy::hold`], after `bytes` more have been delivered in `direction`. Returns how many will have been
    /// delivered by then.
    pub fn hold_after(&self, direction: Direction, bytes: u64) -> u64 {
        let mut end = 0;
        self.shared.control(|state| {
            state.lane(direction).budget = Some(bytes);
            end = state.traffic(direction).delivered + bytes;
        });
        end
    }

    /// Holds both directions: connections stay open, and nobody hears anything.
    pub fn silence(&self) {
        self.hold(Direction::Up);
        self.hold(Direction::Down);
    }

    /// Delivers in both directions all that was held, and what comes.
    pub fn release(&self) {
        self.shared.control(|state| {
            state.lane(Direction::Up).budget = None;
            state.lane(Direction::Down).budget = None;
        });
    }

    /// Lets every byte be on its way for `latency`, those that are on their way included.
    pub fn delay(&self, latency: Duration) {
        self.shared.control(|state| state.latency = latency);
    }

    /// Delivers at most so many bytes per second in each direction of each connection; `None` ends this.
    pub fn throttle(&self, bytes_per_second: Option<NonZeroU64>) {
        self.shared.control(|state| state.rate = bytes_per_second);
    }

    /// Flips bit `bit` (0 is the lowest) of the byte that follows the next `after` bytes delivered in `direction`.
    pub fn corrupt(&self, direction: Direction, after: u64, bit: u8) {
        assert!(bit < 8, "a byte has no bit {bit}");
        self.shared
            .control(|state| state.lane(direction).flips.push(Flip { after, bit }));
    }

    /// What it has seen.
    pub fn facts(&self) -> Facts {
        self.shared.lock().facts
    }

    /// Waits until `condition` holds of what it has seen.
    ///
    /// # Panics
    ///
    /// If [`LIMIT`](crate::processes::LIMIT) passes.
    #[track_caller]
    pub fn wait_until(&self, wanted: &str, condition: impl FnMut(&Facts) -> bool) -> Facts {
        match self.shared.wait_for(condition) {
            Ok(facts) => facts,
            Err(facts) => panic!("the proxy did not come to {wanted}: {facts:?}"),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.control(|state| state.closed = true);
        let _ = shutdown(&self.listener, Shutdown::Both);
    }
}

/// A socket that is bound to a free port of this machine, and stays so when it listens no more.
fn reserve_port() -> io::Result<(TcpListener, SocketAddr)> {
    let bound_to = |port| {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Listening again must not fail because of connections that have just ended.
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let socket = TcpListener::from(socket);
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    // A socket keeps its port only if it was asked for by number, and this one keeps it free until then.
    let (_finder, address): (TcpListener, _) = bound_to(0)?;
    bound_to(address.port())
}

/// Hands on the connections that come while they shall be accepted.
fn accept_all(listener: &TcpListener, shared: &Shared, clients: &mpsc::UnboundedSender<BlockingStream>) {
    while shared.wait_until_listening() {
        // An error means that the socket listens no more.
        if let Ok((client, _)) = listener.accept() {
            let _ = clients.send(client);
        }
    }
}

async fn serve(mut clients: mpsc::UnboundedReceiver<BlockingStream>, shared: &Arc<Shared>) {
    while let Some(client) = clients.recv().await {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            // A connection that fails concerns the processes at its ends, who are under test.
            let _ = connection(client, &shared).await;
        });
    }
}

/// One connection, from its acceptance to its end.
async fn connection(client: BlockingStream, shared: &Arc<Shared>) -> io::Result<()> {
    let (upstream, cuts) = {
        let mut state = shared.lock();
        state.facts.accepted += 1;
        (state.upstream, state.cuts)
    };
    client.set_nonblocking(true)?;
    let client = Arc::new(TcpStream::from_std(client)?);
    let nowhere = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let server = match upstream.ok_or_else(nowhere) {
        Ok(upstream) => TcpStream::connect(upstream).await,
        Err(error) => Err(error),
    };
    let server = match server {
        Ok(server) => Arc::new(server),
        Err(error) => {
            client.set_zero_linger()?;
            return Err(error);
        }
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    shared.note(|state| state.facts.open += 1);
    let up = Pump::new(&client, &server, Direction::Up, shared);
    let down = Pump::new(&server, &client, Direction::Down, shared);
    let ended = tokio::select! {
        ended = async { tokio::try_join!(up.run(), down.run()) } => ended.map(|_| ()),
        () = cut(shared, cuts) => Err(Broken),
    };
    if ended.is_err() {
        // Closing then resets the connection.
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    drop((client, server));
    shared.note(|state| state.facts.open -= 1);
    Ok(())
}

/// Ends when connections have been cut more often than `cuts` times.
async fn cut(shared: &Shared, cuts: u64) {
    let mut versions = shared.subscribe();
    loop {
        versions.mark_unchanged();
        if shared.lock().cuts > cuts {
            return;
        }
        // The sender lives as long as `shared`.
        let _ = versions.changed().await;
    }
}
