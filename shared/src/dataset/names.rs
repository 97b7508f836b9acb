//! Which datasets of a file are X and Y, and what else it has.

use std::fmt;
use std::path::Path;

use hdf5::{IndexType, IterationOrder, LinkType, LocationType};

use super::DatasetError;
use super::reading::Stored;
use super::stored_type::StoredType;

/// What a data set is for; it decides which names are tried first and whether labels must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To train on: names that begin with `train_` first, labels required.
    Train,
    /// To measure accuracy on: names that begin with `test_` first, labels required.
    Test,
    /// To predict: names that begin with `test_` first, labels optional.
    Predict,
}

/// Names of X and Y that a user chose in place of the usual ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameChoice {
    /// The dataset that is X; it may lie in a group, as in `images/x`.
    pub x: Option<String>,
    /// The dataset that is Y.
    pub y: Option<String>,
}

/// The usual names of X and Y, in the order in which they are tried.
const PAIRS: [(&str, &str); 6] = [
    ("train_set_x", "train_set_y"),
    ("test_set_x", "test_set_y"),
    ("x", "y"),
    ("X", "Y"),
    ("features", "labels"),
    ("data", "labels"),
];

impl Role {
    fn pairs(self) -> [(&'static str, &'static str); 6] {
        let mut pairs = PAIRS;
        if self != Self::Train {
            pairs.swap(0, 1);
        }
        pairs
    }

    fn needs_labels(self) -> bool {
        self != Self::Predict
    }
}

/// The names of X and, unless there are no labels, of Y.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) x: String,
    pub(super) y: Option<String>,
}

/// Opens dataset `name` of `file`, which was opened from `path`.
///
/// # Errors
///
/// [`DatasetError::NoSuchDataset`], which lists what the file has, and what [`Stored::open`] returns.
pub(crate) fn open_dataset(file: &hdf5::File, path: &Path, name: &str) -> Result<Stored, DatasetError> {
    if has_dataset(file, name) {
        return Stored::open(file, path, name);
    }
    Err(DatasetError::NoSuchDataset {
        file: path.to_owned(),
        wanted: vec![name.to_owned()],
        contents: Contents::of(file),
    })
}

/// Chooses X and Y among the datasets of `file`, which is at `path`.
///
/// # Errors
///
/// [`DatasetError::NoSuchDataset`] and [`DatasetError::NoLabels`], which list what the file has.
pub(super) fn choose(file: &hdf5::File, path: &Path, role: Role, names: &NameChoice) -> Result<Chosen, DatasetError> {
    let has = |name: &str| has_dataset(file, name);
    let missing = |wanted: Vec<String>| DatasetError::NoSuchDataset {
        file: path.to_owned(),
        wanted,
        contents: Contents::of(file),
    };
    if let Some(name) = names.x.iter().chain(&names.y).find(|name| !has(name)) {
        return Err(missing(vec![name.clone()]));
    }
    let x = match (&names.x, &names.y) {
        (Some(x), _) => x.clone(),
        (None, y) => {
            usual_x(role, y.as_deref(), has).ok_or_else(|| missing(role.pairs().map(|(x, _)| x.to_owned()).to_vec()))?
        }
    };
    if names.y.is_some() {
        return Ok(Chosen { x, y: names.y.clone() });
    }
    let wanted = usual_y(role, &x);
    match wanted.iter().find(|y| has(y)) {
        Some(y) => Ok(Chosen { x, y: Some(y.clone()) }),
        None if role.needs_labels() => Err(DatasetError::NoLabels {
            file: path.to_owned(),
            x,
            wanted,
            contents: Contents::of(file),
        }),
        None => Ok(Chosen { x, y: None }),
    }
}

/// The first usual X that is there, preferably one whose Y is the chosen `y` or, if labels are needed, is there too.
fn usual_x(role: Role, y: Option<&str>, has: impl Fn(&str) -> bool) -> Option<String> {
    let present: Vec<_> = role.pairs().into_iter().filter(|(x, _)| has(x)).collect();
    let fits = |partner: &str| match y {
        Some(y) => partner == y,
        None => !role.needs_labels() || has(partner),
    };
    let best = present.iter().find(|(_, partner)| fits(partner));
    best.or(present.first()).map(|(x, _)| (*x).to_owned())
}

/// The names that the labels of `x` may have: its usual partner, or all usual names if `x` itself is unusual; in the
/// group of `x` first.
fn usual_y(role: Role, x: &str) -> Vec<String> {
    let (group, base) = x.rsplit_once('/').map_or(("", x), |(group, base)| (group, base));
    let pairs = role.pairs();
    let known: Vec<_> = pairs.iter().filter(|(name, _)| *name == base).collect();
    let partners = if known.is_empty() {
        pairs.iter().collect()
    } else {
        known
    };
    let mut wanted: Vec<String> = Vec::new();
    for prefix in [format!("{group}/"), String::new()] {
        for (_, y) in &partners {
            let name = format!("{}{y}", prefix.trim_start_matches('/'));
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
    }
    wanted
}

/// Whether there is a dataset `name`; a damaged one counts, so that opening it can say what is wrong.
fn has_dataset(file: &hdf5::File, name: &str) -> bool {
    file.link_exists(name)
        && file
            .loc_type_by_name(name)
            .map_or(true, |kind| kind == LocationType::Dataset)
}

/// One dataset of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its path in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its values, if it can be read.
    pub stored_type: Option<StoredType>,
}

/// The datasets of a file, also those in groups; at most [`Contents::MOST`] of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The first ones, by name.
    pub datasets: Vec<Listing>,
    /// Whether there are others.
    pub more: bool,
}

impl Contents {
    /// The most datasets that are listed.
    pub const MOST: usize = 24;
    /// The most links that are looked at, and how deep: groups may be linked in circles.
    const MOST_LINKS: usize = 4096;
    const DEEPEST: usize = 8;

    fn of(file: &hdf5::File) -> Self {
        let mut contents = Self::default();
        let mut links = Self::MOST_LINKS;
        contents.collect(file, "", Self::DEEPEST, &mut links);
        contents
    }

    fn collect(&mut self, group: &hdf5::Group, prefix: &str, depth: usize, links_left: &mut usize) {
        let Ok(links) = group.links(IndexType::Name, IterationOrder::Increasing) else {
            return;
        };
        for (name, info) in links {
            if self.more || *links_left == 0 {
                self.more = true;
                return;
            }
            *links_left -= 1;
            match group.loc_type_by_name(&name) {
                Ok(LocationType::Dataset) => self.push(group, &name, prefix),
                Ok(LocationType::Group) if depth > 0 && info.link_type == LinkType::Hard => {
                    if let Ok(inner) = group.group(&name) {
                        self.collect(&inner, &format!("{prefix}{name}/"), depth - 1, links_left);
                    }
                }
                _ => {}
            }
        }
    }

    fn push(&mut self, group: &hdf5::Group, name: &str, prefix: &str) {
        if self.datasets.len() == Self::MOST {
            self.more = true;
        } else if let Ok(dataset) = group.dataset(name) {
            self.datasets.push(Listing {
                name: printable(&format!("{prefix}{name}")),
                shape: dataset.shape(),
                stored_type: StoredType::of(&dataset).ok(),
            });
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.datasets.is_empty() {
            return f.write_str("the file has no datasets");
        }
        f.write_str("the file has ")?;
        for (
            i,
            Listing {
                name,
                shape,
                stored_type,
            },
        ) in self.datasets.iter().enumerate()
        {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}`{name}` {shape:?}")?;
            if let Some(stored_type) = stored_type {
                write!(f, " {stored_type}")?;
            }
        }
        f.write_str(if self.more { " and more" } else { "" })
    }
}

/// "`a`, `b` or `c`".
pub(super) fn quoted_list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// `text` from a file, fit to be shown: control characters could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}
