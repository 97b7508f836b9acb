//! The worker's arithmetic, given what the session lets through, as the worker's shell gives it.

use proto::Run;
use shared::LeafRange;
use worker::arriving::Arriving;
use worker::compute::{Order, Outcome, Workbench};
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
    /// Parameters and gradients.
    arriving: Arriving,
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
                    (self.working, self.arriving) = (fits, Arriving::default());
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
                Action::Store(chunk) => self.arriving.store(chunk, run),
                Action::StoreGradient(chunk) => self.arriving.store_gradient(chunk, run),
                Action::Parameters(_) => self.order(Arriving::parameters),
                Action::Gradient(_) => self.order(Arriving::gradient),
                Action::Compute(iteration, nodes) => {
                    let outcome = self.workbench.perform(Order::Compute(*iteration, nodes.clone()));
                    expect_sums(run, nodes, outcome)?;
                }
                _ => {}
            }
        }
        Ok(laid_out)
    }

    /// Orders what is to be done with numbers that have arrived, and gives their memory back.
    fn order(&mut self, arrived: impl Fn(&mut Arriving) -> Option<Order>) {
        let outcome = arrived(&mut self.arriving).and_then(|order| self.workbench.perform(order));
        if let Some(Outcome::Spare(spare)) = outcome {
            self.arriving.reuse(spare);
        }
    }
}

/// There must be a whole row of sums for every node.
fn expect_sums(run: &Run, nodes: &[LeafRange], outcome: Option<Outcome>) -> Result<(), String> {
    let Some(Outcome::Sums { nodes: found, .. }) = outcome else {
        return Err(format!("computing gave {outcome:?}"));
    };
    let bytes = (run.sizes.parameters() + 1) * run.precision.sums().bytes();
    let right = found.len() == nodes.len()
        && found
            .iter()
            .zip(nodes)
            .all(|((found, sums), node)| found == node && sums.len() == bytes);
    ensure(right, || format!("found sums {found:?} for {nodes:?}"))
}
