//! The engine: what a run does next, decided without doing any of it.
//!
//! ```text
//!            events, time                                actions
//!   run.rs ───────────────▶ Engine::handle ──────────────────────────▶ run.rs
//!                             │
//!                             ├─ training   the phases: gathering ▶ preparing ▶ iterations, with pauses ▶ over
//!                             ├─ departure  how workers leave: lost, silent, or dismissed
//!                             ├─ iteration  who is asked for which sums, and what happens when they do not come
//!                             ├─ round      which sums of one iteration are wanted, and whose have arrived
//!                             ├─ sharing    the shards, now and next
//!                             ├─ roster     who takes part; member: what each holds, owes, and how fast it is
//!                             ├─ watch      signs of life
//!                             └─ audit      which sums are computed twice
//! ```
//!
//! It is pure: no sockets, no clock, no threads. The same events at the same times give the same actions. It decides and
//! never multiplies: tensors pass through it as opaque chunks.

mod action;
mod audit;
mod config;
mod departure;
mod event;
mod failure;
mod iteration;
mod member;
mod roster;
mod round;
mod sharing;
mod time;
mod training;
mod watch;

pub use action::{Action, NodeAnswers, Report};
pub use audit::Audit;
pub use config::{EngineConfig, FleetSize};
pub use event::{Event, Noticed, WrongSums};
pub use failure::RunFailure;
pub use member::{Member, SumShape};
pub use roster::Roster;
pub use time::{RunTime, Timing};
pub use training::Engine;

#[cfg(test)]
mod tests;
