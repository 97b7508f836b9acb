//! The backward pass, plainly: the sums of dW, db and the loss over one block's columns.
//!
//! [`crate::kernel`] computes the same bits faster.

use ndarray::{Array2, ArrayView2};

use crate::activation::relu_backward;
use crate::forward::{ForwardCache, inner_product};
use crate::gradient::GradientSum;
use crate::loss::{cross_entropy, cross_entropy_backward};
use crate::tree::Tree;
use crate::{Parameters, Real};

/// dw_l = dz_l a_{l-1}ᵀ summed over the columns: each element a chain of fused multiply-adds over ascending columns
/// from +0.
///
/// - `dz`: n_l × columns; `a`: a_{l-1}, n_{l-1} × columns
///
/// Returns dw_l, n_l × n_{l-1}: a sum, not a mean.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn weight_gradient<T: Real>(dz: ArrayView2<'_, T>, a: ArrayView2<'_, T>) -> Array2<T> {
    assert_eq!(dz.ncols(), a.ncols(), "dz and a have the same columns");
    Array2::from_shape_fn((dz.nrows(), a.nrows()), |(i, k)| {
        (0..dz.ncols()).fold(T::ZERO, |sum, j| dz[(i, j)].mul_add(a[(k, j)], sum))
    })
}

/// da_{l-1} = w_lᵀ dz_l, each element an [`inner_product`] over the units of layer l.
///
/// - `w`: w_l, n_l × n_{l-1}; `dz`: dz_l, n_l × columns
///
/// Returns da_{l-1}, n_{l-1} × columns.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn input_gradient<T: Real>(w: ArrayView2<'_, T>, dz: ArrayView2<'_, T>) -> Array2<T> {
    let panels = Tree::over_inner_dimension(w.nrows());
    Array2::from_shape_fn((w.ncols(), dz.ncols()), |(k, j)| {
        inner_product(&panels, w.column(k), dz.column(j))
    })
}

/// The sums over one block's columns of dw_l, db_l for every layer, and of the loss.
///
/// dz_L = a_L − y; for l = L … 1: dw_l = dz_l a_{l-1}ᵀ, db_l = Σ_columns dz_l, and for l > 1 dz_{l-1} =
/// (w_lᵀ dz_l) ⊙ g'(z_{l-1}). da_0 is never computed. dw_1 is by the data as it stands in the file: its scale is applied
/// once, to the finished gradient ([`GradientSum::into_mean`]).
///
/// `cache` is of the block's columns, `labels` their y: 0 or 1.
///
/// # Panics
///
/// If there are not as many labels as columns.
pub fn block_sum<T: Real>(parameters: &Parameters<T>, cache: &ForwardCache<T>, labels: &[u8]) -> GradientSum<T> {
    let layers = parameters.sizes().layers();
    let y: Vec<T> = labels.iter().map(|&label| T::from_i32(i32::from(label))).collect();
    assert_eq!(y.len(), cache.logits.ncols(), "one label a column");
    let mut sum = GradientSum::zeros(parameters.sizes().clone());
    let loss = cache
        .logits
        .row(0)
        .iter()
        .zip(&y)
        .fold(T::ZERO, |sum, (&z, &y)| sum + cross_entropy(z, y));
    sum.set_loss(loss);
    let mut dz = Array2::from_shape_fn((1, y.len()), |(_, j)| {
        cross_entropy_backward(cache.a[layers][(0, j)], y[j])
    });
    for l in (1..=layers).rev() {
        sum.dw_mut(l).assign(&weight_gradient(dz.view(), cache.a[l - 1].view()));
        for (db, dz) in sum.db_mut(l).iter_mut().zip(dz.rows()) {
            *db = dz.iter().fold(T::ZERO, |sum, &dz| sum + dz);
        }
        if l > 1 {
            let da = input_gradient(parameters.w(l), dz.view());
            dz = ndarray::Zip::from(&da)
                .and(&cache.a[l - 1])
                .map_collect(|&da, &a| relu_backward(da, a));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::forward;
    use crate::{Initialisation, LayerSizes};
    use proptest::prelude::*;

    /// The loss of all columns together, at the given parameters.
    fn total_loss(parameters: &Parameters<f64>, x: &Array2<f64>, labels: &[u8], scale: f64) -> f64 {
        block_sum(parameters, &forward(parameters, x.clone(), scale), labels).loss()
    }

    fn network() -> impl Strategy<Value = (Vec<usize>, usize, u32)> {
        (prop::collection::vec(1_usize..=8, 1..=4), 1_usize..=8, any::<u32>())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn gradients_equal_central_differences((layers, columns, seed) in network(), scale in 0.1_f64..2.0) {
            let sizes = LayerSizes::new([&layers[..], &[1]].concat()).unwrap();
            let mut parameters = Initialisation::He.parameters::<f64>(&sizes, seed);
            // Biases away from zero, so that their gradients are tested at a general point.
            for l in 1..=sizes.layers() {
                for (i, b) in parameters.values_mut()[sizes.biases(l)].iter_mut().enumerate() {
                    *b = 0.1 * (i as f64 + 1.0);
                }
            }
            let mut random = crate::numpy_random::NumpyRandom::new(seed ^ 1);
            let x = Array2::from_shape_simple_fn((sizes.features(), columns), || random.normal());
            let labels: Vec<u8> = (0..columns).map(|j| (j % 2) as u8).collect();
            let cache = forward(&parameters, x.clone(), scale);
            // A kink of ReLU between the two sides makes a central difference meaningless.
            let step = 1e-5;
            let hidden = &cache.a[1..sizes.layers()];
            prop_assume!(hidden.iter().flatten().all(|&a| a == 0.0 || a > 1e-3));
            let nearly_active = total_loss(&parameters, &x, &labels, scale);
            prop_assume!(nearly_active.is_finite());
            let sum = block_sum(&parameters, &cache, &labels).into_mean(1, scale).0;
            for index in 0..sizes.parameters() {
                let original = parameters.values()[index];
                parameters.values_mut()[index] = original + step;
                let above = total_loss(&parameters, &x, &labels, scale);
                parameters.values_mut()[index] = original - step;
                let below = total_loss(&parameters, &x, &labels, scale);
                parameters.values_mut()[index] = original;
                let (left, right) = ((nearly_active - below) / step, (above - nearly_active) / step);
                // The one-sided slopes differ where a ReLU switches within the step.
                if (left - right).abs() < 1e-3 {
                    let difference = (above - below) / (2.0 * step);
                    let computed = sum.values()[index];
                    prop_assert!((computed - difference).abs() < 1e-6 * (1.0 + difference.abs()),
                        "parameter {}: computed {}, difference {}", index, computed, difference);
                }
            }
        }
    }
}
