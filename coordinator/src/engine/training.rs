//! The phases of a run: gathering ▶ preparing ▶ iterations, with pauses ▶ over.

use std::time::Duration;

use proto::{Hello, Reason};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockSet, LeafRange};

use super::action::{Action, Report};
use super::config::{EngineConfig, FleetSize};
use super::event::{Event, WrongSums};
use super::failure::RunFailure;
use super::member::Member;
use super::roster::Roster;
use super::round::Round;
use super::sharing::Sharing;
use super::time::{RunTime, Timing};
use super::watch::Watch;
use crate::checkpoint::{Attempt, Outcome};

/// How long the workers may still take for an iteration when the user wants to stop.
const LAST_ITERATION: Duration = Duration::from_secs(1);

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) config: EngineConfig,
    pub(super) roster: Roster,
    pub(super) sharing: Sharing,
    pub(super) phase: Phase,
    watch: Watch,
    /// When the first iteration began.
    began: Option<RunTime>,
    /// The last attempt to write a checkpoint.
    attempt: Attempt,
    /// How long the workers have for the iteration under way, if the user wants the run to stop.
    stop_by: Option<RunTime>,
    /// Whether a pause was reported, and not yet its end.
    pub(super) paused: bool,
}

/// What the run waits for.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Workers, before the first iteration.
    Gathering { needed: usize },
    /// Workers that receive their columns, before the first iteration; not beyond a time, once half of them are ready.
    Preparing { until: Option<RunTime> },
    /// The workers' sums.
    Sums(Round),
    /// The update, or the whole computation if it is done here.
    Update(Iteration),
    /// Workers, before this iteration.
    Paused(Iteration),
    /// Nothing: the run is complete or has failed, and whatever happens now changes nothing.
    Over,
}

impl Engine {
    /// A run that is about to start, and its first actions.
    pub fn start(config: EngineConfig, now: RunTime) -> (Self, Vec<Action>) {
        let phase = match config.fleet {
            FleetSize::Here => Phase::Update(config.first),
            FleetSize::Workers { first, .. } => Phase::Gathering { needed: first },
        };
        let mut engine = Self {
            roster: Roster::default(),
            sharing: Sharing::new(config.even_shards),
            phase,
            watch: Watch::new(config.worker_timeout, now),
            began: None,
            attempt: Attempt::before_the_first(config.first.0, now),
            stop_by: None,
            paused: false,
            config,
        };
        let actions = match engine.phase {
            _ if engine.config.first.0 >= engine.config.iterations => {
                engine.phase = Phase::Over;
                vec![Action::Finish(engine.timing(now))]
            }
            Phase::Gathering { needed } => vec![Action::Report(Report::Gathering { joined: 0, needed })],
            _ => engine.begin(engine.config.first, now),
        };
        (engine, actions)
    }

    /// The workers that take part.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// When [`Event::DeadlinePassed`] is due, unless something else happens before; `None` once the run is over.
    pub fn next_deadline(&self) -> Option<RunTime> {
        let phase = match &self.phase {
            Phase::Over => return None,
            Phase::Preparing { until } => *until,
            Phase::Sums(_) => self.repeat_at(),
            _ => None,
        };
        let watch = self.watch.next_deadline(&self.roster);
        [phase, self.gives_up_at()].into_iter().flatten().chain([watch]).min()
    }

    /// When the iteration under way is given up because the user wants the run to stop. Never while its update is being
    /// made: that belongs to the result as soon as it is ordered.
    fn gives_up_at(&self) -> Option<RunTime> {
        self.stop_by.filter(|_| !matches!(self.phase, Phase::Update(_)))
    }

    /// Takes note of something that happened, and returns what is to be done.
    pub fn handle(&mut self, event: Event, now: RunTime) -> Vec<Action> {
        if matches!(self.phase, Phase::Over) {
            return Vec::new();
        }
        self.watch.advance(now, &mut self.roster);
        match event {
            Event::HelloArrived { worker, hello } => self.hello(worker, hello, now),
            Event::WorkerReady(worker) => self.ready(worker, now),
            Event::SumArrived { worker, sum } => {
                self.hear(worker, now);
                self.sum(worker, sum, now)
            }
            Event::HeartbeatArrived(worker) => {
                self.hear(worker, now);
                Vec::new()
            }
            Event::WorkerLost { worker, reason } => self.lost(worker, reason, now),
            Event::WorkerErred { worker, what } => self.misconduct(worker, what, now),
            Event::Updated { iteration, cost, wrong } => self.updated(iteration, cost, wrong, now),
            Event::CheckpointWritten { updates, saved } => self.checkpoint_written(updates, saved),
            Event::StopRequested => self.stop_requested(now),
            Event::DeadlinePassed => self.deadline_passed(now),
        }
    }

    fn hear(&mut self, worker: WorkerId, now: RunTime) {
        if let Some(member) = self.roster.get_mut(worker) {
            member.heard = now;
        }
    }

    fn hello(&mut self, worker: WorkerId, hello: Hello, now: RunTime) -> Vec<Action> {
        let name = hello.name.clone();
        let held = self.recognised(&hello);
        self.roster.add(worker, Member::new(hello, held, now));
        let mut actions = vec![Action::Welcome(worker)];
        if let Phase::Gathering { needed } = self.phase {
            let joined = self.roster.len();
            actions.push(Action::Report(Report::Gathering { joined, needed }));
            if joined >= needed {
                actions.extend(self.prepare(now));
            } else {
                // Columns travel while the others are still to come.
                let tree = &self.config.tree;
                actions.extend(self.sharing.share_ahead(tree, &mut self.roster, worker, needed));
            }
            return actions;
        }
        actions.push(Action::Report(Report::Joined { worker, name }));
        match self.phase {
            Phase::Preparing { .. } => actions.extend(self.prepare(now)),
            Phase::Sums(_) => actions.extend(self.ask_for_rest(now)),
            Phase::Paused(iteration) => actions.extend(self.begin(iteration, now)),
            _ => {}
        }
        actions
    }

    /// The blocks that a worker still holds, if they are blocks of this run's batch.
    fn recognised(&self, hello: &Hello) -> BlockSet {
        let same = |held: &&proto::Held| {
            held.data == self.config.data
                && held.block_columns == self.config.block_columns
                && held.blocks.is_within(&self.config.tree)
        };
        hello
            .held
            .as_ref()
            .filter(same)
            .map_or_else(BlockSet::default, |held| held.blocks.clone())
    }

    /// Shares the blocks out among all members, before the first iteration.
    pub(super) fn prepare(&mut self, now: RunTime) -> Vec<Action> {
        self.phase = Phase::Preparing { until: None };
        let mut actions = self.sharing.share_among_all(&self.config.tree, &mut self.roster);
        let (idle, blocks) = (self.sharing.idle(), self.config.tree.leaves());
        if idle > 0 {
            actions.insert(0, Action::Report(Report::Idle { idle, blocks }));
        }
        actions.extend(self.begin_if_prepared(now));
        actions
    }

    /// Begins the first iteration when all members hold their columns, or when half of them have held theirs for the
    /// worker timeout: a slow line delays its own worker, and not the run.
    fn begin_if_prepared(&mut self, now: RunTime) -> Vec<Action> {
        let Phase::Preparing { until } = &mut self.phase else {
            return Vec::new();
        };
        let waiting = self.roster.members().filter(|(_, member)| member.unready > 0).count();
        if waiting * 2 <= self.roster.len() {
            until.get_or_insert(RunTime(now.0 + self.config.worker_timeout));
        }
        let mut actions = Vec::new();
        if waiting > 0 {
            if until.is_none_or(|until| now < until) {
                return actions;
            }
            self.sharing = Sharing::new(self.config.even_shards);
        }
        actions.push(Action::Report(Report::Begins { waiting }));
        actions.extend(self.begin(self.config.first, now));
        actions
    }

    fn ready(&mut self, worker: WorkerId, now: RunTime) -> Vec<Action> {
        self.hear(worker, now);
        let Some(member) = self.roster.get_mut(worker) else {
            return Vec::new();
        };
        if member.unready == 0 {
            return self.misconduct(worker, "found Ready, which no assignment asked for".to_owned(), now);
        }
        member.unready -= 1;
        self.begin_if_prepared(now)
    }

    fn updated(&mut self, iteration: Iteration, cost: f64, wrong: Vec<WrongSums>, now: RunTime) -> Vec<Action> {
        let mut actions = vec![Action::ReportCost { iteration, cost }];
        if !cost.is_finite() {
            self.phase = Phase::Over;
            return vec![Action::Fail(RunFailure::CostNotFinite { iteration, cost })];
        }
        let next = iteration.next();
        for sums in wrong {
            actions.extend(self.dismiss_for_wrong_sums(iteration, sums, now));
        }
        if next.0 >= self.config.iterations {
            let timing = self.timing(now);
            self.phase = Phase::Over;
            actions.push(Action::Finish(timing));
        } else if self.stop_by.is_some() {
            actions.extend(self.stop(now));
        } else {
            actions.extend(self.checkpoint(iteration, now));
            actions.extend(self.begin(next, now));
        }
        actions
    }

    fn checkpoint(&mut self, completed: Iteration, now: RunTime) -> Option<Action> {
        let due = self.config.checkpoints?.is_due(completed, now, self.attempt);
        due.then(|| {
            let updates = completed.next().0;
            self.attempt = Attempt {
                updates,
                begun: now,
                outcome: Outcome::UnderWay,
            };
            Action::SaveCheckpoint { updates }
        })
    }

    fn checkpoint_written(&mut self, updates: u64, saved: bool) -> Vec<Action> {
        if self.attempt.updates == updates {
            self.attempt.outcome = if saved { Outcome::Saved } else { Outcome::Failed };
        }
        Vec::new()
    }

    fn stop_requested(&mut self, now: RunTime) -> Vec<Action> {
        match &self.phase {
            Phase::Sums(_) | Phase::Update(_) => {
                self.stop_by.get_or_insert(RunTime(now.0 + LAST_ITERATION));
                Vec::new()
            }
            _ => self.stop(now),
        }
    }

    fn stop(&mut self, now: RunTime) -> Vec<Action> {
        let timing = self.timing(now);
        self.phase = Phase::Over;
        vec![Action::Stop(timing)]
    }

    fn deadline_passed(&mut self, now: RunTime) -> Vec<Action> {
        if self.gives_up_at().is_some_and(|gives_up_at| now >= gives_up_at) {
            return self.stop(now);
        }
        let mut actions = Vec::new();
        if self.watch.heartbeat_is_due(now) && !self.roster.is_empty() {
            actions.push(Action::Heartbeat);
        }
        // All of them go before anyone's work is given to another.
        let silent = self.watch.silent(now, &self.roster);
        for &worker in &silent {
            let explanation = format!("nothing was heard of it for {:?}", self.config.worker_timeout);
            actions.extend(self.dismiss_member(worker, Reason::Silence, explanation));
        }
        for worker in silent {
            actions.extend(self.do_without(worker, now));
        }
        actions.extend(self.begin_if_prepared(now));
        actions.extend(self.repeat_late_work(now));
        actions
    }

    /// The iteration under way; `None` before the first.
    pub(super) fn iteration(&self) -> Option<Iteration> {
        match &self.phase {
            Phase::Sums(round) => Some(round.iteration),
            Phase::Update(iteration) | Phase::Paused(iteration) => Some(*iteration),
            Phase::Gathering { .. } | Phase::Preparing { .. } | Phase::Over => None,
        }
    }

    /// Notes that the first iteration begins, if it does.
    pub(super) fn note_beginning(&mut self, now: RunTime) {
        self.began.get_or_insert(now);
    }

    fn timing(&self, now: RunTime) -> Timing {
        let began = self.began.unwrap_or(now);
        Timing {
            start_up: began.0,
            training: now.since(began),
        }
    }

    /// The number of columns of a node.
    pub(super) fn columns(&self, node: LeafRange) -> usize {
        self.config.tree.items_of(node).len()
    }
}
