//! Both programs as a user sees them: what they print, where, and how they end.

mod bad_data;
mod outputs;
mod plan;
mod usage;

use tests::data::Folder;
use tests::processes::Finished;
use tests::programs::Program;

/// Runs the coordinator without workers and without log lines, on the data and into the folder that are named.
fn train(folder: &Folder, arguments: &[&str]) -> Finished {
    let out = folder.argument("out");
    let mut all = vec!["--workers", "0", "-q", "--out", &out];
    all.extend(arguments);
    Finished::of(Program::Coordinator, &all)
}

/// Checks that a training run is refused with exactly this standard error, before it has printed or written anything.
#[track_caller]
fn assert_refused(folder: &Folder, arguments: &[&str], code: i32, stderr: &str) {
    let run = train(folder, arguments).expect_code(code);
    assert_eq!(folder.masked(&run.stderr), stderr);
    assert_eq!(run.stdout, "");
    let written = folder.path("out").read_dir().map_or(0, Iterator::count);
    assert_eq!(written, 0, "nothing may be left in the output folder");
}
