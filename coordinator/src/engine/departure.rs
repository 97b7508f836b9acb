//! How workers leave a run: lost, silent, or dismissed for what they did.

use proto::{Dismissal, Reason};
use shared::ids::{Iteration, WorkerId};

use super::action::{Action, Report};
use super::event::{Noticed, WrongSums};
use super::time::RunTime;
use super::training::{Engine, Phase};

impl Engine {
    /// A worker's stream has ended.
    pub(super) fn lost(&mut self, worker: WorkerId, reason: String, now: RunTime) -> Vec<Action> {
        let Some(member) = self.roster.remove(worker) else {
            return Vec::new();
        };
        if let Phase::Gathering { needed } = self.phase {
            let joined = self.roster.len();
            return vec![Action::Report(Report::Gathering { joined, needed })];
        }
        let mut actions = vec![Action::Report(Report::Lost {
            worker,
            name: member.name,
            iteration: self.iteration(),
            reason,
        })];
        actions.extend(self.do_without(worker, now));
        actions
    }

    /// What a member did wrong ends its part; what anyone else does is of no interest.
    pub(super) fn misconduct(&mut self, worker: WorkerId, what: String, now: RunTime) -> Vec<Action> {
        let mut actions = self.dismiss_member(worker, Reason::Misconduct, what);
        if !actions.is_empty() {
            actions.extend(self.do_without(worker, now));
        }
        actions
    }

    /// Takes a member off the roster and tells it why. Its work has to be given to others afterwards.
    pub(super) fn dismiss_member(&mut self, worker: WorkerId, reason: Reason, explanation: String) -> Vec<Action> {
        let Some(member) = self.roster.remove(worker) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        if reason == Reason::Silence {
            actions.push(Action::Report(Report::Lost {
                worker,
                name: member.name.clone(),
                iteration: self.iteration(),
                reason: explanation.clone(),
            }));
        }
        actions.push(dismiss(worker, member.name, reason, explanation));
        if let Phase::Gathering { needed } = self.phase {
            let joined = self.roster.len();
            actions.push(Action::Report(Report::Gathering { joined, needed }));
        }
        actions
    }

    /// A worker is no member any more: its work goes to the others.
    pub(super) fn do_without(&mut self, worker: WorkerId, now: RunTime) -> Vec<Action> {
        self.sharing.forget(worker);
        match &mut self.phase {
            Phase::Preparing { .. } if self.roster.is_empty() => self.begin(self.config.first, now),
            Phase::Preparing { .. } => self.prepare(now),
            Phase::Sums(round) => {
                round.forget(worker);
                self.ask_for_rest(now)
            }
            _ => Vec::new(),
        }
    }

    /// A worker's sums are not what the coordinator's own computation gives.
    pub(super) fn dismiss_for_wrong_sums(
        &mut self,
        iteration: Iteration,
        wrong: WrongSums,
        now: RunTime,
    ) -> Vec<Action> {
        let WrongSums { worker, node, noticed } = wrong;
        let how = match noticed {
            Noticed::Audit { with } => {
                let name = self.roster.get(with).map_or("gone", |member| &member.name);
                format!("they differ from those of worker {with} ({name})")
            }
            Noticed::NotFinite => "they are not finite".to_owned(),
        };
        let what = format!(
            "found wrong sums of blocks {node} in iteration {iteration}: {how}, and the coordinator's own computation of \
             these blocks shows that this worker is wrong"
        );
        self.misconduct(worker, what, now)
    }
}

pub(super) fn dismiss(worker: WorkerId, name: String, reason: Reason, explanation: String) -> Action {
    let dismissal = Dismissal { reason, explanation };
    Action::Dismiss {
        worker,
        name,
        dismissal,
    }
}
