//! The activation functions g_l and their derivatives.

use crate::Real;

/// The activation function of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, z), in hidden layers.
    Relu,
    /// 1 / (1 + e^{-z}), in the last layer.
    Sigmoid,
}

impl Activation {
    /// The activation of layer `l` of `layers`: sigmoid in the last, ReLU before.
    pub fn of_layer(l: usize, layers: usize) -> Self {
        if l == layers { Self::Sigmoid } else { Self::Relu }
    }

    /// Its name in model files: `relu` or `sigmoid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// max(0, z). NaN stays NaN, so that a cost which is no longer a number is noticed; −0 becomes +0.
#[inline(always)]
pub fn relu<T: Real>(z: T) -> T {
    if z <= T::ZERO { T::ZERO } else { z }
}

/// dJ/dz = dJ/da · g'(z) for ReLU, from a = g(z): dJ/da where z > 0, else 0.
#[inline(always)]
pub fn relu_backward<T: Real>(da: T, a: T) -> T {
    if a <= T::ZERO { T::ZERO } else { da }
}

/// 1 / (1 + e^{-z}), computed as e^z / (1 + e^z) for negative z so that e never overflows.
#[inline]
pub fn sigmoid<T: Real>(z: T) -> T {
    if z >= T::ZERO {
        T::ONE / (T::ONE + (-z).exp())
    } else {
        let e = z.exp();
        e / (T::ONE + e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn relu_keeps_nan_and_clears_the_sign_of_zero() {
        assert!(relu(f64::NAN).is_nan());
        assert_eq!(relu(-0.0_f64).to_bits(), 0.0_f64.to_bits());
        assert_eq!((relu(-1.0_f64), relu(2.0_f64)), (0.0, 2.0));
    }

    #[test]
    fn sigmoid_is_safe_at_both_ends() {
        assert_eq!((sigmoid(-1e4_f64), sigmoid(0.0_f64), sigmoid(1e4_f64)), (0.0, 0.5, 1.0));
        assert!(sigmoid(f64::NAN).is_nan());
    }

    proptest! {
        #[test]
        fn sigmoid_equals_the_textbooks_form(z in -30.0_f64..30.0) {
            let textbook = 1.0 / (1.0 + libm::exp(-z));
            prop_assert!((sigmoid(z) - textbook).abs() <= 4.0 * f64::EPSILON * textbook);
        }

        #[test]
        fn relu_backward_equals_the_derivative(z in -1.0_f64..1.0, da in -1.0_f64..1.0) {
            let step = 1e-7;
            prop_assume!(z.abs() > step);
            let derivative = (relu(z + step) - relu(z - step)) / (2.0 * step);
            prop_assert!((relu_backward(da, relu(z)) - da * derivative).abs() < 1e-6);
        }
    }
}
