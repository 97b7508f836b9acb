//! coordinator

pub mod cli;
pub mod config;
