//! The table of a program's settings.

/// All settings of one command: what its options, its configuration file and its help are made of.
pub type Table = &'static [Group];

/// A command that has a table of settings.
pub trait Settings {
    /// The table.
    const TABLE: Table;
    /// Settings of another command, which may stand in the same configuration file. This command passes them over.
    const PASSED_OVER: Table = &[];
}

/// Settings that stand under one heading of the help.
#[derive(Debug)]
pub struct Group {
    /// The heading.
    pub heading: &'static str,
    /// The settings under it, in the order of the help and of the messages.
    pub settings: &'static [Setting],
}

/// One setting: `--name` on the command line, `name` in the configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    pub(crate) fallback: Fallback,
    pub(crate) help: &'static str,
    pub(crate) details: &'static str,
}

/// What values a setting takes, and under what name the help shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word. In TOML a string.
    Text(&'static str),
    /// A file or folder; it need not be UTF-8 on the command line. In TOML a string.
    Path(&'static str),
    /// A number, or something that may stand in its place. In TOML an integer, a float or a string.
    Number(&'static str),
    /// Values separated by commas. In TOML an array, an integer or a string.
    List(&'static str),
    /// On or off, `--name` or the hidden option of this name, by which the command line wins over `name = true` in a
    /// configuration file. In TOML a boolean.
    Flag(&'static str),
    /// How often the option is repeated. In TOML an integer or a boolean.
    Count,
}

/// What holds if a setting is given nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// As if this text had been given.
    Text(&'static str),
    /// The program works the value out; these words tell the user how.
    Described(&'static str),
    /// Nothing.
    None,
}

impl Setting {
    /// A setting without fallback.
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            short: None,
            kind,
            fallback: Fallback::None,
            help,
            details: "",
        }
    }

    /// Also `-letter` on the command line.
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// As if `text` had been given if nothing is.
    pub const fn default(mut self, text: &'static str) -> Self {
        self.fallback = Fallback::Text(text);
        self
    }

    /// The program works the value out if none is given; `words` tell the user how.
    pub const fn otherwise(mut self, words: &'static str) -> Self {
        self.fallback = Fallback::Described(words);
        self
    }

    /// What only the long help says.
    pub const fn details(mut self, text: &'static str) -> Self {
        self.details = text;
        self
    }

    /// The long option without its dashes, which is also the key in a configuration file.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What holds if nothing is given.
    pub const fn fallback(&self) -> Fallback {
        self.fallback
    }

    /// Whether the setting may stand in a configuration file: all but `config` itself.
    pub(crate) fn is_key(&self) -> bool {
        self.name != CONFIG.name
    }
}

/// The most threads that either program accepts.
pub const MAX_THREADS: usize = 1024;

/// `--config`, which every table that allows a configuration file must contain.
pub const CONFIG: Setting = Setting::new("config", Kind::Path("FILE"), "Read options from a TOML file").details(
    "Its keys are the long options without their dashes, as in `seed = 1`. An option on the command line wins over the \
     file. Paths in it are taken from the current folder, as on the command line.",
);

/// `-q`, to be read by [`crate::Verbosity::read`].
pub const QUIET: Setting = Setting::new(
    "quiet",
    Kind::Flag("no-quiet"),
    "Show only warnings and errors on standard error",
)
.short('q');

/// `-v`, to be read by [`crate::Verbosity::read`].
pub const VERBOSE: Setting = Setting::new(
    "verbose",
    Kind::Count,
    "Say more on standard error; repeat for still more",
)
.short('v');

/// The settings of `table` in order.
pub(crate) fn all(table: Table) -> impl Iterator<Item = &'static Setting> {
    table.iter().flat_map(|group| group.settings)
}

/// The setting called `name`.
pub(crate) fn find(table: Table, name: &str) -> Option<&'static Setting> {
    all(table).find(|setting| setting.name == name)
}
