//! Gradient descent.

use crate::gradient::MeanGradient;
use crate::{Parameters, Real};

/// w ← w − α dw, b ← b − α db: for every element a multiplication, then a subtraction, each rounded.
///
/// `learning_rate` is α.
///
/// # Panics
///
/// If the gradient is of another network.
pub fn update<T: Real>(parameters: &mut Parameters<T>, gradient: &MeanGradient<T>, learning_rate: T) {
    assert_eq!(
        parameters.sizes(),
        gradient.sizes(),
        "parameters and gradient are of one network"
    );
    for (value, &slope) in parameters.values_mut().iter_mut().zip(gradient.values()) {
        *value = step(*value, slope, learning_rate);
    }
}

/// One element of the update: value − learning_rate · slope.
#[inline(always)]
pub fn step<T: Real>(value: T, slope: T, learning_rate: T) -> T {
    value - learning_rate * slope
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerSizes;
    use crate::gradient::GradientSum;

    #[test]
    fn every_parameter_takes_one_step_down_its_slope() {
        let sizes = LayerSizes::new(vec![2, 1]).unwrap();
        let mut parameters = Parameters::from_values(sizes.clone(), vec![1.0, 2.0, 3.0]).unwrap();
        let sum = GradientSum::from_values(sizes, vec![2.0, 4.0, 8.0, 0.0]).unwrap();
        let (mean, _) = sum.into_mean(2, 1.0);
        update(&mut parameters, &mean, 0.5);
        assert_eq!(parameters.values(), [0.5, 1.0, 1.0]);
    }
}
