//! A training run that is small, and that goes on until a test has seen enough of it.

use std::collections::BTreeSet;

use crate::data::{Folder, Sample};
use crate::oracle::Training;
use crate::processes::Finished;
use crate::programs::Program;

/// The iterations of a run that no test waits to see the end of: it is stopped. So it cannot end before what a test waits
/// for has happened, however slow or fast the machine.
pub const ENDLESS: &str = "1000000000";

/// Its size.
#[derive(Clone, Debug)]
pub struct Shape {
    /// m.
    pub columns: usize,
    /// n_0.
    pub features: usize,
    /// n_1, …, n_{L-1}.
    pub hidden: Vec<usize>,
}

/// Data in a file, the options of a run on it, and what an undisturbed run prints.
#[derive(Debug)]
pub struct Subject {
    /// Where the data are, and where outputs may go.
    pub folder: Folder,
    shape: Shape,
    /// Without the number of iterations.
    options: Vec<String>,
}

impl Shape {
    /// 64 KiB of columns for each of three workers, and parameters of three chunks.
    pub fn usual() -> Self {
        Self {
            columns: 240,
            features: 800,
            hidden: vec![24],
        }
    }
}

impl Subject {
    /// A run of the usual size.
    ///
    /// # Panics
    ///
    /// As [`Subject::of`].
    pub fn usual() -> Self {
        Self::of(Shape::usual())
    }

    /// A run of this size.
    ///
    /// # Panics
    ///
    /// If the data cannot be written.
    pub fn of(shape: Shape) -> Self {
        let folder = Folder::new();
        Sample::bytes(shape.columns, shape.features, 17).write(&folder.path("data.h5"));
        let options = Training::new(&shape.hidden, 0).arguments_but_iterations(&folder.argument("data.h5"));
        Self { folder, shape, options }
    }

    /// The coordinator's options, with every cost printed, and `more`. The run is endless unless `more` says how many
    /// iterations it has.
    pub fn options<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let endless = ["--iterations", ENDLESS];
        let length: &[&str] = if more.contains(&endless[0]) { &[] } else { &endless };
        let own = self.options.iter().map(String::as_str);
        own.chain(length.iter().copied()).chain(more.iter().copied()).collect()
    }

    /// The bytes of its columns.
    pub fn column_bytes(&self) -> u64 {
        (self.shape.columns * self.shape.features) as u64
    }

    /// The bytes of its parameters, P numbers of f64.
    pub fn parameter_bytes(&self) -> u64 {
        let Shape { features, hidden, .. } = &self.shape;
        let inputs = [*features].into_iter().chain(hidden.iter().copied());
        let outputs = hidden.iter().copied().chain([1]);
        let parameters: usize = inputs
            .zip(outputs)
            .map(|(inputs, outputs)| outputs * (inputs + 1))
            .sum();
        (parameters * size_of::<f64>()) as u64
    }

    /// What an undisturbed run of so many iterations prints, made in the coordinator alone.
    ///
    /// # Panics
    ///
    /// If the coordinator does not complete it.
    #[track_caller]
    pub fn undisturbed(&self, iterations: u64) -> String {
        let iterations = iterations.to_string();
        let options = self.options(&["--workers", "0", "-q", "--iterations", &iterations]);
        Finished::of(Program::Coordinator, &options).expect_code(0).stdout
    }

    /// Checks that a run printed, to the last byte, what an undisturbed run of as many iterations prints: every cost, the
    /// accuracy and the digest.
    ///
    /// # Panics
    ///
    /// If it is otherwise.
    #[track_caller]
    pub fn check(&self, stdout: &str) {
        assert_eq!(
            stdout,
            self.undisturbed(iterations_in(stdout)),
            "the undisturbed output"
        );
    }

    /// Checks what the coordinators of one run printed, all of which but the last were ended early: no cost that an
    /// undisturbed run does not print, every cost of it at least once, and in the end its accuracy and digest.
    ///
    /// # Panics
    ///
    /// If it is otherwise.
    #[track_caller]
    pub fn check_resumed(&self, earlier: &[String], last: &str) {
        let undisturbed = self.undisturbed(iterations_in(last));
        let is_cost = |line: &&str| line.starts_with("Cost ");
        let costs = |output: &str| -> BTreeSet<String> { output.lines().filter(is_cost).map(str::to_owned).collect() };
        let outputs = earlier.iter().map(String::as_str).chain([last]);
        let printed: BTreeSet<String> = outputs.flat_map(costs).collect();
        // One that was killed may have gone further than the last one.
        let longest = earlier.iter().map(|stdout| iterations_in(stdout)).max();
        let lawful = costs(&self.undisturbed(longest.into_iter().fold(iterations_in(last), u64::max)));
        let wrong: Vec<_> = printed.difference(&lawful).collect();
        let expected = costs(&undisturbed);
        let missing: Vec<_> = expected.difference(&printed).collect();
        assert!(
            wrong.is_empty() && missing.is_empty(),
            "wrong: {wrong:?}, missing: {missing:?}"
        );
        let results = |output: &str| -> Vec<String> {
            let lines = output.lines().filter(|line| !is_cost(line));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(results(last), results(&undisturbed), "accuracy and digest");
    }
}

/// How many iterations had been made when the last cost was printed.
pub fn iterations_in(stdout: &str) -> u64 {
    let last = stdout.lines().rev().find_map(|line| {
        let rest = line.strip_prefix("Cost after iteration ")?;
        rest.split_once(':')?.0.parse::<u64>().ok()
    });
    last.map_or(0, |iteration| iteration + 1)
}
