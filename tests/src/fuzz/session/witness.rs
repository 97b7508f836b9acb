//! Looks at all that a session hears and decides, and says what does not fit together.

use std::time::Duration;

use proto::{FromCoordinator, FromWorker, Run, TensorChunk};
use shared::ids::Iteration;
use shared::{BlockSet, LeafRange, RealType};
use worker::session::{Action, Event, Holdings, Shipment, WELCOME_WITHIN};

use crate::fuzz::ensure;

/// What has been seen of a membership.
#[derive(Clone, Debug)]
pub struct Witness {
    /// What was offered, until the coordinator has answered.
    offered: Option<Holdings>,
    run: Option<Run>,
    /// What is laid out, or about to be.
    held: BlockSet,
    /// Shipments that are not laid out yet.
    unlaid: usize,
    /// The numbers of the parameters that have arrived, and for which iteration; whole ones that can be computed with.
    arrived: usize,
    whole: Option<Iteration>,
    heard: Duration,
    over: bool,
}

impl Witness {
    pub fn new(offered: Option<Holdings>, now: Duration) -> Self {
        Self {
            offered,
            run: None,
            held: BlockSet::default(),
            unlaid: 0,
            arrived: 0,
            whole: None,
            heard: now,
            over: false,
        }
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What the arithmetic can be given, if the worker is a member.
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    pub fn held(&self) -> &BlockSet {
        &self.held
    }

    pub fn unlaid(&self) -> usize {
        self.unlaid
    }

    /// The session was told `event`, and has decided this.
    pub fn see(&mut self, event: &Event, actions: &[Action], now: Duration) -> Result<(), String> {
        if matches!(event, Event::Message(_)) {
            self.heard = now;
        }
        for action in actions {
            ensure(!self.over, || "decided after the end".to_owned())
                .and_then(|()| self.see_action(event, action, now))
                .map_err(|what| format!("{what}, in {action:?} after {event:?}"))?;
        }
        Ok(())
    }

    fn see_action(&mut self, event: &Event, action: &Action, now: Duration) -> Result<(), String> {
        match (action, event) {
            (Action::Send(FromWorker::Ready), Event::Held) => {
                ensure(self.unlaid > 0, || "nothing was to be laid out".to_owned())?;
                self.unlaid -= 1;
                Ok(())
            }
            (Action::Send(FromWorker::Heartbeat), Event::DeadlinePassed) => Ok(()),
            (Action::Join { run, keep_columns, .. }, Event::Message(FromCoordinator::Welcome(welcome))) => {
                ensure(*run == welcome.run, || "joined another run".to_owned())?;
                self.join(run, *keep_columns)
            }
            (Action::Retain(blocks), Event::Message(FromCoordinator::Assignment(assigned))) => {
                let tree = &self.member()?.tree;
                ensure(blocks == assigned && blocks.is_within(tree), || {
                    "other blocks".to_owned()
                })?;
                let dropped = self.held.difference(blocks);
                self.held = self.held.difference(&dropped);
                Ok(())
            }
            (Action::Hold(shipment), Event::Message(_)) => self.hold(shipment),
            (Action::Store(chunk), Event::Message(FromCoordinator::Parameters(_, sent))) => {
                self.whole = None;
                self.store(chunk, sent, self.member()?.precision.parameters())
            }
            (Action::StoreGradient(chunk), Event::Message(FromCoordinator::Gradient(iteration, sent))) => {
                if chunk.offset == 0 {
                    let before = self.whole.take();
                    ensure(before.map(Iteration::next) == Some(*iteration), || {
                        format!("the parameters are those of {before:?}")
                    })?;
                }
                self.store(chunk, sent, self.member()?.precision.sums())
            }
            (Action::Parameters(iteration), Event::Message(FromCoordinator::Parameters(sent, _)))
            | (Action::Gradient(iteration), Event::Message(FromCoordinator::Gradient(sent, _))) => {
                let all = self.member()?.sizes.parameters();
                ensure(self.arrived == all && iteration == sent, || {
                    format!("{} parameters have arrived", self.arrived)
                })?;
                self.whole = Some(*iteration);
                Ok(())
            }
            (Action::Compute(iteration, nodes), Event::Message(FromCoordinator::Compute(..))) => {
                self.compute(*iteration, nodes)
            }
            (Action::Finish { .. }, Event::Message(FromCoordinator::Finished { .. }))
            | (Action::Leave(_), Event::Message(FromCoordinator::Dismissed(_))) => {
                self.over = true;
                Ok(())
            }
            (Action::GiveUp(_), Event::DeadlinePassed) => {
                self.over = true;
                let silence = now - self.heard;
                let timeout = self.run.as_ref().map_or(WELCOME_WITHIN, |run| run.worker_timeout);
                ensure(silence >= timeout, || format!("heard of it {silence:?} ago"))
            }
            (Action::StartAfresh, Event::Message(FromCoordinator::Welcome(_))) => {
                self.over = true;
                ensure(self.offered.is_some(), || "nothing was offered".to_owned())
            }
            _ => Err("that does not follow".to_owned()),
        }
    }

    fn join(&mut self, run: &Run, keep_columns: bool) -> Result<(), String> {
        ensure(self.run.is_none(), || "joined once more".to_owned())?;
        self.run = Some(run.clone());
        let offered = self.offered.take().filter(|_| keep_columns);
        let fits = |held: &Holdings| held.run.data == run.data && held.run.tree == run.tree;
        ensure(offered.as_ref().map(fits) != Some(false), || {
            "keeps columns of other data".to_owned()
        })?;
        self.held = offered.map(|held| held.blocks).unwrap_or_default();
        Ok(())
    }

    fn member(&self) -> Result<&Run, String> {
        self.run.as_ref().ok_or_else(|| "it is no member".to_owned())
    }

    fn hold(&mut self, shipment: &Shipment) -> Result<(), String> {
        let run = self.member()?;
        let blocks = &shipment.blocks;
        ensure(blocks.is_within(&run.tree), || "blocks beyond the last".to_owned())?;
        ensure(blocks.difference(&self.held) == *blocks, || {
            "blocks that are held".to_owned()
        })?;
        let complete = shipment.columns.is_complete() && shipment.labels.is_complete();
        let labels = shipment.labels.numbers::<u8>().len();
        ensure(complete && labels == blocks.columns(&run.tree), || {
            "columns are missing".to_owned()
        })?;
        self.held = self.held.union(blocks);
        self.unlaid += 1;
        Ok(())
    }

    fn store(&mut self, chunk: &TensorChunk, sent: &TensorChunk, number: RealType) -> Result<(), String> {
        let run = self.member()?;
        let (all, number_bytes) = (run.sizes.parameters(), number.bytes());
        if chunk.offset == 0 {
            self.arrived = 0;
        }
        let end = chunk.offset as usize + chunk.data.len() / number_bytes;
        let continues = chunk == sent
            && chunk.offset == self.arrived as u64
            && chunk.data.len().is_multiple_of(number_bytes)
            && end <= all;
        self.arrived = end;
        ensure(continues, || "the chunk does not continue the parameters".to_owned())
    }

    fn compute(&self, iteration: Iteration, nodes: &[LeafRange]) -> Result<(), String> {
        let tree = &self.member()?.tree;
        ensure(self.whole == Some(iteration), || {
            format!("the parameters are those of {:?}", self.whole)
        })?;
        let can_be = |node: &LeafRange| tree.is_node(*node) && self.held.contains(*node);
        ensure(!nodes.is_empty() && nodes.iter().all(can_be), || {
            format!("blocks {} are held", self.held)
        })
    }
}
