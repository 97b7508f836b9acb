//! The configuration file: TOML whose keys are the long options.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::error::{Place, Problem, Quoted, Violation};
use crate::setting::{Kind, Setting, Table, all, find};

/// The largest configuration file: far more than one can need, far less than the memory.
const MAX_BYTES: u64 = 1 << 20;

/// Syntax mistakes that are reported; what the parser stumbles over after these mostly follows from them.
const MAX_SYNTAX_MISTAKES: usize = 5;

/// How like a key a setting's name must be to be suggested, from 0 to 1; clap's own threshold.
const ALIKE: f64 = 0.7;

/// What stands in a configuration file.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The known keys and what was written there.
    pub values: Vec<(&'static Setting, Written)>,
    /// The mistakes that show without knowing what the values mean.
    pub violations: Vec<Violation>,
    /// Whether the file is no TOML at all, so that nobody knows what `values` should hold.
    pub broken: bool,
}

/// What was written for a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// A value as it would stand on the command line.
    Text(String),
    /// A value of a type that the setting does not take: type and value.
    Mistyped(String),
}

/// Reads the settings of `table` from the file at `path`, in which those of `passed_over` may stand too.
pub(crate) fn read(path: &Path, table: Table, passed_over: Table) -> Contents {
    let mut bytes = Vec::new();
    let outcome = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    let reason = match outcome {
        Err(error) => error.to_string(),
        Ok(_) if bytes.len() as u64 > MAX_BYTES => format!("larger than {MAX_BYTES} bytes"),
        Ok(_) => return parse(path, &bytes, table, passed_over),
    };
    broken(vec![Violation {
        place: Place::CommandLine(crate::CONFIG.name),
        problem: Problem::Unreadable {
            path: path.to_owned(),
            reason,
        },
        hint: None,
    }])
}

fn broken(violations: Vec<Violation>) -> Contents {
    Contents {
        values: Vec::new(),
        violations,
        broken: true,
    }
}

fn parse(path: &Path, bytes: &[u8], table: Table, passed_over: Table) -> Contents {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let message = "found a byte that is not UTF-8, expected text".to_owned();
            return broken(vec![syntax(path, &valid, valid.len(), message)]);
        }
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mut mistakes: Vec<_> = errors
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), error.message()))
            .collect();
        mistakes.sort_by_key(|&(at, _)| at);
        mistakes.truncate(MAX_SYNTAX_MISTAKES);
        let violations = mistakes
            .into_iter()
            .map(|(at, message)| syntax(path, text, at, message.to_owned()));
        return broken(violations.collect());
    }

    let mut contents = Contents::default();
    let mut entries: Vec<_> = root.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let key_of = |table| find(table, key.get_ref()).filter(|setting| setting.is_key());
        match key_of(table) {
            Some(setting) => contents
                .values
                .push((setting, written(setting.kind, value.get_ref(), text, value.span()))),
            None if key_of(passed_over).is_some() => {}
            None => contents
                .violations
                .push(unknown(path, [table, passed_over], key.get_ref(), value.get_ref())),
        }
    }
    contents
}

/// A mistake at byte `at` of the file's text.
fn syntax(path: &Path, text: &str, at: usize, message: String) -> Violation {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Violation {
        place: Place::Position {
            path: path.to_owned(),
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        },
        problem: Problem::Syntax { message },
        hint: None,
    }
}

/// A key that is no setting, with the nearest one that is.
fn unknown(path: &Path, tables: [Table; 2], key: &str, value: &DeValue<'_>) -> Violation {
    let nearest = tables
        .into_iter()
        .flat_map(all)
        .filter(|setting| setting.is_key())
        .map(|setting| (strsim::jaro(key, setting.name), setting.name))
        .filter(|&(alike, _)| alike > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        _ if matches!(value, DeValue::Table(_)) => {
            "all keys stand at the top of the file, not in a [section]".to_owned()
        }
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => "the keys are the long options without their dashes; `--help` lists them".to_owned(),
    };
    let (problem, hint) = match tables.into_iter().find_map(|table| find(table, key)) {
        Some(_) => (Problem::CommandLineOnly, None),
        None => (Problem::UnknownKey, Some(hint)),
    };
    Violation {
        place: Place::Key {
            key: key.to_owned(),
            path: path.to_owned(),
        },
        problem,
        hint,
    }
}

/// `value` as it would stand on the command line, if a setting of this kind takes its type.
fn written(kind: Kind, value: &DeValue<'_>, text: &str, span: Range<usize>) -> Written {
    let fitting = match (kind, value) {
        (Kind::Text(_) | Kind::Path(_) | Kind::Number(_) | Kind::List(_), DeValue::String(string)) => {
            Some(string.to_string())
        }
        (Kind::Number(_) | Kind::List(_) | Kind::Count, DeValue::Integer(integer)) => Some(decimal(integer)),
        (Kind::Number(_), DeValue::Float(float)) => Some(float.as_str().to_owned()),
        (Kind::List(_), DeValue::Array(array)) => list(array.iter().map(Spanned::get_ref)),
        (Kind::Flag(_), DeValue::Boolean(on)) => Some(on.to_string()),
        (Kind::Count, DeValue::Boolean(on)) => Some(u8::from(*on).to_string()),
        _ => None,
    };
    fitting.map_or_else(|| Written::Mistyped(described(value, text, span)), Written::Text)
}

/// The members of an array joined by commas; `None` if there are none, or one that is neither integer nor string.
fn list<'a>(members: impl Iterator<Item = &'a DeValue<'a>>) -> Option<String> {
    let texts: Vec<String> = members
        .map(|member| match member {
            DeValue::Integer(integer) => Some(decimal(integer)),
            DeValue::String(string) => Some(string.to_string()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    (!texts.is_empty()).then(|| texts.join(","))
}

/// An integer in decimal digits; one beyond 128 bits as it stands, which no setting takes.
fn decimal(integer: &DeInteger<'_>) -> String {
    i128::from_str_radix(integer.as_str(), integer.radix())
        .map_or_else(|_| integer.to_string(), |value| value.to_string())
}

/// Type and value, in words and as it stands in the file.
fn described(value: &DeValue<'_>, text: &str, span: Range<usize>) -> String {
    let article = match value {
        DeValue::Table(_) => return "a table".to_owned(),
        DeValue::Array(_) | DeValue::Integer(_) => "an",
        _ => "a",
    };
    let source = text.get(span).unwrap_or_default();
    format!("{article} {} {}", value.type_str(), Quoted(source))
}
