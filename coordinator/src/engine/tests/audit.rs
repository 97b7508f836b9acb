//! Second opinions, and sums that prove wrong.

use super::*;

/// Every node is computed twice.
fn audited(workers: u32) -> EngineConfig {
    let audit = Some(Audit { fraction: 1.0, seed: 1 });
    EngineConfig {
        audit,
        ..config(workers as usize)
    }
}

#[test]
fn every_node_is_asked_of_a_second_worker_who_gets_its_columns() {
    let mut engine = preparing(audited(2), 2);
    engine.handle(ready(0), at(2.0));
    let first = [
        begins(),
        broadcast(0, &[0, 1]),
        compute(0, 0, &[(0, 2)]),
        compute(1, 0, &[(2, 3)]),
        assign(1, &[(0, 3)], &[(0, 2)]),
        compute(1, 0, &[(0, 2)]),
        assign(0, &[(0, 3)], &[(2, 3)]),
        compute(0, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(ready(1), at(2.0)), first);
}

#[test]
fn an_audited_iteration_is_updated_when_both_opinions_on_every_node_are_there() {
    let mut engine = training_with(audited(2), 2);
    assert_eq!(engine.handle(answer(0, 0, (0, 2)), at(3.0)), [keep(0, 0, (0, 2))]);
    assert_eq!(engine.handle(answer(1, 0, (2, 3)), at(3.0)), [keep(1, 0, (2, 3))]);
    assert_eq!(engine.handle(answer(1, 0, (0, 2)), at(3.0)), [keep(1, 0, (0, 2))]);
    let complete = [keep(0, 0, (2, 3)), update(0, &[((0, 2), &[0, 1]), ((2, 3), &[1, 0])])];
    assert_eq!(engine.handle(answer(0, 0, (2, 3)), at(3.0)), complete);
}

#[test]
fn an_opinion_that_went_missing_is_asked_of_a_third_worker() {
    let mut engine = training_with(audited(3), 3);
    // The second opinion on 0..1 is with 1, that on 1..2 and 2..3 was with 0.
    let expected = [
        lost_in(Some(0), 0),
        assign(2, &[(0, 1), (2, 3)], &[(0, 1)]),
        compute(2, 0, &[(0, 1)]),
        assign(2, &[(0, 3)], &[(1, 2)]),
        compute(2, 0, &[(1, 2)]),
        assign(1, &[(0, 3)], &[(2, 3)]),
        compute(1, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(lost(0), at(3.0)), expected);
}

#[test]
fn where_nobody_is_left_for_a_second_opinion_the_first_one_does() {
    let mut engine = training_with(audited(2), 2);
    for event in [answer(0, 0, (0, 2)), answer(0, 0, (2, 3))] {
        assert_eq!(engine.handle(event, at(3.0)).len(), 1);
    }
    let complete = [lost_in(Some(0), 1), update(0, &[((0, 2), &[0]), ((2, 3), &[0])])];
    assert_eq!(engine.handle(lost(1), at(3.0)), complete);
    // The next iteration is made without second opinions.
    let next = [cost(0), broadcast(1, &[0]), compute(0, 1, &[(0, 3)])];
    assert_eq!(engine.handle(updated(0), at(3.0)), next);
}

#[test]
fn a_worker_whose_sums_are_proved_wrong_is_dismissed_by_name_before_the_next_iteration() {
    let mut engine = training(2);
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(1, 0, (2, 3)), at(3.0));
    let wrong = |noticed| Event::Updated {
        iteration: Iteration(0),
        cost: 0.5,
        wrong: vec![WrongSums {
            worker: WorkerId(1),
            node: range((2, 3)),
            noticed,
        }],
    };
    let proof = "and the coordinator's own computation of these blocks shows that this worker is wrong";
    let cases = [
        (Noticed::NotFinite, "they are not finite"),
        (
            Noticed::Audit { with: WorkerId(0) },
            "they differ from those of worker 0 (w0)",
        ),
        (
            Noticed::Audit { with: WorkerId(9) },
            "they differ from those of worker 9 (gone)",
        ),
    ];
    for (noticed, how) in cases {
        let what = format!("found wrong sums of blocks 2..3 in iteration 0: {how}, {proof}");
        let expected = [
            cost(0),
            dismissed(1, Reason::Misconduct, &what),
            assign(0, &[(0, 3)], &[(2, 3)]),
            broadcast(1, &[0]),
            compute(0, 1, &[(0, 3)]),
        ];
        assert_eq!(engine.clone().handle(wrong(noticed), at(3.0)), expected);
    }
}

#[test]
fn when_the_only_worker_is_wrong_its_dismissal_is_a_pause() {
    let mut engine = training(1);
    engine.handle(answer(0, 0, (0, 3)), at(3.0));
    let updated = Event::Updated {
        iteration: Iteration(0),
        cost: 0.5,
        wrong: vec![WrongSums {
            worker: WorkerId(0),
            node: range((0, 3)),
            noticed: Noticed::NotFinite,
        }],
    };
    let actions = engine.handle(updated, at(3.0));
    assert_eq!((&actions[0], &actions[2]), (&cost(0), &paused(1, 0, 1)));
    assert!(matches!(
        &actions[1],
        Action::Dismiss {
            worker: WorkerId(0),
            ..
        }
    ));
}

#[test]
fn a_late_second_opinion_is_repeated_by_a_third_worker_who_gave_none() {
    let mut engine = training_with(audited(3), 3);
    engine.handle(Event::DeadlinePassed, at(2.0));
    for (worker, node) in [(0, (0, 1)), (0, (1, 2)), (0, (2, 3)), (1, (1, 2)), (2, (2, 3))] {
        engine.handle(answer(worker, 0, node), at(3.0));
    }
    engine.handle(heartbeat(1), at(3.0));
    engine.handle(Event::DeadlinePassed, at(3.25));
    let expected = [
        repeated(1, 0),
        assign(2, &[(0, 1), (2, 3)], &[(0, 1)]),
        compute(2, 0, &[(0, 1)]),
    ];
    assert_eq!(engine.handle(Event::DeadlinePassed, at(4.05)), expected);
    engine.handle(ready(2), at(4.1));
    let sums: [(Blocks, &[u32]); 3] = [((0, 1), &[0, 2]), ((1, 2), &[0, 1]), ((2, 3), &[0, 2])];
    let complete = [keep(2, 0, (0, 1)), update(0, &sums)];
    assert_eq!(engine.handle(answer(2, 0, (0, 1)), at(4.1)), complete);
}

#[test]
fn a_late_second_opinion_is_waited_for_if_all_others_have_given_theirs() {
    let mut engine = training_with(audited(2), 2);
    engine.handle(Event::DeadlinePassed, at(2.0));
    for (worker, node) in [(0, (0, 2)), (0, (2, 3)), (1, (2, 3))] {
        engine.handle(answer(worker, 0, node), at(3.0));
    }
    engine.handle(heartbeat(1), at(3.0));
    engine.handle(Event::DeadlinePassed, at(3.25));
    assert_eq!(engine.next_deadline(), Some(at(4.5)), "the next heartbeat");
    assert_eq!(engine.handle(Event::DeadlinePassed, at(4.05)), []);
}
