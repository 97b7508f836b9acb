//! What a run prints and writes.

use std::fs;

use tests::data::{Folder, Sample};
use tests::processes::{Finished, Process, while_nothing_else_starts};
use tests::programs::Program;
use tests::results::Results;

use super::{assert_refused, train};

/// A folder with `data.h5`, and the options of a short run on it.
fn subject() -> (Folder, Vec<String>) {
    let folder = Folder::new();
    Sample::bytes(70, 10, 41).write(&folder.path("data.h5"));
    let file = folder.argument("data.h5");
    let options = ["--train", &file, "--test", &file, "--hidden", "4", "--iterations", "20"];
    let options = options.map(str::to_owned).to_vec();
    (folder, options)
}

fn borrowed(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

const SPAWN_TWO: [&str; 5] = ["--workers", "2", "--spawn", "--listen", "127.0.0.1:0"];

#[test]
fn standard_output_has_the_result_lines_and_nothing_else() {
    let (_folder, options) = subject();
    let fleets = [&["--workers", "0"][..], &SPAWN_TWO];
    for (print_every, iterations) in [
        ("1", (0..20).collect()),
        ("7", vec![0, 7, 14, 19]),
        ("19", vec![0, 19]),
        ("100", vec![0, 19]),
    ] {
        for fleet in fleets {
            for loud in ["-v", "-q"] {
                let more = [fleet, &["--print-every", print_every, loud]].concat();
                let run = Finished::of(Program::Coordinator, &[borrowed(&options), more].concat()).expect_code(0);
                let results = Results::parse(&run.stdout);
                let printed: Vec<u64> = results.costs.iter().map(|&(iteration, _)| iteration).collect();
                assert_eq!(printed, iterations, "{}", run.stdout);
                assert_eq!(results.test_accuracy, Some(results.train_accuracy), "the same examples");
            }
        }
    }
}

#[test]
fn costs_in_f32_are_printed_in_the_shortest_form_that_f32_needs() {
    let (folder, options) = subject();
    let mut options = borrowed(&options);
    options.extend(["--precision", "f32"]);
    let run = train(&folder, &options).expect_code(0);
    Results::parse(&run.stdout);
    for line in run.stdout.lines().filter(|line| line.starts_with("Cost")) {
        let number = line.rsplit(' ').next().unwrap();
        assert_eq!(format!("{:?}", number.parse::<f32>().unwrap()), number);
    }
}

#[test]
fn quiet_runs_say_nothing_on_standard_error() {
    let (folder, options) = subject();
    assert_eq!(train(&folder, &borrowed(&options)).expect_code(0).stderr, "");
    let run = Finished::of(
        Program::Coordinator,
        &[borrowed(&options), SPAWN_TWO.to_vec(), vec!["-q"]].concat(),
    );
    assert_eq!(run.expect_code(0).stderr, "");
}

#[test]
fn log_lines_tell_the_data_the_network_the_fleet_and_the_progress() {
    let (folder, options) = subject();
    let run = Finished::of(Program::Coordinator, &[borrowed(&options), SPAWN_TWO.to_vec()].concat()).expect_code(0);
    for part in [
        &format!(
            "training on 70 columns of 10 u8 numbers from {}",
            folder.argument("data.h5")
        ),
        "network 10-4-1 in f64, 5 blocks",
        "listening on 127.0.0.1:",
        "2 of 2 workers have joined",
        "all workers hold their columns; training begins",
        "iteration 2 of 20 done, cost ",
        "iteration 20 of 20 done, cost ",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(
        !run.stderr.contains('\u{1b}'),
        "no colours and no bar unless on a terminal: {:?}",
        run.stderr
    );
}

#[test]
fn rust_log_decides_what_is_logged() {
    let (_folder, options) = subject();
    let logged = |filter: &str, more: &[&str]| {
        let arguments = [borrowed(&options), SPAWN_TWO.to_vec(), more.to_vec()].concat();
        let process = Process::start_with(Program::Coordinator, &arguments, |command| {
            command.env("RUST_LOG", filter)
        });
        process.finish().expect_code(0).stderr
    };
    assert_eq!(logged("error", &[]), "");
    assert!(logged("coordinator=debug", &[]).contains("worker 0 is to hold blocks 0.."));
    assert!(
        logged("coordinator=info", &["-q"]).contains("listening on"),
        "RUST_LOG wins over -q"
    );
}

#[test]
fn the_output_folder_gets_whole_files_only() {
    let (folder, options) = subject();
    let mut options = borrowed(&options);
    options.extend(["--print-every", "1"]);
    let results = Results::parse(&train(&folder, &options).expect_code(0).stdout);
    let costs = fs::read_to_string(folder.path("out/costs.csv")).unwrap();
    let lines = results
        .costs
        .iter()
        .map(|(iteration, cost)| format!("{iteration},{cost:?}\n"));
    assert_eq!(costs, format!("iteration,cost\n{}", lines.collect::<String>()));
    let report = fs::read_to_string(folder.path("out/report.html")).unwrap();
    assert!(report.contains(&results.digest) && report.trim_end().ends_with("</html>"));
    for entry in folder.path("out").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            ["checkpoints", "costs.csv", "model.h5", "report.html"].contains(&name.as_str()),
            "{name} was left behind"
        );
    }
}

#[test]
fn an_output_folder_is_made_with_the_folders_above_it_and_used_again() {
    let (folder, options) = subject();
    let out = folder.argument("deep/er/run");
    let options = [borrowed(&options), vec!["--workers", "0", "-q", "--out", &out]].concat();
    for _ in 0..2 {
        Finished::of(Program::Coordinator, &options).expect_code(0);
        assert!(folder.path("deep/er/run/costs.csv").is_file());
    }
}

#[test]
fn an_output_folder_that_cannot_be_written_is_refused_before_training() {
    let (folder, options) = subject();
    while_nothing_else_starts(|| fs::write(folder.path("plain"), "a file").unwrap());
    for (out, error) in [
        ("plain/run", "Not a directory (os error 20)"),
        ("plain", "File exists (os error 17)"),
    ] {
        let path = folder.argument(out);
        let arguments = [borrowed(&options), vec!["--workers", "0", "-q", "--out", &path]].concat();
        let run = Finished::of(Program::Coordinator, &arguments).expect_code(1);
        assert_eq!(
            folder.masked(&run.stderr),
            format!(
                "error: cannot write to the folder FOLDER/{out}: {error}\n\
                 hint: choose another folder with --out, or make this one writable\n"
            )
        );
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_standard_output_that_cannot_be_written_is_named() {
    let (_folder, options) = subject();
    let arguments = [borrowed(&options), vec!["--workers", "0", "-q"]].concat();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = Process::start_with(Program::Coordinator, &arguments, |command| command.stdout(full)).finish();
    assert_eq!(
        run.expect_code(2).stderr,
        "error: cannot write to standard output: No space left on device (os error 28)\n"
    );
}

#[test]
fn an_earlier_result_survives_a_run_that_is_refused() {
    let (folder, options) = subject();
    train(&folder, &borrowed(&options)).expect_code(0);
    let before = fs::read(folder.path("out/costs.csv")).unwrap();
    let none = folder.argument("none.h5");
    train(&folder, &["--train", &none]).expect_code(65);
    assert_eq!(fs::read(folder.path("out/costs.csv")).unwrap(), before);
    fs::remove_dir_all(folder.path("out")).unwrap();
    assert_refused(
        &folder,
        &["--train", &none],
        65,
        "error: FOLDER/none.h5: no such file\n",
    );
}
