//! Gathering and preparing: until the first iteration.

use super::*;

#[test]
fn workers_are_welcomed_and_get_their_shards_at_once() {
    let (mut engine, actions) = Engine::start(config(2), at(0.0));
    assert_eq!(actions, [gathering(0, 2)]);
    let first = [welcome(0), gathering(1, 2), assign(0, &[(0, 2)], &[(0, 2)])];
    assert_eq!(engine.handle(hello(0), at(1.0)), first);
    let second = [welcome(1), gathering(2, 2), assign(1, &[(2, 3)], &[(2, 3)])];
    assert_eq!(engine.handle(hello(1), at(1.0)), second);
}

#[test]
fn a_worker_that_brings_columns_keeps_them_and_the_next_gets_a_shard_that_does_not_touch_them() {
    let config = config(3);
    let held = |blocks| Held {
        data: config.data,
        block_columns: config.block_columns,
        blocks: block_set(blocks),
    };
    let (mut engine, _) = Engine::start(config.clone(), at(0.0));
    let brings = hello_with(0, Some(held(&[(0, 1)])));
    assert_eq!(engine.handle(brings, at(1.0)), [welcome(0), gathering(1, 3)]);
    let second = [welcome(1), gathering(2, 3), assign(1, &[(1, 2)], &[(1, 2)])];
    assert_eq!(engine.handle(hello(1), at(1.0)), second);
    let last = [welcome(2), gathering(3, 3), assign(2, &[(2, 3)], &[(2, 3)])];
    assert_eq!(engine.handle(hello(2), at(1.0)), last);
}

#[test]
fn the_first_iteration_begins_when_the_last_worker_holds_its_columns() {
    let mut engine = preparing(config(2), 2);
    assert_eq!(engine.handle(ready(1), at(2.0)), []);
    let first = [
        begins(),
        broadcast(0, &[0, 1]),
        compute(0, 0, &[(0, 2)]),
        compute(1, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(ready(0), at(2.0)), first);
}

#[test]
fn a_worker_that_leaves_while_workers_gather_makes_room_for_another() {
    let (mut engine, _) = Engine::start(config(2), at(0.0));
    engine.handle(hello(0), at(1.0));
    assert_eq!(engine.handle(lost(0), at(1.0)), [gathering(0, 2)]);
    let in_its_place = [welcome(1), gathering(1, 2), assign(1, &[(0, 2)], &[(0, 2)])];
    assert_eq!(engine.handle(hello(1), at(1.0)), in_its_place);
    let last = [welcome(2), gathering(2, 2), assign(2, &[(2, 3)], &[(2, 3)])];
    assert_eq!(engine.handle(hello(2), at(1.0)), last);
}

#[test]
fn workers_beyond_the_blocks_are_idle_with_a_warning_and_get_neither_parameters_nor_work() {
    let mut engine = preparing(config(5), 4);
    let last = [
        welcome(4),
        gathering(5, 5),
        Action::Report(Report::Idle { idle: 2, blocks: 3 }),
    ];
    assert_eq!(engine.handle(hello(4), at(1.0)), last);
    assert_eq!(engine.handle(ready(0), at(2.0)), []);
    assert_eq!(engine.handle(ready(1), at(2.0)), []);
    let first = [
        begins(),
        broadcast(0, &[0, 1, 2]),
        compute(0, 0, &[(0, 1)]),
        compute(1, 0, &[(1, 2)]),
        compute(2, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(ready(2), at(2.0)), first);
}

#[test]
fn a_worker_that_joins_while_columns_travel_gets_a_share_before_the_first_iteration() {
    let mut engine = preparing(config(2), 2);
    engine.handle(ready(0), at(2.0));
    let shared_anew = [
        welcome(2),
        joined(2),
        assign(0, &[(0, 1)], &[]),
        assign(1, &[(1, 2)], &[(1, 2)]),
        assign(2, &[(2, 3)], &[(2, 3)]),
    ];
    assert_eq!(engine.handle(hello(2), at(2.0)), shared_anew);
    // Worker 1 answers for both of its assignments.
    for worker in [0, 1, 2] {
        assert_eq!(engine.handle(ready(worker), at(3.0)), []);
    }
    assert_eq!(
        engine.handle(ready(1), at(3.0))[..2],
        [begins(), broadcast(0, &[0, 1, 2])]
    );
}

#[test]
fn columns_that_a_worker_still_holds_are_not_sent_again() {
    let (mut engine, _) = Engine::start(config(2), at(0.0));
    let EngineConfig {
        data, block_columns, ..
    } = config(2);
    let held = |blocks: &[Blocks]| {
        Some(Held {
            data,
            block_columns,
            blocks: block_set(blocks),
        })
    };
    engine.handle(hello_with(0, held(&[(2, 3)])), at(1.0));
    let actions = engine.handle(hello_with(1, held(&[(0, 1)])), at(1.0));
    // Their order is that of what they hold, so that little has to travel; worker 0 has all that it needs.
    let expected = [welcome(1), gathering(2, 2), assign(1, &[(0, 2)], &[(1, 2)])];
    assert_eq!(actions, expected);
    let first = [
        begins(),
        broadcast(0, &[0, 1]),
        compute(0, 0, &[(2, 3)]),
        compute(1, 0, &[(0, 2)]),
    ];
    assert_eq!(engine.handle(ready(1), at(2.0)), first);
}

#[test]
fn columns_of_other_data_other_blocks_or_beyond_the_batch_count_for_nothing() {
    let config = config(1);
    let right = Held {
        data: config.data,
        block_columns: config.block_columns,
        blocks: block_set(&[(0, 3)]),
    };
    let other_data = Held {
        data: Digest::from_bytes([8; 32]),
        ..right.clone()
    };
    let other_blocks = Held {
        block_columns: BlockColumns::new(9).unwrap(),
        ..right.clone()
    };
    let beyond = Held {
        blocks: block_set(&[(0, 4)]),
        ..right.clone()
    };
    for held in [other_data, other_blocks, beyond] {
        let (mut engine, _) = Engine::start(config.clone(), at(0.0));
        let expected = [welcome(0), gathering(1, 1), assign(0, &[(0, 3)], &[(0, 3)])];
        assert_eq!(engine.handle(hello_with(0, Some(held)), at(1.0)), expected);
    }
    let (mut engine, _) = Engine::start(config, at(0.0));
    let at_once = [
        welcome(0),
        gathering(1, 1),
        begins(),
        broadcast(0, &[0]),
        compute(0, 0, &[(0, 3)]),
    ];
    assert_eq!(engine.handle(hello_with(0, Some(right)), at(1.0)), at_once);
}

#[test]
fn a_run_that_goes_on_begins_with_the_iteration_where_the_earlier_one_left_off() {
    let config = EngineConfig {
        first: Iteration(8),
        ..config(1)
    };
    let mut engine = preparing(config, 1);
    let first = [begins(), broadcast(8, &[0]), compute(0, 8, &[(0, 3)])];
    assert_eq!(engine.handle(ready(0), at(2.0)), first);
    engine.handle(answer(0, 8, (0, 3)), at(3.0));
    let next = [cost(8), broadcast(9, &[0]), compute(0, 9, &[(0, 3)])];
    assert_eq!(engine.handle(updated(8), at(3.0)), next);
    engine.handle(answer(0, 9, (0, 3)), at(4.0));
    let timing = Timing {
        start_up: Duration::from_secs(2),
        training: Duration::from_secs(2),
    };
    assert_eq!(engine.handle(updated(9), at(4.0)), [cost(9), Action::Finish(timing)]);
}

#[test]
fn a_run_that_goes_on_where_nothing_is_left_to_do_is_complete_at_once() {
    let config = EngineConfig {
        first: Iteration(10),
        ..config(1)
    };
    let (mut engine, actions) = Engine::start(config, at(0.0));
    assert_eq!(actions, [Action::Finish(Timing::default())]);
    assert_eq!(engine.next_deadline(), None);
    assert_eq!(engine.handle(hello(0), at(1.0)), []);
}
