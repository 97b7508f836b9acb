//! Every transition, as literal events and literal actions.

use std::time::Duration;

use bytes::Bytes;
use proto::{Dismissal, Hello, Reason, SumChunk, TensorChunk};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockColumns, LeafRange, Tree};

use super::*;

fn at(seconds: u64) -> RunTime {
    RunTime(Duration::from_secs(seconds))
}

fn range(first: u32, end: u32) -> LeafRange {
    LeafRange::new(first, end).unwrap()
}

/// 24 columns in 3 blocks of 8: the left half of the tree is blocks 0 and 1. Sums are 4 numbers of 8 bytes.
fn config(fleet: FleetSize) -> EngineConfig {
    let tree = Tree::over_batch(24, BlockColumns::new(8).unwrap()).unwrap();
    EngineConfig {
        fleet,
        iterations: 2,
        tree,
        sum_len: 4,
        number_bytes: 8,
    }
}

fn hello(worker: u32) -> Event {
    let hello = Hello {
        name: format!("w{worker}"),
        threads: 1,
    };
    Event::HelloArrived {
        worker: WorkerId(worker),
        hello,
    }
}

fn chunk(iteration: u64, node: LeafRange, offset: u64, numbers: usize) -> SumChunk {
    let chunk = TensorChunk {
        offset,
        data: Bytes::from(vec![0; numbers * 8]),
    };
    SumChunk {
        iteration: Iteration(iteration),
        node,
        chunk,
    }
}

fn sum(worker: u32, chunk: SumChunk) -> Event {
    Event::SumArrived {
        worker: WorkerId(worker),
        sum: chunk,
    }
}

fn updated(iteration: u64, cost: f64) -> Event {
    Event::Updated {
        iteration: Iteration(iteration),
        cost,
    }
}

fn broadcast(iteration: u64, to: &[u32]) -> Action {
    Action::Broadcast {
        iteration: Iteration(iteration),
        to: to.iter().map(|&worker| WorkerId(worker)).collect(),
    }
}

fn assign(worker: u32, blocks: Option<LeafRange>) -> Action {
    Action::Assign {
        worker: WorkerId(worker),
        blocks,
    }
}

/// A run with `workers` workers in which all have their columns.
fn training(workers: u32) -> Engine {
    let (mut engine, _) = Engine::start(config(FleetSize::Workers(workers as usize)), at(0));
    for worker in 0..workers {
        engine.handle(hello(worker), at(1));
    }
    for worker in 0..workers {
        engine.handle(Event::WorkerReady(WorkerId(worker)), at(2));
    }
    engine
}

#[test]
fn workers_are_welcomed_and_get_their_shards_when_the_last_has_joined() {
    let (mut engine, actions) = Engine::start(config(FleetSize::Workers(2)), at(0));
    assert_eq!(actions, [Action::ReportGathering { joined: 0, needed: 2 }]);
    let first = [
        Action::Welcome(WorkerId(0)),
        Action::ReportGathering { joined: 1, needed: 2 },
    ];
    assert_eq!(engine.handle(hello(0), at(1)), first);
    let second = [
        Action::Welcome(WorkerId(1)),
        Action::ReportGathering { joined: 2, needed: 2 },
        assign(0, Some(range(0, 2))),
        assign(1, Some(range(2, 3))),
    ];
    assert_eq!(engine.handle(hello(1), at(1)), second);
}

#[test]
fn a_worker_that_leaves_before_the_start_makes_room_for_another() {
    let (mut engine, _) = Engine::start(config(FleetSize::Workers(2)), at(0));
    engine.handle(hello(0), at(1));
    let lost = Event::WorkerLost {
        worker: WorkerId(0),
        reason: "gone".to_owned(),
    };
    assert_eq!(
        engine.handle(lost, at(1)),
        [Action::ReportGathering { joined: 0, needed: 2 }]
    );
    engine.handle(hello(1), at(1));
    assert_eq!(engine.handle(hello(2), at(1)).len(), 4);
}

#[test]
fn workers_beyond_the_blocks_are_idle_with_a_warning_and_get_no_parameters() {
    let (mut engine, _) = Engine::start(config(FleetSize::Workers(5)), at(0));
    for worker in 0..4 {
        engine.handle(hello(worker), at(1));
    }
    let actions = engine.handle(hello(4), at(1));
    assert_eq!(actions[2], Action::WarnIdle { idle: 2, blocks: 3 });
    assert_eq!(actions[6..], [assign(3, None), assign(4, None)]);
    for worker in 0..4 {
        assert_eq!(engine.handle(Event::WorkerReady(WorkerId(worker)), at(2)), []);
    }
    assert_eq!(
        engine.handle(Event::WorkerReady(WorkerId(4)), at(2)),
        [broadcast(0, &[0, 1, 2])]
    );
}

#[test]
fn a_worker_too_many_is_told_that_the_run_is_full() {
    let mut engine = training(2);
    let explanation = "the run has all of its 2 workers".to_owned();
    let dismissal = Dismissal {
        reason: Reason::RunIsFull,
        explanation,
    };
    assert_eq!(
        engine.handle(hello(2), at(3)),
        [Action::Dismiss(WorkerId(2), dismissal)]
    );
    let lost = Event::WorkerLost {
        worker: WorkerId(2),
        reason: "gone".to_owned(),
    };
    assert_eq!(engine.handle(lost, at(3)), [], "what a stranger does changes nothing");
}

#[test]
fn an_iteration_is_updated_when_every_node_is_complete() {
    let mut engine = training(2);
    let (left, right) = (range(0, 2), range(2, 3));
    let first = chunk(0, left, 0, 3);
    assert_eq!(engine.handle(sum(0, first.clone()), at(3)), [Action::Keep(first)]);
    let other = chunk(0, right, 0, 4);
    assert_eq!(engine.handle(sum(1, other.clone()), at(3)), [Action::Keep(other)]);
    let last = chunk(0, left, 3, 1);
    let update = Action::Update {
        iteration: Iteration(0),
    };
    assert_eq!(engine.handle(sum(0, last.clone()), at(3)), [Action::Keep(last), update]);
}

#[test]
fn a_run_ends_after_its_last_iteration_with_the_time_it_took() {
    let mut engine = training(1);
    engine.handle(sum(0, chunk(0, range(0, 3), 0, 4)), at(3));
    let cost = Action::ReportCost {
        iteration: Iteration(0),
        cost: 0.7,
    };
    assert_eq!(engine.handle(updated(0, 0.7), at(4)), [cost, broadcast(1, &[0])]);
    engine.handle(sum(0, chunk(1, range(0, 3), 0, 4)), at(5));
    let cost = Action::ReportCost {
        iteration: Iteration(1),
        cost: 0.6,
    };
    let timing = Timing {
        start_up: Duration::from_secs(2),
        training: Duration::from_secs(7),
    };
    assert_eq!(engine.handle(updated(1, 0.6), at(9)), [cost, Action::Finish(timing)]);
    let lost = Event::WorkerLost {
        worker: WorkerId(0),
        reason: "the stream ended".to_owned(),
    };
    assert_eq!(engine.handle(lost, at(10)), [], "workers leave when the run is over");
}

#[test]
fn without_workers_every_iteration_is_computed_here() {
    let (mut engine, actions) = Engine::start(config(FleetSize::Here), at(1));
    assert_eq!(
        actions,
        [Action::ComputeHere {
            iteration: Iteration(0)
        }]
    );
    let next = [
        Action::ReportCost {
            iteration: Iteration(0),
            cost: 0.7,
        },
        Action::ComputeHere {
            iteration: Iteration(1),
        },
    ];
    assert_eq!(engine.handle(updated(0, 0.7), at(2)), next);
    let timing = Timing {
        start_up: Duration::from_secs(1),
        training: Duration::from_secs(2),
    };
    assert_eq!(engine.handle(updated(1, 0.6), at(3))[1], Action::Finish(timing));
}

#[test]
fn a_lost_worker_fails_the_run_and_is_named_with_the_iteration() {
    let lost = || Event::WorkerLost {
        worker: WorkerId(1),
        reason: "connection reset".to_owned(),
    };
    let failure = |engine: &mut Engine| match engine.handle(lost(), at(3)).as_slice() {
        [Action::Fail(failure)] => failure.to_string(),
        other => panic!("{other:?}"),
    };
    let (mut engine, _) = Engine::start(config(FleetSize::Workers(2)), at(0));
    engine.handle(hello(0), at(1));
    engine.handle(hello(1), at(1));
    assert_eq!(
        failure(&mut engine),
        "worker 1 (w1) was lost before the first iteration: connection reset"
    );
    assert_eq!(
        failure(&mut training(2)),
        "worker 1 (w1) was lost in iteration 0: connection reset"
    );
    let mut updating = training(1);
    updating.handle(sum(0, chunk(0, range(0, 3), 0, 4)), at(3));
    let lost = Event::WorkerLost {
        worker: WorkerId(0),
        reason: "connection reset".to_owned(),
    };
    let iteration = Some(Iteration(0));
    let failure = RunFailure::WorkerLost {
        worker: WorkerId(0),
        name: "w0".to_owned(),
        iteration,
        reason: "connection reset".to_owned(),
    };
    assert_eq!(updating.handle(lost, at(3)), [Action::Fail(failure)]);
}

#[test]
fn a_cost_that_is_not_finite_fails_the_run_in_its_iteration() {
    for cost in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let (mut engine, _) = Engine::start(config(FleetSize::Here), at(0));
        let actions = engine.handle(updated(0, cost), at(1));
        assert!(
            matches!(actions.as_slice(), [Action::Fail(RunFailure::CostNotFinite { iteration, .. })]
            if *iteration == Iteration(0))
        );
        assert_eq!(
            engine.handle(updated(1, 0.5), at(2)),
            [],
            "nothing happens after the end"
        );
    }
}

#[test]
fn what_a_worker_should_not_send_fails_the_run_and_says_what_it_was() {
    let cases = [
        (
            sum(0, chunk(1, range(0, 2), 0, 4)),
            "found sums of iteration 1, expected iteration 0",
        ),
        (
            sum(0, chunk(0, range(2, 3), 0, 4)),
            "found sums of blocks 2..3, which are not a node that it was to send, or which it has already sent",
        ),
        (
            sum(0, chunk(0, range(0, 2), 1, 3)),
            "found a wrong chunk of the sums of blocks 0..2: the chunk begins at number 1, expected 0, where the last \
             one ended",
        ),
        (
            sum(0, chunk(0, range(0, 2), 0, 5)),
            "found a wrong chunk of the sums of blocks 0..2: the chunk ends at number 5, expected at most 4, the length \
             of the tensor",
        ),
        (
            Event::WorkerReady(WorkerId(0)),
            "found Ready, which no assignment asked for",
        ),
    ];
    for (event, what) in cases {
        let failure = RunFailure::Misconduct {
            worker: WorkerId(0),
            name: "w0".to_owned(),
            iteration: Some(Iteration(0)),
            what: what.to_owned(),
        };
        assert_eq!(training(2).handle(event, at(3)), [Action::Fail(failure)]);
    }
}

#[test]
fn a_node_that_is_sent_twice_fails_the_run() {
    let mut engine = training(2);
    engine.handle(sum(0, chunk(0, range(0, 2), 0, 4)), at(3));
    let again = engine.handle(sum(0, chunk(0, range(0, 2), 0, 4)), at(3));
    assert!(matches!(
        again.as_slice(),
        [Action::Fail(RunFailure::Misconduct { .. })]
    ));
}

#[test]
fn ready_twice_for_one_assignment_fails_the_run() {
    let (mut engine, _) = Engine::start(config(FleetSize::Workers(2)), at(0));
    engine.handle(hello(0), at(1));
    engine.handle(hello(1), at(1));
    assert_eq!(engine.handle(Event::WorkerReady(WorkerId(0)), at(2)), []);
    let again = engine.handle(Event::WorkerReady(WorkerId(0)), at(2));
    assert!(matches!(
        again.as_slice(),
        [Action::Fail(RunFailure::Misconduct { iteration: None, .. })]
    ));
}
