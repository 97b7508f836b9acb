//! The join token: a secret that whoever takes part in a run must know.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use subtle::ConstantTimeEq;

/// The environment variable that may hold the token.
pub const TOKEN_VARIABLE: &str = "LOCKSTEP_TOKEN";

/// The fewest characters of a token.
pub const MIN_TOKEN_CHARACTERS: usize = 16;

/// The most characters of a token: it must fit into a request's headers, which are limited.
pub const MAX_TOKEN_CHARACTERS: usize = 256;

/// What stands before the token in the `authorization` metadata.
const SCHEME: &str = "Bearer ";

/// A join token: 16 to 256 printable ASCII characters, none of them a blank. Nothing that prints it shows it.
#[derive(Clone)]
pub struct Token(Box<str>);

/// A text that is no token. It never carries the text.
#[derive(Debug)]
pub enum TokenError {
    /// Too short or too long; the number of its characters.
    Length(usize),
    /// A character that a token cannot have; its place, from 1.
    Character(usize),
    /// The file cannot be read.
    Unreadable(io::Error),
}

impl TokenError {
    /// What was found, described.
    pub fn found(&self) -> String {
        match self {
            Self::Length(length) => format!("{length} characters"),
            Self::Character(place) => format!("a blank, a control character or one outside ASCII at place {place}"),
            Self::Unreadable(reason) => format!("a file that cannot be read ({reason})"),
        }
    }

    /// What is expected.
    pub fn expected() -> String {
        format!("{MIN_TOKEN_CHARACTERS} to {MAX_TOKEN_CHARACTERS} printable ASCII characters without blanks")
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {}, expected {}", self.found(), Self::expected())
    }
}

impl std::error::Error for TokenError {}

/// Why somebody may not take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum TokenRefusal {
    /// None was shown.
    #[error("no token")]
    Missing,
    /// Not the right one was shown.
    #[error("another token")]
    Other,
}

impl Token {
    /// The token that `text` is; one line end at its end does not count.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if it is none.
    pub fn new(text: &[u8]) -> Result<Self, TokenError> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if let Some(place) = text.iter().position(|byte| !byte.is_ascii_graphic()) {
            return Err(TokenError::Character(place + 1));
        }
        if !(MIN_TOKEN_CHARACTERS..=MAX_TOKEN_CHARACTERS).contains(&text.len()) {
            return Err(TokenError::Length(text.len()));
        }
        Ok(Self(text.iter().copied().map(char::from).collect()))
    }

    /// The token that the file at `path` holds.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if it holds none or cannot be read.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        // Enough to see that it is too long; a device without end is not read to its end.
        let most = MAX_TOKEN_CHARACTERS as u64 + 3;
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut text))
            .map_err(TokenError::Unreadable)?;
        Self::new(&text)
    }

    /// The value of the `authorization` metadata that shows it. Whoever holds it must not print it.
    pub fn authorization(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }

    /// The token itself, for the environment of a process that needs it. Whoever holds it must not print it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl PartialEq for Token {
    /// In constant time for tokens of equal length.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Token {}

/// Whether somebody who shows `authorization` may take part where `expected` is asked for. How long it takes tells
/// nothing about the token but its length.
///
/// # Errors
///
/// [`TokenRefusal`] if not.
pub fn check(expected: Option<&Token>, authorization: Option<&[u8]>) -> Result<(), TokenRefusal> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let shown = authorization.and_then(|value| value.strip_prefix(SCHEME.as_bytes()));
    let shown = shown.ok_or(TokenRefusal::Missing)?;
    if expected.0.as_bytes().ct_eq(shown).into() {
        Ok(())
    } else {
        Err(TokenRefusal::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "correct-horse-battery";

    fn token(text: &str) -> Token {
        Token::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn one_line_end_is_trimmed_and_nothing_else() {
        for text in ["correct-horse-battery\n", "correct-horse-battery\r\n", TEXT] {
            assert_eq!(token(text), token(TEXT));
        }
        for (text, place) in [
            ("correct-horse-battery\n\n", 22),
            (" correct-horse-battery", 1),
            ("correct-hörse-battery", 10),
        ] {
            let error = Token::new(text.as_bytes()).unwrap_err();
            assert!(
                matches!(error, TokenError::Character(found) if found == place),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn a_token_has_16_to_256_characters() {
        for (length, fits) in [(0, false), (15, false), (16, true), (256, true), (257, false)] {
            assert_eq!(Token::new("x".repeat(length).as_bytes()).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn no_error_and_no_debug_output_shows_the_text() {
        assert_eq!(format!("{:?}", Some(token(TEXT))), "Some(Token(…))");
        for text in ["secret", "secret secret secret"] {
            let error = Token::new(text.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        let expected = token(TEXT);
        let try_with = |shown: Option<&str>| check(Some(&expected), shown.map(str::as_bytes));
        assert_eq!(try_with(Some(&expected.authorization())), Ok(()));
        assert_eq!(try_with(None), Err(TokenRefusal::Missing));
        assert_eq!(
            try_with(Some("Basic correct-horse-battery")),
            Err(TokenRefusal::Missing)
        );
        for other in [
            "",
            "correct-horse-batter",
            "correct-horse-batterY",
            "correct-horse-battery-",
        ] {
            assert_eq!(
                try_with(Some(&format!("Bearer {other}"))),
                Err(TokenRefusal::Other),
                "{other}"
            );
        }
    }

    #[test]
    fn where_no_token_is_asked_for_everybody_is_let_in() {
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(None, Some(b"Bearer whatever")), Ok(()));
    }

    #[test]
    fn a_token_is_read_from_a_file_and_an_endless_one_is_not_read_to_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "correct-horse-battery\n").unwrap();
        assert_eq!(Token::read(file.path()).unwrap(), token(TEXT));
        std::fs::write(file.path(), "x".repeat(256) + "\r\n").unwrap();
        assert!(Token::read(file.path()).is_ok());
        let missing = file.path().join("missing");
        assert!(matches!(Token::read(&missing), Err(TokenError::Unreadable(_))));
        if cfg!(unix) {
            assert!(matches!(
                Token::read(Path::new("/dev/zero")),
                Err(TokenError::Character(1))
            ));
        }
    }
}
