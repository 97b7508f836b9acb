//! Gradient descent.

use pulp::{Simd, WithSimd};

use crate::gradient::{MeanGradient, mean};
use crate::kernel::InstructionSet;
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

/// The fast way from the sums of some parameters to their update: value − learning_rate · (sum · scale / m), with the
/// bits of [`mean`] and [`step`]. Returns whether all values are finite after it.
///
/// # Panics
///
/// If there are not as many sums as values.
pub fn descend<C: Real, G: Real>(values: &mut [C], sums: &[G], scale: C, m: C, learning_rate: C) -> bool {
    assert_eq!(values.len(), sums.len(), "there is a sum for every value");
    InstructionSet::chosen().run(Descend {
        values,
        sums,
        scale,
        m,
        learning_rate,
    })
}

struct Descend<'a, C, G> {
    values: &'a mut [C],
    sums: &'a [G],
    scale: C,
    m: C,
    learning_rate: C,
}

impl<C: Real, G: Real> WithSimd for Descend<'_, C, G> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> bool {
        let mut finite = true;
        for (value, sum) in self.values.iter_mut().zip(self.sums) {
            *value = step(*value, mean(sum.to_real(), self.scale, self.m), self.learning_rate);
            finite &= value.is_finite();
        }
        finite
    }
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

    #[test]
    fn the_fast_way_has_the_same_bits_and_sees_what_is_not_finite() {
        let sums: Vec<f64> = (0..100).map(|i| f64::from(i * i) * 0.37 - 900.0).collect();
        let values: Vec<f64> = (0..100).map(|i| f64::from(i).sqrt() - 5.0).collect();
        let plain: Vec<f64> = values
            .iter()
            .zip(&sums)
            .map(|(&value, &sum)| step(value, mean(sum, 1.0 / 255.0, 209.0), 0.0075))
            .collect();
        let mut fast = values.clone();
        assert!(descend(&mut fast, &sums, 1.0 / 255.0, 209.0, 0.0075));
        assert_eq!(fast, plain);
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut sums = sums.clone();
            sums[77] = wrong;
            assert!(!descend(&mut values.clone(), &sums, 1.0, 209.0, 0.0075));
        }
    }
}
