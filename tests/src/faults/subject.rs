//! A training run that is small and yet long enough for a fault to fall into it.

use std::collections::BTreeSet;

use crate::data::{Folder, Sample};
use crate::oracle::Training;
use crate::processes::Finished;
use crate::programs::Program;

/// Its size.
#[derive(Clone, Debug)]
pub struct Shape {
    /// m.
    pub columns: usize,
    /// n_0.
    pub features: usize,
    /// n_1, …, n_{L-1}.
    pub hidden: Vec<usize>,
    /// How many updates.
    pub iterations: u64,
}

/// Data in a file, the options of a run on it, and what an undisturbed run prints.
#[derive(Debug)]
pub struct Subject {
    /// Where the data are, and where outputs may go.
    pub folder: Folder,
    shape: Shape,
    options: Vec<String>,
    undisturbed: String,
}

impl Shape {
    /// 64 KiB of columns for each of three workers, and parameters of three chunks.
    pub fn usual() -> Self {
        Self {
            columns: 240,
            features: 800,
            hidden: vec![24],
            iterations: 150,
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

    /// A run of this size, made once in the coordinator alone to see what it prints.
    ///
    /// # Panics
    ///
    /// If the data cannot be written, or the coordinator does not complete the run.
    pub fn of(shape: Shape) -> Self {
        let folder = Folder::new();
        Sample::bytes(shape.columns, shape.features, 17).write(&folder.path("data.h5"));
        let options = Training::new(&shape.hidden, shape.iterations).arguments(&folder.argument("data.h5"));
        let mut alone: Vec<&str> = options.iter().map(String::as_str).collect();
        alone.extend(["--workers", "0", "-q"]);
        let undisturbed = Finished::of(Program::Coordinator, &alone).expect_code(0).stdout;
        Self {
            folder,
            shape,
            options,
            undisturbed,
        }
    }

    /// The coordinator's options, with every cost printed, and `more`.
    pub fn options<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.options
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect()
    }

    /// How many updates it makes.
    pub fn iterations(&self) -> u64 {
        self.shape.iterations
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

    /// What an undisturbed run prints.
    pub fn undisturbed(&self) -> &str {
        &self.undisturbed
    }

    /// Checks what the coordinators of one run printed, all of which but the last were ended early: no cost that an
    /// undisturbed run does not print, every cost of it at least once, and in the end its accuracy and digest.
    ///
    /// # Panics
    ///
    /// If it is otherwise.
    #[track_caller]
    pub fn check_resumed(&self, earlier: &[String], last: &str) {
        let is_cost = |line: &&str| line.starts_with("Cost ");
        let expected: BTreeSet<&str> = self.undisturbed.lines().filter(is_cost).collect();
        let outputs = earlier.iter().map(String::as_str).chain([last]);
        let printed: BTreeSet<&str> = outputs.flat_map(str::lines).filter(is_cost).collect();
        let wrong: Vec<_> = printed.difference(&expected).collect();
        let missing: Vec<_> = expected.difference(&printed).collect();
        assert!(
            wrong.is_empty() && missing.is_empty(),
            "wrong: {wrong:?}, missing: {missing:?}"
        );
        let results = |output: &str| -> Vec<String> {
            let lines = output.lines().filter(|line| !is_cost(line));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(results(last), results(&self.undisturbed), "accuracy and digest");
    }
}
