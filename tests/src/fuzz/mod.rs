//! Messages, files and tokens as nobody should send them, by the million, from a seed.
//!
//! ```text
//!   messages ─▶ mutate ─▶ conversions   bytes ▶ message ▶ bytes
//!                    ├──▶ framing       a stream in pieces ▶ messages
//!                    ├──▶ calls         requests and responses
//!                    ├──▶ engine        the coordinator's decisions, with honest and hostile workers
//!                    ├──▶ session       the worker's decisions and its arithmetic, with any coordinator
//!                    ├──▶ checkpoints   files
//!                    └──▶ tokens        the authorization that a stranger shows
//! ```
//!
//! A target makes cases from random numbers: one input, or a sequence of them. It fails by a panic, or by saying what is
//! wrong. Every case has a number, and target, seed and number alone decide it: that is what a [`Finding`] tells.

mod calls;
mod checkpoints;
mod conversions;
mod engine;
mod framing;
mod messages;
mod mutate;
mod panics;
mod session;
#[cfg(test)]
mod tests;
mod tokens;

use std::fmt;

use crate::random::Random;

/// Something that is given inputs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Makes one case and gives it all of its inputs, each counted before it is given. Says what is wrong, if anything.
    pub case: fn(&mut Random, &mut Inputs) -> Result<(), String>,
}

/// All targets.
pub const TARGETS: [Target; 7] = [
    conversions::TARGET,
    framing::TARGET,
    calls::TARGET,
    engine::TARGET,
    session::TARGET,
    checkpoints::TARGET,
    tokens::TARGET,
];

/// How many inputs were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs(u64);

impl Inputs {
    /// One more is about to be given.
    pub fn count(&mut self) {
        self.0 += 1;
    }

    /// How many there were.
    pub fn given(self) -> u64 {
        self.0
    }
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The target's name.
    pub target: &'static str,
    /// The seed.
    pub seed: u64,
    /// The case's number.
    pub case: u64,
    /// Which of the case's inputs, counted from 1.
    pub input: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            seed,
            case,
            input,
            what,
        } = self;
        write!(f, "{target}, seed {seed}, case {case}, input {input} of it: {what}")
    }
}

impl std::error::Error for Finding {}

impl Finding {
    /// How to repeat it.
    pub fn hint(&self) -> String {
        let Self { target, seed, case, .. } = self;
        format!("to repeat it: make fuzz TARGET={target} SEED={seed} CASE={case}")
    }
}

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Makes one case, adding its inputs to `inputs`.
    ///
    /// # Errors
    ///
    /// [`Finding`] if it panics or says that something is wrong.
    pub fn run_case(self, seed: u64, case: u64, inputs: &mut Inputs) -> Result<(), Finding> {
        let mut random = Random::new(Random::new(seed).number().wrapping_add(case));
        let mut given = Inputs::default();
        let result = panics::caught(|| (self.case)(&mut random, &mut given));
        inputs.0 += given.0;
        result.and_then(|result| result).map_err(|what| Finding {
            target: self.name,
            seed,
            case,
            input: given.0,
            what,
        })
    }

    /// Makes the cases from number `first` on until at least `least` inputs were given. Returns the next case's number.
    ///
    /// # Errors
    ///
    /// [`Finding`] at the first that fails.
    pub fn run(self, seed: u64, first: u64, least: u64, inputs: &mut Inputs) -> Result<u64, Finding> {
        let enough = inputs.0 + least;
        let mut case = first;
        while inputs.0 < enough {
            self.run_case(seed, case, inputs)?;
            case += 1;
        }
        Ok(case)
    }
}

/// Says what is wrong unless `right`.
fn ensure(right: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if right { Ok(()) } else { Err(what()) }
}
