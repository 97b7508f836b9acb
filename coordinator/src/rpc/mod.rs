//! The coordinator's side of the wire: one gRPC stream a worker, turned into values on one channel.
//!
//! ```text
//!   worker ══ stream ══▶ server: parse once ──── Incoming ────▶ run.rs
//!   worker ◀═ stream ═══ link: cut into chunks ◀─ Delivery ──── run.rs
//! ```

mod link;
mod server;

pub use link::{Link, ShardSource};
pub use server::{Incoming, Server, serve};

#[cfg(test)]
mod tests;
