//! NumPy's legacy random numbers: what `np.random.seed(s)` and `np.random.randn` give.
//!
//! Mersenne Twister MT19937 seeded by `init_genrand` (Matsumoto and Nishimura, 1998), doubles of 53 bits from two draws,
//! normal deviates by the polar Box–Muller method (Marsaglia and Bray, 1964) in NumPy's order.
//!
//! NumPy takes ln from the C library of its platform, which is not always correctly rounded. Here ln is correctly rounded
//! (crate `pxfm`), so that every machine agrees: about one normal deviate in 2,500 differs from glibc's by one unit in the
//! last place, the others are the same bits. Uniform numbers are always the same bits.

const STATE: usize = 624;
const SHIFT: usize = 397;

/// NumPy's legacy generator, `np.random.RandomState(seed)` for a whole-number seed.
#[derive(Clone, Debug)]
pub struct NumpyRandom {
    state: [u32; STATE],
    next: usize,
    /// The second normal deviate of the last pair, not yet given out.
    spare: Option<f64>,
}

impl NumpyRandom {
    /// The generator after `np.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0_u32; STATE];
        state[0] = seed;
        for i in 1..STATE {
            let previous = state[i - 1];
            state[i] = 1_812_433_253_u32
                .wrapping_mul(previous ^ (previous >> 30))
                .wrapping_add(i as u32);
        }
        Self {
            state,
            next: STATE,
            spare: None,
        }
    }

    /// A number uniform over 0..2^32.
    fn next_u32(&mut self) -> u32 {
        if self.next == STATE {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..STATE {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % STATE] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// A number uniform over [0, 1): `np.random.random_sample()`.
    pub fn uniform(&mut self) -> f64 {
        let a = f64::from(self.next_u32() >> 5);
        let b = f64::from(self.next_u32() >> 6);
        (a * 67_108_864.0 + b) / 9_007_199_254_740_992.0
    }

    /// A standard normal deviate: `np.random.randn()`.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let x1 = 2.0 * self.uniform() - 1.0;
            let x2 = 2.0 * self.uniform() - 1.0;
            let r2 = x1 * x1 + x2 * x2;
            if r2 < 1.0 && r2 != 0.0 {
                let f = (-2.0 * pxfm::f_log(r2) / r2).sqrt();
                self.spare = Some(f * x1);
                return f * x2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randn_after_seed_1_begins_as_numpy_does() {
        let mut random = NumpyRandom::new(1);
        let first: Vec<f64> = (0..6).map(|_| random.normal()).collect();
        let numpy = [
            1.6243453636632417,
            -0.6117564136500754,
            -0.5281717522634557,
            -1.0729686221561705,
            0.8654076293246785,
            -2.3015386968802827,
        ];
        assert_eq!(first, numpy);
    }

    #[test]
    fn uniform_after_seed_0_and_the_largest_seed_is_numpys() {
        assert_eq!(NumpyRandom::new(0).uniform(), 0.5488135039273248);
        assert_eq!(NumpyRandom::new(u32::MAX).uniform(), 0.0976320289940138);
    }

    #[test]
    fn the_generator_goes_on_as_numpy_does_over_many_twists() {
        let mut random = NumpyRandom::new(1);
        let all: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        assert_eq!((all[50_001], all[99_999]), (-0.3718898114147481, -0.7475562464191521));
    }
}
