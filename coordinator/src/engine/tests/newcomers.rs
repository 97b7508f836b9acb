//! Workers that join during the run.

use super::*;

#[test]
fn a_newcomer_gets_columns_beside_the_iterations_and_work_when_all_hold_theirs() {
    let mut engine = training(2);
    assert_eq!(engine.handle(hello(2), at(3.0)), [welcome(2), joined(2)]);
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(1, 0, (2, 3)), at(3.0));
    // The shards of the iteration stay; behind its work travel the columns for the next ones.
    let beside = [
        cost(0),
        broadcast(1, &[0, 1]),
        compute(0, 1, &[(0, 2)]),
        compute(1, 1, &[(2, 3)]),
        assign(1, &[(1, 3)], &[(1, 2)]),
        assign(2, &[(2, 3)], &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(0), at(3.0)), beside);
    engine.handle(answer(0, 1, (0, 2)), at(4.0));
    assert_eq!(engine.handle(ready(1), at(4.0)), []);
    engine.handle(answer(1, 1, (2, 3)), at(4.0));
    // Worker 2 is not ready: as before.
    let as_before = [
        cost(1),
        broadcast(2, &[0, 1]),
        compute(0, 2, &[(0, 2)]),
        compute(1, 2, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(1), at(4.0)), as_before);
    assert_eq!(engine.handle(ready(2), at(5.0)), []);
    engine.handle(answer(0, 2, (0, 2)), at(5.0));
    engine.handle(answer(1, 2, (2, 3)), at(5.0));
    let shared_anew = [
        cost(2),
        assign(0, &[(0, 1)], &[]),
        assign(1, &[(1, 2)], &[]),
        broadcast(3, &[0, 1, 2]),
        compute(0, 3, &[(0, 1)]),
        compute(1, 3, &[(1, 2)]),
        compute(2, 3, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(2), at(5.0)), shared_anew);
}

#[test]
fn shards_that_were_prepared_with_a_worker_that_is_lost_are_given_up() {
    let mut engine = training(2);
    engine.handle(hello(2), at(3.0));
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(1, 0, (2, 3)), at(3.0));
    engine.handle(updated(0), at(3.0));
    assert_eq!(engine.handle(lost(2), at(3.0)), [lost_in(Some(1), 2)]);
    engine.handle(ready(1), at(3.0));
    engine.handle(answer(0, 1, (0, 2)), at(4.0));
    engine.handle(answer(1, 1, (2, 3)), at(4.0));
    let as_before = [
        cost(1),
        broadcast(2, &[0, 1]),
        compute(0, 2, &[(0, 2)]),
        compute(1, 2, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(1), at(4.0)), as_before);
}

#[test]
fn a_newcomer_that_the_batch_has_no_blocks_for_gets_nothing_until_another_is_lost() {
    let mut engine = training(3);
    assert_eq!(engine.handle(hello(3), at(3.0)), [welcome(3), joined(3)]);
    for (worker, node) in [(0, (0, 1)), (1, (1, 2)), (2, (2, 3))] {
        engine.handle(answer(worker, 0, node), at(3.0));
    }
    let as_before = [
        cost(0),
        broadcast(1, &[0, 1, 2]),
        compute(0, 1, &[(0, 1)]),
        compute(1, 1, &[(1, 2)]),
        compute(2, 1, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(0), at(3.0)), as_before);
    // Worker 3 has least to do.
    let taken_over = [
        lost_in(Some(1), 1),
        assign(3, &[(1, 2)], &[(1, 2)]),
        broadcast(1, &[3]),
        compute(3, 1, &[(1, 2)]),
    ];
    assert_eq!(engine.handle(lost(1), at(3.0)), taken_over);
}

#[test]
fn a_worker_that_comes_back_with_its_columns_takes_its_blocks_again_without_a_column_sent() {
    let mut engine = training(2);
    engine.handle(lost(1), at(3.0));
    let EngineConfig {
        data, block_columns, ..
    } = config(2);
    let blocks = block_set(&[(2, 3)]);
    let held = Some(Held {
        data,
        block_columns,
        blocks,
    });
    assert_eq!(engine.handle(hello_with(2, held), at(3.0)), [welcome(2), joined(2)]);
    engine.handle(ready(0), at(3.0));
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(0, 0, (2, 3)), at(3.0));
    let next = [
        cost(0),
        assign(0, &[(0, 2)], &[]),
        broadcast(1, &[0, 2]),
        compute(0, 1, &[(0, 2)]),
        compute(2, 1, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(0), at(3.0)), next);
}

#[test]
fn a_newcomer_helps_at_once_where_there_is_work_that_nobody_does() {
    let mut engine = training(1);
    assert_eq!(engine.handle(lost(0), at(3.0)), [lost_in(Some(0), 0), paused(0, 0, 1)]);
    let at_once = [
        welcome(1),
        joined(1),
        goes_on(0),
        assign(1, &[(0, 3)], &[(0, 3)]),
        broadcast(0, &[1]),
        compute(1, 0, &[(0, 3)]),
    ];
    assert_eq!(engine.handle(hello(1), at(3.0)), at_once);
}
