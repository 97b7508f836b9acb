//! Binary cross-entropy, from the logits.

use crate::Real;

/// The cross-entropy of one column: −y ln σ(z) − (1 − y) ln(1 − σ(z)), computed as
/// max(z, 0) − z·y + ln(1 + e^{−|z|}), which neither overflows nor takes the logarithm of zero.
///
/// `z` is the column's logit z_L, `y` its label, 0 or 1.
#[inline]
pub fn cross_entropy<T: Real>(z: T, y: T) -> T {
    // Not max(): NaN must stay NaN.
    let positive = if z <= T::ZERO { T::ZERO } else { z };
    positive - z * y + (-z.abs()).exp().ln_1p()
}

/// The derivative of the cross-entropy by the logit: dz_L = a_L − y.
///
/// It is the textbook's −(y/a − (1 − y)/(1 − a)) · σ'(z), simplified: no division by zero.
#[inline(always)]
pub fn cross_entropy_backward<T: Real>(a: T, y: T) -> T {
    a - y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::sigmoid;
    use proptest::prelude::*;

    #[test]
    fn large_logits_cost_what_they_should_and_not_infinity() {
        assert_eq!(cross_entropy(1000.0_f64, 0.0), 1000.0);
        assert_eq!(cross_entropy(-1000.0_f64, 0.0), 0.0);
        assert_eq!(cross_entropy(0.0_f64, 1.0), std::f64::consts::LN_2);
        assert!(cross_entropy(f64::NAN, 1.0).is_nan());
    }

    proptest! {
        #[test]
        fn the_loss_from_logits_equals_the_textbooks(z in -20.0_f64..20.0, label in 0..=1) {
            let (y, a) = (f64::from(label), sigmoid(z));
            let textbook = -(y * libm::log(a) + (1.0 - y) * libm::log(1.0 - a));
            prop_assert!((cross_entropy(z, y) - textbook).abs() <= 1e-7 * textbook.max(1.0));
        }

        #[test]
        fn dz_equals_the_textbooks_da_times_the_sigmoids_derivative(z in -15.0_f64..15.0, label in 0..=1) {
            let (y, a) = (f64::from(label), sigmoid(z));
            let textbook = -(y / a - (1.0 - y) / (1.0 - a)) * a * (1.0 - a);
            prop_assert!((cross_entropy_backward(a, y) - textbook).abs() <= 1e-8);
        }

        #[test]
        fn dz_equals_the_central_difference_of_the_loss(z in -15.0_f64..15.0, label in 0..=1) {
            let (y, step) = (f64::from(label), 1e-5);
            let difference = (cross_entropy(z + step, y) - cross_entropy(z - step, y)) / (2.0 * step);
            prop_assert!((cross_entropy_backward(sigmoid(z), y) - difference).abs() < 1e-8);
        }
    }
}
