//! Gives both programs' code inputs as nobody should send them, for as long as the user wants: `make fuzz`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tests::fuzz::{Finding, Inputs, TARGETS, Target};
use tests::random::seed_of_the_moment;

/// Send messages, streams, files and tokens as nobody should to the code that reads them
///
/// Ends at the first input that makes it panic, or decide something that it should not, and tells how to repeat it.
#[derive(Debug, Parser)]
struct Arguments {
    /// What decides all inputs [default: another every time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many inputs to give in all [default: 1000000, unless --minutes is given]
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    inputs: Option<u64>,
    /// How long to go on
    #[arg(long, value_name = "N")]
    minutes: Option<u64>,
    /// Only this target
    #[arg(long, value_name = "NAME", value_parser = target)]
    target: Option<Target>,
    /// Only this case of the target
    #[arg(long, value_name = "N", requires = "target", conflicts_with_all = ["inputs", "minutes"])]
    case: Option<u64>,
}

fn target(name: &str) -> Result<Target, String> {
    let names = TARGETS.map(|target| target.name).join(", ");
    Target::named(name).ok_or(format!("expected one of {names}"))
}

/// Inputs of one target before the next one's turn.
const TURN: u64 = 20_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(seed_of_the_moment);
    println!("seed {seed}");
    match go(&arguments, seed) {
        Ok(inputs) => {
            println!("{} inputs: nothing found", inputs.given());
            ExitCode::SUCCESS
        }
        Err(finding) => {
            eprintln!("error: {finding}\nhint: {}", finding.hint());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it goes on for as long as the user wants")]
fn go(arguments: &Arguments, seed: u64) -> Result<Inputs, Finding> {
    let mut inputs = Inputs::default();
    if let (Some(target), Some(case)) = (arguments.target, arguments.case) {
        target.run_case(seed, case, &mut inputs)?;
        return Ok(inputs);
    }
    let begin = Instant::now();
    let is_enough = |inputs: Inputs| match arguments.minutes {
        Some(minutes) => begin.elapsed() >= Duration::from_secs(60 * minutes),
        None => inputs.given() >= arguments.inputs.unwrap_or(1_000_000),
    };
    let targets = arguments.target.map_or(TARGETS.to_vec(), |only| vec![only]);
    let mut next: Vec<_> = targets.iter().map(|_| 0).collect();
    while !is_enough(inputs) {
        for (target, next) in targets.iter().zip(&mut next) {
            *next = target.run(seed, *next, TURN, &mut inputs)?;
        }
    }
    Ok(inputs)
}
