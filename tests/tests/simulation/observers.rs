//! What looks at a run, and may spoil it.

use std::collections::BTreeMap;

use coordinator::engine::{Action, Report};
use proto::Reason;

use crate::invariants::{Invariants, Sight};
use crate::planted::Planted;

/// Those that are shown everything.
#[derive(Debug)]
pub struct Observers {
    pub invariants: Invariants,
    pub planted: Planted,
    pub tally: Tally,
}

impl Observers {
    pub fn see(&mut self, sight: &Sight<'_>) {
        self.tally.see(sight);
        self.invariants.see(sight);
    }
}

/// How often things have happened, to know that the adversary reaches all that it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<&'static str, u64>);

impl Tally {
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (&what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    fn see(&mut self, sight: &Sight<'_>) {
        let what = match sight {
            Sight::Decides(action) => return decided(action).into_iter().for_each(|what| self.count(what)),
            Sight::Begins { updates } if *updates > 0 => "resumed",
            Sight::Completes { .. } => "complete",
            Sight::Saves(_) => "state written",
            Sight::Hears { .. } => "heard of the end",
            Sight::Lies { .. } => "lied",
            _ => return,
        };
        self.count(what);
    }
}

fn decided(action: &Action) -> Option<&'static str> {
    Some(match action {
        Action::Report(report) => match report {
            Report::Gathering { .. } => "gathering",
            Report::Begins { waiting: 0 } => "begun with all",
            Report::Begins { .. } => "begun without the slow",
            Report::Idle { .. } => "idle",
            Report::Joined { .. } => "joined late",
            Report::Lost { .. } => "lost",
            Report::Paused { .. } => "paused",
            Report::GoesOn { .. } => "went on",
            Report::SharedAnew => "shared anew",
            Report::Repeated { .. } => "repeated",
        },
        Action::Dismiss { dismissal, .. } => match dismissal.reason {
            Reason::Silence => "dismissed for silence",
            Reason::Misconduct if dismissal.explanation.contains("wrong sums") => "dismissed for wrong sums",
            Reason::Misconduct => "dismissed for misconduct",
            _ => "dismissed for another reason",
        },
        Action::Update { sums, .. } if sums.iter().any(|answers| answers.workers.len() > 1) => "audited update",
        Action::Stop(_) => "stopped",
        _ => return None,
    })
}
