//! Undisturbed iterations, from the first to the end of the run.

use super::*;

#[test]
fn an_iteration_is_updated_when_the_last_chunk_of_the_last_node_has_arrived() {
    let mut engine = training(2);
    let kept = |chunk: &SumChunk| Action::Keep(WorkerId(0), chunk.clone());
    let first = chunk(0, (0, 2), 0, 3);
    assert_eq!(engine.handle(sum(0, first.clone()), at(3.0)), [kept(&first)]);
    assert_eq!(engine.handle(answer(1, 0, (2, 3)), at(3.0)), [keep(1, 0, (2, 3))]);
    let last = chunk(0, (0, 2), 3, 1);
    assert_eq!(
        engine.handle(sum(0, last.clone()), at(3.0)),
        [kept(&last), update(0, &[((0, 2), &[0]), ((2, 3), &[1])])]
    );
}

#[test]
fn an_iteration_follows_each_update_and_the_run_ends_with_the_last() {
    let config = EngineConfig {
        iterations: 2,
        ..config(1)
    };
    let mut engine = training_with(config, 1);
    engine.handle(answer(0, 0, (0, 3)), at(3.0));
    let next = [cost(0), broadcast(1, &[0]), compute(0, 1, &[(0, 3)])];
    assert_eq!(engine.handle(updated(0), at(4.0)), next);
    engine.handle(answer(0, 1, (0, 3)), at(5.0));
    let timing = Timing {
        start_up: Duration::from_secs(2),
        training: Duration::from_secs(7),
    };
    assert_eq!(engine.handle(updated(1), at(9.0)), [cost(1), Action::Finish(timing)]);
}

#[test]
fn nothing_that_happens_after_the_end_changes_anything() {
    let config = EngineConfig {
        iterations: 1,
        ..config(1)
    };
    let mut engine = training_with(config, 1);
    engine.handle(answer(0, 0, (0, 3)), at(3.0));
    engine.handle(updated(0), at(4.0));
    let events = [
        hello(1),
        ready(0),
        answer(0, 0, (0, 3)),
        heartbeat(0),
        lost(0),
        erred(0, "found nonsense"),
        updated(0),
        Event::StopRequested,
        Event::DeadlinePassed,
    ];
    for event in events {
        assert_eq!(engine.handle(event.clone(), at(20.0)), [], "{event:?}");
    }
    assert_eq!(engine.next_deadline(), None);
}

#[test]
fn without_workers_every_iteration_is_computed_here() {
    let config = EngineConfig {
        fleet: FleetSize::Here,
        iterations: 2,
        ..config(1)
    };
    let here = |iteration| Action::ComputeHere {
        iteration: Iteration(iteration),
    };
    let (mut engine, actions) = Engine::start(config, at(1.0));
    assert_eq!(actions, [here(0)]);
    assert_eq!(engine.handle(updated(0), at(2.0)), [cost(0), here(1)]);
    let timing = Timing {
        start_up: Duration::from_secs(1),
        training: Duration::from_secs(2),
    };
    assert_eq!(engine.handle(updated(1), at(3.0)), [cost(1), Action::Finish(timing)]);
}

#[test]
fn a_cost_that_is_not_finite_fails_the_run_in_its_iteration() {
    for cost in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut engine = training(1);
        engine.handle(answer(0, 0, (0, 3)), at(3.0));
        let iteration = Iteration(0);
        let wrong = Vec::new();
        let actions = engine.handle(Event::Updated { iteration, cost, wrong }, at(3.0));
        assert!(
            matches!(actions.as_slice(), [Action::Fail(RunFailure::CostNotFinite { iteration: Iteration(0), cost: found })]
                if found.to_bits() == cost.to_bits()),
            "{actions:?}"
        );
        assert_eq!(engine.handle(updated(1), at(4.0)), [], "nothing happens after the end");
    }
}

/// The checkpoints ordered in a run of 10 iterations that take 4 s each. `written` says what comes of each, if it is
/// known before the next update.
fn checkpoints(config: EngineConfig, written: impl Fn(u64) -> Option<bool>) -> Vec<u64> {
    let mut engine = training_with(config.clone(), 1);
    let mut ordered = Vec::new();
    for iteration in config.first.0..config.iterations {
        let now = at(2.0 + 4.0 * (iteration - config.first.0 + 1) as f64);
        engine.handle(answer(0, iteration, (0, 3)), now);
        let actions = engine.handle(updated(iteration), now);
        // The state is that before the next iteration's order, and the cost of the last update has been said.
        if let [
            Action::ReportCost { .. },
            Action::SaveCheckpoint { updates },
            Action::Broadcast { .. },
            ..,
        ] = *actions.as_slice()
        {
            assert_eq!(updates, iteration + 1);
            ordered.push(updates);
            if let Some(saved) = written(updates) {
                assert_eq!(engine.handle(Event::CheckpointWritten { updates, saved }, now), []);
            }
        } else {
            let orders = |action: &Action| matches!(action, Action::SaveCheckpoint { .. });
            assert!(!actions.iter().any(orders), "{actions:?}");
        }
    }
    ordered
}

/// The checkpoints ordered if one is wanted `every` so often.
fn ordered(first: u64, every: &str, written: impl Fn(u64) -> Option<bool>) -> Vec<u64> {
    let config = EngineConfig {
        first: Iteration(first),
        checkpoints: every.parse().ok(),
        ..config(1)
    };
    checkpoints(config, written)
}

#[test]
fn a_checkpoint_is_ordered_whenever_as_many_updates_were_made_counted_from_the_first_of_all() {
    let saved = |_| Some(true);
    assert_eq!(checkpoints(config(1), saved), []);
    assert_eq!(ordered(0, "3", saved), [3, 6, 9]);
    assert_eq!(ordered(4, "3", saved), [6, 9]);
    // The results of a complete run are written anyway.
    assert_eq!(ordered(0, "5", saved), [5]);
}

#[test]
fn a_checkpoint_is_ordered_when_as_much_time_has_passed_since_the_last_one() {
    // Updates come at 6 s, 10 s, 14 s, …
    assert_eq!(ordered(0, "10s", |_| Some(true)), [2, 5, 8]);
}

#[test]
fn while_a_checkpoint_is_being_written_none_is_ordered() {
    assert_eq!(ordered(0, "1", |_| None), [1]);
    assert_eq!(ordered(0, "1", |updates| (updates < 3).then_some(true)), [1, 2, 3]);
}

#[test]
fn a_checkpoint_that_was_not_saved_is_ordered_again_after_ten_seconds() {
    assert_eq!(ordered(0, "2", |_| Some(false)), [2, 5, 8]);
}
