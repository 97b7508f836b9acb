//! Who is a member of a run, and when.

use std::time::{Duration, Instant};

use tests::faults::fleet::NEVER;
use tests::faults::subject::Shape;
use tests::faults::{Direction, Fleet, Subject};

/// Starts a braked run of these workers, none of which is taken for lost because of silence.
fn patient(subject: &Subject, options: &[&str], names: &[&str]) -> Fleet {
    let workers = names.len().to_string();
    let own = ["--workers", &workers, "--worker-timeout", NEVER];
    Fleet::braked(subject, &[&own, options].concat(), names)
}

/// Waits until `name` has sent sums for as many numbers as there are parameters, from now on.
fn wait_until_it_works(fleet: &Fleet, name: &str, subject: &Subject) {
    let proxy = &fleet[name].proxy;
    let sent = proxy.facts().up.delivered + subject.parameter_bytes();
    proxy.wait_until("see its sums", |facts| facts.up.delivered >= sent);
}

#[test]
fn a_worker_that_comes_late_gets_work_and_changes_nothing() {
    let subject = Subject::usual();
    let mut fleet = patient(&subject, &[], &["a", "b"]);
    fleet.wait_for_iteration(3);
    fleet.join("late");
    fleet
        .coordinator
        .wait_for_stderr_line("that it joined", |line| line.contains("(late) joined"));
    wait_until_it_works(&fleet, "late", &subject);
    fleet.finish(&subject);
}

#[test]
fn below_its_least_number_of_workers_a_run_pauses_says_what_it_waits_for_and_goes_on_by_itself() {
    let subject = Subject::usual();
    let mut fleet = patient(&subject, &["--min-workers", "2"], &["a", "b"]);
    fleet.wait_for_iteration(3);
    fleet.kill("b");
    let paused = fleet.coordinator.wait_for_stderr("paused at iteration ");
    let iteration = number_after(&paused, "paused at iteration ");
    assert!(iteration > 3, "{paused}");
    assert!(paused.contains("1 of at least 2 workers"), "{paused}");
    let command = format!("start another: worker --connect {}", fleet.upstream);
    assert!(paused.ends_with(&command), "{paused}");
    fleet.join("c");
    let on = fleet.coordinator.wait_for_stderr("the run goes on at iteration ");
    assert_eq!(number_after(&on, "the run goes on at iteration "), iteration, "{on}");
    fleet.finish(&subject);
}

/// The number in `line` that follows `part`.
#[track_caller]
fn number_after(line: &str, part: &str) -> u64 {
    let digits = line.split_once(part).map(|(_, rest)| {
        let end = rest.find(|character: char| !character.is_ascii_digit());
        &rest[..end.unwrap_or(rest.len())]
    });
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("found {line:?}, expected a number after «{part}»"))
}

#[test]
fn a_run_whose_workers_are_all_killed_waits_and_goes_on_with_new_ones() {
    let subject = Subject::usual();
    let mut fleet = patient(&subject, &[], &["a", "b", "c"]);
    fleet.wait_for_iteration(3);
    for name in ["a", "b", "c"] {
        fleet.kill(name);
    }
    fleet.coordinator.wait_for_stderr("0 of at least 1 workers");
    fleet.join("d");
    fleet.coordinator.wait_for_stderr("the run goes on at iteration ");
    fleet.join("e");
    wait_until_it_works(&fleet, "e", &subject);
    fleet.finish(&subject);
}

#[test]
fn killing_a_worker_again_and_again_and_starting_fresh_ones_changes_nothing() {
    let subject = Subject::usual();
    let names: Vec<String> = (0..11).map(|number| format!("w{number}")).collect();
    let mut fleet = patient(&subject, &[], &["w0", "w1", "w2"]);
    for (killed, fresh) in names.iter().zip(&names[3..]) {
        fleet.wait_for_more_iterations(4);
        fleet.kill(killed);
        fleet.join(fresh);
        fleet.wait_until_lost(killed);
        fleet[fresh.as_str()].wait_until_joined(1);
    }
    fleet.finish(&subject);
}

#[test]
fn a_stopped_worker_does_not_stop_the_run_and_gets_work_again_when_it_goes_on() {
    let subject = Subject::usual();
    let fleet = Fleet::braked(&subject, &["--workers", "3"], &["a", "b", "c"]);
    fleet.wait_for_iteration(3);
    fleet["b"].worker.stop();
    fleet.wait_until_lost("b");
    fleet.wait_for_more_iterations(5);
    fleet["b"].worker.resume();
    fleet["b"].wait_until_joined(2);
    wait_until_it_works(&fleet, "b", &subject);
    fleet.finish(&subject);
}

#[test]
fn a_worker_that_is_asked_to_end_leaves_at_once_and_the_run_goes_on() {
    let subject = Subject::usual();
    let mut fleet = patient(&subject, &[], &["stays", "terminated", "interrupted"]);
    fleet.wait_for_iteration(3);
    for (name, code) in [("terminated", 143), ("interrupted", 130)] {
        let place = fleet.members.iter().position(|member| member.name == name);
        let member = fleet.members.remove(place.expect("it was started above"));
        if code == 143 {
            member.worker.terminate();
        } else {
            member.worker.interrupt();
        }
        member.worker.finish().expect_code(code);
        let named = format!("({name})");
        let wanted = format!("that {name} is gone");
        fleet.coordinator.wait_for_stderr_line(&wanted, |line| {
            line.contains(&named) && (line.contains("left") || line.contains("lost worker "))
        });
        fleet.wait_for_more_iterations(2);
    }
    fleet.finish(&subject);
}

#[test]
fn a_closed_connection_is_acted_on_within_a_second() {
    let subject = Subject::usual();
    let mut fleet = patient(&subject, &[], &["a", "b", "c"]);
    fleet.wait_for_iteration(3);
    let cuts = (2..5).map(|times| {
        let took = time_until_lost(&mut fleet, "b", |fleet| fleet["b"].proxy.cut());
        fleet["b"].wait_until_joined(times);
        took
    });
    let mut cuts: Vec<_> = cuts.collect();
    let kills = ["a", "b", "c"].map(|name| {
        let took = time_until_lost(&mut fleet, name, |fleet| fleet.kill(name));
        let fresh = format!("in place of {name}");
        fleet.join(&fresh);
        fleet[fresh.as_str()].wait_until_joined(1);
        took
    });
    let mut kills = kills.to_vec();
    for times in [&mut cuts, &mut kills] {
        times.sort_unstable();
        // The middle one does not mind a moment in which the machine was busy.
        assert!(times[1] < Duration::from_secs(1), "{times:?}");
    }
    fleet.finish(&subject);
}

/// How long it takes from the end of a worker's connection, by `end`, to the line that says so.
#[expect(clippy::disallowed_methods, reason = "the promise is about real time")]
fn time_until_lost(fleet: &mut Fleet, name: &str, end: impl FnOnce(&mut Fleet)) -> Duration {
    let mark = fleet.coordinator.stderr_mark();
    let start = Instant::now();
    end(fleet);
    fleet.wait_until_lost_since(mark, name);
    start.elapsed()
}

#[test]
fn columns_that_a_worker_still_holds_are_not_sent_again() {
    // Parameters are a small part of what is sent: 16 KB an iteration, where a worker has 300 to 450 KB of columns.
    let subject = Subject::of(Shape {
        columns: 600,
        features: 2000,
        hidden: Vec::new(),
    });
    // Shards that follow measured speeds would move columns for that reason.
    let fleet = patient(&subject, &["--even-shards"], &["a", "b", "c"]);
    fleet.wait_for_iteration(3);
    wait_until_it_works(&fleet, "b", &subject);
    let proxy = &fleet["b"].proxy;
    let before = proxy.facts().down.delivered;
    // Shards are whole nodes of the tree, so a third of the workers may have a little less than a third of the columns.
    let its_columns = subject.column_bytes() / 4;
    assert!(before > its_columns, "it got its columns: {before} bytes");
    // It can work again only if it needs few bytes for that.
    proxy.hold_after(Direction::Down, its_columns / 2);
    proxy.cut();
    fleet["b"].wait_until_joined(2);
    wait_until_it_works(&fleet, "b", &subject);
    proxy.release();
    fleet.finish(&subject);
}
