//! No block counts twice in an update.

use coordinator::engine::Action;
use shared::Tree;

use super::{Invariant, Sight};

pub const EVERY_BLOCK_ONCE: &str = "no block counts twice";

#[derive(Debug)]
pub struct EveryBlockOnce {
    tree: Tree,
}

impl EveryBlockOnce {
    pub fn new(tree: Tree) -> Self {
        Self { tree }
    }
}

impl Invariant for EveryBlockOnce {
    fn name(&self) -> &'static str {
        EVERY_BLOCK_ONCE
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Decides(Action::Update { iteration, sums }) = sight else {
            return Ok(());
        };
        let mut counted = vec![0; self.tree.leaves()];
        for answers in sums {
            if !self.tree.is_node(answers.node) {
                return Err(format!(
                    "found blocks {} in {iteration:?}, which are no node",
                    answers.node
                ));
            }
            answers.node.leaves().for_each(|block| counted[block] += 1);
        }
        match counted.iter().position(|&times| times > 1) {
            Some(block) => Err(format!(
                "found block {block} {} times in the update of {iteration:?}",
                counted[block]
            )),
            None => Ok(()),
        }
    }
}
