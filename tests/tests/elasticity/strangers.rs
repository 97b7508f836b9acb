//! Connections of others, while a run is under way.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use tests::faults::{Fleet, Subject};
use tests::processes::LIMIT;

/// What begins an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An HTTP/2 frame of `kind` on `stream`.
fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat()
}

/// Bytes that no worker would send, each from its own connection.
fn garbage() -> Vec<Vec<u8>> {
    let settings = frame(4, 0, &[]);
    let after_preface = |rest: &[u8]| [PREFACE, &settings, rest].concat();
    vec![
        Vec::new(),
        b"\0".to_vec(),
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        vec![0xff; 100_000],
        vec![0; 100_000],
        PREFACE[..10].to_vec(),
        PREFACE.to_vec(),
        after_preface(&[0xff; 50_000]),
        // A frame of 16 MiB that never comes; headers that are none; data, pings and window updates of no stream.
        after_preface(&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
        after_preface(&frame(1, 1, &[0xff; 100])),
        after_preface(&frame(0, 1, &[0; 1000])),
        after_preface(&frame(6, 0, &[0; 8]).repeat(2000)),
        after_preface(&frame(8, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(3)),
    ]
}

#[test]
fn garbage_on_the_port_disturbs_no_run_under_way() {
    let subject = Subject::usual();
    let fleet = Fleet::braked(&subject, &["--workers", "3"], &["a", "b", "c"]);
    fleet.wait_for_iteration(3);
    let connect = || {
        let stream = TcpStream::connect(fleet.upstream).expect("the coordinator listens");
        stream.set_read_timeout(Some(LIMIT)).expect("the limit is not zero");
        stream
    };
    let mut left_open = Vec::new();
    for bytes in garbage() {
        for hangs_up in [true, false] {
            let mut stream = connect();
            // The coordinator may close the connection before it has read everything.
            let _ = stream.write_all(&bytes);
            if hangs_up {
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            } else {
                left_open.push(stream);
            }
        }
    }
    // A port scanner opens many connections and says nothing.
    left_open.extend((0..50).map(|_| connect()));
    fleet.wait_for_more_iterations(5);
    let coordinator = fleet.finish(&subject);
    assert!(!coordinator.stderr.contains("panicked"), "{}", coordinator.stderr);
    drop(left_open);
}
