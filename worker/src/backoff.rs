//! How long to wait before the next attempt to reach a coordinator that was lost.

use std::time::Duration;

use shared::SplitMix64;

/// The wait before the first repeated attempt, and the longest one.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that double from one attempt to the next, each made shorter at random by up to a half, so that workers that
/// lost their coordinator together do not all come back at the same moment.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    random: SplitMix64,
}

impl Backoff {
    /// Waits that depend on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self {
            next: FIRST,
            random: SplitMix64::new(seed),
        }
    }

    /// The wait before the next attempt.
    pub fn wait(&mut self) -> Duration {
        let share = 0.5 + 0.5 * self.random.share();
        let wait = self.next.mul_f64(share);
        self.next = (self.next * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_lose_at_most_a_half() {
        let mut backoff = Backoff::new(7);
        let mut expected = FIRST;
        for _ in 0..20 {
            let wait = backoff.wait();
            assert!(expected / 2 <= wait && wait <= expected, "{wait:?} of {expected:?}");
            expected = (expected * 2).min(LONGEST);
        }
    }

    #[test]
    fn two_workers_do_not_wait_alike() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            [(); 8].map(|()| backoff.wait())
        };
        assert_eq!(waits(1), waits(1));
        assert!(waits(1).iter().zip(waits(2)).all(|(one, two)| *one != two));
    }
}
