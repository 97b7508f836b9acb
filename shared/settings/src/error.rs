//! What is wrong with a configuration: every mistake, where it stands, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// Where something stands that a user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The long option of this name.
    CommandLine(&'static str),
    /// The environment variable of this name.
    Environment(&'static str),
    /// A key of a configuration file.
    Key {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// A place in a configuration file.
    Position {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The character in that line, from 1.
        column: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(name) => write!(f, "--{name}"),
            Self::Environment(name) => f.write_str(name),
            Self::Key { key, path } => write!(f, "{} ({})", Plain(key), Plain(&path.to_string_lossy())),
            Self::Position { path, line, column } => write!(f, "{}:{line}:{column}", Plain(&path.to_string_lossy())),
        }
    }
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A value that does not fit.
    #[error("found {}, expected {expected}", Quoted(found))]
    Value {
        /// The value.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// A value of a type that does not fit.
    #[error("found {found}, expected {expected}")]
    Type {
        /// Type and value.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// Bytes that are no text.
    #[error("found {}, which is not UTF-8, expected {expected}", Quoted(found))]
    NotUtf8 {
        /// The bytes as far as they can be shown.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// Nothing where something is needed.
    #[error("found nothing, expected {expected}")]
    Missing {
        /// What is needed.
        expected: String,
    },
    /// A place that names or holds something which does not fit; what it holds is not repeated.
    #[error("found {found}, expected {expected}")]
    Contents {
        /// What it holds, described.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// A value that does not go with another setting.
    #[error("found {found}, expected {expected}")]
    Relation {
        /// How the two stand.
        found: String,
        /// What would go together.
        expected: String,
    },
    /// A key that is no setting.
    #[error("found an unknown key, expected the name of a long option")]
    UnknownKey,
    /// A key that is a setting, but not one of a configuration file.
    #[error("found a key that no configuration file can have, expected it on the command line")]
    CommandLineOnly,
    /// Text that is no TOML.
    #[error("{message}")]
    Syntax {
        /// The TOML parser's message.
        message: String,
    },
    /// A configuration file that cannot be read.
    #[error("found {}, which cannot be read ({reason}), expected a TOML file", Quoted(&path.to_string_lossy()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        reason: String,
    },
}

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Violation {
    /// Where it is.
    pub place: Place,
    /// What it is.
    #[source]
    pub problem: Problem,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// All mistakes of a configuration; there is at least one.
///
/// It is displayed in full, from `error: ` to the last `hint: ` line, without a line end after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    violations: Vec<Violation>,
}

impl ConfigError {
    /// An error that holds `violations`, or `None` if there are none.
    pub(crate) fn new(violations: Vec<Violation>) -> Option<Self> {
        (!violations.is_empty()).then_some(Self { violations })
    }

    /// The mistakes, in the order in which they are displayed.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.violations.as_slice() {
            [only] => write!(f, "error: {only}")?,
            all => {
                write!(f, "error: {} mistakes in the configuration", all.len())?;
                for violation in all {
                    write!(f, "\n  {violation}")?;
                }
            }
        }
        let mut hints: Vec<&str> = Vec::new();
        for hint in self.violations.iter().filter_map(|violation| violation.hint.as_deref()) {
            if !hints.contains(&hint) {
                hints.push(hint);
                write!(f, "\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The most characters of a user's text that a message repeats.
const SHOWN: usize = 80;

/// A user's text between backquotes; an empty one in words.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("an empty value")
        } else {
            write!(f, "`{}`", Plain(self.0))
        }
    }
}

/// A user's text on one line: control characters escaped, so that they cannot act on the terminal, and cut if long.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(SHOWN) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        f.write_str(if self.0.chars().nth(SHOWN).is_some() { "…" } else { "" })
    }
}
