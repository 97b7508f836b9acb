//! Workers whose streams end, in every phase, and runs with too few of them.

use super::*;

#[test]
fn the_blocks_of_a_worker_lost_while_columns_travel_go_to_the_others_before_the_first_iteration() {
    let mut engine = preparing(config(2), 2);
    let actions = [lost_in(None, 1), assign(0, &[(0, 3)], &[(2, 3)])];
    assert_eq!(engine.handle(lost(1), at(1.5)), actions);
    assert_eq!(
        engine.handle(ready(0), at(2.0)),
        [],
        "one of two assignments is answered"
    );
    let first = [begins(), broadcast(0, &[0]), compute(0, 0, &[(0, 3)])];
    assert_eq!(engine.handle(ready(0), at(2.0)), first);
}

#[test]
fn losing_all_workers_while_columns_travel_is_a_pause_and_the_next_worker_ends_it() {
    let mut engine = preparing(config(1), 1);
    assert_eq!(engine.handle(lost(0), at(1.5)), [lost_in(None, 0), paused(0, 0, 1)]);
    let next = [
        welcome(1),
        joined(1),
        goes_on(0),
        assign(1, &[(0, 3)], &[(0, 3)]),
        broadcast(0, &[1]),
        compute(1, 0, &[(0, 3)]),
    ];
    assert_eq!(engine.handle(hello(1), at(9.0)), next);
}

#[test]
fn the_blocks_of_a_worker_lost_in_an_iteration_are_computed_by_another_in_the_same_one() {
    let mut engine = training(2);
    // The columns that it lacks go first, the parameters it has.
    let actions = [
        lost_in(Some(0), 1),
        assign(0, &[(0, 3)], &[(2, 3)]),
        compute(0, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(lost(1), at(3.0)), actions);
    assert_eq!(engine.handle(answer(0, 0, (0, 2)), at(3.0)), [keep(0, 0, (0, 2))]);
    assert_eq!(engine.handle(ready(0), at(3.0)), []);
    let complete = [keep(0, 0, (2, 3)), update(0, &[((0, 2), &[0]), ((2, 3), &[0])])];
    assert_eq!(engine.handle(answer(0, 0, (2, 3)), at(3.0)), complete);
    let next = [cost(0), broadcast(1, &[0]), compute(0, 1, &[(0, 3)])];
    assert_eq!(engine.handle(updated(0), at(3.0)), next);
}

#[test]
fn what_a_lost_worker_has_answered_counts() {
    let mut engine = training(2);
    engine.handle(answer(1, 0, (2, 3)), at(3.0));
    assert_eq!(engine.handle(lost(1), at(3.0)), [lost_in(Some(0), 1)]);
    let complete = [keep(0, 0, (0, 2)), update(0, &[((0, 2), &[0]), ((2, 3), &[1])])];
    assert_eq!(engine.handle(answer(0, 0, (0, 2)), at(3.0)), complete);
}

#[test]
fn half_an_answer_of_a_lost_worker_counts_for_nothing() {
    let mut engine = training(2);
    let half = chunk(0, (2, 3), 0, 3);
    assert_eq!(
        engine.handle(sum(1, half.clone()), at(3.0)),
        [Action::Keep(WorkerId(1), half)]
    );
    engine.handle(lost(1), at(3.0));
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    // The other one begins at the first number.
    let complete = [keep(0, 0, (2, 3)), update(0, &[((0, 2), &[0]), ((2, 3), &[0])])];
    assert_eq!(engine.handle(answer(0, 0, (2, 3)), at(3.0)), complete);
}

#[test]
fn a_worker_lost_while_the_update_is_made_is_missed_in_the_next_iteration() {
    let mut engine = training(2);
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(1, 0, (2, 3)), at(3.0));
    assert_eq!(engine.handle(lost(1), at(3.0)), [lost_in(Some(0), 1)]);
    let next = [
        cost(0),
        assign(0, &[(0, 3)], &[(2, 3)]),
        broadcast(1, &[0]),
        compute(0, 1, &[(0, 3)]),
    ];
    assert_eq!(engine.handle(updated(0), at(3.0)), next);
}

#[test]
fn a_large_node_of_a_lost_worker_is_halved_for_the_others() {
    let mut engine = training_with(config_of_16_blocks(4), 4);
    let actions = [
        lost_in(Some(0), 3),
        assign(0, &[(0, 4), (12, 14)], &[(12, 14)]),
        compute(0, 0, &[(12, 14)]),
        assign(1, &[(4, 8), (14, 16)], &[(14, 16)]),
        compute(1, 0, &[(14, 16)]),
    ];
    assert_eq!(engine.handle(lost(3), at(3.0)), actions);
    for event in [
        answer(0, 0, (0, 4)),
        answer(0, 0, (12, 14)),
        answer(1, 0, (4, 8)),
        answer(1, 0, (14, 16)),
    ] {
        assert_eq!(engine.handle(event, at(3.0)).len(), 1);
    }
    let sums: [(Blocks, &[u32]); 5] = [
        ((0, 4), &[0]),
        ((4, 8), &[1]),
        ((8, 12), &[2]),
        ((12, 14), &[0]),
        ((14, 16), &[1]),
    ];
    let complete = [keep(2, 0, (8, 12)), update(0, &sums)];
    assert_eq!(engine.handle(answer(2, 0, (8, 12)), at(3.0)), complete);
}

#[test]
fn with_one_worker_left_a_large_node_stays_whole() {
    let mut engine = training_with(config_of_16_blocks(2), 2);
    let actions = [
        lost_in(Some(0), 1),
        assign(0, &[(0, 16)], &[(8, 16)]),
        compute(0, 0, &[(8, 16)]),
    ];
    assert_eq!(engine.handle(lost(1), at(3.0)), actions);
}

#[test]
fn the_last_worker_lost_in_an_iteration_is_a_pause_and_the_next_one_does_all_of_it() {
    let mut engine = training(2);
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(lost(0), at(3.0));
    assert_eq!(engine.handle(lost(1), at(3.0)), [lost_in(Some(0), 1), paused(0, 0, 1)]);
    let next = [
        welcome(2),
        joined(2),
        goes_on(0),
        assign(2, &[(2, 3)], &[(2, 3)]),
        broadcast(0, &[2]),
        compute(2, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(hello(2), at(9.0)), next);
    // The answer of the one that was lost first still counts.
    let complete = [keep(2, 0, (2, 3)), update(0, &[((0, 2), &[0]), ((2, 3), &[2])])];
    assert_eq!(engine.handle(answer(2, 0, (2, 3)), at(9.0)), complete);
}

#[test]
fn below_the_least_number_of_workers_the_iteration_is_made_and_the_next_one_waits() {
    let fleet = FleetSize::Workers { first: 2, least: 2 };
    let config = EngineConfig { fleet, ..config(2) };
    let mut engine = training_with(config, 2);
    engine.handle(lost(1), at(3.0));
    engine.handle(ready(0), at(3.0));
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(0, 0, (2, 3)), at(3.0));
    assert_eq!(engine.handle(updated(0), at(3.0)), [cost(0), paused(1, 1, 2)]);
    assert_eq!(engine.handle(heartbeat(0), at(4.0)), []);
    let next = [
        welcome(2),
        joined(2),
        goes_on(1),
        assign(0, &[(0, 2)], &[]),
        assign(2, &[(2, 3)], &[(2, 3)]),
        broadcast(1, &[0, 2]),
        compute(0, 1, &[(0, 2)]),
        compute(2, 1, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(hello(2), at(5.0)), next);
}

#[test]
fn a_pause_is_said_once_and_so_is_its_end() {
    let fleet = FleetSize::Workers { first: 1, least: 2 };
    let config = EngineConfig { fleet, ..config(1) };
    let mut engine = preparing(config, 1);
    let expected = [begins(), paused(0, 1, 2)];
    assert_eq!(engine.handle(ready(0), at(2.0)), expected);
    assert_eq!(engine.handle(lost(0), at(2.0)), [lost_in(Some(0), 0)]);
    assert_eq!(engine.handle(hello(1), at(2.0)), [welcome(1), joined(1)]);
    assert_eq!(
        engine.handle(hello(2), at(2.0))[..3],
        [welcome(2), joined(2), goes_on(0)]
    );
    assert_eq!(engine.handle(hello(3), at(2.0)), [welcome(3), joined(3)]);
}
