//! Work that is late is repeated by others, and whichever answer comes first counts.

use super::*;

/// Three workers with a block each; 0 and 1 have answered 1 s after the iteration began at 2 s, 2 has not. Nobody's
/// heartbeats are missing.
fn third_is_late() -> Engine {
    let mut engine = training(3);
    engine.handle(Event::DeadlinePassed, at(2.0));
    engine.handle(answer(0, 0, (0, 1)), at(3.0));
    assert_eq!(
        engine.next_deadline(),
        Some(at(3.25)),
        "too few have answered to call anyone late"
    );
    engine.handle(answer(1, 0, (1, 2)), at(3.0));
    engine.handle(heartbeat(2), at(3.0));
    engine.handle(Event::DeadlinePassed, at(3.25));
    engine
}

/// The same, after worker 0 was asked to repeat its block.
fn third_is_repeated() -> Engine {
    let mut engine = third_is_late();
    let actions = [
        repeated(2, 0),
        assign(0, &[(0, 1), (2, 3)], &[(2, 3)]),
        compute(0, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.next_deadline(), Some(at(4.05)));
    assert_eq!(engine.handle(Event::DeadlinePassed, at(4.05)), actions);
    engine
}

#[test]
fn after_twice_the_time_of_the_others_and_a_little_an_idle_worker_repeats_the_late_work_once() {
    let mut engine = third_is_repeated();
    assert_eq!(engine.next_deadline(), Some(at(4.5)), "the next heartbeat");
    assert_eq!(engine.handle(Event::DeadlinePassed, at(4.5)), [Action::Heartbeat]);
}

#[test]
fn nothing_is_repeated_before_its_time() {
    let mut engine = third_is_late();
    assert_eq!(engine.handle(Event::DeadlinePassed, at(4.04)), []);
}

#[test]
fn if_the_repetition_comes_first_it_counts_and_the_late_worker_sits_out_until_it_has_answered() {
    let mut engine = third_is_repeated();
    engine.handle(ready(0), at(4.1));
    let sums: [(Blocks, &[u32]); 3] = [((0, 1), &[0]), ((1, 2), &[1]), ((2, 3), &[0])];
    let complete = [keep(0, 0, (2, 3)), update(0, &sums)];
    assert_eq!(engine.handle(answer(0, 0, (2, 3)), at(4.5)), complete);
    // Worker 0 has the columns of its block already.
    let next = [
        cost(0),
        broadcast(1, &[0, 1]),
        compute(0, 1, &[(0, 1)]),
        compute(1, 1, &[(1, 2)]),
        compute(0, 1, &[(2, 3)]),
    ];
    let actions = engine.handle(updated(0), at(4.5));
    assert_eq!(actions, next);
    assert_eq!(engine.handle(answer(2, 0, (2, 3)), at(4.6)), [], "its answer is late");
    for (worker, node) in [(0, (0, 1)), (1, (1, 2)), (0, (2, 3))] {
        engine.handle(answer(worker, 1, node), at(4.7));
    }
    let again = engine.handle(updated(1), at(4.8));
    assert!(
        again.contains(&broadcast(2, &[0, 1, 2])) && again.contains(&compute(2, 2, &[(2, 3)])),
        "{again:?}"
    );
}

#[test]
fn if_the_late_worker_comes_first_its_answer_counts_and_the_repetition_is_nothing() {
    let mut engine = third_is_repeated();
    let sums: [(Blocks, &[u32]); 3] = [((0, 1), &[0]), ((1, 2), &[1]), ((2, 3), &[2])];
    let complete = [keep(2, 0, (2, 3)), update(0, &sums)];
    assert_eq!(engine.handle(answer(2, 0, (2, 3)), at(4.1)), complete);
    assert_eq!(
        engine.handle(answer(0, 0, (2, 3)), at(4.1)),
        [],
        "the update is being made"
    );
    assert_eq!(engine.handle(ready(0), at(4.1)), []);
    engine.handle(updated(0), at(4.1));
    assert_eq!(engine.handle(answer(0, 1, (0, 1)), at(4.2)), [keep(0, 1, (0, 1))]);
}

#[test]
fn a_chunk_of_a_late_answer_that_comes_after_the_update_is_not_kept() {
    let mut engine = third_is_repeated();
    let half = chunk(0, (2, 3), 0, 2);
    assert_eq!(
        engine.handle(sum(2, half.clone()), at(4.1)),
        [Action::Keep(WorkerId(2), half)]
    );
    engine.handle(answer(0, 0, (2, 3)), at(4.2));
    engine.handle(updated(0), at(4.2));
    assert_eq!(engine.handle(sum(2, chunk(0, (2, 3), 2, 2)), at(4.3)), []);
}

#[test]
fn when_both_are_lost_the_block_is_computed_by_the_last() {
    let mut engine = third_is_repeated();
    assert_eq!(
        engine.handle(lost(2), at(4.1)),
        [lost_in(Some(0), 2)],
        "somebody repeats it"
    );
    let actions = [
        lost_in(Some(0), 0),
        assign(1, &[(1, 3)], &[(2, 3)]),
        compute(1, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(lost(0), at(4.1)), actions);
}

#[test]
fn a_worker_that_is_behind_gets_work_of_this_iteration_when_it_has_answered_that_of_an_earlier_one() {
    let mut engine = training(2);
    engine.handle(Event::DeadlinePassed, at(2.0));
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(heartbeat(1), at(3.0));
    engine.handle(Event::DeadlinePassed, at(4.05));
    engine.handle(ready(0), at(4.1));
    engine.handle(answer(0, 0, (2, 3)), at(4.1));
    let alone = [
        cost(0),
        broadcast(1, &[0]),
        compute(0, 1, &[(0, 2)]),
        compute(0, 1, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(0), at(4.1)), alone);
    // The other one is there, only late: that is no pause.
    assert_eq!(engine.handle(lost(0), at(4.2)), [lost_in(Some(1), 0)]);
    let goes_on = [
        assign(1, &[(0, 3)], &[(0, 2)]),
        broadcast(1, &[1]),
        compute(1, 1, &[(0, 2)]),
        compute(1, 1, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(answer(1, 0, (2, 3)), at(4.3)), goes_on);
}

#[test]
fn with_even_shards_nothing_is_repeated() {
    let config = EngineConfig {
        even_shards: true,
        ..config(3)
    };
    let mut engine = training_with(config, 3);
    engine.handle(answer(0, 0, (0, 1)), at(3.0));
    engine.handle(answer(1, 0, (1, 2)), at(3.0));
    engine.handle(heartbeat(2), at(3.0));
    while let Some(now) = engine.next_deadline().filter(|&now| now < at(7.0)) {
        assert_eq!(engine.handle(Event::DeadlinePassed, now), [Action::Heartbeat]);
    }
}
