//! Workers that the coordinator starts itself, on its own machine.
//!
//! One that ends during the run is started again. Its standard input is a pipe that only the coordinator holds. The
//! worker ends when the pipe closes, and the system closes it when the coordinator ends, however it ends: so nothing is
//! left behind even after SIGKILL.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use proto::local;
use security::{ServerTls, TOKEN_VARIABLE, Token};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Lines of a worker's standard error that are kept to be shown if it fails.
const LAST_LINES: usize = 20;

/// Bytes of one such line that are kept.
const LINE_BYTES: usize = 400;

/// How long spawned workers may take to end by themselves when the run is over.
const PATIENCE: Duration = Duration::from_secs(2);

/// A worker that lasts so long and then ends is started again at once.
const LASTING: Duration = Duration::from_secs(10);

/// How long a worker that ends again and again is waited with at first, and at the most.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(30);

/// A worker cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program is not beside the coordinator's.
    #[error("found no program `{0}`, expected the worker beside the coordinator")]
    NoProgram(PathBuf),
    /// The system refused.
    #[error("cannot start `{program}`: {error}")]
    Refused {
        /// The program.
        program: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl SpawnError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        Some(
            "copy both programs, coordinator and worker, into one folder; or start workers by hand without --spawn"
                .to_owned(),
        )
    }
}

/// A spawned worker that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: Result<ExitStatus, String>,
    /// The last lines of its standard error.
    pub last_lines: Vec<String>,
}

impl Ended {
    /// Whether it ended as it should.
    pub fn is_success(&self) -> bool {
        self.status.as_ref().is_ok_and(ExitStatus::success)
    }

    /// Whether it gave up by itself with an error, and was not killed.
    pub fn gave_up(&self) -> bool {
        self.status
            .as_ref()
            .is_ok_and(|status| status.code().is_some_and(|code| code != 0))
    }

    /// How it ended, for people.
    pub fn how(&self) -> String {
        match &self.status {
            Ok(status) => status.to_string(),
            Err(error) => format!("its end could not be observed: {error}"),
        }
    }
}

/// All workers that were started here.
#[derive(Debug)]
pub struct SpawnedWorkers {
    slots: JoinSet<()>,
    ends: mpsc::UnboundedReceiver<Ended>,
    /// Those that have been returned.
    ended: Vec<Ended>,
    /// Whether a worker that ends is started again.
    restart: watch::Sender<bool>,
}

/// How one spawned worker is started, and started again.
#[derive(Clone, Debug)]
struct Slot {
    program: PathBuf,
    name: String,
    threads: NonZeroUsize,
    meeting: Meeting,
    token: Option<Token>,
}

/// Where spawned workers meet their coordinator.
#[derive(Clone, Debug)]
pub enum Meeting {
    /// At a socket for them alone, without TLS: nothing leaves the machine, and the system vouches for both ends.
    SideDoor(local::Name),
    /// At the port where everybody joins. They show the coordinator's own certificate, if it speaks TLS.
    Port {
        /// Where the coordinator listens.
        address: SocketAddr,
        /// How it speaks TLS.
        tls: Option<ServerTls>,
    },
}

impl SpawnedWorkers {
    /// Starts `count` workers of `threads` threads each, which join at `meeting` and show the token if there is one. It
    /// goes through the environment, since everybody can read command lines.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] if the program is not there or the system refuses.
    pub fn start(
        count: NonZeroUsize,
        threads: NonZeroUsize,
        meeting: Meeting,
        token: Option<Token>,
    ) -> Result<Self, SpawnError> {
        let program = program()?;
        let (sender, ends) = mpsc::unbounded_channel();
        let (restart, restarting) = watch::channel(true);
        let mut slots = JoinSet::new();
        for number in 0..count.get() {
            let slot = Slot {
                program: program.clone(),
                name: format!("spawned-{number}"),
                threads,
                meeting: meeting.clone(),
                token: token.clone(),
            };
            let first = slot.start()?;
            slots.spawn(slot.keep_alive(first, sender.clone(), restarting.clone()));
        }
        Ok(Self {
            slots,
            ends,
            ended: Vec::new(),
            restart,
        })
    }

    /// The next worker that ends; waits for ever if there can be none. Dropping the future loses nothing.
    pub async fn next_end(&mut self) -> Ended {
        match self.ends.recv().await {
            Some(ended) => {
                self.ended.push(ended.clone());
                ended
            }
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended, and ends those that do not do so soon. Returns how each of them ended.
    pub async fn finish(mut self) -> Vec<Ended> {
        // If every slot has ended, nobody listens any more.
        let _ = self.restart.send(false);
        let all = async { while self.slots.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            // Dropping a child's task kills the child.
            self.slots.shutdown().await;
        }
        let mut ended = self.ended;
        while let Ok(another) = self.ends.try_recv() {
            ended.push(another);
        }
        ended
    }
}

impl Slot {
    fn start(&self) -> Result<Child, SpawnError> {
        self.command().spawn().map_err(|error| SpawnError::Refused {
            program: self.program.clone(),
            error,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--name", &self.name])
            .args(["--threads", &self.threads.to_string()])
            .arg("--exit-when-stdin-closes")
            .env_remove(TOKEN_VARIABLE)
            .envs(self.token.iter().map(|token| (TOKEN_VARIABLE, token.reveal())));
        match &self.meeting {
            Meeting::SideDoor(name) => {
                command.args(["--connect", &name.to_string()]);
            }
            Meeting::Port { address, tls } => {
                command.args(["--connect", &reachable_here(*address).to_string()]);
                if let Some(tls) = tls {
                    // The configuration has seen to it that there is a CA where workers are spawned.
                    let ca = tls.ca.iter().map(|ca| ("--tls-ca", ca));
                    let own = [("--tls-cert", &tls.own.certificate), ("--tls-key", &tls.own.key)];
                    for (option, file) in ca.chain(own) {
                        command.arg(option).arg(file);
                    }
                }
            }
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts the worker again whenever it ends, at once the first time and ever later if it ends again and again, until
    /// it is no longer wanted.
    async fn keep_alive(self, first: Child, ends: mpsc::UnboundedSender<Ended>, mut restart: watch::Receiver<bool>) {
        let mut child = first;
        let mut delay = Duration::ZERO;
        loop {
            let watching = watch_end(child, self.name.clone());
            tokio::pin!(watching);
            let ended = match tokio::time::timeout(LASTING, &mut watching).await {
                Ok(ended) => ended,
                Err(_) => {
                    delay = Duration::ZERO;
                    watching.await
                }
            };
            // If nobody asks any more, the run is over.
            let _ = ends.send(ended);
            child = loop {
                let unwanted = restart.wait_for(|&wanted| !wanted);
                if tokio::time::timeout(delay, unwanted).await.is_ok() {
                    return;
                }
                delay = (delay * 2).clamp(FIRST_DELAY, LAST_DELAY);
                match self.start() {
                    Ok(child) => break child,
                    Err(error) => tracing::warn!("{error}; trying again in {delay:?}"),
                }
            };
        }
    }
}

/// The command that starts a worker for a coordinator that listens on `address`.
pub fn worker_command(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("worker --connect <this machine's address>:{}", address.port());
    }
    format!("worker --connect {address}")
}

/// The address by which processes on this machine reach one who listens on `address`.
fn reachable_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn program() -> Result<PathBuf, SpawnError> {
    let own = std::env::current_exe().unwrap_or_default();
    let program = own.with_file_name(format!("worker{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        Ok(program)
    } else {
        Err(SpawnError::NoProgram(program))
    }
}

/// Reads a worker's standard error until it ends, then waits for it.
async fn watch_end(mut child: Child, name: String) -> Ended {
    // While this is open, the worker stays.
    let _input = child.stdin.take();
    let mut last_lines = VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]).into_owned();
            tracing::debug!("{name}: {line}");
            if last_lines.len() == LAST_LINES {
                last_lines.pop_front();
            }
            last_lines.push_back(line);
        }
    }
    Ended {
        name,
        status: child.wait().await.map_err(|error| error.to_string()),
        last_lines: last_lines.into(),
    }
}

#[cfg(test)]
mod tests {
    use security::CertificateFiles;

    use super::*;

    fn arguments(meeting: Meeting) -> Vec<String> {
        let slot = Slot {
            program: "worker".into(),
            name: "spawned-0".to_owned(),
            threads: NonZeroUsize::MIN,
            meeting,
            token: Some(Token::new(b"correct-horse-battery").unwrap()),
        };
        let command = slot.command();
        let arguments = command.as_std().get_args();
        arguments.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    const OWN: [&str; 5] = ["--name", "spawned-0", "--threads", "1", "--exit-when-stdin-closes"];

    #[test]
    fn a_worker_is_told_where_to_meet_and_no_secret() {
        let address = "0.0.0.0:7".parse().unwrap();
        let at_the_port = arguments(Meeting::Port { address, tls: None });
        assert_eq!(at_the_port, [&OWN[..], &["--connect", "127.0.0.1:7"]].concat());

        let own = CertificateFiles {
            certificate: "c.pem".into(),
            key: "k.pem".into(),
        };
        let ca = Some("ca.pem".into());
        let tls = Some(ServerTls { own, ca });
        let with_tls = arguments(Meeting::Port { address, tls });
        let files = ["--tls-ca", "ca.pem", "--tls-cert", "c.pem", "--tls-key", "k.pem"];
        assert_eq!(with_tls, [&OWN[..], &["--connect", "127.0.0.1:7"], &files].concat());

        let name = local::Name::of(7);
        let beside = arguments(Meeting::SideDoor(name));
        assert_eq!(beside, [&OWN[..], &["--connect", &name.to_string()]].concat());
    }
}
