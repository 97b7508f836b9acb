//! Runs that are disturbed at random, each in a way that its seed decides.

use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::faults::subject::Shape;
use crate::faults::{Direction, Fleet, RunFolder, Subject};
use crate::random::Random;

/// Between two disturbances, at most so many iterations.
const PAUSE: u64 = 12;

/// The iterations of a run, which ends by itself.
const ITERATIONS: &str = "300";

/// A worker that is disturbed until it recovers.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Stopped,
    Silenced,
    Delayed,
    Slowed,
}

/// What is done to a run.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Trouble(Trouble),
    Kill,
    Cut,
    Alter,
    Join,
    KillCoordinator,
}

/// What there is to choose from.
const DISTURBANCES: [Disturbance; 9] = [
    Disturbance::Trouble(Trouble::Stopped),
    Disturbance::Trouble(Trouble::Silenced),
    Disturbance::Trouble(Trouble::Delayed),
    Disturbance::Trouble(Trouble::Slowed),
    Disturbance::Kill,
    Disturbance::Cut,
    Disturbance::Alter,
    Disturbance::Join,
    Disturbance::KillCoordinator,
];

/// One disturbed run.
struct Round<'a> {
    subject: &'a Subject,
    folder: RunFolder,
    fleet: Fleet,
    random: Random,
    /// The workers that live, with the trouble that each is in.
    workers: Vec<(String, Option<Trouble>)>,
    started: usize,
    /// What coordinators printed that were killed.
    printed: Vec<String>,
    story: String,
}

/// Disturbs a run as `seed` says, compares what it prints with an undisturbed run, and returns what was done to it.
///
/// # Panics
///
/// If it prints something else, hangs, or a process panics.
pub fn round(seed: u32) -> String {
    let mut random = Random::new(u64::from(seed));
    let subject = Subject::of(Shape {
        columns: random.between(40, 300) as usize,
        features: random.between(20, 800) as usize,
        hidden: random.one_of(&[vec![], vec![5], vec![24], vec![12, 6]]).clone(),
    });
    let mut round = Round::begin(&subject, random);
    for _ in 0..round.random.between(4, 12) {
        let pause = round.random.between(1, PAUSE);
        if !round.fleet.makes_more_iterations(pause) {
            break;
        }
        round.disturb();
    }
    round.end()
}

impl<'a> Round<'a> {
    fn begin(subject: &'a Subject, mut random: Random) -> Self {
        let count = random.between(1, 4);
        let folder = RunFolder::of(subject, "run");
        let workers = count.to_string();
        let options = [
            &folder.begin()[..],
            &["--workers", &workers, "--iterations", ITERATIONS],
        ]
        .concat();
        let mut fleet = Fleet::start(subject, &options);
        fleet.brake();
        let mut round = Self {
            subject,
            folder,
            fleet,
            random,
            workers: Vec::new(),
            started: 0,
            printed: Vec::new(),
            story: format!("{count} workers"),
        };
        for _ in 0..count {
            round.start_worker();
        }
        round
    }

    fn tell(&mut self, what: &str) {
        write!(self.story, ", {what}").expect("a String takes everything");
    }

    fn start_worker(&mut self) {
        let name = format!("w{}", self.started);
        self.started += 1;
        self.fleet.join(&name);
        self.workers.push((name, None));
    }

    /// Disturbs the run once more, or ends a trouble.
    fn disturb(&mut self) {
        let is_troubled = self.workers.iter().any(|(_, trouble)| trouble.is_some());
        if is_troubled && self.random.between(0, 2) == 0 {
            return self.recover_one();
        }
        let disturbance = *self.random.one_of(&DISTURBANCES);
        match disturbance {
            Disturbance::Trouble(trouble) => self.trouble(trouble),
            Disturbance::Kill => {
                let name = self.remove_untroubled();
                self.fleet.kill(&name);
                self.tell(&format!("killed {name}"));
                self.start_worker();
            }
            Disturbance::Cut => {
                let name = self.any_untroubled();
                self.fleet[name.as_str()].proxy.cut();
                self.tell(&format!("cut {name} off"));
            }
            Disturbance::Alter => self.alter(),
            Disturbance::Join => {
                self.start_worker();
                self.tell("started another");
            }
            Disturbance::KillCoordinator => self.kill_coordinator(),
        }
    }

    /// A worker that is in no trouble; there always is one.
    fn any_untroubled(&mut self) -> String {
        let untroubled = self.workers.iter().filter(|(_, trouble)| trouble.is_none());
        let names: Vec<_> = untroubled.map(|(name, _)| name.clone()).collect();
        self.random.one_of(&names).clone()
    }

    fn remove_untroubled(&mut self) -> String {
        let chosen = self.any_untroubled();
        self.workers.retain(|(name, _)| *name != chosen);
        chosen
    }

    fn trouble(&mut self, trouble: Trouble) {
        let untroubled = self.workers.iter().filter(|(_, trouble)| trouble.is_none()).count();
        if untroubled < 2 {
            // The last one makes the iterations that everything else waits for.
            self.start_worker();
        }
        let chosen = self.any_untroubled();
        let member = &self.fleet[chosen.as_str()];
        match trouble {
            Trouble::Stopped => member.worker.stop(),
            Trouble::Silenced => member.proxy.silence(),
            Trouble::Delayed => {
                let latency = Duration::from_millis(self.random.between(100, 800));
                member.proxy.delay(latency);
            }
            Trouble::Slowed => {
                let rate = NonZeroU64::new(self.random.between(2_000, 200_000));
                member.proxy.throttle(rate);
            }
        }
        for (name, its_trouble) in &mut self.workers {
            if *name == chosen {
                *its_trouble = Some(trouble);
            }
        }
        self.tell(&format!("{trouble:?} {chosen}").to_lowercase());
    }

    fn recover_one(&mut self) {
        let troubled = self.workers.iter().filter(|(_, trouble)| trouble.is_some());
        let names: Vec<_> = troubled.map(|(name, _)| name.clone()).collect();
        let chosen = self.random.one_of(&names).clone();
        self.recover(&chosen);
        self.tell(&format!("let {chosen} recover"));
    }

    fn recover(&mut self, chosen: &str) {
        let member = &self.fleet[chosen];
        for (name, trouble) in &mut self.workers {
            if name == chosen {
                match trouble.take() {
                    Some(Trouble::Stopped) => member.worker.resume(),
                    Some(Trouble::Silenced) => member.proxy.release(),
                    Some(Trouble::Delayed) => member.proxy.delay(self.fleet.latency()),
                    Some(Trouble::Slowed) => member.proxy.throttle(None),
                    None => {}
                }
            }
        }
    }

    /// Alters a bit of what a worker says or hears. It may be dismissed for it, so another is started.
    fn alter(&mut self) {
        let name = self.remove_untroubled();
        let direction = *self.random.one_of(&[Direction::Up, Direction::Down]);
        let (after, bit) = (self.random.between(0, 50_000), self.random.between(0, 7) as u8);
        let member = &mut self.fleet[name.as_str()];
        member.abandon();
        member.proxy.corrupt(direction, after, bit);
        self.tell(&format!("altered bit {bit} of byte {after} {direction:?} of {name}"));
        self.start_worker();
    }

    fn kill_coordinator(&mut self) {
        while self.folder.checkpoints().is_empty() {
            if !self.fleet.makes_more_iterations(1) {
                return;
            }
        }
        self.printed.push(self.fleet.kill_coordinator());
        let options = [
            &self.folder.resume()[..],
            &["--workers", "1", "--iterations", ITERATIONS],
        ]
        .concat();
        self.fleet.start_another_coordinator(self.subject, &options);
        self.tell("killed the coordinator");
    }

    /// Ends all troubles, waits for the end, and checks the result.
    fn end(mut self) -> String {
        let names: Vec<_> = self.workers.iter().map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| self.recover(name));
        self.fleet.release_brake();
        let Fleet {
            coordinator, members, ..
        } = self.fleet;
        let coordinator = coordinator.finish().expect_code(0);
        self.subject.check_resumed(&self.printed, &coordinator.stdout);
        let workers = members.iter().map(|member| member.worker.said().stderr);
        for stderr in workers.chain([coordinator.stderr]) {
            assert!(!stderr.contains("panicked"), "{stderr}");
        }
        self.story
    }
}
