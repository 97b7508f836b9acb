//! Which vectors the kernels use.

use std::ffi::OsStr;
use std::fmt;
use std::sync::OnceLock;

use pulp::{Arch, WithSimd};

/// The instruction sets that kernels exist for.
///
/// The bits of a result are the same with each. The default is the widest that this CPU has.
#[derive(Clone, Copy, Debug)]
pub struct InstructionSet(Arch);

/// The one that all shards of this process use, once it is chosen.
static CHOSEN: OnceLock<InstructionSet> = OnceLock::new();

/// An instruction set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: found `{found}`, expected an instruction set that this CPU has: {}", InstructionSet::VARIABLE, available.join(", "))]
pub struct ForceError {
    /// What was asked for.
    pub found: String,
    /// What there is, the widest first.
    pub available: Vec<String>,
}

impl InstructionSet {
    /// The variable of the environment by which an instruction set is forced, for tests and comparisons.
    pub const VARIABLE: &str = "LOCKSTEP_INSTRUCTION_SET";

    /// All that this CPU has, the widest first.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self(Arch::new())];
        #[cfg(target_arch = "x86_64")]
        if matches!(sets[0].0, Arch::V4(_)) {
            sets.extend(pulp::x86::V3::try_new().map(|set| Self(Arch::V3(set))));
        }
        if !matches!(sets[0].0, Arch::Scalar) {
            sets.push(Self(Arch::Scalar));
        }
        sets
    }

    /// The instruction set of this process: the one that was forced, or else the widest.
    pub fn chosen() -> Self {
        *CHOSEN.get_or_init(|| Self(Arch::new()))
    }

    /// Has this process use the instruction set of that name, the value of [`InstructionSet::VARIABLE`], unless one was
    /// chosen before.
    ///
    /// # Errors
    ///
    /// [`ForceError`] if this CPU does not have it, or nothing has that name.
    pub fn force(name: &OsStr) -> Result<Self, ForceError> {
        let name = name.to_string_lossy();
        let available = Self::available();
        let found = available.iter().find(|set| set.to_string() == name);
        let set = found.ok_or_else(|| ForceError {
            found: name.clone().into_owned(),
            available: available.iter().map(Self::to_string).collect(),
        })?;
        Ok(*CHOSEN.get_or_init(|| *set))
    }

    /// Runs `operation` with these vectors.
    pub(crate) fn run<Op: WithSimd>(self, operation: Op) -> Op::Output {
        self.0.dispatch(operation)
    }
}

impl fmt::Display for InstructionSet {
    /// `avx512`, `avx2`, `neon` or `scalar`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(_) => "neon",
            Arch::Scalar => "scalar",
            #[allow(unreachable_patterns)]
            _ => "other",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_cpu_does_not_have_is_refused_with_what_it_has() {
        let error = InstructionSet::force("mmx".as_ref()).unwrap_err().to_string();
        assert!(error.starts_with("LOCKSTEP_INSTRUCTION_SET: found `mmx`"), "{error}");
        assert!(error.ends_with("scalar"), "{error}");
    }
}
