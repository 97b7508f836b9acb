//! The engine: what a run does next, decided without doing any of it.
//!
//! ```text
//!            events, time                                actions
//!   run.rs ───────────────▶ Engine::handle ──────────────────────────▶ run.rs
//!                             │
//!                             ├─ roster    who takes part
//!                             ├─ training  the phases: gathering ▶ distributing ▶ training ▶ over
//!                             └─ round     which sums of one iteration have arrived
//! ```
//!
//! It is pure: no sockets, no clock, no threads. The same events at the same times give the same actions. It decides and
//! never multiplies: tensors pass through it as opaque chunks.

mod action;
mod event;
mod failure;
mod roster;
mod round;
mod time;
mod training;

pub use action::Action;
pub use event::Event;
pub use failure::RunFailure;
pub use roster::{Member, Roster};
pub use time::{RunTime, Timing};
pub use training::{Engine, EngineConfig, FleetSize};

#[cfg(test)]
mod tests;
