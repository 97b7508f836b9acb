//! Sums of gradients, and means: different types, so that a sum which was not divided cannot be applied.

use ndarray::{ArrayViewMut1, ArrayViewMut2};

use crate::{LayerSizes, Real};

/// Sums over some columns of dW_1, db_1, …, dW_L, db_L and of the loss, in the flat order of the parameters.
///
/// Sums, not means: so shards of unequal size need no weights. dW_1 is by the data as it stands in the file, not scaled.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientSum<T> {
    sizes: LayerSizes,
    /// All gradients in flat order, then the loss.
    values: Vec<T>,
}

impl<T: Real> GradientSum<T> {
    /// How many numbers there are for a network: its parameters and the loss.
    pub fn len_for(sizes: &LayerSizes) -> usize {
        sizes.parameters() + 1
    }

    /// A sum over no columns.
    pub fn zeros(sizes: LayerSizes) -> Self {
        let values = vec![T::ZERO; Self::len_for(&sizes)];
        Self { sizes, values }
    }

    /// A sum whose numbers are whatever was in `memory`, to be overwritten; saves clearing them.
    pub fn in_memory(sizes: LayerSizes, mut memory: Vec<T>) -> Self {
        memory.resize(Self::len_for(&sizes), T::ZERO);
        Self { sizes, values: memory }
    }

    /// A sum from its flat values: dW_1 row by row, db_1, …, dW_L, db_L, loss.
    ///
    /// Returns `None` unless there are exactly [`GradientSum::len_for`] of them.
    pub fn from_values(sizes: LayerSizes, values: Vec<T>) -> Option<Self> {
        (values.len() == Self::len_for(&sizes)).then_some(Self { sizes, values })
    }

    /// All numbers in flat order, the loss last.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// All numbers in flat order, the loss last.
    pub fn into_values(self) -> Vec<T> {
        self.values
    }

    /// Σ over the columns of dW_l, n_l × n_{l-1}.
    pub fn dw_mut(&mut self, l: usize) -> ArrayViewMut2<'_, T> {
        let shape = (self.sizes.n(l), self.sizes.n(l - 1));
        ArrayViewMut2::from_shape(shape, &mut self.values[self.sizes.weights(l)])
            .expect("the range has n_l · n_{l-1} values")
    }

    /// Σ over the columns of db_l, n_l numbers.
    pub fn db_mut(&mut self, l: usize) -> ArrayViewMut1<'_, T> {
        ArrayViewMut1::from(&mut self.values[self.sizes.biases(l)])
    }

    /// Σ over the columns of the loss.
    pub fn loss(&self) -> T {
        self.values[self.values.len() - 1]
    }

    /// Replaces the sum of the loss.
    pub fn set_loss(&mut self, loss: T) {
        *self.values.last_mut().expect("there is always a loss") = loss;
    }

    /// left + right, element by element: the value of a tree's node from its halves.
    ///
    /// # Panics
    ///
    /// If the two are of different networks.
    pub fn join(mut self, right: Self) -> Self {
        assert_eq!(self.sizes, right.sizes, "both halves are of one network");
        for (left, right) in self.values.iter_mut().zip(right.values) {
            *left = *left + right;
        }
        self
    }

    /// The same sums, each rounded to the nearest number of type `G`, ties to even.
    pub fn rounded<G: Real>(self) -> GradientSum<G> {
        GradientSum {
            sizes: self.sizes,
            values: self.values.into_iter().map(|value| value.to_real()).collect(),
        }
    }

    /// The mean over the batch's `m` columns, and the cost J, in the type of the parameters. dW_1 is first multiplied by
    /// the data's `scale`: dW_1 · scale / m; all others are divided by m alone.
    pub fn into_mean<C: Real>(self, m: usize, scale: C) -> (MeanGradient<C>, C) {
        let m = C::from_i64(m as i64);
        let first = self.sizes.weights(1);
        let scale_of = |index| if first.contains(&index) { scale } else { C::ONE };
        let mut values: Vec<C> = self.values.iter().map(|value| value.to_real()).collect();
        let cost = values.pop().expect("there is always a loss") / m;
        for (index, value) in values.iter_mut().enumerate() {
            *value = mean(*value, scale_of(index), m);
        }
        let mean = MeanGradient {
            sizes: self.sizes,
            values,
        };
        (mean, cost)
    }
}

/// One element of the mean gradient: sum · scale / m, rounded after each step.
#[inline(always)]
pub fn mean<T: Real>(sum: T, scale: T, m: T) -> T {
    sum * scale / m
}

/// dW_1, db_1, …, dW_L, db_L of the cost J, in the flat order of the parameters: what an update applies.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanGradient<T> {
    sizes: LayerSizes,
    values: Vec<T>,
}

impl<T: Real> MeanGradient<T> {
    /// The layer sizes.
    pub fn sizes(&self) -> &LayerSizes {
        &self.sizes
    }

    /// All numbers in flat order.
    pub fn values(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> GradientSum<f64> {
        GradientSum::from_values(LayerSizes::new(vec![2, 1]).unwrap(), values.to_vec()).unwrap()
    }

    #[test]
    fn join_adds_every_element_and_the_loss() {
        assert_eq!(
            sum(&[1.0, 2.0, 3.0, 4.0]).join(sum(&[10.0, 20.0, 30.0, 40.0])),
            sum(&[11.0, 22.0, 33.0, 44.0])
        );
    }

    #[test]
    fn the_mean_scales_the_first_layers_weights_alone() {
        let (mean, cost) = sum(&[255.0, 510.0, 4.0, 8.0]).into_mean(2, 1.0 / 255.0);
        assert_eq!(
            mean.values(),
            [255.0 * (1.0 / 255.0) / 2.0, 510.0 * (1.0 / 255.0) / 2.0, 2.0]
        );
        assert_eq!(cost, 4.0);
    }

    #[test]
    fn a_wrong_number_of_values_is_no_sum() {
        let sizes = LayerSizes::new(vec![2, 1]).unwrap();
        assert!(GradientSum::from_values(sizes, vec![0.0_f64; 3]).is_none());
    }
}
