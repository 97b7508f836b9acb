//! Parameters and the sums that are wanted at them.

use super::*;

#[test]
fn parameters_are_stored_chunk_by_chunk_and_announced_when_complete() {
    let mut session = ready();
    for t in [0, 1, 7] {
        assert_eq!(
            say(&mut session, parameters(t, 0, 8)),
            Ok(vec![Action::Store(chunk(0, 8))])
        );
        let last = vec![Action::Store(chunk(2, 4)), Action::Parameters(Iteration(t))];
        assert_eq!(say(&mut session, parameters(t, 2, 4)), Ok(last));
    }
}

#[test]
fn sums_are_computed_as_often_as_they_are_wanted_in_one_iteration() {
    let mut session = Session::joining(resources(), Some(holding(&[(0, 3)])), at(1.0));
    say(&mut session, welcome_to(run())).unwrap();
    say(&mut session, parameters(4, 0, 12)).unwrap();
    for nodes in [vec![(0, 2), (2, 3)], vec![(0, 3)], vec![(0, 1)]] {
        let wanted = nodes.iter().map(|&(first, end)| node(first, end)).collect();
        let expected = vec![Action::Compute(Iteration(4), wanted)];
        assert_eq!(say(&mut session, compute(4, &nodes)), Ok(expected));
    }
}

#[test]
fn sums_of_columns_that_have_arrived_are_wanted_while_they_are_laid_out() {
    let mut session = laying_out();
    say(&mut session, parameters(0, 0, 12)).unwrap();
    let expected = vec![Action::Compute(Iteration(0), vec![node(1, 2)])];
    assert_eq!(say(&mut session, compute(0, &[(1, 2)])), Ok(expected));
}

#[test]
fn an_iteration_whose_parameters_were_cut_short_by_those_of_a_later_one_is_over() {
    let mut session = ready();
    say(&mut session, parameters(0, 0, 4)).unwrap();
    assert_eq!(
        say(&mut session, parameters(3, 0, 4)),
        Ok(vec![Action::Store(chunk(0, 4))])
    );
    let last = vec![Action::Store(chunk(1, 8)), Action::Parameters(Iteration(3))];
    assert_eq!(say(&mut session, parameters(3, 1, 8)), Ok(last));
}
