//! What strangers can do to a coordinator: little, and not for long.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use proto::wire;
use proto::wire::coordinator_message::Message as Answer;
use tests::data::Sample;
use tests::oracle::Training;
use tests::processes::{LIMIT, Process};
use tests::programs::Program;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use super::{SECRET, Site, words};

/// What HTTP/2 begins with: the preface and empty settings.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A connection whose reads take no longer than [`LIMIT`].
fn knock(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Waits until the other end has closed the connection.
fn wait_until_closed(stream: &mut TcpStream) {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "it is measured how long the coordinator waits")]
fn now() -> Instant {
    Instant::now()
}

/// The most memory that the process has ever had, in bytes.
fn peak_memory(process: &Process) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1024
}

async fn open(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// Opens a stream of a worker as any client would.
async fn train(
    channel: Channel,
    token: Option<&str>,
) -> Result<(mpsc::Sender<wire::WorkerMessage>, Streaming<wire::CoordinatorMessage>), Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let (says, messages) = mpsc::channel(16);
    let mut request = Request::new(ReceiverStream::new(messages));
    if let Some(token) = token {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let path = PathAndQuery::from_static("/lockstep.v1.Trainer/Train");
    let answer = client.streaming(request, path, ProstCodec::default()).await?;
    Ok((says, answer.into_inner()))
}

#[test]
fn garbage_on_the_port_disturbs_nothing() {
    let site = Site::new();
    for secured in [false, true] {
        let tls = [site.coordinator_tls(), site.worker_tls()].map(|tls| if secured { tls } else { Vec::new() });
        let (coordinator, address) = site.coordinator("127.0.0.1", &[tls[0].clone(), site.token()]);
        for nonsense in [
            &b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\0",
            &[0xff; 300_000],
            HTTP2,
            b"",
        ] {
            let mut stream = knock(&address);
            // The coordinator may hang up before it has read everything.
            let _ = stream.write_all(nonsense);
            let _ = stream.shutdown(Shutdown::Write);
            wait_until_closed(&mut stream);
        }
        site.assert_goes_on(coordinator, &address, &[tls[1].clone(), site.token()]);
    }
}

#[test]
fn whoever_opens_no_stream_is_closed_after_5_seconds() {
    let site = Site::new();
    let (plain, plain_address) = site.coordinator("127.0.0.1", &[site.token()]);
    let (tls, tls_address) = site.coordinator("127.0.0.1", &[site.coordinator_tls(), site.token()]);
    let start = now();
    let half_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let mut silent = [
        (&plain_address, &b""[..]),
        (&plain_address, HTTP2),
        (&plain_address, &HTTP2[..10]),
        (&tls_address, b""),
        (&tls_address, half_hello),
    ]
    .map(|(address, says)| {
        let mut stream = knock(address);
        stream.write_all(says).unwrap();
        stream
    });
    for stream in &mut silent {
        wait_until_closed(stream);
        let took = now() - start;
        assert!(took >= Duration::from_millis(4900), "closed after {took:?}");
        assert!(took < Duration::from_secs(20), "closed after {took:?}");
    }
    site.assert_goes_on(plain, &plain_address, &[site.token()]);
    site.assert_goes_on(tls, &tls_address, &[site.worker_tls(), site.token()]);
}

#[test]
fn strangers_that_take_all_places_do_not_keep_a_worker_out() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    // More than the 256 that have a place.
    let mut strangers: Vec<_> = (0..300).map(|_| knock(&address)).collect();
    site.assert_goes_on(coordinator, &address, &[site.token()]);
    wait_until_closed(&mut strangers[0]);
}

#[test]
fn strangers_cause_little_memory_whatever_they_send() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    // Once before measuring, so that what everybody causes is there.
    let mut first = knock(&address);
    first.write_all(HTTP2).unwrap();
    first.shutdown(Shutdown::Write).unwrap();
    wait_until_closed(&mut first);
    let before = peak_memory(&coordinator);
    // HTTP/2 frames of an unknown type, which a peer must read and ignore, and data of a stream that nobody takes up.
    let ignored = [&b"\0\x40\0\xee\0\0\0\0\0"[..], &[0; 0x4000]].concat();
    let mut strangers: Vec<_> = (0..200).map(|_| knock(&address)).collect();
    for stream in &mut strangers {
        stream.write_all(HTTP2).unwrap();
        // Far more than is allowed: the coordinator hangs up meanwhile.
        let sent = (0..64).take_while(|_| stream.write_all(&ignored).is_ok()).count();
        assert!(sent < 64 || stream.read_to_end(&mut Vec::new()).is_ok() || stream.take_error().is_ok());
        wait_until_closed(stream);
    }
    let grown = peak_memory(&coordinator) - before;
    assert!(
        grown < 32 << 20,
        "200 strangers that sent 1 MiB each cost {grown} bytes"
    );
    site.assert_goes_on(coordinator, &address, &[site.token()]);
}

#[tokio::test]
async fn a_stream_without_the_token_is_refused_before_anything_is_read_from_it() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    for (token, reason) in [(None, "no token"), (Some("another-horse-battery"), "another token")] {
        let status = train(open(&address).await, token).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, reason));
    }
    site.assert_goes_on(coordinator, &address, &[site.token()]);
}

#[tokio::test]
async fn who_is_let_in_and_says_nothing_is_dismissed_after_5_seconds() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    let (_says, mut hears) = train(open(&address).await, Some(SECRET)).await.unwrap();
    match hears.message().await.unwrap().and_then(|message| message.message) {
        Some(Answer::Dismissed(dismissed)) => {
            assert_eq!(dismissed.reason(), wire::Reason::Misconduct);
            assert_eq!(dismissed.explanation, "found no message for 5 s, expected Hello");
        }
        other => panic!("found {other:?}, expected Dismissed"),
    }
    site.assert_goes_on(coordinator, &address, &[site.token()]);
}

#[test]
fn the_coordinator_announces_how_many_requests_and_how_long_headers_it_takes() {
    let site = Site::new();
    let (_coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    let mut stream = knock(&address);
    stream.write_all(HTTP2).unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    assert_eq!(head[3], 4, "the first frame holds settings");
    let mut settings = vec![0; length];
    stream.read_exact(&mut settings).unwrap();
    let value = |identifier: u8| {
        let setting = settings.chunks(6).find(|setting| setting[..2] == [0, identifier])?;
        setting[2..].try_into().map(u32::from_be_bytes).ok()
    };
    let (concurrent_streams, header_list_size) = (value(3), value(6));
    assert_eq!((concurrent_streams, header_list_size), (Some(16), Some(16 * 1024)));
}

#[tokio::test]
async fn long_headers_are_refused() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    let long = "x".repeat(20_000);
    // Refused by HTTP/2 itself, which a gRPC client tells at the first message.
    if let Ok((_says, mut hears)) = train(open(&address).await, Some(&long)).await {
        let status = hears.message().await.unwrap_err();
        assert!(status.message().contains("431"), "{status:?}");
    }
    site.assert_goes_on(coordinator, &address, &[site.token()]);
}

#[tokio::test]
async fn health_is_told_to_everybody_and_reflection_to_those_with_the_token() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    let channel = open(&address).await;
    let health = HealthClient::new(channel.clone())
        .check(HealthCheckRequest::default())
        .await;
    assert!(health.is_ok(), "{health:?}");
    let ask = async |token: Option<&str>| {
        let mut request = Request::new(tokio_stream::once(ServerReflectionRequest::default()));
        if let Some(token) = token {
            let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let answer = ServerReflectionClient::new(channel.clone())
            .server_reflection_info(request)
            .await;
        answer.map(drop).map_err(|status| status.code())
    };
    assert_eq!(ask(None).await, Err(Code::Unauthenticated));
    assert_eq!(ask(Some(SECRET)).await, Ok(()));
    site.assert_goes_on(coordinator, &address, &[site.token()]);
}

#[test]
fn a_worker_refuses_work_that_is_too_large_for_it_and_another_one_does_it() {
    let site = Site::new();
    // 22,001 parameters in f64, and a thread that computes at 2,000 units, beside the 64 MiB of the program: 38.7 MiB
    // too many.
    let training = Training::new(&[2000], 5);
    let mut arguments = training.arguments(&site.path("data.h5"));
    arguments.extend(["--listen", "127.0.0.1:0"].map(str::to_owned));
    let coordinator = Process::start(Program::Coordinator, &words(&arguments));
    let line = coordinator.wait_for_stderr("listening on ");
    let address = line.split_once("listening on ").unwrap().1.trim();
    let too_little = ["--max-memory", "64MiB"].map(str::to_owned).to_vec();
    let worker = site.worker(address, &[too_little]).expect_code(2);
    assert_eq!(
        worker.stderr,
        "error: found work that needs about 102.7 MiB of memory here, expected at most 64.0 MiB, the limit of \
         --max-memory\n\
         hint: raise --max-memory if this machine has more, or let more workers share the columns\n"
    );
    coordinator.wait_for_stderr("lost worker 0 (w)");
    site.worker(address, &[]).expect_code(0);
    let expected = training.expected_stdout(&Sample::bytes(64, 9, 31));
    assert_eq!(coordinator.finish().expect_code(0).stdout, expected);
}
