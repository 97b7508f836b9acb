//! Nobody waits for ever: once nobody is disturbed any more the run is soon complete, and every worker knows it or looks
//! for a coordinator; and there is always something that is going to happen.

use std::time::Duration;

use super::{Invariant, Sight};

pub const NOBODY_WAITS: &str = "nobody waits for ever";

/// Things that may happen at one moment, or in a run. More than that is somebody who wakes up again and again in vain.
const AT_ONCE: u64 = 20_000;
const IN_ALL: u64 = 2_000_000;

#[derive(Debug, Default)]
pub struct NobodyWaits {
    /// When everything must be over.
    until: Option<Duration>,
    now: Duration,
    at_once: u64,
    in_all: u64,
}

impl Invariant for NobodyWaits {
    fn name(&self) -> &'static str {
        NOBODY_WAITS
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::CalmsDown { at, patience } => self.until = Some(*at + *patience),
            Sight::Stalls => return Err("found nothing that is going to happen, although somebody waits".to_owned()),
            Sight::Continues { at } => {
                self.at_once = if *at == self.now { self.at_once + 1 } else { 0 };
                self.in_all += 1;
                self.now = *at;
                if self.at_once > AT_ONCE || self.in_all > IN_ALL {
                    return Err(format!("found somebody busy with nothing after {at:?}"));
                }
                if self.until.is_some_and(|until| *at > until) {
                    return Err(format!(
                        "found a run that is not over after {at:?}, although it was left alone long before"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
