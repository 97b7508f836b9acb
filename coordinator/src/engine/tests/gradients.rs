//! Mixed runs, in which workers make updates themselves.

use super::*;

/// As [`training`], but mixed: sums are 4 numbers of 8 bytes all the same.
fn mixed(workers: u32) -> Engine {
    let config = EngineConfig {
        gradients: true,
        ..config(workers as usize)
    };
    training_with(config, workers)
}

fn gradient(iteration: u64, to: &[u32]) -> Action {
    Action::BroadcastGradient {
        iteration: Iteration(iteration),
        to: to.iter().copied().map(WorkerId).collect(),
    }
}

#[test]
fn whoever_has_the_parameters_of_the_iteration_before_is_sent_the_gradient() {
    let mut engine = mixed(2);
    engine.handle(answer(0, 0, (0, 2)), at(3.0));
    engine.handle(answer(1, 0, (2, 3)), at(3.0));
    let next = [
        cost(0),
        gradient(1, &[0, 1]),
        compute(0, 1, &[(0, 2)]),
        compute(1, 1, &[(2, 3)]),
    ];
    assert_eq!(engine.handle(updated(0), at(4.0)), next);
}

#[test]
fn a_newcomer_is_sent_all_parameters_and_then_gradients() {
    let mut engine = mixed(1);
    engine.handle(lost(0), at(3.0));
    let actions = engine.handle(hello(1), at(4.0));
    assert!(actions.contains(&broadcast(0, &[1])), "{actions:?}");
    engine.handle(ready(1), at(4.0));
    engine.handle(answer(1, 0, (0, 3)), at(5.0));
    let next = [cost(0), gradient(1, &[1]), compute(1, 1, &[(0, 3)])];
    assert_eq!(engine.handle(updated(0), at(6.0)), next);
}

#[test]
fn whoever_missed_an_iteration_is_sent_all_parameters() {
    // Worker 1 is late in iteration 0, so that its block is repeated by worker 0 and it is left out of iteration 1.
    let mut engine = mixed(2);
    engine.handle(answer(0, 0, (0, 2)), at(2.1));
    engine.handle(Event::DeadlinePassed, at(3.0));
    engine.handle(answer(0, 0, (2, 3)), at(3.1));
    let actions = engine.handle(updated(0), at(3.2));
    assert!(actions.contains(&gradient(1, &[0])), "{actions:?}");
    assert!(!actions.contains(&gradient(1, &[1])), "{actions:?}");
    engine.handle(answer(0, 1, (0, 2)), at(3.3));
    // Its late answer frees it for iteration 1.
    let mut sent = engine.handle(answer(1, 0, (2, 3)), at(3.4));
    sent.extend(engine.handle(Event::DeadlinePassed, at(4.0)));
    sent.extend(engine.handle(answer(0, 1, (2, 3)), at(4.1)));
    sent.extend(engine.handle(updated(1), at(4.2)));
    let to_worker_1 = |action: &&Action| match action {
        Action::Broadcast { to, .. } | Action::BroadcastGradient { to, .. } => to.contains(&WorkerId(1)),
        _ => false,
    };
    let first = sent.iter().find(to_worker_1);
    assert!(matches!(first, Some(Action::Broadcast { .. })), "{sent:?}");
}
