//! What a run says while it lasts: results on standard output, a progress bar or log lines on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use settings::Verbosity;
use shared::RealType;
use shared::ids::Iteration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Results on standard output, in the forms that scripts read, and progress on standard error.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    print_every: u64,
    iterations: u64,
    real_type: RealType,
}

impl Progress {
    /// Progress of a run of `iterations`, whose costs are `costs`; hidden unless standard error is a terminal.
    pub fn new(iterations: u64, print_every: u64, costs: RealType, verbosity: Verbosity) -> Self {
        let shown = io::stderr().is_terminal() && verbosity != Verbosity::Quiet;
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(iterations), target);
        let template = "{bar:24} {pos}/{len}  cost {msg}  {per_sec}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        Self {
            bar,
            print_every,
            iterations,
            real_type: costs,
        }
    }

    /// The cost of an iteration is known.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written any more.
    pub fn cost(&self, iteration: Iteration, cost: f64) -> io::Result<()> {
        let done = iteration.0 + 1;
        let is_last = done == self.iterations;
        self.bar.set_position(done);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{cost:.6}"));
        }
        if iteration.0.is_multiple_of(self.print_every) || is_last {
            self.result(format_args!(
                "Cost after iteration {iteration}: {}",
                self.real_type.format(cost)
            ))?;
        }
        if self.bar.is_hidden() && is_milestone(done, self.iterations) {
            tracing::info!("iteration {done} of {} done, cost {cost:.6}", self.iterations);
        }
        Ok(())
    }

    /// Writes a line of results to standard output.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written any more.
    pub fn result(&self, line: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.bar.suspend(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()
        })
    }

    /// The run is over, or has failed.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whether another tenth of the run is done.
fn is_milestone(done: u64, iterations: u64) -> bool {
    let tenths = |done: u64| u128::from(done) * 10 / u128::from(iterations);
    tenths(done) > tenths(done - 1)
}

/// Log lines on standard error that do not disturb the bar. `RUST_LOG` wins over `verbosity`.
pub fn log_to_stderr(verbosity: Verbosity, progress: Option<&Progress>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(own_level(verbosity)));
    let bar = progress.map_or_else(ProgressBar::hidden, |progress| progress.bar.clone());
    let format = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time();
    let format = format.with_ansi(io::stderr().is_terminal()).with_writer(BesideBar(bar));
    // A second call in one process, as tests make it, keeps the first.
    let _ = format.try_init();
}

/// Our own crates at `verbosity`; the libraries below speak only when something is wrong, or with `-vv`.
fn own_level(verbosity: Verbosity) -> String {
    let level = verbosity.level();
    let libraries = if verbosity == Verbosity::Everything {
        "debug"
    } else {
        "warn"
    };
    format!("{libraries},coordinator={level},proto={level},shared={level}")
}

struct BesideBar(ProgressBar);

impl<'a> MakeWriter<'a> for BesideBar {
    type Writer = LineBesideBar;

    fn make_writer(&'a self) -> LineBesideBar {
        LineBesideBar(self.0.clone())
    }
}

struct LineBesideBar(ProgressBar);

impl Write for LineBesideBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// `2.5 s`, `3 min 20 s`, `310 ms`.
pub fn human(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_milestones_are_told_of_a_long_run_and_every_iteration_of_a_short_one() {
        let milestones = |iterations| (1..=iterations).filter(|&done| is_milestone(done, iterations)).count();
        assert_eq!((milestones(2500), milestones(10), milestones(3)), (10, 10, 3));
    }

    #[test]
    fn durations_are_told_in_the_unit_that_suits_them() {
        let told = [310, 2500, 200_000].map(|ms| human(Duration::from_millis(ms)));
        assert_eq!(told, ["310 ms", "2.5 s", "3 min 20 s"]);
    }
}
