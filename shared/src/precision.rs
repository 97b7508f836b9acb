//! The precision of a run: which of its numbers are f64 and which f32.

use std::fmt;
use std::str::FromStr;

use crate::RealType;

/// The precision in which a run computes, stores and sends its numbers.
///
/// | | parameters, and all within a block | sums of blocks and nodes, what is broadcast |
/// |---|---|---|
/// | `f64` | f64 | f64 |
/// | `mixed` | f64 | f32 |
/// | `f32` | f32 | f32 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// The default: it reproduces NumPy's costs to 1e-12 relative.
    F64,
    /// Half the traffic of f64, and costs within 1e-6 of its.
    Mixed,
    /// Half the traffic and half the memory, and faster arithmetic, but costs drift from those of f64 by percents.
    F32,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 3] = [Self::F64, Self::Mixed, Self::F32];

    /// The type of W and b, of the cost, and of everything that is computed within a block.
    pub fn parameters(self) -> RealType {
        match self {
            Self::F64 | Self::Mixed => RealType::F64,
            Self::F32 => RealType::F32,
        }
    }

    /// The type of the sums of blocks and nodes.
    pub fn sums(self) -> RealType {
        match self {
            Self::F64 => RealType::F64,
            Self::Mixed | Self::F32 => RealType::F32,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::Mixed => "mixed",
            Self::F32 => "f32",
        })
    }
}

/// A precision that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected `f64`, `mixed` or `f32`")]
pub struct ParsePrecisionError(pub String);

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|precision| precision.to_string() == text);
        named.ok_or_else(|| ParsePrecisionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_reads_back_from_its_own_name() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert_eq!("f16".parse::<Precision>(), Err(ParsePrecisionError("f16".to_owned())));
    }
}
