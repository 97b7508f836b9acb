//! Nobody is dismissed for misconduct who has done nothing wrong, nobody is lost while nobody is disturbed, and no worker
//! gets what its session does not expect.

use std::collections::BTreeSet;

use coordinator::engine::{Action, Report};
use proto::{Dismissal, Reason};

use super::{Invariant, Sight};

pub const GOOD_CONDUCT: &str = "nobody is blamed who did nothing wrong";

#[derive(Debug, Default)]
pub struct GoodConduct {
    /// Workers that have sent wrong numbers, or an answer twice.
    wrongdoers: BTreeSet<String>,
    /// Whether anybody was ever disturbed.
    disturbed: bool,
}

impl GoodConduct {
    fn dismissed(&self, name: &str, Dismissal { reason, explanation }: &Dismissal) -> Result<(), String> {
        match reason {
            Reason::Silence | Reason::RunFailed => Ok(()),
            Reason::Misconduct if self.wrongdoers.contains(name) => Ok(()),
            _ => Err(format!(
                "found {name} dismissed ({explanation}), which did nothing wrong"
            )),
        }
    }
}

impl Invariant for GoodConduct {
    fn name(&self) -> &'static str {
        GOOD_CONDUCT
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Lies { name, .. } | Sight::Repeats { name } => {
                self.wrongdoers.insert((*name).to_owned());
                Ok(())
            }
            Sight::Strikes => {
                self.disturbed = true;
                Ok(())
            }
            Sight::Decides(Action::Report(Report::Lost { name, reason, .. })) if !self.disturbed => {
                Err(format!("found {name} lost ({reason}), although nobody was disturbed"))
            }
            Sight::Decides(Action::Dismiss { name, dismissal, .. }) => self.dismissed(name, dismissal),
            Sight::Leaves { name, dismissal } => self.dismissed(name, dismissal),
            Sight::Refuses { name, what } => Err(format!("found {name} to refuse what the coordinator sent: {what}")),
            _ => Ok(()),
        }
    }
}
