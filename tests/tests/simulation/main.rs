//! The real engine, the real sessions and the real arithmetic in virtual time, with an adversary that a seed decides. There
//! are no sockets, no threads and no clock, so a run takes a few milliseconds, and a seed always gives the same one.
//!
//! ```text
//!   seed ─▶ scenario ─▶ world   what happens when; time goes from one thing to the next
//!                         ├─ machines      where processes begin, act and end
//!                         ├─ coordinator   the engine and the trainer, as `coordinator::run` has them
//!                         ├─ worker        the session and the workbench, as `worker::run` has them
//!                         ├─ network       connections like those of TCP
//!                         ├─ adversary     breaks connections; kills, freezes, parts and slows processes; repeats; lies
//!                         └─ observers     invariants/: what must hold;  planted: known bugs, to show that they are found
//! ```
//!
//! - `LOCKSTEP_SEED=123` makes the run of one seed alone and shows what happens in it;
//! - `LOCKSTEP_SEEDS=100000` makes that many runs, with the seeds 0, 1, …; 10000 if it is not set.

mod adversary;
mod coordinator;
mod harness;
mod invariants;
mod machines;
mod network;
mod observers;
mod planted;
mod problem;
mod scenario;
mod trainer;
mod worker;
mod world;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use invariants::Violation;
use observers::Tally;
use planted::Bug;
use world::{Chronicle, World};

/// How many seeds are tried if nothing else is said.
const SEEDS: u64 = 10_000;

/// The lines shown of a run in which something is wrong.
const LINES: usize = 60;

/// All that must have happened in some run or other.
const REACHED: [&str; 32] = [
    "another worker",
    "audited update",
    "begun with all",
    "begun without the slow",
    "complete",
    "connection broken",
    "coordinator frozen",
    "coordinator killed",
    "coordinator stopped",
    "dismissed for misconduct",
    "dismissed for silence",
    "dismissed for wrong sums",
    "gathering",
    "heard of the end",
    "idle",
    "joined late",
    "lied",
    "lost",
    "new answers repeated",
    "old answers repeated",
    "partition",
    "paused",
    "repeated",
    "resumed",
    "shared anew",
    "speed changed",
    "state written",
    "stopped",
    "went on",
    "worker frozen",
    "worker killed",
    "wrong numbers",
];

/// Makes the run of a seed, on this thread alone.
fn chronicle(seed: u64, bug: Option<Bug>, traced: bool) -> Chronicle {
    thread_local! {
        static POOL: OnceCell<rayon::ThreadPool> = const { OnceCell::new() };
    }
    POOL.with(|pool| {
        pool.get_or_init(|| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
            pool.build().expect("this thread belongs to no other pool")
        });
    });
    World::of(seed, bug, traced).run()
}

/// A number in the environment.
fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("found {variable}={text}, expected a whole number")))
}

/// What is said of a seed whose run violates an invariant; the same again, and what happened last.
fn complaint(seed: u64) -> String {
    let Chronicle { violation, trace, .. } = chronicle(seed, None, true);
    let what = violation.map_or("the second time all is well".to_owned(), |violation| {
        violation.to_string()
    });
    let last = trace.len().saturating_sub(LINES);
    format!(
        "{}\n\nseed {seed}: {what}\nto see it again: LOCKSTEP_SEED={seed} cargo test --release -p tests --test simulation \
         whatever_happens -- --nocapture\n",
        trace[last..].join("\n")
    )
}

fn seeds() -> Range<u64> {
    0..number_in("LOCKSTEP_SEEDS").unwrap_or(SEEDS)
}

#[test]
#[expect(clippy::print_stdout, reason = "who asks for one seed wants to see its run")]
fn every_run_is_complete_with_the_oracles_bits_whatever_happens() {
    if let Some(seed) = number_in("LOCKSTEP_SEED") {
        let Chronicle { violation, trace, .. } = chronicle(seed, None, true);
        println!("{}", trace.join("\n"));
        assert_eq!(violation, None, "seed {seed}");
        return;
    }
    let mut tally = Tally::default();
    let mut failed: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for seed in seeds() {
        let Chronicle {
            violation, tally: seen, ..
        } = chronicle(seed, None, false);
        tally.add(&seen);
        if let Some(Violation { invariant, .. }) = violation {
            failed.entry(invariant).or_default().push(seed);
        }
    }
    if let Some(&first) = failed.values().flatten().min() {
        panic!(
            "of the seeds {:?} these failed: {failed:?}\n{}",
            seeds(),
            complaint(first)
        );
    }
    if seeds().end >= SEEDS {
        let never: Vec<_> = REACHED.iter().filter(|what| !tally.0.contains_key(*what)).collect();
        assert!(never.is_empty(), "never seen: {never:?} in {tally:?}");
    }
}
