//! What a session's actions are performed with.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc as sync_mpsc};

use bytes::Bytes;
use proto::tensor::chunks;
use proto::{FromWorker, Reason, Run, SumChunk};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockSet, Digest, LeafRange};
use tokio::sync::{Notify, mpsc};

use crate::arriving::Arriving;
use crate::clock::Clock;
use crate::compute::{Done, Membership, Order, Ordered, Outcome};
use crate::error::WorkError;
use crate::limits::Resources;
use crate::rpc::{self, Connection, CoordinatorGone, Outgoing, StreamEnd};
use crate::session::{Action, Event, Holdings, Session};
use crate::under_way::{MOST_SENDS, UnderWay};

/// How often a worker says how many iterations it has done.
const REPORT_EVERY: u64 = 100;

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

/// The queue of what is to be sent.
#[derive(Debug)]
struct Sends {
    queue: mpsc::UnboundedSender<Send>,
    waiting: Arc<Waiting>,
}

/// What is queued and not sent yet.
#[derive(Debug, Default)]
struct Waiting {
    count: AtomicUsize,
    /// One was sent.
    sent: Notify,
}

impl Sends {
    /// Starts to send what is queued, cut into chunks, until the coordinator is gone or the queue is dropped.
    fn start(outgoing: Outgoing) -> Self {
        let (queue, sends) = mpsc::unbounded_channel();
        let waiting = Arc::default();
        tokio::spawn(send_all(sends, outgoing, Arc::clone(&waiting)));
        Self { queue, waiting }
    }

    fn queue(&self, send: Send) {
        self.waiting.count.fetch_add(1, Ordering::Relaxed);
        // A coordinator that is gone is noticed where its messages are awaited.
        let _ = self.queue.send(send);
    }

    fn has_room(&self) -> bool {
        self.waiting.count.load(Ordering::Relaxed) < MOST_SENDS
    }
}

async fn send_all(mut queue: mpsc::UnboundedReceiver<Send>, outgoing: Outgoing, waiting: Arc<Waiting>) {
    while let Some(send) = queue.recv().await {
        let sent = match send {
            Send::Message(message) => outgoing.send(message).await,
            Send::Sums {
                iteration,
                node,
                sums,
                number_bytes,
            } => send_sums(&outgoing, iteration, node, &sums, number_bytes).await,
        };
        if sent.is_err() {
            return;
        }
        waiting.count.fetch_sub(1, Ordering::Relaxed);
        waiting.sent.notify_one();
    }
}

async fn send_sums(
    outgoing: &Outgoing,
    iteration: Iteration,
    node: LeafRange,
    sums: &Bytes,
    number_bytes: usize,
) -> Result<(), CoordinatorGone> {
    for chunk in chunks(sums, number_bytes) {
        outgoing
            .send(FromWorker::Sum(SumChunk { iteration, node, chunk }))
            .await?;
    }
    Ok(())
}

/// What the actions are performed with.
pub(crate) struct Shell {
    resources: Resources,
    pub(crate) clock: Clock,
    membership: Membership,
    orders: sync_mpsc::Sender<Ordered>,
    done: mpsc::UnboundedReceiver<Done>,
    /// Of the present membership.
    under_way: UnderWay,
    /// To the coordinator of the present membership.
    sends: Sends,
    /// Parameters and gradients.
    arriving: Arriving,
    /// Iterations done.
    iterations: u64,
}

/// How a membership ended.
pub(crate) enum End {
    Complete,
    Lost {
        reason: String,
        held: Option<Box<Holdings>>,
    },
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
    /// A shell that gives the compute thread `orders`, hears what is `done`, and speaks to `outgoing` at first.
    pub(crate) fn new(
        resources: Resources,
        clock: Clock,
        orders: sync_mpsc::Sender<Ordered>,
        done: mpsc::UnboundedReceiver<Done>,
        outgoing: Outgoing,
    ) -> Self {
        Self {
            resources,
            clock,
            membership: Membership::default(),
            orders,
            done,
            under_way: UnderWay::default(),
            sends: Sends::start(outgoing),
            arriving: Arriving::default(),
            iterations: 0,
        }
    }

    /// Speaks to another coordinator from now on, or to the same one on another connection.
    pub(crate) fn speak_to(&mut self, outgoing: Outgoing) {
        self.sends = Sends::start(outgoing);
    }

    /// Serves one membership to its end.
    pub(crate) async fn serve(
        &mut self,
        connection: Connection,
        held: Option<Box<Holdings>>,
    ) -> Result<End, WorkError> {
        self.membership.0 += 1;
        self.under_way = UnderWay::default();
        self.arriving.interrupt();
        let mut incoming = connection.incoming;
        let mut session = Session::joining(self.resources, held.map(|held| *held), self.clock.now());
        let mut run: Option<Run> = None;
        loop {
            let listens = self.under_way.has_room() && self.sends.has_room();
            let event = tokio::select! {
                message = rpc::next(&mut incoming), if listens => match message {
                    Ok(message) => Event::Message(message),
                    Err(StreamEnd::Unintelligible(error)) => return Err(WorkError::Unintelligible(error)),
                    Err(StreamEnd::Closed(reason)) => return Ok(End::Lost { reason, held: session.holdings().map(Box::new) }),
                },
                Some(done) = self.done.recv() => {
                    // What was ordered in an earlier membership is of no use to this one.
                    if done.membership != self.membership {
                        continue;
                    }
                    self.under_way.end(done.weight);
                    match done.outcome {
                        None => continue,
                        Some(Outcome::Held) => Event::Held,
                        Some(Outcome::Refused(error)) => return Err(error.into()),
                        Some(Outcome::Spare(spare)) => {
                            self.arriving.reuse(spare);
                            continue;
                        }
                        Some(Outcome::Sums { iteration, nodes, number_bytes }) => {
                            self.send_sums(iteration, nodes, number_bytes);
                            continue;
                        }
                    }
                },
                () = self.sends.waiting.sent.notified(), if !self.sends.has_room() => continue,
                () = self.clock.wait_until(session.next_deadline()) => Event::DeadlinePassed,
            };
            for action in session.handle(event, self.clock.now())? {
                match self.perform(action, &mut run)? {
                    Performed::GoOn => {}
                    Performed::End(end) => return Ok(end),
                    Performed::Lost(reason) => {
                        let held = session.holdings().map(Box::new);
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
                    self.arriving = Arriving::default();
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
                    self.arriving.store(&chunk, run);
                }
            }
            Action::StoreGradient(chunk) => {
                if let Some(run) = run {
                    self.arriving.store_gradient(&chunk, run);
                }
            }
            Action::Parameters(_) => {
                if let Some(order) = self.arriving.parameters() {
                    self.order(order);
                }
            }
            Action::Gradient(_) => {
                if let Some(order) = self.arriving.gradient() {
                    self.order(order);
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
            self.iterations = iteration.0.saturating_add(1);
            if self.iterations.is_multiple_of(REPORT_EVERY) {
                tracing::info!("{} iterations done", self.iterations);
            }
        }
    }

    fn send(&self, send: Send) {
        self.sends.queue(send);
    }

    fn order(&mut self, order: Order) {
        self.under_way.begin(order.weight());
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

#[cfg(test)]
mod tests;
