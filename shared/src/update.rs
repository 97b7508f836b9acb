//! Gradient descent.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::gradient::{MeanGradient, mean};
use crate::kernel::InstructionSet;
use crate::{LayerSizes, Parameters, Real};

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

/// What all updates of a run have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateRule<C> {
    /// Where W_1 is in the flat order: its sums are by the data as they stand in the file.
    scaled: Range<usize>,
    scale: C,
    m: C,
    learning_rate: C,
}

impl<C: Real> UpdateRule<C> {
    /// The rule for a network of these sizes.
    ///
    /// - `scale`: the factor of every number in x; `m`: the columns of the batch; `learning_rate`: α
    pub fn new(sizes: &LayerSizes, scale: f64, m: usize, learning_rate: f64) -> Self {
        Self {
            scaled: sizes.weights(1),
            scale: C::from_f64(scale),
            m: C::from_i64(m as i64),
            learning_rate: C::from_f64(learning_rate),
        }
    }

    /// J, from the sum of the loss over the batch: loss / m.
    pub fn cost<G: Real>(&self, loss: G) -> C {
        loss.to_real::<C>() / self.m
    }

    /// Updates the parameters from number `first` of the flat order on, each by the sum over the batch of its derivative:
    /// value − α · (sum · σ / m), with σ = scale for W_1 and 1 for all others. It has the bits of [`GradientSum::into_mean`]
    /// and [`update`]. Returns whether all values are finite after it.
    ///
    /// # Panics
    ///
    /// If there are not as many sums as values.
    ///
    /// [`GradientSum::into_mean`]: crate::GradientSum::into_mean
    pub fn apply<G: Real>(&self, values: &mut [C], first: usize, sums: &[G]) -> bool {
        let scaled = values.len().min(self.scaled.end.saturating_sub(first));
        let (w, others) = values.split_at_mut(scaled);
        let (dw, other_sums) = sums.split_at(scaled);
        let finite = descend(w, dw, self.scale, self.m, self.learning_rate);
        descend(others, other_sums, C::ONE, self.m, self.learning_rate) && finite
    }

    /// [`UpdateRule::apply`] from the values `before` to those `after`, which are others in memory.
    ///
    /// # Panics
    ///
    /// If there are not as many sums as values.
    pub fn apply_from<G: Real>(&self, before: &[C], after: &mut [C], first: usize, sums: &[G]) -> bool {
        let scaled = after.len().min(self.scaled.end.saturating_sub(first));
        let (before, after, sums) = (
            before.split_at(scaled),
            after.split_at_mut(scaled),
            sums.split_at(scaled),
        );
        let finite = descend_from(before.0, after.0, sums.0, self.scale, self.m, self.learning_rate);
        descend_from(before.1, after.1, sums.1, C::ONE, self.m, self.learning_rate) && finite
    }

    /// [`UpdateRule::apply`] to all parameters, on rayon's current threads. `sums` gives those of a task's range: of
    /// [`TASK_NUMBERS`] numbers, or up to the end, from a multiple of it on.
    ///
    /// # Panics
    ///
    /// If there are not as many sums as values.
    pub fn apply_in_parallel<'a, G: Real>(
        &self,
        values: &mut [C],
        sums: impl Fn(Range<usize>) -> &'a [G] + Sync,
    ) -> bool {
        let task = |(task, values): (usize, &mut [C])| {
            let first = task * TASK_NUMBERS;
            self.apply(values, first, sums(first..first + values.len()))
        };
        let tasks = values.par_chunks_mut(TASK_NUMBERS).enumerate();
        tasks.map(task).filter(|finite| !finite).count() == 0
    }
}

/// Numbers that a task updates: small enough that they and their sums stay in the L1 and L2 caches.
pub const TASK_NUMBERS: usize = 8192;

/// value − learning_rate · (sum · scale / m), with the bits of [`mean`] and [`step`]. Returns whether all values are
/// finite after it.
fn descend<C: Real, G: Real>(values: &mut [C], sums: &[G], scale: C, m: C, learning_rate: C) -> bool {
    assert_eq!(values.len(), sums.len(), "there is a sum for every value");
    InstructionSet::chosen().run(Descend {
        values,
        sums,
        scale,
        m,
        learning_rate,
    })
}

/// As [`descend`], from `before` to `after`.
fn descend_from<C: Real, G: Real>(before: &[C], after: &mut [C], sums: &[G], scale: C, m: C, learning_rate: C) -> bool {
    assert_eq!(
        (before.len(), after.len()),
        (sums.len(), sums.len()),
        "there is a sum for every value"
    );
    InstructionSet::chosen().run(DescendFrom {
        before,
        after,
        sums,
        scale,
        m,
        learning_rate,
    })
}

struct DescendFrom<'a, C, G> {
    before: &'a [C],
    after: &'a mut [C],
    sums: &'a [G],
    scale: C,
    m: C,
    learning_rate: C,
}

impl<C: Real, G: Real> WithSimd for DescendFrom<'_, C, G> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> bool {
        let mut finite = true;
        for ((after, &before), sum) in self.after.iter_mut().zip(self.before).zip(self.sums) {
            *after = step(before, mean(sum.to_real(), self.scale, self.m), self.learning_rate);
            finite &= after.is_finite();
        }
        finite
    }
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
        let mut elsewhere = vec![f64::NAN; 100];
        assert!(descend_from(&values, &mut elsewhere, &sums, 1.0 / 255.0, 209.0, 0.0075));
        assert_eq!(elsewhere, plain);
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut sums = sums.clone();
            sums[77] = wrong;
            assert!(!descend(&mut values.clone(), &sums, 1.0, 209.0, 0.0075));
            assert!(!descend_from(&values, &mut elsewhere, &sums, 1.0, 209.0, 0.0075));
        }
    }
}
