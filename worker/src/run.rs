//! The shell of a worker: it turns what arrives into events, asks the session, and performs the session's actions.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::mpsc as sync_mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::tensor::chunks;
use proto::{Dismissal, FromWorker, Held, Hello, Reason, Run, SumChunk};
use shared::ids::{Iteration, WorkerId};
use shared::shard::ShardError;
use shared::{AnyParameters, BlockSet, Digest, LeafRange};
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::compute::{self, Membership, Order, Ordered, Outcome, store};
use crate::limits::MemoryLimit;
use crate::rpc::{self, ConnectError, Connection, Destination, Outgoing, StreamEnd};
use crate::session::{Action, Event, Holdings, Misconduct, Session};

/// How often a worker says how many iterations it has done.
const REPORT_EVERY: u64 = 100;

/// What a worker needs to know to work.
#[derive(Clone, Debug)]
pub struct WorkSetup {
    /// The coordinator.
    pub destination: Destination,
    /// What people call this worker.
    pub name: String,
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// How much memory may be used.
    pub memory: MemoryLimit,
    /// How long to look for a coordinator that was lost.
    pub give_up_after: Duration,
}

/// Why a worker's work ended before the run was complete.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// There is no coordinator.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system does not give us threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    /// The coordinator dismissed this worker.
    #[error("the coordinator dismissed this worker: {0}")]
    Dismissed(Dismissal),
    /// The coordinator was lost and did not come back.
    #[error("gave up after {after:?} without the coordinator at {address}: {last}")]
    GaveUp {
        /// Its address.
        address: String,
        /// How long it was looked for.
        after: Duration,
        /// What the last attempt saw.
        last: ConnectError,
    },
    /// The coordinator sent something that it should not have sent.
    #[error("the coordinator sent something impossible: {0}")]
    Misconduct(#[from] Misconduct),
    /// The coordinator sent a message that cannot be understood.
    #[error("the coordinator sent something unintelligible: {0}")]
    Unintelligible(proto::MessageError),
    /// The shard cannot be used.
    #[error("the coordinator sent an impossible shard: {0}")]
    Shard(#[from] ShardError),
    /// The user, or the process that started the worker, ended it.
    #[error("stopped")]
    Stopped,
}

impl WorkError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(error) => error.hint(),
            Self::GaveUp { .. } => Some("a longer --give-up-after waits longer".to_owned()),
            Self::Dismissed(Dismissal {
                reason: Reason::ProtocolVersion,
                ..
            }) => Some("use coordinator and worker of the same version".to_owned()),
            _ => None,
        }
    }

    /// The program's exit code: 1 if the work never began, 2 if it broke off.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Connect(_) | Self::Threads(_) => 1,
            Self::Dismissed(Dismissal {
                reason: Reason::ProtocolVersion | Reason::RunIsFull,
                ..
            }) => 1,
            _ => 2,
        }
    }
}

/// Works for a coordinator until the run is complete. If the coordinator is lost, its columns are kept, and it is looked
/// for again.
///
/// # Errors
///
/// [`WorkError`] if the work ends before.
pub async fn run(setup: WorkSetup, shutdown: impl Future<Output = ()>) -> Result<(), WorkError> {
    let (outcomes_sender, outcomes) = mpsc::unbounded_channel();
    let orders = compute::start(setup.threads, outcomes_sender).map_err(WorkError::Threads)?;
    let work = async {
        let mut connection = rpc::connect(&setup.destination, hello(&setup, None)).await?;
        let mut shell = Shell {
            clock: Clock::start(),
            membership: Membership::default(),
            orders,
            outcomes,
            sends: start_sending(connection.outgoing.clone()),
            incoming: None,
            spare: None,
            iterations: 0,
        };
        let mut held = None;
        loop {
            let end = shell.serve(connection, held).await?;
            match end {
                End::Complete => return Ok(()),
                End::StartAfresh => held = None,
                End::Lost { reason, held: kept } => {
                    tracing::warn!("lost the coordinator at {}: {reason}; reconnecting", setup.destination);
                    held = kept;
                }
            }
            connection = reconnect(&setup, held.as_ref(), &shell.clock).await?;
            shell.sends = start_sending(connection.outgoing.clone());
        }
    };
    tokio::select! {
        result = work => result,
        () = shutdown => Err(WorkError::Stopped),
    }
}

fn hello(setup: &WorkSetup, held: Option<&Holdings>) -> Hello {
    Hello {
        name: setup.name.clone(),
        threads: u32::try_from(setup.threads.get()).unwrap_or(u32::MAX),
        held: held.map(|held| Held {
            data: held.run.data,
            block_columns: held.run.block_columns,
            blocks: held.blocks.clone(),
        }),
    }
}

/// Looks for the coordinator until it is there, or for as long as the user wants.
async fn reconnect(setup: &WorkSetup, held: Option<&Holdings>, clock: &Clock) -> Result<Connection, WorkError> {
    let mut hasher = DefaultHasher::new();
    setup.name.hash(&mut hasher);
    let mut backoff = Backoff::new(hasher.finish());
    let lost = clock.now();
    loop {
        let last = match rpc::connect(&setup.destination, hello(setup, held)).await {
            Ok(connection) => return Ok(connection),
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => error,
        };
        let wait = backoff.wait();
        if clock.now() + wait > lost + setup.give_up_after {
            return Err(WorkError::GaveUp {
                address: setup.destination.to_string(),
                after: setup.give_up_after,
                last,
            });
        }
        tracing::debug!("{last}; trying again in {wait:?}");
        tokio::time::sleep(wait).await;
    }
}

/// The one clock of a worker.
struct Clock(Instant);

#[expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock, so that nothing below it has to"
)]
impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// Ends at `deadline`; never, if there is none.
    async fn wait_until(&self, deadline: Option<Duration>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until((self.0 + deadline).into()).await,
            None => std::future::pending().await,
        }
    }
}

/// What is queued for the coordinator.
#[derive(Debug)]
enum Send {
    Message(FromWorker),
    Sums {
        iteration: Iteration,
        node: LeafRange,
        sums: Bytes,
        number_bytes: usize,
    },
}

/// Sends what is queued, cut into chunks, until the coordinator is gone or the queue is dropped.
fn start_sending(outgoing: Outgoing) -> mpsc::UnboundedSender<Send> {
    let (sender, mut queue) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(send) = queue.recv().await {
            match send {
                Send::Message(message) => {
                    if outgoing.send(message).await.is_err() {
                        return;
                    }
                }
                Send::Sums {
                    iteration,
                    node,
                    sums,
                    number_bytes,
                } => {
                    for chunk in chunks(&sums, number_bytes) {
                        let message = FromWorker::Sum(SumChunk { iteration, node, chunk });
                        if outgoing.send(message).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    });
    sender
}

/// What the actions are performed with.
struct Shell {
    clock: Clock,
    membership: Membership,
    orders: sync_mpsc::Sender<Ordered>,
    outcomes: mpsc::UnboundedReceiver<(Membership, Outcome)>,
    sends: mpsc::UnboundedSender<Send>,
    /// Parameters that are arriving.
    incoming: Option<AnyParameters>,
    /// Memory for the next ones.
    spare: Option<AnyParameters>,
    /// Iterations done.
    iterations: u64,
}

/// How a membership ended.
enum End {
    Complete,
    Lost { reason: String, held: Option<Holdings> },
    StartAfresh,
}

/// What an action means for the membership.
enum Performed {
    GoOn,
    End(End),
    /// It ends, but the coordinator may be looked for again.
    Lost(String),
}

impl Shell {
    /// Serves one membership to its end.
    async fn serve(&mut self, connection: Connection, held: Option<Holdings>) -> Result<End, WorkError> {
        self.membership.0 += 1;
        self.incoming = None;
        let mut incoming = connection.incoming;
        let mut session = Session::joining(held, self.clock.now());
        let mut run: Option<Run> = None;
        loop {
            let event = tokio::select! {
                message = rpc::next(&mut incoming) => match message {
                    Ok(message) => Event::Message(message),
                    Err(StreamEnd::Unintelligible(error)) => return Err(WorkError::Unintelligible(error)),
                    Err(StreamEnd::Closed(reason)) => return Ok(End::Lost { reason, held: session.holdings() }),
                },
                Some((membership, outcome)) = self.outcomes.recv() => match outcome {
                    // What was ordered in an earlier membership is of no use to this one.
                    _ if membership != self.membership => continue,
                    Outcome::Held => Event::Held,
                    Outcome::Refused(error) => return Err(error.into()),
                    Outcome::Spare(parameters) => {
                        self.spare = Some(parameters);
                        continue;
                    }
                    Outcome::Sums { iteration, nodes, number_bytes } => {
                        self.send_sums(iteration, nodes, number_bytes);
                        continue;
                    }
                },
                () = self.clock.wait_until(session.next_deadline()) => Event::DeadlinePassed,
            };
            for action in session.handle(event, self.clock.now())? {
                match self.perform(action, &mut run)? {
                    Performed::GoOn => {}
                    Performed::End(end) => return Ok(end),
                    Performed::Lost(reason) => {
                        let held = session.holdings();
                        return Ok(End::Lost { reason, held });
                    }
                }
            }
        }
    }

    fn perform(&mut self, action: Action, run: &mut Option<Run>) -> Result<Performed, WorkError> {
        match action {
            Action::Send(message) => self.send(Send::Message(message)),
            Action::Join {
                worker,
                run: joined,
                keep_columns,
            } => {
                report_joined(worker, &joined, keep_columns);
                if !keep_columns {
                    self.order(Order::Start(Box::new(joined.clone())));
                    self.spare = None;
                }
                *run = Some(joined);
            }
            Action::Retain(blocks) => {
                if let Some(run) = run {
                    report_holding(run, &blocks);
                }
                self.order(Order::Retain(blocks));
            }
            Action::Hold(shipment) => self.order(Order::Hold(shipment)),
            Action::Store(chunk) => {
                if let Some(run) = run {
                    let memory = || AnyParameters::zeros(run.sizes.clone(), run.precision);
                    let spare = &mut self.spare;
                    let parameters = self.incoming.get_or_insert_with(|| spare.take().unwrap_or_else(memory));
                    store(&chunk, parameters);
                }
            }
            Action::Parameters(_) => {
                if let Some(parameters) = self.incoming.take() {
                    self.order(Order::Parameters(parameters));
                }
            }
            Action::Compute(iteration, nodes) => self.order(Order::Compute(iteration, nodes)),
            Action::Finish { iterations, digest } => {
                report_finished(iterations, digest);
                return Ok(Performed::End(End::Complete));
            }
            Action::Leave(dismissal) if dismissal.reason == Reason::Silence => {
                return Ok(Performed::Lost(format!("it dismissed this worker: {dismissal}")));
            }
            Action::Leave(dismissal) => return Err(WorkError::Dismissed(dismissal)),
            Action::GiveUp(silence) => {
                return Ok(Performed::Lost(format!("nothing was heard of it for {silence:?}")));
            }
            Action::StartAfresh => return Ok(Performed::End(End::StartAfresh)),
        }
        Ok(Performed::GoOn)
    }

    fn send_sums(&mut self, iteration: Iteration, nodes: Vec<(LeafRange, Bytes)>, number_bytes: usize) {
        for (node, sums) in nodes {
            self.send(Send::Sums {
                iteration,
                node,
                sums,
                number_bytes,
            });
        }
        if self.iterations <= iteration.0 {
            self.iterations = iteration.0 + 1;
            if self.iterations.is_multiple_of(REPORT_EVERY) {
                tracing::info!("{} iterations done", self.iterations);
            }
        }
    }

    fn send(&self, send: Send) {
        // A coordinator that is gone is noticed where its messages are awaited.
        let _ = self.sends.send(send);
    }

    fn order(&self, order: Order) {
        // The compute thread ends before its orders only if it panicked, and then the program ends.
        let _ = self.orders.send((self.membership, order));
    }
}

fn report_holding(run: &Run, blocks: &BlockSet) {
    if blocks.is_empty() {
        tracing::warn!("the batch has fewer blocks than the run has workers: nothing to do for this one");
        return;
    }
    let columns = |range: &LeafRange| {
        let columns = run.tree.items_of(*range);
        format!("{}..{}", columns.start, columns.end)
    };
    let columns: Vec<_> = blocks.ranges().iter().map(columns).collect();
    tracing::info!("holds columns {} (blocks {blocks})", columns.join(", "));
}

fn report_joined(worker: WorkerId, run: &Run, keeps_columns: bool) {
    let kept = if keeps_columns {
        "; its columns are still here"
    } else {
        ""
    };
    tracing::info!(
        "joined as worker {worker}: network {} in {}, {} columns, {} iterations{kept}",
        run.sizes,
        run.precision,
        run.tree.items(),
        run.iterations
    );
}

fn report_finished(iterations: u64, digest: Digest) {
    tracing::info!("the run is complete: {iterations} iterations, parameters digest {digest}");
}
