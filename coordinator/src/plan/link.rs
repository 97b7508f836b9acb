//! What connects the coordinator and its workers.

use std::fmt;
use std::str::FromStr;

/// The units and their bits a second, the largest first.
const UNITS: [(&str, f64); 4] = [("Tbit", 1e12), ("Gbit", 1e9), ("Mbit", 1e6), ("kbit", 1e3)];

/// What connects the coordinator and its workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkSpeed {
    /// All are on one machine and share its cores.
    Loopback,
    /// Each worker has a machine of its own, and the coordinator's machine has a link of this speed.
    Network {
        /// In each direction, in bits a second.
        bits_per_second: f64,
    },
}

/// A text that is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected `loopback` or a speed from `1kbit` to `1000Tbit`, such as `1Gbit`")]
pub struct ParseLinkSpeedError(pub String);

impl FromStr for LinkSpeed {
    type Err = ParseLinkSpeedError;

    /// `loopback`, or a number and, right behind it, `kbit`, `Mbit`, `Gbit` or `Tbit` (powers of 1000), which stand for
    /// bits a second. Case does not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("loopback") {
            return Ok(Self::Loopback);
        }
        let digits = text
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let (number, unit) = text.split_at(digits);
        let bits = || {
            let (_, each) = UNITS.into_iter().find(|&(name, _)| name.eq_ignore_ascii_case(unit))?;
            Some(number.parse::<f64>().ok()? * each)
        };
        bits()
            .filter(|bits_per_second| (1e3..=1e15).contains(bits_per_second))
            .map(|bits_per_second| Self::Network { bits_per_second })
            .ok_or_else(|| ParseLinkSpeedError(text.to_owned()))
    }
}

impl fmt::Display for LinkSpeed {
    /// As it would be typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Network { bits_per_second } = *self else {
            return f.write_str("loopback");
        };
        let fitting = UNITS.into_iter().find(|&(_, each)| bits_per_second >= each);
        let (unit, each) = fitting.unwrap_or(("kbit", 1e3));
        write!(f, "{}{unit}", bits_per_second / each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_loopback_or_a_number_and_its_unit_and_reads_back() {
        assert_eq!("loopback".parse(), Ok(LinkSpeed::Loopback));
        assert_eq!("Loopback".parse(), Ok(LinkSpeed::Loopback));
        assert_eq!(LinkSpeed::Loopback.to_string(), "loopback");
        for (text, bits_per_second, shown) in [
            ("1kbit", 1e3, "1kbit"),
            ("100Mbit", 1e8, "100Mbit"),
            ("1Gbit", 1e9, "1Gbit"),
            ("1gbit", 1e9, "1Gbit"),
            ("2.5Gbit", 2.5e9, "2.5Gbit"),
            ("1000Mbit", 1e9, "1Gbit"),
            ("0.5Tbit", 5e11, "500Gbit"),
            ("1000Tbit", 1e15, "1000Tbit"),
        ] {
            let link = LinkSpeed::Network { bits_per_second };
            assert_eq!(text.parse(), Ok(link), "{text}");
            assert_eq!(link.to_string(), shown);
            assert_eq!(shown.parse(), Ok(link));
        }
    }

    #[test]
    fn everything_else_is_no_link() {
        for text in [
            "", "1", "Gbit", "-1Gbit", "1 Gbit", "1Gbit ", "1Gbit/s", "1Gbps", "1GB", "1..5Gbit", ".Gbit", "infGbit",
            "0Gbit", "0.5kbit", "1001Tbit", "lo",
        ] {
            let error = ParseLinkSpeedError(text.to_owned());
            assert_eq!(text.parse::<LinkSpeed>(), Err(error), "{text}");
        }
    }
}
