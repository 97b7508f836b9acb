//! Every fault in every phase of a worker, with three workers, the third of which is struck.
//!
//! | phase | what the proxy has seen when the fault strikes |
//! |---|---|
//! | joining | the worker has dialled, and nothing that it said has been delivered |
//! | receiving | the first bytes of its columns are delivered, the others are held back |
//! | computing | the parameters of an iteration are delivered, and no sums have been |
//! | sending | the first bytes of its sums are delivered, the others are held back |

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use tests::faults::{Direction, Fleet, Proxy, Subject};

/// The worker that is struck.
const VICTIM: &str = "victim";

/// Bytes to the worker after which columns are under way: more than all messages before them, less than its columns.
const COLUMNS_BEGUN: u64 = 8 << 10;

/// Bytes from the worker after which its sums are under way: less than one chunk.
const SUMS_BEGUN: u64 = 32 << 10;

/// The iteration after which the later phases are looked for.
const EARLY: u64 = 2;

/// A latency that is long, but not as long as silence.
const LONG_LATENCY: Duration = Duration::from_millis(300);

/// Bytes per second of a slow line: the parameters take longer than `--worker-timeout`, a chunk of them does not.
const SLOW: NonZeroU64 = NonZeroU64::new(256 << 10).unwrap();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Joining,
    Receiving,
    Computing,
    Sending,
}

const PHASES: [Phase; 4] = [Phase::Joining, Phase::Receiving, Phase::Computing, Phase::Sending];

/// A run in which the victim has come to a phase.
struct Scene {
    fleet: Fleet,
    phase: Phase,
    /// How often the victim has joined so far.
    joined: usize,
}

impl Scene {
    /// Starts the workers `others` and, when they have joined, the victim, and waits until the victim is in the midst of
    /// `phase`.
    fn set(subject: &Subject, phase: Phase, others: &[&str]) -> Self {
        let workers = (others.len() + 1).to_string();
        let mut fleet = Fleet::braked(subject, &["--workers", &workers], others);
        others.iter().for_each(|name| fleet[*name].wait_until_joined(1));
        let proxy = Proxy::to(fleet.upstream);
        let columns = match phase {
            Phase::Joining => {
                proxy.silence();
                0
            }
            Phase::Receiving => proxy.hold_after(Direction::Down, COLUMNS_BEGUN),
            Phase::Computing | Phase::Sending => 0,
        };
        fleet.join_through(proxy, VICTIM);
        if phase != Phase::Joining {
            fleet[VICTIM].wait_until_joined(1);
        }
        let proxy = &fleet[VICTIM].proxy;
        match phase {
            Phase::Joining => {
                proxy.wait_until("hold what a joining worker says", |facts| facts.up.held > 0);
            }
            Phase::Receiving => {
                proxy.wait_until("hold the rest of the columns", |facts| {
                    facts.down.delivered == columns && facts.down.held > 0
                });
            }
            Phase::Computing => {
                fleet.wait_for_iteration(EARLY);
                let parameters = proxy.facts().down.delivered + subject.parameter_bytes();
                proxy.wait_until("deliver the parameters", |facts| facts.down.delivered >= parameters);
            }
            Phase::Sending => {
                fleet.wait_for_iteration(EARLY);
                let sums = proxy.hold_after(Direction::Up, SUMS_BEGUN);
                proxy.wait_until("hold the rest of the sums", |facts| {
                    facts.up.delivered == sums && facts.up.held > 0
                });
            }
        }
        let joined = fleet[VICTIM].times_joined();
        Self { fleet, phase, joined }
    }

    fn proxy(&self) -> &Proxy {
        &self.fleet[VICTIM].proxy
    }

    /// Waits until the victim's loss is known and the others have gone on. One that has not joined is missed by nobody,
    /// and another takes its place.
    fn wait_until_gone(&mut self) {
        if self.phase == Phase::Joining {
            self.fleet.join("replacement");
        } else {
            self.fleet.wait_until_lost(VICTIM);
        }
        self.fleet.wait_for_iteration(EARLY);
        self.fleet.wait_for_more_iterations(1);
    }

    fn wait_until_back(&self) {
        self.fleet[VICTIM].wait_until_joined(self.joined + 1);
    }
}

/// Makes `case` of every one of `phases` at the same time: most of it is waiting.
fn for_each(phases: &[Phase], case: impl Fn(Phase) + Sync) {
    let failed: Vec<Phase> = thread::scope(|scope| {
        let cases: Vec<_> = phases
            .iter()
            .map(|&phase| {
                let case = &case;
                let name = format!("{phase:?}").to_lowercase();
                let running = thread::Builder::new()
                    .name(name)
                    .spawn_scoped(scope, move || catch_unwind(AssertUnwindSafe(|| case(phase))).is_ok());
                (phase, running.expect("the system gives a thread"))
            })
            .collect();
        let ended = cases.into_iter().map(|(phase, case)| (phase, case.join()));
        ended
            .filter(|(_, ended)| !matches!(ended, Ok(true)))
            .map(|(phase, _)| phase)
            .collect()
    });
    assert_eq!(failed, [], "the phases in which it fails");
}

/// Lets `strike` disturb a run of three workers in every phase, and checks the result.
fn in_every_phase(strike: impl Fn(&mut Scene) + Sync) {
    let subject = Subject::usual();
    for_each(&PHASES, |phase| {
        let mut scene = Scene::set(&subject, phase, &["a", "b"]);
        strike(&mut scene);
        scene.fleet.finish(&subject);
    });
}

#[test]
fn a_killed_worker_in_any_phase_changes_nothing() {
    in_every_phase(|scene| {
        scene.fleet.kill(VICTIM);
        scene.proxy().release();
        scene.wait_until_gone();
        scene.fleet.join("fresh");
        scene.fleet["fresh"].wait_until_joined(1);
    });
}

#[test]
fn a_stopped_worker_in_any_phase_changes_nothing_and_comes_back() {
    in_every_phase(|scene| {
        scene.fleet[VICTIM].worker.stop();
        scene.proxy().release();
        scene.wait_until_gone();
        scene.fleet[VICTIM].worker.resume();
        scene.wait_until_back();
        scene.fleet[VICTIM].wait_until_member();
    });
}

#[test]
fn a_connection_reset_in_any_phase_changes_nothing_and_the_worker_comes_back() {
    in_every_phase(|scene| {
        scene.proxy().cut();
        scene.proxy().release();
        if scene.phase != Phase::Joining {
            scene.fleet.wait_until_lost(VICTIM);
        }
        scene.wait_until_back();
    });
}

#[test]
fn silence_in_any_phase_changes_nothing_and_the_worker_comes_back() {
    in_every_phase(|scene| {
        scene.proxy().silence();
        scene.wait_until_gone();
        scene.proxy().release();
        scene.wait_until_back();
        scene.fleet[VICTIM].wait_until_member();
    });
}

#[test]
fn a_long_latency_from_any_phase_on_changes_nothing() {
    in_every_phase(|scene| {
        scene.proxy().delay(LONG_LATENCY);
        scene.proxy().release();
        scene.fleet.wait_for_iteration(EARLY);
        scene.fleet.wait_for_more_iterations(2);
        scene.proxy().delay(scene.fleet.latency());
        scene.fleet[VICTIM].wait_until_member();
    });
}

#[test]
fn a_slow_line_from_any_phase_on_changes_nothing() {
    in_every_phase(|scene| {
        scene.proxy().throttle(Some(SLOW));
        scene.proxy().release();
        scene.fleet.wait_for_iteration(EARLY);
        scene.fleet.wait_for_more_iterations(2);
        scene.proxy().throttle(None);
        scene.fleet[VICTIM].wait_until_member();
    });
}

#[test]
fn an_altered_bit_in_any_phase_changes_nothing() {
    in_every_phase(|scene| {
        // In the midst of: what opens the connection, the columns, the next parameters, the sums.
        let (direction, after) = match scene.phase {
            Phase::Joining => (Direction::Up, 10),
            Phase::Receiving => (Direction::Down, 1000),
            Phase::Computing => (Direction::Down, 50_000),
            Phase::Sending => (Direction::Up, 1000),
        };
        scene.fleet[VICTIM].abandon();
        scene.proxy().corrupt(direction, after, 3);
        scene.proxy().release();
        scene.proxy().wait_until("flip the bit", |facts| facts.flipped == 1);
        if scene.phase != Phase::Joining {
            let named = format!("({VICTIM})");
            scene
                .fleet
                .coordinator
                .wait_for_stderr_line("that it lost or dismissed the victim", |line| {
                    (line.contains("lost worker ") || line.contains("dismissed worker ")) && line.contains(&named)
                });
        }
        scene.fleet.join("fresh");
        scene.fleet["fresh"].wait_until_joined(1);
    });
}

#[test]
fn all_four_workers_struck_at_once_in_different_ways_change_nothing() {
    let subject = Subject::usual();
    for_each(&[Phase::Receiving, Phase::Computing, Phase::Sending], |phase| {
        let mut scene = Scene::set(&subject, phase, &["stopped", "reset", "silent"]);
        let fleet = &mut scene.fleet;
        fleet["stopped"].worker.stop();
        fleet["silent"].proxy.silence();
        fleet["reset"].proxy.cut();
        fleet.kill(VICTIM);
        fleet[VICTIM].proxy.release();
        for name in ["stopped", "reset", "silent", VICTIM] {
            fleet.wait_until_lost(name);
        }
        fleet["stopped"].worker.resume();
        fleet["silent"].proxy.release();
        fleet.join("fresh");
        for (name, times) in [("stopped", 2), ("reset", 2), ("silent", 2), ("fresh", 1)] {
            fleet[name].wait_until_joined(times);
            fleet[name].wait_until_member();
        }
        scene.fleet.finish(&subject);
    });
}
