//! The proxy that puts faults into connections does what it is told, to the byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use tests::faults::{Direction, Proxy};

/// How long any read may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The two ends of one connection through a proxy.
struct Ends {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
    listener: TcpListener,
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn ends() -> Ends {
    let (listener, address) = listen();
    let proxy = Proxy::to(address);
    let client = TcpStream::connect(proxy.address()).unwrap();
    let (server, _) = listener.accept().unwrap();
    proxy.wait_until("be open", |facts| facts.open == 1);
    limit_reads(&client);
    limit_reads(&server);
    Ends {
        proxy,
        client,
        server,
        listener,
    }
}

/// A read that waits in vain fails the test.
fn limit_reads(stream: &TcpStream) {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
}

/// `count` bytes of which no two neighbours are equal.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// A new connection through `proxy` reaches `listener`.
#[track_caller]
fn assert_connects(proxy: &Proxy, listener: &TcpListener) {
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.write_all(b"new").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    limit_reads(&server);
    assert_eq!(read(&mut server, 3), b"new");
}

#[track_caller]
fn assert_nothing_to_read(stream: &mut TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "latency and rate are about real time")]
fn took(action: impl FnOnce()) -> Duration {
    let start = Instant::now();
    action();
    start.elapsed()
}

#[test]
fn everything_passes_both_ways_and_so_does_the_end_of_each() {
    let Ends {
        proxy,
        mut client,
        mut server,
        ..
    } = ends();
    let bytes = pattern(1_000_000);
    let (mut sender, sent) = (client.try_clone().unwrap(), bytes.clone());
    let sending = std::thread::spawn(move || {
        sender.write_all(&sent).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    sending.join().unwrap();
    assert!(received == bytes);
    server.write_all(&bytes[..1000]).unwrap();
    drop(server);
    received.clear();
    client.read_to_end(&mut received).unwrap();
    assert!(received == bytes[..1000]);
    let facts = proxy.wait_until("close the connection", |facts| facts.open == 0);
    assert_eq!(
        (facts.accepted, facts.up.delivered, facts.down.delivered),
        (1, 1_000_000, 1000)
    );
    assert_eq!((facts.up.held, facts.down.held, facts.flipped), (0, 0, 0));
}

#[test]
fn a_cut_resets_both_sides_and_lets_new_connections_in() {
    let Ends {
        proxy,
        mut client,
        mut server,
        listener,
    } = ends();
    proxy.cut();
    for end in [&mut client, &mut server] {
        let error = end.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert_connects(&proxy, &listener);
}

#[test]
fn silence_accepts_bytes_and_delivers_them_only_when_it_ends() {
    let Ends {
        proxy,
        mut client,
        mut server,
        ..
    } = ends();
    proxy.silence();
    client.write_all(&pattern(5000)).unwrap();
    server.write_all(&pattern(70_000)).unwrap();
    let facts = proxy.wait_until("hold all", |facts| facts.up.held == 5000 && facts.down.held == 70_000);
    assert_eq!((facts.up.delivered, facts.down.delivered), (0, 0));
    assert_nothing_to_read(&mut client);
    assert_nothing_to_read(&mut server);
    proxy.release();
    assert!(read(&mut server, 5000) == pattern(5000));
    assert!(read(&mut client, 70_000) == pattern(70_000));
}

#[test]
fn silence_hides_that_a_side_has_closed() {
    let Ends {
        proxy,
        client,
        mut server,
        ..
    } = ends();
    proxy.silence();
    let mut last_words = client;
    last_words.write_all(b"bye").unwrap();
    drop(last_words);
    proxy.wait_until("hold the last words", |facts| facts.up.held == 3);
    assert_nothing_to_read(&mut server);
    assert_eq!(proxy.facts().open, 1);
    proxy.release();
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"bye");
}

#[test]
fn one_direction_is_held_after_exactly_as_many_bytes_as_were_named() {
    let Ends {
        proxy,
        mut client,
        mut server,
        ..
    } = ends();
    proxy.hold_after(Direction::Down, 12_345);
    server.write_all(&pattern(20_000)).unwrap();
    let facts = proxy.wait_until("hold the rest", |facts| facts.down.held == 20_000 - 12_345);
    assert_eq!(facts.down.delivered, 12_345);
    assert!(read(&mut client, 12_345) == pattern(12_345));
    assert_nothing_to_read(&mut client);
    client.write_all(b"the other direction is open").unwrap();
    assert_eq!(read(&mut server, 27), b"the other direction is open");
    proxy.release();
    assert!(read(&mut client, 20_000 - 12_345) == pattern(20_000)[12_345..]);
}

#[test]
fn a_delay_keeps_every_byte_back_and_bytes_under_way_arrive_when_it_ends() {
    let Ends {
        proxy,
        mut client,
        mut server,
        ..
    } = ends();
    proxy.delay(Duration::from_millis(60));
    let there_and_back = took(|| {
        client.write_all(b"?").unwrap();
        assert_eq!(read(&mut server, 1), b"?");
        server.write_all(b"!").unwrap();
        assert_eq!(read(&mut client, 1), b"!");
    });
    assert!(there_and_back >= Duration::from_millis(120), "{there_and_back:?}");
    proxy.delay(Duration::from_secs(3600));
    client.write_all(b"late").unwrap();
    proxy.wait_until("hold the bytes", |facts| facts.up.held == 4);
    proxy.delay(Duration::ZERO);
    assert_eq!(read(&mut server, 4), b"late");
}

#[test]
fn a_throttle_delivers_all_and_takes_its_time() {
    let Ends {
        proxy,
        mut client,
        mut server,
        ..
    } = ends();
    proxy.throttle(NonZeroU64::new(200_000));
    let duration = took(|| {
        client.write_all(&pattern(40_000)).unwrap();
        assert!(read(&mut server, 40_000) == pattern(40_000));
    });
    // The first portion, a twentieth of a second's, goes at once.
    assert!(duration >= Duration::from_millis(145), "{duration:?}");
    proxy.throttle(NonZeroU64::new(1));
    client.write_all(&pattern(1000)).unwrap();
    proxy.throttle(None);
    assert!(read(&mut server, 1000) == pattern(1000));
}

#[test]
fn exactly_the_chosen_bits_are_flipped() {
    let Ends {
        proxy,
        mut client,
        mut server,
        ..
    } = ends();
    client.write_all(&pattern(10)).unwrap();
    assert_eq!(read(&mut server, 10), pattern(10));
    proxy.corrupt(Direction::Up, 0, 7);
    proxy.corrupt(Direction::Up, 99_999, 0);
    proxy.corrupt(Direction::Down, 5, 3);
    client.write_all(&pattern(200_000)).unwrap();
    let received = read(&mut server, 200_000);
    let mut expected = pattern(200_000);
    expected[0] ^= 0b1000_0000;
    expected[99_999] ^= 1;
    assert!(received == expected);
    assert_eq!(proxy.facts().flipped, 2, "the other direction has not come to its byte");
    server.write_all(&[0; 8]).unwrap();
    assert_eq!(read(&mut client, 8), [0, 0, 0, 0, 0, 0b1000, 0, 0]);
    assert_eq!(proxy.facts().flipped, 3);
}

#[test]
fn a_proxy_refuses_connections_at_its_address_and_accepts_them_again() {
    let Ends {
        proxy,
        mut client,
        mut server,
        listener,
    } = ends();
    for _ in 0..3 {
        proxy.refuse();
        let error = TcpStream::connect(proxy.address()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        client.write_all(b"stays").unwrap();
        assert_eq!(read(&mut server, 5), b"stays", "open connections are not touched");
        proxy.admit();
        assert_connects(&proxy, &listener);
    }
}

#[test]
fn a_proxy_to_nowhere_refuses_until_it_leads_somewhere() {
    let proxy = Proxy::to_nowhere();
    let error = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let (listener, address) = listen();
    proxy.lead_to(address);
    assert_connects(&proxy, &listener);
}

#[test]
fn a_dropped_proxy_closes_its_connections() {
    let Ends {
        proxy,
        mut client,
        mut server,
        ..
    } = ends();
    drop(proxy);
    for end in [&mut client, &mut server] {
        assert!(matches!(end.read(&mut [0]), Ok(0) | Err(_)), "the connection has ended");
    }
}
