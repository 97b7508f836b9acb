//! Durations as people type them: `500ms`, `30s`, `5m`, `1h`.

use std::fmt;
use std::time::Duration;

/// The longest duration that a setting accepts: 8760 hours, a year. A longer one is a mistake, and it keeps every sum
/// of a time and a duration far from overflow.
pub const MAX_DURATION: Duration = Duration::from_secs(8760 * 3600);

/// The units and their milliseconds, the largest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected a duration of at most 8760h, such as `500ms`, `30s`, `5m` or `1h`")]
pub struct ParseDurationError(pub String);

/// The duration that `text` says: a whole number and, right behind it, `ms`, `s`, `m` (minutes) or `h`.
///
/// # Errors
///
/// [`ParseDurationError`] if it says none, or one of more than [`MAX_DURATION`].
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = || {
        let (_, each) = UNITS.into_iter().find(|&(name, _)| name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(each)
    };
    milliseconds()
        .map(Duration::from_millis)
        .filter(|&duration| duration <= MAX_DURATION)
        .ok_or_else(|| ParseDurationError(text.to_owned()))
}

/// A duration as it would be typed, in the largest unit that gives a whole number. What is finer than a millisecond is
/// left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedDuration(pub Duration);

impl fmt::Display for TypedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let largest = UNITS
            .into_iter()
            .find(|&(_, each)| milliseconds > 0 && milliseconds.is_multiple_of(u128::from(each)));
        let (unit, each) = largest.unwrap_or(("s", 1000));
        write!(f, "{}{unit}", milliseconds / u128::from(each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_its_unit() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("1ms", 1),
            ("500ms", 500),
            ("5s", 5000),
            ("030s", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("8760h", 31_536_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_duration() {
        for text in [
            "",
            "5",
            "s",
            "ms",
            "-5s",
            "+5s",
            "1.5s",
            "5 s",
            " 5s",
            "5s ",
            "5S",
            "5M",
            "5us",
            "5d",
            "1h30m",
            "5sec",
            "٥s",
            "8761h",
            "31536000001ms",
            "18446744073709551615h",
            "18446744073709551616ms",
        ] {
            assert_eq!(parse_duration(text), Err(ParseDurationError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_in_the_largest_unit_that_is_whole_and_reads_back() {
        for (text, shown) in [
            ("0ms", "0s"),
            ("1500ms", "1500ms"),
            ("2000ms", "2s"),
            ("90s", "90s"),
            ("120s", "2m"),
            ("60m", "1h"),
            ("8760h", "8760h"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(TypedDuration(duration).to_string(), shown);
            assert_eq!(parse_duration(shown), Ok(duration));
        }
        assert_eq!(TypedDuration(Duration::MAX).to_string(), "18446744073709551615999ms");
    }
}
