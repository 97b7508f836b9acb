//! Prediction at 0.5, and accuracy.

use crate::activation::sigmoid;
use crate::kernel::InstructionSet;
use crate::kernel::product::ProductScratch;
use crate::kernel::tiles::{Tiles, tiled};
use crate::shard::pass::Network;
use crate::tree::TILE;
use crate::{Columns, Parameters, Real, with_values};

/// a_L = σ(z_L) of every column of `x`: the probability of class 1.
///
/// `x` is n_0 × columns as it stands in the file, `scale` its factor. The bits are those of the training's forward pass.
///
/// # Panics
///
/// If `x` does not have n_0 features.
pub fn probabilities<T: Real>(parameters: &Parameters<T>, x: &Columns, scale: f64) -> Vec<T> {
    let features = parameters.sizes().features();
    assert_eq!(
        x.features(),
        features,
        "the columns have as many numbers as the network has inputs"
    );
    let sizes = parameters.sizes().clone();
    let mut a = vec![Vec::new(); sizes.layers()];
    let network = Network::new(InstructionSet::chosen(), sizes, T::from_f64(scale));
    let mut scratch = ProductScratch::default();
    with_values!(x.values(), |v| {
        let tiles = tiled(features, v);
        let x = Tiles {
            tiles: &tiles[..],
            stride: x.count().div_ceil(TILE),
        };
        network.first_product(parameters, network.features().root(), &x, &mut a[0], &mut scratch);
    });
    network.forward(parameters, &mut a, &mut scratch);
    let logits = a.last().map_or(&[][..], Vec::as_slice);
    // The one unit of the last layer is the first row of its tiles.
    let logits = logits.iter().flat_map(|tile| &tile[..TILE]).take(x.count());
    logits.map(|&z| sigmoid(z)).collect()
}

/// The predicted class: 1 if the probability is above 0.5, else 0.
pub fn class_of<T: Real>(probability: T) -> u8 {
    u8::from(probability > T::from_f64(0.5))
}

/// The share of predictions that equal their label, from 0 to 1.
///
/// # Panics
///
/// If there are none, or not as many of both.
pub fn accuracy(predictions: &[u8], labels: &[u8]) -> f64 {
    assert_eq!(predictions.len(), labels.len(), "one label a prediction");
    assert!(!labels.is_empty(), "the accuracy of nothing is not a number");
    let right = predictions
        .iter()
        .zip(labels)
        .filter(|(prediction, label)| prediction == label)
        .count();
    right as f64 / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Values;
    use crate::forward::forward;
    use crate::{Initialisation, LayerSizes};

    #[test]
    fn exactly_one_half_is_class_0() {
        assert_eq!(
            (class_of(0.5_f64), class_of(0.500_000_000_1_f64), class_of(0.2_f32)),
            (0, 1, 0)
        );
    }

    #[test]
    fn accuracy_is_the_share_of_equal_labels() {
        assert_eq!(accuracy(&[1, 0, 1, 1], &[1, 1, 1, 1]), 0.75);
    }

    #[test]
    fn probabilities_are_the_plain_forward_passs_bits() {
        let sizes = LayerSizes::new(vec![13, 4, 1]).unwrap();
        let parameters = Initialisation::He.parameters::<f64>(&sizes, 5);
        let values: Vec<u8> = (0..13 * 11).map(|i| (i * 37 % 256) as u8).collect();
        let x = ndarray::Array2::from_shape_fn((13, 11), |(k, j)| f64::from(values[j * 13 + k]));
        let plain = forward(&parameters, x, 1.0 / 255.0).a[2].row(0).to_vec();
        let columns = Columns::new(13, Values::U8(values)).unwrap();
        assert_eq!(probabilities(&parameters, &columns, 1.0 / 255.0), plain);
    }
}
