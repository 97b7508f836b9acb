use std::fs;

use security::Token;

use super::*;

const SECRET: &str = "correct-horse-battery";

/// As [`run`], with the environment variable of the token.
fn run_with(variable: &str, arguments: &[&str]) -> Result<Command, Exit> {
    let arguments = std::iter::once("coordinator").chain(arguments.iter().copied());
    parse(arguments.map(OsString::from), Some(variable.into()))
}

fn token(result: Result<Command, Exit>) -> Option<Token> {
    match result {
        Ok(Command::Train(config)) => config.access.token,
        other => panic!("no training run: {other:?}"),
    }
}

fn right() -> Option<Token> {
    Some(Token::new(SECRET.as_bytes()).unwrap())
}

#[test]
fn the_token_comes_from_the_file_or_else_from_the_environment() {
    let file = file_with(&format!("{SECRET}\n"));
    let path = file.path().to_str().unwrap();
    assert_eq!(token(run(&[])), None);
    assert_eq!(token(run(&["--token-file", path])), right());
    assert_eq!(token(run_with(SECRET, &[])), right());
    assert_eq!(token(run_with("", &[])), None);
    assert_eq!(
        token(run_with("another-token-than-this", &["--token-file", path])),
        right()
    );
}

#[test]
fn a_wrong_token_is_described_and_never_shown() {
    let expected = "expected 16 to 256 printable ASCII characters without blanks";
    let file = file_with("tooshortsecret\n");
    let message = mistakes(&["--token-file", file.path().to_str().unwrap()]);
    assert_eq!(
        message,
        format!("error: --token-file: found 14 characters, {expected}\n")
    );
    fs::remove_file(file.path()).unwrap();
    let message = mistakes(&["--token-file", file.path().to_str().unwrap()]);
    assert_eq!(
        message,
        format!(
            "error: --token-file: found a file that cannot be read (No such file or directory (os error 2)), {expected}\n"
        )
    );
    let error = run_with("a secret with blanks", &[]).unwrap_err();
    assert_eq!(
        error.text,
        format!(
            "error: LOCKSTEP_TOKEN: found a blank, a control character or one outside ASCII at place 2, {expected}\n"
        )
    );
}

#[test]
fn a_configuration_can_be_printed_without_its_token() {
    let config = format!("{:?}", run_with(SECRET, &[]).unwrap());
    assert!(config.contains("Token(…)") && !config.contains(SECRET), "{config}");
}

#[test]
fn incomplete_tls_is_refused_with_all_other_mistakes() {
    assert_eq!(
        mistakes(&["--tls-cert", "c.pem", "--seed", "x"]),
        "error: 2 mistakes in the configuration\n  \
         --tls-cert: found no --tls-key, expected both or neither\n  \
         --seed: found `x`, expected a whole number from 0 to 4294967295\n"
    );
    assert_eq!(
        mistakes_from("tls-key = 'k.pem'\ntls-ca = ''", &[]),
        "error: 2 mistakes in the configuration\n  \
         tls-key (FILE): found no --tls-cert, expected both or neither\n  \
         tls-ca (FILE): found an empty value, expected the path of a PEM file with a certificate\n"
    );
    assert_eq!(
        mistakes(&["--tls-ca", "ca.pem"]),
        "error: --tls-ca: found no --tls-cert and no --tls-key, expected all three\n\
         hint: --tls-ca alone only says whom to trust; TLS needs a certificate of the coordinator's own\n"
    );
    assert_eq!(
        mistakes(&["--workers", "2", "--spawn", "--tls-cert", "c.pem", "--tls-key", "k.pem"]),
        "error: --spawn: found TLS without --tls-ca, expected --tls-ca as well\n\
         hint: by --tls-ca spawned workers know that they talk to this coordinator\n"
    );
}

#[test]
fn an_address_that_others_can_reach_needs_tls_and_a_token() {
    let tls = ["--tls-cert", "c.pem", "--tls-key", "k.pem"];
    let file = file_with(SECRET);
    let token = ["--token-file", file.path().to_str().unwrap()];
    let mended = "expected both TLS and a token
hint: these two commands mend it, with your other options behind the second; or choose a loopback address, or --insecure
  coordinator certificates certificates --host NAME
  coordinator --listen 0.0.0.0:50051 --tls-ca certificates/ca.pem --tls-cert certificates/coordinator.pem --tls-key \
                  certificates/coordinator-key.pem --token-file certificates/token
";
    let listen = ["--listen", "0.0.0.0:50051"];
    for (more, missing) in [
        (&[][..], "no TLS and no token"),
        (&token, "a token without TLS"),
        (&tls, "TLS without a token"),
    ] {
        assert_eq!(
            mistakes(&[&listen, more].concat()),
            format!("error: --listen: found 0.0.0.0:50051, which other machines can reach, and {missing}, {mended}")
        );
    }
    for address in ["[::]:0", "192.168.1.20:50051", "[2001:db8::1]:7"] {
        assert!(
            mistakes(&["--listen", address]).contains("which other machines can reach"),
            "{address}"
        );
    }
    assert!(run(&[&listen[..], &tls, &token].concat()).is_ok());
    assert!(run(&[&listen[..], &["--insecure"]].concat()).is_ok());
    // Nothing listens if all is computed here.
    assert!(run(&[&listen[..], &["--workers", "0"]].concat()).is_ok());
}

#[test]
fn on_loopback_nothing_is_asked_for() {
    for address in [
        "127.0.0.1:0",
        "127.9.9.9:1",
        "[::1]:0",
        "[::ffff:127.0.0.1]:0",
        "localhost:0",
    ] {
        assert!(run(&["--listen", address]).is_ok(), "{address}");
    }
}
