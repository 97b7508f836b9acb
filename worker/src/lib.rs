//! Lockstep's worker: it dials a coordinator, holds a shard of the training columns, and computes its gradient sums in
//! every iteration.

pub mod arriving;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod compute;
pub mod config;
pub mod error;
pub mod limits;
pub mod rpc;
pub mod run;
pub mod session;
mod shell;
pub mod stop;
mod under_way;
