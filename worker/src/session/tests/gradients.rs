//! Updates that the worker makes itself, in mixed runs.

use super::*;

/// As [`run`], but the parameters are 3 numbers of 8 bytes, and gradients of 4.
fn mixed() -> Run {
    Run {
        precision: Precision::Mixed,
        ..run()
    }
}

/// A member that holds all blocks and has the parameters of iteration 4.
fn with_parameters() -> Session {
    let held = Holdings {
        run: mixed(),
        ..holding(&[(0, 3)])
    };
    let mut session = Session::joining(resources(), Some(held), at(1.0));
    say(&mut session, welcome_to(mixed())).unwrap();
    let actions = vec![Action::Store(chunk(0, 24)), Action::Parameters(Iteration(4))];
    assert_eq!(say(&mut session, parameters(4, 0, 24)), Ok(actions));
    session
}

fn gradient(iteration: u64, offset: u64, bytes: usize) -> FromCoordinator {
    FromCoordinator::Gradient(Iteration(iteration), chunk(offset, bytes))
}

#[test]
fn a_gradient_makes_the_parameters_of_the_iteration_after_those_that_are_there() {
    let mut session = with_parameters();
    for t in [5, 6] {
        assert_eq!(
            say(&mut session, gradient(t, 0, 8)),
            Ok(vec![Action::StoreGradient(chunk(0, 8))])
        );
        let early = say(&mut session, compute(t, &[(0, 3)]));
        assert_eq!(early, Err(Misconduct::NoParameters { found: Iteration(t) }));
        let last = vec![Action::StoreGradient(chunk(2, 4)), Action::Gradient(Iteration(t))];
        assert_eq!(say(&mut session, gradient(t, 2, 4)), Ok(last));
        let wanted = vec![Action::Compute(Iteration(t), vec![node(0, 3)])];
        assert_eq!(say(&mut session, compute(t, &[(0, 3)])), Ok(wanted));
    }
}

#[test]
fn whole_parameters_may_come_in_place_of_a_gradient() {
    let mut session = with_parameters();
    let whole = vec![Action::Store(chunk(0, 24)), Action::Parameters(Iteration(5))];
    assert_eq!(say(&mut session, parameters(5, 0, 24)), Ok(whole));
    let later = vec![Action::Store(chunk(0, 24)), Action::Parameters(Iteration(9))];
    assert_eq!(say(&mut session, parameters(9, 0, 24)), Ok(later));
}

#[test]
fn a_gradient_without_the_parameters_before_it_is_refused() {
    let nothing = |found, expected| {
        let (found, expected) = (Iteration(found), Iteration(expected));
        Err(Misconduct::NothingToUpdate { found, expected })
    };
    assert_eq!(say(&mut with_parameters(), gradient(6, 0, 12)), nothing(6, 5));
    let mut incomplete = with_parameters();
    say(&mut incomplete, parameters(5, 0, 8)).unwrap();
    assert_eq!(say(&mut incomplete, gradient(6, 0, 12)), nothing(6, 5));
    let mut cut_short = with_parameters();
    say(&mut cut_short, gradient(5, 0, 8)).unwrap();
    assert_eq!(say(&mut cut_short, gradient(6, 0, 12)), nothing(6, 5));
    let mut joined = joining();
    say(&mut joined, welcome_to(mixed())).unwrap();
    assert_eq!(say(&mut joined, gradient(0, 0, 12)), nothing(0, 0));
    assert_eq!(
        say(&mut joined, gradient(u64::MAX, 0, 12)),
        nothing(u64::MAX, u64::MAX - 1)
    );
}

#[test]
fn an_iterations_parameters_come_in_one_form_and_once() {
    let iteration = Iteration(5);
    let mut session = with_parameters();
    say(&mut session, gradient(5, 0, 8)).unwrap();
    let both = Err(Misconduct::Both { iteration });
    assert_eq!(say(&mut session, parameters(5, 0, 24)), both);
    say(&mut session, gradient(5, 2, 4)).unwrap();
    let again = Err(Misconduct::Iteration {
        found: iteration,
        expected: iteration,
    });
    assert_eq!(say(&mut session, gradient(5, 0, 12)), again);
    assert_eq!(say(&mut session, parameters(5, 0, 24)), again);
}

#[test]
fn a_gradient_that_does_not_continue_is_refused() {
    let wrong = say(&mut with_parameters(), gradient(5, 1, 4));
    assert!(
        matches!(wrong, Err(Misconduct::Chunk { tensor: "gradient", .. })),
        "{wrong:?}"
    );
}

#[test]
fn a_run_that_is_not_mixed_has_no_gradients() {
    let mut session = ready();
    say(&mut session, parameters(0, 0, 12)).unwrap();
    let refused = say(&mut session, gradient(1, 0, 12));
    assert!(
        matches!(
            refused,
            Err(Misconduct::Unexpected {
                found: "GradientChunk",
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn columns_are_of_no_use_to_a_mixed_run_with_another_learning_rate() {
    let rejoin = |run: Run| {
        let before = Run {
            learning_rate: 0.2,
            ..run.clone()
        };
        let held = Holdings {
            run: before,
            ..holding(&[(0, 3)])
        };
        let mut session = Session::joining(resources(), Some(held), at(1.0));
        say(&mut session, welcome_to(run))
    };
    assert_eq!(rejoin(mixed()), Ok(vec![Action::StartAfresh]));
    assert!(matches!(
        rejoin(run()).as_deref(),
        Ok([Action::Join { keep_columns: true, .. }])
    ));
}
