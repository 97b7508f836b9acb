//! Who takes part in a run.

use std::collections::BTreeMap;

use proto::Hello;
use shared::ids::WorkerId;

/// The members of a run, in the order of joining.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(BTreeMap<WorkerId, Member>);

/// One worker that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What people call it.
    pub name: String,
    /// The threads it computes with.
    pub threads: u32,
}

impl Roster {
    pub(super) fn add(&mut self, worker: WorkerId, hello: Hello) {
        self.0.insert(
            worker,
            Member {
                name: hello.name,
                threads: hello.threads,
            },
        );
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

    /// The threads of all members together.
    pub fn threads(&self) -> u64 {
        self.0.values().map(|member| u64::from(member.threads)).sum()
    }
}
