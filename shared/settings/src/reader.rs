//! Reading settings, typed or written, into a program's own types.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::duration::{MAX_DURATION, TypedDuration, parse_duration};
use crate::error::{ConfigError, Place, Problem, Violation};
use crate::file::{self, Contents, Written};
use crate::setting::{CONFIG, Fallback, MAX_THREADS, Setting, Settings, Table, find};
use crate::size::{Size, parse_size};
use crate::words::Words;

/// Says that a mistake was reported. Only a [`Reader`] makes one, and only after noting the violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistaken(());

/// Reads the settings of one command and notes every mistake on the way.
///
/// Every method that reads a setting returns `Err(Mistaken)` if its value is wrong, so relations between settings are
/// checked only where each is right in itself: one mistake is reported once.
#[derive(Debug)]
pub struct Reader {
    table: Table,
    given: BTreeMap<&'static str, Given>,
    /// The configuration file could not be understood, so whatever is not on the command line is unknown.
    file_is_broken: bool,
    violations: Vec<Violation>,
}

#[derive(Debug)]
struct Given {
    value: Value,
    place: Place,
}

#[derive(Debug)]
enum Value {
    Text(OsString),
    Mistyped(String),
}

impl Reader {
    /// A reader of what was typed and, if `--config` is among it, of the file that it names.
    pub fn new<S: Settings>(words: Words<S>) -> Self {
        let contents = match words.given.get(CONFIG.name) {
            Some(path) if !path.is_empty() => file::read(Path::new(path), S::TABLE, S::PASSED_OVER),
            _ => Contents::default(),
        };
        let path = words.given.get(CONFIG.name).map(PathBuf::from).unwrap_or_default();
        let from_file = contents.values.into_iter().map(|(setting, written)| {
            let place = Place::Key {
                key: setting.name.to_owned(),
                path: path.clone(),
            };
            let value = match written {
                Written::Text(text) => Value::Text(text.into()),
                Written::Mistyped(found) => Value::Mistyped(found),
            };
            (setting.name, Given { value, place })
        });
        let typed = words.given.into_iter().map(|(name, text)| {
            let place = Place::CommandLine(name);
            let value = Value::Text(text);
            (name, Given { value, place })
        });
        let mut reader = Self {
            table: S::TABLE,
            // The later ones win.
            given: from_file.chain(typed).collect(),
            file_is_broken: contents.broken,
            violations: contents.violations,
        };
        // Nothing but an empty path can be wrong with it that reading the file did not report.
        let _ = reader.path(CONFIG.name, "the path of a TOML file");
        reader
    }

    /// The value of setting `name`, or its default's.
    ///
    /// `parse` returns `None` for a text that does not fit; `expected` says in words what does.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if the text does not fit, or nothing is given and there is no default.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Mistaken> {
        match self.read_optional(name, expected, parse)? {
            Some(value) => Ok(value),
            None => Err(self.missing(name, expected)),
        }
    }

    /// The value of setting `name` or its default's, `None` if it has neither.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if the text does not fit.
    pub fn read_optional<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Mistaken> {
        let Some(text) = self.text(name, expected)? else {
            return Ok(None);
        };
        let expected = expected.to_owned();
        let problem = match text.to_str().map(parse) {
            Some(Some(value)) => return Ok(Some(value)),
            Some(None) => {
                let found = text.to_string_lossy().into_owned();
                Problem::Value { found, expected }
            }
            None => {
                let found = text.to_string_lossy().into_owned();
                Problem::NotUtf8 { found, expected }
            }
        };
        Err(self.report(name, problem, None))
    }

    /// The whole number that setting `name` gives, or its default, `None` if it has neither.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if it is no whole number or outside `range`.
    pub fn whole_number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, Mistaken> {
        let expected = match (range.start(), range.end()) {
            (least, &u64::MAX) => format!("a whole number of at least {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        self.read_optional(name, &expected, |text| {
            text.parse().ok().filter(|value| range.contains(value))
        })
    }

    /// As [`Reader::whole_number`], of a setting that has a default.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if it is no whole number or outside `range`.
    pub fn required_whole_number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Result<u64, Mistaken> {
        match self.whole_number(name, range)? {
            Some(value) => Ok(value),
            None => Err(self.missing(name, "a whole number")),
        }
    }

    /// The duration that setting `name`, or its default, gives: at least `least`, at most [`MAX_DURATION`].
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if it is no duration or outside that range.
    pub fn duration(&mut self, name: &'static str, least: Duration) -> Result<Duration, Mistaken> {
        let (shown, most) = (TypedDuration(least), TypedDuration(MAX_DURATION));
        let expected = format!("a duration from {shown} to {most}, such as `500ms`, `30s`, `5m` or `1h`");
        self.read(name, &expected, |text| {
            parse_duration(text).ok().filter(|&duration| duration >= least)
        })
    }

    /// The bytes that setting `name` gives, at least `least`; `None` if it is not given.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if it is no amount of memory or less.
    pub fn size(&mut self, name: &'static str, least: u64) -> Result<Option<u64>, Mistaken> {
        let expected = format!("a size of at least {}, such as `512MB` or `4GiB`", Size(least.into()));
        self.read_optional(name, &expected, |text| {
            parse_size(text).ok().filter(|&bytes| bytes >= least)
        })
    }

    /// The number of threads that setting `name` gives, from 1 to [`MAX_THREADS`].
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if it is anything else.
    pub fn threads(&mut self, name: &'static str) -> Result<Option<NonZeroUsize>, Mistaken> {
        let expected = format!("a whole number from 1 to {MAX_THREADS}");
        self.read_optional(name, &expected, |text| {
            text.parse()
                .ok()
                .filter(|threads: &NonZeroUsize| threads.get() <= MAX_THREADS)
        })
    }

    /// The file or folder that setting `name` names; it need not be UTF-8.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if it is empty.
    pub fn path(&mut self, name: &'static str, expected: &str) -> Result<Option<PathBuf>, Mistaken> {
        match self.text(name, expected)? {
            Some(text) if text.is_empty() => {
                let (found, expected) = (String::new(), expected.to_owned());
                Err(self.report(name, Problem::Value { found, expected }, None))
            }
            text => Ok(text.map(PathBuf::from)),
        }
    }

    /// As [`Reader::path`], of a setting that must be given.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if it is empty or not given.
    pub fn required_path(&mut self, name: &'static str, expected: &str) -> Result<PathBuf, Mistaken> {
        match self.path(name, expected)? {
            Some(path) => Ok(path),
            None => Err(self.missing(name, expected)),
        }
    }

    /// Whether flag `name` is on.
    ///
    /// # Errors
    ///
    /// [`Mistaken`] if a configuration file gives it something that is no boolean.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, Mistaken> {
        let on = self.read_optional(name, "`true` or `false`", |text| text.parse().ok())?;
        Ok(on.unwrap_or(false))
    }

    /// Where setting `name` is given; its option if it is given nowhere.
    pub fn place(&self, name: &'static str) -> Place {
        self.given
            .get(name)
            .map_or(Place::CommandLine(name), |given| given.place.clone())
    }

    /// Whether setting `name` is given on the command line.
    pub fn is_typed(&self, name: &str) -> bool {
        let place = self.given.get(name).map(|given| &given.place);
        matches!(place, Some(Place::CommandLine(_)))
    }

    /// Notes that `found`, the value of setting `name`, does not fit.
    pub fn unfit(&mut self, name: &'static str, found: String, expected: impl Into<String>) -> Mistaken {
        let expected = expected.into();
        self.report(name, Problem::Value { found, expected }, None)
    }

    /// Notes that setting `name` does not go with another.
    pub fn relation(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        expected: impl Into<String>,
        hint: Option<&str>,
    ) -> Mistaken {
        let (found, expected) = (found.into(), expected.into());
        let hint = hint.map(str::to_owned);
        self.report(name, Problem::Relation { found, expected }, hint)
    }

    /// Notes that what `place` names or holds, such as a file or an environment variable, does not fit. `found` describes
    /// it, so that a secret need not be repeated.
    pub fn contents(&mut self, place: Place, found: impl Into<String>, expected: impl Into<String>) -> Mistaken {
        let problem = Problem::Contents {
            found: found.into(),
            expected: expected.into(),
        };
        self.violations.push(Violation {
            place,
            problem,
            hint: None,
        });
        Mistaken(())
    }

    /// `config`, if no mistake was found.
    ///
    /// # Errors
    ///
    /// All mistakes.
    pub fn finish<C>(self, config: Result<C, Mistaken>) -> Result<C, ConfigError> {
        match (config, ConfigError::new(self.violations)) {
            (Ok(config), None) => Ok(config),
            (_, Some(error)) => Err(error),
            (Err(Mistaken(())), None) => unreachable!("a mistake without a violation"),
        }
    }

    fn missing(&mut self, name: &'static str, expected: &str) -> Mistaken {
        let expected = expected.to_owned();
        self.report(name, Problem::Missing { expected }, None)
    }

    fn report(&mut self, name: &'static str, problem: Problem, hint: Option<String>) -> Mistaken {
        let place = self.place(name);
        self.violations.push(Violation { place, problem, hint });
        Mistaken(())
    }

    /// The text of setting `name`, or its default.
    fn text(&mut self, name: &'static str, expected: &str) -> Result<Option<OsString>, Mistaken> {
        match self.given.get(name) {
            Some(Given {
                value: Value::Text(text),
                ..
            }) => Ok(Some(text.clone())),
            Some(Given {
                value: Value::Mistyped(found),
                ..
            }) => {
                let (found, expected) = (found.clone(), expected.to_owned());
                Err(self.report(name, Problem::Type { found, expected }, None))
            }
            None if self.file_is_broken => Err(Mistaken(())),
            None => Ok(match find(self.table, name).map(Setting::fallback) {
                Some(Fallback::Text(text)) => Some(text.into()),
                _ => None,
            }),
        }
    }
}
