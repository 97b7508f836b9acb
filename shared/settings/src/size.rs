//! Amounts of memory as people type them: `512MB`, `4GiB`.

use std::fmt;

/// The units and their bytes, the largest first.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// A text that is no amount of memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected a whole number and its unit, such as `512MB` or `4GiB`")]
pub struct ParseSizeError(pub String);

/// The bytes that `text` says: a whole number and, right behind it, `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or
/// `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024). Case does not matter.
///
/// # Errors
///
/// [`ParseSizeError`] if it says none, or more than 2^64 − 1.
pub fn parse_size(text: &str) -> Result<u64, ParseSizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let bytes = || {
        let (_, each) = UNITS.into_iter().find(|&(name, _)| name.eq_ignore_ascii_case(unit))?;
        number.parse::<u64>().ok()?.checked_mul(each)
    };
    bytes().ok_or_else(|| ParseSizeError(text.to_owned()))
}

/// An amount of memory for people, in powers of 1024 and with one decimal: `12.5 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u128);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.into_iter().filter(|(name, _)| name.contains('i'));
        let largest = binary
            .map(|(name, each)| (name, u128::from(each)))
            .find(|&(_, each)| self.0 >= each);
        match largest {
            Some((unit, each)) => {
                // Rounded down: an amount is never said to be more than it is.
                let tenths = self.0 % each * 10 / each;
                write!(f, "{}.{tenths} {unit}", self.0 / each)
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_and_its_unit() {
        for (text, bytes) in [
            ("0B", 0),
            ("7b", 7),
            ("512MB", 512_000_000),
            ("4GiB", 4 << 30),
            ("4gib", 4 << 30),
            ("1kB", 1000),
            ("1KB", 1000),
            ("1KiB", 1024),
            ("16TiB", 16 << 40),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_size() {
        for text in [
            "",
            "5",
            "GB",
            "-1GB",
            "+1GB",
            "1.5GB",
            "1 GB",
            " 1GB",
            "1GB ",
            "1G",
            "1Gi",
            "1GBit",
            "٥GB",
            "18446744073709551616B",
            "16777216TiB",
            "99999999999GB",
        ] {
            assert_eq!(parse_size(text), Err(ParseSizeError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_with_one_decimal_rounded_down() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1535, "1.4 KiB"),
            (1 << 20, "1.0 MiB"),
            ((25 << 30) / 2, "12.5 GiB"),
            (u128::from(u64::MAX), "16777215.9 TiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
    }
}
