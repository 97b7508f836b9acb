//! Who is let in, who is not, and what both sides say about it.

use tests::processes::{Finished, Process};
use tests::programs::Program;

use super::{SECRET, Site, words};

/// Starts a coordinator that asks for certificates and the token, and a worker with `wrong`. Both must say why it is
/// refused; then the right worker comes, and the run goes on.
#[track_caller]
fn assert_refused(site: &Site, wrong: &[Vec<String>], worker_says: &str, coordinator_says: &str) {
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.coordinator_tls(), site.token()]);
    let worker = site.worker(&address, wrong).expect_code(1);
    let stderr = worker.stderr.replace(&address, "ADDRESS");
    assert_eq!(stderr, worker_says);
    coordinator.wait_for_stderr(coordinator_says);
    let coordinator = site.assert_goes_on(coordinator, &address, &[site.worker_tls(), site.token()]);
    assert!(!coordinator.stderr.contains(SECRET) && !stderr.contains(SECRET));
}

#[test]
fn with_tls_and_token_the_result_is_the_oracle_s() {
    let site = Site::new();
    for host in ["127.0.0.1", "[::1]"] {
        let (coordinator, address) = site.coordinator(host, &[site.coordinator_tls(), site.token()]);
        let line = coordinator.wait_for_stderr("workers need these options");
        assert!(
            line.ends_with("--tls-ca, --tls-cert, --tls-key, --token-file"),
            "{line}"
        );
        site.assert_goes_on(coordinator, &address, &[site.worker_tls(), site.token()]);
    }
}

#[test]
fn tls_without_certificates_of_workers_and_a_token_without_tls_work_too() {
    let site = Site::new();
    let own = site.tls(["", "keys/coordinator.pem", "keys/coordinator-key.pem"]);
    let (coordinator, address) = site.coordinator("127.0.0.1", &[own]);
    site.assert_goes_on(coordinator, &address, &[site.tls(["keys/ca.pem", "", ""])]);
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    site.assert_goes_on(coordinator, &address, &[site.token()]);
}

#[test]
fn a_worker_that_trusts_another_ca_is_told_so() {
    let site = Site::new();
    site.make_certificates("other", "localhost");
    assert_refused(
        &site,
        &[
            site.tls(["other/ca.pem", "keys/worker.pem", "keys/worker-key.pem"]),
            site.token(),
        ],
        "error: no connection to the coordinator at ADDRESS: wrong CA: its certificate was not issued by the CA of \
         --tls-ca\n\
         hint: --tls-ca needs the ca.pem that was made together with the coordinator's certificate\n",
        ": wrong CA: it does not know the CA that issued our certificate",
    );
}

#[test]
fn a_worker_with_a_certificate_of_another_ca_is_told_so() {
    let site = Site::new();
    site.make_certificates("other", "localhost");
    assert_refused(
        &site,
        &[
            site.tls(["keys/ca.pem", "other/worker.pem", "other/worker-key.pem"]),
            site.token(),
        ],
        "error: no connection to the coordinator at ADDRESS: wrong CA: it does not know the CA that issued our \
         certificate\n\
         hint: --tls-cert needs the worker.pem that was made together with the coordinator's certificate\n",
        ": wrong CA: its certificate was not issued by the CA of --tls-ca",
    );
}

#[test]
fn a_worker_without_a_certificate_is_told_so() {
    let site = Site::new();
    assert_refused(
        &site,
        &[site.tls(["keys/ca.pem", "", ""]), site.token()],
        "error: no connection to the coordinator at ADDRESS: no certificate: it asks for one of this worker\n\
         hint: give the worker a certificate of the coordinator's CA: --tls-cert worker.pem --tls-key worker-key.pem\n",
        ": no certificate: it showed none, and --tls-ca asks for one",
    );
}

#[test]
fn a_worker_that_calls_the_coordinator_by_another_name_is_told_the_names() {
    let site = Site::new();
    site.make_certificates("named", "trainer.example.org");
    let own = site.tls(["named/ca.pem", "named/coordinator.pem", "named/coordinator-key.pem"]);
    let (_coordinator, address) = site.coordinator("127.0.0.2", &[own]);
    let worker = site.worker(
        &address,
        &[site.tls(["named/ca.pem", "named/worker.pem", "named/worker-key.pem"])],
    );
    let expected = format!(
        "error: no connection to the coordinator at {address}: wrong name: its certificate is for \
         trainer.example.org, localhost, 127.0.0.1, ::1, not for 127.0.0.2\n"
    );
    let stderr = worker.expect_code(1).stderr;
    assert!(stderr.starts_with(&expected), "{stderr}");
}

#[test]
fn a_worker_without_the_token_or_with_another_one_is_told_which() {
    let site = Site::new();
    std::fs::write(site.folder.path("wrong"), "wrong-horse-battery-staple").unwrap();
    let hint = "hint: give the worker the coordinator's token, with --token-file or in the environment variable \
                LOCKSTEP_TOKEN\n";
    let another = vec!["--token-file".to_owned(), site.path("wrong")];
    for (wrong, reason) in [(Vec::new(), "no token"), (another, "another token")] {
        assert_refused(
            &site,
            &[site.worker_tls(), wrong],
            &format!("error: the coordinator at ADDRESS refused this worker: {reason}\n{hint}"),
            &format!(": {reason}"),
        );
    }
}

#[test]
fn a_worker_without_tls_is_told_that_the_coordinator_has_it() {
    let site = Site::new();
    assert_refused(
        &site,
        &[site.token()],
        "error: no connection to the coordinator at ADDRESS: it speaks TLS\n\
         hint: give the worker the CA of the coordinator's certificate: --tls-ca ca.pem\n",
        ": it does not speak TLS",
    );
}

#[test]
fn a_worker_with_tls_is_told_that_the_coordinator_has_none() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    let worker = site.worker(&address, &[site.worker_tls(), site.token()]).expect_code(1);
    assert_eq!(
        worker.stderr.replace(&address, "ADDRESS"),
        "error: no connection to the coordinator at ADDRESS: it does not speak TLS\n\
         hint: leave out --tls-ca, or start the coordinator with --tls-cert and --tls-key\n"
    );
    coordinator.wait_for_stderr(": it speaks TLS");
    site.assert_goes_on(coordinator, &address, &[site.token()]);
}

#[test]
fn whoever_knocks_again_and_again_fills_no_log() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("127.0.0.1", &[site.token()]);
    for _ in 0..5 {
        site.worker(&address, &[]).expect_code(1);
    }
    coordinator.wait_for_stderr("no token (for the 4th time)");
    let coordinator = site.assert_goes_on(coordinator, &address, &[site.token()]);
    assert_eq!(
        coordinator.stderr.matches("no token").count(),
        3,
        "{}",
        coordinator.stderr
    );
}

#[test]
fn an_address_that_others_can_reach_is_refused_with_the_two_commands_that_mend_it() {
    let run = Finished::of(Program::Coordinator, &["--listen", "0.0.0.0:0"]).expect_code(64);
    assert_eq!(run.stdout, "");
    for part in [
        "error: --listen: found 0.0.0.0:0, which other machines can reach, and no TLS and no token, expected both TLS",
        "\n  coordinator certificates certificates --host NAME\n",
        "\n  coordinator --listen 0.0.0.0:0 --tls-ca certificates/ca.pem --tls-cert certificates/coordinator.pem \
         --tls-key certificates/coordinator-key.pem --token-file certificates/token\n",
    ] {
        assert!(run.stderr.contains(part), "{part}\n{}", run.stderr);
    }
}

#[test]
fn insecure_lets_others_in_and_warns() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("0.0.0.0", &[vec!["--insecure".to_owned()]]);
    coordinator.wait_for_stderr("WARN without TLS: ");
    coordinator.wait_for_stderr("WARN without a token: ");
    let port = address.rsplit_once(':').unwrap().1;
    site.assert_goes_on(coordinator, &format!("127.0.0.1:{port}"), &[]);
}

#[test]
fn the_two_commands_work_on_all_addresses() {
    let site = Site::new();
    let (coordinator, address) = site.coordinator("0.0.0.0", &[site.coordinator_tls(), site.token()]);
    let port = address.rsplit_once(':').unwrap().1;
    let coordinator = site.assert_goes_on(
        coordinator,
        &format!("localhost:{port}"),
        &[site.worker_tls(), site.token()],
    );
    assert!(!coordinator.stderr.contains("WARN"), "{}", coordinator.stderr);
}

#[test]
fn a_worker_that_would_show_its_token_to_everybody_warns() {
    let site = Site::new();
    // Nobody is there, and it warns before it knows.
    let arguments = Site::worker_arguments("trainer.invalid:50051", &[site.token()]);
    let worker = Process::start(Program::Worker, &words(&arguments));
    let line = worker.wait_for_stderr("WARN");
    assert!(
        line.contains("without TLS: whoever is on the way to trainer.invalid:50051 can read the token"),
        "{line}"
    );
}

#[test]
fn wrong_pem_files_are_named_with_what_was_found_before_anything_begins() {
    let site = Site::new();
    let swapped = site.tls(["", "keys/coordinator-key.pem", "keys/coordinator.pem"]);
    let data = site.path("data.h5");
    let arguments = [&["--train".to_owned(), data][..], &swapped].concat();
    let run = Finished::of(Program::Coordinator, &words(&arguments)).expect_code(64);
    assert!(
        site.folder.masked(&run.stderr).contains(
            "error: FOLDER/keys/coordinator-key.pem: found a private key, expected a certificate in PEM form\nhint: "
        ),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("listening"), "{}", run.stderr);
    let missing = site.tls(["keys/missing.pem", "", ""]);
    let worker = site.worker("127.0.0.1:1", &[missing]).expect_code(64);
    assert!(
        site.folder
            .masked(&worker.stderr)
            .starts_with("error: FOLDER/keys/missing.pem: found a file that cannot be read (No such file or directory"),
        "{}",
        worker.stderr
    );
}
