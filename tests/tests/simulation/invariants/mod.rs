//! What must hold in every run, whatever happens to it. Each invariant is told what can be seen of the run, and says when
//! it sees something that must not be.

mod every_block_once;
mod full_cover;
mod good_conduct;
mod nobody_waits;
mod one_step;
mod oracle;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use coordinator::engine::Action;
use proto::Dismissal;
use shared::ids::{Iteration, WorkerId};
use shared::{Digest, LeafRange};

use crate::coordinator::Checkpoint;
use crate::problem::Problem;
use crate::worker::Lie;

pub use every_block_once::EVERY_BLOCK_ONCE;
pub use full_cover::FULL_COVER;
pub use good_conduct::GOOD_CONDUCT;
pub use nobody_waits::NOBODY_WAITS;
pub use one_step::ONE_STEP;
pub use oracle::ORACLE;

/// Something that can be seen of a run.
#[derive(Debug)]
pub enum Sight<'a> {
    /// A coordinator's process begins, after this many updates.
    Begins { updates: u64 },
    /// The coordinator has given a worker a number.
    Numbers { worker: WorkerId, name: &'a str },
    /// The engine has decided something.
    Decides(&'a Action),
    /// The coordinator sends out the parameters after this many updates.
    Parameters { updates: u64, parameters: &'a Bytes },
    /// A state is written down.
    Saves(&'a Checkpoint),
    /// The coordinator says that the run is complete.
    Completes { costs: &'a [f64], parameters: &'a Bytes },
    /// The coordinator says that the run has failed.
    Fails(&'a str),
    /// A worker hears that the run is complete.
    Hears { name: &'a str, digest: Digest },
    /// A worker's session does not accept what the coordinator sent.
    Refuses { name: &'a str, what: &'a str },
    /// A worker is told to leave.
    Leaves { name: &'a str, dismissal: &'a Dismissal },
    /// A worker sends wrong numbers.
    Lies {
        name: &'a str,
        iteration: Iteration,
        node: LeafRange,
        lie: Lie,
    },
    /// A worker sends what it has sent before in the same iteration.
    Repeats { name: &'a str },
    /// Somebody is disturbed.
    Strikes,
    /// Nobody is disturbed any more.
    CalmsDown { at: Duration, patience: Duration },
    /// Time has come to this, and something is going to happen.
    Continues { at: Duration },
    /// Nothing is ever going to happen again, although somebody waits.
    Stalls,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// What was found and what was expected.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Something that must hold.
trait Invariant: fmt::Debug {
    fn name(&self) -> &'static str;

    /// Takes note of what is seen; an error says what must not be.
    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String>;
}

/// All invariants of a run.
#[derive(Debug)]
pub struct Invariants {
    all: Vec<Box<dyn Invariant>>,
    violation: Option<Violation>,
}

impl Invariants {
    pub fn of(problem: &Rc<Problem>) -> Self {
        let tree = &problem.run.tree;
        let sum_len = problem.run.sizes.parameters() + 1;
        let number_bytes = problem.run.precision.sums().bytes();
        Self {
            all: vec![
                Box::new(one_step::OneStep::default()),
                Box::new(every_block_once::EveryBlockOnce::new(tree.clone())),
                Box::new(full_cover::FullCover::new(tree.clone(), sum_len, number_bytes)),
                Box::new(good_conduct::GoodConduct::default()),
                Box::new(oracle::Oracle::new(Rc::clone(problem))),
                Box::new(nobody_waits::NobodyWaits::default()),
            ],
            violation: None,
        }
    }

    /// Shows something to all invariants.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for invariant in &mut self.all {
            if let (None, Err(what)) = (&self.violation, invariant.see(sight)) {
                let invariant = invariant.name();
                self.violation = Some(Violation { invariant, what });
            }
        }
    }

    /// The first violation.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }
}
