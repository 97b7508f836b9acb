//! `coordinator certificates` as a user meets it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tests::data::Folder;
use tests::processes::{Finished, Process};
use tests::programs::Program;

const FILES: [&str; 6] = [
    "ca.pem",
    "coordinator-key.pem",
    "coordinator.pem",
    "token",
    "worker-key.pem",
    "worker.pem",
];

#[test]
fn the_printed_commands_are_right_and_the_secrets_are_the_owner_s_alone() {
    let folder = Folder::new();
    let keys = folder.argument("keys");
    let made = Finished::of(
        Program::Coordinator,
        &["certificates", &keys, "--host", "a.example", "10.0.0.7"],
    );
    let made = made.expect_code(0);
    assert_eq!(made.stderr, "");
    let text = folder.masked(&made.stdout);
    for part in [
        "Wrote to FOLDER/keys: ca.pem, ",
        "\n  coordinator --listen 0.0.0.0:50051 --tls-ca FOLDER/keys/ca.pem --tls-cert FOLDER/keys/coordinator.pem \
         --tls-key FOLDER/keys/coordinator-key.pem --token-file FOLDER/keys/token\n",
        "\n  worker --connect a.example:50051 --tls-ca FOLDER/keys/ca.pem --tls-cert FOLDER/keys/worker.pem \
         --tls-key FOLDER/keys/worker-key.pem --token-file FOLDER/keys/token\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let mut names: Vec<_> = fs::read_dir(&keys)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, FILES);
    for name in ["coordinator-key.pem", "worker-key.pem", "token"] {
        let mode = fs::metadata(folder.path("keys").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let token = fs::read_to_string(folder.path("keys").join("token")).unwrap();
    assert!(!text.contains(token.trim()));
}

#[test]
fn existing_files_are_kept_and_named() {
    let folder = Folder::new();
    let keys = folder.argument("keys");
    let arguments = ["certificates", &keys, "--host", "a.example"];
    Finished::of(Program::Coordinator, &arguments).expect_code(0);
    let before: Vec<_> = FILES
        .map(|name| fs::read(folder.path("keys").join(name)).unwrap())
        .to_vec();
    let again = Finished::of(Program::Coordinator, &arguments).expect_code(1);
    assert_eq!(again.stdout, "");
    assert_eq!(
        folder.masked(&again.stderr),
        "error: FOLDER/keys: found ca.pem, coordinator.pem, coordinator-key.pem, worker.pem, worker-key.pem, token, \
         expected none of the files that this command writes\n\
         hint: choose another folder, or remove these files if nobody uses them any more\n"
    );
    let after: Vec<_> = FILES
        .map(|name| fs::read(folder.path("keys").join(name)).unwrap())
        .to_vec();
    assert!(before == after);
}

#[test]
fn wrong_usage_is_refused() {
    let folder = Folder::new();
    let keys = folder.argument("keys");
    let host = Finished::of(Program::Coordinator, &["certificates", &keys, "--host", "0.0.0.0"]).expect_code(64);
    assert!(
        host.stderr
            .starts_with("error: --host: found `0.0.0.0`, expected a DNS name or an IP address"),
        "{}",
        host.stderr
    );
    let none = Finished::of(Program::Coordinator, &["certificates", &keys]).expect_code(64);
    assert!(
        none.stderr
            .starts_with("error: found no --host <NAME>..., expected one"),
        "{}",
        none.stderr
    );
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    fs::write(folder.path("file"), "").unwrap();
    let keys = folder.argument("file/keys");
    let process = Process::start(Program::Coordinator, &["certificates", &keys, "--host", "a.example"]);
    let run = process.finish().expect_code(1);
    assert!(
        folder
            .masked(&run.stderr)
            .starts_with("error: FOLDER/file/keys: cannot be written: "),
        "{}",
        run.stderr
    );
}
