//! A coordinator that asks for more than can be done.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proto::grpc::server;
use proto::local::Sharing;
use proto::tensor::encode;
use proto::{FromCoordinator, TensorChunk, Welcome, wire};
use shared::{BlockColumns, ElementType, LayerSizes, Precision, Tree};
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::limits::MemoryLimit;
use crate::under_way::Weight;

/// 2 features, no hidden layer: 3 parameters.
fn run() -> Run {
    let block_columns = BlockColumns::new(8).unwrap();
    Run {
        sizes: LayerSizes::new(vec![2, 1]).unwrap(),
        precision: Precision::F64,
        tree: Tree::over_batch(8, block_columns).unwrap(),
        block_columns,
        element_type: ElementType::U8,
        scale: 1.0,
        learning_rate: 0.1,
        iterations: 10,
        data: Digest::from_bytes([7; 32]),
        worker_timeout: Duration::from_secs(3600),
    }
}

/// A shell whose compute thread is the test, and which the coordinator sends these messages at once.
fn shell(
    messages: impl Iterator<Item = FromCoordinator>,
) -> (
    Shell,
    Connection,
    sync_mpsc::Receiver<Ordered>,
    mpsc::UnboundedSender<Done>,
    mpsc::Receiver<wire::WorkerMessage>,
) {
    let (coordinator, answers) = mpsc::channel(1000);
    for message in messages {
        coordinator.try_send(message.into()).unwrap();
    }
    // It stays connected.
    std::mem::forget(coordinator);
    let (outgoing, said) = mpsc::channel(16);
    let connection = Connection::of(
        server::response(ReceiverStream::new(answers), Sharing::default()),
        outgoing,
    );
    let (orders, inbox) = sync_mpsc::channel();
    let (done_sender, done) = mpsc::unbounded_channel();
    let shell = Shell {
        resources: Resources {
            threads: NonZeroUsize::MIN,
            memory: MemoryLimit(1 << 30),
        },
        clock: Clock::start(),
        membership: Membership::default(),
        orders,
        done,
        under_way: UnderWay::default(),
        sends: Sends::start(connection.outgoing.clone()),
        arriving: Arriving::default(),
        iterations: 0,
    };
    (shell, connection, inbox, done_sender, said)
}

fn welcome() -> FromCoordinator {
    FromCoordinator::Welcome(Welcome {
        worker: WorkerId(0),
        run: run(),
    })
}

fn parameters(iteration: u64) -> FromCoordinator {
    let (offset, data) = (0, encode(vec![1.0_f64; 3]));
    FromCoordinator::Parameters(Iteration(iteration), TensorChunk { offset, data })
}

/// Lets the shell do all that it can without waiting.
fn go_on(serving: std::pin::Pin<&mut impl Future<Output = Result<End, WorkError>>>) {
    match serving.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => {}
        Poll::Ready(end) => panic!("it has ended: {:?}", end.map(drop)),
    }
}

#[tokio::test]
async fn parameters_do_not_pile_up_before_a_compute_thread_that_is_busy() {
    let messages = std::iter::once(welcome()).chain((0..100).map(parameters));
    let (mut shell, connection, inbox, done, _said) = shell(messages);
    let mut serving = pin!(shell.serve(connection, None));
    let updates = || {
        let orders = inbox.try_iter();
        orders.filter(|(_, order)| order.weight() == Weight::Update).count()
    };
    go_on(serving.as_mut());
    assert_eq!(updates(), 4);
    go_on(serving.as_mut());
    assert_eq!(updates(), 0, "it waits");
    let one = || Done {
        membership: Membership(1),
        weight: Weight::Update,
        outcome: None,
    };
    for _ in 0..3 {
        done.send(one()).unwrap();
        go_on(serving.as_mut());
        assert_eq!(updates(), 1);
    }
    let earlier = Done {
        membership: Membership(0),
        ..one()
    };
    done.send(earlier).unwrap();
    go_on(serving.as_mut());
    assert_eq!(updates(), 0, "an order of an earlier membership makes no room");
}
