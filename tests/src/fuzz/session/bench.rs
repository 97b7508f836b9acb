//! The worker's arithmetic, given what the session lets through, as the worker's shell gives it.

use proto::Run;
use shared::{AnyParameters, LeafRange};
use worker::compute::{Order, Outcome, Workbench, store};
use worker::limits::Demand;
use worker::session::Action;

use super::witness::Witness;
use crate::fuzz::ensure;

/// Runs that would take more memory are not computed with; the session refuses them too, at a higher limit.
const MOST_BYTES: u128 = 80 << 20;

/// A worker's arithmetic.
#[derive(Debug, Default)]
pub struct Bench {
    workbench: Workbench,
    /// Parameters that are arriving.
    incoming: Option<AnyParameters>,
    /// Whether the run is one that can be computed with here, and nothing was refused yet.
    working: bool,
}

impl Bench {
    /// Does what the session wants done. Returns how many shipments it has laid out.
    pub fn perform(&mut self, actions: &[Action], witness: &Witness) -> Result<usize, String> {
        let Some(run) = witness.run() else {
            return Ok(0);
        };
        let demand = Demand {
            run,
            held: witness.held(),
            arriving: &[witness.held()],
            nodes: None,
            threads: 2,
        };
        let fits = demand.bytes() <= MOST_BYTES;
        let mut laid_out = 0;
        for action in actions {
            match action {
                Action::Join { keep_columns, .. } => {
                    (self.working, self.incoming) = (fits, None);
                    if fits && !keep_columns {
                        self.workbench.perform(Order::Start(Box::new(run.clone())));
                    }
                }
                Action::Hold(_) if !self.working => laid_out += 1,
                _ if !self.working => {}
                Action::Retain(blocks) => drop(self.workbench.perform(Order::Retain(blocks.clone()))),
                Action::Hold(shipment) => match self.workbench.perform(Order::Hold(shipment.clone())) {
                    Some(Outcome::Held) => laid_out += 1,
                    Some(Outcome::Refused(_)) => self.working = false,
                    other => return Err(format!("laying out gave {other:?}")),
                },
                Action::Store(chunk) => {
                    let memory = || AnyParameters::zeros(run.sizes.clone(), run.precision);
                    store(chunk, self.incoming.get_or_insert_with(memory));
                }
                Action::Parameters(_) => {
                    if let Some(parameters) = self.incoming.take() {
                        self.workbench.perform(Order::Parameters(parameters));
                    }
                }
                Action::Compute(iteration, nodes) => {
                    let outcome = self.workbench.perform(Order::Compute(*iteration, nodes.clone()));
                    expect_sums(run, nodes, outcome)?;
                }
                _ => {}
            }
        }
        Ok(laid_out)
    }
}

/// There must be a whole row of sums for every node.
fn expect_sums(run: &Run, nodes: &[LeafRange], outcome: Option<Outcome>) -> Result<(), String> {
    let Some(Outcome::Sums { nodes: found, .. }) = outcome else {
        return Err(format!("computing gave {outcome:?}"));
    };
    let bytes = (run.sizes.parameters() + 1) * run.precision.bytes();
    let right = found.len() == nodes.len()
        && found
            .iter()
            .zip(nodes)
            .all(|((found, sums), node)| found == node && sums.len() == bytes);
    ensure(right, || format!("found sums {found:?} for {nodes:?}"))
}
