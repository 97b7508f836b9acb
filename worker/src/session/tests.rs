//! Tests of the module above.

use super::*;
use bytes::Bytes;
use proto::Reason;
use shared::{BlockColumns, ElementType, LayerSizes, Precision, Tree};

/// 2 features, no hidden layer: 3 parameters of 4 bytes; 20 columns in blocks 0 to 2.
fn run() -> Run {
    let block_columns = BlockColumns::new(8).unwrap();
    Run {
        sizes: LayerSizes::new(vec![2, 1]).unwrap(),
        precision: Precision::F32,
        tree: Tree::over_batch(20, block_columns).unwrap(),
        block_columns,
        element_type: ElementType::I16,
        scale: 1.0,
        iterations: 10,
    }
}

fn chunk(offset: u64, bytes: usize) -> TensorChunk {
    TensorChunk {
        offset,
        data: Bytes::from(vec![0; bytes]),
    }
}

fn say(session: &mut Session, message: FromCoordinator) -> Result<Vec<Action>, Misconduct> {
    session.handle(Event::Message(message))
}

fn welcome() -> FromCoordinator {
    FromCoordinator::Welcome(Welcome {
        worker: WorkerId(3),
        run: run(),
    })
}

fn blocks(first: u32, end: u32) -> FromCoordinator {
    FromCoordinator::Assignment(LeafRange::new(first, end))
}

fn receiving() -> Session {
    let mut session = Session::default();
    say(&mut session, welcome()).unwrap();
    // Columns 8 to 20: 12 columns of 2 numbers of 2 bytes.
    assert_eq!(say(&mut session, blocks(1, 3)), Ok(vec![]));
    session
}

fn holding() -> Session {
    let mut session = receiving();
    say(&mut session, FromCoordinator::Labels(chunk(0, 12))).unwrap();
    say(&mut session, FromCoordinator::Columns(chunk(0, 48))).unwrap();
    session.handle(Event::Held).unwrap();
    session
}

#[test]
fn a_welcome_is_reported() {
    let joined = Action::ReportJoined(WorkerId(3), run());
    assert_eq!(say(&mut Session::default(), welcome()), Ok(vec![joined]));
}

#[test]
fn a_shard_is_laid_out_when_columns_and_labels_are_complete_and_then_ready_is_said() {
    let mut session = receiving();
    assert_eq!(say(&mut session, FromCoordinator::Columns(chunk(0, 40))), Ok(vec![]));
    assert_eq!(say(&mut session, FromCoordinator::Labels(chunk(0, 12))), Ok(vec![]));
    let actions = say(&mut session, FromCoordinator::Columns(chunk(20, 8))).unwrap();
    assert!(matches!(actions.as_slice(), [Action::Hold(shipment)]
        if shipment.columns.is_complete() && shipment.blocks == LeafRange::new(1, 3).unwrap()));
    assert_eq!(session.handle(Event::Held), Ok(vec![Action::Send(FromWorker::Ready)]));
}

#[test]
fn a_worker_without_blocks_is_ready_at_once_and_waits_for_the_end() {
    let mut session = Session::default();
    say(&mut session, welcome()).unwrap();
    let idle = [Action::ReportIdle, Action::Send(FromWorker::Ready)];
    assert_eq!(say(&mut session, FromCoordinator::Assignment(None)).unwrap(), idle);
    let digest = Digest::from_bytes([1; 32]);
    let finished = FromCoordinator::Finished { iterations: 10, digest };
    assert_eq!(
        say(&mut session, finished),
        Ok(vec![Action::Finish { iterations: 10, digest }])
    );
}

#[test]
fn sums_are_computed_when_all_parameters_of_the_next_iteration_are_there() {
    let mut session = holding();
    for t in 0..3 {
        let parameters = |chunk| FromCoordinator::Parameters(Iteration(t), chunk);
        assert_eq!(say(&mut session, parameters(chunk(0, 8))), Ok(vec![]));
        let actions = say(&mut session, parameters(chunk(2, 4))).unwrap();
        assert!(matches!(actions.as_slice(), [Action::Compute(iteration, inbox)]
            if *iteration == Iteration(t) && inbox.is_complete()));
    }
}

#[test]
fn a_dismissal_ends_the_membership_in_every_state() {
    for mut session in [Session::default(), receiving(), holding()] {
        let dismissal = Dismissal {
            reason: Reason::RunFailed,
            explanation: "worker 1 was lost".to_owned(),
        };
        let actions = say(&mut session, FromCoordinator::Dismissed(dismissal.clone()));
        assert_eq!(actions, Ok(vec![Action::Leave(dismissal)]));
        assert!(say(&mut session, welcome()).is_err());
    }
}

#[test]
fn what_the_coordinator_should_not_send_is_refused_with_what_was_expected() {
    let error = |session: &mut Session, message| say(session, message).unwrap_err().to_string();
    assert_eq!(
        error(&mut Session::default(), blocks(0, 1)),
        "found Assignment, expected Welcome or Dismissed"
    );
    let mut member = Session::default();
    say(&mut member, welcome()).unwrap();
    assert_eq!(
        error(&mut member, blocks(2, 4)),
        "found an assignment of blocks 2..4, expected blocks below 3"
    );
    assert_eq!(
        error(&mut receiving(), FromCoordinator::Columns(chunk(0, 50))),
        "found a wrong chunk of the columns: the chunk ends at number 25, expected at most 24, the length of the tensor"
    );
    assert_eq!(
        error(&mut receiving(), FromCoordinator::Columns(chunk(0, 3))),
        "found a wrong chunk of the columns: the chunk has 3 bytes, expected a multiple of 2"
    );
    assert_eq!(
        error(&mut holding(), FromCoordinator::Parameters(Iteration(1), chunk(0, 4))),
        "found parameters of iteration 1, expected iteration 0"
    );
    assert_eq!(
        error(&mut holding(), FromCoordinator::Labels(chunk(0, 1))),
        "found LabelsChunk, expected ParametersChunk or Finished"
    );
}
