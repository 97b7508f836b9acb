//! The end of a program before it has begun: help, version or a mistake.

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::{ConfigError, Quoted};

/// The exit code for wrong usage or configuration.
pub const EXIT_USAGE: u8 = 64;

/// Where text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a program prints before it ends, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What to print, with its last line end.
    pub text: String,
    /// Where to print it.
    pub stream: Stream,
    /// The exit code.
    pub code: u8,
}

impl Exit {
    /// Prints the text. A reader that has gone away (`--help | head -1`) is no failure.
    pub fn print(&self) -> ExitCode {
        let text = self.text.as_bytes();
        let _ = match self.stream {
            Stream::Out => std::io::stdout()
                .write_all(text)
                .and_then(|()| std::io::stdout().flush()),
            Stream::Err => std::io::stderr().write_all(text),
        };
        ExitCode::from(self.code)
    }

    fn usage(text: String) -> Self {
        Self {
            text,
            stream: Stream::Err,
            code: EXIT_USAGE,
        }
    }
}

impl From<ConfigError> for Exit {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("{error}\n"))
    }
}

impl From<clap::Error> for Exit {
    fn from(error: clap::Error) -> Self {
        let in_clap_words = || format!("{}\n", error.render().to_string().trim_end());
        if error.use_stderr() {
            return Self::usage(in_our_words(&error).unwrap_or_else(in_clap_words));
        }
        Self {
            text: in_clap_words(),
            stream: Stream::Out,
            code: 0,
        }
    }
}

/// What clap found, in the form of all other messages; `None` for what these programs cannot run into.
fn in_our_words(error: &clap::Error) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg);
    let message = match error.kind() {
        ErrorKind::UnknownArgument => format!("found {}, expected an option of this command", Quoted(&argument?)),
        ErrorKind::InvalidSubcommand => {
            let found = context(ContextKind::InvalidSubcommand)?;
            format!("found {}, expected an option or a subcommand", Quoted(&found))
        }
        ErrorKind::InvalidValue => {
            let found = context(ContextKind::InvalidValue).unwrap_or_default();
            let found = if found.is_empty() {
                "nothing".to_owned()
            } else {
                Quoted(&found).to_string()
            };
            let expected =
                context(ContextKind::ValidValue).map_or("a value".to_owned(), |valid| format!("one of {valid}"));
            format!("{}: found {found}, expected {expected}", argument?)
        }
        ErrorKind::ArgumentConflict => match (argument, context(ContextKind::PriorArg)) {
            (Some(argument), Some(prior)) if argument == prior => {
                format!("{argument}: found it twice, expected it once")
            }
            (Some(argument), prior) => {
                format!("{argument}: found it together with {}, expected one of the two", prior?)
            }
            (None, prior) => {
                let subcommand = context(ContextKind::InvalidSubcommand)?;
                format!(
                    "{subcommand}: found {} before it, expected options only behind it",
                    prior?
                )
            }
        },
        ErrorKind::MissingRequiredArgument => format!("found no {}, expected one", argument?),
        ErrorKind::TooManyValues => {
            let found = context(ContextKind::InvalidValue)?;
            format!("{}: found {}, expected no value", argument?, Quoted(&found))
        }
        _ => return None,
    };
    Some(format!("error: {message}\nhint: {}\n", hint(error, context)))
}

/// What can be done about it.
fn hint(error: &clap::Error, context: impl Fn(ContextKind) -> Option<String>) -> String {
    let suggestion = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ]
    .into_iter()
    .find_map(&context);
    let is_negative = || {
        let argument = context(ContextKind::InvalidArg).unwrap_or_default();
        let digit = argument.strip_prefix('-').and_then(|rest| rest.chars().next());
        error.kind() == ErrorKind::UnknownArgument && digit.is_some_and(|digit| digit.is_ascii_digit())
    };
    match suggestion {
        Some(name) => format!("did you mean `{name}`?"),
        None if is_negative() => {
            "a value that begins with a dash stands behind an equals sign: `--name=-1,2`".to_owned()
        }
        None => "`--help` shows how this command is used".to_owned(),
    }
}
