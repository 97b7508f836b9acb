//! Costs and parameters are those of `shared::reference`, to the last bit: whenever they are sent out, written down, or
//! said to be the result.
//!
//! One thing is beyond what Lockstep promises: where a single worker gave the only opinion on a node, and it was wrong, but
//! a number. From then on nothing is expected of the numbers of this run any more.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use coordinator::engine::{Action, NodeAnswers};
use shared::LeafRange;
use shared::ids::{Iteration, WorkerId};
use shared::parameters::digest_of_le_bytes;

use super::{Invariant, Sight};
use crate::problem::Problem;
use crate::worker::Lie;

pub const ORACLE: &str = "the bits are the oracle's";

#[derive(Debug)]
pub struct Oracle {
    problem: Rc<Problem>,
    names: BTreeMap<WorkerId, String>,
    lies: BTreeSet<(String, Iteration, LeafRange)>,
    /// Whether a lie that nobody could notice was believed.
    deceived: bool,
}

impl Oracle {
    pub fn new(problem: Rc<Problem>) -> Self {
        Self {
            problem,
            names: BTreeMap::new(),
            lies: BTreeSet::new(),
            deceived: false,
        }
    }

    fn is_deceived_by(&self, iteration: Iteration, NodeAnswers { node, workers }: &NodeAnswers) -> bool {
        let [only] = workers[..] else {
            return false;
        };
        let name = self.names.get(&only);
        name.is_some_and(|name| self.lies.contains(&(name.clone(), iteration, *node)))
    }

    fn expect_parameters(&self, updates: u64, found: &[u8]) -> Result<(), String> {
        let expected = self.problem.parameters.get(updates as usize);
        if expected.is_some_and(|expected| expected == found) {
            return Ok(());
        }
        let first = expected.map(|expected| expected.iter().zip(found).position(|(one, two)| one != two));
        Err(format!(
            "found other parameters after {updates} updates; the first byte that differs is {first:?}"
        ))
    }

    fn expect_costs(&self, found: &[f64]) -> Result<(), String> {
        for (iteration, (found, expected)) in found.iter().zip(&self.problem.costs).enumerate() {
            if found.to_bits() != expected.to_bits() {
                return Err(format!(
                    "found a cost of {found} in iteration {iteration}, expected {expected}"
                ));
            }
        }
        Ok(())
    }

    fn compare(&self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Parameters { updates, parameters } => self.expect_parameters(*updates, parameters),
            Sight::Saves(checkpoint) => {
                self.expect_costs(&checkpoint.costs)?;
                self.expect_parameters(checkpoint.costs.len() as u64, &checkpoint.parameters)
            }
            Sight::Completes { costs, parameters } => {
                let (found, expected) = (costs.len(), self.problem.costs.len());
                if found != expected {
                    return Err(format!("found {found} costs, expected {expected}"));
                }
                self.expect_costs(costs)?;
                self.expect_parameters(expected as u64, parameters)
            }
            Sight::Fails(how) => Err(format!(
                "found a run that failed ({how}), expected one that is complete"
            )),
            Sight::Hears { name, digest } => {
                let parameters = self.problem.parameters.last().map(|bytes| &bytes[..]);
                let expected = digest_of_le_bytes(&self.problem.run.sizes, parameters.unwrap_or_default());
                if *digest == expected {
                    return Ok(());
                }
                Err(format!("found the digest {digest} told to {name}, expected {expected}"))
            }
            _ => Ok(()),
        }
    }
}

impl Invariant for Oracle {
    fn name(&self) -> &'static str {
        ORACLE
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Begins { .. } => {
                self.names.clear();
                self.lies.clear();
            }
            Sight::Numbers { worker, name } => {
                self.names.insert(*worker, (*name).to_owned());
            }
            Sight::Lies {
                name,
                iteration,
                node,
                lie,
            } if *lie != Lie::NotANumber => {
                self.lies.insert(((*name).to_owned(), *iteration, *node));
            }
            Sight::Decides(Action::Update { iteration, sums }) => {
                self.deceived |= sums.iter().any(|answers| self.is_deceived_by(*iteration, answers));
            }
            _ => {}
        }
        if self.deceived { Ok(()) } else { self.compare(sight) }
    }
}
