//! Signs of life: when to give one, and who has given none for too long.

use std::time::Duration;

use proto::heartbeat_interval;
use shared::ids::WorkerId;

use super::roster::Roster;
use super::time::RunTime;

/// The engine's eye on time. Everything is derived from one setting, the worker timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    timeout: Duration,
    heartbeat: RunTime,
    last: RunTime,
}

impl Watch {
    pub(super) fn new(timeout: Duration, now: RunTime) -> Self {
        Self {
            timeout,
            heartbeat: now,
            last: now,
        }
    }

    /// Notes that time has come to `now`. If this process itself was stopped, nobody is blamed for the silence.
    pub(super) fn advance(&mut self, now: RunTime, roster: &mut Roster) {
        let slept = now.since(self.last);
        self.last = now;
        if slept > heartbeat_interval(self.timeout) * 2 {
            for (_, member) in roster.members_mut() {
                member.heard = RunTime(member.heard.0 + slept);
            }
        }
    }

    /// Whether it is time to give a sign of life; the next one is due an interval later.
    pub(super) fn heartbeat_is_due(&mut self, now: RunTime) -> bool {
        let due = now >= self.heartbeat;
        if due {
            self.heartbeat = RunTime(now.0 + heartbeat_interval(self.timeout));
        }
        due
    }

    /// Members that have been silent for too long.
    pub(super) fn silent(&self, now: RunTime, roster: &Roster) -> Vec<WorkerId> {
        let is_silent = |heard: RunTime| now.since(heard) >= self.timeout;
        roster
            .members()
            .filter(|(_, member)| is_silent(member.heard))
            .map(|(worker, _)| worker)
            .collect()
    }

    /// When to look again.
    pub(super) fn next_deadline(&self, roster: &Roster) -> RunTime {
        let silences = roster
            .members()
            .map(|(_, member)| RunTime(member.heard.0 + self.timeout));
        silences.fold(self.heartbeat, RunTime::min)
    }
}
