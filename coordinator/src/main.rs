//! The program `coordinator`: reads its command line, does what it says, and ends with the code that tells how it went.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use coordinator::certificates::{CertificatesConfig, CertificatesError, make};
use coordinator::config::{Command, PlanConfig, TrainConfig, parse};
use coordinator::plan::{PlanError, plan};
use coordinator::predict::{PredictError, predict};
use coordinator::progress::{Progress, log_to_stderr};
use coordinator::stop::stop_signals;
use coordinator::train::{TrainError, train};
use settings::Verbosity;
use shared::atomic_file::WriteError;
use shared::dataset::write_demo;
use shared::kernel::InstructionSet;

/// Tensors come and go in every iteration. This allocator keeps their pages, where the system's returns them to the
/// kernel each time and has them cleared again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    settings::end_on_panic();
    if let Some(Err(error)) = std::env::var_os(InstructionSet::VARIABLE).map(|name| InstructionSet::force(&name)) {
        return ended(Err(error), |_| None, |_| settings::EXIT_USAGE);
    }
    match parse(std::env::args_os(), std::env::var_os(security::TOKEN_VARIABLE)) {
        Ok(Command::Train(config)) => run_training(&config),
        Ok(Command::Predict(config)) => {
            log_to_stderr(config.verbosity, None);
            ended(predict(&config), PredictError::hint, PredictError::exit_code)
        }
        Ok(Command::Plan(config)) => make_plan(&config),
        Ok(Command::DemoData { dir, examples }) => {
            log_to_stderr(Verbosity::Normal, None);
            let written = write_demo(&dir, examples as usize).map(|paths| {
                paths.iter().for_each(|path| tracing::info!("wrote {}", path.display()));
            });
            ended(written, WriteError::hint, |_| 1)
        }
        Ok(Command::Certificates(config)) => make_certificates(&config),
        Ok(Command::Completions(shell)) => {
            // A reader that has gone away is no failure.
            let _ = std::io::stdout().write_all(&coordinator::cli::completions(shell));
            ExitCode::SUCCESS
        }
        Err(exit) => exit.print(),
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid from the present on")]
fn make_certificates(config: &CertificatesConfig) -> ExitCode {
    let made = make(config, std::time::SystemTime::now()).map(|made| {
        // A reader that has gone away is no failure.
        let _ = write!(std::io::stdout(), "{made}");
    });
    ended(made, CertificatesError::hint, CertificatesError::exit_code)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernels are timed, and the time is handed on"
)]
fn make_plan(config: &PlanConfig) -> ExitCode {
    log_to_stderr(Verbosity::Normal, None);
    let begin = std::time::Instant::now();
    ended(
        plan(config, move || begin.elapsed()),
        PlanError::hint,
        PlanError::exit_code,
    )
}

fn run_training(config: &TrainConfig) -> ExitCode {
    let progress = Progress::new(
        config.iterations,
        config.print_every,
        config.precision.parameters(),
        config.verbosity,
    );
    log_to_stderr(config.verbosity, Some(&progress));
    let result = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let result = runtime.block_on(async { train(config, &progress, stop_signals()).await });
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(TrainError::Threads(error)),
    };
    progress.finish();
    ended(result, TrainError::hint, TrainError::exit_code)
}

/// Tells of an error, if there is one.
fn ended<E: Display>(result: Result<(), E>, hint: fn(&E) -> Option<String>, exit_code: fn(&E) -> u8) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error}");
    if let Some(hint) = hint(&error) {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(exit_code(&error))
}
