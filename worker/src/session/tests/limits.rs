//! What is larger than the memory that may be used is refused before any of it is allocated.

use super::*;

/// What a worker takes before it is a member.
const BASE: u64 = 64 << 20;

/// 3 parameters three times, one thread at 384 columns and at 16 features of 8 units, and the tree of 3 blocks.
const OF_THE_RUN: u64 = 3 * 3 * 4 + 384 * (2 * 8 + 272) * 4 + (27 << 19) + 26 * 16 * 8 * 4 + 45 * 3;

/// The 12 columns of the blocks 1 and 2, of 8 features with those that fill up a tile.
const KEPT: u64 = (12 + 7) * (8 * 2 + 1);

/// The same while they arrive.
const ARRIVING: u64 = 3 * KEPT;

/// The sums of both blocks, a node each, and the passes over their 8 and 4 columns.
const COMPUTED: u64 = 2 * 2 * (3 + 1) * 4 + ((8 + 7) + (4 + 7)) * 4 * 8 * 4;

fn joining_with(bytes: u64) -> Session {
    let memory = MemoryLimit(bytes);
    Session::joining(Resources { memory, ..resources() }, None, at(1.0))
}

#[track_caller]
fn assert_too_large(result: Result<Vec<Action>, Misconduct>) {
    assert!(matches!(result, Err(Misconduct::TooLarge(_))), "{result:?}");
}

#[test]
fn a_network_that_has_no_room_is_refused_when_it_is_declared() {
    let enough = BASE + OF_THE_RUN;
    assert!(say(&mut joining_with(enough), welcome_to(run())).is_ok());
    assert_too_large(say(&mut joining_with(enough - 1), welcome_to(run())));
}

#[test]
fn columns_that_a_worker_kept_count_when_it_is_back() {
    let rejoin = |memory| {
        let memory = MemoryLimit(memory);
        let mut session = Session::joining(Resources { memory, ..resources() }, Some(holding(&[(1, 3)])), at(1.0));
        say(&mut session, welcome_to(run()))
    };
    let enough = BASE + OF_THE_RUN + KEPT + COMPUTED;
    assert!(rejoin(enough).is_ok());
    assert_too_large(rejoin(enough - 1));
}

#[test]
fn columns_that_have_no_room_are_refused_when_they_are_assigned() {
    let enough = BASE + OF_THE_RUN + KEPT + ARRIVING + COMPUTED;
    for (memory, has_room) in [(enough, true), (enough - 1, false)] {
        let mut session = joining_with(memory);
        say(&mut session, welcome_to(run())).unwrap();
        let answer = say(&mut session, assignment(&[(1, 3)]));
        if has_room {
            assert_eq!(answer, Ok(vec![Action::Retain(blocks(&[(1, 3)]))]));
        } else {
            assert_too_large(answer);
        }
    }
}

#[test]
fn columns_count_as_arriving_until_they_are_laid_out() {
    let mut session = joining_with(BASE + OF_THE_RUN + KEPT + ARRIVING + COMPUTED);
    say(&mut session, welcome_to(run())).unwrap();
    say(&mut session, assignment(&[(1, 3)])).unwrap();
    say(&mut session, labels(0, 12)).unwrap();
    say(&mut session, columns(0, 48)).unwrap();
    // This takes less by itself, but the last shipment is still there as it came.
    let other = || assignment(&[(0, 2)]);
    assert_too_large(say(&mut session.clone(), other()));
    session.handle(Event::Held, at(1.0)).unwrap();
    assert!(say(&mut session, other()).is_ok());
}

#[test]
fn sums_that_have_no_room_are_refused_when_they_are_wanted() {
    let mut session = joining_with(BASE + OF_THE_RUN + KEPT + ARRIVING + COMPUTED);
    say(&mut session, welcome_to(run())).unwrap();
    say(&mut session, assignment(&[(1, 3)])).unwrap();
    say(&mut session, labels(0, 12)).unwrap();
    say(&mut session, columns(0, 48)).unwrap();
    session.handle(Event::Held, at(1.0)).unwrap();
    say(&mut session, parameters(0, 0, 12)).unwrap();
    assert!(say(&mut session, compute(0, &[(1, 2), (2, 3)])).is_ok());
    // The same node, as if it were another one each time.
    assert_too_large(say(&mut session, compute(0, &[(1, 2); 3])));
}

#[test]
fn sizes_beyond_every_computer_are_refused_and_not_overflowed() {
    let block_columns = BlockColumns::new(1 << 40).unwrap();
    let huge = Run {
        sizes: LayerSizes::new(vec![1 << 31, 1]).unwrap(),
        tree: Tree::over_batch(1 << 40, block_columns).unwrap(),
        block_columns,
        ..run()
    };
    let mut session = joining_with(u64::MAX);
    say(&mut session, welcome_to(huge)).unwrap();
    let error = say(&mut session, assignment(&[(0, 1)])).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("expected at most 16777215.9 TiB, the limit of --max-memory"),
        "{error}"
    );
}
