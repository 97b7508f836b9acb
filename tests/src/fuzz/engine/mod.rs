//! The engine, with workers that are honest, slow, silent, lost, late or hostile: it never panics, never blames an honest
//! worker, decides nothing that does not fit together, and when the trouble is over it finishes.

mod peers;
mod witness;

use std::num::NonZeroU64;
use std::time::Duration;

use coordinator::checkpoint::CheckpointEvery;
use coordinator::engine::{
    Action, Audit, Engine, EngineConfig, Event, FleetSize, Noticed, RunTime, SumShape, WrongSums,
};
use shared::ids::{Iteration, WorkerId};
use shared::{BlockColumns, Digest, Tree};

use super::{Inputs, Target, ensure};
use crate::random::Random;
use peers::Peers;
use witness::Witness;

pub(super) const TARGET: Target = Target {
    name: "engine",
    case: |random, inputs| case(random, inputs, |_| {}),
};

/// Steps within which a run without further trouble must be over.
const RECOVERY_STEPS: usize = 500;

/// One case, with `sabotage` done to whatever the engine decides.
pub(super) fn case(random: &mut Random, inputs: &mut Inputs, sabotage: fn(&mut Vec<Action>)) -> Result<(), String> {
    let mut play = Play::begin(random, inputs, sabotage)?;
    // Speeds count only after many iterations.
    let most = *play.random.one_of(&[250, 250, 250, 4000]);
    for _ in 0..play.random.between(10, most) {
        play.step()?;
    }
    play.recover()
}

/// A run in virtual time.
struct Play<'a> {
    random: &'a mut Random,
    inputs: &'a mut Inputs,
    sabotage: fn(&mut Vec<Action>),
    now: Duration,
    config: EngineConfig,
    engine: Engine,
    witness: Witness,
    peers: Peers,
    /// What the coordinator's own threads will say.
    own: Vec<Event>,
}

fn config(random: &mut Random) -> EngineConfig {
    let block_columns = BlockColumns::new(random.between(8, 100) as usize).expect("it is at least 8");
    let columns = random.between(1, 800) as usize;
    let audit = Audit {
        fraction: *random.one_of(&[0.3, 1.0]),
        seed: 1,
    };
    let every = [
        CheckpointEvery::Iterations(NonZeroU64::MIN),
        CheckpointEvery::Time(Duration::from_secs(1)),
    ];
    EngineConfig {
        even_shards: random.happens(1, 4),
        fleet: FleetSize::Workers {
            first: random.between(1, 4) as usize,
            least: random.between(1, 2) as usize,
        },
        first: Iteration(random.below(2) * 3),
        iterations: random.between(4, *random.clone().one_of(&[30, 300])),
        tree: Tree::over_batch(columns, block_columns).expect("the batch is small"),
        block_columns,
        data: Digest::from_bytes([1; 32]),
        column_bytes: *random.one_of(&[1, 100_000]),
        shape: SumShape {
            len: random.between(1, 6) as usize,
            number_bytes: *random.one_of(&[4, 8]),
        },
        gradients: random.happens(1, 2),
        worker_timeout: Duration::from_secs(4),
        audit: random.happens(1, 2).then_some(audit),
        checkpoints: random.happens(1, 2).then(|| *random.one_of(&every)),
    }
}

impl<'a> Play<'a> {
    fn begin(random: &'a mut Random, inputs: &'a mut Inputs, sabotage: fn(&mut Vec<Action>)) -> Result<Self, String> {
        let config = config(random);
        let (engine, actions) = Engine::start(config.clone(), RunTime(Duration::ZERO));
        let mut play = Self {
            random,
            inputs,
            sabotage,
            now: Duration::ZERO,
            witness: Witness::new(&config),
            peers: Peers::new(&config),
            config,
            engine,
            own: Vec::new(),
        };
        play.perform(actions)?;
        Ok(play)
    }

    /// Tells the engine something, and performs what it decides.
    fn tell(&mut self, event: Event) -> Result<(), String> {
        self.inputs.count();
        self.witness.hear(&event, self.now);
        let is_deadline = event == Event::DeadlinePassed;
        let actions = self.engine.handle(event, RunTime(self.now));
        self.perform(actions)?;
        let members: Vec<_> = self.engine.roster().workers().collect();
        ensure(self.witness.is_over() || members == self.witness.members(), || {
            format!("found members {members:?}, expected {:?}", self.witness.members())
        })?;
        let next = self.engine.next_deadline();
        ensure(next.is_none() == self.witness.is_over(), || {
            format!("the next deadline is {next:?}")
        })?;
        // Otherwise the shell would ask again and again.
        let later = next.is_none_or(|next| next.0 > self.now);
        ensure(!is_deadline || later, || {
            format!("at {:?} the next deadline is {next:?}", self.now)
        })
    }

    fn perform(&mut self, mut actions: Vec<Action>) -> Result<(), String> {
        (self.sabotage)(&mut actions);
        for action in actions {
            self.witness.see(&action)?;
            match action {
                Action::Update { iteration, sums } => {
                    // What hostile workers send may turn out to be wrong; what honest ones send cannot.
                    let mut wrong = Vec::new();
                    for sum in sums {
                        for worker in sum.workers {
                            if self.peers.is_hostile(worker) && self.random.happens(1, 4) {
                                let (node, noticed) = (sum.node, Noticed::NotFinite);
                                wrong.push(WrongSums { worker, node, noticed });
                            }
                        }
                    }
                    let cost = 0.5;
                    self.own.push(Event::Updated { iteration, cost, wrong });
                }
                Action::SaveCheckpoint { updates } => {
                    let saved = self.random.happens(3, 4);
                    self.own.push(Event::CheckpointWritten { updates, saved });
                }
                action => self.peers.take(&action, self.random),
            }
        }
        Ok(())
    }

    /// Something happens.
    fn step(&mut self) -> Result<(), String> {
        let random = &mut *self.random;
        match random.below(40) {
            0..20 => match self.peers.next(random) {
                Some(event) => self.tell(event),
                None => Ok(()),
            },
            20..26 => self.tell_own(),
            26..32 => self.let_time_pass(),
            32..36 => {
                let (worker, event) = self.peers.join(random, self.now);
                if self.peers.is_hostile(worker) {
                    self.witness.distrust(worker);
                }
                self.tell(event)
            }
            36 => match self.peers.lose(random) {
                Some(event) => self.tell(event),
                None => Ok(()),
            },
            37 => {
                self.peers.hush(random);
                Ok(())
            }
            38 if random.happens(1, 30) => self.tell(Event::StopRequested),
            _ => match self.peers.nonsense(random) {
                Some(event) => self.tell(event),
                None => Ok(()),
            },
        }
    }

    fn tell_own(&mut self) -> Result<(), String> {
        if self.own.is_empty() {
            return Ok(());
        }
        let event = self.own.remove(0);
        self.tell(event)
    }

    /// Time goes on, at most to the next deadline and a little. Whoever is not silent gives signs of life.
    fn let_time_pass(&mut self) -> Result<(), String> {
        let Some(deadline) = self.engine.next_deadline() else {
            return Ok(());
        };
        let end = if self.random.happens(1, 2) {
            deadline.0.max(self.now) + Duration::from_millis(self.random.below(3))
        } else {
            self.now + Duration::from_millis(self.random.below(300))
        };
        let step = self.config.worker_timeout / 8;
        while self.now < end {
            self.now = end.min(self.now + step);
            for event in self.peers.signs_of_life(self.now, step) {
                self.tell(event)?;
            }
        }
        let due = self
            .engine
            .next_deadline()
            .is_some_and(|deadline| deadline.0 <= self.now);
        if due { self.tell(Event::DeadlinePassed) } else { Ok(()) }
    }

    /// The hostile leave, the silent speak, and enough honest workers come: now the run must finish.
    fn recover(&mut self) -> Result<(), String> {
        for event in self.peers.expel() {
            self.tell(event)?;
        }
        for _ in 0..RECOVERY_STEPS {
            if self.witness.is_over() {
                return Ok(());
            }
            if self.witness.members().len() < 4 {
                let (_, event) = self.peers.join_honest(self.random, self.now);
                self.tell(event)?;
            }
            while let Some(event) = self.peers.next(self.random) {
                self.tell(event)?;
            }
            while !self.own.is_empty() {
                self.tell_own()?;
            }
            self.let_time_pass()?;
        }
        Err(format!(
            "it is not over after {RECOVERY_STEPS} steps without trouble: {:?}",
            self.engine
        ))
    }
}

/// A worker's number, as it is shown.
fn name(worker: WorkerId) -> String {
    format!("w{worker}")
}
