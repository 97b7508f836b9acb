//! A [`Plan`] as text, at most 80 characters wide.

use std::fmt;
use std::num::NonZeroUsize;

use settings::Size;
use shared::LayerSizes;
use shared::kernel::InstructionSet;

use super::forecast::{Facts, Plan, Row, stream_speed};
use super::link::LinkSpeed;
use super::whole_machine;

/// The longest text that shows all sizes of a network.
const MOST_SIZES_SHOWN: usize = 36;

/// Where the speed of a core comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeedSource {
    /// It was given.
    Given,
    /// It was measured on this machine.
    Measured {
        /// The threads that computed.
        threads: NonZeroUsize,
    },
}

/// What is printed.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The forecast.
    pub plan: &'a Plan,
    /// What it was made of.
    pub facts: &'a Facts,
    /// Where the speed of a core comes from.
    pub source: SpeedSource,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        writeln!(f, "\nTime of an iteration; columns are those of the largest shard")?;
        f.write_str(&times(self.plan))?;
        writeln!(
            f,
            "\nBytes of an iteration, and memory at most; nodes are those of all workers"
        )?;
        f.write_str(&traffic(self.plan))?;
        self.write_conclusion(f)
    }
}

impl Report<'_> {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts {
            sizes,
            precision,
            tree,
            element_type,
            link,
            cores,
            threads,
            gflops,
            ..
        } = self.facts;
        let (m, features, blocks) = (tree.items(), sizes.features(), tree.leaves());
        let blocks = Counted(blocks as u64, "block");
        writeln!(
            f,
            "Data        {m} columns of {features} {element_type} numbers, {blocks}"
        )?;
        writeln!(
            f,
            "Network     {} in {precision}, {} parameters",
            shown(sizes),
            sizes.parameters()
        )?;
        let operations = Scaled(self.plan.operations as f64, "FLOP");
        let core = Scaled(gflops * 1e9, "FLOP/s");
        write!(f, "Arithmetic  {operations} an iteration; {core} a core, ")?;
        match self.source {
            SpeedSource::Given => writeln!(f, "as given")?,
            SpeedSource::Measured { threads } => {
                let threads = Counted(threads.get() as u64, "thread");
                writeln!(
                    f,
                    "measured here\n            with {threads} and {}",
                    InstructionSet::chosen()
                )?;
            }
        }
        match link {
            LinkSpeed::Loopback => {
                let cores = Counted(cores.get() as u64, "core");
                writeln!(f, "Link        loopback: all processes share this machine's {cores}")
            }
            LinkSpeed::Network { .. } => {
                let threads = Counted(whole_machine(*threads, *cores).get() as u64, "thread");
                writeln!(f, "Link        {link}: each worker has a machine of its own,")?;
                writeln!(f, "            with {threads}")
            }
        }
    }

    fn write_conclusion(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, facts) = (self.plan, self.facts);
        if let Some(last) = plan.rows.last().filter(|row| row.workers > 0) {
            let bytes = Scaled(last.traffic.columns as f64, "B");
            let seconds = Seconds(last.traffic.columns as f64 / stream_speed(facts.link).0);
            writeln!(f, "\nAt the start {bytes} of columns go to the workers, in {seconds}.")?;
        }
        let Some(fastest) = plan.rows.get(plan.fastest) else {
            return Ok(());
        };
        let fleet = match fastest.workers {
            0 => "one process, without workers".to_owned(),
            workers => Counted(workers as u64, "worker").to_string(),
        };
        writeln!(f, "\nFastest of these: {fleet}.")?;
        let each = fastest.time.total_seconds();
        let (all, iterations) = (Seconds(each * facts.iterations as f64), facts.iterations);
        writeln!(f, "An iteration takes {}, {iterations} of them {all}.", Seconds(each))?;
        let most = plan.rows.last().map_or(0, |row| row.workers);
        match fastest.workers {
            _ if most == 0 => Ok(()),
            0 => writeln!(f, "Workers do not pay here."),
            workers if workers == most => writeln!(f, "More than {most} were not looked at."),
            workers => writeln!(f, "From {workers} on, more workers do not pay."),
        }
    }
}

/// The sizes of a network; of many layers the first ones.
fn shown(sizes: &LayerSizes) -> String {
    let all = sizes.to_string();
    if all.len() <= MOST_SIZES_SHOWN {
        return all;
    }
    let first: Vec<_> = sizes.as_slice().iter().take(3).map(usize::to_string).collect();
    format!("{}-…-1 ({} layers)", first.join("-"), sizes.layers())
}

fn times(plan: &Plan) -> String {
    let heading = [
        "workers",
        "columns",
        "arithmetic",
        "exchange",
        "update",
        "in all",
        "limit",
    ];
    let cells = |row: &Row| {
        let exchange = match row.workers {
            0 => "-".to_owned(),
            _ => Seconds(row.time.exchange_seconds).to_string(),
        };
        [
            row.workers.to_string(),
            row.columns.to_string(),
            Seconds(row.time.arithmetic_seconds).to_string(),
            exchange,
            Seconds(row.time.update_seconds).to_string(),
            Seconds(row.time.total_seconds()).to_string(),
            row.time.limit().to_string(),
        ]
    };
    table(heading, plan.rows.iter().map(cells))
}

fn traffic(plan: &Plan) -> String {
    let heading = [
        "workers",
        "nodes",
        "down each",
        "up most",
        "in all",
        "coordinator",
        "worker",
    ];
    let cells = |row: &Row| {
        let of_workers = |text: String| if row.workers == 0 { "-".to_owned() } else { text };
        let bytes = |bytes: u128| of_workers(Scaled(bytes as f64, "B").to_string());
        [
            row.workers.to_string(),
            of_workers(row.nodes.to_string()),
            bytes(row.traffic.down_each),
            bytes(row.traffic.up_most),
            bytes(row.traffic.all),
            Size(row.memory.coordinator).to_string(),
            of_workers(Size(row.memory.worker).to_string()),
        ]
    };
    table(heading, plan.rows.iter().map(cells))
}

/// Lines of right-aligned columns, two spaces apart.
fn table<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let heading = heading.map(str::to_owned);
    let lines: Vec<[String; N]> = std::iter::once(heading).chain(rows).collect();
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<_> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:>width$}"))
            .collect();
        text.push_str(&cells.join("  "));
        text.push('\n');
    }
    text
}

/// A number of things: `1 core`, `2 cores`.
struct Counted(u64, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, name) = self;
        write!(f, "{count} {name}{}", if *count == 1 { "" } else { "s" })
    }
}

/// An amount with three digits and a prefix of the unit, in powers of 1000: `1.97 MB`.
struct Scaled(f64, &'static str);

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(mut amount, unit) = *self;
        let mut prefixes = ["", "k", "M", "G", "T", "P", "E", "Z"].into_iter();
        let mut prefix = prefixes.next().unwrap_or_default();
        // From here on three digits would be four.
        while amount >= 999.5 {
            let Some(next) = prefixes.next() else { break };
            prefix = next;
            amount /= 1e3;
        }
        write!(f, "{} {prefix}{unit}", ThreeDigits(amount))
    }
}

/// A time with three digits, in the unit that suits it: `1.13 ms`, `12.5 min`.
struct Seconds(f64);

/// The units, each with its seconds and how many of it are told in the next one.
const TIMES: [(&str, f64, f64); 6] = [
    ("µs", 1e-6, 999.5),
    ("ms", 1e-3, 999.5),
    ("s", 1.0, 99.95),
    ("min", 60.0, 99.95),
    ("h", 3600.0, 99.95),
    ("d", 86_400.0, f64::INFINITY),
];

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = TIMES.into_iter().find(|&(_, each, most)| self.0 / each < most);
        let (unit, each, _) = fitting.unwrap_or(TIMES[TIMES.len() - 1]);
        write!(f, "{} {unit}", ThreeDigits(self.0 / each))
    }
}

/// A number of at least 0 with three digits, or all before the point; more than six as a power of ten.
struct ThreeDigits(f64);

impl fmt::Display for ThreeDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0.0 => f.write_str("0"),
            number if number < 9.995 => write!(f, "{number:.2}"),
            number if number < 99.95 => write!(f, "{number:.1}"),
            number if number < 999_999.5 => write!(f, "{number:.0}"),
            number => write!(f, "{number:.1e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_three_digits_and_the_prefix_that_suits_them() {
        for (amount, shown) in [
            (0.0, "0 B"),
            (7.0, "7.00 B"),
            (999.0, "999 B"),
            (999.6, "1.00 kB"),
            (1_967_784.0, "1.97 MB"),
            (99_960_000.0, "100 MB"),
            (1e24, "1000 ZB"),
            (1e30, "1.0e9 ZB"),
        ] {
            assert_eq!(Scaled(amount, "B").to_string(), shown);
        }
    }

    #[test]
    fn times_have_three_digits_and_the_unit_that_suits_them() {
        for (seconds, shown) in [
            (0.0, "0 µs"),
            (70e-6, "70.0 µs"),
            (0.001_129, "1.13 ms"),
            (0.999_7, "1.00 s"),
            (99.0, "99.0 s"),
            (100.0, "1.67 min"),
            (7200.0, "2.00 h"),
            (1e6, "11.6 d"),
            (1e12, "1.2e7 d"),
        ] {
            assert_eq!(Seconds(seconds).to_string(), shown);
        }
    }

    #[test]
    fn of_a_deep_network_the_first_sizes_are_shown() {
        let sizes = |sizes: &[usize]| LayerSizes::new(sizes.to_vec()).unwrap();
        assert_eq!(shown(&sizes(&[12288, 20, 7, 5, 1])), "12288-20-7-5-1");
        assert_eq!(
            shown(&sizes(&[&[100; 40][..], &[1]].concat())),
            "100-100-100-…-1 (40 layers)"
        );
    }
}
