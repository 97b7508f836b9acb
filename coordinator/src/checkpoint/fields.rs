//! The header of a checkpoint: lines `key: value`, so that `head -30` shows what a file is.
//!
//! A reader passes over keys that it does not know. So what a later version only adds for information needs no new
//! format version; what changes the computation does.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::FormatError;

/// The fields of a header.
pub(super) struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    /// The fields in the bytes of a header.
    ///
    /// # Errors
    ///
    /// [`FormatError::Header`] if they are no lines `key: value`, or a key occurs twice.
    pub(super) fn parse(header: &'a [u8]) -> Result<Self, FormatError> {
        let problem = |problem: String| FormatError::Header { problem };
        let text =
            str::from_utf8(header).map_err(|error| problem(format!("no UTF-8 at byte {}", error.valid_up_to())))?;
        let mut fields = BTreeMap::new();
        for line in text.lines() {
            let (key, value) = line
                .split_once(": ")
                .ok_or_else(|| problem(format!("found the line {line:?}, expected `key: value`")))?;
            if fields.insert(key, value).is_some() {
                return Err(problem(format!("found {key:?} twice, expected it once")));
            }
        }
        Ok(Self(fields))
    }

    /// The value of `key`, for which `parse` returns `None` if it is not `expected`.
    ///
    /// # Errors
    ///
    /// [`FormatError::Field`] if there is none, or another than `expected`.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, FormatError> {
        let wrong = |found: String| FormatError::Field {
            key,
            problem: format!("found {found}, expected {expected}"),
        };
        let text = self.0.get(key).ok_or_else(|| wrong("nothing".to_owned()))?;
        parse(text).ok_or_else(|| wrong(format!("{text:?}")))
    }

    /// The value of `key`, which must be that of a `T`.
    ///
    /// # Errors
    ///
    /// [`FormatError::Field`] if there is none, or it is no `T`.
    pub(super) fn parsed<T: FromStr>(&self, key: &'static str, expected: &str) -> Result<T, FormatError> {
        self.read(key, expected, |text| text.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(header: &[u8]) -> String {
        Fields::parse(header).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_value_is_all_behind_the_first_colon_and_unknown_keys_are_passed_over() {
        let fields = Fields::parse(b"a: 1\ndigest: blake3: 00\nlater: x\n").unwrap();
        assert_eq!(fields.parsed::<u8>("a", "a number"), Ok(1));
        assert_eq!(
            fields.parsed::<String>("digest", "a digest"),
            Ok("blake3: 00".to_owned())
        );
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_named() {
        let fields = Fields::parse(b"a: 1\n").unwrap();
        let problem = |key| fields.parsed::<u8>(key, "a number").unwrap_err().to_string();
        assert_eq!(problem("b"), "the field `b`: found nothing, expected a number");
        let fields = Fields::parse(b"a: x\x1b\n").unwrap();
        let error = fields.parsed::<u8>("a", "a number").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the field `a`: found \"x\\u{1b}\", expected a number"
        );
    }

    #[test]
    fn a_header_is_lines_of_key_and_value_each_key_once() {
        assert_eq!(problem(b"a: 1\n\xff"), "the header: no UTF-8 at byte 5");
        assert_eq!(
            problem(b"a:1\n"),
            "the header: found the line \"a:1\", expected `key: value`"
        );
        assert_eq!(
            problem(b"a: 1\na: 2\n"),
            "the header: found \"a\" twice, expected it once"
        );
    }
}
