//! Lockstep's coordinator: it cuts the training columns into shards, combines the workers' sums, and updates W and b.

pub mod engine;
pub mod report;
