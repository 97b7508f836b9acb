//! What the suites in `tests/tests` share: the real programs, run and observed as a user would, on small data.
//!
//! ```text
//!   data ──▶ oracle   what the coordinator must print, computed in this process by `shared::reference`
//!     │
//!   programs ──▶ processes ──▶ cluster   one coordinator and the workers that join it
//!                    │
//!                 results, observed      what they printed, and whether others are gone
//!
//!   random   numbers that a seed decides
//! ```
//!
//! Nothing here waits for time to pass: every wait is for a condition, with a limit whose excess fails the test and shows
//! what every process has said.

pub mod chaos;
pub mod cluster;
pub mod data;
pub mod faults;
pub mod foreign;
pub mod fuzz;
pub mod observed;
pub mod oracle;
pub mod processes;
pub mod programs;
pub mod random;
pub mod results;
