//! A coordinator that asks for more than can be done.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proto::tensor::encode;
use proto::{FromCoordinator, TensorChunk, Welcome};
use shared::{BlockColumns, ElementType, LayerSizes, Precision, Tree};

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

/// A shell whose compute thread is the test: it gets the orders, and says what is done.
fn shell(connection: &Connection) -> (Shell, sync_mpsc::Receiver<Ordered>, mpsc::UnboundedSender<Done>) {
    let (orders, inbox) = sync_mpsc::channel();
    let (done_sender, done) = mpsc::unbounded_channel();
    let resources = Resources {
        threads: NonZeroUsize::MIN,
        memory: MemoryLimit(1 << 30),
    };
    let shell = Shell::new(resources, Clock::start(), orders, done, connection.outgoing.clone());
    (shell, inbox, done_sender)
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
    let (connection, _coordinator) = Connection::on_which(messages);
    let (mut shell, inbox, done) = shell(&connection);
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
