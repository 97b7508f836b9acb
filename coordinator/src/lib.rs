//! coordinator

pub mod report;
