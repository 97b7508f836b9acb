//! How a membership begins, is lost, and ends.

use super::*;

fn joined(run: Run, keep_columns: bool) -> Vec<Action> {
    let worker = WorkerId(3);
    vec![Action::Join {
        worker,
        run,
        keep_columns,
    }]
}

/// What a worker that offered all blocks does when it is welcome to `run`, and what it holds then.
fn welcomed(run: Run) -> (Vec<Action>, Option<BlockSet>) {
    let mut session = Session::joining(resources(), Some(holding(&[(0, 3)])), at(1.0));
    let actions = say(&mut session, welcome_to(run)).unwrap();
    (actions, session.holdings().map(|held| held.blocks))
}

#[test]
fn a_welcome_makes_a_member() {
    let mut session = joining();
    assert_eq!(say(&mut session, welcome_to(run())), Ok(joined(run(), false)));
    assert_eq!(session.next_deadline(), Some(at(1.0)), "the first heartbeat is due");
}

#[test]
fn a_coordinator_that_does_not_answer_hello_is_given_up_and_the_columns_are_kept() {
    let mut session = Session::joining(resources(), Some(holding(&[(0, 2)])), at(1.0));
    assert_eq!(session.next_deadline(), Some(at(11.0)));
    assert_eq!(session.handle(Event::DeadlinePassed, at(10.9)), Ok(vec![]));
    let given_up = vec![Action::GiveUp(Duration::from_secs(10))];
    assert_eq!(session.handle(Event::DeadlinePassed, at(11.0)), Ok(given_up));
    assert_eq!(session.holdings(), Some(holding(&[(0, 2)])));
}

#[test]
fn columns_that_were_offered_count_in_a_run_on_the_same_data() {
    let all = Some(blocks(&[(0, 3)]));
    assert_eq!(welcomed(run()), (joined(run(), true), all.clone()));
    // What says nothing about the columns may differ: the coordinator may have been started again with other options.
    let other = Run {
        iterations: 99,
        worker_timeout: Duration::from_secs(9),
        ..run()
    };
    assert_eq!(welcomed(other.clone()), (joined(other, true), all));
}

#[test]
fn columns_of_other_data_or_other_blocks_are_forgotten() {
    let other_data = Run {
        data: Digest::from_bytes([8; 32]),
        ..run()
    };
    let block_columns = BlockColumns::new(9).unwrap();
    let other_blocks = Run { block_columns, ..run() };
    let fewer_blocks = Run {
        tree: Tree::over_batch(10, run().block_columns).unwrap(),
        ..run()
    };
    for run in [other_data, other_blocks, fewer_blocks] {
        assert_eq!(welcomed(run.clone()), (joined(run, false), Some(BlockSet::default())));
    }
}

#[test]
fn columns_that_the_coordinator_counts_on_but_that_are_of_no_use_make_the_worker_start_afresh() {
    let others = [
        Run {
            sizes: LayerSizes::new(vec![2, 2, 1]).unwrap(),
            ..run()
        },
        Run {
            precision: Precision::F64,
            ..run()
        },
        Run {
            element_type: ElementType::U8,
            ..run()
        },
        Run { scale: 2.0, ..run() },
        Run {
            tree: Tree::over_batch(24, run().block_columns).unwrap(),
            ..run()
        },
    ];
    for run in others {
        assert_eq!(welcomed(run), (vec![Action::StartAfresh], None));
    }
}

#[test]
fn what_is_held_when_the_stream_is_lost_is_what_is_laid_out() {
    let held = |session: Session| session.holdings().map(|held| held.blocks);
    assert_eq!(held(joining()), None);
    assert_eq!(held(member()), Some(BlockSet::default()));
    assert_eq!(held(receiving()), None, "nobody knows which part has arrived");
    assert_eq!(held(laying_out()), None);
    assert_eq!(held(ready()), Some(blocks(&[(1, 3)])));
    // A second loss before the coordinator has answered costs nothing.
    let offered = Some(holding(&[(0, 1)]));
    assert_eq!(
        held(Session::joining(resources(), offered, at(1.0))),
        Some(blocks(&[(0, 1)]))
    );
}

#[test]
fn a_worker_that_is_back_computes_with_the_columns_it_kept() {
    let mut session = Session::joining(resources(), Some(holding(&[(0, 2)])), at(1.0));
    say(&mut session, welcome_to(run())).unwrap();
    say(&mut session, parameters(5, 0, 12)).unwrap();
    let expected = vec![Action::Compute(Iteration(5), vec![node(0, 2)])];
    assert_eq!(say(&mut session, compute(5, &[(0, 2)])), Ok(expected));
}

#[test]
fn a_member_gives_a_sign_of_life_every_quarter_of_the_timeout() {
    let mut session = member();
    for now in [1.0, 2.0, 3.0, 4.0] {
        assert_eq!(session.next_deadline(), Some(at(now)));
        let actions = session.handle(Event::DeadlinePassed, at(now));
        assert_eq!(actions, Ok(vec![Action::Send(FromWorker::Heartbeat)]));
    }
    assert_eq!(session.handle(Event::DeadlinePassed, at(4.5)), Ok(vec![]));
}

#[test]
fn a_coordinator_that_is_silent_for_the_timeout_is_given_up_and_the_columns_are_kept() {
    let mut session = ready();
    for now in [1.0, 2.0, 3.0, 4.0] {
        session.handle(Event::DeadlinePassed, at(now)).unwrap();
    }
    let given_up = vec![Action::GiveUp(Duration::from_secs(4))];
    assert_eq!(session.handle(Event::DeadlinePassed, at(5.0)), Ok(given_up));
    assert_eq!(session.holdings(), Some(holding(&[(1, 3)])));
}

#[test]
fn any_message_of_the_coordinator_is_a_sign_of_its_life() {
    let messages = [FromCoordinator::Heartbeat, assignment(&[(0, 1)]), parameters(0, 0, 4)];
    for message in messages {
        let mut session = member();
        for now in [1.0, 2.0, 3.0] {
            session.handle(Event::DeadlinePassed, at(now)).unwrap();
        }
        session.handle(Event::Message(message), at(3.5)).unwrap();
        for now in [4.0, 5.0, 6.0, 7.0] {
            let actions = session.handle(Event::DeadlinePassed, at(now));
            assert_eq!(actions, Ok(vec![Action::Send(FromWorker::Heartbeat)]));
        }
        assert_eq!(session.next_deadline(), Some(at(7.5)));
        let given_up = vec![Action::GiveUp(Duration::from_secs(4))];
        assert_eq!(session.handle(Event::DeadlinePassed, at(7.5)), Ok(given_up));
    }
}

#[test]
fn the_coordinator_is_not_blamed_for_a_silence_in_which_this_process_was_stopped_itself() {
    let mut session = member();
    session.handle(Event::DeadlinePassed, at(1.0)).unwrap();
    let alive = Ok(vec![Action::Send(FromWorker::Heartbeat)]);
    assert_eq!(session.handle(Event::DeadlinePassed, at(60.0)), alive);
    for now in [61.0, 62.0, 63.0] {
        assert_eq!(session.handle(Event::DeadlinePassed, at(now)), alive);
    }
    let given_up = vec![Action::GiveUp(Duration::from_secs(4))];
    assert_eq!(session.handle(Event::DeadlinePassed, at(64.0)), Ok(given_up));
}

#[test]
fn the_end_of_the_run_ends_the_membership() {
    let digest = Digest::from_bytes([1; 32]);
    let finished = || FromCoordinator::Finished { iterations: 10, digest };
    for mut session in [joining(), member(), receiving(), ready()] {
        let end = vec![Action::Finish { iterations: 10, digest }];
        assert_eq!(say(&mut session, finished()), Ok(end));
        assert_eq!(session.next_deadline(), None);
        assert!(say(&mut session, FromCoordinator::Heartbeat).is_err());
    }
}

#[test]
fn a_dismissal_is_passed_on_and_what_is_held_can_be_offered_again() {
    for reason in [Reason::Silence, Reason::Misconduct, Reason::RunFailed] {
        let mut session = ready();
        let actions = say(&mut session, FromCoordinator::Dismissed(dismissed(reason)));
        assert_eq!(actions, Ok(vec![Action::Leave(dismissed(reason))]));
        assert_eq!(session.holdings(), Some(holding(&[(1, 3)])));
    }
    let refused = FromCoordinator::Dismissed(dismissed(Reason::ProtocolVersion));
    assert_eq!(
        say(&mut joining(), refused),
        Ok(vec![Action::Leave(dismissed(Reason::ProtocolVersion))])
    );
}
