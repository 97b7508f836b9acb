//! The command line, split into words by clap.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::ValueParser};

use crate::setting::{Fallback, Kind, Setting, Settings, all};

/// The settings of table `S` as they were typed: the options that were given, with their text.
pub struct Words<S> {
    pub(crate) given: BTreeMap<&'static str, OsString>,
    settings: PhantomData<S>,
}

impl<S> fmt::Debug for Words<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&self.given).finish()
    }
}

impl<S: Settings> Args for Words<S> {
    fn augment_args(mut command: Command) -> Command {
        for group in S::TABLE {
            for setting in group.settings {
                command = command.arg(option(setting, group.heading));
                if let Kind::Flag(negation) = setting.kind {
                    command = command.arg(negative(setting, negation));
                }
            }
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Settings> FromArgMatches for Words<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = all(S::TABLE).filter_map(|setting| Some((setting.name, typed(setting, matches)?)));
        Ok(Self {
            given: given.collect(),
            settings: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.given.extend(Self::from_arg_matches(matches)?.given);
        Ok(())
    }
}

fn option(setting: &'static Setting, heading: &'static str) -> Arg {
    let (behind, below) = match setting.fallback {
        Fallback::Text(text) | Fallback::Described(text) => {
            (format!(" [default: {text}]"), format!("\n[default: {text}]"))
        }
        Fallback::None => Default::default(),
    };
    let mut option = Arg::new(setting.name)
        .long(setting.name)
        .help_heading(heading)
        .help(format!("{}{behind}", setting.help));
    if !setting.details.is_empty() {
        option = option.long_help(format!("{}. {}{below}", setting.help, setting.details));
    }
    if let Some(letter) = setting.short {
        option = option.short(letter);
    }
    match setting.kind {
        Kind::Flag(_) => option.action(ArgAction::SetTrue),
        Kind::Count => option.action(ArgAction::Count),
        Kind::Text(value) | Kind::Path(value) | Kind::Number(value) | Kind::List(value) => option
            .action(ArgAction::Set)
            .value_name(value)
            .value_parser(ValueParser::os_string())
            // `-1` is a wrong value, which the reader reports with all the others, and not an unknown option.
            .allow_negative_numbers(true),
    }
}

/// The hidden option that turns a flag off.
fn negative(setting: &'static Setting, negation: &'static str) -> Arg {
    Arg::new(negation)
        .long(negation)
        .action(ArgAction::SetTrue)
        .overrides_with(setting.name)
        .hide(true)
}

/// The text that was typed for `setting`, if it was.
fn typed(setting: &Setting, matches: &ArgMatches) -> Option<OsString> {
    match setting.kind {
        Kind::Flag(_) if matches.get_flag(setting.name) => Some("true".into()),
        Kind::Flag(negation) => matches.get_flag(negation).then(|| "false".into()),
        Kind::Count => match matches.get_count(setting.name) {
            0 => None,
            count => Some(count.to_string().into()),
        },
        _ => matches.get_one::<OsString>(setting.name).cloned(),
    }
}
