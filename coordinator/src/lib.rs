//! Lockstep's coordinator: it cuts the training columns into shards, combines the workers' sums, and updates W and b.

pub mod access;
pub mod announce;
pub mod certificates;
pub mod checkpoint;
pub mod cli;
pub mod compute;
pub mod config;
pub mod engine;
pub mod fleet;
pub mod outputs;
pub mod plan;
pub mod port;
pub mod predict;
pub mod progress;
#[expect(
    clippy::disallowed_methods,
    reason = "pages are drawn for people; nobody compares their bits"
)]
pub mod report;
pub mod rpc;
pub mod run;
mod shell;
pub mod spawn;
pub mod stop;
pub mod train;
