//! Iterations advance by one: each is updated once, and its cost reported once, in order; parameters are sent out for it
//! alone.

use coordinator::engine::Action;
use shared::ids::Iteration;

use super::{Invariant, Sight};

pub const ONE_STEP: &str = "iterations advance by one";

#[derive(Debug, Default)]
pub struct OneStep {
    /// Updates ordered, and costs reported.
    ordered: u64,
    reported: u64,
}

impl Invariant for OneStep {
    fn name(&self) -> &'static str {
        ONE_STEP
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let expect = |what, Iteration(found): Iteration, expected: u64| {
            if found == expected {
                Ok(())
            } else {
                Err(format!("found {what} iteration {found}, expected iteration {expected}"))
            }
        };
        let Self { ordered, reported } = *self;
        match sight {
            Sight::Begins { updates } => (self.ordered, self.reported) = (*updates, *updates),
            Sight::Decides(Action::Update { iteration, .. }) => {
                expect("the update of", *iteration, ordered)?;
                expect("an update before the cost of the last one, of", *iteration, reported)?;
                self.ordered += 1;
            }
            Sight::Decides(Action::ReportCost { iteration, .. }) => {
                expect("the cost of", *iteration, reported)?;
                self.reported += 1;
                expect("the cost without the update of", *iteration, self.ordered - 1)?;
            }
            Sight::Decides(Action::Broadcast { iteration, .. } | Action::BroadcastGradient { iteration, .. }) => {
                expect("parameters for", *iteration, reported)?;
                expect("parameters during the update of", *iteration, ordered)?;
            }
            Sight::Decides(Action::Compute { iteration, .. }) => expect("work for", *iteration, reported)?,
            Sight::Decides(Action::SaveCheckpoint { updates }) => {
                expect("a checkpoint after", Iteration(*updates), reported)?;
            }
            _ => {}
        }
        Ok(())
    }
}
