//! Faults between a coordinator and its workers, each put in at a chosen place of a run.
//!
//! ```text
//!   coordinator ◀── proxy ◀── worker        one proxy a worker: it cuts, holds back, delays, slows, alters
//!        ▲                                  processes end, stop and go on by signals (`processes`)
//!        └───────── fleet   starts them, waits for what they say, checks the result
//!                     │
//!                  subject  a small training run, and what an undisturbed one prints
//! ```
//!
//! Where in a run a fault falls is decided by what is observed: a line that a process has said, or bytes that a proxy has
//! seen. Only latency, throttling and the deadlines of the programs under test are real time.

pub mod fleet;
pub mod proxy;
pub mod run_folder;
pub mod subject;

mod controls;
mod pump;

pub use controls::{Direction, Facts, Traffic};
pub use fleet::{Fleet, Member};
pub use proxy::Proxy;
pub use run_folder::RunFolder;
pub use subject::Subject;
