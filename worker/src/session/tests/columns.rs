//! Assignments and the columns that follow them.

use super::*;

fn shipments(actions: &[Action]) -> Vec<&Shipment> {
    fn shipment(action: &Action) -> Option<&Shipment> {
        match action {
            Action::Hold(shipment) => Some(shipment),
            _ => None,
        }
    }
    actions.iter().filter_map(shipment).collect()
}

#[test]
fn columns_are_laid_out_when_they_and_their_labels_are_complete_and_then_ready_is_said() {
    let mut session = receiving();
    assert_eq!(say(&mut session, columns(0, 40)), Ok(vec![]));
    assert_eq!(say(&mut session, labels(0, 12)), Ok(vec![]));
    let actions = say(&mut session, columns(20, 8)).unwrap();
    let [shipment] = shipments(&actions)[..] else {
        panic!("{actions:?}");
    };
    assert_eq!((actions.len(), &shipment.blocks), (1, &blocks(&[(1, 3)])));
    assert!(shipment.columns.is_complete() && shipment.labels.is_complete());
    assert_eq!(
        session.handle(Event::Held, at(1.0)),
        Ok(vec![Action::Send(FromWorker::Ready)])
    );
}

#[test]
fn labels_may_come_last() {
    let mut session = receiving();
    assert_eq!(say(&mut session, columns(0, 48)), Ok(vec![]));
    assert_eq!(say(&mut session, labels(0, 5)), Ok(vec![]));
    assert_eq!(shipments(&say(&mut session, labels(5, 7)).unwrap()).len(), 1);
}

#[test]
fn of_a_further_assignment_only_what_is_missing_is_awaited() {
    let mut session = ready();
    let all = assignment(&[(0, 3)]);
    assert_eq!(say(&mut session, all), Ok(vec![Action::Retain(blocks(&[(0, 3)]))]));
    say(&mut session, labels(0, 8)).unwrap();
    let actions = say(&mut session, columns(0, 32)).unwrap();
    assert_eq!(shipments(&actions)[0].blocks, blocks(&[(0, 1)]));
    session.handle(Event::Held, at(1.0)).unwrap();
    assert_eq!(session.holdings(), Some(holding(&[(0, 3)])));
}

#[test]
fn an_assignment_of_less_forgets_the_rest_and_is_answered_as_soon_as_earlier_work_is_done() {
    let mut session = ready();
    let actions = say(&mut session, assignment(&[(2, 3)])).unwrap();
    assert_eq!(actions[0], Action::Retain(blocks(&[(2, 3)])));
    // The empty shipment comes back behind all that was ordered before it.
    assert_eq!(
        (actions.len(), &shipments(&actions)[0].blocks),
        (2, &BlockSet::default())
    );
    assert_eq!(
        session.handle(Event::Held, at(1.0)),
        Ok(vec![Action::Send(FromWorker::Ready)])
    );
    assert_eq!(session.holdings(), Some(holding(&[(2, 3)])));
}

#[test]
fn an_assignment_of_nothing_is_one_too() {
    let mut session = member();
    let actions = say(&mut session, assignment(&[])).unwrap();
    assert_eq!(actions[0], Action::Retain(BlockSet::default()));
    assert_eq!(shipments(&actions).len(), 1);
}

#[test]
fn every_assignment_gets_its_own_ready() {
    let mut session = laying_out();
    say(&mut session, assignment(&[(0, 3)])).unwrap();
    say(&mut session, labels(0, 8)).unwrap();
    say(&mut session, columns(0, 32)).unwrap();
    for _ in 0..2 {
        assert_eq!(
            session.handle(Event::Held, at(1.0)),
            Ok(vec![Action::Send(FromWorker::Ready)])
        );
    }
}
