//! The commands by which coordinator and workers find each other in safety, for people to copy.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

/// The folder that hints propose.
pub const FOLDER: &str = "certificates";

/// The port that is proposed.
const PORT: u16 = 50051;

/// Makes certificates and a token.
pub fn certificates() -> String {
    format!("coordinator certificates {FOLDER} --host NAME")
}

/// Starts a coordinator on `listen` with what was made in `dir`.
pub fn coordinator(dir: &Path, listen: &str) -> String {
    let files = options(dir, "coordinator");
    format!("coordinator --listen {listen} {files}")
}

/// As [`coordinator`], with what [`certificates`] makes.
pub fn coordinator_at(listen: SocketAddr) -> String {
    coordinator(Path::new(FOLDER), &listen.to_string())
}

/// Starts a worker that joins on `host` with what was made in `dir`.
pub fn worker(dir: &Path, host: &str) -> String {
    let files = options(dir, "worker");
    if host.parse::<Ipv6Addr>().is_ok() {
        return format!("worker --connect [{host}]:{PORT} {files}");
    }
    format!("worker --connect {host}:{PORT} {files}")
}

fn options(dir: &Path, whose: &str) -> String {
    let file = |name: String| quoted(&dir.join(name).to_string_lossy());
    format!(
        "--tls-ca {} --tls-cert {} --tls-key {} --token-file {}",
        file("ca.pem".to_owned()),
        file(format!("{whose}.pem")),
        file(format!("{whose}-key.pem")),
        file("token".to_owned())
    )
}

/// `path` as a shell takes it for one word.
fn quoted(path: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "/._-+,:@%".contains(character);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_copied_into_a_shell() {
        assert_eq!(
            worker(Path::new("my keys"), "trainer.example.org"),
            "worker --connect trainer.example.org:50051 --tls-ca 'my keys/ca.pem' --tls-cert 'my keys/worker.pem' \
             --tls-key 'my keys/worker-key.pem' --token-file 'my keys/token'"
        );
        assert!(worker(Path::new("a'b"), "::1").starts_with("worker --connect [::1]:50051 --tls-ca 'a'\\''b/ca.pem'"));
        assert_eq!(
            coordinator_at("0.0.0.0:7".parse().unwrap()),
            "coordinator --listen 0.0.0.0:7 --tls-ca certificates/ca.pem --tls-cert certificates/coordinator.pem \
             --tls-key certificates/coordinator-key.pem --token-file certificates/token"
        );
    }
}
