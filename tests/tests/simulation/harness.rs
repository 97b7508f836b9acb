//! That the simulation finds what it is there to find, and that a seed is enough to see it again.

use std::collections::BTreeSet;

use crate::chronicle;
use crate::invariants::{EVERY_BLOCK_ONCE, FULL_COVER, GOOD_CONDUCT, NOBODY_WAITS, ONE_STEP, ORACLE, Violation};
use crate::planted::Bug;

/// The first of `seeds` seeds in whose run `bug` is noticed, and by which invariant.
fn found(bug: Bug, seeds: u64) -> Option<(u64, &'static str)> {
    (0..seeds).find_map(|seed| {
        let Violation { invariant, .. } = chronicle(seed, Some(bug), false).violation?;
        Some((seed, invariant))
    })
}

/// Whether `bug` is noticed within `seeds` seeds by `invariant`.
#[track_caller]
fn is_found(bug: Bug, invariant: &str, seeds: u64) {
    let found = found(bug, seeds);
    assert_eq!(found.map(|(_, by)| by), Some(invariant), "{bug:?}: {found:?}");
}

#[test]
fn a_node_that_counts_twice_is_found() {
    is_found(Bug::CountsANodeTwice, EVERY_BLOCK_ONCE, 20);
}

#[test]
fn a_block_that_is_lost_is_found() {
    is_found(Bug::LosesABlock, FULL_COVER, 20);
}

#[test]
fn an_update_before_the_last_chunk_is_found() {
    is_found(Bug::DoesNotWaitForTheLastChunk, FULL_COVER, 20);
}

#[test]
fn answers_of_another_iteration_that_count_are_found() {
    is_found(Bug::TakesOldAnswers, FULL_COVER, 20);
}

#[test]
fn numbers_of_another_iteration_are_found() {
    // Where a node is audited they differ from the second opinion, and somebody honest is blamed.
    let by: BTreeSet<_> = (0..20)
        .filter_map(|seed| chronicle(seed, Some(Bug::KeepsOldNumbers), false).violation)
        .map(|violation| violation.invariant)
        .collect();
    assert_eq!(by, BTreeSet::from([GOOD_CONDUCT, ORACLE]));
}

#[test]
fn an_update_that_is_made_twice_is_found() {
    is_found(Bug::UpdatesTwice, ONE_STEP, 20);
}

#[test]
fn a_checkpoint_with_the_wrong_number_of_updates_is_found() {
    is_found(Bug::MiscountsCheckpoints, ONE_STEP, 50);
}

#[test]
fn blame_for_an_old_answer_is_found() {
    is_found(Bug::BlamesForOldAnswers, GOOD_CONDUCT, 200);
}

#[test]
fn the_work_of_a_lost_worker_that_nobody_is_asked_for_is_found() {
    is_found(Bug::ForgetsTheWorkOfTheLost, NOBODY_WAITS, 100);
}

#[test]
fn a_silent_worker_that_is_waited_for_is_found() {
    is_found(Bug::NeverGivesUpTheSilent, NOBODY_WAITS, 200);
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    for seed in 0..20 {
        let [one, two] = [(); 2].map(|()| chronicle(seed, None, true));
        assert!(one.trace.len() > 50, "seed {seed}: {:?}", one.trace);
        assert_eq!((one.trace, one.violation), (two.trace, two.violation), "seed {seed}");
    }
}
