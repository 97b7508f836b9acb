//! One iteration: who is asked for which sums, and what happens when they come, or do not come.

use std::collections::BTreeSet;

use proto::SumChunk;
use shared::ids::{Iteration, WorkerId};
use shared::plan::work;
use shared::{BlockSet, LeafRange};

use super::action::{Action, Report};
use super::config::FleetSize;
use super::member::Accepted;
use super::round::{Outstanding, Round, Unasked};
use super::sharing::hold_also;
use super::time::RunTime;
use super::training::{Engine, Phase};

/// A node of fewer columns than this is not worth halving: what an answer costs on the wire outweighs what is gained.
const DIVISIBLE_COLUMNS: usize = 192;

impl Engine {
    /// Begins an iteration, or pauses if there are too few workers.
    pub(super) fn begin(&mut self, iteration: Iteration, now: RunTime) -> Vec<Action> {
        let FleetSize::Workers { least, .. } = self.config.fleet else {
            self.note_beginning(now);
            self.phase = Phase::Update(iteration);
            return vec![Action::ComputeHere { iteration }];
        };
        if self.roster.len() < least {
            self.phase = Phase::Paused(iteration);
            return self.report_pause(iteration, least).into_iter().collect();
        }
        self.note_beginning(now);
        let mut actions: Vec<_> = self.report_end_of_pause(iteration).into_iter().collect();
        actions.extend(self.sharing.refresh(&self.config.tree, &mut self.roster));
        let two = |node| self.config.audit.is_some_and(|audit| audit.chooses(iteration, node));
        let answers = |node| if two(node) && self.roster.len() > 1 { 2 } else { 1 };
        let tree = &self.config.tree;
        let shards = self.sharing.shards().iter();
        let mut prompt: Vec<_> = shards
            .map(|(&worker, &shard)| (worker, tree.maximal_nodes(shard)))
            .collect();
        let nodes = prompt.iter().flat_map(|(_, nodes)| nodes).copied();
        let mut round = Round::new(iteration, now, nodes, answers);
        // Those that still work on an earlier iteration would only fall further behind.
        prompt.retain(|(worker, _)| self.roster.get(*worker).is_some_and(|member| member.is_idle()));
        for (worker, nodes) in &prompt {
            nodes.iter().for_each(|&node| round.ask(*worker, node));
        }
        self.phase = Phase::Sums(round);
        let to: Vec<_> = prompt.iter().map(|(worker, _)| *worker).collect();
        actions.extend(self.broadcast(iteration, to));
        for (worker, nodes) in prompt {
            actions.extend(self.compute(worker, iteration, nodes, now));
        }
        actions.extend(self.ask_for_rest(now));
        let left = self.config.iterations - iteration.0;
        let (prepared, anew) =
            self.sharing
                .prepare(&self.config.tree, &mut self.roster, self.config.column_bytes, left);
        actions.extend(anew.then_some(Action::Report(Report::SharedAnew)));
        actions.extend(prepared);
        actions
    }

    /// Sends the parameters of an iteration to workers that do not have them, or the gradient to those that can make them
    /// by it.
    fn broadcast(&mut self, iteration: Iteration, to: Vec<WorkerId>) -> Vec<Action> {
        let mut whole = Vec::new();
        let mut gradient = Vec::new();
        for worker in to {
            let Some(member) = self.roster.get_mut(worker) else {
                continue;
            };
            let had = member.parameters.replace(iteration);
            if self.config.gradients && had.map(Iteration::next) == Some(iteration) {
                gradient.push(worker);
            } else {
                whole.push(worker);
            }
        }
        let whole = (!whole.is_empty()).then_some(Action::Broadcast { iteration, to: whole });
        let gradient = (!gradient.is_empty()).then_some(Action::BroadcastGradient {
            iteration,
            to: gradient,
        });
        whole.into_iter().chain(gradient).collect()
    }

    /// Asks a worker that has the parameters and, by the order of what is sent to it, the columns.
    fn compute(
        &mut self,
        worker: WorkerId,
        iteration: Iteration,
        nodes: Vec<LeafRange>,
        now: RunTime,
    ) -> Option<Action> {
        let member = self.roster.get_mut(worker)?;
        member.ask(iteration, &nodes, &self.config.tree, now);
        Some(Action::Compute {
            worker,
            iteration,
            nodes,
        })
    }

    /// Asks somebody for every node that nobody, or nobody else, was asked for: the shards of workers that are gone or
    /// late, and second opinions.
    pub(super) fn ask_for_rest(&mut self, now: RunTime) -> Vec<Action> {
        let mut actions = Vec::new();
        loop {
            let Phase::Sums(round) = &mut self.phase else {
                return actions;
            };
            let iteration = round.iteration;
            let Some(unasked) = round.unasked().into_iter().next() else {
                break;
            };
            let node = unasked.node;
            let candidates = self.candidates(&unasked.not, iteration);
            let Some(&worker) = candidates.first() else {
                if let Phase::Sums(round) = &mut self.phase
                    && round.settle_for_less(node)
                {
                    continue;
                }
                // Members that are only late will answer, and then be asked.
                if self.roster.is_empty() {
                    actions.extend(self.report_pause(iteration, 1));
                }
                return actions;
            };
            if unasked.divisible && candidates.len() > 1 && self.divide(&unasked) {
                continue;
            }
            actions.extend(self.ask(worker, node, now));
        }
        if let Phase::Sums(round) = &self.phase {
            let iteration = round.iteration;
            let goes_on = self.report_end_of_pause(iteration);
            actions.splice(0..0, goes_on);
        }
        actions.extend(self.update_if_complete());
        actions
    }

    /// Halves a large node, so that several workers can share its work.
    fn divide(&mut self, unasked: &Unasked) -> bool {
        let large = self.columns(unasked.node) >= DIVISIBLE_COLUMNS;
        match &mut self.phase {
            Phase::Sums(round) if large => round.divide(&self.config.tree, unasked.node).is_some(),
            _ => false,
        }
    }

    /// Members that can be asked in this iteration, beginning with the one that has least to do.
    fn candidates(&self, not: &BTreeSet<WorkerId>, iteration: Iteration) -> Vec<WorkerId> {
        let tree = &self.config.tree;
        let mut candidates: Vec<_> = self
            .roster
            .members()
            .filter(|(worker, member)| !not.contains(worker) && !member.lags_behind(iteration))
            .map(|(worker, member)| (member.load(tree), member.unready, worker))
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().map(|(.., worker)| worker).collect()
    }

    /// Asks a worker for one more node, and sends what it needs for it.
    fn ask(&mut self, worker: WorkerId, node: LeafRange, now: RunTime) -> Vec<Action> {
        let Phase::Sums(round) = &mut self.phase else {
            return Vec::new();
        };
        let iteration = round.iteration;
        round.ask(worker, node);
        let mut actions: Vec<_> = hold_also(&mut self.roster, worker, &BlockSet::from(node))
            .into_iter()
            .collect();
        if self
            .roster
            .get(worker)
            .is_some_and(|member| member.parameters != Some(iteration))
        {
            actions.extend(self.broadcast(iteration, vec![worker]));
        }
        actions.extend(self.compute(worker, iteration, vec![node], now));
        actions
    }

    pub(super) fn sum(&mut self, worker: WorkerId, sum: SumChunk, now: RunTime) -> Vec<Action> {
        let shape = self.config.shape;
        let Some(current) = self.iteration() else {
            return self.misconduct(worker, "found sums before the first iteration".to_owned(), now);
        };
        let Some(member) = self.roster.get_mut(worker) else {
            return Vec::new();
        };
        let accepted = match member.accept(&sum, shape, current, now) {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return Vec::new(),
            Err(wrong) => return self.misconduct(worker, wrong.to_string(), now),
        };
        let Phase::Sums(round) = &mut self.phase else {
            return Vec::new();
        };
        if sum.iteration != current {
            // Late. But now the worker may be free for what nobody could be asked for.
            return match accepted {
                Accepted::Last => self.ask_for_rest(now),
                Accepted::Part => Vec::new(),
            };
        }
        let node = sum.node;
        let mut actions = vec![Action::Keep(worker, sum)];
        if accepted == Accepted::Last {
            round.answer(worker, node, now);
            actions.extend(self.update_if_complete());
        }
        actions
    }

    fn update_if_complete(&mut self) -> Option<Action> {
        let Phase::Sums(round) = &self.phase else {
            return None;
        };
        if !round.is_complete() {
            return None;
        }
        let (iteration, sums) = (round.iteration, round.answers());
        self.phase = Phase::Update(iteration);
        Some(Action::Update { iteration, sums })
    }

    /// When late work is to be repeated, if it is and there is somebody who can.
    pub(super) fn repeat_at(&self) -> Option<RunTime> {
        match &self.phase {
            Phase::Sums(round) if !self.config.even_shards => round.repeat_at().filter(|_| {
                let mut outstanding = round.outstanding();
                outstanding.any(|late| self.idle_worker(&late.not, round.iteration).is_some())
            }),
            _ => None,
        }
    }

    /// Somebody who has nothing to do and is none of these.
    fn idle_worker(&self, not: &BTreeSet<WorkerId>, iteration: Iteration) -> Option<WorkerId> {
        let is_idle = |worker| self.roster.get(worker).is_some_and(|member| member.is_idle());
        self.candidates(not, iteration)
            .into_iter()
            .find(|&worker| is_idle(worker))
    }

    /// Has idle workers repeat what is late; whichever answer comes first counts.
    pub(super) fn repeat_late_work(&mut self, now: RunTime) -> Vec<Action> {
        let Phase::Sums(round) = &self.phase else {
            return Vec::new();
        };
        if self.repeat_at().is_none_or(|repeat_at| now < repeat_at) {
            return Vec::new();
        }
        let iteration = round.iteration;
        let mut late: Vec<_> = round.outstanding().collect();
        late.sort_by_key(|late| std::cmp::Reverse(work(&self.config.tree, late.node)));
        let mut actions = Vec::new();
        for Outstanding { node, worker, not } in late {
            // One that is idle may have given the first opinion on this node, and not on the next.
            if let Some(idle) = self.idle_worker(&not, iteration) {
                actions.push(Action::Report(Report::Repeated {
                    late: worker,
                    iteration,
                }));
                actions.extend(self.ask(idle, node, now));
            }
        }
        actions
    }

    fn report_pause(&mut self, iteration: Iteration, needed: usize) -> Option<Action> {
        let joined = self.roster.len();
        let first = !std::mem::replace(&mut self.paused, true);
        first.then_some(Action::Report(Report::Paused {
            iteration,
            joined,
            needed,
        }))
    }

    fn report_end_of_pause(&mut self, iteration: Iteration) -> Option<Action> {
        std::mem::take(&mut self.paused).then_some(Action::Report(Report::GoesOn { iteration }))
    }
}
