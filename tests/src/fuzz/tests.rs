//! The fuzzer finds what is wrong, and what it reports leads back to it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use coordinator::engine::{Action, Report};
use worker::session::Action as SessionAction;

use super::*;

/// Runs `case` until it fails, and checks that what is reported, and nothing else, leads there again.
fn found(case: fn(&mut Random, &mut Inputs) -> Result<(), String>) -> Finding {
    let target = Target { name: "planted", case };
    let seed = 7;
    let finding = target
        .run(seed, 0, 1_000_000, &mut Inputs::default())
        .expect_err("it is there to be found");
    assert_eq!((finding.target, finding.seed), ("planted", seed));
    let again = target.run_case(seed, finding.case, &mut Inputs::default());
    assert_eq!(again, Err(finding.clone()));
    for before in finding.case.saturating_sub(20)..finding.case {
        assert_eq!(target.run_case(seed, before, &mut Inputs::default()), Ok(()));
    }
    finding
}

#[test]
fn a_planted_panic_is_found_and_reported_with_what_repeats_it() {
    let finding = found(|random, inputs| {
        for _ in 0..10 {
            inputs.count();
            let number = random.below(5000);
            assert!(number != 77, "planted at {number}");
        }
        Ok(())
    });
    let (case, input) = (finding.case, finding.input);
    assert!((1..=10).contains(&input), "{input}");
    let text = finding.to_string();
    let begin = format!("planted, seed 7, case {case}, input {input} of it: panicked at tests/src/fuzz/tests.rs:");
    assert!(text.starts_with(&begin) && text.ends_with(": planted at 77"), "{text}");
    assert_eq!(
        finding.hint(),
        format!("to repeat it: make fuzz TARGET=planted SEED=7 CASE={case}")
    );
}

#[test]
fn sums_that_do_not_cover_the_batch_are_found() {
    let finding = found(|random, inputs| {
        engine::case(random, inputs, |actions| {
            for action in actions {
                if let Action::Update { sums, .. } = action
                    && sums.len() > 4
                {
                    sums.remove(2);
                }
            }
        })
    });
    assert!(finding.what.contains("expected a node from block"), "{finding}");
}

#[test]
fn sums_that_nobody_sent_are_found() {
    let finding = found(|random, inputs| {
        engine::case(random, inputs, |actions| {
            actions.retain(|action| !matches!(action, Action::Keep(_, sum) if sum.node.first() == 2));
        })
    });
    assert!(finding.what.contains("have not arrived whole"), "{finding}");
}

#[test]
fn a_worker_that_is_forgotten_is_found() {
    let finding = found(|random, inputs| {
        engine::case(random, inputs, |actions| {
            let lost = |action: &Action| matches!(action, Action::Report(Report::Lost { .. }));
            if actions.iter().any(lost) {
                actions.retain(|action| !matches!(action, Action::Compute { .. }));
            }
        })
    });
    assert!(
        finding.what.contains("nobody asked for it") || finding.what.contains("not over"),
        "{finding}"
    );
}

#[test]
fn a_worker_that_computes_what_it_does_not_hold_is_found() {
    let finding = found(|random, inputs| {
        session::case(random, inputs, |actions| {
            actions.retain(|action| !matches!(action, SessionAction::Hold(_)));
        })
    });
    assert!(finding.what.contains("are held, in Compute"), "{finding}");
}

#[test]
fn what_a_case_does_depends_on_its_seed_and_number_alone() {
    for target in TARGETS {
        let inputs = |case| {
            let mut inputs = Inputs::default();
            target.run_case(1, case, &mut inputs).expect("nothing is wrong");
            inputs.given()
        };
        let forward: Vec<_> = (0..20).map(inputs).collect();
        let backward: Vec<_> = (0..20).rev().map(inputs).collect();
        assert!(forward.iter().eq(backward.iter().rev()), "{}", target.name);
    }
}

thread_local! {
    /// What was decided: the first two words of every action, and the reasons of dismissals.
    static SEEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

fn note<A: fmt::Debug>(actions: &[A]) {
    for action in actions {
        let text = format!("{action:?}");
        let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).take(2).collect();
        let reasons = ["Misconduct", "Silence"]
            .into_iter()
            .filter(|reason| text.contains(reason));
        SEEN.with_borrow_mut(|seen| {
            seen.extend(reasons.map(str::to_owned));
            seen.insert(words.join(" "));
        });
    }
}

fn expect_seen(kinds: &[&str]) {
    SEEN.with_borrow(|seen| {
        for kind in kinds {
            assert!(
                seen.iter().any(|found| found.starts_with(kind)),
                "no {kind} in {seen:?}"
            );
        }
    });
}

#[test]
fn cases_reach_every_decision_of_the_engine() {
    for number in 0..1000 {
        let mut random = Random::new(number);
        engine::case(&mut random, &mut Inputs::default(), |actions| note(actions)).expect("nothing is wrong");
    }
    expect_seen(&[
        "Welcome",
        "Dismiss",
        "Misconduct",
        "Silence",
        "Assign",
        "Broadcast",
        "BroadcastGradient",
        "Compute",
        "Heartbeat",
        "Keep",
        "Update",
        "SaveCheckpoint",
        "ReportCost",
        "Finish",
        "Stop",
        "Report Gathering",
        "Report Begins",
        "Report Idle",
        "Report Joined",
        "Report Lost",
        "Report Paused",
        "Report GoesOn",
        "Report SharedAnew",
        "Report Repeated",
    ]);
}

#[test]
fn cases_reach_every_decision_of_the_session() {
    for number in 0..1000 {
        let mut random = Random::new(number);
        session::case(&mut random, &mut Inputs::default(), |actions| note(actions)).expect("nothing is wrong");
    }
    expect_seen(&[
        "Send Ready",
        "Send Heartbeat",
        "Join",
        "Retain",
        "Hold",
        "Store",
        "Parameters",
        "StoreGradient",
        "Gradient",
        "Compute",
        "Finish",
        "Leave",
        "GiveUp",
        "StartAfresh",
    ]);
}
