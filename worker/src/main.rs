//! The program `worker`: reads its command line, works for a coordinator, and ends with the code that tells how it went.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread::available_parallelism;

use proto::MAX_NAME_CHARACTERS;
use settings::Verbosity;
use shared::kernel::InstructionSet;
use tracing_subscriber::EnvFilter;
use worker::config::{Command, WorkConfig, parse};
use worker::error::WorkError;
use worker::limits::MemoryLimit;
use worker::rpc::Destination;
use worker::run::WorkSetup;
use worker::stop::stop_signal;

/// Tensors come and go in every iteration. This allocator keeps their pages, where the system's returns them to the
/// kernel each time and has them cleared again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(Err(error)) = std::env::var_os(InstructionSet::VARIABLE).map(|name| InstructionSet::force(&name)) {
        return failed(&error.to_string(), None, settings::EXIT_USAGE);
    }
    match parse(std::env::args_os(), std::env::var_os(security::TOKEN_VARIABLE)) {
        Ok(Command::Work(config)) => work(config),
        Ok(Command::Completions(shell)) => {
            // A reader that has gone away is no failure.
            let _ = io::stdout().write_all(&worker::cli::completions(shell));
            ExitCode::SUCCESS
        }
        Err(exit) => exit.print(),
    }
}

fn work(config: WorkConfig) -> ExitCode {
    log_to_stderr(config.verbosity);
    settings::end_on_panic();
    let name = config.name.unwrap_or_else(default_name);
    let threads = config
        .threads
        .or_else(|| available_parallelism().ok())
        .unwrap_or(std::num::NonZeroUsize::MIN);
    let destination = match Destination::load(config.connect, &config.access) {
        Ok(destination) => destination,
        Err(error) => return failed(&error.to_string(), error.hint(), settings::EXIT_USAGE),
    };
    destination.warn_if_insecure();
    // One stream keeps one thread busy at most, and tasks on one thread wake each other without the kernel.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start threads: {error}"), None, 1),
    };
    let setup = WorkSetup {
        destination,
        name,
        threads,
        memory: config.max_memory.unwrap_or_else(MemoryLimit::of_machine),
        give_up_after: config.give_up_after,
        jitter: jitter_seed(),
    };
    let shutdown = shutdown(config.exit_when_stdin_closes);
    let result = runtime.block_on(worker::run::run(setup, shutdown));
    // What still computes is of no use to anyone.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), error.hint(), error.exit_code()),
    }
}

fn failed(error: &str, hint: Option<String>, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}

/// What ends the work from outside: a signal, or standard input that closes, if that means that the process which started
/// this one is gone.
async fn shutdown(when_stdin_closes: bool) -> WorkError {
    tokio::select! {
        signal = stop_signal() => WorkError::Stopped(signal),
        () = stdin_closes(), if when_stdin_closes => WorkError::Orphaned,
    }
}

async fn stdin_closes() {
    let (sender, closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = sender.send(());
    });
    let _ = closed.await;
}

/// Another number for every worker.
#[expect(
    clippy::disallowed_types,
    reason = "here it is just the machine's seed that is wanted"
)]
fn jitter_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Host name and process number.
fn default_name() -> String {
    let host = gethostname::gethostname()
        .to_string_lossy()
        .replace(char::is_control, "");
    let suffix = format!("-{}", std::process::id());
    let host: String = host.chars().take(MAX_NAME_CHARACTERS - suffix.len()).collect();
    format!("{host}{suffix}")
}

/// Log lines on standard error. `RUST_LOG` wins over `verbosity`.
fn log_to_stderr(verbosity: Verbosity) {
    let level = verbosity.level();
    let own = || EnvFilter::new(format!("warn,worker={level},proto={level},shared={level}"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| own());
    let format = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time();
    format
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}
