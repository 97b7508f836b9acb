//! What a worker should not send, and what only looks like it.

use super::*;

fn misconduct(worker: u32, what: &str) -> Action {
    dismissed(worker, Reason::Misconduct, what)
}

/// What the others do when worker 0 of two is dismissed in iteration 0.
fn taken_over() -> [Action; 2] {
    [assign(1, &[(0, 3)], &[(0, 2)]), compute(1, 0, &[(0, 2)])]
}

#[test]
fn sums_that_a_worker_should_not_send_end_its_membership_and_say_why() {
    let cases = [
        (
            chunk(1, (0, 2), 0, 4),
            "found sums of iteration 1, expected iteration 0 or an earlier one",
        ),
        (
            chunk(0, (2, 3), 0, 4),
            "found sums of blocks 2..3 in iteration 0, which are not a node that it was to send, or which it has already \
             sent",
        ),
        (
            chunk(0, (0, 3), 0, 4),
            "found sums of blocks 0..3 in iteration 0, which are not a node that it was to send, or which it has already \
             sent",
        ),
        (
            chunk(0, (7, 9), 0, 4),
            "found sums of blocks 7..9 in iteration 0, which are not a node that it was to send, or which it has already \
             sent",
        ),
        (
            chunk(0, (0, 2), 1, 3),
            "found a wrong chunk of the sums of blocks 0..2: the chunk begins at number 1, expected 0, where the last \
             one ended",
        ),
        (
            chunk(0, (0, 2), 0, 5),
            "found a wrong chunk of the sums of blocks 0..2: the chunk ends at number 5, expected at most 4, the length \
             of the tensor",
        ),
    ];
    for (sums, what) in cases {
        let mut expected = vec![misconduct(0, what)];
        expected.extend(taken_over());
        assert_eq!(training(2).handle(sum(0, sums), at(3.0)), expected);
    }
}

#[test]
fn a_chunk_that_ends_within_a_number_ends_the_membership() {
    let mut ragged = chunk(0, (0, 2), 0, 4);
    ragged.chunk.data = Bytes::from_static(&[0; 12]);
    let what = "found a wrong chunk of the sums of blocks 0..2: the chunk has 12 bytes, expected a multiple of 8";
    assert_eq!(training(2).handle(sum(0, ragged), at(3.0))[0], misconduct(0, what));
}

#[test]
fn a_node_sent_twice_in_its_iteration_ends_the_membership_but_its_first_answer_counts() {
    let mut engine = training(2);
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    let what = "found sums of blocks 0..2 in iteration 0, which are not a node that it was to send, or which it has \
                already sent";
    assert_eq!(engine.handle(answer(0, 0, (0, 2)), at(3.0)), [misconduct(0, what)]);
    let complete = [keep(1, 0, (2, 3)), update(0, &[((0, 2), &[0]), ((2, 3), &[1])])];
    assert_eq!(engine.handle(answer(1, 0, (2, 3)), at(3.0)), complete);
}

#[test]
fn answers_to_questions_of_an_earlier_iteration_are_nothing_for_or_against_a_worker() {
    let mut engine = training(2);
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(1, 0, (2, 3)), at(3.0));
    engine.handle(updated(0), at(3.0));
    // Repeated, of a node that was never its own, out of order, too long: nobody looks at them any more.
    for stale in [
        chunk(0, (0, 2), 0, 4),
        chunk(0, (2, 3), 0, 4),
        chunk(0, (0, 2), 3, 1),
        chunk(0, (0, 2), 0, 9),
    ] {
        assert_eq!(engine.handle(sum(0, stale), at(3.0)), []);
    }
    assert_eq!(engine.handle(answer(0, 1, (0, 2)), at(3.0)), [keep(0, 1, (0, 2))]);
}

#[test]
fn ready_that_no_assignment_asked_for_ends_the_membership() {
    let mut expected = vec![misconduct(0, "found Ready, which no assignment asked for")];
    expected.extend(taken_over());
    assert_eq!(training(2).handle(ready(0), at(3.0)), expected);
    let (mut engine, _) = Engine::start(config(2), at(0.0));
    engine.handle(hello(0), at(1.0));
    assert_eq!(engine.handle(ready(0), at(1.0)), [], "it got columns ahead");
    let expected = [
        misconduct(0, "found Ready, which no assignment asked for"),
        gathering(0, 2),
    ];
    assert_eq!(engine.handle(ready(0), at(1.0)), expected);
}

#[test]
fn sums_before_the_first_iteration_end_the_membership() {
    let mut engine = preparing(config(2), 2);
    let expected = [
        misconduct(0, "found sums before the first iteration"),
        assign(1, &[(0, 3)], &[(0, 2)]),
    ];
    assert_eq!(engine.handle(answer(0, 0, (0, 2)), at(1.0)), expected);
}

#[test]
fn sums_in_a_pause_that_nobody_asked_for_end_the_membership() {
    let fleet = FleetSize::Workers { first: 1, least: 2 };
    let mut engine = training_with(EngineConfig { fleet, ..config(1) }, 1);
    let what = "found sums of blocks 0..3 in iteration 0, which are not a node that it was to send, or which it has \
                already sent";
    assert_eq!(engine.handle(answer(0, 0, (0, 3)), at(3.0)), [misconduct(0, what)]);
}

#[test]
fn a_message_that_cannot_be_understood_ends_the_membership() {
    let mut expected = vec![misconduct(0, "found a WorkerMessage without a message")];
    expected.extend(taken_over());
    let garbled = erred(0, "found a WorkerMessage without a message");
    assert_eq!(training(2).handle(garbled, at(3.0)), expected);
}

#[test]
fn what_strangers_do_changes_nothing() {
    let mut engine = training(2);
    for event in [
        ready(9),
        answer(9, 0, (0, 2)),
        answer(9, 7, (0, 2)),
        heartbeat(9),
        lost(9),
        erred(9, "found nonsense"),
    ] {
        assert_eq!(engine.handle(event.clone(), at(3.0)), [], "{event:?}");
    }
    let mut engine = preparing(config(2), 1);
    assert_eq!(engine.handle(answer(9, 0, (0, 2)), at(3.0)), []);
}
