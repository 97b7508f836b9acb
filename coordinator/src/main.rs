//! The program `coordinator`: reads its command line, does what it says, and ends with the code that tells how it went.

use std::io::Write;
use std::process::ExitCode;

use coordinator::config::{Command, TrainConfig, parse};
use coordinator::progress::{Progress, log_to_stderr};
use coordinator::train::{TrainError, train};

/// Tensors come and go in every iteration. This allocator keeps their pages, where the system's returns them to the
/// kernel each time and has them cleared again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match parse(std::env::args_os()) {
        Ok(Command::Train(config)) => run_training(&config),
        Ok(Command::Predict(_)) => ExitCode::SUCCESS,
        Ok(Command::DemoData { .. }) => ExitCode::SUCCESS,
        Ok(Command::Completions(shell)) => {
            // A reader that has gone away is no failure.
            let _ = std::io::stdout().write_all(&coordinator::cli::completions(shell));
            ExitCode::SUCCESS
        }
        Err(exit) => exit.print(),
    }
}

fn run_training(config: &TrainConfig) -> ExitCode {
    settings::end_on_panic();
    let progress = Progress::new(
        config.iterations,
        config.print_every,
        config.precision,
        config.verbosity,
    );
    log_to_stderr(config.verbosity, Some(&progress));
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = TrainError::Threads(error);
            return failed(&error, error.hint(), error.exit_code());
        }
    };
    let shutdown = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let result = runtime.block_on(train(config, &progress, shutdown));
    progress.finish();
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, error.hint(), error.exit_code()),
    }
}

fn failed(error: &dyn std::error::Error, hint: Option<String>, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}
