//! Clients that are no workers of ours: another version, another program, nonsense. Whoever is not a member of the run
//! disturbs nothing; a member that misbehaves is named.
//!
//! They use an ordinary gRPC client, tonic's with its codec, and none of our own framing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use proto::wire::coordinator_message::Message as Answer;
use proto::wire::worker_message::Message;
use proto::{PROTOCOL_VERSION, wire};
use shared::element::Values;
use tests::cluster::Cluster;
use tests::data::{Folder, Sample};
use tests::faults::fleet::NEVER;
use tests::foreign::{Foreigner, Served, Stranger, hello};
use tests::oracle::Training;
use tests::processes::Finished;
use tests::programs::Program;

/// A coordinator of two workers, the first of which has joined. It waits for what both have to say: clients of these
/// tests give no signs of life, and a worker of ours would soon repeat what is late.
fn waiting_for_the_second(folder: &Folder) -> (Cluster, String) {
    let (sample, training) = (Sample::bytes(64, 9, 31), Training::new(&[3], 5));
    sample.write(&folder.path("data.h5"));
    let mut options = training.arguments(&folder.argument("data.h5"));
    let patient = ["--workers", "2", "--even-shards", "--worker-timeout", NEVER];
    options.extend(patient.map(str::to_owned));
    let mut cluster = Cluster::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    cluster.start_worker("first");
    cluster.coordinator.wait_for_stderr("1 of 2 workers have joined");
    (cluster, training.expected_stdout(&sample))
}

/// The second worker joins, and the run ends as if nothing had happened.
fn assert_goes_on((mut cluster, expected): (Cluster, String)) -> Finished {
    cluster.start_worker("second");
    let (coordinator, workers) = cluster.finish();
    for worker in workers {
        worker.expect_code(0);
    }
    let coordinator = coordinator.expect_code(0);
    assert_eq!(coordinator.stdout, expected);
    coordinator
}

#[tokio::test]
async fn a_worker_of_another_protocol_version_is_refused_with_both_named() {
    let folder = Folder::new();
    let run = waiting_for_the_second(&folder);
    let mut stranger = Stranger::connect(&run.0.address).await;
    stranger.say(hello(99, "from the future")).await;
    let (reason, explanation) = stranger.hear_dismissal().await;
    assert_eq!(reason, wire::Reason::ProtocolVersion);
    assert!(
        explanation.contains("99") && explanation.contains(&PROTOCOL_VERSION.to_string()),
        "{explanation}"
    );
    assert!(stranger.hear().await.is_none(), "the stream is closed");
    let coordinator = assert_goes_on(run);
    assert!(
        coordinator.stderr.contains(&format!("refused a worker: {explanation}")),
        "{}",
        coordinator.stderr
    );
}

#[tokio::test]
async fn whoever_begins_with_something_else_than_hello_is_dismissed_and_disturbs_nothing() {
    let folder = Folder::new();
    let run = waiting_for_the_second(&folder);
    let sum = wire::SumChunk {
        iteration: 0,
        first_block: 0,
        end_block: 1,
        offset: 0,
        data: vec![0; 8].into(),
    };
    let no_sum = wire::SumChunk::default();
    let long_name = "x".repeat(65);
    for nonsense in [
        None,
        Some(Message::Ready(wire::Ready {})),
        Some(Message::Sum(sum)),
        Some(Message::Sum(no_sum)),
        hello(PROTOCOL_VERSION, ""),
        hello(PROTOCOL_VERSION, &long_name),
        hello(PROTOCOL_VERSION, "steers \u{1b}[2J the terminal"),
    ] {
        let mut stranger = Stranger::connect(&run.0.address).await;
        stranger.say(nonsense.clone()).await;
        let (reason, explanation) = stranger.hear_dismissal().await;
        assert_eq!(reason, wire::Reason::Misconduct, "{nonsense:?}");
        assert!(!explanation.is_empty());
        assert!(stranger.hear().await.is_none(), "the stream is closed");
    }
    assert_goes_on(run);
}

#[test]
fn other_protocols_on_the_port_disturb_nothing() {
    let folder = Folder::new();
    let run = waiting_for_the_second(&folder);
    for nonsense in [
        &b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"[..],
        b"\x16\x03\x01\x00\x05hello",
        &[0xff; 70_000],
        b"",
    ] {
        let mut stream = TcpStream::connect(&run.0.address).unwrap();
        // The coordinator may hang up before it has read everything.
        let _ = stream.write_all(nonsense);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_goes_on(run);
}

#[tokio::test]
async fn a_member_that_sends_an_impossible_sum_is_dismissed_by_name_and_the_run_goes_on() {
    let folder = Folder::new();
    let (cluster, expected) = waiting_for_the_second(&folder);
    let mut member = Stranger::connect(&cluster.address).await;
    member.say(hello(PROTOCOL_VERSION, "liar")).await;
    let mut blocks = Vec::new();
    loop {
        match member.hear().await {
            Some(Answer::Assignment(assignment)) => {
                blocks = assignment.blocks;
                member.say(Some(Message::Ready(wire::Ready {}))).await;
            }
            Some(Answer::Parameters(_)) => break,
            Some(_) => {}
            None => panic!("the stream ended before the first parameters"),
        }
    }
    let blocks = blocks.first().expect("there are blocks for two workers");
    let sum = wire::SumChunk {
        iteration: 7,
        first_block: blocks.first_block,
        end_block: blocks.end_block,
        offset: 0,
        data: vec![0; 8].into(),
    };
    member.say(Some(Message::Sum(sum))).await;
    let (reason, explanation) = loop {
        // Parameters and signs of life may come before.
        match member.hear().await {
            Some(Answer::Dismissed(dismissed)) => break (dismissed.reason(), dismissed.explanation),
            Some(_) => {}
            None => panic!("the stream ended without a word"),
        }
    };
    assert_eq!(reason, wire::Reason::Misconduct);
    let (coordinator, workers) = cluster.finish();
    let coordinator = coordinator.expect_code(0);
    assert_eq!(coordinator.stdout, expected);
    let warning = format!("dismissed worker 1 (liar): {explanation}");
    assert!(coordinator.stderr.contains(&warning), "{}", coordinator.stderr);
    for worker in workers {
        worker.expect_code(0);
    }
}

#[tokio::test]
async fn a_worker_made_with_an_ordinary_grpc_library_takes_part_with_the_same_bits() {
    let folder = Folder::new();
    let (cluster, expected) = waiting_for_the_second(&folder);
    let sample = Sample::bytes(64, 9, 31);
    let foreigner = Foreigner::join(&cluster.address, "foreign", sample.clone()).await;
    let Served {
        columns,
        labels,
        dismissed,
    } = foreigner.serve(|_| {}).await;
    assert_eq!(dismissed, None);
    let values = match sample.x.values() {
        Values::U8(values) => values.as_slice(),
        other => panic!("found {other:?}, expected bytes"),
    };
    assert!(
        values.ends_with(&columns) && sample.labels.ends_with(&labels),
        "the second half of the batch came"
    );
    let (coordinator, _) = cluster.finish();
    assert_eq!(coordinator.expect_code(0).stdout, expected);
}

#[test]
fn a_worker_says_that_what_answers_is_no_coordinator() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // As a server does: it answers what it was asked, and is there until the other side has read the answer.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let worker = Finished::of(Program::Worker, &["--connect", &address]).expect_code(1);
    let error = format!("error: what listens at {address} is not a Lockstep coordinator: ");
    assert!(worker.stderr.starts_with(&error), "{}", worker.stderr);
    assert!(
        worker
            .stderr
            .ends_with("hint: use the address that the coordinator prints\n"),
        "{}",
        worker.stderr
    );
}
