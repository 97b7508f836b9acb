//! Who may take part, and what others can do: TLS, tokens, limits, with the real programs.

mod certificates;
mod limits;
mod refusals;
mod secrets;

use std::fs;

use tests::data::{Folder, Sample};
use tests::oracle::Training;
use tests::processes::{Finished, Process};
use tests::programs::Program;

/// The token of most tests.
const SECRET: &str = "correct-horse-battery-staple";

/// A folder with data, a token, and the certificates of one CA.
struct Site {
    folder: Folder,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: Folder::new() };
        Sample::bytes(64, 9, 31).write(&site.folder.path("data.h5"));
        fs::write(site.folder.path("token"), SECRET).unwrap();
        site.make_certificates("keys", "localhost");
        site
    }

    fn training() -> Training {
        Training::new(&[3], 5)
    }

    /// What a coordinator prints that trains on the data.
    fn expected() -> String {
        Self::expected_after(Self::training().iterations)
    }

    /// The same of a run of so many iterations.
    fn expected_after(iterations: u64) -> String {
        let training = Training {
            iterations,
            ..Self::training()
        };
        training.expected_stdout(&Sample::bytes(64, 9, 31))
    }

    fn make_certificates(&self, name: &str, host: &str) {
        let folder = self.folder.argument(name);
        Finished::of(Program::Coordinator, &["certificates", &folder, "--host", host]).expect_code(0);
    }

    fn path(&self, name: &str) -> String {
        self.folder.argument(name)
    }

    /// `--tls-ca`, `--tls-cert` and `--tls-key` with the files that `names` name, as far as it names them.
    fn tls(&self, names: [&str; 3]) -> Vec<String> {
        let options = ["--tls-ca", "--tls-cert", "--tls-key"].into_iter().zip(names);
        let given = options.filter(|(_, name)| !name.is_empty());
        given
            .flat_map(|(option, name)| [option.to_owned(), self.path(name)])
            .collect()
    }

    fn coordinator_tls(&self) -> Vec<String> {
        self.tls(["keys/ca.pem", "keys/coordinator.pem", "keys/coordinator-key.pem"])
    }

    fn worker_tls(&self) -> Vec<String> {
        self.tls(["keys/ca.pem", "keys/worker.pem", "keys/worker-key.pem"])
    }

    fn token(&self) -> Vec<String> {
        vec!["--token-file".to_owned(), self.path("token")]
    }

    /// A coordinator of one worker that listens on a free port of `host`, and its address.
    fn coordinator(&self, host: &str, more: &[Vec<String>]) -> (Process, String) {
        let mut arguments = Self::training().arguments(&self.path("data.h5"));
        arguments.extend(["--listen".to_owned(), format!("{host}:0")]);
        arguments.extend(more.concat());
        let coordinator = Process::start(Program::Coordinator, &words(&arguments));
        let line = coordinator.wait_for_stderr("listening on ");
        let (_, address) = line.split_once("listening on ").unwrap();
        (coordinator, address.trim().to_owned())
    }

    /// The worker's arguments.
    fn worker_arguments(address: &str, more: &[Vec<String>]) -> Vec<String> {
        let own = [
            "--connect",
            address,
            "--threads",
            "1",
            "--name",
            "w",
            "--give-up-after",
            "0s",
        ];
        let mut arguments: Vec<_> = own.map(str::to_owned).to_vec();
        arguments.extend(more.concat());
        arguments
    }

    /// A worker that has ended.
    fn worker(&self, address: &str, more: &[Vec<String>]) -> Finished {
        Finished::of(Program::Worker, &words(&Self::worker_arguments(address, more)))
    }

    /// The run ends as if nothing had happened as soon as the right worker has come.
    fn assert_goes_on(&self, coordinator: Process, address: &str, worker: &[Vec<String>]) -> Finished {
        self.worker(address, worker).expect_code(0);
        let coordinator = coordinator.finish().expect_code(0);
        assert_eq!(coordinator.stdout, Self::expected());
        coordinator
    }
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}
