//! The phases of a run.

use std::collections::{BTreeMap, BTreeSet};

use proto::{Dismissal, Hello, Reason, SumChunk};
use shared::ids::{Iteration, WorkerId};
use shared::plan::plan;
use shared::{LeafRange, Tree};

use super::action::Action;
use super::event::Event;
use super::failure::RunFailure;
use super::roster::Roster;
use super::round::{Round, SumShape};
use super::time::{RunTime, Timing};

/// What the engine must know of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// Where the arithmetic is done.
    pub fleet: FleetSize,
    /// The number of updates, at least 1.
    pub iterations: u64,
    /// The blocks of the batch.
    pub tree: Tree,
    /// Numbers of one node's sums: all parameters, and the loss.
    pub sum_len: usize,
    /// Bytes of one number.
    pub number_bytes: usize,
}

/// Where the arithmetic is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetSize {
    /// In the coordinator's own process.
    Here,
    /// By this many workers, at least 1.
    Workers(usize),
}

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Engine {
    config: EngineConfig,
    phase: Phase,
    roster: Roster,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Waiting for workers.
    Gathering { needed: usize },
    /// Workers are receiving their columns.
    Distributing(Distributing),
    /// Iterations are being made.
    Training(Training),
    /// The run is complete or has failed; whatever happens now changes nothing.
    Over,
}

#[derive(Clone, Debug)]
struct Distributing {
    shards: BTreeMap<WorkerId, LeafRange>,
    not_ready: BTreeSet<WorkerId>,
}

#[derive(Clone, Debug)]
struct Training {
    shards: BTreeMap<WorkerId, LeafRange>,
    began: RunTime,
    step: Step,
}

/// What the current iteration waits for.
#[derive(Clone, Debug)]
enum Step {
    /// The workers' sums.
    Sums(Round),
    /// The update, or the whole computation if it is done here.
    Update(Iteration),
}

impl Engine {
    /// A run that is about to start, and its first actions.
    pub fn start(config: EngineConfig, now: RunTime) -> (Self, Vec<Action>) {
        let first = Iteration(0);
        let (phase, actions) = match config.fleet {
            FleetSize::Here => {
                let step = Step::Update(first);
                let training = Training {
                    shards: BTreeMap::new(),
                    began: now,
                    step,
                };
                (
                    Phase::Training(training),
                    vec![Action::ComputeHere { iteration: first }],
                )
            }
            FleetSize::Workers(needed) => (
                Phase::Gathering { needed },
                vec![Action::ReportGathering { joined: 0, needed }],
            ),
        };
        (
            Self {
                config,
                phase,
                roster: Roster::default(),
            },
            actions,
        )
    }

    /// The workers that take part.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Takes note of something that happened, and returns what is to be done.
    pub fn handle(&mut self, event: Event, now: RunTime) -> Vec<Action> {
        if matches!(self.phase, Phase::Over) {
            return Vec::new();
        }
        match event {
            Event::HelloArrived { worker, hello } => self.hello(worker, hello),
            Event::WorkerReady(worker) => self.ready(worker, now),
            Event::SumArrived { worker, sum } => self.sum(worker, sum),
            Event::WorkerLost { worker, reason } => self.lost(worker, reason),
            Event::Updated { iteration, cost } => self.updated(iteration, cost, now),
        }
    }

    fn hello(&mut self, worker: WorkerId, hello: Hello) -> Vec<Action> {
        let Phase::Gathering { needed } = self.phase else {
            let explanation = format!("the run has all of its {} workers", self.roster.len());
            return vec![Action::Dismiss(
                worker,
                Dismissal {
                    reason: Reason::RunIsFull,
                    explanation,
                },
            )];
        };
        self.roster.add(worker, hello);
        let mut actions = vec![
            Action::Welcome(worker),
            Action::ReportGathering {
                joined: self.roster.len(),
                needed,
            },
        ];
        if self.roster.len() == needed {
            actions.extend(self.distribute());
        }
        actions
    }

    /// All workers are there: each gets its shard.
    fn distribute(&mut self) -> Vec<Action> {
        let workers: Vec<_> = self.roster.workers().collect();
        let shards: BTreeMap<_, _> = workers
            .iter()
            .copied()
            .zip(plan(&self.config.tree, workers.len()))
            .collect();
        let idle = workers.len() - shards.len();
        let warning = (idle > 0).then(|| Action::WarnIdle {
            idle,
            blocks: self.config.tree.leaves(),
        });
        let assign = |&worker: &WorkerId| Action::Assign {
            worker,
            blocks: shards.get(&worker).copied(),
        };
        let actions = warning.into_iter().chain(workers.iter().map(assign)).collect();
        self.phase = Phase::Distributing(Distributing {
            shards,
            not_ready: workers.into_iter().collect(),
        });
        actions
    }

    fn ready(&mut self, worker: WorkerId, now: RunTime) -> Vec<Action> {
        let Phase::Distributing(distributing) = &mut self.phase else {
            return self.misconduct(worker, "found Ready, which no assignment asked for".to_owned());
        };
        if !distributing.not_ready.remove(&worker) {
            return self.misconduct(worker, "found Ready twice for one assignment".to_owned());
        }
        if !distributing.not_ready.is_empty() {
            return Vec::new();
        }
        let shards = std::mem::take(&mut distributing.shards);
        let (step, actions) = self.begin(&shards, Iteration(0));
        self.phase = Phase::Training(Training {
            shards,
            began: now,
            step,
        });
        actions
    }

    /// Begins an iteration.
    fn begin(&self, shards: &BTreeMap<WorkerId, LeafRange>, iteration: Iteration) -> (Step, Vec<Action>) {
        match self.config.fleet {
            FleetSize::Here => (Step::Update(iteration), vec![Action::ComputeHere { iteration }]),
            FleetSize::Workers(_) => {
                let nodes = |(&worker, &shard): (&WorkerId, &LeafRange)| {
                    self.config
                        .tree
                        .maximal_nodes(shard)
                        .into_iter()
                        .map(move |node| (worker, node))
                };
                let round = Round::new(iteration, shards.iter().flat_map(nodes));
                let to = shards.keys().copied().collect();
                (Step::Sums(round), vec![Action::Broadcast { iteration, to }])
            }
        }
    }

    fn sum(&mut self, worker: WorkerId, sum: SumChunk) -> Vec<Action> {
        let shape = SumShape {
            len: self.config.sum_len,
            number_bytes: self.config.number_bytes,
        };
        let Phase::Training(Training { step, .. }) = &mut self.phase else {
            return self.misconduct(worker, "found sums before the first iteration".to_owned());
        };
        let Step::Sums(round) = step else {
            return self.misconduct(worker, "found sums when all had been sent".to_owned());
        };
        if let Err(wrong) = round.accept(worker, &sum, shape) {
            return self.misconduct(worker, wrong.to_string());
        }
        let mut actions = vec![Action::Keep(sum)];
        if round.is_complete() {
            let iteration = round.iteration;
            *step = Step::Update(iteration);
            actions.push(Action::Update { iteration });
        }
        actions
    }

    fn updated(&mut self, iteration: Iteration, cost: f64, now: RunTime) -> Vec<Action> {
        let Phase::Training(training) = &self.phase else {
            return Vec::new();
        };
        let mut actions = vec![Action::ReportCost { iteration, cost }];
        if !cost.is_finite() {
            self.phase = Phase::Over;
            return vec![Action::Fail(RunFailure::CostNotFinite { iteration, cost })];
        }
        let next = iteration.next();
        if next.0 == self.config.iterations {
            let timing = Timing {
                start_up: training.began.0,
                training: now.since(training.began),
            };
            self.phase = Phase::Over;
            actions.push(Action::Finish(timing));
            return actions;
        }
        let (step, begin) = self.begin(&training.shards, next);
        if let Phase::Training(training) = &mut self.phase {
            training.step = step;
        }
        actions.extend(begin);
        actions
    }

    fn lost(&mut self, worker: WorkerId, reason: String) -> Vec<Action> {
        if let Phase::Gathering { needed } = self.phase {
            // Nothing has begun, so nothing is lost: another worker may take the place.
            let left = self.roster.remove(worker);
            return left
                .map(|_| Action::ReportGathering {
                    joined: self.roster.len(),
                    needed,
                })
                .into_iter()
                .collect();
        }
        let Some(name) = self.name(worker) else {
            return Vec::new();
        };
        let iteration = self.iteration();
        self.fail(RunFailure::WorkerLost {
            worker,
            name,
            iteration,
            reason,
        })
    }

    /// What a member did wrong ends the run; what anyone else does is of no interest.
    fn misconduct(&mut self, worker: WorkerId, what: String) -> Vec<Action> {
        let Some(name) = self.name(worker) else {
            return Vec::new();
        };
        let iteration = self.iteration();
        self.fail(RunFailure::Misconduct {
            worker,
            name,
            iteration,
            what,
        })
    }

    fn fail(&mut self, failure: RunFailure) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![Action::Fail(failure)]
    }

    fn name(&self, worker: WorkerId) -> Option<String> {
        self.roster.get(worker).map(|member| member.name.clone())
    }

    /// The iteration under way.
    fn iteration(&self) -> Option<Iteration> {
        match &self.phase {
            Phase::Training(Training {
                step: Step::Sums(round),
                ..
            }) => Some(round.iteration),
            Phase::Training(Training {
                step: Step::Update(iteration),
                ..
            }) => Some(*iteration),
            Phase::Gathering { .. } | Phase::Distributing(_) | Phase::Over => None,
        }
    }
}
