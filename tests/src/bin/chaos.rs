//! Disturbs training runs at random and checks that nobody can tell from their results: `make chaos`.

use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use tests::chaos::round;
use tests::random::seed_of_the_moment;

/// Disturb training runs at random and compare what they print with undisturbed runs
///
/// Each round trains on a few workers behind proxies, and kills, stops, cuts off, silences, delays, slows and restarts
/// processes as its seed decides, the coordinator too. Ends at the first round whose result differs.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed of the first round; each following round has the next number
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// How long to go on [default: one round with --seed, else 30]
    #[arg(long, value_name = "N")]
    minutes: Option<u64>,
}

/// Tells how a round can be repeated, if it fails.
struct Replay(u32);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "error: the round of seed {0} failed\nhint: to repeat it: make chaos SEED={0}",
                self.0
            );
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it goes on for as long as the user wants")]
fn main() {
    let Arguments { seed, minutes } = Arguments::parse();
    let minutes = minutes.unwrap_or(if seed.is_some() { 0 } else { 30 });
    let mut seed = seed.unwrap_or_else(|| seed_of_the_moment() as u32);
    println!("seed {seed}, {minutes} minutes");
    let begin = Instant::now();
    for number in 1.. {
        let round_begin = Instant::now();
        let replay = Replay(seed);
        let story = round(seed);
        drop(replay);
        let took = round_begin.elapsed().as_secs_f64();
        println!("round {number}, seed {seed}: undisturbed result in {took:.1} s: {story}");
        if begin.elapsed() >= Duration::from_secs(60 * minutes) {
            break;
        }
        seed = seed.wrapping_add(1);
    }
}
