//! Who takes part in a run.

use std::collections::BTreeMap;

use shared::ids::WorkerId;

use super::member::Member;

/// The members of a run, in the order of joining.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(BTreeMap<WorkerId, Member>);

impl Roster {
    pub(super) fn add(&mut self, worker: WorkerId, member: Member) {
        self.0.insert(worker, member);
    }

    pub(super) fn remove(&mut self, worker: WorkerId) -> Option<Member> {
        self.0.remove(&worker)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The member with this number.
    pub fn get(&self, worker: WorkerId) -> Option<&Member> {
        self.0.get(&worker)
    }

    pub(super) fn get_mut(&mut self, worker: WorkerId) -> Option<&mut Member> {
        self.0.get_mut(&worker)
    }

    /// Whether a member has this name.
    pub fn has_name(&self, name: &str) -> bool {
        self.0.values().any(|member| member.name == name)
    }

    /// All numbers in ascending order.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> + '_ {
        self.0.keys().copied()
    }

    /// All members in the order of joining.
    pub fn members(&self) -> impl Iterator<Item = (WorkerId, &Member)> {
        self.0.iter().map(|(&worker, member)| (worker, member))
    }

    pub(super) fn members_mut(&mut self) -> impl Iterator<Item = (WorkerId, &mut Member)> {
        self.0.iter_mut().map(|(&worker, member)| (worker, member))
    }

    /// The threads of all members together.
    pub fn threads(&self) -> u64 {
        self.0.values().map(|member| u64::from(member.threads)).sum()
    }
}
