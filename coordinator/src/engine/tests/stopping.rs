//! The user's wish to stop, in every phase.

use super::*;

fn stop(start_up: u64, training: u64) -> Action {
    Action::Stop(Timing {
        start_up: Duration::from_secs(start_up),
        training: Duration::from_secs(training),
    })
}

#[test]
fn before_the_first_iteration_and_in_a_pause_a_run_stops_at_once() {
    let mut gathering = preparing(config(2), 1);
    assert_eq!(gathering.handle(Event::StopRequested, at(3.0)), [stop(3, 0)]);
    let mut waiting = preparing(config(2), 2);
    assert_eq!(waiting.handle(Event::StopRequested, at(3.0)), [stop(3, 0)]);
    let fleet = FleetSize::Workers { first: 1, least: 2 };
    let mut paused = training_with(EngineConfig { fleet, ..config(1) }, 1);
    assert_eq!(paused.handle(Event::StopRequested, at(3.0)), [stop(3, 0)]);
    assert_eq!(paused.handle(hello(1), at(3.0)), [], "nothing happens after the end");
}

#[test]
fn the_iteration_under_way_is_completed_and_none_follows() {
    let mut engine = training(1);
    assert_eq!(engine.handle(Event::StopRequested, at(3.0)), []);
    let complete = [keep(0, 0, (0, 3)), update(0, &[((0, 3), &[0])])];
    assert_eq!(engine.handle(answer(0, 0, (0, 3)), at(3.5)), complete);
    assert_eq!(engine.handle(updated(0), at(4.0)), [cost(0), stop(2, 2)]);
}

#[test]
fn an_update_that_is_being_made_is_waited_for() {
    let mut engine = training(1);
    engine.handle(answer(0, 0, (0, 3)), at(3.0));
    assert_eq!(engine.handle(Event::StopRequested, at(3.0)), []);
    assert_eq!(engine.handle(updated(0), at(4.0)), [cost(0), stop(2, 2)]);
}

#[test]
fn an_update_that_takes_longer_than_a_second_is_waited_for_so_that_its_cost_is_printed() {
    let mut engine = training(1);
    engine.handle(Event::DeadlinePassed, at(2.5));
    engine.handle(answer(0, 0, (0, 3)), at(3.0));
    assert_eq!(engine.handle(Event::StopRequested, at(3.0)), []);
    for sign_of_life in [3.75, 5.0] {
        assert_eq!(engine.next_deadline(), Some(at(sign_of_life)));
        assert_eq!(
            engine.handle(Event::DeadlinePassed, at(sign_of_life)),
            [Action::Heartbeat]
        );
    }
    assert_eq!(engine.handle(updated(0), at(6.0)), [cost(0), stop(2, 4)]);
}

#[test]
fn an_iteration_that_takes_longer_than_a_second_is_given_up() {
    let mut engine = training(1);
    engine.handle(Event::DeadlinePassed, at(2.5));
    engine.handle(Event::StopRequested, at(3.0));
    engine.handle(Event::DeadlinePassed, at(3.75));
    // Asking twice does not make it longer.
    assert_eq!(engine.handle(Event::StopRequested, at(3.75)), []);
    assert_eq!(engine.next_deadline(), Some(at(4.0)));
    assert_eq!(engine.handle(Event::DeadlinePassed, at(4.0)), [stop(2, 2)]);
}

#[test]
fn a_stop_in_the_last_iteration_completes_the_run() {
    let config = EngineConfig {
        iterations: 1,
        ..config(1)
    };
    let mut engine = training_with(config, 1);
    engine.handle(Event::StopRequested, at(3.0));
    engine.handle(answer(0, 0, (0, 3)), at(3.0));
    let timing = Timing {
        start_up: Duration::from_secs(2),
        training: Duration::from_secs(1),
    };
    assert_eq!(engine.handle(updated(0), at(3.0)), [cost(0), Action::Finish(timing)]);
}

#[test]
fn a_worker_lost_in_the_last_iteration_before_the_stop_is_replaced_all_the_same() {
    let mut engine = training(2);
    engine.handle(Event::StopRequested, at(3.0));
    let actions = [
        lost_in(Some(0), 1),
        assign(0, &[(0, 3)], &[(2, 3)]),
        compute(0, 0, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(lost(1), at(3.0)), actions);
}
