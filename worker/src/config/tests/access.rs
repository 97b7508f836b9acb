use security::Token;

use super::*;

const SECRET: &str = "correct-horse-battery";

/// As [`run`], with the environment variable of the token.
fn run_with(variable: &str, arguments: &[&str]) -> Result<Command, Exit> {
    let arguments = std::iter::once("worker").chain(arguments.iter().copied());
    parse(arguments.map(OsString::from), Some(variable.into()))
}

#[test]
fn the_token_comes_from_the_file_or_else_from_the_environment() {
    let right = Some(Token::new(SECRET.as_bytes()).unwrap());
    let file = file_with(SECRET);
    let path = file.path().to_str().unwrap();
    for result in [
        run(&["--token-file", path]),
        run_with(SECRET, &[]),
        run_with("another-token-than-this", &["--token-file", path]),
    ] {
        match result {
            Ok(Command::Work(config)) => assert_eq!(config.access.token, right),
            other => panic!("no work: {other:?}"),
        }
    }
    let config = format!("{:?}", run_with(SECRET, &[]).unwrap());
    assert!(config.contains("Token(…)") && !config.contains(SECRET), "{config}");
}

#[test]
fn a_wrong_token_in_the_environment_is_named_and_not_shown() {
    let exit = run_with("tooshortsecret", &[]).unwrap_err();
    assert_eq!(
        exit.text,
        "error: LOCKSTEP_TOKEN: found 14 characters, expected 16 to 256 printable ASCII characters without blanks\n"
    );
}

#[test]
fn incomplete_tls_is_refused_with_all_other_mistakes() {
    assert_eq!(
        mistakes(&["--tls-ca", "ca.pem", "--tls-key", "k.pem", "--threads", "0"]),
        "error: 2 mistakes in the configuration\n  \
         --tls-key: found no --tls-cert, expected both or neither\n  \
         --threads: found `0`, expected a whole number from 1 to 1024\n"
    );
    assert_eq!(
        mistakes(&["--tls-cert", "c.pem", "--tls-key", "k.pem"]),
        "error: --tls-cert: found no --tls-ca, expected --tls-ca as well\n\
         hint: by --tls-ca the worker knows that it talks to its coordinator; the file is the CA's certificate\n"
    );
    assert_eq!(
        work(&["--tls-ca", "ca.pem"]).access.tls,
        Some(ClientTls {
            ca: "ca.pem".into(),
            own: None
        })
    );
}

#[test]
fn tls_is_not_spoken_over_a_socket_on_this_machine() {
    let name = "unix-abstract:lockstep-00000000000000000000000000000007";
    assert_eq!(work(&["--connect", name]).connect.to_string(), name);
    assert_eq!(
        mistakes(&["--connect", name, "--tls-ca", "ca.pem"]),
        "error: --tls-ca: found a socket on this machine, expected a host and a port\n\
         hint: nothing leaves the machine by that socket, and the system vouches for both ends\n"
    );
}
