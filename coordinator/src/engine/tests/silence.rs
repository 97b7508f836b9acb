//! Signs of life, and their absence.

use super::*;

/// The times at which `engine` is woken up until `end`, with what it does; before each, `heard` say that they are alive.
fn deadlines(engine: &mut Engine, end: f64, heard: &[u32]) -> Vec<(f64, Vec<Action>)> {
    let mut deadlines = Vec::new();
    while let Some(now) = engine.next_deadline().filter(|&now| now <= at(end)) {
        for &worker in heard {
            assert_eq!(engine.handle(heartbeat(worker), now), []);
        }
        deadlines.push((now.0.as_secs_f64(), engine.handle(Event::DeadlinePassed, now)));
    }
    deadlines
}

const SILENCE: &str = "nothing was heard of it for 5s";

fn lost_by_silence(iteration: Option<u64>, worker: u32) -> Action {
    Action::Report(Report::Lost {
        worker: WorkerId(worker),
        name: format!("w{worker}"),
        iteration: iteration.map(Iteration),
        reason: SILENCE.to_owned(),
    })
}

#[test]
fn members_get_a_sign_of_life_every_quarter_of_the_timeout() {
    let mut engine = preparing(config(2), 1);
    assert_eq!(engine.handle(Event::DeadlinePassed, at(1.0)), [Action::Heartbeat]);
    let every = |now| (now, vec![Action::Heartbeat]);
    assert_eq!(
        deadlines(&mut engine, 5.0, &[0]),
        [every(2.25), every(3.5), every(4.75)]
    );
}

#[test]
fn a_worker_that_is_silent_for_the_timeout_is_dismissed_and_its_blocks_go_to_the_others() {
    let mut engine = training(2);
    engine.handle(Event::DeadlinePassed, at(2.0));
    let before = deadlines(&mut engine, 6.9, &[0]);
    assert!(
        before.iter().all(|(_, actions)| actions == &[Action::Heartbeat]),
        "{before:?}"
    );
    let silent = [
        Action::Heartbeat,
        lost_by_silence(Some(0), 1),
        dismissed(1, Reason::Silence, SILENCE),
        assign(0, &[(0, 3)], &[(2, 3)]),
        compute(0, 0, &[(2, 3)]),
    ];
    assert_eq!(deadlines(&mut engine, 7.0, &[0]), [(7.0, silent.to_vec())]);
    assert_eq!(engine.handle(lost(1), at(7.0)), [], "its stream is closed");
}

#[test]
fn whatever_a_worker_says_is_a_sign_of_life() {
    for says in [heartbeat(1), ready(1), sum(1, chunk(0, (2, 3), 0, 1))] {
        let mut engine = preparing(config(2), 2);
        if matches!(says, Event::SumArrived { .. }) {
            engine = training(2);
        }
        engine.handle(heartbeat(0), at(2.0));
        engine.handle(heartbeat(1), at(2.0));
        engine.handle(Event::DeadlinePassed, at(2.0));
        deadlines(&mut engine, 4.0, &[0]);
        engine.handle(says.clone(), at(4.0));
        let later = deadlines(&mut engine, 8.9, &[0]);
        assert!(
            later.iter().all(|(_, actions)| actions == &[Action::Heartbeat]),
            "{says:?}: {later:?}"
        );
        let end = deadlines(&mut engine, 9.0, &[0]);
        let dismissal = dismissed(1, Reason::Silence, SILENCE);
        assert!(
            end.iter().any(|(_, actions)| actions.contains(&dismissal)),
            "{says:?}: {end:?}"
        );
    }
}

#[test]
fn while_workers_gather_the_place_of_a_silent_one_is_free_again() {
    let mut engine = preparing(config(2), 1);
    engine.handle(Event::DeadlinePassed, at(1.0));
    deadlines(&mut engine, 5.9, &[]);
    let silent = [
        Action::Heartbeat,
        lost_by_silence(None, 0),
        dismissed(0, Reason::Silence, SILENCE),
        gathering(0, 2),
    ];
    assert_eq!(deadlines(&mut engine, 6.0, &[]), [(6.0, silent.to_vec())]);
}

#[test]
fn nobody_is_blamed_for_a_silence_in_which_this_process_was_stopped_itself() {
    let mut engine = training(2);
    engine.handle(Event::DeadlinePassed, at(2.0));
    assert_eq!(engine.handle(Event::DeadlinePassed, at(60.0)), [Action::Heartbeat]);
    // A silence that goes on is one.
    let later = deadlines(&mut engine, 64.9, &[0]);
    assert!(
        later.iter().all(|(_, actions)| actions == &[Action::Heartbeat]),
        "{later:?}"
    );
    let silent = &deadlines(&mut engine, 65.0, &[0])[0].1;
    assert_eq!(
        silent[..3],
        [
            Action::Heartbeat,
            lost_by_silence(Some(0), 1),
            dismissed(1, Reason::Silence, SILENCE)
        ]
    );
}

#[test]
fn the_first_message_after_a_stop_of_this_process_blames_nobody_either() {
    let mut engine = training(2);
    engine.handle(Event::DeadlinePassed, at(2.0));
    assert_eq!(engine.handle(heartbeat(0), at(60.0)), []);
    assert_eq!(engine.handle(Event::DeadlinePassed, at(60.0)), [Action::Heartbeat]);
}

#[test]
fn two_workers_that_fall_silent_together_are_dismissed_together_and_neither_inherits_the_others_work() {
    let mut engine = training(3);
    engine.handle(Event::DeadlinePassed, at(2.0));
    deadlines(&mut engine, 6.9, &[0]);
    let silent = [
        Action::Heartbeat,
        lost_by_silence(Some(0), 1),
        dismissed(1, Reason::Silence, SILENCE),
        lost_by_silence(Some(0), 2),
        dismissed(2, Reason::Silence, SILENCE),
        assign(0, &[(0, 2)], &[(1, 2)]),
        compute(0, 0, &[(1, 2)]),
        assign(0, &[(0, 3)], &[(2, 3)]),
        compute(0, 0, &[(2, 3)]),
    ];
    assert_eq!(deadlines(&mut engine, 7.0, &[0]), [(7.0, silent.to_vec())]);
}
