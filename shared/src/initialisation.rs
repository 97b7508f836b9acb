//! How W is drawn before the first iteration.

use std::fmt;
use std::str::FromStr;

use crate::numpy_random::NumpyRandom;
use crate::{LayerSizes, Parameters, Real};

/// The spread of the normal deviates that W_l begins with. b_l is always zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialisation {
    /// randn · 0.01.
    Small,
    /// randn / √n_{l-1}, the default.
    Scaled,
    /// randn · √(2 / n_{l-1}) (He, Zhang, Ren and Sun, 2015), made for ReLU layers.
    He,
}

impl Initialisation {
    /// All initialisations.
    pub const ALL: [Self; 3] = [Self::Small, Self::Scaled, Self::He];

    /// The parameters before iteration 0: W_1 row by row, then W_2, …, from the normal deviates that NumPy gives after
    /// `np.random.seed(seed)`; b_l = 0. In f32 each f64 weight is rounded once.
    pub fn parameters<T: Real>(self, sizes: &LayerSizes, seed: u32) -> Parameters<T> {
        let mut random = NumpyRandom::new(seed);
        let mut parameters = Parameters::zeros(sizes.clone());
        for l in 1..=sizes.layers() {
            let inputs = sizes.n(l - 1) as f64;
            for w in &mut parameters.values_mut()[sizes.weights(l)] {
                let deviate = random.normal();
                *w = T::from_f64(match self {
                    Self::Small => deviate * 0.01,
                    Self::Scaled => deviate / inputs.sqrt(),
                    Self::He => deviate * (2.0 / inputs).sqrt(),
                });
            }
        }
        parameters
    }

    fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Scaled => "scaled",
            Self::He => "he",
        }
    }
}

impl fmt::Display for Initialisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An initialisation that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected `small`, `scaled` or `he`")]
pub struct ParseInitialisationError(pub String);

impl FromStr for Initialisation {
    type Err = ParseInitialisationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|initialisation| initialisation.name() == text)
            .ok_or_else(|| ParseInitialisationError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initialisation_reads_back_from_its_own_name() {
        for initialisation in Initialisation::ALL {
            assert_eq!(initialisation.to_string().parse(), Ok(initialisation));
        }
        assert!("xavier".parse::<Initialisation>().is_err());
    }

    #[test]
    fn weights_are_drawn_row_by_row_layer_by_layer_and_biases_are_zero() {
        let sizes = LayerSizes::new(vec![2, 2, 1]).unwrap();
        let mut random = NumpyRandom::new(3);
        let randn: Vec<f64> = (0..6).map(|_| random.normal()).collect();
        let root = 2.0_f64.sqrt();
        let scaled = Initialisation::Scaled.parameters::<f64>(&sizes, 3);
        assert_eq!(
            scaled.w(1),
            ndarray::arr2(&[[randn[0], randn[1]], [randn[2], randn[3]]]) / root
        );
        assert_eq!(scaled.w(2), ndarray::arr2(&[[randn[4], randn[5]]]) / root);
        assert!(scaled.b(1).iter().chain(&scaled.b(2)).all(|&b| b == 0.0));
        let small = Initialisation::Small.parameters::<f64>(&sizes, 3);
        assert_eq!(small.w(1)[(0, 1)], randn[1] * 0.01);
        let he = Initialisation::He.parameters::<f64>(&sizes, 3);
        assert_eq!(he.w(2)[(0, 0)], randn[4] * 1.0);
    }
}
