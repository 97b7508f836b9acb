//! Who computes which blocks: the shards of the iterations under way, and those that are being prepared.
//!
//! ```text
//!   a worker is gone       ▶ shared out at once among those that have their columns; what is missing travels first
//!   a worker has joined,   ▶ prepared: missing columns travel beside the iterations; the shards change when all hold them
//!   or speeds have changed
//! ```
//!
//! Shards change how long an iteration takes, never its result.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::WorkerId;
use shared::plan::{Slowness, cost, plan, plan_uneven};
use shared::{BlockSet, LeafRange, Tree};

use super::action::Action;
use super::roster::Roster;

/// Bytes of columns that are taken to travel in a nanosecond, to judge whether moving them pays: 100 MB/s.
const BYTES_PER_NANOSECOND: f64 = 0.1;

/// The shards of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sharing {
    /// Whether speeds are of no interest.
    even: bool,
    now: Shares,
    /// Those that are being prepared.
    next: Option<Shares>,
}

/// Shards, and the workers among which the blocks were shared out; with few blocks some have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shares {
    shards: BTreeMap<WorkerId, LeafRange>,
    among: BTreeSet<WorkerId>,
}

impl Sharing {
    /// Nothing is shared out yet. `even` shards are as equal as the blocks allow, whatever the workers' speeds.
    pub(super) fn new(even: bool) -> Self {
        Self {
            even,
            now: Shares::default(),
            next: None,
        }
    }

    /// The shards of the next iteration.
    pub(super) fn shards(&self) -> &BTreeMap<WorkerId, LeafRange> {
        &self.now.shards
    }

    /// Workers that have no shard although they were considered.
    pub(super) fn idle(&self) -> usize {
        self.now.among.len() - self.now.shards.len()
    }

    /// A worker is gone, so shards that were prepared with it are of no use.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        self.next.take_if(|next| next.among.contains(&worker));
    }

    /// Gives a newcomer columns while others are still to join: the first shard, of those that `workers` equal workers
    /// will have, that touches nothing which a member holds. `None` if it brought columns, or there is no such shard.
    pub(super) fn share_ahead(
        &self,
        tree: &Tree,
        roster: &mut Roster,
        newcomer: WorkerId,
        workers: usize,
    ) -> Option<Action> {
        if !roster.get(newcomer)?.held.is_empty() {
            return None;
        }
        let is_free = |shard: &BlockSet| {
            roster
                .members()
                .all(|(_, member)| shard.difference(&member.held) == *shard)
        };
        let shard = plan(tree, workers).into_iter().map(BlockSet::from).find(is_free)?;
        hold_also(roster, newcomer, &shard)
    }

    /// Shares all blocks out among all members; everyone is told what to hold.
    pub(super) fn share_among_all(&mut self, tree: &Tree, roster: &mut Roster) -> Vec<Action> {
        self.next = None;
        self.now = self.shares(tree, roster, roster.workers().collect());
        hold_shards(&self.now.shards, roster)
    }

    /// Makes the shards fit the members, before an iteration.
    pub(super) fn refresh(&mut self, tree: &Tree, roster: &mut Roster) -> Vec<Action> {
        let is_ready = |roster: &Roster, worker| roster.get(worker).is_some_and(|member| member.unready == 0);
        if let Some(next) = self
            .next
            .take_if(|next| next.among.iter().all(|&worker| is_ready(roster, worker)))
        {
            self.now = next;
            roster.members_mut().for_each(|(_, member)| member.measure_anew());
            return hold_shards(&self.now.shards, roster);
        }
        let is_gone = |worker: &WorkerId| roster.get(*worker).is_none();
        if !self.now.shards.is_empty() && !self.now.shards.keys().any(is_gone) {
            return Vec::new();
        }
        let mut among: BTreeSet<_> = roster.workers().filter(|&worker| is_ready(roster, worker)).collect();
        if among.is_empty() {
            among = roster.workers().collect();
        }
        self.now = self.shares(tree, roster, among);
        hold_shards(&self.now.shards, roster)
    }

    /// Prepares other shards if there are workers that were not considered, or if by the workers' speeds the iterations
    /// that are left gain more time than moving the columns takes. Returns what is to be sent, and whether it was
    /// because of the speeds.
    pub(super) fn prepare(
        &mut self,
        tree: &Tree,
        roster: &mut Roster,
        column_bytes: usize,
        iterations_left: u64,
    ) -> (Vec<Action>, bool) {
        if self.next.is_some() {
            return (Vec::new(), false);
        }
        let newcomers = roster.workers().any(|worker| !self.now.among.contains(&worker));
        if !newcomers && (self.even || !could_gain(tree, roster, &self.now.shards)) {
            return (Vec::new(), false);
        }
        let next = self.shares(tree, roster, roster.workers().collect());
        if next.shards == self.now.shards {
            self.now.among = next.among;
            return (Vec::new(), false);
        }
        let pays = || {
            let gain = gain(tree, roster, &self.now.shards, &next.shards)?;
            let columns: usize = missing(&next.shards, roster)
                .map(|(_, blocks)| blocks.columns(tree))
                .sum();
            let moving = columns as f64 * column_bytes as f64 / BYTES_PER_NANOSECOND;
            Some(gain * iterations_left as f64 > moving)
        };
        if !newcomers && pays() != Some(true) {
            return (Vec::new(), false);
        }
        let assignments: Vec<_> = missing(&next.shards, roster).collect();
        let actions = assignments
            .into_iter()
            .filter_map(|(worker, blocks)| hold_also(roster, worker, &blocks))
            .collect();
        self.next = Some(next);
        (actions, !newcomers)
    }

    /// The best shards for these workers. Their order is that of the blocks they have, so that few columns move.
    fn shares(&self, tree: &Tree, roster: &Roster, among: BTreeSet<WorkerId>) -> Shares {
        // The middle of what a worker has, doubled: what comes back may have held the first part of another's shard.
        let middle = |first: LeafRange, last: LeafRange| first.first() + last.end();
        let place = |worker: &WorkerId| {
            let middle = match self.now.shards.get(worker) {
                Some(&shard) => Some(middle(shard, shard)),
                None => roster.get(*worker).and_then(|member| {
                    let held = member.held.ranges();
                    Some(middle(*held.first()?, *held.last()?))
                }),
            };
            (middle.unwrap_or(u32::MAX), *worker)
        };
        let mut ordered: Vec<_> = among.iter().copied().collect();
        ordered.sort_by_key(place);
        let known: Vec<_> = ordered
            .iter()
            .map(|&worker| roster.get(worker).filter(|_| !self.even)?.slowness())
            .collect();
        let mut sorted: Vec<_> = known.iter().copied().flatten().collect();
        sorted.sort_unstable();
        let typical = sorted.get(sorted.len() / 2).copied().unwrap_or(Slowness::EVEN);
        let slowness: Vec<_> = known.into_iter().map(|known| known.unwrap_or(typical)).collect();
        let shards = if ordered.is_empty() {
            BTreeMap::new()
        } else {
            ordered.into_iter().zip(plan_uneven(tree, &slowness)).collect()
        };
        Shares { shards, among }
    }
}

/// The time that each shard takes its worker, if all speeds are known.
fn times(tree: &Tree, roster: &Roster, shards: &BTreeMap<WorkerId, LeafRange>) -> Option<Vec<u64>> {
    let time = |(&worker, &shard): (&WorkerId, &LeafRange)| Some(cost(tree, shard, roster.get(worker)?.slowness()?));
    shards.iter().map(time).collect()
}

/// Whether the longest time is so far above the mean that other shards could make it a third shorter. A cheap test,
/// made before every iteration.
fn could_gain(tree: &Tree, roster: &Roster, shards: &BTreeMap<WorkerId, LeafRange>) -> bool {
    times(tree, roster, shards).is_some_and(|times| {
        let longest = times.iter().max().copied().unwrap_or_default();
        times.iter().sum::<u64>() / times.len().max(1) as u64 <= longest / 3 * 2
    })
}

/// The nanoseconds that an iteration gains by the next shards, if all speeds are known and others are a third shorter.
fn gain(
    tree: &Tree,
    roster: &Roster,
    now: &BTreeMap<WorkerId, LeafRange>,
    next: &BTreeMap<WorkerId, LeafRange>,
) -> Option<f64> {
    let longest = |shards| times(tree, roster, shards)?.into_iter().max();
    let (now, next) = (longest(now)?, longest(next)?);
    (next <= now / 3 * 2).then(|| (now - next) as f64)
}

/// What each worker lacks for its shard.
fn missing<'a>(
    shards: &'a BTreeMap<WorkerId, LeafRange>,
    roster: &'a Roster,
) -> impl Iterator<Item = (WorkerId, BlockSet)> + 'a {
    shards.iter().filter_map(|(&worker, &shard)| {
        let lacks = BlockSet::from(shard).difference(&roster.get(worker)?.held);
        (!lacks.is_empty()).then_some((worker, lacks))
    })
}

/// Tells every member to hold its shard and nothing else, if that is not what it holds.
fn hold_shards(shards: &BTreeMap<WorkerId, LeafRange>, roster: &mut Roster) -> Vec<Action> {
    let mut actions = Vec::new();
    for (worker, member) in roster.members_mut() {
        let hold = shards
            .get(&worker)
            .map_or_else(BlockSet::default, |&shard| shard.into());
        if hold == member.held {
            continue;
        }
        let missing = hold.difference(&member.held);
        member.held = hold.clone();
        member.unready += 1;
        actions.push(Action::Assign { worker, hold, missing });
    }
    actions
}

/// Tells a worker to hold more; `None` if it holds all of it.
pub(super) fn hold_also(roster: &mut Roster, worker: WorkerId, blocks: &BlockSet) -> Option<Action> {
    let member = roster.get_mut(worker)?;
    let missing = blocks.difference(&member.held);
    if missing.is_empty() {
        return None;
    }
    member.held = member.held.union(blocks);
    member.unready += 1;
    let hold = member.held.clone();
    Some(Action::Assign { worker, hold, missing })
}
