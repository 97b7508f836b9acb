//! Looks at all that the engine is told and decides, and says what does not fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use coordinator::engine::{Action, EngineConfig, Event, FleetSize, NodeAnswers, Report};
use proto::tensor::check;
use proto::{Hello, Reason, SumChunk};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockSet, LeafRange};

use crate::fuzz::ensure;

/// What has been seen of a run.
#[derive(Debug)]
pub struct Witness {
    config: EngineConfig,
    hostile: BTreeSet<WorkerId>,
    /// Workers that have said Hello and were not answered.
    greeted: BTreeMap<WorkerId, Hello>,
    members: BTreeMap<WorkerId, Member>,
    /// The iteration that is under way or waited for.
    iteration: Iteration,
    /// The update that was ordered and not yet made.
    ordered: Option<Iteration>,
    /// How many numbers of whose sums were kept in this iteration.
    kept: BTreeMap<(WorkerId, LeafRange), usize>,
    now: Duration,
    stopping: bool,
    over: bool,
    /// What the engine was told last.
    told: Option<Event>,
}

/// What has been seen of a worker that takes part.
#[derive(Debug, Default)]
struct Member {
    held: BlockSet,
    parameters: Option<Iteration>,
    asked: BTreeSet<(Iteration, LeafRange)>,
    heard: Duration,
}

impl Witness {
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            config: config.clone(),
            hostile: BTreeSet::new(),
            greeted: BTreeMap::new(),
            members: BTreeMap::new(),
            iteration: config.first,
            ordered: None,
            kept: BTreeMap::new(),
            now: Duration::ZERO,
            stopping: false,
            over: false,
            told: None,
        }
    }

    /// From now on this worker may be dismissed for misconduct.
    pub fn distrust(&mut self, worker: WorkerId) {
        self.hostile.insert(worker);
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn members(&self) -> Vec<WorkerId> {
        self.members.keys().copied().collect()
    }

    /// The engine is about to be told this.
    pub fn hear(&mut self, event: &Event, now: Duration) {
        self.now = now;
        self.told = Some(event.clone());
        match event {
            Event::HelloArrived { worker, hello } => drop(self.greeted.insert(*worker, hello.clone())),
            Event::WorkerReady(worker) | Event::HeartbeatArrived(worker) | Event::SumArrived { worker, .. } => {
                if let Some(member) = self.members.get_mut(worker) {
                    member.heard = now;
                }
            }
            Event::WorkerLost { worker, .. } => drop(self.members.remove(worker)),
            Event::Updated { iteration, .. } => {
                self.ordered = None;
                self.iteration = iteration.next();
                self.kept.clear();
            }
            Event::StopRequested => self.stopping = true,
            Event::WorkerErred { .. } | Event::CheckpointWritten { .. } | Event::DeadlinePassed => {}
        }
    }

    /// The engine has decided this.
    pub fn see(&mut self, action: &Action) -> Result<(), String> {
        ensure(!self.over, || "decided after the end".to_owned())?;
        match action {
            Action::Welcome(worker) => self.welcome(*worker),
            Action::Dismiss { worker, dismissal, .. } => self.dismiss(*worker, dismissal.reason),
            Action::Report(report) => self.report(report),
            Action::Assign { worker, hold, missing } => self.assign(*worker, hold, missing),
            Action::Broadcast { iteration, to } => self.broadcast(*iteration, to),
            Action::BroadcastGradient { iteration, to } => self.broadcast_gradient(*iteration, to),
            Action::Compute {
                worker,
                iteration,
                nodes,
            } => self.compute(*worker, *iteration, nodes),
            Action::Keep(worker, sum) => self.keep(*worker, sum),
            Action::Update { iteration, sums } => self.update(*iteration, sums),
            Action::ReportCost { iteration, .. } => ensure(
                matches!(&self.told, Some(Event::Updated { iteration: told, .. }) if told == iteration),
                || "a cost that nobody computed".to_owned(),
            ),
            Action::SaveCheckpoint { updates } => ensure(*updates == self.iteration.0, || {
                format!("a checkpoint of {updates} updates after {}", self.iteration)
            }),
            Action::Finish(_) => {
                self.over = true;
                ensure(self.iteration.0 >= self.config.iterations, || {
                    "finished too early".to_owned()
                })
            }
            Action::Stop(_) => {
                self.over = true;
                ensure(self.stopping && self.ordered.is_none(), || {
                    format!("stopped, wanted: {}, with {:?} ordered", self.stopping, self.ordered)
                })
            }
            Action::Fail(failure) => Err(format!("failed: {failure}")),
            Action::ComputeHere { .. } => Err("computes itself although there are workers".to_owned()),
            Action::Heartbeat => Ok(()),
        }
        .map_err(|what| format!("{what}, in {action:?} after {:?}", self.told))
    }

    fn member(&mut self, worker: WorkerId) -> Result<&mut Member, String> {
        self.members
            .get_mut(&worker)
            .ok_or_else(|| format!("worker {worker} is no member"))
    }

    fn welcome(&mut self, worker: WorkerId) -> Result<(), String> {
        let hello = self.greeted.remove(&worker).ok_or("welcomed without Hello")?;
        let config = &self.config;
        let counts = |held: &proto::Held| {
            held.data == config.data
                && held.block_columns == config.block_columns
                && held.blocks.is_within(&config.tree)
        };
        let held = hello.held.filter(counts).map(|held| held.blocks).unwrap_or_default();
        let heard = self.now;
        let member = Member {
            held,
            heard,
            ..Member::default()
        };
        self.members.insert(worker, member);
        Ok(())
    }

    fn dismiss(&mut self, worker: WorkerId, reason: Reason) -> Result<(), String> {
        let heard = self.member(worker)?.heard;
        self.members.remove(&worker);
        let lawful = match reason {
            Reason::Misconduct => self.hostile.contains(&worker),
            Reason::Silence => self.now - heard >= self.config.worker_timeout,
            _ => false,
        };
        ensure(lawful, || format!("worker {worker} has done nothing wrong"))
    }

    fn report(&self, report: &Report) -> Result<(), String> {
        let FleetSize::Workers { least, .. } = self.config.fleet else {
            return Ok(());
        };
        match report {
            Report::Paused { joined, .. } => ensure(*joined < least, || "paused with enough workers".to_owned()),
            Report::Gathering { joined, .. } => ensure(*joined == self.members.len(), || {
                format!("there are {} members", self.members.len())
            }),
            Report::Repeated { iteration, .. } | Report::GoesOn { iteration } => {
                ensure(*iteration == self.iteration, || "another iteration".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn assign(&mut self, worker: WorkerId, hold: &BlockSet, missing: &BlockSet) -> Result<(), String> {
        ensure(hold.is_within(&self.config.tree), || {
            "blocks beyond the last".to_owned()
        })?;
        let member = self.member(worker)?;
        let expected = hold.difference(&member.held);
        member.held = hold.clone();
        ensure(*missing == expected, || format!("the worker lacks blocks {expected}"))
    }

    fn broadcast(&mut self, iteration: Iteration, to: &[WorkerId]) -> Result<(), String> {
        self.expect_under_way(iteration)?;
        for &worker in to {
            let before = self.member(worker)?.parameters.replace(iteration);
            ensure(before < Some(iteration), || format!("worker {worker} has them"))?;
        }
        Ok(())
    }

    fn broadcast_gradient(&mut self, iteration: Iteration, to: &[WorkerId]) -> Result<(), String> {
        ensure(self.config.gradients, || "nobody makes updates".to_owned())?;
        for &worker in to {
            let had = self.member(worker)?.parameters;
            ensure(had.map(Iteration::next) == Some(iteration), || {
                format!("worker {worker} has the parameters of {had:?}")
            })?;
        }
        self.broadcast(iteration, to)
    }

    fn compute(&mut self, worker: WorkerId, iteration: Iteration, nodes: &[LeafRange]) -> Result<(), String> {
        self.expect_under_way(iteration)?;
        let tree = self.config.tree.clone();
        let member = self.member(worker)?;
        ensure(member.parameters == Some(iteration), || {
            "without the parameters".to_owned()
        })?;
        ensure(!nodes.is_empty(), || "no nodes".to_owned())?;
        for &node in nodes {
            ensure(tree.is_node(node) && member.held.contains(node), || {
                format!("blocks {node} are no node or not held")
            })?;
            ensure(member.asked.insert((iteration, node)), || {
                format!("asked for {node} before")
            })?;
        }
        Ok(())
    }

    fn expect_under_way(&self, iteration: Iteration) -> Result<(), String> {
        ensure(iteration == self.iteration && self.ordered.is_none(), || {
            format!("iteration {} is under way, {:?} ordered", self.iteration, self.ordered)
        })
    }

    fn keep(&mut self, worker: WorkerId, sum: &SumChunk) -> Result<(), String> {
        self.expect_under_way(sum.iteration)?;
        let told =
            matches!(&self.told, Some(Event::SumArrived { worker: from, sum: told }) if *from == worker && told == sum);
        ensure(told, || "that was not sent".to_owned())?;
        let asked = self.member(worker)?.asked.contains(&(sum.iteration, sum.node));
        ensure(asked, || "nobody asked for it".to_owned())?;
        let shape = self.config.shape;
        let kept = self.kept.entry((worker, sum.node)).or_default();
        *kept = check(&sum.chunk, *kept, shape.len, shape.number_bytes).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The sums of an iteration must be of nodes that cover every block once, each sent whole by whoever is named.
    fn update(&mut self, iteration: Iteration, sums: &[NodeAnswers]) -> Result<(), String> {
        self.expect_under_way(iteration)?;
        self.ordered = Some(iteration);
        let mut next = 0;
        for NodeAnswers { node, workers } in sums {
            ensure(self.config.tree.is_node(*node) && node.first() == next, || {
                format!("found blocks {node}, expected a node from block {next} on")
            })?;
            next = node.end();
            let distinct: BTreeSet<_> = workers.iter().collect();
            let whole = |worker: &&WorkerId| self.kept.get(&(**worker, *node)) == Some(&self.config.shape.len);
            ensure(
                !workers.is_empty() && distinct.len() == workers.len() && workers.iter().all(|worker| whole(&worker)),
                || format!("the sums of blocks {node} have not arrived whole"),
            )?;
        }
        let blocks = self.config.tree.leaves();
        ensure(next as usize == blocks, || {
            format!("covers {next} blocks, expected {blocks}")
        })
    }
}
