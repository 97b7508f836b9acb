//! What the coordinator should not send is refused, with what was found and what was expected.

use super::*;

fn refused(mut session: Session, message: FromCoordinator) -> String {
    say(&mut session, message).unwrap_err().to_string()
}

#[test]
fn nothing_but_an_answer_follows_hello() {
    for (message, found) in [
        (assignment(&[(0, 1)]), "Assignment"),
        (columns(0, 4), "ColumnsChunk"),
        (labels(0, 1), "LabelsChunk"),
        (parameters(0, 0, 4), "ParametersChunk"),
        (compute(0, &[(0, 1)]), "Compute"),
        (FromCoordinator::Heartbeat, "Heartbeat"),
    ] {
        assert_eq!(
            refused(joining(), message),
            format!("found {found}, expected Welcome or Dismissed")
        );
    }
}

#[test]
fn a_member_is_not_welcomed_again() {
    assert_eq!(
        refused(ready(), welcome_to(run())),
        "found Welcome, expected a message of a run that has begun"
    );
}

#[test]
fn nothing_follows_the_end() {
    let mut session = ready();
    let digest = Digest::from_bytes([1; 32]);
    say(&mut session, FromCoordinator::Finished { iterations: 10, digest }).unwrap();
    assert_eq!(
        refused(session, compute(0, &[(1, 2)])),
        "found Compute, expected nothing after the end"
    );
}

#[test]
fn blocks_that_the_batch_does_not_have_cannot_be_assigned() {
    assert_eq!(
        refused(member(), assignment(&[(0, 1), (2, 4)])),
        "found an assignment of blocks 0..1, 2..4, expected blocks below 3"
    );
}

#[test]
fn an_assignment_does_not_come_before_the_columns_of_the_last() {
    assert_eq!(
        refused(receiving(), assignment(&[(0, 1)])),
        "found Assignment, expected the columns of the last one first"
    );
}

#[test]
fn columns_and_labels_follow_an_assignment_that_lacks_them() {
    for session in [member, laying_out, ready] {
        assert_eq!(
            refused(session(), columns(0, 4)),
            "found ColumnsChunk, expected an Assignment with missing columns first"
        );
        assert_eq!(
            refused(session(), labels(0, 1)),
            "found LabelsChunk, expected an Assignment with missing columns first"
        );
    }
}

#[test]
fn chunks_continue_their_tensor_and_end_with_it() {
    assert_eq!(
        refused(receiving(), columns(0, 50)),
        "found a wrong chunk of the columns: the chunk ends at number 25, expected at most 24, the length of the tensor"
    );
    assert_eq!(
        refused(receiving(), columns(0, 3)),
        "found a wrong chunk of the columns: the chunk has 3 bytes, expected a multiple of 2"
    );
    assert_eq!(
        refused(receiving(), labels(1, 2)),
        "found a wrong chunk of the labels: the chunk begins at number 1, expected 0, where the last one ended"
    );
    assert_eq!(
        refused(ready(), parameters(0, 0, 16)),
        "found a wrong chunk of the parameters: the chunk ends at number 4, expected at most 3, the length of the tensor"
    );
}

#[test]
fn parameters_of_an_iteration_that_is_complete_or_over_do_not_come_again() {
    let complete = || {
        let mut session = ready();
        say(&mut session, parameters(4, 0, 12)).unwrap();
        session
    };
    for iteration in [3, 4] {
        assert_eq!(
            refused(complete(), parameters(iteration, 0, 4)),
            format!("found parameters of iteration {iteration} after those of iteration 4")
        );
    }
}

#[test]
fn sums_are_wanted_only_at_parameters_that_are_there() {
    let explanation = |iteration| format!("found Compute for iteration {iteration} before all of its parameters");
    assert_eq!(refused(ready(), compute(0, &[(1, 2)])), explanation(0));
    let mut session = ready();
    say(&mut session, parameters(0, 0, 8)).unwrap();
    assert_eq!(refused(session.clone(), compute(0, &[(1, 2)])), explanation(0));
    say(&mut session, parameters(0, 2, 4)).unwrap();
    assert_eq!(refused(session, compute(1, &[(1, 2)])), explanation(1));
}

#[test]
fn sums_are_wanted_only_of_nodes_whose_columns_are_there() {
    let mut session = ready();
    say(&mut session, parameters(0, 0, 12)).unwrap();
    let explanation = |node| format!("found Compute for blocks {node}, which are not a node of the tree, or not held");
    // Not held; held, but no node; beyond the batch.
    for (wrong, name) in [((0, 1), "0..1"), ((1, 3), "1..3"), ((2, 4), "2..4")] {
        assert_eq!(
            refused(session.clone(), compute(0, &[(1, 2), wrong])),
            explanation(name)
        );
    }
    // Announced, and still on their way.
    say(&mut session, assignment(&[(0, 3)])).unwrap();
    assert_eq!(refused(session.clone(), compute(0, &[(0, 1)])), explanation("0..1"));
    // Given up.
    let mut session = ready();
    say(&mut session, parameters(0, 0, 12)).unwrap();
    say(&mut session, assignment(&[(2, 3)])).unwrap();
    assert_eq!(refused(session, compute(0, &[(1, 2)])), explanation("1..2"));
}
